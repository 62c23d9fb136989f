/* SPDX-License-Identifier: MIT */
/*
 * The virtio-gpu wire format: numbers and structs as the driver and the device exchange them
 * (virtio 1.3, section 5.7, and the additions that Linux 6.12 uses). Little-endian hosts only, as
 * everywhere in here. Each command struct includes the 24-byte header; trailing arrays (backing
 * entries, command streams) follow it in the readable part and are not part of the struct.
 */
#ifndef PV_GPU_PROTOCOL_H
#define PV_GPU_PROTOCOL_H

#include <assert.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the virtio-gpu structs are read as they are: little-endian hosts only"
#endif

/* Device type, queues, feature bits. */
#define PV_GPU_VIRTIO_ID         16u
#define PV_GPU_QUEUE_CONTROL     0u
#define PV_GPU_QUEUE_CURSOR      1u
#define PV_GPU_QUEUE_COUNT       2u
#define PV_GPU_FEATURE_VIRGL     (UINT64_C(1) << 0) /* 3D contexts of any kind */
#define PV_GPU_FEATURE_EDID      (UINT64_C(1) << 1)
#define PV_GPU_FEATURE_UUID      (UINT64_C(1) << 2)
#define PV_GPU_FEATURE_BLOB      (UINT64_C(1) << 3)
#define PV_GPU_FEATURE_CONTEXT   (UINT64_C(1) << 4) /* capset per context, 64 rings */
#define PV_GPU_WINDOW_SHM_ID     1u
#define PV_GPU_EVENT_DISPLAY     1u
#define PV_GPU_SCANOUT_COUNT_MAX 16u
#define PV_GPU_RING_COUNT        64u
#define PV_GPU_GUEST_PAGE_BYTES  UINT64_C(4096)
#define PV_GPU_CAPSET_ID_VENUS   4u

enum pv_gpu_command {
    PV_GPU_CMD_GET_DISPLAY_INFO = 0x0100,
    PV_GPU_CMD_RESOURCE_CREATE_2D,
    PV_GPU_CMD_RESOURCE_UNREF,
    PV_GPU_CMD_SET_SCANOUT,
    PV_GPU_CMD_RESOURCE_FLUSH,
    PV_GPU_CMD_TRANSFER_TO_HOST_2D,
    PV_GPU_CMD_RESOURCE_ATTACH_BACKING,
    PV_GPU_CMD_RESOURCE_DETACH_BACKING,
    PV_GPU_CMD_GET_CAPSET_INFO,
    PV_GPU_CMD_GET_CAPSET,
    PV_GPU_CMD_GET_EDID,
    PV_GPU_CMD_RESOURCE_ASSIGN_UUID,
    PV_GPU_CMD_RESOURCE_CREATE_BLOB,
    PV_GPU_CMD_SET_SCANOUT_BLOB,
    PV_GPU_CMD_CTX_CREATE = 0x0200,
    PV_GPU_CMD_CTX_DESTROY,
    PV_GPU_CMD_CTX_ATTACH_RESOURCE,
    PV_GPU_CMD_CTX_DETACH_RESOURCE,
    PV_GPU_CMD_RESOURCE_CREATE_3D,
    PV_GPU_CMD_TRANSFER_TO_HOST_3D,
    PV_GPU_CMD_TRANSFER_FROM_HOST_3D,
    PV_GPU_CMD_SUBMIT_3D,
    PV_GPU_CMD_RESOURCE_MAP_BLOB,
    PV_GPU_CMD_RESOURCE_UNMAP_BLOB,
    PV_GPU_CMD_UPDATE_CURSOR = 0x0300,
    PV_GPU_CMD_MOVE_CURSOR,
};

enum pv_gpu_response {
    PV_GPU_OK_NODATA = 0x1100,
    PV_GPU_OK_DISPLAY_INFO,
    PV_GPU_OK_CAPSET_INFO,
    PV_GPU_OK_CAPSET,
    PV_GPU_OK_EDID,
    PV_GPU_OK_UUID,
    PV_GPU_OK_MAP_INFO,
    PV_GPU_ERR_UNSPEC = 0x1200,
    PV_GPU_ERR_OUT_OF_MEMORY,
    PV_GPU_ERR_INVALID_SCANOUT_ID,
    PV_GPU_ERR_INVALID_RESOURCE_ID,
    PV_GPU_ERR_INVALID_CONTEXT_ID,
    PV_GPU_ERR_INVALID_PARAMETER,
};

/* Pixel formats: byte order in memory as named, 8 bits each; X is ignored. */
enum pv_gpu_format {
    PV_GPU_FORMAT_BGRA = 1,
    PV_GPU_FORMAT_BGRX = 2,
    PV_GPU_FORMAT_ARGB = 3,
    PV_GPU_FORMAT_XRGB = 4,
    PV_GPU_FORMAT_RGBA = 67,
    PV_GPU_FORMAT_XBGR = 68,
    PV_GPU_FORMAT_ABGR = 121,
    PV_GPU_FORMAT_RGBX = 134,
};

#define PV_GPU_FLAG_FENCE    1u
#define PV_GPU_FLAG_RING_IDX 2u

#define PV_GPU_BLOB_MEM_GUEST        1u
#define PV_GPU_BLOB_MEM_HOST3D       2u
#define PV_GPU_BLOB_MEM_HOST3D_GUEST 3u

#define PV_GPU_BLOB_FLAG_MAPPABLE     1u
#define PV_GPU_BLOB_FLAG_SHAREABLE    2u
#define PV_GPU_BLOB_FLAG_CROSS_DEVICE 4u
#define PV_GPU_BLOB_FLAG_MASK         7u

#define PV_GPU_MAP_CACHE_MASK   0x0fu
#define PV_GPU_MAP_CACHE_CACHED 1u

#define PV_GPU_CONTEXT_INIT_CAPSET_MASK 0xffu

struct pv_gpu_header {
    uint32_t type;
    uint32_t flags;
    uint64_t fence_id;
    uint32_t context_id;
    uint8_t ring_index;
    uint8_t padding[3];
};
static_assert(sizeof(struct pv_gpu_header) == 24, "header");

struct pv_gpu_rect {
    uint32_t x;
    uint32_t y;
    uint32_t width;
    uint32_t height;
};

/* One run of guest memory in a backing list. */
struct pv_gpu_backing_entry {
    uint64_t addr;
    uint32_t size_bytes;
    uint32_t padding;
};
static_assert(sizeof(struct pv_gpu_backing_entry) == 16, "backing entry");

/* CTX_ATTACH, CTX_DETACH, UNREF, DETACH_BACKING, ASSIGN_UUID, UNMAP_BLOB. */
struct pv_gpu_cmd_resource {
    struct pv_gpu_header header;
    uint32_t resource_id;
    uint32_t padding;
};
static_assert(sizeof(struct pv_gpu_cmd_resource) == 32, "resource id commands");

struct pv_gpu_cmd_create_2d {
    struct pv_gpu_header header;
    uint32_t resource_id;
    uint32_t format;
    uint32_t width;
    uint32_t height;
};
static_assert(sizeof(struct pv_gpu_cmd_create_2d) == 40, "RESOURCE_CREATE_2D");

struct pv_gpu_cmd_set_scanout {
    struct pv_gpu_header header;
    struct pv_gpu_rect rect;
    uint32_t scanout_id;
    uint32_t resource_id;
};
static_assert(sizeof(struct pv_gpu_cmd_set_scanout) == 48, "SET_SCANOUT");

struct pv_gpu_cmd_flush {
    struct pv_gpu_header header;
    struct pv_gpu_rect rect;
    uint32_t resource_id;
    uint32_t padding;
};
static_assert(sizeof(struct pv_gpu_cmd_flush) == 48, "RESOURCE_FLUSH");

struct pv_gpu_cmd_transfer_2d {
    struct pv_gpu_header header;
    struct pv_gpu_rect rect;
    uint64_t offset;
    uint32_t resource_id;
    uint32_t padding;
};
static_assert(sizeof(struct pv_gpu_cmd_transfer_2d) == 56, "TRANSFER_TO_HOST_2D");

struct pv_gpu_cmd_attach_backing {
    struct pv_gpu_header header;
    uint32_t resource_id;
    uint32_t entry_count;
};
static_assert(sizeof(struct pv_gpu_cmd_attach_backing) == 32, "RESOURCE_ATTACH_BACKING");

struct pv_gpu_cmd_get_capset_info {
    struct pv_gpu_header header;
    uint32_t index;
    uint32_t padding;
};
static_assert(sizeof(struct pv_gpu_cmd_get_capset_info) == 32, "GET_CAPSET_INFO");

struct pv_gpu_cmd_get_capset {
    struct pv_gpu_header header;
    uint32_t capset_id;
    uint32_t version;
};
static_assert(sizeof(struct pv_gpu_cmd_get_capset) == 32, "GET_CAPSET");

struct pv_gpu_cmd_get_edid {
    struct pv_gpu_header header;
    uint32_t scanout_id;
    uint32_t padding;
};
static_assert(sizeof(struct pv_gpu_cmd_get_edid) == 32, "GET_EDID");

struct pv_gpu_cmd_create_blob {
    struct pv_gpu_header header;
    uint32_t resource_id;
    uint32_t blob_mem;
    uint32_t blob_flags;
    uint32_t entry_count;
    uint64_t blob_id;
    uint64_t size_bytes;
};
static_assert(sizeof(struct pv_gpu_cmd_create_blob) == 56, "RESOURCE_CREATE_BLOB");

struct pv_gpu_cmd_set_scanout_blob {
    struct pv_gpu_header header;
    struct pv_gpu_rect rect;
    uint32_t scanout_id;
    uint32_t resource_id;
    uint32_t width;
    uint32_t height;
    uint32_t format;
    uint32_t padding;
    uint32_t strides[4];
    uint32_t offsets[4];
};
static_assert(sizeof(struct pv_gpu_cmd_set_scanout_blob) == 96, "SET_SCANOUT_BLOB");

struct pv_gpu_cmd_context_create {
    struct pv_gpu_header header;
    uint32_t name_bytes;
    uint32_t context_init;
    char name[64];
};
static_assert(sizeof(struct pv_gpu_cmd_context_create) == 96, "CTX_CREATE");

struct pv_gpu_cmd_submit {
    struct pv_gpu_header header;
    uint32_t size_bytes;
    uint32_t padding;
};
static_assert(sizeof(struct pv_gpu_cmd_submit) == 32, "SUBMIT_3D");

struct pv_gpu_cmd_map_blob {
    struct pv_gpu_header header;
    uint32_t resource_id;
    uint32_t padding;
    uint64_t offset_bytes;
};
static_assert(sizeof(struct pv_gpu_cmd_map_blob) == 40, "RESOURCE_MAP_BLOB");

struct pv_gpu_cmd_cursor {
    struct pv_gpu_header header;
    uint32_t scanout_id;
    uint32_t x;
    uint32_t y;
    uint32_t pos_padding;
    uint32_t resource_id;
    uint32_t hot_x;
    uint32_t hot_y;
    uint32_t padding;
};
static_assert(sizeof(struct pv_gpu_cmd_cursor) == 56, "UPDATE_CURSOR");

/* Room for any command's fixed part. */
union pv_gpu_command_bytes {
    struct pv_gpu_header header;
    struct pv_gpu_cmd_resource resource;
    struct pv_gpu_cmd_create_2d create_2d;
    struct pv_gpu_cmd_set_scanout set_scanout;
    struct pv_gpu_cmd_flush flush;
    struct pv_gpu_cmd_transfer_2d transfer_2d;
    struct pv_gpu_cmd_attach_backing attach_backing;
    struct pv_gpu_cmd_get_capset_info get_capset_info;
    struct pv_gpu_cmd_get_capset get_capset;
    struct pv_gpu_cmd_get_edid get_edid;
    struct pv_gpu_cmd_create_blob create_blob;
    struct pv_gpu_cmd_set_scanout_blob set_scanout_blob;
    struct pv_gpu_cmd_context_create context_create;
    struct pv_gpu_cmd_submit submit;
    struct pv_gpu_cmd_map_blob map_blob;
    struct pv_gpu_cmd_cursor cursor;
};

/* Responses after their header. */
struct pv_gpu_display_one {
    struct pv_gpu_rect rect;
    uint32_t enabled;
    uint32_t flags;
};

struct pv_gpu_resp_display_info {
    struct pv_gpu_display_one modes[PV_GPU_SCANOUT_COUNT_MAX];
};
static_assert(sizeof(struct pv_gpu_resp_display_info) == 408 - 24, "display info");

struct pv_gpu_resp_capset_info {
    uint32_t id;
    uint32_t max_version;
    uint32_t max_size_bytes;
    uint32_t padding;
};
static_assert(sizeof(struct pv_gpu_resp_capset_info) == 40 - 24, "capset info");

#define PV_GPU_EDID_BYTES_MAX 1024u

struct pv_gpu_resp_edid {
    uint32_t size_bytes;
    uint32_t padding;
    uint8_t edid[PV_GPU_EDID_BYTES_MAX];
};
static_assert(sizeof(struct pv_gpu_resp_edid) == 1056 - 24, "edid");

struct pv_gpu_resp_uuid {
    uint8_t uuid[16];
};

struct pv_gpu_resp_map_info {
    uint32_t map_info;
    uint32_t padding;
};

/* Configuration space. */
struct pv_gpu_config {
    uint32_t events_read;
    uint32_t events_clear;
    uint32_t scanout_count;
    uint32_t capset_count;
};
static_assert(sizeof(struct pv_gpu_config) == 16, "configuration space");

#endif
