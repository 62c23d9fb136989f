/* SPDX-License-Identifier: MIT */
/* Printing the report for people. */
#include "doctor/report.h"

#include <string.h>

#include "base/compiler.h"

/* A member's text, or "". */
static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static void print_words(const json_t *array, FILE *file)
{
    size_t index;
    json_t *value;

    json_array_foreach(array, index, value)
    {
        fprintf(file, "%s%s", index > 0 ? "|" : "", json_string_value(value));
    }
    if (json_array_size(array) == 0) {
        fprintf(file, "no flags");
    }
}

static void print_memory(const json_t *view, FILE *file)
{
    const json_t *types = json_object_get(view, "memory_types");
    size_t index;
    json_t *type;

    fprintf(file, "  memory types of the guest:\n");
    json_array_foreach(types, index, type)
    {
        static const char *const backings[] = {"plain", "external"};

        fprintf(file, "    %zu: ", index);
        print_words(json_object_get(type, "flags"), file);
        for (size_t i = 0; i < PV_ARRAY_LEN(backings); i++) {
            const json_t *backing = json_object_get(type, backings[i]);
            const char *kind = text_of(backing, "kind");

            if (strcmp(kind, "none") != 0) {
                fprintf(file, "; %s: %s, host type %lld", i == 0 ? "own" : "shared",
                        strcmp(kind, "import") == 0 ? "our pages" : "driver memory",
                        (long long)json_integer_value(json_object_get(backing, "host_type")));
            }
        }
        fprintf(file, "\n");
    }
}

static void print_items(const json_t *device, FILE *file)
{
    const json_t *facts = json_object_get(device, "facts");
    size_t index;
    json_t *item;

    fprintf(file,
            "\nWhat guests are shown of %s, other than it reports itself\n"
            "(off: the case named after 'when' does not arise here):\n",
            text_of(facts, "device_name"));
    json_array_foreach(json_object_get(device, "items"), index, item)
    {
        fprintf(file, "  %-3s  %-9s  %s\n       %-9s  %s\n",
                json_is_true(json_object_get(item, "on")) ? "on" : "off", text_of(item, "kind"),
                text_of(item, "name"), "", text_of(item, "how"));
        fprintf(file, "       %-9s  when: %s; why: %s\n", "", text_of(item, "trigger"),
                text_of(item, "why"));
    }
    if (json_is_object(json_object_get(device, "view"))) {
        print_memory(json_object_get(device, "view"), file);
    }
}

void pv_doctor_report_print(const json_t *report, bool with_table, FILE *file)
{
    const json_t *devices = json_object_get(json_object_get(report, "vulkan"), "devices");
    size_t index;
    json_t *entry;

    json_array_foreach(json_object_get(report, "checks"), index, entry)
    {
        fprintf(file, "%-8s %-12s %s\n", text_of(entry, "state"), text_of(entry, "name"),
                text_of(entry, "text"));
        if (text_of(entry, "fix")[0] != '\0') {
            fprintf(file, "%-8s %-12s -> %s\n", "", "", text_of(entry, "fix"));
        }
    }
    if (with_table) {
        json_array_foreach(devices, index, entry)
        {
            print_items(entry, file);
        }
    }
    fprintf(file, "\n%s\n",
            pv_doctor_report_is_ready(report) ? "The demo can work here: scripts/demo"
                                              : "The demo cannot work here yet.");
}
