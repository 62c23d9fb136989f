/* SPDX-License-Identifier: MIT */
/*
 * A decoder with nothing real behind it; see fake_wire.h.
 */
#include "fake_wire.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned driver_calls;

/* Stands in for every driver function: on our hosts' calling conventions extra arguments are
 * harmless, and 0 is VK_SUCCESS. Outputs stay as the codec prepared them. */
static uint64_t driver_stub(void)
{
    driver_calls++;
    return 0;
}

static void handler_stub(struct pv_wire_decoder *decoder, void *args)
{
    struct fake_wire *fake = decoder->context;

    fake->handled++;
    pv_wire_unwrap_any(decoder->command, args);
}

static void fill(void *table, size_t size_bytes, void (*function)(void))
{
    for (size_t at = 0; at + sizeof(function) <= size_bytes; at += sizeof(function)) {
        memcpy((uint8_t *)table + at, &function, sizeof(function));
    }
}

static struct pv_base_object *ops_add(void *context, uint64_t id, uint32_t type, uint64_t handle,
                                      bool poisoned, struct pv_base_object *parent)
{
    struct fake_wire *fake = context;
    struct pv_base_object *object = calloc(1, sizeof(*object));

    fake->added++;
    if (object == NULL) {
        abort();
    }
    *object = (struct pv_base_object){
        .id = id,
        .handle = handle,
        .type = type,
        .poisoned = poisoned,
        .dispatch = parent->dispatch,
    };
    if (pv_base_id_table_add(fake->decoder.objects, object) != 0) {
        pv_base_fault_raise_detail(&fake->decoder.fault, PV_BASE_FAULT_ID, id);
        free(object);
        return NULL;
    }
    fake->created = object;
    return object;
}

static void ops_remove(void *context, struct pv_base_object *object)
{
    struct fake_wire *fake = context;

    fake->removed++;
    (void)pv_base_id_table_remove(fake->decoder.objects, object->id);
}

static void ops_free(void *context, struct pv_base_object *object)
{
    struct fake_wire *fake = context;

    fake->freed++;
    if (fake->created == object) {
        fake->created = NULL;
    }
    free(object);
}

static const struct pv_wire_object_ops ops = {
    .add = ops_add,
    .remove = ops_remove,
    .free = ops_free,
};

void fake_wire_init(struct fake_wire *fake)
{
    memset(fake, 0, sizeof(*fake));
    fill(&fake->instance_table, sizeof(fake->instance_table), (void (*)(void))driver_stub);
    fill(&fake->device_table, sizeof(fake->device_table), (void (*)(void))driver_stub);
    fill(&fake->handlers, sizeof(fake->handlers), (void (*)(void))handler_stub);
    if (pv_base_id_table_create(&fake->decoder.objects) != 0) {
        abort();
    }
    fake->decoder.object_ops = &ops;
    fake->decoder.handlers = &fake->handlers;
    fake->decoder.context = fake;
    fake_wire_rewind(fake);
}

void fake_wire_finish(struct fake_wire *fake)
{
    fake_wire_rewind(fake);
    for (uint64_t id = 1; id < PV_BASE_ID_TABLE_DENSE_MAX; id++) {
        if (fake->decoder.objects->pages[id >> PV_BASE_ID_TABLE_PAGE_BITS] == NULL) {
            id |= PV_BASE_ID_TABLE_PAGE_SLOTS - 1;
            continue;
        }
        free(pv_base_id_table_remove(fake->decoder.objects, id));
    }
    pv_base_id_table_destroy(fake->decoder.objects);
    pv_base_arena_finish(&fake->decoder.arena);
}

unsigned fake_wire_driver_calls(void)
{
    return driver_calls;
}

void fake_wire_driver_calls_reset(void)
{
    driver_calls = 0;
}

struct pv_base_object *fake_wire_object(struct fake_wire *fake, uint64_t id, uint32_t type)
{
    struct pv_base_object *object = calloc(1, sizeof(*object));

    if (object == NULL) {
        abort();
    }
    *object = (struct pv_base_object){
        .id = id,
        .handle = id + 0x1000,
        .type = type,
        .dispatch = type == VK_OBJECT_TYPE_INSTANCE || type == VK_OBJECT_TYPE_PHYSICAL_DEVICE
                        ? (const void *)&fake->instance_table
                        : (const void *)&fake->device_table,
    };
    if (pv_base_id_table_add(fake->decoder.objects, object) != 0) {
        abort();
    }
    return object;
}

void fake_wire_rewind(struct fake_wire *fake)
{
    struct pv_wire_decoder *decoder = &fake->decoder;

    decoder->fault = (struct pv_base_fault){0};
    pv_base_writer_init(&decoder->reply, fake->reply, sizeof(fake->reply), &decoder->fault);
    decoder->has_reply = true;
    pv_base_arena_reset(&decoder->arena);
    if (fake->created != NULL) {
        free(pv_base_id_table_remove(decoder->objects, fake->created->id));
        fake->created = NULL;
    }
    fake->added = 0;
    fake->removed = 0;
    fake->freed = 0;
    fake->handled = 0;
    fake_wire_driver_calls_reset();
}

size_t fake_wire_run(struct fake_wire *fake, const void *bytes, size_t size_bytes)
{
    pv_base_reader_init(&fake->decoder.in, bytes, size_bytes, &fake->decoder.fault);
    pv_wire_dispatch(&fake->decoder);
    return pv_base_reader_left_bytes(&fake->decoder.in);
}

size_t fake_wire_reply_bytes(const struct fake_wire *fake)
{
    return (size_t)(fake->decoder.reply.cursor - fake->reply);
}

static void bytes_add(struct fake_bytes *to, const void *bytes, size_t size_bytes)
{
    if (size_bytes > sizeof(to->bytes) - to->size_bytes) {
        abort();
    }
    memcpy(to->bytes + to->size_bytes, bytes, size_bytes);
    to->size_bytes += size_bytes;
}

void fake_bytes_u32(struct fake_bytes *to, uint32_t value)
{
    bytes_add(to, &value, sizeof(value));
}

void fake_bytes_u64(struct fake_bytes *to, uint64_t value)
{
    bytes_add(to, &value, sizeof(value));
}

void fake_bytes_command(struct fake_bytes *to, uint32_t number, uint32_t flags)
{
    to->size_bytes = 0;
    fake_bytes_u32(to, number);
    fake_bytes_u32(to, flags);
}
