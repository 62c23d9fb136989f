/* SPDX-License-Identifier: MIT */
/*
 * What the virtio-gpu device asks of whoever runs a guest context (a Venus context's work is done
 * in a process of its own, src/render). The device never waits: each request that has an outcome
 * carries a cookie, and the outcome arrives later as an event on the device's loop thread.
 *
 * Order: the requests of one context take effect in the order of the calls (one FIFO). A context
 * that is lost answers everything that is outstanding, and everything sent later, with -EIO.
 *
 * Memory kinds, and who owns the pages:
 *   - a shared-memory blob (blob_id 0) is a range of the window from the start; the device attaches
 *     it to its context with the window's fd once the guest has mapped it;
 *   - a device-memory blob (blob_id != 0) is memory that the renderer allocated; `export_blob`
 * finds it. Exported memory comes back as an fd of its own; other memory has none until `place`
 * puts it at a window offset;
 *   - after `place` the blob's pages are the window's range, for all contexts.
 *   - before an UNREF is answered, `leave` takes each context's mappings off the window's range;
 * from a worker that is being killed the answer comes when it has ended.
 *
 * Threads: every call and every event on the device's loop thread; no lock held.
 */
#ifndef PV_GPU_CONTEXT_H
#define PV_GPU_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_gpu_context;

/* Pages of a resource as a context may map them. */
struct pv_gpu_memory {
    int fd;                /* borrowed for the call; shared memory */
    uint64_t offset_bytes; /* of the first byte in fd; page multiple */
    uint64_t size_bytes;   /* page multiple */
    bool in_window;        /* fd is the window; the range is given away again after `leave` */
    bool is_shmem;         /* a blob with blob_id 0: rings, replies and streams may live in it */
};

/* Outcome of export_blob. */
struct pv_gpu_exported {
    int fd;              /* taken by the receiver; -1: pages have no place yet */
    uint64_t size_bytes; /* of the pages, a page multiple, at least the blob's size */
    uint32_t map_info;   /* VIRTIO_GPU_MAP_CACHE_* for RESOURCE_MAP_BLOB */
};

/* What a context uses now. The worker counts it: figures for people, nothing is decided by them. */
struct pv_gpu_context_usage {
    uint64_t memory_bytes;  /* host memory of its Vulkan allocations */
    uint64_t command_count; /* Vulkan commands since its start */
    uint64_t object_count;  /* Vulkan objects */
    uint32_t ring_count;
    uint32_t fence_count;   /* outstanding */
    uint32_t request_count; /* outstanding */
    uint32_t worker_pid;    /* 0: none, or no process */
};

/* Implemented by the user of a context: the virtio-gpu device, or a vtest connection. */
struct pv_gpu_context_events {
    /* All work submitted before the fence, on the fence's timeline, is done. */
    void (*fence_retired)(void *user, uint32_t ring_index, uint64_t fence_id);
    /* Outcome of a request: status 0 or -errno; exported only after export_blob with status 0. */
    void (*done)(void *user, uint64_t cookie, int status, const struct pv_gpu_exported *exported);
    /*
     * The context is lost: fences and outcomes have all been delivered (as -EIO) before this call.
     * reason: one sentence for the log. The context object stays until destroy.
     */
    void (*lost)(void *user, const char *reason);
};

struct pv_gpu_context_ops {
    /*
     * Start a context. capset_id: 4 for Venus. name: for logs, at most 63 bytes, not trusted.
     * Returns 0 with a context that the caller destroys, or -errno (-EAGAIN: limit reached).
     */
    int (*create)(void *backend, uint32_t context_id, uint32_t capset_id, const char *name,
                  const struct pv_gpu_context_events *events, void *events_user,
                  struct pv_gpu_context **ret_context);
    /*
     * The guest has no use for it any more: end its worker. Answers, fences and `lost` follow as
     * for a lost context, once the worker cannot write to pages any more; the device destroys it
     * then. Returns false when that has been told already. NULL: destroy does not take long.
     */
    bool (*end)(struct pv_gpu_context *context);
    /* No event arrives after this returns. Does not wait for the worker's end. */
    void (*destroy)(struct pv_gpu_context *context);
    /*
     * After a reset has destroyed all contexts: wait a moment for the workers' ends, because the
     * next driver gets their pages. NULL: not needed.
     */
    void (*settle)(void *backend);
    /* Make a resource known under its id. 0 or -errno; no outcome follows. */
    int (*attach)(struct pv_gpu_context *context, uint32_t resource_id,
                  const struct pv_gpu_memory *memory);
    /*
     * Forget a resource, and put private pages wherever its window range is mapped. `done` follows,
     * or `lost` alone. Used for CTX_DETACH_RESOURCE, UNMAP_BLOB and before UNREF is answered. A
     * failure says that nothing of the context shows the pages any more.
     */
    int (*leave)(struct pv_gpu_context *context, uint32_t resource_id, uint64_t cookie);
    /*
     * Hand over a command stream (copied in the call). If fenced, fence_retired follows once the
     * stream has been consumed (ring_index 0) or once the queue bound to ring_index is through with
     * all work that the stream and those before it submitted. Returns 0 or -errno; -EAGAIN: the
     * context has too much to do, later it may be taken.
     */
    int (*submit)(struct pv_gpu_context *context, const void *bytes, size_t size_bytes, bool fenced,
                  uint32_t ring_index, uint64_t fence_id);
    /*
     * Find the memory object blob_id and make it a resource. blob_flags: VIRTIO_GPU_BLOB_FLAG_*.
     * The resource is attached to this context under resource_id by this call. `done` follows.
     */
    int (*export_blob)(struct pv_gpu_context *context, uint32_t resource_id, uint64_t blob_id,
                       uint64_t size_bytes, uint32_t blob_flags, uint64_t cookie);
    /*
     * Move the pages of an exported blob to the window at offset_bytes; exact for programs free of
     * data races. `done` follows; after it the pages are the window's.
     */
    int (*place)(struct pv_gpu_context *context, uint32_t resource_id, uint64_t offset_bytes,
                 uint64_t cookie);
    /* Current figures; all zero for a lost one. NULL: this kind of context has none. */
    void (*get_usage)(const struct pv_gpu_context *context, struct pv_gpu_context_usage *ret_usage);
};

#endif
