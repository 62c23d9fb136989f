/* SPDX-License-Identifier: MIT */
/*
 * Descriptor chains of a split virtqueue: from the head in the ring to a list of address ranges,
 * with every descriptor copied once and judged by its copy.
 *
 * Two kinds of excess are told apart. A chain that breaks the rules of the ring (a loop, an index
 * outside the table, nested tables ...) can only come from a broken or hostile driver: the whole
 * queue stops. A chain that is merely too big can be caused by an ordinary program in the guest (a
 * command stream of a gigabyte): the element is made with as much as the caps let through, and the
 * device answers it with an error.
 *
 * Threads: the loop thread. Source: virtio 1.3, section 2.7.5.
 */
#ifndef PV_VIRTIO_CHAIN_H
#define PV_VIRTIO_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "guestmem/space.h"

/*
 * Descriptors followed in one chain. Linux allocates an indirect table with kmalloc, 4 MiB at most:
 * no driver of it can ask for more. Past it the queue is broken.
 */
#define PV_VIRTIO_CHAIN_DESCRIPTOR_COUNT_MAX ((uint32_t)1 << 18)

/*
 * Ranges kept of one chain, after joining neighbours: single pages of the longest command stream
 * that the device takes. Answers of virtio-gpu fit in one page.
 */
#define PV_VIRTIO_CHAIN_READABLE_COUNT_MAX 16640u
#define PV_VIRTIO_CHAIN_WRITABLE_COUNT_MAX 64u

/* Bytes kept of one chain: a command stream of 64 MiB with its header; an answer. */
#define PV_VIRTIO_CHAIN_READABLE_BYTES_MAX ((uint64_t)65 << 20)
#define PV_VIRTIO_CHAIN_WRITABLE_BYTES_MAX ((uint64_t)1 << 20)

/* One range of guest-physical addresses; may be unbacked, which shows when it is copied. */
struct pv_virtio_part {
    uint64_t addr;
    uint64_t size_bytes;
};

/* One direction of a chain, in the driver's order. */
struct pv_virtio_part_list {
    struct pv_virtio_part *parts;
    size_t capacity;
    size_t count;
    uint64_t size_bytes;
    uint64_t size_max_bytes;
    bool is_cut; /* something did not fit: the list takes no more */
};

/* What a walk fills; belongs to a queue and is used again for each element. */
struct pv_virtio_chain {
    struct pv_virtio_part_list readable;
    struct pv_virtio_part_list writable;
    uint32_t descriptor_count; /* followed, for budgets */
    struct pv_virtio_part readable_parts[PV_VIRTIO_CHAIN_READABLE_COUNT_MAX];
    struct pv_virtio_part writable_parts[PV_VIRTIO_CHAIN_WRITABLE_COUNT_MAX];
};

/*
 * Walk one chain.
 *
 * space       for indirect tables
 * table       the ring's descriptor table in shared memory, table_count entries, 8-byte aligned
 * head        index of the first descriptor, as the driver gave it
 * ret_chain   filled; contents are undefined after an error
 *
 * Returns NULL when the chain keeps the rules, otherwise a static phrase that says which it breaks.
 */
PV_NODISCARD const char *pv_virtio_chain_walk(struct pv_guestmem_space *space, const void *table,
                                              uint32_t table_count, uint32_t head,
                                              struct pv_virtio_chain *ret_chain);

#endif
