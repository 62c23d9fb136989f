/* SPDX-License-Identifier: MIT */
/*
 * venus/object.c, pool.c, device.c and instance.c: life and death of objects, on one ring and on
 * several at once. The fake driver counts each call with a handle that is dead; the sanitizer build
 * sees what we ourselves touch too late.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/venus_fixture.h"
#include "venus_wire/commands.h"

static void reset(void)
{
    b.size_bytes = 0;
}

static void buffer(uint64_t id)
{
    venus_create_buffer(&b, VENUS_DEVICE, id, 64, false);
}

static void destroy_buffer(uint64_t device, uint64_t id)
{
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyBuffer, device, id);
}

/* ---- one ring ---- */

static void test_handles(void **state)
{
    static const uint64_t absent[] = {99, UINT64_C(1) << 24, UINT64_C(1) << 63, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        destroy_buffer(VENUS_DEVICE, absent[i]);
        assert_loses();
        destroy_buffer(absent[i], 0);
        assert_loses();
    }
    destroy_buffer(VENUS_DEVICE, 0); /* VK_NULL_HANDLE is nothing to destroy */
    run();
    destroy_buffer(0, 0);
    assert_loses();
    destroy_buffer(VENUS_DEVICE, VENUS_QUEUE); /* another type */
    assert_loses();
    buffer(0); /* an id of 0, and one that is taken */
    assert_loses();
    buffer(VENUS_QUEUE);
    assert_loses();
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_BUFFER), 0);
    buffer(10);
    destroy_buffer(VENUS_DEVICE, 10);
    destroy_buffer(VENUS_DEVICE, 10); /* twice */
    assert_loses();
    for (size_t i = 1; i < sizeof(absent) / sizeof(absent[0]); i++) {
        buffer(absent[i]); /* any other number will do */
    }
    run();
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_BUFFER), 3);
}

static void second_device(void)
{
    reset();
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 5);
    assert_int_equal(venus_ring_result(&ring, &b), 0);
    reset();
}

/* An object of one device in a command of another. */
static void test_foreign_devices(void **state)
{
    const uint64_t ids[2] = {30, 31};

    (void)state;
    second_device();
    buffer(10);
    run();
    destroy_buffer(5, 10);
    assert_loses();

    second_device();
    venus_create_semaphore(&b, 5, 11);
    run();
    venus_queue_submit(&b, VENUS_QUEUE, &(struct venus_submit){.signal_count = 1, .signals = {11}},
                       false);
    assert_loses();

    second_device();
    venus_create_command_pool(&b, VENUS_DEVICE, 12, false);
    run();
    venus_allocate_command_buffers(&b, 5, 12, 2, ids, false);
    assert_loses();
    assert_int_equal(fake_driver_misuses(), 0);
}

static void test_a_device_goes_with_its_children(void **state)
{
    const uint64_t ids[3] = {30, 31, 32};

    (void)state;
    second_device();
    venus_get_queue(&b, 5, 0, 6, 2);
    for (uint64_t id = 10; id < 20; id++) {
        venus_create_buffer(&b, 5, id, 64, false);
        venus_create_fence(&b, 5, id + 30, false);
        venus_allocate(&b, 5, id + 50, 4096, venus_bench_visible_type(), 0, false, false);
    }
    venus_create_command_pool(&b, 5, 20, false);
    venus_allocate_command_buffers(&b, 5, 20, 3, ids, false);
    run();
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_BUFFER), 10);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_COMMAND_BUFFER), 3);
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, 5);
    run();
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_BUFFER), 0);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_COMMAND_BUFFER), 0);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE), 1);
    buffer(10); /* the numbers are free again, and so is the timeline */
    second_device();
    venus_get_queue(&b, 5, 0, 6, 2);
    run();
    destroy_buffer(5, 11); /* the children are not */
    assert_loses();
}

static void test_queues(void **state)
{
    (void)state;
    venus_get_queue(&b, VENUS_DEVICE, 0, 20, 2); /* again: two locks for one queue */
    assert_loses();
    second_device();
    venus_get_queue(&b, 5, 0, 20, 1); /* a timeline that is taken */
    assert_loses();
    second_device();
    venus_get_queue(&b, 5, 1, 20, 2); /* an index that the device does not have */
    assert_loses();
    second_device();
    venus_get_queue(&b, 5, UINT32_MAX, 20, 2);
    assert_loses();
    second_device();
    venus_get_queue(&b, 5, 0, 20, 0);
    assert_loses();
    second_device();
    venus_get_queue(&b, 5, 0, 20, 64);
    assert_loses();
    second_device();
    venus_get_queue(&b, 5, 0, 20, 63);
    run();
}

static void test_pools(void **state)
{
    const uint64_t ids[4] = {30, 31, 32, 33};
    const uint64_t twice[2] = {30, 30};
    const uint64_t holes[4] = {0, 31, 0, 33};

    (void)state;
    venus_create_command_pool(&b, VENUS_DEVICE, 20, false);
    venus_create_command_pool(&b, VENUS_DEVICE, 21, false);
    venus_allocate_command_buffers(&b, VENUS_DEVICE, 20, 4, ids, false);
    venus_free_command_buffers(&b, VENUS_DEVICE, 20, 4, holes);
    run();
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_COMMAND_BUFFER), 2);
    venus_free_command_buffers(&b, VENUS_DEVICE, 20, 2, twice);
    assert_loses();

    venus_create_command_pool(&b, VENUS_DEVICE, 20, false);
    venus_create_command_pool(&b, VENUS_DEVICE, 21, false);
    venus_allocate_command_buffers(&b, VENUS_DEVICE, 20, 4, ids, false);
    run();
    venus_free_command_buffers(&b, VENUS_DEVICE, 21, 1, ids); /* of another pool */
    assert_loses();
    venus_allocate_command_buffers(&b, VENUS_DEVICE, 0, 4, ids, false); /* of none */
    assert_loses();

    venus_create_command_pool(&b, VENUS_DEVICE, 20, false);
    venus_allocate_command_buffers(&b, VENUS_DEVICE, 20, 4, ids, false);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyCommandPool, VENUS_DEVICE, 20);
    run();
    venus_create_command_pool(&b, VENUS_DEVICE, 20, false);
    run();
    venus_free_command_buffers(&b, VENUS_DEVICE, 20, 4, ids); /* went with the first pool */
    assert_loses();
}

static void test_poisoned_pools(void **state)
{
    const uint64_t ids[2] = {30, 31};

    (void)state;
    fake_driver_fail_next("vkCreateCommandPool", VK_ERROR_OUT_OF_HOST_MEMORY);
    venus_create_command_pool(&b, VENUS_DEVICE, 20, false);
    venus_allocate_command_buffers(&b, VENUS_DEVICE, 20, 2, ids, false);
    venus_queue_submit(
        &b, VENUS_QUEUE,
        &(struct venus_submit){.command_buffer_count = 2, .command_buffers = {30, 31}}, false);
    venus_free_command_buffers(&b, VENUS_DEVICE, 20, 2, ids);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyCommandPool, VENUS_DEVICE, 20);
    run();
    assert_int_equal(fake_driver_last_submit().command_buffer_count, 0);

    /* The answer says that there is none, and then there is none. */
    fake_driver_fail_next("vkCreateCommandPool", VK_ERROR_OUT_OF_HOST_MEMORY);
    venus_create_command_pool(&b, VENUS_DEVICE, 20, true);
    assert_int_equal(venus_ring_result(&ring, &b), VK_ERROR_OUT_OF_HOST_MEMORY);
    reset();
    venus_create_command_pool(&b, VENUS_DEVICE, 20, true);
    assert_int_equal(venus_ring_result(&ring, &b), VK_SUCCESS);
    fake_driver_fail_next("vkAllocateCommandBuffers", VK_ERROR_OUT_OF_DEVICE_MEMORY);
    reset();
    venus_allocate_command_buffers(&b, VENUS_DEVICE, 20, 2, ids, true);
    assert_int_equal(venus_ring_result(&ring, &b), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    reset();
    venus_allocate_command_buffers(&b, VENUS_DEVICE, 20, 2, ids, true);
    assert_int_equal(venus_ring_result(&ring, &b), VK_SUCCESS);
}

static void test_instances(void **state)
{
    (void)state;
    venus_create_instance(&b, 50); /* a second one */
    assert_loses();
    buffer(10);
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyInstance, VENUS_INSTANCE);
    run();
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_DEVICE), 0);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_BUFFER), 0);
    venus_ring_start(&ring); /* and all over again */
    reset();
    destroy_buffer(VENUS_DEVICE, 10);
    assert_loses();
    venus_enumerate_devices(&b, VENUS_INSTANCE, 77); /* it has another number already */
    assert_loses();
    venus_enumerate_devices(&b, VENUS_DEVICE, 77);
    assert_loses();
}

static void test_a_device_that_cannot_be_made(void **state)
{
    (void)state;
    fake_driver_fail_next("vkCreateDevice", VK_ERROR_TOO_MANY_OBJECTS);
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, 5);
    assert_int_equal(venus_ring_result(&ring, &b), VK_ERROR_TOO_MANY_OBJECTS);
    second_device();
}

/* ---- several rings ---- */

#define ROUNDS 40
#define TRIALS 10

/* A guest's thread with a ring of its own; it never waits, so that the rings run at once. */
struct player {
    struct venus_ring ring;
    pthread_t thread;
    void (*play)(struct player *player, uint32_t round, struct venus_bytes *bytes);
    uint32_t index;
};

static void *player_main(void *user)
{
    struct player *player = user;
    struct venus_bytes *bytes = calloc(1, sizeof(*bytes));

    for (uint32_t round = 0; bytes != NULL && round < ROUNDS; round++) {
        bytes->size_bytes = 0;
        player->play(player, round, bytes);
        venus_ring_write(&player->ring, bytes);
        while (venus_ring_word(&player->ring, player->ring.layout.head) != player->ring.tail
               && (venus_ring_status(&player->ring) & VENUS_FATAL) == 0) {
            (void)sched_yield();
        }
    }
    free(bytes);
    return NULL;
}

/* Rings that never sleep for long: nobody notifies them. */
static void players_run(struct player *players, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        players[i].index = i;
        venus_ring_prepare(&players[i].ring, &bench, 16384);
        players[i].ring.layout.idle_ns = UINT64_MAX;
        reset();
        venus_create_ring(&b, players[i].ring.id, &players[i].ring.layout);
        venus_bench_submit(&bench, &b);
    }
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(pthread_create(&players[i].thread, NULL, player_main, &players[i]), 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(pthread_join(players[i].thread, NULL), 0);
        venus_ring_finish(&players[i].ring);
    }
    reset();
}

/* Each with objects of its own: nothing is lost, nothing is left. */
static void play_apart(struct player *player, uint32_t round, struct venus_bytes *bytes)
{
    const uint64_t base = 1000 + player->index * 100;
    const uint64_t ids[2] = {base + 21, base + 22};

    (void)round;
    for (uint64_t id = base; id < base + 8; id++) {
        venus_create_buffer(bytes, VENUS_DEVICE, id, 64, false);
    }
    venus_create_command_pool(bytes, VENUS_DEVICE, base + 20, false);
    venus_allocate_command_buffers(bytes, VENUS_DEVICE, base + 20, 2, ids, false);
    venus_free_command_buffers(bytes, VENUS_DEVICE, base + 20, 1, ids);
    for (uint64_t id = base; id < base + 8; id++) {
        venus_destroy(bytes, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, id);
    }
    venus_destroy(bytes, PV_WIRE_COMMAND_vkDestroyCommandPool, VENUS_DEVICE, base + 20);
}

static void test_rings_that_do_not_touch(void **state)
{
    static struct player players[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        players[i].play = play_apart;
    }
    players_run(players, 3);
    assert_false(venus_bench_is_lost(&bench));
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_BUFFER), 0);
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_COMMAND_POOL), 0);
}

/* One removes what others use, and puts it back: what they do is a fault in the end, and never more
 * than that. */
static void play_remover(struct player *player, uint32_t round, struct venus_bytes *bytes)
{
    (void)player;
    (void)round;
    venus_create_buffer(bytes, VENUS_DEVICE, 500, 64, false);
    venus_destroy(bytes, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, 500);
}

static void play_user(struct player *player, uint32_t round, struct venus_bytes *bytes)
{
    (void)player;
    (void)round;
    venus_command(bytes, PV_WIRE_COMMAND_vkBindBufferMemory, false);
    venus_u64(bytes, VENUS_DEVICE);
    venus_u64(bytes, 500);
    venus_u64(bytes, 501);
    venus_u64(bytes, 0);
}

static void test_a_ring_uses_what_another_removes(void **state)
{
    static struct player players[2];

    (void)state;
    for (uint32_t i = 0; i < TRIALS; i++) {
        reset();
        venus_allocate(&b, VENUS_DEVICE, 501, 4096, venus_bench_visible_type(), 0, false, false);
        run();
        players[0].play = play_remover;
        players[1].play = play_user;
        players_run(players, 2);
        assert_int_equal(fake_driver_misuses(), 0);
        (void)fixture_teardown(NULL);
        (void)fixture_setup(NULL);
    }
}

/* All fight for the same pool and its children. */
static void play_pool(struct player *player, uint32_t round, struct venus_bytes *bytes)
{
    const uint64_t ids[2] = {600 + 2 * player->index, 601 + 2 * player->index};

    switch ((round + player->index) % 3) {
    case 0:
        venus_create_command_pool(bytes, VENUS_DEVICE, 550 + player->index, false);
        venus_allocate_command_buffers(bytes, VENUS_DEVICE, 550, 2, ids, false);
        break;
    case 1:
        venus_free_command_buffers(bytes, VENUS_DEVICE, 550, 2, ids);
        break;
    default:
        venus_destroy(bytes, PV_WIRE_COMMAND_vkDestroyCommandPool, VENUS_DEVICE,
                      550 + player->index);
        break;
    }
}

static void play_device(struct player *player, uint32_t round, struct venus_bytes *bytes)
{
    (void)player;
    switch (round % 2) {
    case 0:
        venus_create_buffer(bytes, 5, 700, 64, false);
        venus_create_fence(bytes, 5, 701, false);
        break;
    default:
        venus_destroy_first(bytes, PV_WIRE_COMMAND_vkDestroyDevice, 5);
        break;
    }
}

static void play_instance(struct player *player, uint32_t round, struct venus_bytes *bytes)
{
    (void)player;
    (void)round;
    venus_destroy_first(bytes, PV_WIRE_COMMAND_vkDestroyInstance, VENUS_INSTANCE);
}

static void play_childs(struct player *player, uint32_t round, struct venus_bytes *bytes)
{
    (void)player;
    (void)round;
    venus_create_buffer(bytes, 5, 702, 64, false);
    venus_destroy(bytes, PV_WIRE_COMMAND_vkDestroyBuffer, 5, 702);
}

static void test_rings_that_fight(void **state)
{
    static void (*const plays[][2])(struct player *, uint32_t, struct venus_bytes *) = {
        {play_pool, play_pool},       {play_device, play_childs},   {play_device, play_device},
        {play_instance, play_childs}, {play_instance, play_device}, {play_remover, play_remover},
    };
    static struct player players[2];

    (void)state;
    for (uint32_t i = 0; i < TRIALS * sizeof(plays) / sizeof(plays[0]); i++) {
        second_device();
        venus_create_command_pool(&b, VENUS_DEVICE, 550, false);
        run();
        players[0].play = plays[i / TRIALS][0];
        players[1].play = plays[i / TRIALS][1];
        players_run(players, 2);
        (void)fixture_teardown(NULL);
        (void)fixture_setup(NULL);
    }
}

/* The context ends while its rings are at it. */
static void test_the_end_comes_in_between(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < TRIALS; i++) {
        struct venus_ring second;

        venus_ring_init(&second, &bench, 65536, 0);
        reset();
        for (uint64_t id = 100; id < 200; id++) {
            buffer(id);
            destroy_buffer(VENUS_DEVICE, id);
        }
        venus_ring_write(&ring, &b);
        reset();
        for (uint64_t id = 300; id < 400; id++) {
            buffer(id);
            destroy_buffer(VENUS_DEVICE, id);
        }
        venus_ring_write(&second, &b);
        venus_ring_finish(&second);
        (void)fixture_teardown(NULL);
        (void)fixture_setup(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_handles),
        TEST(test_foreign_devices),
        TEST(test_a_device_goes_with_its_children),
        TEST(test_queues),
        TEST(test_pools),
        TEST(test_poisoned_pools),
        TEST(test_instances),
        TEST(test_a_device_that_cannot_be_made),
        TEST(test_rings_that_do_not_touch),
        TEST(test_a_ring_uses_what_another_removes),
        TEST(test_rings_that_fight),
        TEST(test_the_end_comes_in_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
