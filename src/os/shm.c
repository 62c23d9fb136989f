/* SPDX-License-Identifier: MIT */
/*
 * Shared memory on Linux: memfd with seals, hole punching, and fixed mappings inside reservations.
 */
#include "os/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

size_t pv_os_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Its size never changes; other seals may follow. */
static int create_sized(const char *name, uint64_t size_bytes, int *ret_fd)
{
    const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r;

    if (fd < 0) {
        return -errno;
    }
    if (ftruncate(fd, (off_t)size_bytes) < 0
        || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static int add_seals(int fd, int seals)
{
    return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

int pv_os_shm_create(const char *name, uint64_t size_bytes, int *ret_fd)
{
    int fd = -1;
    int r = create_sized(name, size_bytes, &fd);

    if (r == 0) {
        r = add_seals(fd, F_SEAL_SEAL);
        if (r < 0) {
            close(fd);
        }
    }
    if (r < 0) {
        return r;
    }
    *ret_fd = fd;
    return 0;
}

int pv_os_shm_create_read_only(const char *name, size_t size_bytes, int *ret_fd, void **ret_memory)
{
    void *memory = NULL;
    int fd = -1;
    int r = create_sized(name, size_bytes, &fd);

    if (r < 0) {
        return r;
    }
    r = pv_os_shm_map(fd, 0, size_bytes, &memory);
    if (r == 0) {
        /* A descriptor opened read-only would not do: its holder could open it again, for writing,
         * through /proc. */
        r = add_seals(fd, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
    }
    if (r < 0) {
        pv_os_shm_unmap(memory, size_bytes);
        close(fd);
        return r;
    }
    *ret_fd = fd;
    *ret_memory = memory;
    return 0;
}

int pv_os_shm_size(int fd, uint64_t *ret_size_bytes)
{
    struct stat status;

    if (fstat(fd, &status) < 0) {
        return -errno;
    }
    *ret_size_bytes = (uint64_t)status.st_size;
    return 0;
}

bool pv_os_shm_is_sealed(int fd)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_GROW;
    const int seals = fcntl(fd, F_GET_SEALS);
    struct statfs system;

    return seals >= 0 && (seals & wanted) == wanted && fstatfs(fd, &system) == 0
           && system.f_type != HUGETLBFS_MAGIC;
}

int pv_os_file_id_get(int fd, struct pv_os_file_id *ret_id)
{
    struct stat status;

    if (fstat(fd, &status) < 0) {
        return -errno;
    }
    ret_id->device = (uint64_t)status.st_dev;
    ret_id->inode = (uint64_t)status.st_ino;
    return 0;
}

bool pv_os_file_id_equal(const struct pv_os_file_id *a, const struct pv_os_file_id *b)
{
    return a->device == b->device && a->inode == b->inode;
}

int pv_os_shm_punch(int fd, uint64_t offset_bytes, uint64_t size_bytes)
{
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset_bytes,
                  (off_t)size_bytes)
        < 0) {
        return -errno;
    }
    return 0;
}

uint64_t pv_os_shm_used_bytes(int fd)
{
    struct stat status;

    if (fstat(fd, &status) < 0) {
        return 0;
    }
    return (uint64_t)status.st_blocks * 512u;
}

int pv_os_shm_map(int fd, uint64_t offset_bytes, size_t size_bytes, void **ret_memory)
{
    void *memory =
        mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset_bytes);

    if (memory == MAP_FAILED) {
        return -errno;
    }
    *ret_memory = memory;
    return 0;
}

int pv_os_shm_map_read(int fd, uint64_t offset_bytes, size_t size_bytes, const void **ret_memory)
{
    const void *memory = mmap(NULL, size_bytes, PROT_READ, MAP_SHARED, fd, (off_t)offset_bytes);

    if (memory == MAP_FAILED) {
        return -errno;
    }
    *ret_memory = memory;
    return 0;
}

void pv_os_shm_unmap(const void *memory, size_t size_bytes)
{
    if (memory != NULL) {
        (void)munmap((void *)memory, size_bytes);
    }
}

int pv_os_shm_reserve(size_t size_bytes, void **ret_memory)
{
    const size_t page_bytes = pv_os_page_bytes();
    const size_t total_bytes = size_bytes + 2 * page_bytes;
    char *base =
        mmap(NULL, total_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED) {
        return -errno;
    }
    if (mprotect(base + page_bytes, size_bytes, PROT_READ | PROT_WRITE) < 0) {
        const int r = -errno;

        (void)munmap(base, total_bytes);
        return r;
    }
    *ret_memory = base + page_bytes;
    return 0;
}

void pv_os_shm_release(void *memory, size_t size_bytes)
{
    const size_t page_bytes = pv_os_page_bytes();

    if (memory != NULL) {
        (void)munmap((char *)memory - page_bytes, size_bytes + 2 * page_bytes);
    }
}

int pv_os_shm_replace(void *memory, size_t size_bytes, int fd, uint64_t offset_bytes)
{
    if (mmap(memory, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
             (off_t)offset_bytes)
        == MAP_FAILED) {
        return -errno;
    }
    return 0;
}

int pv_os_shm_replace_private(void *memory, size_t size_bytes)
{
    if (mmap(memory, size_bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0)
        == MAP_FAILED) {
        return -errno;
    }
    return 0;
}

int pv_os_shm_protect_read(void *memory, size_t size_bytes)
{
    return mprotect(memory, size_bytes, PROT_READ) < 0 ? -errno : 0;
}

int pv_os_shm_protect_write(void *memory, size_t size_bytes)
{
    return mprotect(memory, size_bytes, PROT_READ | PROT_WRITE) < 0 ? -errno : 0;
}
