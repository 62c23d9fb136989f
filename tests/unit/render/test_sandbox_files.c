/* SPDX-License-Identifier: MIT */
/* render/sandbox_files.c: which paths the environment and driver manifests add. */
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

#include "render/sandbox_files.h"

static char folder[] = "/tmp/pearvisor-test-XXXXXX";

static bool has(const struct pv_render_sandbox_files *files, const char *path,
                enum pv_os_isolation_access access)
{
    for (size_t i = 0; i < files->count; i++) {
        if (strcmp(files->paths[i].path, path) == 0 && files->paths[i].access == access) {
            return true;
        }
    }
    return false;
}

static void write_manifest(const char *name, const char *library)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "{\"ICD\": {\"library_path\": \"%s\"}}", library);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    write_manifest("absolute.json", "/opt/driver/lib/libvulkan_x.so");
    write_manifest("beside.json", "../lib/libvulkan_x.so");
    write_manifest("searched.json", "libvulkan_x.so");
    write_manifest("other.txt", "/opt/other/libvulkan_x.so");
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"absolute.json", "beside.json", "searched.json",
                                        "other.txt"};
    char path[256];

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static struct pv_render_sandbox_files *make(const struct pv_render_sandbox_options *options)
{
    struct pv_render_sandbox_files *files = calloc(1, sizeof(*files));

    assert_non_null(files);
    pv_render_sandbox_files_init(files, options);
    return files;
}

static void drop(struct pv_render_sandbox_files *files)
{
    pv_render_sandbox_files_finish(files);
    free(files);
}

static void test_fixed(void **state)
{
    const struct pv_render_sandbox_options options = {.home = "/home/somebody"};
    struct pv_render_sandbox_files *files = make(&options);
    bool hides_home = false;

    (void)state;
    assert_true(has(files, "/usr", PV_OS_ISOLATION_READ));
    assert_true(has(files, "/dev/dri/renderD128", PV_OS_ISOLATION_WRITE));
    assert_true(has(files, "/dev/dri/renderD143", PV_OS_ISOLATION_WRITE));
    assert_true(has(files, "/dev/nvidia15", PV_OS_ISOLATION_WRITE));
    assert_false(has(files, "/dev/dri/card0", PV_OS_ISOLATION_WRITE));
    for (size_t i = 0; i < files->count; i++) {
        assert_int_equal(files->paths[i].path[0], '/');
        assert_string_not_equal(files->paths[i].path, "/");
        assert_string_not_equal(files->paths[i].path, "/home/somebody");
    }
    for (size_t i = 0; files->hidden[i] != NULL; i++) {
        hides_home = hides_home || strcmp(files->hidden[i], "/home/somebody") == 0;
    }
    assert_true(hides_home);
    drop(files);
}

static void test_library_path(void **state)
{
    const struct pv_render_sandbox_options options = {.library_path = ":/a/lib::/b/lib:"};
    struct pv_render_sandbox_files *files = make(&options);

    (void)state;
    assert_true(has(files, "/a/lib", PV_OS_ISOLATION_READ));
    assert_true(has(files, "/b/lib", PV_OS_ISOLATION_READ));
    assert_false(has(files, "", PV_OS_ISOLATION_READ));
    drop(files);
}

static void test_manifests(void **state)
{
    struct pv_render_sandbox_options options = {0};
    struct pv_render_sandbox_files *files;
    char list[256];
    char beside[256];

    (void)state;
    snprintf(beside, sizeof(beside), "%s/../lib/", folder);
    snprintf(list, sizeof(list), "%s/absolute.json:%s/beside.json", folder, folder);
    options.driver_files = list;
    files = make(&options);
    assert_true(has(files, "/opt/driver/lib/", PV_OS_ISOLATION_READ));
    assert_true(has(files, beside, PV_OS_ISOLATION_READ));
    drop(files);
    /* A folder of manifests, named by the older variable. */
    options = (struct pv_render_sandbox_options){.icd_filenames = folder};
    files = make(&options);
    assert_true(has(files, folder, PV_OS_ISOLATION_READ));
    assert_true(has(files, "/opt/driver/lib/", PV_OS_ISOLATION_READ));
    assert_false(has(files, "/opt/other/", PV_OS_ISOLATION_READ));
    drop(files);
}

static void test_too_many(void **state)
{
    char *list = calloc(1, 8 * PV_RENDER_SANDBOX_PATHS_MAX + 1);
    struct pv_render_sandbox_options options = {.library_path = list};
    struct pv_render_sandbox_files *files;

    (void)state;
    assert_non_null(list);
    for (size_t i = 0; i < 2 * PV_RENDER_SANDBOX_PATHS_MAX; i++) {
        strcat(list, "/x:");
    }
    files = make(&options);
    assert_int_equal(files->count, PV_RENDER_SANDBOX_PATHS_MAX);
    drop(files);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_library_path),
        cmocka_unit_test(test_manifests),
        cmocka_unit_test(test_too_many),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
