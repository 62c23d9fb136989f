/* SPDX-License-Identifier: MIT */
/* The cache of guest images; see the header. */
#include "vm/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/process.h"
#include "os/signals.h"

#define HASH_TEXT_BYTES 17

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";

    return name[0] != '\0' && name[0] != '.' && strlen(name) < PV_VM_IMAGE_NAME_MAX
           && strspn(name, allowed) == strlen(name);
}

/* Join two parts of a path. Returns 0 or -ENAMETOOLONG. */
static int join(char ret_path[PV_VM_IMAGE_PATH_MAX], const char *folder, const char *name)
{
    const int length = snprintf(ret_path, PV_VM_IMAGE_PATH_MAX, "%s/%s", folder, name);

    return length < 0 || length >= PV_VM_IMAGE_PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Make a folder and the ones above it. */
static int make_folders(const char *path)
{
    char part[PV_VM_IMAGE_PATH_MAX];

    snprintf(part, sizeof(part), "%s", path);
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) {
            *slash = '\0';
        }
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return -errno;
        }
        if (slash == NULL) {
            return 0;
        }
        *slash = '/';
    }
}

/* Remove a folder and the plain files in it. Whatever nests deeper was not put there by us. */
static int remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    if (folder == NULL) {
        return -errno;
    }
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    closedir(folder);
    return rmdir(path) != 0 ? -errno : 0;
}

/* FNV-1a: enough to notice an edit, which is all that it has to do. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static int hash_file(const char *path, uint64_t *hash)
{
    char bytes[4096];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count;

    if (fd < 0) {
        return -errno;
    }
    while ((count = read(fd, bytes, sizeof(bytes))) > 0) {
        *hash = hash_bytes(*hash, bytes, (size_t)count);
    }
    close(fd);
    return count < 0 ? -EIO : 0;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Hash names and contents of a recipe's files, in order of their names. */
static int hash_recipe(const char *recipe_path, char ret_text[HASH_TEXT_BYTES])
{
    struct dirent **entries = NULL;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    const int count = scandir(recipe_path, &entries, is_visible, alphasort);
    int r = count < 0 ? -errno : 0;

    for (int i = 0; i < count; i++) {
        char path[PV_VM_IMAGE_PATH_MAX];

        if (r == 0) {
            hash = hash_bytes(hash, entries[i]->d_name, strlen(entries[i]->d_name) + 1);
            r = join(path, recipe_path, entries[i]->d_name);
        }
        if (r == 0) {
            r = hash_file(path, &hash);
        }
        free(entries[i]);
    }
    free(entries);
    if (r == 0) {
        snprintf(ret_text, HASH_TEXT_BYTES, "%016" PRIx64, hash);
    }
    return r;
}

/* Paths of one image, of its recipe, and of the file that two builds lock. */
struct places {
    char images[PV_VM_IMAGE_PATH_MAX];
    char recipe[PV_VM_IMAGE_PATH_MAX];
    char folder[PV_VM_IMAGE_PATH_MAX];
    char hash[PV_VM_IMAGE_PATH_MAX];
    char lock[PV_VM_IMAGE_PATH_MAX];
};

static int places_find(const struct pv_vm_image_store *store, const char *name,
                       struct places *ret_places)
{
    char file_name[2 * PV_VM_IMAGE_NAME_MAX];
    char lock_name[2 * PV_VM_IMAGE_NAME_MAX + 8];

    if (!is_name(name)) {
        return -EINVAL;
    }
    snprintf(file_name, sizeof(file_name), "%s-%s", name, store->arch_name);
    snprintf(lock_name, sizeof(lock_name), ".lock-%s", file_name);
    if (join(ret_places->images, store->cache_path, "images") != 0
        || join(ret_places->recipe, store->recipes_path, name) != 0
        || join(ret_places->folder, ret_places->images, file_name) != 0
        || join(ret_places->hash, ret_places->folder, "recipe-hash") != 0
        || join(ret_places->lock, ret_places->images, lock_name) != 0) {
        return -ENAMETOOLONG;
    }
    return 0;
}

static bool is_outdated(const struct places *places)
{
    char now[HASH_TEXT_BYTES];
    char then[HASH_TEXT_BYTES] = "";
    FILE *file = fopen(places->hash, "re");

    if (file == NULL) {
        return true;
    }
    if (fgets(then, sizeof(then), file) == NULL) {
        then[0] = '\0';
    }
    fclose(file);
    return hash_recipe(places->recipe, now) != 0 || strcmp(now, then) != 0;
}

int pv_vm_image_find(const struct pv_vm_image_store *store, const char *name,
                     struct pv_vm_image *ret_image)
{
    struct pv_vm_image image;
    struct places places;
    int r = places_find(store, name, &places);

    if (r != 0) {
        return r;
    }
    memcpy(image.folder, places.folder, sizeof(image.folder));
    if (join(image.kernel, places.folder, "vmlinuz") != 0
        || join(image.modules, places.folder, "modules.cpio") != 0
        || join(image.root, places.folder, "root.img") != 0) {
        return -ENAMETOOLONG;
    }
    if (access(image.kernel, R_OK) != 0 || access(image.modules, R_OK) != 0
        || access(image.root, R_OK) != 0) {
        return -errno;
    }
    image.is_outdated = is_outdated(&places);
    *ret_image = image;
    return 0;
}

static int write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    bool failed;

    if (file == NULL) {
        return -errno;
    }
    failed = fprintf(file, "%s\n", text) < 0;
    failed = fclose(file) != 0 || failed;
    return failed ? -EIO : 0;
}

/* Run the recipe's program, all that it says going to log_fd. Ctrl-C ends it, and then us. */
static int run_recipe(const char *recipe_path, const char *output_path, int log_fd)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    char program[PV_VM_IMAGE_PATH_MAX];
    const char *arguments[] = {program, output_path, NULL};
    const struct pv_os_process_options options = {
        .arguments = arguments, .output_fd = log_fd, .error_fd = log_fd};
    struct pv_os_process process = {.exit_fd = -1};
    struct pv_os_process_end end;
    int signals_fd = -1;
    int r = join(program, recipe_path, "build");

    if (r == 0) {
        r = pv_os_signals_open(signals, 3, &signals_fd);
    }
    if (r == 0) {
        r = pv_os_process_spawn(&options, &process);
    }
    if (r == 0) {
        while ((r = pv_os_process_reap(&process, 200, &end)) == -ETIMEDOUT) {
            if (pv_os_signals_next(signals_fd) > 0) {
                /* It unmounts and removes what it has made before it ends. */
                pv_os_process_signal(&process, SIGTERM);
                (void)!pv_os_process_reap(&process, 10000, &end);
                pv_os_process_kill(&process);
                r = -EINTR;
                break;
            }
        }
    }
    if (r == 0 && (end.by_signal || end.value != 0)) {
        r = -EIO;
    }
    if (signals_fd >= 0) {
        close(signals_fd);
    }
    return r;
}

/* Build into a folder beside the final one and put it into its place. */
static int build_aside(const struct places *places, int log_fd)
{
    char stage[PV_VM_IMAGE_PATH_MAX];
    char old[PV_VM_IMAGE_PATH_MAX];
    char hash_path[PV_VM_IMAGE_PATH_MAX];
    char hash[HASH_TEXT_BYTES];
    int r = join(stage, places->images, ".build-XXXXXX");

    /* The hash is taken before the build, so that an edit during the build is not missed. */
    if (r == 0) {
        r = hash_recipe(places->recipe, hash);
    }
    if (r == 0 && mkdtemp(stage) == NULL) {
        r = -errno;
    }
    if (r != 0) {
        return r;
    }
    r = join(hash_path, stage, "recipe-hash");
    if (r == 0) {
        r = run_recipe(places->recipe, stage, log_fd);
    }
    if (r == 0) {
        r = write_text(hash_path, hash);
    }
    if (r == 0) {
        r = join(old, places->images, ".old-XXXXXX");
    }
    if (r == 0 && access(places->folder, F_OK) == 0) {
        if (mkdtemp(old) == NULL || rename(places->folder, old) != 0) {
            r = -errno;
        }
    } else {
        old[0] = '\0';
    }
    if (r == 0 && (chmod(stage, 0755) != 0 || rename(stage, places->folder) != 0)) {
        r = -errno;
    }
    if (r != 0) {
        (void)!remove_folder(stage);
    } else if (old[0] != '\0') {
        (void)!remove_folder(old);
    }
    return r;
}

static int build_with_log(const struct places *places, const char *log_path)
{
    int fd;
    int r;

    if (log_path == NULL) {
        return build_aside(places, STDERR_FILENO);
    }
    fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return -EBADF;
    }
    r = build_aside(places, fd);
    close(fd);
    return r;
}

int pv_vm_image_build(const struct pv_vm_image_store *store, const char *name, bool force,
                      const char *log_path, bool *ret_built)
{
    struct places places;
    int lock_fd;
    int r = places_find(store, name, &places);

    if (r == 0 && access(places.recipe, F_OK) != 0) {
        r = -ENOENT;
    }
    if (r == 0) {
        r = make_folders(places.images);
    }
    if (r != 0) {
        return r;
    }
    lock_fd = open(places.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock_fd < 0 || flock(lock_fd, LOCK_EX) != 0) {
        r = -errno;
    } else if (force || access(places.folder, F_OK) != 0 || is_outdated(&places)) {
        r = build_with_log(&places, log_path);
        *ret_built = true;
    } else {
        *ret_built = false;
    }
    if (lock_fd >= 0) {
        close(lock_fd);
    }
    return r;
}

int pv_vm_image_remove(const struct pv_vm_image_store *store, const char *name)
{
    struct places places;
    const int r = places_find(store, name, &places);

    if (r != 0) {
        return r;
    }
    (void)!unlink(places.lock);
    return remove_folder(places.folder);
}

static uint64_t folder_size_bytes(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    uint64_t size_bytes = 0;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        struct stat status;

        if (fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0
            && S_ISREG(status.st_mode)) {
            size_bytes += (uint64_t)status.st_blocks * 512;
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return size_bytes;
}

int pv_vm_image_list(const struct pv_vm_image_store *store,
                     void (*visit)(void *user, const char *name, bool is_built, bool is_outdated,
                                   uint64_t size_bytes),
                     void *user)
{
    struct dirent **entries = NULL;
    const int count = scandir(store->recipes_path, &entries, is_visible, alphasort);

    if (count < 0) {
        return -errno;
    }
    for (int i = 0; i < count; i++) {
        struct places places;
        char program[PV_VM_IMAGE_PATH_MAX];

        if (places_find(store, entries[i]->d_name, &places) == 0
            && join(program, places.recipe, "build") == 0 && access(program, X_OK) == 0) {
            const bool is_built = access(places.hash, F_OK) == 0;

            visit(user, entries[i]->d_name, is_built, is_built && is_outdated(&places),
                  is_built ? folder_size_bytes(places.folder) : 0);
        }
        free(entries[i]);
    }
    free(entries);
    return 0;
}
