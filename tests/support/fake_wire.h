/* SPDX-License-Identifier: MIT */
/*
 * A decoder with nothing real behind it: an object table that the test fills, driver tables whose
 * functions only count, handlers that only unwrap, and a builder for command bytes.
 * One fake belongs to one thread.
 */
#ifndef PV_TESTS_SUPPORT_FAKE_WIRE_H
#define PV_TESTS_SUPPORT_FAKE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "venus_wire/handlers.h"
#include "vkhost_tables/tables.h"

#define FAKE_WIRE_REPLY_BYTES 65536
#define FAKE_WIRE_BYTES_MAX   4096

struct fake_wire {
    struct pv_wire_decoder decoder;
    struct pv_vk_instance_table instance_table;
    struct pv_vk_device_table device_table;
    struct pv_wire_handlers handlers;
    uint8_t reply[FAKE_WIRE_REPLY_BYTES];
    struct pv_base_object *created; /* by the last command, NULL when it made none */
    unsigned added;                 /* calls of object_ops->add, and so on */
    unsigned removed;
    unsigned freed;
    unsigned handled; /* calls of handlers */
};

/* Command bytes under construction. Overflow is a mistake in the test and stops it. */
struct fake_bytes {
    uint8_t bytes[FAKE_WIRE_BYTES_MAX];
    size_t size_bytes;
};

/* All objects, tables full of counting functions. Call finish in the end. */
void fake_wire_init(struct fake_wire *fake);
void fake_wire_finish(struct fake_wire *fake);

/* Driver calls of all fakes since the last reset: the stubs have no argument to find theirs by. */
unsigned fake_wire_driver_calls(void);
void fake_wire_driver_calls_reset(void);

/* Put an object of that VkObjectType into the table; its handle is id + 0x1000. */
struct pv_base_object *fake_wire_object(struct fake_wire *fake, uint64_t id, uint32_t type);

/* Forget faults, replies, counters, the arena, and the object that the last command made. */
void fake_wire_rewind(struct fake_wire *fake);

/* Run one command; returns how many of its bytes were left over. */
size_t fake_wire_run(struct fake_wire *fake, const void *bytes, size_t size_bytes);

/* Bytes of reply written since the last rewind. */
size_t fake_wire_reply_bytes(const struct fake_wire *fake);

void fake_bytes_u32(struct fake_bytes *to, uint32_t value);
void fake_bytes_u64(struct fake_bytes *to, uint64_t value);

/* Start anew with a header: number and flags. */
void fake_bytes_command(struct fake_bytes *to, uint32_t number, uint32_t flags);

#endif
