/* SPDX-License-Identifier: MIT */
/*
 * What all emitted codec functions are made of: counted arrays, strings, handles, pNext chains.
 *
 * Decoding functions return true, or false with the decoder's fault raised; nothing acts on what
 * was decoded in the latter case. Memory of decoded values is the decoder's arena. Plain arrays
 * whose elements need no more than 4-byte alignment stay in the private copy of the stream (which
 * starts 4-byte aligned), so they are read-only for handlers.
 *
 * Threads: the decoder's. Source of the format: VK_MESA_venus_protocol 1.
 */
#ifndef PV_VENUS_WIRE_CODEC_H
#define PV_VENUS_WIRE_CODEC_H

#include <vulkan/vulkan_core.h>

#include "venus_wire/decoder.h"

/* One struct that may stand in a pNext chain. Members start at offset 16 of all of them. */
struct pv_wire_struct_info {
    int32_t s_type;
    uint32_t size_bytes;
    uint32_t plain_bytes; /* members are this many bytes, equal in memory and on the wire; or 0 */
    bool repeats;         /* may stand in one chain more than once */
    bool (*decode)(struct pv_wire_decoder *decoder, void *value);         /* members, full */
    bool (*decode_partial)(struct pv_wire_decoder *decoder, void *value); /* skeleton; or NULL */
    void (*encode)(struct pv_base_writer *writer, const void *value);     /* members */
    void (*unwrap)(void *value); /* NULL when there is no handle inside */
    const char *name;
};

/* Which structs a pNext may hold: ascending indices into pv_wire_struct_infos. */
struct pv_wire_chain {
    const uint16_t *indices;
    uint32_t count;
};

/* Emitted, ascending by s_type. */
extern const struct pv_wire_struct_info pv_wire_struct_infos[];
extern const uint32_t pv_wire_struct_info_count;

/* The entry of that sType, NULL when the codec does not carry it. */
const struct pv_wire_struct_info *pv_wire_struct_info_find(int32_t s_type);

/*
 * Decode a pNext chain whose first flag has been read and was not 0.
 * is_partial: the chain of an output; nodes are zeroed and only their skeletons are read.
 * ret_next: the first node; all nodes live in the arena.
 */
PV_NODISCARD bool pv_wire_chain_decode(struct pv_wire_decoder *decoder,
                                       const struct pv_wire_chain *chain, bool is_partial,
                                       void **ret_next);

/* Encode sType and pNext chain of an output. base: a struct that starts with sType and pNext. */
void pv_wire_header_encode(struct pv_base_writer *writer, const void *base);

/* Swap objects for host handles in all nodes of a chain of decoded input. */
void pv_wire_chain_unwrap(const void *next);

/* count ids of objects of `type` into a new array of handles (or objects); NULL ids stay NULL, or
 * are faults when is_required. */
PV_NODISCARD bool pv_wire_handles_decode(struct pv_wire_decoder *decoder, uint64_t count,
                                         uint32_t type, bool is_required, void *ret_handles);

/* count ids that the guest chose for new objects, or that will be overwritten; not looked up. */
PV_NODISCARD bool pv_wire_ids_decode(struct pv_wire_decoder *decoder, uint64_t count,
                                     uint64_t **ret_ids);

/* A copy of count * elem_bytes bytes in the arena. Returns NULL on a fault. */
PV_NODISCARD void *pv_wire_array_copy(struct pv_wire_decoder *decoder, uint64_t count,
                                      size_t elem_bytes);

/* The next count * elem_bytes bytes (padded to 4) in the stream itself. NULL on a fault. */
PV_NODISCARD const void *pv_wire_array_borrow(struct pv_wire_decoder *decoder, uint64_t count,
                                              size_t elem_bytes);

/*
 * Zeroed memory for count outputs of elem_bytes each; reply_bytes is the least that one takes in
 * the reply, which bounds count: an output that cannot be sent back is refused. The count is kept
 * in front of the array for pv_wire_out_capacity. NULL on a fault.
 */
PV_NODISCARD void *pv_wire_out_array_alloc(struct pv_wire_decoder *decoder, uint64_t count,
                                           size_t elem_bytes, size_t reply_bytes);

/* The same for bytes, of which the driver may touch span_bytes although the guest says count. */
PV_NODISCARD void *pv_wire_out_blob_alloc(struct pv_wire_decoder *decoder, uint64_t count,
                                          uint64_t span_bytes);

/* The count that pv_wire_out_array_alloc was given; 0 for NULL. */
static inline uint64_t pv_wire_out_capacity(const void *array)
{
    uint64_t count = 0;

    if (array != NULL) {
        memcpy(&count, (const uint8_t *)array - 16, sizeof(count));
    }
    return count;
}

/* The smaller one. */
static inline uint64_t pv_wire_u64_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A string with its count; NULL when the count is 0, which is_required forbids. */
PV_NODISCARD bool pv_wire_string_decode(struct pv_wire_decoder *decoder, bool is_required,
                                        const char **ret_string);

/* count strings, none of them NULL. */
PV_NODISCARD bool pv_wire_strings_decode(struct pv_wire_decoder *decoder, uint64_t count,
                                         const char *const **ret_strings);

/* Zeroed memory for one thing; NULL with a fault raised. */
PV_NODISCARD void *pv_wire_zero_alloc(struct pv_wire_decoder *decoder, size_t size_bytes);

/* Raise a fault out of line, so that hot code stays small. */
PV_COLD void pv_wire_fault_raise(struct pv_wire_decoder *decoder, enum pv_base_fault_kind kind,
                                 uint64_t detail);

/* Raise a fault and return false. */
static inline bool pv_wire_refuse(struct pv_wire_decoder *decoder, enum pv_base_fault_kind kind,
                                  uint64_t detail)
{
    pv_wire_fault_raise(decoder, kind, detail);
    return false;
}

/* Whether all map entries lie inside the data: drivers read there unchecked. */
bool pv_wire_specialization_is_inside(const VkSpecializationInfo *info);

/* Bytes that a driver may write for so many queries: results are at most 256 bytes each. */
static inline uint64_t pv_wire_query_span(uint32_t query_count, uint64_t stride_bytes)
{
    uint64_t span_bytes;

    if (query_count == 0 || !pv_base_u64_mul(query_count - 1u, stride_bytes, &span_bytes)
        || !pv_base_u64_add(span_bytes, 256, &span_bytes)) {
        return query_count == 0 ? 0 : UINT64_MAX;
    }
    return span_bytes;
}

/* pv_base_reader_take for emitted code: size_bytes is a constant above 0, the fault out of line. */
PV_NODISCARD static inline const uint8_t *pv_wire_take(struct pv_wire_decoder *decoder,
                                                       size_t size_bytes)
{
    const uint8_t *p = decoder->in.cursor;

    if (PV_UNLIKELY(size_bytes > pv_base_reader_left_bytes(&decoder->in))) {
        pv_wire_fault_raise(decoder, PV_BASE_FAULT_SHORT, size_bytes);
        decoder->in.cursor = decoder->in.end;
        return NULL;
    }
    if (p == NULL) {
        __builtin_unreachable(); /* bytes are left, so they are somewhere */
    }
    decoder->in.cursor = p + size_bytes;
    return p;
}

/* pv_wire_handle_find where the host's handle is wanted whatever as_objects says. */
PV_NODISCARD static inline bool pv_wire_host_find(struct pv_wire_decoder *decoder, uint64_t id,
                                                  uint32_t type, bool is_required, uint64_t *ret)
{
    const struct pv_base_object *object = pv_base_id_table_find(decoder->objects, id);

    if (PV_LIKELY(object != NULL && object->type == type
                  && object->dispatch == decoder->dispatch)) {
        decoder->poisoned |= object->poisoned;
        *ret = object->handle;
        return true;
    }
    *ret = 0;
    return id == 0 && !is_required ? true : pv_wire_refuse(decoder, PV_BASE_FAULT_HANDLE, id);
}

/* Store at a place that need not be aligned. */
static inline void pv_wire_store_u32(void *bytes, uint32_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

/* The same for 8 bytes. */
static inline void pv_wire_store_u64(void *bytes, uint64_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

/* A count that was read against the count that other arguments promise. */
PV_NODISCARD static inline bool pv_wire_count_check(struct pv_wire_decoder *decoder, uint64_t count,
                                                    uint64_t expected, bool is_required)
{
    if (PV_UNLIKELY(count != expected && (is_required || count != 0))) {
        return pv_wire_refuse(decoder, PV_BASE_FAULT_COUNT, count);
    }
    return true;
}

/* sType and pNext of a struct by value; both are stored in value. */
PV_NODISCARD static inline bool pv_wire_header_decode(struct pv_wire_decoder *decoder, void *value,
                                                      int32_t s_type,
                                                      const struct pv_wire_chain *chain,
                                                      bool is_partial)
{
    const uint8_t *p = pv_wire_take(decoder, 12);
    void *next = NULL;

    if (PV_UNLIKELY(p == NULL)) {
        return false;
    }
    if (PV_UNLIKELY((int32_t)pv_base_load_u32(p) != s_type)) {
        return pv_wire_refuse(decoder, PV_BASE_FAULT_STRUCT_TYPE, pv_base_load_u32(p));
    }
    if (PV_UNLIKELY(pv_base_load_u64(p + 4) != 0)
        && !pv_wire_chain_decode(decoder, chain, is_partial, &next)) {
        return false;
    }
    memcpy(value, &s_type, sizeof(s_type));
    memcpy((uint8_t *)value + 8, &next, sizeof(next));
    return true;
}

/* The object that a command is about; NULL with the fault raised for NULL and for strangers. */
PV_NODISCARD static inline struct pv_base_object *
pv_wire_first_find(struct pv_wire_decoder *decoder, uint64_t id, uint32_t type)
{
    struct pv_base_object *object = pv_base_id_table_find(decoder->objects, id);

    decoder->trace_id = id;
    if (PV_UNLIKELY(object == NULL || object->type != type)) {
        pv_wire_refuse(decoder, PV_BASE_FAULT_HANDLE, id);
        return NULL;
    }
    decoder->poisoned |= object->poisoned;
    decoder->dispatch = object->dispatch;
    return object;
}

/* What a handle of a hand-written command is before it is unwrapped; NULL for VK_NULL_HANDLE. */
#define pv_wire_object(handle) ((struct pv_base_object *)(void *)(handle))

/* Host handle of what a hand-written command's handle member points at. */
static inline uint64_t pv_wire_object_handle(uint64_t object)
{
    const struct pv_base_object *base = (const struct pv_base_object *)(uintptr_t)object;

    return base == NULL ? 0 : base->handle;
}

/* The same for a decoded array of handles, in place. */
void pv_wire_handles_unwrap(const void *handles, uint64_t count);

/* --- replies ---------------------------------------------------------------------------------- */

/* Whether the guest asked for an answer to the command at hand: bit 0 of its flags. */
static inline bool pv_wire_reply_is_wanted(const struct pv_wire_decoder *decoder)
{
    return PV_UNLIKELY((decoder->flags & 1u) != 0);
}

/*
 * Start a reply: command number. Returns the writer, or NULL when no reply is wanted, when a fault
 * is raised already, or with one raised because there is no reply stream.
 */
struct pv_base_writer *pv_wire_reply_begin(struct pv_wire_decoder *decoder);

/* Whole replies of commands without outputs. */
void pv_wire_reply_void(struct pv_wire_decoder *decoder);
void pv_wire_reply_result(struct pv_wire_decoder *decoder, VkResult result);

/* --- objects ---------------------------------------------------------------------------------- */

/*
 * After a create command: registers the object, or a poisoned one when an asynchronous create
 * failed. Returns false when the caller must destroy the host handle again (a fault is raised).
 */
PV_NODISCARD bool pv_wire_object_created(struct pv_wire_decoder *decoder, VkResult result,
                                         uint64_t id, uint32_t type, uint64_t handle,
                                         struct pv_base_object *parent);

/* Arguments of any vkDestroyX(parent, x, NULL). *ret_object is NULL for VK_NULL_HANDLE. */
PV_NODISCARD bool pv_wire_destroy_decode(struct pv_wire_decoder *decoder, uint32_t parent_type,
                                         uint32_t type, struct pv_base_object **ret_parent,
                                         struct pv_base_object **ret_object);

#endif
