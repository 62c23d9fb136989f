/* SPDX-License-Identifier: MIT */
/*
 * Bounds-checked writing of little-endian bytes into a buffer that the reader of it may change
 * under us (a reply stream in shared memory): nothing is ever read back.
 *
 * When the bytes do not fit, the fault is raised and nothing more is written.
 */
#ifndef PV_BASE_WRITER_H
#define PV_BASE_WRITER_H

#include <string.h>

#include "base/checked.h"
#include "base/fault.h"

struct pv_base_writer {
    uint8_t *cursor;
    uint8_t *end;
    struct pv_base_fault *fault; /* borrowed, never NULL */
};

/* Write up to size_bytes to bytes, which are borrowed, as fault is, for the writer's life. */
static inline void pv_base_writer_init(struct pv_base_writer *writer, void *bytes,
                                       size_t size_bytes, struct pv_base_fault *fault)
{
    writer->cursor = bytes;
    writer->end = writer->cursor + size_bytes;
    writer->fault = fault;
}

/* Room for size_bytes at the cursor, which moves on; NULL when there is none. */
static inline uint8_t *pv_base_writer_reserve(struct pv_base_writer *writer, size_t size_bytes)
{
    uint8_t *bytes = writer->cursor;

    if (PV_UNLIKELY(size_bytes > (size_t)(writer->end - writer->cursor))) {
        pv_base_fault_raise_detail(writer->fault, PV_BASE_FAULT_REPLY, size_bytes);
        writer->end = writer->cursor;
        return NULL;
    }
    writer->cursor += size_bytes;
    return bytes;
}

/* Append 4 bytes. */
static inline void pv_base_writer_u32(struct pv_base_writer *writer, uint32_t value)
{
    uint8_t *bytes = pv_base_writer_reserve(writer, sizeof(value));

    if (PV_LIKELY(bytes != NULL)) {
        memcpy(bytes, &value, sizeof(value));
    }
}

/* Append 8 bytes. */
static inline void pv_base_writer_u64(struct pv_base_writer *writer, uint64_t value)
{
    uint8_t *bytes = pv_base_writer_reserve(writer, sizeof(value));

    if (PV_LIKELY(bytes != NULL)) {
        memcpy(bytes, &value, sizeof(value));
    }
}

/* size_bytes bytes, then zeroes up to the next multiple of 4. */
static inline void pv_base_writer_bytes_padded(struct pv_base_writer *writer, const void *source,
                                               size_t size_bytes)
{
    size_t padded_bytes;
    uint8_t *bytes;

    if (!pv_base_size_add(size_bytes, 3, &padded_bytes)) {
        padded_bytes = SIZE_MAX;
    }
    padded_bytes &= ~(size_t)3;
    bytes = pv_base_writer_reserve(writer, padded_bytes);
    if (PV_LIKELY(bytes != NULL) && size_bytes > 0) {
        memcpy(bytes, source, size_bytes);
        memset(bytes + size_bytes, 0, padded_bytes - size_bytes);
    }
}

#endif
