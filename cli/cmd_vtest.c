/* SPDX-License-Identifier: MIT */
/*
 * pearvisor vtest: the renderer for programs of this machine, without a VM. With a command, runs it
 * with stock Mesa's Venus driver connected to us and returns its exit status.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/account.h"
#include "cli/backend_options.h"
#include "cli/capset.h"
#include "cli/commands.h"
#include "cli/host_programs.h"
#include "cli/options.h"
#include "cli/usage.h"
#include "display/control.h"
#include "os/fd.h"
#include "os/loop.h"
#include "os/process.h"
#include "os/signals.h"
#include "render/context.h"
#include "vtest/connection.h"
#include "vtest/protocol.h"
#include "vtest/server.h"

#define PATH_BYTES 108
#define VARIABLES  8

struct vtest_options {
    const char *socket;     /* NULL: a private one */
    const char *client_icd; /* NULL: look for it; then whatever the loader finds */
    const char *control;    /* NULL: nobody may ask */
    struct pv_cli_backend backend;
    char **command;
};

struct vtest {
    struct pv_os_loop *loop;
    struct pv_base_log log;
    struct pv_render_backend *backend;
    struct pv_vtest_server *server;
    struct pv_display_control *control;
    uint64_t memory_max_bytes;
    struct pv_os_process child;
    struct pv_os_source *child_source;
    struct pv_os_signals *signals;
    char directory[PATH_BYTES];
    char socket[PATH_BYTES];
    int status;
};

static const char help[] =
    "usage: pearvisor vtest [OPTIONS] [--] [COMMAND...]\n\n"
    "Serves Vulkan to programs of this machine that use Mesa's Venus driver in vtest mode.\n"
    "With COMMAND: runs it so connected, and returns its exit status. Without: serves until\n"
    "interrupted.\n";

static const struct pv_cli_option rows[] = {
    {.name = "socket",
     .value = "PATH",
     .help = "listen here (default: a private path, or /tmp/.virgl_test\nwithout COMMAND)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct vtest_options, socket)},
    {.name = "client-icd",
     .value = "FILE",
     .help = "the Venus driver's ICD file for COMMAND (default: the\nsystem's)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct vtest_options, client_icd)},
    {.name = "control",
     .value = "SOCKET",
     .help = "listen here for 'pearvisor top'",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct vtest_options, control)},
};

/* Returns 0, or an exit status to leave with; -1 for "leave with success". */
static int parse(int argc, char **argv, struct vtest_options *ret)
{
    const struct pv_cli_option_group groups[] = {
        {rows, PV_ARRAY_LEN(rows), ret},
        pv_cli_backend_options(&ret->backend),
        PV_CLI_OPTION_GROUPS_END,
    };

    return pv_cli_options_parse(argc, argv, groups, help, PV_CLI_WORDS_COMMAND, &ret->command);
}

static void on_child(void *user, uint32_t events)
{
    struct vtest *vtest = user;
    struct pv_os_process_end end;

    (void)events;
    if (pv_os_process_reap(&vtest->child, 0, &end) == 0) {
        pv_os_source_remove(vtest->child_source);
        vtest->child_source = NULL;
        vtest->status = end.by_signal ? 128 + end.value : end.value;
        pv_os_loop_stop(vtest->loop);
    }
}

/* The first signal goes to the command; we follow when it ends. Without a command we leave. */
static void on_signal(void *user, int number)
{
    struct vtest *vtest = user;

    if (vtest->child.pid > 0) {
        pv_os_process_signal(&vtest->child, number);
    } else {
        vtest->status = 128 + number;
        pv_os_loop_stop(vtest->loop);
    }
}

/* The path of the socket: the user's, or one in a private directory that cleanup removes. */
static int choose_socket(struct vtest *vtest, const struct vtest_options *options)
{
    const char *path = options->socket;
    const char *base = getenv("XDG_RUNTIME_DIR");

    if (path == NULL && options->command[0] == NULL) {
        path = "/tmp/.virgl_test";
    }
    if (path != NULL) {
        if (strlen(path) >= sizeof(vtest->socket)) {
            return -ENAMETOOLONG;
        }
        (void)snprintf(vtest->socket, sizeof(vtest->socket), "%s", path);
        return 0;
    }
    if (base == NULL || strlen(base) > 64 || access(base, W_OK) != 0) {
        base = "/tmp";
    }
    (void)snprintf(vtest->directory, sizeof(vtest->directory), "%s/pearvisor-vtest-XXXXXX", base);
    if (mkdtemp(vtest->directory) == NULL) {
        const int r = -errno;

        vtest->directory[0] = '\0';
        return r;
    }
    if (snprintf(vtest->socket, sizeof(vtest->socket), "%s/s", vtest->directory)
        >= (int)sizeof(vtest->socket)) {
        return -ENAMETOOLONG;
    }
    return 0;
}

static int start_child(struct vtest *vtest, const struct vtest_options *options)
{
    char socket_variable[PATH_BYTES + 32];
    char icd_variable[2][4200];
    const char *variables[VARIABLES] = {"VN_DEBUG=vtest", socket_variable};
    const struct pv_os_process_options child = {
        .arguments = (const char *const *)options->command,
        .variables = variables,
        .input_fd = dup(STDIN_FILENO),
    };
    int r;

    (void)snprintf(socket_variable, sizeof(socket_variable), "VTEST_SOCKET_NAME=%s", vtest->socket);
    if (options->client_icd != NULL) {
        (void)snprintf(icd_variable[0], sizeof(icd_variable[0]), "VK_DRIVER_FILES=%s",
                       options->client_icd);
        (void)snprintf(icd_variable[1], sizeof(icd_variable[1]), "VK_ICD_FILENAMES=%s",
                       options->client_icd);
        variables[2] = icd_variable[0];
        variables[3] = icd_variable[1];
    }
    r = pv_os_process_spawn(&child, &vtest->child);
    if (child.input_fd >= 0) {
        close(child.input_fd);
    }
    if (r == 0) {
        r = pv_os_loop_add(vtest->loop, vtest->child.exit_fd, PV_OS_LOOP_READ, on_child, vtest,
                           &vtest->child_source);
    }
    if (r < 0) {
        (void)fprintf(stderr, "pearvisor: cannot run '%s': %s\n", options->command[0],
                      strerror(-r));
    }
    return r;
}

static int start_server(struct vtest *vtest, const struct vtest_options *options,
                        const char *renderer, const uint32_t *capset)
{
    struct pv_render_backend_options backend = {
        .size_bytes = sizeof(backend),
        .loop = vtest->loop,
        .log = &vtest->log,
        .placement = PV_RENDER_PLACEMENT_FILE,
        .window_fd = -1,
    };
    struct pv_vtest_server_options server = {
        .size_bytes = sizeof(server),
        .loop = vtest->loop,
        .log = &vtest->log,
        .path = vtest->socket,
        .contexts = &pv_render_context_ops,
        .capset = capset,
        .capset_words = PV_CLI_CAPSET_WORDS,
    };
    int r = choose_socket(vtest, options);

    pv_cli_backend_fill(&options->backend, renderer, &backend);
    if (r == 0) {
        r = pv_render_backend_create(&backend, &vtest->backend);
    }
    if (r == 0) {
        server.backend = vtest->backend;
        r = pv_vtest_server_create(&server, &vtest->server);
    }
    if (r < 0) {
        (void)fprintf(stderr, "pearvisor: cannot listen on '%s': %s\n",
                      vtest->socket[0] != '\0'  ? vtest->socket
                      : options->socket != NULL ? options->socket
                                                : "a private socket",
                      strerror(-r));
    }
    return r;
}

/* The server's figures, as the control socket tells them. */
static size_t get_statistics(void *user, struct pv_display_statistics *ret_statistics,
                             struct pv_display_context *ret_contexts, size_t max)
{
    const struct vtest *vtest = user;
    struct pv_vtest_figures figures[PV_VTEST_CLIENT_MAX];
    const size_t count = pv_vtest_server_get_figures(vtest->server, figures, PV_ARRAY_LEN(figures));
    size_t listed = 0;

    *ret_statistics = (struct pv_display_statistics){
        .server_kind = PV_DISPLAY_SERVER_VTEST,
        .memory_all_bytes = pv_base_account_sum(&pv_render_backend_account(vtest->backend)->memory),
        .memory_limit_bytes = vtest->memory_max_bytes,
    };
    for (size_t i = 0; i < count && listed < max; i++) {
        const struct pv_gpu_context_usage *usage = &figures[i].usage;
        struct pv_display_context *context = &ret_contexts[listed];

        if (!figures[i].has_context) {
            continue;
        }
        listed++;
        ret_statistics->context_count++;
        ret_statistics->lost_context_count += figures[i].lost ? 1 : 0;
        ret_statistics->fence_count += usage->fence_count;
        *context = (struct pv_display_context){
            .memory_bytes = usage->memory_bytes,
            .command_count = usage->command_count,
            .object_count = usage->object_count,
            .context_id = figures[i].id,
            .capset_id = PV_VTEST_CAPSET_VENUS,
            .fence_count = usage->fence_count,
            .is_lost = figures[i].lost ? 1 : 0,
            .ring_count = usage->ring_count,
            .request_count = usage->request_count,
            .worker_pid = usage->worker_pid,
        };
        (void)snprintf(context->name, sizeof(context->name), "%s", figures[i].name);
    }
    return listed;
}

/* Listen for whoever asks. Says what is wrong. */
static int start_control(struct vtest *vtest, const struct vtest_options *options)
{
    const struct pv_display_control_options control = {
        .size_bytes = sizeof(control),
        .loop = vtest->loop,
        .log = &vtest->log,
        .socket_path = options->control,
    };
    const int r = pv_display_control_create(&control, &vtest->control);

    if (r < 0) {
        (void)fprintf(stderr, "pearvisor: cannot listen on '%s': %s\n", options->control,
                      strerror(-r));
        return r;
    }
    vtest->memory_max_bytes = options->backend.memory_max_bytes;
    pv_display_control_set_statistics(vtest->control, get_statistics, vtest);
    return 0;
}

/* Open files, ours and each worker's: clients' shared memory here, their allocations there. */
#define FD_MAX 65536u

static int serve(struct vtest *vtest, const struct vtest_options *options, const char *renderer)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    uint32_t capset[PV_CLI_CAPSET_WORDS];
    int r;

    pv_os_fd_limit_raise(FD_MAX);
    pv_cli_capset_fill(capset);
    r = pv_os_loop_create(&vtest->loop);
    if (r == 0) {
        r = pv_os_signals_watch(vtest->loop, signals, PV_ARRAY_LEN(signals), on_signal, vtest,
                                &vtest->signals);
    }
    if (r < 0) {
        (void)fprintf(stderr, "pearvisor: cannot start: %s\n", strerror(-r));
        return r;
    }
    r = start_server(vtest, options, renderer, capset);
    if (r == 0 && options->control != NULL) {
        r = start_control(vtest, options);
    }
    if (r == 0 && options->command[0] != NULL) {
        r = start_child(vtest, options);
    }
    return r < 0 ? r : pv_os_loop_run(vtest->loop);
}

static void finish(struct vtest *vtest)
{
    pv_os_source_remove(vtest->child_source);
    pv_os_process_kill(&vtest->child);
    pv_display_control_destroy(vtest->control);
    pv_vtest_server_destroy(vtest->server);
    pv_render_backend_destroy(vtest->backend);
    pv_os_signals_destroy(vtest->signals);
    pv_os_loop_destroy(vtest->loop);
    if (vtest->directory[0] != '\0') {
        (void)rmdir(vtest->directory);
    }
}

int pv_cli_vtest(int argc, char **argv)
{
    struct vtest_options options = {.backend = {.memory_max_bytes = UINT64_C(64) << 30}};
    struct vtest vtest = {.child = {.exit_fd = -1}, .status = PV_CLI_FAILED};
    char renderer[PATH_MAX];
    int r = parse(argc, argv, &options);

    if (r != 0) {
        return r < 0 ? 0 : r;
    }
    /* A reader of our output that goes away must not end us before finish() has cleaned up. */
    signal(SIGPIPE, SIG_IGN);
    pv_base_log_init(&vtest.log, "pearvisor");
    if (!pv_cli_log_configure(&vtest.log, options.backend.log)) {
        return PV_CLI_USAGE;
    }
    if (!pv_cli_renderer_find(options.backend.renderer, renderer)) {
        return PV_CLI_FAILED;
    }
    options.client_icd = pv_cli_venus_icd_find(options.client_icd);
    if (options.client_icd == NULL && options.command[0] != NULL) {
        (void)fprintf(stderr, "pearvisor: no Venus driver is known for COMMAND: "
                              "'. build/sysroot/env.sh' names the one of scripts/setup, "
                              "--client-icd another\n");
    }
    pv_cli_host_driver_choose();
    r = serve(&vtest, &options, renderer);
    finish(&vtest);
    return r < 0 ? PV_CLI_FAILED : vtest.status;
}
