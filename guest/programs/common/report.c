/* SPDX-License-Identifier: MIT */
/*
 * Output lines, digests and the ways to end a test program. Lines are written with one call each
 * and flushed, so that a harness that reads a pipe sees a case as soon as it is over.
 */
#include "common/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PV_PROG_FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define PV_PROG_FNV_PRIME  UINT64_C(0x00000100000001b3)

struct pv_prog_digest pv_prog_digest_start(void)
{
    return (struct pv_prog_digest){.value = PV_PROG_FNV_OFFSET};
}

void pv_prog_digest_add(struct pv_prog_digest *digest, const void *bytes, size_t size_bytes)
{
    const unsigned char *cursor = bytes;
    uint64_t value = digest->value;

    for (size_t i = 0; i < size_bytes; i++) {
        value = (value ^ cursor[i]) * PV_PROG_FNV_PRIME;
    }
    digest->value = value;
}

/* _exit, not exit: other threads may be inside the driver, whose exit handlers would race. */
static _Noreturn void end(int status, const char *kind, const char *format, va_list arguments)
{
    char sentence[1024];

    vsnprintf(sentence, sizeof(sentence), format, arguments);
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", kind, sentence);
    fflush(stderr);
    _exit(status);
}

_Noreturn void pv_prog_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    end(PV_PROG_EXIT_FAILED, "error", format, arguments);
}

_Noreturn void pv_prog_skip(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    end(PV_PROG_EXIT_SKIPPED, "skipped", format, arguments);
}

void pv_prog_vk_check(VkResult result, const char *call, const char *file, int line)
{
    if (result != VK_SUCCESS) {
        pv_prog_fail("%s:%d: VkResult %d from %s", file, line, (int)result, call);
    }
}

void pv_prog_info(const char *key, const char *format, ...)
{
    char value[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(value, sizeof(value), format, arguments);
    va_end(arguments);
    printf("info %s %s\n", key, value);
    fflush(stdout);
}

void pv_prog_case_digest(const char *name, struct pv_prog_digest digest)
{
    printf("case %s digest %016" PRIx64 "\n", name, digest.value);
    fflush(stdout);
}

void pv_prog_case_ok(const char *name)
{
    printf("case %s ok\n", name);
    fflush(stdout);
}

void pv_prog_case_skip(const char *name, const char *reason)
{
    printf("case %s skip %s\n", name, reason);
    fflush(stdout);
}

void pv_prog_expect_words(const char *name, const uint32_t *got, const uint32_t *want,
                          size_t word_count)
{
    for (size_t i = 0; i < word_count; i++) {
        if (got[i] != want[i]) {
            pv_prog_fail("case %s: word %zu of %zu is 0x%08" PRIx32 ", expected 0x%08" PRIx32, name,
                         i, word_count, got[i], want[i]);
        }
    }
}
