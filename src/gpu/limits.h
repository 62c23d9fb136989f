/* SPDX-License-Identifier: MIT */
/*
 * What one guest may make the device hold, besides memory (an option). Over a limit the guest gets
 * OUT_OF_MEMORY for that one command, and everything else goes on.
 */
#ifndef PV_GPU_LIMITS_H
#define PV_GPU_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* Resources: a desktop with a few hundred windows and programs that suballocate needs thousands;
 * one costs us some 300 bytes, and one descriptor if it was exported, see below. */
#define PV_GPU_RESOURCE_MAX 65536u

/* Descriptors that resources keep open (2D and exported blobs), so that a guest cannot use up the
 * process's: four swapchain images for each of a thousand windows. The program that embeds the
 * device raises its soft limit of open files above this. */
#define PV_GPU_RESOURCE_FD_MAX 4096u

/* Contexts of all kinds. Those with a worker have a limit of their own, with their runner. */
#define PV_GPU_CONTEXT_MAX 256u

/* Fenced requests of one context that its worker has not retired. The guest kernel has one control
 * queue of 256 entries for all; half of it is the most that one program can hold. */
#define PV_GPU_CONTEXT_FENCE_MAX 128u

/* Requests that one context's worker keeps waiting, MAP_BLOB above all, on which a program's
 * threads wait one by one. Half of the guest kernel's queue, again; over it they are refused. */
#define PV_GPU_CONTEXT_HELD_MAX 128u

/* ... and of these, creations of blobs. Over it they are not refused but answered at once: nobody
 * waits for that answer, and an error that comes later is told to the first who needs the blob. */
#define PV_GPU_CONTEXT_HELD_CREATE_MAX 64u

/* Requests held in all. Queues have up to 256 entries each; a transport with larger ones still
 * cannot make us keep more. */
#define PV_GPU_HELD_MAX 1024u

/* Entries of one backing list: 64 MiB in single pages, and what other devices accept. */
#define PV_GPU_BACKING_ENTRY_MAX 16384u

/* Entries of all lists: 16 MiB of our memory, 4 GiB of the guest's in single pages. */
#define PV_GPU_BACKING_TOTAL_MAX ((size_t)1 << 20)

/* Sides of a 2D resource or a scanout: 8192 is the most that Linux sets as a mode; the double
 * leaves room for framebuffers that hold more than one screen. */
#define PV_GPU_SIDE_MAX_PX 16384u

/* Sides of a cursor image. Linux has 64x64. */
#define PV_GPU_CURSOR_SIDE_MAX_PX 256u

/* Contexts that resources are attached to, in all: one costs some 120 bytes. Programs attach what
 * they made, and a compositor what all others show. */
#define PV_GPU_ATTACHMENT_MAX 262144u

/* Command streams longer than this are charged as memory while they wait in the device. */
#define PV_GPU_SUBMIT_FREE_BYTES ((size_t)64 << 10)

/* One command stream; the renderer decodes no longer ones (PV_VENUS_STREAM_MAX_BYTES). */
#define PV_GPU_SUBMIT_MAX_BYTES ((size_t)64 << 20)

#endif
