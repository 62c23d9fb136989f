/* SPDX-License-Identifier: MIT */
/*
 * os/fd.c: copies that close on exec, reads and writes at a file's start, and a limit that is
 * raised as far as it goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/fd.h"

static int file_of(const char *text)
{
    const int fd = memfd_create("test", 0);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static void test_copies(void **state)
{
    char text[4] = "";
    const int fd = file_of("abc");
    const int copy = pv_os_fd_duplicate(fd);

    (void)state;
    assert_true(copy >= 0);
    assert_int_not_equal(copy, fd);
    assert_int_not_equal(fcntl(copy, F_GETFD) & FD_CLOEXEC, 0);
    pv_os_fd_close(fd);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(pv_os_fd_read_start(copy, text, 3), 3);
    assert_string_equal(text, "abc");
    pv_os_fd_close(copy);
    assert_int_equal(fcntl(copy, F_GETFD), -1);
    assert_int_equal(pv_os_fd_duplicate(-1), -EBADF);
    assert_int_equal(pv_os_fd_duplicate(copy), -EBADF);
    errno = 0;
    pv_os_fd_close(-1);
    assert_int_equal(errno, 0);
}

/* Whatever its position, which stays. */
static void test_reads_and_writes_at_the_start(void **state)
{
    char text[16] = "";
    const int fd = file_of("0123456789");

    (void)state;
    assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
    assert_int_equal(pv_os_fd_read_start(fd, text, sizeof(text)), 10); /* its end comes first */
    assert_memory_equal(text, "0123456789", 10);
    assert_int_equal(pv_os_fd_write_start(fd, "ab", 2), 2);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 4);
    assert_int_equal(pv_os_fd_read_start(fd, text, 4), 4);
    assert_memory_equal(text, "ab23", 4);
    assert_int_equal(pv_os_fd_read_start(fd, text, 0), 0);
    pv_os_fd_close(fd);
    assert_int_equal(pv_os_fd_read_start(fd, text, 4), -EBADF);
    assert_int_equal(pv_os_fd_write_start(fd, text, 4), -EBADF);
}

static void test_pipes_have_no_start(void **state)
{
    char byte = 0;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pv_os_fd_read_start(ends[0], &byte, 1), -ESPIPE);
    assert_int_equal(pv_os_fd_write_start(ends[1], &byte, 1), -ESPIPE);
    pv_os_fd_close(ends[0]);
    pv_os_fd_close(ends[1]);
}

static void test_the_limit(void **state)
{
    struct rlimit before;
    struct rlimit now;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    pv_os_fd_limit_raise(32); /* never down */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(now.rlim_cur, 64);
    pv_os_fd_limit_raise(100);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(now.rlim_cur, 100);
    pv_os_fd_limit_raise(UINT64_MAX); /* as far as it goes */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_true(now.rlim_cur == before.rlim_max);
    assert_true(now.rlim_max == before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_reads_and_writes_at_the_start),
        cmocka_unit_test(test_pipes_have_no_start),
        cmocka_unit_test(test_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
