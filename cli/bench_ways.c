/* SPDX-License-Identifier: MIT */
/* How `pearvisor bench` runs its program; see the header. */
#include "cli/bench_ways.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/host_programs.h"
#include "os/clock.h"

#define PEER_TIMEOUT_MS  10000
#define GUEST_TIMEOUT_MS 240000

/* pv-bench of the build that this program is from. */
static bool find_program(const char *override, char ret_path[PATH_MAX])
{
    char *slash;
    const int length = override != NULL ? snprintf(ret_path, PATH_MAX, "%s", override) : 0;

    if (override == NULL) {
        if (pv_os_process_own_path(ret_path, PATH_MAX) != 0) {
            ret_path[0] = '\0';
        }
        for (int i = 0; i < 2 && (slash = strrchr(ret_path, '/')) != NULL; i++) {
            *slash = '\0';
        }
        (void)strncat(ret_path, "/guest/programs/pv-bench", PATH_MAX - 1 - strlen(ret_path));
    }
    if (length >= PATH_MAX || access(ret_path, X_OK) != 0) {
        (void)fprintf(stderr,
                      "pearvisor: there is no benchmark program at %s; name it with "
                      "--program\n",
                      ret_path);
        return false;
    }
    return true;
}

/* Wait until a try succeeds (0), or *process has ended. */
static int await(struct pv_os_process *process, int timeout_ms, int (*try)(void *), void *context)
{
    const uint64_t end_ns = pv_os_clock_now_ns() + (uint64_t)timeout_ms * 1000000u;
    struct pv_os_process_end end;

    while (try(context) != 0) {
        if (pv_os_process_reap(process, 100, &end) == 0) {
            return -ECHILD;
        }
        if (pv_os_clock_now_ns() > end_ns) {
            return -ETIMEDOUT;
        }
    }
    return 0;
}

static int try_socket(void *context)
{
    const struct pv_cli_bench_ways *ways = context;

    return access(ways->socket, F_OK);
}

static int try_guest(void *context)
{
    const struct pv_cli_bench_ways *ways = context;
    const char *const command[] = {ways->self, "exec", "--vm", ways->vm_name, "--", "true", NULL};
    const struct pv_os_process_options options = {.arguments = command};
    struct pv_os_process_end end;
    char text[512];
    const int r = pv_os_process_run(&options, 20000, NULL, text, sizeof(text), &end);

    return r == 0 && !end.by_signal && end.value == 0 ? 0 : -EAGAIN;
}

static int start_peer(struct pv_cli_bench_ways *ways)
{
    const char *const command[] = {ways->peer,      "--venus",    "--no-virgl", "--multi-clients",
                                   "--socket-path", ways->socket, NULL};
    const struct pv_os_process_options options = {.arguments = command};
    const char *icd = pv_cli_venus_icd_find(ways->client_icd);
    char(*variables)[PV_CLI_BENCH_TEXT_BYTES] = ways->client_variables;
    size_t count = 0;
    int r;

    (void)snprintf(ways->directory, sizeof(ways->directory), "/tmp/pearvisor-bench-XXXXXX");
    if (mkdtemp(ways->directory) == NULL) {
        ways->directory[0] = '\0';
        return -errno;
    }
    (void)snprintf(ways->socket, sizeof(ways->socket), "%s/s", ways->directory);
    (void)snprintf(variables[0], PV_CLI_BENCH_TEXT_BYTES, "VTEST_SOCKET_NAME=%s", ways->socket);
    ways->peer_variables[count++] = "VN_DEBUG=vtest";
    ways->peer_variables[count++] = variables[0];
    if (icd != NULL) {
        (void)snprintf(variables[1], PV_CLI_BENCH_TEXT_BYTES, "VK_DRIVER_FILES=%s", icd);
        (void)snprintf(variables[2], PV_CLI_BENCH_TEXT_BYTES, "VK_ICD_FILENAMES=%s", icd);
        ways->peer_variables[count++] = variables[1];
        ways->peer_variables[count++] = variables[2];
    }
    ways->peer_variables[count] = NULL;
    r = pv_os_process_spawn(&options, &ways->peer_process);
    return r != 0 ? r : await(&ways->peer_process, PEER_TIMEOUT_MS, try_socket, ways);
}

static int start_guest(struct pv_cli_bench_ways *ways)
{
    const char *const command[] = {ways->self, "run",         "--keep-alive",
                                   "--name",   ways->vm_name, NULL};
    const struct pv_os_process_options options = {.arguments = command, .output_fd = STDERR_FILENO};
    int r;

    (void)snprintf(ways->vm_name, sizeof(ways->vm_name), "bench-%d", (int)getpid());
    r = pv_os_process_spawn(&options, &ways->guest_process);
    return r != 0 ? r : await(&ways->guest_process, GUEST_TIMEOUT_MS, try_guest, ways);
}

const char *pv_cli_bench_way_name(enum pv_cli_bench_way kind)
{
    static const char *const names[] = {"native", "vtest", "guest", "peer"};

    return names[kind];
}

bool pv_cli_bench_ways_init(struct pv_cli_bench_ways *ways, const char *program)
{
    ways->peer_process.exit_fd = -1;
    ways->guest_process.exit_fd = -1;
    return pv_os_process_own_path(ways->self, sizeof(ways->self)) == 0
           && find_program(program, ways->program);
}

int pv_cli_bench_ways_prepare(struct pv_cli_bench_ways *ways, enum pv_cli_bench_way kind,
                              struct pv_bench_way *ret_way)
{
    static const char *const nothing[] = {NULL};
    size_t count = 0;

    *ret_way = (struct pv_bench_way){
        .name = pv_cli_bench_way_name(kind), .prefix = nothing, .program = ways->program};
    switch (kind) {
    case PV_CLI_BENCH_NATIVE:
        return 0;
    case PV_CLI_BENCH_VTEST:
        ret_way->prefix = ways->vtest_prefix;
        ways->vtest_prefix[count++] = ways->self;
        ways->vtest_prefix[count++] = "vtest";
        if (ways->client_icd != NULL) {
            ways->vtest_prefix[count++] = "--client-icd";
            ways->vtest_prefix[count++] = ways->client_icd;
        }
        ways->vtest_prefix[count] = "--";
        return 0;
    case PV_CLI_BENCH_GUEST:
        ret_way->program = "pv-bench";
        ret_way->prefix = ways->guest_prefix;
        ways->guest_prefix[count++] = ways->self;
        ways->guest_prefix[count++] = "exec";
        ways->guest_prefix[count++] = "--vm";
        ways->guest_prefix[count++] = ways->vm_name;
        ways->guest_prefix[count] = "--";
        return start_guest(ways);
    case PV_CLI_BENCH_PEER:
        ret_way->variables = ways->peer_variables;
        return ways->peer != NULL ? start_peer(ways) : -EDESTADDRREQ;
    case PV_CLI_BENCH_WAY_COUNT:
        break;
    }
    return -EINVAL;
}

void pv_cli_bench_ways_finish(struct pv_cli_bench_ways *ways)
{
    struct pv_os_process_end end;

    pv_os_process_kill(&ways->peer_process);
    if (ways->guest_process.pid != 0) {
        pv_os_process_signal(&ways->guest_process, SIGINT);
        if (pv_os_process_reap(&ways->guest_process, 30000, &end) != 0) {
            pv_os_process_kill(&ways->guest_process);
        }
    }
    if (ways->directory[0] != '\0') {
        (void)unlink(ways->socket);
        (void)rmdir(ways->directory);
    }
}
