/* SPDX-License-Identifier: MIT */
/*
 * Shared memory: anonymous files that can travel as file descriptors, and mappings of them.
 *
 * Threads: any. Sizes and offsets are multiples of pv_os_page_bytes() unless said otherwise.
 */
#ifndef PV_OS_SHM_H
#define PV_OS_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* The host's page size in bytes; a power of two, 4096 to 65536. */
size_t pv_os_page_bytes(void);

/*
 * A new anonymous file of size_bytes zero bytes (sparse), close-on-exec, sealed against shrinking
 * and growing so that no holder of the fd can make another's mapping fault.
 * name: for /proc, static or borrowed for the call. Returns 0 with an fd that the caller closes, or
 * -errno.
 */
PV_NODISCARD int pv_os_shm_create(const char *name, uint64_t size_bytes, int *ret_fd);

/*
 * The same for memory that this process writes and others only look at: the mapping that comes back
 * stays the only writable one. No holder of the fd can write to the file or map it writable, nor
 * get another fd that can (F_SEAL_FUTURE_WRITE, Linux 5.1). Returns 0 with an fd that the caller
 * closes and a mapping for pv_os_shm_unmap, or -errno.
 */
PV_NODISCARD int pv_os_shm_create_read_only(const char *name, size_t size_bytes, int *ret_fd,
                                            void **ret_memory);

/* Size of an fd's file in bytes. Returns 0 or -errno. */
PV_NODISCARD int pv_os_shm_size(int fd, uint64_t *ret_size_bytes);

/*
 * Whether mappings of the file cannot fault: it can neither shrink nor grow, and is not of huge
 * pages (MFD_HUGETLB). Those come from a pool: whoever else has the file may punch them out and
 * empty the pool, and the next access is a SIGBUS.
 */
bool pv_os_shm_is_sealed(int fd);

/* Names a file beyond any one fd of it: two fds with equal ids share their bytes. */
struct pv_os_file_id {
    uint64_t device;
    uint64_t inode;
};

/* The id of an fd's file. Returns 0 or -errno. */
PV_NODISCARD int pv_os_file_id_get(int fd, struct pv_os_file_id *ret_id);

/* Whether both name the same file. */
bool pv_os_file_id_equal(const struct pv_os_file_id *a, const struct pv_os_file_id *b);

/* Free the pages of a range and make it read as zeroes. Returns 0 or -errno. */
PV_NODISCARD int pv_os_shm_punch(int fd, uint64_t offset_bytes, uint64_t size_bytes);

/* Bytes of memory that the file really uses now, 0 if it cannot be told. */
uint64_t pv_os_shm_used_bytes(int fd);

/* Map a range readable and writable. Returns 0 with a mapping for pv_os_shm_unmap, or -errno. */
PV_NODISCARD int pv_os_shm_map(int fd, uint64_t offset_bytes, size_t size_bytes, void **ret_memory);

/* Map a range for reading only. Otherwise as pv_os_shm_map; what others write shows in it. */
PV_NODISCARD int pv_os_shm_map_read(int fd, uint64_t offset_bytes, size_t size_bytes,
                                    const void **ret_memory);

/* For both kinds of mapping. Accepts NULL. */
void pv_os_shm_unmap(const void *memory, size_t size_bytes);

/*
 * Reserve addresses: size_bytes of private zero pages between two inaccessible guard pages.
 * Returns 0 with the first usable address, or -errno. Ended by pv_os_shm_release.
 */
PV_NODISCARD int pv_os_shm_reserve(size_t size_bytes, void **ret_memory);

/* End a reservation, guard pages included. size_bytes as reserved. Accepts NULL. */
void pv_os_shm_release(void *memory, size_t size_bytes);

/*
 * Replace [memory, memory + size_bytes) inside a reservation by a range of fd, in one step. Returns
 * 0, or -errno with the memory as it was.
 */
PV_NODISCARD int pv_os_shm_replace(void *memory, size_t size_bytes, int fd, uint64_t offset_bytes);

/* Replace a range inside a reservation by private zero pages likewise. */
PV_NODISCARD int pv_os_shm_replace_private(void *memory, size_t size_bytes);

/* Make a range inside a reservation read-only. Returns 0 or -errno. */
PV_NODISCARD int pv_os_shm_protect_read(void *memory, size_t size_bytes);

/* Undo pv_os_shm_protect_read. Returns 0 or -errno. */
PV_NODISCARD int pv_os_shm_protect_write(void *memory, size_t size_bytes);

#endif
