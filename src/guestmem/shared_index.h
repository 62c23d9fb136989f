/* SPDX-License-Identifier: MIT */
/*
 * Numbers that two sides of a shared memory read and write while both run: ring indices, flags and
 * status words. One place for their atomic access, so that the order that a protocol asks for is
 * visible where it matters. The pointers come from guest memory; they are naturally aligned (the
 * caller has checked that) and may change at any time: load once, use the copy.
 *
 * Threads: any. Source: virtio 1.3, section 2.7 (which index needs which order).
 */
#ifndef PV_GUESTMEM_SHARED_INDEX_H
#define PV_GUESTMEM_SHARED_INDEX_H

#include <stdint.h>

/* Load; what the other side wrote before it stored this value is visible afterwards. */
static inline uint16_t pv_guestmem_load_u16_acquire(const void *shared)
{
    return __atomic_load_n((const uint16_t *)shared, __ATOMIC_ACQUIRE);
}

/* The same for 32 bits. */
static inline uint32_t pv_guestmem_load_u32_acquire(const void *shared)
{
    return __atomic_load_n((const uint32_t *)shared, __ATOMIC_ACQUIRE);
}

/* Load without order: for values that stand between a barrier of the caller's and their use. */
static inline uint16_t pv_guestmem_load_u16(const void *shared)
{
    return __atomic_load_n((const uint16_t *)shared, __ATOMIC_RELAXED);
}

/* As above; the compiler cannot replace the copy by a second look at the memory. */
static inline uint64_t pv_guestmem_load_u64(const void *shared)
{
    return __atomic_load_n((const uint64_t *)shared, __ATOMIC_RELAXED);
}

/* Store; what we wrote before is visible to whoever sees this value. */
static inline void pv_guestmem_store_u16_release(void *shared, uint16_t value)
{
    __atomic_store_n((uint16_t *)shared, value, __ATOMIC_RELEASE);
}

/* The same for 32 bits. */
static inline void pv_guestmem_store_u32_release(void *shared, uint32_t value)
{
    __atomic_store_n((uint32_t *)shared, value, __ATOMIC_RELEASE);
}

/* Store without order: for values that nobody acts on before a later, ordered one. */
static inline void pv_guestmem_store_u16(void *shared, uint16_t value)
{
    __atomic_store_n((uint16_t *)shared, value, __ATOMIC_RELAXED);
}

/* The same for 32 bits. */
static inline void pv_guestmem_store_u32(void *shared, uint32_t value)
{
    __atomic_store_n((uint32_t *)shared, value, __ATOMIC_RELAXED);
}

/* Stores before are visible before loads after: between "I published" and "does he sleep?". */
static inline void pv_guestmem_full_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
