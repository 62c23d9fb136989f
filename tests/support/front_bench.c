/* SPDX-License-Identifier: MIT */
/*
 * The test in QEMU's place; see front_bench.h. Guest memory: queue 0 where fake_guest puts it,
 * queue 1, which stays empty, from 2 MiB on, requests at 1 MiB, answers at 1.5 MiB.
 */
#include "support/front_bench.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/event.h"
#include "os/shm.h"
#include "os/socket.h"
#include "support/loop_bench.h"
#include "vhost-user/message.h"

#define HEADER_BYTES sizeof(struct pv_vhost_user_header)
#define REQUESTS     (FAKE_GUEST_ADDR + (1u << 20))
#define ANSWERS      (FAKE_GUEST_ADDR + (3u << 19))
#define QUEUE_1      (FRONT_USER_ADDR + (2u << 20))

static void closed(void *user, int status)
{
    struct front_bench *bench = user;

    bench->closed_count++;
    bench->closed_status = status;
}

void front_open(struct front_bench *bench, bool has_window)
{
    struct pv_vhost_user_host_options options = {
        .window_fd = -1,
        .device_ops = &fake_device_ops,
        .device = &bench->device,
        .closed = closed,
        .user = bench,
    };

    memset(bench, 0, sizeof(*bench));
    assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as host.h asks */
    bench->fds_before = open_fds();
    bench->peer = -1;
    bench->back_peer = -1;
    bench->window_fd = -1;
    (void)snprintf(bench->path, sizeof(bench->path), "/tmp/pv-front-%d.sock", (int)getpid());
    assert_int_equal(pv_os_loop_create(&bench->loop), 0);
    assert_int_equal(fake_device_init(&bench->device, bench->loop), 0);
    assert_int_equal(fake_guest_init(&bench->guest, FRONT_QUEUE_SIZE), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pv_os_event_create(&bench->kick_fds[i]), 0);
        assert_int_equal(pv_os_event_create(&bench->call_fds[i]), 0);
    }
    if (has_window) {
        assert_int_equal(pv_os_shm_create("window", FRONT_WINDOW_BYTES, &bench->window_fd), 0);
        options.window_fd = bench->window_fd;
        options.window_size_bytes = FRONT_WINDOW_BYTES;
    }
    options.loop = bench->loop;
    options.socket_path = bench->path;
    assert_int_equal(pv_vhost_user_host_create(&options, &bench->host), 0);
}

void front_close(struct front_bench *bench)
{
    const unsigned int closed_count = bench->closed_count;

    pv_vhost_user_host_destroy(bench->host);
    assert_int_equal(bench->closed_count, closed_count); /* its owner knows */
    assert_null(bench->device.transport);
    assert_null(bench->device.held);
    assert_int_equal(access(bench->path, F_OK), -1);
    fake_device_finish(&bench->device);
    fake_guest_finish(&bench->guest);
    pv_os_loop_destroy(bench->loop);
    pv_os_fds_close(&bench->peer, 1);
    pv_os_fds_close(&bench->back_peer, 1);
    pv_os_fds_close(&bench->window_fd, 1);
    pv_os_fds_close(bench->kick_fds, 2);
    pv_os_fds_close(bench->call_fds, 2);
    assert_int_equal(open_fds(), bench->fds_before);
}

void front_connect(struct front_bench *bench)
{
    assert_int_equal(pv_os_socket_connect(bench->path, &bench->peer), 0);
    assert_int_equal(pv_os_fd_set_nonblocking(bench->peer, true), 0);
    loop_settle(bench->loop);
}

void front_say(struct front_bench *bench, uint32_t request, const void *payload, size_t size_bytes,
               const int *fds, size_t fd_count)
{
    uint8_t bytes[1024];
    const struct pv_vhost_user_header header = {
        .request = request,
        .flags = PV_VHOST_USER_FLAG_VERSION,
        .size_bytes = (uint32_t)size_bytes,
    };

    assert_true(HEADER_BYTES + size_bytes <= sizeof(bytes));
    memcpy(bytes, &header, HEADER_BYTES);
    if (size_bytes > 0) {
        memcpy(bytes + HEADER_BYTES, payload, size_bytes);
    }
    assert_int_equal(
        pv_os_socket_send(bench->peer, bytes, HEADER_BYTES + size_bytes, fds, fd_count),
        HEADER_BYTES + size_bytes);
    loop_settle(bench->loop);
}

void front_say_u64(struct front_bench *bench, uint32_t request, uint64_t value)
{
    front_say(bench, request, &value, sizeof(value), NULL, 0);
}

void front_say_state(struct front_bench *bench, uint32_t request, uint32_t index, uint32_t value)
{
    const struct pv_vhost_user_vring_state state = {index, value};

    front_say(bench, request, &state, sizeof(state), NULL, 0);
}

int front_ask(struct front_bench *bench, uint32_t request, const void *payload, size_t size_bytes,
              void *ret_payload, size_t max_bytes)
{
    uint8_t bytes[1024];
    struct pv_vhost_user_header header;
    ssize_t got;

    front_say(bench, request, payload, size_bytes, NULL, 0);
    got = read(bench->peer, bytes, sizeof(bytes));
    if (got < (ssize_t)HEADER_BYTES) {
        return -1;
    }
    memcpy(&header, bytes, HEADER_BYTES);
    assert_int_equal(header.request, request);
    assert_int_equal(header.flags, PV_VHOST_USER_FLAG_VERSION | PV_VHOST_USER_FLAG_REPLY);
    assert_int_equal(got, HEADER_BYTES + header.size_bytes);
    assert_true(header.size_bytes <= max_bytes);
    memcpy(ret_payload, bytes + HEADER_BYTES, header.size_bytes);
    return (int)header.size_bytes;
}

static void set_up_queue(struct front_bench *bench, uint32_t index)
{
    const struct pv_vhost_user_vring_addr addr = {
        .index = index,
        .descriptor = index == 0 ? FRONT_USER_ADDR : QUEUE_1,
        .available = (index == 0 ? FRONT_USER_ADDR : QUEUE_1) + (512u << 10),
        .used = (index == 0 ? FRONT_USER_ADDR : QUEUE_1) + (640u << 10),
    };
    const uint64_t value = index;

    front_say_state(bench, PV_VHOST_USER_SET_VRING_NUM, index, FRONT_QUEUE_SIZE);
    front_say(bench, PV_VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
    front_say(bench, PV_VHOST_USER_SET_VRING_KICK, &value, sizeof(value), &bench->kick_fds[index],
              1);
    front_say(bench, PV_VHOST_USER_SET_VRING_CALL, &value, sizeof(value), &bench->call_fds[index],
              1);
}

void front_set_up(struct front_bench *bench)
{
    struct pv_vhost_user_mem_table table = {
        .count = 1,
        .regions = {{FAKE_GUEST_ADDR, FAKE_GUEST_BYTES, FRONT_USER_ADDR, 0}},
    };

    front_say_u64(bench, PV_VHOST_USER_SET_FEATURES,
                  PV_VIRTIO_FEATURE_VERSION_1 | PV_VHOST_USER_FEATURE_PROTOCOL);
    front_say(bench, PV_VHOST_USER_SET_MEM_TABLE, &table, 8 + sizeof(table.regions[0]),
              &bench->guest.fd, 1);
    set_up_queue(bench, 0);
    set_up_queue(bench, 1);
    assert_int_equal(bench->closed_count, 0);
}

void front_give_back_channel(struct front_bench *bench)
{
    const int before = bench->back_peer;
    int fd;

    stream_pair(&fd, &bench->back_peer);
    front_say(bench, PV_VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &fd, 1);
    close(fd);
    pv_os_fds_close(&before, 1);
}

void front_enable(struct front_bench *bench)
{
    front_say_state(bench, PV_VHOST_USER_SET_VRING_ENABLE, 0, 1);
    front_say_state(bench, PV_VHOST_USER_SET_VRING_ENABLE, 1, 1);
}

uint32_t front_stop(struct front_bench *bench)
{
    struct pv_vhost_user_vring_state state[2] = {{.index = 0}, {.index = 1}};

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(front_ask(bench, PV_VHOST_USER_GET_VRING_BASE, &state[i], sizeof(state[i]),
                                   &state[i], sizeof(state[i])),
                         sizeof(state[i]));
    }
    return state[0].value;
}

void front_set_base(struct front_bench *bench, uint32_t base)
{
    const uint64_t index = 0;

    front_say_state(bench, PV_VHOST_USER_SET_VRING_BASE, 0, base);
    front_say(bench, PV_VHOST_USER_SET_VRING_KICK, &index, sizeof(index), &bench->kick_fds[0], 1);
}

static bool has_bytes(void *user)
{
    return pv_os_fd_is_readable(((struct front_bench *)user)->back_peer);
}

void front_take_map(struct front_bench *bench)
{
    uint8_t bytes[128];
    size_t fd_count = 0;
    int fd = -1;

    loop_until(bench->loop, has_bytes, bench);
    assert_int_equal(pv_os_socket_receive(bench->back_peer, bytes, 1, &fd, 1, &fd_count), 1);
    assert_int_equal(bytes[0], PV_VHOST_USER_BACKEND_SHMEM_MAP);
    assert_int_equal(fd_count, 1);
    close(fd);
    loop_until(bench->loop, has_bytes, bench);
    assert_int_equal(read(bench->back_peer, bytes, sizeof(bytes)),
                     HEADER_BYTES + sizeof(struct pv_vhost_user_shmem_map) - 1);
    assert_int_equal(bytes[0], 0); /* not withdrawn */
}

void front_answer_map(struct front_bench *bench, uint64_t status)
{
    const uint32_t reply[5] = {PV_VHOST_USER_BACKEND_SHMEM_MAP,
                               PV_VHOST_USER_FLAG_VERSION | PV_VHOST_USER_FLAG_REPLY, 8,
                               (uint32_t)status, (uint32_t)(status >> 32)};

    front_take_map(bench);
    assert_int_equal(write(bench->back_peer, reply, sizeof(reply)), sizeof(reply));
    loop_settle(bench->loop);
}

void front_publish(struct front_bench *bench, uint32_t word)
{
    const uint32_t slot = bench->guest.available_idx % (FRONT_QUEUE_SIZE / 2);

    memcpy(fake_guest_at(&bench->guest, REQUESTS + 64 * slot), &word, sizeof(word));
    fake_guest_describe(&bench->guest, 2 * slot, REQUESTS + 64 * slot, 4, FAKE_NEXT,
                        (uint16_t)(2 * slot + 1));
    fake_guest_describe(&bench->guest, 2 * slot + 1, ANSWERS + 64 * slot, 64, FAKE_WRITE, 0);
    fake_guest_publish(&bench->guest, (uint16_t)(2 * slot));
}

void front_clear_queue(struct front_bench *bench)
{
    memset(fake_guest_at(&bench->guest, bench->guest.place.available_addr), 0, 4);
    memset(fake_guest_at(&bench->guest, bench->guest.place.used_addr), 0, 4);
    bench->guest.available_idx = 0;
}

void front_kick(struct front_bench *bench)
{
    pv_os_event_signal(bench->kick_fds[0]);
    loop_settle(bench->loop);
}
