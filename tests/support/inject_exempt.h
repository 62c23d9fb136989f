/* SPDX-License-Identifier: MIT */
/*
 * Included in front of a test's own sources by the compiler: their memory and threads are not
 * among those that fail. See inject.h.
 */
#define malloc         __real_malloc
#define calloc         __real_calloc
#define realloc        __real_realloc
#define strdup         __real_strdup
#define pthread_create __real_pthread_create
