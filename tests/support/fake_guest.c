/* SPDX-License-Identifier: MIT */
/*
 * The guest of unit tests; see fake_guest.h. Layout: descriptors at 0, available ring at 512 KiB,
 * used ring at 640 KiB, the rest is the test's.
 */
#include "support/fake_guest.h"

#include <string.h>
#include <unistd.h>

#include "os/shm.h"

int fake_guest_init(struct fake_guest *guest, uint32_t size)
{
    struct pv_guestmem_region region = {
        .addr = FAKE_GUEST_ADDR,
        .size_bytes = FAKE_GUEST_BYTES,
        .user_addr = UINT64_C(0x7f0000000000),
    };
    void *memory;
    int r;

    *guest = (struct fake_guest){
        .place = {.size = size,
                  .descriptor_addr = FAKE_GUEST_ADDR,
                  .available_addr = FAKE_GUEST_ADDR + (512 << 10),
                  .used_addr = FAKE_GUEST_ADDR + (640 << 10)},
    };
    r = pv_os_shm_create("fake-guest", FAKE_GUEST_BYTES, &guest->fd);
    if (r == 0) {
        r = pv_os_shm_map(guest->fd, 0, FAKE_GUEST_BYTES, &memory);
    }
    if (r == 0) {
        guest->memory = memory;
        r = pv_guestmem_space_create(&guest->space);
    }
    if (r == 0) {
        region.fd = dup(guest->fd);
        r = pv_guestmem_space_replace(guest->space, &region, 1);
    }
    return r;
}

void fake_guest_finish(struct fake_guest *guest)
{
    pv_guestmem_space_destroy(guest->space);
    pv_os_shm_unmap(guest->memory, FAKE_GUEST_BYTES);
    close(guest->fd);
}

void *fake_guest_at(struct fake_guest *guest, uint64_t addr)
{
    return guest->memory + (addr - FAKE_GUEST_ADDR);
}

void fake_guest_describe_at(struct fake_guest *guest, uint64_t table, uint32_t index, uint64_t addr,
                            uint32_t size_bytes, uint16_t flags, uint16_t next)
{
    const struct fake_descriptor descriptor = {addr, size_bytes, flags, next};

    memcpy(fake_guest_at(guest, table + 16ull * index), &descriptor, sizeof(descriptor));
}

void fake_guest_describe(struct fake_guest *guest, uint32_t index, uint64_t addr,
                         uint32_t size_bytes, uint16_t flags, uint16_t next)
{
    fake_guest_describe_at(guest, guest->place.descriptor_addr, index, addr, size_bytes, flags,
                           next);
}

static uint16_t *u16_at(struct fake_guest *guest, uint64_t addr)
{
    return fake_guest_at(guest, addr);
}

void fake_guest_publish(struct fake_guest *guest, uint16_t head)
{
    const uint64_t slot = guest->available_idx % guest->place.size;

    *u16_at(guest, guest->place.available_addr + 4 + 2 * slot) = head;
    guest->available_idx++;
    *u16_at(guest, guest->place.available_addr + 2) = guest->available_idx;
}

uint16_t fake_guest_used_idx(struct fake_guest *guest)
{
    return *u16_at(guest, guest->place.used_addr + 2);
}

uint16_t fake_guest_used_flags(struct fake_guest *guest)
{
    return *u16_at(guest, guest->place.used_addr);
}

uint16_t fake_guest_available_event(struct fake_guest *guest)
{
    return *u16_at(guest, guest->place.used_addr + 4 + 8ull * guest->place.size);
}

void fake_guest_set_used_event(struct fake_guest *guest, uint16_t value)
{
    *u16_at(guest, guest->place.available_addr + 4 + 2ull * guest->place.size) = value;
}

void fake_guest_set_available_flags(struct fake_guest *guest, uint16_t flags)
{
    *u16_at(guest, guest->place.available_addr) = flags;
}

void fake_guest_used(struct fake_guest *guest, uint16_t counter, uint32_t *ret_head,
                     uint32_t *ret_size_bytes)
{
    const uint64_t slot = counter % guest->place.size;
    const uint8_t *entry = fake_guest_at(guest, guest->place.used_addr + 4 + 8 * slot);

    memcpy(ret_head, entry, 4);
    memcpy(ret_size_bytes, entry + 4, 4);
}
