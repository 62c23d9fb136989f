/* SPDX-License-Identifier: MIT */
/*
 * The ways in which `pearvisor bench` runs its program, and what they need to be up meanwhile: a VM
 * of ours for "guest", another vtest server for "peer".
 *
 * Threads: main thread (children are tied to it).
 */
#ifndef PV_CLI_BENCH_WAYS_H
#define PV_CLI_BENCH_WAYS_H

#include <limits.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "bench/run.h"
#include "os/process.h"

#define PV_CLI_BENCH_TEXT_BYTES (PATH_MAX + 64)

enum pv_cli_bench_way {
    PV_CLI_BENCH_NATIVE, /* the host driver alone */
    PV_CLI_BENCH_VTEST,  /* through `pearvisor vtest` */
    PV_CLI_BENCH_GUEST,  /* in a VM of ours */
    PV_CLI_BENCH_PEER,   /* through another vtest server */
    PV_CLI_BENCH_WAY_COUNT,
};

/* What they share; zeroed before pv_cli_bench_ways_init. */
struct pv_cli_bench_ways {
    const char *peer;       /* a program with virgl_test_server's options, or NULL; borrowed */
    const char *client_icd; /* of Mesa's Venus, or NULL; borrowed */
    char self[PATH_MAX];
    char program[PATH_MAX]; /* pv-bench */
    char directory[64];
    char socket[96];
    char vm_name[32];
    char client_variables[3][PV_CLI_BENCH_TEXT_BYTES];
    const char *peer_variables[5];
    const char *vtest_prefix[8];
    const char *guest_prefix[6];
    struct pv_os_process peer_process;
    struct pv_os_process guest_process;
};

/* The name on the command line: "native", ... */
const char *pv_cli_bench_way_name(enum pv_cli_bench_way kind);

/*
 * Find our own program and pv-bench.
 *
 * program     path of pv-bench, or NULL for the one of this build
 *
 * Returns whether both are there; says what is missing.
 */
PV_NODISCARD bool pv_cli_bench_ways_init(struct pv_cli_bench_ways *ways, const char *program);

/*
 * Make a way ready: starts the VM or the server that it needs, and waits for it.
 *
 * ret_way     written even when it fails; borrows from ways
 *
 * Returns 0 or -errno: -EDESTADDRREQ without a peer, -ETIMEDOUT or -ECHILD when it does not come
 * up.
 */
PV_NODISCARD int pv_cli_bench_ways_prepare(struct pv_cli_bench_ways *ways,
                                           enum pv_cli_bench_way kind,
                                           struct pv_bench_way *ret_way);

/* Stop what was started. */
void pv_cli_bench_ways_finish(struct pv_cli_bench_ways *ways);

#endif
