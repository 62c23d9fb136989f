/* SPDX-License-Identifier: MIT */
/* What `pearvisor run` can be told; see the header. */
#include "cli/run_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/checks.h"
#include "cli/commands.h"
#include "cli/usage.h"
#include "vm/agent_wire.h"
#include "vm/qemu.h"

#define TIMEOUT_MAX_S 4000000u

static const char help[] =
    "usage: pearvisor run [OPTIONS] [--] [COMMAND...]\n\n"
    "Boots a guest on a throw-away copy of its image, runs COMMAND in it as root, and\n"
    "returns its exit status (128 + N when signal N ended it, 124 at a timeout, 125 when\n"
    "the VM failed). Without COMMAND a terminal gets a shell.\n";

#define TO(member_name)      .offset = offsetof(struct pv_cli_run_options, member_name)
#define TEXT(option, member) .name = (option), .kind = PV_CLI_OPTION_TEXT, TO(member)
#define FLAG(option, member) .name = (option), .kind = PV_CLI_OPTION_FLAG, TO(member)
#define NUMBER(option, member, lowest, highest)                                                    \
    .name = (option), .kind = PV_CLI_OPTION_NUMBER, TO(member), .min = (lowest), .max = (highest)

static const struct pv_cli_option rows[] = {
    {TEXT("image", image), .value = "NAME", .help = "guest image (debian-13)"},
    {NUMBER("memory", memory_mib, PV_VM_QEMU_MEMORY_MIN_MIB, PV_VM_QEMU_MEMORY_MAX_MIB),
     .value = "MIB", .help = "guest memory (2048)"},
    {NUMBER("cpus", cpu_count, 1, PV_VM_QEMU_CPUS_MAX), .value = "N",
     .help = "virtual processors (2)"},
    {TEXT("accel", accel), .value = "KIND",
     .help = "auto, kvm or tcg (auto: KVM where a stock kernel boots on it)",
     .check = pv_cli_check_accel},
    {TEXT("screenshot", screenshot), .value = "FILE",
     .help = "save the screen as PNG when COMMAND has ended", .check = pv_cli_check_output},
    {NUMBER("screenshot-after", screenshot_after, 1, 1000), .value = "N",
     .help = "wait for N more frames first, at most 30 s"},
    {NUMBER("timeout", timeout_s, 1, TIMEOUT_MAX_S), .value = "SECONDS",
     .help = "give COMMAND that long"},
    {FLAG("shell", shell), .help = "run COMMAND, or a shell, with a terminal"},
    {FLAG("keep-alive", keep_alive),
     .help = "keep the VM until Ctrl-C; 'pearvisor exec' runs commands in it"},
    {TEXT("name", name), .value = "NAME", .help = "what 'pearvisor exec --vm' calls it",
     .check = pv_cli_check_vm_name},
    {FLAG("network", network), .help = "let the guest reach the network"},
    {FLAG("no-gpu", no_gpu), .help = "a VM without our device"},
    {TEXT("serial", serial), .value = "FILE", .help = "keep the guest's console log",
     .check = pv_cli_check_output},
    {TEXT("kernel-options", kernel_options), .value = "S",
     .help = "more options for the guest's kernel"},
    {TEXT("qemu", qemu), .value = "FILE", .help = "QEMU to use (PV_QEMU, or the one in PATH)"},
    {TEXT("cache-dir", cache), .value = "DIR", .help = "where images are (PEARVISOR_CACHE_DIR)"},
    /* For tests: a shell command that is the device; $1 and $2 are its sockets. */
    {TEXT("device-command", device_command), .value = "COMMAND"},
};

/* What has to fit one message to the guest's agent, said before a VM is started for it. */
static bool check_command(char **command)
{
    uint8_t *bytes = malloc(PV_VM_AGENT_PAYLOAD_MAX_BYTES);
    bool good = true;

    if (bytes != NULL && command[0] != NULL
        && pv_vm_agent_command_pack(0, "", (const char *const *)command, NULL, bytes) == -E2BIG) {
        (void)fprintf(stderr,
                      "pearvisor: the command is too long: %zu bytes at most, arguments included\n",
                      PV_VM_AGENT_PAYLOAD_MAX_BYTES);
        good = false;
    }
    free(bytes);
    return good;
}

/* A VM that is larger than its host dies in the middle of its work. */
static bool check_memory(uint32_t memory_mib)
{
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t host_mib;

    if (pages <= 0 || page_bytes <= 0) {
        return true;
    }
    host_mib = (uint64_t)pages * (uint64_t)page_bytes >> 20;
    if (memory_mib > host_mib) {
        (void)fprintf(stderr,
                      "pearvisor: --memory %u is more than this machine has: %" PRIu64 " MiB\n",
                      memory_mib, host_mib);
        return false;
    }
    return true;
}

int pv_cli_run_options_parse(int argc, char **argv, struct pv_cli_run_options *ret_options)
{
    struct pv_cli_run_options options = {
        .image = "debian-13", .accel = "auto", .memory_mib = 2048, .cpu_count = 2};
    const struct pv_cli_option_group groups[] = {
        {rows, PV_ARRAY_LEN(rows), &options},
        pv_cli_backend_options(&options.backend),
        pv_cli_window_options(&options.backend),
        PV_CLI_OPTION_GROUPS_END,
    };
    const int r =
        pv_cli_options_parse(argc, argv, groups, help, PV_CLI_WORDS_COMMAND, &options.command);

    if (r != 0) {
        return r;
    }
    if (!check_memory(options.memory_mib) || !check_command(options.command)) {
        return PV_CLI_USAGE;
    }
    if (options.command[0] == NULL && !options.keep_alive && !options.shell) {
        options.shell = isatty(STDIN_FILENO) != 0;
        if (!options.shell) {
            (void)fprintf(stderr, "pearvisor: nothing to run: name a command after --, or use "
                                  "--shell or --keep-alive\n");
            return PV_CLI_USAGE;
        }
    }
    *ret_options = options;
    return 0;
}
