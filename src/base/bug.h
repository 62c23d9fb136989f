/* SPDX-License-Identifier: MIT */
/*
 * "We made a mistake": conditions that no input can cause. Debug and fuzz builds stop on the spot
 * so that the mistake is found; release builds go on, and the caller treats the value as -EIO.
 * The only file of src/ that may name abort().
 */
#ifndef PV_BASE_BUG_H
#define PV_BASE_BUG_H

#include <stdbool.h>
#include <stdlib.h>

#include "base/compiler.h"

/*
 * Returns whether the condition holds, after stopping the process in builds with PV_BUG_STOPS.
 * Use as: if (PV_BASE_BUG_ON(x == NULL)) { return -EIO; }
 */
static inline bool pv_base_bug_on(bool condition)
{
#ifdef PV_BUG_STOPS
    if (PV_UNLIKELY(condition)) {
        abort();
    }
#endif
    return PV_UNLIKELY(condition);
}

#define PV_BASE_BUG_ON(condition) pv_base_bug_on(condition)

#endif
