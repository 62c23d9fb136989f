/* SPDX-License-Identifier: MIT */
/*
 * The second carrier of the message boundary: workers as threads of this process, over the same
 * sockets and messages. For unit tests, fuzzing and replay, where a crash of the renderer is to be
 * seen at once; it gives no containment, so programs that serve guests never use it.
 */
#ifndef PV_RENDER_IN_PROCESS_H
#define PV_RENDER_IN_PROCESS_H

#include "render/context.h"

/* For pv_render_backend_options.carrier; carrier_user is not used. */
extern const struct pv_render_carrier_ops pv_render_in_process_ops;

#endif
