/* SPDX-License-Identifier: MIT */
/*
 * vkhost/items.c: the table is complete, its triggers look at the right facts.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "support/profile.h"
#include "vkhost/items.h"

static struct pv_vkhost_facts facts;

static bool is_on(const char *profile, enum pv_vkhost_item_kind kind, const char *name)
{
    const struct pv_vkhost_item *item = pv_vkhost_items_find(kind, name);

    assert_non_null(item);
    pv_test_profile_load(profile, &facts);
    return pv_vkhost_item_is_on(item, &facts);
}

static void test_rows_are_complete(void **state)
{
    uint32_t count;
    const struct pv_vkhost_item *items = pv_vkhost_items_get(&count);

    (void)state;
    assert_true(count > 30);
    for (uint32_t i = 0; i < count; i++) {
        assert_non_null(items[i].name);
        assert_true(strlen(items[i].trigger) > 0);
        assert_true(strlen(items[i].how) > 0);
        assert_true(strlen(items[i].why) > 0);
        assert_string_not_equal(pv_vkhost_item_kind_name(items[i].kind), "unknown");
        assert_ptr_equal(pv_vkhost_items_find(items[i].kind, items[i].name), &items[i]);
        assert_true((items[i].kind == PV_VKHOST_ITEM_EXTENSION) == (items[i].spec_version > 0));
    }
}

static void test_triggers(void **state)
{
    (void)state;
    assert_true(is_on("lavapipe-25.0.7", PV_VKHOST_ITEM_PROPERTY, "device type VIRTUAL_GPU"));
    assert_false(is_on("nvidia-h200-580.159", PV_VKHOST_ITEM_PROPERTY, "device type VIRTUAL_GPU"));
    assert_true(is_on("lavapipe-26.2.6", PV_VKHOST_ITEM_PROPERTY, "device name"));
    assert_false(is_on("moltenvk-1.4.2", PV_VKHOST_ITEM_PROPERTY, "device name"));
    assert_true(is_on("kosmickrisp-26", PV_VKHOST_ITEM_MEMORY, "added DEVICE_LOCAL type"));
    assert_false(is_on("moltenvk-1.4.2", PV_VKHOST_ITEM_MEMORY, "added DEVICE_LOCAL type"));
    assert_true(is_on("nvidia-h200-580.159", PV_VKHOST_ITEM_MEMORY,
                      "HOST_VISIBLE only where imports work"));
    assert_false(
        is_on("lavapipe-25.0.7", PV_VKHOST_ITEM_MEMORY, "HOST_VISIBLE only where imports work"));
    assert_true(is_on("nvidia-h200-580.159", PV_VKHOST_ITEM_PROPERTY, "queue capabilities"));
    assert_true(is_on("moltenvk-1.4.2", PV_VKHOST_ITEM_HOST, "VK_KHR_portability_subset"));
    assert_false(is_on("kosmickrisp-26", PV_VKHOST_ITEM_HOST, "VK_KHR_portability_subset"));
    assert_true(is_on("kosmickrisp-26", PV_VKHOST_ITEM_HIDDEN, "VK_KHR_map_memory2"));
    assert_false(
        is_on("nvidia-h200-580.159", PV_VKHOST_ITEM_MEMORY, "host handle type on resources"));
    /* Synthesised even where the driver lists it (trap: lavapipe lists dma-buf). */
    assert_true(
        is_on("lavapipe-25.0.7", PV_VKHOST_ITEM_EXTENSION, "VK_EXT_external_memory_dma_buf"));
}

static void test_unknown_rows(void **state)
{
    (void)state;
    assert_null(pv_vkhost_items_find(PV_VKHOST_ITEM_HIDDEN, "VK_KHR_maintenance1"));
    assert_false(pv_vkhost_items_is_on(PV_VKHOST_ITEM_ID_NONE, &facts));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_complete),
        cmocka_unit_test(test_triggers),
        cmocka_unit_test(test_unknown_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
