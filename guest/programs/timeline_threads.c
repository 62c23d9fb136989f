/* SPDX-License-Identifier: MIT */
/*
 * Cases of pv-timeline with several threads. A VkQueue is used by one thread at a time, so each
 * queue has a mutex; everything else that the threads touch is their own.
 */
#include "timeline_cases.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "common/commands.h"
#include "common/memory.h"
#include "common/report.h"

enum { THREADS = 4, ROUNDS = 25, WORDS = 64 };

struct submitter {
    pthread_t thread;
    struct pv_prog_gpu *gpu;
    const char *name;
    uint32_t index;
    VkQueue queue;
    pthread_mutex_t *queue_mutex;
};

/* Each round fills with a new word, waits on the host, and looks. */
static void *submit_rounds(void *argument)
{
    struct submitter *self = argument;
    struct pv_prog_gpu *gpu = self->gpu;
    const VkCommandPoolCreateInfo pool_info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = gpu->queue_family,
    };
    VkCommandBufferAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    VkSemaphore semaphore = pv_prog_timeline_create(gpu, 0);
    struct pv_prog_buffer buffer;
    VkCommandPool pool;
    VkCommandBuffer commands;

    pv_prog_buffer_create_host(gpu, WORDS * 4, 0, &buffer);
    PV_PROG_VK(vkCreateCommandPool(gpu->device, &pool_info, NULL, &pool));
    info.commandPool = pool;
    PV_PROG_VK(vkAllocateCommandBuffers(gpu->device, &info, &commands));
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        uint32_t want[WORDS];

        pv_prog_commands_start(commands, VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT);
        vkCmdFillBuffer(commands, buffer.buffer, 0, VK_WHOLE_SIZE, self->index << 16 | round);
        pv_prog_barrier_all(commands);
        PV_PROG_VK(vkEndCommandBuffer(commands));
        pthread_mutex_lock(self->queue_mutex);
        pv_prog_timeline_submit(self->queue, commands, semaphore, round - 1, semaphore, round,
                                VK_NULL_HANDLE);
        pthread_mutex_unlock(self->queue_mutex);
        pv_prog_timeline_wait(gpu, semaphore, round);
        for (uint32_t i = 0; i < WORDS; i++) {
            want[i] = self->index << 16 | round;
        }
        pv_prog_expect_words(self->name, buffer.mapped, want, WORDS);
        PV_PROG_VK(vkResetCommandBuffer(commands, 0));
    }
    vkDestroyCommandPool(gpu->device, pool, NULL);
    pv_prog_buffer_destroy(gpu, &buffer);
    vkDestroySemaphore(gpu->device, semaphore, NULL);
    return NULL;
}

void pv_prog_timeline_threads(struct pv_prog_gpu *gpu, const char *name)
{
    struct submitter submitters[THREADS];
    pthread_mutex_t mutexes[PV_PROG_QUEUES_MAX];

    for (uint32_t i = 0; i < PV_PROG_QUEUES_MAX; i++) {
        pthread_mutex_init(&mutexes[i], NULL);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        const uint32_t queue = i % gpu->queue_count;

        submitters[i] = (struct submitter){
            .gpu = gpu,
            .name = name,
            .index = i,
            .queue = gpu->queues[queue],
            .queue_mutex = &mutexes[queue],
        };
        if (pthread_create(&submitters[i].thread, NULL, submit_rounds, &submitters[i]) != 0) {
            pv_prog_fail("case %s: cannot start a thread", name);
        }
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(submitters[i].thread, NULL);
    }
    PV_PROG_VK(vkDeviceWaitIdle(gpu->device));
    pv_prog_case_ok(name);
}

struct sleeper {
    struct pv_prog_gpu *gpu;
    VkSemaphore ping; /* signalled by the main thread or its queue */
    VkSemaphore pong; /* signalled by the sleeper */
};

static void *sleep_and_answer(void *argument)
{
    struct sleeper *self = argument;

    for (uint64_t round = 1; round <= ROUNDS; round++) {
        const VkSemaphoreSignalInfo info = {
            .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
            .semaphore = self->pong,
            .value = round,
        };

        pv_prog_timeline_wait(self->gpu, self->ping, round);
        PV_PROG_VK(vkSignalSemaphore(self->gpu->device, &info));
    }
    return NULL;
}

void pv_prog_timeline_sleeper(struct pv_prog_gpu *gpu, const char *name)
{
    struct sleeper sleeper = {
        .gpu = gpu,
        .ping = pv_prog_timeline_create(gpu, 0),
        .pong = pv_prog_timeline_create(gpu, 0),
    };
    const struct timespec pause = {0, 2000000};
    pthread_t thread;

    if (pthread_create(&thread, NULL, sleep_and_answer, &sleeper) != 0) {
        pv_prog_fail("case %s: cannot start a thread", name);
    }
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        if (round % 5 == 0) {
            nanosleep(&pause, NULL); /* now and then the sleeper is really asleep */
        }
        if (round % 2 == 0) {
            const VkSemaphoreSignalInfo info = {
                .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO,
                .semaphore = sleeper.ping,
                .value = round,
            };

            PV_PROG_VK(vkSignalSemaphore(gpu->device, &info));
        } else { /* by the GPU, which itself waits for the last answer */
            pv_prog_timeline_submit(gpu->queue, VK_NULL_HANDLE, sleeper.pong, round - 1,
                                    sleeper.ping, round, VK_NULL_HANDLE);
        }
        pv_prog_timeline_wait(gpu, sleeper.pong, round);
    }
    pthread_join(thread, NULL);
    PV_PROG_VK(vkDeviceWaitIdle(gpu->device));
    vkDestroySemaphore(gpu->device, sleeper.ping, NULL);
    vkDestroySemaphore(gpu->device, sleeper.pong, NULL);
    pv_prog_case_ok(name);
}
