/* SPDX-License-Identifier: MIT */
/* Where things are on this machine; see the header. */
#include "cli/places.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/process.h"

/* Set ret_path from a format, or say that it is too long. */
static bool PV_PRINTF(2, 3) set_path(char ret_path[PATH_MAX], const char *format, ...)
{
    va_list values;
    int length;

    va_start(values, format);
    length = vsnprintf(ret_path, PATH_MAX, format, values);
    va_end(values);
    if (length < 0 || length >= PATH_MAX) {
        fprintf(stderr, "pearvisor: the path %.40s... is too long\n", ret_path);
        return false;
    }
    return true;
}

/* A variable that is set and not empty, or NULL. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool find_cache(const char *override, char ret_path[PATH_MAX])
{
    const char *path = override != NULL ? override : variable("PEARVISOR_CACHE_DIR");

    if (path != NULL) {
        return set_path(ret_path, "%s", path);
    }
    path = variable("XDG_CACHE_HOME");
    if (path != NULL) {
        return set_path(ret_path, "%s/pearvisor", path);
    }
    path = variable("HOME");
    if (path != NULL) {
        return set_path(ret_path, "%s/.cache/pearvisor", path);
    }
    fprintf(stderr, "pearvisor: no place for guest images: set HOME or PEARVISOR_CACHE_DIR\n");
    return false;
}

static bool find_runtime(char ret_path[PATH_MAX])
{
    const char *path = variable("PEARVISOR_RUNTIME_DIR");

    if (path != NULL) {
        return set_path(ret_path, "%s", path);
    }
    path = variable("XDG_RUNTIME_DIR");
    if (path != NULL && access(path, W_OK) == 0) {
        return set_path(ret_path, "%s/pearvisor", path);
    }
    return set_path(ret_path, "/tmp/pearvisor-%u", (unsigned int)geteuid());
}

static bool find_data(struct pv_cli_places *places)
{
    static const char *const beside[] = {"guest", "share/pearvisor"};
    const char *path = variable("PEARVISOR_DATA_DIR");
    char folder[PATH_MAX];
    char *slash;

    if (path != NULL) {
        if (!set_path(places->recipes, "%s/image", path)
            || !set_path(places->programs, "%s/programs.cpio", path)) {
            return false;
        }
        if (access(places->programs, R_OK) != 0) {
            fprintf(stderr, "pearvisor: there are no guest programs in PEARVISOR_DATA_DIR, '%s'\n",
                    path);
            return false;
        }
        return true;
    }
    if (!set_path(folder, "%s", places->program)) {
        return false;
    }
    slash = strrchr(folder, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(beside); i++) {
        if (!set_path(places->recipes, "%s/../%s/image", folder, beside[i])
            || !set_path(places->programs, "%s/../%s/programs.cpio", folder, beside[i])) {
            return false;
        }
        if (access(places->programs, R_OK) == 0) {
            return true;
        }
    }
    fprintf(stderr,
            "pearvisor: the guest programs are not beside %s: build everything with "
            "'ninja -C BUILD', or set PEARVISOR_DATA_DIR\n",
            places->program);
    return false;
}

bool pv_cli_places_find(const char *cache_override, struct pv_cli_places *ret_places)
{
    const int r = pv_os_process_own_path(ret_places->program, sizeof(ret_places->program));

    if (r != 0) {
        fprintf(stderr, "pearvisor: cannot find the path of this program: %s\n", strerror(-r));
        return false;
    }
    return find_cache(cache_override, ret_places->cache) && find_runtime(ret_places->runtime)
           && find_data(ret_places);
}

const struct pv_vm_arch *pv_cli_arch(void)
{
    const struct pv_vm_arch *arch = pv_vm_arch_own();

    if (arch == NULL) {
        fprintf(stderr, "pearvisor: VMs need a host of x86-64 or arm64\n");
    }
    return arch;
}

struct pv_vm_image_store pv_cli_image_store(const struct pv_cli_places *places,
                                            const struct pv_vm_arch *arch)
{
    return (struct pv_vm_image_store){.cache_path = places->cache,
                                      .recipes_path = places->recipes,
                                      .arch_name = arch->debian_name};
}

bool pv_cli_image_find(const struct pv_cli_places *places, const struct pv_vm_arch *arch,
                       const char *name, struct pv_vm_image *ret_image)
{
    const struct pv_vm_image_store store = pv_cli_image_store(places, arch);
    const int r = pv_vm_image_find(&store, name, ret_image);

    if (r == -ENOENT) {
        fprintf(stderr,
                "pearvisor: there is no image '%s' yet: build it with 'pearvisor image build %s'\n",
                name, name);
    } else if (r == -EINVAL) {
        fprintf(stderr, "pearvisor: '%s' is not a name of an image\n", name);
    } else if (r != 0) {
        fprintf(stderr, "pearvisor: the image '%s' cannot be read: %s\n", name, strerror(-r));
    } else if (ret_image->is_outdated) {
        fprintf(stderr,
                "pearvisor: the image '%s' is older than its recipe; 'pearvisor image build %s' "
                "brings it up to date\n",
                name, name);
    }
    return r == 0;
}

bool pv_cli_qemu_find(const struct pv_vm_arch *arch, const char *override,
                      struct pv_vm_qemu *ret_qemu)
{
    const char *path = override != NULL ? override : variable("PV_QEMU");
    const enum pv_vm_qemu_state state = pv_vm_qemu_find(arch, path, ret_qemu);
    char text[PV_VM_QEMU_PATH_MAX + 256];

    if (state != PV_VM_QEMU_USABLE) {
        pv_vm_qemu_explain(state, ret_qemu, text, sizeof(text));
        fprintf(stderr, "pearvisor: %s\n", text);
        return false;
    }
    return true;
}
