/* SPDX-License-Identifier: MIT */
/* Memory, processor time and wake-ups out of /proc; see the header. */
#include "bench/usage.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 96
#define LINE_BYTES 512

/* Add up the numbers behind a key ("Pss:") of a file that has one key a line. */
static uint64_t sum_of(const char *path, const char *key)
{
    char line[LINE_BYTES];
    uint64_t sum = 0;
    FILE *file = fopen(path, "re");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            sum += strtoull(line + strlen(key), NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return sum;
}

static void add_thread(pid_t pid, const char *thread, struct pv_bench_usage *usage)
{
    char path[PATH_BYTES];
    uint64_t cpu_ns = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%.20s/status", (int)pid, thread);
    usage->wakeups += sum_of(path, "voluntary_ctxt_switches:");
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", (int)pid, thread);
    file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%" SCNu64, &cpu_ns) == 1) {
            usage->cpu_ns += cpu_ns;
        }
        (void)fclose(file);
    }
    usage->thread_count++;
}

static void read_name(pid_t pid, struct pv_bench_usage *usage)
{
    char path[PATH_BYTES];
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(usage->name, sizeof(usage->name), file) != NULL) {
            usage->name[strcspn(usage->name, "\n")] = '\0';
        }
        (void)fclose(file);
    }
}

int pv_bench_usage_read(pid_t pid, struct pv_bench_usage *ret_usage)
{
    struct pv_bench_usage usage = {.pid = pid};
    char path[PATH_BYTES];
    const struct dirent *entry;
    DIR *tasks;

    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    if (tasks == NULL) {
        return -ESRCH;
    }
    while ((entry = readdir(tasks)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) != 0) {
            add_thread(pid, entry->d_name, &usage);
        }
    }
    (void)closedir(tasks);
    read_name(pid, &usage);
    (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    usage.pss_kib = sum_of(path, "Pss:");
    usage.private_kib = sum_of(path, "Private_Clean:") + sum_of(path, "Private_Dirty:");
    *ret_usage = usage;
    return 0;
}

/* The parent of a process, or 0. */
static pid_t parent_of(pid_t pid)
{
    char path[PATH_BYTES];

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    return (pid_t)sum_of(path, "PPid:");
}

static bool is_in(const pid_t *pids, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++) {
        if (pids[i] == pid) {
            return true;
        }
    }
    return false;
}

/* One pass over all processes for each generation: not every kernel lists a process' children. */
size_t pv_bench_usage_family(pid_t pid, pid_t *ret_pids, size_t pid_max)
{
    size_t count = 0;
    bool has_grown = pid_max > 0;

    if (has_grown) {
        ret_pids[count++] = pid;
    }
    while (has_grown) {
        DIR *processes = opendir("/proc");
        const struct dirent *entry;

        has_grown = false;
        while (processes != NULL && count < pid_max && (entry = readdir(processes)) != NULL) {
            const pid_t other = (pid_t)strtol(entry->d_name, NULL, 10);

            if (other > 0 && !is_in(ret_pids, count, other)
                && is_in(ret_pids, count, parent_of(other))) {
                ret_pids[count++] = other;
                has_grown = true;
            }
        }
        if (processes != NULL) {
            (void)closedir(processes);
        }
    }
    return count;
}
