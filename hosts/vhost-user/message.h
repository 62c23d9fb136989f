/* SPDX-License-Identifier: MIT */
/*
 * vhost-user on the wire: numbers and layouts of the messages that QEMU 11.1 exchanges with the
 * back end of a vhost-user-test-device. Little-endian; the header is the same on both channels.
 *
 * Source: QEMU docs/interop/vhost-user.rst; what QEMU really sends was seen in runs.
 */
#ifndef PV_VHOST_USER_MESSAGE_H
#define PV_VHOST_USER_MESSAGE_H

#include <stdint.h>

/* Requests of the front end (QEMU) that we serve. */
enum pv_vhost_user_request {
    PV_VHOST_USER_GET_FEATURES = 1,
    PV_VHOST_USER_SET_FEATURES = 2,
    PV_VHOST_USER_SET_OWNER = 3,
    PV_VHOST_USER_RESET_OWNER = 4,
    PV_VHOST_USER_SET_MEM_TABLE = 5,
    PV_VHOST_USER_SET_VRING_NUM = 8,
    PV_VHOST_USER_SET_VRING_ADDR = 9,
    PV_VHOST_USER_SET_VRING_BASE = 10,
    PV_VHOST_USER_GET_VRING_BASE = 11,
    PV_VHOST_USER_SET_VRING_KICK = 12,
    PV_VHOST_USER_SET_VRING_CALL = 13,
    PV_VHOST_USER_SET_VRING_ERR = 14,
    PV_VHOST_USER_GET_PROTOCOL_FEATURES = 15,
    PV_VHOST_USER_SET_PROTOCOL_FEATURES = 16,
    PV_VHOST_USER_GET_QUEUE_NUM = 17,
    PV_VHOST_USER_SET_VRING_ENABLE = 18,
    PV_VHOST_USER_SET_BACKEND_REQ_FD = 21,
    PV_VHOST_USER_GET_CONFIG = 24,
    PV_VHOST_USER_SET_CONFIG = 25,
    PV_VHOST_USER_RESET_DEVICE = 34,
    PV_VHOST_USER_GET_SHMEM_CONFIG = 44,
};

/* Requests of ours on the back-end channel. */
enum pv_vhost_user_backend_request {
    PV_VHOST_USER_BACKEND_CONFIG_CHANGE = 2,
    PV_VHOST_USER_BACKEND_SHMEM_MAP = 9,
    /* Added to a request's number it makes one that QEMU does not know (see back_channel.c). */
    PV_VHOST_USER_BACKEND_WITHDRAWN = 0x100,
};

#define PV_VHOST_USER_FLAG_VERSION      1u
#define PV_VHOST_USER_FLAG_VERSION_MASK 3u
#define PV_VHOST_USER_FLAG_REPLY        4u
#define PV_VHOST_USER_FLAG_NEED_REPLY   8u

/* Bit 30 of the virtio features: the peer speaks protocol features. */
#define PV_VHOST_USER_FEATURE_PROTOCOL (UINT64_C(1) << 30)

/*
 * Not offered, with reasons: 15 CONFIGURE_MEM_SLOTS makes QEMU abort when a VM has many regions,
 * 16 STATUS and 13 RESET_DEVICE are never sent at a reset by this device.
 */
#define PV_VHOST_USER_PROTOCOL_MQ              (UINT64_C(1) << 0)
#define PV_VHOST_USER_PROTOCOL_REPLY_ACK       (UINT64_C(1) << 3)
#define PV_VHOST_USER_PROTOCOL_BACKEND_REQ     (UINT64_C(1) << 5)
#define PV_VHOST_USER_PROTOCOL_CONFIG          (UINT64_C(1) << 9)
#define PV_VHOST_USER_PROTOCOL_BACKEND_SEND_FD (UINT64_C(1) << 10)
#define PV_VHOST_USER_PROTOCOL_SHMEM           (UINT64_C(1) << 22)

/* Regions of one SET_MEM_TABLE; the most descriptors that any message carries. */
#define PV_VHOST_USER_MEM_REGION_MAX 8u
/* Bytes of configuration space that QEMU handles. */
#define PV_VHOST_USER_CONFIG_MAX_BYTES 256u
/* The longest payload that we take: SET_CONFIG (268) and SET_MEM_TABLE (264) fit. */
#define PV_VHOST_USER_PAYLOAD_MAX_BYTES 512u

/* SET_VRING_KICK, _CALL, _ERR: a u64 of the index and this flag, "no descriptor comes with it". */
#define PV_VHOST_USER_VRING_INDEX_MASK UINT64_C(0xff)
#define PV_VHOST_USER_VRING_NO_FD      UINT64_C(0x100)

/* The host-visible memory of virtio-gpu is shared memory region 1. */
#define PV_VHOST_USER_SHMEM_WINDOW_ID  1u
#define PV_VHOST_USER_SHMEM_FLAG_WRITE UINT64_C(1)

struct pv_vhost_user_header {
    uint32_t request;
    uint32_t flags;
    uint32_t size_bytes; /* of the payload */
};
_Static_assert(sizeof(struct pv_vhost_user_header) == 12, "wire layout");

/* SET_VRING_NUM, _BASE, _ENABLE and GET_VRING_BASE. */
struct pv_vhost_user_vring_state {
    uint32_t index;
    uint32_t value;
};
_Static_assert(sizeof(struct pv_vhost_user_vring_state) == 8, "wire layout");

struct pv_vhost_user_vring_addr {
    uint32_t index;
    uint32_t flags;
    uint64_t descriptor; /* the front end's own addresses, see the memory table */
    uint64_t used;
    uint64_t available;
    uint64_t log;
};
_Static_assert(sizeof(struct pv_vhost_user_vring_addr) == 40, "wire layout");

struct pv_vhost_user_mem_region {
    uint64_t addr;
    uint64_t size_bytes;
    uint64_t user_addr;
    uint64_t offset_bytes;
};

struct pv_vhost_user_mem_table {
    uint32_t count;
    uint32_t padding;
    struct pv_vhost_user_mem_region regions[PV_VHOST_USER_MEM_REGION_MAX];
};
_Static_assert(sizeof(struct pv_vhost_user_mem_table) == 8 + 32 * 8, "wire layout");

struct pv_vhost_user_config {
    uint32_t offset_bytes;
    uint32_t size_bytes;
    uint32_t flags;
    uint8_t bytes[PV_VHOST_USER_CONFIG_MAX_BYTES];
};
#define PV_VHOST_USER_CONFIG_HEAD_BYTES 12u
_Static_assert(sizeof(struct pv_vhost_user_config) == 12 + 256, "wire layout");

/* GET_SHMEM_CONFIG's answer: sizes by region id; QEMU accepts the short form. */
struct pv_vhost_user_shmem_config {
    uint32_t region_count; /* with a size other than 0 */
    uint32_t padding;
    uint64_t sizes_bytes[2];
};
_Static_assert(sizeof(struct pv_vhost_user_shmem_config) == 24, "wire layout");

struct pv_vhost_user_shmem_map {
    uint8_t region_id;
    uint8_t padding[7];
    uint64_t fd_offset_bytes;
    uint64_t region_offset_bytes;
    uint64_t size_bytes;
    uint64_t flags;
};
_Static_assert(sizeof(struct pv_vhost_user_shmem_map) == 40, "wire layout");

#endif
