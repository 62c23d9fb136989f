/* SPDX-License-Identifier: MIT */
/*
 * vkhost/barrier.h and vkhost/chain.h: transfers to the outside become plain barriers.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "vkhost/barrier.h"

static void test_families(void **state)
{
    static const struct {
        uint32_t src, dst, ret_src, ret_dst;
    } cases[] = {
        {0, 1, 0, 1},
        {VK_QUEUE_FAMILY_IGNORED, VK_QUEUE_FAMILY_IGNORED, VK_QUEUE_FAMILY_IGNORED,
         VK_QUEUE_FAMILY_IGNORED},
        {0, VK_QUEUE_FAMILY_FOREIGN_EXT, VK_QUEUE_FAMILY_IGNORED, VK_QUEUE_FAMILY_IGNORED},
        {VK_QUEUE_FAMILY_FOREIGN_EXT, 2, VK_QUEUE_FAMILY_IGNORED, VK_QUEUE_FAMILY_IGNORED},
        {VK_QUEUE_FAMILY_EXTERNAL, 0, VK_QUEUE_FAMILY_IGNORED, VK_QUEUE_FAMILY_IGNORED},
        {VK_QUEUE_FAMILY_FOREIGN_EXT - 1, 0, VK_QUEUE_FAMILY_FOREIGN_EXT - 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(cases); i++) {
        uint32_t src = cases[i].src;
        uint32_t dst = cases[i].dst;

        pv_vkhost_barrier_families_edit(&src, &dst);
        assert_int_equal(src, cases[i].ret_src);
        assert_int_equal(dst, cases[i].ret_dst);
    }
}

static void test_dependency(void **state)
{
    VkSampleLocationsInfoEXT kept = {.sType = VK_STRUCTURE_TYPE_SAMPLE_LOCATIONS_INFO_EXT};
    VkExternalMemoryAcquireUnmodifiedEXT dropped = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_ACQUIRE_UNMODIFIED_EXT,
        .pNext = &kept,
    };
    VkImageMemoryBarrier2 images[2] = {
        {.pNext = &dropped, .srcQueueFamilyIndex = VK_QUEUE_FAMILY_FOREIGN_EXT},
        {.srcQueueFamilyIndex = 1, .dstQueueFamilyIndex = 2},
    };
    VkBufferMemoryBarrier2 buffer = {.dstQueueFamilyIndex = VK_QUEUE_FAMILY_EXTERNAL};
    const VkDependencyInfo info = {
        .imageMemoryBarrierCount = 2,
        .pImageMemoryBarriers = images,
        .bufferMemoryBarrierCount = 1,
        .pBufferMemoryBarriers = &buffer,
    };

    (void)state;
    pv_vkhost_barrier_dependency_edit(&info);
    assert_int_equal(images[0].srcQueueFamilyIndex, VK_QUEUE_FAMILY_IGNORED);
    assert_int_equal(images[0].dstQueueFamilyIndex, VK_QUEUE_FAMILY_IGNORED);
    assert_ptr_equal(images[0].pNext, &kept);
    assert_int_equal(images[1].srcQueueFamilyIndex, 1);
    assert_int_equal(buffer.srcQueueFamilyIndex, VK_QUEUE_FAMILY_IGNORED);
}

static void test_chain(void **state)
{
    VkBaseOutStructure c = {.sType = 3};
    VkBaseOutStructure b = {.sType = 2, .pNext = &c};
    VkBaseOutStructure a = {.sType = 1, .pNext = &b};

    (void)state;
    assert_null(pv_vkhost_chain_find(&a, 1)); /* the base itself is not in its chain */
    assert_ptr_equal(pv_vkhost_chain_find(&a, 3), &c);
    assert_ptr_equal(pv_vkhost_chain_remove(&a, 2), &b);
    assert_ptr_equal(a.pNext, &c);
    assert_null(pv_vkhost_chain_remove(&a, 2));
    pv_vkhost_chain_prepend(&a, &b);
    assert_ptr_equal(a.pNext, &b);
    assert_ptr_equal(b.pNext, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_dependency),
        cmocka_unit_test(test_chain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
