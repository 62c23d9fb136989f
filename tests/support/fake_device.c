/* SPDX-License-Identifier: MIT */
/*
 * The fake device; see fake_device.h.
 */
#include "support/fake_device.h"

#include <string.h>

#include "guestmem/space.h"
#include "virtio/element.h"

#define REQUEST_MAX 4096u

static void attach(void *user, const struct pv_virtio_transport *transport)
{
    struct fake_device *device = user;

    device->transport = transport;
}

static void detach(void *user)
{
    struct fake_device *device = user;

    device->transport = NULL;
}

static uint64_t features(void *user)
{
    (void)user;
    return 0x1f; /* VIRGL, EDID, RESOURCE_UUID, RESOURCE_BLOB, CONTEXT_INIT */
}

static void start(void *user, uint64_t accepted, bool window_is_mapped)
{
    struct fake_device *device = user;

    device->counts.starts++;
    device->counts.elements = 0;
    device->counts.features = accepted;
    device->counts.window_is_mapped = window_is_mapped;
}

static void pause_device(void *user)
{
    struct fake_device *device = user;

    device->counts.pauses++;
}

static void resume_device(void *user)
{
    struct fake_device *device = user;

    device->counts.resumes++;
}

static void reset(void *user)
{
    struct fake_device *device = user;

    device->counts.resets++;
    while (device->held != NULL) {
        struct pv_virtio_element *element = device->held;

        device->held = element->next;
        element->ops->drop(element);
    }
    device->counts.held = 0;
}

static void config_read(void *user, uint32_t offset_bytes, void *ret_bytes, size_t size_bytes)
{
    struct fake_device *device = user;
    const uint32_t config[4] = {device->events_read, 0, 1, 1};

    memcpy(ret_bytes, (const uint8_t *)config + offset_bytes, size_bytes);
}

static void config_write(void *user, uint32_t offset_bytes, const void *bytes, size_t size_bytes)
{
    struct fake_device *device = user;
    uint32_t config[4] = {0};

    memcpy((uint8_t *)config + offset_bytes, bytes, size_bytes);
    if (config[1] != 0) {
        device->counts.events_clear = config[1];
        device->events_read &= ~config[1];
    }
}

static void release(struct fake_device *device)
{
    while (device->held != NULL) {
        struct pv_virtio_element *element = device->held;
        uint8_t bytes[REQUEST_MAX];
        size_t size_bytes = element->ops->read(element, bytes, sizeof(bytes));

        device->held = element->next;
        device->counts.held--;
        (void)element->ops->write(element, bytes, size_bytes);
        element->ops->complete(element);
    }
}

static void on_timer(void *user)
{
    release(user);
}

/* Enough of virtio-gpu for a probe: no scanout is enabled, one capset that is not ours. */
static void answer_gpu(struct pv_virtio_element *element, const uint8_t *request)
{
    static const struct {
        uint32_t type;
        uint32_t answer;
        size_t size_bytes;
    } answers[] = {
        {0x0100, 0x1101, 408},
        {0x0108, 0x1102, 40},
        {0x0109, 0x1103, 184},
        {0x010a, 0x1104, 1056},
    };
    uint8_t answer[1056] = {0};
    uint32_t type;
    uint32_t code = 0x1100;
    size_t size_bytes = 24;

    memcpy(&type, request, 4);
    for (size_t i = 0; i < PV_ARRAY_LEN(answers); i++) {
        if (answers[i].type == type) {
            code = answers[i].answer;
            size_bytes = answers[i].size_bytes;
        }
    }
    memcpy(answer, request, 24);
    memcpy(answer, &code, 4);
    if (type == 0x0100) {
        const uint32_t mode[6] = {0, 0, 640, 480, 1, 0};

        memcpy(answer + 24, mode, sizeof(mode));
    } else if (type == 0x0108) {
        const uint32_t capset[3] = {4, 0, 160};

        memcpy(answer + 24, capset, sizeof(capset));
    }
    (void)element->ops->write(element, answer, size_bytes);
    element->ops->complete(element);
}

static void peek(struct fake_device *device, struct pv_virtio_element *element, uint64_t addr)
{
    uint8_t bytes[16];
    size_t got_bytes =
        pv_guestmem_space_copy_in(device->transport->guest_memory, addr, bytes, sizeof(bytes));

    (void)element->ops->write(element, bytes, got_bytes);
    element->ops->complete(element);
}

static void queue_element(void *user, uint32_t queue_index, struct pv_virtio_element *element)
{
    struct fake_device *device = user;
    uint8_t request[REQUEST_MAX] = {0};
    uint32_t words[3];
    uint64_t addr;
    size_t size_bytes;

    (void)queue_index;
    device->counts.elements++;
    size_bytes = 12;
    memset(words, 0, sizeof(words));
    if (element->readable_bytes >= 4) {
        /* the first word decides whether the rest is read now or when released */
        (void)element->ops->read(element, words, 4);
    }
    if (words[0] == FAKE_HOLD) {
        element->next = device->held;
        device->held = element;
        device->counts.held++;
        return;
    }
    memcpy(request, words, 4);
    size_bytes = 4 + element->ops->read(element, request + 4, sizeof(request) - 4);
    memcpy(words, request, sizeof(words));
    memcpy(&addr, request + 4, sizeof(addr));
    switch (words[0]) {
    case FAKE_ECHO:
        (void)element->ops->write(element, request, size_bytes);
        break;
    case FAKE_RELEASE:
        release(device);
        break;
    case FAKE_RELEASE_LATER:
        pv_os_timer_set(device->timer, words[1] * UINT64_C(1000000));
        break;
    case FAKE_COUNTS:
        (void)element->ops->write(element, &device->counts, sizeof(device->counts));
        break;
    case FAKE_CONFIG:
        device->events_read = words[1];
        device->transport->ops->config_changed(device->transport->transport);
        break;
    case FAKE_PEEK:
        peek(device, element, addr);
        return;
    default:
        answer_gpu(element, request);
        return;
    }
    element->ops->complete(element);
}

const struct pv_virtio_device_ops fake_device_ops = {
    .device_id = 16,
    .queue_count = 2,
    .config_size_bytes = 16,
    .attach = attach,
    .detach = detach,
    .features = features,
    .start = start,
    .queue_element = queue_element,
    .pause = pause_device,
    .resume = resume_device,
    .reset = reset,
    .config_read = config_read,
    .config_write = config_write,
};

int fake_device_init(struct fake_device *device, struct pv_os_loop *loop)
{
    *device = (struct fake_device){0};
    return pv_os_timer_create(loop, on_timer, device, &device->timer);
}

void fake_device_finish(struct fake_device *device)
{
    pv_os_timer_destroy(device->timer);
}
