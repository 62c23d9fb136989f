/* SPDX-License-Identifier: MIT */
/*
 * The whole way from a client of the vtest server to the driver, with any one call failing in the
 * server, the message boundary on both sides, or the renderer. Workers are threads here, so that
 * one sanitizer sees it all. The client may be turned away or lose its context; it never waits for
 * ever, and the next client is served.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "fault_loop.h"
#include "os/loop.h"
#include "render/context.h"
#include "render/in_process.h"
#include "support/fake_driver.h"
#include "support/fake_vulkan.h"
#include "support/inject_vulkan.h"
#include "support/venus_bench.h"
#include "vkhost/loader.h"
#include "vtest/protocol.h"
#include "vtest/server.h"
#include "venus_wire/commands.h"

/* More than the worker's deadline below: a client that waits longer hangs. */
#define CLIENT_WAIT_S 5
#define DEADLINE_NS   (UINT64_C(1500) * 1000000)
#define SHARED_BYTES  ((size_t)65536)

/* The worker opens the host's loader; here it finds the fake driver behind the faults. */
int __wrap_pv_vkhost_loader_open(const char *path, struct pv_vkhost_loader *ret_loader,
                                 char ret_reason[256]);
int __wrap_pv_vkhost_loader_open(const char *path, struct pv_vkhost_loader *ret_loader,
                                 char ret_reason[256])
{
    (void)path;
    (void)snprintf(ret_reason, 256, "fake");
    return pv_vkhost_loader_init(inject_vulkan_entry, ret_loader);
}

/* ---- the client: every step is false when the server has closed the connection ---- */

struct client {
    const char *path;
    int fd;
    uint8_t *shared;
    uint32_t shared_id;
    uint32_t visible;
    struct venus_bytes bytes;
    struct pv_os_loop *loop; /* to be stopped at the end; not ours */
    bool is_done;            /* came to the end, and all results were good */
    bool hangs;
};

static bool get(struct client *client, void *bytes, size_t size_bytes)
{
    while (size_bytes > 0) {
        const ssize_t got = recv(client->fd, bytes, size_bytes, 0);

        if (got <= 0) {
            client->hangs = client->hangs || (got < 0 && errno == EAGAIN);
            return false;
        }
        bytes = (uint8_t *)bytes + got;
        size_bytes -= (size_t)got;
    }
    return true;
}

static bool put(const struct client *client, uint32_t command, const void *payload,
                uint32_t word_count)
{
    const uint32_t header[2] = {word_count, command};
    ssize_t sent = write(client->fd, header, sizeof(header));

    if (sent == (ssize_t)sizeof(header) && word_count > 0) {
        sent = write(client->fd, payload, word_count * 4);
    }
    return sent > 0;
}

/* A request with an answer of so many words. */
static bool ask(struct client *client, uint32_t command, const void *payload, uint32_t word_count,
                uint32_t *answer, uint32_t answer_words)
{
    uint32_t header[2];

    return put(client, command, payload, word_count) && get(client, header, sizeof(header))
           && header[0] == answer_words && header[1] == command
           && get(client, answer, answer_words * 4);
}

static int get_fd(struct client *client)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    /* The C library's own: the one of this program may fail. */
    ssize_t __real_recvmsg(int fd, struct msghdr *to, int flags);
    const ssize_t got = __real_recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC);
    int fd = -1;

    if (got == 1 && CMSG_FIRSTHDR(&message) != NULL) {
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    }
    client->hangs = client->hangs || (got < 0 && errno == EAGAIN);
    return fd;
}

static bool start(struct client *client)
{
    const struct timeval limit = {.tv_sec = CLIENT_WAIT_S};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const uint32_t name_header[2] = {5, PV_VTEST_CREATE_RENDERER};
    uint32_t answer[2];

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", client->path);
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return client->fd >= 0 && connect(client->fd, (struct sockaddr *)&address, sizeof(address)) == 0
           && setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0
           && write(client->fd, name_header, 8) == 8 && write(client->fd, "test", 5) == 5
           && ask(client, PV_VTEST_PROTOCOL_VERSION_EXCHANGE, (uint32_t[]){3}, 1, answer, 1)
           && put(client, PV_VTEST_CONTEXT_INIT, (uint32_t[]){PV_VTEST_CAPSET_VENUS}, 1);
}

/* Returns its id, or 0. */
static uint32_t make_blob(struct client *client, uint32_t size_bytes, uint64_t blob_id, int *ret_fd)
{
    const uint32_t words[6] = {
        PV_VTEST_BLOB_TYPE_HOST3D,         PV_VTEST_BLOB_FLAG_MAPPABLE, size_bytes, 0,
        (uint32_t)(blob_id & 0xffffffffu), (uint32_t)(blob_id >> 32)};
    uint32_t id = 0;

    *ret_fd = -1;
    if (!ask(client, PV_VTEST_RESOURCE_CREATE_BLOB, words, 6, &id, 1)) {
        return 0;
    }
    *ret_fd = get_fd(client);
    return *ret_fd >= 0 ? id : 0;
}

static bool share(struct client *client)
{
    int fd;
    void *memory;

    client->shared_id = make_blob(client, SHARED_BYTES, 0, &fd);
    if (client->shared_id == 0) {
        return false;
    }
    /* Not by the name that this program has wrapped. */
    void *__real_mmap64(void *at, size_t size, int prot, int flags, int file, off_t offset);
    memory = __real_mmap64(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    assert_ptr_not_equal(memory, MAP_FAILED);
    client->shared = memory;
    return true;
}

/* Run client->bytes on the context and wait for a fence behind them. */
static bool run(struct client *client, uint32_t ring_index)
{
    const uint32_t stream_words = (uint32_t)(client->bytes.size_bytes / 4);
    const uint32_t total = 1 + 6 + stream_words + 3;
    const uint32_t zero[2] = {0};
    uint32_t *words = calloc(total, sizeof(*words));
    uint32_t sync;
    int fd = -1;
    bool good = ask(client, PV_VTEST_SYNC_CREATE, zero, 2, &sync, 1);

    assert_non_null(words);
    if (good) {
        const uint32_t batch[6] = {
            PV_VTEST_SUBMIT_FLAG_RING_IDX, 7, stream_words, 7 + stream_words, 1, ring_index};

        words[0] = 1;
        memcpy(&words[1], batch, sizeof(batch));
        memcpy(&words[7], client->bytes.bytes, client->bytes.size_bytes);
        words[7 + stream_words] = sync;
        words[8 + stream_words] = 1;
        good = put(client, PV_VTEST_SUBMIT_CMD2, words, total)
               && ask(client, PV_VTEST_SYNC_WAIT, (uint32_t[]){0, CLIENT_WAIT_S * 2000, sync, 1, 0},
                      5, NULL, 0);
    }
    free(words);
    if (good) {
        struct pollfd entry = {.events = POLLIN};

        fd = get_fd(client);
        entry.fd = fd;
        good = fd >= 0;
        if (good && poll(&entry, 1, CLIENT_WAIT_S * 1000) == 0) {
            client->hangs = true;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    client->bytes.size_bytes = 0;
    return good;
}

/* One command whose result is wanted. */
#define RESULT(command)                                                                            \
    (client->bytes.size_bytes = 0, venus_set_reply(to, client->shared_id, 32768, 4096),            \
     memset(client->shared + 32768, 0xee, 8), command,                                             \
     run(client, 0) && ((int32_t *)(void *)(client->shared + 32768))[1] == 0)

static bool use_driver(struct client *client)
{
    struct venus_bytes *to = &client->bytes;
    uint32_t blob_id;
    int fd = -1;

    if (!RESULT(venus_create_instance(to, VENUS_INSTANCE))
        || !RESULT(venus_enumerate_devices(to, VENUS_INSTANCE, VENUS_PHYSICAL_DEVICE))
        || !RESULT(venus_create_device(to, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE))) {
        return false;
    }
    venus_get_queue(to, VENUS_DEVICE, 0, VENUS_QUEUE, 1);
    if (!run(client, 0)
        || !RESULT(venus_allocate(to, VENUS_DEVICE, 100, 8192, client->visible, 0, true, true))) {
        return false;
    }
    blob_id = make_blob(client, 8192, 100, &fd);
    if (fd >= 0) {
        close(fd);
    }
    return blob_id != 0 && run(client, 1) && put(client, PV_VTEST_RESOURCE_UNREF, &blob_id, 1);
}

/* A stream that is too long for a packet travels as a file. What is asked behind it shows that it
 * was good: the fence of a lost context retires as well. */
static bool send_long_stream(struct client *client)
{
    struct venus_bytes *to = &client->bytes;

    for (int i = 0; i < 3000; i++) {
        venus_command(to, PV_WIRE_COMMAND_vkEnumerateInstanceVersion, false);
        venus_u64(to, 1);
    }
    return run(client, 0) && RESULT(venus_create_buffer(to, VENUS_DEVICE, 200, 64, true));
}

static void *client_main(void *user)
{
    struct client *client = user;
    struct venus_layout layout = {.size = 16384,
                                  .idle_ns = 1000000,
                                  .tail = 64,
                                  .status = 128,
                                  .buffer = 192,
                                  .buffer_size = 8192,
                                  .extra = 8384,
                                  .extra_size = 4};

    inject_pause();
    if (start(client) && share(client)) {
        layout.resource_id = client->shared_id;
        venus_create_ring(&client->bytes, 7, &layout);
        client->is_done = run(client, 0) && use_driver(client) && send_long_stream(client);
    }
    if (client->shared != NULL) {
        (void)munmap(client->shared, SHARED_BYTES);
    }
    if (client->fd >= 0) {
        close(client->fd);
    }
    inject_resume();
    return NULL;
}

/* ---- one life of the server ---- */

static struct life {
    char folder[64];
    char path[96];
    struct pv_base_log log;
    unsigned lines;
    struct pv_os_loop *loop;
    struct pv_render_backend *backend;
    struct pv_vtest_server *server;
} life;

static void on_log(void *user, enum pv_base_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
    life.lines++;
}

/* Resumed. Returns 0 or -errno. */
static int serve(void)
{
    struct pv_render_backend_options backend = {
        .size_bytes = sizeof(backend),
        .log = &life.log,
        .carrier = &pv_render_in_process_ops,
        .placement = PV_RENDER_PLACEMENT_FILE,
        .window_fd = -1,
        .memory_max_bytes = UINT64_C(1) << 30,
        .deadline_ns = DEADLINE_NS,
    };
    static const uint32_t capset[4] = {1, 2, 3, 4};
    struct pv_vtest_server_options server = {
        .size_bytes = sizeof(server),
        .log = &life.log,
        .path = life.path,
        .contexts = &pv_render_context_ops,
        .capset = capset,
        .capset_words = 4,
    };
    int r = pv_os_loop_create(&life.loop);

    if (r == 0) {
        backend.loop = server.loop = life.loop;
        r = pv_render_backend_create(&backend, &life.backend);
    }
    if (r == 0) {
        server.backend = life.backend;
        r = pv_vtest_server_create(&server, &life.server);
    }
    return r;
}

static void *waiter_main(void *user)
{
    struct client *client = user;

    (void)client_main(client);
    pv_os_loop_stop(client->loop);
    return NULL;
}

/* Paused. The loop runs here until the client has ended and its context with it. */
static void serve_one(struct client *client)
{
    pthread_t thread;

    *client = (struct client){
        .path = life.path, .fd = -1, .loop = life.loop, .visible = venus_bench_visible_type()};
    assert_int_equal(pthread_create(&thread, NULL, waiter_main, client), 0);
    inject_resume();
    assert_int_equal(pv_os_loop_run(life.loop), 0);
    inject_pause();
    (void)pthread_join(thread, NULL);
}

static void lived(void)
{
    static struct client client;
    int r;

    memset(&life, 0, sizeof(life));
    fake_driver_reset();
    inject_vulkan_set_driver(fake_driver_entry);
    (void)snprintf(life.folder, sizeof(life.folder), "/tmp/pearvisor-faults-XXXXXX");
    assert_non_null(mkdtemp(life.folder));
    (void)snprintf(life.path, sizeof(life.path), "%s/s", life.folder);
    pv_base_log_init(&life.log, "test");
    life.log.write = on_log;
    inject_resume();
    r = serve();
    inject_pause();
    assert_true(r == 0 || inject_seen()->fired > 0);
    if (r == 0) {
        serve_one(&client);
        assert_false(client.hangs);
        assert_true(client.is_done || inject_seen()->fired > 0);
        inject_disarm();
        serve_one(&client);
        assert_false(client.hangs);
        assert_true(client.is_done);
    }
    pv_vtest_server_destroy(life.server);
    if (life.backend != NULL) {
        assert_int_equal(pv_render_backend_context_count(life.backend), 0);
    }
    pv_render_backend_destroy(life.backend);
    pv_os_loop_destroy(life.loop);
    assert_int_equal(rmdir(life.folder), 0);
    assert_int_equal(fake_driver_misuses(), 0);
    assert_int_equal(pv_fake_vulkan.live_count, 0);
    assert_int_equal(fake_driver_finish(), 0);
}

#define TEST(name, class)                                                                          \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        fault_loop_run(class, lived);                                                              \
    }

TEST(test_allocations, INJECT_ALLOC)
TEST(test_maps, INJECT_MAP)
TEST(test_threads, INJECT_THREAD)
TEST(test_sends, INJECT_SEND)
TEST(test_receives, INJECT_RECEIVE)
TEST(test_descriptors, INJECT_DESCRIPTOR)
TEST(test_vulkan, INJECT_VULKAN)
TEST(test_lost_devices, INJECT_LOST)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_allocations), FAULT_TEST(test_maps),         FAULT_TEST(test_threads),
        FAULT_TEST(test_sends),       FAULT_TEST(test_receives),     FAULT_TEST(test_descriptors),
        FAULT_TEST(test_vulkan),      FAULT_TEST(test_lost_devices),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* of the client's writes */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
