/* SPDX-License-Identifier: MIT */
/*
 * The parts of the codec that are the same for all commands; see codec.h.
 */
#include "venus_wire/codec.h"

void pv_wire_fault_raise(struct pv_wire_decoder *decoder, enum pv_base_fault_kind kind,
                         uint64_t detail)
{
    pv_base_fault_raise_detail(&decoder->fault, kind, detail);
}

void *pv_wire_zero_alloc(struct pv_wire_decoder *decoder, size_t size_bytes)
{
    void *memory = pv_base_arena_alloc(&decoder->arena, size_bytes);

    if (PV_UNLIKELY(memory == NULL)) {
        pv_wire_refuse(decoder, PV_BASE_FAULT_MEMORY, size_bytes);
        return NULL;
    }
    return memset(memory, 0, size_bytes);
}

/* --- arrays ----------------------------------------------------------------------------------- */

/* The next count * elem_bytes bytes of the stream, padded; NULL with the fault raised. */
static const uint8_t *array_take(struct pv_wire_decoder *decoder, uint64_t count, size_t elem_bytes,
                                 size_t *ret_bytes)
{
    if (PV_UNLIKELY(!pv_base_size_mul((size_t)count, elem_bytes, ret_bytes)
                    || *ret_bytes > pv_base_reader_left_bytes(&decoder->in))) {
        pv_wire_refuse(decoder, PV_BASE_FAULT_COUNT, count);
        return NULL;
    }
    return pv_base_reader_take_padded(&decoder->in, *ret_bytes);
}

void *pv_wire_array_copy(struct pv_wire_decoder *decoder, uint64_t count, size_t elem_bytes)
{
    size_t size_bytes = 0;
    const uint8_t *bytes = array_take(decoder, count, elem_bytes, &size_bytes);
    void *copy;

    if (PV_UNLIKELY(bytes == NULL)) {
        return NULL;
    }
    copy = pv_wire_array_alloc(decoder, size_bytes, 1, 0);
    return PV_UNLIKELY(copy == NULL) ? NULL : memcpy(copy, bytes, size_bytes);
}

const void *pv_wire_array_borrow(struct pv_wire_decoder *decoder, uint64_t count, size_t elem_bytes)
{
    size_t size_bytes = 0;

    return array_take(decoder, count, elem_bytes, &size_bytes);
}

bool pv_wire_handles_decode(struct pv_wire_decoder *decoder, uint64_t count, uint32_t type,
                            bool is_required, void *ret_handles)
{
    uint64_t *handles = pv_wire_array_alloc(decoder, count, sizeof(*handles), sizeof(*handles));
    const uint8_t *bytes;

    if (PV_UNLIKELY(handles == NULL)) {
        return false;
    }
    bytes = pv_base_reader_take(&decoder->in, (size_t)count * sizeof(*handles));
    if (PV_UNLIKELY(bytes == NULL)) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!pv_wire_handle_find(decoder, pv_base_load_u64(bytes + i * 8), type, is_required,
                                 &handles[i])) {
            return false;
        }
    }
    memcpy(ret_handles, &handles, sizeof(handles));
    return true;
}

void pv_wire_handles_unwrap(const void *handles, uint64_t count)
{
    uint8_t *bytes = (uint8_t *)(uintptr_t)handles; /* decoded arrays are ours to write */

    for (uint64_t i = 0; i < count; i++) {
        const uint64_t handle = pv_wire_object_handle(pv_base_load_u64(bytes + i * 8));

        memcpy(bytes + i * 8, &handle, sizeof(handle));
    }
}

/* --- outputs ---------------------------------------------------------------------------------- */

/* Keeps the count 16 bytes in front of what it returns. */
static void *out_alloc(struct pv_wire_decoder *decoder, uint64_t count, size_t size_bytes)
{
    uint8_t *memory = pv_wire_array_alloc(decoder, size_bytes + 16, 1, 0);

    if (PV_UNLIKELY(memory == NULL)) {
        return NULL;
    }
    memcpy(memory, &count, sizeof(count));
    return memset(memory + 16, 0, size_bytes);
}

static uint64_t reply_left_bytes(const struct pv_wire_decoder *decoder)
{
    return decoder->has_reply ? (uint64_t)(decoder->reply.end - decoder->reply.cursor) : 0;
}

void *pv_wire_out_array_alloc(struct pv_wire_decoder *decoder, uint64_t count, size_t elem_bytes,
                              size_t reply_bytes)
{
    size_t size_bytes;

    if (PV_UNLIKELY(count > reply_left_bytes(decoder) / reply_bytes
                    || !pv_base_size_mul((size_t)count, elem_bytes, &size_bytes)
                    || size_bytes > PV_BASE_ARENA_MAX_BYTES - 16)) {
        pv_wire_refuse(decoder, PV_BASE_FAULT_COUNT, count);
        return NULL;
    }
    return out_alloc(decoder, count, size_bytes);
}

void *pv_wire_out_blob_alloc(struct pv_wire_decoder *decoder, uint64_t count, uint64_t span_bytes)
{
    const uint64_t size_bytes = count > span_bytes ? count : span_bytes;

    if (PV_UNLIKELY(count > reply_left_bytes(decoder)
                    || size_bytes > PV_BASE_ARENA_MAX_BYTES - 16)) {
        pv_wire_refuse(decoder, PV_BASE_FAULT_COUNT, size_bytes);
        return NULL;
    }
    return out_alloc(decoder, count, (size_t)size_bytes);
}

bool pv_wire_ids_decode(struct pv_wire_decoder *decoder, uint64_t count, uint64_t **ret_ids)
{
    size_t size_bytes = 0;
    const uint8_t *bytes = array_take(decoder, count, sizeof(**ret_ids), &size_bytes);

    *ret_ids = bytes == NULL ? NULL : out_alloc(decoder, count, size_bytes);
    if (*ret_ids == NULL) {
        return false;
    }
    memcpy(*ret_ids, bytes, size_bytes);
    return true;
}

/* --- strings ---------------------------------------------------------------------------------- */

bool pv_wire_string_decode(struct pv_wire_decoder *decoder, bool is_required,
                           const char **ret_string)
{
    uint64_t size_bytes;
    char *copy;

    *ret_string = NULL;
    if (!pv_base_reader_u64(&decoder->in, &size_bytes)) {
        return false;
    }
    if (size_bytes == 0) {
        return is_required ? pv_wire_refuse(decoder, PV_BASE_FAULT_POINTER, 0) : true;
    }
    copy = pv_wire_array_copy(decoder, size_bytes, 1);
    if (copy == NULL) {
        return false;
    }
    copy[size_bytes - 1] = '\0';
    *ret_string = copy;
    return true;
}

bool pv_wire_strings_decode(struct pv_wire_decoder *decoder, uint64_t count,
                            const char *const **ret_strings)
{
    const char **strings = pv_wire_array_alloc(decoder, count, sizeof(*strings), 12);

    if (strings == NULL) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!pv_wire_string_decode(decoder, true, &strings[i])) {
            return false;
        }
    }
    *ret_strings = strings;
    return true;
}

/* --- pNext chains ----------------------------------------------------------------------------- */

const struct pv_wire_struct_info *pv_wire_struct_info_find(int32_t s_type)
{
    uint32_t low = 0;
    uint32_t high = pv_wire_struct_info_count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int32_t there = pv_wire_struct_infos[middle].s_type;

        if (there == s_type) {
            return &pv_wire_struct_infos[middle];
        }
        if (there < s_type) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* The entry of s_type when the chain may hold it, else NULL. */
static const struct pv_wire_struct_info *chain_find(const struct pv_wire_chain *chain,
                                                    int32_t s_type)
{
    uint32_t low = 0;
    uint32_t high = chain->count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct pv_wire_struct_info *info = &pv_wire_struct_infos[chain->indices[middle]];

        if (info->s_type == s_type) {
            return info;
        }
        if (info->s_type < s_type) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

struct chain_node {
    const struct pv_wire_struct_info *info;
    void *value;
};

/* Read one sType and make its node; NULL with the fault raised. */
static void *node_create(struct pv_wire_decoder *decoder, const struct pv_wire_chain *chain,
                         bool is_partial, const struct chain_node *nodes, uint32_t count,
                         const struct pv_wire_struct_info **ret_info)
{
    const struct pv_wire_struct_info *info;
    uint32_t s_type;
    void *value;

    if (!pv_base_reader_u32(&decoder->in, &s_type)) {
        return NULL;
    }
    info = chain_find(chain, (int32_t)s_type);
    if (info == NULL || count == PV_WIRE_CHAIN_MAX_NODES) {
        pv_wire_refuse(decoder, PV_BASE_FAULT_STRUCT_TYPE, s_type);
        return NULL;
    }
    for (uint32_t i = 0; i < count && !info->repeats; i++) {
        if (nodes[i].info == info) {
            pv_wire_refuse(decoder, PV_BASE_FAULT_STRUCT_TYPE, s_type);
            return NULL;
        }
    }
    value = is_partial ? pv_wire_zero_alloc(decoder, info->size_bytes)
                       : pv_wire_array_alloc(decoder, 1, info->size_bytes, 0);
    if (value != NULL) {
        memset(value, 0, 16);
        memcpy(value, &s_type, sizeof(s_type));
    }
    *ret_info = info;
    return value;
}

static bool node_members_decode(struct pv_wire_decoder *decoder, bool is_partial,
                                const struct chain_node *node)
{
    if (is_partial) {
        return node->info->decode_partial == NULL
               || node->info->decode_partial(decoder, node->value);
    }
    if (node->info->plain_bytes > 0) {
        const uint8_t *p = pv_base_reader_take(&decoder->in, node->info->plain_bytes);

        if (PV_UNLIKELY(p == NULL)) {
            return false;
        }
        memcpy((uint8_t *)node->value + 16, p, node->info->plain_bytes);
        return true;
    }
    return node->info->decode(decoder, node->value);
}

bool pv_wire_chain_decode(struct pv_wire_decoder *decoder, const struct pv_wire_chain *chain,
                          bool is_partial, void **ret_next)
{
    struct chain_node nodes[PV_WIRE_CHAIN_MAX_NODES];
    uint32_t count = 0;
    uint64_t flag = 1;
    void *before = NULL;

    /* Headers come outermost first, members innermost first. */
    while (flag != 0) {
        const struct pv_wire_struct_info *info = NULL;
        void *value = node_create(decoder, chain, is_partial, nodes, count, &info);

        if (value == NULL) {
            return false;
        }
        nodes[count] = (struct chain_node){info, value};
        count++;
        if (before == NULL) {
            *ret_next = value;
        } else {
            memcpy((uint8_t *)before + 8, &value, sizeof(value));
        }
        before = value;
        if (!pv_base_reader_u64(&decoder->in, &flag)) {
            return false;
        }
    }
    while (count > 0) {
        count--;
        if (!node_members_decode(decoder, is_partial, &nodes[count])) {
            return false;
        }
    }
    return true;
}

static int32_t node_s_type(const void *node)
{
    int32_t s_type;

    memcpy(&s_type, node, sizeof(s_type));
    return s_type;
}

static void *node_next(const void *node)
{
    void *next;

    memcpy(&next, (const uint8_t *)node + 8, sizeof(next));
    return next;
}

void pv_wire_header_encode(struct pv_base_writer *writer, const void *base)
{
    struct chain_node nodes[PV_WIRE_CHAIN_MAX_NODES];
    uint32_t count = 0;

    pv_base_writer_u32(writer, (uint32_t)node_s_type(base));
    for (void *node = node_next(base); node != NULL && count < PV_WIRE_CHAIN_MAX_NODES;
         node = node_next(node)) {
        const struct pv_wire_struct_info *info = pv_wire_struct_info_find(node_s_type(node));

        if (info == NULL || (info->plain_bytes == 0 && info->encode == NULL)) {
            continue; /* put there by a handler; the guest did not ask for it */
        }
        nodes[count] = (struct chain_node){info, node};
        count++;
        pv_base_writer_u64(writer, 1);
        pv_base_writer_u32(writer, (uint32_t)info->s_type);
    }
    pv_base_writer_u64(writer, 0);
    while (count > 0) {
        count--;
        if (nodes[count].info->plain_bytes > 0) {
            pv_base_writer_bytes_padded(writer, (const uint8_t *)nodes[count].value + 16,
                                        nodes[count].info->plain_bytes);
        } else {
            nodes[count].info->encode(writer, nodes[count].value);
        }
    }
}

void pv_wire_chain_unwrap(const void *next)
{
    for (const void *node = next; node != NULL; node = node_next(node)) {
        const struct pv_wire_struct_info *info = pv_wire_struct_info_find(node_s_type(node));

        if (info != NULL && info->unwrap != NULL) {
            info->unwrap((void *)(uintptr_t)node); /* decoded nodes are ours to write */
        }
    }
}

/* --- replies and objects ---------------------------------------------------------------------- */

struct pv_base_writer *pv_wire_reply_begin(struct pv_wire_decoder *decoder)
{
    if (!pv_wire_reply_is_wanted(decoder) || pv_base_fault_is_raised(&decoder->fault)) {
        return NULL;
    }
    if (!decoder->has_reply) {
        pv_wire_refuse(decoder, PV_BASE_FAULT_REPLY, decoder->command);
        return NULL;
    }
    pv_base_writer_u32(&decoder->reply, decoder->command);
    return &decoder->reply;
}

void pv_wire_reply_void(struct pv_wire_decoder *decoder)
{
    (void)pv_wire_reply_begin(decoder);
}

void pv_wire_reply_result(struct pv_wire_decoder *decoder, VkResult result)
{
    struct pv_base_writer *writer = pv_wire_reply_begin(decoder);

    if (writer != NULL) {
        pv_base_writer_u32(writer, (uint32_t)result);
    }
}

bool pv_wire_object_created(struct pv_wire_decoder *decoder, VkResult result, uint64_t id,
                            uint32_t type, uint64_t handle, struct pv_base_object *parent)
{
    const bool is_failed = result != VK_SUCCESS;

    decoder->result = result;
    decoder->trace_id = id;
    if (is_failed && pv_wire_reply_is_wanted(decoder)) {
        return true; /* the guest learns of it */
    }
    return decoder->object_ops->add(decoder->context, id, type, is_failed ? 0 : handle, is_failed,
                                    parent)
               != NULL
           || is_failed;
}

bool pv_wire_destroy_decode(struct pv_wire_decoder *decoder, uint32_t parent_type, uint32_t type,
                            struct pv_base_object **ret_parent, struct pv_base_object **ret_object)
{
    const uint8_t *p = pv_base_reader_take(&decoder->in, 24);
    const uint64_t id = p != NULL ? pv_base_load_u64(p + 8) : 0;

    *ret_object = NULL;
    if (p == NULL) {
        return false;
    }
    *ret_parent = pv_wire_first_find(decoder, pv_base_load_u64(p), parent_type);
    if (*ret_parent == NULL) {
        return false;
    }
    if (pv_base_load_u64(p + 16) != 0) {
        return pv_wire_refuse(decoder, PV_BASE_FAULT_POINTER, 0);
    }
    if (id != 0) {
        *ret_object = pv_wire_first_find(decoder, id, type);
        if (*ret_object != NULL && (*ret_object)->dispatch != (*ret_parent)->dispatch) {
            *ret_object = NULL;
            return pv_wire_refuse(decoder, PV_BASE_FAULT_HANDLE, id);
        }
        return *ret_object != NULL;
    }
    return true;
}

bool pv_wire_specialization_is_inside(const VkSpecializationInfo *info)
{
    for (uint32_t i = 0; info->pMapEntries != NULL && i < info->mapEntryCount; i++) {
        if (!pv_base_range_is_inside(info->pMapEntries[i].offset, info->pMapEntries[i].size,
                                     info->pData == NULL ? 0 : info->dataSize)) {
            return false;
        }
    }
    return true;
}
