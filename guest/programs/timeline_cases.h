/* SPDX-License-Identifier: MIT */
/*
 * What the files of pv-timeline share: its cases of timeline_threads.c, and small helpers of
 * pv_timeline.c.
 *
 * Threads: the helpers may be called from any thread.
 */
#ifndef PV_PROG_TIMELINE_CASES_H
#define PV_PROG_TIMELINE_CASES_H

#include <vulkan/vulkan.h>

#include "common/gpu.h"

/* Several threads submit, each with a timeline of its own, to shared or own queues. */
void pv_prog_timeline_threads(struct pv_prog_gpu *gpu, const char *name);
/* A thread sleeps in vkWaitSemaphores until the host, then the GPU, signals. */
void pv_prog_timeline_sleeper(struct pv_prog_gpu *gpu, const char *name);

/* Create a timeline semaphore, owned by the caller. */
VkSemaphore pv_prog_timeline_create(const struct pv_prog_gpu *gpu, uint64_t initial_value);

/* Wait on the host for a value; a time-out (PV_PROG_WAIT_NS) fails the program. */
void pv_prog_timeline_wait(const struct pv_prog_gpu *gpu, VkSemaphore semaphore, uint64_t value);

/*
 * Submit one command buffer (VK_NULL_HANDLE for none) that waits for wait_value of `wait` and then
 * signals signal_value of `signal`; either may be VK_NULL_HANDLE. Values are ignored for binary
 * semaphores. The caller keeps the queue to itself for the call.
 */
void pv_prog_timeline_submit(VkQueue queue, VkCommandBuffer commands, VkSemaphore wait,
                             uint64_t wait_value, VkSemaphore signal, uint64_t signal_value,
                             VkFence fence);

#endif
