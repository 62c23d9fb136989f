/* SPDX-License-Identifier: MIT */
/*
 * Pages: one mapping of shared memory in this process, between guard pages, at addresses that never
 * change while its contents may move to the window. Resources, rings and imported Vulkan memory
 * stand on these.
 *
 * Life: counted references. A mapping that came from a resource is on the resource's list, so that
 * `leave` finds every one of them.
 * Threads: ref and unref from any thread; all else on the context's message thread, save that
 * memory handlers on ring threads create and release pages under the context's resource lock.
 */
#ifndef PV_VENUS_PAGES_H
#define PV_VENUS_PAGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/account.h"
#include "base/compiler.h"

struct pv_venus_pages {
    atomic_uint references;
    void *memory; /* first byte; page aligned */
    size_t size_bytes;
    int fd;                /* shared memory behind the mapping, -1 for private pages */
    uint64_t offset_bytes; /* of the mapping in fd */
    bool owns_fd;
    bool in_window;      /* fd is the window: the range is given away after leave */
    bool can_move;       /* the driver, if any, follows when other pages come under the addresses */
    bool left;           /* private pages have been put under it */
    atomic_bool is_gone; /* they have been or are about to be: bytes read here may not be theirs */
    uint32_t resource_id; /* of the resource whose list holds it, 0 if none; resource lock */
    struct pv_venus_pages *next_of_resource;
    struct pv_base_account *account; /* gets charged_bytes back when the pages go; NULL: none */
    uint32_t account_slot;
    uint64_t charged_bytes;
    bool is_spare; /* kept by spare.h: unpaid for once no resource has them; resource lock */
};

/* Private zero pages. size_bytes: page multiple. Returns 0 or -errno; unref ends it. */
PV_NODISCARD int pv_venus_pages_create_private(size_t size_bytes,
                                               struct pv_venus_pages **ret_pages);

/* Zero pages in a file of their own (pages->fd), for export. Returns 0 or -errno. */
PV_NODISCARD int pv_venus_pages_create_file(size_t size_bytes, struct pv_venus_pages **ret_pages);

/*
 * Map a range of fd. owns_fd: fd is duplicated and kept (else it must outlive the pages, as the
 * window does). Returns 0 or -errno.
 */
PV_NODISCARD int pv_venus_pages_create_mapping(int fd, uint64_t offset_bytes, size_t size_bytes,
                                               bool in_window, bool owns_fd,
                                               struct pv_venus_pages **ret_pages);

/* One more reference; returns pages. Any thread that has one. */
struct pv_venus_pages *pv_venus_pages_ref(struct pv_venus_pages *pages);

/*
 * Say to whom charged_bytes go back when the pages go: memory of the context that allocated them,
 * or of one that still has them when everybody else has given them up. Not twice.
 */
void pv_venus_pages_charge(struct pv_venus_pages *pages, struct pv_base_account *account,
                           uint32_t slot, uint64_t charged_bytes);

/* The last reference unmaps. Accepts NULL. */
void pv_venus_pages_unref(struct pv_venus_pages *pages);

/*
 * Move the contents to the window at offset_bytes, exact under concurrent writes of CPU drivers
 * (os/write_guard.h). Returns 0, or -errno with the pages as they were.
 */
PV_NODISCARD int pv_venus_pages_move(struct pv_venus_pages *pages, int window_fd,
                                     uint64_t offset_bytes);

/*
 * Whether bytes that were read from the pages before this call may be of the private pages that
 * leave puts under them. Any thread.
 */
static inline bool pv_venus_pages_are_gone(const struct pv_venus_pages *pages)
{
    atomic_thread_fence(memory_order_acquire); /* after those reads */
    return atomic_load_explicit(&pages->is_gone, memory_order_relaxed);
}

/*
 * Put private zero pages under the addresses if they show the window; they have no file from then
 * on. Returns 0 or -errno.
 */
PV_NODISCARD int pv_venus_pages_leave(struct pv_venus_pages *pages);

#endif
