/* SPDX-License-Identifier: MIT */
/*
 * pearvisor-render with a recorder: writes the commands of each context to a file, for seeds of the
 * ring target. Started by `pearvisor vtest --renderer` in place of the real one, with the folder in
 * PV_FUZZ_RECORD; see README.md. The linker puts the recorder around pv_venus_stream_run.
 *
 * A file is a list of commands as u32 size in bytes and the bytes, in the order in which all rings
 * decoded them. Streams inside of streams are recorded as what they hold.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/write_guard.h"
#include "render/worker.h"
#include "venus/state.h"

typedef void after_command_fn(struct pv_venus_ring *ring, size_t consumed_bytes);

bool __real_pv_venus_stream_run(struct pv_venus_decoder *decoder, const uint8_t *bytes,
                                size_t size_bytes, after_command_fn *after_command,
                                const char *where);
bool __wrap_pv_venus_stream_run(struct pv_venus_decoder *decoder, const uint8_t *bytes,
                                size_t size_bytes, after_command_fn *after_command,
                                const char *where);

/* The stream that this thread decodes. */
struct run {
    const uint8_t *bytes;
    size_t done_bytes;
    after_command_fn *after_command;
};

static _Thread_local struct run current;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *file;

static void write_command(const uint8_t *bytes, size_t size_bytes)
{
    const uint32_t word = (uint32_t)size_bytes;

    pthread_mutex_lock(&lock);
    if (file != NULL) {
        (void)fwrite(&word, sizeof(word), 1, file);
        (void)fwrite(bytes, 1, size_bytes, file);
    }
    pthread_mutex_unlock(&lock);
}

static void after_command(struct pv_venus_ring *ring, size_t consumed_bytes)
{
    write_command(current.bytes + current.done_bytes, consumed_bytes - current.done_bytes);
    current.done_bytes = consumed_bytes;
    if (current.after_command != NULL) {
        current.after_command(ring, consumed_bytes);
    }
}

bool __wrap_pv_venus_stream_run(struct pv_venus_decoder *decoder, const uint8_t *bytes,
                                size_t size_bytes, after_command_fn *original, const char *where)
{
    const struct run outer = current;
    bool good;

    current = (struct run){bytes, 0, original};
    good = __real_pv_venus_stream_run(decoder, bytes, size_bytes, after_command, where);
    current = outer;
    return good;
}

int main(int argc, char **argv)
{
    const char *folder = getenv("PV_FUZZ_RECORD");
    char path[4096];
    int r;

    if (argc != 2 || folder == NULL) {
        return 2;
    }
    (void)snprintf(path, sizeof(path), "%s/%ld", folder, (long)getpid());
    file = fopen(path, "wb");
    if (file == NULL) {
        return 2;
    }
    r = pv_os_write_guard_install();
    if (r == 0) {
        r = pv_render_worker_run(atoi(argv[1]), NULL);
    }
    pthread_mutex_lock(&lock);
    (void)fclose(file);
    file = NULL;
    pthread_mutex_unlock(&lock);
    return r == 0 ? 0 : 1;
}
