/* SPDX-License-Identifier: MIT */
/*
 * venus/pool.c: descriptor sets and command buffers, allocated and freed in arrays, freed by the
 * reset and with the pool; arrays that name one twice, NULL, a stranger's, or nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/venus_fixture.h"

enum { POOL = 10, POOL2 = 11, LAYOUT = 12, COMMANDS = 13, COMMANDS2 = 14, POISONED = 15 };

static void create_descriptor_pool(uint64_t device, uint64_t id, bool reply)
{
    venus_command(&b, PV_WIRE_COMMAND_vkCreateDescriptorPool, reply);
    venus_u64(&b, device);
    venus_info(&b, VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO);
    venus_u32(&b, VK_DESCRIPTOR_POOL_CREATE_FREE_DESCRIPTOR_SET_BIT);
    venus_u32(&b, 8);
    venus_u32(&b, 1);
    venus_u64(&b, 1);
    venus_u32(&b, VK_DESCRIPTOR_TYPE_SAMPLER);
    venus_u32(&b, 8);
    venus_created(&b, id);
}

static void create_layout(uint64_t id)
{
    venus_command(&b, PV_WIRE_COMMAND_vkCreateDescriptorSetLayout, false);
    venus_u64(&b, VENUS_DEVICE);
    venus_info(&b, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO);
    venus_u32(&b, 0);
    venus_u32(&b, 0);
    venus_u64(&b, 0);
    venus_created(&b, id);
}

static uint64_t layout = LAYOUT; /* of the sets */

static void allocate_sets(uint64_t pool, uint32_t count, const uint64_t *ids, bool reply)
{
    venus_command(&b, PV_WIRE_COMMAND_vkAllocateDescriptorSets, reply);
    venus_u64(&b, VENUS_DEVICE);
    venus_info(&b, VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO);
    venus_u64(&b, pool);
    venus_u32(&b, count);
    venus_u64(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        venus_u64(&b, layout);
    }
    venus_ids(&b, count, ids);
}

static void free_sets(uint64_t pool, uint32_t count, const uint64_t *ids)
{
    venus_command(&b, PV_WIRE_COMMAND_vkFreeDescriptorSets, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, pool);
    venus_u32(&b, count);
    venus_ids(&b, count, ids);
}

static void reset_pool(uint32_t number, uint64_t pool)
{
    venus_command(&b, number, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, pool);
    venus_u32(&b, 0);
}

static void prepare(void)
{
    create_descriptor_pool(VENUS_DEVICE, POOL, false);
    create_descriptor_pool(VENUS_DEVICE, POOL2, false);
    create_layout(LAYOUT);
    venus_create_command_pool(&b, VENUS_DEVICE, COMMANDS, false);
    venus_create_command_pool(&b, VENUS_DEVICE, COMMANDS2, false);
    run();
    fake_driver_fail_next("vkCreateDescriptorPool", VK_ERROR_FRAGMENTATION_EXT);
    create_descriptor_pool(VENUS_DEVICE, POISONED, false);
    run();
}

static unsigned sets(void)
{
    return fake_driver_live(VK_OBJECT_TYPE_DESCRIPTOR_SET);
}

static unsigned buffers(void)
{
    return fake_driver_live(VK_OBJECT_TYPE_COMMAND_BUFFER);
}

/* ---- descriptor sets ---- */

static void test_sets(void **state)
{
    static const uint64_t ids[] = {20, 21, 22};
    static const uint64_t some[] = {22, 0, 20};
    const uint32_t *words;

    (void)state;
    allocate_sets(POOL, 3, ids, true);
    words = answer();
    assert_int_equal(words[1], VK_SUCCESS);
    assert_int_equal(word64(words + 2), 3);
    assert_int_equal(word64(words + 8), 22);
    assert_int_equal(sets(), 3);
    free_sets(POOL, 3, some); /* NULL among them is nothing to free */
    assert_int_equal(result(), VK_SUCCESS);
    assert_int_equal(sets(), 1);
    assert_int_equal(fake_driver_last_call("vkFreeDescriptorSets").values[0], 2);
    allocate_sets(POOL, 1, ids, true);
    assert_int_equal(result(), VK_SUCCESS);
}

/* A program that resets its pool each frame uses its ids again. */
static void test_a_reset_frees_them_all(void **state)
{
    static const uint64_t ids[] = {20, 21};
    static const uint64_t others[] = {30};

    (void)state;
    allocate_sets(POOL2, 1, others, false);
    for (uint32_t frame = 0; frame < 20; frame++) {
        allocate_sets(POOL, 2, ids, true);
        assert_int_equal(result(), VK_SUCCESS);
        assert_int_equal(sets(), 3);
        reset_pool(PV_WIRE_COMMAND_vkResetDescriptorPool, POOL);
        assert_int_equal(result(), VK_SUCCESS);
        assert_int_equal(sets(), 1);
    }
    free_sets(POOL2, 1, others);
    assert_int_equal(result(), VK_SUCCESS);
    free_sets(POOL, 1, ids); /* gone with the reset */
    assert_loses();
}

static void test_sets_go_with_their_pool(void **state)
{
    static const uint64_t ids[] = {20, 21};

    (void)state;
    allocate_sets(POOL, 2, ids, false);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyDescriptorPool, VENUS_DEVICE, POOL);
    run();
    assert_int_equal(sets(), 0);
    create_descriptor_pool(VENUS_DEVICE, POOL, true);
    assert_int_equal(result(), VK_SUCCESS);
    allocate_sets(POOL, 2, ids, true); /* their ids are free again */
    assert_int_equal(result(), VK_SUCCESS);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyDescriptorPool, VENUS_DEVICE, POOL);
    free_sets(POOL, 2, ids);
    assert_loses();
}

/* An empty pool is how programs learn that they need the next one. */
static void test_a_pool_that_is_empty(void **state)
{
    static const uint64_t ids[] = {20, 21};

    (void)state;
    fake_driver_fail_next("vkAllocateDescriptorSets", VK_ERROR_OUT_OF_POOL_MEMORY);
    allocate_sets(POOL, 2, ids, true);
    assert_int_equal(result(), VK_ERROR_OUT_OF_POOL_MEMORY);
    allocate_sets(POOL2, 2, ids, true);
    assert_int_equal(result(), VK_SUCCESS);
    free_sets(POOL2, 2, ids);
    assert_int_equal(result(), VK_SUCCESS);

    /* Nobody waits: poisoned ones, which the driver never hears of. */
    fake_driver_fail_next("vkAllocateDescriptorSets", VK_ERROR_OUT_OF_POOL_MEMORY);
    allocate_sets(POOL, 2, ids, false);
    run();
    assert_int_equal(sets(), 0);
    free_sets(POOL, 2, ids);
    assert_int_equal(result(), VK_SUCCESS);
    assert_int_equal(fake_driver_last_call("vkFreeDescriptorSets").count, 1);
}

static void test_a_poisoned_pool(void **state)
{
    static const uint64_t ids[] = {20, 21};

    (void)state;
    allocate_sets(POISONED, 2, ids, true);
    assert_int_equal(result(), VK_ERROR_DEVICE_LOST);
    allocate_sets(POISONED, 2, ids, false);
    run();
    assert_int_equal(fake_driver_last_call("vkAllocateDescriptorSets").count, 0);
    reset_pool(PV_WIRE_COMMAND_vkResetDescriptorPool, POISONED);
    assert_int_equal(result(), VK_ERROR_DEVICE_LOST);
    free_sets(POISONED, 2, ids);
    assert_int_equal(result(), VK_SUCCESS);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyDescriptorPool, VENUS_DEVICE, POISONED);
    run();
}

/* ---- arrays that are wrong, for both kinds ---- */

static void allocate_buffers(uint64_t pool, uint32_t count, const uint64_t *ids, bool reply)
{
    venus_allocate_command_buffers(&b, VENUS_DEVICE, pool, count, ids, reply);
}

static void free_buffers(uint64_t pool, uint32_t count, const uint64_t *ids)
{
    venus_free_command_buffers(&b, VENUS_DEVICE, pool, count, ids);
}

static const struct {
    void (*allocate)(uint64_t pool, uint32_t count, const uint64_t *ids, bool reply);
    void (*release)(uint64_t pool, uint32_t count, const uint64_t *ids);
    uint64_t pool;
    uint64_t other_pool;
    uint64_t wrong; /* of another type */
    uint32_t count_offset;
} kinds[] = {
    {allocate_sets, free_sets, POOL, POOL2, COMMANDS, 44},
    {allocate_buffers, free_buffers, COMMANDS, COMMANDS2, POOL, 48},
};

static void test_arrays_to_free(void **state)
{
    static const uint64_t ids[] = {20, 21};
    static const uint64_t bad[][3] = {
        {20, 21, 20},     /* twice */
        {20, 99, 21},     /* no such thing */
        {20, LAYOUT, 21}, /* another type */
        {20, UINT64_MAX, 21},
    };

    (void)state;
    for (size_t kind = 0; kind < PV_ARRAY_LEN(kinds); kind++) {
        for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
            kinds[kind].allocate(kinds[kind].pool, 2, ids, false);
            run();
            kinds[kind].release(kinds[kind].pool, 3, bad[i]);
            assert_loses();
        }
        kinds[kind].allocate(kinds[kind].pool, 2, ids, false);
        run();
        kinds[kind].release(kinds[kind].other_pool, 2, ids); /* not from there */
        assert_loses();
        kinds[kind].release(kinds[kind].wrong, 0, ids);
        assert_loses();
        kinds[kind].release(kinds[kind].pool, 0, ids); /* nothing at all */
        run();
    }
}

/* Drivers look into a layout without asking whether there is one. */
static void test_layouts_that_no_set_can_have(void **state)
{
    static const uint64_t bad[] = {0, 99, POOL, UINT64_MAX};
    static const uint64_t ids[] = {20};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        layout = bad[i];
        allocate_sets(POOL, 1, ids, false);
        layout = LAYOUT;
        assert_loses();
        assert_int_equal(fake_driver_misuses(), 0);
    }
}

static void test_arrays_to_allocate(void **state)
{
    static const uint64_t bad[][3] = {{20, 21, 20}, {20, 0, 21}, {20, VENUS_QUEUE, 21}};
    static const uint64_t ids[] = {20, 21};

    (void)state;
    for (size_t kind = 0; kind < PV_ARRAY_LEN(kinds); kind++) {
        static const uint32_t counts[] = {0, 1, 3, 65536, 65537, UINT32_MAX};

        for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
            kinds[kind].allocate(kinds[kind].pool, 3, bad[i], true);
            assert_loses();
        }
        for (size_t i = 0; i < PV_ARRAY_LEN(counts); i++) {
            kinds[kind].allocate(kinds[kind].pool, 2, ids, true);
            memcpy(b.bytes + kinds[kind].count_offset, &counts[i], sizeof(counts[i]));
            assert_loses();
        }
        kinds[kind].allocate(kinds[kind].wrong, 2, ids, true);
        assert_loses();
        kinds[kind].allocate(0, 2, ids, true);
        assert_loses();
        kinds[kind].allocate(99, 2, ids, true);
        assert_loses();
    }
}

/* ---- command pools ---- */

static void test_a_reset_keeps_command_buffers(void **state)
{
    static const uint64_t ids[] = {20, 21};

    (void)state;
    allocate_buffers(COMMANDS, 2, ids, false);
    run();
    reset_pool(PV_WIRE_COMMAND_vkResetCommandPool, COMMANDS);
    assert_int_equal(result(), VK_SUCCESS);
    assert_int_equal(fake_driver_last_call("vkResetCommandPool").count, 1);
    assert_int_equal(buffers(), 2);
    free_buffers(COMMANDS, 2, ids);
    run();
    assert_int_equal(buffers(), 0);
    fake_driver_fail_next("vkCreateCommandPool", VK_ERROR_OUT_OF_HOST_MEMORY);
    venus_create_command_pool(&b, VENUS_DEVICE, 40, false);
    run();
    reset_pool(PV_WIRE_COMMAND_vkResetCommandPool, 40);
    assert_int_equal(result(), VK_ERROR_DEVICE_LOST);
    reset_pool(PV_WIRE_COMMAND_vkResetCommandPool, POOL);
    assert_loses();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sets),
        TEST(test_a_reset_frees_them_all),
        TEST(test_sets_go_with_their_pool),
        TEST(test_a_pool_that_is_empty),
        TEST(test_a_poisoned_pool),
        TEST(test_arrays_to_free),
        TEST(test_layouts_that_no_set_can_have),
        TEST(test_arrays_to_allocate),
        TEST(test_a_reset_keeps_command_buffers),
    };

    fixture_prepare = prepare;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
