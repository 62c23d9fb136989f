/* SPDX-License-Identifier: MIT */
/*
 * The client of the control socket; see client.h.
 */
#include "display/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "gpu/sink.h"
#include "os/clock.h"
#include "os/shm.h"
#include "os/socket.h"

#define PIXEL_BYTES 4u
/* A copy is overtaken only by two flushes in the time of one memcpy. */
#define COPY_TRIES 50

struct pv_display_client {
    int fd;
};

int pv_display_client_connect(const char *socket_path, struct pv_display_client **ret_client)
{
    struct pv_display_client *client = calloc(1, sizeof(*client));
    int r;

    if (client == NULL) {
        return -ENOMEM;
    }
    client->fd = -1;
    r = pv_os_socket_connect(socket_path, &client->fd);
    if (r == 0) {
        r = pv_os_socket_set_timeout(client->fd, PV_DISPLAY_CLIENT_TIMEOUT_MS);
    }
    if (r < 0) {
        pv_display_client_destroy(client);
        return r;
    }
    *ret_client = client;
    return 0;
}

void pv_display_client_destroy(struct pv_display_client *client)
{
    if (client != NULL) {
        pv_os_fds_close(&client->fd, 1);
        free(client);
    }
}

/* Receive exactly size_bytes; descriptors may come with the first of them. Returns 0 or -errno. */
static int receive(const struct pv_display_client *client, void *ret_bytes, size_t size_bytes,
                   int *fds, size_t fd_max, size_t *fd_count)
{
    uint8_t *bytes = ret_bytes;

    while (size_bytes > 0) {
        size_t count = 0;
        const ssize_t received = pv_os_socket_receive(client->fd, bytes, size_bytes,
                                                      fds + *fd_count, fd_max - *fd_count, &count);

        *fd_count += count;
        if (received == -EAGAIN) {
            return -ETIMEDOUT;
        }
        if (received <= 0) {
            return received == 0 ? -ECONNRESET : (int)received;
        }
        bytes += received;
        size_bytes -= (size_t)received;
    }
    return 0;
}

/*
 * Ask, and take the answer: at least min_bytes, at most max_bytes. Returns 0 with the payload
 * (freed by the caller) and fds (PV_DISPLAY_FD_MAX, -1 where there is none; closed by the caller),
 * or -errno.
 */
static int ask(const struct pv_display_client *client, uint16_t kind, uint32_t scanout_index,
               size_t min_bytes, void **ret_payload, size_t *ret_size_bytes, int *ret_fds)
{
    const struct pv_display_question question = {
        .magic = PV_DISPLAY_WIRE_MAGIC,
        .version = PV_DISPLAY_WIRE_VERSION,
        .kind = kind,
        .scanout_index = scanout_index,
    };
    struct pv_display_answer answer;
    void *payload = NULL;
    size_t fd_count = 0;
    ssize_t sent;
    int r;

    for (size_t i = 0; i < PV_DISPLAY_FD_MAX; i++) {
        ret_fds[i] = -1;
    }
    sent = pv_os_socket_send(client->fd, &question, sizeof(question), NULL, 0);
    if (sent != (ssize_t)sizeof(question)) {
        return sent < 0 && sent != -EAGAIN ? (int)sent : -ETIMEDOUT;
    }
    r = receive(client, &answer, sizeof(answer), ret_fds, PV_DISPLAY_FD_MAX, &fd_count);
    if (r == 0
        && (answer.magic != PV_DISPLAY_WIRE_MAGIC || answer.kind != kind
            || answer.size_bytes > PV_DISPLAY_ANSWER_MAX_BYTES || answer.error > 4095)) {
        r = -EPROTO;
    } else if (r == 0 && answer.error != 0) {
        r = -(int)answer.error;
    } else if (r == 0
               && (answer.version != PV_DISPLAY_WIRE_VERSION || answer.size_bytes < min_bytes)) {
        r = -EPROTO;
    }
    if (r == 0) {
        payload = malloc(answer.size_bytes > 0 ? answer.size_bytes : 1);
        r = payload == NULL ? -ENOMEM
                            : receive(client, payload, answer.size_bytes, ret_fds,
                                      PV_DISPLAY_FD_MAX, &fd_count);
    }
    if (r < 0) {
        free(payload);
        pv_os_fds_close(ret_fds, PV_DISPLAY_FD_MAX);
        return r;
    }
    *ret_payload = payload;
    *ret_size_bytes = answer.size_bytes;
    return 0;
}

int pv_display_client_list(struct pv_display_client *client,
                           struct pv_display_scanout *ret_scanouts, size_t max)
{
    void *payload = NULL;
    size_t size_bytes = 0;
    size_t count;
    int fds[PV_DISPLAY_FD_MAX];
    const int r = ask(client, PV_DISPLAY_LIST, 0, 0, &payload, &size_bytes, fds);

    if (r < 0) {
        return r;
    }
    count = size_bytes / sizeof(*ret_scanouts);
    count = count < max ? count : max;
    memcpy(ret_scanouts, payload, count * sizeof(*ret_scanouts));
    free(payload);
    pv_os_fds_close(fds, PV_DISPLAY_FD_MAX);
    return (int)count;
}

int pv_display_client_get_statistics(struct pv_display_client *client,
                                     struct pv_display_statistics *ret_statistics,
                                     struct pv_display_context *ret_contexts, size_t max)
{
    void *payload = NULL;
    size_t size_bytes = 0;
    size_t count;
    int fds[PV_DISPLAY_FD_MAX];
    const int r =
        ask(client, PV_DISPLAY_STATISTICS, 0, sizeof(*ret_statistics), &payload, &size_bytes, fds);

    if (r < 0) {
        return r;
    }
    memcpy(ret_statistics, payload, sizeof(*ret_statistics));
    count = (size_bytes - sizeof(*ret_statistics)) / sizeof(*ret_contexts);
    count = count < max ? count : max;
    memcpy(ret_contexts, (const uint8_t *)payload + sizeof(*ret_statistics),
           count * sizeof(*ret_contexts));
    for (size_t i = 0; i < count; i++) {
        pv_base_text_clean(ret_contexts[i].name, sizeof(ret_contexts[i].name));
    }
    free(payload);
    pv_os_fds_close(fds, PV_DISPLAY_FD_MAX);
    return (int)count;
}

/* Whether a frame's shape makes sense and its memory holds it. */
static bool memory_is_good(const struct pv_display_memory *memory, int fd)
{
    uint64_t file_bytes = 0;
    uint64_t end_bytes;

    return fd >= 0 && memory->width_px > 0 && memory->width_px <= PV_DISPLAY_SIDE_MAX_PX
           && memory->height_px > 0 && memory->height_px <= PV_DISPLAY_SIDE_MAX_PX
           && memory->stride_bytes >= memory->width_px * PIXEL_BYTES
           && memory->buffers_offset_bytes >= sizeof(struct pv_gpu_frame_shared)
           && memory->buffer_bytes / memory->stride_bytes >= memory->height_px
           && pv_base_u64_mul(memory->buffer_bytes, 2, &end_bytes)
           && pv_base_u64_add(end_bytes, memory->buffers_offset_bytes, &end_bytes)
           && end_bytes <= memory->size_bytes && memory->size_bytes <= SIZE_MAX
           && pv_os_shm_is_sealed(fd) && pv_os_shm_size(fd, &file_bytes) == 0
           && memory->size_bytes <= file_bytes;
}

/* Copy the newest whole picture. Returns false when the writer overtook us. */
static bool copy_once(const struct pv_display_memory *memory,
                      const struct pv_gpu_frame_shared *shared, struct pv_display_picture *picture)
{
    const uint64_t number = atomic_load_explicit(&shared->finished, memory_order_acquire);
    const uint8_t *source = (const uint8_t *)shared + memory->buffers_offset_bytes
                            + (number & 1) * memory->buffer_bytes;
    const size_t row_bytes = (size_t)memory->width_px * PIXEL_BYTES;

    for (uint32_t row = 0; row < memory->height_px; row++) {
        memcpy(picture->pixels + row * row_bytes, source + (size_t)row * memory->stride_bytes,
               row_bytes);
    }
    picture->number = number;
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&shared->begun, memory_order_relaxed) - number <= 1;
}

static int copy_picture(const struct pv_display_memory *memory, int fd,
                        struct pv_display_picture *ret_picture)
{
    struct pv_display_picture picture = {
        .width_px = memory->width_px,
        .height_px = memory->height_px,
        .format = memory->format,
    };
    const struct pv_gpu_frame_shared *shared;
    const void *mapping;
    int r;

    if (!memory_is_good(memory, fd)) {
        return -EPROTO;
    }
    picture.pixels = malloc((size_t)memory->width_px * memory->height_px * PIXEL_BYTES);
    if (picture.pixels == NULL) {
        return -ENOMEM;
    }
    r = pv_os_shm_map_read(fd, 0, (size_t)memory->size_bytes, &mapping);
    if (r < 0) {
        free(picture.pixels);
        return r;
    }
    shared = mapping;
    r = shared->magic == PV_GPU_FRAME_MAGIC ? -EAGAIN : -EPROTO;
    for (int i = 0; i < COPY_TRIES && r == -EAGAIN; i++) {
        if (copy_once(memory, shared, &picture)) {
            r = 0;
        } else {
            pv_os_clock_sleep_ns(1000000);
        }
    }
    pv_os_shm_unmap(mapping, (size_t)memory->size_bytes);
    if (r < 0) {
        free(picture.pixels);
        return r;
    }
    *ret_picture = picture;
    return 0;
}

int pv_display_client_get_screen(struct pv_display_client *client, uint32_t scanout_index,
                                 struct pv_display_screen *ret_screen)
{
    struct pv_display_screen screen = {0};
    struct pv_display_frame frame;
    void *payload = NULL;
    size_t size_bytes = 0;
    int fds[PV_DISPLAY_FD_MAX];
    int r = ask(client, PV_DISPLAY_FRAME, scanout_index, sizeof(frame), &payload, &size_bytes, fds);

    if (r < 0) {
        return r;
    }
    memcpy(&frame, payload, sizeof(frame));
    free(payload);
    r = copy_picture(&frame.frame, fds[0], &screen.frame);
    if (r == 0 && frame.cursor.width_px > 0) {
        r = copy_picture(&frame.cursor, fds[1], &screen.cursor);
    }
    screen.cursor_x_px = frame.cursor_x_px;
    screen.cursor_y_px = frame.cursor_y_px;
    pv_os_fds_close(fds, PV_DISPLAY_FD_MAX);
    if (r < 0) {
        pv_display_screen_finish(&screen);
        return r;
    }
    *ret_screen = screen;
    return 0;
}

void pv_display_screen_finish(struct pv_display_screen *screen)
{
    free(screen->frame.pixels);
    free(screen->cursor.pixels);
    *screen = (struct pv_display_screen){0};
}
