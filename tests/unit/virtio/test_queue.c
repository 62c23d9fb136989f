/* SPDX-License-Identifier: MIT */
/*
 * virtio/queue.c and queue_element.c: rings, notifications both ways, elements that outlive stops
 * and resets, and each way in which a driver may break its ring.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/fake_guest.h"
#include "virtio/chain.h"

#define SIZE 8u
#define DATA (FAKE_GUEST_ADDR + (1 << 20))

struct fixture {
    struct fake_guest guest;
    struct pv_base_log log;
    struct pv_virtio_queue *queue;
    unsigned int log_lines;
    unsigned int interrupts;
    unsigned int breaks;
    unsigned int elements;
    bool is_echo; /* answer at once */
    struct pv_virtio_element *held[SIZE + 1];
    size_t held_count;
};

static void echo(struct pv_virtio_element *element)
{
    uint8_t bytes[256];
    const size_t size_bytes = element->ops->read(element, bytes, sizeof(bytes));

    assert_int_equal(element->ops->write(element, bytes, size_bytes),
                     size_bytes < element->writable_bytes ? size_bytes : element->writable_bytes);
    element->ops->complete(element);
}

static void on_element(void *user, uint32_t queue_index, struct pv_virtio_element *element)
{
    struct fixture *fixture = user;

    assert_int_equal(queue_index, 3);
    fixture->elements++;
    if (fixture->is_echo) {
        echo(element);
    } else {
        assert_true(fixture->held_count < PV_ARRAY_LEN(fixture->held));
        fixture->held[fixture->held_count++] = element;
    }
}

static void on_interrupt(void *user, uint32_t queue_index)
{
    struct fixture *fixture = user;

    (void)queue_index;
    fixture->interrupts++;
}

static void on_broken(void *user, uint32_t queue_index)
{
    struct fixture *fixture = user;

    (void)queue_index;
    fixture->breaks++;
}

static const struct pv_virtio_queue_ops ops = {
    .element = on_element,
    .interrupt = on_interrupt,
    .broken = on_broken,
};

static void count_line(void *user, enum pv_base_log_level level, const char *line)
{
    struct fixture *fixture = user;

    (void)level;
    (void)line;
    fixture->log_lines++;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    pv_base_log_init(&fixture->log, "test");
    fixture->log.write = count_line;
    fixture->log.user = fixture;
    assert_int_equal(fake_guest_init(&fixture->guest, SIZE), 0);
    assert_int_equal(pv_virtio_queue_create(&fixture->log, fixture->guest.space, &ops, fixture, 3,
                                            &fixture->queue),
                     0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < fixture->held_count; i++) {
        fixture->held[i]->ops->drop(fixture->held[i]);
    }
    pv_virtio_queue_destroy(fixture->queue);
    fake_guest_finish(&fixture->guest);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture)
{
    assert_true(pv_virtio_queue_start(fixture->queue, &fixture->guest.place));
}

/* A request of 4 bytes with room for 16, on descriptors 2 * slot and 2 * slot + 1. */
static uint16_t send_request(struct fixture *fixture, uint32_t slot, uint32_t value)
{
    const uint64_t in = DATA + 64ull * slot;
    const uint16_t head = (uint16_t)(2 * slot);

    memcpy(fake_guest_at(&fixture->guest, in), &value, 4);
    fake_guest_describe(&fixture->guest, head, in, 4, FAKE_NEXT, (uint16_t)(head + 1));
    fake_guest_describe(&fixture->guest, head + 1u, in + 16, 16, FAKE_WRITE, 0);
    fake_guest_publish(&fixture->guest, head);
    return head;
}

static void assert_used(struct fixture *fixture, uint16_t counter, uint32_t head, uint32_t size)
{
    uint32_t got_head;
    uint32_t got_size;

    fake_guest_used(&fixture->guest, counter, &got_head, &got_size);
    assert_int_equal(got_head, head);
    assert_int_equal(got_size, size);
}

static void test_echo(void **state)
{
    struct fixture *fixture = *state;

    fixture->is_echo = true;
    start(fixture);
    send_request(fixture, 0, 0x12345678);
    assert_false(pv_virtio_queue_process(fixture->queue));
    assert_int_equal(fake_guest_used_idx(&fixture->guest), 1);
    assert_used(fixture, 0, 0, 4);
    assert_memory_equal(fake_guest_at(&fixture->guest, DATA + 16), "\x78\x56\x34\x12", 4);
    assert_int_equal(fixture->interrupts, 1);
}

static void test_nothing_happens_before_start(void **state)
{
    struct fixture *fixture = *state;

    send_request(fixture, 0, 1);
    assert_false(pv_virtio_queue_process(fixture->queue));
    assert_int_equal(fixture->elements, 0);
    assert_int_equal(pv_virtio_queue_stop(fixture->queue), 0);
}

static void test_completion_in_any_order(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    for (uint32_t i = 0; i < 3; i++) {
        send_request(fixture, i, i);
    }
    assert_false(pv_virtio_queue_process(fixture->queue));
    assert_int_equal(pv_virtio_queue_outstanding_count(fixture->queue), 3);
    echo(fixture->held[2]);
    echo(fixture->held[0]);
    fixture->held[1]->ops->drop(fixture->held[1]);
    fixture->held_count = 0;
    assert_int_equal(fake_guest_used_idx(&fixture->guest), 2);
    assert_used(fixture, 0, 4, 4);
    assert_used(fixture, 1, 0, 4);
    assert_int_equal(pv_virtio_queue_outstanding_count(fixture->queue), 0);
}

static void test_indices_wrap_at_65536(void **state)
{
    struct fixture *fixture = *state;

    fixture->is_echo = true;
    start(fixture);
    for (uint32_t i = 0; i < 70000; i++) {
        send_request(fixture, i % 4, i);
        assert_false(pv_virtio_queue_process(fixture->queue));
    }
    assert_int_equal(fixture->elements, 70000);
    assert_int_equal(fake_guest_used_idx(&fixture->guest), 70000 - 65536);
    assert_int_equal(fixture->breaks, 0);
}

static void test_a_turn_has_an_end(void **state)
{
    struct fixture *fixture = *state;
    struct fake_guest big;
    struct pv_virtio_queue *queue;

    assert_int_equal(fake_guest_init(&big, 256), 0);
    fixture->is_echo = true;
    assert_int_equal(pv_virtio_queue_create(NULL, big.space, &ops, fixture, 3, &queue), 0);
    for (uint16_t i = 0; i < PV_VIRTIO_QUEUE_TURN_ELEMENTS + 1; i++) {
        fake_guest_describe(&big, i, DATA, 4, 0, 0);
        fake_guest_publish(&big, i);
    }
    assert_true(pv_virtio_queue_start(queue, &big.place));
    assert_true(pv_virtio_queue_process(queue));
    assert_int_equal(fixture->elements, PV_VIRTIO_QUEUE_TURN_ELEMENTS);
    assert_false(pv_virtio_queue_process(queue));
    assert_int_equal(fixture->elements, PV_VIRTIO_QUEUE_TURN_ELEMENTS + 1);
    pv_virtio_queue_destroy(queue);
    fake_guest_finish(&big);
}

/* Notifications. */

static void test_no_interrupt_flag(void **state)
{
    struct fixture *fixture = *state;

    fixture->is_echo = true;
    start(fixture);
    fake_guest_set_available_flags(&fixture->guest, 1);
    send_request(fixture, 0, 1);
    (void)pv_virtio_queue_process(fixture->queue);
    assert_int_equal(fixture->interrupts, 0);
    fake_guest_set_available_flags(&fixture->guest, 0);
    send_request(fixture, 0, 1);
    (void)pv_virtio_queue_process(fixture->queue);
    assert_int_equal(fixture->interrupts, 1);
}

static void test_event_index_decides_on_interrupts(void **state)
{
    struct fixture *fixture = *state;

    fixture->is_echo = true;
    fixture->guest.place.has_event_index = true;
    fake_guest_set_used_event(&fixture->guest, 2);
    start(fixture);
    for (uint32_t i = 0; i < 2; i++) {
        send_request(fixture, 0, i);
        (void)pv_virtio_queue_process(fixture->queue);
    }
    assert_int_equal(fixture->interrupts, 0);
    send_request(fixture, 0, 2);
    (void)pv_virtio_queue_process(fixture->queue);
    assert_int_equal(fixture->interrupts, 1);
    send_request(fixture, 0, 3);
    (void)pv_virtio_queue_process(fixture->queue);
    assert_int_equal(fixture->interrupts, 1);
}

static void test_one_interrupt_for_a_batch(void **state)
{
    struct fixture *fixture = *state;

    fixture->is_echo = true;
    start(fixture);
    for (uint32_t i = 0; i < 4; i++) {
        send_request(fixture, i, i);
    }
    (void)pv_virtio_queue_process(fixture->queue);
    assert_int_equal(fake_guest_used_idx(&fixture->guest), 4);
    assert_int_equal(fixture->interrupts, 1);
}

static void test_doorbell_is_armed_when_empty(void **state)
{
    struct fixture *fixture = *state;

    fixture->guest.place.has_event_index = true;
    fixture->is_echo = true;
    start(fixture);
    send_request(fixture, 0, 1);
    send_request(fixture, 1, 1);
    (void)pv_virtio_queue_process(fixture->queue);
    assert_int_equal(fake_guest_available_event(&fixture->guest), 2);
}

static void test_doorbell_flag_without_event_index(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    send_request(fixture, 0, 1);
    (void)pv_virtio_queue_process(fixture->queue);
    assert_int_equal(fake_guest_used_flags(&fixture->guest), 0);
}

/* Pause, reset, life of elements. */

static void test_completed_during_a_pause_is_shown_after_it(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    send_request(fixture, 0, 7);
    send_request(fixture, 1, 8);
    (void)pv_virtio_queue_process(fixture->queue);
    fixture->guest.place.next_available = pv_virtio_queue_stop(fixture->queue);
    assert_int_equal(fixture->guest.place.next_available, 2);
    memset(fake_guest_at(&fixture->guest, DATA + 16), 0xee, 4);
    echo(fixture->held[0]);
    assert_int_equal(fake_guest_used_idx(&fixture->guest), 0);
    assert_memory_equal(fake_guest_at(&fixture->guest, DATA + 16), "\xee\xee\xee\xee", 4);
    start(fixture);
    assert_int_equal(fake_guest_used_idx(&fixture->guest), 1);
    assert_used(fixture, 0, 0, 4);
    assert_memory_equal(fake_guest_at(&fixture->guest, DATA + 16), "\x07\0\0\0", 4);
    assert_int_equal(fixture->interrupts, 1);
    echo(fixture->held[1]);
    assert_int_equal(fake_guest_used_idx(&fixture->guest), 2);
    fixture->held_count = 0;
}

static void test_reset_cuts_elements_off(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[4];

    start(fixture);
    for (uint32_t i = 0; i < 3; i++) {
        send_request(fixture, i, i);
    }
    (void)pv_virtio_queue_process(fixture->queue);
    (void)pv_virtio_queue_stop(fixture->queue);
    echo(fixture->held[0]); /* kept, and gone with the reset */
    pv_virtio_queue_reset(fixture->queue);
    assert_int_equal(pv_virtio_queue_outstanding_count(fixture->queue), 0);
    assert_int_equal(fixture->held[1]->ops->read(fixture->held[1], bytes, 4), 0);
    assert_int_equal(fixture->held[1]->ops->write(fixture->held[1], bytes, 4), 4);
    fixture->held[1]->ops->complete(fixture->held[1]);
    fixture->guest.available_idx = 0;
    memset(fake_guest_at(&fixture->guest, fixture->guest.place.available_addr), 0, 64);
    start(fixture);
    fixture->held[2]->ops->drop(fixture->held[2]);
    fixture->held_count = 0;
    assert_int_equal(fake_guest_used_idx(&fixture->guest), 0);
    fixture->is_echo = true;
    send_request(fixture, 0, 9);
    (void)pv_virtio_queue_process(fixture->queue);
    assert_int_equal(fake_guest_used_idx(&fixture->guest), 1);
}

static void test_element_outlives_its_queue(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    send_request(fixture, 0, 1);
    (void)pv_virtio_queue_process(fixture->queue);
    pv_virtio_queue_destroy(fixture->queue);
    fixture->queue = NULL;
    fixture->held[0]->ops->complete(fixture->held[0]);
    fixture->held_count = 0;
}

static void test_reads_in_pieces(void **state)
{
    struct fixture *fixture = *state;
    struct pv_virtio_element *element;
    char bytes[8] = {0};

    start(fixture);
    memcpy(fake_guest_at(&fixture->guest, DATA), "abcdef", 6);
    fake_guest_describe(&fixture->guest, 0, DATA, 1, FAKE_NEXT, 1);
    fake_guest_describe(&fixture->guest, 1, DATA + 3, 3, 0, 0);
    fake_guest_publish(&fixture->guest, 0);
    (void)pv_virtio_queue_process(fixture->queue);
    element = fixture->held[0];
    assert_int_equal(element->readable_bytes, 4);
    assert_int_equal(element->writable_bytes, 0);
    assert_int_equal(element->ops->read(element, bytes, 2), 2);
    assert_int_equal(element->ops->read(element, bytes + 2, 6), 2);
    assert_memory_equal(bytes, "adef", 4);
    assert_int_equal(element->ops->read(element, bytes, 1), 0);
    assert_int_equal(element->ops->write(element, bytes, 1), 0);
}

static void test_large_answers_in_pieces(void **state)
{
    struct fixture *fixture = *state;
    struct pv_virtio_element *element;
    char bytes[1000];

    start(fixture);
    memset(bytes, 'q', sizeof(bytes));
    fake_guest_describe(&fixture->guest, 0, DATA, 4, FAKE_NEXT, 1);
    fake_guest_describe(&fixture->guest, 1, DATA + 100, 1500, FAKE_WRITE | FAKE_NEXT, 2);
    fake_guest_describe(&fixture->guest, 2, DATA + 5000, 1000, FAKE_WRITE, 0);
    fake_guest_publish(&fixture->guest, 0);
    (void)pv_virtio_queue_process(fixture->queue);
    element = fixture->held[0];
    assert_int_equal(element->ops->write(element, bytes, 1000), 1000);
    assert_int_equal(element->ops->write(element, bytes, 1000), 1000);
    assert_int_equal(element->ops->write(element, bytes, 1000), 500);
    element->ops->complete(element);
    fixture->held_count = 0;
    assert_used(fixture, 0, 0, 2500);
    assert_memory_equal(fake_guest_at(&fixture->guest, DATA + 5000), bytes, 1000);
    assert_int_equal(*(char *)fake_guest_at(&fixture->guest, DATA + 6000), 0);
}

static void test_unbacked_buffers_come_short(void **state)
{
    static const uint64_t addrs[] = {0, FAKE_GUEST_ADDR + FAKE_GUEST_BYTES - 2, UINT64_MAX - 1};
    static const size_t backed[] = {0, 2, 0};
    struct fixture *fixture = *state;

    start(fixture);
    for (uint16_t i = 0; i < PV_ARRAY_LEN(addrs); i++) {
        struct pv_virtio_element *element;
        uint8_t bytes[8];

        fake_guest_describe(&fixture->guest, 0, addrs[i], 8, FAKE_NEXT, 1);
        fake_guest_describe(&fixture->guest, 1, addrs[i], 8, FAKE_WRITE, 0);
        fake_guest_publish(&fixture->guest, 0);
        (void)pv_virtio_queue_process(fixture->queue);
        assert_int_equal(fixture->held_count, 1);
        element = fixture->held[0];
        fixture->held_count = 0;
        assert_int_equal(element->ops->read(element, bytes, 8), backed[i]);
        assert_int_equal(element->ops->read(element, bytes, 8), 0);
        assert_int_equal(element->ops->write(element, "12345678", 8), 8);
        element->ops->complete(element);
        assert_used(fixture, i, 0, (uint32_t)backed[i]);
    }
    assert_int_equal(fixture->breaks, 0);
}

/* What breaks a queue. */

static void assert_broken(struct fixture *fixture)
{
    const unsigned int elements = fixture->elements;

    assert_false(pv_virtio_queue_process(fixture->queue));
    assert_int_equal(fixture->breaks, 1);
    assert_int_equal(fixture->log_lines, 1);
    assert_false(pv_virtio_queue_is_running(fixture->queue));
    assert_int_equal(fixture->elements, elements);
    /* neither more requests nor a restart of the same life bring it back */
    send_request(fixture, 0, 1);
    assert_false(pv_virtio_queue_process(fixture->queue));
    assert_false(pv_virtio_queue_start(fixture->queue, &fixture->guest.place));
    assert_int_equal(fixture->log_lines, 1);
    /* a reset does */
    pv_virtio_queue_reset(fixture->queue);
    fixture->guest.available_idx = 0;
    fixture->guest.place.next_available = 0;
    memset(fake_guest_at(&fixture->guest, fixture->guest.place.available_addr), 0, 64);
    memset(fake_guest_at(&fixture->guest, fixture->guest.place.used_addr), 0, 128);
    fixture->is_echo = true;
    start(fixture);
    send_request(fixture, 0, 1);
    assert_false(pv_virtio_queue_process(fixture->queue));
    assert_int_equal(fake_guest_used_idx(&fixture->guest), 1);
}

static void test_available_index_jumps(void **state)
{
    struct fixture *fixture = *state;
    uint16_t *idx;

    start(fixture);
    idx = fake_guest_at(&fixture->guest, fixture->guest.place.available_addr + 2);
    *idx = SIZE + 1;
    assert_broken(fixture);
}

static void test_available_index_goes_back(void **state)
{
    struct fixture *fixture = *state;
    uint16_t *idx;

    start(fixture);
    idx = fake_guest_at(&fixture->guest, fixture->guest.place.available_addr + 2);
    *idx = UINT16_MAX;
    assert_broken(fixture);
}

static void test_head_out_of_range(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    fake_guest_publish(&fixture->guest, SIZE);
    assert_broken(fixture);
}

static void test_head_that_is_in_use(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    send_request(fixture, 1, 1);
    (void)pv_virtio_queue_process(fixture->queue);
    fake_guest_publish(&fixture->guest, 2);
    assert_broken(fixture);
}

static void test_bad_chain(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    fake_guest_describe(&fixture->guest, 0, DATA, 4, FAKE_NEXT, 0);
    fake_guest_publish(&fixture->guest, 0);
    assert_broken(fixture);
}

static void test_element_of_a_broken_queue(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    send_request(fixture, 0, 1);
    (void)pv_virtio_queue_process(fixture->queue);
    fake_guest_publish(&fixture->guest, SIZE);
    (void)pv_virtio_queue_process(fixture->queue);
    assert_int_equal(fixture->breaks, 1);
    echo(fixture->held[0]);
    fixture->held_count = 0;
    assert_int_equal(fake_guest_used_idx(&fixture->guest), 0);
    assert_int_equal(pv_virtio_queue_outstanding_count(fixture->queue), 0);
}

static void test_places_that_cannot_be(void **state)
{
    static const uint32_t sizes[] = {0, 3, 65535, 65536, UINT32_MAX};
    struct fixture *fixture = *state;
    const struct pv_virtio_queue_place good = fixture->guest.place;
    struct pv_virtio_queue_place bad[8];
    size_t count = 0;

    for (size_t i = 0; i < PV_ARRAY_LEN(sizes); i++) {
        bad[0] = good;
        bad[0].size = sizes[i];
        assert_false(pv_virtio_queue_start(fixture->queue, &bad[0]));
        pv_virtio_queue_reset(fixture->queue);
    }
    bad[count] = good;
    bad[count++].descriptor_addr = UINT64_MAX;
    bad[count] = good;
    bad[count++].descriptor_addr = FAKE_GUEST_ADDR + FAKE_GUEST_BYTES - 16 * SIZE + 16;
    bad[count] = good;
    bad[count++].descriptor_addr += 1;
    bad[count] = good;
    bad[count++].available_addr = 0;
    bad[count] = good;
    bad[count++].available_addr += 1;
    bad[count] = good;
    bad[count++].used_addr += 2;
    bad[count] = good;
    bad[count++].used_addr = FAKE_GUEST_ADDR + FAKE_GUEST_BYTES - 4;
    for (size_t i = 0; i < count; i++) {
        assert_false(pv_virtio_queue_start(fixture->queue, &bad[i]));
        pv_virtio_queue_reset(fixture->queue);
    }
    assert_int_equal(fixture->breaks, PV_ARRAY_LEN(sizes) + count);
    start(fixture);
}

static void test_memory_goes_away(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    send_request(fixture, 0, 1);
    (void)pv_virtio_queue_process(fixture->queue);
    assert_int_equal(pv_guestmem_space_replace(fixture->guest.space, NULL, 0), 0);
    echo(fixture->held[0]);
    fixture->held_count = 0;
    assert_int_equal(fixture->breaks, 1);
    assert_false(pv_virtio_queue_process(fixture->queue));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_echo),
        T(test_nothing_happens_before_start),
        T(test_completion_in_any_order),
        T(test_indices_wrap_at_65536),
        T(test_a_turn_has_an_end),
        T(test_no_interrupt_flag),
        T(test_event_index_decides_on_interrupts),
        T(test_one_interrupt_for_a_batch),
        T(test_doorbell_is_armed_when_empty),
        T(test_doorbell_flag_without_event_index),
        T(test_completed_during_a_pause_is_shown_after_it),
        T(test_reset_cuts_elements_off),
        T(test_element_outlives_its_queue),
        T(test_reads_in_pieces),
        T(test_large_answers_in_pieces),
        T(test_unbacked_buffers_come_short),
        T(test_available_index_jumps),
        T(test_available_index_goes_back),
        T(test_head_out_of_range),
        T(test_head_that_is_in_use),
        T(test_bad_chain),
        T(test_element_of_a_broken_queue),
        T(test_places_that_cannot_be),
        T(test_memory_goes_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
