/* SPDX-License-Identifier: MIT */
/*
 * Guest-physical memory: a table of regions backed by file descriptors, and the only code that
 * copies bytes between it and us. Every address and size that comes here is the guest's word.
 *
 * The device's own window is never part of a space: a descriptor or a backing entry that points
 * there is an unbacked address (no device access to the device's own memory).
 *
 * Trust: the fds come from the virtual machine monitor, which is trusted with our life. A monitor
 * that truncates the file under a mapping makes our next access fault (SIGBUS), as does one that
 * dies in the middle of doing so; its ordinary death only closes its own descriptors, and our
 * mappings keep the pages. A guest cannot shrink the file.
 *
 * Threads: the loop thread. (One owner: no lock. A second thread that needs guest bytes gets a
 * copy.)
 */
#ifndef PV_GUESTMEM_SPACE_H
#define PV_GUESTMEM_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct pv_guestmem_space;

/* Regions in one table; vhost-user's memory table carries at most 8. */
#define PV_GUESTMEM_REGION_COUNT_MAX 32

/* One region as a transport learns of it. */
struct pv_guestmem_region {
    uint64_t addr;         /* guest-physical address of the first byte */
    uint64_t size_bytes;   /* not 0 */
    uint64_t user_addr;    /* the monitor's own address of it (vhost-user), 0 where there is none */
    uint64_t offset_bytes; /* of the first byte in fd */
    int fd;
};

/* Create an empty space. Returns 0 with a space that the caller destroys, or -ENOMEM. */
PV_NODISCARD int pv_guestmem_space_create(struct pv_guestmem_space **ret_space);

/* Unmaps everything. Accepts NULL. */
void pv_guestmem_space_destroy(struct pv_guestmem_space *space);

/*
 * Leave out of every later table the regions whose fd is the same file as fd (borrowed for the
 * call): the window. Returns 0 or -errno.
 */
PV_NODISCARD int pv_guestmem_space_exclude(struct pv_guestmem_space *space, int fd);

/*
 * Replace the whole table in one step. All fds in regions are taken: mapped and closed, or just
 * closed, whatever comes back. Regions that equal one of the old table keep their mapping.
 *
 * regions  count entries; overlapping ones are refused
 * count    0 .. PV_GUESTMEM_REGION_COUNT_MAX
 *
 * Returns 0; -EINVAL for a table that cannot be (an end past 2^64, overlap, an offset or a size
 * past the file's end, too many); -errno when mapping fails. The old table stays on error.
 */
PV_NODISCARD int pv_guestmem_space_replace(struct pv_guestmem_space *space,
                                           const struct pv_guestmem_region *regions, size_t count);

/*
 * Copy out of guest memory, over region borders. Returns how many bytes were backed from addr on:
 * fewer than size_bytes when an unbacked address comes first; the rest of ret_bytes is zeroed.
 */
PV_NODISCARD size_t pv_guestmem_space_copy_in(struct pv_guestmem_space *space, uint64_t addr,
                                              void *ret_bytes, size_t size_bytes);

/* Copy into guest memory; returns how many bytes were backed and so written. */
PV_NODISCARD size_t pv_guestmem_space_copy_out(struct pv_guestmem_space *space, uint64_t addr,
                                               const void *bytes, size_t size_bytes);

/* Whether all of [addr, addr + size_bytes) is backed. An empty range is. */
PV_NODISCARD bool pv_guestmem_space_is_backed(struct pv_guestmem_space *space, uint64_t addr,
                                              uint64_t size_bytes);

/*
 * The host address of [addr, addr + size_bytes), which must lie inside one region; NULL otherwise.
 * For memory that is shared by design (rings: guestmem/shared_index.h). Valid until the next
 * replace, see pv_guestmem_space_generation.
 */
PV_NODISCARD void *pv_guestmem_space_at(struct pv_guestmem_space *space, uint64_t addr,
                                        uint64_t size_bytes);

/* A number that changes whenever pointers from pv_guestmem_space_at may have become stale. */
uint64_t pv_guestmem_space_generation(const struct pv_guestmem_space *space);

/*
 * Find the guest-physical address of an address in the monitor's own numbering (vhost-user gives
 * ring addresses so). False, with *ret_addr untouched, when no region holds it.
 */
PV_NODISCARD bool pv_guestmem_space_from_user(struct pv_guestmem_space *space, uint64_t user_addr,
                                              uint64_t *ret_addr);

#endif
