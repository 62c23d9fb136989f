/* SPDX-License-Identifier: MIT */
/*
 * Target: the worker's half of the message boundary, reading what the device process says. All
 * packets are in the socket before the worker starts, which then runs to its end on this thread.
 *
 * The host's Vulkan is the fuzzers' driver (the linker swaps pv_vkhost_loader_open), so that a
 * stream which makes an instance loads nothing.
 */
#include "fuzz/fuzz.h"

#include <string.h>
#include <sys/socket.h>

#include "fuzz/driver.h"
#include "os/socket.h"
#include "render/protocol.h"
#include "render/worker.h"
#include "support/venus_bytes.h"
#include "vkhost/loader.h"

#define PACKETS_MAX  64u
#define WINDOW_BYTES UINT64_C(0x100000)

int __wrap_pv_vkhost_loader_open(const char *path, struct pv_vkhost_loader *ret_loader,
                                 char ret_reason[256]);

int __wrap_pv_vkhost_loader_open(const char *path, struct pv_vkhost_loader *ret_loader,
                                 char ret_reason[256])
{
    (void)path;
    (void)ret_reason;
    return pv_vkhost_loader_init(fuzz_driver_entry, ret_loader);
}

/* fd is closed. */
static void put(int socket_fd, const void *bytes, size_t size_bytes, int fd)
{
    (void)pv_os_socket_send(socket_fd, bytes, size_bytes, &fd, fd >= 0 ? 1 : 0);
    pv_os_fds_close(&fd, 1);
}

/* A descriptor as the packet should have it, or as the input wants it. */
static int choose_fd(struct fuzz_input *in, bool wanted, uint64_t size_bytes)
{
    const uint8_t how = fuzz_u8(in);

    if (how < 224) {
        return wanted ? fuzz_memfd(size_bytes, true) : -1;
    }
    return how < 232 ? -1 : fuzz_descriptor(how, fuzz_size(in) % (UINT64_C(1) << 30));
}

static void send_init(int socket_fd, struct fuzz_input *in)
{
    static const char *const logs[] = {"", "error", "venus=error,render=error", "=="};
    const uint8_t flags = fuzz_u8(in);
    struct pv_render_init init = {
        .kind = PV_RENDER_INIT,
        .version = (flags & 0xf0) == 0xf0 ? fuzz_u32(in) : PV_RENDER_PROTOCOL_VERSION,
        .placement = (flags & 0xe0) == 0x60 ? fuzz_u32(in) : flags & 1,
        .has_window = flags & 1,
        .window_size_bytes = (flags & 0x0c) == 0x0c ? fuzz_size(in) : WINDOW_BYTES,
        .memory_max_bytes = UINT64_C(1) << 20,
    };

    memset(init.name, 'n', sizeof(init.name));
    memset(init.log, 'l', sizeof(init.log));
    memcpy(init.log, logs[flags >> 1 & 1], strlen(logs[flags >> 1 & 1]) + 1);
    put(socket_fd, &init, sizeof(init), choose_fd(in, (flags & 1) != 0, WINDOW_BYTES));
}

static void send_attach(int socket_fd, struct fuzz_input *in)
{
    const uint8_t flags = fuzz_u8(in);
    struct pv_render_attach attach = {
        .kind = PV_RENDER_ATTACH,
        .resource_id = fuzz_u8(in) % 8,
        .offset_bytes = (flags & 4) != 0 ? fuzz_size(in) : 0,
        .size_bytes = (flags & 8) != 0 ? fuzz_size(in) : 65536,
        .in_window = flags & 1,
        .is_shmem = flags & 2,
    };

    put(socket_fd, &attach, sizeof(attach), choose_fd(in, (flags & 1) == 0, 65536));
}

/* A stream: bytes of the input, behind what makes a device if flags say so. */
static void send_submit(int socket_fd, struct fuzz_input *in)
{
    static struct venus_bytes stream;
    const uint8_t flags = fuzz_u8(in);
    struct fuzz_input part;
    struct pv_render_submit submit = {
        .kind = PV_RENDER_SUBMIT,
        .is_fenced = flags & 1,
        .ring_index = fuzz_u8(in) % 66,
        .fence_id = fuzz_u8(in),
    };
    uint8_t packet[PV_RENDER_PACKET_MAX_BYTES];
    const bool as_file = (flags & 2) != 0;
    int fd = -1;

    stream.size_bytes = 0;
    if ((flags & 4) != 0) {
        venus_create_instance(&stream, 1);
        venus_enumerate_devices(&stream, 1, 2);
        venus_create_device(&stream, 2, 3);
        venus_get_queue(&stream, 3, 0, 4, 1);
        venus_allocate(&stream, 3, 5, 8192, 0, 0, (flags & 8) != 0, false);
    }
    part = fuzz_part(in);
    while (fuzz_left_bytes(&part) >= 4 && stream.size_bytes < 4096) {
        venus_u32(&stream, fuzz_u32(&part));
    }
    submit.size_bytes = (uint32_t)stream.size_bytes;
    if ((flags & 0xc0) == 0xc0) {
        submit.size_bytes = (uint32_t)fuzz_size(in);
        /* What it then allocates is no more than what a guest may send. */
        submit.size_bytes %= 64u << 20;
    }
    memcpy(packet, &submit, sizeof(submit));
    memcpy(packet + sizeof(submit), stream.bytes, stream.size_bytes);
    if (as_file) {
        fd = choose_fd(in, true, submit.size_bytes);
    }
    put(socket_fd, packet, sizeof(submit) + (as_file ? 0 : stream.size_bytes), fd);
}

static void send_request(int socket_fd, uint8_t kind, struct fuzz_input *in)
{
    const uint64_t cookie = fuzz_u8(in);
    const uint32_t resource_id = fuzz_u8(in) % 8;
    const struct pv_render_leave leave = {PV_RENDER_LEAVE, resource_id, cookie};
    struct pv_render_export export_blob = {.kind = PV_RENDER_EXPORT, .cookie = cookie};
    struct pv_render_place place = {PV_RENDER_PLACE, resource_id, 0, cookie};

    switch (kind) {
    case 0:
        put(socket_fd, &leave, sizeof(leave), choose_fd(in, false, 0));
        break;
    case 1:
        export_blob.resource_id = resource_id;
        export_blob.blob_id = 1 + fuzz_u8(in) % 8;
        export_blob.size_bytes = fuzz_size(in);
        export_blob.is_mappable = fuzz_u8(in) & 1;
        export_blob.is_shareable = fuzz_u8(in) & 1;
        put(socket_fd, &export_blob, sizeof(export_blob), choose_fd(in, false, 0));
        break;
    default:
        place.offset_bytes = fuzz_size(in);
        put(socket_fd, &place, sizeof(place), choose_fd(in, false, 0));
        break;
    }
}

static void send_raw(int socket_fd, struct fuzz_input *in)
{
    struct fuzz_input part = fuzz_part(in);

    if (fuzz_left_bytes(&part) > 0) {
        put(socket_fd, part.at, fuzz_left_bytes(&part), choose_fd(in, false, 4096));
    }
}

static void send_packet(int socket_fd, struct fuzz_input *in)
{
    const uint8_t what = fuzz_u8(in);

    switch (what % 8) {
    case 0:
        send_raw(socket_fd, in);
        break;
    case 1:
        send_init(socket_fd, in);
        break;
    case 2:
        send_attach(socket_fd, in);
        break;
    case 3:
    case 4:
        send_submit(socket_fd, in);
        break;
    default:
        send_request(socket_fd, what % 8 - 5, in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct fuzz_input in = {bytes, bytes + size_bytes};
    int device_fd;
    int worker_fd;

    fuzz_begin();
    fuzz_driver_reset();
    FUZZ_CHECK(pv_os_socket_pair(&device_fd, &worker_fd) == 0);
    /* Neither side waits for the other: what does not fit is not said. */
    FUZZ_CHECK(pv_os_fd_set_nonblocking(device_fd, true) == 0);
    FUZZ_CHECK(pv_os_fd_set_nonblocking(worker_fd, true) == 0);
    if ((fuzz_u8(&in) & 1) == 0) {
        struct fuzz_input none = {NULL, NULL};

        send_init(device_fd, &none);
    }
    for (unsigned i = 0; i < PACKETS_MAX && fuzz_left_bytes(&in) > 0; i++) {
        send_packet(device_fd, &in);
    }
    (void)shutdown(device_fd, SHUT_WR);
    (void)!pv_render_worker_run(worker_fd, NULL);
    pv_os_fds_close(&device_fd, 1);
    fuzz_driver_check();
    fuzz_end();
    return 0;
}
