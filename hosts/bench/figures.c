/* SPDX-License-Identifier: MIT */
/* Figures of a benchmark run; see the header. */
#include "bench/figures.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct pv_bench_figure *find_or_add(struct pv_bench_figures *figures, const char *name,
                                           const char *unit)
{
    struct pv_bench_figure *figure;

    for (unsigned int i = 0; i < figures->figure_count; i++) {
        if (strcmp(figures->figures[i].name, name) == 0) {
            return &figures->figures[i];
        }
    }
    if (figures->figure_count == PV_BENCH_FIGURES_MAX) {
        return NULL;
    }
    figure = &figures->figures[figures->figure_count++];
    (void)snprintf(figure->name, sizeof(figure->name), "%s", name);
    (void)snprintf(figure->unit, sizeof(figure->unit), "%s", unit);
    return figure;
}

/* Returns whether the line held a figure. */
static bool take_line(struct pv_bench_figures *figures, unsigned int way, const char *line,
                      size_t length)
{
    json_t *root = json_loadb(line, length, 0, NULL);
    const char *name = json_string_value(json_object_get(root, "figure"));
    const char *unit = json_string_value(json_object_get(root, "unit"));
    const char *device = json_string_value(json_object_get(root, "device"));
    const json_t *median = json_object_get(root, "median_ns");
    struct pv_bench_figure *figure = NULL;

    if (device != NULL) {
        (void)snprintf(figures->devices[way], sizeof(figures->devices[way]), "%s", device);
    }
    if (name != NULL && unit != NULL && json_is_number(median)) {
        figure = find_or_add(figures, name, unit);
        if (figure != NULL && figure->value_counts[way] < PV_BENCH_ROUNDS_MAX) {
            figure->values_ns[way][figure->value_counts[way]++] = json_number_value(median);
        }
    }
    json_decref(root);
    return figure != NULL;
}

int pv_bench_figures_take(struct pv_bench_figures *figures, unsigned int way, const char *text)
{
    int taken = 0;

    if (figures->figures == NULL) {
        figures->figures = calloc(PV_BENCH_FIGURES_MAX, sizeof(*figures->figures));
        if (figures->figures == NULL) {
            return -ENOMEM;
        }
    }
    while (*text != '\0') {
        const size_t length = strcspn(text, "\n");

        if (*text == '{' && take_line(figures, way, text, length)) {
            taken++;
        }
        text += length + (text[length] == '\n' ? 1 : 0);
    }
    return taken;
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return a < b ? -1 : a > b;
}

double pv_bench_figure_median(const struct pv_bench_figure *figure, unsigned int way)
{
    const unsigned int count = figure->value_counts[way];
    double sorted[PV_BENCH_ROUNDS_MAX];

    if (count == 0) {
        return NAN;
    }
    memcpy(sorted, figure->values_ns[way], count * sizeof(sorted[0]));
    qsort(sorted, count, sizeof(sorted[0]), compare);
    return sorted[count / 2];
}

static void print_time(FILE *file, double value_ns)
{
    if (isnan(value_ns)) {
        fprintf(file, " %12s", "-");
    } else if (value_ns < 1e4) {
        fprintf(file, " %9.1f ns", value_ns);
    } else if (value_ns < 1e7) {
        fprintf(file, " %9.1f us", value_ns / 1e3);
    } else {
        fprintf(file, " %9.1f ms", value_ns / 1e6);
    }
}

void pv_bench_figures_print(const struct pv_bench_figures *figures, FILE *file)
{
    for (unsigned int way = 0; way < figures->way_count; way++) {
        fprintf(file, "%s: %s\n", figures->way_names[way],
                figures->complaints[way][0] != '\0' ? figures->complaints[way]
                                                    : figures->devices[way]);
    }
    fprintf(file, "\n%-20s %12s", "", figures->way_names[0]);
    for (unsigned int way = 1; way < figures->way_count; way++) {
        fprintf(file, " %12s   ratio", figures->way_names[way]);
    }
    fprintf(file, "  per\n");
    for (unsigned int i = 0; i < figures->figure_count; i++) {
        const struct pv_bench_figure *figure = &figures->figures[i];
        const double first_ns = pv_bench_figure_median(figure, 0);

        fprintf(file, "%-20s", figure->name);
        print_time(file, first_ns);
        for (unsigned int way = 1; way < figures->way_count; way++) {
            const double value_ns = pv_bench_figure_median(figure, way);

            print_time(file, value_ns);
            if (isnan(value_ns / first_ns)) {
                fprintf(file, " %7s", "");
            } else {
                fprintf(file, value_ns < first_ns / 10 ? " %6.4fx" : " %6.2fx",
                        value_ns / first_ns);
            }
        }
        fprintf(file, "  %s\n", figure->unit);
    }
}

static json_t *figure_json(const struct pv_bench_figures *figures,
                           const struct pv_bench_figure *figure)
{
    json_t *object = json_pack("{s:s, s:s}", "figure", figure->name, "unit", figure->unit);
    json_t *medians = json_object();
    json_t *values = json_object();

    for (unsigned int way = 0; way < figures->way_count; way++) {
        json_t *list = json_array();

        if (figure->value_counts[way] == 0) {
            json_decref(list);
            continue;
        }
        for (unsigned int i = 0; i < figure->value_counts[way]; i++) {
            (void)json_array_append_new(list, json_real(figure->values_ns[way][i]));
        }
        (void)json_object_set_new(medians, figures->way_names[way],
                                  json_real(pv_bench_figure_median(figure, way)));
        (void)json_object_set_new(values, figures->way_names[way], list);
    }
    (void)json_object_set_new(object, "median_ns", medians);
    (void)json_object_set_new(object, "rounds_ns", values);
    return object;
}

json_t *pv_bench_figures_json(const struct pv_bench_figures *figures)
{
    json_t *ways = json_array();
    json_t *list = json_array();

    for (unsigned int way = 0; way < figures->way_count; way++) {
        (void)json_array_append_new(
            ways, json_pack("{s:s, s:s, s:s}", "way", figures->way_names[way], "device",
                            figures->devices[way], "complaint", figures->complaints[way]));
    }
    for (unsigned int i = 0; i < figures->figure_count; i++) {
        (void)json_array_append_new(list, figure_json(figures, &figures->figures[i]));
    }
    return json_pack("{s:o, s:o}", "ways", ways, "figures", list);
}

void pv_bench_figures_finish(struct pv_bench_figures *figures)
{
    free(figures->figures);
    figures->figures = NULL;
    figures->figure_count = 0;
}
