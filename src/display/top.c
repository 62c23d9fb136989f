/* SPDX-License-Identifier: MIT */
/*
 * Rates and rows of `pearvisor top`; see top.h.
 */
#include "display/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- rates ---- */

static uint64_t grown(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

static const struct pv_display_context *find(const struct pv_display_top_sample *sample,
                                             const struct pv_display_context *context,
                                             size_t *ret_index)
{
    for (size_t i = 0; i < sample->context_count; i++) {
        if (sample->contexts[i].context_id == context->context_id
            && sample->contexts[i].worker_pid == context->worker_pid) {
            *ret_index = i;
            return &sample->contexts[i];
        }
    }
    return NULL;
}

static void compare_one(const struct pv_display_top_sample *before,
                        const struct pv_display_top_sample *now, size_t index, double interval_s,
                        struct pv_display_top_row *row)
{
    const struct pv_display_context *context = &now->contexts[index];
    size_t old_index = 0;
    const struct pv_display_context *old = find(before, context, &old_index);
    const uint64_t cpu_ns = now->cpu_ns[index];
    uint64_t old_cpu_ns = 0;

    if (old != NULL && old->command_count > context->command_count) {
        old = NULL;
    }
    if (old != NULL && before->cpu_ns[old_index] != PV_DISPLAY_TOP_UNKNOWN) {
        old_cpu_ns = before->cpu_ns[old_index];
    }
    row->context = context;
    row->commands_per_s =
        (double)grown(old != NULL ? old->command_count : 0, context->command_count) / interval_s;
    row->cpu_percent = cpu_ns == PV_DISPLAY_TOP_UNKNOWN
                           ? -1
                           : (double)grown(old_cpu_ns, cpu_ns) / (interval_s * 1e9) * 100;
}

static int order(const void *left, const void *right)
{
    const struct pv_display_top_row *a = left;
    const struct pv_display_top_row *b = right;

    if (a->cpu_percent != b->cpu_percent) {
        return a->cpu_percent > b->cpu_percent ? -1 : 1;
    }
    if (a->context->memory_bytes != b->context->memory_bytes) {
        return a->context->memory_bytes > b->context->memory_bytes ? -1 : 1;
    }
    return a->context->context_id < b->context->context_id ? -1 : 1;
}

void pv_display_top_compare(const struct pv_display_top_sample *before,
                            const struct pv_display_top_sample *now, struct pv_display_top *ret_top)
{
    const uint64_t interval_ns = grown(before->now_ns, now->now_ns);
    const double interval_s = interval_ns > 0 ? (double)interval_ns / 1e9 : 1e-9;

    ret_top->sample = now;
    ret_top->interval_s = interval_s;
    ret_top->frames_per_s =
        (double)grown(before->statistics.frame_count, now->statistics.frame_count) / interval_s;
    ret_top->requests_per_s =
        (double)grown(before->statistics.command_count, now->statistics.command_count) / interval_s;
    ret_top->row_count = now->context_count;
    for (size_t i = 0; i < now->context_count; i++) {
        compare_one(before, now, i, interval_s, &ret_top->rows[i]);
    }
    qsort(ret_top->rows, ret_top->row_count, sizeof(ret_top->rows[0]), order);
}

/* ---- text ---- */

struct page {
    FILE *file;
    const char *line_end;
    uint32_t width;  /* 0: no limit */
    uint32_t height; /* 0: no limit */
    uint32_t lines;
};

static void put(struct page *page, const char *line)
{
    const size_t length = strlen(line);
    const size_t shown = page->width > 0 && length > page->width ? page->width : length;

    (void)fwrite(line, 1, shown, page->file);
    (void)fputs(page->line_end, page->file);
    page->lines++;
}

/* Lines that still fit. */
static uint32_t room(const struct page *page)
{
    return page->height == 0 ? UINT32_MAX : page->height - page->lines;
}

/* Bytes for people: four digits at most, and a unit. */
static const char *bytes_text(uint64_t bytes, char text[16])
{
    static const char units[] = "BKMGTPE";
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1000 && unit < sizeof(units) - 2) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(text, 16, unit == 0 || value >= 99.95 ? "%.0f%c" : "%.1f%c", value, units[unit]);
    return text;
}

static void put_head(struct page *page, const struct pv_display_top *top, const char *name)
{
    const struct pv_display_statistics *all = &top->sample->statistics;
    char line[256];
    char texts[4][16];

    (void)snprintf(
        line, sizeof(line), "%s: contexts %u, lost %u, without Vulkan %u, memory %s of %s", name,
        all->context_count, all->lost_context_count, all->empty_context_count,
        bytes_text(all->memory_all_bytes, texts[0]), bytes_text(all->memory_limit_bytes, texts[1]));
    put(page, line);
    if (all->server_kind == PV_DISPLAY_SERVER_DEVICE) {
        (void)snprintf(line, sizeof(line),
                       "window %s of %s, %u resources, %.1f frames/s, %.0f requests/s, %u held, "
                       "%llu errors",
                       bytes_text(all->window_used_bytes, texts[2]),
                       bytes_text(all->window_size_bytes, texts[3]), all->resource_count,
                       top->frames_per_s, top->requests_per_s, all->held_count,
                       (unsigned long long)all->error_count);
        put(page, line);
    }
    put(page, "");
    put(page, "     PID   CPU%  COMMANDS/S  MEMORY  OBJECTS RINGS FENCES  CONTEXT NAME");
}

static void put_row(struct page *page, const struct pv_display_top_row *row)
{
    const struct pv_display_context *context = row->context;
    char line[256];
    char memory[16];
    char cpu[16] = "-";
    char pid[16] = "-";

    if (row->cpu_percent >= 0) {
        (void)snprintf(cpu, sizeof(cpu), "%.1f", row->cpu_percent);
    }
    if (context->worker_pid != 0) {
        (void)snprintf(pid, sizeof(pid), "%u", context->worker_pid);
    }
    (void)snprintf(line, sizeof(line), "%8s %6s %11.0f %7s %8llu %5u %6u %8u %s%s", pid, cpu,
                   row->commands_per_s, bytes_text(context->memory_bytes, memory),
                   (unsigned long long)context->object_count, context->ring_count,
                   context->fence_count, context->context_id, context->name,
                   context->is_lost ? " (lost)" : "");
    put(page, line);
}

/* Contexts of the guest's kernel's own run nothing: they are counted in the head only. */
static bool is_shown(const struct pv_display_top_row *row)
{
    return row->context->capset_id != 0;
}

void pv_display_top_print(const struct pv_display_top *top, const char *name, uint32_t width,
                          uint32_t height, const char *line_end, FILE *file)
{
    struct page page = {file, line_end, width, height, 0};
    size_t shown_count = 0;
    char line[64];

    for (size_t i = 0; i < top->row_count; i++) {
        shown_count += is_shown(&top->rows[i]);
    }
    /* A terminal too low for the head shows what fits of it. */
    if (height > 0 && height < 6) {
        page.height = 6;
    }
    put_head(&page, top, name);
    for (size_t i = 0; i < top->row_count; i++) {
        if (!is_shown(&top->rows[i])) {
            continue;
        }
        if (room(&page) == 1 && shown_count > 1) {
            (void)snprintf(line, sizeof(line), "... and %zu more", shown_count);
            put(&page, line);
            return;
        }
        put_row(&page, &top->rows[i]);
        shown_count--;
    }
}
