/* SPDX-License-Identifier: MIT */
/*
 * Framing of the agent's protocol; see the header for the layout. Byte order is spelled out
 * instead of cast, so that the structs of one end are never the wire of the other.
 */
#include "vm/agent_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READER_BYTES (PV_VM_AGENT_HEADER_BYTES + PV_VM_AGENT_PAYLOAD_MAX_BYTES)

static void put_u32(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
    bytes[2] = (uint8_t)(value >> 16);
    bytes[3] = (uint8_t)(value >> 24);
}

static uint32_t get_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16
           | (uint32_t)bytes[3] << 24;
}

void pv_vm_agent_reader_finish(struct pv_vm_agent_reader *reader)
{
    free(reader->bytes);
    *reader = (struct pv_vm_agent_reader){0};
}

void pv_vm_agent_reader_lose(struct pv_vm_agent_reader *reader)
{
    reader->start = 0;
    reader->end = 0;
    reader->is_lost = true;
}

/* Make the free part of the buffer as large as it gets. Returns its size, or -ENOMEM. */
static int reader_room(struct pv_vm_agent_reader *reader)
{
    if (reader->bytes == NULL) {
        reader->bytes = malloc(READER_BYTES);
        if (reader->bytes == NULL) {
            return -ENOMEM;
        }
    }
    if (reader->start > 0) {
        memmove(reader->bytes, reader->bytes + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    return (int)(READER_BYTES - reader->end);
}

int pv_vm_agent_reader_fill(struct pv_vm_agent_reader *reader, int fd)
{
    const int room = reader_room(reader);
    ssize_t count;

    if (room < 0) {
        return room;
    }
    if (room == 0) {
        return -EAGAIN;
    }
    do {
        count = read(fd, reader->bytes + reader->end, (size_t)room);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    }
    reader->end += (size_t)count;
    return (int)count;
}

int pv_vm_agent_reader_push(struct pv_vm_agent_reader *reader, const void *bytes, size_t size_bytes)
{
    const int room = reader_room(reader);

    if (room < 0) {
        return room;
    }
    if (size_bytes > (size_t)room) {
        size_bytes = (size_t)room;
    }
    memcpy(reader->bytes + reader->end, bytes, size_bytes);
    reader->end += size_bytes;
    return (int)size_bytes;
}

/* Drop what comes before the mark, and the mark. Returns whether it was there. */
static bool reader_find_mark(struct pv_vm_agent_reader *reader)
{
    const size_t left_bytes = reader->end - reader->start;
    const uint8_t *mark;

    if (left_bytes < PV_VM_AGENT_SYNC_MARK_BYTES) {
        return false;
    }
    mark = memmem(reader->bytes + reader->start, left_bytes, PV_VM_AGENT_SYNC_MARK,
                  PV_VM_AGENT_SYNC_MARK_BYTES);
    if (mark == NULL) {
        reader->start = reader->end - (PV_VM_AGENT_SYNC_MARK_BYTES - 1);
        return false;
    }
    reader->start = (size_t)(mark - reader->bytes) + PV_VM_AGENT_SYNC_MARK_BYTES;
    reader->is_lost = false;
    return true;
}

int pv_vm_agent_reader_next(struct pv_vm_agent_reader *reader, struct pv_vm_agent_frame *ret_frame)
{
    const uint8_t *header;
    uint32_t payload_bytes;
    size_t left_bytes;

    if (reader->is_lost) {
        if (!reader_find_mark(reader)) {
            return 0;
        }
        *ret_frame = (struct pv_vm_agent_frame){.kind = PV_VM_AGENT_SYNC};
        return 1;
    }
    left_bytes = reader->end - reader->start;
    if (left_bytes < PV_VM_AGENT_HEADER_BYTES) {
        return 0;
    }
    header = reader->bytes + reader->start;
    payload_bytes = get_u32(header);
    if (payload_bytes > PV_VM_AGENT_PAYLOAD_MAX_BYTES || header[6] != 0 || header[7] != 0) {
        pv_vm_agent_reader_lose(reader);
        return -EPROTO;
    }
    if (left_bytes - PV_VM_AGENT_HEADER_BYTES < payload_bytes) {
        return 0;
    }
    ret_frame->kind = (uint16_t)(header[4] | header[5] << 8);
    ret_frame->id = get_u32(header + 8);
    ret_frame->payload_bytes = payload_bytes;
    ret_frame->payload = header + PV_VM_AGENT_HEADER_BYTES;
    reader->start += PV_VM_AGENT_HEADER_BYTES + payload_bytes;
    return 1;
}

uint32_t pv_vm_agent_frame_u32(const struct pv_vm_agent_frame *frame, size_t offset,
                               uint32_t otherwise)
{
    if (offset > frame->payload_bytes || frame->payload_bytes - offset < 4) {
        return otherwise;
    }
    return get_u32(frame->payload + offset);
}

void pv_vm_agent_queue_finish(struct pv_vm_agent_queue *queue)
{
    free(queue->bytes);
    *queue = (struct pv_vm_agent_queue){0};
}

size_t pv_vm_agent_queue_left_bytes(const struct pv_vm_agent_queue *queue)
{
    return queue->end - queue->start;
}

/* Make room for size_bytes behind the end. Returns 0 or -ENOMEM. */
static int queue_reserve(struct pv_vm_agent_queue *queue, size_t size_bytes)
{
    const size_t left_bytes = queue->end - queue->start;
    size_t capacity_bytes = queue->capacity_bytes;
    uint8_t *bytes;

    if (queue->capacity_bytes - queue->end >= size_bytes) {
        return 0;
    }
    if (left_bytes > 0 && queue->start > 0) {
        memmove(queue->bytes, queue->bytes + queue->start, left_bytes);
    }
    queue->start = 0;
    queue->end = left_bytes;
    if (capacity_bytes - left_bytes >= size_bytes) {
        return 0;
    }
    capacity_bytes = capacity_bytes < 4096 ? 4096 : capacity_bytes;
    while (capacity_bytes - left_bytes < size_bytes) {
        if (capacity_bytes > SIZE_MAX / 4) {
            return -ENOMEM;
        }
        capacity_bytes *= 2;
    }
    bytes = realloc(queue->bytes, capacity_bytes);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    queue->bytes = bytes;
    queue->capacity_bytes = capacity_bytes;
    return 0;
}

int pv_vm_agent_queue_add(struct pv_vm_agent_queue *queue, const void *bytes, size_t size_bytes)
{
    const int r = queue_reserve(queue, size_bytes);

    if (r == 0 && size_bytes > 0) {
        memcpy(queue->bytes + queue->end, bytes, size_bytes);
        queue->end += size_bytes;
    }
    return r;
}

int pv_vm_agent_queue_frame(struct pv_vm_agent_queue *queue, uint16_t kind, uint32_t id,
                            const void *payload, size_t payload_bytes)
{
    uint8_t *header;
    int r;

    if (payload_bytes > PV_VM_AGENT_PAYLOAD_MAX_BYTES) {
        return -EMSGSIZE;
    }
    r = queue_reserve(queue, PV_VM_AGENT_HEADER_BYTES + payload_bytes);
    if (r != 0) {
        return r;
    }
    header = queue->bytes + queue->end;
    put_u32(header, (uint32_t)payload_bytes);
    header[4] = (uint8_t)kind;
    header[5] = (uint8_t)(kind >> 8);
    header[6] = 0;
    header[7] = 0;
    put_u32(header + 8, id);
    if (payload_bytes > 0) {
        memcpy(header + PV_VM_AGENT_HEADER_BYTES, payload, payload_bytes);
    }
    queue->end += PV_VM_AGENT_HEADER_BYTES + payload_bytes;
    return 0;
}

int pv_vm_agent_queue_mark(struct pv_vm_agent_queue *queue, uint16_t kind, uint32_t id)
{
    uint8_t payload[4 + PV_VM_AGENT_SYNC_MARK_BYTES];

    put_u32(payload, PV_VM_AGENT_PROTOCOL_VERSION);
    memcpy(payload + 4, PV_VM_AGENT_SYNC_MARK, PV_VM_AGENT_SYNC_MARK_BYTES);
    return pv_vm_agent_queue_frame(queue, kind, id, payload, sizeof(payload));
}

int pv_vm_agent_queue_u32(struct pv_vm_agent_queue *queue, uint16_t kind, uint32_t id,
                          uint32_t value)
{
    uint8_t payload[4];

    put_u32(payload, value);
    return pv_vm_agent_queue_frame(queue, kind, id, payload, sizeof(payload));
}

int pv_vm_agent_queue_u32x2(struct pv_vm_agent_queue *queue, uint16_t kind, uint32_t id,
                            uint32_t first, uint32_t second)
{
    uint8_t payload[8];

    put_u32(payload, first);
    put_u32(payload + 4, second);
    return pv_vm_agent_queue_frame(queue, kind, id, payload, sizeof(payload));
}

int pv_vm_agent_queue_flush(struct pv_vm_agent_queue *queue, int fd)
{
    while (queue->start < queue->end) {
        const size_t left_bytes = queue->end - queue->start;
        ssize_t count = send(fd, queue->bytes + queue->start, left_bytes, MSG_NOSIGNAL);

        if (count < 0 && errno == ENOTSOCK) {
            count = write(fd, queue->bytes + queue->start, left_bytes);
        }
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
        }
        queue->start += (size_t)count;
    }
    queue->start = 0;
    queue->end = 0;
    return 0;
}

/* Append a string with its zero. Returns false when the payload is full. */
static bool pack_string(uint8_t *bytes, size_t *offset, const char *text)
{
    const size_t size_bytes = strlen(text) + 1;

    if (size_bytes > PV_VM_AGENT_PAYLOAD_MAX_BYTES - *offset) {
        return false;
    }
    memcpy(bytes + *offset, text, size_bytes);
    *offset += size_bytes;
    return true;
}

int pv_vm_agent_command_pack(uint32_t flags, const char *directory, const char *const *arguments,
                             const char *const *variables, uint8_t *ret_bytes)
{
    uint32_t argument_count = 0;
    uint32_t variable_count = 0;
    size_t offset = 12;

    if (arguments == NULL || arguments[0] == NULL) {
        return -EINVAL;
    }
    if (!pack_string(ret_bytes, &offset, directory)) {
        return -E2BIG;
    }
    for (; arguments[argument_count] != NULL; argument_count++) {
        if (!pack_string(ret_bytes, &offset, arguments[argument_count])) {
            return -E2BIG;
        }
    }
    for (; variables != NULL && variables[variable_count] != NULL; variable_count++) {
        if (!pack_string(ret_bytes, &offset, variables[variable_count])) {
            return -E2BIG;
        }
    }
    put_u32(ret_bytes, flags);
    put_u32(ret_bytes + 4, argument_count);
    put_u32(ret_bytes + 8, variable_count);
    return (int)offset;
}

/* Take count strings from the payload into array. Returns false when they are not all there. */
static bool unpack_strings(const uint8_t *payload, size_t payload_bytes, size_t *offset,
                           char **array, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *end = memchr(payload + *offset, 0, payload_bytes - *offset);

        if (end == NULL) {
            return false;
        }
        /* exec takes char *const[] for historical reasons; nobody writes to these. */
        array[i] = (char *)(uintptr_t)(payload + *offset);
        *offset = (size_t)(end - payload) + 1;
    }
    array[count] = NULL;
    return true;
}

int pv_vm_agent_command_unpack(const uint8_t *payload, size_t payload_bytes,
                               struct pv_vm_agent_command *ret_command)
{
    char *directory[2];
    char **arrays;
    uint32_t argument_count;
    uint32_t variable_count;
    size_t offset = 12;

    if (payload_bytes < 12) {
        return -EPROTO;
    }
    argument_count = get_u32(payload + 4);
    variable_count = get_u32(payload + 8);
    /* Each string takes at least its zero, so counts beyond the payload are lies. */
    if (argument_count == 0 || argument_count > payload_bytes || variable_count > payload_bytes) {
        return -EPROTO;
    }
    arrays = calloc((size_t)argument_count + variable_count + 2, sizeof(*arrays));
    if (arrays == NULL) {
        return -ENOMEM;
    }
    if (!unpack_strings(payload, payload_bytes, &offset, directory, 1)
        || !unpack_strings(payload, payload_bytes, &offset, arrays, argument_count)
        || !unpack_strings(payload, payload_bytes, &offset, arrays + argument_count + 1,
                           variable_count)
        || offset != payload_bytes) {
        free(arrays);
        return -EPROTO;
    }
    ret_command->flags = get_u32(payload);
    ret_command->directory = directory[0];
    ret_command->arguments = arrays;
    ret_command->variables = arrays + argument_count + 1;
    return 0;
}
