/* SPDX-License-Identifier: MIT */
/*
 * Guest-physical memory as a short sorted table of mappings.
 *
 * A table is built beside the old one and swapped in at the end, so a bad table costs nothing. A
 * region that the old table has too (same file, place and addresses) takes its mapping along:
 * QEMU repeats the guest's RAM each time that something else changes, and remapping gigabytes under
 * a running guest would empty our TLBs and page tables for nothing. Look-ups are a linear search
 * that starts where the last one hit; there are at most eight regions in practice.
 */
#include "guestmem/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "os/shm.h"
#include "os/socket.h"

struct mapping {
    struct pv_guestmem_region region; /* fd is -1: closed once mapped */
    struct pv_os_file_id file;
    uint8_t *memory; /* first byte of the region */
    void *map_base;  /* what was mapped: starts at a page border */
    size_t map_bytes;
    bool is_kept; /* during replace: moved to the new table */
};

struct table {
    struct mapping mappings[PV_GUESTMEM_REGION_COUNT_MAX]; /* by rising addr, no overlap */
    size_t count;
};

struct pv_guestmem_space {
    struct table table;
    size_t last_hit;
    uint64_t generation;
    bool has_excluded;
    struct pv_os_file_id excluded;
};

int pv_guestmem_space_create(struct pv_guestmem_space **ret_space)
{
    struct pv_guestmem_space *space = calloc(1, sizeof(*space));

    if (space == NULL) {
        return -ENOMEM;
    }
    space->generation = 1;
    *ret_space = space;
    return 0;
}

static void unmap_table(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        if (!table->mappings[i].is_kept) {
            pv_os_shm_unmap(table->mappings[i].map_base, table->mappings[i].map_bytes);
        }
    }
    table->count = 0;
}

void pv_guestmem_space_destroy(struct pv_guestmem_space *space)
{
    if (space != NULL) {
        unmap_table(&space->table);
        free(space);
    }
}

int pv_guestmem_space_exclude(struct pv_guestmem_space *space, int fd)
{
    const int r = pv_os_file_id_get(fd, &space->excluded);

    space->has_excluded = r == 0;
    return r;
}

/* Checks that need no other region. */
static int check_region(const struct pv_guestmem_region *region)
{
    uint64_t file_bytes;
    uint64_t end;
    int r;

    if (region->size_bytes == 0 || !pv_base_u64_add(region->addr, region->size_bytes, &end)
        || !pv_base_u64_add(region->user_addr, region->size_bytes, &end)
        || region->size_bytes > SIZE_MAX / 2) {
        return -EINVAL;
    }
    r = pv_os_shm_size(region->fd, &file_bytes);
    if (r < 0) {
        return r;
    }
    if (!pv_base_range_is_inside(region->offset_bytes, region->size_bytes, file_bytes)) {
        return -EINVAL;
    }
    return 0;
}

/* An equal region of the old table, whose mapping can go on; NULL if there is none. */
static struct mapping *find_equal(struct table *old, const struct mapping *wanted)
{
    for (size_t i = 0; i < old->count; i++) {
        struct mapping *mapping = &old->mappings[i];

        if (!mapping->is_kept && pv_os_file_id_equal(&mapping->file, &wanted->file)
            && mapping->region.addr == wanted->region.addr
            && mapping->region.size_bytes == wanted->region.size_bytes
            && mapping->region.offset_bytes == wanted->region.offset_bytes) {
            return mapping;
        }
    }
    return NULL;
}

static int map_region(struct table *old, struct mapping *mapping)
{
    const uint64_t lead_bytes = mapping->region.offset_bytes & (pv_os_page_bytes() - 1);
    struct mapping *equal = find_equal(old, mapping);
    int r;

    if (equal != NULL) {
        equal->is_kept = true;
        mapping->map_base = equal->map_base;
        mapping->map_bytes = equal->map_bytes;
        mapping->memory = equal->memory;
        return 0;
    }
    mapping->map_bytes = (size_t)(mapping->region.size_bytes + lead_bytes);
    r = pv_os_shm_map(mapping->region.fd, mapping->region.offset_bytes - lead_bytes,
                      mapping->map_bytes, &mapping->map_base);
    if (r < 0) {
        return r;
    }
    mapping->memory = (uint8_t *)mapping->map_base + lead_bytes;
    return 0;
}

/* Insert by address; -EINVAL when the region overlaps a neighbour. */
static int insert_sorted(struct table *table, const struct mapping *mapping)
{
    const struct pv_guestmem_region *region = &mapping->region;
    size_t at = table->count;

    while (at > 0 && table->mappings[at - 1].region.addr > region->addr) {
        at--;
    }
    if (at > 0) {
        const struct pv_guestmem_region *before = &table->mappings[at - 1].region;

        if (region->addr - before->addr < before->size_bytes) {
            return -EINVAL;
        }
    }
    if (at < table->count && table->mappings[at].region.addr - region->addr < region->size_bytes) {
        return -EINVAL;
    }
    memmove(&table->mappings[at + 1], &table->mappings[at],
            (table->count - at) * sizeof(table->mappings[0]));
    table->mappings[at] = *mapping;
    table->count++;
    return 0;
}

/* Everything of the new table but the mappings, so that most errors come before any effect. */
static int plan_table(struct pv_guestmem_space *space, const struct pv_guestmem_region *regions,
                      size_t count, struct table *ret_table)
{
    for (size_t i = 0; i < count; i++) {
        struct mapping mapping = {.region = regions[i]};
        int r = pv_os_file_id_get(regions[i].fd, &mapping.file);

        if (r < 0) {
            return r;
        }
        if (space->has_excluded && pv_os_file_id_equal(&mapping.file, &space->excluded)) {
            continue;
        }
        r = check_region(&regions[i]);
        if (r == 0) {
            r = insert_sorted(ret_table, &mapping);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int map_table(struct table *old, struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        const int r = map_region(old, &table->mappings[i]);

        if (r < 0) {
            /* Undo: mappings that are the old table's stay with it. */
            for (size_t j = 0; j < i; j++) {
                bool is_old = false;

                for (size_t k = 0; k < old->count; k++) {
                    is_old |= old->mappings[k].map_base == table->mappings[j].map_base;
                }
                if (!is_old) {
                    pv_os_shm_unmap(table->mappings[j].map_base, table->mappings[j].map_bytes);
                }
            }
            for (size_t k = 0; k < old->count; k++) {
                old->mappings[k].is_kept = false;
            }
            return r;
        }
    }
    return 0;
}

int pv_guestmem_space_replace(struct pv_guestmem_space *space,
                              const struct pv_guestmem_region *regions, size_t count)
{
    struct table *table = calloc(1, sizeof(*table));
    int r = table == NULL ? -ENOMEM : 0;

    if (r == 0 && count > PV_GUESTMEM_REGION_COUNT_MAX) {
        r = -EINVAL;
    }
    if (r == 0) {
        r = plan_table(space, regions, count, table);
    }
    if (r == 0) {
        r = map_table(&space->table, table);
    }
    for (size_t i = 0; i < count; i++) {
        pv_os_fds_close(&regions[i].fd, 1);
    }
    if (r == 0) {
        unmap_table(&space->table);
        for (size_t i = 0; i < table->count; i++) {
            table->mappings[i].region.fd = -1;
        }
        space->table = *table;
        space->last_hit = 0;
        space->generation++;
    }
    free(table);
    return r;
}

/* The mapping that holds addr, or NULL. */
static const struct mapping *find_mapping(struct pv_guestmem_space *space, uint64_t addr)
{
    for (size_t i = 0; i < space->table.count; i++) {
        const size_t at = (space->last_hit + i) % space->table.count;
        const struct mapping *mapping = &space->table.mappings[at];

        if (addr >= mapping->region.addr
            && addr - mapping->region.addr < mapping->region.size_bytes) {
            space->last_hit = at;
            return mapping;
        }
    }
    return NULL;
}

/* The host bytes at addr and how many of size_bytes lie there together; NULL if unbacked. */
static uint8_t *find_span(struct pv_guestmem_space *space, uint64_t addr, uint64_t size_bytes,
                          uint64_t *ret_span_bytes)
{
    const struct mapping *mapping = find_mapping(space, addr);
    uint64_t offset_bytes;
    uint64_t left_bytes;

    if (mapping == NULL) {
        return NULL;
    }
    offset_bytes = addr - mapping->region.addr;
    left_bytes = mapping->region.size_bytes - offset_bytes;
    *ret_span_bytes = size_bytes < left_bytes ? size_bytes : left_bytes;
    return mapping->memory + offset_bytes;
}

size_t pv_guestmem_space_copy_in(struct pv_guestmem_space *space, uint64_t addr, void *ret_bytes,
                                 size_t size_bytes)
{
    uint8_t *bytes = ret_bytes;
    size_t done_bytes = 0;

    while (done_bytes < size_bytes) {
        uint64_t span_bytes;
        const uint8_t *span;

        /* addr + done_bytes can wrap only when the region before ended at 2^64, which none does */
        span = find_span(space, addr + done_bytes, size_bytes - done_bytes, &span_bytes);
        if (span == NULL) {
            memset(bytes + done_bytes, 0, size_bytes - done_bytes);
            break;
        }
        memcpy(bytes + done_bytes, span, (size_t)span_bytes);
        done_bytes += (size_t)span_bytes;
    }
    return done_bytes;
}

size_t pv_guestmem_space_copy_out(struct pv_guestmem_space *space, uint64_t addr, const void *bytes,
                                  size_t size_bytes)
{
    size_t done_bytes = 0;

    while (done_bytes < size_bytes) {
        uint64_t span_bytes;
        uint8_t *span;

        span = find_span(space, addr + done_bytes, size_bytes - done_bytes, &span_bytes);
        if (span == NULL) {
            break;
        }
        memcpy(span, (const uint8_t *)bytes + done_bytes, (size_t)span_bytes);
        done_bytes += (size_t)span_bytes;
    }
    return done_bytes;
}

bool pv_guestmem_space_is_backed(struct pv_guestmem_space *space, uint64_t addr,
                                 uint64_t size_bytes)
{
    while (size_bytes > 0) {
        uint64_t span_bytes;

        if (find_span(space, addr, size_bytes, &span_bytes) == NULL) {
            return false;
        }
        addr += span_bytes;
        size_bytes -= span_bytes;
    }
    return true;
}

void *pv_guestmem_space_at(struct pv_guestmem_space *space, uint64_t addr, uint64_t size_bytes)
{
    uint64_t span_bytes;
    uint8_t *span = find_span(space, addr, size_bytes, &span_bytes);

    return span != NULL && span_bytes == size_bytes ? span : NULL;
}

uint64_t pv_guestmem_space_generation(const struct pv_guestmem_space *space)
{
    return space->generation;
}

bool pv_guestmem_space_from_user(struct pv_guestmem_space *space, uint64_t user_addr,
                                 uint64_t *ret_addr)
{
    for (size_t i = 0; i < space->table.count; i++) {
        const struct pv_guestmem_region *region = &space->table.mappings[i].region;

        if (user_addr >= region->user_addr && user_addr - region->user_addr < region->size_bytes) {
            *ret_addr = region->addr + (user_addr - region->user_addr);
            return true;
        }
    }
    return false;
}
