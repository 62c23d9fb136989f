/* SPDX-License-Identifier: MIT */
/*
 * vkhost/memory.c: which types a guest sees, their order, what stands behind them, and
 * memoryTypeBits.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "support/profile.h"
#include "vkhost/memory.h"

#define D VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
#define V VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
#define C VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
#define K VK_MEMORY_PROPERTY_HOST_CACHED_BIT

static struct pv_vkhost_facts facts;
static struct pv_vkhost_memory_map map;

static void expect_type(uint32_t index, VkMemoryPropertyFlags flags,
                        enum pv_vkhost_memory_kind plain, uint32_t plain_index,
                        enum pv_vkhost_memory_kind external, uint32_t external_index)
{
    assert_int_equal(map.types[index].flags, flags);
    assert_int_equal(map.properties.memoryTypes[index].propertyFlags, flags);
    assert_int_equal(map.types[index].plain.kind, plain);
    assert_int_equal(map.types[index].plain.host_index, plain_index);
    assert_int_equal(map.types[index].external.kind, external);
    if (external != PV_VKHOST_MEMORY_NONE) {
        assert_int_equal(map.types[index].external.host_index, external_index);
    }
}

static void test_single_type_gets_a_second(void **state)
{
    (void)state;
    pv_test_profile_load("lavapipe-25.0.7", &facts);
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 4096), 0);
    assert_int_equal(map.type_count, 2);
    expect_type(0, D, PV_VKHOST_MEMORY_DEVICE, 0, PV_VKHOST_MEMORY_IMPORT, 0);
    expect_type(1, D | V | C | K, PV_VKHOST_MEMORY_IMPORT, 0, PV_VKHOST_MEMORY_IMPORT, 0);
    assert_int_equal(pv_vkhost_memory_bits_translate(&map, 1, PV_VKHOST_RESOURCE_LINEAR), 3);
    assert_int_equal(pv_vkhost_memory_bits_translate(&map, 1, PV_VKHOST_RESOURCE_OPTIMAL), 1);
    assert_int_equal(pv_vkhost_memory_bits_translate(&map, 1, PV_VKHOST_RESOURCE_SPARSE), 1);
    assert_int_equal(pv_vkhost_memory_bits_translate(&map, 1, PV_VKHOST_RESOURCE_EXTERNAL), 3);
    assert_int_equal(pv_vkhost_memory_resource_bits(&map), 3);
}

static void test_visible_types_without_import_lose_it(void **state)
{
    (void)state;
    pv_test_profile_load("nvidia-h200-580.159", &facts);
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 4096), 0);
    assert_int_equal(map.type_count, 5);
    expect_type(0, 0, PV_VKHOST_MEMORY_DEVICE, 0, PV_VKHOST_MEMORY_NONE, 0);
    expect_type(1, D, PV_VKHOST_MEMORY_DEVICE, 1, PV_VKHOST_MEMORY_IMPORT, 3);
    expect_type(2, V | C, PV_VKHOST_MEMORY_IMPORT, 2, PV_VKHOST_MEMORY_IMPORT, 2);
    expect_type(3, V | C | K, PV_VKHOST_MEMORY_IMPORT, 3, PV_VKHOST_MEMORY_IMPORT, 3);
    expect_type(4, D, PV_VKHOST_MEMORY_DEVICE, 4, PV_VKHOST_MEMORY_IMPORT, 3);
    /* An optimal image: host types 0 and 1. A LINEAR one: all of them. */
    assert_int_equal(pv_vkhost_memory_bits_translate(&map, 0x03, PV_VKHOST_RESOURCE_OPTIMAL), 0x03);
    assert_int_equal(pv_vkhost_memory_bits_translate(&map, 0x1f, PV_VKHOST_RESOURCE_OPTIMAL), 0x13);
    assert_int_equal(pv_vkhost_memory_bits_translate(&map, 0x1f, PV_VKHOST_RESOURCE_LINEAR), 0x1f);
    assert_int_equal(pv_vkhost_memory_bits_translate(&map, 0x1f, PV_VKHOST_RESOURCE_EXTERNAL),
                     0x1e);
}

static void test_private_type_serves_exports(void **state)
{
    (void)state;
    pv_test_profile_load("moltenvk-1.4.2", &facts);
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 16384), 0);
    assert_int_equal(map.type_count, 3);
    expect_type(0, D, PV_VKHOST_MEMORY_DEVICE, 0, PV_VKHOST_MEMORY_IMPORT, 1);
    expect_type(1, D | V | C | K, PV_VKHOST_MEMORY_IMPORT, 1, PV_VKHOST_MEMORY_IMPORT, 1);
    expect_type(2, D | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT, PV_VKHOST_MEMORY_DEVICE, 2,
                PV_VKHOST_MEMORY_NONE, 0);
    /* Tiled images stay out of the shared type: an import does not alias them. */
    assert_int_equal(pv_vkhost_memory_bits_translate(&map, 0x3, PV_VKHOST_RESOURCE_OPTIMAL), 0x1);
}

/* An integrated GPU whose types are all visible, the uncached one first. */
static void test_order_rule(void **state)
{
    const VkMemoryPropertyFlags types[] = {D | V | C | K, D | V | C, V | C | K, D | V | K};

    (void)state;
    pv_test_profile_make(types, 4, 0xf, &facts);
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 4096), 0);
    for (uint32_t i = 0; i < map.type_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            const VkMemoryPropertyFlags early = map.types[k].flags;
            const VkMemoryPropertyFlags late = map.types[i].flags;

            assert_false((early & late) == late && early != late);
        }
    }
    /* Host type 3 is not coherent: it becomes the DEVICE_LOCAL one, so none is added. */
    assert_int_equal(map.type_count, 4);
    expect_type(0, D, PV_VKHOST_MEMORY_DEVICE, 3, PV_VKHOST_MEMORY_IMPORT, 0);
}

static void test_special_types_are_left_out(void **state)
{
    const VkMemoryPropertyFlags types[] = {
        D,
        D | VK_MEMORY_PROPERTY_PROTECTED_BIT,
        V | C | VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD
            | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD,
        V | C | K,
    };

    (void)state;
    pv_test_profile_make(types, 4, 0xf, &facts);
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 4096), 0);
    assert_int_equal(map.type_count, 2);
    expect_type(0, D, PV_VKHOST_MEMORY_DEVICE, 0, PV_VKHOST_MEMORY_IMPORT, 3);
    expect_type(1, V | C | K, PV_VKHOST_MEMORY_IMPORT, 3, PV_VKHOST_MEMORY_IMPORT, 3);
}

static void test_no_import_is_refused(void **state)
{
    const VkMemoryPropertyFlags types[] = {D, V | C, V | K};

    (void)state;
    pv_test_profile_make(types, 3, 0, &facts);
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 4096), -ENOTSUP);
    pv_test_profile_make(types, 3, 0x4, &facts); /* only where it is not coherent */
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 4096), -ENOTSUP);
    pv_test_profile_make(types, 3, 0x2, &facts);
    facts.linear_type_bits = 0x1; /* where no LINEAR image can live */
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 4096), -ENOTSUP);
    facts.linear_type_bits = 0x3;
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 4096), 0);
}

static void test_full_table_keeps_room_for_the_added_type(void **state)
{
    VkMemoryPropertyFlags types[VK_MAX_MEMORY_TYPES];

    (void)state;
    for (uint32_t i = 0; i < VK_MAX_MEMORY_TYPES; i++) {
        types[i] = D | V | C | K;
    }
    pv_test_profile_make(types, VK_MAX_MEMORY_TYPES, UINT32_MAX, &facts);
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 4096), 0);
    assert_int_equal(map.type_count, VK_MAX_MEMORY_TYPES);
    assert_int_equal(map.types[0].flags, D);
    assert_int_equal(pv_vkhost_memory_bits_translate(&map, UINT32_MAX, PV_VKHOST_RESOURCE_LINEAR),
                     UINT32_MAX);
}

static void test_index_from_the_guest(void **state)
{
    (void)state;
    pv_test_profile_load("nvidia-h200-580.159", &facts);
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 4096), 0);
    assert_int_equal(pv_vkhost_memory_backing_get(&map, 4, false).kind, PV_VKHOST_MEMORY_DEVICE);
    assert_int_equal(pv_vkhost_memory_backing_get(&map, 5, false).kind, PV_VKHOST_MEMORY_NONE);
    assert_int_equal(pv_vkhost_memory_backing_get(&map, UINT32_MAX, true).kind,
                     PV_VKHOST_MEMORY_NONE);
    /* A type without flags cannot be shared. */
    assert_int_equal(pv_vkhost_memory_backing_get(&map, 0, true).kind, PV_VKHOST_MEMORY_NONE);
    assert_int_equal(pv_vkhost_memory_backing_get(&map, 1, true).host_index, 3);
    assert_int_equal(pv_vkhost_memory_backing_get(&map, 1, false).host_index, 1);
}

static void test_limit_caps_heaps_that_we_back(void **state)
{
    (void)state;
    pv_test_profile_load("nvidia-h200-580.159", &facts);
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, UINT64_C(1) << 30, 4096), 0);
    assert_int_equal(map.properties.memoryHeapCount, 2);
    assert_int_equal(map.properties.memoryHeaps[0].size, facts.memory.memoryHeaps[0].size);
    assert_int_equal(map.properties.memoryHeaps[1].size, UINT64_C(1) << 30);
}

static void test_requirements(void **state)
{
    VkMemoryDedicatedRequirements dedicated = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_REQUIREMENTS,
        .prefersDedicatedAllocation = VK_TRUE,
        .requiresDedicatedAllocation = VK_TRUE,
    };
    VkMemoryRequirements2 requirements = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_REQUIREMENTS_2,
        .pNext = &dedicated,
        .memoryRequirements = {.size = 4097, .alignment = 64, .memoryTypeBits = 1},
    };

    (void)state;
    pv_test_profile_load("lavapipe-25.0.7", &facts);
    assert_int_equal(pv_vkhost_memory_map_init(&map, &facts, 0, 4096), 0);
    pv_vkhost_memory_requirements2_edit(&map, PV_VKHOST_RESOURCE_OPTIMAL, &requirements);
    assert_int_equal(requirements.memoryRequirements.size, 4097);
    assert_int_equal(requirements.memoryRequirements.memoryTypeBits, 1);
    assert_true(dedicated.requiresDedicatedAllocation);

    pv_vkhost_memory_requirements2_edit(&map, PV_VKHOST_RESOURCE_EXTERNAL, &requirements);
    assert_int_equal(requirements.memoryRequirements.size, 8192);
    assert_int_equal(requirements.memoryRequirements.memoryTypeBits, 3);
    assert_false(dedicated.prefersDedicatedAllocation);
    assert_false(dedicated.requiresDedicatedAllocation);
}

static void test_bind_check(void **state)
{
    const VkMemoryRequirements host = {.size = 1000, .alignment = 256, .memoryTypeBits = 0x4};

    (void)state;
    assert_true(pv_vkhost_memory_bind_is_valid(&host, 2, 4096, 0, 0));
    assert_true(pv_vkhost_memory_bind_is_valid(&host, 2, 1256, 256, 4096));
    assert_false(pv_vkhost_memory_bind_is_valid(&host, 2, 1255, 256, 4096)); /* past the end */
    assert_false(pv_vkhost_memory_bind_is_valid(&host, 2, 999, 0, 0));
    assert_false(pv_vkhost_memory_bind_is_valid(&host, 2, 4096, 100, 0)); /* not aligned */
    assert_true(pv_vkhost_memory_bind_is_valid(&host, 2, 4096, 156, 100));
    assert_false(pv_vkhost_memory_bind_is_valid(&host, 1, 4096, 0, 0)); /* wrong type */
    assert_false(pv_vkhost_memory_bind_is_valid(&host, 32, 4096, 0, 0));
    assert_false(pv_vkhost_memory_bind_is_valid(&host, 2, 4096, UINT64_MAX - 255, 0));
    assert_false(
        pv_vkhost_memory_bind_is_valid(&host, 2, UINT64_MAX, UINT64_MAX - 1023, UINT64_MAX - 255));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_type_gets_a_second),
        cmocka_unit_test(test_visible_types_without_import_lose_it),
        cmocka_unit_test(test_private_type_serves_exports),
        cmocka_unit_test(test_order_rule),
        cmocka_unit_test(test_special_types_are_left_out),
        cmocka_unit_test(test_no_import_is_refused),
        cmocka_unit_test(test_full_table_keeps_room_for_the_added_type),
        cmocka_unit_test(test_index_from_the_guest),
        cmocka_unit_test(test_limit_caps_heaps_that_we_back),
        cmocka_unit_test(test_requirements),
        cmocka_unit_test(test_bind_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
