/* SPDX-License-Identifier: MIT */
/*
 * The agent: runs commands for the host over a virtio-serial port, several at once. The protocol
 * is described in src/vm/agent_wire.h.
 *
 * One thread, one poll loop: the port, a signalfd for ended children, and the pipes of each
 * command. Output is read from a command only while the port's queue is short, so that a guest
 * program that writes without end fills its own pipe and not our memory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest/agent/command.h"
#include "vm/agent_wire.h"

/* Beyond this no more output is read from commands until the host has taken some. */
#define PORT_QUEUE_HIGH_BYTES ((size_t)256 << 10)
/* How long commands may wait for udev to finish with the devices of the boot. */
#define DEVICES_WAIT_MS 15000
#define PORT_WAIT_MS    10000

struct agent {
    int port_fd;
    int signal_fd;
    struct pv_vm_agent_reader reader;
    struct pv_vm_agent_queue queue;
    struct command commands[PV_VM_AGENT_COMMAND_MAX];
};

static void sleep_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* A command expects /dev as udev leaves it; the queue file is there while udev has work. */
static void wait_for_devices(void)
{
    for (long waited_ms = 0; waited_ms < DEVICES_WAIT_MS; waited_ms += 20) {
        if (access("/run/udev/queue", F_OK) != 0) {
            return;
        }
        sleep_ms(20);
    }
}

/* Find the port by the name that the host gave it. Returns an open fd, or -1. */
static int open_port(void)
{
    static const char ports[] = "/sys/class/virtio-ports";
    DIR *directory = opendir(ports);
    struct dirent *entry;
    int fd = -1;

    while (directory != NULL && fd < 0 && (entry = readdir(directory)) != NULL) {
        char path[600];
        char name[64] = "";
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s/name", ports, entry->d_name);
        file = fopen(path, "re");
        if (file == NULL) {
            continue;
        }
        if (fgets(name, sizeof(name), file) != NULL) {
            name[strcspn(name, "\n")] = '\0';
        }
        fclose(file);
        if (strcmp(name, PV_VM_AGENT_PORT_NAME) == 0) {
            snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
            fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return fd;
}

static struct command *find_command(struct agent *agent, uint32_t id)
{
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        if (agent->commands[i].is_used && agent->commands[i].id == id) {
            return &agent->commands[i];
        }
    }
    return NULL;
}

static void start_command(struct agent *agent, const struct pv_vm_agent_frame *frame)
{
    if (find_command(agent, frame->id) != NULL) {
        return; /* the host mixed up its ids; the first one stays */
    }
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        if (!agent->commands[i].is_used) {
            command_start(&agent->commands[i], frame->id, frame->payload, frame->payload_bytes,
                          &agent->queue);
            return;
        }
    }
    (void)!pv_vm_agent_queue_u32x2(&agent->queue, PV_VM_AGENT_EXIT, frame->id,
                                   PV_VM_AGENT_EXIT_NOT_RUN, EAGAIN);
}

static void abandon_all(struct agent *agent)
{
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        if (agent->commands[i].is_used) {
            command_abandon(&agent->commands[i]);
        }
    }
}

/* The root file system is a throw-away copy, so there is nothing to unmount with care. */
static void power_off(struct agent *agent)
{
    abandon_all(agent);
    sync();
    reboot(RB_POWER_OFF);
}

static void serve_frame(struct agent *agent, const struct pv_vm_agent_frame *frame)
{
    struct command *command = find_command(agent, frame->id);

    switch (frame->kind) {
    case PV_VM_AGENT_SYNC:
    case PV_VM_AGENT_PING:
        (void)!pv_vm_agent_queue_mark(&agent->queue, PV_VM_AGENT_PONG, frame->id);
        return;
    case PV_VM_AGENT_EXEC:
        start_command(agent, frame);
        return;
    case PV_VM_AGENT_POWER_OFF:
        power_off(agent);
        return;
    default:
        break;
    }
    if (command == NULL) {
        return; /* it ended while the host wrote this */
    }
    switch (frame->kind) {
    case PV_VM_AGENT_STDIN:
        command_input(command, frame->payload, frame->payload_bytes, &agent->queue);
        break;
    case PV_VM_AGENT_SIGNAL:
        command_signal(command, (int)pv_vm_agent_frame_u32(frame, 0, SIGTERM));
        break;
    case PV_VM_AGENT_ABANDON:
        command_abandon(command);
        break;
    case PV_VM_AGENT_RESIZE:
        command_resize(command, pv_vm_agent_frame_u32(frame, 0, 80),
                       pv_vm_agent_frame_u32(frame, 4, 24));
        break;
    case PV_VM_AGENT_CREDIT:
        command->output_credit_bytes += pv_vm_agent_frame_u32(frame, 0, 0);
        break;
    default:
        break; /* a later version's; it can live without */
    }
}

/* Returns false when the host has hung up. */
static bool serve_port(struct agent *agent)
{
    struct pv_vm_agent_frame frame;
    int r = pv_vm_agent_reader_fill(&agent->reader, agent->port_fd);

    if (r != -EAGAIN && r <= 0) {
        return false;
    }
    while ((r = pv_vm_agent_reader_next(&agent->reader, &frame)) != 0) {
        if (r > 0) {
            serve_frame(agent, &frame);
        }
    }
    return true;
}

static void reap(struct agent *agent)
{
    struct signalfd_siginfo info;
    pid_t pid;
    int status;

    while (read(agent->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
    }
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
            if (agent->commands[i].is_used && agent->commands[i].pid == pid) {
                agent->commands[i].pid = 0;
                agent->commands[i].status = status;
            }
        }
    }
}

static void serve_once(struct agent *agent)
{
    struct pollfd entries[2 + PV_VM_AGENT_COMMAND_MAX * COMMAND_POLL_MAX];
    const bool has_room = pv_vm_agent_queue_left_bytes(&agent->queue) < PORT_QUEUE_HIGH_BYTES;
    const bool has_output = pv_vm_agent_queue_left_bytes(&agent->queue) > 0;
    nfds_t count = 2;

    entries[0] = (struct pollfd){agent->port_fd, (short)(POLLIN | (has_output ? POLLOUT : 0)), 0};
    entries[1] = (struct pollfd){agent->signal_fd, POLLIN, 0};
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        command_poll_fill(&agent->commands[i], entries + count);
        if (!has_room) {
            entries[count + 1].fd = -1;
            entries[count + 2].fd = -1;
        }
        count += COMMAND_POLL_MAX;
    }
    if (poll(entries, count, -1) < 0) {
        return;
    }
    count = 2;
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        if (agent->commands[i].is_used) {
            command_poll_serve(&agent->commands[i], entries + count, has_room, &agent->queue);
        }
        count += COMMAND_POLL_MAX;
    }
    if (entries[1].revents != 0) {
        reap(agent);
    }
    if ((entries[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !serve_port(agent)) {
        abandon_all(agent);
        pv_vm_agent_reader_lose(&agent->reader);
        pv_vm_agent_queue_finish(&agent->queue);
        sleep_ms(100); /* poll reports a host that is away without pause */
        return;
    }
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        command_finish_if_done(&agent->commands[i], &agent->queue);
    }
    (void)!pv_vm_agent_queue_flush(&agent->queue, agent->port_fd);
}

int main(void)
{
    static struct agent agent;
    sigset_t signals;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    agent.signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    for (size_t i = 0; i < PV_VM_AGENT_COMMAND_MAX; i++) {
        agent.commands[i] = (struct command){.input_fd = -1, .output_fd = {-1, -1}};
    }

    wait_for_devices();
    agent.port_fd = open_port();
    for (long waited_ms = 0; agent.port_fd < 0 && waited_ms < PORT_WAIT_MS; waited_ms += 50) {
        sleep_ms(50);
        agent.port_fd = open_port();
    }
    if (agent.port_fd < 0 || agent.signal_fd < 0) {
        fprintf(stderr, "pearvisor-agent: no port named " PV_VM_AGENT_PORT_NAME "\n");
        return EXIT_FAILURE;
    }
    mkdir("/tmp/.X11-unix", 01777);
    pv_vm_agent_reader_lose(&agent.reader);
    (void)!pv_vm_agent_queue_mark(&agent.queue, PV_VM_AGENT_PONG, 0);
    for (;;) {
        serve_once(&agent);
    }
}
