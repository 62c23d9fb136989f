/* SPDX-License-Identifier: MIT */
/*
 * Mutations for the ring target that keep what makes an input reach anything: records stay whole,
 * commands come from templates with ids that exist, changes inside are words. Every third one is
 * libFuzzer's own, on the payload of a record or on all.
 */
#include "fuzz/ring_mutator.h"

#include <string.h>

#include "base/compiler.h"
#include "fuzz/ring_records.h"

#define RECORDS_MAX 256u

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size_bytes, size_t max_bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size_bytes, size_t max_bytes, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes,
                                 uint8_t *ret_bytes, size_t max_bytes, unsigned seed);

struct edit {
    uint8_t *bytes;
    size_t size_bytes;
    size_t max_bytes;
    uint32_t random;
    size_t at[RECORDS_MAX]; /* of each record */
    size_t count;
};

static uint32_t next_random(struct edit *edit)
{
    edit->random = edit->random * 1664525u + 1013904223u;
    return edit->random >> 8;
}

static size_t payload_bytes(const struct edit *edit, size_t at)
{
    const size_t want_bytes = (size_t)(edit->bytes[at + 2] | edit->bytes[at + 3] << 8);
    const size_t left_bytes = edit->size_bytes - at - RING_RECORDS_HEADER_BYTES;

    return want_bytes < left_bytes ? want_bytes : left_bytes;
}

static void scan(struct edit *edit)
{
    size_t at = 1;

    edit->count = 0;
    while (edit->count < RECORDS_MAX && at + RING_RECORDS_HEADER_BYTES <= edit->size_bytes) {
        edit->at[edit->count++] = at;
        at += RING_RECORDS_HEADER_BYTES + payload_bytes(edit, at);
    }
}

static size_t record_end(const struct edit *edit, size_t index)
{
    return edit->at[index] + RING_RECORDS_HEADER_BYTES + payload_bytes(edit, edit->at[index]);
}

/* Make room, or take it away (old_bytes > new_bytes), at an offset. False: there is none. */
static bool resize(struct edit *edit, size_t at, size_t old_bytes, size_t new_bytes)
{
    if (edit->size_bytes - old_bytes + new_bytes > edit->max_bytes) {
        return false;
    }
    memmove(edit->bytes + at + new_bytes, edit->bytes + at + old_bytes,
            edit->size_bytes - at - old_bytes);
    edit->size_bytes = edit->size_bytes - old_bytes + new_bytes;
    return true;
}

static void set_length(struct edit *edit, size_t at, size_t size_bytes)
{
    edit->bytes[at + 2] = (uint8_t)size_bytes;
    edit->bytes[at + 3] = (uint8_t)(size_bytes >> 8);
}

/* An offset between records; mostly the end, where objects exist that were made before. */
static size_t place(struct edit *edit)
{
    if (edit->count == 0) {
        return edit->size_bytes;
    }
    if (next_random(edit) % 2 == 0) {
        return record_end(edit, edit->count - 1);
    }
    return edit->at[next_random(edit) % edit->count];
}

static void put_id(struct edit *edit, uint8_t *bytes, const struct ring_template_fix *fix)
{
    uint64_t id = ring_template_ids[fix->type];

    if (id >= RING_RECORDS_FIRST_ID && next_random(edit) % 2 == 0) {
        id += next_random(edit) % RING_RECORDS_IDS;
    } else if (next_random(edit) % 64 == 0) {
        id = next_random(edit) % 160;
    }
    memcpy(bytes + fix->offset, &id, sizeof(id));
}

/* A command of a template at `to`; returns its bytes. */
static size_t put_command(struct edit *edit, uint8_t *to, const struct ring_template *template)
{
    memcpy(to, ring_template_bytes + template->bytes_at, template->size_bytes);
    for (size_t i = 0; i < template->fix_count; i++) {
        put_id(edit, to, &ring_template_fixes[template->fixes_at + i]);
    }
    return template->size_bytes;
}

static const struct ring_template *any_template(struct edit *edit)
{
    const struct ring_template *template = &ring_templates[next_random(edit) % ring_template_count];

    /* What makes objects is what the rest needs. */
    if (!template->makes && next_random(edit) % 3 == 0) {
        for (unsigned i = 0; i < 16 && !template->makes; i++) {
            template = &ring_templates[next_random(edit) % ring_template_count];
        }
    }
    return template;
}

static void insert_command(struct edit *edit)
{
    static const uint8_t kinds[] = {RING_RECORD_SUBMIT, RING_RECORD_SUBMIT, RING_RECORD_SUBMIT,
                                    RING_RECORD_SUBMIT, RING_RECORD_STREAM, RING_RECORD_RING};
    const struct ring_template *template = any_template(edit);
    const size_t at = place(edit);

    if (!resize(edit, at, 0, RING_RECORDS_HEADER_BYTES + template->size_bytes)) {
        return;
    }
    edit->bytes[at] = kinds[next_random(edit) % sizeof(kinds)];
    edit->bytes[at + 1] = (uint8_t)(next_random(edit) % 32);
    set_length(edit, at, template->size_bytes);
    (void)put_command(edit, edit->bytes + at + RING_RECORDS_HEADER_BYTES, template);
}

/* One more command in a record that has some. */
static void append_command(struct edit *edit, size_t index)
{
    const struct ring_template *template = any_template(edit);
    const size_t at = edit->at[index];
    const size_t end = record_end(edit, index);
    const size_t new_bytes = payload_bytes(edit, at) + template->size_bytes;

    if (new_bytes <= RING_RECORDS_PAYLOAD_MAX && resize(edit, end, 0, template->size_bytes)) {
        (void)put_command(edit, edit->bytes + end, template);
        set_length(edit, at, new_bytes);
    }
}

/* A record that is no command stream. */
static void insert_action(struct edit *edit)
{
    const size_t at = place(edit);
    const size_t size_bytes = next_random(edit) % 12;

    if (!resize(edit, at, 0, RING_RECORDS_HEADER_BYTES + size_bytes)) {
        return;
    }
    edit->bytes[at] =
        (uint8_t)(RING_RECORD_CREATE_RING
                  + next_random(edit) % (RING_RECORDS_KINDS - RING_RECORD_CREATE_RING));
    edit->bytes[at + 1] = (uint8_t)(next_random(edit) % 8);
    set_length(edit, at, size_bytes);
    for (size_t i = 0; i < size_bytes; i++) {
        edit->bytes[at + RING_RECORDS_HEADER_BYTES + i] = (uint8_t)next_random(edit);
    }
}

static void change_word(struct edit *edit, size_t index)
{
    static const uint32_t words[] = {0,          1,          2,          3,     4,     16,
                                     0x7fffffff, 0x80000000, 0xffffffff, 0x100, 0x1000};
    const size_t at = edit->at[index] + RING_RECORDS_HEADER_BYTES;
    const size_t count = payload_bytes(edit, edit->at[index]) / 4;
    uint32_t word;
    size_t offset;

    if (count == 0) {
        return;
    }
    offset = at + next_random(edit) % count * 4;
    memcpy(&word, edit->bytes + offset, 4);
    switch (next_random(edit) % 4) {
    case 0:
        word = words[next_random(edit) % PV_ARRAY_LEN(words)];
        break;
    case 1:
        word += next_random(edit) % 9 - 4;
        break;
    case 2:
        word = next_random(edit) % 160; /* an id */
        break;
    default:
        word ^= 1u << next_random(edit) % 32;
        break;
    }
    memcpy(edit->bytes + offset, &word, 4);
}

static void mutate_payload(struct edit *edit, size_t index)
{
    static uint8_t payload[RING_RECORDS_PAYLOAD_MAX];
    const size_t at = edit->at[index] + RING_RECORDS_HEADER_BYTES;
    const size_t old_bytes = payload_bytes(edit, edit->at[index]);
    size_t new_bytes;

    if (old_bytes == 0 || old_bytes > sizeof(payload)) {
        return;
    }
    memcpy(payload, edit->bytes + at, old_bytes);
    new_bytes = LLVMFuzzerMutate(payload, old_bytes, sizeof(payload));
    if (resize(edit, at, old_bytes, new_bytes)) {
        memcpy(edit->bytes + at, payload, new_bytes);
        set_length(edit, edit->at[index], new_bytes);
    }
}

static void copy_record(struct edit *edit, size_t index)
{
    static uint8_t copy[RING_RECORDS_PAYLOAD_MAX + RING_RECORDS_HEADER_BYTES];
    const size_t size_bytes = record_end(edit, index) - edit->at[index];
    size_t at;

    if (size_bytes > sizeof(copy)) {
        return;
    }
    memcpy(copy, edit->bytes + edit->at[index], size_bytes);
    at = place(edit);
    if (resize(edit, at, 0, size_bytes)) {
        memcpy(edit->bytes + at, copy, size_bytes);
    }
}

static void remove_record(struct edit *edit, size_t index)
{
    const size_t size_bytes = record_end(edit, index) - edit->at[index];

    (void)resize(edit, edit->at[index], size_bytes, 0);
}

static void change_record(struct edit *edit, size_t index)
{
    switch (next_random(edit) % 8) {
    case 0:
        append_command(edit, index);
        break;
    case 1:
    case 2:
        change_word(edit, index);
        break;
    case 3:
    case 4:
        mutate_payload(edit, index);
        break;
    case 5:
        copy_record(edit, index);
        break;
    case 6:
        remove_record(edit, index);
        break;
    default:
        edit->bytes[edit->at[index]] = (uint8_t)(next_random(edit) % 3); /* another channel */
        edit->bytes[edit->at[index] + 1] = (uint8_t)next_random(edit);
        break;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size_bytes, size_t max_bytes, unsigned seed)
{
    struct edit edit = {
        .bytes = bytes, .size_bytes = size_bytes, .max_bytes = max_bytes, .random = seed};

    if (size_bytes == 0) {
        bytes[0] = 0;
        edit.size_bytes = 1;
    }
    scan(&edit);
    switch (next_random(&edit) % 16) {
    case 0:
        return LLVMFuzzerMutate(bytes, edit.size_bytes, max_bytes);
    case 1:
        edit.bytes[0] ^= (uint8_t)(1u << next_random(&edit) % 3);
        break;
    case 2:
    case 3:
        insert_action(&edit);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
        insert_command(&edit);
        break;
    default:
        if (edit.count > 0) {
            change_record(&edit, next_random(&edit) % edit.count);
        } else {
            insert_command(&edit);
        }
        break;
    }
    return edit.size_bytes;
}

/* The first records of one, the last of the other. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes,
                                 uint8_t *ret_bytes, size_t max_bytes, unsigned seed)
{
    struct edit first = {.bytes = (uint8_t *)(uintptr_t)a, .size_bytes = a_bytes, .random = seed};
    struct edit second = {.bytes = (uint8_t *)(uintptr_t)b, .size_bytes = b_bytes, .random = ~seed};
    size_t head_bytes = a_bytes;
    size_t tail_at = b_bytes;
    size_t tail_bytes;

    scan(&first);
    scan(&second);
    if (first.count > 0) {
        head_bytes = first.at[next_random(&first) % first.count];
    }
    if (second.count > 0) {
        tail_at = second.at[next_random(&second) % second.count];
    }
    head_bytes = head_bytes < max_bytes ? head_bytes : max_bytes;
    tail_bytes = b_bytes - tail_at;
    if (tail_bytes > max_bytes - head_bytes) {
        tail_bytes = 0;
    }
    memcpy(ret_bytes, a, head_bytes);
    memcpy(ret_bytes + head_bytes, b + tail_at, tail_bytes);
    return head_bytes + tail_bytes;
}
