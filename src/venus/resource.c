/* SPDX-License-Identifier: MIT */
/*
 * Resources of a context: shared memory that the device attached, and memory objects that became
 * blobs. A resource knows every mapping of its pages in this process, so that `leave` can take all
 * of them off the window before the guest reuses the range.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/checked.h"
#include "os/fd.h"
#include "os/shm.h"
#include "venus/object.h"
#include "venus/ring.h"
#include "venus/state.h"

/*
 * A ring may name a resource a moment before its ATTACH message has been served: the guest sent the
 * message first, but rings and messages are served by different threads. A guest that never
 * attaches it waits this long and is lost.
 */
#define ATTACH_WAIT_S 5

struct resource_object {
    struct pv_base_object object; /* id: the resource id */
    struct pv_venus_resource resource;
};

struct pv_venus_resource *pv_venus_resource_find_locked(struct pv_venus_context *context,
                                                        uint32_t resource_id)
{
    struct pv_base_object *object = pv_base_id_table_find(context->resources, resource_id);

    return object != NULL ? &PV_CONTAINER_OF(object, struct resource_object, object)->resource
                          : NULL;
}

/* The list holds a reference of its own. */
static void link_mapping(struct pv_venus_resource *resource, struct pv_venus_pages *pages)
{
    pages->resource_id = resource->id;
    pages->next_of_resource = resource->mappings;
    resource->mappings = pv_venus_pages_ref(pages);
}

static int add_locked(struct pv_venus_context *context, uint32_t resource_id,
                      struct pv_venus_resource **ret_resource)
{
    struct resource_object *entry;
    int r;

    if (pv_base_id_table_count(context->resources) >= PV_VENUS_RESOURCE_MAX) {
        return -ENOSPC;
    }
    entry = calloc(1, sizeof(*entry));
    if (entry == NULL) {
        return -ENOMEM;
    }
    entry->object.id = resource_id;
    entry->resource.id = resource_id;
    entry->resource.fd = -1;
    r = pv_base_id_table_add(context->resources, &entry->object);
    if (r < 0) {
        free(entry);
        return r;
    }
    entry->resource.next = context->resource_list;
    if (entry->resource.next != NULL) {
        entry->resource.next->previous = &entry->resource;
    }
    context->resource_list = &entry->resource;
    *ret_resource = &entry->resource;
    return 0;
}

/* Freed pages that nobody shows any more are no longer the guest's memory. */
static void give_back_charge(struct pv_venus_pages *pages)
{
    pv_base_account_refund(&pages->account->memory, pages->account_slot, pages->charged_bytes);
    pv_venus_pages_charge(pages, NULL, 0, 0);
}

/* Take a resource off the table and its mappings off the window. */
static int remove_locked(struct pv_venus_context *context, uint32_t resource_id)
{
    struct pv_base_object *object = pv_base_id_table_remove(context->resources, resource_id);
    struct resource_object *entry;
    int r = 0;

    if (object == NULL) {
        return -ENOENT;
    }
    entry = PV_CONTAINER_OF(object, struct resource_object, object);
    while (entry->resource.mappings != NULL) {
        struct pv_venus_pages *pages = entry->resource.mappings;
        const int left = pv_venus_pages_leave(pages);

        r = left < 0 ? left : r;
        if (pages->account == NULL) {
            /* Who paid for them may be through with them; an import, or a ring, may not be. It is
             * no more memory than before, so it is not asked for. */
            pv_base_account_add(&context->account->memory, context->account_slot,
                                pages->size_bytes);
            pv_venus_pages_charge(pages, context->account, context->account_slot,
                                  pages->size_bytes);
        }
        if (pages->is_spare) {
            give_back_charge(pages);
        }
        entry->resource.mappings = pages->next_of_resource;
        pages->next_of_resource = NULL;
        pages->resource_id = 0;
        pv_venus_pages_unref(pages);
    }
    if (entry->resource.owns_fd) {
        pv_os_fd_close(entry->resource.fd);
    }
    if (entry->resource.previous != NULL) {
        entry->resource.previous->next = entry->resource.next;
    } else {
        context->resource_list = entry->resource.next;
    }
    if (entry->resource.next != NULL) {
        entry->resource.next->previous = entry->resource.previous;
    }
    free(entry);
    return r;
}

static int attach_locked(struct pv_venus_context *context, uint32_t resource_id, int fd,
                         uint64_t offset_bytes, uint64_t size_bytes, bool in_window, bool is_shmem)
{
    struct pv_venus_resource *resource;
    int r = add_locked(context, resource_id, &resource);

    if (r < 0) {
        return r;
    }
    resource->is_shmem = is_shmem;
    resource->in_window = in_window;
    resource->offset_bytes = offset_bytes;
    resource->size_bytes = size_bytes;
    resource->fd = in_window ? context->window_fd : pv_os_fd_duplicate(fd);
    resource->owns_fd = !in_window;
    if (resource->fd < 0) {
        r = resource->fd;
        resource->owns_fd = false;
    }
    if (r == 0 && is_shmem) {
        r = pv_venus_pages_create_mapping(resource->fd, offset_bytes, size_bytes, in_window, false,
                                          &resource->shmem);
        if (r == 0) {
            link_mapping(resource, resource->shmem);
            pv_venus_pages_unref(resource->shmem); /* the list's reference is enough */
        }
    }
    if (r < 0) {
        (void)remove_locked(context, resource_id);
    }
    return r;
}

int pv_venus_context_attach(struct pv_venus_context *context, uint32_t resource_id, int fd,
                            uint64_t offset_bytes, uint64_t size_bytes, bool in_window,
                            bool is_shmem)
{
    const uint64_t page_mask = pv_os_page_bytes() - 1;
    uint64_t file_bytes;
    int r;

    if (atomic_load(&context->lost)) {
        return -EIO;
    }
    r = pv_os_shm_size(in_window ? context->window_fd : fd, &file_bytes);
    if (r < 0) {
        return r;
    }
    /* Reading what somebody has cut off a file ends a process. The window is the device's own. */
    if (!in_window && !pv_os_shm_is_sealed(fd)) {
        return -EINVAL;
    }
    if (size_bytes == 0 || (size_bytes & page_mask) != 0 || (offset_bytes & page_mask) != 0
        || !pv_base_range_is_inside(offset_bytes, size_bytes, file_bytes)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&context->resource_lock);
    r = attach_locked(context, resource_id, fd, offset_bytes, size_bytes, in_window, is_shmem);
    pthread_cond_broadcast(&context->resource_added);
    pthread_mutex_unlock(&context->resource_lock);
    return r;
}

int pv_venus_context_leave(struct pv_venus_context *context, uint32_t resource_id)
{
    int r;

    pthread_mutex_lock(&context->resource_lock);
    r = remove_locked(context, resource_id);
    pthread_mutex_unlock(&context->resource_lock);
    return r;
}

struct pv_venus_pages *pv_venus_resource_shmem_ref(struct pv_venus_context *context,
                                                   uint32_t resource_id)
{
    struct pv_venus_resource *resource;
    struct pv_venus_pages *pages = NULL;

    pthread_mutex_lock(&context->resource_lock);
    resource = pv_venus_resource_find_locked(context, resource_id);
    if (resource != NULL && resource->shmem != NULL) {
        pages = pv_venus_pages_ref(resource->shmem);
    }
    pthread_mutex_unlock(&context->resource_lock);
    return pages;
}

struct pv_venus_pages *pv_venus_resource_shmem_await(struct pv_venus_decoder *decoder,
                                                     uint32_t resource_id)
{
    struct pv_venus_context *context = decoder->context;
    struct pv_venus_pages *pages = pv_venus_resource_shmem_ref(context, resource_id);
    struct timespec deadline;
    int r = 0;

    if (pages != NULL || decoder->ring == NULL) {
        return pages;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += ATTACH_WAIT_S;
    pv_venus_batch_end(decoder);
    pthread_mutex_lock(&context->resource_lock);
    decoder->is_awaiting = true;
    decoder->awaited_resource_id = resource_id;
    while (r == 0 && !pv_venus_ring_should_stop(decoder->ring)
           && !atomic_load(&context->stopping)) {
        const struct pv_venus_resource *resource =
            pv_venus_resource_find_locked(context, resource_id);

        if (resource != NULL) {
            pages = resource->shmem != NULL ? pv_venus_pages_ref(resource->shmem) : NULL;
            break;
        }
        r = pthread_cond_timedwait(&context->resource_added, &context->resource_lock, &deadline);
    }
    decoder->is_awaiting = false;
    pthread_mutex_unlock(&context->resource_lock);
    pv_venus_batch_begin(decoder);
    return pages;
}

bool pv_venus_resource_is_awaited(struct pv_venus_decoder *decoder)
{
    struct pv_venus_context *context = decoder->context;
    bool is_awaited;

    pthread_mutex_lock(&context->resource_lock);
    is_awaited = decoder->is_awaiting
                 && pv_venus_resource_find_locked(context, decoder->awaited_resource_id) == NULL;
    pthread_mutex_unlock(&context->resource_lock);
    return is_awaited;
}

static int import_locked(struct pv_venus_context *context, uint32_t resource_id,
                         struct pv_venus_pages **ret_pages)
{
    struct pv_venus_resource *resource = pv_venus_resource_find_locked(context, resource_id);
    int r;

    if (resource == NULL) {
        return -ENOENT;
    }
    if (resource->fd < 0) {
        return -EINVAL;
    }
    r = pv_venus_pages_create_mapping(resource->fd, resource->offset_bytes,
                                      (size_t)resource->size_bytes, resource->in_window,
                                      !resource->in_window, ret_pages);
    if (r == 0) {
        link_mapping(resource, *ret_pages);
    }
    return r;
}

int pv_venus_resource_import(struct pv_venus_context *context, uint32_t resource_id,
                             struct pv_venus_pages **ret_pages)
{
    int r;

    pthread_mutex_lock(&context->resource_lock);
    r = import_locked(context, resource_id, ret_pages);
    pthread_mutex_unlock(&context->resource_lock);
    return r;
}

uint64_t pv_venus_resource_size(struct pv_venus_context *context, uint32_t resource_id)
{
    struct pv_venus_resource *resource;
    uint64_t size_bytes;

    pthread_mutex_lock(&context->resource_lock);
    resource = pv_venus_resource_find_locked(context, resource_id);
    size_bytes = resource != NULL ? resource->size_bytes : 0;
    pthread_mutex_unlock(&context->resource_lock);
    return size_bytes;
}

void pv_venus_resource_release_mapping(struct pv_venus_context *context,
                                       struct pv_venus_pages *pages)
{
    struct pv_venus_resource *resource;

    if (pages == NULL) {
        return;
    }
    pthread_mutex_lock(&context->resource_lock);
    resource =
        pages->resource_id != 0 ? pv_venus_resource_find_locked(context, pages->resource_id) : NULL;
    /* An exported blob's own pages stay with the resource: others may still map them. */
    if (resource != NULL && pages != resource->blob) {
        for (struct pv_venus_pages **link = &resource->mappings; *link != NULL;
             link = &(*link)->next_of_resource) {
            if (*link == pages) {
                *link = pages->next_of_resource;
                pages->next_of_resource = NULL;
                pages->resource_id = 0;
                pv_venus_pages_unref(pages);
                break;
            }
        }
    }
    pthread_mutex_unlock(&context->resource_lock);
    pv_venus_pages_unref(pages);
}

/* Where the pages came off the window, their addresses show private ones since. */
static bool pages_are_usable(const struct pv_venus_pages *pages)
{
    return pages->left ? pages->can_move : !pages->in_window || pages->resource_id != 0;
}

bool pv_venus_resource_retire_pages(struct pv_venus_context *context, struct pv_venus_pages *pages)
{
    bool is_usable;

    pthread_mutex_lock(&context->resource_lock);
    is_usable = pages_are_usable(pages);
    pages->is_spare = is_usable;
    if (is_usable && pages->resource_id == 0) {
        give_back_charge(pages);
    }
    pthread_mutex_unlock(&context->resource_lock);
    return is_usable;
}

bool pv_venus_resource_revive_pages(struct pv_venus_context *context, struct pv_venus_pages *pages,
                                    bool *ret_is_zero)
{
    bool is_usable;

    pthread_mutex_lock(&context->resource_lock);
    is_usable = pages->resource_id == 0 && pages_are_usable(pages);
    if (is_usable) {
        *ret_is_zero = pages->left;
        pages->is_spare = false;
        pages->in_window = false;
        pages->left = false;
        atomic_store_explicit(&pages->is_gone, false, memory_order_relaxed);
    }
    pthread_mutex_unlock(&context->resource_lock);
    return is_usable;
}

int pv_venus_resource_add_blob(struct pv_venus_context *context, uint32_t resource_id,
                               struct pv_venus_pages *pages, uint64_t size_bytes)
{
    struct pv_venus_resource *resource;
    int r;

    pthread_mutex_lock(&context->resource_lock);
    if (pages->left) {
        r = -EINVAL; /* it was a blob once, and the guest gave that up */
    } else {
        r = pages->resource_id != 0 ? -EEXIST : add_locked(context, resource_id, &resource);
    }
    if (r == 0) {
        resource->blob = pages;
        resource->size_bytes = size_bytes;
        resource->offset_bytes = pages->offset_bytes;
        link_mapping(resource, pages);
        if (pages->fd >= 0) {
            resource->fd = pv_os_fd_duplicate(pages->fd);
            resource->owns_fd = resource->fd >= 0;
            r = resource->owns_fd ? 0 : resource->fd;
        }
        if (r < 0) {
            (void)remove_locked(context, resource_id);
        }
    }
    pthread_mutex_unlock(&context->resource_lock);
    return r;
}

static int place_locked(struct pv_venus_context *context, uint32_t resource_id,
                        uint64_t offset_bytes)
{
    struct pv_venus_resource *resource = pv_venus_resource_find_locked(context, resource_id);
    int r;

    if (resource == NULL || resource->blob == NULL) {
        return -ENOENT;
    }
    if (resource->in_window || resource->blob->left) {
        return -EEXIST;
    }
    if (!resource->blob->can_move) {
        return -ENOTSUP;
    }
    if ((offset_bytes & (pv_os_page_bytes() - 1)) != 0
        || !pv_base_range_is_inside(offset_bytes, resource->blob->size_bytes,
                                    context->window_size_bytes)) {
        return -EINVAL;
    }
    r = pv_venus_pages_move(resource->blob, context->window_fd, offset_bytes);
    if (r < 0) {
        return r;
    }
    if (resource->owns_fd) {
        pv_os_fd_close(resource->fd);
        resource->owns_fd = false;
    }
    resource->fd = context->window_fd;
    resource->offset_bytes = offset_bytes;
    resource->in_window = true;
    return 0;
}

int pv_venus_context_place(struct pv_venus_context *context, uint32_t resource_id,
                           uint64_t offset_bytes)
{
    int r;

    if (atomic_load(&context->lost)) {
        return -EIO;
    }
    pthread_mutex_lock(&context->resource_lock);
    r = place_locked(context, resource_id, offset_bytes);
    pthread_mutex_unlock(&context->resource_lock);
    return r;
}

void pv_venus_resource_finish_all(struct pv_venus_context *context)
{
    pthread_mutex_lock(&context->resource_lock);
    while (context->resource_list != NULL) {
        (void)remove_locked(context, context->resource_list->id);
    }
    pthread_mutex_unlock(&context->resource_lock);
}
