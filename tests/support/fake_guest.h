/* SPDX-License-Identifier: MIT */
/*
 * A guest for unit tests: RAM in a memfd at FAKE_GUEST_ADDR, and a driver's hand on a split
 * virtqueue in it. Everything may be written by hand, right or wrong.
 */
#ifndef PV_TESTS_FAKE_GUEST_H
#define PV_TESTS_FAKE_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guestmem/space.h"
#include "virtio/queue.h"

#define FAKE_GUEST_ADDR  UINT64_C(0x40000000)
#define FAKE_GUEST_BYTES ((size_t)4 << 20)

#define FAKE_NEXT     1u
#define FAKE_WRITE    2u
#define FAKE_INDIRECT 4u

struct fake_guest {
    int fd;
    uint8_t *memory; /* a mapping of its own */
    struct pv_guestmem_space *space;
    struct pv_virtio_queue_place place;
    uint16_t available_idx;
};

struct fake_descriptor {
    uint64_t addr;
    uint32_t size_bytes;
    uint16_t flags;
    uint16_t next;
};

/* Memory, a space that holds it, and a place for a queue of `size` entries; 0 or -errno. */
int fake_guest_init(struct fake_guest *guest, uint32_t size);
void fake_guest_finish(struct fake_guest *guest);

/* Our view of a guest address. */
void *fake_guest_at(struct fake_guest *guest, uint64_t addr);

/* Write a descriptor into the ring's table. */
void fake_guest_describe(struct fake_guest *guest, uint32_t index, uint64_t addr,
                         uint32_t size_bytes, uint16_t flags, uint16_t next);
/* Write a descriptor into a table at an address (an indirect one). */
void fake_guest_describe_at(struct fake_guest *guest, uint64_t table, uint32_t index, uint64_t addr,
                            uint32_t size_bytes, uint16_t flags, uint16_t next);

/* Make a head available. */
void fake_guest_publish(struct fake_guest *guest, uint16_t head);

uint16_t fake_guest_used_idx(struct fake_guest *guest);
uint16_t fake_guest_used_flags(struct fake_guest *guest);
uint16_t fake_guest_available_event(struct fake_guest *guest);
void fake_guest_set_used_event(struct fake_guest *guest, uint16_t value);
void fake_guest_set_available_flags(struct fake_guest *guest, uint16_t flags);
/* Entry of the used ring by counter. */
void fake_guest_used(struct fake_guest *guest, uint16_t counter, uint32_t *ret_head,
                     uint32_t *ret_size_bytes);

#endif
