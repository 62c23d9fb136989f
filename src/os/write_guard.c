/* SPDX-License-Identifier: MIT */
/*
 * Moving memory under running writers; see write_guard.h.
 *
 * A slot holds one move. It keeps its range after the move has ended, because a thread may have
 * faulted during the move and enter the handler only later: such a fault is retried too. Slots are
 * taken in turn, so a range is forgotten SLOT_COUNT moves later. A retry that faults again at the
 * same place without a move in progress is a real fault and gets the default action.
 */
#include "os/write_guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "os/clock.h"
#include "os/shm.h"

#define SLOT_COUNT 64u
/* Faults in a row that one thread may retry on an ended move before it is taken as real. */
#define RETRY_MAX 16u

struct slot {
    atomic_uintptr_t first; /* address of the first byte, 0 while unused */
    atomic_uintptr_t end;   /* address past the last byte */
    atomic_bool moving;
};

static struct slot slots[SLOT_COUNT];
static atomic_uint next_slot;
static pthread_mutex_t move_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local uintptr_t retry_address;
static _Thread_local unsigned int retry_count;

static struct slot *find_slot(uintptr_t address, bool *ret_moving)
{
    struct slot *found = NULL;

    *ret_moving = false;
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        if (address >= atomic_load(&slots[i].first) && address < atomic_load(&slots[i].end)) {
            found = &slots[i];
            if (atomic_load(&slots[i].moving)) {
                *ret_moving = true;
                return found;
            }
        }
    }
    return found;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    const uintptr_t address = (uintptr_t)info->si_addr;
    const int saved_errno = errno;
    bool moving;
    struct slot *slot = find_slot(address, &moving);

    (void)context;
    if (slot != NULL && number == SIGSEGV) {
        if (moving) {
            while (atomic_load(&slot->moving)) {
                pv_os_clock_sleep_ns(20000);
            }
            retry_count = 0;
            errno = saved_errno;
            return;
        }
        if (address != retry_address) {
            retry_address = address;
            retry_count = 0;
        }
        if (retry_count++ < RETRY_MAX) {
            errno = saved_errno;
            return;
        }
    }
    /* Not ours: the instruction runs again under the default action, which ends the process. */
    signal(number, SIG_DFL);
    errno = saved_errno;
}

int pv_os_write_guard_install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, &action, NULL) < 0 || sigaction(SIGBUS, &action, NULL) < 0) {
        return -errno;
    }
    return 0;
}

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size_bytes - 1) == 0;
}

static void copy_pages(uint8_t *target, const uint8_t *source, size_t size_bytes)
{
    const size_t page_bytes = pv_os_page_bytes();

    for (size_t offset = 0; offset < size_bytes; offset += page_bytes) {
        if (!is_zero(source + offset, page_bytes)) {
            memcpy(target + offset, source + offset, page_bytes);
        }
    }
}

int pv_os_write_guard_move(void *memory, size_t size_bytes, int fd, uint64_t offset_bytes)
{
    struct slot *slot;
    void *target;
    int r = pv_os_shm_map(fd, offset_bytes, size_bytes, &target);

    if (r < 0) {
        return r;
    }
    pthread_mutex_lock(&move_lock);
    slot = &slots[atomic_fetch_add(&next_slot, 1) % SLOT_COUNT];
    /* Empty the slot before it gets a new range, so that no mixture is ever seen. */
    atomic_store(&slot->end, 0);
    atomic_store(&slot->first, (uintptr_t)memory);
    atomic_store(&slot->moving, true);
    atomic_store(&slot->end, (uintptr_t)memory + size_bytes);

    r = pv_os_shm_protect_read(memory, size_bytes);
    if (r == 0) {
        copy_pages(target, memory, size_bytes);
        r = pv_os_shm_replace(memory, size_bytes, fd, offset_bytes);
    }
    if (r < 0 && pv_os_shm_protect_write(memory, size_bytes) < 0) {
        /* No memory for a mapping, twice: writers will fault for good, which ends the worker. */
        r = -EFAULT;
    }
    atomic_store(&slot->moving, false);
    pthread_mutex_unlock(&move_lock);
    pv_os_shm_unmap(target, size_bytes);
    return r;
}
