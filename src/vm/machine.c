/* SPDX-License-Identifier: MIT */
/*
 * The life of a VM; see the header for its states.
 *
 * The device listens before QEMU starts, and QEMU ends before the device does: a QEMU without its
 * back end leaves guest tasks waiting for ever, and cannot take a new one. When QEMU ends by
 * itself, the device follows as soon as its connection closes, and may be reaped first.
 */
#include "vm/machine.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "os/clock.h"
#include "os/process.h"
#include "os/socket.h"
#include "vm/emulator.h"
#include "vm/qmp.h"

#define TOPIC "vm.machine"

#define NS_PER_MS ((uint64_t)1000000)

/* The device has only to bind a socket, but on a loaded machine it may be a while in coming. */
#define DEVICE_LISTEN_TIMEOUT_MS 20000
#define DEVICE_LISTEN_POLL_MS    5
/* A guest that powers off takes about half a second under emulation. */
#define POWER_OFF_TIMEOUT_MS   5000
#define QUIT_TIMEOUT_MS        3000
#define DEVICE_TERM_TIMEOUT_MS 3000
/* QEMU gives 2 GiB of guest memory back between hanging up on the device and its own end. */
#define QEMU_END_TIMEOUT_MS 2000

enum state {
    STATE_STARTING,
    STATE_BOOTING,
    STATE_READY,
    STATE_POWERING_OFF,
    STATE_QUITTING,
    STATE_ENDING_DEVICE,
    STATE_STOPPED,
};

struct pv_vm_machine {
    struct pv_vm_machine_options options;
    enum state state;
    enum pv_vm_machine_end end;
    struct pv_os_process device;
    struct pv_os_source *device_source;
    struct pv_vm_emulator qemu;
    struct pv_os_source *qemu_source;
    struct pv_vm_relay *relay;
    struct pv_vm_qmp *qmp;
    struct pv_os_timer *timer; /* what the current state waits for at most */
    bool firmware_may_reset;   /* once more, in the boot at hand */
    bool is_qemu_killed;       /* by us */
    bool has_device_left;      /* of its own accord: QEMU's end is awaited, to judge by that */
    uint64_t listen_end_ns;
    char gpu_socket_path[PV_VM_RUNTIME_PATH_MAX];
};

static void enter_stop(struct pv_vm_machine *machine, enum pv_vm_machine_end end);

static void set_timer_ms(struct pv_vm_machine *machine, uint64_t delay_ms)
{
    pv_os_timer_set(machine->timer, delay_ms * NS_PER_MS);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void finish(struct pv_vm_machine *machine)
{
    machine->state = STATE_STOPPED;
    pv_os_timer_clear(machine->timer);
    machine->options.on_stopped(machine->options.user, machine->end);
}

static void end_device(struct pv_vm_machine *machine)
{
    machine->state = STATE_ENDING_DEVICE;
    if (machine->device.pid == 0) {
        finish(machine);
        return;
    }
    pv_os_process_signal(&machine->device, SIGTERM);
    set_timer_ms(machine, DEVICE_TERM_TIMEOUT_MS);
}

static void quit_qemu(struct pv_vm_machine *machine)
{
    machine->state = STATE_QUITTING;
    if (machine->qemu.process.pid == 0) {
        end_device(machine);
        return;
    }
    pv_vm_qmp_send(machine->qmp, "quit");
    set_timer_ms(machine, QUIT_TIMEOUT_MS);
}

static void kill_qemu(struct pv_vm_machine *machine)
{
    machine->is_qemu_killed = true;
    pv_os_process_signal(&machine->qemu.process, SIGKILL);
}

/* Stop for the first reason that came; later ones are its consequences. */
static void enter_stop(struct pv_vm_machine *machine, enum pv_vm_machine_end end)
{
    if (machine->state >= STATE_POWERING_OFF) {
        return;
    }
    machine->end = end;
    if (machine->state == STATE_READY && end == PV_VM_MACHINE_STOPPED
        && machine->qemu.process.pid != 0) {
        machine->state = STATE_POWERING_OFF;
        pv_vm_relay_power_off(machine->relay);
        set_timer_ms(machine, POWER_OFF_TIMEOUT_MS);
    } else {
        quit_qemu(machine);
    }
}

void pv_vm_machine_stop(struct pv_vm_machine *machine)
{
    if (machine->state < STATE_POWERING_OFF) {
        enter_stop(machine, PV_VM_MACHINE_STOPPED);
    } else {
        kill_qemu(machine);
        if (machine->state == STATE_ENDING_DEVICE) {
            pv_os_process_signal(&machine->device, SIGKILL);
        }
    }
}

/* --- what happens to the processes ------------------------------------------------------------ */

/* What QEMU's end means for the machine's, in the state at hand. */
static enum pv_vm_machine_end judge_qemu_end(const struct pv_vm_machine *machine,
                                             const struct pv_os_process_end *end)
{
    const bool is_clean = !end->by_signal && end->value == 0;

    switch (machine->state) {
    case STATE_STARTING:
    case STATE_BOOTING:
        return is_clean ? PV_VM_MACHINE_NOT_BOOTED : PV_VM_MACHINE_QEMU_DIED;
    case STATE_READY:
        /* Nobody asked: the guest has powered itself off. */
        return is_clean ? PV_VM_MACHINE_STOPPED : PV_VM_MACHINE_QEMU_DIED;
    case STATE_POWERING_OFF:
        /* A QEMU that crashes takes its command along, and that may be heard of first. */
        return is_clean || machine->is_qemu_killed ? machine->end : PV_VM_MACHINE_QEMU_DIED;
    case STATE_QUITTING:
    case STATE_ENDING_DEVICE:
    case STATE_STOPPED:
        break;
    }
    return machine->end;
}

static void on_qemu_exit(void *user, uint32_t events)
{
    struct pv_vm_machine *machine = user;
    struct pv_os_process_end end = {0};

    (void)events;
    if (pv_os_process_reap(&machine->qemu.process, 0, &end) != 0) {
        return;
    }
    pv_os_source_remove(machine->qemu_source);
    machine->qemu_source = NULL;
    machine->end = judge_qemu_end(machine, &end);
    if (machine->end == PV_VM_MACHINE_QEMU_DIED) {
        pv_base_log_error(machine->options.log, TOPIC, "QEMU ended with %s %d",
                          end.by_signal ? "signal" : "status", end.value);
    }
    end_device(machine);
}

static void on_device_exit(void *user, uint32_t events)
{
    struct pv_vm_machine *machine = user;
    struct pv_os_process_end end = {0};

    (void)events;
    if (pv_os_process_reap(&machine->device, 0, &end) != 0) {
        return;
    }
    pv_os_source_remove(machine->device_source);
    machine->device_source = NULL;
    if (machine->state == STATE_ENDING_DEVICE) {
        finish(machine);
    } else if (machine->state < STATE_POWERING_OFF && machine->qemu.process.pid != 0
               && !end.by_signal && end.value == 0) {
        machine->has_device_left = true;
        set_timer_ms(machine, QEMU_END_TIMEOUT_MS);
    } else if (machine->state < STATE_POWERING_OFF) {
        pv_base_log_error(machine->options.log, TOPIC, "the device process ended with %s %d",
                          end.by_signal ? "signal" : "status", end.value);
        enter_stop(machine, PV_VM_MACHINE_DEVICE_DIED);
    }
}

static void on_qmp_event(void *user, const char *name, const json_t *data)
{
    struct pv_vm_machine *machine = user;

    /* The guest causes most of them. */
    pv_base_log_guest(machine->options.log, TOPIC, PV_BASE_LOG_DEBUG, "QEMU says %.64s", name);
    if (strcmp(name, "VSERPORT_CHANGE") == 0) {
        pv_vm_relay_set_port_open(machine->relay, json_is_true(json_object_get(data, "open")));
    } else if (strcmp(name, "RESET") == 0 && !machine->has_device_left) {
        if (machine->state == STATE_BOOTING && machine->firmware_may_reset) {
            /* After a reset SeaBIOS finds its memory used and makes another, harder one. */
            machine->firmware_may_reset = false;
        } else if (machine->state == STATE_BOOTING) {
            /* A kernel that dies resets; a guest that resets before it answers never will. */
            enter_stop(machine, PV_VM_MACHINE_NOT_BOOTED);
        } else if (machine->state == STATE_READY) {
            machine->state = STATE_BOOTING;
            machine->firmware_may_reset = true;
            set_timer_ms(machine, machine->options.boot_timeout_ms);
            pv_vm_relay_set_port_open(machine->relay, false);
        }
    }
}

static void on_agent_ready(void *user)
{
    struct pv_vm_machine *machine = user;

    if (machine->state == STATE_BOOTING) {
        machine->state = STATE_READY;
        if (!machine->has_device_left) {
            pv_os_timer_clear(machine->timer);
        }
    }
    if (machine->state == STATE_READY) {
        machine->options.on_ready(machine->options.user);
    }
}

static void on_agent_lost(void *user)
{
    struct pv_vm_machine *machine = user;

    pv_base_log_guest(machine->options.log, TOPIC, PV_BASE_LOG_INFO, "the agent has gone");
}

static void on_agent_hang_up(void *user)
{
    (void)user; /* QEMU's end follows */
}

/* --- starting --------------------------------------------------------------------------------- */

/* The relay to the agent, with its socket for others. */
static int start_relay(struct pv_vm_machine *machine)
{
    const struct pv_vm_machine_options *options = &machine->options;
    const struct pv_vm_relay_options relay = {
        .loop = options->loop,
        .log = options->log,
        .port_fd = machine->qemu.agent_fds[0],
        .on_ready = on_agent_ready,
        .on_lost = on_agent_lost,
        .on_hang_up = on_agent_hang_up,
        .user = machine,
    };
    char path[PV_VM_RUNTIME_PATH_MAX];
    int listen_fd = -1;
    int r = pv_vm_relay_create(&relay, &machine->relay);

    if (r == 0) {
        r = pv_vm_runtime_file(options->runtime, PV_VM_MACHINE_AGENT_SOCKET, path);
    }
    if (r == 0) {
        r = pv_os_socket_listen(path, &listen_fd);
    }
    if (r == 0) {
        r = pv_vm_relay_listen(machine->relay, listen_fd);
    }
    return r;
}

static int start_qemu(struct pv_vm_machine *machine)
{
    int r = pv_vm_emulator_start(&machine->qemu, machine->options.runtime);

    if (r == 0) {
        r = pv_os_loop_add(machine->options.loop, machine->qemu.process.exit_fd, PV_OS_LOOP_READ,
                           on_qemu_exit, machine, &machine->qemu_source);
    }
    if (r == 0) {
        r = start_relay(machine);
    }
    if (r == 0) {
        r = pv_vm_qmp_create(machine->options.loop, machine->qemu.qmp_fds[0], on_qmp_event, machine,
                             &machine->qmp);
    }
    if (r == 0) {
        machine->state = STATE_BOOTING;
        set_timer_ms(machine, machine->options.boot_timeout_ms);
    }
    return r;
}

/* Whether the device listens by now. It binds and listens in one go. */
static bool is_socket(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

static void await_device(struct pv_vm_machine *machine)
{
    int r;

    if (!is_socket(machine->gpu_socket_path)) {
        if (pv_os_clock_now_ns() >= machine->listen_end_ns) {
            pv_base_log_error(machine->options.log, TOPIC, "the device process does not listen");
            enter_stop(machine, PV_VM_MACHINE_DEVICE_DIED);
        } else {
            set_timer_ms(machine, DEVICE_LISTEN_POLL_MS);
        }
        return;
    }
    r = start_qemu(machine);
    if (r != 0) {
        pv_base_log_error(machine->options.log, TOPIC, "QEMU cannot be started: error %d", -r);
        pv_os_process_kill(&machine->qemu.process);
        pv_os_source_remove(machine->qemu_source);
        machine->qemu_source = NULL;
        enter_stop(machine, PV_VM_MACHINE_HOST_TROUBLE);
    }
}

static void on_timer(void *user)
{
    struct pv_vm_machine *machine = user;

    if (machine->has_device_left && machine->state < STATE_POWERING_OFF) {
        pv_base_log_error(machine->options.log, TOPIC, "the device process has left QEMU");
        enter_stop(machine, PV_VM_MACHINE_DEVICE_DIED);
        return;
    }
    switch (machine->state) {
    case STATE_STARTING:
        await_device(machine);
        break;
    case STATE_BOOTING:
        enter_stop(machine, PV_VM_MACHINE_NOT_BOOTED);
        break;
    case STATE_READY:
    case STATE_STOPPED:
        break;
    case STATE_POWERING_OFF:
        quit_qemu(machine);
        break;
    case STATE_QUITTING:
        kill_qemu(machine);
        break;
    case STATE_ENDING_DEVICE:
        pv_os_process_signal(&machine->device, SIGKILL);
        break;
    }
}

static int start_device(struct pv_vm_machine *machine)
{
    const struct pv_os_process_options process = {.arguments = machine->options.device_arguments};
    const int r = pv_os_process_spawn(&process, &machine->device);

    machine->listen_end_ns = pv_os_clock_now_ns() + DEVICE_LISTEN_TIMEOUT_MS * NS_PER_MS;
    set_timer_ms(machine, DEVICE_LISTEN_POLL_MS);
    if (r != 0) {
        return r;
    }
    return pv_os_loop_add(machine->options.loop, machine->device.exit_fd, PV_OS_LOOP_READ,
                          on_device_exit, machine, &machine->device_source);
}

int pv_vm_machine_create(const struct pv_vm_machine_options *options,
                         struct pv_vm_machine **ret_machine)
{
    struct pv_vm_machine *machine = calloc(1, sizeof(*machine));
    int r;

    if (machine == NULL) {
        return -ENOMEM;
    }
    machine->options = *options;
    machine->device.exit_fd = -1;
    pv_vm_emulator_init(&machine->qemu);
    r = pv_vm_runtime_file(options->runtime, PV_VM_MACHINE_GPU_SOCKET, machine->gpu_socket_path);
    if (r == 0) {
        r = pv_os_timer_create(options->loop, on_timer, machine, &machine->timer);
    }
    if (r == 0) {
        r = pv_vm_emulator_prepare(&machine->qemu, options,
                                   options->device_arguments != NULL ? machine->gpu_socket_path
                                                                     : NULL);
    }
    if (r == 0) {
        r = options->device_arguments != NULL ? start_device(machine) : start_qemu(machine);
    }
    if (r != 0) {
        pv_vm_machine_destroy(machine);
        return r;
    }
    *ret_machine = machine;
    return 0;
}

void pv_vm_machine_destroy(struct pv_vm_machine *machine)
{
    if (machine == NULL) {
        return;
    }
    pv_os_source_remove(machine->qemu_source);
    pv_os_source_remove(machine->device_source);
    pv_os_process_kill(&machine->qemu.process); /* before its device, as ever */
    pv_os_process_kill(&machine->device);
    pv_vm_relay_destroy(machine->relay);
    pv_vm_qmp_destroy(machine->qmp);
    pv_os_timer_destroy(machine->timer);
    pv_vm_emulator_finish(&machine->qemu);
    free(machine);
}

struct pv_vm_relay *pv_vm_machine_get_relay(struct pv_vm_machine *machine)
{
    return machine->relay;
}

int pv_vm_machine_qemu_pid(const struct pv_vm_machine *machine)
{
    return machine->qemu.process.pid;
}

int pv_vm_machine_device_pid(const struct pv_vm_machine *machine)
{
    return machine->device.pid;
}
