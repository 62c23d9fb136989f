/* SPDX-License-Identifier: MIT */
/*
 * Walking descriptor chains; see chain.h for what is refused and what is cut.
 *
 * A walk reads either the ring's own table or one indirect table; both are behind a `struct cursor`
 * that hands out descriptors by index as private copies. Indirect tables are copied in runs of
 * RUN_COUNT while the driver numbers them in order, as all do, and one by one otherwise, so that a
 * driver that jumps about cannot make us copy a run per step.
 */
#include "virtio/chain.h"

#include <stdbool.h>
#include <string.h>

#include "guestmem/shared_index.h"

#define FLAG_NEXT     1u
#define FLAG_WRITE    2u
#define FLAG_INDIRECT 4u

#define DESCRIPTOR_BYTES 16u
#define RUN_COUNT        64u

struct descriptor {
    uint64_t addr;
    uint32_t size_bytes;
    uint16_t flags;
    uint16_t next;
};
_Static_assert(sizeof(struct descriptor) == DESCRIPTOR_BYTES, "wire layout");

struct cursor {
    struct pv_guestmem_space *space;
    const uint8_t *table; /* the ring's table, NULL for an indirect one */
    uint64_t table_addr;  /* of an indirect table */
    uint32_t count;
    uint32_t run_first; /* descriptors [run_first, run_end) are in run */
    uint32_t run_end;
    struct descriptor run[RUN_COUNT];
};

static const char *fetch(struct cursor *cursor, uint32_t index, struct descriptor *ret_descriptor)
{
    if (index >= cursor->count) {
        return "descriptor index outside the table";
    }
    if (cursor->table != NULL) {
        const uint8_t *shared = cursor->table + (size_t)index * DESCRIPTOR_BYTES;
        const uint64_t words[2] = {pv_guestmem_load_u64(shared), pv_guestmem_load_u64(shared + 8)};

        memcpy(ret_descriptor, words, sizeof(*ret_descriptor));
        return NULL;
    }
    if (index < cursor->run_first || index >= cursor->run_end) {
        const uint32_t left = cursor->count - index;
        uint32_t want = 1;

        if (index == cursor->run_end) {
            want = left < RUN_COUNT ? left : RUN_COUNT;
        }
        /* no overflow: the caller has checked that the whole table ends below 2^64 */
        if (pv_guestmem_space_copy_in(cursor->space,
                                      cursor->table_addr + (uint64_t)index * DESCRIPTOR_BYTES,
                                      cursor->run, (size_t)want * DESCRIPTOR_BYTES)
            != (size_t)want * DESCRIPTOR_BYTES) {
            return "indirect table at an unbacked address";
        }
        cursor->run_first = index;
        cursor->run_end = index + want;
    }
    *ret_descriptor = cursor->run[index - cursor->run_first];
    return NULL;
}

static void append(struct pv_virtio_part_list *list, const struct descriptor *descriptor)
{
    struct pv_virtio_part *last = list->count > 0 ? &list->parts[list->count - 1] : NULL;
    const uint64_t left_bytes = list->size_max_bytes - list->size_bytes;
    uint64_t size_bytes = descriptor->size_bytes;

    if (size_bytes > left_bytes) {
        size_bytes = left_bytes;
    }
    if (size_bytes == 0 || list->is_cut) {
        list->is_cut |= size_bytes < descriptor->size_bytes;
        return;
    }
    /* A sum that wraps is no neighbour: such a range is unbacked past 2^64 and must stay apart. */
    if (last != NULL && last->addr + last->size_bytes == descriptor->addr
        && descriptor->addr != 0) {
        last->size_bytes += size_bytes;
    } else if (list->count < list->capacity) {
        list->parts[list->count++] =
            (struct pv_virtio_part){.addr = descriptor->addr, .size_bytes = size_bytes};
    } else {
        list->is_cut = true;
        return;
    }
    list->size_bytes += size_bytes;
    list->is_cut |= size_bytes < descriptor->size_bytes;
}

static const char *open_indirect(struct cursor *cursor, const struct descriptor *descriptor)
{
    if (cursor->table == NULL) {
        return "an indirect table inside an indirect table";
    }
    if ((descriptor->flags & FLAG_NEXT) != 0) {
        return "an indirect descriptor with a successor";
    }
    if (descriptor->size_bytes == 0 || descriptor->size_bytes % DESCRIPTOR_BYTES != 0) {
        return "an indirect table of a size that is no multiple of 16";
    }
    if (descriptor->addr > UINT64_MAX - descriptor->size_bytes) {
        return "indirect table at an unbacked address";
    }
    cursor->table = NULL;
    cursor->table_addr = descriptor->addr;
    cursor->count = descriptor->size_bytes / DESCRIPTOR_BYTES;
    cursor->run_first = 0;
    cursor->run_end = 0;
    return NULL;
}

static void init_chain(struct pv_virtio_chain *chain)
{
    chain->readable = (struct pv_virtio_part_list){
        .parts = chain->readable_parts,
        .capacity = PV_VIRTIO_CHAIN_READABLE_COUNT_MAX,
        .size_max_bytes = PV_VIRTIO_CHAIN_READABLE_BYTES_MAX,
    };
    chain->writable = (struct pv_virtio_part_list){
        .parts = chain->writable_parts,
        .capacity = PV_VIRTIO_CHAIN_WRITABLE_COUNT_MAX,
        .size_max_bytes = PV_VIRTIO_CHAIN_WRITABLE_BYTES_MAX,
    };
    chain->descriptor_count = 0;
}

const char *pv_virtio_chain_walk(struct pv_guestmem_space *space, const void *table,
                                 uint32_t table_count, uint32_t head,
                                 struct pv_virtio_chain *ret_chain)
{
    struct cursor cursor = {.space = space, .table = table, .count = table_count};
    uint32_t index = head;
    uint32_t steps = 0; /* in the table at hand: more than it has entries is a loop */
    bool seen_writable = false;

    init_chain(ret_chain);
    for (;;) {
        struct descriptor descriptor;
        const char *wrong = fetch(&cursor, index, &descriptor);

        if (wrong != NULL) {
            return wrong;
        }
        if (++steps > cursor.count) {
            return "a descriptor loop";
        }
        if (++ret_chain->descriptor_count > PV_VIRTIO_CHAIN_DESCRIPTOR_COUNT_MAX) {
            return "a chain of too many descriptors";
        }
        if ((descriptor.flags & FLAG_INDIRECT) != 0) {
            wrong = open_indirect(&cursor, &descriptor);
            if (wrong != NULL) {
                return wrong;
            }
            index = 0;
            steps = 0;
            continue;
        }
        if ((descriptor.flags & FLAG_WRITE) != 0) {
            seen_writable = true;
            append(&ret_chain->writable, &descriptor);
        } else if (seen_writable) {
            return "a readable descriptor behind a writable one";
        } else {
            append(&ret_chain->readable, &descriptor);
        }
        if ((descriptor.flags & FLAG_NEXT) == 0) {
            return NULL;
        }
        index = descriptor.next;
    }
}
