/* SPDX-License-Identifier: MIT */
/*
 * base/log.c: filters by topic and level, and the budget of lines that guests cause.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"

/* As src/base/log.c has it, with the zero. */
#define LINE_MAX_BYTES 1024

struct sink {
    unsigned int count;
    char last[256];
    size_t last_bytes;
};

static void write_to_sink(void *user, enum pv_base_log_level level, const char *line)
{
    struct sink *sink = user;

    (void)level;
    sink->count++;
    sink->last_bytes = strlen(line);
    strncpy(sink->last, line, sizeof(sink->last) - 1);
}

static void make(struct pv_base_log *log, struct sink *sink)
{
    *sink = (struct sink){0};
    pv_base_log_init(log, "test");
    log->write = write_to_sink;
    log->user = sink;
}

static void test_default_lets_warnings_through(void **state)
{
    struct pv_base_log log;
    struct sink sink;

    (void)state;
    make(&log, &sink);
    pv_base_log_info(&log, "venus.ring", "quiet");
    assert_int_equal(sink.count, 0);
    pv_base_log_warn(&log, "venus.ring", "number %d", 7);
    assert_int_equal(sink.count, 1);
    assert_string_equal(sink.last, "test: warn: venus.ring: number 7");
    pv_base_log_warn(NULL, "venus.ring", "nobody listens");
}

static void test_the_longest_topic_decides(void **state)
{
    struct pv_base_log log;
    struct sink sink;

    (void)state;
    make(&log, &sink);
    assert_int_equal(pv_base_log_configure(&log, "venus=debug,venus.ring=error"), 0);
    assert_true(pv_base_log_is_on(&log, "venus.memory", PV_BASE_LOG_DEBUG));
    assert_false(pv_base_log_is_on(&log, "venus.ring", PV_BASE_LOG_WARN));
    assert_false(pv_base_log_is_on(&log, "gpu.device", PV_BASE_LOG_INFO));
    assert_int_equal(pv_base_log_configure(&log, "info"), 0);
    assert_true(pv_base_log_is_on(&log, "gpu.device", PV_BASE_LOG_INFO));
}

static void test_bad_specifications_change_nothing(void **state)
{
    static const char *const bad[] = {"loud", "venus=", "=", "venus=debug,,",
                                      "a-topic-name-that-is-longer-than-any-we-have=info"};
    struct pv_base_log log;
    struct sink sink;

    (void)state;
    make(&log, &sink);
    for (size_t i = 0; i < PV_ARRAY_LEN(bad); i++) {
        assert_int_equal(pv_base_log_configure(&log, bad[i]), -EINVAL);
        assert_int_equal(log.filter_count, 1);
    }
}

static void test_guest_lines_have_a_budget(void **state)
{
    struct pv_base_log log;
    struct sink sink;

    (void)state;
    make(&log, &sink);
    for (unsigned int i = 0; i < 3 * PV_BASE_LOG_GUEST_LINES_MAX; i++) {
        pv_base_log_guest(&log, "gpu.device", PV_BASE_LOG_WARN, "bad command %u", i);
    }
    assert_int_equal(sink.count, PV_BASE_LOG_GUEST_LINES_MAX + 1);
    assert_non_null(strstr(sink.last, "dropped"));
}

/* A longer one is cut, with its end marked by nothing but its length. */
static void test_the_longest_log_line(void **state)
{
    static char text[LINE_MAX_BYTES + 1];
    struct pv_base_log log;
    struct sink sink;
    size_t room_bytes;

    (void)state;
    make(&log, &sink);
    pv_base_log_warn(&log, "venus.ring", "%s", "");
    room_bytes = LINE_MAX_BYTES - 1 - sink.last_bytes;
    memset(text, 'x', sizeof(text) - 1);
    for (size_t more = 0; more < 2; more++) {
        pv_base_log_warn(&log, "venus.ring", "%.*s", (int)(room_bytes + more), text);
        assert_int_equal(sink.last_bytes, LINE_MAX_BYTES - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_lets_warnings_through),
        cmocka_unit_test(test_the_longest_topic_decides),
        cmocka_unit_test(test_bad_specifications_change_nothing),
        cmocka_unit_test(test_guest_lines_have_a_budget),
        cmocka_unit_test(test_the_longest_log_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
