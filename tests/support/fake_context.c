/* SPDX-License-Identifier: MIT */
/*
 * The fake runner of contexts; see fake_context.h.
 */
#include "support/fake_context.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "os/shm.h"

static struct fake_call *record(struct fake_contexts *fake, enum fake_op op, uint32_t context_id)
{
    struct fake_call *call;

    assert_true(fake->call_count < FAKE_CALL_MAX);
    call = &fake->calls[fake->call_count++];
    *call = (struct fake_call){.op = op, .context_id = context_id};
    return call;
}

static int create(void *backend, uint32_t context_id, uint32_t capset_id, const char *name,
                  const struct pv_gpu_context_events *events, void *user,
                  struct pv_gpu_context **ret_context)
{
    struct fake_contexts *fake = backend;
    struct fake_call *call = record(fake, FAKE_CREATE, context_id);
    struct pv_gpu_context *context;

    call->capset_id = capset_id;
    strncpy(call->name, name, sizeof(call->name) - 1);
    if (fake->fail_with[FAKE_CREATE] != 0) {
        return fake->fail_with[FAKE_CREATE];
    }
    assert_true(fake->context_count < FAKE_CONTEXT_MAX);
    context = &fake->contexts[fake->context_count++];
    *context = (struct pv_gpu_context){
        .fake = fake, .id = context_id, .events = events, .user = user, .live = true};
    *ret_context = context;
    return 0;
}

static bool end(struct pv_gpu_context *context)
{
    assert_true(context->live);
    return context->fake->ends_slowly;
}

static void destroy(struct pv_gpu_context *context)
{
    record(context->fake, FAKE_DESTROY, context->id);
    assert_true(context->live);
    context->live = false;
}

static int attach(struct pv_gpu_context *context, uint32_t resource_id,
                  const struct pv_gpu_memory *memory)
{
    struct fake_call *call = record(context->fake, FAKE_ATTACH, context->id);

    assert_true(context->live);
    call->resource_id = resource_id;
    call->offset_bytes = memory->offset_bytes;
    call->size_bytes = memory->size_bytes;
    call->in_window = memory->in_window;
    call->is_shmem = memory->is_shmem;
    return context->fake->fail_with[FAKE_ATTACH];
}

static int with_outcome(struct pv_gpu_context *context, struct fake_call *call)
{
    struct fake_contexts *fake = context->fake;
    const struct fake_call copy = *call;

    assert_true(context->live);
    if (fake->fail_with[call->op] != 0) {
        return fake->fail_with[call->op];
    }
    if (fake->answer_at_once) {
        fake_answer(fake, &copy, 0);
    }
    return 0;
}

static int leave(struct pv_gpu_context *context, uint32_t resource_id, uint64_t cookie)
{
    struct fake_call *call = record(context->fake, FAKE_LEAVE, context->id);

    call->resource_id = resource_id;
    call->cookie = cookie;
    return with_outcome(context, call);
}

static int submit(struct pv_gpu_context *context, const void *bytes, size_t size_bytes, bool fenced,
                  uint32_t ring_index, uint64_t fence_id)
{
    struct fake_contexts *fake = context->fake;
    struct fake_call *call;

    if (fake->busy_after != 0 && fake_count(fake, FAKE_SUBMIT) >= fake->busy_after) {
        return -EAGAIN;
    }
    call = record(fake, FAKE_SUBMIT, context->id);

    assert_true(context->live);
    call->size_bytes = size_bytes;
    call->fenced = fenced;
    call->ring_index = ring_index;
    call->fence_id = fence_id;
    if (size_bytes > 0) {
        memcpy(call->bytes, bytes, size_bytes < sizeof(call->bytes) ? size_bytes : 64);
    }
    if (fake->fail_with[FAKE_SUBMIT] != 0) {
        return fake->fail_with[FAKE_SUBMIT];
    }
    if (fake->answer_at_once && fenced) {
        context->events->fence_retired(context->user, ring_index, fence_id);
    }
    return 0;
}

static int export_blob(struct pv_gpu_context *context, uint32_t resource_id, uint64_t blob_id,
                       uint64_t size_bytes, uint32_t blob_flags, uint64_t cookie)
{
    struct fake_call *call = record(context->fake, FAKE_EXPORT, context->id);

    call->resource_id = resource_id;
    call->blob_id = blob_id;
    call->size_bytes = size_bytes;
    call->blob_flags = blob_flags;
    call->cookie = cookie;
    return with_outcome(context, call);
}

static int place(struct pv_gpu_context *context, uint32_t resource_id, uint64_t offset_bytes,
                 uint64_t cookie)
{
    struct fake_call *call = record(context->fake, FAKE_PLACE, context->id);

    call->resource_id = resource_id;
    call->offset_bytes = offset_bytes;
    call->cookie = cookie;
    return with_outcome(context, call);
}

const struct pv_gpu_context_ops fake_context_ops = {
    .create = create,
    .end = end,
    .destroy = destroy,
    .attach = attach,
    .leave = leave,
    .submit = submit,
    .export_blob = export_blob,
    .place = place,
};

const struct fake_call *fake_last(const struct fake_contexts *fake, enum fake_op op, size_t n)
{
    for (size_t i = fake->call_count; i > 0; i--) {
        if (fake->calls[i - 1].op == op && n-- == 0) {
            return &fake->calls[i - 1];
        }
    }
    fail_msg("no such call: op %d", (int)op);
    return NULL;
}

size_t fake_count(const struct fake_contexts *fake, enum fake_op op)
{
    size_t count = 0;

    for (size_t i = 0; i < fake->call_count; i++) {
        count += fake->calls[i].op == op ? 1 : 0;
    }
    return count;
}

static struct pv_gpu_context *find(struct fake_contexts *fake, uint32_t context_id)
{
    for (size_t i = fake->context_count; i > 0; i--) {
        if (fake->contexts[i - 1].id == context_id && fake->contexts[i - 1].live) {
            return &fake->contexts[i - 1];
        }
    }
    fail_msg("no live context %u", context_id);
    return NULL;
}

void fake_answer(struct fake_contexts *fake, const struct fake_call *call, int status)
{
    const struct fake_call copy = *call;
    struct pv_gpu_context *context = find(fake, copy.context_id);
    struct pv_gpu_exported exported = {.fd = -1, .size_bytes = copy.size_bytes, .map_info = 1};

    if (copy.op == FAKE_EXPORT && status == 0) {
        if (fake->exports_have_fd) {
            assert_int_equal(pv_os_shm_create("fake", copy.size_bytes, &exported.fd), 0);
        }
        context->events->done(context->user, copy.cookie, 0, &exported);
    } else {
        context->events->done(context->user, copy.cookie, status, NULL);
    }
}

void fake_answer_export(struct fake_contexts *fake, const struct fake_call *call,
                        const struct pv_gpu_exported *exported)
{
    struct pv_gpu_context *context = find(fake, call->context_id);

    context->events->done(context->user, call->cookie, 0, exported);
}

void fake_retire(struct fake_contexts *fake, uint32_t context_id, uint32_t ring_index,
                 uint64_t fence_id)
{
    struct pv_gpu_context *context = find(fake, context_id);

    context->events->fence_retired(context->user, ring_index, fence_id);
}

void fake_lose(struct fake_contexts *fake, uint32_t context_id)
{
    struct pv_gpu_context *context = find(fake, context_id);

    /* Answering one that was answered before is harmless: the device does not know the cookie. */
    for (size_t i = 0; i < fake->call_count; i++) {
        const struct fake_call *call = &fake->calls[i];

        if (call->context_id != context_id) {
            continue;
        }
        if (call->op == FAKE_SUBMIT && call->fenced) {
            context->events->fence_retired(context->user, call->ring_index, call->fence_id);
        } else if (call->op == FAKE_EXPORT || call->op == FAKE_PLACE || call->op == FAKE_LEAVE) {
            context->events->done(context->user, call->cookie, -EIO, NULL);
        }
    }
    context->events->lost(context->user, "the test says so");
}

void fake_lose_rudely(struct fake_contexts *fake, uint32_t context_id)
{
    struct pv_gpu_context *context = find(fake, context_id);

    context->events->lost(context->user, "the test says so");
}
