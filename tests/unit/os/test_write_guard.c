/* SPDX-License-Identifier: MIT */
/*
 * os/write_guard.c: memory moves while threads write it, and no write is lost. Each writer counts
 * up in words of its own; after the move the file must hold exactly what the writer counted.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/shm.h"
#include "os/write_guard.h"

#define WRITERS 3u
#define PAGES   64u
#define TRIALS  50u

struct writer {
    volatile uint64_t *words;
    size_t word_count;
    size_t first;
    atomic_bool *stop;
    atomic_uint_fast64_t rounds;
};

static void *write_main(void *user)
{
    struct writer *writer = user;
    uint64_t round = 0;

    while (!atomic_load_explicit(writer->stop, memory_order_relaxed)) {
        round++;
        for (size_t i = writer->first; i < writer->word_count; i += WRITERS) {
            writer->words[i] = round;
        }
        atomic_store(&writer->rounds, round);
    }
    return NULL;
}

static void move_once(void)
{
    const size_t size_bytes = PAGES * pv_os_page_bytes();
    const size_t word_count = size_bytes / sizeof(uint64_t);
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    atomic_bool stop = false;
    uint64_t *memory;
    uint64_t *file;
    int fd;

    assert_int_equal(pv_os_shm_create("test", 2 * size_bytes, &fd), 0);
    assert_int_equal(pv_os_shm_map(fd, size_bytes, size_bytes, (void **)&file), 0);
    assert_int_equal(pv_os_shm_reserve(size_bytes, (void **)&memory), 0);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] =
            (struct writer){.words = memory, .word_count = word_count, .first = i, .stop = &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, write_main, &writers[i]), 0);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        while (atomic_load(&writers[i].rounds) < 2) {
        }
    }
    assert_int_equal(pv_os_write_guard_move(memory, size_bytes, fd, size_bytes), 0);
    atomic_store(&stop, true);
    for (size_t i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    for (size_t i = 0; i < word_count; i++) {
        assert_int_equal(file[i], atomic_load(&writers[i % WRITERS].rounds));
    }
    pv_os_shm_release(memory, size_bytes);
    pv_os_shm_unmap(file, size_bytes);
    close(fd);
}

static void test_no_write_is_lost(void **state)
{
    (void)state;
    /* cmocka sets handlers of its own before each test. */
    assert_int_equal(pv_os_write_guard_install(), 0);
    for (unsigned int i = 0; i < TRIALS; i++) {
        move_once();
    }
}

static void test_zero_pages_stay_holes(void **state)
{
    const size_t size_bytes = 16 * pv_os_page_bytes();
    uint8_t *memory;
    int fd;

    (void)state;
    /* cmocka sets handlers of its own before each test. */
    assert_int_equal(pv_os_write_guard_install(), 0);
    assert_int_equal(pv_os_shm_create("test", size_bytes, &fd), 0);
    assert_int_equal(pv_os_shm_reserve(size_bytes, (void **)&memory), 0);
    memory[5 * pv_os_page_bytes()] = 1;
    assert_int_equal(pv_os_write_guard_move(memory, size_bytes, fd, 0), 0);
    assert_int_equal(pv_os_shm_used_bytes(fd), pv_os_page_bytes());
    assert_int_equal(memory[5 * pv_os_page_bytes()], 1);
    pv_os_shm_release(memory, size_bytes);
    close(fd);
}

static void test_a_real_fault_still_kills(void **state)
{
    const pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        void *memory;

        if (pv_os_write_guard_install() == 0 && pv_os_shm_reserve(pv_os_page_bytes(), &memory) == 0
            && pv_os_shm_protect_read(memory, pv_os_page_bytes()) == 0) {
            *(volatile uint8_t *)memory = 1;
        }
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) != 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_write_is_lost),
        cmocka_unit_test(test_zero_pages_stay_holes),
        cmocka_unit_test(test_a_real_fault_still_kills),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
