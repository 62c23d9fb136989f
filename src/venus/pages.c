/* SPDX-License-Identifier: MIT */
/*
 * Mappings of shared memory at fixed addresses; see pages.h.
 */
#include "venus/pages.h"

#include <errno.h>
#include <stdlib.h>

#include "os/fd.h"
#include "os/shm.h"
#include "os/write_guard.h"

int pv_venus_pages_create_private(size_t size_bytes, struct pv_venus_pages **ret_pages)
{
    struct pv_venus_pages *pages = calloc(1, sizeof(*pages));
    int r;

    if (pages == NULL) {
        return -ENOMEM;
    }
    r = pv_os_shm_reserve(size_bytes, &pages->memory);
    if (r < 0) {
        free(pages);
        return r;
    }
    atomic_init(&pages->references, 1);
    pages->size_bytes = size_bytes;
    pages->fd = -1;
    *ret_pages = pages;
    return 0;
}

int pv_venus_pages_create_file(size_t size_bytes, struct pv_venus_pages **ret_pages)
{
    int fd;
    int r = pv_os_shm_create("pearvisor-memory", size_bytes, &fd);

    if (r < 0) {
        return r;
    }
    r = pv_venus_pages_create_mapping(fd, 0, size_bytes, false, false, ret_pages);
    if (r < 0) {
        pv_os_fd_close(fd);
        return r;
    }
    (*ret_pages)->owns_fd = true;
    return 0;
}

int pv_venus_pages_create_mapping(int fd, uint64_t offset_bytes, size_t size_bytes, bool in_window,
                                  bool owns_fd, struct pv_venus_pages **ret_pages)
{
    struct pv_venus_pages *pages;
    int r = pv_venus_pages_create_private(size_bytes, &pages);

    if (r < 0) {
        return r;
    }
    r = pv_os_shm_replace(pages->memory, size_bytes, fd, offset_bytes);
    if (r == 0 && owns_fd) {
        fd = pv_os_fd_duplicate(fd);
        r = fd < 0 ? fd : 0;
    }
    if (r < 0) {
        pv_venus_pages_unref(pages);
        return r;
    }
    pages->fd = fd;
    pages->offset_bytes = offset_bytes;
    pages->owns_fd = owns_fd;
    pages->in_window = in_window;
    *ret_pages = pages;
    return 0;
}

struct pv_venus_pages *pv_venus_pages_ref(struct pv_venus_pages *pages)
{
    atomic_fetch_add_explicit(&pages->references, 1, memory_order_relaxed);
    return pages;
}

void pv_venus_pages_charge(struct pv_venus_pages *pages, struct pv_base_account *account,
                           uint32_t slot, uint64_t charged_bytes)
{
    pages->account = account;
    pages->account_slot = slot;
    pages->charged_bytes = charged_bytes;
}

void pv_venus_pages_unref(struct pv_venus_pages *pages)
{
    if (pages == NULL
        || atomic_fetch_sub_explicit(&pages->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    pv_os_shm_release(pages->memory, pages->size_bytes);
    if (pages->owns_fd) {
        pv_os_fd_close(pages->fd);
    }
    if (pages->account != NULL) {
        pv_base_account_refund(&pages->account->memory, pages->account_slot, pages->charged_bytes);
    }
    free(pages);
}

int pv_venus_pages_move(struct pv_venus_pages *pages, int window_fd, uint64_t offset_bytes)
{
    const int r = pv_os_write_guard_move(pages->memory, pages->size_bytes, window_fd, offset_bytes);

    if (r < 0) {
        return r;
    }
    if (pages->owns_fd) {
        pv_os_fd_close(pages->fd);
        pages->owns_fd = false;
    }
    pages->fd = window_fd;
    pages->offset_bytes = offset_bytes;
    pages->in_window = true;
    return 0;
}

int pv_venus_pages_leave(struct pv_venus_pages *pages)
{
    int r;

    if (!pages->in_window || pages->left) {
        return 0;
    }
    /* Before the bytes change, for pv_venus_pages_are_gone. */
    atomic_store_explicit(&pages->is_gone, true, memory_order_seq_cst);
    r = pv_os_shm_replace_private(pages->memory, pages->size_bytes);
    if (r == 0) {
        /* The range is somebody else's from now on: nothing here may name it any more. */
        pages->left = true;
        pages->fd = -1;
        pages->offset_bytes = 0;
    }
    return r;
}
