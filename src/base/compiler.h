/* SPDX-License-Identifier: MIT */
/*
 * Compiler attributes behind names of our own, so that a port has one file to look at.
 */
#ifndef PV_BASE_COMPILER_H
#define PV_BASE_COMPILER_H

#define PV_NODISCARD __attribute__((warn_unused_result))
#define PV_PRINTF(format_index, first_index)                                                       \
    __attribute__((format(printf, format_index, first_index)))
#define PV_LIKELY(x)    __builtin_expect(!!(x), 1)
#define PV_UNLIKELY(x)  __builtin_expect(!!(x), 0)
#define PV_NOINLINE     __attribute__((noinline))
#define PV_COLD         __attribute__((cold, noinline))
#define PV_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that holds `member` at `pointer`. */
#define PV_CONTAINER_OF(pointer, type, member)                                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
