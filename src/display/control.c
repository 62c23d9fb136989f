/* SPDX-License-Identifier: MIT */
/*
 * The device's end of the control socket; see control.h.
 *
 * The views that the device lends are kept as duplicated descriptors, so that an answer never
 * reaches back into the device.
 */
#include "display/control.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "os/fd.h"
#include "os/listener.h"
#include "os/loop.h"
#include "os/socket.h"

/* Questions of one client that are answered before others get their turn. */
#define QUESTIONS_PER_TURN 8u

struct client {
    struct pv_display_control *control;
    struct client *previous;
    struct client *next;
    struct pv_os_source *source;
    int fd;
    uint8_t question[sizeof(struct pv_display_question)];
    size_t question_bytes; /* received so far */
};

struct scanout {
    struct pv_gpu_frame_view frame;   /* fd: ours */
    struct pv_gpu_cursor_view cursor; /* image.fd: ours */
};

struct pv_display_control {
    struct pv_os_loop *loop;
    struct pv_base_log *log;
    char *socket_path;
    int listen_fd;
    struct pv_os_listener *listener;
    struct client *clients;
    uint32_t client_count;
    uint32_t scanout_count;
    struct scanout scanouts[PV_GPU_SCANOUT_COUNT_MAX];
    pv_display_statistics_fn *statistics;
    void *statistics_user;
};

/* What the device tells. */

static void keep_view(struct pv_gpu_frame_view *kept, const struct pv_gpu_frame_view *view)
{
    /* Without a descriptor left, it is as if the screen were off. */
    const int fd = view->fd >= 0 ? pv_os_fd_duplicate(view->fd) : -1;

    pv_os_fds_close(&kept->fd, 1);
    *kept = *view;
    kept->fd = fd;
    if (fd < 0) {
        *kept = (struct pv_gpu_frame_view){.fd = -1};
    }
}

static void on_scanout(void *sink, uint32_t scanout_index, const struct pv_gpu_frame_view *frame)
{
    struct pv_display_control *control = sink;

    if (scanout_index < control->scanout_count) {
        keep_view(&control->scanouts[scanout_index].frame, frame);
    }
}

static void on_frame(void *sink, uint32_t scanout_index, const struct pv_gpu_rect *damage)
{
    /* Clients ask; nobody is told of frames yet. */
    (void)sink;
    (void)scanout_index;
    (void)damage;
}

static void on_cursor(void *sink, uint32_t scanout_index, const struct pv_gpu_cursor_view *cursor)
{
    struct pv_display_control *control = sink;
    struct pv_gpu_cursor_view *kept;
    struct pv_gpu_frame_view image;

    if (scanout_index >= control->scanout_count) {
        return;
    }
    kept = &control->scanouts[scanout_index].cursor;
    image = kept->image;
    *kept = *cursor;
    kept->image = image;
    keep_view(&kept->image, &cursor->image);
}

static const struct pv_gpu_sink_ops sink_ops = {
    .scanout_changed = on_scanout,
    .frame_changed = on_frame,
    .cursor_changed = on_cursor,
};

const struct pv_gpu_sink_ops *pv_display_control_sink_ops(void)
{
    return &sink_ops;
}

/* Answers. */

static void close_client(struct client *client)
{
    struct pv_display_control *control = client->control;

    pv_os_source_remove(client->source);
    pv_os_fds_close(&client->fd, 1);
    if (client->previous != NULL) {
        client->previous->next = client->next;
    } else {
        control->clients = client->next;
    }
    if (client->next != NULL) {
        client->next->previous = client->previous;
    }
    control->client_count--;
    free(client);
}

/* Send one answer in one piece. False when the client did not take it. */
static bool send_answer(const struct client *client, uint16_t kind, uint32_t error,
                        const void *payload, size_t size_bytes, const int *fds, size_t fd_count)
{
    const struct pv_display_answer answer = {
        .magic = PV_DISPLAY_WIRE_MAGIC,
        .version = PV_DISPLAY_WIRE_VERSION,
        .kind = kind,
        .error = error,
        .size_bytes = (uint32_t)size_bytes,
    };
    const size_t total_bytes = sizeof(answer) + size_bytes;
    uint8_t *bytes = malloc(total_bytes);
    bool sent;

    if (bytes == NULL) {
        return false;
    }
    memcpy(bytes, &answer, sizeof(answer));
    if (size_bytes > 0) {
        memcpy(bytes + sizeof(answer), payload, size_bytes);
    }
    sent = pv_os_socket_send(client->fd, bytes, total_bytes, fds, fd_count) == (ssize_t)total_bytes;
    free(bytes);
    return sent;
}

static bool answer_list(const struct client *client)
{
    const struct pv_display_control *control = client->control;
    struct pv_display_scanout list[PV_GPU_SCANOUT_COUNT_MAX] = {0};

    for (uint32_t i = 0; i < control->scanout_count; i++) {
        const struct pv_gpu_frame_view *frame = &control->scanouts[i].frame;

        list[i] = (struct pv_display_scanout){
            .index = i,
            .width_px = frame->width_px,
            .height_px = frame->height_px,
            .format = frame->format,
        };
    }
    return send_answer(client, PV_DISPLAY_LIST, 0, list, control->scanout_count * sizeof(list[0]),
                       NULL, 0);
}

static struct pv_display_memory memory_of(const struct pv_gpu_frame_view *view)
{
    if (view->fd < 0) {
        return (struct pv_display_memory){0};
    }
    return (struct pv_display_memory){
        .size_bytes = view->size_bytes,
        .buffers_offset_bytes = view->buffers_offset_bytes,
        .buffer_bytes = view->buffer_bytes,
        .width_px = view->width_px,
        .height_px = view->height_px,
        .stride_bytes = view->stride_bytes,
        .format = view->format,
    };
}

static bool answer_frame(const struct client *client, uint32_t scanout_index)
{
    const struct pv_display_control *control = client->control;
    const struct scanout *scanout;
    struct pv_display_frame answer;
    int fds[PV_DISPLAY_FD_MAX];
    size_t fd_count = 0;

    if (scanout_index >= control->scanout_count) {
        return send_answer(client, PV_DISPLAY_FRAME, ENOENT, NULL, 0, NULL, 0);
    }
    scanout = &control->scanouts[scanout_index];
    if (scanout->frame.fd < 0) {
        return send_answer(client, PV_DISPLAY_FRAME, ENODEV, NULL, 0, NULL, 0);
    }
    answer = (struct pv_display_frame){
        .frame = memory_of(&scanout->frame),
        .cursor = memory_of(&scanout->cursor.image),
        .cursor_x_px = scanout->cursor.x_px,
        .cursor_y_px = scanout->cursor.y_px,
        .cursor_hot_x_px = scanout->cursor.hot_x_px,
        .cursor_hot_y_px = scanout->cursor.hot_y_px,
    };
    fds[fd_count++] = scanout->frame.fd;
    if (scanout->cursor.image.fd >= 0) {
        fds[fd_count++] = scanout->cursor.image.fd;
    }
    return send_answer(client, PV_DISPLAY_FRAME, 0, &answer, sizeof(answer), fds, fd_count);
}

static bool answer_statistics(const struct client *client)
{
    const struct pv_display_control *control = client->control;
    struct {
        struct pv_display_statistics statistics;
        struct pv_display_context contexts[PV_DISPLAY_CONTEXT_MAX];
    } *answer = calloc(1, sizeof(*answer));
    size_t count = 0;
    bool sent;

    static_assert(sizeof(*answer) <= PV_DISPLAY_ANSWER_MAX_BYTES, "a client takes it");
    if (answer == NULL) {
        return false;
    }
    if (control->statistics != NULL) {
        count = control->statistics(control->statistics_user, &answer->statistics, answer->contexts,
                                    PV_DISPLAY_CONTEXT_MAX);
    }
    answer->statistics.listed_count = (uint32_t)count;
    sent = send_answer(client, PV_DISPLAY_STATISTICS, 0, answer,
                       sizeof(answer->statistics) + count * sizeof(answer->contexts[0]), NULL, 0);
    free(answer);
    return sent;
}

/* Answer a whole question. False when the client is to be closed. */
static bool answer(const struct client *client)
{
    struct pv_display_question question;

    memcpy(&question, client->question, sizeof(question));
    if (question.magic != PV_DISPLAY_WIRE_MAGIC) {
        return false; /* not one of ours: there is nothing to tell it */
    }
    if (question.version != PV_DISPLAY_WIRE_VERSION) {
        return send_answer(client, question.kind, EPROTONOSUPPORT, NULL, 0, NULL, 0);
    }
    switch (question.kind) {
    case PV_DISPLAY_LIST:
        return answer_list(client);
    case PV_DISPLAY_FRAME:
        return answer_frame(client, question.scanout_index);
    case PV_DISPLAY_STATISTICS:
        return answer_statistics(client);
    default:
        return send_answer(client, question.kind, EINVAL, NULL, 0, NULL, 0);
    }
}

/* Receive what is there of a question. 1: whole, 0: not yet, -1: close the client. */
static int receive(struct client *client)
{
    int fds[1];
    size_t fd_count = 0;
    const ssize_t received =
        pv_os_socket_receive(client->fd, client->question + client->question_bytes,
                             sizeof(client->question) - client->question_bytes, fds, 0, &fd_count);

    if (received == -EAGAIN) {
        return 0;
    }
    if (received <= 0) {
        return -1; /* gone, or it sent descriptors, which no question has */
    }
    client->question_bytes += (size_t)received;
    if (client->question_bytes < sizeof(client->question)) {
        return 0;
    }
    client->question_bytes = 0;
    return 1;
}

static void on_client(void *user, uint32_t events)
{
    struct client *client = user;

    (void)events;
    for (uint32_t i = 0; i < QUESTIONS_PER_TURN; i++) {
        const int r = receive(client);

        if (r == 0) {
            return;
        }
        if (r < 0 || !answer(client)) {
            close_client(client);
            return;
        }
    }
}

static void on_connection(void *user, int fd)
{
    struct pv_display_control *control = user;
    struct client *client;
    int r;

    client = control->client_count < PV_DISPLAY_CLIENT_MAX ? calloc(1, sizeof(*client)) : NULL;
    if (client == NULL) {
        pv_base_log_guest(control->log, "display.control", PV_BASE_LOG_WARN,
                          "a client is turned away: there are %u", control->client_count);
        pv_os_fds_close(&fd, 1);
        return;
    }
    client->control = control;
    client->fd = fd;
    r = pv_os_loop_add(control->loop, fd, PV_OS_LOOP_READ, on_client, client, &client->source);
    if (r < 0) {
        pv_os_fds_close(&fd, 1);
        free(client);
        return;
    }
    client->next = control->clients;
    if (control->clients != NULL) {
        control->clients->previous = client;
    }
    control->clients = client;
    control->client_count++;
}

int pv_display_control_create(const struct pv_display_control_options *options,
                              struct pv_display_control **ret_control)
{
    struct pv_display_control *control;
    int r;

    if (options->size_bytes != sizeof(*options)
        || options->scanout_count > PV_GPU_SCANOUT_COUNT_MAX) {
        return -EINVAL;
    }
    control = calloc(1, sizeof(*control));
    if (control == NULL) {
        return -ENOMEM;
    }
    control->loop = options->loop;
    control->log = options->log;
    control->listen_fd = -1;
    control->scanout_count = options->scanout_count;
    for (size_t i = 0; i < PV_GPU_SCANOUT_COUNT_MAX; i++) {
        control->scanouts[i].frame.fd = -1;
        control->scanouts[i].cursor.image.fd = -1;
    }
    control->socket_path = strdup(options->socket_path);
    r = control->socket_path == NULL
            ? -ENOMEM
            : pv_os_socket_listen(options->socket_path, &control->listen_fd);
    if (r == 0) {
        r = pv_os_listener_create(control->loop, control->listen_fd, control->log,
                                  "display.control", on_connection, control, &control->listener);
    }
    if (r < 0) {
        pv_display_control_destroy(control);
        return r;
    }
    *ret_control = control;
    return 0;
}

void pv_display_control_destroy(struct pv_display_control *control)
{
    if (control == NULL) {
        return;
    }
    while (control->clients != NULL) {
        close_client(control->clients);
    }
    pv_os_listener_destroy(control->listener);
    if (control->listen_fd >= 0) {
        (void)remove(control->socket_path);
        pv_os_fds_close(&control->listen_fd, 1);
    }
    free(control->socket_path);
    for (size_t i = 0; i < PV_GPU_SCANOUT_COUNT_MAX; i++) {
        pv_os_fds_close(&control->scanouts[i].frame.fd, 1);
        pv_os_fds_close(&control->scanouts[i].cursor.image.fd, 1);
    }
    free(control);
}

void pv_display_control_set_statistics(struct pv_display_control *control,
                                       pv_display_statistics_fn *source, void *user)
{
    control->statistics = source;
    control->statistics_user = user;
}
