/* SPDX-License-Identifier: MIT */
/*
 * Plays QEMU, and the agent in its guest, for tests of vm/machine.c and vm/run.c; or a device.
 *
 *   fake-qemu ARGUMENTS...          as QEMU is started; reads the numbers of its two sockets
 *   fake-qemu device SOCKET [HOW]   listens on SOCKET until SIGTERM
 *
 * SIGUSR1 ends either with status 0, as QEMU when its guest powers off, and a device without QEMU.
 *
 * PV_FAKE_QEMU in the environment says how it behaves (the table below); without it, or with
 * "good", it boots at once and obeys. The guest's commands are words: see run_command.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vm/agent_wire.h"

struct fake {
    int agent_fd;
    int qmp_fd;
    bool is_stubborn; /* asked to end, it does not */
    struct pv_vm_agent_reader reader;
    struct pv_vm_agent_queue queue;
    uint32_t resize_id; /* a command that waits for a size; 0: none */
};

static void qmp_say(const struct fake *fake, const char *text)
{
    (void)!send(fake->qmp_fd, text, strlen(text), MSG_NOSIGNAL);
}

static void agent_flush(struct fake *fake)
{
    (void)!pv_vm_agent_queue_flush(&fake->queue, fake->agent_fd);
}

static void agent_exit(struct fake *fake, uint32_t id, uint32_t how, uint32_t value)
{
    (void)!pv_vm_agent_queue_u32x2(&fake->queue, PV_VM_AGENT_EXIT, id, how, value);
    agent_flush(fake);
}

static void run_command(struct fake *fake, uint32_t id, const char *word)
{
    if (strcmp(word, "hello") == 0) {
        (void)!pv_vm_agent_queue_u32(&fake->queue, PV_VM_AGENT_STARTED, id, 100);
        (void)!pv_vm_agent_queue_frame(&fake->queue, PV_VM_AGENT_STDOUT, id, "hello\n", 6);
        agent_exit(fake, id, PV_VM_AGENT_EXIT_CODE, 7);
    } else if (strcmp(word, "size") == 0) {
        fake->resize_id = id;
    } else if (strcmp(word, "crash") == 0) {
        _Exit(3); /* QEMU itself */
    } else if (strcmp(word, "power-off") == 0) {
        _Exit(0);
    } else if (strcmp(word, "reboot") == 0) {
        qmp_say(fake, "{\"event\": \"RESET\"}\r\n{\"event\": \"RESET\"}\r\n");
        (void)!pv_vm_agent_queue_mark(&fake->queue, PV_VM_AGENT_PONG, 0);
        agent_flush(fake);
    } else if (strcmp(word, "sleep") != 0) {
        agent_exit(fake, id, PV_VM_AGENT_EXIT_NOT_RUN, ENOENT);
    }
}

static void serve_frame(struct fake *fake, const struct pv_vm_agent_frame *frame)
{
    struct pv_vm_agent_command command;

    switch (frame->kind) {
    case PV_VM_AGENT_SYNC:
    case PV_VM_AGENT_PING:
        (void)!pv_vm_agent_queue_mark(&fake->queue, PV_VM_AGENT_PONG, 0);
        agent_flush(fake);
        break;
    case PV_VM_AGENT_EXEC:
        if (pv_vm_agent_command_unpack(frame->payload, frame->payload_bytes, &command) == 0) {
            run_command(fake, frame->id, command.arguments[0]);
            free(command.arguments);
        }
        break;
    case PV_VM_AGENT_RESIZE:
        if (frame->id == fake->resize_id) {
            agent_exit(fake, frame->id, PV_VM_AGENT_EXIT_CODE, pv_vm_agent_frame_u32(frame, 0, 0));
        }
        break;
    case PV_VM_AGENT_POWER_OFF:
        if (!fake->is_stubborn) {
            _Exit(0);
        }
        break;
    default:
        break;
    }
}

static void serve(struct fake *fake)
{
    struct pollfd entries[2] = {{.fd = fake->agent_fd, .events = POLLIN},
                                {.fd = fake->qmp_fd, .events = POLLIN}};
    struct pv_vm_agent_frame frame;
    char text[4096];

    while (poll(entries, 2, -1) >= 0) {
        if (entries[0].revents != 0) {
            if (pv_vm_agent_reader_fill(&fake->reader, fake->agent_fd) == 0) {
                _Exit(1); /* who started us is gone */
            }
            while (pv_vm_agent_reader_next(&fake->reader, &frame) == 1) {
                serve_frame(fake, &frame);
            }
        }
        if (entries[1].revents != 0) {
            const ssize_t count = read(fake->qmp_fd, text, sizeof(text) - 1);

            text[count > 0 ? count : 0] = '\0';
            if (count <= 0 || (strstr(text, "\"quit\"") != NULL && !fake->is_stubborn)) {
                _Exit(0);
            }
        }
    }
}

static void sleep_for_ever(void)
{
    (void)signal(SIGTERM, SIG_IGN);
    for (;;) {
        (void)pause();
    }
}

/* What QEMU would never say, before it goes on as if nothing were. */
static void say_rubbish(const struct fake *fake)
{
    static char line[70000];

    memset(line, '[', sizeof(line) - 2);
    line[sizeof(line) - 2] = '\n';
    qmp_say(fake, "\r\n\r\nhello\n{\"event\": 7}\n{\"event\": \"VSERPORT_CHANGE\"}\n"
                  "{\"event\": \"VSERPORT_CHANGE\", \"data\": [true]}\n"
                  "{\"event\": \"VSERPORT_CHANGE\", \"data\": {\"open\": \"yes\"}}\n"
                  "{\"event\": \"NEVER_HEARD_OF\", \"data\": null}\n{\"QMP\": 1}\n");
    qmp_say(fake, line);
    (void)!send(fake->agent_fd, "login: \x7f\x45\x4c\x46\xff\xff\xff\xff\xff", 16, MSG_NOSIGNAL);
}

static void qemu(struct fake *fake, const char *how)
{
    if (strcmp(how, "dies") == 0) {
        (void)fprintf(stderr, "fake-qemu: no such machine\n");
        _Exit(1);
    } else if (strcmp(how, "ends") == 0) {
        _Exit(0);
    } else if (strcmp(how, "hangs") == 0) {
        sleep_for_ever();
    } else if (strcmp(how, "hangs up") == 0) {
        (void)close(fake->agent_fd);
        (void)close(fake->qmp_fd);
        sleep_for_ever();
    } else if (strcmp(how, "rubbish") == 0) {
        say_rubbish(fake);
    }
    fake->is_stubborn = strcmp(how, "stubborn") == 0;
    if (fake->is_stubborn) {
        (void)signal(SIGTERM, SIG_IGN);
    }
    qmp_say(fake, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n");
    if (strcmp(how, "resets") == 0) {
        qmp_say(fake, "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\r\n");
    }
    qmp_say(fake, "{\"event\": \"VSERPORT_CHANGE\", \"data\": {\"open\": true}}\r\n");
    if (strcmp(how, "resets") != 0) { /* that one never answers: its mark may overtake the reset */
        (void)!pv_vm_agent_queue_mark(&fake->queue, PV_VM_AGENT_PONG, 0);
        agent_flush(fake);
    }
    serve(fake);
}

static void leave(int number)
{
    (void)number;
    _Exit(0);
}

static int device(const char *path, const char *how)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (strcmp(how, "dies") == 0) {
        return 3;
    }
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0
        || listen(fd, 1) != 0) {
        return 4;
    }
    if (strcmp(how, "stubborn") == 0) {
        sleep_for_ever();
    }
    (void)pause();
    return 0;
}

int main(int argc, char **argv)
{
    struct fake fake = {.agent_fd = -1, .qmp_fd = -1};
    const char *how = getenv("PV_FAKE_QEMU");

    (void)signal(SIGUSR1, leave);
    if (argc >= 3 && strcmp(argv[1], "device") == 0) {
        return device(argv[2], argc > 3 ? argv[3] : "");
    }
    for (int i = 1; i < argc; i++) {
        (void)sscanf(argv[i], "socket,id=agent,fd=%d", &fake.agent_fd);
        (void)sscanf(argv[i], "socket,id=qmp,fd=%d", &fake.qmp_fd);
    }
    if (fake.agent_fd < 0 || fake.qmp_fd < 0) {
        return 2;
    }
    pv_vm_agent_reader_lose(&fake.reader);
    qemu(&fake, how != NULL ? how : "good");
    return 0;
}
