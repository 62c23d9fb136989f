/* SPDX-License-Identifier: MIT */
/*
 * Running a stream of commands that has been copied out of guest memory: the loop around the
 * generated dispatch, the trace, and the report of a fault.
 */
#include <assert.h>
#include <stdlib.h>

#include "venus/state.h"
#include "venus/object.h"
#include "venus/handlers.h"
#include "venus/ring.h"
#include "venus_wire/commands.h"
#include "venus_wire/info.h"

void pv_venus_decoder_init(struct pv_venus_decoder *decoder, struct pv_venus_context *context,
                           struct pv_venus_ring *ring, size_t index)
{
    static_assert(PV_BASE_ACCOUNT_DECODER_COUNT == PV_VENUS_RING_MAX + 1, "a word for each");
    *decoder = (struct pv_venus_decoder){
        .context = context,
        .ring = ring,
        .command_count = &pv_venus_figures(context)->commands[index],
    };
    decoder->wire.objects = context->objects;
    decoder->wire.object_ops = &pv_venus_object_ops;
    decoder->wire.handlers = &pv_venus_handlers;
    decoder->wire.context = decoder;
    decoder->wire.in.fault = &decoder->wire.fault;
    decoder->wire.reply.fault = &decoder->wire.fault;
}

static void stream_copy_drop(struct pv_venus_decoder *decoder)
{
    if (decoder->stream_copy_bytes == 0) {
        return;
    }
    free(decoder->stream_copy);
    pv_venus_copy_refund(decoder->context, decoder->stream_copy_bytes);
    decoder->stream_copy = NULL;
    decoder->stream_copy_bytes = 0;
}

void pv_venus_decoder_finish(struct pv_venus_decoder *decoder)
{
    pv_venus_pages_unref(decoder->reply_pages);
    decoder->reply_pages = NULL;
    decoder->wire.has_reply = false;
    pv_base_arena_finish(&decoder->wire.arena);
    pv_base_arena_finish(&decoder->nested_arena);
    stream_copy_drop(decoder);
}

uint8_t *pv_venus_decoder_stream_copy(struct pv_venus_decoder *decoder, size_t size_bytes)
{
    /* Small streams share one buffer; a huge one does not hold its memory for ever. */
    const size_t keep_bytes = (size_t)1 << 20;

    if (size_bytes > decoder->stream_copy_bytes
        || (decoder->stream_copy_bytes > keep_bytes && size_bytes <= keep_bytes)) {
        const size_t new_bytes = size_bytes > keep_bytes ? size_bytes : keep_bytes;

        stream_copy_drop(decoder);
        if (!pv_venus_copy_charge(decoder->context, new_bytes)) {
            return NULL;
        }
        decoder->stream_copy_bytes = new_bytes;
        decoder->stream_copy = malloc(new_bytes);
        if (decoder->stream_copy == NULL) {
            stream_copy_drop(decoder);
        }
    }
    return decoder->stream_copy;
}

static PV_COLD void trace(struct pv_venus_decoder *decoder, const char *where, size_t offset_bytes)
{
    const struct pv_wire_decoder *wire = &decoder->wire;

    pv_base_log_line(decoder->context->log, "venus.command", PV_BASE_LOG_DEBUG,
                     "%s %s+%zu: %s object %llu%s%s result %d", decoder->context->name, where,
                     offset_bytes, pv_wire_command_name(wire->command),
                     (unsigned long long)wire->trace_id,
                     pv_wire_reply_is_wanted(wire) ? " reply" : "",
                     wire->poisoned ? " poisoned" : "", wire->result);
}

bool pv_venus_stream_run(struct pv_venus_decoder *decoder, const uint8_t *bytes, size_t size_bytes,
                         void (*after_command)(struct pv_venus_ring *ring, size_t consumed_bytes),
                         const char *where)
{
    struct pv_wire_decoder *wire = &decoder->wire;
    const bool traced = decoder->context->trace;
    uint64_t count = 0; /* told at the end: a store for each command would show */
    bool good = true;

    pv_base_reader_init(&wire->in, bytes, size_bytes, &wire->fault);
    while (wire->in.cursor < wire->in.end) {
        const size_t offset_bytes = (size_t)(wire->in.cursor - bytes);

        if (PV_UNLIKELY(atomic_load_explicit(&decoder->context->lost, memory_order_relaxed))) {
            good = false;
            break;
        }
        pv_wire_dispatch(wire);
        count++;
        pv_base_arena_reset(&wire->arena);
        if (PV_UNLIKELY(traced)) {
            trace(decoder, where, offset_bytes);
        }
        if (pv_base_fault_is_raised(&wire->fault)) {
            if (decoder->ring != NULL && pv_venus_ring_is_cut_off(decoder->ring)) {
                return false;
            }
            pv_venus_context_fail(decoder->context, wire, where, offset_bytes);
            good = false;
            break;
        }
        if (after_command != NULL) {
            after_command(decoder->ring, (size_t)(wire->in.cursor - bytes));
        }
    }
    pv_base_account_count(decoder->command_count, count);
    return good;
}
