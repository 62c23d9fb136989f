/* SPDX-License-Identifier: MIT */
/*
 * Counters and waits of a vtest connection; see sync.h.
 */
#include "vtest/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/id_table.h"
#include "os/clock.h"

struct sync_object {
    struct pv_base_object object;
    uint64_t value;
    struct sync_object *previous;
    struct sync_object *next;
};

struct wait {
    struct wait *next;
    int fd;
    bool any;
    uint64_t expires_ns; /* UINT64_MAX: never */
    size_t count;
    struct pv_vtest_sync_target targets[];
};

struct pv_vtest_syncs {
    struct pv_base_id_table *table;
    struct sync_object *list;
    uint32_t next_id;
    uint32_t sync_count;
    struct wait *waits;
    uint32_t wait_count;
    size_t wait_target_count; /* of all waits */
    bool is_changed;          /* and waits were not looked at */
    size_t work_count;        /* counters of waits that were looked at */
};

int pv_vtest_syncs_create(struct pv_vtest_syncs **ret_syncs)
{
    struct pv_vtest_syncs *syncs = calloc(1, sizeof(*syncs));

    if (syncs == NULL || pv_base_id_table_create(&syncs->table) < 0) {
        free(syncs);
        return -ENOMEM;
    }
    syncs->next_id = 1;
    *ret_syncs = syncs;
    return 0;
}

static void make_readable(int fd)
{
    const uint64_t one = 1;

    /* The counter is 0 and the fd is ours: this cannot fail. */
    if (write(fd, &one, sizeof(one)) < 0) {
        return;
    }
}

static void wait_end(struct pv_vtest_syncs *syncs, struct wait **link)
{
    struct wait *wait = *link;

    *link = wait->next;
    syncs->wait_count--;
    syncs->wait_target_count -= wait->count;
    close(wait->fd);
    free(wait);
}

static struct sync_object *find(const struct pv_vtest_syncs *syncs, uint32_t id)
{
    struct pv_base_object *object = pv_base_id_table_find(syncs->table, id);

    return object != NULL ? PV_CONTAINER_OF(object, struct sync_object, object) : NULL;
}

static void sync_free(struct pv_vtest_syncs *syncs, struct sync_object *sync)
{
    (void)pv_base_id_table_remove(syncs->table, sync->object.id);
    if (sync->previous != NULL) {
        sync->previous->next = sync->next;
    } else {
        syncs->list = sync->next;
    }
    if (sync->next != NULL) {
        sync->next->previous = sync->previous;
    }
    syncs->sync_count--;
    free(sync);
}

void pv_vtest_syncs_destroy(struct pv_vtest_syncs *syncs)
{
    if (syncs == NULL) {
        return;
    }
    while (syncs->waits != NULL) {
        make_readable(syncs->waits->fd);
        wait_end(syncs, &syncs->waits);
    }
    while (syncs->list != NULL) {
        sync_free(syncs, syncs->list);
    }
    pv_base_id_table_destroy(syncs->table);
    free(syncs);
}

int pv_vtest_syncs_add(struct pv_vtest_syncs *syncs, uint64_t value, uint32_t *ret_id)
{
    struct sync_object *sync;
    int r;

    if (syncs->sync_count >= PV_VTEST_SYNC_MAX || syncs->next_id == UINT32_MAX) {
        return -ENOSPC;
    }
    sync = calloc(1, sizeof(*sync));
    if (sync == NULL) {
        return -ENOMEM;
    }
    sync->object.id = syncs->next_id;
    sync->value = value;
    r = pv_base_id_table_add(syncs->table, &sync->object);
    if (r < 0) {
        free(sync);
        return r;
    }
    sync->next = syncs->list;
    if (sync->next != NULL) {
        sync->next->previous = sync;
    }
    syncs->list = sync;
    syncs->sync_count++;
    *ret_id = syncs->next_id++;
    return 0;
}

bool pv_vtest_syncs_read(const struct pv_vtest_syncs *syncs, uint32_t id, uint64_t *ret_value)
{
    const struct sync_object *sync = find(syncs, id);

    if (sync == NULL) {
        return false;
    }
    *ret_value = sync->value;
    return true;
}

/* A counter that has been removed meanwhile holds nobody up. */
static bool is_satisfied(const struct pv_vtest_syncs *syncs, const struct wait *wait)
{
    for (size_t i = 0; i < wait->count; i++) {
        const struct sync_object *sync = find(syncs, wait->targets[i].id);
        const bool reached = sync == NULL || sync->value >= wait->targets[i].value;

        if (reached == wait->any) {
            return wait->any;
        }
    }
    return !wait->any || wait->count == 0;
}

/* End the waits that are over; those that expired are ended unread. */
static void look_at_waits(struct pv_vtest_syncs *syncs)
{
    const uint64_t now_ns = pv_os_clock_now_ns();
    struct wait **link = &syncs->waits;

    syncs->is_changed = false;
    while (*link != NULL) {
        syncs->work_count += 1 + (*link)->count;
        if (is_satisfied(syncs, *link)) {
            make_readable((*link)->fd);
            wait_end(syncs, link);
        } else if ((*link)->expires_ns <= now_ns) {
            wait_end(syncs, link);
        } else {
            link = &(*link)->next;
        }
    }
}

void pv_vtest_syncs_look(struct pv_vtest_syncs *syncs)
{
    if (syncs->is_changed) {
        look_at_waits(syncs);
    }
}

size_t pv_vtest_syncs_take_work(struct pv_vtest_syncs *syncs)
{
    const size_t count = syncs->work_count;

    syncs->work_count = 0;
    return count;
}

bool pv_vtest_syncs_remove(struct pv_vtest_syncs *syncs, uint32_t id)
{
    struct sync_object *sync = find(syncs, id);

    if (sync == NULL) {
        return false;
    }
    pv_vtest_syncs_look(syncs);
    sync_free(syncs, sync);
    look_at_waits(syncs);
    return true;
}

bool pv_vtest_syncs_write(struct pv_vtest_syncs *syncs, uint32_t id, uint64_t value)
{
    struct sync_object *sync = find(syncs, id);

    if (sync == NULL) {
        return false;
    }
    pv_vtest_syncs_look(syncs);
    sync->value = value;
    look_at_waits(syncs);
    return true;
}

void pv_vtest_syncs_write_many(struct pv_vtest_syncs *syncs,
                               const struct pv_vtest_sync_target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sync_object *sync = find(syncs, targets[i].id);

        if (sync != NULL) {
            sync->value = targets[i].value;
        }
    }
    syncs->is_changed = true;
}

int pv_vtest_syncs_wait(struct pv_vtest_syncs *syncs, bool any, uint32_t timeout_ms,
                        const struct pv_vtest_sync_target *targets, size_t count, int *ret_fd)
{
    struct wait *wait;
    int fd;

    for (size_t i = 0; i < count; i++) {
        if (find(syncs, targets[i].id) == NULL) {
            return -ENOENT;
        }
    }
    look_at_waits(syncs);
    if (count > PV_VTEST_WAIT_SYNCS_MAX || syncs->wait_count >= PV_VTEST_WAIT_MAX
        || count > PV_VTEST_WAIT_SYNCS_TOTAL_MAX - syncs->wait_target_count) {
        return -ENOSPC;
    }
    fd = eventfd(0, EFD_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    wait = calloc(1, sizeof(*wait) + count * sizeof(*targets));
    if (wait == NULL) {
        close(fd);
        return -ENOMEM;
    }
    wait->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (wait->fd < 0) {
        free(wait);
        close(fd);
        return -ENOMEM;
    }
    wait->any = any;
    wait->expires_ns = timeout_ms == UINT32_MAX
                           ? UINT64_MAX
                           : pv_os_clock_now_ns() + (uint64_t)timeout_ms * 1000000u;
    wait->count = count;
    if (count > 0) {
        memcpy(wait->targets, targets, count * sizeof(*targets));
    }
    wait->next = syncs->waits;
    syncs->waits = wait;
    syncs->wait_count++;
    syncs->wait_target_count += count;
    look_at_waits(syncs);
    *ret_fd = fd;
    return 0;
}
