/* SPDX-License-Identifier: MIT */
/*
 * Child processes that end with us, and their end as a file descriptor.
 *
 * Threads: any; but pv_os_process_spawn ties the child's life to the *calling thread*: call it on
 * one that lives as long as the process.
 */
#ifndef PV_OS_PROCESS_H
#define PV_OS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"

/* What a child gets; all pointers are borrowed for the call. Start from zero. */
struct pv_os_process_options {
    const char *const *arguments; /* NULL-terminated; the first is looked up in PATH if no slash */
    const char *const
        *variables; /* NAME=VALUE to add to our environment; NULL-terminated or NULL */
    int input_fd;   /* its standard files; 0: /dev/null for input, ours for output. */
    int output_fd;  /* (So our own standard input cannot be named, and need not be.) */
    int error_fd;
    bool has_session;    /* a session of its own: it cannot type into our terminal */
    const int *kept_fds; /* stay open in the child under their own numbers, above 2 */
    size_t kept_count;
};

struct pv_os_process {
    pid_t pid;   /* 0: none */
    int exit_fd; /* readable when the child has ended; -1 without a child */
};

/* How a child ended. */
struct pv_os_process_end {
    bool by_signal;
    int value; /* exit status, or the number of the signal */
};

/*
 * Start a program in a process group of its own, which the kernel kills (SIGKILL) should we die.
 * Returns 0 with *ret_process to be reaped, or -errno, that of a failed exec included.
 */
PV_NODISCARD int pv_os_process_spawn(const struct pv_os_process_options *options,
                                     struct pv_os_process *ret_process);

/* Signal the child's process group. Does nothing without a child. */
void pv_os_process_signal(const struct pv_os_process *process, int signal_number);

/*
 * Take the end of a child, waiting up to timeout_ms (0: just look; negative: for ever). Returns 0
 * with *ret_end, and *process is empty again; -ETIMEDOUT while it runs; -ESRCH without a child.
 */
PV_NODISCARD int pv_os_process_reap(struct pv_os_process *process, int timeout_ms,
                                    struct pv_os_process_end *ret_end);

/* SIGKILL the group and reap. Accepts an empty process. */
void pv_os_process_kill(struct pv_os_process *process);

/*
 * Run a program to its end and collect what it writes to stdout and stderr (mixed).
 *
 * options     input, output and error fds are ignored
 * timeout_ms  it is killed after that long: -ETIMEDOUT, with what it wrote until then
 * needles     NULL, or a NULL-terminated list of texts: once one is seen, the program is killed and
 *             0 comes back with ret_end {by_signal}
 * ret_text    text_bytes of zero-terminated text; what does not fit is dropped; always set
 * ret_end     set when 0 is returned
 */
PV_NODISCARD int pv_os_process_run(const struct pv_os_process_options *options, int timeout_ms,
                                   const char *const *needles, char *ret_text, size_t text_bytes,
                                   struct pv_os_process_end *ret_end);

/*
 * Processor time that a process has used so far, all its threads together, in nanoseconds; in steps
 * of the kernel's clock tick, 10 ms as a rule. It need not be a child. Returns 0, -ENOENT when
 * there is no such process, or -errno.
 */
PV_NODISCARD int pv_os_process_cpu_ns(pid_t pid, uint64_t *ret_cpu_ns);

/* Path of the running program, zero-terminated. Returns 0 or -errno. */
PV_NODISCARD int pv_os_process_own_path(char *ret_path, size_t path_bytes);

/*
 * A text that is another one after each start of the machine. Returns 0 or -errno.
 */
PV_NODISCARD int pv_os_boot_id(char *ret_text, size_t text_bytes);

#endif
