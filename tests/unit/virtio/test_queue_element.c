/* SPDX-License-Identifier: MIT */
/*
 * virtio/queue_element.c: a request in several pieces is read and answered as one, memory that has
 * gone cuts it short, a driver that changes its descriptors afterwards changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/compiler.h"
#include "support/fake_guest.h"

#define SIZE 16u
#define DATA (FAKE_GUEST_ADDR + (1 << 20))
/* Behind the guest's memory. */
#define NOWHERE (FAKE_GUEST_ADDR + FAKE_GUEST_BYTES)

static struct fake_guest guest;
static struct pv_base_log guest_log;
static struct pv_virtio_queue *queue;
static struct pv_virtio_element *element;

static void on_element(void *user, uint32_t queue_index, struct pv_virtio_element *got)
{
    (void)user;
    (void)queue_index;
    element = got;
}

static void ignore(void *user, uint32_t queue_index)
{
    (void)user;
    (void)queue_index;
}

static const struct pv_virtio_queue_ops ops = {
    .element = on_element,
    .interrupt = ignore,
    .broken = ignore,
};

static int set_up(void **state)
{
    (void)state;
    pv_base_log_init(&guest_log, "test");
    element = NULL;
    assert_int_equal(fake_guest_init(&guest, SIZE), 0);
    assert_int_equal(pv_virtio_queue_create(&guest_log, guest.space, &ops, NULL, 0, &queue), 0);
    assert_true(pv_virtio_queue_start(queue, &guest.place));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pv_virtio_queue_destroy(queue);
    fake_guest_finish(&guest);
    return 0;
}

struct piece {
    uint64_t addr;
    uint32_t size_bytes;
    bool is_writable;
};

/* A chain of pieces, from descriptor 0 on; the element that comes of it. */
static struct pv_virtio_element *request(uint32_t count, const struct piece *pieces)
{
    for (uint32_t i = 0; i < count; i++) {
        fake_guest_describe(&guest, i, pieces[i].addr, pieces[i].size_bytes,
                            (uint16_t)((pieces[i].is_writable ? FAKE_WRITE : 0u)
                                       | (i + 1 < count ? FAKE_NEXT : 0u)),
                            (uint16_t)(i + 1));
    }
    fake_guest_publish(&guest, 0);
    element = NULL;
    pv_virtio_queue_process(queue);
    assert_non_null(element);
    return element;
}

static void fill(uint64_t addr, uint8_t first, size_t size_bytes)
{
    uint8_t *bytes = fake_guest_at(&guest, addr);

    for (size_t i = 0; i < size_bytes; i++) {
        bytes[i] = (uint8_t)(first + i);
    }
}

static uint32_t used_bytes(uint16_t counter)
{
    uint32_t head;
    uint32_t size_bytes;

    fake_guest_used(&guest, counter, &head, &size_bytes);
    assert_int_equal(head, 0);
    return size_bytes;
}

/* Pieces of 5, 1 and 100 bytes, read by 1, 7, 64 and all at once. */
static void test_reads_across_pieces(void **state)
{
    static const struct piece pieces[] = {
        {DATA, 5, false}, {DATA + 4096, 1, false}, {DATA + 8192, 100, false}};
    static const size_t steps[] = {1, 7, 64, 1000};

    (void)state;
    fill(DATA, 0, 5);
    fill(DATA + 4096, 5, 1);
    fill(DATA + 8192, 6, 100);
    for (size_t i = 0; i < PV_ARRAY_LEN(steps); i++) {
        uint8_t bytes[1000];
        size_t done_bytes = 0;
        size_t got_bytes;

        (void)request(3, pieces);
        assert_int_equal(element->readable_bytes, 106);
        assert_int_equal(element->writable_bytes, 0);
        do {
            got_bytes = element->ops->read(element, bytes + done_bytes,
                                           PV_ARRAY_LEN(bytes) - done_bytes < steps[i]
                                               ? PV_ARRAY_LEN(bytes) - done_bytes
                                               : steps[i]);
            done_bytes += got_bytes;
        } while (got_bytes == steps[i]);
        assert_int_equal(done_bytes, 106);
        for (uint32_t k = 0; k < 106; k++) {
            assert_int_equal(bytes[k], k);
        }
        assert_int_equal(element->ops->read(element, bytes, 1), 0);
        assert_int_equal(element->ops->write(element, bytes, 1), 0); /* nothing is writable */
        element->ops->complete(element);
        assert_int_equal(used_bytes((uint16_t)i), 0);
    }
}

/* Answers around the inline 64 bytes, in pieces, and one byte more than there is room for. */
static void test_writes_across_pieces(void **state)
{
    static const struct piece pieces[] = {
        {DATA, 4, false}, {DATA + 4096, 3, true}, {DATA + 8192, 197, true}};
    static const size_t sizes[] = {0, 1, 3, 4, 63, 64, 65, 199, 200, 201, 1000};

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(sizes); i++) {
        const size_t expected_bytes = sizes[i] < 200 ? sizes[i] : 200;
        uint8_t bytes[1000];

        memset(fake_guest_at(&guest, DATA + 4096), 0xcc, 16);
        memset(fake_guest_at(&guest, DATA + 8192), 0xcc, 256);
        for (size_t k = 0; k < sizeof(bytes); k++) {
            bytes[k] = (uint8_t)k;
        }
        (void)request(3, pieces);
        assert_int_equal(element->writable_bytes, 200);
        assert_int_equal(element->ops->write(element, bytes, sizes[i]), expected_bytes);
        /* Nothing of it is in guest memory before the end. */
        assert_int_equal(*(uint8_t *)fake_guest_at(&guest, DATA + 4096), 0xcc);
        element->ops->complete(element);
        assert_int_equal(used_bytes((uint16_t)i), expected_bytes);
        for (size_t k = 0; k < 200; k++) {
            const uint64_t at = k < 3 ? DATA + 4096 + k : DATA + 8192 + k - 3;

            assert_int_equal(*(uint8_t *)fake_guest_at(&guest, at),
                             k < expected_bytes ? (uint8_t)k : 0xcc);
        }
        assert_int_equal(*(uint8_t *)fake_guest_at(&guest, DATA + 8192 + 197), 0xcc);
    }
}

static void test_many_small_writes(void **state)
{
    static const struct piece pieces[] = {{DATA, 4, false}, {DATA + 4096, 4096, true}};

    (void)state;
    (void)request(2, pieces);
    for (uint32_t i = 0; i < 4096; i++) {
        const uint8_t byte = (uint8_t)(i * 7);

        assert_int_equal(element->ops->write(element, &byte, 1), 1);
    }
    assert_int_equal(element->ops->write(element, "", 1), 0);
    element->ops->complete(element);
    assert_int_equal(used_bytes(0), 4096);
    for (uint32_t i = 0; i < 4096; i++) {
        assert_int_equal(*(uint8_t *)fake_guest_at(&guest, DATA + 4096 + i), (uint8_t)(i * 7));
    }
}

/* The last piece is not memory: what comes before it counts, and reads stay short. */
static void test_memory_that_is_not_there(void **state)
{
    static const struct piece readable[] = {
        {DATA, 8, false}, {NOWHERE, 8, false}, {DATA + 64, 8, false}};
    static const struct piece half[] = {{NOWHERE - 4, 8, false}};
    static const struct piece writable[] = {
        {DATA, 8, true}, {NOWHERE, 8, true}, {DATA + 64, 8, true}};
    uint8_t bytes[32] = {0};

    (void)state;
    fill(DATA, 1, 8);
    (void)request(3, readable);
    assert_int_equal(element->ops->read(element, bytes, sizeof(bytes)), 8);
    assert_int_equal(bytes[7], 8);
    assert_int_equal(bytes[8], 0);
    assert_int_equal(element->ops->read(element, bytes, sizeof(bytes)), 0);
    element->ops->complete(element);
    (void)request(1, half);
    assert_true(element->ops->read(element, bytes, 8) <= 4);
    assert_true(element->ops->read(element, bytes, 8) <= 4);
    element->ops->drop(element);

    tear_down(NULL);
    set_up(NULL);
    memset(fake_guest_at(&guest, DATA + 64), 0xcc, 8);
    (void)request(3, writable);
    assert_int_equal(element->ops->write(element, bytes, 24), 24); /* of what it promised */
    element->ops->complete(element);
    assert_int_equal(used_bytes(0), 8); /* of what there was */
    assert_int_equal(*(uint8_t *)fake_guest_at(&guest, DATA + 64), 0xcc);
}

/* Addresses whose end is past the last one there is. */
static void test_addresses_that_overflow(void **state)
{
    static const struct piece readable[] = {{UINT64_MAX - 3, 8, false}};
    static const struct piece writable[] = {{UINT64_MAX - 3, 8, true}};
    uint8_t bytes[8] = {0};

    (void)state;
    (void)request(1, readable);
    assert_int_equal(element->ops->read(element, bytes, 8), 0);
    element->ops->drop(element);
    tear_down(NULL);
    set_up(NULL);
    (void)request(1, writable);
    assert_int_equal(element->ops->write(element, bytes, 8), 8);
    element->ops->complete(element);
    assert_int_equal(used_bytes(0), 0);
}

/* The table was read once: what it says later is of the next request. */
static void test_descriptors_that_change(void **state)
{
    static const struct piece pieces[] = {{DATA, 4, false}, {DATA + 4096, 4, true}};
    uint32_t value = 0;

    (void)state;
    fill(DATA, 1, 4);
    (void)request(2, pieces);
    fake_guest_describe(&guest, 0, NOWHERE, UINT32_MAX, FAKE_NEXT, 0);
    fake_guest_describe(&guest, 1, DATA + 8192, UINT32_MAX, FAKE_WRITE, 0);
    assert_int_equal(element->ops->read(element, &value, 4), 4);
    assert_int_equal(value, 0x04030201);
    assert_int_equal(element->ops->write(element, &value, 4), 4);
    element->ops->complete(element);
    assert_memory_equal(fake_guest_at(&guest, DATA + 4096), &value, 4);
    assert_int_equal(*(uint32_t *)fake_guest_at(&guest, DATA + 8192), 0);
}

/* Held past a reset: it may still be read and ended, and the guest hears nothing of it. */
static void test_an_element_outlives_its_queue(void **state)
{
    static const struct piece pieces[] = {{DATA, 4, false}, {DATA + 4096, 128, true}};
    struct pv_virtio_element *held[3];
    uint8_t bytes[128] = {1};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        (void)request(2, pieces);
        held[i] = element;
        assert_int_equal(element->ops->write(element, bytes, 100), 100);
        pv_virtio_queue_reset(queue);
        assert_true(pv_virtio_queue_start(queue, &guest.place));
        guest.available_idx = 0;
    }
    assert_int_equal(held[0]->ops->read(held[0], bytes, 4), 0);
    held[0]->ops->complete(held[0]);
    held[1]->ops->drop(held[1]);
    pv_virtio_queue_destroy(queue);
    held[2]->ops->complete(held[2]);
    assert_int_equal(fake_guest_used_idx(&guest), 0);
    assert_int_equal(*(uint8_t *)fake_guest_at(&guest, DATA + 4096), 0);
    assert_int_equal(pv_virtio_queue_create(&guest_log, guest.space, &ops, NULL, 0, &queue), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads_across_pieces),
        TEST(test_writes_across_pieces),
        TEST(test_many_small_writes),
        TEST(test_memory_that_is_not_there),
        TEST(test_addresses_that_overflow),
        TEST(test_descriptors_that_change),
        TEST(test_an_element_outlives_its_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
