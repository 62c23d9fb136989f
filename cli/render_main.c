/* SPDX-License-Identifier: MIT */
/*
 * pearvisor-render: one guest program's renderer. Started by the device process with the number of
 * its end of the message socket and --sandbox=MODE; of no use when started by hand.
 *
 * The sandbox is entered before anything else, so all that follows, from the first message on, runs
 * in it.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/driver_sandbox.h"
#include "os/write_guard.h"
#include "render/worker.h"

static int parse_fd(const char *text)
{
    char *end = NULL;
    const long fd = strtol(text, &end, 10);

    return end != text && *end == '\0' && fd > STDERR_FILENO && fd <= INT_MAX ? (int)fd : -1;
}

/* The mode of an argument "--sandbox=MODE". */
static bool parse_mode(const char *text, enum pv_render_sandbox_mode *ret_mode)
{
    static const char prefix[] = "--sandbox=";
    const size_t length = sizeof(prefix) - 1;

    return strncmp(text, prefix, length) == 0
           && pv_render_sandbox_mode_parse(text + length, ret_mode);
}

/* Returns 0, or -errno after having said why this worker must not start. */
static int enter_sandbox(enum pv_render_sandbox_mode mode, int message_fd, char *ret_text,
                         size_t text_bytes)
{
    struct pv_os_isolation_report report;
    const int r = pv_cli_driver_sandbox_enter(mode, &message_fd, 1, &report);

    pv_os_isolation_describe(&report, ret_text, text_bytes);
    if (r < 0) {
        (void)fprintf(stderr, "pearvisor-render: no sandbox as asked for (%s): %s\n", strerror(-r),
                      ret_text);
    }
    return r;
}

int main(int argc, char **argv)
{
    const int message_fd = argc == 2 || argc == 3 ? parse_fd(argv[1]) : -1;
    enum pv_render_sandbox_mode mode = PV_RENDER_SANDBOX_FULL;
    char sandbox[512] = "";
    int type = 0;
    socklen_t type_bytes = sizeof(type);
    int r;

    if ((argc == 3 && !parse_mode(argv[2], &mode))
        || getsockopt(message_fd, SOL_SOCKET, SO_TYPE, &type, &type_bytes) < 0
        || type != SOCK_SEQPACKET) {
        (void)fprintf(stderr, "pearvisor-render: the device process starts this program; "
                              "run 'pearvisor gpu' or 'pearvisor vtest' instead\n");
        return 2;
    }
    if (enter_sandbox(mode, message_fd, sandbox, sizeof(sandbox)) < 0) {
        return 1;
    }
    r = pv_os_write_guard_install();
    if (r == 0) {
        r = pv_render_worker_run(message_fd, sandbox);
    }
    if (r < 0) {
        (void)fprintf(stderr, "pearvisor-render: %s\n", strerror(-r));
        return 1;
    }
    return 0;
}
