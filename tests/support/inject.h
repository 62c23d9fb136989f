/* SPDX-License-Identifier: MIT */
/*
 * Faults on demand: the Nth call of a class that our own code makes fails. A program gets this by
 * linking inject.c with the linker's --wrap (tests/faults/meson.build), which reaches what is
 * linked statically, ours, and leaves the driver's libraries alone. It works under sanitizers.
 *
 * A test arms and disarms. A real program is told by its environment, before main:
 *
 *   PV_INJECT          class:N or class:N+ (the Nth and all after it)
 *   PV_INJECT_PROGRAM  the name of the program that is meant; others only inherit
 *   PV_INJECT_REPORT   a file of sizeof(struct inject_report) zeros, shared by all its processes
 *
 * Threads: any.
 */
#ifndef PV_TESTS_INJECT_H
#define PV_TESTS_INJECT_H

#include <stdbool.h>
#include <stdint.h>

enum inject_class {
    INJECT_NONE,
    INJECT_ALLOC,      /* memory of the heap */
    INJECT_MAP,        /* mmap, mprotect */
    INJECT_THREAD,     /* threads and processes */
    INJECT_SEND,       /* on sockets */
    INJECT_RECEIVE,    /* from sockets */
    INJECT_DESCRIPTOR, /* whatever makes, sizes, duplicates, seals or watches one */
    INJECT_VULKAN,     /* calls into the driver; out of memory */
    INJECT_LOST,       /* the same; VK_ERROR_DEVICE_LOST, where Vulkan allows it */
    INJECT_CLASSES,
};

struct inject_report {
    _Atomic uint64_t calls;               /* of the class, up to now */
    _Atomic uint64_t fired;               /* of these, failed */
    const void *caller;                   /* of the first one that failed */
    _Atomic uint64_t all[INJECT_CLASSES]; /* calls of each class */
    char what[40];                        /* was called there */
};

const char *inject_class_name(enum inject_class class);

/* From now on the at-th call of class fails (at counts from 1), and those after it if onwards. */
void inject_arm(enum inject_class class, uint64_t at, bool onwards);

/* No more faults. The report stays until the next inject_arm. */
void inject_disarm(void);

const struct inject_report *inject_seen(void);

/* Calls of this thread are not counted until resume; pairs nest. For what tests do themselves. */
void inject_pause(void);
void inject_resume(void);

/* Disarmed, and this thread not paused: after a test that left in the middle. */
void inject_reset(void);

/* For other sources of faults: whether this call of class is to fail. caller: for the report. */
bool inject_fails(enum inject_class class, const char *what, const void *caller);

#endif
