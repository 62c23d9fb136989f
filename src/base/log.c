/* SPDX-License-Identifier: MIT */
/*
 * Log lines; see log.h. The longest filter prefix that matches a topic decides its level.
 */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static void write_stderr(void *user, enum pv_base_log_level level, const char *line)
{
    char text[LINE_MAX_BYTES + 2];
    const int length = snprintf(text, sizeof(text), "%s\n", line);

    (void)user;
    (void)level;
    if (length > 0) {
        const size_t size_bytes = (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1;

        /* A log that cannot be written has nobody to tell. */
        if (write(STDERR_FILENO, text, size_bytes) < 0) {
            return;
        }
    }
}

void pv_base_log_init(struct pv_base_log *log, const char *name)
{
    *log = (struct pv_base_log){
        .write = write_stderr,
        .name = name,
        .filters = {{.topic = "", .level = PV_BASE_LOG_WARN}},
        .filter_count = 1,
    };
}

static bool parse_level(const char *text, size_t length, enum pv_base_log_level *ret_level)
{
    for (size_t i = 0; i < PV_ARRAY_LEN(level_names); i++) {
        if (strlen(level_names[i]) == length && memcmp(level_names[i], text, length) == 0) {
            *ret_level = (enum pv_base_log_level)i;
            return true;
        }
    }
    return false;
}

static bool parse_filter(const char *item, size_t length, struct pv_base_log_filter *ret_filter)
{
    const char *equals = memchr(item, '=', length);
    const size_t topic_length = equals != NULL ? (size_t)(equals - item) : 0;
    const char *level = equals != NULL ? equals + 1 : item;

    if (topic_length >= PV_BASE_LOG_TOPIC_MAX) {
        return false;
    }
    memcpy(ret_filter->topic, item, topic_length);
    ret_filter->topic[topic_length] = '\0';
    return parse_level(level, length - (size_t)(level - item), &ret_filter->level);
}

int pv_base_log_configure(struct pv_base_log *log, const char *specification)
{
    struct pv_base_log_filter filters[PV_BASE_LOG_FILTER_MAX];
    size_t count = log->filter_count;
    const char *item = specification;

    memcpy(filters, log->filters, sizeof(filters));
    while (*item != '\0') {
        const size_t length = strcspn(item, ",");

        if (count == PV_BASE_LOG_FILTER_MAX || !parse_filter(item, length, &filters[count])) {
            return -EINVAL;
        }
        count++;
        item += length + (item[length] == ',' ? 1 : 0);
    }
    memcpy(log->filters, filters, sizeof(filters));
    log->filter_count = count;
    return 0;
}

bool pv_base_log_is_on(const struct pv_base_log *log, const char *topic,
                       enum pv_base_log_level level)
{
    size_t best_length = 0;
    enum pv_base_log_level best_level = PV_BASE_LOG_ERROR;

    if (log == NULL) {
        return false;
    }
    for (size_t i = 0; i < log->filter_count; i++) {
        const size_t length = strlen(log->filters[i].topic);

        /* On equal length the later filter wins: the user's comes after the default. */
        if (length >= best_length && strncmp(topic, log->filters[i].topic, length) == 0) {
            best_length = length;
            best_level = log->filters[i].level;
        }
    }
    return level <= best_level;
}

static void log_write(struct pv_base_log *log, const char *topic, enum pv_base_log_level level,
                      const char *format, va_list arguments)
{
    char line[LINE_MAX_BYTES];
    int length = snprintf(line, sizeof(line), "%s: %s: %s: ", log->name, level_names[level], topic);

    if (length < 0 || (size_t)length >= sizeof(line)) {
        return;
    }
    if (vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments) < 0) {
        return;
    }
    log->write(log->user, level, line);
}

void pv_base_log_line(struct pv_base_log *log, const char *topic, enum pv_base_log_level level,
                      const char *format, ...)
{
    va_list arguments;

    if (!pv_base_log_is_on(log, topic, level)) {
        return;
    }
    va_start(arguments, format);
    log_write(log, topic, level, format, arguments);
    va_end(arguments);
}

void pv_base_log_guest(struct pv_base_log *log, const char *topic, enum pv_base_log_level level,
                       const char *format, ...)
{
    va_list arguments;
    unsigned int lines;

    if (!pv_base_log_is_on(log, topic, level)) {
        return;
    }
    lines = atomic_fetch_add_explicit(&log->guest_lines, 1, memory_order_relaxed);
    if (lines == PV_BASE_LOG_GUEST_LINES_MAX) {
        pv_base_log_line(log, topic, level, "further lines that guests cause are dropped");
    }
    if (lines >= PV_BASE_LOG_GUEST_LINES_MAX) {
        /* Keep the counter from wrapping back into the budget. */
        atomic_store_explicit(&log->guest_lines, PV_BASE_LOG_GUEST_LINES_MAX + 1,
                              memory_order_relaxed);
        return;
    }
    va_start(arguments, format);
    log_write(log, topic, level, format, arguments);
    va_end(arguments);
}
