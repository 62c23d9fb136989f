/* SPDX-License-Identifier: MIT */
/*
 * The renderer with any one of its calls failing, the driver's among them: the guest program is
 * told by a VkResult, or its context is lost with a reason. Whatever it is: fences retire, rings
 * come to their end, no object of the driver is left or used after its end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fault_loop.h"
#include "os/clock.h"
#include "os/shm.h"
#include "support/fake_driver.h"
#include "support/fake_vulkan.h"
#include "support/inject_vulkan.h"
#include "support/venus_bench.h"
#include "venus_wire/commands.h"

#define RING_BYTES   ((size_t)4096)
#define REPLY_OFFSET ((uint64_t)8192)
#define REPLY_BYTES  ((uint64_t)4096)
#define TOTAL_BYTES  ((size_t)16384)
#define WINDOW_BYTES ((size_t)1 << 20)
#define WAIT_NS      (UINT64_C(1000000000) * 10)
#define POLL_NS      50000u

enum { RING_A, RING_B, RING_COUNT };

/* One guest program. */
static struct guest {
    struct pv_venus_context *context;
    int window_fd;
    bool asks; /* for replies; else it hopes */
    struct guest_ring {
        struct venus_ring ring;
        bool exists;
    } rings[RING_COUNT];
    struct venus_bytes bytes;
    atomic_uint lost_count;
    atomic_uint fences_retired;
    unsigned fences_sent;
    bool failed; /* was told so */
} guest;

static unsigned outcomes[3]; /* lives that went on, were told, were lost; of those with a fault */
static uint32_t visible;

static void on_fence(void *user, uint32_t ring_index, uint64_t fence_id)
{
    (void)user;
    (void)ring_index;
    (void)fence_id;
    atomic_fetch_add(&guest.fences_retired, 1);
}

static void on_lost(void *user, const char *reason)
{
    (void)user;
    assert_non_null(reason);
    atomic_fetch_add(&guest.lost_count, 1);
}

static void on_ring(void *user, uint32_t resource_id, uint64_t status_offset_bytes, bool present)
{
    (void)user;
    (void)resource_id;
    (void)status_offset_bytes;
    (void)present;
}

static const struct pv_venus_context_events events = {
    .fence_retired = on_fence,
    .lost = on_lost,
    .ring = on_ring,
};

static bool goes_on(void)
{
    return guest.context != NULL && !guest.failed && !pv_venus_context_is_lost(guest.context);
}

static struct venus_bytes *fresh(void)
{
    guest.bytes.size_bytes = 0;
    return &guest.bytes;
}

static void send(void)
{
    pv_venus_context_submit(guest.context, guest.bytes.bytes, guest.bytes.size_bytes);
}

/* ---- rings ---- */

/* Memory of the test's own, then the two calls that may fail. */
static void make_ring(unsigned index, uint32_t resource_id, uint32_t monitor_us)
{
    struct venus_ring *ring = &guest.rings[index].ring;
    void *memory = NULL;
    int fd = -1;
    int r;

    inject_pause();
    assert_int_equal(pv_os_shm_create("ring", TOTAL_BYTES, &fd), 0);
    assert_int_equal(pv_os_shm_map(fd, 0, TOTAL_BYTES, &memory), 0);
    inject_resume();
    *ring = (struct venus_ring){
        .id = 0x1000 + index,
        .memory = memory,
        .memory_bytes = TOTAL_BYTES,
        .reply_offset = REPLY_OFFSET,
        .reply_bytes = REPLY_BYTES,
        .layout = {.resource_id = resource_id,
                   .size = 192 + RING_BYTES + 64,
                   .idle_ns = 1000000,
                   .tail = 64,
                   .status = 128,
                   .buffer = 192,
                   .buffer_size = RING_BYTES,
                   .extra = 192 + RING_BYTES,
                   .extra_size = 4,
                   .monitor_us = monitor_us},
    };
    guest.rings[index].exists = true;
    r = pv_venus_context_attach(guest.context, resource_id, fd, 0, TOTAL_BYTES, false, true);
    close(fd);
    if (r < 0) {
        guest.failed = true;
        return;
    }
    venus_create_ring(fresh(), ring->id, &ring->layout);
    send();
}

/* Run what was written. On return the ring has, or is FATAL with its context lost. */
static void run_on(unsigned index)
{
    struct venus_ring *ring = &guest.rings[index].ring;
    const uint64_t end_ns = pv_os_clock_now_ns() + WAIT_NS;

    if (!goes_on()) {
        return;
    }
    venus_ring_write(ring, &guest.bytes);
    if ((venus_ring_status(ring) & VENUS_IDLE) != 0) {
        venus_notify_ring(fresh(), ring->id);
        send();
    }
    while (venus_ring_word(ring, ring->layout.head) != ring->tail
           && (venus_ring_status(ring) & VENUS_FATAL) == 0) {
        assert_true(pv_os_clock_now_ns() < end_ns);
        pv_os_clock_sleep_ns(POLL_NS);
    }
    /* FATAL shows before the context says so. */
    while ((venus_ring_status(ring) & VENUS_FATAL) != 0 && goes_on()) {
        assert_true(pv_os_clock_now_ns() < end_ns);
        pv_os_clock_sleep_ns(POLL_NS);
    }
}

static void run(void)
{
    run_on(RING_A);
}

/* The same for one command that answers; its result counts if it was asked for. */
static void ask(void)
{
    const struct venus_ring *ring = &guest.rings[RING_A].ring;
    uint32_t reply[2] = {0};
    uint32_t number;

    memcpy(&number, guest.bytes.bytes, sizeof(number));
    memset(ring->memory + REPLY_OFFSET, 0xee, 64);
    run();
    memcpy(reply, ring->memory + REPLY_OFFSET, sizeof(reply));
    if (guest.asks && goes_on()) {
        assert_int_equal(reply[0], number);
        guest.failed = (int32_t)reply[1] < 0;
    }
}

/* Start the bytes of a command whose reply is looked at: each one's place is set anew. */
static struct venus_bytes *begin(void)
{
    if (guest.asks && goes_on()) {
        venus_set_reply(fresh(), guest.rings[RING_A].ring.layout.resource_id, REPLY_OFFSET,
                        REPLY_BYTES);
        run();
    }
    return fresh();
}

#define ASK(command)                                                                               \
    do {                                                                                           \
        struct venus_bytes *to = begin();                                                          \
        command;                                                                                   \
        ask();                                                                                     \
    } while (0)

#define RUN(command)                                                                               \
    do {                                                                                           \
        struct venus_bytes *to = fresh();                                                          \
        command;                                                                                   \
        run();                                                                                     \
    } while (0)

/* ---- the program ---- */

static void start(void)
{
    const bool asked = guest.asks;

    /* Their commands always answer. */
    guest.asks = true;
    ASK(venus_create_instance(to, VENUS_INSTANCE));
    ASK(venus_enumerate_devices(to, VENUS_INSTANCE, VENUS_PHYSICAL_DEVICE));
    ASK(venus_create_device(to, VENUS_PHYSICAL_DEVICE, VENUS_DEVICE));
    RUN(venus_get_queue(to, VENUS_DEVICE, 0, VENUS_QUEUE, 1));
    guest.asks = asked;
}

/* Memory that is exported, imported again and, with a window, moved there. */
static void use_memory(void)
{
    struct pv_venus_exported exported = {.fd = -1};
    int r;

    ASK(venus_allocate(to, VENUS_DEVICE, 100, 8192, visible, 0, true, guest.asks));
    ASK(venus_create_buffer(to, VENUS_DEVICE, 200, 64, guest.asks));
    if (guest.asks) {
        ASK(venus_bind_buffer(to, VENUS_DEVICE, 200, 100, 0));
    }
    if (!goes_on()) {
        return;
    }
    r = pv_venus_context_export_blob(guest.context, 900, 100, 8192, true, true, &exported);
    if (r == 0 && exported.fd >= 0) {
        r = pv_venus_context_attach(guest.context, 901, exported.fd, 0, 8192, false, false);
        close(exported.fd);
        if (r == 0) {
            ASK(venus_allocate(to, VENUS_DEVICE, 101, 8192, visible, 901, false, guest.asks));
        }
    }
    guest.failed = guest.failed || r < 0;
    if (r == 0 && goes_on()) {
        ASK(venus_allocate(to, VENUS_DEVICE, 102, 4096, visible, 0, false, guest.asks));
        r = pv_venus_context_export_blob(guest.context, 902, 102, 4096, true, false, &exported);
        if (r == 0 && exported.fd >= 0) {
            close(exported.fd);
        } else if (r == 0 && guest.window_fd >= 0) {
            r = pv_venus_context_place(guest.context, 902, 65536);
        }
        guest.failed = guest.failed || r < 0;
    }
}

static void use_queue(void)
{
    const uint64_t buffers[2] = {330, 331};

    ASK(venus_create_fence(to, VENUS_DEVICE, 300, guest.asks));
    RUN(venus_create_semaphore(to, VENUS_DEVICE, 310));
    ASK(venus_create_command_pool(to, VENUS_DEVICE, 320, guest.asks));
    ASK(venus_allocate_command_buffers(to, VENUS_DEVICE, 320, 2, buffers, guest.asks));
    ASK(venus_queue_submit(to, VENUS_QUEUE,
                           &(struct venus_submit){.command_buffer_count = 1,
                                                  .command_buffers = {330},
                                                  .signal_count = 1,
                                                  .signals = {310},
                                                  .fence = 300},
                           guest.asks));
    ASK(venus_wait_fence(to, VENUS_DEVICE, 300, 1000000, guest.asks));
    for (uint32_t i = 0; i < 3 && goes_on(); i++) {
        pv_venus_context_fence(guest.context, i % 2, 1 + i);
        guest.fences_sent++;
    }
}

static void give_back(void)
{
    const uint64_t buffers[2] = {330, 331};

    RUN(venus_free_command_buffers(to, VENUS_DEVICE, 320, 2, buffers));
    RUN(venus_destroy(to, PV_WIRE_COMMAND_vkDestroyCommandPool, VENUS_DEVICE, 320));
    RUN(venus_destroy(to, PV_WIRE_COMMAND_vkDestroySemaphore, VENUS_DEVICE, 310));
    RUN(venus_destroy(to, PV_WIRE_COMMAND_vkDestroyFence, VENUS_DEVICE, 300));
    RUN(venus_destroy(to, PV_WIRE_COMMAND_vkDestroyBuffer, VENUS_DEVICE, 200));
    RUN(venus_destroy(to, PV_WIRE_COMMAND_vkFreeMemory, VENUS_DEVICE, 100));
    for (uint32_t i = 900; i < 903 && goes_on(); i++) {
        const int r = pv_venus_context_leave(guest.context, i);

        guest.failed = guest.failed || (r < 0 && r != -ENOENT);
    }
}

/* A second ring, which is monitored, and a stream in shared memory that it runs. */
static void use_second_ring(void)
{
    make_ring(RING_B, 11, 100000);
    if (goes_on()) {
        struct venus_ring *ring = &guest.rings[RING_B].ring;

        venus_command(fresh(), PV_WIRE_COMMAND_vkEnumerateInstanceVersion, false);
        guest.bytes.size_bytes = 0;
        venus_instance_version(&guest.bytes);
        memcpy(ring->memory + REPLY_OFFSET, guest.bytes.bytes, guest.bytes.size_bytes);
        const uint64_t stream_bytes = guest.bytes.size_bytes;

        venus_set_reply(fresh(), 11, REPLY_OFFSET + 2048, 64);
        venus_execute(&guest.bytes, 11, REPLY_OFFSET, stream_bytes);
        run_on(RING_B);
    }
}

static int begin_life(void)
{
    struct pv_venus_context_options options = {
        .size_bytes = sizeof(options),
        .name = "test",
        .placement = guest.window_fd >= 0 ? PV_VENUS_PLACEMENT_WINDOW : PV_VENUS_PLACEMENT_FILE,
        .window_fd = guest.window_fd,
        .window_size_bytes = guest.window_fd >= 0 ? WINDOW_BYTES : 0,
        .memory_max_bytes = UINT64_C(1) << 20,
        .events = &events,
        .get_instance_proc_addr = inject_vulkan_entry,
    };

    return pv_venus_context_create(&options, &guest.context);
}

static void end_life(void)
{
    const uint64_t end_ns = pv_os_clock_now_ns() + WAIT_NS;

    while (atomic_load(&guest.fences_retired) < guest.fences_sent) {
        assert_true(pv_os_clock_now_ns() < end_ns);
        pv_os_clock_sleep_ns(POLL_NS);
    }
    pv_venus_context_destroy(guest.context);
}

static void live(bool asks, bool in_window)
{
    int r;

    memset(&guest, 0, sizeof(guest));
    fake_driver_reset();
    visible = venus_bench_visible_type();
    guest.asks = asks;
    guest.window_fd = -1;
    if (in_window) {
        assert_int_equal(pv_os_shm_create("window", WINDOW_BYTES, &guest.window_fd), 0);
    }
    inject_resume();
    r = begin_life();
    if (r == 0) {
        make_ring(RING_A, 10, 0);
        start();
        use_memory();
        use_queue();
        use_second_ring();
        give_back();
        outcomes[pv_venus_context_is_lost(guest.context) ? 2 : guest.failed] +=
            inject_seen()->fired > 0;
        end_life();
    }
    inject_pause();
    assert_true(r == 0 || (r == -ENOMEM && inject_seen()->fired > 0));
    assert_true(guest.lost_count <= 1);
    assert_int_equal(guest.fences_retired, guest.fences_sent);
    if (inject_seen()->fired == 0) {
        assert_false(guest.failed);
        assert_int_equal(guest.lost_count, 0);
    }
    for (unsigned i = 0; i < RING_COUNT; i++) {
        if (guest.rings[i].exists) {
            pv_os_shm_unmap(guest.rings[i].ring.memory, TOTAL_BYTES);
        }
    }
    if (guest.window_fd >= 0) {
        close(guest.window_fd);
    }
    assert_int_equal(fake_driver_misuses(), 0);
    assert_int_equal(pv_fake_vulkan.live_count, 0);
    assert_int_equal(fake_driver_finish(), 0);
}

static void life_that_asks(void)
{
    live(true, false);
}

static void life_that_hopes(void)
{
    live(false, false);
}

static void life_in_a_window(void)
{
    live(true, true);
}

/* ---- tests ---- */

static void loop(enum inject_class class, void (*lived)(void))
{
    memset(outcomes, 0, sizeof(outcomes));
    inject_vulkan_set_driver(fake_driver_entry);
    fault_loop_run(class, lived);
    print_message("#   told by a result %u, by a lost context %u, did without %u\n", outcomes[1],
                  outcomes[2], outcomes[0]);
}

#define TEST(name, class)                                                                          \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        loop(class, life_that_asks);                                                               \
    }                                                                                              \
    static void test_##name##_without_replies(void **state)                                        \
    {                                                                                              \
        (void)state;                                                                               \
        loop(class, life_that_hopes);                                                              \
    }                                                                                              \
    static void test_##name##_in_a_window(void **state)                                            \
    {                                                                                              \
        (void)state;                                                                               \
        loop(class, life_in_a_window);                                                             \
    }

TEST(allocations, INJECT_ALLOC)
TEST(maps, INJECT_MAP)
TEST(threads, INJECT_THREAD)
TEST(descriptors, INJECT_DESCRIPTOR)
TEST(vulkan, INJECT_VULKAN)
TEST(lost_devices, INJECT_LOST)

#define TESTS(name)                                                                                \
    FAULT_TEST(test_##name), FAULT_TEST(test_##name##_without_replies),                            \
        FAULT_TEST(test_##name##_in_a_window)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TESTS(allocations), TESTS(maps),   TESTS(threads),
        TESTS(descriptors), TESTS(vulkan), TESTS(lost_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
