/* SPDX-License-Identifier: MIT */
/*
 * pv-export: memory that leaves one Vulkan device and arrives in another, of this process or of a
 * second one, which gets the fd over a socket.
 *
 * The exporter writes, the importer looks and writes back, the exporter looks again. What the
 * driver cannot do is skipped; if nothing is left, the exit status is 77.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/commands.h"
#include "common/memory.h"
#include "common/options.h"
#include "common/report.h"
#include "common/scene.h"
#include "export_cases.h"

#define FORMAT VK_FORMAT_B8G8R8A8_UNORM
#define WIDTH  250u /* not a multiple of anything: the pitch matters */
#define HEIGHT 130u
#define WORDS  10000u
#define OPAQUE VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT
#define DMABUF VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT

#define TRANSFER_BUFFER (VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT)
#define IMAGE_USAGE                                                                                \
    (VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VK_IMAGE_USAGE_TRANSFER_SRC_BIT                         \
     | VK_IMAGE_USAGE_TRANSFER_DST_BIT)

const char *const pv_prog_export_extensions[PV_PROG_EXPORT_EXTENSION_COUNT] = {
    [PV_PROG_EXPORT_MEMORY_FD] = VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME,
    [PV_PROG_EXPORT_DMA_BUF] = VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME,
    [PV_PROG_EXPORT_MODIFIER] = VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME,
    [PV_PROG_EXPORT_FOREIGN] = VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME,
    [PV_PROG_EXPORT_SEMAPHORE_FD] = VK_KHR_EXTERNAL_SEMAPHORE_FD_EXTENSION_NAME,
    [PV_PROG_EXPORT_FENCE_FD] = VK_KHR_EXTERNAL_FENCE_FD_EXTENSION_NAME,
};

static uint32_t device_index;   /* --device */
static bool validate;           /* --validate */
static int other_process = -1;  /* socket to the second process */
static uint32_t ran_case_count; /* pv_prog_export_count */

void pv_prog_export_count(void)
{
    ran_case_count++;
}

void pv_prog_export_gpu_open(uint32_t index, bool with_validation, bool quiet,
                             struct pv_prog_gpu *ret_gpu)
{
    pv_prog_gpu_open(
        &(struct pv_prog_gpu_options){.name = "pv-export",
                                      .device_index = index,
                                      .validate = with_validation,
                                      .quiet = quiet,
                                      .optional_extensions = pv_prog_export_extensions,
                                      .optional_count = PV_PROG_EXPORT_EXTENSION_COUNT},
        ret_gpu);
}

/* Send an item and its fd, over a socket that keeps messages apart. */
static void send_item(int socket_fd, const struct pv_prog_export_item *item, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {(void *)(uintptr_t)item, sizeof(*item)};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    if (sendmsg(socket_fd, &message, MSG_NOSIGNAL) != (ssize_t)sizeof(*item)) {
        pv_prog_fail("cannot send to the second process: %s", strerror(errno));
    }
}

/* Returns false at the end of the stream. */
static bool receive_item(int socket_fd, struct pv_prog_export_item *ret_item, int *ret_fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {ret_item, sizeof(*ret_item)};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    ssize_t size = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header;

    if (size == 0) {
        return false;
    }
    header = CMSG_FIRSTHDR(&message);
    if (size != (ssize_t)sizeof(*ret_item) || header == NULL || header->cmsg_type != SCM_RIGHTS) {
        pv_prog_fail("the second process got a broken message");
    }
    memcpy(ret_fd, CMSG_DATA(header), sizeof(*ret_fd));
    return true;
}

/* The second process: a device of its own, made when the first item arrives. */
static int serve(int socket_fd)
{
    struct pv_prog_export_item item;
    struct pv_prog_gpu gpu;
    bool opened = false;
    int fd = -1;

    while (receive_item(socket_fd, &item, &fd)) {
        struct pv_prog_export_answer answer;

        if (!opened) {
            pv_prog_export_gpu_open(device_index, validate, true, &gpu);
            opened = true;
        }
        answer = pv_prog_export_consume(&gpu, &item, fd);
        close(fd);
        if (send(socket_fd, &answer, sizeof(answer), MSG_NOSIGNAL) != (ssize_t)sizeof(answer)) {
            pv_prog_fail("the second process cannot answer: %s", strerror(errno));
        }
    }
    if (opened) {
        pv_prog_gpu_close(&gpu);
    }
    return PV_PROG_EXIT_OK;
}

/* Let the other side look at an item: a second device here, or the second process. */
static struct pv_prog_export_answer consume(const struct pv_prog_export_item *item, int fd,
                                            bool in_other_process)
{
    struct pv_prog_export_answer answer;

    if (in_other_process) {
        send_item(other_process, item, fd);
        if (recv(other_process, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer)) {
            pv_prog_fail("the second process ended before it answered");
        }
    } else {
        struct pv_prog_gpu gpu;

        pv_prog_export_gpu_open(device_index, validate, true, &gpu);
        answer = pv_prog_export_consume(&gpu, item, fd);
        pv_prog_gpu_close(&gpu);
    }
    close(fd);
    return answer;
}

static void expect_answer(const char *name, const struct pv_prog_digest *written,
                          const struct pv_prog_export_answer *answer, const uint32_t *left,
                          size_t word_count)
{
    if (answer->digest != written->value) {
        pv_prog_fail("case %s: written %016llx, the importer saw %016llx", name,
                     (unsigned long long)written->value, (unsigned long long)answer->digest);
    }
    for (size_t i = 0; i < word_count; i++) {
        if (left[i] != answer->left_word) {
            pv_prog_fail("case %s: word %zu is 0x%08x, the importer wrote 0x%08x", name, i, left[i],
                         answer->left_word);
        }
    }
    pv_prog_case_digest(name, *written);
}

/* Draw the cube into the image, read it back, give it away. */
static struct pv_prog_digest draw_and_release(struct pv_prog_gpu *gpu,
                                              const struct pv_prog_linear_image *shared,
                                              const struct pv_prog_image *image,
                                              const struct pv_prog_buffer *pixels)
{
    const struct pv_prog_scene_target target = {shared->image, shared->view};
    struct pv_prog_digest digest = pv_prog_digest_start();
    struct pv_prog_scene *scene =
        pv_prog_scene_create(gpu, &(struct pv_prog_scene_options){
                                      .kind = PV_PROG_SCENE_CUBE,
                                      .color_format = FORMAT,
                                      .extent_px = shared->layout.extent_px,
                                      .dynamic_rendering = true,
                                      .targets = &target,
                                      .target_count = 1,
                                  });
    VkCommandBuffer commands = pv_prog_commands_begin(gpu);

    pv_prog_scene_draw(scene, commands, 0, 3);
    pv_prog_barrier_image(commands, image, VK_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL,
                          VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    pv_prog_image_read(commands, image, pixels->buffer);
    pv_prog_linear_image_release(gpu, commands, shared, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    pv_prog_commands_run(gpu, commands);
    pv_prog_digest_add(&digest, pixels->mapped, pixels->size_bytes);
    pv_prog_scene_destroy(gpu, scene);
    return digest;
}

static void share_image(struct pv_prog_gpu *gpu, const char *name, bool in_other_process)
{
    const char *missing = pv_prog_linear_image_missing(gpu, FORMAT, IMAGE_USAGE);
    struct pv_prog_export_item item = {.handle_type = DMABUF, .is_image = true};
    struct pv_prog_linear_image shared;
    struct pv_prog_image image = {
        .aspect = VK_IMAGE_ASPECT_COLOR_BIT,
        .extent_px = {WIDTH, HEIGHT, 1},
    };
    struct pv_prog_buffer pixels;
    struct pv_prog_digest digest;
    struct pv_prog_export_answer answer;
    VkCommandBuffer commands;

    if (missing != NULL) {
        pv_prog_case_skip(name, missing);
        return;
    }
    pv_prog_export_count();
    pv_prog_linear_image_create(gpu, FORMAT, (VkExtent2D){WIDTH, HEIGHT}, IMAGE_USAGE, &shared);
    pv_prog_buffer_create_host(gpu, WIDTH * HEIGHT * 4, 0, &pixels);
    image.image = shared.image;
    item.layout = shared.layout;
    digest = draw_and_release(gpu, &shared, &image, &pixels);
    answer = consume(&item, pv_prog_linear_image_export(gpu, &shared), in_other_process);
    commands = pv_prog_commands_begin(gpu);
    pv_prog_linear_image_acquire(gpu, commands, &shared, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL);
    pv_prog_image_read(commands, &image, pixels.buffer);
    pv_prog_commands_run(gpu, commands);
    expect_answer(name, &digest, &answer, pixels.mapped, WIDTH * HEIGHT);
    pv_prog_buffer_destroy(gpu, &pixels);
    pv_prog_linear_image_destroy(gpu, &shared);
}

static bool can_share_buffer(struct pv_prog_gpu *gpu, VkExternalMemoryHandleTypeFlagBits type)
{
    const VkPhysicalDeviceExternalBufferInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = TRANSFER_BUFFER,
        .handleType = type,
    };
    const VkExternalMemoryFeatureFlags both =
        VK_EXTERNAL_MEMORY_FEATURE_EXPORTABLE_BIT | VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT;
    VkExternalBufferProperties properties = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES,
    };
    const uint32_t needed =
        1u << PV_PROG_EXPORT_MEMORY_FD | (type == DMABUF ? 1u << PV_PROG_EXPORT_DMA_BUF : 0);

    vkGetPhysicalDeviceExternalBufferProperties(gpu->physical, &info, &properties);
    return (gpu->optional_found & needed) == needed
           && (properties.externalMemoryProperties.externalMemoryFeatures & both) == both;
}

/* An exportable buffer; returns its memory and the fd. */
static VkBuffer create_shared_buffer(struct pv_prog_gpu *gpu, struct pv_prog_export_item *item,
                                     VkDeviceMemory *ret_memory, int *ret_fd)
{
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = item->handle_type,
    };
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = &external,
        .size = item->buffer_bytes,
        .usage = TRANSFER_BUFFER,
    };
    const VkExportMemoryAllocateInfo export = {
        .sType = VK_STRUCTURE_TYPE_EXPORT_MEMORY_ALLOCATE_INFO,
        .handleTypes = item->handle_type,
    };
    PFN_vkGetMemoryFdKHR get_fd =
        (PFN_vkGetMemoryFdKHR)pv_prog_gpu_function(gpu, "vkGetMemoryFdKHR");
    VkMemoryGetFdInfoKHR get = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_GET_FD_INFO_KHR,
        .handleType = item->handle_type,
    };
    VkMemoryRequirements requirements;
    VkBuffer buffer;

    PV_PROG_VK(vkCreateBuffer(gpu->device, &info, NULL, &buffer));
    vkGetBufferMemoryRequirements(gpu->device, buffer, &requirements);
    item->layout.size_bytes = requirements.size;
    item->memory_type = pv_prog_memory_type_find(gpu, requirements.memoryTypeBits, 0);
    get.memory = pv_prog_memory_allocate(gpu, &requirements, 0, &export);
    PV_PROG_VK(vkBindBufferMemory(gpu->device, buffer, get.memory, 0));
    PV_PROG_VK(get_fd(gpu->device, &get, ret_fd));
    *ret_memory = get.memory;
    return buffer;
}

static void share_buffer(struct pv_prog_gpu *gpu, const char *name,
                         VkExternalMemoryHandleTypeFlagBits handle_type, bool in_other_process)
{
    struct pv_prog_export_item item = {.handle_type = handle_type, .buffer_bytes = WORDS * 4};
    const VkBufferCopy region = {0, 0, WORDS * 4};
    struct pv_prog_digest digest = pv_prog_digest_start();
    struct pv_prog_export_answer answer;
    struct pv_prog_buffer words;
    VkDeviceMemory memory;
    VkBuffer buffer;
    VkCommandBuffer commands;
    int fd;

    if (!can_share_buffer(gpu, handle_type)) {
        pv_prog_case_skip(name, "no export and import of such buffers");
        return;
    }
    pv_prog_export_count();
    pv_prog_buffer_create_host(gpu, WORDS * 4, 0, &words);
    for (uint32_t i = 0; i < WORDS; i++) {
        ((uint32_t *)words.mapped)[i] = i * 2654435761u;
    }
    pv_prog_digest_add(&digest, words.mapped, WORDS * 4);
    buffer = create_shared_buffer(gpu, &item, &memory, &fd);
    commands = pv_prog_commands_begin(gpu);
    vkCmdCopyBuffer(commands, words.buffer, buffer, 1, &region);
    pv_prog_commands_run(gpu, commands);
    answer = consume(&item, fd, in_other_process);
    commands = pv_prog_commands_begin(gpu);
    vkCmdCopyBuffer(commands, buffer, words.buffer, 1, &region);
    pv_prog_commands_run(gpu, commands);
    expect_answer(name, &digest, &answer, words.mapped, WORDS);
    pv_prog_buffer_destroy(gpu, &words);
    vkDestroyBuffer(gpu->device, buffer, NULL);
    vkFreeMemory(gpu->device, memory, NULL);
}

static void run_opaque(struct pv_prog_gpu *gpu, const char *name)
{
    share_buffer(gpu, name, OPAQUE, false);
}

static void run_opaque_process(struct pv_prog_gpu *gpu, const char *name)
{
    share_buffer(gpu, name, OPAQUE, true);
}

static void run_dma_buf(struct pv_prog_gpu *gpu, const char *name)
{
    share_buffer(gpu, name, DMABUF, false);
}

static void run_dma_buf_process(struct pv_prog_gpu *gpu, const char *name)
{
    share_buffer(gpu, name, DMABUF, true);
}

static void run_image(struct pv_prog_gpu *gpu, const char *name)
{
    share_image(gpu, name, false);
}

static void run_image_process(struct pv_prog_gpu *gpu, const char *name)
{
    share_image(gpu, name, true);
}

/* Start the second process before this one knows any Vulkan: drivers do not survive a fork. */
static pid_t start_other_process(void)
{
    int sockets[2];
    pid_t child;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        pv_prog_fail("cannot make a socket pair: %s", strerror(errno));
    }
    child = fork();
    if (child < 0) {
        pv_prog_fail("cannot start a second process: %s", strerror(errno));
    }
    if (child == 0) {
        close(sockets[0]);
        _exit(serve(sockets[1]));
    }
    close(sockets[1]);
    other_process = sockets[0];
    return child;
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: pv-export [options]\n"
        "Export memory, images and fences, and import them elsewhere.\n\n" PV_PROG_OPTION_HELP_TEXT;
    static const struct pv_prog_case cases[] = {
        {"opaque", run_opaque},
        {"opaque-process", run_opaque_process},
        {"dma-buf", run_dma_buf},
        {"dma-buf-process", run_dma_buf_process},
        {"image", run_image},
        {"image-process", run_image_process},
        {"semaphore", pv_prog_export_semaphore},
        {"fence", pv_prog_export_fence},
    };
    const size_t case_count = sizeof(cases) / sizeof(cases[0]);
    const struct pv_prog_options options = pv_prog_options_parse(argc, argv, usage);
    struct pv_prog_gpu gpu;
    pid_t child;
    int status = 0;

    if (options.list) {
        pv_prog_cases_run(NULL, &options, cases, case_count);
        return PV_PROG_EXIT_OK;
    }
    device_index = options.device_index;
    validate = options.validate;
    child = start_other_process();
    pv_prog_export_gpu_open(device_index, validate, false, &gpu);
    pv_prog_cases_run(&gpu, &options, cases, case_count);
    pv_prog_gpu_close(&gpu);
    close(other_process);
    if (waitpid(child, &status, 0) != child || status != 0) {
        pv_prog_fail("the second process failed");
    }
    if (ran_case_count == 0) {
        pv_prog_skip("the driver exports nothing that it imports");
    }
    return PV_PROG_EXIT_OK;
}
