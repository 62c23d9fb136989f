/* SPDX-License-Identifier: MIT */
/*
 * display/client.c against a device that lies.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "display/client.h"
#include "gpu/sink.h"
#include "os/shm.h"
#include "os/socket.h"

/* A server that reads one question and sends what the test prepared. */
struct liar {
    char path[64];
    int listen_fd;
    pthread_t thread;
    struct pv_display_answer answer;
    struct pv_display_frame frame;
    size_t payload_bytes;
    int fds[2];
    size_t fd_count;
};

static void *lie(void *user)
{
    struct liar *liar = user;
    struct pv_display_question question;
    uint8_t bytes[sizeof(liar->answer) + sizeof(liar->frame)];
    int fd = -1;
    size_t count = 0;

    assert_int_equal(pv_os_socket_accept(liar->listen_fd, &fd), 0);
    assert_int_equal(pv_os_fd_set_nonblocking(fd, false), 0);
    assert_int_equal(pv_os_socket_receive(fd, &question, sizeof(question), NULL, 0, &count),
                     sizeof(question));
    memcpy(bytes, &liar->answer, sizeof(liar->answer));
    memcpy(bytes + sizeof(liar->answer), &liar->frame, sizeof(liar->frame));
    (void)!pv_os_socket_send(fd, bytes, sizeof(liar->answer) + liar->payload_bytes, liar->fds,
                             liar->fd_count);
    close(fd);
    return NULL;
}

static void open_liar(struct liar *liar)
{
    *liar = (struct liar){
        .answer = {.magic = PV_DISPLAY_WIRE_MAGIC,
                   .version = PV_DISPLAY_WIRE_VERSION,
                   .kind = PV_DISPLAY_FRAME,
                   .size_bytes = sizeof(struct pv_display_frame)},
        .frame.frame = {.size_bytes = 0x3000,
                        .buffers_offset_bytes = 0x1000,
                        .buffer_bytes = 0x1000,
                        .width_px = 16,
                        .height_px = 16,
                        .stride_bytes = 64,
                        .format = 1},
        .payload_bytes = sizeof(struct pv_display_frame),
        .fd_count = 1,
    };
    assert_int_equal(pv_os_shm_create("frame", 0x3000, &liar->fds[0]), 0);
    liar->fds[1] = -1;
    (void)snprintf(liar->path, sizeof(liar->path), "/tmp/pv-liar-%d.sock", (int)getpid());
    assert_int_equal(pv_os_socket_listen(liar->path, &liar->listen_fd), 0);
}

static void write_magic(const struct liar *liar, uint32_t magic)
{
    void *memory;

    assert_int_equal(pv_os_shm_map(liar->fds[0], 0, 0x3000, &memory), 0);
    memcpy(memory, &magic, sizeof(magic));
    pv_os_shm_unmap(memory, 0x3000);
}

static int ask(struct liar *liar)
{
    struct pv_display_client *client;
    struct pv_display_screen screen;
    int r;

    assert_int_equal(pthread_create(&liar->thread, NULL, lie, liar), 0);
    assert_int_equal(pv_display_client_connect(liar->path, &client), 0);
    r = pv_display_client_get_screen(client, 0, &screen);
    pv_display_client_destroy(client);
    if (r == 0) {
        pv_display_screen_finish(&screen);
    }
    assert_int_equal(pthread_join(liar->thread, NULL), 0);
    pv_os_fds_close(liar->fds, 2);
    close(liar->listen_fd);
    (void)remove(liar->path);
    return r;
}

static void test_the_truth(void **state)
{
    struct liar liar;

    (void)state;
    open_liar(&liar);
    write_magic(&liar, PV_GPU_FRAME_MAGIC);
    assert_int_equal(ask(&liar), 0);
}

static void test_lies(void **state)
{
    struct liar liar;

    (void)state;
#define LIE(change, expected)                                                                      \
    open_liar(&liar);                                                                              \
    write_magic(&liar, PV_GPU_FRAME_MAGIC);                                                        \
    change;                                                                                        \
    assert_int_equal(ask(&liar), expected)
    LIE(write_magic(&liar, 1), -EPROTO);
    LIE(liar.answer.magic = 1, -EPROTO);
    LIE(liar.answer.version = PV_DISPLAY_WIRE_VERSION + 1, -EPROTO);
    LIE(liar.answer.kind = PV_DISPLAY_LIST, -EPROTO);
    LIE(liar.answer.error = 0xffffffff, -EPROTO);
    LIE(liar.answer.error = ENODEV, -ENODEV);
    LIE(liar.answer.size_bytes = UINT32_MAX, -EPROTO);
    LIE(liar.answer.size_bytes = 8, -EPROTO);
    LIE(liar.answer.size_bytes += 4, -ECONNRESET);
    LIE(liar.payload_bytes = 0, -ECONNRESET);
    LIE(liar.fd_count = 0, -EPROTO);
    LIE(liar.frame.frame.width_px = 0, -EPROTO);
    LIE(liar.frame.frame.width_px = UINT32_MAX, -EPROTO);
    LIE(liar.frame.frame.height_px = 65, -EPROTO);
    LIE(liar.frame.frame.stride_bytes = 0, -EPROTO);
    LIE(liar.frame.frame.stride_bytes = 63, -EPROTO);
    LIE(liar.frame.frame.buffer_bytes = UINT64_MAX, -EPROTO);
    LIE(liar.frame.frame.buffer_bytes = 0x1001, -EPROTO);
    LIE(liar.frame.frame.buffers_offset_bytes = 0, -EPROTO);
    LIE(liar.frame.frame.buffers_offset_bytes = UINT64_MAX, -EPROTO);
    LIE(liar.frame.frame.size_bytes = UINT64_MAX, -EPROTO);
    LIE(liar.frame.frame.size_bytes = 0x4000, -EPROTO); /* more than the file has */
    LIE(liar.frame.cursor.width_px = 4, -EPROTO);       /* and no descriptor for it */
#undef LIE
}

static void test_nobody_listens(void **state)
{
    struct pv_display_client *client;

    (void)state;
    assert_int_equal(pv_display_client_connect("/tmp/pv-nobody-here.sock", &client), -ENOENT);
    pv_display_client_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_truth),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_nobody_listens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
