/* SPDX-License-Identifier: MIT */
/*
 * venus_wire/codec.c: each building block with what it takes, at its limits, and one past them.
 * Whole commands are in test_dispatch.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/fake_wire.h"
#include "venus_wire/codec.h"

enum { DEVICE = 1, BUFFER = 5, SEMAPHORE = 6 };

static struct fake_wire *fake;
static struct pv_wire_decoder *decoder;
static struct fake_bytes in;

static int set_up(void **state)
{
    (void)state;
    fake = calloc(1, sizeof(*fake));
    assert_non_null(fake);
    fake_wire_init(fake);
    fake_wire_object(fake, DEVICE, VK_OBJECT_TYPE_DEVICE);
    fake_wire_object(fake, BUFFER, VK_OBJECT_TYPE_BUFFER);
    fake_wire_object(fake, SEMAPHORE, VK_OBJECT_TYPE_SEMAPHORE);
    decoder = &fake->decoder;
    in.size_bytes = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_wire_finish(fake);
    free(fake);
    return 0;
}

/* What is in `in` is the stream now; faults are forgotten. */
static void begin(void)
{
    fake_wire_rewind(fake);
    decoder->dispatch = &fake->device_table;
    pv_base_reader_init(&decoder->in, in.bytes, in.size_bytes, &decoder->fault);
    in.size_bytes = 0;
}

static void u32(uint32_t value)
{
    fake_bytes_u32(&in, value);
}

static void u64(uint64_t value)
{
    fake_bytes_u64(&in, value);
}

static void assert_fault(enum pv_base_fault_kind kind)
{
    assert_int_equal(decoder->fault.kind, kind);
}

/* ---- arrays ---- */

static void test_arrays(void **state)
{
    const uint32_t *numbers;
    const uint8_t *bytes;

    (void)state;
    u32(1);
    u32(2);
    u32(0x04030201);
    begin();
    numbers = pv_wire_array_copy(decoder, 2, 4);
    assert_non_null(numbers);
    assert_int_equal(numbers[1], 2);
    bytes = pv_wire_array_borrow(decoder, 3, 1); /* padded to 4 */
    assert_non_null(bytes);
    assert_int_equal(bytes[2], 3);
    assert_int_equal(pv_base_reader_left_bytes(&decoder->in), 0);
    assert_int_equal(decoder->fault.kind, 0);
}

/* Counts that do not fit into the stream, and such whose bytes do not fit into 64 bits. */
static void test_counts_of_arrays(void **state)
{
    static const uint64_t bad[] = {3,
                                   1024,
                                   UINT64_C(1) << 32,
                                   UINT64_C(1) << 61,
                                   UINT64_C(1) << 62,
                                   UINT64_MAX / 8 + 1,
                                   UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t *ids = NULL;
        void *handles = NULL;

        u64(7);
        u64(8);
        begin();
        assert_null(pv_wire_array_copy(decoder, bad[i], 8));
        assert_fault(PV_BASE_FAULT_COUNT);
        u64(7);
        begin();
        assert_null(pv_wire_array_borrow(decoder, bad[i], 8));
        assert_fault(PV_BASE_FAULT_COUNT);
        u64(7);
        begin();
        assert_false(pv_wire_ids_decode(decoder, bad[i], &ids));
        assert_null(ids);
        assert_fault(PV_BASE_FAULT_COUNT);
        u64(BUFFER);
        begin();
        assert_false(
            pv_wire_handles_decode(decoder, bad[i], VK_OBJECT_TYPE_BUFFER, false, &handles));
        assert_fault(PV_BASE_FAULT_COUNT);
    }
}

static void test_handles(void **state)
{
    static const uint64_t bad[] = {99, SEMAPHORE, UINT64_MAX};
    uint64_t *handles = NULL;

    (void)state;
    u64(BUFFER);
    u64(0);
    begin();
    assert_true(pv_wire_handles_decode(decoder, 2, VK_OBJECT_TYPE_BUFFER, false, &handles));
    assert_int_equal(handles[0], BUFFER + 0x1000);
    assert_int_equal(handles[1], 0);
    u64(BUFFER);
    u64(0);
    begin();
    decoder->as_objects = true;
    assert_true(pv_wire_handles_decode(decoder, 2, VK_OBJECT_TYPE_BUFFER, false, &handles));
    assert_int_not_equal(handles[0], BUFFER + 0x1000);
    pv_wire_handles_unwrap(handles, 2);
    assert_int_equal(handles[0], BUFFER + 0x1000);
    assert_int_equal(handles[1], 0);
    decoder->as_objects = false;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        u64(BUFFER);
        u64(bad[i]);
        begin();
        assert_false(pv_wire_handles_decode(decoder, 2, VK_OBJECT_TYPE_BUFFER, false, &handles));
        assert_fault(PV_BASE_FAULT_HANDLE);
    }
    /* Where the registry does not allow it. */
    u64(BUFFER);
    u64(0);
    begin();
    assert_false(pv_wire_handles_decode(decoder, 2, VK_OBJECT_TYPE_BUFFER, true, &handles));
    assert_fault(PV_BASE_FAULT_HANDLE);
    /* Another device's: drivers take it for one of their own. */
    u64(BUFFER);
    begin();
    decoder->dispatch = &fake->instance_table;
    assert_false(pv_wire_handles_decode(decoder, 1, VK_OBJECT_TYPE_BUFFER, false, &handles));
    assert_fault(PV_BASE_FAULT_HANDLE);
}

/* ---- outputs ---- */

/* Bounded by the room in the reply: what cannot be sent back is not asked of the driver. */
static void test_outputs(void **state)
{
    const uint64_t most = FAKE_WIRE_REPLY_BYTES / 16;
    uint8_t *memory;

    (void)state;
    begin();
    memory = pv_wire_out_array_alloc(decoder, most, 24, 16);
    assert_non_null(memory);
    assert_int_equal(pv_wire_out_capacity(memory), most);
    assert_int_equal(memory[0] | memory[most * 24 - 1], 0);
    assert_int_equal(pv_wire_out_capacity(NULL), 0);
    assert_null(pv_wire_out_array_alloc(decoder, most + 1, 24, 16));
    assert_fault(PV_BASE_FAULT_COUNT);
    begin();
    assert_null(pv_wire_out_array_alloc(decoder, UINT64_MAX, 24, 16));
    assert_fault(PV_BASE_FAULT_COUNT);
    begin();
    assert_non_null(pv_wire_out_array_alloc(decoder, 0, 24, 16));
    /* A driver that may write more than the guest says: that much memory is there. */
    memory = pv_wire_out_blob_alloc(decoder, 8, 4096);
    assert_non_null(memory);
    memset(memory, 1, 4096);
    assert_int_equal(pv_wire_out_capacity(memory), 8);
    assert_null(pv_wire_out_blob_alloc(decoder, FAKE_WIRE_REPLY_BYTES + 1, 0));
    assert_fault(PV_BASE_FAULT_COUNT);
    begin();
    assert_null(pv_wire_out_blob_alloc(decoder, 8, UINT64_MAX));
    assert_fault(PV_BASE_FAULT_COUNT);
    begin();
    decoder->has_reply = false;
    assert_null(pv_wire_out_array_alloc(decoder, 1, 24, 16));
    assert_fault(PV_BASE_FAULT_COUNT);
    decoder->has_reply = true;
}

/* ---- strings ---- */

static void test_strings(void **state)
{
    const char *string;

    (void)state;
    u64(5);
    u32(0x6e69616d);
    u32(0);
    begin();
    assert_true(pv_wire_string_decode(decoder, true, &string));
    assert_string_equal(string, "main");
    u64(4); /* not terminated: its last byte becomes the end */
    u32(0x6e69616d);
    begin();
    assert_true(pv_wire_string_decode(decoder, true, &string));
    assert_string_equal(string, "mai");
    u64(0);
    begin();
    assert_true(pv_wire_string_decode(decoder, false, &string));
    assert_null(string);
    u64(0);
    begin();
    assert_false(pv_wire_string_decode(decoder, true, &string));
    assert_fault(PV_BASE_FAULT_POINTER);
    u64(UINT64_MAX);
    u32(0);
    begin();
    assert_false(pv_wire_string_decode(decoder, true, &string));
    assert_fault(PV_BASE_FAULT_COUNT);
    u64(5); /* its padding is cut off */
    u32(0x6e69616d);
    begin();
    assert_false(pv_wire_string_decode(decoder, true, &string));
}

static void test_lists_of_strings(void **state)
{
    const char *const *strings;

    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        u64(2);
        u32('a' + i);
    }
    begin();
    assert_true(pv_wire_strings_decode(decoder, 2, &strings));
    assert_string_equal(strings[0], "a");
    assert_string_equal(strings[1], "b");
    u64(2);
    u32('a');
    u64(0); /* NULL among them */
    u32(0);
    begin();
    assert_false(pv_wire_strings_decode(decoder, 2, &strings));
    assert_fault(PV_BASE_FAULT_POINTER);
    u64(2);
    u32('a');
    begin();
    assert_false(pv_wire_strings_decode(decoder, 1000000, &strings));
    assert_fault(PV_BASE_FAULT_COUNT);
}

/* ---- tables ---- */

/* Found by halves: every entry, and what lies between, before and behind them. */
static void test_struct_infos(void **state)
{
    (void)state;
    assert_true(pv_wire_struct_info_count > 100);
    for (uint32_t i = 0; i < pv_wire_struct_info_count; i++) {
        const int32_t s_type = pv_wire_struct_infos[i].s_type;

        assert_ptr_equal(pv_wire_struct_info_find(s_type), &pv_wire_struct_infos[i]);
        if (i > 0) {
            assert_true(pv_wire_struct_infos[i - 1].s_type < s_type);
            if (pv_wire_struct_infos[i - 1].s_type + 1 < s_type) {
                assert_null(pv_wire_struct_info_find(s_type - 1));
            }
        }
        assert_true(pv_wire_struct_infos[i].size_bytes >= 16);
        assert_true(pv_wire_struct_infos[i].plain_bytes + 16u
                    <= pv_wire_struct_infos[i].size_bytes);
    }
    assert_null(pv_wire_struct_info_find(-1));
    assert_null(pv_wire_struct_info_find(INT32_MIN));
    assert_null(pv_wire_struct_info_find(INT32_MAX));
}

/* ---- replies and objects ---- */

static void test_replies(void **state)
{
    uint32_t words[2];

    (void)state;
    begin();
    decoder->command = 77;
    decoder->flags = 0;
    assert_null(pv_wire_reply_begin(decoder));
    assert_int_equal(fake_wire_reply_bytes(fake), 0);
    decoder->flags = UINT32_MAX; /* bit 0 is all that counts */
    pv_wire_reply_result(decoder, VK_INCOMPLETE);
    assert_int_equal(fake_wire_reply_bytes(fake), 8);
    memcpy(words, fake->reply, sizeof(words));
    assert_int_equal(words[0], 77);
    assert_int_equal((int32_t)words[1], VK_INCOMPLETE);
    pv_wire_reply_void(decoder);
    assert_int_equal(fake_wire_reply_bytes(fake), 12);
    decoder->flags = 2;
    assert_null(pv_wire_reply_begin(decoder));

    begin();
    decoder->flags = 1;
    decoder->has_reply = false; /* nobody said where to */
    assert_null(pv_wire_reply_begin(decoder));
    assert_fault(PV_BASE_FAULT_REPLY);
    decoder->has_reply = true;
    assert_null(pv_wire_reply_begin(decoder)); /* nor after any fault */
    assert_int_equal(fake_wire_reply_bytes(fake), 0);
}

static void test_destroys(void **state)
{
    static const struct {
        uint64_t parent;
        uint64_t object;
        uint64_t allocator;
        enum pv_base_fault_kind fault;
    } bad[] = {
        {DEVICE, SEMAPHORE, 0, PV_BASE_FAULT_HANDLE}, {DEVICE, 99, 0, PV_BASE_FAULT_HANDLE},
        {BUFFER, BUFFER, 0, PV_BASE_FAULT_HANDLE},    {0, BUFFER, 0, PV_BASE_FAULT_HANDLE},
        {DEVICE, BUFFER, 1, PV_BASE_FAULT_POINTER},
    };
    struct pv_base_object *parent;
    struct pv_base_object *object;

    (void)state;
    u64(DEVICE);
    u64(BUFFER);
    u64(0);
    begin();
    assert_true(pv_wire_destroy_decode(decoder, VK_OBJECT_TYPE_DEVICE, VK_OBJECT_TYPE_BUFFER,
                                       &parent, &object));
    assert_int_equal(parent->id, DEVICE);
    assert_int_equal(object->id, BUFFER);
    u64(DEVICE);
    u64(0);
    u64(0);
    begin();
    assert_true(pv_wire_destroy_decode(decoder, VK_OBJECT_TYPE_DEVICE, VK_OBJECT_TYPE_BUFFER,
                                       &parent, &object));
    assert_null(object);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        u64(bad[i].parent);
        u64(bad[i].object);
        u64(bad[i].allocator);
        begin();
        assert_false(pv_wire_destroy_decode(decoder, VK_OBJECT_TYPE_DEVICE, VK_OBJECT_TYPE_BUFFER,
                                            &parent, &object));
        assert_null(object);
        assert_fault(bad[i].fault);
    }
    u64(DEVICE);
    u64(BUFFER);
    u32(0);
    begin();
    assert_false(pv_wire_destroy_decode(decoder, VK_OBJECT_TYPE_DEVICE, VK_OBJECT_TYPE_BUFFER,
                                        &parent, &object));
}

/* ---- checks that drivers do not make ---- */

static void test_specialization(void **state)
{
    static const uint8_t data[16];
    static const struct {
        uint32_t offset;
        size_t size;
        bool good;
    } entries[] = {
        {0, 16, true},  {12, 4, true},  {16, 0, true},          {0, 17, false},
        {13, 4, false}, {17, 0, false}, {UINT32_MAX, 4, false}, {4, SIZE_MAX, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        const VkSpecializationMapEntry map[] = {{0, 0, 4}, {1, entries[i].offset, entries[i].size}};
        VkSpecializationInfo info = {2, map, sizeof(data), data};

        assert_int_equal(pv_wire_specialization_is_inside(&info), entries[i].good);
        info.pData = NULL; /* a size without data */
        assert_false(pv_wire_specialization_is_inside(&info));
        info.pMapEntries = NULL;
        assert_true(pv_wire_specialization_is_inside(&info));
    }
}

static void test_query_spans(void **state)
{
    (void)state;
    assert_int_equal(pv_wire_query_span(0, UINT64_MAX), 0);
    assert_int_equal(pv_wire_query_span(1, UINT64_MAX), 256);
    assert_int_equal(pv_wire_query_span(3, 8), 16 + 256);
    assert_true(pv_wire_query_span(3, UINT64_MAX / 2 + 1) == UINT64_MAX);
    assert_true(pv_wire_query_span(2, UINT64_MAX - 255) == UINT64_MAX);
    assert_true(pv_wire_query_span(UINT32_MAX, UINT64_MAX) == UINT64_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arrays),         TEST(test_counts_of_arrays), TEST(test_handles),
        TEST(test_outputs),        TEST(test_strings),          TEST(test_lists_of_strings),
        TEST(test_struct_infos),   TEST(test_replies),          TEST(test_destroys),
        TEST(test_specialization), TEST(test_query_spans),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
