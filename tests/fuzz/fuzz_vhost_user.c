/* SPDX-License-Identifier: MIT */
/*
 * Target: vhost-user messages, with descriptors attached, on the front channel; answers on the back
 * channel; and what a front end may do to the rings in the memory that it has given. Behind the
 * host stands the fake device, which shows each call of a transport that breaks the contract.
 */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/event.h"
#include "os/shm.h"
#include "os/socket.h"
#include "support/fake_device.h"
#include "vhost-user/host.h"
#include "vhost-user/message.h"

#define ACTIONS_MAX 128u
/* As in tests/support/vhost_user.py, whose messages are recorded. Touched sparsely. */
#define RAM_ADDR     UINT64_C(0x100000)
#define RAM_USER     (RAM_ADDR + UINT64_C(0x7f0000000000))
#define RAM_BYTES    ((size_t)16 << 20)
#define WINDOW_BYTES UINT64_C(0x100000)
#define FDS_MAX      10u

struct fuzz_vhost {
    struct pv_base_log log;
    struct pv_os_loop *loop;
    struct fake_device device;
    struct pv_vhost_user_host *host;
    bool is_closed;
    int fd;      /* the front end's; -1: closed */
    int back_fd; /* our end of the back channel; -1: none */
    int kick_fd;
    int ram_fd;
    int window_fd;
    uint8_t *ram;
};

static void on_closed(void *user, int status)
{
    struct fuzz_vhost *fuzz = user;

    FUZZ_CHECK(!fuzz->is_closed && status <= 0);
    fuzz->is_closed = true;
}

/* ---- what the front end sends ---- */

/* fds are closed. */
static void put(struct fuzz_vhost *fuzz, uint32_t request, uint32_t flags, const void *payload,
                size_t size_bytes, const int *fds, size_t fd_count)
{
    uint8_t bytes[sizeof(struct pv_vhost_user_header) + 1024];
    const struct pv_vhost_user_header header = {request, flags, (uint32_t)size_bytes};

    memcpy(bytes, &header, sizeof(header));
    if (size_bytes > 0) {
        memcpy(bytes + sizeof(header), payload, size_bytes);
    }
    if (fuzz->fd >= 0) {
        (void)pv_os_socket_send(fuzz->fd, bytes, sizeof(header) + size_bytes, fds, fd_count);
    }
    pv_os_fds_close(fds, fd_count);
}

static void send_plain(struct fuzz_vhost *fuzz, uint32_t request, const void *payload,
                       size_t size_bytes)
{
    put(fuzz, request, PV_VHOST_USER_FLAG_VERSION, payload, size_bytes, NULL, 0);
}

static void send_memory(struct fuzz_vhost *fuzz)
{
    const struct pv_vhost_user_mem_table table = {.count = 1,
                                                  .regions = {{RAM_ADDR, RAM_BYTES, RAM_USER, 0}}};
    const int fd = dup(fuzz->ram_fd);

    put(fuzz, PV_VHOST_USER_SET_MEM_TABLE, PV_VHOST_USER_FLAG_VERSION, &table, sizeof(table), &fd,
        1);
}

static void send_back_channel(struct fuzz_vhost *fuzz)
{
    int fds[2];

    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    pv_os_fds_close(&fuzz->back_fd, 1);
    fuzz->back_fd = fds[0];
    put(fuzz, PV_VHOST_USER_SET_BACKEND_REQ_FD, PV_VHOST_USER_FLAG_VERSION, NULL, 0, &fds[1], 1);
}

static void send_ring(struct fuzz_vhost *fuzz, uint32_t index)
{
    const struct pv_vhost_user_vring_state size = {index, 16};
    const struct pv_vhost_user_vring_state base = {index, 0};
    const struct pv_vhost_user_vring_state enable = {index, 1};
    const struct pv_vhost_user_vring_addr addr = {
        .index = index,
        .descriptor = RAM_USER + (uint64_t)index * 0x3000,
        .available = RAM_USER + (uint64_t)index * 0x3000 + 0x1000,
        .used = RAM_USER + (uint64_t)index * 0x3000 + 0x2000,
    };
    const uint64_t word = index;
    int fd = fuzz_descriptor(1, 0);

    send_plain(fuzz, PV_VHOST_USER_SET_VRING_NUM, &size, sizeof(size));
    send_plain(fuzz, PV_VHOST_USER_SET_VRING_BASE, &base, sizeof(base));
    send_plain(fuzz, PV_VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr));
    put(fuzz, PV_VHOST_USER_SET_VRING_CALL, PV_VHOST_USER_FLAG_VERSION, &word, sizeof(word), &fd,
        1);
    fd = dup(fuzz->kick_fd);
    put(fuzz, PV_VHOST_USER_SET_VRING_KICK, PV_VHOST_USER_FLAG_VERSION, &word, sizeof(word), &fd,
        1);
    send_plain(fuzz, PV_VHOST_USER_SET_VRING_ENABLE, &enable, sizeof(enable));
}

/* What QEMU sends before anything else. */
static void negotiate(struct fuzz_vhost *fuzz)
{
    const uint64_t protocol = PV_VHOST_USER_PROTOCOL_MQ | PV_VHOST_USER_PROTOCOL_REPLY_ACK
                              | PV_VHOST_USER_PROTOCOL_BACKEND_REQ | PV_VHOST_USER_PROTOCOL_CONFIG
                              | PV_VHOST_USER_PROTOCOL_BACKEND_SEND_FD
                              | PV_VHOST_USER_PROTOCOL_SHMEM;
    const uint64_t features = PV_VIRTIO_FEATURE_VERSION_1 | PV_VIRTIO_FEATURE_RING_INDIRECT_DESC
                              | PV_VHOST_USER_FEATURE_PROTOCOL;

    send_plain(fuzz, PV_VHOST_USER_GET_FEATURES, NULL, 0);
    send_plain(fuzz, PV_VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0);
    send_plain(fuzz, PV_VHOST_USER_SET_PROTOCOL_FEATURES, &protocol, sizeof(protocol));
    send_back_channel(fuzz);
    send_plain(fuzz, PV_VHOST_USER_SET_OWNER, NULL, 0);
    send_plain(fuzz, PV_VHOST_USER_SET_FEATURES, &features, sizeof(features));
    send_memory(fuzz);
}

/* Good messages that later ones build on. */
static void send_good(struct fuzz_vhost *fuzz, struct fuzz_input *in)
{
    const uint8_t which = fuzz_u8(in);
    const struct pv_vhost_user_vring_state state = {which >> 4 & 1, which >> 5 & 1};

    switch (which % 8) {
    case 0:
        negotiate(fuzz);
        break;
    case 1:
        send_memory(fuzz);
        break;
    case 2:
        send_back_channel(fuzz);
        break;
    case 3:
        send_ring(fuzz, 0);
        send_ring(fuzz, 1);
        break;
    case 4:
        send_ring(fuzz, state.index);
        break;
    case 5:
        send_plain(fuzz, PV_VHOST_USER_SET_VRING_ENABLE, &state, sizeof(state));
        break;
    case 6:
        send_plain(fuzz, PV_VHOST_USER_GET_VRING_BASE, &state, sizeof(state));
        break;
    default:
        send_plain(fuzz, PV_VHOST_USER_SET_VRING_BASE, &state, sizeof(state));
        break;
    }
}

static uint32_t any_request(struct fuzz_input *in)
{
    static const uint8_t requests[] = {
        PV_VHOST_USER_GET_FEATURES,
        PV_VHOST_USER_SET_FEATURES,
        PV_VHOST_USER_SET_OWNER,
        PV_VHOST_USER_RESET_OWNER,
        PV_VHOST_USER_SET_MEM_TABLE,
        PV_VHOST_USER_SET_VRING_NUM,
        PV_VHOST_USER_SET_VRING_ADDR,
        PV_VHOST_USER_SET_VRING_BASE,
        PV_VHOST_USER_GET_VRING_BASE,
        PV_VHOST_USER_SET_VRING_KICK,
        PV_VHOST_USER_SET_VRING_CALL,
        PV_VHOST_USER_SET_VRING_ERR,
        PV_VHOST_USER_GET_PROTOCOL_FEATURES,
        PV_VHOST_USER_SET_PROTOCOL_FEATURES,
        PV_VHOST_USER_GET_QUEUE_NUM,
        PV_VHOST_USER_SET_VRING_ENABLE,
        PV_VHOST_USER_SET_BACKEND_REQ_FD,
        PV_VHOST_USER_GET_CONFIG,
        PV_VHOST_USER_SET_CONFIG,
        PV_VHOST_USER_RESET_DEVICE,
        PV_VHOST_USER_GET_SHMEM_CONFIG,
    };
    const uint8_t which = fuzz_u8(in);

    return which < 240 ? requests[which % sizeof(requests)] : fuzz_u32(in);
}

/* A message of the input, with descriptors of all kinds. */
static void send_any(struct fuzz_vhost *fuzz, struct fuzz_input *in)
{
    const uint32_t request = any_request(in);
    const uint8_t flags = fuzz_u8(in);
    const uint8_t with = fuzz_u8(in);
    struct fuzz_input part = fuzz_part(in);
    uint8_t payload[1024];
    const size_t size_bytes =
        fuzz_left_bytes(&part) < sizeof(payload) ? fuzz_left_bytes(&part) : sizeof(payload);
    int fds[FDS_MAX];
    size_t fd_count = 0;

    fuzz_fill(&part, payload, sizeof(payload));
    while (fd_count < with % (FDS_MAX + 1)) {
        const uint8_t kind = fuzz_u8(in);
        int fd;

        if (kind >= 240) {
            fd = dup(fuzz->window_fd);
        } else if (kind >= 224) {
            fd = dup(fuzz->kick_fd);
        } else if (kind >= 192) {
            fd = dup(fuzz->ram_fd);
        } else {
            fd = fuzz_descriptor(kind, fuzz_size(in) % (UINT64_C(1) << 30));
        }
        if (fd < 0) {
            break;
        }
        fds[fd_count++] = fd;
    }
    put(fuzz, request, (flags & 0xf0) == 0 ? flags : 1u | (flags & 8u), payload, size_bytes, fds,
        fd_count);
}

static void send_raw(struct fuzz_vhost *fuzz, int fd, struct fuzz_input *in)
{
    struct fuzz_input part = fuzz_part(in);

    if (fd >= 0 && fuzz_left_bytes(&part) > 0) {
        (void)pv_os_socket_send(fd, part.at, fuzz_left_bytes(&part), NULL, 0);
    }
    (void)fuzz;
}

static void read_all(int fd)
{
    uint8_t bytes[4096];
    int fds[PV_OS_SOCKET_FD_MAX];
    size_t fd_count;

    while (fd >= 0
           && pv_os_socket_receive(fd, bytes, sizeof(bytes), fds, PV_OS_SOCKET_FD_MAX, &fd_count)
                  > 0) {
        pv_os_fds_close(fds, fd_count);
    }
}

/* Answer one request of the back channel: accepted, refused, or something else. */
static void answer(struct fuzz_vhost *fuzz, struct fuzz_input *in)
{
    const uint8_t how = fuzz_u8(in);
    struct pv_vhost_user_header header;
    uint8_t payload[512];
    int fds[PV_OS_SOCKET_FD_MAX];
    size_t fd_count = 0;
    ssize_t received;
    uint64_t status = how & 1;
    uint8_t bytes[sizeof(header) + sizeof(status)];

    if (fuzz->back_fd < 0) {
        return;
    }
    received = pv_os_socket_receive(fuzz->back_fd, &header, sizeof(header), fds,
                                    PV_OS_SOCKET_FD_MAX, &fd_count);
    pv_os_fds_close(fds, received > 0 ? fd_count : 0);
    if (received != (ssize_t)sizeof(header)) {
        return; /* part of a message, for a queue that was full */
    }
    if (header.size_bytes > sizeof(payload)
        || pv_os_socket_receive(fuzz->back_fd, payload, header.size_bytes, fds, PV_OS_SOCKET_FD_MAX,
                                &fd_count)
               < 0) {
        return;
    }
    pv_os_fds_close(fds, fd_count);
    header.flags = PV_VHOST_USER_FLAG_VERSION | PV_VHOST_USER_FLAG_REPLY;
    header.size_bytes = sizeof(status);
    if (how >= 224) {
        header.request = fuzz_u32(in);
    } else if (how >= 192) {
        header.size_bytes = fuzz_u32(in);
    } else if (how >= 160) {
        header.flags = fuzz_u32(in);
    } else if (how >= 128) {
        status = fuzz_u64(in);
    }
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), &status, sizeof(status));
    (void)pv_os_socket_send(fuzz->back_fd, bytes, sizeof(bytes), NULL, 0);
}

static void write_ram(struct fuzz_vhost *fuzz, struct fuzz_input *in)
{
    const size_t at = fuzz_u16(in);
    struct fuzz_input part = fuzz_part(in);
    const size_t size_bytes =
        fuzz_left_bytes(&part) < RAM_BYTES - at ? fuzz_left_bytes(&part) : RAM_BYTES - at;

    if (size_bytes > 0) {
        memcpy(fuzz->ram + at, part.at, size_bytes);
    }
}

/* A request to the fake device in a good chain on queue 0 or 1. */
static void request(struct fuzz_vhost *fuzz, struct fuzz_input *in)
{
    const uint8_t flags = fuzz_u8(in);
    const uint32_t queue = flags & 1;
    uint8_t *base = fuzz->ram + (size_t)queue * 0x3000;
    uint32_t number = FAKE_ECHO + (flags >> 1) % 7;
    const uint32_t slot = flags >> 4;
    uint64_t addr = RAM_ADDR + 0x8000 + slot * 0x100u;
    uint32_t size_bytes = 4 + fuzz_u8(in) % 64;
    uint16_t words[2] = {1, (uint16_t)((slot + 1) % 16)};
    uint16_t index;

    memcpy(fuzz->ram + 0x8000 + (size_t)slot * 0x100, &number, 4);
    fuzz_fill(in, fuzz->ram + 0x8004 + (size_t)slot * 0x100, 8);
    memcpy(base + 16 * (size_t)slot, &addr, 8);
    memcpy(base + 16 * (size_t)slot + 8, &size_bytes, 4);
    memcpy(base + 16 * (size_t)slot + 12, words, 4);
    words[0] = 2;
    addr = RAM_ADDR + 0xa000;
    size_bytes = 256;
    memcpy(base + 16 * (size_t)words[1], &addr, 8);
    memcpy(base + 16 * (size_t)words[1] + 8, &size_bytes, 4);
    memcpy(base + 16 * (size_t)words[1] + 12, words, 2);
    memcpy(&index, base + 0x1002, 2);
    words[0] = (uint16_t)slot;
    memcpy(base + 0x1004 + 2 * (size_t)(index % 16), words, 2);
    index++;
    memcpy(base + 0x1002, &index, 2);
    pv_os_event_signal(fuzz->kick_fd);
}

static void act(struct fuzz_vhost *fuzz, struct fuzz_input *in)
{
    const uint8_t what = fuzz_u8(in);
    const struct pv_virtio_transport *transport = fuzz->device.transport;

    switch (what % 16) {
    case 0:
    case 1:
        send_good(fuzz, in);
        break;
    case 2:
        send_raw(fuzz, fuzz->fd, in);
        break;
    case 3:
        send_raw(fuzz, fuzz->back_fd, in);
        break;
    case 4:
    case 5:
        answer(fuzz, in);
        break;
    case 6:
        write_ram(fuzz, in);
        break;
    case 7:
    case 8:
        request(fuzz, in);
        break;
    case 9:
        pv_os_event_signal(fuzz->kick_fd);
        break;
    case 10:
        if (fuzz_u8(in) < 16) {
            pv_os_fds_close(&fuzz->fd, 1);
            fuzz->fd = -1;
        } else {
            read_all(fuzz->fd);
        }
        break;
    case 11:
        if (fuzz_u8(in) < 32) {
            pv_os_fds_close(&fuzz->back_fd, 1);
            fuzz->back_fd = -1;
        } else if (transport != NULL) {
            transport->ops->config_changed(transport->transport);
        }
        break;
    default:
        send_any(fuzz, in);
        break;
    }
    if ((what & 0x80) == 0) {
        fuzz_turn(fuzz->loop, 1);
    }
}

static void set_up(struct fuzz_vhost *fuzz)
{
    char path[64];
    void *memory;
    struct pv_vhost_user_host_options options = {
        .socket_path = path,
        .window_size_bytes = WINDOW_BYTES,
        .device_ops = &fake_device_ops,
        .closed = on_closed,
    };

    memset(fuzz, 0, sizeof(*fuzz));
    (void)snprintf(path, sizeof(path), "/tmp/pv-fuzz-%ld.sock", (long)getpid());
    fuzz_log_init(&fuzz->log);
    fuzz->back_fd = -1;
    FUZZ_CHECK(pv_os_loop_create(&fuzz->loop) == 0);
    FUZZ_CHECK(fake_device_init(&fuzz->device, fuzz->loop) == 0);
    fuzz->ram_fd = fuzz_memfd(RAM_BYTES, true);
    fuzz->window_fd = fuzz_memfd(WINDOW_BYTES, true);
    FUZZ_CHECK(pv_os_shm_map(fuzz->ram_fd, 0, RAM_BYTES, &memory) == 0);
    fuzz->ram = memory;
    fuzz->kick_fd = fuzz_descriptor(1, 0);
    options.loop = fuzz->loop;
    options.log = &fuzz->log;
    options.window_fd = fuzz->window_fd;
    options.device = &fuzz->device;
    options.user = fuzz;
    FUZZ_CHECK(pv_vhost_user_host_create(&options, &fuzz->host) == 0);
    FUZZ_CHECK(pv_os_socket_connect(path, &fuzz->fd) == 0);
    FUZZ_CHECK(pv_os_fd_set_nonblocking(fuzz->fd, true) == 0);
    fuzz_turn(fuzz->loop, 1);
}

static void tear_down(struct fuzz_vhost *fuzz)
{
    fuzz_turn(fuzz->loop, 2);
    pv_os_fds_close(&fuzz->fd, 1);
    fuzz_turn(fuzz->loop, 1);
    pv_vhost_user_host_destroy(fuzz->host);
    FUZZ_CHECK(fuzz->device.held == NULL && fuzz->device.transport == NULL);
    fake_device_finish(&fuzz->device);
    pv_os_loop_destroy(fuzz->loop);
    pv_os_shm_unmap(fuzz->ram, RAM_BYTES);
    pv_os_fds_close((const int[]){fuzz->ram_fd, fuzz->window_fd, fuzz->kick_fd, fuzz->back_fd}, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static struct fuzz_vhost fuzz;
    struct fuzz_input in = {bytes, bytes + size_bytes};

    fuzz_begin();
    set_up(&fuzz);
    if ((fuzz_u8(&in) & 1) == 0) {
        negotiate(&fuzz);
        fuzz_turn(fuzz.loop, 1);
    }
    for (unsigned i = 0; i < ACTIONS_MAX && fuzz_left_bytes(&in) > 0; i++) {
        act(&fuzz, &in);
    }
    tear_down(&fuzz);
    fuzz_end();
    return 0;
}
