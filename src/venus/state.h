/* SPDX-License-Identifier: MIT */
/*
 * The inside of a Venus context, for the files of src/venus only. See context.h for the threads.
 *
 * Locks, in the order in which they may be taken:
 *   remove_lock    one ring removes objects at a time (object.c); held while waiting for others
 *   lock           ring list, waits between message thread and rings, lost reason
 *   spares.lock    a device's spare memory (spare.h)
 *   resource_lock  resources, their lists of pages, and moves of pages
 *   timeline_lock  timelines[]; held while a fence is submitted
 *   device_lock    the list of devices
 *   device->lock   the list of a device's objects
 *   queue->lock    submissions to one VkQueue, and its timeline's list
 */
#ifndef PV_VENUS_STATE_H
#define PV_VENUS_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/account.h"
#include "base/id_table.h"
#include "base/log.h"
#include "venus/context.h"
#include "venus/pages.h"
#include "venus_wire/decoder.h"

/* Rings of one context: Mesa makes one per instance and one per compiling thread. */
#define PV_VENUS_RING_MAX 64
/* Timelines: Mesa asks for 64; index 0 is the CPU's. */
#define PV_VENUS_TIMELINE_COUNT 64
/* Resources known to one context. Mesa makes one per mapped allocation. */
#define PV_VENUS_RESOURCE_MAX 65536
/* A command stream outside of a ring; Mesa's pools double from 1 MiB, its cache ends at 64 MiB. */
#define PV_VENUS_STREAM_MAX_BYTES ((size_t)64 << 20)
/* A ring's buffer; stock Mesa uses 128 KiB. */
#define PV_VENUS_RING_BUFFER_MAX_BYTES ((size_t)16 << 20)
/* Private copies of rings and of indirect streams in all workers of a VM: some 1.2 MiB for each of
 * two rings in 256 contexts, and room for a few long streams. Else 64 rings in each of 256 contexts
 * could keep 64 MiB each. */
#define PV_VENUS_COPY_MAX_BYTES ((uint64_t)1 << 30)

struct pv_venus_ring;
struct pv_venus_device;
struct pv_venus_instance;
struct pv_venus_queue;

struct pv_venus_resource {
    uint32_t id;
    bool is_shmem;
    int fd; /* of the pages, for imports; -1 while they have no fd */
    bool owns_fd;
    bool in_window;
    uint64_t offset_bytes;
    uint64_t size_bytes;
    struct pv_venus_pages *shmem;    /* is_shmem: the mapping that rings and streams use; in list */
    struct pv_venus_pages *blob;     /* exported memory of this context; in the list */
    struct pv_venus_pages *mappings; /* all mappings, each with a reference, for leave */
    struct pv_venus_resource *previous; /* of the context's list */
    struct pv_venus_resource *next;
};

/* One party that decodes: a ring, or the message thread. The decoder's `context` points here. */
struct pv_venus_decoder {
    struct pv_wire_decoder wire;
    struct pv_venus_context *context;
    struct pv_venus_ring *ring;         /* NULL: the message thread */
    struct pv_venus_pages *reply_pages; /* keeps the reply stream's mapping */
    uint64_t reply_offset_bytes;        /* of the reply stream in its mapping */
    uint64_t reply_size_bytes;
    uint32_t nesting;                    /* > 0 inside vkExecuteCommandStreamsMESA */
    struct pv_base_arena nested_arena;   /* for commands of indirect streams */
    atomic_uint_fast64_t *command_count; /* of this party; only its thread writes it */
    uint8_t *stream_copy;                /* private copy of an indirect stream, grown as needed */
    size_t stream_copy_bytes;            /* charged */
    bool is_awaiting; /* an attach of awaited_resource_id; both under resource_lock */
    uint32_t awaited_resource_id;
    /* Even: holds no object. Odd: inside a batch. Other rings wait for it to change. */
    atomic_uint_fast64_t batch;
};

struct pv_venus_context {
    struct pv_base_log *log;
    char name[64];
    enum pv_venus_placement placement;
    int window_fd;
    uint64_t window_size_bytes;
    const struct pv_venus_context_events *events;
    void *events_user;
    void (*(*get_instance_proc_addr)(struct VkInstance_T *instance, const char *name))(void);

    struct pv_base_id_table *objects;
    atomic_bool lost;
    atomic_bool stopping;
    bool trace;             /* log each command */
    uint64_t idle_grace_ns; /* PV_VENUS_IDLE_GRACE_NS, but in tests */

    pthread_mutex_t remove_lock;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* ring progress, seqnos, stop; broadcast under lock */
    struct pv_venus_ring *rings[PV_VENUS_RING_MAX]; /* changed by the message thread only */
    atomic_uint ring_count;
    atomic_bool seqno_wait; /* the message thread waits for a ring: rings must signal progress */

    pthread_mutex_t resource_lock;
    pthread_cond_t resource_added;      /* with resource_lock; monotonic clock */
    struct pv_base_id_table *resources; /* of struct resource_object, resource.c */
    struct pv_venus_resource *resource_list;

    /* host memory of the allocations of this context and of all others that share the account */
    struct pv_base_account *account;
    uint32_t account_slot;
    struct pv_base_account *own_account; /* if nobody gave one */
    uint64_t memory_max_bytes;

    struct pv_venus_monitor *monitor;
    struct pv_venus_decoder decoder; /* the message thread's */
    pthread_mutex_t device_lock;     /* guards the list of devices */
    struct pv_venus_device *devices;
    atomic_bool has_instance;           /* or one is being made: there is only one at a time */
    struct pv_venus_instance *instance; /* valid for who has its object in hand */
    pthread_mutex_t timeline_lock;      /* guards timelines[] */
    struct pv_venus_queue *timelines[PV_VENUS_TIMELINE_COUNT];
};

/* Figures of this context. */
static inline struct pv_base_account_figures *pv_venus_figures(struct pv_venus_context *context)
{
    return &context->account->figures[context->account_slot];
}

/*
 * Charge host memory to this context. False, and nothing is charged, when its VM would hold more
 * than the limit. Any thread.
 */
PV_NODISCARD static inline bool pv_venus_memory_charge(struct pv_venus_context *context,
                                                       uint64_t size_bytes)
{
    return pv_base_account_charge(&context->account->memory, context->account_slot, size_bytes,
                                  context->memory_max_bytes);
}

/* Give back what was charged. Any thread. */
static inline void pv_venus_memory_refund(struct pv_venus_context *context, uint64_t size_bytes)
{
    pv_base_account_refund(&context->account->memory, context->account_slot, size_bytes);
}

/* The same for private copies of rings and streams, under PV_VENUS_COPY_MAX_BYTES. */
PV_NODISCARD static inline bool pv_venus_copy_charge(struct pv_venus_context *context,
                                                     uint64_t size_bytes)
{
    return pv_base_account_charge(&context->account->copies, context->account_slot, size_bytes,
                                  PV_VENUS_COPY_MAX_BYTES);
}

/* Give back what was charged. Any thread. */
static inline void pv_venus_copy_refund(struct pv_venus_context *context, uint64_t size_bytes)
{
    pv_base_account_refund(&context->account->copies, context->account_slot, size_bytes);
}

/* From a wire decoder (as handlers get it) to ours. */
static inline struct pv_venus_decoder *pv_venus_decoder_of(struct pv_wire_decoder *wire)
{
    return wire->context;
}

/* resource.c: look-ups. Call with resource_lock held; the resource is valid while it is. */
struct pv_venus_resource *pv_venus_resource_find_locked(struct pv_venus_context *context,
                                                        uint32_t resource_id);

/* resource.c: a reference to the mapping of a shared-memory resource, NULL if there is none. */
struct pv_venus_pages *pv_venus_resource_shmem_ref(struct pv_venus_context *context,
                                                   uint32_t resource_id);

/*
 * resource.c: the same for a decoder that has met the id in a stream: waits for an attach that is
 * still on its way. Call without objects in hand: other rings may remove theirs meanwhile.
 */
struct pv_venus_pages *pv_venus_resource_shmem_await(struct pv_venus_decoder *decoder,
                                                     uint32_t resource_id);

/*
 * resource.c: whether a decoder waits for a resource that is not there. On the message thread,
 * which alone attaches, this means: for as long as the caller does not go on. Takes resource_lock.
 */
bool pv_venus_resource_is_awaited(struct pv_venus_decoder *decoder);

/*
 * resource.c: map a resource once more for an import. Returns 0 with a reference, -ENOENT when
 * there is no such resource, or -errno.
 */
PV_NODISCARD int pv_venus_resource_import(struct pv_venus_context *context, uint32_t resource_id,
                                          struct pv_venus_pages **ret_pages);

/* resource.c: size in bytes of a resource, 0 when there is none. */
uint64_t pv_venus_resource_size(struct pv_venus_context *context, uint32_t resource_id);

/*
 * resource.c: make a memory object's pages a resource. Returns 0, -EEXIST when the id is taken or
 * the pages are a resource already, or -errno.
 */
PV_NODISCARD int pv_venus_resource_add_blob(struct pv_venus_context *context, uint32_t resource_id,
                                            struct pv_venus_pages *pages, uint64_t size_bytes);

/* resource.c: pages that came from a resource are going away: take them off its list. */
void pv_venus_resource_release_mapping(struct pv_venus_context *context,
                                       struct pv_venus_pages *pages);

/*
 * resource.c: pages of freed memory are kept (spare.h): their charge is given back now, or when the
 * resource that shows them leaves. False: they can never be used again.
 */
PV_NODISCARD bool pv_venus_resource_retire_pages(struct pv_venus_context *context,
                                                 struct pv_venus_pages *pages);

/*
 * resource.c: kept pages are wanted again. False: a resource still shows them, or the driver would
 * not follow. ret_is_zero: nobody has written to them yet.
 */
PV_NODISCARD bool pv_venus_resource_revive_pages(struct pv_venus_context *context,
                                                 struct pv_venus_pages *pages, bool *ret_is_zero);

/* resource.c: drop all resources, when the context ends and no ring runs any more. */
void pv_venus_resource_finish_all(struct pv_venus_context *context);

/*
 * context.c: end the context because of the decoder's fault: one log line with command, offset
 * and cause, FATAL on all rings, the lost event. Any thread.
 */
void pv_venus_context_fail(struct pv_venus_context *context, const struct pv_wire_decoder *wire,
                           const char *where, size_t offset_bytes);

/* context.c: the same for reasons outside of a decoder. reason: one sentence. */
void pv_venus_context_lose(struct pv_venus_context *context, const char *reason);

/*
 * stream.c: ready a decoder; finish drops the reply stream and the arena. index: of the ring, or
 * PV_VENUS_RING_MAX for the message thread's, among the context's figures.
 */
void pv_venus_decoder_init(struct pv_venus_decoder *decoder, struct pv_venus_context *context,
                           struct pv_venus_ring *ring, size_t index);
void pv_venus_decoder_finish(struct pv_venus_decoder *decoder);

/* stream.c: memory for a private copy of an indirect stream, valid until the next call; or NULL. */
uint8_t *pv_venus_decoder_stream_copy(struct pv_venus_decoder *decoder, size_t size_bytes);

/*
 * stream.c: decode commands from private bytes until the end, a fault, or the context is lost.
 * after_command: called with the bytes consumed so far, may be NULL. Returns false on a fault
 * (already reported).
 */
bool pv_venus_stream_run(struct pv_venus_decoder *decoder, const uint8_t *bytes, size_t size_bytes,
                         void (*after_command)(struct pv_venus_ring *ring, size_t consumed_bytes),
                         const char *where);

#endif
