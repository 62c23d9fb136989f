/* SPDX-License-Identifier: MIT */
/*
 * What all fuzz targets share: a reader that turns an input's bytes into values and actions, checks
 * that end the process, shared memory and sockets of chosen sizes, and turns of an event loop.
 *
 * A target is a file fuzz_NAME.c with the last function of this header. It keeps nothing
 * from one input to the next, takes no clock or random number into account, and caps what one
 * input may ask for, so that none takes a second. The same file is linked with libFuzzer
 * (-Dfuzz=true) and with replay_main.c (always).
 *
 * Threads: one.
 */
#ifndef PV_TESTS_FUZZ_H
#define PV_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "os/loop.h"

/* ---- reading an input; past its end everything is 0 ---- */

struct fuzz_input {
    const uint8_t *at;
    const uint8_t *end;
};

static inline size_t fuzz_left_bytes(const struct fuzz_input *in)
{
    return (size_t)(in->end - in->at);
}

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
    const uint16_t low = fuzz_u8(in);

    return (uint16_t)(low | fuzz_u8(in) << 8);
}

static inline uint32_t fuzz_u32(struct fuzz_input *in)
{
    const uint32_t low = fuzz_u16(in);

    return low | (uint32_t)fuzz_u16(in) << 16;
}

static inline uint64_t fuzz_u64(struct fuzz_input *in)
{
    const uint64_t low = fuzz_u32(in);

    return low | (uint64_t)fuzz_u32(in) << 32;
}

/* The next size_bytes, or fewer where the input ends sooner. */
static inline const uint8_t *fuzz_take(struct fuzz_input *in, size_t size_bytes,
                                       size_t *ret_size_bytes)
{
    const uint8_t *bytes = in->at;

    *ret_size_bytes = size_bytes < fuzz_left_bytes(in) ? size_bytes : fuzz_left_bytes(in);
    in->at += *ret_size_bytes;
    return bytes;
}

/* A part of the input on its own: a u16 of length, then as many bytes. */
static inline struct fuzz_input fuzz_part(struct fuzz_input *in)
{
    const size_t want_bytes = fuzz_u16(in);
    size_t size_bytes;
    const uint8_t *bytes = fuzz_take(in, want_bytes, &size_bytes);

    return (struct fuzz_input){bytes, bytes + size_bytes};
}

/* Bytes from the input, zeroes behind its end. */
void fuzz_fill(struct fuzz_input *in, void *ret_bytes, size_t size_bytes);

/* A size or offset as attackers like them: one byte chooses small, page multiple, odd or huge. */
uint64_t fuzz_size(struct fuzz_input *in);

/* ---- checks ---- */

/* Ends the process, so that the input is kept. */
void fuzz_stop(const char *file, int line, const char *what);

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fuzz_stop(__FILE__, __LINE__, #condition);                                             \
        }                                                                                          \
    } while (0)

/* Around each input: no descriptor is left open. */
void fuzz_begin(void);
void fuzz_end(void);

/* ---- surroundings ---- */

/* A log that writes nothing, with lines of information on. */
void fuzz_log_init(struct pv_base_log *log);

/* Shared memory; sealed as pv_os_shm_create does, or a plain memfd. */
int fuzz_memfd(uint64_t size_bytes, bool is_sealed);

/* Some descriptor: what `kind` says (memory, event, pipe, socket, directory). */
int fuzz_descriptor(uint8_t kind, uint64_t size_bytes);

/* Serve what is ready, count times; never waits. */
void fuzz_turn(struct pv_os_loop *loop, unsigned count);

/* ---- what libFuzzer and replay_main.c call ---- */

/* Once, at the beginning, of all targets: no SIGPIPE, descriptors enough. Returns 0. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
/* Runs one input; each target's own. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

#endif
