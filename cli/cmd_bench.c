/* SPDX-License-Identifier: MIT */
/*
 * pearvisor bench: how long things take natively, through us, and through others, in turns, with
 * ratios. Runs pv-bench (guest/programs); what it measures stands there.
 *
 * Ways: "native" is the host driver alone; "vtest" goes through `pearvisor vtest`; "guest" through
 * a VM of ours, which is kept for all rounds; "peer" through another vtest server, which is started
 * with virgl_test_server's options.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bench/run.h"
#include "cli/bench_ways.h"
#include "cli/commands.h"
#include "cli/host_programs.h"
#include "cli/options.h"

#define RUN_TIMEOUT_MS 180000
#define IDLE_SETTLE_S  4
#define IDLE_WATCH_S   5
#define IDLE_MAX       (PV_BENCH_WAYS_MAX * PV_BENCH_PROCESSES_MAX)

struct bench_options {
    enum pv_cli_bench_way ways[PV_BENCH_WAYS_MAX];
    unsigned int way_count;
    const char *against; /* the ways, as they were given */
    const char *peer;
    const char *client_icd;
    const char *program;
    const char *only;
    const char *output;
    uint32_t rounds; /* 0: not said */
    bool quick;
    bool json;
    bool without_idle;
};

struct bench {
    const struct bench_options *options;
    struct pv_cli_bench_ways ways;
    struct pv_bench_way run_ways[PV_BENCH_WAYS_MAX];
    struct pv_bench_figures figures;
    struct {
        const char *way;
        struct pv_bench_idle idle;
    } idle[IDLE_MAX];
    unsigned int idle_count;
};

static const char help[] =
    "usage: pearvisor bench [OPTIONS]\n\n"
    "Measures Vulkan calls natively and through us, in turns, and prints times and ratios.\n";

static const struct pv_cli_option rows[] = {
    {.name = "against",
     .value = "WAYS",
     .help = "of native, vtest, guest, peer; ratios are to the first\n(default native,vtest)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct bench_options, against)},
    {.name = "peer",
     .value = "PROGRAM",
     .help = "another vtest server, such as virgl_test_server; for\nway \"peer\"",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct bench_options, peer)},
    {.name = "rounds",
     .value = "N",
     .help = "runs of each way, of which the median counts (default 3)",
     .kind = PV_CLI_OPTION_NUMBER,
     .min = 1,
     .max = PV_BENCH_ROUNDS_MAX,
     .offset = offsetof(struct bench_options, rounds)},
    {.name = "quick",
     .help = "one short round: does it run?",
     .kind = PV_CLI_OPTION_FLAG,
     .offset = offsetof(struct bench_options, quick)},
    {.name = "only",
     .value = "CASE",
     .help = "one case of pv-bench (pv-bench --list names them)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct bench_options, only)},
    {.name = "no-idle",
     .help = "without memory and wake-ups of idle programs",
     .kind = PV_CLI_OPTION_FLAG,
     .offset = offsetof(struct bench_options, without_idle)},
    {.name = "client-icd",
     .value = "FILE",
     .help = "Mesa's Venus driver (default: PV_VENUS_ICD, or the\nsystem's)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct bench_options, client_icd)},
    {.name = "program",
     .value = "FILE",
     .help = "pv-bench (default: the one of the build)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct bench_options, program)},
    {.name = "json",
     .help = "JSON instead of a table",
     .kind = PV_CLI_OPTION_FLAG,
     .offset = offsetof(struct bench_options, json)},
    {.name = "output",
     .value = "FILE",
     .help = "JSON into this file, besides",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct bench_options, output)},
};

static bool take_ways(const char *text, struct bench_options *ret)
{
    ret->way_count = 0;
    while (*text != '\0') {
        const size_t length = strcspn(text, ",");
        unsigned int found = 0;

        while (found < PV_CLI_BENCH_WAY_COUNT
               && (strlen(pv_cli_bench_way_name(found)) != length
                   || strncmp(pv_cli_bench_way_name(found), text, length) != 0)) {
            found++;
        }
        if (found == PV_CLI_BENCH_WAY_COUNT || ret->way_count == PV_BENCH_WAYS_MAX) {
            (void)fprintf(stderr,
                          "pearvisor: --against takes native, vtest, guest, peer, not "
                          "'%.*s'\n",
                          (int)length, text);
            return false;
        }
        ret->ways[ret->way_count++] = (enum pv_cli_bench_way)found;
        text += length + (text[length] == ',' ? 1 : 0);
    }
    return ret->way_count > 0;
}

/* Returns 0, or an exit status to leave with; -1 for "leave with success". */
static int parse(int argc, char **argv, struct bench_options *ret)
{
    const struct pv_cli_option_group groups[] = {{rows, PV_ARRAY_LEN(rows), ret},
                                                 PV_CLI_OPTION_GROUPS_END};
    const int r = pv_cli_options_parse(argc, argv, groups, help, PV_CLI_WORDS_NONE, NULL);

    if (r == 0 && ret->against != NULL && !take_ways(ret->against, ret)) {
        return PV_CLI_USAGE;
    }
    return r;
}

static int prepare(struct bench *bench)
{
    for (unsigned int i = 0; i < bench->options->way_count; i++) {
        const enum pv_cli_bench_way kind = bench->options->ways[i];
        const int r = pv_cli_bench_ways_prepare(&bench->ways, kind, &bench->run_ways[i]);

        if (r != 0 && (kind == PV_CLI_BENCH_NATIVE || kind == PV_CLI_BENCH_VTEST)) {
            return r;
        }
        if (r != 0) {
            (void)snprintf(bench->figures.complaints[i], PV_BENCH_TEXT_BYTES, "%s: %s",
                           kind == PV_CLI_BENCH_PEER ? "the server does not listen"
                                                     : "the VM does not answer",
                           strerror(-r));
        }
    }
    return 0;
}

/* --- what comes out --- */

/* Programs that hold a device and do nothing: natively, and with what serves them. */
static void watch_idle(struct bench *bench)
{
    struct pv_bench_idle found[PV_BENCH_PROCESSES_MAX];

    for (unsigned int i = 0; i < bench->options->way_count; i++) {
        const enum pv_cli_bench_way kind = bench->options->ways[i];
        int count = 0;

        if (bench->figures.complaints[i][0] != '\0') {
            continue;
        }
        if (kind == PV_CLI_BENCH_GUEST) {
            count = pv_bench_watch(bench->ways.guest_process.pid, IDLE_WATCH_S, found);
        } else if (kind != PV_CLI_BENCH_PEER) {
            count = pv_bench_run_idle(&bench->run_ways[i], IDLE_SETTLE_S, IDLE_WATCH_S, found);
        }
        for (int n = 0; n < count && bench->idle_count < IDLE_MAX; n++) {
            bench->idle[bench->idle_count].way = pv_cli_bench_way_name(kind);
            bench->idle[bench->idle_count++].idle = found[n];
        }
    }
}

static void print_table(const struct bench *bench)
{
    pv_bench_figures_print(&bench->figures, stdout);
    if (bench->idle_count > 0) {
        printf("\nidle      process          threads   Pss MiB  private MiB  %% of a core  "
               "wake-ups/s\n");
    }
    for (unsigned int i = 0; i < bench->idle_count; i++) {
        const struct pv_bench_idle *idle = &bench->idle[i].idle;

        printf("%-9s %-16s %7u %9.1f %12.1f %12.2f %11.1f\n", bench->idle[i].way, idle->usage.name,
               idle->usage.thread_count, (double)idle->usage.pss_kib / 1024,
               (double)idle->usage.private_kib / 1024, idle->cpu_percent, idle->wakeups_per_s);
    }
}

static bool print_json(const struct bench *bench, FILE *file)
{
    json_t *root = pv_bench_figures_json(&bench->figures);
    json_t *list = json_array();
    int r;

    for (unsigned int i = 0; i < bench->idle_count; i++) {
        const struct pv_bench_idle *idle = &bench->idle[i].idle;

        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:i, s:I, s:I, s:f, s:f}", "way", bench->idle[i].way,
                            "process", idle->usage.name, "threads", (int)idle->usage.thread_count,
                            "pss_kib", (json_int_t)idle->usage.pss_kib, "private_kib",
                            (json_int_t)idle->usage.private_kib, "cpu_percent", idle->cpu_percent,
                            "wakeups_per_s", idle->wakeups_per_s));
    }
    (void)json_object_set_new(root, "idle", list);
    r = json_dumpf(root, file, JSON_INDENT(1));
    (void)fprintf(file, "\n");
    json_decref(root);
    return r == 0 && fflush(file) == 0;
}

static bool write_json(const struct bench *bench, const char *path)
{
    FILE *file = fopen(path, "we");
    bool good = file != NULL;

    if (good) {
        good = print_json(bench, file);
        good = fclose(file) == 0 && good;
    }
    if (!good) {
        (void)fprintf(stderr, "pearvisor: cannot write %s: %s\n", path, strerror(errno));
    }
    return good;
}

static int run(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    const char *arguments[4] = {NULL};
    size_t count = 0;
    struct pv_bench_run_options run_options = {
        .ways = bench->run_ways,
        .way_count = options->way_count,
        .arguments = arguments,
        .rounds = options->rounds,
        .timeout_ms = RUN_TIMEOUT_MS,
        .progress = stderr,
    };
    int r;

    if (options->quick) {
        arguments[count++] = "--quick";
    }
    if (options->only != NULL) {
        arguments[count++] = "--only";
        arguments[count++] = options->only;
    }
    r = prepare(bench);
    if (r == 0) {
        r = pv_bench_run(&run_options, &bench->figures);
    }
    if (r != 0) {
        (void)fprintf(stderr, "pearvisor: cannot measure: %s\n", strerror(-r));
        return PV_CLI_FAILED;
    }
    if (!options->without_idle) {
        watch_idle(bench);
    }
    if (options->json) {
        r = print_json(bench, stdout) ? 0 : -ENOMEM;
    } else {
        print_table(bench);
    }
    if (options->output != NULL && !write_json(bench, options->output)) {
        return PV_CLI_FAILED;
    }
    /* What others cannot do is no failure of the measurement; ours and the host's is. */
    for (unsigned int i = 0; i < options->way_count; i++) {
        if (options->ways[i] != PV_CLI_BENCH_PEER && bench->figures.complaints[i][0] != '\0') {
            (void)fprintf(stderr, "pearvisor: %s: %s\n", pv_cli_bench_way_name(options->ways[i]),
                          bench->figures.complaints[i]);
            return PV_CLI_FAILED;
        }
    }
    return r == 0 ? 0 : PV_CLI_FAILED;
}

int pv_cli_bench(int argc, char **argv)
{
    struct bench_options options = {.ways = {PV_CLI_BENCH_NATIVE, PV_CLI_BENCH_VTEST},
                                    .way_count = 2};
    struct bench *bench;
    int r = parse(argc, argv, &options);

    if (r != 0) {
        return r < 0 ? 0 : r;
    }
    if (options.rounds == 0) {
        options.rounds = options.quick ? 1 : 3;
    }
    bench = calloc(1, sizeof(*bench));
    if (bench == NULL) {
        (void)fprintf(stderr, "pearvisor: out of memory\n");
        return PV_CLI_FAILED;
    }
    bench->options = &options;
    bench->ways.peer = options.peer;
    bench->ways.client_icd = options.client_icd;
    pv_cli_host_driver_choose();
    r = pv_cli_bench_ways_init(&bench->ways, options.program) ? run(bench) : PV_CLI_FAILED;
    pv_cli_bench_ways_finish(&bench->ways);
    pv_bench_figures_finish(&bench->figures);
    free(bench);
    return r;
}
