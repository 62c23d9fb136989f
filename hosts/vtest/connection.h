/* SPDX-License-Identifier: MIT */
/*
 * One vtest client: framing, commands, and the context that does its work. Read this host first: it
 * is the smallest complete program around the renderer.
 *
 * The protocol has no error replies. A client that breaks it is disconnected; a client whose
 * context is lost finds FATAL in its ring and ends itself. Stock Mesa spins for ever on an orderly
 * close while it waits, so a lost connection is closed when the client has sent something that we
 * leave unread: the kernel then resets the connection.
 *
 * Threads: the loop's.
 */
#ifndef PV_VTEST_CONNECTION_H
#define PV_VTEST_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"
#include "gpu/context.h"
#include "os/loop.h"

struct pv_vtest_connection;

struct pv_vtest_connection_options {
    struct pv_os_loop *loop;
    struct pv_base_log *log;
    const struct pv_gpu_context_ops *contexts;
    void *backend;
    const uint32_t *capset; /* Venus, borrowed */
    uint32_t capset_words;
    uint32_t id; /* for logs and as context id */
    /* The connection is over and has to be destroyed by this call (or later). */
    void (*closed)(void *user, struct pv_vtest_connection *connection);
    void *user;
};

/* Bytes of one message: Mesa's longest submissions are a few kilobytes. */
#define PV_VTEST_MESSAGE_MAX_BYTES ((size_t)4 << 20)
/* Resources of one client. */
#define PV_VTEST_RESOURCE_MAX 65536u
/* Those of them whose descriptor the server keeps: rings, replies, streams. Mesa makes some dozens.
 */
#define PV_VTEST_SHMEM_MAX 1024u
/* Counters that fences of one client are to write. */
#define PV_VTEST_FENCE_SYNCS_MAX (1u << 20)
/* A blob: as much as one allocation may have. */
#define PV_VTEST_BLOB_MAX_BYTES (UINT64_C(64) << 30)

/* fd: a connected, non-blocking socket; taken on success. Returns 0 or -errno. */
PV_NODISCARD int pv_vtest_connection_create(const struct pv_vtest_connection_options *options,
                                            int fd, struct pv_vtest_connection **ret_connection);

/* Figures of a client, for listings: the name is the client's own and not trusted. */
struct pv_vtest_figures {
    uint32_t id;
    const char *name; /* borrowed */
    bool has_context;
    bool lost;
    struct pv_gpu_context_usage usage;
};

/* Figures as they are now; ret_figures->name is borrowed from the connection. Loop's thread. */
void pv_vtest_connection_get_figures(const struct pv_vtest_connection *connection,
                                     struct pv_vtest_figures *ret_figures);

/* Ends its context, resources, counters and waits. Accepts NULL. */
void pv_vtest_connection_destroy(struct pv_vtest_connection *connection);

#endif
