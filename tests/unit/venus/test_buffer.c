/* SPDX-License-Identifier: MIT */
/*
 * venus/buffer.c: memory requirements in the guest's terms by all three questions, binds of one and
 * of many, device addresses; and each with what is poisoned, freed, foreign, or out of range.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/venus_fixture.h"

#define PAGE UINT64_C(4096)

enum { BUFFER = 10, MEMORY = 11, POISONED = 12, DEVICE2 = 13, FOREIGN = 14 };

static void prepare(void)
{
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, DEVICE2);
    assert_int_equal(result(), VK_SUCCESS);
    venus_create_buffer(&b, VENUS_DEVICE, BUFFER, 192, false);
    venus_create_buffer(&b, DEVICE2, FOREIGN, 192, false);
    venus_allocate(&b, VENUS_DEVICE, MEMORY, PAGE, venus_bench_visible_type(), 0, false, false);
    run();
    fake_driver_fail_next("vkCreateBuffer", VK_ERROR_OUT_OF_HOST_MEMORY);
    venus_create_buffer(&b, VENUS_DEVICE, POISONED, 192, false);
    run();
}

/* ---- requirements ---- */

static void ask(uint64_t id)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetBufferMemoryRequirements, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, id);
    venus_u64(&b, 1);
}

static void answer_skeleton(bool has_dedicated)
{
    venus_u64(&b, 1);
    venus_u32(&b, VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2);
    venus_u64(&b, has_dedicated);
    if (has_dedicated) {
        venus_u32(&b, VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS);
        venus_u64(&b, 0);
    }
}

static void ask2(uint64_t id)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetBufferMemoryRequirements2, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_info(&b, VK_STRUCTURE_TYPE_BUFFER_MEMORY_REQUIREMENTS_INFO_2);
    venus_u64(&b, id);
    answer_skeleton(true);
}

static void ask_device(uint64_t size)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetDeviceBufferMemoryRequirements, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_info(&b, VK_STRUCTURE_TYPE_DEVICE_BUFFER_MEMORY_REQUIREMENTS);
    venus_info(&b, VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO);
    venus_u32(&b, 0);
    venus_u64(&b, size);
    venus_u32(&b, VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    venus_u32(&b, 0);
    venus_u32(&b, 0);
    venus_u64(&b, 0);
    answer_skeleton(false);
}

/* The driver has one type; the guest's mask names a type that it may really allocate. */
static uint32_t guest_bits(void)
{
    return 1u << venus_bench_visible_type();
}

static void test_requirements(void **state)
{
    const uint32_t *words;

    (void)state;
    ask(BUFFER);
    words = answer();
    assert_int_equal(word64(words + 1), 1);
    assert_int_equal(word64(words + 3), 192);
    assert_int_equal(word64(words + 5), 64);
    assert_int_not_equal(words[7] & guest_bits(), 0);

    ask2(BUFFER);
    words = answer();
    /* number, pointer, sType, one node and its sType, end, its two members, then our members */
    assert_int_equal(words[3], VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2);
    assert_int_equal(words[6], VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS);
    assert_int_equal(word64(words + 11), 192);
    assert_int_not_equal(words[15] & guest_bits(), 0);

    ask_device(640);
    words = answer();
    assert_int_equal(words[3], VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2);
    assert_int_equal(word64(words + 6), 640);
    assert_int_not_equal(words[10] & guest_bits(), 0);
}

/* All three say the same: programs ask one and bind by another. */
static void test_the_questions_agree(void **state)
{
    uint32_t bits[3];

    (void)state;
    ask(BUFFER);
    bits[0] = answer()[7];
    ask2(BUFFER);
    bits[1] = answer()[15];
    ask_device(192);
    bits[2] = answer()[10];
    assert_int_equal(bits[0], bits[1]);
    assert_int_equal(bits[0], bits[2]);
}

static void test_requirements_of_a_poisoned_one(void **state)
{
    (void)state;
    ask(POISONED);
    assert_int_equal(word64(answer() + 3), 0);
    ask2(POISONED);
    assert_int_equal(word64(answer() + 11), 0);
    assert_false(venus_bench_is_lost(&bench));
}

static void test_requirements_of_strangers(void **state)
{
    static const uint64_t bad[] = {99, MEMORY, FOREIGN, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        ask(bad[i]);
        assert_loses();
        ask2(bad[i]);
        assert_loses();
    }
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, BUFFER);
    ask(BUFFER);
    assert_loses();
    fake_driver_lack("vkGetDeviceBufferMemoryRequirements");
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE);
    run();
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE);
    assert_int_equal(result(), VK_SUCCESS);
    ask_device(64);
    assert_loses();
}

/* ---- binds ---- */

struct bind {
    uint64_t buffer;
    uint64_t memory;
    uint64_t offset;
};

static void bind2(uint32_t count, const struct bind *binds)
{
    venus_command(&b, PV_WIRE_COMMAND_vkBindBufferMemory2, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_u32(&b, count);
    venus_u64(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        venus_u32(&b, VK_STRUCTURE_TYPE_BIND_BUFFER_MEMORY_INFO);
        venus_u64(&b, 0);
        venus_u64(&b, binds[i].buffer);
        venus_u64(&b, binds[i].memory);
        venus_u64(&b, binds[i].offset);
    }
}

static void test_binds(void **state)
{
    const struct bind two[] = {{BUFFER, MEMORY, 0}, {20, MEMORY, PAGE - 192}};

    (void)state;
    venus_create_buffer(&b, VENUS_DEVICE, 20, 192, false);
    run();
    bind2(2, two);
    assert_int_equal(result(), VK_SUCCESS);
    assert_int_equal(fake_driver_last_call("vkBindBufferMemory2").values[0], 2);
    venus_bind_buffer(&b, VENUS_DEVICE, BUFFER, MEMORY, PAGE - 192);
    assert_int_equal(result(), VK_SUCCESS);
}

/* One bad element, and the driver hears of none: it would write past the memory's end. */
static void test_binds_that_do_not_fit(void **state)
{
    static const struct bind bad[] = {
        {BUFFER, MEMORY, PAGE - 128},
        {BUFFER, MEMORY, PAGE},
        {BUFFER, MEMORY, 1},
        {BUFFER, MEMORY, UINT64_MAX - 63},
        {BUFFER, MEMORY, PAGE - 192 + 1},
        {BUFFER, 0, 0},
        {0, MEMORY, 0},
    };

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        const struct bind two[] = {{BUFFER, MEMORY, 0}, bad[i]};

        bind2(2, two);
        assert_int_equal(result(), VK_ERROR_OUT_OF_DEVICE_MEMORY);
        assert_int_equal(fake_driver_last_call("vkBindBufferMemory2").count, 0);
        venus_bind_buffer(&b, VENUS_DEVICE, bad[i].buffer, bad[i].memory, bad[i].offset);
        assert_int_equal(result(), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    }
}

static void test_binds_of_what_is_poisoned(void **state)
{
    const struct bind two[] = {{BUFFER, MEMORY, 0}, {POISONED, MEMORY, 0}};

    (void)state;
    bind2(2, two);
    assert_int_equal(result(), VK_ERROR_DEVICE_LOST);
    assert_int_equal(fake_driver_last_call("vkBindBufferMemory2").count, 0);
}

static void test_binds_of_strangers(void **state)
{
    static const struct bind bad[] = {
        {99, MEMORY, 0}, {BUFFER, 99, 0}, {MEMORY, BUFFER, 0}, {FOREIGN, MEMORY, 0}};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        bind2(1, &bad[i]);
        assert_loses();
    }
    venus_destroy(&b, PV_WIRE_COMMAND_vkFreeMemory, VENUS_DEVICE, MEMORY);
    bind2(1, &(struct bind){BUFFER, MEMORY, 0});
    assert_loses();
}

/* ---- addresses ---- */

static void ask_address(uint64_t id)
{
    venus_command(&b, PV_WIRE_COMMAND_vkGetBufferDeviceAddress, true);
    venus_u64(&b, VENUS_DEVICE);
    venus_info(&b, VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO);
    venus_u64(&b, id);
}

static void test_addresses(void **state)
{
    (void)state;
    ask_address(BUFFER);
    assert_int_equal(word64(answer() + 1), FAKE_DRIVER_ADDRESS);
    ask_address(POISONED);
    assert_int_equal(word64(answer() + 1), 0);
    ask_address(FOREIGN);
    assert_loses();
    ask_address(99);
    assert_loses();
    ask_address(0); /* drivers look into it */
    assert_loses();
    fake_driver_lack("vkGetBufferDeviceAddress");
    venus_destroy_first(&b, PV_WIRE_COMMAND_vkDestroyDevice, VENUS_DEVICE);
    run();
    venus_create_device(&b, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE);
    assert_int_equal(result(), VK_SUCCESS);
    venus_create_buffer(&b, VENUS_DEVICE, BUFFER, 192, false);
    run();
    ask_address(BUFFER);
    assert_loses();
}

/* The answer tells of the failure, so there is no object; unasked, there is a poisoned one. */
static void test_creation_that_fails(void **state)
{
    (void)state;
    fake_driver_fail_next("vkCreateBuffer", VK_ERROR_OUT_OF_DEVICE_MEMORY);
    venus_create_buffer(&b, VENUS_DEVICE, 20, 64, true);
    assert_int_equal(result(), VK_ERROR_OUT_OF_DEVICE_MEMORY);
    venus_create_buffer(&b, VENUS_DEVICE, 20, 64, true);
    assert_int_equal(result(), VK_SUCCESS); /* the id is still free */
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, 20);
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, POISONED);
    run();
    assert_int_equal(fake_driver_live(VK_OBJECT_TYPE_BUFFER), 2);
    venus_create_buffer(&b, VENUS_DEVICE, BUFFER, 64, false); /* the id is taken */
    assert_loses();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_requirements),
        TEST(test_the_questions_agree),
        TEST(test_requirements_of_a_poisoned_one),
        TEST(test_requirements_of_strangers),
        TEST(test_binds),
        TEST(test_binds_that_do_not_fit),
        TEST(test_binds_of_what_is_poisoned),
        TEST(test_binds_of_strangers),
        TEST(test_addresses),
        TEST(test_creation_that_fails),
    };

    fixture_prepare = prepare;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
