/* SPDX-License-Identifier: MIT */
/*
 * os/socket.c and os/fd.c: paths, messages with descriptors, and nothing left open.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/fd.h"
#include "os/socket.h"
#include "support/loop_bench.h"

static void test_descriptors_travel_and_surplus_is_closed(void **state)
{
    const unsigned int before = open_fds();
    int fds[3] = {-1, -1, -1};
    int received[2];
    size_t count;
    char bytes[8];
    int a;
    int b;

    (void)state;
    assert_int_equal(pv_os_socket_pair(&a, &b), 0);
    for (int i = 0; i < 3; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(pv_os_socket_send(a, "hello", 5, fds, 2), 5);
    assert_int_equal(pv_os_socket_receive(b, bytes, sizeof(bytes), received, 2, &count), 5);
    assert_int_equal(count, 2);
    assert_true((fcntl(received[0], F_GETFD) & FD_CLOEXEC) != 0);
    pv_os_fds_close(received, count);

    assert_int_equal(pv_os_socket_send(a, "hello", 5, fds, 3), 5);
    assert_int_equal(pv_os_socket_receive(b, bytes, sizeof(bytes), received, 2, &count), -EMSGSIZE);
    assert_int_equal(count, 0);

    /* An empty packet looks like the end, where nobody expects a descriptor. */
    assert_int_equal(pv_os_socket_send(a, "", 0, fds, 1), 0);
    assert_int_equal(pv_os_socket_receive(b, bytes, sizeof(bytes), received, 2, &count), 0);
    assert_int_equal(count, 0);

    assert_int_equal(pv_os_socket_send(a, "too long for it", 15, NULL, 0), 15);
    assert_int_equal(pv_os_socket_receive(b, bytes, sizeof(bytes), received, 2, &count), -EMSGSIZE);

    pv_os_fds_close(fds, 3);
    pv_os_fd_close(a);
    assert_int_equal(pv_os_socket_receive(b, bytes, sizeof(bytes), received, 2, &count), 0);
    pv_os_fd_close(b);
    pv_os_fd_close(-1);
    assert_int_equal(open_fds(), before);
}

static void test_paths(void **state)
{
    char folder[] = "/tmp/pearvisor-test-XXXXXX";
    char path[64];
    char long_path[200];
    struct stat status;
    int listening;
    int second;
    int client;
    int served;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
    memset(long_path, 'x', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    assert_int_equal(pv_os_socket_listen(long_path, &second), -ENAMETOOLONG);
    assert_int_equal(pv_os_socket_listen("", &second), -EINVAL);
    assert_int_equal(pv_os_socket_connect(path, &client), -ENOENT);

    assert_int_equal(pv_os_socket_listen(path, &listening), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(pv_os_socket_listen(path, &second), -EADDRINUSE);
    assert_int_equal(pv_os_socket_connect(path, &client), 0);
    assert_int_equal(pv_os_socket_accept(listening, &served), 0);
    pv_os_fd_close(client);
    pv_os_fd_close(served);
    pv_os_fd_close(listening);

    /* Nobody listens any more: the file is stale and gives way. */
    assert_int_equal(pv_os_socket_listen(path, &listening), 0);
    pv_os_fd_close(listening);
    assert_int_equal(unlink(path), 0);
    second = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(second >= 0);
    close(second);
    assert_int_equal(pv_os_socket_listen(path, &listening), -EEXIST);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_start_of_files(void **state)
{
    char path[] = "/tmp/pearvisor-test-XXXXXX";
    char bytes[4];
    const int fd = mkstemp(path);
    int copy;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pv_os_fd_write_start(fd, "abc", 3), 3);
    copy = pv_os_fd_duplicate(fd);
    assert_true(copy >= 0 && copy != fd);
    assert_int_equal(pv_os_fd_read_start(copy, bytes, sizeof(bytes)), 3);
    assert_memory_equal(bytes, "abc", 3);
    pv_os_fd_close(copy);
    pv_os_fd_close(fd);
    assert_int_equal(pv_os_fd_duplicate(fd), -EBADF);
    assert_int_equal(pv_os_fd_read_start(fd, bytes, sizeof(bytes)), -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_travel_and_surplus_is_closed),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_start_of_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
