/* SPDX-License-Identifier: MIT */
/*
 * The first stage of a guest's boot: the program /init of the initial RAM disk that `pearvisor run`
 * puts together. It loads the modules that the image build chose (/modules, and /modules-late in
 * the background; sorted by name), mounts the root file system, shows the programs that came along
 * (/pearvisor) in it as /usr/lib/pearvisor, and hands over to the distribution's own init.
 *
 * It takes the place of the distribution's generated RAM disk because that one is 36 MB of shell
 * scripts, udev and drivers for real hardware, which costs an emulated guest several seconds.
 *
 * Kernel command line:
 *   root=DEV          the root file system (ext4)
 *   pearvisor.probe   say PEARVISOR-PROBE-OK on the console and power off: the host wants to know
 *                     whether its accelerator brings a kernel up to user space
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROOT_DIR          "/newroot"
#define ROOT_WAIT_MS      10000
#define COMMAND_LINE_MAX  4096
#define PROGRAMS_DIR      "/pearvisor"
#define PROGRAMS_IN_GUEST ROOT_DIR "/usr/lib/pearvisor"

/* Nothing can be mended here, so say why and stop: the host sees the guest go and shows the log. */
static void give_up(const char *what, const char *which)
{
    printf("pearvisor-init: %s %s: %s\n", what, which, strerror(errno));
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    for (;;) {
        pause();
    }
}

static void mount_or_give_up(const char *source, const char *target, const char *type,
                             unsigned long flags)
{
    if (mkdir(target, 0755) != 0 && errno != EEXIST) {
        give_up("cannot make the directory", target);
    }
    if (mount(source, target, type, flags, NULL) != 0) {
        give_up("cannot mount", target);
    }
}

static int is_module(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Load a folder's modules. One that the kernel has built in or refuses is not fatal: a missing
 * root disk is. */
static void load_modules(const char *folder)
{
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, is_module, alphasort);

    for (int i = 0; i < count; i++) {
        char path[512];
        int fd;

        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST && errno != ENODEV) {
                printf("pearvisor-init: module %s: %s\n", entries[i]->d_name, strerror(errno));
            }
            close(fd);
        }
        free(entries[i]);
    }
    free(entries);
}

/* Find "name=value" or "name" in the command line; returns the value ("" for none) or NULL. */
static const char *find_option(char *command_line, const char *name)
{
    const size_t name_length = strlen(name);
    char *rest = command_line;
    char *word;

    while ((word = strsep(&rest, " \n")) != NULL) {
        if (strncmp(word, name, name_length) == 0) {
            if (word[name_length] == '=') {
                return word + name_length + 1;
            }
            if (word[name_length] == '\0') {
                return "";
            }
        }
    }
    return NULL;
}

static void mount_root(const char *device)
{
    const struct timespec pause_time = {.tv_nsec = 5 * 1000000};

    mkdir(ROOT_DIR, 0755);
    for (int waited_ms = 0;; waited_ms += 5) {
        if (mount(device, ROOT_DIR, "ext4", MS_NOATIME, NULL) == 0) {
            return;
        }
        if ((errno != ENOENT && errno != ENXIO) || waited_ms >= ROOT_WAIT_MS) {
            give_up("cannot mount the root file system from", device);
        }
        nanosleep(&pause_time, NULL);
    }
}

int main(void)
{
    char command_line[COMMAND_LINE_MAX] = "";
    char copy[COMMAND_LINE_MAX];
    const char *root;
    ssize_t length = 0;
    int fd;

    mount_or_give_up("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
    fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        length = read(fd, command_line, sizeof(command_line) - 1);
        close(fd);
    }
    command_line[length > 0 ? length : 0] = '\0';

    memcpy(copy, command_line, sizeof(copy));
    if (find_option(copy, "pearvisor.probe") != NULL) {
        printf("PEARVISOR-PROBE-OK\n");
        fflush(stdout);
        reboot(RB_POWER_OFF);
    }

    mount_or_give_up("devtmpfs", "/dev", "devtmpfs", MS_NOSUID);
    load_modules("/modules");
    if (fork() == 0) {
        load_modules("/modules-late");
        _exit(0);
    }

    memcpy(copy, command_line, sizeof(copy));
    root = find_option(copy, "root");
    mount_root(root != NULL ? root : "/dev/vda");

    if (access(PROGRAMS_DIR, F_OK) == 0
        && mount(PROGRAMS_DIR, PROGRAMS_IN_GUEST, NULL, MS_BIND, NULL) != 0) {
        give_up("cannot show the programs in", PROGRAMS_IN_GUEST);
    }
    if (mount("/dev", ROOT_DIR "/dev", NULL, MS_MOVE, NULL) != 0 || umount("/proc") != 0) {
        give_up("cannot move", "/dev");
    }
    if (chdir(ROOT_DIR) != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0
        || chdir("/") != 0) {
        give_up("cannot enter", ROOT_DIR);
    }
    execl("/sbin/init", "/sbin/init", (char *)NULL);
    give_up("cannot start", "/sbin/init");
    return 1;
}
