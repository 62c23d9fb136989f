/* SPDX-License-Identifier: MIT */
/*
 * Waiting until a device has done its work, not for ever: a guest may destroy a device whose queues
 * wait for a semaphore that nobody will signal. Vulkan has no wait for a device with a limit, so a
 * thread of its own waits in the driver; where that does not come back, it stays there.
 */
#ifndef PV_VENUS_IDLE_H
#define PV_VENUS_IDLE_H

#include <stdbool.h>

#include "base/compiler.h"

struct pv_venus_device;

/* How long a device may be at work after its program has destroyed it, in nanoseconds: programs
 * that are right have waited before, this is for those that native drivers wait for. */
#define PV_VENUS_IDLE_GRACE_NS (UINT64_C(10) * 1000000000u)

/*
 * Wait until all queues of a device that nobody uses any more are idle, for at most
 * context->idle_grace_ns. False: they are not; the driver may not be asked to destroy anything of
 * the device. May be called again then.
 *
 * is_the_end  the context is being destroyed, no ring runs; if not, the wait ends when that begins
 */
PV_NODISCARD bool pv_venus_idle_wait(struct pv_venus_device *device, bool is_the_end);

#endif
