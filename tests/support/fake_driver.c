/* SPDX-License-Identifier: MIT */
/*
 * The fake driver's objects and functions; see fake_driver.h. Dead objects stay allocated until
 * finish, so that looking at one is a count and not a crash.
 */
#include "support/fake_driver.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/compiler.h"
#include "support/fake_driver_inside.h"
#include "support/fake_vulkan.h"
#include "vkhost/chain.h"

/* Tests of caps have 65536 objects, and look at each again and again. */
#define BUCKETS 4096u

static struct {
    pthread_mutex_t lock;
    pthread_cond_t signalled;
    struct fake_object *objects;          /* newest first */
    struct fake_object *buckets[BUCKETS]; /* the same by address */
    struct fake_object *held[8192];
    unsigned held_count;
    bool holds;
    bool sticks;
    unsigned misuses;
    void (*on_misuse)(void);
    char failing[64];
    VkResult failure;
    char lacking[64];
    struct {
        const char *function;
        struct fake_driver_call call;
    } calls[64];
    struct fake_driver_submit submit;
} driver = {.lock = PTHREAD_MUTEX_INITIALIZER, .signalled = PTHREAD_COND_INITIALIZER};

void fake_driver_reset(void)
{
    (void)fake_driver_finish();
    pv_fake_vulkan_reset("lavapipe-25.0.7");
}

unsigned fake_driver_finish(void)
{
    unsigned alive = 0;

    while (driver.objects != NULL) {
        struct fake_object *object = driver.objects;

        driver.objects = object->next;
        alive += object->is_alive;
        free(object);
    }
    memset(driver.buckets, 0, sizeof(driver.buckets));
    driver.held_count = 0;
    driver.holds = false;
    driver.sticks = false;
    driver.misuses = 0;
    driver.failing[0] = '\0';
    driver.lacking[0] = '\0';
    memset(driver.calls, 0, sizeof(driver.calls));
    driver.submit = (struct fake_driver_submit){0};
    return alive;
}

unsigned fake_driver_live(VkObjectType type)
{
    unsigned count = 0;

    pthread_mutex_lock(&driver.lock);
    for (const struct fake_object *object = driver.objects; object != NULL; object = object->next) {
        count += object->is_alive && object->type == type;
    }
    pthread_mutex_unlock(&driver.lock);
    return count;
}

unsigned fake_driver_misuses(void)
{
    unsigned misuses;

    pthread_mutex_lock(&driver.lock);
    misuses = driver.misuses;
    pthread_mutex_unlock(&driver.lock);
    return misuses;
}

void fake_driver_fail_next(const char *function, VkResult result)
{
    pthread_mutex_lock(&driver.lock);
    strncpy(driver.failing, function, sizeof(driver.failing) - 1);
    driver.failure = result;
    pthread_mutex_unlock(&driver.lock);
}

void fake_driver_lack(const char *function)
{
    strncpy(driver.lacking, function, sizeof(driver.lacking) - 1);
}

static struct fake_driver_call *call_of(const char *function)
{
    size_t i = 0;

    while (i < PV_ARRAY_LEN(driver.calls) - 1 && driver.calls[i].function != NULL
           && strcmp(driver.calls[i].function, function) != 0) {
        i++;
    }
    driver.calls[i].function = function;
    return &driver.calls[i].call;
}

struct fake_driver_call fake_driver_last_call(const char *function)
{
    struct fake_driver_call call;

    pthread_mutex_lock(&driver.lock);
    call = *call_of(function);
    pthread_mutex_unlock(&driver.lock);
    return call;
}

void fake_driver_record(const char *function, uint32_t count, const uint64_t *values)
{
    struct fake_driver_call *call;

    pthread_mutex_lock(&driver.lock);
    call = call_of(function);
    call->count++;
    memset(call->values, 0, sizeof(call->values));
    memcpy(call->values, values, sizeof(*values) * count);
    pthread_mutex_unlock(&driver.lock);
}

void fake_driver_check(uint64_t handle, VkObjectType type, VkDevice device)
{
    pthread_mutex_lock(&driver.lock);
    (void)fake_object_is_good(FROM(handle), type, FROM(device));
    pthread_mutex_unlock(&driver.lock);
}

bool fake_driver_fails_now(const char *function, VkResult *ret_result)
{
    bool failed;

    pthread_mutex_lock(&driver.lock);
    failed = fake_driver_fails(function, ret_result);
    pthread_mutex_unlock(&driver.lock);
    return failed;
}

void fake_driver_watch_misuses(void (*on_misuse)(void))
{
    driver.on_misuse = on_misuse;
}

void fake_driver_misuse(void)
{
    pthread_mutex_lock(&driver.lock);
    driver.misuses++;
    pthread_mutex_unlock(&driver.lock);
}

void fake_driver_hold_fences(void)
{
    pthread_mutex_lock(&driver.lock);
    driver.holds = true;
    pthread_mutex_unlock(&driver.lock);
}

void fake_driver_stick(bool sticks)
{
    pthread_mutex_lock(&driver.lock);
    driver.sticks = sticks;
    pthread_cond_broadcast(&driver.signalled);
    pthread_mutex_unlock(&driver.lock);
}

unsigned fake_driver_held(void)
{
    unsigned count;

    pthread_mutex_lock(&driver.lock);
    count = driver.held_count;
    pthread_mutex_unlock(&driver.lock);
    return count;
}

unsigned fake_driver_signal(unsigned count)
{
    unsigned done = 0;

    pthread_mutex_lock(&driver.lock);
    while (done < count && driver.held_count > 0) {
        driver.held[0]->is_signalled = true;
        driver.held[0]->is_held = false;
        driver.held_count--;
        memmove(driver.held, driver.held + 1, driver.held_count * sizeof(driver.held[0]));
        done++;
    }
    pthread_cond_broadcast(&driver.signalled);
    pthread_mutex_unlock(&driver.lock);
    return done;
}

struct fake_driver_submit fake_driver_last_submit(void)
{
    struct fake_driver_submit submit;

    pthread_mutex_lock(&driver.lock);
    submit = driver.submit;
    pthread_mutex_unlock(&driver.lock);
    return submit;
}

void *fake_driver_last_import(void)
{
    void *pages = NULL;

    pthread_mutex_lock(&driver.lock);
    for (const struct fake_object *object = driver.objects; object != NULL && pages == NULL;
         object = object->next) {
        pages = object->is_alive ? object->pages : NULL;
    }
    pthread_mutex_unlock(&driver.lock);
    return pages;
}

/* ---- objects; all under the lock ---- */

bool fake_driver_fails(const char *function, VkResult *ret_result)
{
    if (strcmp(driver.failing, function) != 0) {
        return false;
    }
    driver.failing[0] = '\0';
    *ret_result = driver.failure;
    return true;
}

static struct fake_object **bucket_of(const struct fake_object *object)
{
    return &driver.buckets[((uintptr_t)object >> 4) % BUCKETS];
}

struct fake_object *fake_object_add(VkObjectType type, struct fake_object *device)
{
    struct fake_object *object = calloc(1, sizeof(*object));
    struct fake_object **bucket = bucket_of(object);

    if (object == NULL) {
        abort();
    }
    object->type = type;
    object->is_alive = true;
    object->device = device;
    object->next = driver.objects;
    driver.objects = object;
    object->next_in_bucket = *bucket;
    *bucket = object;
    return object;
}

/* Whether a handle may be used in a call of that device; counts it if not. */
bool fake_object_is_good(const struct fake_object *handle, VkObjectType type,
                         const struct fake_object *device)
{
    const struct fake_object *object = *bucket_of(handle);

    while (object != NULL && object != handle) {
        object = object->next_in_bucket;
    }
    if (object == NULL || !object->is_alive || object->type != type || object->device != device) {
        driver.misuses++;
        if (driver.on_misuse != NULL) {
            driver.on_misuse();
        }
        return false;
    }
    return true;
}

static void kill_children(const struct fake_object *parent)
{
    if (parent->type != VK_OBJECT_TYPE_COMMAND_POOL
        && parent->type != VK_OBJECT_TYPE_DESCRIPTOR_POOL) {
        return;
    }
    for (struct fake_object *object = driver.objects; object != NULL; object = object->next) {
        if (object->pool == parent) {
            object->is_alive = false;
        }
    }
}

void fake_object_end(void *handle, VkObjectType type, VkDevice device)
{
    pthread_mutex_lock(&driver.lock);
    if (handle != NULL && fake_object_is_good(FROM(handle), type, FROM(device))) {
        FROM(handle)->is_alive = false;
        kill_children(FROM(handle));
    }
    pthread_mutex_unlock(&driver.lock);
}

VkResult fake_object_make(const char *function, VkObjectType type, VkDevice device,
                          struct fake_object **ret_object)
{
    VkResult result = VK_SUCCESS;

    pthread_mutex_lock(&driver.lock);
    *ret_object = NULL;
    if (!fake_driver_fails(function, &result)) {
        if (fake_object_is_good(FROM(device), VK_OBJECT_TYPE_DEVICE, NULL)) {
            *ret_object = fake_object_add(type, FROM(device));
        } else {
            result = VK_ERROR_UNKNOWN;
        }
    }
    pthread_mutex_unlock(&driver.lock);
    return result;
}

void fake_object_end_children(struct fake_object *pool)
{
    pthread_mutex_lock(&driver.lock);
    kill_children(pool);
    pthread_mutex_unlock(&driver.lock);
}

/* ---- devices and queues ---- */

static VkResult VKAPI_CALL create_device(VkPhysicalDevice physical_device,
                                         const VkDeviceCreateInfo *info,
                                         const VkAllocationCallbacks *allocator, VkDevice *device)
{
    VkResult result = VK_SUCCESS;

    (void)physical_device;
    (void)info;
    (void)allocator;
    pthread_mutex_lock(&driver.lock);
    if (!fake_driver_fails("vkCreateDevice", &result)) {
        struct fake_object *object = fake_object_add(VK_OBJECT_TYPE_DEVICE, NULL);

        *device = TO(VkDevice, object);
        fake_object_add(VK_OBJECT_TYPE_QUEUE, object);
    }
    pthread_mutex_unlock(&driver.lock);
    return result;
}

static void VKAPI_CALL destroy_device(VkDevice device, const VkAllocationCallbacks *allocator)
{
    (void)allocator;
    pthread_mutex_lock(&driver.lock);
    if (fake_object_is_good(FROM(device), VK_OBJECT_TYPE_DEVICE, NULL)) {
        FROM(device)->is_alive = false;
        for (struct fake_object *object = driver.objects; object != NULL; object = object->next) {
            if (object->device == FROM(device) && object->is_alive) {
                /* Vulkan wants all children gone, queues apart. */
                driver.misuses += object->type != VK_OBJECT_TYPE_QUEUE;
                object->is_alive = false;
            }
        }
    }
    pthread_mutex_unlock(&driver.lock);
}

static void VKAPI_CALL get_queue2(VkDevice device, const VkDeviceQueueInfo2 *info, VkQueue *queue)
{
    *queue = VK_NULL_HANDLE;
    pthread_mutex_lock(&driver.lock);
    for (struct fake_object *object = driver.objects; object != NULL; object = object->next) {
        if (object->type == VK_OBJECT_TYPE_QUEUE && object->device == FROM(device)
            && info->queueFamilyIndex == 0 && info->queueIndex == 0) {
            *queue = TO(VkQueue, object);
        }
    }
    pthread_mutex_unlock(&driver.lock);
}

static bool has_held_fence(const struct fake_object *device)
{
    for (unsigned i = 0; i < driver.held_count; i++) {
        if (driver.held[i]->device == device) {
            return true;
        }
    }
    return false;
}

static VkResult VKAPI_CALL wait_idle(VkDevice device)
{
    bool sticks;

    pthread_mutex_lock(&driver.lock);
    while (driver.sticks && has_held_fence(FROM(device))) {
        (void)pthread_cond_wait(&driver.signalled, &driver.lock);
    }
    sticks = driver.sticks;
    pthread_mutex_unlock(&driver.lock);
    if (!sticks) {
        (void)fake_driver_signal(UINT32_MAX);
    }
    return VK_SUCCESS;
}

static void values_record(uint64_t *to, const uint64_t *values, uint32_t count)
{
    if (count > 0) {
        memcpy(to, values,
               sizeof(*to) * (count < FAKE_DRIVER_LIST_MAX ? count : FAKE_DRIVER_LIST_MAX));
    }
}

static void submit_record(const VkSubmitInfo *info)
{
    const VkTimelineSemaphoreSubmitInfo *values =
        pv_vkhost_chain_find(info, VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO);

    driver.submit = (struct fake_driver_submit){
        .wait_count = info->waitSemaphoreCount,
        .signal_count = info->signalSemaphoreCount,
        .command_buffer_count = info->commandBufferCount,
        .wait_value_count = values != NULL ? values->waitSemaphoreValueCount : 0,
        .signal_value_count = values != NULL ? values->signalSemaphoreValueCount : 0,
        .has_group = pv_vkhost_chain_find(info, VK_STRUCTURE_TYPE_DEVICE_GROUP_SUBMIT_INFO) != NULL,
    };
    for (uint32_t i = 0; i < info->waitSemaphoreCount && i < FAKE_DRIVER_LIST_MAX; i++) {
        driver.submit.stages[i] = info->pWaitDstStageMask[i];
    }
    if (values != NULL) {
        values_record(driver.submit.wait_values, values->pWaitSemaphoreValues,
                      values->waitSemaphoreValueCount);
        values_record(driver.submit.signal_values, values->pSignalSemaphoreValues,
                      values->signalSemaphoreValueCount);
    }
}

static VkResult VKAPI_CALL queue_submit(VkQueue queue, uint32_t count, const VkSubmitInfo *infos,
                                        VkFence fence)
{
    const struct fake_object *device = FROM(queue)->device;
    VkResult result = VK_SUCCESS;

    pthread_mutex_lock(&driver.lock);
    (void)fake_object_is_good(FROM(queue), VK_OBJECT_TYPE_QUEUE, device);
    if (fake_driver_fails("vkQueueSubmit", &result)) {
        pthread_mutex_unlock(&driver.lock);
        return result;
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < infos[i].waitSemaphoreCount; k++) {
            (void)fake_object_is_good(FROM(infos[i].pWaitSemaphores[k]), VK_OBJECT_TYPE_SEMAPHORE,
                                      device);
        }
        for (uint32_t k = 0; k < infos[i].commandBufferCount; k++) {
            (void)fake_object_is_good(FROM(infos[i].pCommandBuffers[k]),
                                      VK_OBJECT_TYPE_COMMAND_BUFFER, device);
        }
        submit_record(&infos[i]);
    }
    if (fence != VK_NULL_HANDLE && fake_object_is_good(FROM(fence), VK_OBJECT_TYPE_FENCE, device)) {
        if (driver.holds && driver.held_count < PV_ARRAY_LEN(driver.held)) {
            driver.held[driver.held_count++] = FROM(fence);
            FROM(fence)->is_held = true;
        } else {
            FROM(fence)->is_signalled = true;
            pthread_cond_broadcast(&driver.signalled);
        }
    }
    pthread_mutex_unlock(&driver.lock);
    return VK_SUCCESS;
}

/* ---- fences ---- */

static VkResult VKAPI_CALL create_fence(VkDevice device, const VkFenceCreateInfo *info,
                                        const VkAllocationCallbacks *allocator, VkFence *fence)
{
    struct fake_object *object;
    const VkResult result =
        fake_object_make("vkCreateFence", VK_OBJECT_TYPE_FENCE, device, &object);

    (void)allocator;
    if (object != NULL) {
        object->is_signalled = (info->flags & VK_FENCE_CREATE_SIGNALED_BIT) != 0;
        *fence = TO(VkFence, object);
    }
    return result;
}

static VkResult VKAPI_CALL reset_fences(VkDevice device, uint32_t count, const VkFence *fences)
{
    VkResult result = VK_SUCCESS;

    pthread_mutex_lock(&driver.lock);
    if (fake_driver_fails("vkResetFences", &result)) {
        pthread_mutex_unlock(&driver.lock);
        return result;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (fake_object_is_good(FROM(fences[i]), VK_OBJECT_TYPE_FENCE, FROM(device))) {
            driver.misuses += FROM(fences[i])->is_held; /* pending: Vulkan forbids it */
            FROM(fences[i])->is_signalled = false;
        }
    }
    pthread_mutex_unlock(&driver.lock);
    return VK_SUCCESS;
}

static VkResult VKAPI_CALL fence_status(VkDevice device, VkFence fence)
{
    VkResult result = VK_ERROR_UNKNOWN;

    pthread_mutex_lock(&driver.lock);
    if (fake_object_is_good(FROM(fence), VK_OBJECT_TYPE_FENCE, FROM(device))) {
        result = FROM(fence)->is_signalled ? VK_SUCCESS : VK_NOT_READY;
    }
    pthread_mutex_unlock(&driver.lock);
    return result;
}

static VkResult VKAPI_CALL wait_fences(VkDevice device, uint32_t count, const VkFence *fences,
                                       VkBool32 all, uint64_t timeout_ns)
{
    struct timespec deadline;
    VkResult result;
    int r = 0;

    (void)all; /* of one, here */
    if (fake_driver_fails_now("vkWaitForFences", &result)) {
        return result;
    }
    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    timeout_ns += (uint64_t)deadline.tv_nsec;
    deadline.tv_sec += (time_t)(timeout_ns / 1000000000u);
    deadline.tv_nsec = (long)(timeout_ns % 1000000000u);
    pthread_mutex_lock(&driver.lock);
    for (uint32_t i = 0; i < count && r == 0; i++) {
        if (!fake_object_is_good(FROM(fences[i]), VK_OBJECT_TYPE_FENCE, FROM(device))) {
            pthread_mutex_unlock(&driver.lock);
            return VK_ERROR_UNKNOWN;
        }
        while (!FROM(fences[i])->is_signalled && r == 0) {
            r = pthread_cond_timedwait(&driver.signalled, &driver.lock, &deadline);
        }
    }
    pthread_mutex_unlock(&driver.lock);
    return r == ETIMEDOUT ? VK_TIMEOUT : VK_SUCCESS;
}

static void VKAPI_CALL destroy_fence(VkDevice device, VkFence fence,
                                     const VkAllocationCallbacks *allocator)
{
    (void)allocator;
    fake_object_end(TO(void *, fence), VK_OBJECT_TYPE_FENCE, device);
}

/* ---- memory and buffers ---- */

static VkResult VKAPI_CALL allocate_memory(VkDevice device, const VkMemoryAllocateInfo *info,
                                           const VkAllocationCallbacks *allocator,
                                           VkDeviceMemory *memory)
{
    const VkImportMemoryHostPointerInfoEXT *import =
        pv_vkhost_chain_find(info, VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT);
    struct fake_object *object;
    const VkResult result =
        fake_object_make("vkAllocateMemory", VK_OBJECT_TYPE_DEVICE_MEMORY, device, &object);

    (void)allocator;
    if (object != NULL) {
        pthread_mutex_lock(&driver.lock);
        object->size_bytes = info->allocationSize;
        object->pages = import != NULL ? import->pHostPointer : NULL;
        pthread_mutex_unlock(&driver.lock);
        *memory = TO(VkDeviceMemory, object);
    }
    return result;
}

static void VKAPI_CALL free_memory(VkDevice device, VkDeviceMemory memory,
                                   const VkAllocationCallbacks *allocator)
{
    (void)allocator;
    fake_object_end(TO(void *, memory), VK_OBJECT_TYPE_DEVICE_MEMORY, device);
}

static VkResult VKAPI_CALL create_buffer(VkDevice device, const VkBufferCreateInfo *info,
                                         const VkAllocationCallbacks *allocator, VkBuffer *buffer)
{
    struct fake_object *object;
    const VkResult result =
        fake_object_make("vkCreateBuffer", VK_OBJECT_TYPE_BUFFER, device, &object);

    (void)allocator;
    if (object != NULL) {
        object->size_bytes = info->size;
        *buffer = TO(VkBuffer, object);
    }
    return result;
}

static void VKAPI_CALL destroy_buffer(VkDevice device, VkBuffer buffer,
                                      const VkAllocationCallbacks *allocator)
{
    (void)allocator;
    fake_object_end(TO(void *, buffer), VK_OBJECT_TYPE_BUFFER, device);
}

static void VKAPI_CALL buffer_requirements(VkDevice device, VkBuffer buffer,
                                           VkMemoryRequirements *requirements)
{
    pthread_mutex_lock(&driver.lock);
    if (fake_object_is_good(FROM(buffer), VK_OBJECT_TYPE_BUFFER, FROM(device))) {
        *requirements = (VkMemoryRequirements){
            .size = FROM(buffer)->size_bytes,
            .alignment = 64,
            .memoryTypeBits = 1,
        };
    }
    pthread_mutex_unlock(&driver.lock);
}

static VkResult VKAPI_CALL bind_buffer(VkDevice device, VkBuffer buffer, VkDeviceMemory memory,
                                       VkDeviceSize offset_bytes)
{
    pthread_mutex_lock(&driver.lock);
    if (fake_object_is_good(FROM(buffer), VK_OBJECT_TYPE_BUFFER, FROM(device))
        && fake_object_is_good(FROM(memory), VK_OBJECT_TYPE_DEVICE_MEMORY, FROM(device))) {
        /* A real driver would write past the end. */
        driver.misuses += offset_bytes > FROM(memory)->size_bytes
                          || FROM(buffer)->size_bytes > FROM(memory)->size_bytes - offset_bytes;
    }
    pthread_mutex_unlock(&driver.lock);
    return VK_SUCCESS;
}

/* ---- semaphores, pools and what needs no more than a handle ---- */

FAKE_DRIVER_PLAIN(Semaphore, SEMAPHORE, semaphore)
FAKE_DRIVER_PLAIN(CommandPool, COMMAND_POOL, command_pool)
FAKE_DRIVER_PLAIN(PipelineCache, PIPELINE_CACHE, pipeline_cache)

static VkResult VKAPI_CALL allocate_command_buffers(VkDevice device,
                                                    const VkCommandBufferAllocateInfo *info,
                                                    VkCommandBuffer *buffers)
{
    VkResult result = VK_SUCCESS;

    pthread_mutex_lock(&driver.lock);
    if (!fake_driver_fails("vkAllocateCommandBuffers", &result)) {
        (void)fake_object_is_good(FROM(info->commandPool), VK_OBJECT_TYPE_COMMAND_POOL,
                                  FROM(device));
        for (uint32_t i = 0; i < info->commandBufferCount; i++) {
            struct fake_object *object =
                fake_object_add(VK_OBJECT_TYPE_COMMAND_BUFFER, FROM(device));

            object->pool = FROM(info->commandPool);
            buffers[i] = TO(VkCommandBuffer, object);
        }
    }
    pthread_mutex_unlock(&driver.lock);
    return result;
}

static void VKAPI_CALL free_command_buffers(VkDevice device, VkCommandPool pool, uint32_t count,
                                            const VkCommandBuffer *buffers)
{
    pthread_mutex_lock(&driver.lock);
    for (uint32_t i = 0; i < count; i++) {
        if (buffers[i] != VK_NULL_HANDLE
            && fake_object_is_good(FROM(buffers[i]), VK_OBJECT_TYPE_COMMAND_BUFFER, FROM(device))) {
            driver.misuses += FROM(buffers[i])->pool != FROM(pool);
            FROM(buffers[i])->is_alive = false;
        }
    }
    pthread_mutex_unlock(&driver.lock);
}

/* ---- entry points ---- */

static PFN_vkVoidFunction VKAPI_CALL get_device_proc(VkDevice device, const char *name)
{
    (void)device;
    return fake_driver_entry(NULL, name);
}

PFN_vkVoidFunction VKAPI_CALL fake_driver_entry(VkInstance instance, const char *name)
{
    static const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } functions[] = {
        {"vkCreateDevice", (PFN_vkVoidFunction)create_device},
        {"vkGetDeviceProcAddr", (PFN_vkVoidFunction)get_device_proc},
        {"vkDestroyDevice", (PFN_vkVoidFunction)destroy_device},
        {"vkGetDeviceQueue2", (PFN_vkVoidFunction)get_queue2},
        {"vkDeviceWaitIdle", (PFN_vkVoidFunction)wait_idle},
        {"vkQueueSubmit", (PFN_vkVoidFunction)queue_submit},
        {"vkCreateFence", (PFN_vkVoidFunction)create_fence},
        {"vkDestroyFence", (PFN_vkVoidFunction)destroy_fence},
        {"vkResetFences", (PFN_vkVoidFunction)reset_fences},
        {"vkGetFenceStatus", (PFN_vkVoidFunction)fence_status},
        {"vkWaitForFences", (PFN_vkVoidFunction)wait_fences},
        {"vkAllocateMemory", (PFN_vkVoidFunction)allocate_memory},
        {"vkFreeMemory", (PFN_vkVoidFunction)free_memory},
        {"vkCreateBuffer", (PFN_vkVoidFunction)create_buffer},
        {"vkDestroyBuffer", (PFN_vkVoidFunction)destroy_buffer},
        {"vkGetBufferMemoryRequirements", (PFN_vkVoidFunction)buffer_requirements},
        {"vkBindBufferMemory", (PFN_vkVoidFunction)bind_buffer},
        {"vkCreateSemaphore", (PFN_vkVoidFunction)create_semaphore},
        {"vkDestroySemaphore", (PFN_vkVoidFunction)destroy_semaphore},
        {"vkCreateCommandPool", (PFN_vkVoidFunction)create_command_pool},
        {"vkDestroyCommandPool", (PFN_vkVoidFunction)destroy_command_pool},
        {"vkAllocateCommandBuffers", (PFN_vkVoidFunction)allocate_command_buffers},
        {"vkFreeCommandBuffers", (PFN_vkVoidFunction)free_command_buffers},
        {"vkCreatePipelineCache", (PFN_vkVoidFunction)create_pipeline_cache},
        {"vkDestroyPipelineCache", (PFN_vkVoidFunction)destroy_pipeline_cache},
    };

    if (strcmp(driver.lacking, name) == 0) {
        return NULL;
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(functions); i++) {
        if (strcmp(functions[i].name, name) == 0) {
            return functions[i].function;
        }
    }
    if (fake_driver_resource_entry(name) != NULL) {
        return fake_driver_resource_entry(name);
    }
    if (fake_driver_recorded_entry(name) != NULL) {
        return fake_driver_recorded_entry(name);
    }
    return pv_fake_vulkan_entry(instance, name);
}
