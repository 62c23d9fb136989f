/* SPDX-License-Identifier: MIT */
/*
 * What a context tells its VM's account (base/account.h): what others hold counts against the one
 * limit, imports are paid for when nobody else does any more, copies have a cap, and figures agree
 * with what happened. The other party is slot 5, played by the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "os/shm.h"
#include "support/venus_bench.h"
#include "venus/state.h"
#include "venus_wire/commands.h"

#define PAGE  UINT64_C(4096)
#define OTHER 5u

static struct venus_bench bench;
static struct venus_ring ring;
static struct venus_bytes b;
static struct pv_base_account *account;

static int setup(void **state)
{
    (void)state;
    venus_bench_init(&bench, false);
    account = bench.context->account;
    venus_ring_init(&ring, &bench, 4096, 0);
    venus_ring_start(&ring);
    b.size_bytes = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    venus_ring_finish(&ring);
    venus_bench_finish(&bench);
    return 0;
}

static int32_t allocate(uint64_t id, uint64_t size, uint32_t import_id)
{
    b.size_bytes = 0;
    venus_allocate(&b, VENUS_DEVICE, id, size, venus_bench_visible_type(), import_id, false, true);
    return venus_ring_result(&ring, &b);
}

static void free_memory(uint64_t id)
{
    b.size_bytes = 0;
    venus_destroy(&b, PV_WIRE_COMMAND_vkFreeMemory, VENUS_DEVICE, id);
    venus_ring_push(&ring, &b);
    assert_true(venus_ring_drain(&ring));
}

static uint64_t own_bytes(void)
{
    return pv_base_account_bytes(&account->memory, bench.context->account_slot);
}

static void test_memory_of_other_contexts(void **state)
{
    (void)state;
    pv_base_account_add(&account->memory, OTHER, VENUS_BENCH_MEMORY_BYTES / 2);
    assert_int_equal(allocate(100, VENUS_BENCH_MEMORY_BYTES / 2 + 1, 0),
                     VK_ERROR_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(own_bytes(), 0);
    assert_int_equal(allocate(100, VENUS_BENCH_MEMORY_BYTES / 2, 0), VK_SUCCESS);
    assert_int_equal(allocate(101, 1, 0), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    pv_base_account_clear(account, OTHER);
    assert_int_equal(allocate(101, VENUS_BENCH_MEMORY_BYTES / 2, 0), VK_SUCCESS);
    free_memory(100);
    free_memory(101);
    assert_int_equal(own_bytes(), 0);
}

/* Who made the memory pays for it, until all that is left of it is what was imported. */
static void test_imports_outlive_their_resource(void **state)
{
    const uint32_t id = venus_bench_attach(&bench, 16 * PAGE, false, NULL, NULL);

    (void)state;
    assert_int_equal(allocate(100, 16 * PAGE, id), VK_SUCCESS);
    assert_int_equal(allocate(101, 16 * PAGE, id), VK_SUCCESS);
    assert_int_equal(own_bytes(), 0);
    free_memory(101);
    assert_int_equal(pv_venus_context_leave(bench.context, id), 0);
    assert_int_equal(own_bytes(), 16 * PAGE);
    free_memory(100);
    assert_int_equal(own_bytes(), 0);
}

/* The message thread's copy of an indirect stream: 1 MiB at first. */
static void test_copies_at_the_cap(void **state)
{
    uint64_t stream_bytes;
    uint8_t *memory;
    const uint32_t id = venus_bench_attach(&bench, 2 << 20, true, &memory, NULL);
    uint64_t own = pv_base_account_bytes(&account->copies, bench.context->account_slot);

    (void)state;
    assert_int_equal(own, 4096); /* the ring's */
    pv_base_account_add(&account->copies, OTHER, PV_VENUS_COPY_MAX_BYTES - own - (1 << 20));
    b.size_bytes = 0;
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, 0);
    stream_bytes = b.size_bytes;
    memcpy(memory, b.bytes, stream_bytes);
    b.size_bytes = 0;
    venus_execute(&b, id, 0, stream_bytes);
    venus_bench_submit(&bench, &b);
    assert_false(venus_bench_is_lost(&bench));
    own = pv_base_account_bytes(&account->copies, bench.context->account_slot);
    assert_int_equal(own, 4096 + (1 << 20));
    /* One byte more, for a longer stream. */
    b.size_bytes = 0;
    venus_execute(&b, id, 0, (1 << 20) + 4);
    venus_bench_submit(&bench, &b);
    assert_true(venus_bench_is_lost(&bench));
    assert_non_null(strstr(bench.reason, "memory"));
    pv_os_shm_unmap(memory, 2 << 20);
}

static void test_ring_copies_at_the_cap(void **state)
{
    struct venus_ring more;

    (void)state;
    pv_base_account_add(&account->copies, OTHER, PV_VENUS_COPY_MAX_BYTES - 4096 - 8192);
    venus_ring_init(&more, &bench, 8192, 0);
    venus_ring_finish(&more);
    pv_base_account_add(&account->copies, OTHER, 1);
    venus_ring_prepare(&more, &bench, 8192);
    b.size_bytes = 0;
    venus_create_ring(&b, more.id, &more.layout);
    venus_bench_submit(&bench, &b);
    assert_true(venus_bench_is_lost(&bench));
    venus_ring_finish(&more);
}

static void test_figures(void **state)
{
    const struct pv_base_account_figures *figures = &account->figures[bench.context->account_slot];
    const uint64_t objects = atomic_load(&figures->object_count);
    const uint64_t commands = pv_base_account_commands(account, bench.context->account_slot);
    struct venus_ring more;

    (void)state;
    assert_int_equal(objects, 4); /* instance, physical device, device, queue */
    assert_true(commands >= 4);
    assert_int_equal(atomic_load(&figures->ring_count), 1);
    b.size_bytes = 0;
    venus_create_buffer(&b, VENUS_DEVICE, 200, 64, false);
    venus_create_buffer(&b, VENUS_DEVICE, 201, 64, false);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, 200);
    venus_ring_push(&ring, &b);
    assert_true(venus_ring_drain(&ring));
    /* The message thread's word, and the other ring's, after their batches. */
    venus_ring_init(&more, &bench, 4096, 0);
    assert_int_equal(atomic_load(&figures->ring_count), 2);
    venus_ring_finish(&more);
    venus_ring_finish(&ring);
    assert_int_equal(atomic_load(&figures->object_count), objects + 1);
    assert_int_equal(atomic_load(&figures->ring_count), 0);
    assert_true(atomic_load(&figures->commands[0]) >= 3);
    assert_true(atomic_load(&figures->commands[PV_VENUS_RING_MAX]) >= 3);
    assert_true(pv_base_account_commands(account, bench.context->account_slot) >= commands + 3);
    venus_ring_init(&ring, &bench, 4096, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_memory_of_other_contexts),
        TEST(test_imports_outlive_their_resource),
        TEST(test_copies_at_the_cap),
        TEST(test_ring_copies_at_the_cap),
        TEST(test_figures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
