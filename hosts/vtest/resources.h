/* SPDX-License-Identifier: MIT */
/*
 * Resources of a vtest client: shared memory for its rings, and exported device memory, whose
 * answer has to come from the worker first.
 *
 * Threads: the loop's.
 */
#ifndef PV_VTEST_RESOURCES_H
#define PV_VTEST_RESOURCES_H

#include <stdint.h>

#include "vtest/connection_internal.h"

/* RESOURCE_CREATE_BLOB. Returns 0, or -errno: the connection is over then. */
PV_NODISCARD int pv_vtest_resource_serve_create_blob(struct pv_vtest_connection *connection,
                                                     const struct pv_vtest_message *message);

/* RESOURCE_UNREF. Returns 0, or -errno: the connection is over then. */
PV_NODISCARD int pv_vtest_resource_serve_unref(struct pv_vtest_connection *connection,
                                               const struct pv_vtest_message *message);

/*
 * The context has answered; arguments are those of `done` in gpu/context.h. Returns 1 when this was
 * the blob that parsing waits for, and its reply is on its way; 0 when it was something else; or
 * -errno: the connection is over then.
 */
PV_NODISCARD int pv_vtest_resource_done(struct pv_vtest_connection *connection, uint64_t cookie,
                                        int status, const struct pv_gpu_exported *exported);

/* Forget them all; their context is gone. Accepts a connection without a table. */
void pv_vtest_resources_finish(struct pv_vtest_connection *connection);

#endif
