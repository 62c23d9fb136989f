/* SPDX-License-Identifier: MIT */
/* One screen through the kernel's mode setting. */
#include "kms_screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include <drm_fourcc.h>

#include "common/report.h"

enum { FLIP_TIMEOUT_MS = 5000 };

/* The first connected connector with modes; its preferred mode, or else its first. */
static bool choose_connector(struct pv_prog_kms_screen *screen, const drmModeRes *resources,
                             drmModeConnector **ret_connector)
{
    for (int i = 0; i < resources->count_connectors; i++) {
        drmModeConnector *connector = drmModeGetConnector(screen->fd, resources->connectors[i]);

        if (connector != NULL && connector->connection == DRM_MODE_CONNECTED
            && connector->count_modes > 0) {
            screen->connector_id = connector->connector_id;
            screen->mode = connector->modes[0];
            for (int k = 0; k < connector->count_modes; k++) {
                if ((connector->modes[k].type & DRM_MODE_TYPE_PREFERRED) != 0) {
                    screen->mode = connector->modes[k];
                    break;
                }
            }
            *ret_connector = connector;
            return true;
        }
        drmModeFreeConnector(connector);
    }
    return false;
}

/* The CRTC that drives the connector now, or else the first that can. */
static bool choose_crtc(struct pv_prog_kms_screen *screen, const drmModeRes *resources,
                        const drmModeConnector *connector)
{
    uint32_t current_id = 0;

    for (int i = -1; i < connector->count_encoders; i++) {
        drmModeEncoder *encoder =
            drmModeGetEncoder(screen->fd, i < 0 ? connector->encoder_id : connector->encoders[i]);

        if (encoder == NULL) {
            continue;
        }
        current_id = i < 0 ? encoder->crtc_id : 0;
        for (int k = 0; k < resources->count_crtcs && screen->crtc_id == 0; k++) {
            if (current_id != 0 ? resources->crtcs[k] == current_id
                                : (encoder->possible_crtcs & (1u << k)) != 0) {
                screen->crtc_id = resources->crtcs[k];
            }
        }
        drmModeFreeEncoder(encoder);
        if (screen->crtc_id != 0) {
            return true;
        }
    }
    return false;
}

void pv_prog_kms_screen_open(const char *path, struct pv_prog_kms_screen *ret_screen)
{
    drmModeConnector *connector = NULL;
    drmModeRes *resources;

    memset(ret_screen, 0, sizeof(*ret_screen));
    ret_screen->fd = open(path, O_RDWR | O_CLOEXEC);
    if (ret_screen->fd < 0) {
        pv_prog_skip("cannot open %s: %s", path, strerror(errno));
    }
    resources = drmModeGetResources(ret_screen->fd);
    if (resources == NULL) {
        pv_prog_skip("%s has no mode setting: %s", path, strerror(errno));
    }
    if (!choose_connector(ret_screen, resources, &connector)) {
        pv_prog_skip("%s has no connected screen", path);
    }
    if (!choose_crtc(ret_screen, resources, connector)) {
        pv_prog_fail("%s has no CRTC for connector %u", path, ret_screen->connector_id);
    }
    ret_screen->saved = drmModeGetCrtc(ret_screen->fd, ret_screen->crtc_id);
    drmModeFreeConnector(connector);
    drmModeFreeResources(resources);
}

void pv_prog_kms_screen_close(struct pv_prog_kms_screen *screen)
{
    drmModeCrtc *saved = screen->saved;

    if (saved != NULL) {
        const bool shown = saved->buffer_id != 0 && saved->mode_valid != 0;

        /* A failure here has no remedy: the console of the next opener sets its own mode. */
        (void)drmModeSetCrtc(screen->fd, screen->crtc_id, shown ? saved->buffer_id : 0, saved->x,
                             saved->y, shown ? &screen->connector_id : NULL, shown ? 1 : 0,
                             shown ? &saved->mode : NULL);
        drmModeFreeCrtc(saved);
    }
    close(screen->fd);
}

void pv_prog_kms_buffer_create(const struct pv_prog_kms_screen *screen,
                               const struct pv_prog_linear_layout *layout, int fd,
                               struct pv_prog_kms_buffer *ret_buffer)
{
    uint32_t handles[4] = {0};
    const uint32_t pitches[4] = {(uint32_t)layout->pitch_bytes};
    const uint32_t offsets[4] = {(uint32_t)layout->offset_bytes};

    memset(ret_buffer, 0, sizeof(*ret_buffer));
    if (drmPrimeFDToHandle(screen->fd, fd, &ret_buffer->handle) != 0) {
        pv_prog_fail("the card does not import the dma-buf: %s", strerror(errno));
    }
    handles[0] = ret_buffer->handle;
    if (drmModeAddFB2(screen->fd, layout->extent_px.width, layout->extent_px.height,
                      DRM_FORMAT_XRGB8888, handles, pitches, offsets, &ret_buffer->framebuffer_id,
                      0)
        != 0) {
        pv_prog_fail("ADDFB2 of %ux%u, pitch %u, offset %u: %s", layout->extent_px.width,
                     layout->extent_px.height, pitches[0], offsets[0], strerror(errno));
    }
}

void pv_prog_kms_buffer_destroy(const struct pv_prog_kms_screen *screen,
                                struct pv_prog_kms_buffer *buffer)
{
    struct drm_gem_close close_handle = {.handle = buffer->handle};

    if (buffer->framebuffer_id != 0) {
        drmModeRmFB(screen->fd, buffer->framebuffer_id);
    }
    if (buffer->handle != 0) {
        drmIoctl(screen->fd, DRM_IOCTL_GEM_CLOSE, &close_handle);
    }
    memset(buffer, 0, sizeof(*buffer));
}

void pv_prog_kms_screen_set(struct pv_prog_kms_screen *screen,
                            const struct pv_prog_kms_buffer *buffer)
{
    if (drmModeSetCrtc(screen->fd, screen->crtc_id, buffer->framebuffer_id, 0, 0,
                       &screen->connector_id, 1, &screen->mode)
        != 0) {
        pv_prog_fail("cannot set mode %s (is another program showing something?): %s",
                     screen->mode.name, strerror(errno));
    }
}

void pv_prog_kms_screen_flip(struct pv_prog_kms_screen *screen,
                             const struct pv_prog_kms_buffer *buffer)
{
    if (drmModePageFlip(screen->fd, screen->crtc_id, buffer->framebuffer_id,
                        DRM_MODE_PAGE_FLIP_EVENT, &screen->flip_pending)
        != 0) {
        pv_prog_fail("cannot flip: %s", strerror(errno));
    }
    screen->flip_pending = true;
}

static void on_flip(int fd, unsigned sequence, unsigned seconds, unsigned microseconds, void *user)
{
    bool *pending = user;

    (void)fd;
    (void)sequence;
    (void)seconds;
    (void)microseconds;
    *pending = false;
}

void pv_prog_kms_screen_wait(struct pv_prog_kms_screen *screen)
{
    drmEventContext context = {.version = 2, .page_flip_handler = on_flip};

    while (screen->flip_pending) {
        struct pollfd event = {.fd = screen->fd, .events = POLLIN};
        int count = poll(&event, 1, FLIP_TIMEOUT_MS);

        if (count == 0) {
            pv_prog_fail("no end of a page flip within %d s", FLIP_TIMEOUT_MS / 1000);
        }
        if (count < 0 && errno != EINTR) {
            pv_prog_fail("waiting for a page flip: %s", strerror(errno));
        }
        if (count > 0 && drmHandleEvent(screen->fd, &context) != 0) {
            pv_prog_fail("reading the card's events: %s", strerror(errno));
        }
    }
}
