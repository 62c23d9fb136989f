/* SPDX-License-Identifier: MIT */
/*
 * display/control.c and display/client.c over a real socket, on two threads.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "display/client.h"
#include "display/control.h"
#include "gpu/frame.h"
#include "os/clock.h"
#include "os/loop.h"
#include "os/shm.h"
#include "os/socket.h"

struct server {
    struct pv_os_loop *loop;
    struct pv_display_control *control;
    struct pv_gpu_frame *frame;
    char path[64];
    pthread_t thread;
};

static size_t statistics(void *user, struct pv_display_statistics *ret_statistics,
                         struct pv_display_context *ret_contexts, size_t max)
{
    (void)user;
    assert_true(max >= 2);
    ret_statistics->memory_used_bytes = 7;
    ret_contexts[0] = (struct pv_display_context){.context_id = 1, .name = "one"};
    ret_contexts[1] = (struct pv_display_context){.context_id = 2};
    memset(ret_contexts[1].name, 'x', sizeof(ret_contexts[1].name)); /* no NUL */
    return 2;
}

static void *serve(void *user)
{
    struct server *server = user;

    return pv_os_loop_run(server->loop) == 0 ? server : NULL;
}

static void open_server(struct server *server, const char *name)
{
    struct pv_display_control_options options = {
        .size_bytes = sizeof(options),
        .scanout_count = 2,
    };

    *server = (struct server){0};
    (void)snprintf(server->path, sizeof(server->path), "/tmp/pv-%s-%d.sock", name, (int)getpid());
    assert_int_equal(pv_os_loop_create(&server->loop), 0);
    options.loop = server->loop;
    options.socket_path = server->path;
    assert_int_equal(pv_display_control_create(&options, &server->control), 0);
    pv_display_control_set_statistics(server->control, statistics, server);
}

static void run_server(struct server *server)
{
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void close_server(struct server *server)
{
    pv_os_loop_stop(server->loop);
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    pv_display_control_destroy(server->control);
    pv_os_loop_destroy(server->loop);
    pv_gpu_frame_destroy(server->frame);
    assert_int_equal(access(server->path, F_OK), -1);
}

static void show(struct server *server, uint32_t side)
{
    assert_int_equal(pv_gpu_frame_create(side, side, PV_GPU_FORMAT_BGRX, &server->frame), 0);
    pv_display_control_sink_ops()->scanout_changed(server->control, 1, &server->frame->view);
}

static void draw(struct pv_gpu_frame *frame, uint8_t value)
{
    const struct pv_gpu_rect whole = {0, 0, frame->view.width_px, frame->view.height_px};

    memset(pv_gpu_frame_begin(frame), value, frame->view.buffer_bytes);
    pv_gpu_frame_publish(frame, &whole);
}

static void test_questions_and_answers(void **state)
{
    struct server server;
    struct pv_display_client *client;
    struct pv_display_scanout scanouts[4];
    struct pv_display_statistics figures;
    struct pv_display_context contexts[4];
    struct pv_display_screen screen;

    (void)state;
    open_server(&server, "control");
    show(&server, 16);
    draw(server.frame, 0x33);
    run_server(&server);
    assert_int_equal(pv_display_client_connect(server.path, &client), 0);
    assert_int_equal(pv_display_client_list(client, scanouts, 4), 2);
    assert_int_equal(scanouts[0].width_px, 0);
    assert_int_equal(scanouts[1].width_px, 16);
    assert_int_equal(pv_display_client_list(client, scanouts, 1), 1);
    assert_int_equal(pv_display_client_get_statistics(client, &figures, contexts, 4), 2);
    assert_int_equal(figures.memory_used_bytes, 7);
    assert_string_equal(contexts[0].name, "one");
    assert_int_equal(strlen(contexts[1].name), 63);
    assert_int_equal(pv_display_client_get_screen(client, 0, &screen), -ENODEV);
    assert_int_equal(pv_display_client_get_screen(client, 2, &screen), -ENOENT);
    assert_int_equal(pv_display_client_get_screen(client, 1, &screen), 0);
    assert_int_equal(screen.frame.width_px, 16);
    assert_int_equal(screen.frame.pixels[16 * 16 * 4 - 1], 0x33);
    assert_null(screen.cursor.pixels);
    pv_display_screen_finish(&screen);
    pv_display_client_destroy(client);
    close_server(&server);
}

static void test_cursor(void **state)
{
    struct server server;
    struct pv_display_client *client;
    struct pv_display_screen screen;
    struct pv_gpu_frame *image;
    struct pv_gpu_cursor_view view = {.x_px = -2, .y_px = 3};

    (void)state;
    open_server(&server, "cursor");
    show(&server, 16);
    assert_int_equal(pv_gpu_frame_create(8, 8, PV_GPU_FORMAT_BGRX, &image), 0);
    draw(image, 0x44);
    view.image = image->view;
    pv_display_control_sink_ops()->cursor_changed(server.control, 1, &view);
    pv_gpu_frame_destroy(image); /* the control has a descriptor of its own */
    run_server(&server);
    assert_int_equal(pv_display_client_connect(server.path, &client), 0);
    assert_int_equal(pv_display_client_get_screen(client, 1, &screen), 0);
    assert_int_equal(screen.cursor.width_px, 8);
    assert_int_equal(screen.cursor.pixels[0], 0x44);
    assert_int_equal(screen.cursor_x_px, -2);
    pv_display_screen_finish(&screen);
    pv_display_client_destroy(client);
    close_server(&server);
}

/* What a client gets is for looking at. */
static void test_frames_cannot_be_written(void **state)
{
    const struct pv_display_question question = {
        .magic = PV_DISPLAY_WIRE_MAGIC,
        .version = PV_DISPLAY_WIRE_VERSION,
        .kind = PV_DISPLAY_FRAME,
        .scanout_index = 1,
    };
    uint8_t answer[sizeof(struct pv_display_answer) + sizeof(struct pv_display_frame)];
    struct pv_gpu_cursor_view cursor = {.x_px = 1};
    struct pv_gpu_frame *image;
    struct server server;
    void *memory;
    size_t fd_count;
    int fds[PV_DISPLAY_FD_MAX];
    int fd;

    (void)state;
    open_server(&server, "write");
    show(&server, 16);
    assert_int_equal(pv_gpu_frame_create(8, 8, PV_GPU_FORMAT_BGRX, &image), 0);
    cursor.image = image->view;
    pv_display_control_sink_ops()->cursor_changed(server.control, 1, &cursor);
    run_server(&server);
    assert_int_equal(pv_os_socket_connect(server.path, &fd), 0);
    assert_int_equal(pv_os_socket_send(fd, &question, sizeof(question), NULL, 0), sizeof(question));
    assert_int_equal(
        pv_os_socket_receive(fd, answer, sizeof(answer), fds, PV_DISPLAY_FD_MAX, &fd_count),
        sizeof(answer));
    assert_int_equal(fd_count, 2);
    for (size_t i = 0; i < fd_count; i++) {
        assert_int_equal(pv_os_shm_map(fds[i], 0, pv_os_page_bytes(), &memory), -EPERM);
        assert_int_equal(pwrite(fds[i], "x", 1, 0), -1);
        close(fds[i]);
    }
    draw(server.frame, 0x55); /* the device can */
    draw(image, 0x66);
    close(fd);
    close_server(&server);
    pv_gpu_frame_destroy(image);
}

struct painter {
    struct pv_gpu_frame *frame;
    _Atomic bool stop;
};

static void *paint(void *user)
{
    struct painter *painter = user;

    for (uint8_t value = 1; !painter->stop; value++) {
        draw(painter->frame, value);
        pv_os_clock_sleep_ns(200000);
    }
    return NULL;
}

/* A guest that draws all the time: every picture is of one colour. */
static void test_pictures_are_never_torn(void **state)
{
    struct server server;
    struct painter painter = {0};
    struct pv_display_client *client;
    pthread_t thread;
    int copied = 0;

    (void)state;
    open_server(&server, "torn");
    show(&server, 256);
    painter.frame = server.frame;
    run_server(&server);
    assert_int_equal(pthread_create(&thread, NULL, paint, &painter), 0);
    assert_int_equal(pv_display_client_connect(server.path, &client), 0);
    for (int i = 0; i < 200; i++) {
        struct pv_display_screen screen;
        const int r = pv_display_client_get_screen(client, 1, &screen);

        assert_true(r == 0 || r == -EAGAIN);
        if (r == 0) {
            copied++;
            for (size_t at = 1; at < 256 * 256 * 4; at++) {
                assert_int_equal(screen.frame.pixels[at], screen.frame.pixels[0]);
            }
            pv_display_screen_finish(&screen);
        }
    }
    painter.stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(copied > 0);
    pv_display_client_destroy(client);
    close_server(&server);
}

static void test_path_taken(void **state)
{
    struct server server;
    struct pv_display_control *second = NULL;
    struct pv_display_control_options options = {
        .size_bytes = sizeof(options),
        .scanout_count = 1,
    };

    (void)state;
    open_server(&server, "taken");
    options.loop = server.loop;
    options.socket_path = server.path;
    assert_int_equal(pv_display_control_create(&options, &second), -EADDRINUSE);
    assert_int_equal(access(server.path, F_OK), 0); /* the first one's file is left alone */
    options.scanout_count = PV_GPU_SCANOUT_COUNT_MAX + 1;
    assert_int_equal(pv_display_control_create(&options, &second), -EINVAL);
    run_server(&server);
    close_server(&server);
}

/* As many clients as there may be; the next one is closed, and one that goes makes room. */
static void test_client_cap(void **state)
{
    struct pv_display_client *clients[PV_DISPLAY_CLIENT_MAX];
    struct pv_display_client *more;
    struct pv_display_scanout scanouts[2];
    struct server server;
    int r = -1;

    (void)state;
    open_server(&server, "crowd");
    run_server(&server);
    for (uint32_t i = 0; i < PV_DISPLAY_CLIENT_MAX; i++) {
        assert_int_equal(pv_display_client_connect(server.path, &clients[i]), 0);
        assert_int_equal(pv_display_client_list(clients[i], scanouts, 2), 2);
    }
    assert_int_equal(pv_display_client_connect(server.path, &more), 0);
    assert_true(pv_display_client_list(more, scanouts, 2) < 0);
    pv_display_client_destroy(more);
    assert_int_equal(pv_display_client_list(clients[7], scanouts, 2), 2);
    pv_display_client_destroy(clients[7]);
    for (int i = 0; i < 500 && r < 0; i++) {
        assert_int_equal(pv_display_client_connect(server.path, &clients[7]), 0);
        r = pv_display_client_list(clients[7], scanouts, 2);
        if (r < 0) {
            pv_display_client_destroy(clients[7]);
            pv_os_clock_sleep_ns(1000000);
        }
    }
    assert_int_equal(r, 2);
    for (uint32_t i = 0; i < PV_DISPLAY_CLIENT_MAX; i++) {
        pv_display_client_destroy(clients[i]);
    }
    close_server(&server);
}

/* Whoever comes while there is no descriptor is served when there is one, though nobody leaves. */
static void test_no_descriptors_left(void **state)
{
    struct pv_display_client *client;
    struct pv_display_scanout scanouts[2];
    struct server server;
    struct rlimit before;
    struct rlimit none;
    int next_fd;

    (void)state;
    open_server(&server, "descriptors");
    assert_int_equal(pv_display_client_connect(server.path, &client), 0);
    next_fd = dup(STDERR_FILENO);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next_fd;
    close(next_fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    run_server(&server);
    pv_os_clock_sleep_ns(20000000); /* it has tried; later would be good as well */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(pv_display_client_list(client, scanouts, 2), 2);
    pv_display_client_destroy(client);
    close_server(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions_and_answers),
        cmocka_unit_test(test_cursor),
        cmocka_unit_test(test_frames_cannot_be_written),
        cmocka_unit_test(test_pictures_are_never_torn),
        cmocka_unit_test(test_path_taken),
        cmocka_unit_test(test_client_cap),
        cmocka_unit_test(test_no_descriptors_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
