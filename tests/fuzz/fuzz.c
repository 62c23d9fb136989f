/* SPDX-License-Identifier: MIT */
/*
 * What all targets share; see fuzz.h. It also stands in for the checks of cmocka that the fakes of
 * tests/support use, so that fuzzers link the C library alone and run on other machines.
 */
#include "fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/shm.h"

static uint64_t fds_before;

/* Each input begins anew: memory freed long ago need not be kept, and stacks are short. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "quarantine_size_mb=16:malloc_context_size=12:intercept_strcmp=0:detect_leaks=1";
}

void fuzz_fill(struct fuzz_input *in, void *ret_bytes, size_t size_bytes)
{
    size_t got_bytes;
    const uint8_t *bytes = fuzz_take(in, size_bytes, &got_bytes);

    memset(ret_bytes, 0, size_bytes);
    if (got_bytes > 0) {
        memcpy(ret_bytes, bytes, got_bytes);
    }
}

uint64_t fuzz_size(struct fuzz_input *in)
{
    const uint8_t choice = fuzz_u8(in);

    switch (choice & 7) {
    case 0:
        return choice >> 3;
    case 1:
    case 2:
        return (uint64_t)(choice >> 3) * 4096;
    case 3:
        return fuzz_u8(in);
    case 4:
        return fuzz_u16(in);
    case 5:
        return fuzz_u32(in);
    case 6:
        return UINT64_MAX - fuzz_u8(in) * (UINT64_C(1) << (choice >> 3));
    default:
        return fuzz_u64(in);
    }
}

void fuzz_stop(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s (errno %d)\n", file, line, what, errno);
    abort();
}

/* Which of the first 64 descriptors are open: one that is left behind is among them sooner or
 * later, and the lowest free one alone hides it behind others that were closed. */
static uint64_t open_fds(void)
{
    uint64_t mask = 0;

    for (int fd = 0; fd < 64; fd++) {
        mask |= (uint64_t)(fcntl(fd, F_GETFD) >= 0) << fd;
    }
    return mask;
}

void fuzz_begin(void)
{
    fds_before = open_fds();
}

void fuzz_end(void)
{
    FUZZ_CHECK(open_fds() == fds_before);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct rlimit limit;

    (void)argc;
    (void)argv;
    (void)signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < 16384 ? limit.rlim_max : 16384;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return 0;
}

static void write_nothing(void *user, enum pv_base_log_level level, const char *line)
{
    (void)user;
    (void)level;
    FUZZ_CHECK(strlen(line) > 0);
}

void fuzz_log_init(struct pv_base_log *log)
{
    pv_base_log_init(log, "fuzz");
    log->write = write_nothing;
    FUZZ_CHECK(pv_base_log_configure(log, "info") == 0);
}

int fuzz_memfd(uint64_t size_bytes, bool is_sealed)
{
    int fd = -1;

    if (is_sealed) {
        return pv_os_shm_create("fuzz", size_bytes, &fd) == 0 ? fd : -1;
    }
    fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, (off_t)size_bytes) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int fuzz_descriptor(uint8_t kind, uint64_t size_bytes)
{
    int pair[2];

    switch (kind % 8) {
    case 0:
        return fuzz_memfd(size_bytes, false);
    case 1:
        return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    case 2:
        return eventfd(1, EFD_CLOEXEC);
    case 3:
        if (pipe2(pair, O_CLOEXEC) < 0) {
            return -1;
        }
        close(pair[1]);
        return pair[0];
    case 4:
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
            return -1;
        }
        close(pair[1]);
        return pair[0];
    case 5:
        return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    case 6:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    default:
        return fuzz_memfd(size_bytes, true);
    }
}

void fuzz_turn(struct pv_os_loop *loop, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        pv_os_loop_stop(loop);
        FUZZ_CHECK(pv_os_loop_run(loop) == 0);
    }
}

/* ---- cmocka's names ---- */

void _fail(const char *const file, const int line)
{
    fuzz_stop(file, line, "a fake's expectation");
    abort();
}

void _assert_true(const LargestIntegralType result, const char *const expression,
                  const char *const file, const int line)
{
    if (!result) {
        fuzz_stop(file, line, expression);
    }
}

void _assert_int_equal(const LargestIntegralType a, const LargestIntegralType b,
                       const char *const file, const int line)
{
    if (a != b) {
        fuzz_stop(file, line, "equal numbers");
    }
}
