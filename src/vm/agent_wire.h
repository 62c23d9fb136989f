/* SPDX-License-Identifier: MIT */
/*
 * The messages between a host and the agent in a guest, and the buffers that carry them.
 *
 * One byte stream (a virtio-serial port, or a Unix socket to the process that owns the port)
 * carries frames of many commands at once. A command is named by an id that the host side chooses.
 *
 *   header    u32 payload_bytes, u16 kind, u16 zero, u32 id; little-endian, 12 bytes
 *   EXEC      u32 flags, u32 argument count, u32 variable count, then zero-terminated strings:
 *             working directory ("" for the agent's own), arguments, NAME=VALUE variables
 *   STDIN     bytes; an empty one is the end of file
 *   SIGNAL    u32 signal number, to the command's whole session
 *   ABANDON   nobody listens any more: kill the command, send nothing of it
 *   RESIZE    u16 columns, u16 rows, for commands with a terminal
 *   PING      a u32, then the mark; the agent answers PONG with the same id
 *   PONG      u32 protocol version, then PV_VM_AGENT_SYNC_MARK
 *   POWER_OFF the agent ends all commands and powers the guest off
 *   STARTED   u32 process id in the guest
 *   STDOUT, STDERR  bytes
 *   EXIT      u32 how (enum pv_vm_agent_exit), u32 value; the last frame of a command
 *   CREDIT    u32 bytes: the receiver of a stream lets the sender send that many more. Output
 *             starts with PV_VM_AGENT_OUTPUT_CREDIT_BYTES, input with _INPUT_CREDIT_BYTES. So
 *             neither side has to buffer more than that per command, and a slow reader slows down
 *             its own command only.
 *
 * Either end of the port may be replaced while a frame is under way (the guest reboots, the agent
 * is killed). An end that has just begun, or has lost the thread, throws bytes away until it meets
 * the mark of a PING or PONG; see pv_vm_agent_reader_lose.
 *
 * Frames from the guest are hostile: the reader here checks length and shape, its user checks
 * ids, kinds and credit. This file is compiled into both ends.
 *
 * Threads: none of these objects is shared; each belongs to one thread.
 */
#ifndef PV_VM_AGENT_WIRE_H
#define PV_VM_AGENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define PV_VM_AGENT_PROTOCOL_VERSION 1
#define PV_VM_AGENT_PORT_NAME        "org.pearvisor.agent.0"

#define PV_VM_AGENT_HEADER_BYTES 12
/* Ends the payload of PING and PONG. */
#define PV_VM_AGENT_SYNC_MARK       "PearVisor\r\n\x1a"
#define PV_VM_AGENT_SYNC_MARK_BYTES 12
/* 128 KiB: an argument list with its environment; anything larger does not fit a frame. */
#define PV_VM_AGENT_PAYLOAD_MAX_BYTES ((size_t)128 << 10)
/* Bytes of one STDIN, STDOUT or STDERR frame. */
#define PV_VM_AGENT_CHUNK_MAX_BYTES ((size_t)16 << 10)
/* What may be under way per command before the other side has to grant more. */
#define PV_VM_AGENT_OUTPUT_CREDIT_BYTES ((uint32_t)256 << 10)
#define PV_VM_AGENT_INPUT_CREDIT_BYTES  ((uint32_t)64 << 10)
/* Commands of one agent at the same time; more are refused with EAGAIN. */
#define PV_VM_AGENT_COMMAND_MAX 64

/* Flags of EXEC. */
#define PV_VM_AGENT_EXEC_TTY 1u

enum pv_vm_agent_kind {
    PV_VM_AGENT_SYNC = 0, /* never sent: the reader's word that it met the mark again */
    PV_VM_AGENT_EXEC = 1,
    PV_VM_AGENT_STDIN = 2,
    PV_VM_AGENT_SIGNAL = 3,
    PV_VM_AGENT_ABANDON = 4,
    PV_VM_AGENT_RESIZE = 5,
    PV_VM_AGENT_PING = 6,
    PV_VM_AGENT_POWER_OFF = 7,
    PV_VM_AGENT_CREDIT = 8,
    PV_VM_AGENT_STARTED = 0x80,
    PV_VM_AGENT_STDOUT = 0x81,
    PV_VM_AGENT_STDERR = 0x82,
    PV_VM_AGENT_EXIT = 0x83,
    PV_VM_AGENT_PONG = 0x84,
};

enum pv_vm_agent_exit {
    PV_VM_AGENT_EXIT_CODE = 0,    /* value: exit status, 0..255 */
    PV_VM_AGENT_EXIT_SIGNAL = 1,  /* value: number of the signal that ended it */
    PV_VM_AGENT_EXIT_NOT_RUN = 2, /* value: Linux errno number of the attempt to start it */
    /* Made up by the host side: the guest is gone, or, with an errno for value, the host had no
     * room for what the command says or hears. */
    PV_VM_AGENT_EXIT_LOST = 3,
};

/* One received frame; payload is borrowed from the reader until its next call. */
struct pv_vm_agent_frame {
    uint16_t kind;
    uint32_t id;
    uint32_t payload_bytes;
    const uint8_t *payload;
};

/* Collects bytes into frames. All-zero is ready for use; owns its buffer. */
struct pv_vm_agent_reader {
    uint8_t *bytes; /* PV_VM_AGENT_HEADER_BYTES + PV_VM_AGENT_PAYLOAD_MAX_BYTES once in use */
    size_t start;   /* of the next frame */
    size_t end;     /* of what has arrived */
    bool is_lost;   /* looking for the mark */
};

/* Free its buffer; it is as new then. */
void pv_vm_agent_reader_finish(struct pv_vm_agent_reader *reader);

/* Forget what has arrived and take nothing for a frame until the mark comes by. */
void pv_vm_agent_reader_lose(struct pv_vm_agent_reader *reader);

/*
 * Read what fd has, with one read. Call it when fd is readable, or until -EAGAIN.
 * Returns the number of bytes (0 at the end of the stream), -EAGAIN when there is nothing now or
 * the buffer is full (take frames first), or another -errno.
 */
PV_NODISCARD int pv_vm_agent_reader_fill(struct pv_vm_agent_reader *reader, int fd);

/* The same from memory, for tests: copies up to size_bytes and returns how many fitted. */
PV_NODISCARD int pv_vm_agent_reader_push(struct pv_vm_agent_reader *reader, const void *bytes,
                                         size_t size_bytes);

/*
 * Take the next whole frame. Returns 1 with *ret_frame set, 0 when more bytes are needed, or
 * -EPROTO for a header that breaks the rules; the reader is lost then. A lost reader returns a
 * frame of kind PV_VM_AGENT_SYNC, id 0, without payload, when it has met the mark.
 */
PV_NODISCARD int pv_vm_agent_reader_next(struct pv_vm_agent_reader *reader,
                                         struct pv_vm_agent_frame *ret_frame);

/* The u32 at offset of a payload, or `otherwise` when the payload is too short for it. */
uint32_t pv_vm_agent_frame_u32(const struct pv_vm_agent_frame *frame, size_t offset,
                               uint32_t otherwise);

/* Bytes that wait to be written to a non-blocking fd. All-zero is ready; owns its buffer. */
struct pv_vm_agent_queue {
    uint8_t *bytes;
    size_t start;
    size_t end;
    size_t capacity_bytes;
};

/* Free its buffer, with what still waits; it is as new then. */
void pv_vm_agent_queue_finish(struct pv_vm_agent_queue *queue);

/* How many bytes still wait. */
size_t pv_vm_agent_queue_left_bytes(const struct pv_vm_agent_queue *queue);

/* Append raw bytes. Returns 0, or -ENOMEM (nothing is appended then). */
PV_NODISCARD int pv_vm_agent_queue_add(struct pv_vm_agent_queue *queue, const void *bytes,
                                       size_t size_bytes);

/* Append a frame. payload may be NULL when payload_bytes is 0. Returns 0, -EMSGSIZE or -ENOMEM. */
PV_NODISCARD int pv_vm_agent_queue_frame(struct pv_vm_agent_queue *queue, uint16_t kind,
                                         uint32_t id, const void *payload, size_t payload_bytes);

/* Append a PING or a PONG. Returns as _queue_frame. */
PV_NODISCARD int pv_vm_agent_queue_mark(struct pv_vm_agent_queue *queue, uint16_t kind,
                                        uint32_t id);

/* Append a frame whose payload is one or two u32. Returns as _queue_frame. */
PV_NODISCARD int pv_vm_agent_queue_u32(struct pv_vm_agent_queue *queue, uint16_t kind, uint32_t id,
                                       uint32_t value);
PV_NODISCARD int pv_vm_agent_queue_u32x2(struct pv_vm_agent_queue *queue, uint16_t kind,
                                         uint32_t id, uint32_t first, uint32_t second);

/*
 * Write as much as fd takes. Returns 0 (test _left_bytes for what is left), or -errno of the
 * write other than EAGAIN. Never raises SIGPIPE on sockets; other fds need it ignored.
 */
PV_NODISCARD int pv_vm_agent_queue_flush(struct pv_vm_agent_queue *queue, int fd);

/* What an EXEC payload says; all strings are borrowed from the payload. */
struct pv_vm_agent_command {
    uint32_t flags;
    const char *directory; /* "" for the default */
    char **arguments;      /* NULL-terminated, at least one; the array is the caller's to free */
    char **variables;      /* NULL-terminated, inside the same allocation */
};

/*
 * Build an EXEC payload. arguments and variables are NULL-terminated, variables may be NULL.
 * Returns its size, written to bytes[PV_VM_AGENT_PAYLOAD_MAX_BYTES], or -E2BIG, or -EINVAL without
 * arguments.
 */
PV_NODISCARD int pv_vm_agent_command_pack(uint32_t flags, const char *directory,
                                          const char *const *arguments,
                                          const char *const *variables, uint8_t *ret_bytes);

/*
 * Read an EXEC payload. On success free(ret_command->arguments) when done with it.
 * Returns 0, -EPROTO when counts and strings do not match, or -ENOMEM.
 */
PV_NODISCARD int pv_vm_agent_command_unpack(const uint8_t *payload, size_t payload_bytes,
                                            struct pv_vm_agent_command *ret_command);

#endif
