/* SPDX-License-Identifier: MIT */
/*
 * The table that ring_templates.py writes: valid commands, and where in them handles lie.
 */
#ifndef PV_TESTS_FUZZ_RING_MUTATOR_H
#define PV_TESTS_FUZZ_RING_MUTATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring_template {
    uint32_t bytes_at; /* in ring_template_bytes */
    uint16_t size_bytes;
    uint32_t fixes_at; /* in ring_template_fixes */
    uint16_t fix_count;
    uint8_t makes; /* an object */
};

/* One handle: a u64 at an offset of its command. */
struct ring_template_fix {
    uint16_t offset;
    uint8_t type; /* index into ring_template_ids */
    uint8_t is_new;
};

extern const struct ring_template ring_templates[];
extern const size_t ring_template_count;
extern const struct ring_template_fix ring_template_fixes[];
extern const uint8_t ring_template_bytes[];
/* The first of the ids of each type. */
extern const uint16_t ring_template_ids[];

#endif
