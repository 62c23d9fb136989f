/* SPDX-License-Identifier: MIT */
/*
 * A minimal client of QEMU's control channel: says hello, hears events, sends a few commands whose
 * answers nobody needs. Lines of JSON over a socket.
 *
 * Threads: all functions and the callback on the loop's thread.
 */
#ifndef PV_VM_QMP_H
#define PV_VM_QMP_H

#include <jansson.h>

#include "base/compiler.h"
#include "os/loop.h"

struct pv_vm_qmp;

/* An event: its name and data object (NULL if it has none), both borrowed. */
typedef void pv_vm_qmp_event_fn(void *user, const char *name, const json_t *data);

/* fd: connected socket, borrowed, becomes non-blocking. Returns 0 or -errno. */
PV_NODISCARD int pv_vm_qmp_create(struct pv_os_loop *loop, int fd, pv_vm_qmp_event_fn *on_event,
                                  void *user, struct pv_vm_qmp **ret_qmp);

/* Accepts NULL. */
void pv_vm_qmp_destroy(struct pv_vm_qmp *qmp);

/* Send a command without arguments, such as "quit". Does nothing when QEMU has gone. */
void pv_vm_qmp_send(struct pv_vm_qmp *qmp, const char *command);

#endif
