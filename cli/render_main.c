/* SPDX-License-Identifier: MIT */
/*
 * pearvisor-render: one guest program's renderer. Started by the device process with the number of
 * its end of the message socket as the only argument; of no use when started by hand.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/write_guard.h"
#include "render/worker.h"

static int parse_fd(const char *text)
{
    char *end = NULL;
    const long fd = strtol(text, &end, 10);

    return end != text && *end == '\0' && fd > STDERR_FILENO && fd <= INT_MAX ? (int)fd : -1;
}

int main(int argc, char **argv)
{
    const int message_fd = argc == 2 ? parse_fd(argv[1]) : -1;
    int type = 0;
    socklen_t type_bytes = sizeof(type);
    int r;

    if (getsockopt(message_fd, SOL_SOCKET, SO_TYPE, &type, &type_bytes) < 0
        || type != SOCK_SEQPACKET) {
        (void)fprintf(stderr, "pearvisor-render: the device process starts this program; "
                              "run 'pearvisor gpu' or 'pearvisor vtest' instead\n");
        return 2;
    }
    r = pv_os_write_guard_install();
    if (r == 0) {
        r = pv_render_worker_run(message_fd);
    }
    if (r < 0) {
        (void)fprintf(stderr, "pearvisor-render: %s\n", strerror(-r));
        return 1;
    }
    return 0;
}
