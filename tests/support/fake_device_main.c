/* SPDX-License-Identifier: MIT */
/*
 * The vhost-user host with the fake device behind it, as a program: what tests/wire talks to where
 * only the transport is in question.
 *
 *     fake-device SOCKET WINDOW_BYTES [LOG [STORM_US]]
 *
 * STORM_US: every so many microseconds the device says that its configuration space has changed.
 *
 * Exit status: 0 after the front end has gone, 1 when it broke the protocol, 2 for trouble here.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/shm.h"
#include "os/socket.h"
#include "support/fake_device.h"
#include "vhost-user/host.h"

struct program {
    struct pv_os_loop *loop;
    int status;
    struct fake_device device;
    struct pv_os_timer *storm_timer;
    uint64_t storm_ns;
};

static void on_storm(void *user)
{
    struct program *program = user;
    const struct pv_virtio_transport *transport = program->device.transport;

    if (transport != NULL) {
        transport->ops->config_changed(transport->transport);
    }
    pv_os_timer_set(program->storm_timer, program->storm_ns);
}

static void closed(void *user, int status)
{
    struct program *program = user;

    program->status = status;
    pv_os_loop_stop(program->loop);
}

int main(int argc, char **argv)
{
    struct program program = {0};
    struct pv_base_log log;
    struct pv_vhost_user_host *host = NULL;
    int window_fd = -1;
    const uint64_t window_bytes = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
    struct pv_vhost_user_host_options options;
    int r;

    if (argc < 3) {
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    pv_base_log_init(&log, "fake-device");
    if (argc > 3 && pv_base_log_configure(&log, argv[3]) < 0) {
        return 2;
    }
    r = pv_os_loop_create(&program.loop);
    if (r == 0) {
        r = fake_device_init(&program.device, program.loop);
    }
    if (r == 0 && window_bytes > 0) {
        r = pv_os_shm_create("window", window_bytes, &window_fd);
    }
    if (r < 0) {
        return 2;
    }
    if (argc > 4) {
        program.storm_ns = strtoull(argv[4], NULL, 0) * 1000;
        r = pv_os_timer_create(program.loop, on_storm, &program, &program.storm_timer);
        if (r < 0) {
            return 2;
        }
        pv_os_timer_set(program.storm_timer, program.storm_ns);
    }
    options = (struct pv_vhost_user_host_options){
        .loop = program.loop,
        .log = &log,
        .socket_path = argv[1],
        .window_fd = window_fd,
        .window_size_bytes = window_bytes,
        .device_ops = &fake_device_ops,
        .device = &program.device,
        .closed = closed,
        .user = &program,
    };
    r = pv_vhost_user_host_create(&options, &host);
    if (r == 0) {
        r = pv_os_loop_run(program.loop);
    } else {
        fprintf(stderr, "fake-device: %s\n", strerror(-r));
    }
    pv_vhost_user_host_destroy(host);
    if (program.device.held != NULL || program.device.transport != NULL) {
        fprintf(stderr, "fake-device: requests or the transport were left behind\n");
        r = -1;
    }
    pv_os_timer_destroy(program.storm_timer);
    fake_device_finish(&program.device);
    pv_os_loop_destroy(program.loop);
    pv_os_fds_close(&window_fd, 1);
    return r < 0 ? 2 : program.status == 0 ? 0 : 1;
}
