/* SPDX-License-Identifier: MIT */
/*
 * vm/image.c: an image is built once, again when its recipe changes, kept whole when a build fails,
 * and nothing half-built is left. The recipe here is a script that makes small files.
 */
#include <errno.h>
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

#include "vm/image.h"

static char folder[64];
static char cache[80];
static char recipes[80];
static struct pv_vm_image_store store;

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", recipes, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void run(const char *format, const char *argument)
{
    char command[512];

    snprintf(command, sizeof(command), format, argument);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/pv-test-image-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(cache, sizeof(cache), "%s/cache", folder);
    snprintf(recipes, sizeof(recipes), "%s/recipes", folder);
    store = (struct pv_vm_image_store){cache, recipes, "amd64"};
    run("mkdir -p %s/small", recipes);
    write_file("small/build",
               "#!/bin/sh\nfor f in vmlinuz modules.cpio root.img; do echo x > $1/$f; done\n",
               0755);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    run("rm -rf %s", folder);
    return 0;
}

static void expect_entries(int expected)
{
    char command[256];

    /* Of the images folder, hidden ones included, the lock aside. */
    snprintf(command, sizeof(command), "test $(ls -A %s/images | grep -v lock | wc -l) = %d", cache,
             expected);
    assert_int_equal(system(command), 0);
}

static void test_built_once(void **state)
{
    struct pv_vm_image image;
    bool built = false;

    (void)state;
    assert_int_equal(pv_vm_image_find(&store, "small", &image), -ENOENT);
    assert_int_equal(pv_vm_image_build(&store, "small", false, NULL, &built), 0);
    assert_true(built);
    assert_int_equal(pv_vm_image_find(&store, "small", &image), 0);
    assert_false(image.is_outdated);
    assert_int_equal(access(image.kernel, R_OK), 0);
    assert_int_equal(pv_vm_image_build(&store, "small", false, NULL, &built), 0);
    assert_false(built);
    assert_int_equal(pv_vm_image_build(&store, "small", true, NULL, &built), 0);
    assert_true(built);
    expect_entries(1);
}

static void test_a_changed_recipe_builds_again(void **state)
{
    struct pv_vm_image image;
    bool built = false;

    (void)state;
    assert_int_equal(pv_vm_image_build(&store, "small", false, NULL, &built), 0);
    write_file("small/packages", "one more\n", 0644);
    assert_int_equal(pv_vm_image_find(&store, "small", &image), 0);
    assert_true(image.is_outdated);
    assert_int_equal(pv_vm_image_build(&store, "small", false, NULL, &built), 0);
    assert_true(built);
    assert_int_equal(pv_vm_image_find(&store, "small", &image), 0);
    assert_false(image.is_outdated);
    expect_entries(1);
}

static void test_a_failed_build_keeps_the_old_image(void **state)
{
    struct pv_vm_image image;
    bool built = false;

    (void)state;
    assert_int_equal(pv_vm_image_build(&store, "small", false, NULL, &built), 0);
    write_file("small/build", "#!/bin/sh\necho half > $1/vmlinuz\nexit 1\n", 0755);
    assert_int_equal(pv_vm_image_build(&store, "small", false, NULL, &built), -EIO);
    assert_int_equal(pv_vm_image_find(&store, "small", &image), 0);
    assert_true(image.is_outdated);
    expect_entries(1);
}

static void test_names_and_absence(void **state)
{
    struct pv_vm_image image;
    bool built = false;

    (void)state;
    assert_int_equal(pv_vm_image_build(&store, "large", false, NULL, &built), -ENOENT);
    assert_int_equal(pv_vm_image_build(&store, "../small", false, NULL, &built), -EINVAL);
    assert_int_equal(pv_vm_image_find(&store, "", &image), -EINVAL);
    assert_int_equal(pv_vm_image_find(&store, "Small", &image), -EINVAL);
    assert_int_equal(pv_vm_image_remove(&store, "small"), -ENOENT);
}

static void count(void *user, const char *name, bool is_built, bool is_outdated,
                  uint64_t size_bytes)
{
    int *counts = user;

    assert_string_equal(name, "small");
    assert_false(is_outdated);
    assert_int_equal(size_bytes > 0, is_built);
    counts[is_built ? 1 : 0]++;
}

static void test_list_and_remove(void **state)
{
    int counts[2] = {0, 0};
    bool built = false;

    (void)state;
    run("mkdir %s/no-recipe", recipes);
    assert_int_equal(pv_vm_image_list(&store, count, counts), 0);
    assert_int_equal(pv_vm_image_build(&store, "small", false, NULL, &built), 0);
    assert_int_equal(pv_vm_image_list(&store, count, counts), 0);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 1);
    assert_int_equal(pv_vm_image_remove(&store, "small"), 0);
    expect_entries(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_built_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_changed_recipe_builds_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failed_build_keeps_the_old_image, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_and_absence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_and_remove, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
