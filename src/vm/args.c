/* SPDX-License-Identifier: MIT */
/* A growing list of strings; see the header. */
#include "vm/args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Take ownership of text (NULL: its allocation failed). */
static void take(struct pv_vm_args *args, char *text)
{
    char **items = NULL;

    if (text != NULL && args->error == 0) {
        items = realloc(args->items, (args->count + 2) * sizeof(*items));
    }
    if (items == NULL) {
        args->error = args->error != 0 ? args->error : -ENOMEM;
        free(text);
        return;
    }
    args->items = items;
    items[args->count++] = text;
    items[args->count] = NULL;
}

static PV_PRINTF(2, 0) void add_formatted(struct pv_vm_args *args, const char *format,
                                          va_list values)
{
    char *text = NULL;

    if (vasprintf(&text, format, values) < 0) {
        text = NULL;
    }
    take(args, text);
}

void pv_vm_args_add(struct pv_vm_args *args, const char *format, ...)
{
    va_list values;

    va_start(values, format);
    add_formatted(args, format, values);
    va_end(values);
}

void pv_vm_args_pair(struct pv_vm_args *args, const char *option, const char *format, ...)
{
    va_list values;

    pv_vm_args_add(args, "%s", option);
    va_start(values, format);
    add_formatted(args, format, values);
    va_end(values);
}

void pv_vm_args_finish(struct pv_vm_args *args)
{
    for (size_t i = 0; i < args->count; i++) {
        free(args->items[i]);
    }
    free(args->items);
    *args = (struct pv_vm_args){0};
}
