/* SPDX-License-Identifier: MIT */
/*
 * The vtest host: a socket on which programs of this machine find the renderer, without a VM.
 *
 * Threads: the loop's.
 */
#ifndef PV_VTEST_SERVER_H
#define PV_VTEST_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"
#include "gpu/context.h"
#include "os/loop.h"

struct pv_vtest_figures;
struct pv_vtest_server;

/* Clients at once: one per VkInstance. */
#define PV_VTEST_CLIENT_MAX 256u

struct pv_vtest_server_options {
    size_t size_bytes; /* of this struct */
    struct pv_os_loop *loop;
    struct pv_base_log *log;
    const char *path; /* of the socket: at most 107 bytes, Mesa does not check */
    const struct pv_gpu_context_ops *contexts;
    void *backend;
    const uint32_t *capset; /* Venus; borrowed */
    uint32_t capset_words;
};

/* Listen. Returns 0 or -errno of pv_os_socket_listen. */
PV_NODISCARD int pv_vtest_server_create(const struct pv_vtest_server_options *options,
                                        struct pv_vtest_server **ret_server);

/* Figures of up to max clients, valid until the loop goes on; returns how many were written. */
size_t pv_vtest_server_get_figures(const struct pv_vtest_server *server,
                                   struct pv_vtest_figures *ret_figures, size_t max);

/* Disconnect everybody and remove the socket. Accepts NULL. */
void pv_vtest_server_destroy(struct pv_vtest_server *server);

#endif
