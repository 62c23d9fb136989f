/* SPDX-License-Identifier: MIT */
/*
 * The paths of a driver; see sandbox_files.h.
 *
 * Seen with strace on lavapipe 25.0.7 (LLVM 15), with --sandbox=measure on NVIDIA 580.159.04, which
 * runs all test programs with these; for Mesa's GPU drivers from what they are known to open.
 * Nothing of the home folder is here: layers and drivers that a user installed for himself are
 * found when a variable names them, not otherwise.
 */
#include "render/sandbox_files.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/folder.h"

#define RENDER_NODE_FIRST 128
#define RENDER_NODE_COUNT 16
#define NVIDIA_COUNT      16

static const char *const readable[] = {
    /* Libraries, manifests, drivers' tables; Nix and Guix; what the dynamic linker reads. */
    "/usr", "/lib", "/lib64", "/nix/store", "/gnu/store", "/run/opengl-driver", "/etc/ld.so.cache",
    "/etc/ld.so.preload", "/etc/vulkan", "/etc/xdg/vulkan", "/etc/glvnd", "/etc/drirc",
    "/etc/nvidia", "/etc/localtime",
    /* The machine: processors, memory, devices and their kernel modules. */
    "/sys/devices", "/sys/class", "/sys/bus", "/sys/dev", "/sys/module", "/proc/cpuinfo",
    "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/modules", "/proc/devices",
    "/proc/driver/nvidia", "/proc/sys/vm/overcommit_memory", "/proc/sys/vm/max_map_count",
    "/proc/sys/kernel/osrelease", "/proc/self", "/dev/urandom", "/dev/random", "/dev/dri",
    "/dev/nvidia-caps"};

/* Render nodes only: a primary node (card0) could take the screen from the host's desktop. */
static const char *const devices[] = {"/dev/null",      "/dev/zero",      "/dev/udmabuf",
                                      "/dev/dxg",       "/dev/nvidiactl", "/dev/nvidia-modeset",
                                      "/dev/nvidia-uvm"};

/* Where manifests of drivers lie that name libraries in other places, such as /opt. */
static const char *const manifest_folders[] = {"/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d",
                                               "/usr/local/share/vulkan/icd.d"};

static const char *const hidden[] = {"/home", "/root", "/tmp",  "/var",   "/run",
                                     "/mnt",  "/srv",  "/boot", "/media", "/dev/shm"};

static void add(struct pv_render_sandbox_files *files, const char *path,
                enum pv_os_isolation_access access)
{
    if (files->count < PV_RENDER_SANDBOX_PATHS_MAX) {
        files->paths[files->count++] = (struct pv_os_isolation_path){path, access};
    }
}

/* Add a text that becomes the list's own. */
static void add_owned(struct pv_render_sandbox_files *files, char *path,
                      enum pv_os_isolation_access access)
{
    if (path == NULL || files->owned_count == PV_RENDER_SANDBOX_PATHS_MAX) {
        free(path);
        return;
    }
    files->owned[files->owned_count++] = path;
    add(files, path, access);
}

static void add_numbered(struct pv_render_sandbox_files *files, const char *prefix, int first,
                         int count)
{
    for (int i = first; i < first + count; i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "%s%d", prefix, i);
        add_owned(files, strdup(text), PV_OS_ISOLATION_WRITE);
    }
}

/* The folder of `path` and, after it, `rest`. */
static char *beside(const char *path, const char *rest)
{
    const char *slash = strrchr(path, '/');
    const size_t length = slash != NULL ? (size_t)(slash - path) + 1 : 0;
    const size_t size_bytes = length + strlen(rest) + 3;
    char *text = malloc(size_bytes);

    if (text != NULL) {
        (void)snprintf(text, size_bytes, "%s%.*s%s", length == 0 ? "./" : "", (int)length, path,
                       rest);
    }
    return text;
}

/* A manifest's own library, unless the dynamic linker is to look for it, with its neighbours. */
static void add_library_of(struct pv_render_sandbox_files *files, const char *manifest)
{
    json_t *root = json_load_file(manifest, 0, NULL);
    const char *library =
        json_string_value(json_object_get(json_object_get(root, "ICD"), "library_path"));

    if (library != NULL && strchr(library, '/') != NULL) {
        char *path = library[0] == '/' ? strdup(library) : beside(manifest, library);

        if (path != NULL) {
            add_owned(files, beside(path, ""), PV_OS_ISOLATION_READ);
        }
        free(path);
    }
    json_decref(root);
}

static void add_manifest(void *user, const char *path)
{
    const size_t length = strlen(path);

    if (length > 5 && strcmp(path + length - 5, ".json") == 0) {
        add_library_of(user, path);
    }
}

/* Each part of a list with colons; is_manifests: files, or folders full of them. */
static void add_list(struct pv_render_sandbox_files *files, const char *list, bool is_manifests)
{
    while (list != NULL && *list != '\0') {
        const size_t length = strcspn(list, ":");

        if (length > 0) {
            char *path = strndup(list, length);

            if (path != NULL && is_manifests) {
                add_manifest(files, path);
                pv_os_folder_each(path, add_manifest, files);
            }
            add_owned(files, path, PV_OS_ISOLATION_READ);
        }
        list += length + (list[length] == ':' ? 1 : 0);
    }
}

void pv_render_sandbox_files_init(struct pv_render_sandbox_files *files,
                                  const struct pv_render_sandbox_options *options)
{
    size_t hidden_count = 0;

    for (size_t i = 0; i < PV_ARRAY_LEN(readable); i++) {
        add(files, readable[i], PV_OS_ISOLATION_READ);
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(devices); i++) {
        add(files, devices[i], PV_OS_ISOLATION_WRITE);
    }
    add_numbered(files, "/dev/dri/renderD", RENDER_NODE_FIRST, RENDER_NODE_COUNT);
    add_numbered(files, "/dev/nvidia", 0, NVIDIA_COUNT);
    for (size_t i = 0; i < PV_ARRAY_LEN(manifest_folders); i++) {
        pv_os_folder_each(manifest_folders[i], add_manifest, files);
    }
    add_list(files, options->library_path, false);
    add_list(files, options->layer_path, false);
    add_list(files, options->driver_files, true);
    add_list(files, options->icd_filenames, true);
    add_list(files, options->add_driver_files, true);
    for (size_t i = 0; i < PV_ARRAY_LEN(hidden); i++) {
        files->hidden[hidden_count++] = hidden[i];
    }
    if (options->home != NULL && options->home[0] == '/') {
        files->hidden[hidden_count] = options->home;
    }
}

void pv_render_sandbox_files_finish(struct pv_render_sandbox_files *files)
{
    for (size_t i = 0; i < files->owned_count; i++) {
        free(files->owned[i]);
    }
    memset(files, 0, sizeof(*files));
}
