/* SPDX-License-Identifier: MIT */
/*
 * A sticky record of the first thing that was wrong with a guest's bytes.
 *
 * Decoders raise it, the loop that drives them tests it once per command; the first raise wins, so
 * the report names the cause and not a consequence. A fault costs the guest's context, never the
 * process. Each fault belongs to one thread.
 */
#ifndef PV_BASE_FAULT_H
#define PV_BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

enum pv_base_fault_kind {
    PV_BASE_FAULT_NONE = 0,
    PV_BASE_FAULT_SHORT,       /* the stream ended inside a command */
    PV_BASE_FAULT_COUNT,       /* an element count that the stream cannot hold, or past a cap */
    PV_BASE_FAULT_RANGE,       /* an offset or size outside the thing that it points into */
    PV_BASE_FAULT_COMMAND,     /* an unknown or refused command number */
    PV_BASE_FAULT_STRUCT_TYPE, /* an sType that may not stand here, or a pNext chain too long */
    PV_BASE_FAULT_TAG,         /* an unknown union tag or enum where the value selects a layout */
    PV_BASE_FAULT_POINTER,     /* a required pointer that is NULL, or a forbidden one that is not */
    PV_BASE_FAULT_HANDLE,      /* an object id that names nothing, or an object of another type */
    PV_BASE_FAULT_ID,          /* an id that may not be created: zero or in use */
    PV_BASE_FAULT_RESOURCE,    /* a resource that is absent, foreign or of the wrong kind */
    PV_BASE_FAULT_REPLY,       /* a reply is wanted where none can be written */
    PV_BASE_FAULT_STATE,       /* a command that is not allowed now or on this channel */
    PV_BASE_FAULT_LIMIT,       /* a named limit of the context is reached */
    PV_BASE_FAULT_MEMORY,      /* the host has no memory for what the guest asked */
    PV_BASE_FAULT_DRIVER,      /* the host driver lacks what the guest was told not to use */
    PV_BASE_FAULT_KIND_COUNT
};

struct pv_base_fault {
    enum pv_base_fault_kind kind; /* PV_BASE_FAULT_NONE until something is raised */
    uint64_t detail;              /* the offending number: an id, a count, an sType; 0 if none */
};

/* Record a fault unless one is recorded already. fault: not NULL. Any thread that owns it. */
static inline void pv_base_fault_raise_detail(struct pv_base_fault *fault,
                                              enum pv_base_fault_kind kind, uint64_t detail)
{
    if (fault->kind == PV_BASE_FAULT_NONE) {
        fault->kind = kind;
        fault->detail = detail;
    }
}

/* The same without a detail. */
static inline void pv_base_fault_raise(struct pv_base_fault *fault, enum pv_base_fault_kind kind)
{
    pv_base_fault_raise_detail(fault, kind, 0);
}

/* Whether one is recorded. Written for code that is fast when none is. */
static inline bool pv_base_fault_is_raised(const struct pv_base_fault *fault)
{
    return PV_UNLIKELY(fault->kind != PV_BASE_FAULT_NONE);
}

/* One or two words for the log, static storage; never NULL. */
const char *pv_base_fault_kind_name(enum pv_base_fault_kind kind);

#endif
