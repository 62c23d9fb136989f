/* SPDX-License-Identifier: MIT */
/*
 * The runner of contexts; see backend.h.
 */
#include "fuzz/backend.h"

#include <errno.h>
#include <string.h>

void fuzz_backend_init(struct fuzz_backend *backend)
{
    memset(backend, 0, sizeof(*backend));
    backend->mode = FUZZ_BACKEND_AT_ONCE | FUZZ_BACKEND_FILES;
}

static struct fuzz_owed take(struct fuzz_backend *backend, unsigned index)
{
    const struct fuzz_owed owed = backend->owed[index];

    backend->owed_count--;
    memmove(backend->owed + index, backend->owed + index + 1,
            (backend->owed_count - index) * sizeof(owed));
    return owed;
}

static void settle(const struct fuzz_owed *owed, int status, bool has_file)
{
    const struct pv_gpu_context *context = owed->context;
    struct pv_gpu_exported exported = {.fd = -1, .map_info = 1};

    if (owed->is_fence) {
        context->events->fence_retired(context->user, owed->ring_index, owed->id);
        return;
    }
    if (status == 0 && owed->is_export) {
        exported.size_bytes = (owed->size_bytes + 4095) & ~UINT64_C(4095);
        exported.fd = has_file ? fuzz_memfd(exported.size_bytes, true) : -1;
    }
    context->events->done(context->user, owed->id, status,
                          status == 0 && owed->is_export ? &exported : NULL);
}

static int owe(struct pv_gpu_context *context, struct fuzz_owed owed)
{
    struct fuzz_backend *backend = context->backend;

    FUZZ_CHECK(context->is_live);
    if (context->is_lost) {
        return -EIO;
    }
    if ((backend->mode & FUZZ_BACKEND_FAILS) != 0 || backend->owed_count == FUZZ_BACKEND_OWED_MAX
        || owed.size_bytes > UINT64_C(1) << 40) {
        return -ENOMEM;
    }
    owed.context = context;
    if ((backend->mode & FUZZ_BACKEND_AT_ONCE) != 0 && !backend->defers) {
        settle(&owed, 0, (backend->mode & FUZZ_BACKEND_FILES) != 0);
    } else {
        backend->owed[backend->owed_count++] = owed;
    }
    return 0;
}

static int create(void *user, uint32_t context_id, uint32_t capset_id, const char *name,
                  const struct pv_gpu_context_events *events, void *events_user,
                  struct pv_gpu_context **ret_context)
{
    struct fuzz_backend *backend = user;

    (void)context_id;
    (void)capset_id;
    FUZZ_CHECK(strlen(name) < 64);
    if ((backend->mode & FUZZ_BACKEND_FAILS) != 0) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < FUZZ_BACKEND_CONTEXTS_MAX; i++) {
        struct pv_gpu_context *context = &backend->contexts[i];

        if (!context->is_live) {
            *context = (struct pv_gpu_context){
                .backend = backend, .events = events, .user = events_user, .is_live = true};
            backend->live_count++;
            *ret_context = context;
            return 0;
        }
    }
    return -EAGAIN;
}

static void destroy(struct pv_gpu_context *context)
{
    struct fuzz_backend *backend = context->backend;

    FUZZ_CHECK(context->is_live);
    context->is_live = false;
    backend->live_count--;
    for (unsigned i = backend->owed_count; i > 0; i--) {
        if (backend->owed[i - 1].context == context) {
            (void)take(backend, i - 1);
        }
    }
}

static int attach(struct pv_gpu_context *context, uint32_t resource_id,
                  const struct pv_gpu_memory *memory)
{
    (void)resource_id;
    FUZZ_CHECK(context->is_live && memory->fd >= 0 && memory->size_bytes > 0);
    FUZZ_CHECK(memory->offset_bytes % 4096 == 0 && memory->size_bytes % 4096 == 0);
    if (context->is_lost) {
        return -EIO;
    }
    return (context->backend->mode & FUZZ_BACKEND_FAILS) != 0 ? -ENOMEM : 0;
}

static int leave(struct pv_gpu_context *context, uint32_t resource_id, uint64_t cookie)
{
    (void)resource_id;
    return owe(context, (struct fuzz_owed){.id = cookie});
}

static int submit(struct pv_gpu_context *context, const void *bytes, size_t size_bytes, bool fenced,
                  uint32_t ring_index, uint64_t fence_id)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size_bytes; i++) {
        sum = (uint8_t)(sum + ((const uint8_t *)bytes)[i]);
    }
    if (!fenced) {
        FUZZ_CHECK(context->is_live);
        return context->is_lost ? -EIO : sum > 255;
    }
    return owe(context,
               (struct fuzz_owed){.is_fence = true, .ring_index = ring_index, .id = fence_id});
}

static int export_blob(struct pv_gpu_context *context, uint32_t resource_id, uint64_t blob_id,
                       uint64_t size_bytes, uint32_t blob_flags, uint64_t cookie)
{
    (void)resource_id;
    (void)blob_id;
    (void)blob_flags;
    return owe(context,
               (struct fuzz_owed){.is_export = true, .id = cookie, .size_bytes = size_bytes});
}

static int place(struct pv_gpu_context *context, uint32_t resource_id, uint64_t offset_bytes,
                 uint64_t cookie)
{
    (void)resource_id;
    FUZZ_CHECK(offset_bytes % 4096 == 0);
    return owe(context, (struct fuzz_owed){.id = cookie});
}

const struct pv_gpu_context_ops fuzz_backend_ops = {
    .create = create,
    .destroy = destroy,
    .attach = attach,
    .leave = leave,
    .submit = submit,
    .export_blob = export_blob,
    .place = place,
};

/* Outstanding outcomes first, then the event; the user may destroy the context in any of them. */
static void lose(struct fuzz_backend *backend, struct pv_gpu_context *context)
{
    unsigned i = 0;

    if (!context->is_live || context->is_lost) {
        return;
    }
    context->is_lost = true;
    while (i < backend->owed_count) {
        if (backend->owed[i].context == context) {
            const struct fuzz_owed owed = take(backend, i);

            settle(&owed, -EIO, false);
            i = 0;
        } else {
            i++;
        }
    }
    if (context->is_live && context->is_lost) {
        context->events->lost(context->user, "the input says so");
    }
}

void fuzz_backend_act(struct fuzz_backend *backend, struct fuzz_input *in)
{
    const uint8_t what = fuzz_u8(in);
    const uint8_t which = fuzz_u8(in);

    if (what < 64) {
        backend->mode = which;
    } else if (what < 80) {
        lose(backend, &backend->contexts[which % FUZZ_BACKEND_CONTEXTS_MAX]);
    } else if (backend->owed_count > 0) {
        const struct fuzz_owed owed = take(backend, which % backend->owed_count);

        settle(&owed, (what & 1) != 0 ? 0 : (what & 2) != 0 ? -ENOENT : -ENOMEM, (what & 4) != 0);
    }
}

void fuzz_backend_settle(struct fuzz_backend *backend)
{
    while ((backend->mode & FUZZ_BACKEND_AT_ONCE) != 0 && backend->owed_count > 0) {
        const struct fuzz_owed owed = take(backend, 0);

        settle(&owed, 0, (backend->mode & FUZZ_BACKEND_FILES) != 0);
    }
}

void fuzz_backend_check(const struct fuzz_backend *backend)
{
    FUZZ_CHECK(backend->live_count == 0 && backend->owed_count == 0);
}
