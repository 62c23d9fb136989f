/* SPDX-License-Identifier: MIT */
/*
 * The commands of VK_MESA_venus_protocol that move other commands: rings, reply streams, indirect
 * streams and the sequence numbers that order the control queue and the rings.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "venus/handlers.h"
#include "venus/monitor.h"
#include "venus/object.h"
#include "venus/ring.h"
#include "vkhost/chain.h"

/* Refuse a command on the wrong channel. Returns whether it may go on. */
static bool require_channel(struct pv_wire_decoder *wire, bool good)
{
    if (!good) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_STATE);
    }
    return good;
}

static bool on_message_thread(struct pv_wire_decoder *wire)
{
    return require_channel(wire, pv_venus_decoder_of(wire)->ring == NULL);
}

static struct pv_venus_ring *find_ring(struct pv_wire_decoder *wire, uint64_t id)
{
    struct pv_venus_ring *ring = pv_venus_ring_find(pv_venus_decoder_of(wire)->context, id);

    if (ring == NULL) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_HANDLE, id);
    }
    return ring;
}

void pv_venus_vkSetReplyCommandStreamMESA(struct pv_wire_decoder *wire,
                                          struct pv_wire_vkSetReplyCommandStreamMESA *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    const VkCommandStreamDescriptionMESA *stream = args->pStream;
    struct pv_venus_pages *pages;

    pages = pv_venus_resource_shmem_await(decoder, stream->resourceId);
    if (pages == NULL) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_RESOURCE, stream->resourceId);
        return;
    }
    if (!pv_base_range_is_inside(stream->offset, stream->size, pages->size_bytes)) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_RANGE, stream->offset);
        pv_venus_pages_unref(pages);
        return;
    }
    pv_venus_pages_unref(decoder->reply_pages);
    decoder->reply_pages = pages;
    decoder->reply_offset_bytes = stream->offset;
    decoder->reply_size_bytes = stream->size;
    pv_base_writer_init(&wire->reply, (uint8_t *)pages->memory + stream->offset, stream->size,
                        &wire->fault);
    wire->has_reply = true;
}

void pv_venus_vkSeekReplyCommandStreamMESA(struct pv_wire_decoder *wire,
                                           struct pv_wire_vkSeekReplyCommandStreamMESA *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);

    if (!wire->has_reply || args->position > decoder->reply_size_bytes) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_RANGE, args->position);
        return;
    }
    pv_base_writer_init(&wire->reply,
                        (uint8_t *)decoder->reply_pages->memory + decoder->reply_offset_bytes
                            + args->position,
                        decoder->reply_size_bytes - args->position, &wire->fault);
}

/* Run one indirect stream from a private copy. The decoder's reader and arena are the caller's. */
static bool run_stream(struct pv_venus_decoder *decoder,
                       const VkCommandStreamDescriptionMESA *stream)
{
    struct pv_wire_decoder *wire = &decoder->wire;
    struct pv_venus_pages *pages = pv_venus_resource_shmem_await(decoder, stream->resourceId);
    uint8_t *copy = NULL;
    bool good = false;

    if (pages == NULL) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_RESOURCE, stream->resourceId);
        return false;
    }
    if (!pv_base_range_is_inside(stream->offset, stream->size, pages->size_bytes)
        || (stream->size & 3) != 0) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_RANGE, stream->offset);
    } else if (stream->size > PV_VENUS_STREAM_MAX_BYTES) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_LIMIT, stream->size);
    } else {
        copy = pv_venus_decoder_stream_copy(decoder, stream->size);
        if (copy == NULL) {
            pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_MEMORY, stream->size);
        }
    }
    if (copy != NULL) {
        memcpy(copy, (const uint8_t *)pages->memory + stream->offset, stream->size);
        if (pv_venus_pages_are_gone(pages)) {
            pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_RESOURCE, stream->resourceId);
        } else {
            good = pv_venus_stream_run(decoder, copy, stream->size, NULL, "stream");
        }
    }
    pv_venus_pages_unref(pages);
    return good;
}

void pv_venus_vkExecuteCommandStreamsMESA(struct pv_wire_decoder *wire,
                                          struct pv_wire_vkExecuteCommandStreamsMESA *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    const struct pv_base_reader outer_reader = wire->in;
    const struct pv_base_arena outer_arena = wire->arena;
    const uint32_t outer_command = wire->command;
    const uint32_t outer_flags = wire->flags;
    bool good = true;

    if (!require_channel(wire, decoder->nesting == 0)) {
        return;
    }
    if (args->streamCount == 0 || args->pReplyPositions != NULL || args->dependencyCount != 0) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_COUNT, args->streamCount);
        return;
    }
    /* The descriptions live in the arena of this command, so the streams use another one. */
    wire->arena = decoder->nested_arena;
    decoder->nesting++;
    for (uint32_t i = 0; i < args->streamCount && good; i++) {
        if (args->pStreams[i].size > 0) {
            good = run_stream(decoder, &args->pStreams[i]);
        }
    }
    decoder->nesting--;
    decoder->nested_arena = wire->arena;
    wire->arena = outer_arena;
    wire->in = outer_reader;
    wire->command = outer_command;
    wire->flags = outer_flags;
    wire->poisoned = false;
    if (!good) {
        /* The inner stream has told; a context that was lost elsewhere has no fault here. */
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_STATE);
    }
}

void pv_venus_vkCreateRingMESA(struct pv_wire_decoder *wire, struct pv_wire_vkCreateRingMESA *args)
{
    struct pv_venus_context *context = pv_venus_decoder_of(wire)->context;
    const VkRingCreateInfoMESA *info = args->pCreateInfo;
    const VkRingMonitorInfoMESA *monitor =
        pv_vkhost_chain_find(info, VK_STRUCTURE_TYPE_RING_MONITOR_INFO_MESA);
    const struct pv_venus_ring_layout layout = {
        .id = args->ring,
        .resource_id = info->resourceId,
        .offset_bytes = info->offset,
        .size_bytes = info->size,
        .idle_timeout_ns = info->idleTimeout,
        .head_offset_bytes = info->headOffset,
        .tail_offset_bytes = info->tailOffset,
        .status_offset_bytes = info->statusOffset,
        .buffer_offset_bytes = info->bufferOffset,
        .buffer_size_bytes = info->bufferSize,
        .extra_offset_bytes = info->extraOffset,
        .extra_size_bytes = info->extraSize,
        .monitored = monitor != NULL,
    };

    if (!on_message_thread(wire)) {
        return;
    }
    if (monitor != NULL && monitor->maxReportingPeriodMicroseconds == 0) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_RANGE);
        return;
    }
    if (!pv_venus_ring_create(context, &layout, &wire->fault)) {
        return;
    }
    if (monitor != NULL
        && pv_venus_monitor_start(context, monitor->maxReportingPeriodMicroseconds) < 0) {
        pv_base_fault_raise(&wire->fault, PV_BASE_FAULT_MEMORY);
    }
}

void pv_venus_vkDestroyRingMESA(struct pv_wire_decoder *wire,
                                struct pv_wire_vkDestroyRingMESA *args)
{
    struct pv_venus_ring *ring;

    if (!on_message_thread(wire)) {
        return;
    }
    ring = find_ring(wire, args->ring);
    if (ring != NULL) {
        /* Its thread may be waiting for us to leave our batch before it ends. */
        pv_venus_batch_end(pv_venus_decoder_of(wire));
        pv_venus_ring_destroy(pv_venus_decoder_of(wire)->context, ring);
        pv_venus_batch_begin(pv_venus_decoder_of(wire));
    }
}

void pv_venus_vkNotifyRingMESA(struct pv_wire_decoder *wire, struct pv_wire_vkNotifyRingMESA *args)
{
    struct pv_venus_ring *ring;

    if (!on_message_thread(wire)) {
        return;
    }
    ring = find_ring(wire, args->ring);
    if (ring != NULL) {
        pv_venus_ring_notify(ring);
    }
}

void pv_venus_vkWriteRingExtraMESA(struct pv_wire_decoder *wire,
                                   struct pv_wire_vkWriteRingExtraMESA *args)
{
    struct pv_venus_ring *ring;

    if (!on_message_thread(wire)) {
        return;
    }
    ring = find_ring(wire, args->ring);
    if (ring != NULL && !pv_venus_ring_write_extra(ring, args->offset, args->value)) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_RANGE, args->offset);
    }
}

void pv_venus_vkSubmitVirtqueueSeqnoMESA(struct pv_wire_decoder *wire,
                                         struct pv_wire_vkSubmitVirtqueueSeqnoMESA *args)
{
    struct pv_venus_ring *ring;

    if (!on_message_thread(wire)) {
        return;
    }
    ring = find_ring(wire, args->ring);
    if (ring != NULL) {
        pv_venus_ring_submit_virtqueue_seqno(ring, args->seqno);
    }
}

void pv_venus_vkWaitVirtqueueSeqnoMESA(struct pv_wire_decoder *wire,
                                       struct pv_wire_vkWaitVirtqueueSeqnoMESA *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);

    if (!require_channel(wire, decoder->ring != NULL)) {
        return;
    }
    /* Holds no object while it waits, so other rings may remove theirs. */
    pv_venus_batch_end(decoder);
    if (!pv_venus_ring_wait_virtqueue_seqno(decoder->ring, args->seqno)) {
        pv_base_fault_raise_detail(&wire->fault, PV_BASE_FAULT_STATE, args->seqno);
    }
    pv_venus_batch_begin(decoder);
}

void pv_venus_vkWaitRingSeqnoMESA(struct pv_wire_decoder *wire,
                                  struct pv_wire_vkWaitRingSeqnoMESA *args)
{
    struct pv_venus_decoder *decoder = pv_venus_decoder_of(wire);
    struct pv_venus_ring *ring;

    if (!on_message_thread(wire)) {
        return;
    }
    ring = find_ring(wire, args->ring);
    if (ring != NULL) {
        /* Ring seqnos are 32-bit positions that travel in 64 bits. */
        pv_venus_batch_end(decoder);
        (void)pv_venus_ring_wait_seqno(ring, (uint32_t)args->seqno, &wire->fault);
        pv_venus_batch_begin(decoder);
    }
}
