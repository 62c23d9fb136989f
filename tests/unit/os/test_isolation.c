/* SPDX-License-Identifier: MIT */
/*
 * os/isolation.c and its stages: children enter, try what should be refused and what should not,
 * and tell by their exit status. Hosts without a stage are simulated by a filter that refuses the
 * calls which the stage is made of.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "os/isolation.h"
#include "os/isolation_trial.h"
#include "render/sandbox_calls.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

/* In a child: the first broken expectation is its exit status, as a line number. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "# line %d: " #condition " (errno %d)\n", __LINE__, errno);      \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static const struct pv_os_isolation_path paths[] = {
    {"/usr", PV_OS_ISOLATION_READ},
    {"/lib", PV_OS_ISOLATION_READ},
    {"/lib64", PV_OS_ISOLATION_READ},
    {"/proc/self", PV_OS_ISOLATION_READ},
    {"/dev/null", PV_OS_ISOLATION_WRITE},
    {"/dev/zero", PV_OS_ISOLATION_READ},
    {"/nowhere/at/all", PV_OS_ISOLATION_WRITE},
};

static const char *const hidden[] = {"/home", "/tmp", "/var", NULL};

static int kept_fd = STDERR_FILENO;

static void enter(bool is_measuring, struct pv_os_isolation_report *ret_report)
{
    const struct pv_os_isolation_options options = {
        .size_bytes = sizeof(options),
        .paths = paths,
        .path_count = PV_ARRAY_LEN(paths),
        .hidden = hidden,
        .calls = pv_render_sandbox_calls,
        .ioctl_types = pv_render_sandbox_ioctls,
        .ioctl_type_count = pv_render_sandbox_ioctl_count,
        .kept_fds = &kept_fd,
        .kept_count = 1,
        .is_measuring = is_measuring,
    };
    char text[1024];

    EXPECT(pv_os_isolation_enter(&options, ret_report) == 0);
    pv_os_isolation_describe(ret_report, text, sizeof(text));
    (void)fprintf(stderr, "# %s\n", text);
}

/* Run a function in a child and take its exit status. */
static void in_child(void (*run)(void))
{
    int status;
    pid_t child;

    (void)fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* The helper process of a sanitizer makes these two necessary there. */
static bool is_exempt(const char *name)
{
    return HAS_SANITIZER && strcmp(name, "start a process") == 0;
}

static void expect_refused(void)
{
    struct pv_os_isolation_trial trials[PV_OS_ISOLATION_TRIAL_MAX];
    const size_t count = pv_os_isolation_try("/root", trials);

    EXPECT(count > 15);
    for (size_t i = 0; i < count; i++) {
        if (!trials[i].is_refused && !is_exempt(trials[i].name)) {
            (void)fprintf(stderr, "# could: %s\n", trials[i].name);
            _exit(1);
        }
    }
}

static void *try_in_thread(void *user)
{
    expect_refused();
    return user;
}

static void run_refusals(void)
{
    struct pv_os_isolation_report report;
    pthread_t thread;

    enter(false, &report);
    expect_refused();
    /* Threads are made, by clone where clone3 is refused, and inherit all of it. */
    EXPECT(pthread_create(&thread, NULL, try_in_thread, NULL) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
}

static void test_refuses_what_nobody_needs(void **state)
{
    (void)state;
    in_child(run_refusals);
}

static void run_exec(void)
{
    struct pv_os_isolation_report report;

    enter(false, &report);
    (void)execl("/bin/true", "true", (char *)NULL);
    EXPECT(errno == EPERM || errno == EACCES);
    (void)execl("/usr/bin/env", "env", "true", (char *)NULL);
    EXPECT(errno == EPERM || errno == EACCES);
}

static void test_exec_is_refused(void **state)
{
    (void)state;
    in_child(run_exec);
}

static void run_allowed(void)
{
    struct pv_os_isolation_report report;
    char byte = 1;
    int fd;
    void *memory;

    enter(false, &report);
    fd = open("/usr/bin/env", O_RDONLY | O_CLOEXEC);
    EXPECT(fd >= 0 && read(fd, &byte, 1) == 1);
    close(fd);
    EXPECT(open("/usr/bin/env", O_WRONLY | O_CLOEXEC) < 0);
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    EXPECT(fd >= 0 && write(fd, "x", 1) == 1);
    fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    EXPECT(fd >= 0 && read(fd, &byte, 1) == 1);
    /* Compilers of drivers: memory that is written, then run. */
    memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(memory != MAP_FAILED && mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0);
    fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    EXPECT(fd >= 0 && ftruncate(fd, 4096) == 0);
    EXPECT(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
}

static void test_allows_what_drivers_need(void **state)
{
    (void)state;
    in_child(run_allowed);
}

static void run_errors(void)
{
    struct pv_os_isolation_report report;

    enter(false, &report);
    EXPECT(syscall(SYS_mount, "a", "b", "c", 0, NULL) < 0 && errno == EPERM);
    EXPECT(syscall(SYS_bpf, 0, NULL, 0) < 0 && errno == EPERM);
    EXPECT(syscall(425 /* io_uring_setup */, 1, NULL) < 0 && errno == ENOSYS);
    EXPECT(syscall(435 /* clone3 */, NULL, 0) < 0 && errno == ENOSYS);
    EXPECT(syscall(500 /* not there yet */) < 0 && errno == ENOSYS);
    EXPECT(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 || HAS_SANITIZER);
    EXPECT(prctl(PR_SET_NAME, "name", 0, 0, 0) == 0);
    EXPECT(ioctl(STDERR_FILENO, 0x12345678, NULL) < 0 && errno == EPERM);
    EXPECT(kill(0, 0) < 0 && errno == EPERM);
    EXPECT(fcntl(STDERR_FILENO, F_SETOWN, getppid()) < 0 && errno == EPERM);
    EXPECT(fcntl(STDERR_FILENO, F_SETSIG, SIGKILL) < 0 && errno == EPERM);
    EXPECT(kill(getpid(), 0) == 0);
}

static void test_refusals_have_an_errno(void **state)
{
    (void)state;
    in_child(run_errors);
}

static void run_own_abort(void)
{
    struct pv_os_isolation_report report;

    enter(false, &report);
    abort();
}

static void test_abort_still_aborts(void **state)
{
    int status;
    const pid_t child = fork();

    (void)state;
    if (child == 0) {
        run_own_abort();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || HAS_SANITIZER);
}

static void run_limits(void)
{
    struct pv_os_isolation_report report;
    struct rlimit limit;
    const int leaked = dup(STDERR_FILENO);

    EXPECT(leaked > STDERR_FILENO);
    enter(false, &report);
    EXPECT(fcntl(leaked, F_GETFD) < 0);
    EXPECT(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
    EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
}

static void test_limits(void **state)
{
    (void)state;
    in_child(run_limits);
}

/* What a user types stays the user's, whoever else has the terminal as standard output. */
static void run_terminal(void)
{
    struct pv_os_isolation_report report;
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    char byte;
    int slave;

    EXPECT(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    EXPECT(slave >= 0 && dup2(slave, STDOUT_FILENO) == STDOUT_FILENO);
    EXPECT(write(master, "secret\n", 7) == 7);
    kept_fd = master;
    enter(false, &report);
    EXPECT(report.stages[PV_OS_ISOLATION_LIMITS].state == PV_OS_ISOLATION_HOLDS);
    EXPECT(read(STDOUT_FILENO, &byte, 1) < 0 && errno == EBADF);
    EXPECT(write(STDOUT_FILENO, "x", 1) == 1);
}

static void test_terminal_is_not_read(void **state)
{
    (void)state;
    in_child(run_terminal);
}

/* A host on which some calls do not exist. */
static void lose_calls(const char *const *names, int error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    for (size_t i = 0; names[i] != NULL; i++) {
        const int number = seccomp_syscall_resolve_name(names[i]);

        EXPECT(seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned int)error), number, 0) == 0);
    }
    EXPECT(seccomp_load(filter) == 0);
    seccomp_release(filter);
}

static void run_without_namespaces(void)
{
    static const char *const names[] = {"unshare", NULL};
    struct pv_os_isolation_report report;

    lose_calls(names, EPERM);
    enter(false, &report);
    EXPECT(report.stages[PV_OS_ISOLATION_NAMESPACES].state == PV_OS_ISOLATION_ABSENT);
    EXPECT(strstr(report.stages[PV_OS_ISOLATION_NAMESPACES].detail, "not permitted") != NULL);
    EXPECT(!pv_os_isolation_is_complete(&report));
    expect_refused();
}

static void test_without_namespaces(void **state)
{
    (void)state;
    in_child(run_without_namespaces);
}

static void run_without_landlock(void)
{
    static const char *const names[] = {"landlock_create_ruleset", NULL};
    struct pv_os_isolation_report report;

    lose_calls(names, ENOSYS);
    enter(false, &report);
    EXPECT(report.stages[PV_OS_ISOLATION_FILES].state == PV_OS_ISOLATION_ABSENT);
    EXPECT(!pv_os_isolation_is_complete(&report));
    /* The mount namespace, where there is one, hides folders and lets nothing be written. */
    if (report.stages[PV_OS_ISOLATION_NAMESPACES].state == PV_OS_ISOLATION_HOLDS) {
        EXPECT(open("/tmp/pearvisor-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0);
        EXPECT(access("/var/lib", F_OK) < 0);
    }
    EXPECT(socket(AF_INET, SOCK_STREAM, 0) < 0);
}

static void test_without_landlock(void **state)
{
    (void)state;
    in_child(run_without_landlock);
}

static void run_without_seccomp(void)
{
    static const char *const names[] = {"seccomp", NULL};
    struct pv_os_isolation_report report;

    lose_calls(names, ENOSYS);
    enter(false, &report);
    if (report.stages[PV_OS_ISOLATION_FILES].state != PV_OS_ISOLATION_ABSENT) {
        EXPECT(open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0);
        EXPECT(kill(getppid(), 0) < 0
               || report.stages[PV_OS_ISOLATION_FILES].state != PV_OS_ISOLATION_HOLDS);
    }
}

static void test_without_seccomp(void **state)
{
    (void)state;
    in_child(run_without_seccomp);
}

static void run_measuring(void)
{
    struct pv_os_isolation_report report;
    int texts[2];
    char said[4096] = "";
    size_t used = 0;

    EXPECT(pipe(texts) == 0 && dup2(texts[1], STDERR_FILENO) == STDERR_FILENO);
    kept_fd = texts[0];
    enter(true, &report);
    EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    EXPECT(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0);
    EXPECT(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0);
    EXPECT(open("/usr/bin/env", O_RDONLY | O_CLOEXEC) >= 0);
    while (used + 1 < sizeof(said) && strstr(said, "open /etc/passwd\n") == NULL) {
        const ssize_t count = read(texts[0], said + used, sizeof(said) - used - 1);

        EXPECT(count > 0);
        used += (size_t)count;
        said[used] = '\0';
    }
    EXPECT(strstr(said, "sandbox would refuse: socket (number") != NULL);
    EXPECT(strstr(said, "/usr/bin/env") == NULL);
}

static void test_measuring(void **state)
{
    (void)state;
    in_child(run_measuring);
}

static void test_options_of_another_build(void **state)
{
    const struct pv_os_isolation_options options = {.size_bytes = 1};
    struct pv_os_isolation_report report;

    (void)state;
    assert_int_equal(pv_os_isolation_enter(&options, &report), -EINVAL);
}

static void test_describe(void **state)
{
    struct pv_os_isolation_report report = {0};
    char text[512];
    char little[24];

    (void)state;
    for (size_t i = 0; i < PV_OS_ISOLATION_STAGE_COUNT; i++) {
        report.stages[i].state = PV_OS_ISOLATION_HOLDS;
    }
    pv_os_isolation_describe(&report, text, sizeof(text));
    assert_string_equal(text, "holds: limits, namespaces, files, privileges, memory, calls");
    assert_true(pv_os_isolation_is_complete(&report));
    report.stages[PV_OS_ISOLATION_FILES].state = PV_OS_ISOLATION_ABSENT;
    strcpy(report.stages[PV_OS_ISOLATION_FILES].detail, "no Landlock");
    pv_os_isolation_describe(&report, text, sizeof(text));
    assert_string_equal(text, "holds: limits, namespaces, privileges, memory, calls; "
                              "missing: files (no Landlock)");
    assert_false(pv_os_isolation_is_complete(&report));
    pv_os_isolation_describe(&report, little, sizeof(little));
    assert_int_equal(strlen(little), sizeof(little) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses_what_nobody_needs),
        cmocka_unit_test(test_exec_is_refused),
        cmocka_unit_test(test_allows_what_drivers_need),
        cmocka_unit_test(test_refusals_have_an_errno),
        cmocka_unit_test(test_abort_still_aborts),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_terminal_is_not_read),
        cmocka_unit_test(test_without_namespaces),
        cmocka_unit_test(test_without_landlock),
        cmocka_unit_test(test_without_seccomp),
        cmocka_unit_test(test_measuring),
        cmocka_unit_test(test_options_of_another_build),
        cmocka_unit_test(test_describe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
