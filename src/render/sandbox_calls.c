/* SPDX-License-Identifier: MIT */
/*
 * The system calls of a worker; see sandbox_calls.h. A new driver or C library may want another:
 * `pearvisor vtest --sandbox=measure -- PROGRAM` names it, and it is added here, to its group, with
 * the version that was measured.
 *
 * Not here on purpose: sockets (the message socket comes from the device, open), exec and new
 * processes, anything that creates, removes, renames or changes the rights of files, System V
 * objects, splice, io_uring, userfaultfd, keys, bpf, perf, ptrace, mounts.
 */
#include "render/sandbox_calls.h"

const char *const pv_render_sandbox_calls[] = {
    /* The worker itself and the C library (glibc 2.36, 2.41): memory, threads, time, signals. */
    "brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "mincore", "msync", "mlock",
    "munlock", "membarrier", "futex", "futex_waitv", "futex_wait", "futex_wake", "futex_requeue",
    "set_robust_list", "get_robust_list", "rseq", "set_tid_address", "gettid", "getpid",
    "sched_yield", "exit", "exit_group", "restart_syscall", "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait", "sigaltstack", "nanosleep",
    "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time", "getrandom",
    "arch_prctl",
    /* Descriptors that it has: messages, shared memory, waiting. */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "close", "close_range", "lseek",
    "dup", "dup2", "dup3", "recvmsg", "sendmsg", "shutdown", "getsockopt", "poll", "ppoll",
    "memfd_create", "ftruncate", "fallocate", "eventfd2", "pipe2",
    /* Looking at files; which ones is Landlock's business. */
    "open", "openat", "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs",
    "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "getcwd",
    /* lavapipe 25.0.7 with LLVM 15 (strace of all test programs): processors, memory, user. */
    "sched_getaffinity", "sched_getscheduler", "sched_getparam", "getpriority", "sysinfo", "uname",
    "getcpu", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups",
    "getppid", "getrusage", "times", "flock",
    /* NVIDIA 580.159.04, measured: it also makes and removes links, names its threads and reads its
     * own maps and command line, and does without all of these. */
    "sched_get_priority_min", "sched_get_priority_max",
    /* Mesa's GPU drivers (not measured; none of these reaches outside). */
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "timerfd_create", "timerfd_settime",
    "get_mempolicy", "set_mempolicy", "mbind", "capget", NULL};

/* Not 'K': amdkfd's, which Vulkan drivers do not need, but the console's, too. */
const unsigned char pv_render_sandbox_ioctls[] = {
    'd',  /* DRM: all of Mesa's GPU drivers */
    'b',  /* dma-buf */
    '>',  /* sync_file */
    'u',  /* udmabuf: lavapipe's exports */
    'F',  /* NVIDIA's resource manager */
    'm',  /* NVIDIA's mode setting */
    0x00, /* NVIDIA's unified memory, which numbers without a family */
    'G',  /* Direct3D 12 in WSL */
};

const size_t pv_render_sandbox_ioctl_count = sizeof(pv_render_sandbox_ioctls);
