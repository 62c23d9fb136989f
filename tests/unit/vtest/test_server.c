/* SPDX-License-Identifier: MIT */
/*
 * hosts/vtest/server.c: who gets in, who is turned away, and that a server without descriptors
 * left neither spins nor forgets those who wait.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/socket.h"
#include "support/fake_context.h"
#include "support/loop_bench.h"
#include "vtest/protocol.h"
#include "vtest/server.h"

struct bench {
    struct pv_os_loop *loop;
    struct fake_contexts contexts;
    struct pv_vtest_server_options options;
    struct pv_vtest_server *server;
    char path[64];
    unsigned int fds_before;
};

static int setup(void **state)
{
    static struct bench bench;
    static const uint32_t capset[4];

    memset(&bench, 0, sizeof(bench));
    bench.fds_before = open_fds();
    assert_int_equal(pv_os_loop_create(&bench.loop), 0);
    (void)snprintf(bench.path, sizeof(bench.path), "/tmp/pv-vtest-%d.sock", (int)getpid());
    bench.options = (struct pv_vtest_server_options){
        .size_bytes = sizeof(bench.options),
        .loop = bench.loop,
        .path = bench.path,
        .contexts = &fake_context_ops,
        .backend = &bench.contexts,
        .capset = capset,
        .capset_words = 4,
    };
    assert_int_equal(pv_vtest_server_create(&bench.options, &bench.server), 0);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    pv_vtest_server_destroy(bench->server);
    for (size_t i = 0; i < bench->contexts.context_count; i++) {
        assert_false(bench->contexts.contexts[i].live);
    }
    pv_os_loop_destroy(bench->loop);
    assert_int_equal(access(bench->path, F_OK), -1);
    assert_int_equal(open_fds(), bench->fds_before);
    return 0;
}

static int join(struct bench *bench)
{
    int fd;

    assert_int_equal(pv_os_socket_connect(bench->path, &fd), 0);
    assert_int_equal(pv_os_fd_set_nonblocking(fd, true), 0);
    loop_settle(bench->loop);
    return fd;
}

static void begin(struct bench *bench, int fd)
{
    static const uint32_t words[] = {
        4, PV_VTEST_CREATE_RENDERER, 0x41414141, 1, PV_VTEST_PROTOCOL_VERSION_EXCHANGE, 3,
        1, PV_VTEST_CONTEXT_INIT,    4};

    assert_int_equal(write(fd, words, sizeof(words)), sizeof(words));
    loop_settle(bench->loop);
}

/* Whether the server has closed the connection; or what it said is taken away. */
static bool is_closed(int fd)
{
    char bytes[256];
    ssize_t got;

    while ((got = read(fd, bytes, sizeof(bytes))) > 0) {
    }
    return got == 0 || errno != EAGAIN;
}

static void test_clients_come_and_go(void **state)
{
    struct bench *bench = *state;
    int fds[8];

    for (size_t i = 0; i < 8; i++) {
        fds[i] = join(bench);
        begin(bench, fds[i]);
    }
    assert_int_equal(fake_count(&bench->contexts, FAKE_CREATE), 8);
    for (size_t i = 0; i < 8; i++) { /* each client is a context of its own */
        assert_int_equal(bench->contexts.contexts[i].id, i + 1);
    }
    close(fds[3]);
    assert_int_equal(write(fds[5], "nonsense", 8), 8);
    loop_settle(bench->loop);
    assert_int_equal(fake_count(&bench->contexts, FAKE_DESTROY), 2);
    for (size_t i = 0; i < 8; i++) {
        if (i != 3) {
            assert_int_equal(is_closed(fds[i]), i == 5);
            close(fds[i]);
        }
    }
    loop_settle(bench->loop);
    assert_int_equal(fake_count(&bench->contexts, FAKE_DESTROY), 8);
    fds[0] = join(bench);
    begin(bench, fds[0]); /* and one that is there at the end */
    close(fds[0]);
}

static void test_one_client_too_many(void **state)
{
    static int fds[PV_VTEST_CLIENT_MAX];
    struct bench *bench = *state;
    int one;

    for (size_t i = 0; i < PV_VTEST_CLIENT_MAX; i++) {
        fds[i] = join(bench);
    }
    one = join(bench);
    assert_true(is_closed(one));
    assert_false(is_closed(fds[0]));
    close(one);
    close(fds[7]);
    loop_settle(bench->loop);
    fds[7] = join(bench);
    assert_false(is_closed(fds[7]));
    pv_os_fds_close(fds, PV_VTEST_CLIENT_MAX);
}

struct waiting {
    struct bench *bench;
    int fd;
};

static bool has_context(void *user)
{
    return fake_count(&((struct waiting *)user)->bench->contexts, FAKE_CREATE) > 0;
}

static void test_no_descriptors_left(void **state)
{
    struct waiting waiting = {.bench = *state};
    struct rlimit before;
    struct rlimit none;

    assert_int_equal(pv_os_socket_connect(waiting.bench->path, &waiting.fd), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)waiting.fd + 2; /* room for the loop's timer, nothing else */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 3; i++) {
        loop_settle(waiting.bench->loop); /* ends: no spinning on the one who waits */
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    begin(waiting.bench, waiting.fd);
    loop_until(waiting.bench->loop, has_context, &waiting);
    close(waiting.fd);
}

static void test_servers_that_cannot_be(void **state)
{
    struct bench *bench = *state;
    struct pv_vtest_server_options options = bench->options;
    struct pv_vtest_server *server = NULL;
    const unsigned int fds_open = open_fds();
    char path[300];

    assert_int_equal(pv_vtest_server_create(&options, &server), -EADDRINUSE);
    assert_int_equal(access(bench->path, F_OK), 0); /* the other one's */
    options.size_bytes--;
    assert_int_equal(pv_vtest_server_create(&options, &server), -EINVAL);
    options.size_bytes++;
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    options.path = path;
    assert_int_equal(pv_vtest_server_create(&options, &server), -ENAMETOOLONG);
    assert_null(server);
    assert_int_equal(open_fds(), fds_open);
    pv_vtest_server_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_clients_come_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_client_too_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_descriptors_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_servers_that_cannot_be, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
