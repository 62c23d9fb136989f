/* SPDX-License-Identifier: MIT */
/* A minimal client of QEMU's control channel; see the header. */
#include "vm/qmp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/socket.h"

/* The longest line that QEMU sends us is its greeting, well under 1 KiB. */
#define LINE_MAX_BYTES ((size_t)64 << 10)

struct pv_vm_qmp {
    struct pv_os_source *source; /* NULL when QEMU has hung up */
    int fd;
    pv_vm_qmp_event_fn *on_event;
    void *user;
    size_t used;
    bool is_skipping; /* inside a line that is too long */
    char line[LINE_MAX_BYTES];
};

static void hang_up(struct pv_vm_qmp *qmp)
{
    pv_os_source_remove(qmp->source);
    qmp->source = NULL;
}

static void serve_line(struct pv_vm_qmp *qmp, const char *line, size_t length)
{
    json_t *message = json_loadb(line, length, 0, NULL);
    const char *event = json_string_value(json_object_get(message, "event"));

    if (json_object_get(message, "QMP") != NULL) {
        pv_vm_qmp_send(qmp, "qmp_capabilities");
    } else if (event != NULL) {
        qmp->on_event(qmp->user, event, json_object_get(message, "data"));
    }
    json_decref(message);
}

static void on_readable(void *user, uint32_t events)
{
    struct pv_vm_qmp *qmp = user;
    const ssize_t count = read(qmp->fd, qmp->line + qmp->used, LINE_MAX_BYTES - qmp->used);
    size_t start = 0;
    char *end;

    (void)events;
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        hang_up(qmp);
        return;
    }
    qmp->used += (size_t)count;
    while ((end = memchr(qmp->line + start, '\n', qmp->used - start)) != NULL) {
        const size_t length = (size_t)(end - qmp->line) + 1 - start;

        if (!qmp->is_skipping) {
            serve_line(qmp, qmp->line + start, length);
        }
        qmp->is_skipping = false;
        start += length;
    }
    qmp->used -= start;
    memmove(qmp->line, qmp->line + start, qmp->used);
    if (qmp->used == LINE_MAX_BYTES) {
        qmp->used = 0; /* no line that we know is as long: drop it */
        qmp->is_skipping = true;
    }
}

int pv_vm_qmp_create(struct pv_os_loop *loop, int fd, pv_vm_qmp_event_fn *on_event, void *user,
                     struct pv_vm_qmp **ret_qmp)
{
    struct pv_vm_qmp *qmp = calloc(1, sizeof(*qmp));
    int r;

    if (qmp == NULL) {
        return -ENOMEM;
    }
    qmp->fd = fd;
    qmp->on_event = on_event;
    qmp->user = user;
    r = pv_os_fd_set_nonblocking(fd, true);
    if (r == 0) {
        r = pv_os_loop_add(loop, fd, PV_OS_LOOP_READ, on_readable, qmp, &qmp->source);
    }
    if (r != 0) {
        free(qmp);
        return r;
    }
    *ret_qmp = qmp;
    return 0;
}

void pv_vm_qmp_destroy(struct pv_vm_qmp *qmp)
{
    if (qmp != NULL) {
        hang_up(qmp);
        free(qmp);
    }
}

void pv_vm_qmp_send(struct pv_vm_qmp *qmp, const char *command)
{
    char text[128];
    const int length = snprintf(text, sizeof(text), "{\"execute\":\"%s\"}\n", command);

    /* A few dozen bytes into an empty socket buffer: all or nothing, and nothing only at the end.
     */
    if (qmp->source != NULL && length > 0 && (size_t)length < sizeof(text)) {
        (void)!pv_os_socket_send(qmp->fd, text, (size_t)length, NULL, 0);
    }
}
