/* SPDX-License-Identifier: MIT */
/*
 * What a vtest client may say, by command number.
 *
 * Threads: the loop's.
 */
#ifndef PV_VTEST_COMMANDS_H
#define PV_VTEST_COMMANDS_H

#include <stddef.h>
#include <stdint.h>

#include "vtest/connection_internal.h"

/*
 * Serve one whole message other than CREATE_RENDERER. Returns 0, or -errno: the connection is over
 * then (the protocol has no error replies).
 */
PV_NODISCARD int pv_vtest_command_serve(struct pv_vtest_connection *connection, uint32_t command,
                                        const struct pv_vtest_message *message);

/* CREATE_RENDERER: size_bytes of a name, the only payload in bytes. Returns 0 or -EPROTO. */
PV_NODISCARD int pv_vtest_command_create_renderer(struct pv_vtest_connection *connection,
                                                  const uint8_t *bytes, size_t size_bytes);

#endif
