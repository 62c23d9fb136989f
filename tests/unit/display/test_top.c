/* SPDX-License-Identifier: MIT */
/*
 * display/top.c and top_json.c: rates between two samples, the order of rows, text that fits in a
 * terminal, and JSON that says the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "display/top.h"

static struct pv_display_top_sample before;
static struct pv_display_top_sample now;
static struct pv_display_top top;
static char *text;
static size_t text_bytes;

static int setup(void **state)
{
    (void)state;
    memset(&before, 0, sizeof(before));
    memset(&now, 0, sizeof(now));
    before.now_ns = 1000000000;
    now.now_ns = 3000000000; /* two seconds */
    now.statistics = (struct pv_display_statistics){
        .server_kind = PV_DISPLAY_SERVER_DEVICE,
        .memory_all_bytes = UINT64_C(3) << 29,
        .memory_limit_bytes = UINT64_C(4) << 30,
        .window_used_bytes = 20 << 20,
        .window_size_bytes = UINT64_C(8) << 30,
        .context_count = 2,
        .frame_count = 120,
        .command_count = 50,
    };
    before.statistics.frame_count = 60;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(text);
    text = NULL;
    return 0;
}

static struct pv_display_context *add(struct pv_display_top_sample *sample, uint32_t id,
                                      uint32_t pid, const char *name, uint64_t cpu_ns)
{
    struct pv_display_context *context = &sample->contexts[sample->context_count];

    context->context_id = id;
    context->worker_pid = pid;
    context->capset_id = 4;
    strncpy(context->name, name, sizeof(context->name) - 1);
    sample->cpu_ns[sample->context_count++] = cpu_ns;
    return context;
}

static void print(uint32_t width, uint32_t height)
{
    FILE *file;

    free(text);
    text = NULL;
    file = open_memstream(&text, &text_bytes);
    assert_non_null(file);
    pv_display_top_print(&top, "demo", width, height, "\n", file);
    assert_int_equal(fclose(file), 0);
}

static uint32_t lines(void)
{
    uint32_t count = 0;

    for (const char *c = text; *c != '\0'; c++) {
        count += *c == '\n';
    }
    return count;
}

static void test_rates_and_order(void **state)
{
    (void)state;
    add(&before, 1, 11, "idle", 5000000000)->command_count = 100;
    add(&before, 2, 12, "busy", 1000000000)->command_count = 1000;
    add(&before, 3, 13, "gone", 0);
    add(&now, 1, 11, "idle", 5000000000)->command_count = 100;
    add(&now, 2, 12, "busy", 2000000000)->command_count = 5000;
    add(&now, 4, 14, "new", 500000000)->command_count = 10;
    add(&now, 5, 0, "unknown", PV_DISPLAY_TOP_UNKNOWN)->memory_bytes = 1 << 20;
    pv_display_top_compare(&before, &now, &top);
    assert_int_equal(top.row_count, 4);
    assert_true(top.interval_s == 2);
    assert_true(top.frames_per_s == 30);
    assert_string_equal(top.rows[0].context->name, "busy");
    assert_true(top.rows[0].commands_per_s == 2000);
    assert_true(top.rows[0].cpu_percent == 50);
    assert_string_equal(top.rows[1].context->name, "new"); /* from zero */
    assert_true(top.rows[1].commands_per_s == 5);
    assert_true(top.rows[1].cpu_percent == 25);
    assert_string_equal(top.rows[2].context->name, "idle");
    assert_true(top.rows[2].cpu_percent == 0);
    assert_string_equal(top.rows[3].context->name, "unknown");
    assert_true(top.rows[3].cpu_percent < 0);
}

/* Without processor time the larger one comes first, and equals come by their id. */
static void test_order_of_equals(void **state)
{
    (void)state;
    add(&now, 3, 1, "c", 0);
    add(&now, 2, 2, "b", 0);
    add(&now, 1, 3, "a", 0);
    add(&now, 9, 4, "large", 0)->memory_bytes = 1;
    pv_display_top_compare(&before, &now, &top);
    assert_string_equal(top.rows[0].context->name, "large");
    assert_string_equal(top.rows[1].context->name, "a");
    assert_string_equal(top.rows[3].context->name, "c");
}

/* Counters that run backwards, or a clock that stands: no rate is negative or without end. */
static void test_figures_that_go_back(void **state)
{
    (void)state;
    add(&before, 1, 11, "x", 7000000000)->command_count = UINT64_MAX;
    add(&now, 1, 11, "x", 6000000000)->command_count = 4;
    now.statistics.frame_count = 3;
    pv_display_top_compare(&before, &now, &top);
    assert_true(top.rows[0].commands_per_s == 2);
    assert_true(top.frames_per_s == 0);
    assert_true(top.rows[0].cpu_percent >= 0);
    now.now_ns = before.now_ns;
    pv_display_top_compare(&before, &now, &top);
    print(80, 24);
}

static void test_text(void **state)
{
    struct pv_display_context *context;

    (void)state;
    context = add(&now, 7, 4242, "vkcube", 200000000);
    context->memory_bytes = (97 << 20) + (1 << 19);
    context->command_count = 84000;
    context->object_count = 123;
    context->ring_count = 2;
    context->fence_count = 1;
    add(&now, 8, 0, "dead", PV_DISPLAY_TOP_UNKNOWN)->is_lost = 1;
    add(&now, 1, 0, "kms", PV_DISPLAY_TOP_UNKNOWN)->capset_id = 0;
    pv_display_top_compare(&before, &now, &top);
    print(0, 0);
    assert_non_null(
        strstr(text, "demo: contexts 2, lost 0, without Vulkan 0, memory 1.5G of 4.0G"));
    assert_non_null(
        strstr(text, "window 20.0M of 8.0G, 0 resources, 30.0 frames/s, 25 requests/s"));
    assert_non_null(strstr(
        text, "    4242   10.0       42000   97.5M      123     2      1        7 vkcube\n"));
    assert_non_null(strstr(text, "       -      -           0      0B        0     0      0        "
                                 "8 dead (lost)\n"));
    assert_null(strstr(text, "kms"));
    assert_int_equal(lines(), 6);
}

static void test_a_vtest_server_has_no_window(void **state)
{
    (void)state;
    now.statistics.server_kind = PV_DISPLAY_SERVER_VTEST;
    pv_display_top_compare(&before, &now, &top);
    print(0, 0);
    assert_null(strstr(text, "window"));
}

/* Never more lines or columns than asked for, whatever the terminal's size and the number of rows.
 */
static void test_every_size_of_a_terminal(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < PV_DISPLAY_CONTEXT_MAX; i++) {
        struct pv_display_context *context =
            add(&now, UINT32_MAX - i, INT32_MAX, "", UINT64_MAX - 1);

        memset(context->name, 'n', sizeof(context->name) - 1);
        context->memory_bytes = UINT64_MAX;
        context->object_count = UINT64_MAX;
        context->command_count = UINT64_MAX;
        context->ring_count = UINT32_MAX;
        context->fence_count = UINT32_MAX;
    }
    memset(&now.statistics, 0xff, sizeof(now.statistics));
    now.statistics.server_kind = PV_DISPLAY_SERVER_DEVICE;
    pv_display_top_compare(&before, &now, &top);
    for (uint32_t height = 6; height < 300; height++) {
        print(1 + height % 100, height);
        assert_in_range(lines(), 6, height);
        for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
            assert_true(strcspn(line, "\n") <= 1 + height % 100);
        }
    }
    print(100, 20);
    assert_non_null(strstr(text, "... and 241 more\n"));
    assert_int_equal(lines(), 20);
    print(100, 4 + PV_DISPLAY_CONTEXT_MAX);
    assert_null(strstr(text, "more"));
    for (uint32_t height = 1; height < 6; height++) {
        print(80, height); /* too low for the head */
        assert_in_range(lines(), 1, 6);
    }
}

static void test_json(void **state)
{
    struct pv_display_context *context;
    json_t *object;
    json_t *first;
    FILE *file;

    (void)state;
    context = add(&now, 7, 4242, "a \"name\" \\ \x1b[1m", 200000000);
    context->memory_bytes = UINT64_MAX;
    context->command_count = 84000;
    add(&now, 8, 0, "dead", PV_DISPLAY_TOP_UNKNOWN)->is_lost = 1;
    pv_display_top_compare(&before, &now, &top);
    file = open_memstream(&text, &text_bytes);
    assert_non_null(file);
    assert_int_equal(pv_display_top_print_json(&top, "demo", file), 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(lines(), 1);
    assert_null(strchr(text, '\x1b'));
    object = json_loads(text, 0, NULL);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "kind")), "vm");
    assert_int_equal(json_integer_value(json_object_get(object, "memory_limit_bytes")), INT64_C(4)
                                                                                            << 30);
    assert_true(
        json_real_value(json_object_get(json_object_get(object, "device"), "frames_per_second"))
        == 30);
    first = json_array_get(json_object_get(object, "contexts"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "name")), context->name);
    assert_int_equal(json_integer_value(json_object_get(first, "pid")), 4242);
    assert_true(json_real_value(json_object_get(first, "cpu_percent")) == 10);
    assert_true(json_real_value(json_object_get(first, "commands_per_second")) == 42000);
    assert_true(json_integer_value(json_object_get(first, "memory_bytes")) == INT64_MAX);
    assert_true(json_is_null(
        json_object_get(json_array_get(json_object_get(object, "contexts"), 1), "cpu_percent")));
    json_decref(object);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rates_and_order),
        TEST(test_order_of_equals),
        TEST(test_figures_that_go_back),
        TEST(test_text),
        TEST(test_a_vtest_server_has_no_window),
        TEST(test_every_size_of_a_terminal),
        TEST(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
