/* SPDX-License-Identifier: MIT */
/* pearvisor run: boot a guest, run a command in it, return its exit status. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/numbers.h"
#include "os/process.h"
#include "cli/places.h"
#include "cli/terminal.h"
#include "vm/accel.h"
#include "vm/initrd.h"
#include "vm/run.h"
#include "vm/session.h"

/* Emulation on a machine with other work to do; a quiet one takes 8 s. */
#define BOOT_TIMEOUT_MS       180000
#define SCREENSHOT_TIMEOUT_MS 20000
#define LOG_TAIL_LINES        20

struct run_options {
    const char *image;
    const char *accel;
    const char *qemu;
    const char *cache;
    const char *name;
    const char *log;
    const char *window;
    const char *screenshot;
    const char *serial;
    const char *kernel_options;
    const char *device_command;
    uint32_t memory_mib;
    uint32_t cpu_count;
    uint32_t timeout_s;
    bool shell;
    bool keep_alive;
    bool network;
    bool no_gpu;
    char **command; /* NULL-terminated; empty: none */
};

/* What the callbacks need. */
struct context {
    const struct run_options *options;
    const struct pv_cli_places *places;
    const struct pv_vm_runtime *runtime;
    struct pv_cli_terminal terminal;
};

static void print_help(FILE *file)
{
    fprintf(file,
            "usage: pearvisor run [OPTIONS] [--] [COMMAND...]\n\n"
            "Boots a guest on a throw-away copy of its image, runs COMMAND in it as root, and\n"
            "returns its exit status (128 + N when signal N ended it, 124 at a timeout, 125 when\n"
            "the VM failed). Without COMMAND a terminal gets a shell.\n\n"
            "  --image NAME        guest image (debian-13)\n"
            "  --memory MIB        guest memory (2048)\n"
            "  --cpus N            virtual processors (2)\n"
            "  --accel KIND        auto, kvm or tcg (auto: KVM where a stock kernel boots on it)\n"
            "  --window SIZE       host-visible GPU memory, for example 8G\n"
            "  --screenshot FILE   save the screen as PNG when COMMAND has ended\n"
            "  --timeout SECONDS   give COMMAND that long\n"
            "  --log SPEC          log topics and levels of the device, for example venus=debug\n"
            "  --shell             run COMMAND, or a shell, with a terminal\n"
            "  --keep-alive        keep the VM until Ctrl-C; 'pearvisor exec' runs commands in it\n"
            "  --name NAME         what 'pearvisor exec --vm' calls it\n"
            "  --network           let the guest reach the network\n"
            "  --no-gpu            a VM without our device\n"
            "  --serial FILE       keep the guest's console log\n"
            "  --kernel-options S  more options for the guest's kernel\n"
            "  --qemu FILE         QEMU to use (PV_QEMU, or the one in PATH)\n"
            "  --cache-dir DIR     where images are (PEARVISOR_CACHE_DIR)\n");
}

/* Returns 0, or an exit status to leave with; -1 for "leave with success". */
static int parse(int argc, char **argv, struct run_options *ret)
{
    enum {
        IMAGE = 256,
        MEMORY,
        CPUS,
        ACCEL,
        WINDOW,
        SCREENSHOT,
        TIMEOUT,
        LOG,
        SHELL,
        KEEP_ALIVE,
        NAME,
        NETWORK,
        NO_GPU,
        SERIAL,
        KERNEL_OPTIONS,
        QEMU,
        CACHE_DIR,
        DEVICE_COMMAND
    };
    static const struct option options[] = {
        {"image", required_argument, NULL, IMAGE},
        {"memory", required_argument, NULL, MEMORY},
        {"cpus", required_argument, NULL, CPUS},
        {"accel", required_argument, NULL, ACCEL},
        {"window", required_argument, NULL, WINDOW},
        {"screenshot", required_argument, NULL, SCREENSHOT},
        {"timeout", required_argument, NULL, TIMEOUT},
        {"log", required_argument, NULL, LOG},
        {"shell", no_argument, NULL, SHELL},
        {"keep-alive", no_argument, NULL, KEEP_ALIVE},
        {"name", required_argument, NULL, NAME},
        {"network", no_argument, NULL, NETWORK},
        {"no-gpu", no_argument, NULL, NO_GPU},
        {"serial", required_argument, NULL, SERIAL},
        {"kernel-options", required_argument, NULL, KERNEL_OPTIONS},
        {"qemu", required_argument, NULL, QEMU},
        {"cache-dir", required_argument, NULL, CACHE_DIR},
        /* For tests: a shell command that is the device; $1 and $2 are its sockets. */
        {"device-command", required_argument, NULL, DEVICE_COMMAND},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool ok = true;
    int option;

    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        switch (option) {
        case IMAGE:
            ret->image = optarg;
            break;
        case MEMORY:
            ok = pv_cli_number("--memory", optarg, PV_VM_QEMU_MEMORY_MIN_MIB,
                               PV_VM_QEMU_MEMORY_MAX_MIB, &ret->memory_mib)
                 && ok;
            break;
        case CPUS:
            ok = pv_cli_number("--cpus", optarg, 1, PV_VM_QEMU_CPUS_MAX, &ret->cpu_count) && ok;
            break;
        case ACCEL:
            ret->accel = optarg;
            if (strcmp(optarg, "auto") != 0 && strcmp(optarg, "kvm") != 0
                && strcmp(optarg, "tcg") != 0) {
                fprintf(stderr, "pearvisor: --accel is auto, kvm or tcg, not '%s'\n", optarg);
                ok = false;
            }
            break;
        case WINDOW:
            ret->window = optarg;
            break;
        case SCREENSHOT:
            ret->screenshot = optarg;
            break;
        case TIMEOUT:
            ok = pv_cli_number("--timeout", optarg, 1, 4000000, &ret->timeout_s) && ok;
            break;
        case LOG:
            ret->log = optarg;
            break;
        case SHELL:
            ret->shell = true;
            break;
        case KEEP_ALIVE:
            ret->keep_alive = true;
            break;
        case NAME:
            ret->name = optarg;
            break;
        case NETWORK:
            ret->network = true;
            break;
        case NO_GPU:
            ret->no_gpu = true;
            break;
        case SERIAL:
            ret->serial = optarg;
            break;
        case KERNEL_OPTIONS:
            ret->kernel_options = optarg;
            break;
        case QEMU:
            ret->qemu = optarg;
            break;
        case CACHE_DIR:
            ret->cache = optarg;
            break;
        case DEVICE_COMMAND:
            ret->device_command = optarg;
            break;
        case 'h':
            print_help(stdout);
            return -1;
        default:
            ok = false;
            break;
        }
    }
    ret->command = argv + optind;
    if (ok && ret->command[0] == NULL && !ret->keep_alive && !ret->shell) {
        ret->shell = isatty(STDIN_FILENO) != 0;
        if (!ret->shell) {
            fprintf(stderr, "pearvisor: nothing to run: name a command after --, or use --shell "
                            "or --keep-alive\n");
            ok = false;
        }
    }
    return ok ? 0 : PV_CLI_USAGE;
}

/* Decide for KVM or emulation, with one line when it is not what the user would wish for. */
static bool choose_kvm(const struct run_options *options, const struct pv_cli_places *places,
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
        fprintf(stderr, "pearvisor: %s; using emulation (TCG)\n", accel.reason);
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
    const char *arguments[] = {context->places->program,     "screenshot", "--control", control,
                               context->options->screenshot, NULL};
    const struct pv_os_process_options process = {.arguments = arguments};
    struct pv_os_process_end end = {0};
    char text[1024] = "";
    int r;

    pv_cli_terminal_leave(&context->terminal);
    if (context->options->screenshot == NULL) {
        return;
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

/* The last lines of a log in the VM's folder, for a user whose VM failed. */
static void show_log(const struct pv_vm_runtime *runtime, const char *path, const char *name,
                     const char *title)
{
    static char lines[LOG_TAIL_LINES][512];
    char in_folder[PV_VM_RUNTIME_PATH_MAX];
    unsigned long count = 0;
    FILE *file;

    if (path == NULL) {
        if (pv_vm_runtime_file(runtime, name, in_folder) != 0) {
            return;
        }
        path = in_folder;
    }
    file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    while (fgets(lines[count % LOG_TAIL_LINES], sizeof(lines[0]), file) != NULL) {
        count++;
    }
    fclose(file);
    if (count == 0) {
        fprintf(stderr, "%s said nothing.\n", title);
        return;
    }
    fprintf(stderr, "The last that %s said:\n", title);
    for (unsigned long i = count > LOG_TAIL_LINES ? count - LOG_TAIL_LINES : 0; i < count; i++) {
        const char *line = lines[i % LOG_TAIL_LINES];

        fputs("  ", stderr);
        /* The guest wrote this: no control characters to the user's terminal. */
        for (size_t k = 0; line[k] != '\0' && line[k] != '\n'; k++) {
            const unsigned char byte = (unsigned char)line[k];

            fputc(byte < 0x20 || byte == 0x7f ? '.' : byte, stderr);
        }
        fputc('\n', stderr);
    }
}

/* Say what happened and choose the exit status. */
static int conclude(const struct run_options *options, const struct pv_vm_runtime *runtime,
                    const struct pv_vm_run_result *result)
{
    if (result->has_timed_out) {
        fprintf(stderr, "pearvisor: the command did not end within %u s\n", options->timeout_s);
        return PV_CLI_TIMEOUT;
    }
    switch (result->end) {
    case PV_VM_MACHINE_NOT_BOOTED:
        fprintf(stderr, "pearvisor: the guest did not boot\n");
        show_log(runtime, options->serial, PV_VM_MACHINE_SERIAL_LOG, "the guest's console");
        return PV_CLI_FAILED;
    case PV_VM_MACHINE_QEMU_DIED:
        fprintf(stderr, "pearvisor: QEMU ended unexpectedly\n");
        show_log(runtime, NULL, PV_VM_MACHINE_QEMU_LOG, "QEMU");
        return PV_CLI_FAILED;
    case PV_VM_MACHINE_DEVICE_DIED:
        fprintf(stderr, "pearvisor: the GPU device process ended unexpectedly; "
                        "the VM was stopped\n");
        return PV_CLI_FAILED;
    case PV_VM_MACHINE_HOST_TROUBLE:
        fprintf(stderr, "pearvisor: the VM could not be started\n");
        return PV_CLI_FAILED;
    case PV_VM_MACHINE_STOPPED:
        break;
    }
    if (result->has_command_ended) {
        if (result->how == PV_VM_AGENT_EXIT_NOT_RUN) {
            fprintf(stderr, "pearvisor: the guest cannot run '%s': %s\n", options->command[0],
                    strerror((int)result->value));
        } else if (result->how == PV_VM_AGENT_EXIT_LOST) {
            fprintf(stderr, "pearvisor: the guest went away while the command ran\n");
        }
        return pv_vm_session_exit_status(result->how, result->value);
    }
    if (result->signal_number != 0) {
        return options->keep_alive && options->command[0] == NULL ? 0 : 128 + result->signal_number;
    }
    if (options->keep_alive) {
        return 0; /* the guest was powered off from inside */
    }
    fprintf(stderr, "pearvisor: the guest powered off before the command ended\n");
    return PV_CLI_FAILED;
}

/* The device's command line: our own program, or what a test put in its place. */
static void device_arguments(const struct run_options *options, const struct pv_cli_places *places,
                             const char *gpu_socket, const char *control_socket,
                             const char *ret_arguments[16])
{
    size_t count = 0;

    if (options->device_command != NULL) {
        ret_arguments[count++] = "/bin/sh";
        ret_arguments[count++] = "-c";
        ret_arguments[count++] = options->device_command;
        ret_arguments[count++] = "device";
        ret_arguments[count++] = gpu_socket;
        ret_arguments[count++] = control_socket;
    } else {
        ret_arguments[count++] = places->program;
        ret_arguments[count++] = "gpu";
        ret_arguments[count++] = "--vhost-user";
        ret_arguments[count++] = gpu_socket;
        ret_arguments[count++] = "--control";
        ret_arguments[count++] = control_socket;
        if (options->window != NULL) {
            ret_arguments[count++] = "--window";
            ret_arguments[count++] = options->window;
        }
        if (options->log != NULL) {
            ret_arguments[count++] = "--log";
            ret_arguments[count++] = options->log;
        }
    }
    ret_arguments[count] = NULL;
}

static int run_in(const struct run_options *options, const struct pv_cli_places *places,
                  const struct pv_vm_arch *arch, const struct pv_vm_qemu *qemu,
                  const struct pv_vm_image *image, const struct pv_vm_runtime *runtime,
                  struct pv_base_log *log)
{
    static const char *const shell[] = {"/bin/bash", "-l", NULL};
    static const char *const terminal_variables[] = {"TERM=xterm-256color", NULL};
    struct context context = {.options = options, .places = places, .runtime = runtime};
    char gpu_socket[PV_VM_RUNTIME_PATH_MAX];
    char control_socket[PV_VM_RUNTIME_PATH_MAX];
    const char *device[16];
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
    if (pv_vm_runtime_file(runtime, PV_VM_MACHINE_GPU_SOCKET, gpu_socket) != 0
        || pv_vm_runtime_file(runtime, PV_VM_MACHINE_CONTROL_SOCKET, control_socket) != 0) {
        return PV_CLI_FAILED;
    }
    if (!options->no_gpu) {
        device_arguments(options, places, gpu_socket, control_socket, device);
        run.machine.device_arguments = device;
    }
    run.machine.use_kvm = choose_kvm(options, places, arch, qemu, image, runtime);
    r = pv_vm_run(&run, &result);
    pv_cli_terminal_leave(&context.terminal);
    if (r != 0) {
        fprintf(stderr, "pearvisor: the VM could not be started: %s\n", strerror(-r));
        return PV_CLI_FAILED;
    }
    return conclude(options, runtime, &result);
}

int pv_cli_run(int argc, char **argv)
{
    struct run_options options = {
        .image = "debian-13", .accel = "auto", .memory_mib = 2048, .cpu_count = 2};
    struct pv_cli_places places;
    struct pv_vm_image image;
    struct pv_vm_qemu qemu;
    struct pv_vm_runtime runtime = {.lock_fd = -1};
    struct pv_base_log log;
    const struct pv_vm_arch *arch;
    int status = parse(argc, argv, &options);
    int r;

    if (status != 0) {
        return status < 0 ? 0 : status;
    }
    pv_base_log_init(&log, "run");
    if (options.log != NULL && pv_base_log_configure(&log, options.log) != 0) {
        fprintf(stderr, "pearvisor: --log wants topic=level,...: '%s' is not that\n", options.log);
        return PV_CLI_USAGE;
    }
    arch = pv_cli_arch();
    if (arch == NULL || !pv_cli_places_find(options.cache, &places)
        || !pv_cli_image_find(&places, arch, options.image, &image)
        || !pv_cli_qemu_find(arch, options.qemu, &qemu)) {
        return PV_CLI_FAILED;
    }
    r = pv_vm_runtime_create(places.runtime, options.name, &runtime);
    if (r != 0) {
        if (r == -EEXIST) {
            fprintf(stderr, "pearvisor: a VM of the name '%s' runs already\n", options.name);
        } else {
            fprintf(stderr, "pearvisor: cannot make a folder for the VM in %s: %s\n",
                    places.runtime, strerror(-r));
        }
        return PV_CLI_FAILED;
    }
    status = run_in(&options, &places, arch, &qemu, &image, &runtime, &log);
    pv_vm_runtime_destroy(&runtime);
    return status;
}
