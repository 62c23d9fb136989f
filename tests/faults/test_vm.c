/* SPDX-License-Identifier: MIT */
/*
 * A VM around one command with a call failing, of fake-qemu and a device that only listens: the
 * command ran and all that it wrote has come, or the run says that it did not. Either way it ends,
 * and no process, descriptor, socket or file is left. The same for an image that is built.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "fault_loop.h"
#include "support/vm_bench.h"
#include "vm/image.h"
#include "vm/run.h"

/* Neither is reached, unless something waits for what never comes. */
#define BOOT_TIMEOUT_MS    10000
#define COMMAND_TIMEOUT_MS 10000

/* ---- a run ---- */

static void log_to_nobody(void *user, enum pv_base_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

/* Whether this process has a child. What shows a sanitizer's stack is one, after a failed test. */
static bool has_child(void)
{
    return waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD;
}

/* What the command gets to read: a pipe with something in it, that ends. */
static int open_input(void)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "input", 5), 5);
    close(fds[1]);
    return fds[0];
}

static void check_result(const struct pv_vm_run_result *result, int output_fd)
{
    char text[16] = "";

    assert_false(result->has_timed_out);
    if (result->end == PV_VM_MACHINE_STOPPED && result->has_command_ended
        && result->how == PV_VM_AGENT_EXIT_CODE) {
        /* The user takes it for a good one. */
        assert_int_equal(result->value, 7);
        assert_int_equal(read(output_fd, text, sizeof(text)), 6);
        assert_string_equal(text, "hello\n");
        return;
    }
    assert_true(inject_seen()->fired > 0);
}

static void life(void)
{
    static const char *const command[] = {"hello", NULL};
    const bool had_child = has_child();
    struct pv_test_vm vm;
    struct pv_vm_run_options options;
    struct pv_vm_run_result result = {0};
    struct pv_base_log log;
    int output[2];
    int r;

    pv_test_vm_init(&vm);
    pv_base_log_init(&log, "test");
    log.write = log_to_nobody;
    assert_int_equal(pipe2(output, O_NONBLOCK), 0);
    options = (struct pv_vm_run_options){
        .machine = pv_test_vm_options(&vm),
        .command = command,
        .input_fd = open_input(),
        .output_fd = output[1],
        .error_fd = output[1],
        .timeout_ms = COMMAND_TIMEOUT_MS,
    };
    options.machine.log = &log;
    options.machine.device_arguments = vm.device;
    options.machine.boot_timeout_ms = BOOT_TIMEOUT_MS;
    inject_resume();
    r = pv_vm_run(&options, &result);
    inject_pause();
    if (r == 0) {
        check_result(&result, output[0]);
    } else {
        assert_true(inject_seen()->fired > 0);
    }
    assert_true(had_child || !has_child());
    close(options.input_fd);
    close(output[0]);
    close(output[1]);
    pv_test_vm_finish(&vm);
}

/* ---- an image ---- */

static void write_recipe(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs("#!/bin/sh\nfor f in vmlinuz modules.cpio root.img; do echo x > $1/$f; done\n", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

static void run_shell(const char *format, const char *argument)
{
    char text[256];

    (void)snprintf(text, sizeof(text), format, argument);
    assert_int_equal(system(text), 0);
}

static void life_of_an_image(void)
{
    const bool had_child = has_child();
    char folder[] = "/tmp/pv-test-image-XXXXXX";
    char cache[64];
    char recipes[64];
    char program[96];
    struct pv_vm_image_store store = {cache, recipes, "amd64"};
    struct pv_vm_image image;
    bool was_built;
    int r;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(cache, sizeof(cache), "%s/cache", folder);
    (void)snprintf(recipes, sizeof(recipes), "%s/recipes", folder);
    (void)snprintf(program, sizeof(program), "%s/small/build", recipes);
    run_shell("mkdir -p %s/small", recipes);
    write_recipe(program);
    inject_resume();
    r = pv_vm_image_build(&store, "small", false, NULL, &was_built);
    inject_pause();
    assert_true(r == 0 || inject_seen()->fired > 0);
    assert_int_equal(pv_vm_image_find(&store, "small", &image), r == 0 ? 0 : -ENOENT);
    assert_true(had_child || !has_child());
    /* Nothing half-built: the lock of the build is all that may stay. */
    run_shell("test -z \"$(ls -A %s/images | grep -v -e '^small' -e '^.lock')\"", cache);
    /* And the next one is not held up. */
    inject_disarm();
    assert_int_equal(pv_vm_image_build(&store, "small", false, NULL, &was_built), 0);
    run_shell("rm -r %s", folder);
}

#define TEST(name, class, lived)                                                                   \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        fault_loop_run(class, lived);                                                              \
    }

TEST(test_allocations, INJECT_ALLOC, life)
TEST(test_processes, INJECT_THREAD, life)
TEST(test_sends, INJECT_SEND, life)
TEST(test_descriptors, INJECT_DESCRIPTOR, life)
TEST(test_image_processes, INJECT_THREAD, life_of_an_image)
TEST(test_image_descriptors, INJECT_DESCRIPTOR, life_of_an_image)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(test_allocations),     FAULT_TEST(test_processes),
        FAULT_TEST(test_sends),           FAULT_TEST(test_descriptors),
        FAULT_TEST(test_image_processes), FAULT_TEST(test_image_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
