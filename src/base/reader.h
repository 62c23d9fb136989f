/* SPDX-License-Identifier: MIT */
/*
 * Bounds-checked reading of little-endian bytes that are already private (copied once from wherever
 * the guest could still change them). The only code that advances over untrusted bytes.
 *
 * On a short read the fault is raised, the reader jumps to its end, and false or NULL comes back.
 * One reader belongs to one thread.
 */
#ifndef PV_BASE_READER_H
#define PV_BASE_READER_H

#include <string.h>

#include "base/checked.h"
#include "base/fault.h"

struct pv_base_reader {
    const uint8_t *cursor;
    const uint8_t *end;
    struct pv_base_fault *fault; /* borrowed, never NULL */
};

/* Read size_bytes from bytes, which are borrowed, as fault is, for the reader's life. */
static inline void pv_base_reader_init(struct pv_base_reader *reader, const void *bytes,
                                       size_t size_bytes, struct pv_base_fault *fault)
{
    reader->cursor = bytes;
    reader->end = reader->cursor + size_bytes;
    reader->fault = fault;
}

/* Bytes from the cursor to the end. */
static inline size_t pv_base_reader_left_bytes(const struct pv_base_reader *reader)
{
    return (size_t)(reader->end - reader->cursor);
}

/* The next size_bytes bytes, borrowed until the buffer goes; NULL when fewer are left. */
PV_NODISCARD static inline const uint8_t *pv_base_reader_take(struct pv_base_reader *reader,
                                                              size_t size_bytes)
{
    const uint8_t *bytes = reader->cursor;

    if (PV_UNLIKELY(size_bytes > pv_base_reader_left_bytes(reader))) {
        pv_base_fault_raise_detail(reader->fault, PV_BASE_FAULT_SHORT, size_bytes);
        reader->cursor = reader->end;
        return NULL;
    }
    reader->cursor += size_bytes;
    return bytes;
}

/* As take, and skips the padding up to the next multiple of 4 bytes. */
PV_NODISCARD static inline const uint8_t *pv_base_reader_take_padded(struct pv_base_reader *reader,
                                                                     size_t size_bytes)
{
    size_t padded_bytes;

    if (!pv_base_size_add(size_bytes, 3, &padded_bytes)) {
        padded_bytes = SIZE_MAX;
    }
    return pv_base_reader_take(reader, padded_bytes & ~(size_t)3);
}

/* The little-endian number at bytes, which need not be aligned and must be there. */
static inline uint32_t pv_base_load_u32(const void *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* The same for 8 bytes. */
static inline uint64_t pv_base_load_u64(const void *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return value;
}

/* Take 4 bytes as a number. False when fewer are left: *ret is 0, and the fault raised. */
PV_NODISCARD static inline bool pv_base_reader_u32(struct pv_base_reader *reader, uint32_t *ret)
{
    const uint8_t *bytes = pv_base_reader_take(reader, 4);

    if (PV_UNLIKELY(bytes == NULL)) {
        *ret = 0;
        return false;
    }
    *ret = pv_base_load_u32(bytes);
    return true;
}

/* The same for 8 bytes. */
PV_NODISCARD static inline bool pv_base_reader_u64(struct pv_base_reader *reader, uint64_t *ret)
{
    const uint8_t *bytes = pv_base_reader_take(reader, 8);

    if (PV_UNLIKELY(bytes == NULL)) {
        *ret = 0;
        return false;
    }
    *ret = pv_base_load_u64(bytes);
    return true;
}

#endif
