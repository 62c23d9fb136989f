/* SPDX-License-Identifier: MIT */
/*
 * All commands of the emitted codec against bad bytes. argv[1] is a file of valid commands
 * (generator/tests/corpus.py): each must decode to its last byte and act once; cut short it must
 * raise a fault and not act; with words changed it must not crash (run with sanitizers).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "support/fake_wire.h"
#include "venus_wire/info.h"

#define IDS_PER_TYPE 4

static uint8_t *corpus;
static size_t corpus_bytes;
static size_t records_at; /* offset of the first record */

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static bool corpus_load(const char *path)
{
    FILE *file = fopen(path, "rb");
    long size;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        return false;
    }
    size = ftell(file);
    rewind(file);
    corpus = malloc((size_t)size);
    corpus_bytes = corpus == NULL ? 0 : fread(corpus, 1, (size_t)size, file);
    fclose(file);
    return corpus_bytes == (size_t)size;
}

static void objects_add(struct fake_wire *fake)
{
    const uint32_t count = pv_base_load_u32(corpus);

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t type = pv_base_load_u32(corpus + 4 + i * 8);
        const uint32_t first = pv_base_load_u32(corpus + 8 + i * 8);

        for (uint32_t n = 0; n < IDS_PER_TYPE; n++) {
            if (pv_base_id_table_find(fake->decoder.objects, first + n) == NULL) {
                fake_wire_object(fake, first + n, type);
            }
        }
    }
    records_at = 4 + (size_t)count * 8;
}

/* Whatever the command did to its objects: make the table whole again. */
static void restore(struct fake_wire *fake)
{
    if (fake->removed > 0) {
        objects_add(fake);
    }
    fake_wire_rewind(fake);
}

static unsigned actions(const struct fake_wire *fake)
{
    return fake_wire_driver_calls() + fake->handled;
}

/* Calls `body` with each record. */
static void for_each(struct fake_wire *fake, void (*body)(struct fake_wire *, uint32_t number,
                                                          const uint8_t *bytes, size_t size_bytes))
{
    for (size_t at = records_at; at < corpus_bytes;) {
        const uint32_t number = pv_base_load_u32(corpus + at);
        const uint32_t size_bytes = pv_base_load_u32(corpus + at + 4);

        body(fake, number, corpus + at + 8, size_bytes);
        at += 8 + (size_t)size_bytes;
    }
}

static void check_valid(struct fake_wire *fake, uint32_t number, const uint8_t *bytes,
                        size_t size_bytes)
{
    const size_t left_bytes = fake_wire_run(fake, bytes, size_bytes);

    if (left_bytes != 0 || pv_base_fault_is_raised(&fake->decoder.fault) || actions(fake) != 1
        || fake_wire_reply_bytes(fake) < 4 || pv_base_load_u32(fake->reply) != number) {
        fail_msg("%s: %zu bytes left, %s (%llu), %u actions", pv_wire_command_name(number),
                 left_bytes, pv_base_fault_kind_name(fake->decoder.fault.kind),
                 (unsigned long long)fake->decoder.fault.detail, actions(fake));
    }
    restore(fake);
}

static void check_truncated(struct fake_wire *fake, uint32_t number, const uint8_t *bytes,
                            size_t size_bytes)
{
    for (size_t cut_bytes = 0; cut_bytes < size_bytes; cut_bytes++) {
        uint8_t *copy = malloc(cut_bytes + 1); /* exact size: sanitizers see any overrun */

        assert_non_null(copy);
        memcpy(copy, bytes, cut_bytes);
        (void)fake_wire_run(fake, copy, cut_bytes);
        if (!pv_base_fault_is_raised(&fake->decoder.fault) || actions(fake) != 0 || fake->added != 0
            || fake->removed != 0 || fake_wire_reply_bytes(fake) != 0) {
            fail_msg("%s acts on %zu of %zu bytes", pv_wire_command_name(number), cut_bytes,
                     size_bytes);
        }
        free(copy);
        restore(fake);
    }
}

static void check_changed(struct fake_wire *fake, uint32_t number, const uint8_t *bytes,
                          size_t size_bytes)
{
    static const uint32_t words[] = {0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff};
    uint8_t *copy = malloc(size_bytes);

    (void)number;
    assert_non_null(copy);
    for (size_t at = 8; at + 4 <= size_bytes; at += 4) {
        for (size_t i = 0; i < PV_ARRAY_LEN(words) + 2; i++) {
            uint32_t word = pv_base_load_u32(bytes + at) + 1;

            memcpy(copy, bytes, size_bytes);
            if (i < PV_ARRAY_LEN(words)) {
                word = words[i];
            } else if (i == PV_ARRAY_LEN(words)) {
                word = (uint32_t)random_u64();
            }
            memcpy(copy + at, &word, sizeof(word));
            (void)fake_wire_run(fake, copy, size_bytes);
            restore(fake);
        }
    }
    free(copy);
}

static void check_random_tail(struct fake_wire *fake, uint32_t number, const uint8_t *bytes,
                              size_t size_bytes)
{
    uint8_t *copy = malloc(size_bytes);

    (void)number;
    assert_non_null(copy);
    for (unsigned round = 0; round < 32; round++) {
        const size_t from = 8 + random_u64() % (size_bytes - 7);

        memcpy(copy, bytes, size_bytes);
        for (size_t at = from; at < size_bytes; at++) {
            copy[at] = random_u64() % 3 != 0 ? 0 : (uint8_t)(random_u64() >> 20);
        }
        (void)fake_wire_run(fake, copy, size_bytes);
        restore(fake);
    }
    free(copy);
}

static void run(void (*body)(struct fake_wire *, uint32_t, const uint8_t *, size_t))
{
    struct fake_wire *fake = malloc(sizeof(*fake));

    assert_non_null(fake);
    fake_wire_init(fake);
    objects_add(fake);
    for_each(fake, body);
    fake_wire_finish(fake);
    free(fake);
}

static void test_valid_commands_act_once(void **state)
{
    (void)state;
    run(check_valid);
}

static void test_truncated_commands_never_act(void **state)
{
    (void)state;
    run(check_truncated);
}

static void test_changed_words_are_survived(void **state)
{
    (void)state;
    run(check_changed);
}

static void test_random_tails_are_survived(void **state)
{
    (void)state;
    run(check_random_tail);
}

static void test_random_bytes_are_survived(void **state)
{
    struct fake_wire *fake = malloc(sizeof(*fake));
    uint8_t bytes[512];

    (void)state;
    assert_non_null(fake);
    fake_wire_init(fake);
    objects_add(fake);
    for (unsigned round = 0; round < 200000; round++) {
        const uint32_t number = (uint32_t)(random_u64() % (PV_WIRE_COMMAND_COUNT + 2));

        for (size_t at = 0; at < sizeof(bytes); at++) {
            bytes[at] = random_u64() % 4 != 0 ? 0 : (uint8_t)(random_u64() >> 20);
        }
        memcpy(bytes, &number, sizeof(number));
        (void)fake_wire_run(fake, bytes, random_u64() % (sizeof(bytes) + 1));
        restore(fake);
    }
    fake_wire_finish(fake);
    free(fake);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_commands_act_once),
        cmocka_unit_test(test_truncated_commands_never_act),
        cmocka_unit_test(test_changed_words_are_survived),
        cmocka_unit_test(test_random_tails_are_survived),
        cmocka_unit_test(test_random_bytes_are_survived),
    };
    int failed;

    if (argc != 2 || !corpus_load(argv[1])) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(corpus);
    return failed;
}
