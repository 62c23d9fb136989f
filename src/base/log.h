/* SPDX-License-Identifier: MIT */
/*
 * Log lines with a topic ("folder.noun") and a level. Off by default: a log says nothing below
 * "warn" until its filter lets a topic through. No globals: the log is handed down in options.
 *
 * Threads: all functions but init and finish may be called from any thread; a line is written with
 * one write. A line that a guest can cause goes through pv_base_log_guest, which has a budget.
 */
#ifndef PV_BASE_LOG_H
#define PV_BASE_LOG_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

enum pv_base_log_level {
    PV_BASE_LOG_ERROR,
    PV_BASE_LOG_WARN,
    PV_BASE_LOG_INFO,
    PV_BASE_LOG_DEBUG,
};

/* Topics of one filter: more than this is a user error. */
#define PV_BASE_LOG_FILTER_MAX 16
#define PV_BASE_LOG_TOPIC_MAX  32
/* Lines of one log that guests may cause; past it one line says that the rest is dropped. */
#define PV_BASE_LOG_GUEST_LINES_MAX 1000

struct pv_base_log_filter {
    char topic[PV_BASE_LOG_TOPIC_MAX]; /* a prefix of topics, "" for all */
    enum pv_base_log_level level;
};

struct pv_base_log {
    /* Writes one finished line without newline; any thread, must be atomic per line. */
    void (*write)(void *user, enum pv_base_log_level level, const char *line);
    void *user;
    const char *name; /* which process or context this is; printed in front; borrowed */
    struct pv_base_log_filter filters[PV_BASE_LOG_FILTER_MAX];
    size_t filter_count;
    atomic_uint guest_lines;
};

/* A log to stderr with the default filter (warnings of all topics). name is borrowed. */
void pv_base_log_init(struct pv_base_log *log, const char *name);

/*
 * Apply a specification such as "venus=debug,vhost-user=info" or "debug" (all topics).
 * Returns 0, or -EINVAL when it does not parse; the log is unchanged then.
 */
PV_NODISCARD int pv_base_log_configure(struct pv_base_log *log, const char *specification);

/* Whether a line of that topic and level would be written. Cheap. log may be NULL (false). */
bool pv_base_log_is_on(const struct pv_base_log *log, const char *topic,
                       enum pv_base_log_level level);

/* Write a line if the filter lets it through. log may be NULL. */
void pv_base_log_line(struct pv_base_log *log, const char *topic, enum pv_base_log_level level,
                      const char *format, ...) PV_PRINTF(4, 5);

/* The same for lines that guest bytes cause: counted against PV_BASE_LOG_GUEST_LINES_MAX. */
void pv_base_log_guest(struct pv_base_log *log, const char *topic, enum pv_base_log_level level,
                       const char *format, ...) PV_PRINTF(4, 5);

#define pv_base_log_error(log, topic, ...)                                                         \
    pv_base_log_line(log, topic, PV_BASE_LOG_ERROR, __VA_ARGS__)
#define pv_base_log_warn(log, topic, ...)                                                          \
    pv_base_log_line(log, topic, PV_BASE_LOG_WARN, __VA_ARGS__)
#define pv_base_log_info(log, topic, ...)                                                          \
    pv_base_log_line(log, topic, PV_BASE_LOG_INFO, __VA_ARGS__)
#define pv_base_log_debug(log, topic, ...)                                                         \
    do {                                                                                           \
        if (pv_base_log_is_on(log, topic, PV_BASE_LOG_DEBUG)) {                                    \
            pv_base_log_line(log, topic, PV_BASE_LOG_DEBUG, __VA_ARGS__);                          \
        }                                                                                          \
    } while (0)

#endif
