/* SPDX-License-Identifier: MIT */
/*
 * What the files of the fake driver share: objects, failures on demand, calls that are remembered.
 */
#ifndef PV_TESTS_FAKE_DRIVER_INSIDE_H
#define PV_TESTS_FAKE_DRIVER_INSIDE_H

#include "support/fake_driver.h"

struct fake_object {
    VkObjectType type;
    bool is_alive;
    bool is_signalled; /* of a fence */
    bool is_held;
    struct fake_object *device; /* NULL: it is one */
    struct fake_object *pool;
    uint64_t size_bytes;
    uint64_t row_bytes; /* of an image */
    void *pages;        /* of imported memory */
    struct fake_object *next;
    struct fake_object *next_in_bucket;
};

#define FROM(handle)     ((struct fake_object *)(uintptr_t)(handle))
#define TO(type, object) ((type)(uintptr_t)(object))

/* With the driver's lock held: */
struct fake_object *fake_object_add(VkObjectType type, struct fake_object *device);
/* Whether a handle may be used in a call of that device; counts it if not. */
bool fake_object_is_good(const struct fake_object *handle, VkObjectType type,
                         const struct fake_object *device);
/* Whether this call is the one that fake_driver_fail_next was about. */
bool fake_driver_fails(const char *function, VkResult *ret_result);

/* Without it: */
bool fake_driver_fails_now(const char *function, VkResult *ret_result);
void fake_object_end(void *handle, VkObjectType type, VkDevice device);
void fake_object_end_children(struct fake_object *pool);
VkResult fake_object_make(const char *function, VkObjectType type, VkDevice device,
                          struct fake_object **ret_object);
void fake_driver_check(uint64_t handle, VkObjectType type, VkDevice device);
void fake_driver_misuse(void);
void fake_driver_record(const char *function, uint32_t count, const uint64_t *values);

/* fake_driver_resources.c, fake_driver_recorded.c: their functions by name, or NULL. */
PFN_vkVoidFunction fake_driver_resource_entry(const char *name);
PFN_vkVoidFunction fake_driver_recorded_entry(const char *name);

/* vkCreateX and vkDestroyX of what needs no more than a handle. */
#define FAKE_DRIVER_PLAIN(Name, Type, type)                                                        \
    static VkResult VKAPI_CALL create_##type(VkDevice device, const Vk##Name##CreateInfo *info,    \
                                             const VkAllocationCallbacks *allocator,               \
                                             Vk##Name *ret_object)                                 \
    {                                                                                              \
        struct fake_object *object;                                                                \
        const VkResult result =                                                                    \
            fake_object_make("vkCreate" #Name, VK_OBJECT_TYPE_##Type, device, &object);            \
                                                                                                   \
        (void)info;                                                                                \
        (void)allocator;                                                                           \
        if (object != NULL) {                                                                      \
            *ret_object = TO(Vk##Name, object);                                                    \
        }                                                                                          \
        return result;                                                                             \
    }                                                                                              \
                                                                                                   \
    static void VKAPI_CALL destroy_##type(VkDevice device, Vk##Name object,                        \
                                          const VkAllocationCallbacks *allocator)                  \
    {                                                                                              \
        (void)allocator;                                                                           \
        fake_object_end(TO(void *, object), VK_OBJECT_TYPE_##Type, device);                        \
    }

#endif
