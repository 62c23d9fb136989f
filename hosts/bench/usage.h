/* SPDX-License-Identifier: MIT */
/*
 * What processes cost while nothing happens: memory, processor time and wake-ups, read from /proc.
 *
 * Threads: any.
 */
#ifndef PV_BENCH_USAGE_H
#define PV_BENCH_USAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

#define PV_BENCH_USAGE_NAME_BYTES 16

struct pv_bench_usage {
    pid_t pid;
    char name[PV_BENCH_USAGE_NAME_BYTES]; /* as the kernel has it: cut to 15 characters */
    uint64_t pss_kib;                     /* its share of what it maps */
    uint64_t private_kib;                 /* what would be free without it */
    uint64_t cpu_ns;                      /* of all threads, since they started */
    uint64_t wakeups; /* how often a thread of it has gone to sleep by itself, likewise */
    unsigned int thread_count;
};

/* Read one process. Returns 0, or -ESRCH when it is gone. */
PV_NODISCARD int pv_bench_usage_read(pid_t pid, struct pv_bench_usage *ret_usage);

/*
 * The processes that descend from one, itself first.
 *
 * ret_pids    at most pid_max of them
 * Returns how many there are in ret_pids.
 */
size_t pv_bench_usage_family(pid_t pid, pid_t *ret_pids, size_t pid_max);

#endif
