/* SPDX-License-Identifier: MIT */
/*
 * Move memory that threads of a host driver may be writing, without losing a write.
 *
 * A CPU driver's threads write imported memory whenever they like. To put other pages under the
 * same addresses, the range is made read-only, copied, and mapped anew in one step; a thread that
 * writes meanwhile takes SIGSEGV, waits in the handler until the move is over, and retries its
 * instruction. A fault outside of any move keeps its usual meaning (the process dies).
 *
 * A signal handler has no argument of ours, so the table of moves is the one mutable global of the
 * project; it is private to write_guard.c.
 *
 * Threads: install once before driver threads exist; move from any thread.
 */
#ifndef PV_OS_WRITE_GUARD_H
#define PV_OS_WRITE_GUARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Install the SIGSEGV and SIGBUS handlers of this process. Returns 0 or -errno. */
PV_NODISCARD int pv_os_write_guard_install(void);

/*
 * Replace [memory, memory + size_bytes), which lies in a reservation (os/shm.h), by the range of fd
 * at offset_bytes, whose pages first receive the memory's contents. The fd's range must read as
 * zeroes before (pages of zeroes are not written, so that it stays sparse).
 * Returns 0; or -errno with the memory as it was.
 */
PV_NODISCARD int pv_os_write_guard_move(void *memory, size_t size_bytes, int fd,
                                        uint64_t offset_bytes);

#endif
