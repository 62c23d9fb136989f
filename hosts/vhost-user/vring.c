/* SPDX-License-Identifier: MIT */
/*
 * One vring; see vring.h. Doorbells come from the front end and may be anything that is a file
 * descriptor: they are made non-blocking, and one that cannot be watched costs its queue only.
 */
#include "vhost-user/vring.h"

#include <errno.h>
#include <string.h>

#include "os/event.h"
#include "os/socket.h"
#include "vhost-user/host_internal.h"

/* How long until a request is tried again that there was no memory for. */
#define MEMORY_RETRY_NS UINT64_C(10000000)

static void process(struct pv_vhost_user_vring *vring)
{
    if (pv_virtio_queue_process(vring->queue)) {
        pv_os_timer_set(vring->turn_timer,
                        pv_virtio_queue_is_short_of_memory(vring->queue) ? MEMORY_RETRY_NS : 0);
    }
}

static void on_kick(void *user, uint32_t events)
{
    struct pv_vhost_user_vring *vring = user;

    if ((events & PV_OS_LOOP_READ) == 0 || !pv_os_event_drain(vring->kick_fd)) {
        /* Its other end is gone; a socket would go on being readable for ever. */
        pv_os_source_remove(vring->kick_source);
        vring->kick_source = NULL;
    }
    process(vring);
}

/* How long until a doorbell is tried again that the kernel had no memory to watch. */
#define KICK_RETRY_NS UINT64_C(100000000)

static void watch_kick(struct pv_vhost_user_vring *vring)
{
    const int r = pv_os_loop_add(vring->loop, vring->kick_fd, PV_OS_LOOP_READ, on_kick, vring,
                                 &vring->kick_source);

    vring->must_watch_kick = r == -ENOMEM || r == -ENOSPC;
    if (r < 0) {
        vring->kick_source = NULL;
        pv_base_log_guest(vring->log, "vhost-user.vring", PV_BASE_LOG_WARN,
                          "queue %u: the doorbell that the front end gave cannot be watched%s",
                          vring->index, vring->must_watch_kick ? " yet" : "");
    }
}

/* More elements wait, or a doorbell must be watched that may have rung meanwhile. */
static void on_turn(void *user)
{
    struct pv_vhost_user_vring *vring = user;

    if (vring->must_watch_kick) {
        watch_kick(vring);
    }
    process(vring);
    if (vring->must_watch_kick) {
        pv_os_timer_set(vring->turn_timer, KICK_RETRY_NS);
    }
}

static void on_element(void *user, uint32_t queue_index, struct pv_virtio_element *element)
{
    struct pv_vhost_user_vring *vring = user;

    pv_vhost_user_host_take_element(vring->host, queue_index, element);
}

static void on_interrupt(void *user, uint32_t queue_index)
{
    struct pv_vhost_user_vring *vring = user;

    (void)queue_index;
    if (vring->call_fd >= 0) {
        pv_os_event_signal(vring->call_fd);
    }
}

static void on_broken(void *user, uint32_t queue_index)
{
    struct pv_vhost_user_vring *vring = user;

    (void)queue_index;
    if (vring->err_fd >= 0) {
        pv_os_event_signal(vring->err_fd);
    }
}

static const struct pv_virtio_queue_ops queue_ops = {
    .element = on_element,
    .interrupt = on_interrupt,
    .broken = on_broken,
};

int pv_vhost_user_vring_init(struct pv_vhost_user_vring *vring, struct pv_vhost_user_host *host,
                             struct pv_os_loop *loop, struct pv_base_log *log,
                             struct pv_guestmem_space *space, uint32_t index)
{
    int r;

    *vring = (struct pv_vhost_user_vring){
        .host = host,
        .index = index,
        .kick_fd = -1,
        .call_fd = -1,
        .err_fd = -1,
        .loop = loop,
        .log = log,
        .space = space,
    };
    r = pv_virtio_queue_create(log, space, &queue_ops, vring, index, &vring->queue);
    if (r == 0) {
        r = pv_os_timer_create(loop, on_turn, vring, &vring->turn_timer);
    }
    return r;
}

void pv_vhost_user_vring_finish(struct pv_vhost_user_vring *vring)
{
    if (vring->loop == NULL) {
        return;
    }
    pv_vhost_user_vring_stop(vring);
    pv_os_timer_destroy(vring->turn_timer);
    pv_virtio_queue_destroy(vring->queue);
    pv_os_fds_close(&vring->kick_fd, 1);
    pv_os_fds_close(&vring->call_fd, 1);
    pv_os_fds_close(&vring->err_fd, 1);
    memset(vring, 0, sizeof(*vring));
}

static void replace_fd(int *fd, int new_fd)
{
    pv_os_fds_close(fd, 1);
    *fd = new_fd;
    if (new_fd >= 0 && pv_os_event_prepare(new_fd) < 0) {
        pv_os_fds_close(fd, 1);
        *fd = -1;
    }
}

void pv_vhost_user_vring_set_kick(struct pv_vhost_user_vring *vring, int fd)
{
    pv_os_source_remove(vring->kick_source);
    vring->kick_source = NULL;
    vring->must_watch_kick = false;
    replace_fd(&vring->kick_fd, fd);
    if (vring->is_running && vring->kick_fd >= 0) {
        watch_kick(vring);
        pv_os_timer_set(vring->turn_timer, 0); /* the old one may have rung unheard */
    }
}

void pv_vhost_user_vring_set_call(struct pv_vhost_user_vring *vring, int fd)
{
    replace_fd(&vring->call_fd, fd);
}

void pv_vhost_user_vring_set_err(struct pv_vhost_user_vring *vring, int fd)
{
    replace_fd(&vring->err_fd, fd);
}

void pv_vhost_user_vring_run(struct pv_vhost_user_vring *vring, bool has_event_index)
{
    struct pv_virtio_queue_place place = {
        .size = vring->size,
        .next_available = (uint16_t)vring->base,
        .has_event_index = has_event_index,
    };

    if (vring->kick_fd < 0 || !vring->has_addr) {
        pv_base_log_debug(vring->log, "vhost-user.vring", "queue %u is not in use", vring->index);
        return;
    }
    if (!pv_guestmem_space_from_user(vring->space, vring->descriptor_user_addr,
                                     &place.descriptor_addr)
        || !pv_guestmem_space_from_user(vring->space, vring->available_user_addr,
                                        &place.available_addr)
        || !pv_guestmem_space_from_user(vring->space, vring->used_user_addr, &place.used_addr)) {
        /* an address that nothing backs: the queue says so and breaks */
        place.descriptor_addr = UINT64_MAX;
    }
    if (!pv_virtio_queue_start(vring->queue, &place)) {
        return;
    }
    vring->is_running = true;
    watch_kick(vring);
    pv_os_timer_set(vring->turn_timer, 0);
}

void pv_vhost_user_vring_stop(struct pv_vhost_user_vring *vring)
{
    pv_os_source_remove(vring->kick_source);
    vring->kick_source = NULL;
    vring->must_watch_kick = false;
    if (vring->turn_timer != NULL) {
        pv_os_timer_clear(vring->turn_timer);
    }
    if (vring->is_running) {
        vring->is_running = false;
        vring->base = pv_virtio_queue_stop(vring->queue);
    }
}
