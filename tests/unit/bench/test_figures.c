/* SPDX-License-Identifier: MIT */
/* hosts/bench/figures.c: lines of pv-bench in, medians and ratios out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/figures.h"

#define LINE(name, value)                                                                          \
    "{\"figure\": \"" name "\", \"unit\": \"call\", \"median_ns\": " value ", \"count\": 3}\n"

static struct pv_bench_figures two_ways(void)
{
    return (struct pv_bench_figures){.way_count = 2, .way_names = {"native", "vtest"}};
}

static void takes_figures_and_passes_over_the_rest(void **state)
{
    struct pv_bench_figures figures = two_ways();

    (void)state;
    assert_int_equal(pv_bench_figures_take(&figures, 0,
                                           "{\"device\": \"a GPU\"}\nnoise\n" LINE("a", "10.0")
                                               LINE("b", "20") "{\"figure\": 7}\n{broken\n"),
                     2);
    assert_string_equal(figures.devices[0], "a GPU");
    assert_int_equal(figures.figure_count, 2);
    assert_string_equal(figures.figures[1].name, "b");
    assert_string_equal(figures.figures[1].unit, "call");
    assert_true(isnan(pv_bench_figure_median(&figures.figures[0], 1)));
    pv_bench_figures_finish(&figures);
}

static void median_is_of_all_rounds(void **state)
{
    struct pv_bench_figures figures = two_ways();

    (void)state;
    assert_int_equal(pv_bench_figures_take(&figures, 1, LINE("a", "30")), 1);
    assert_int_equal(pv_bench_figures_take(&figures, 1, LINE("a", "10")), 1);
    assert_int_equal(pv_bench_figures_take(&figures, 1, LINE("a", "20")), 1);
    assert_true(fabs(pv_bench_figure_median(&figures.figures[0], 1) - 20.0) < 1e-9);
    pv_bench_figures_finish(&figures);
}

static void more_than_the_maxima_is_dropped(void **state)
{
    struct pv_bench_figures figures = two_ways();
    char line[128];

    (void)state;
    for (int i = 0; i <= PV_BENCH_ROUNDS_MAX; i++) {
        assert_int_equal(pv_bench_figures_take(&figures, 0, LINE("a", "1")), 1);
    }
    assert_int_equal(figures.figures[0].value_counts[0], PV_BENCH_ROUNDS_MAX);
    for (int i = 1; i < PV_BENCH_FIGURES_MAX; i++) {
        (void)snprintf(line, sizeof(line),
                       "{\"figure\": \"n%d\", \"unit\": \"call\", \"median_ns\": 1}", i);
        assert_int_equal(pv_bench_figures_take(&figures, 0, line), 1);
    }
    assert_int_equal(pv_bench_figures_take(&figures, 0, LINE("one more", "1")), 0);
    assert_int_equal(figures.figure_count, PV_BENCH_FIGURES_MAX);
    pv_bench_figures_finish(&figures);
}

static void table_has_ratios_to_the_first_way(void **state)
{
    struct pv_bench_figures figures = two_ways();
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *file = open_memstream(&text, &text_bytes);

    (void)state;
    assert_int_equal(pv_bench_figures_take(&figures, 0, LINE("a", "2000") LINE("b", "5")), 2);
    assert_int_equal(pv_bench_figures_take(&figures, 1, LINE("a", "3000000")), 1);
    (void)strcpy(figures.complaints[1], "gave up");
    pv_bench_figures_print(&figures, file);
    assert_int_equal(fclose(file), 0);
    assert_non_null(strstr(text, "vtest: gave up\n"));
    assert_non_null(strstr(text, "   2000.0 ns    3000.0 us 1500.00x  call\n"));
    assert_non_null(strstr(text, "      5.0 ns            -          call\n"));
    free(text);
    pv_bench_figures_finish(&figures);
}

static void json_holds_medians_and_rounds(void **state)
{
    struct pv_bench_figures figures = two_ways();
    const json_t *figure;
    json_t *root;

    (void)state;
    assert_int_equal(pv_bench_figures_take(&figures, 0, LINE("a", "2")), 1);
    root = pv_bench_figures_json(&figures);
    figure = json_array_get(json_object_get(root, "figures"), 0);
    assert_string_equal(json_string_value(json_object_get(figure, "figure")), "a");
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(figure, "rounds_ns"), "native")), 1);
    assert_null(json_object_get(json_object_get(figure, "median_ns"), "vtest"));
    json_decref(root);
    pv_bench_figures_finish(&figures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_figures_and_passes_over_the_rest),
        cmocka_unit_test(median_is_of_all_rounds),
        cmocka_unit_test(more_than_the_maxima_is_dropped),
        cmocka_unit_test(table_has_ratios_to_the_first_way),
        cmocka_unit_test(json_holds_medians_and_rounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
