/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic on numbers that a guest chose. Every sum, product and range test on such numbers goes
 * through here, so that there is one way to do it and one place to review.
 * (C17 has no <stdckdint.h>; both compilers have these builtins.)
 */
#ifndef PV_BASE_CHECKED_H
#define PV_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Each returns true and stores the result, or returns false on overflow. */
PV_NODISCARD static inline bool pv_base_u64_add(uint64_t a, uint64_t b, uint64_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}

/* See pv_base_u64_add. */
PV_NODISCARD static inline bool pv_base_u64_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}

/* See pv_base_u64_add. */
PV_NODISCARD static inline bool pv_base_size_add(size_t a, size_t b, size_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}

/* See pv_base_u64_add. */
PV_NODISCARD static inline bool pv_base_size_mul(size_t a, size_t b, size_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}

/* Whether [offset, offset + size) lies inside [0, limit). An empty range may sit at the end. */
PV_NODISCARD static inline bool pv_base_range_is_inside(uint64_t offset, uint64_t size,
                                                        uint64_t limit)
{
    return offset <= limit && size <= limit - offset;
}

/* Round up to a power of two `align`; false on overflow. */
PV_NODISCARD static inline bool pv_base_u64_align_up(uint64_t value, uint64_t align, uint64_t *ret)
{
    uint64_t sum;

    if (!pv_base_u64_add(value, align - 1, &sum)) {
        return false;
    }
    *ret = sum & ~(align - 1);
    return true;
}

#endif
