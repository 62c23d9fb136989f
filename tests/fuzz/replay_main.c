/* SPDX-License-Identifier: MIT */
/*
 * Runs the inputs of a target without libFuzzer: what CI does with every corpus, in the sanitizer
 * build, and the way to look at one input under a debugger.
 *
 *     replay_TARGET [--list] FILE|FOLDER...
 *
 * Prints TAP with three cases: all inputs ran (a report of a sanitizer, or a check of the target,
 * ends the process before), no thread is left, and no input takes a second. --list names each input
 * before it runs.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"
#include "os/clock.h"

#define SLOW_NS    UINT64_C(1000000000)
#define FILE_BYTES ((long)4 << 20)

struct replay {
    bool lists;
    unsigned long inputs;
    uint64_t longest_ns;
    char longest[512];
};

static uint64_t run_timed(const uint8_t *bytes, size_t size_bytes)
{
    const uint64_t begun_ns = pv_os_clock_now_ns();

    (void)LLVMFuzzerTestOneInput(bytes, size_bytes);
    return pv_os_clock_now_ns() - begun_ns;
}

static bool run_file(struct replay *replay, const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    long size = -1;
    uint64_t took_ns;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        size = ftell(file);
        rewind(file);
    }
    /* Of the exact size, so that a sanitizer sees a read past the end. */
    bytes = size >= 0 && size <= FILE_BYTES ? malloc((size_t)size + (size == 0)) : NULL;
    if (bytes == NULL || fread(bytes, 1, (size_t)size, file) != (size_t)size) {
        (void)fprintf(stderr, "%s cannot be read\n", path);
        free(bytes);
        if (file != NULL) {
            (void)fclose(file);
        }
        return false;
    }
    (void)fclose(file);
    if (replay->lists) {
        (void)fprintf(stderr, "%s (%ld bytes)\n", path, size);
    }
    took_ns = run_timed(bytes, (size_t)size);
    /* A busy machine makes one slow; an input that is slow by itself is so again. */
    for (unsigned again = 0; again < 2 && took_ns >= SLOW_NS; again++) {
        const uint64_t again_ns = run_timed(bytes, (size_t)size);

        took_ns = again_ns < took_ns ? again_ns : took_ns;
    }
    free(bytes);
    replay->inputs++;
    if (took_ns > replay->longest_ns) {
        replay->longest_ns = took_ns;
        (void)snprintf(replay->longest, sizeof(replay->longest), "%s", path);
    }
    return true;
}

static bool run_path(struct replay *replay, const char *path)
{
    struct stat status;
    struct dirent **names;
    bool good = true;
    int count;

    if (stat(path, &status) < 0) {
        (void)fprintf(stderr, "%s is not there\n", path);
        return false;
    }
    if (!S_ISDIR(status.st_mode)) {
        return run_file(replay, path);
    }
    count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char inside[4096];

        if (names[i]->d_name[0] != '.') {
            (void)snprintf(inside, sizeof(inside), "%s/%s", path, names[i]->d_name);
            good = run_path(replay, inside) && good;
        }
        free(names[i]);
    }
    if (count >= 0) {
        free(names);
    }
    return good && count >= 0;
}

static unsigned thread_count(void)
{
    struct dirent **names;
    const int count = scandir("/proc/self/task", &names, NULL, NULL);

    for (int i = 0; i < count; i++) {
        free(names[i]);
    }
    if (count >= 0) {
        free(names);
    }
    return count > 2 ? (unsigned)count - 2 : 0;
}

static int say(unsigned number, bool good, const char *what)
{
    printf("%s %u - %s\n", good ? "ok" : "not ok", number, what);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct replay replay = {0};
    unsigned threads;
    bool good = true;
    int failed;

    (void)LLVMFuzzerInitialize(&argc, &argv);
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    threads = thread_count();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            replay.lists = true;
        } else {
            good = run_path(&replay, argv[i]) && good;
        }
    }
    printf("1..3\n# %lu inputs, the longest %.1f ms: %s\n", replay.inputs,
           (double)replay.longest_ns / 1e6, replay.longest);
    failed = say(1, good && replay.inputs > 0, "the corpus runs without a report");
    failed += say(2, thread_count() == threads, "no thread is left");
    failed += say(3, replay.longest_ns < SLOW_NS, "no input takes a second");
    return failed == 0 ? 0 : 1;
}
