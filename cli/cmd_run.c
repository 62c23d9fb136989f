/* SPDX-License-Identifier: MIT */
/* pearvisor run: boot a guest, run a command in it, return its exit status. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/host_programs.h"
#include "cli/places.h"
#include "cli/run_options.h"
#include "cli/run_report.h"
#include "cli/terminal.h"
#include "cli/usage.h"
#include "os/process.h"
#include "vm/accel.h"
#include "vm/initrd.h"
#include "vm/run.h"
#include "vm/session.h"

/* Emulation on a machine with other work to do; a quiet one takes 8 s. */
#define BOOT_TIMEOUT_MS 180000
/* 30 s of waiting for frames, and the picture. */
#define SCREENSHOT_TIMEOUT_MS 50000

/* The device's arguments, and where their texts are. */
struct device_command {
    char gpu_socket[PV_VM_RUNTIME_PATH_MAX];
    char control_socket[PV_VM_RUNTIME_PATH_MAX];
    struct pv_cli_passed passed;
    const char *arguments[8 + PV_CLI_OPTIONS_PASS_MAX];
};

/* What the callbacks need. */
struct context {
    const struct pv_cli_run_options *options;
    const struct pv_cli_places *places;
    const struct pv_vm_runtime *runtime;
    struct pv_cli_terminal terminal;
};

/* Decide for KVM or emulation, with one line when it is not what the user would wish for. */
static bool choose_kvm(const struct pv_cli_run_options *options, const struct pv_cli_places *places,
                       const struct pv_vm_arch *arch, const struct pv_vm_qemu *qemu,
                       const struct pv_vm_image *image, const struct pv_vm_runtime *runtime)
{
    struct pv_vm_accel accel = {0};
    char initrd[PV_VM_RUNTIME_PATH_MAX];
    struct pv_vm_accel_options probe = {
        .arch = arch,
        .qemu_path = qemu->path,
        .kernel_path = image->kernel,
        .initrd_path = initrd,
        .cache_path = places->cache,
    };

    if (strcmp(options->accel, "auto") != 0) {
        return strcmp(options->accel, "kvm") == 0;
    }
    if (pv_vm_runtime_file(runtime, "initrd", initrd) != 0
        || pv_vm_initrd_write(initrd, image->modules, places->programs) != 0) {
        return false; /* the start of the machine meets the same trouble and says so */
    }
    pv_vm_accel_probe(&probe, &accel);
    if (!accel.has_kvm) {
        fprintf(stderr, "pearvisor: %s; using emulation (TCG)%s\n", accel.reason,
                accel.is_remembered ? "; 'pearvisor doctor' tries KVM again" : "");
    }
    return accel.has_kvm;
}

static void on_ready(void *user)
{
    struct context *context = user;

    if (context->options->keep_alive) {
        printf("ready %s %s\n", pv_vm_runtime_name(context->runtime), context->runtime->path);
        fflush(stdout);
    }
    if (context->options->shell) {
        pv_cli_terminal_enter(&context->terminal);
    }
}

static void on_command_end(void *user)
{
    struct context *context = user;
    char control[PV_VM_RUNTIME_PATH_MAX];
    char after[32] = "";
    const char *arguments[] = {
        context->places->program,     "screenshot", "--control", control, "--output",
        context->options->screenshot, after,        NULL};
    const struct pv_os_process_options process = {.arguments = arguments};
    struct pv_os_process_end end = {0};
    char text[1024] = "";
    int r;

    pv_cli_terminal_leave(&context->terminal);
    if (context->options->screenshot == NULL) {
        return;
    }
    if (context->options->screenshot_after > 0) {
        (void)snprintf(after, sizeof(after), "--after=%u", context->options->screenshot_after);
    } else {
        arguments[6] = NULL;
    }
    r = pv_vm_runtime_file(context->runtime, PV_VM_MACHINE_CONTROL_SOCKET, control);
    if (r == 0) {
        r = pv_os_process_run(&process, SCREENSHOT_TIMEOUT_MS, NULL, text, sizeof(text), &end);
    }
    if (r != 0 || end.by_signal || end.value != 0) {
        fprintf(stderr, "pearvisor: no screenshot was saved%s%s", text[0] != '\0' ? ": " : "\n",
                text);
    }
}

static bool terminal_size(void *user, uint32_t *ret_columns, uint32_t *ret_rows)
{
    (void)user;
    return pv_cli_terminal_size(ret_columns, ret_rows);
}

/* The device's command line: our own program, or what a test put in its place. */
static bool device_arguments(const struct pv_cli_run_options *options,
                             const struct pv_cli_places *places,
                             const struct pv_vm_runtime *runtime, struct device_command *ret)
{
    /* Copies, because a group's target is not const. */
    struct pv_cli_backend backend = options->backend;
    const struct pv_cli_option_group groups[] = {pv_cli_backend_options(&backend),
                                                 pv_cli_window_options(&backend),
                                                 PV_CLI_OPTION_GROUPS_END};
    size_t count = 0;

    if (!pv_cli_options_pass(groups, &ret->passed)
        || pv_vm_runtime_file(runtime, PV_VM_MACHINE_GPU_SOCKET, ret->gpu_socket) != 0
        || pv_vm_runtime_file(runtime, PV_VM_MACHINE_CONTROL_SOCKET, ret->control_socket) != 0) {
        return false;
    }
    if (options->device_command != NULL) {
        const char *const shell[] = {"/bin/sh", "-c", options->device_command, "device"};

        memcpy(ret->arguments, shell, sizeof(shell));
        count = PV_ARRAY_LEN(shell);
        ret->arguments[count++] = ret->gpu_socket;
        ret->arguments[count++] = ret->control_socket;
        ret->arguments[count] = NULL;
        return true;
    }
    ret->arguments[count++] = places->program;
    ret->arguments[count++] = "gpu";
    ret->arguments[count++] = "--vhost-user";
    ret->arguments[count++] = ret->gpu_socket;
    ret->arguments[count++] = "--control";
    ret->arguments[count++] = ret->control_socket;
    for (size_t i = 0; i < ret->passed.count; i++) {
        ret->arguments[count++] = ret->passed.texts[i];
    }
    ret->arguments[count] = NULL;
    return true;
}

static int run_in(const struct pv_cli_run_options *options, const struct pv_cli_places *places,
                  const struct pv_vm_arch *arch, const struct pv_vm_qemu *qemu,
                  const struct pv_vm_image *image, const struct pv_vm_runtime *runtime,
                  struct pv_base_log *log)
{
    static const char *const shell[] = {"/bin/bash", "-l", NULL};
    static const char *const terminal_variables[] = {"TERM=xterm-256color", NULL};
    struct context context = {.options = options, .places = places, .runtime = runtime};
    struct device_command device;
    struct pv_vm_run_options run = {
        .machine = {.log = log,
                    .runtime = runtime,
                    .arch = arch,
                    .qemu_path = qemu->path,
                    .memory_mib = options->memory_mib,
                    .cpu_count = options->cpu_count,
                    .use_network = options->network,
                    .kernel_path = image->kernel,
                    .modules_path = image->modules,
                    .programs_path = places->programs,
                    .root_path = image->root,
                    .kernel_options = options->kernel_options,
                    .serial_path = options->serial,
                    .boot_timeout_ms = BOOT_TIMEOUT_MS},
        .command = (const char *const *)options->command,
        .wants_terminal = options->shell,
        .variables = options->shell ? terminal_variables : NULL,
        .keep_alive = options->keep_alive,
        .input_fd = STDIN_FILENO,
        .output_fd = STDOUT_FILENO,
        .error_fd = STDERR_FILENO,
        .timeout_ms = options->timeout_s * 1000,
        .on_ready = on_ready,
        .on_command_end = on_command_end,
        .terminal_size = terminal_size,
        .user = &context,
    };
    struct pv_vm_run_result result;
    int r;

    if (options->command[0] == NULL) {
        run.command = options->shell ? shell : NULL;
    }
    if (!options->no_gpu) {
        if (!device_arguments(options, places, runtime, &device)) {
            return PV_CLI_FAILED;
        }
        run.machine.device_arguments = device.arguments;
    }
    run.machine.use_kvm = choose_kvm(options, places, arch, qemu, image, runtime);
    r = pv_vm_run(&run, &result);
    pv_cli_terminal_leave(&context.terminal);
    if (r != 0) {
        fprintf(stderr, "pearvisor: the VM could not be started: %s\n", strerror(-r));
        return PV_CLI_FAILED;
    }
    return pv_cli_run_report(options, runtime, &result);
}

static bool make_runtime(const struct pv_cli_places *places, const char *name,
                         struct pv_vm_runtime *ret_runtime)
{
    const int r = pv_vm_runtime_create(places->runtime, name, ret_runtime);

    switch (r) {
    case 0:
        return true;
    case -EEXIST:
        (void)fprintf(stderr, "pearvisor: a VM of the name '%s' runs already\n", name);
        return false;
    case -ENAMETOOLONG:
        (void)fprintf(stderr,
                      "pearvisor: sockets in %s would have too long a path: set "
                      "PEARVISOR_RUNTIME_DIR to a shorter one\n",
                      places->runtime);
        return false;
    default:
        (void)fprintf(stderr, "pearvisor: cannot make a folder for the VM in %s: %s\n",
                      places->runtime, strerror(-r));
        return false;
    }
}

int pv_cli_run(int argc, char **argv)
{
    struct pv_cli_run_options options;
    struct pv_cli_places places;
    struct pv_vm_image image;
    struct pv_vm_qemu qemu;
    struct pv_vm_runtime runtime = {.lock_fd = -1};
    struct pv_base_log log;
    const struct pv_vm_arch *arch;
    int status = pv_cli_run_options_parse(argc, argv, &options);
    char renderer[PATH_MAX];

    if (status != 0) {
        return status < 0 ? 0 : status;
    }
    pv_base_log_init(&log, "run");
    if (!pv_cli_log_configure(&log, options.backend.log)) {
        return PV_CLI_USAGE;
    }
    arch = pv_cli_arch();
    if (arch == NULL || !pv_cli_places_find(options.cache, &places)
        || !pv_cli_image_find(&places, arch, options.image, &image)
        || !pv_cli_qemu_find(arch, options.qemu, &qemu)) {
        return PV_CLI_FAILED;
    }
    /* The device looks for it too, but says so only when the VM is half started. */
    if (!options.no_gpu && options.device_command == NULL
        && !pv_cli_renderer_find(options.backend.renderer, renderer)) {
        return PV_CLI_FAILED;
    }
    if (!make_runtime(&places, options.name, &runtime)) {
        return PV_CLI_FAILED;
    }
    status = run_in(&options, &places, arch, &qemu, &image, &runtime, &log);
    pv_vm_runtime_destroy(&runtime);
    return status;
}
