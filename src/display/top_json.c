/* SPDX-License-Identifier: MIT */
/*
 * `pearvisor top --json`: the figures of the text, under names that stay.
 */
#include <errno.h>
#include <jansson.h>

#include "display/top.h"

/* Whole numbers; what a device claims may be larger than JSON's readers take. */
static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *context_json(const struct pv_display_top_row *row)
{
    const struct pv_display_context *context = row->context;

    return json_pack(
        "{s:o, s:s, s:b, s:b, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
        number(context->context_id), "name", context->name, "lost", (int)(context->is_lost != 0),
        "vulkan", (int)(context->capset_id != 0), "pid",
        context->worker_pid != 0 ? number(context->worker_pid) : json_null(), "cpu_percent",
        row->cpu_percent >= 0 ? json_real(row->cpu_percent) : json_null(), "commands_per_second",
        row->commands_per_s, "commands", number(context->command_count), "memory_bytes",
        number(context->memory_bytes), "blob_bytes", number(context->blob_bytes), "objects",
        number(context->object_count), "rings", number(context->ring_count), "fences",
        number(context->fence_count), "requests", number(context->request_count), "submits",
        number(context->submit_count));
}

static json_t *device_json(const struct pv_display_top *top)
{
    const struct pv_display_statistics *all = &top->sample->statistics;

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:o}", "window_bytes",
                     number(all->window_used_bytes), "window_size_bytes",
                     number(all->window_size_bytes), "resources", number(all->resource_count),
                     "held", number(all->held_count), "fences", number(all->fence_count),
                     "frames_per_second", top->frames_per_s, "requests_per_second",
                     top->requests_per_s, "errors", number(all->error_count));
}

static json_t *top_json(const struct pv_display_top *top, const char *name)
{
    const struct pv_display_statistics *all = &top->sample->statistics;
    json_t *list = json_array();
    json_t *object;

    for (size_t i = 0; i < top->row_count; i++) {
        if (json_array_append_new(list, context_json(&top->rows[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    object = json_pack(
        "{s:s, s:s, s:f, s:o, s:o, s:o, s:o, s:o}", "name", name, "kind",
        all->server_kind == PV_DISPLAY_SERVER_VTEST ? "vtest" : "vm", "interval_seconds",
        top->interval_s, "memory_bytes", number(all->memory_all_bytes), "memory_limit_bytes",
        number(all->memory_limit_bytes), "contexts_with_vulkan", number(all->context_count),
        "contexts_lost", number(all->lost_context_count), "contexts", list);
    if (object != NULL && all->server_kind == PV_DISPLAY_SERVER_DEVICE
        && json_object_set_new(object, "device", device_json(top)) < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

int pv_display_top_print_json(const struct pv_display_top *top, const char *name, FILE *file)
{
    json_t *object = top_json(top, name);
    int r;

    if (object == NULL) {
        return -ENOMEM;
    }
    r = json_dumpf(object, file, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(6));
    json_decref(object);
    return r < 0 || fputc('\n', file) == EOF ? -EIO : 0;
}
