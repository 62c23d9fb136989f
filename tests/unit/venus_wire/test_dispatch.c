/* SPDX-License-Identifier: MIT */
/*
 * The emitted dispatch functions over bytes written by hand: forwarding, objects, handlers,
 * replies, and what each kind of bad input does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "support/fake_wire.h"

/* Ids of the objects that setup makes. */
enum {
    DEVICE = 1,
    QUEUE = 2,
    COMMAND_BUFFER = 3,
    IMAGE = 4,
    BUFFER = 5,
    SEMAPHORE = 6,
    PHYSICAL_DEVICE = 7,
    QUERY_POOL = 8,
    PIPELINE_CACHE = 9,
};

static uint32_t drawn[4];
static VkCommandBuffer drawn_into;
static VkResult create_result;
static VkImageViewCreateInfo created_info;
static uint32_t created_minor_usage;
static VkImageView destroyed_view;

static VKAPI_ATTR void VKAPI_CALL driver_draw(VkCommandBuffer buffer, uint32_t a, uint32_t b,
                                              uint32_t c, uint32_t d)
{
    drawn_into = buffer;
    drawn[0] = a;
    drawn[1] = b;
    drawn[2] = c;
    drawn[3] = d;
}

static VKAPI_ATTR VkResult VKAPI_CALL driver_create_view(VkDevice device,
                                                         const VkImageViewCreateInfo *info,
                                                         const VkAllocationCallbacks *allocator,
                                                         VkImageView *view)
{
    (void)device;
    assert_null(allocator);
    created_info = *info;
    if (info->pNext != NULL) {
        const VkImageViewUsageCreateInfo *usage = info->pNext;

        assert_int_equal(usage->sType, VK_STRUCTURE_TYPE_IMAGE_VIEW_USAGE_CREATE_INFO);
        created_minor_usage = usage->usage;
    }
    *view = create_result == VK_SUCCESS ? (VkImageView)(uintptr_t)0xbeef : VK_NULL_HANDLE;
    return create_result;
}

static VKAPI_ATTR void VKAPI_CALL driver_destroy_view(VkDevice device, VkImageView view,
                                                      const VkAllocationCallbacks *allocator)
{
    (void)device;
    (void)allocator;
    destroyed_view = view;
}

/* Claims more results than there is room for. */
static VKAPI_ATTR VkResult VKAPI_CALL driver_cache_data(VkDevice device, VkPipelineCache cache,
                                                        size_t *size, void *data)
{
    (void)device;
    (void)cache;
    if (data != NULL) {
        memset(data, 0x5a, *size);
        *size += 100;
    } else {
        *size = 24;
    }
    return VK_SUCCESS;
}

static int setup(void **state)
{
    struct fake_wire *fake = malloc(sizeof(*fake));

    assert_non_null(fake);
    fake_wire_init(fake);
    fake_wire_object(fake, DEVICE, VK_OBJECT_TYPE_DEVICE);
    fake_wire_object(fake, QUEUE, VK_OBJECT_TYPE_QUEUE);
    fake_wire_object(fake, COMMAND_BUFFER, VK_OBJECT_TYPE_COMMAND_BUFFER);
    fake_wire_object(fake, IMAGE, VK_OBJECT_TYPE_IMAGE);
    fake_wire_object(fake, BUFFER, VK_OBJECT_TYPE_BUFFER);
    fake_wire_object(fake, SEMAPHORE, VK_OBJECT_TYPE_SEMAPHORE);
    fake_wire_object(fake, PHYSICAL_DEVICE, VK_OBJECT_TYPE_PHYSICAL_DEVICE);
    fake_wire_object(fake, QUERY_POOL, VK_OBJECT_TYPE_QUERY_POOL);
    fake_wire_object(fake, PIPELINE_CACHE, VK_OBJECT_TYPE_PIPELINE_CACHE);
    fake->device_table.CmdDraw = driver_draw;
    fake->device_table.CreateImageView = driver_create_view;
    fake->device_table.DestroyImageView = driver_destroy_view;
    fake->device_table.GetPipelineCacheData = driver_cache_data;
    drawn_into = VK_NULL_HANDLE;
    destroyed_view = VK_NULL_HANDLE;
    create_result = VK_SUCCESS;
    *state = fake;
    return 0;
}

static int teardown(void **state)
{
    fake_wire_finish(*state);
    free(*state);
    return 0;
}

static void run(struct fake_wire *fake, const struct fake_bytes *bytes)
{
    (void)fake_wire_run(fake, bytes->bytes, bytes->size_bytes);
}

static void draw_bytes(struct fake_bytes *to, uint64_t id, uint32_t flags)
{
    fake_bytes_command(to, PV_WIRE_COMMAND_vkCmdDraw, flags);
    fake_bytes_u64(to, id);
    for (uint32_t i = 0; i < 4; i++) {
        fake_bytes_u32(to, 10 + i);
    }
}

static void test_draw_is_forwarded(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    draw_bytes(&bytes, COMMAND_BUFFER, 0);
    assert_int_equal(bytes.size_bytes, 32);
    assert_int_equal(fake_wire_run(fake, bytes.bytes, bytes.size_bytes), 0);
    assert_false(pv_base_fault_is_raised(&fake->decoder.fault));
    assert_int_equal((uintptr_t)drawn_into, COMMAND_BUFFER + 0x1000);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(drawn[i], 10 + i);
    }
    assert_int_equal(fake_wire_reply_bytes(fake), 0);
    assert_int_equal(fake->decoder.trace_id, COMMAND_BUFFER);
}

static void test_a_void_command_replies_its_number(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    draw_bytes(&bytes, COMMAND_BUFFER, 1);
    run(fake, &bytes);
    assert_int_equal(fake_wire_reply_bytes(fake), 4);
    assert_int_equal(pv_base_load_u32(fake->reply), PV_WIRE_COMMAND_vkCmdDraw);
}

static void test_a_reply_needs_a_stream(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    draw_bytes(&bytes, COMMAND_BUFFER, 1);
    fake->decoder.has_reply = false;
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_REPLY);
}

static void test_first_object_must_exist_and_fit(void **state)
{
    static const uint64_t wrong[] = {0, 99, DEVICE, UINT64_MAX};
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    for (size_t i = 0; i < PV_ARRAY_LEN(wrong); i++) {
        draw_bytes(&bytes, wrong[i], 0);
        run(fake, &bytes);
        assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_HANDLE);
        assert_int_equal(fake->decoder.fault.detail, wrong[i]);
        assert_null(drawn_into);
        fake_wire_rewind(fake);
    }
}

static void test_holes_and_refused_commands_are_faults(void **state)
{
    static const uint32_t wrong[] = {195, PV_WIRE_COMMAND_vkMapMemory,
                                     PV_WIRE_COMMAND_vkDeviceWaitIdle, PV_WIRE_COMMAND_COUNT,
                                     UINT32_MAX};
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    for (size_t i = 0; i < PV_ARRAY_LEN(wrong); i++) {
        fake_bytes_command(&bytes, wrong[i], 0);
        run(fake, &bytes);
        assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_COMMAND);
        assert_int_equal(fake->decoder.fault.detail, wrong[i]);
        fake_wire_rewind(fake);
    }
}

static void test_a_driver_without_the_function_is_a_fault(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    fake->device_table.CmdDraw = NULL;
    draw_bytes(&bytes, COMMAND_BUFFER, 0);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_DRIVER);
}

/* vkCreateImageView; chain: sTypes of pNext nodes, each with one word of members. */
static void view_bytes(struct fake_bytes *to, uint64_t new_id, uint32_t flags,
                       const uint32_t *chain, uint32_t chain_count)
{
    fake_bytes_command(to, PV_WIRE_COMMAND_vkCreateImageView, flags);
    fake_bytes_u64(to, DEVICE);
    fake_bytes_u64(to, 1);
    fake_bytes_u32(to, VK_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO);
    for (uint32_t i = 0; i < chain_count; i++) {
        fake_bytes_u64(to, 1);
        fake_bytes_u32(to, chain[i]);
    }
    fake_bytes_u64(to, 0);
    for (uint32_t i = chain_count; i > 0; i--) {
        fake_bytes_u32(to, 100 + i - 1);
    }
    fake_bytes_u32(to, 0); /* flags */
    fake_bytes_u64(to, IMAGE);
    for (uint32_t i = 0; i < 11; i++) {
        fake_bytes_u32(to, 20 + i); /* type, format, swizzles, range */
    }
    fake_bytes_u64(to, 0); /* pAllocator */
    fake_bytes_u64(to, 1);
    fake_bytes_u64(to, new_id);
}

static void test_create_and_destroy(void **state)
{
    struct fake_wire *fake = *state;
    const struct pv_base_object *object;
    struct fake_bytes bytes;

    view_bytes(&bytes, 50, 1, NULL, 0);
    assert_int_equal(fake_wire_run(fake, bytes.bytes, bytes.size_bytes), 0);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_NONE);
    assert_int_equal((uintptr_t)created_info.image, IMAGE + 0x1000);
    assert_int_equal(created_info.viewType, 20);
    assert_int_equal(created_info.subresourceRange.layerCount, 30);
    object = pv_base_id_table_find(fake->decoder.objects, 50);
    assert_non_null(object);
    assert_int_equal(object->handle, 0xbeef);
    assert_int_equal(object->type, VK_OBJECT_TYPE_IMAGE_VIEW);
    assert_false(object->poisoned);
    /* number, result, flag, id */
    assert_int_equal(fake_wire_reply_bytes(fake), 24);
    assert_int_equal(pv_base_load_u32(fake->reply + 4), VK_SUCCESS);
    assert_int_equal(pv_base_load_u64(fake->reply + 8), 1);
    assert_int_equal(pv_base_load_u64(fake->reply + 16), 50);

    fake_bytes_command(&bytes, PV_WIRE_COMMAND_vkDestroyImageView, 0);
    fake_bytes_u64(&bytes, DEVICE);
    fake_bytes_u64(&bytes, 50);
    fake_bytes_u64(&bytes, 0);
    run(fake, &bytes);
    assert_int_equal((uintptr_t)destroyed_view, 0xbeef);
    assert_int_equal(fake->removed, 1);
    assert_int_equal(fake->freed, 1);
    assert_null(pv_base_id_table_find(fake->decoder.objects, 50));

    /* A second time: the id names nothing any more. */
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_HANDLE);
}

/* Two VkDevices of one guest: a driver takes a handle of the other for one of its own. */
static void test_objects_of_two_devices_do_not_mix(void **state)
{
    struct fake_wire *fake = *state;
    struct pv_vk_device_table other = fake->device_table;
    struct fake_bytes bytes;

    pv_base_id_table_find(fake->decoder.objects, IMAGE)->dispatch = &other;
    view_bytes(&bytes, 50, 0, NULL, 0);
    (void)fake_wire_run(fake, bytes.bytes, bytes.size_bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_HANDLE);
    assert_int_equal(fake->decoder.fault.detail, IMAGE);
    assert_null(pv_base_id_table_find(fake->decoder.objects, 50));
    fake_wire_rewind(fake);

    fake_wire_object(fake, 60, VK_OBJECT_TYPE_IMAGE_VIEW)->dispatch = &other;
    fake_bytes_command(&bytes, PV_WIRE_COMMAND_vkDestroyImageView, 0);
    fake_bytes_u64(&bytes, DEVICE);
    fake_bytes_u64(&bytes, 60);
    fake_bytes_u64(&bytes, 0);
    (void)fake_wire_run(fake, bytes.bytes, bytes.size_bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_HANDLE);
    assert_int_equal(fake->decoder.fault.detail, 60);
    assert_int_equal(fake->removed, 0);
    assert_int_equal(fake_wire_driver_calls(), 0);
}

static void test_destroying_nothing_is_fine(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    fake_bytes_command(&bytes, PV_WIRE_COMMAND_vkDestroyImageView, 1);
    fake_bytes_u64(&bytes, DEVICE);
    fake_bytes_u64(&bytes, 0);
    fake_bytes_u64(&bytes, 0);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_NONE);
    assert_int_equal(fake->removed, 0);
    assert_int_equal(fake_wire_reply_bytes(fake), 4);
}

static void test_an_allocator_is_a_fault(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    fake_bytes_command(&bytes, PV_WIRE_COMMAND_vkDestroyImageView, 0);
    fake_bytes_u64(&bytes, DEVICE);
    fake_bytes_u64(&bytes, 0);
    fake_bytes_u64(&bytes, 1);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_POINTER);
}

static void test_an_id_in_use_destroys_the_new_object(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    view_bytes(&bytes, IMAGE, 1, NULL, 0);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_ID);
    assert_int_equal((uintptr_t)destroyed_view, 0xbeef);
    assert_int_equal(fake_wire_reply_bytes(fake), 0);
}

static void test_a_failed_asynchronous_create_leaves_a_poisoned_object(void **state)
{
    struct fake_wire *fake = *state;
    const struct pv_base_object *object;
    struct fake_bytes bytes;

    create_result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    view_bytes(&bytes, 51, 0, NULL, 0);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_NONE);
    assert_int_equal(fake->decoder.result, VK_ERROR_OUT_OF_DEVICE_MEMORY);
    object = pv_base_id_table_find(fake->decoder.objects, 51);
    assert_non_null(object);
    assert_true(object->poisoned);

    /* Its destruction reaches no driver. */
    fake->created = NULL;
    fake_bytes_command(&bytes, PV_WIRE_COMMAND_vkDestroyImageView, 0);
    fake_bytes_u64(&bytes, DEVICE);
    fake_bytes_u64(&bytes, 51);
    fake_bytes_u64(&bytes, 0);
    run(fake, &bytes);
    assert_int_equal(fake->freed, 1);
    assert_null(destroyed_view);
}

static void test_a_failed_create_with_reply_makes_no_object(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    create_result = VK_ERROR_OUT_OF_HOST_MEMORY;
    view_bytes(&bytes, 52, 1, NULL, 0);
    run(fake, &bytes);
    assert_int_equal(fake->added, 0);
    assert_int_equal((int32_t)pv_base_load_u32(fake->reply + 4), VK_ERROR_OUT_OF_HOST_MEMORY);
}

static void test_poisoned_inputs_stop_before_the_driver(void **state)
{
    struct fake_wire *fake = *state;
    struct pv_base_object *image = pv_base_id_table_find(fake->decoder.objects, IMAGE);
    struct fake_bytes bytes;

    image->poisoned = true;
    image->handle = 0;
    memset(&created_info, 0, sizeof(created_info));
    view_bytes(&bytes, 53, 1, NULL, 0);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_NONE);
    assert_int_equal(created_info.sType, 0);
    assert_int_equal((int32_t)pv_base_load_u32(fake->reply + 4), VK_ERROR_DEVICE_LOST);
}

static void test_pnext_chains(void **state)
{
    static const uint32_t good[] = {VK_STRUCTURE_TYPE_IMAGE_VIEW_USAGE_CREATE_INFO};
    static const uint32_t twice[] = {VK_STRUCTURE_TYPE_IMAGE_VIEW_USAGE_CREATE_INFO,
                                     VK_STRUCTURE_TYPE_IMAGE_VIEW_USAGE_CREATE_INFO};
    static const uint32_t stranger[] = {VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO};
    static const uint32_t unknown[] = {0xfffffff0};
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    view_bytes(&bytes, 54, 0, good, 1);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_NONE);
    assert_int_equal(created_minor_usage, 100);
    fake_wire_rewind(fake);
    view_bytes(&bytes, 55, 0, twice, 2);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_STRUCT_TYPE);
    fake_wire_rewind(fake);
    view_bytes(&bytes, 56, 0, stranger, 1);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_STRUCT_TYPE);
    fake_wire_rewind(fake);
    view_bytes(&bytes, 57, 0, unknown, 1);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_STRUCT_TYPE);
    assert_int_equal(fake->decoder.fault.detail, 0xfffffff0);
    assert_int_equal(fake->added, 0);
}

static void test_the_base_structs_own_type_is_checked(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    view_bytes(&bytes, 58, 0, NULL, 0);
    memset(bytes.bytes + 24, 0, 4);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_STRUCT_TYPE);
}

/* vkCmdBindVertexBuffers with one buffer, whose counts may be wrong. */
static void vertex_buffer_bytes(struct fake_bytes *to, uint32_t binding_count, uint64_t count)
{
    fake_bytes_command(to, PV_WIRE_COMMAND_vkCmdBindVertexBuffers, 0);
    fake_bytes_u64(to, COMMAND_BUFFER);
    fake_bytes_u32(to, 0);
    fake_bytes_u32(to, binding_count);
    fake_bytes_u64(to, count);
    fake_bytes_u64(to, BUFFER);
    fake_bytes_u64(to, 1);
    fake_bytes_u64(to, 256);
}

static void test_counts_are_bounded_by_the_bytes_left(void **state)
{
    static const uint32_t wrong[] = {0, 2, 1u << 20, UINT32_MAX};
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    vertex_buffer_bytes(&bytes, 1, 1);
    assert_int_equal(bytes.size_bytes, 56);
    assert_int_equal(fake_wire_run(fake, bytes.bytes, bytes.size_bytes), 0);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_NONE);
    for (size_t i = 0; i < PV_ARRAY_LEN(wrong); i++) {
        fake_wire_rewind(fake);
        vertex_buffer_bytes(&bytes, wrong[i], wrong[i] == 0 ? 1 : wrong[i]);
        run(fake, &bytes);
        assert_true(pv_base_fault_is_raised(&fake->decoder.fault));
        assert_int_equal(fake_wire_driver_calls(), 0);
        assert_true(fake->decoder.arena.total_bytes <= PV_BASE_ARENA_BLOCK_MIN_BYTES);
    }
    fake_wire_rewind(fake);
    vertex_buffer_bytes(&bytes, 1, UINT64_MAX);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_COUNT);
}

static void cache_data_bytes(struct fake_bytes *to, uint64_t size, uint64_t data)
{
    fake_bytes_command(to, PV_WIRE_COMMAND_vkGetPipelineCacheData, 1);
    fake_bytes_u64(to, DEVICE);
    fake_bytes_u64(to, PIPELINE_CACHE);
    fake_bytes_u64(to, 1);
    fake_bytes_u64(to, size);
    fake_bytes_u64(to, data);
}

static void test_output_blobs(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    cache_data_bytes(&bytes, 0, 0);
    run(fake, &bytes);
    /* number, result, flag, size, no data */
    assert_int_equal(fake_wire_reply_bytes(fake), 4 + 4 + 8 + 8 + 8);
    assert_int_equal(pv_base_load_u64(fake->reply + 16), 24);
    assert_int_equal(pv_base_load_u64(fake->reply + 24), 0);
    fake_wire_rewind(fake);

    /* The driver's larger size is passed on, its bytes are not made up. */
    cache_data_bytes(&bytes, 5, 5);
    run(fake, &bytes);
    assert_int_equal(fake_wire_reply_bytes(fake), 4 + 4 + 8 + 8 + 8 + 8);
    assert_int_equal(pv_base_load_u64(fake->reply + 24), 5);
    assert_int_equal(fake->reply[36], 0x5a);
    assert_int_equal(fake->reply[37], 0);
    fake_wire_rewind(fake);

    /* More than the reply stream has room for. */
    cache_data_bytes(&bytes, FAKE_WIRE_REPLY_BYTES + 1, FAKE_WIRE_REPLY_BYTES + 1);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_COUNT);
}

static void test_query_results_cannot_overflow_our_memory(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    fake_bytes_command(&bytes, PV_WIRE_COMMAND_vkGetQueryPoolResults, 1);
    fake_bytes_u64(&bytes, DEVICE);
    fake_bytes_u64(&bytes, QUERY_POOL);
    fake_bytes_u32(&bytes, 0);
    fake_bytes_u32(&bytes, 1000); /* queries */
    fake_bytes_u64(&bytes, 8);    /* dataSize: far too small */
    fake_bytes_u64(&bytes, 8);
    fake_bytes_u64(&bytes, UINT64_MAX / 4); /* stride */
    fake_bytes_u32(&bytes, 0);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_COUNT);
    assert_int_equal(fake_wire_driver_calls(), 0);
}

/* --- hand-written commands ------------------------------------------------------------------- */

static struct pv_base_object *submitted_semaphore;
static VkSemaphore submitted_handle;
static uint32_t submitted_stage;

static void handle_submit(struct pv_wire_decoder *decoder, struct pv_wire_vkQueueSubmit *args)
{
    (void)decoder;
    assert_int_equal(args->first->id, QUEUE);
    assert_ptr_equal(pv_wire_object(args->queue), args->first);
    assert_int_equal(args->submitCount, 1);
    submitted_semaphore = pv_wire_object(args->pSubmits[0].pWaitSemaphores[0]);
    submitted_stage = args->pSubmits[0].pWaitDstStageMask[0];
    pv_wire_unwrap_vkQueueSubmit(args);
    submitted_handle = args->pSubmits[0].pWaitSemaphores[0];
    assert_int_equal((uintptr_t)args->queue, QUEUE + 0x1000);
    assert_null(args->fence);
    args->ret = VK_ERROR_DEVICE_LOST;
}

static void test_a_handler_sees_objects_and_answers(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    fake->handlers.vkQueueSubmit = handle_submit;
    fake_bytes_command(&bytes, PV_WIRE_COMMAND_vkQueueSubmit, 1);
    fake_bytes_u64(&bytes, QUEUE);
    fake_bytes_u32(&bytes, 1);
    fake_bytes_u64(&bytes, 1);
    fake_bytes_u32(&bytes, VK_STRUCTURE_TYPE_SUBMIT_INFO);
    fake_bytes_u64(&bytes, 0);
    fake_bytes_u32(&bytes, 1); /* wait semaphores */
    fake_bytes_u64(&bytes, 1);
    fake_bytes_u64(&bytes, SEMAPHORE);
    fake_bytes_u64(&bytes, 1);
    fake_bytes_u32(&bytes, 0x400);
    fake_bytes_u32(&bytes, 1); /* command buffers */
    fake_bytes_u64(&bytes, 1);
    fake_bytes_u64(&bytes, COMMAND_BUFFER);
    fake_bytes_u32(&bytes, 0); /* signal semaphores */
    fake_bytes_u64(&bytes, 0);
    fake_bytes_u64(&bytes, 0); /* fence */
    assert_int_equal(fake_wire_run(fake, bytes.bytes, bytes.size_bytes), 0);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_NONE);
    assert_int_equal(submitted_semaphore->id, SEMAPHORE);
    assert_int_equal((uintptr_t)submitted_handle, SEMAPHORE + 0x1000);
    assert_int_equal(submitted_stage, 0x400);
    assert_int_equal(fake_wire_reply_bytes(fake), 8);
    assert_int_equal((int32_t)pv_base_load_u32(fake->reply + 4), VK_ERROR_DEVICE_LOST);
    assert_int_equal(fake->decoder.result, VK_ERROR_DEVICE_LOST);
    assert_false(fake->decoder.as_objects);

    fake->handlers.vkQueueSubmit = NULL;
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_COMMAND);
}

static void handle_features(struct pv_wire_decoder *decoder,
                            struct pv_wire_vkGetPhysicalDeviceFeatures2 *args)
{
    VkPhysicalDeviceVulkan11Features *vulkan11 = args->pFeatures->pNext;
    VkPhysicalDeviceRobustness2FeaturesEXT *robustness;

    (void)decoder;
    assert_int_equal(vulkan11->sType, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES);
    robustness = vulkan11->pNext;
    assert_int_equal(robustness->nullDescriptor, 0);
    robustness->nullDescriptor = 3;
    vulkan11->multiview = 2;
    args->pFeatures->features.robustBufferAccess = 1;
}

static void test_output_chains_come_back_in_order(void **state)
{
    const uint32_t outer = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES;
    const uint32_t inner = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT;
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;
    const uint8_t *p = fake->reply;

    fake->handlers.vkGetPhysicalDeviceFeatures2 = handle_features;
    fake_bytes_command(&bytes, PV_WIRE_COMMAND_vkGetPhysicalDeviceFeatures2, 1);
    fake_bytes_u64(&bytes, PHYSICAL_DEVICE);
    fake_bytes_u64(&bytes, 1);
    fake_bytes_u32(&bytes, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
    fake_bytes_u64(&bytes, 1);
    fake_bytes_u32(&bytes, outer);
    fake_bytes_u64(&bytes, 1);
    fake_bytes_u32(&bytes, inner);
    fake_bytes_u64(&bytes, 0);
    assert_int_equal(fake_wire_run(fake, bytes.bytes, bytes.size_bytes), 0);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_NONE);
    /* number, flag, header with two nodes, then 3, 12 and 55 words of members */
    assert_int_equal(fake_wire_reply_bytes(fake), 4 + 8 + 4 + 12 + 12 + 8 + 4 * (3 + 12 + 55));
    assert_int_equal(pv_base_load_u32(p + 12), VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2);
    assert_int_equal(pv_base_load_u32(p + 24), outer);
    assert_int_equal(pv_base_load_u32(p + 36), inner);
    assert_int_equal(pv_base_load_u64(p + 40), 0);
    assert_int_equal(pv_base_load_u32(p + 48 + 8), 3);       /* nullDescriptor */
    assert_int_equal(pv_base_load_u32(p + 48 + 12 + 16), 2); /* multiview */
    assert_int_equal(pv_base_load_u32(p + 48 + 12 + 48), 1); /* robustBufferAccess */
}

static void handle_extensions(struct pv_wire_decoder *decoder,
                              struct pv_wire_vkEnumerateDeviceExtensionProperties *args)
{
    (void)decoder;
    assert_null(args->pLayerName);
    if (args->pProperties == NULL) {
        *args->pPropertyCount = 7;
        return;
    }
    assert_int_equal(pv_wire_out_capacity(args->pProperties), 2);
    strcpy(args->pProperties[0].extensionName, "VK_test");
    args->pProperties[0].specVersion = 9;
    *args->pPropertyCount = 1;
    args->ret = VK_INCOMPLETE;
}

static void extension_bytes(struct fake_bytes *to, uint32_t count, uint64_t array)
{
    fake_bytes_command(to, PV_WIRE_COMMAND_vkEnumerateDeviceExtensionProperties, 1);
    fake_bytes_u64(to, PHYSICAL_DEVICE);
    fake_bytes_u64(to, 0);
    fake_bytes_u64(to, 1);
    fake_bytes_u32(to, count);
    fake_bytes_u64(to, array);
}

static void test_the_two_call_idiom(void **state)
{
    struct fake_wire *fake = *state;
    struct fake_bytes bytes;

    fake->handlers.vkEnumerateDeviceExtensionProperties = handle_extensions;
    extension_bytes(&bytes, 0, 0);
    run(fake, &bytes);
    assert_int_equal(fake_wire_reply_bytes(fake), 4 + 4 + 8 + 4 + 8);
    assert_int_equal(pv_base_load_u32(fake->reply + 16), 7);
    fake_wire_rewind(fake);
    extension_bytes(&bytes, 2, 2);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_NONE);
    assert_int_equal(fake_wire_reply_bytes(fake), 4 + 4 + 8 + 4 + 8 + 268);
    assert_int_equal(pv_base_load_u32(fake->reply + 16), 1);
    assert_int_equal(pv_base_load_u64(fake->reply + 20), 1);
    assert_int_equal(pv_base_load_u64(fake->reply + 28), 256);
    assert_string_equal((const char *)fake->reply + 36, "VK_test");
    fake_wire_rewind(fake);
    /* An array that no reply could hold. */
    extension_bytes(&bytes, 1u << 20, 1u << 20);
    run(fake, &bytes);
    assert_int_equal(fake->decoder.fault.kind, PV_BASE_FAULT_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_draw_is_forwarded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_void_command_replies_its_number, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_reply_needs_a_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_object_must_exist_and_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_objects_of_two_devices_do_not_mix, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holes_and_refused_commands_are_faults, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_driver_without_the_function_is_a_fault, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_create_and_destroy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_destroying_nothing_is_fine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_allocator_is_a_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_id_in_use_destroys_the_new_object, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_asynchronous_create_leaves_a_poisoned_object,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_create_with_reply_makes_no_object, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_poisoned_inputs_stop_before_the_driver, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pnext_chains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_base_structs_own_type_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counts_are_bounded_by_the_bytes_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_output_blobs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_query_results_cannot_overflow_our_memory, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_handler_sees_objects_and_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_output_chains_come_back_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_two_call_idiom, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
