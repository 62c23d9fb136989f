/* SPDX-License-Identifier: MIT */
/*
 * Target: the vtest socket. The input is what a client writes, in pieces as it likes, and what the
 * renderer answers meanwhile.
 */
#include "fuzz/fuzz.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz/backend.h"
#include "os/socket.h"
#include "vtest/connection.h"
#include "vtest/protocol.h"

#define ACTIONS_MAX 128u
#define WORDS_MAX   256u

struct fuzz_vtest {
    struct pv_base_log log;
    struct pv_os_loop *loop;
    struct fuzz_backend backend;
    struct pv_vtest_connection *connection;
    int fd; /* the client's end; -1: closed */
};

static void on_closed(void *user, struct pv_vtest_connection *connection)
{
    struct fuzz_vtest *fuzz = user;

    FUZZ_CHECK(connection == fuzz->connection);
    pv_vtest_connection_destroy(connection);
    fuzz->connection = NULL;
}

static void put(struct fuzz_vtest *fuzz, const void *bytes, size_t size_bytes)
{
    if (fuzz->fd >= 0 && size_bytes > 0) {
        (void)pv_os_socket_send(fuzz->fd, bytes, size_bytes, NULL, 0);
    }
}

/* A message with its length right, unless the input wants it otherwise. */
static void send_message(struct fuzz_vtest *fuzz, struct fuzz_input *in)
{
    static const uint8_t commands[] = {
        PV_VTEST_RESOURCE_UNREF,
        PV_VTEST_RESOURCE_BUSY_WAIT,
        PV_VTEST_CREATE_RENDERER,
        PV_VTEST_PING_PROTOCOL_VERSION,
        PV_VTEST_PROTOCOL_VERSION_EXCHANGE,
        PV_VTEST_GET_PARAM,
        PV_VTEST_GET_CAPSET,
        PV_VTEST_CONTEXT_INIT,
        PV_VTEST_RESOURCE_CREATE_BLOB,
        PV_VTEST_SYNC_CREATE,
        PV_VTEST_SYNC_UNREF,
        PV_VTEST_SYNC_READ,
        PV_VTEST_SYNC_WRITE,
        PV_VTEST_SYNC_WAIT,
        PV_VTEST_SUBMIT_CMD2,
        PV_VTEST_SUBMIT_CMD2,
    };
    const uint8_t which = fuzz_u8(in);
    const uint8_t words = fuzz_u8(in);
    uint32_t message[2 + WORDS_MAX] = {words, commands[which % sizeof(commands)]};
    size_t size_bytes = 4 * (size_t)words;

    if (which >= 240) {
        message[1] = fuzz_u32(in);
    } else if (which >= 224) {
        message[0] = (uint32_t)fuzz_size(in);
    } else if (message[1] == PV_VTEST_CREATE_RENDERER) {
        size_bytes = words;
    }
    fuzz_fill(in, message + 2, size_bytes);
    put(fuzz, message, 8 + size_bytes);
}

/* The first messages of every Mesa client. */
static void greet(struct fuzz_vtest *fuzz)
{
    static const uint32_t words[] = {
        5,
        PV_VTEST_CREATE_RENDERER,
        0x7a7a7566 /* "fuzz" */,
    };
    static const uint32_t version[] = {1, PV_VTEST_PROTOCOL_VERSION_EXCHANGE, 3};
    static const uint32_t init[] = {1, PV_VTEST_CONTEXT_INIT, PV_VTEST_CAPSET_VENUS};

    put(fuzz, words, sizeof(words));
    put(fuzz, "", 1);
    put(fuzz, version, sizeof(version));
    put(fuzz, init, sizeof(init));
}

static void fetch(struct fuzz_vtest *fuzz)
{
    static uint8_t bytes[65536];
    int fds[PV_OS_SOCKET_FD_MAX];
    size_t fd_count;

    while (
        fuzz->fd >= 0
        && pv_os_socket_receive(fuzz->fd, bytes, sizeof(bytes), fds, PV_OS_SOCKET_FD_MAX, &fd_count)
               > 0) {
        pv_os_fds_close(fds, fd_count);
    }
}

static void act(struct fuzz_vtest *fuzz, struct fuzz_input *in)
{
    const uint8_t what = fuzz_u8(in);
    uint8_t bytes[256];
    size_t size_bytes;
    const uint8_t *raw;

    switch (what % 16) {
    case 0:
        size_bytes = fuzz_u8(in);
        raw = fuzz_take(in, size_bytes, &size_bytes);
        if (size_bytes > 0) {
            memcpy(bytes, raw, size_bytes);
        }
        put(fuzz, bytes, size_bytes);
        break;
    case 1:
    case 2:
        fuzz_backend_act(&fuzz->backend, in);
        break;
    case 3:
        fetch(fuzz);
        break;
    case 4:
        if (fuzz_u8(in) < 16 && fuzz->fd >= 0) {
            (void)shutdown(fuzz->fd, fuzz_u8(in) % 3);
        }
        break;
    case 5:
        if (fuzz_u8(in) < 8 && fuzz->fd >= 0) {
            close(fuzz->fd);
            fuzz->fd = -1;
        }
        break;
    default:
        send_message(fuzz, in);
        break;
    }
    if ((what & 0x80) == 0) {
        fuzz_turn(fuzz->loop, 1);
        fuzz_backend_settle(&fuzz->backend);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static const uint32_t capset[8] = {1, 2, 3};
    static struct fuzz_vtest fuzz;
    struct fuzz_input in = {bytes, bytes + size_bytes};
    struct pv_vtest_connection_options options = {
        .contexts = &fuzz_backend_ops,
        .capset = capset,
        .capset_words = 8,
        .id = 1,
        .closed = on_closed,
        .user = &fuzz,
    };
    int fds[2];

    fuzz_begin();
    memset(&fuzz, 0, sizeof(fuzz));
    fuzz_log_init(&fuzz.log);
    fuzz_backend_init(&fuzz.backend);
    fuzz.backend.defers = true;
    FUZZ_CHECK(pv_os_loop_create(&fuzz.loop) == 0);
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    fuzz.fd = fds[0];
    options.loop = fuzz.loop;
    options.log = &fuzz.log;
    options.backend = &fuzz.backend;
    FUZZ_CHECK(pv_vtest_connection_create(&options, fds[1], &fuzz.connection) == 0);
    if ((fuzz_u8(&in) & 1) == 0) {
        greet(&fuzz);
        fuzz_turn(fuzz.loop, 1);
    }
    for (unsigned i = 0; i < ACTIONS_MAX && fuzz_left_bytes(&in) > 0 && fuzz.connection != NULL;
         i++) {
        act(&fuzz, &in);
    }
    fetch(&fuzz);
    fuzz_turn(fuzz.loop, 2);
    pv_vtest_connection_destroy(fuzz.connection);
    fuzz_backend_check(&fuzz.backend);
    if (fuzz.fd >= 0) {
        close(fuzz.fd);
    }
    pv_os_loop_destroy(fuzz.loop);
    fuzz_end();
    return 0;
}
