/* SPDX-License-Identifier: MIT */
/*
 * os/shm.c: sealed files, files for readers, sparse ranges, reservations with guard pages, and
 * pages replaced under fixed addresses.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/shm.h"

static void test_files_are_sealed_zero_and_sized(void **state)
{
    const size_t page_bytes = pv_os_page_bytes();
    uint64_t size_bytes;
    uint8_t *memory;
    int fd;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", 4 * page_bytes, &fd), 0);
    assert_int_equal(pv_os_shm_size(fd, &size_bytes), 0);
    assert_int_equal(size_bytes, 4 * page_bytes);
    assert_true(pv_os_shm_is_sealed(fd));
    assert_int_not_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pv_os_shm_map(fd, 0, 4 * page_bytes, (void **)&memory), 0);
    assert_int_equal(memory[3 * page_bytes], 0);
    memset(memory, 1, 4 * page_bytes);
    assert_int_equal(pv_os_shm_used_bytes(fd), 4 * page_bytes);
    assert_int_equal(pv_os_shm_punch(fd, page_bytes, page_bytes), 0);
    assert_int_equal(pv_os_shm_used_bytes(fd), 3 * page_bytes);
    assert_int_equal(memory[page_bytes], 0);
    assert_int_equal(memory[0], 1);
    pv_os_shm_unmap(memory, 4 * page_bytes);
    pv_os_shm_unmap(NULL, 0);
    close(fd);
    assert_false(pv_os_shm_is_sealed(STDIN_FILENO));
}

/* Whoever holds the fd reads, whatever it tries; the writer's mapping goes on. */
/* No huge page is needed for a file that has none yet. */
static void test_huge_pages_are_not_trusted(void **state)
{
    const int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);

    (void)state;
    if (fd < 0) {
        skip(); /* a kernel without hugetlbfs */
    }
    assert_int_equal(ftruncate(fd, 1 << 21), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    assert_false(pv_os_shm_is_sealed(fd));
    close(fd);
}

static void test_memory_for_readers(void **state)
{
    const size_t page_bytes = pv_os_page_bytes();
    const uint8_t *seen;
    uint8_t *memory;
    char path[64];
    int again;
    int fd;

    (void)state;
    assert_int_equal(pv_os_shm_create_read_only("test", page_bytes, &fd, (void **)&memory), 0);
    assert_true(pv_os_shm_is_sealed(fd));
    assert_int_equal(pv_os_shm_map_read(fd, 0, page_bytes, (const void **)&seen), 0);
    memory[1] = 7;
    assert_int_equal(seen[1], 7);
    assert_int_equal(mprotect((void *)seen, page_bytes, PROT_READ | PROT_WRITE), -1);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    again = open(path, O_RDWR | O_CLOEXEC);
    assert_true(again >= 0); /* the kernel allows that much */
    for (int i = 0; i < 2; i++) {
        const int one = i == 0 ? fd : again;

        assert_int_equal(pv_os_shm_map(one, 0, page_bytes, (void **)&memory), -EPERM);
        assert_int_equal(pwrite(one, "x", 1, 0), -1);
        assert_true(pv_os_shm_punch(one, 0, page_bytes) < 0);
        assert_true(fcntl(one, F_ADD_SEALS, F_SEAL_WRITE) < 0);
        assert_int_equal(ftruncate(one, 0), -1);
    }
    memory[0] = 8; /* pv_os_shm_map left it alone */
    assert_int_equal(seen[0], 8);
    assert_int_equal(seen[1], 7);
    close(again);
    close(fd);
    pv_os_shm_unmap(memory, page_bytes);
    pv_os_shm_unmap(seen, page_bytes);
    assert_true(
        pv_os_shm_create_read_only("test", SIZE_MAX & ~(page_bytes - 1), &fd, (void **)&memory)
        < 0);
}

static void test_pages_are_replaced_in_place(void **state)
{
    const size_t page_bytes = pv_os_page_bytes();
    uint8_t *memory;
    uint8_t *file;
    int fd;

    (void)state;
    assert_int_equal(pv_os_shm_create("test", 2 * page_bytes, &fd), 0);
    assert_int_equal(pv_os_shm_map(fd, 0, 2 * page_bytes, (void **)&file), 0);
    assert_int_equal(pv_os_shm_reserve(2 * page_bytes, (void **)&memory), 0);
    memory[0] = 7;
    file[page_bytes] = 9;
    assert_int_equal(pv_os_shm_replace(memory, page_bytes, fd, page_bytes), 0);
    assert_int_equal(memory[0], 9);
    memory[0] = 10;
    assert_int_equal(file[page_bytes], 10);
    assert_int_equal(pv_os_shm_replace_private(memory, page_bytes), 0);
    assert_int_equal(memory[0], 0);
    memory[0] = 11;
    assert_int_equal(file[page_bytes], 10);
    pv_os_shm_release(memory, 2 * page_bytes);
    pv_os_shm_release(NULL, 0);
    pv_os_shm_unmap(file, 2 * page_bytes);
    close(fd);
}

/* Whether a write to that byte kills the process that does it. */
static bool write_kills(volatile uint8_t *byte)
{
    const pid_t pid = fork();
    int status;

    if (pid == 0) {
        /* cmocka would take the fault for a failed test of its own. */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        *byte = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void test_reservations_have_guard_pages(void **state)
{
    const size_t page_bytes = pv_os_page_bytes();
    uint8_t *memory;

    (void)state;
    assert_int_equal(pv_os_shm_reserve(page_bytes, (void **)&memory), 0);
    assert_false(write_kills(memory));
    assert_false(write_kills(memory + page_bytes - 1));
    assert_true(write_kills(memory - 1));
    assert_true(write_kills(memory + page_bytes));
    assert_int_equal(pv_os_shm_protect_read(memory, page_bytes), 0);
    assert_true(write_kills(memory));
    assert_int_equal(pv_os_shm_protect_write(memory, page_bytes), 0);
    assert_false(write_kills(memory));
    pv_os_shm_release(memory, page_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_sealed_zero_and_sized),
        cmocka_unit_test(test_huge_pages_are_not_trusted),
        cmocka_unit_test(test_memory_for_readers),
        cmocka_unit_test(test_pages_are_replaced_in_place),
        cmocka_unit_test(test_reservations_have_guard_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
