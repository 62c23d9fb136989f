/* SPDX-License-Identifier: MIT */
/*
 * The entry point; see inject_vulkan.h. A function of the driver gets a slot, and each slot a
 * function of its own here that hands six words on: in the C calling conventions of the 64-bit
 * hosts that we run on, arguments of up to 64 bits travel in registers, and those that a function
 * does not have do no harm.
 */
#include "support/inject_vulkan.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "support/inject.h"

#define SLOTS_MAX 64

typedef uint64_t word;
typedef VkResult(VKAPI_CALL *six_words)(word a, word b, word c, word d, word e, word f);

static struct {
    pthread_mutex_t lock;
    PFN_vkGetInstanceProcAddr driver;
    PFN_vkGetDeviceProcAddr device_driver;
    size_t count;
    struct slot {
        PFN_vkVoidFunction function;
        char name[64];
        bool may_lose;
    } slots[SLOTS_MAX];
} vulkan = {.lock = PTHREAD_MUTEX_INITIALIZER};

static VkResult call(size_t index, word a, word b, word c, word d, word e, word f)
{
    const struct slot *slot = &vulkan.slots[index];
    const void *caller = __builtin_return_address(0);

    if (inject_fails(INJECT_VULKAN, slot->name, caller)) {
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    }
    if (slot->may_lose && inject_fails(INJECT_LOST, slot->name, caller)) {
        return VK_ERROR_DEVICE_LOST;
    }
    return ((six_words)slot->function)(a, b, c, d, e, f);
}

#define THUNK(n)                                                                                   \
    static VkResult VKAPI_CALL thunk_##n(word a, word b, word c, word d, word e, word f)           \
    {                                                                                              \
        return call(0##n, a, b, c, d, e, f);                                                       \
    }
/* Numbers are octal: two digits name all 64. */
#define ROW(do, n)                                                                                 \
    do                                                                                             \
    (n##0) do(n##1) do(n##2) do(n##3) do(n##4) do(n##5) do(n##6) do(n##7)
#define ALL(do)                                                                                    \
    ROW(do, 0) ROW(do, 1) ROW(do, 2) ROW(do, 3) ROW(do, 4) ROW(do, 5) ROW(do, 6) ROW(do, 7)

ALL(THUNK)

#define NAMED(n) thunk_##n,
static const six_words thunks[SLOTS_MAX] = {ALL(NAMED)};

/* Functions that return a VkResult and have at most six arguments, by the beginnings of names. */
static bool is_counted(const char *name)
{
    static const char *const beginnings[] = {
        "vkCreateInstance",
        "vkCreateDevice",
        "vkEnumerate",
        "vkCreate",
        "vkAllocate",
        "vkBind",
        "vkQueueSubmit",
        "vkQueueWaitIdle",
        "vkDeviceWaitIdle",
        "vkWaitForFences",
        "vkResetFences",
        "vkGetFenceStatus",
        "vkWaitSemaphores",
        "vkSignalSemaphore",
        "vkMapMemory",
        "vkBeginCommandBuffer",
        "vkEndCommandBuffer",
        "vkResetCommandPool",
        "vkResetCommandBuffer",
        "vkGetMemoryHostPointerPropertiesEXT",
        "vkGetSemaphoreCounterValue",
        "vkFlushMapped",
    };

    for (size_t i = 0; i < PV_ARRAY_LEN(beginnings); i++) {
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool may_lose(const char *name)
{
    return strncmp(name, "vkQueue", 7) == 0 || strncmp(name, "vkWait", 6) == 0
           || strcmp(name, "vkDeviceWaitIdle") == 0 || strcmp(name, "vkGetFenceStatus") == 0
           || strcmp(name, "vkCreateDevice") == 0
           || strcmp(name, "vkGetSemaphoreCounterValue") == 0;
}

/* The function of ours for one of the driver's; the driver's own when there are no slots left. */
static PFN_vkVoidFunction stand_in(PFN_vkVoidFunction function, const char *name)
{
    size_t i = 0;

    if (function == NULL || !is_counted(name)) {
        return function;
    }
    pthread_mutex_lock(&vulkan.lock);
    while (i < vulkan.count
           && (vulkan.slots[i].function != function || strcmp(vulkan.slots[i].name, name) != 0)) {
        i++;
    }
    if (i == vulkan.count && i < SLOTS_MAX && strlen(name) < sizeof(vulkan.slots[i].name)) {
        vulkan.slots[i].function = function;
        memcpy(vulkan.slots[i].name, name, strlen(name) + 1);
        vulkan.slots[i].may_lose = may_lose(name);
        vulkan.count++;
    }
    if (i < vulkan.count) {
        function = (PFN_vkVoidFunction)thunks[i];
    }
    pthread_mutex_unlock(&vulkan.lock);
    return function;
}

static PFN_vkVoidFunction VKAPI_CALL device_entry(VkDevice device, const char *name)
{
    return stand_in(vulkan.device_driver(device, name), name);
}

void inject_vulkan_set_driver(PFN_vkGetInstanceProcAddr driver)
{
    vulkan.driver = driver;
}

PFN_vkVoidFunction VKAPI_CALL inject_vulkan_entry(VkInstance instance, const char *name)
{
    const PFN_vkVoidFunction function = vulkan.driver(instance, name);

    if (function != NULL && strcmp(name, "vkGetDeviceProcAddr") == 0) {
        vulkan.device_driver = (PFN_vkGetDeviceProcAddr)function;
        return (PFN_vkVoidFunction)device_entry;
    }
    return stand_in(function, name);
}
