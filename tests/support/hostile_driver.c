/* SPDX-License-Identifier: MIT */
/*
 * A Vulkan driver that has been taken over: when it is loaded, when an instance is made, and on a
 * thread of its own, it tries to get out of the worker, and says on standard error how that went:
 *
 *   hostile WHEN: refused|DONE: what was tried
 *
 * PV_TEST_HOSTILE names a folder, in which it wants to leave a file, by itself and by running a
 * program, and which holds a socket "listener" that it wants to connect to.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

#include "os/isolation_trial.h"

#define PATH_BYTES 256

__attribute__((visibility("default"))) PFN_vkVoidFunction
vk_icdGetInstanceProcAddr(VkInstance instance, const char *name);
__attribute__((visibility("default"))) VkResult
vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version);

static void say(const char *when, const char *what, long result)
{
    fprintf(stderr, "hostile %s: %s: %s\n", when, result < 0 ? "refused" : "DONE", what);
}

static void connect_to(const char *when, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    /* A path of 100 bytes and more is not made by the test. */
    snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", path);
    say(when, "connect to a socket",
        fd < 0 ? fd : connect(fd, (const struct sockaddr *)&address, sizeof(address)));
    if (fd >= 0) {
        close(fd);
    }
}

/* Run touch(1), in a child, or in our own place if there can be none. */
static void run_program(const char *when, const char *path)
{
    const pid_t child = fork();

    if (child <= 0) {
        execl("/usr/bin/touch", "touch", path, (char *)NULL);
        if (child == 0) {
            _exit(1);
        }
        say(when, "run touch", -1);
    } else {
        (void)waitpid(child, NULL, 0); /* the test looks for its file soon */
    }
}

/* Whether a text stands anywhere in the environment that this process was started with. */
static int find_secret(void)
{
    static char text[1 << 17];
    const int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
    const ssize_t count = fd >= 0 ? read(fd, text, sizeof(text)) : 0;

    if (fd >= 0) {
        close(fd);
    }
    return getenv("SOME_SECRET") != NULL
                   || (count > 0 && memmem(text, (size_t)count, "xyzzy", 5) != NULL)
               ? 0
               : -1;
}

static void attack(const char *when)
{
    const char *folder = getenv("PV_TEST_HOSTILE");
    struct pv_os_isolation_trial trials[PV_OS_ISOLATION_TRIAL_MAX];
    const size_t count = pv_os_isolation_try(getenv("HOME"), trials);
    char path[PATH_BYTES];
    int fd;

    for (size_t i = 0; i < count; i++) {
        say(when, trials[i].name, trials[i].is_refused ? -1 : 0);
    }
    if (folder == NULL) {
        return;
    }
    say(when, "read a secret variable", find_secret());
    snprintf(path, sizeof(path), "%s/written-%s", folder, when);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    say(when, "leave a file", fd);
    snprintf(path, sizeof(path), "%s/listener", folder);
    connect_to(when, path);
    snprintf(path, sizeof(path), "%s/touched-%s", folder, when);
    run_program(when, path);
    fprintf(stderr, "hostile %s: end\n", when);
}

__attribute__((constructor)) static void on_load(void)
{
    attack("load");
}

static void *on_thread(void *user)
{
    attack("thread");
    return user;
}

static VkResult VKAPI_PTR create_instance(const VkInstanceCreateInfo *info,
                                          const VkAllocationCallbacks *allocator,
                                          VkInstance *ret_instance)
{
    pthread_t thread;

    (void)info;
    (void)allocator;
    *ret_instance = VK_NULL_HANDLE;
    attack("call");
    if (pthread_create(&thread, NULL, on_thread, NULL) == 0) {
        pthread_join(thread, NULL);
    }
    return VK_ERROR_INCOMPATIBLE_DRIVER;
}

static VkResult VKAPI_PTR enumerate_extensions(const char *layer, uint32_t *count,
                                               VkExtensionProperties *extensions)
{
    (void)layer;
    (void)extensions;
    *count = 0;
    return VK_SUCCESS;
}

VkResult vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version)
{
    *version = *version < 5 ? *version : 5;
    return VK_SUCCESS;
}

PFN_vkVoidFunction vk_icdGetInstanceProcAddr(VkInstance instance, const char *name)
{
    (void)instance;
    if (strcmp(name, "vkCreateInstance") == 0) {
        return (PFN_vkVoidFunction)create_instance;
    }
    if (strcmp(name, "vkEnumerateInstanceExtensionProperties") == 0) {
        return (PFN_vkVoidFunction)enumerate_extensions;
    }
    return NULL;
}
