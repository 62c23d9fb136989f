/* SPDX-License-Identifier: MIT */
/*
 * Numbers of the vtest protocol, version 3, as Mesa's Venus driver speaks it. All fields are u32 in
 * host byte order; a message is {length, id} and a payload of `length` u32 (bytes for
 * CREATE_RENDERER). Source: Mesa's vtest_protocol.h, restated.
 */
#ifndef PV_VTEST_PROTOCOL_H
#define PV_VTEST_PROTOCOL_H

#define PV_VTEST_PROTOCOL_VERSION 3u

enum pv_vtest_command {
    PV_VTEST_RESOURCE_UNREF = 3,
    PV_VTEST_RESOURCE_BUSY_WAIT = 7,
    PV_VTEST_CREATE_RENDERER = 8,
    PV_VTEST_PING_PROTOCOL_VERSION = 10,
    PV_VTEST_PROTOCOL_VERSION_EXCHANGE = 11,
    PV_VTEST_GET_PARAM = 15,
    PV_VTEST_GET_CAPSET = 16,
    PV_VTEST_CONTEXT_INIT = 17,
    PV_VTEST_RESOURCE_CREATE_BLOB = 18,
    PV_VTEST_SYNC_CREATE = 19,
    PV_VTEST_SYNC_UNREF = 20,
    PV_VTEST_SYNC_READ = 21,
    PV_VTEST_SYNC_WRITE = 22,
    PV_VTEST_SYNC_WAIT = 23,
    PV_VTEST_SUBMIT_CMD2 = 24,
};

#define PV_VTEST_PARAM_MAX_TIMELINE_COUNT 1u
#define PV_VTEST_BLOB_TYPE_HOST3D         2u
#define PV_VTEST_BLOB_FLAG_MAPPABLE       1u
#define PV_VTEST_BLOB_FLAGS_ALL           7u
#define PV_VTEST_WAIT_FLAG_ANY            1u
#define PV_VTEST_SUBMIT_FLAG_RING_IDX     1u
#define PV_VTEST_CAPSET_VENUS             4u

/* u32 of a batch header inside SUBMIT_CMD2: flags, cmd offset, cmd size, sync offset, sync count,
 * ring index. */
#define PV_VTEST_BATCH_WORDS 6u

#endif
