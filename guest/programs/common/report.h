/* SPDX-License-Identifier: MIT */
/*
 * What a test program says, and how it ends.
 *
 * All programs print plain lines, so that two runs can be compared by a line-by-line diff:
 *
 *     info KEY VALUE            for people; may differ between two drivers or two runs
 *     case NAME digest HEX      the bytes that the GPU produced; equal on the same driver
 *     case NAME ok              checked by the program itself, nothing to digest
 *     case NAME skip REASON     the driver lacks something
 *     error: SENTENCE           on stderr, followed by exit status 1
 *
 * Exit status: 0 all cases passed, 1 one failed, 77 nothing could run (the usual "skipped").
 *
 * Threads: every function may be called from any thread.
 */
#ifndef PV_PROG_COMMON_REPORT_H
#define PV_PROG_COMMON_REPORT_H

#include <stddef.h>
#include <stdint.h>
#include <vulkan/vulkan.h>

enum pv_prog_exit {
    PV_PROG_EXIT_OK = 0,
    PV_PROG_EXIT_FAILED = 1,
    PV_PROG_EXIT_SKIPPED = 77,
};

/* FNV-1a, 64 bits: enough to tell two pictures apart, short enough to read aloud. */
struct pv_prog_digest {
    uint64_t value;
};

/* Returns the digest of no bytes at all. */
struct pv_prog_digest pv_prog_digest_start(void);

/*
 * Append bytes to a digest.
 *
 * digest      started with pv_prog_digest_start
 * bytes       size_bytes of them, borrowed for the call
 */
void pv_prog_digest_add(struct pv_prog_digest *digest, const void *bytes, size_t size_bytes);

/*
 * End the process with status 1 and one sentence on stderr. Does not return; Vulkan objects are
 * left to the end of the process on purpose (a device must cope with that).
 */
_Noreturn void pv_prog_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* End the process with status 77 and one sentence on stderr. Does not return. */
_Noreturn void pv_prog_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Fail unless a Vulkan call returned VK_SUCCESS.
 *
 * result      what the call returned
 * call        its text, for the sentence; file and line say where
 */
void pv_prog_vk_check(VkResult result, const char *call, const char *file, int line);

#define PV_PROG_VK(call) pv_prog_vk_check((call), #call, __FILE__, __LINE__)

/* Print "info KEY VALUE", VALUE as printf would. */
void pv_prog_info(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print the outcome of one case; see the top of this file. `name` holds no blanks. */
void pv_prog_case_digest(const char *name, struct pv_prog_digest digest);
void pv_prog_case_ok(const char *name);
void pv_prog_case_skip(const char *name, const char *reason);

/*
 * Compare what the GPU wrote with the reference, 32 bits at a time, and fail at the first
 * difference with a sentence that names the case, the index and both values.
 *
 * got, want   word_count words each, borrowed for the call
 */
void pv_prog_expect_words(const char *name, const uint32_t *got, const uint32_t *want,
                          size_t word_count);

#endif
