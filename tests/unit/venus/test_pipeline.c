/* SPDX-License-Identifier: MIT */
/*
 * venus/pipeline.c: arrays of pipelines of which some fail, answered and unanswered, for both
 * kinds; ids that are taken or named twice; counts that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/venus_fixture.h"

/* A vkCreate...Pipelines of count elements without stages. */
static void graphics(uint32_t count, const uint64_t *ids, bool reply)
{
    venus_command(&b, PV_WIRE_COMMAND_vkCreateGraphicsPipelines, reply);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, 0);
    venus_u32(&b, count);
    venus_u64(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        venus_u32(&b, VK_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO);
        venus_u64(&b, 0);
        venus_u32(&b, 0); /* flags */
        venus_u32(&b, 0); /* stages */
        for (uint32_t k = 0; k < 10; k++) {
            venus_u64(&b, 0); /* stages and nine states */
        }
        venus_u64(&b, 0); /* layout */
        venus_u64(&b, 0); /* render pass */
        venus_u32(&b, 0);
        venus_u64(&b, 0);
        venus_u32(&b, 0);
    }
    venus_u64(&b, 0);
    venus_ids(&b, count, ids);
}

static void compute(uint32_t count, const uint64_t *ids, bool reply)
{
    venus_command(&b, PV_WIRE_COMMAND_vkCreateComputePipelines, reply);
    venus_u64(&b, VENUS_DEVICE);
    venus_u64(&b, 0);
    venus_u32(&b, count);
    venus_u64(&b, count);
    for (uint32_t i = 0; i < count; i++) {
        venus_u32(&b, VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
        venus_u64(&b, 0);
        venus_u32(&b, 0);
        venus_u32(&b, VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO);
        venus_u64(&b, 0);
        venus_u32(&b, 0);
        venus_u32(&b, VK_SHADER_STAGE_COMPUTE_BIT);
        venus_u64(&b, 0); /* module */
        venus_u64(&b, 5); /* "main" */
        venus_u32(&b, 0x6e69616d);
        venus_u32(&b, 0);
        venus_u64(&b, 0); /* no specialization */
        venus_u64(&b, 0);
        venus_u64(&b, 0);
        venus_u32(&b, 0);
    }
    venus_u64(&b, 0);
    venus_ids(&b, count, ids);
}

static const struct {
    const char *name;
    void (*create)(uint32_t count, const uint64_t *ids, bool reply);
} kinds[] = {
    {"vkCreateGraphicsPipelines", graphics},
    {"vkCreateComputePipelines", compute},
};

static void destroy(uint64_t id)
{
    venus_destroy(&b, PV_WIRE_COMMAND_vkDestroyPipeline, VENUS_DEVICE, id);
}

static unsigned live(void)
{
    return fake_driver_live(VK_OBJECT_TYPE_PIPELINE);
}

static void test_all_are_made(void **state)
{
    static const uint64_t ids[] = {10, 11, 12};

    (void)state;
    for (size_t kind = 0; kind < PV_ARRAY_LEN(kinds); kind++) {
        const uint32_t *words;

        kinds[kind].create(3, ids, true);
        words = answer();
        assert_int_equal(words[1], VK_SUCCESS);
        assert_int_equal(word64(words + 2), 3);
        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(word64(words + 4 + 2 * i), ids[i]);
        }
        assert_int_equal(live(), 3);
        assert_int_equal(fake_driver_last_call(kinds[kind].name).values[0], 3);
        for (uint32_t i = 0; i < 3; i++) {
            destroy(ids[i]);
        }
        run();
        assert_int_equal(live(), 0);
    }
}

/* The answer names those that were made; the id of the one that was not stays free. */
static void test_some_fail_and_the_guest_waits(void **state)
{
    static const uint64_t ids[] = {10, 11, 12};

    (void)state;
    for (size_t kind = 0; kind < PV_ARRAY_LEN(kinds); kind++) {
        const uint32_t *words;

        fake_driver_fail_next(kinds[kind].name, VK_ERROR_OUT_OF_DEVICE_MEMORY);
        kinds[kind].create(3, ids, true);
        words = answer();
        assert_int_equal((int32_t)words[1], VK_ERROR_OUT_OF_DEVICE_MEMORY);
        assert_int_equal(word64(words + 4), 10);
        assert_int_equal(word64(words + 6), 11);
        assert_int_equal(word64(words + 8), 0);
        assert_int_equal(live(), 2);
        kinds[kind].create(1, ids + 2, true);
        assert_int_equal(result(), VK_SUCCESS);
        for (uint32_t i = 0; i < 3; i++) {
            destroy(ids[i]);
        }
        run();
    }
    destroy(10);
    assert_loses();
}

/* Nobody waits: the guest uses all three ids from now on. */
static void test_some_fail_and_nobody_waits(void **state)
{
    static const uint64_t ids[] = {10, 11, 12};

    (void)state;
    for (size_t kind = 0; kind < PV_ARRAY_LEN(kinds); kind++) {
        fake_driver_fail_next(kinds[kind].name, VK_PIPELINE_COMPILE_REQUIRED);
        kinds[kind].create(3, ids, false);
        run();
        assert_int_equal(live(), 2);
        for (uint32_t i = 0; i < 3; i++) {
            destroy(ids[i]);
        }
        run();
        assert_int_equal(live(), 0);
    }
}

/* A cache that could not be made: none of them is, and the driver is not asked. */
static void test_a_poisoned_cache(void **state)
{
    static const uint64_t ids[] = {10, 11};

    (void)state;
    fake_driver_fail_next("vkCreatePipelineCache", VK_ERROR_OUT_OF_HOST_MEMORY);
    venus_command(&b, PV_WIRE_COMMAND_vkCreatePipelineCache, false);
    venus_u64(&b, VENUS_DEVICE);
    venus_info(&b, VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO);
    venus_u32(&b, 0);
    venus_u64(&b, 0);
    venus_u64(&b, 0);
    venus_created(&b, 20);
    run();
    for (uint32_t reply = 0; reply < 2; reply++) {
        const uint64_t cache = 20;

        graphics(2, ids, reply == 1);
        memcpy(b.bytes + 16, &cache, sizeof(cache));
        if (reply == 1) {
            const uint32_t *words = answer();

            assert_int_equal((int32_t)words[1], VK_ERROR_DEVICE_LOST);
            assert_int_equal(word64(words + 4), 0);
        } else {
            run();
            destroy(ids[0]); /* poisoned ones */
            destroy(ids[1]);
            run();
        }
        assert_int_equal(fake_driver_last_call("vkCreateGraphicsPipelines").count, 0);
    }
}

/* What cannot be registered goes back to the driver: nothing leaks, nothing is destroyed twice. */
static void test_ids_that_are_taken(void **state)
{
    static const uint64_t bad[][3] = {{10, 11, 10}, {10, 0, 11}, {10, VENUS_QUEUE, 11}};

    (void)state;
    for (size_t kind = 0; kind < PV_ARRAY_LEN(kinds); kind++) {
        for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
            kinds[kind].create(3, bad[i], true);
            assert_loses(); /* whose teardown finds what is left or destroyed twice */
        }
    }
}

static void test_counts(void **state)
{
    static const uint64_t ids[] = {10};

    (void)state;
    for (size_t kind = 0; kind < PV_ARRAY_LEN(kinds); kind++) {
        const uint32_t bad[] = {0, 2, 65536, 65537, UINT32_MAX};

        for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
            kinds[kind].create(1, ids, true); /* an array of one, whatever is promised */
            memcpy(b.bytes + 24, &bad[i], sizeof(bad[i]));
            assert_loses();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_are_made),
        TEST(test_some_fail_and_the_guest_waits),
        TEST(test_some_fail_and_nobody_waits),
        TEST(test_a_poisoned_cache),
        TEST(test_ids_that_are_taken),
        TEST(test_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
