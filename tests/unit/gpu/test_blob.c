/* SPDX-License-Identifier: MIT */
/*
 * gpu/blob.c: creation, mapping and unmapping of blobs, in every order that can be.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/account.h"
#include "gpu/blob.h"
#include "gpu/limits.h"
#include "gpu/pages.h"
#include "gpu/resource.h"
#include "os/shm.h"
#include "support/gpu_bench.h"

#define MAPPABLE  PV_GPU_BLOB_FLAG_MAPPABLE
#define SHAREABLE PV_GPU_BLOB_FLAG_SHAREABLE

static struct bench_element *unmap(struct bench *bench, uint32_t resource_id)
{
    return bench_resource(bench, PV_GPU_CMD_RESOURCE_UNMAP_BLOB, 0, resource_id);
}

static struct bench_element *unref(struct bench *bench, uint32_t resource_id)
{
    return bench_resource(bench, PV_GPU_CMD_RESOURCE_UNREF, 0, resource_id);
}

static uint32_t map_info(const struct bench_element *element)
{
    const struct pv_gpu_resp_map_info *info = bench_payload(element);

    assert_int_equal(element->written_bytes, 32);
    return info->map_info;
}

static void test_shmem_is_mapped_at_once(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *mapped;
    const struct fake_call *call;

    (void)state;
    bench_context(bench, 7, 4);
    bench_shmem(bench, 7, 3, 0x3000);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 0);
    memset(bench->window + 0x5000, 0x99, 0x3000);
    mapped = bench_map(bench, 3, 0x5000);
    assert_int_equal(bench_answer(mapped), PV_GPU_OK_MAP_INFO);
    assert_int_equal(map_info(mapped), PV_GPU_MAP_CACHE_CACHED);
    assert_int_equal(bench->window[0x5000], 0);
    call = fake_last(&bench->fake, FAKE_ATTACH, 0);
    assert_int_equal(call->context_id, 7);
    assert_int_equal(call->resource_id, 3);
    assert_int_equal(call->offset_bytes, 0x5000);
    assert_int_equal(call->size_bytes, 0x3000);
    assert_true(call->in_window);
    assert_true(call->is_shmem);
    /* Linux attaches after it has mapped: nothing new for the worker. */
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 7, 3)),
                     PV_GPU_OK_NODATA);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 1);
    bench_close(bench);
}

static void test_create_refuses_bad_values(void **state)
{
    const struct pv_gpu_cmd_create_blob good = {
        .header = {.type = PV_GPU_CMD_RESOURCE_CREATE_BLOB, .context_id = 1},
        .resource_id = 5,
        .blob_mem = PV_GPU_BLOB_MEM_HOST3D,
        .blob_flags = MAPPABLE,
        .size_bytes = 4096,
    };
    struct bench *bench = bench_open();
    struct pv_gpu_cmd_create_blob bad;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 0);
#define REFUSED(error, field, value)                                                               \
    bad = good;                                                                                    \
    bad.field = value;                                                                             \
    assert_int_equal(bench_answer(bench_send(bench, &bad, sizeof(bad))), error)
    REFUSED(PV_GPU_ERR_INVALID_RESOURCE_ID, resource_id, 0);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, blob_mem, 0);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, blob_mem, PV_GPU_BLOB_MEM_HOST3D_GUEST);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, blob_mem, UINT32_MAX);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, blob_flags, 0);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, blob_flags, 8 | MAPPABLE);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, blob_flags, UINT32_MAX);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, entry_count, 1);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, size_bytes, 0);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, size_bytes, 4095);
    REFUSED(PV_GPU_ERR_INVALID_PARAMETER, size_bytes, UINT64_MAX);
    REFUSED(PV_GPU_ERR_OUT_OF_MEMORY, size_bytes, UINT64_MAX - 4095);
    REFUSED(PV_GPU_ERR_OUT_OF_MEMORY, size_bytes, BENCH_MEMORY_LIMIT + 4096);
    REFUSED(PV_GPU_ERR_INVALID_CONTEXT_ID, header.context_id, 0);
    REFUSED(PV_GPU_ERR_INVALID_CONTEXT_ID, header.context_id, 3);
#undef REFUSED
    /* An empty context has no memory objects. */
    assert_int_equal(bench_answer(bench_blob(bench, 2, 5, 9, 4096, MAPPABLE)),
                     PV_GPU_ERR_INVALID_CONTEXT_ID);
    assert_int_equal(bench->device->resource_count, 0);
    assert_int_equal(bench->device->memory_used_bytes, 0);
    assert_int_equal(bench_answer(bench_send(bench, &good, sizeof(good))), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_send(bench, &good, sizeof(good))),
                     PV_GPU_ERR_INVALID_RESOURCE_ID);
    bench_close(bench);
}

static struct bench_element *guest_blob(struct bench *bench, uint32_t id, uint64_t size_bytes,
                                        uint32_t count, const struct pv_gpu_backing_entry *entries)
{
    const struct pv_gpu_cmd_create_blob command = {
        .header.type = PV_GPU_CMD_RESOURCE_CREATE_BLOB,
        .resource_id = id,
        .blob_mem = PV_GPU_BLOB_MEM_GUEST,
        .blob_flags = SHAREABLE,
        .entry_count = count,
        .size_bytes = size_bytes,
    };

    return bench_send_raw(bench, 0, &command, sizeof(command), entries, sizeof(*entries), 24);
}

static void test_guest_blobs(void **state)
{
    const struct pv_gpu_backing_entry entry = {.addr = BENCH_GUEST_ADDR, .size_bytes = 8192};
    struct bench *bench = bench_open();
    uint8_t byte;

    (void)state;
    bench->guest[8191] = 42;
    assert_int_equal(bench_answer(guest_blob(bench, 1, 8192, 1, &entry)), PV_GPU_OK_NODATA);
    assert_int_equal(bench->device->memory_used_bytes, 0); /* it is the guest's own */
    assert_int_equal(pv_gpu_pages_read(pv_gpu_resource_find(bench->device, 1), 8191, &byte, 1), 0);
    assert_int_equal(byte, 42);
    assert_int_equal(bench_answer(bench_map(bench, 1, 0)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(guest_blob(bench, 2, 12288, 1, &entry)),
                     PV_GPU_ERR_INVALID_PARAMETER); /* larger than its memory */
    assert_int_equal(bench_answer(guest_blob(bench, 2, 8192, 2, &entry)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(guest_blob(bench, 2, 8192, 0, &entry)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(guest_blob(bench, 2, 8192, PV_GPU_BACKING_ENTRY_MAX + 1, &entry)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench->device->backing_entry_count, 1);
    assert_int_equal(bench_answer(unref(bench, 1)), PV_GPU_OK_NODATA);
    assert_int_equal(bench->device->backing_entry_count, 0);
    bench_close(bench);
}

/* As Linux does it: create, map and attach, none of which waits for an answer. */
static void test_device_memory_is_exported_then_placed(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *created;
    const struct bench_element *mapped;
    const struct bench_element *attached;
    const struct fake_call *call;

    (void)state;
    bench_context(bench, 7, 4);
    created = bench_blob(bench, 7, 3, 0x1234, 0x2000, MAPPABLE);
    mapped = bench_map(bench, 3, 0x8000);
    attached = bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 7, 3);
    assert_int_equal(bench_answer(created), 0);
    assert_int_equal(bench_answer(mapped), 0);
    assert_int_equal(bench_answer(attached), PV_GPU_OK_NODATA);
    call = fake_last(&bench->fake, FAKE_EXPORT, 0);
    assert_int_equal(call->blob_id, 0x1234);
    assert_int_equal(call->size_bytes, 0x2000);
    assert_int_equal(call->blob_flags, MAPPABLE);
    assert_int_equal(fake_count(&bench->fake, FAKE_PLACE), 0);

    fake_answer(&bench->fake, call, 0);
    assert_int_equal(bench_answer(created), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(mapped), 0);
    call = fake_last(&bench->fake, FAKE_PLACE, 0);
    assert_int_equal(call->resource_id, 3);
    assert_int_equal(call->offset_bytes, 0x8000);
    fake_answer(&bench->fake, call, 0);
    assert_int_equal(bench_answer(mapped), PV_GPU_OK_MAP_INFO);
    assert_int_equal(bench->device->window.used_bytes, 0x2000);
    assert_int_equal(fake_count(&bench->fake, FAKE_ATTACH), 0); /* the worker made it */
    bench_close(bench);
}

static void test_everything_else_proceeds_meanwhile(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 3, 1, 0x2000, MAPPABLE);
    (void)bench_map(bench, 3, 0);
    bench_shmem(bench, 1, 4, 0x1000);
    bench_shmem(bench, 2, 5, 0x1000);
    assert_int_equal(bench_answer(bench_map(bench, 4, 0x4000)), PV_GPU_OK_MAP_INFO);
    assert_int_equal(bench_answer(bench_map(bench, 5, 0x5000)), PV_GPU_OK_MAP_INFO);
    assert_int_equal(bench_answer(bench_submit(bench, 1, 0, 0, 0, "abcd", 4)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_submit(bench, 2, 0, 0, 0, "abcd", 4)), PV_GPU_OK_NODATA);
    assert_true(bench_still_answers(bench));
    bench_close(bench);
}

/* Memory that a worker allocated counts once, in its slot; what outlives it is the device's. */
static void test_memory_of_all_contexts(void **state)
{
    struct pv_base_account *account = calloc(1, sizeof(*account));
    struct bench *bench = bench_open();
    struct pv_gpu_statistics figures;

    (void)state;
    assert_non_null(account);
    bench->device->account = account;
    bench->fake.answer_at_once = true;
    bench->fake.exports_have_fd = true;
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 2, 0x3000);
    assert_int_equal(pv_base_account_bytes(&account->memory, PV_BASE_ACCOUNT_DEVICE), 0x3000);
    pv_base_account_add(&account->memory, 1, BENCH_MEMORY_LIMIT - 0x4000); /* the worker's */
    assert_int_equal(bench_answer(bench_blob(bench, 1, 3, 99, 0x2000, MAPPABLE)), PV_GPU_OK_NODATA);
    pv_gpu_device_get_statistics(bench->device, &figures);
    assert_int_equal(figures.memory_used_bytes, 0x5000);
    assert_int_equal(figures.memory_all_bytes, BENCH_MEMORY_LIMIT - 0x1000);
    /* Workers and device stand under one limit. */
    assert_int_equal(bench_answer(bench_blob(bench, 1, 4, 0, 0x2000, MAPPABLE)),
                     PV_GPU_ERR_OUT_OF_MEMORY);
    assert_int_equal(bench_answer(bench_blob(bench, 1, 4, 0, 0x1000, MAPPABLE)), PV_GPU_OK_NODATA);
    /* The worker is gone, the exported memory is not. */
    pv_base_account_clear(account, 1);
    fake_lose(&bench->fake, 1);
    assert_int_equal(pv_base_account_sum(&account->memory), 0x6000);
    assert_int_equal(bench_answer(unref(bench, 3)), PV_GPU_OK_NODATA);
    assert_int_equal(pv_base_account_sum(&account->memory), 0x4000);
    assert_int_equal(bench_answer(unref(bench, 2)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(unref(bench, 4)), PV_GPU_OK_NODATA);
    assert_int_equal(pv_base_account_sum(&account->memory), 0);
    bench_close(bench);
    free(account);
}

/* Workers can write the device's word of the account; it counts for itself. */
static void test_a_forged_word_of_the_device(void **state)
{
    static const uint64_t forged[] = {0, 1, UINT64_MAX};
    struct pv_base_account *account = calloc(1, sizeof(*account));
    struct bench *bench = bench_open();

    (void)state;
    assert_non_null(account);
    bench->device->account = account;
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 2, 0x3000);
    for (uint32_t i = 0; i < PV_ARRAY_LEN(forged); i++) {
        pv_base_account_set(&account->memory, PV_BASE_ACCOUNT_DEVICE, forged[i]);
        bench_shmem(bench, 1, 3, 0x1000);
        assert_int_equal(pv_base_account_sum(&account->memory), 0x4000);
        pv_base_account_set(&account->memory, PV_BASE_ACCOUNT_DEVICE, forged[i]);
        assert_int_equal(bench_answer(unref(bench, 3)), PV_GPU_OK_NODATA);
        assert_int_equal(pv_base_account_sum(&account->memory), 0x3000);
    }
    assert_int_equal(bench_answer(unref(bench, 2)), PV_GPU_OK_NODATA);
    assert_int_equal(pv_base_account_sum(&account->memory), 0);
    bench_close(bench);
    free(account);
}

static void test_export_that_fails(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *created;
    const struct bench_element *mapped;

    (void)state;
    bench_context(bench, 1, 4);
    created = bench_blob(bench, 1, 3, 99, 0x1000, MAPPABLE);
    mapped = bench_map(bench, 3, 0);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), -EINVAL);
    assert_int_equal(bench_answer(created), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench_answer(mapped), PV_GPU_ERR_UNSPEC);
    /* The guest's kernel goes on as if it were there, and gives it up in the end. */
    assert_int_equal(bench_answer(bench_map(bench, 3, 0)), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench_answer(unmap(bench, 3)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(unref(bench, 3)), PV_GPU_OK_NODATA);
    assert_int_equal(bench->device->window.used_bytes, 0);
    assert_int_equal(bench->device->memory_used_bytes, 0);
    bench->fake.fail_with[FAKE_EXPORT] = -ENOMEM;
    assert_int_equal(bench_answer(bench_blob(bench, 1, 4, 99, 0x1000, MAPPABLE)),
                     PV_GPU_ERR_OUT_OF_MEMORY);
    bench_close(bench);
}

static void test_place_that_fails(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *mapped;

    (void)state;
    bench_context(bench, 1, 4);
    (void)bench_blob(bench, 1, 3, 99, 0x1000, MAPPABLE);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), 0);
    mapped = bench_map(bench, 3, 0x1000);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_PLACE, 0), -ENOMEM);
    assert_int_equal(bench_answer(mapped), PV_GPU_ERR_OUT_OF_MEMORY);
    assert_int_equal(bench->device->window.used_bytes, 0);
    mapped = bench_map(bench, 3, 0x1000); /* the range is free, the blob is still there */
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_PLACE, 0), 0);
    assert_int_equal(bench_answer(mapped), PV_GPU_OK_MAP_INFO);
    bench_close(bench);
}

static void test_exported_pages_that_cannot_be_trusted(void **state)
{
    struct bench *bench = bench_open();
    struct pv_gpu_exported exported = {.fd = memfd_create("raw", 0), .size_bytes = 0x2000};

    (void)state;
    bench_context(bench, 1, 4);
    /* Not sealed: its maker could shrink it under us. */
    (void)bench_blob(bench, 1, 3, 99, 0x2000, SHAREABLE);
    assert_int_equal(ftruncate(exported.fd, 0x2000), 0);
    fake_answer_export(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), &exported);
    assert_true(pv_gpu_resource_find(bench->device, 3)->is_dead);
    /* Too small for the blob. */
    (void)bench_blob(bench, 1, 4, 99, 0x2000, SHAREABLE);
    assert_int_equal(pv_os_shm_create("small", 0x1000, &exported.fd), 0);
    exported.size_bytes = 0x1000;
    fake_answer_export(&bench->fake, fake_last(&bench->fake, FAKE_EXPORT, 0), &exported);
    assert_true(pv_gpu_resource_find(bench->device, 4)->is_dead);
    assert_int_equal(bench->device->resource_fd_count, 0);
    bench_close(bench);
}

static void test_map_refuses_bad_values(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 2, 0x2000);
    bench_2d(bench, 3, 8, 8);
    assert_int_equal(bench_answer(bench_map(bench, 9, 0)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(bench_map(bench, 0, 0)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    assert_int_equal(bench_answer(bench_map(bench, 3, 0)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_map(bench, 2, 1)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_map(bench, 2, BENCH_WINDOW_BYTES)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_map(bench, 2, BENCH_WINDOW_BYTES - 0x1000)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_map(bench, 2, UINT64_MAX - 0xfff)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_map(bench, 2, BENCH_WINDOW_BYTES - 0x2000)),
                     PV_GPU_OK_MAP_INFO);
    /* Twice, and over a live one. */
    assert_int_equal(bench_answer(bench_map(bench, 2, 0)), PV_GPU_ERR_INVALID_PARAMETER);
    bench_shmem(bench, 1, 4, 0x2000);
    assert_int_equal(bench_answer(bench_map(bench, 4, BENCH_WINDOW_BYTES - 0x3000)),
                     PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_map(bench, 4, 0)), PV_GPU_OK_MAP_INFO);
    bench_close(bench);
}

static void test_map_of_what_is_not_mappable(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench->fake.answer_at_once = true;
    bench->fake.exports_have_fd = true;
    bench_context(bench, 1, 4);
    assert_int_equal(bench_answer(bench_blob(bench, 1, 2, 5, 0x1000, SHAREABLE)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(bench_map(bench, 2, 0)), PV_GPU_ERR_INVALID_PARAMETER);
    bench_close(bench);
}

static void test_map_without_a_window(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench->ops->reset(bench->device);
    bench->ops->start(bench->device, 0x1f, false);
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 2, 0x1000);
    assert_int_equal(bench_answer(bench_map(bench, 2, 0)), PV_GPU_ERR_UNSPEC);
    bench_close(bench);
}

static void test_unmap_waits_for_every_context(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *unmapped;
    const struct bench_element *unreffed;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    bench_shmem(bench, 1, 3, 0x1000);
    assert_int_equal(bench_answer(bench_map(bench, 3, 0)), PV_GPU_OK_MAP_INFO);
    assert_int_equal(bench_answer(bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 3)),
                     PV_GPU_OK_NODATA);
    memset(bench->window, 0x11, 0x1000);
    unmapped = unmap(bench, 3);
    unreffed = unref(bench, 3);
    assert_int_equal(fake_count(&bench->fake, FAKE_LEAVE), 2);
    assert_int_equal(bench_answer(unmapped), 0);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_LEAVE, 1), 0);
    assert_int_equal(bench_answer(unmapped), 0);
    assert_int_equal(bench->window[0], 0x11); /* somebody may still use it */
    bench_shmem(bench, 1, 4, 0x1000);
    assert_int_equal(bench_answer(bench_map(bench, 4, 0)), PV_GPU_ERR_INVALID_PARAMETER);
    fake_answer(&bench->fake, fake_last(&bench->fake, FAKE_LEAVE, 0), 0);
    assert_int_equal(bench_answer(unmapped), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(unreffed), PV_GPU_OK_NODATA);
    assert_true(unmapped->order < unreffed->order);
    assert_int_equal(bench->window[0], 0);
    assert_int_equal(bench_answer(bench_map(bench, 4, 0)), PV_GPU_OK_MAP_INFO);
    bench_close(bench);
}

static void test_unmap_of_a_lost_context_does_not_wait(void **state)
{
    struct bench *bench = bench_open();
    const struct bench_element *unmapped;

    (void)state;
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 3, 0x1000);
    (void)bench_map(bench, 3, 0);
    unmapped = unmap(bench, 3);
    assert_int_equal(bench_answer(unmapped), 0);
    fake_lose(&bench->fake, 1);
    assert_int_equal(bench_answer(unmapped), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(unref(bench, 3)), PV_GPU_OK_NODATA);
    bench_close(bench);
}

static void test_after_unmap_only_unref_is_left(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench->fake.answer_at_once = true;
    bench_context(bench, 1, 4);
    bench_shmem(bench, 1, 3, 0x1000);
    assert_int_equal(bench_answer(unmap(bench, 3)), PV_GPU_ERR_INVALID_PARAMETER);
    (void)bench_map(bench, 3, 0);
    assert_int_equal(bench_answer(unmap(bench, 3)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(unmap(bench, 3)), PV_GPU_ERR_INVALID_PARAMETER);
    assert_int_equal(bench_answer(bench_map(bench, 3, 0)), PV_GPU_ERR_UNSPEC);
    assert_int_equal(bench_answer(unref(bench, 3)), PV_GPU_OK_NODATA);
    assert_int_equal(bench_answer(unref(bench, 3)), PV_GPU_ERR_INVALID_RESOURCE_ID);
    bench_close(bench);
}

static void test_answers_from_inside_the_call(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench->fake.answer_at_once = true;
    bench_context(bench, 1, 4);
    for (uint32_t i = 1; i < 20; i++) {
        assert_int_equal(bench_answer(bench_blob(bench, 1, i, 5, 0x1000, MAPPABLE)),
                         PV_GPU_OK_NODATA);
        assert_int_equal(bench_answer(bench_map(bench, i, 0x1000 * i)), PV_GPU_OK_MAP_INFO);
    }
    for (uint32_t i = 1; i < 20; i++) {
        assert_int_equal(bench_answer(unmap(bench, i)), PV_GPU_OK_NODATA);
        assert_int_equal(bench_answer(unref(bench, i)), PV_GPU_OK_NODATA);
    }
    assert_int_equal(bench->device->memory_used_bytes, 0);
    bench_close(bench);
}

static void test_maps_that_wait_are_capped(void **state)
{
    struct bench *bench = bench_open();
    uint32_t refused = 0;

    (void)state;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    for (uint32_t i = 1; i <= 200; i++) {
        (void)bench_blob(bench, 1, i, i, 0x1000, MAPPABLE);
        if (bench_answer(bench_map(bench, i, 0x1000 * i)) != 0) {
            refused++;
        }
    }
    /* Pairs until creations are no longer held, then maps alone; the rest is refused. */
    assert_int_equal(bench->device->held_count, PV_GPU_CONTEXT_HELD_MAX);
    assert_int_equal(refused, 200 - (PV_GPU_CONTEXT_HELD_MAX - PV_GPU_CONTEXT_HELD_CREATE_MAX / 2));
    /* Another context is not touched by that. */
    (void)bench_blob(bench, 2, 1000, 1, 0x1000, MAPPABLE);
    assert_int_equal(bench_answer(bench_map(bench, 1000, 0)), 0);
    fake_lose(&bench->fake, 1);
    assert_int_equal(bench->device->held_count, 2);
    bench_close(bench);
}

static void test_place_refused_when_others_use_the_pages(void **state)
{
    struct bench *bench = bench_open();

    (void)state;
    bench->fake.answer_at_once = true;
    bench->fake.exports_have_fd = true;
    bench_context(bench, 1, 4);
    bench_context(bench, 2, 4);
    (void)bench_blob(bench, 1, 3, 5, 0x1000, MAPPABLE | SHAREABLE);
    (void)bench_resource(bench, PV_GPU_CMD_CTX_ATTACH_RESOURCE, 2, 3);
    assert_int_equal(fake_last(&bench->fake, FAKE_ATTACH, 0)->in_window, false);
    assert_int_equal(bench_answer(bench_map(bench, 3, 0)), PV_GPU_ERR_INVALID_PARAMETER);
    bench_close(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shmem_is_mapped_at_once),
        cmocka_unit_test(test_create_refuses_bad_values),
        cmocka_unit_test(test_guest_blobs),
        cmocka_unit_test(test_device_memory_is_exported_then_placed),
        cmocka_unit_test(test_everything_else_proceeds_meanwhile),
        cmocka_unit_test(test_memory_of_all_contexts),
        cmocka_unit_test(test_a_forged_word_of_the_device),
        cmocka_unit_test(test_export_that_fails),
        cmocka_unit_test(test_place_that_fails),
        cmocka_unit_test(test_exported_pages_that_cannot_be_trusted),
        cmocka_unit_test(test_map_refuses_bad_values),
        cmocka_unit_test(test_map_of_what_is_not_mappable),
        cmocka_unit_test(test_map_without_a_window),
        cmocka_unit_test(test_unmap_waits_for_every_context),
        cmocka_unit_test(test_unmap_of_a_lost_context_does_not_wait),
        cmocka_unit_test(test_after_unmap_only_unref_is_left),
        cmocka_unit_test(test_answers_from_inside_the_call),
        cmocka_unit_test(test_maps_that_wait_are_capped),
        cmocka_unit_test(test_place_refused_when_others_use_the_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
