/* SPDX-License-Identifier: MIT */
/*
 * The form of an input of the ring target, shared by the target, its mutator and (by value) the
 * scripts that make seeds: one byte of options, then records of a u8 kind, a u8 aux, a u16 length
 * and that many bytes.
 */
#ifndef PV_TESTS_FUZZ_RING_RECORDS_H
#define PV_TESTS_FUZZ_RING_RECORDS_H

/* Options. */
#define RING_RECORDS_BARE      1u /* no instance and device are made in front */
#define RING_RECORDS_IN_WINDOW 2u
#define RING_RECORDS_QUEUED    4u /* and a queue, with timeline 1 */

/* Kinds, modulo RING_RECORDS_KINDS. */
enum ring_record {
    RING_RECORD_SUBMIT, /* commands on the control queue; aux 255: of any length */
    RING_RECORD_RING,   /* commands in ring aux, which is made if it is not there */
    RING_RECORD_STREAM, /* an indirect stream; aux bit 3: from ring aux % 4; high bits: place */
    RING_RECORD_CREATE_RING,  /* ring aux; pairs of byte and size change its layout */
    RING_RECORD_DESTROY_RING, /* ring aux */
    RING_RECORD_ATTACH,
    RING_RECORD_LEAVE, /* resource aux */
    RING_RECORD_EXPORT,
    RING_RECORD_PLACE, /* resource aux */
    RING_RECORD_FENCE, /* timeline aux */
    RING_RECORD_POKE,  /* u16 place in words, then words of the shared memory; wakes ring aux */
    RING_RECORD_FAIL,  /* the driver fails once */
    RING_RECORDS_KINDS,
};

#define RING_RECORDS_HEADER_BYTES 4u
#define RING_RECORDS_PAYLOAD_MAX  8192u

/* What stands in front: ids of the guest's. */
enum {
    RING_RECORDS_INSTANCE = 1,
    RING_RECORDS_PHYSICAL_DEVICE = 2,
    RING_RECORDS_DEVICE = 3,
    RING_RECORDS_QUEUE = 4,
    RING_RECORDS_RING_ID = 0x10, /* of ring 0 */
};

/* Resource 1: four rings, then replies, then streams. */
#define RING_RECORDS_SHMEM_BYTES   0x40000u
#define RING_RECORDS_REPLY_OFFSET  0x20000u
#define RING_RECORDS_REPLY_BYTES   0x10000u
#define RING_RECORDS_STREAM_OFFSET 0x30000u

/* Ids of a type's objects: RING_RECORDS_FIRST_ID + RING_RECORDS_IDS * index of the type. */
#define RING_RECORDS_FIRST_ID 32u
#define RING_RECORDS_IDS      4u

#endif
