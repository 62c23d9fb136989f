/* SPDX-License-Identifier: MIT */
/*
 * The stages behind isolation.h, one function each; of no use to others. All run on the only thread
 * of the process and none of them ends it.
 */
#ifndef PV_OS_ISOLATION_PARTS_H
#define PV_OS_ISOLATION_PARTS_H

#include "os/isolation.h"

/* Where a stage tells how it went: one entry of the report. */
struct pv_os_isolation_outcome {
    enum pv_os_isolation_state *state;
    char *detail;
    size_t detail_bytes;
};

/* isolation_namespaces.c: own namespaces, hidden folders, read-only file systems. */
void pv_os_isolation_enter_namespaces(const struct pv_os_isolation_options *options,
                                      struct pv_os_isolation_outcome outcome);

/* isolation_files.c: Landlock. No new privileges must have been set. */
void pv_os_isolation_enter_files(const struct pv_os_isolation_options *options,
                                 struct pv_os_isolation_outcome outcome);

/*
 * isolation_calls.c: seccomp. No new privileges must have been set.
 *
 * ret_listener_fd  NULL to enforce; else refused calls, and those that open paths, are held until
 *                  whoever reads this descriptor answers them
 */
void pv_os_isolation_enter_calls(const struct pv_os_isolation_options *options,
                                 int *ret_listener_fd, struct pv_os_isolation_outcome outcome);

/*
 * isolation_measure.c: start the process that answers held calls, and say what it saw on standard
 * error. Its end of the returned socket expects the listener's descriptor. Returns 0 or -errno.
 */
PV_NODISCARD int pv_os_isolation_measure_start(const struct pv_os_isolation_options *options,
                                               int *ret_socket);

/* Hand the listener over, and close both. Returns 0 or -errno. */
PV_NODISCARD int pv_os_isolation_measure_hand_over(int socket, int listener_fd);

/* isolation_calls.c: the name of a system call of this processor, or "?". Not thread-safe. */
const char *pv_os_isolation_call_name(int number);

#endif
