/* SPDX-License-Identifier: MIT */
/*
 * What the emitted codec and the renderer share: the state of one command stream that is being
 * decoded, and the hooks through which decoded commands act.
 *
 * Data flow: the ring loop copies complete commands out of guest memory, points `in` at the copy
 * and calls pv_wire_dispatch for each. The emitted dispatch function of a command decodes its
 * arguments into an argument struct (arrays and pNext nodes in the arena), looks guest ids up in
 * the object table, calls the host driver or a hand-written handler, and encodes the reply.
 *
 * Threads: a decoder belongs to one ring thread (or to the context's message thread); object
 * tables and handler tables are shared by the rings of a context.
 * Source of the wire format: facts on VK_MESA_venus_protocol 1, docs/architecture.md.
 */
#ifndef PV_VENUS_WIRE_DECODER_H
#define PV_VENUS_WIRE_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/fault.h"
#include "base/id_table.h"
#include "base/reader.h"
#include "base/writer.h"

/* Nodes of one pNext chain: Mesa's longest (features of a device) has about 100. */
#define PV_WIRE_CHAIN_MAX_NODES 256

struct pv_wire_handlers; /* emitted, venus_wire/handlers.h: one member per hand-written command */

/*
 * How generated create and destroy commands reach the renderer's object table. Called on the
 * thread of the decoder, no lock held. `context` is pv_wire_decoder.context.
 */
struct pv_wire_object_ops {
    /*
     * Register a new object under the guest's id; raises the decoder's fault and returns NULL when
     * the id is 0 or taken or a limit is reached (the caller then destroys the host object).
     *
     * type      VkObjectType
     * handle    the host's handle, 0 together with poisoned
     * parent    the object through which it was created (device, instance, pool), borrowed
     */
    struct pv_base_object *(*add)(void *context, uint64_t id, uint32_t type, uint64_t handle,
                                  bool poisoned, struct pv_base_object *parent);
    /*
     * Take an object out of the table and wait until no other ring uses it. The caller then
     * destroys the host object and calls free; unless the decoder's fault was raised: another ring
     * was faster, and has both. object: not NULL, from the table.
     */
    void (*remove)(void *context, struct pv_base_object *object);
    void (*free)(void *context, struct pv_base_object *object);
};

struct pv_wire_decoder {
    struct pv_base_reader in;    /* private copy of the bytes; in.fault == &fault */
    struct pv_base_writer reply; /* the current reply stream, in shared memory */
    struct pv_base_fault fault;
    struct pv_base_arena arena; /* reset after each command */
    struct pv_base_id_table *objects;
    const struct pv_wire_object_ops *object_ops;
    const struct pv_wire_handlers *handlers;
    void *context;     /* for handlers and object_ops: the ring */
    bool has_reply;    /* `reply` is set: a reply stream has been chosen */
    bool as_objects;   /* handles decode to struct pv_base_object * (hand-written commands) */
    bool poisoned;     /* a handle of this command resolved to a poisoned object */
    uint32_t command;  /* number of the command in hand, for the log */
    uint32_t flags;    /* its flags word: bit 0 asks for a reply */
    int32_t result;    /* its VkResult, 0 for void commands; for the trace */
    uint64_t trace_id; /* the first object id of the command, 0 if none; for the trace */
    /*
     * Host function table of the command's first object, which is of its device or instance alone.
     * All other handles of the command must have the same: drivers take a handle of another device
     * for one of their own.
     */
    const void *dispatch;
};

/*
 * Decode a handle that must name a live object of `type` (VkObjectType) and of the same device as
 * the command's first object, or be VK_NULL_HANDLE where the registry allows that (is_required is
 * false): drivers look into the others without asking. Hand-written commands see to their own.
 * *ret: the host's handle, or the object when as_objects; 0 on a fault and for NULL.
 */
static inline bool pv_wire_handle_find(struct pv_wire_decoder *decoder, uint64_t id, uint32_t type,
                                       bool is_required, uint64_t *ret)
{
    struct pv_base_object *object;

    if (id == 0 && (!is_required || decoder->as_objects)) {
        *ret = 0;
        return true;
    }
    object = pv_base_id_table_find(decoder->objects, id);
    if (PV_UNLIKELY(object == NULL || object->type != type
                    || object->dispatch != decoder->dispatch)) {
        pv_base_fault_raise_detail(&decoder->fault, PV_BASE_FAULT_HANDLE, id);
        *ret = 0;
        return false;
    }
    decoder->poisoned |= object->poisoned;
    *ret = decoder->as_objects ? (uint64_t)(uintptr_t)object : object->handle;
    return true;
}

/*
 * count elements of size_bytes each from the arena, zeroed is not promised. wire_min_bytes: the
 * least that one element takes on the wire; a count that cannot fit in what is left of the stream
 * is refused before anything is allocated. NULL with the fault raised, or memory for count (which
 * may be 0).
 */
static inline void *pv_wire_array_alloc(struct pv_wire_decoder *decoder, uint64_t count,
                                        size_t size_bytes, size_t wire_min_bytes)
{
    size_t total_bytes;
    void *memory;

    if (PV_UNLIKELY(
            (wire_min_bytes > 0 && count > pv_base_reader_left_bytes(&decoder->in) / wire_min_bytes)
            || !pv_base_size_mul((size_t)count, size_bytes, &total_bytes)
            || total_bytes > PV_BASE_ARENA_MAX_BYTES)) {
        pv_base_fault_raise_detail(&decoder->fault, PV_BASE_FAULT_COUNT, count);
        return NULL;
    }
    memory = pv_base_arena_alloc(&decoder->arena, total_bytes);
    if (PV_UNLIKELY(memory == NULL)) {
        pv_base_fault_raise_detail(&decoder->fault, PV_BASE_FAULT_MEMORY, total_bytes);
    }
    return memory;
}

#endif
