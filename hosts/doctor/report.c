/* SPDX-License-Identifier: MIT */
/*
 * Making the report: one function per check, each appending one entry or more. How it is printed
 * stands in report_print.c.
 */
#include "doctor/report.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "os/process.h"
#include "vm/accel.h"
#include "vm/initrd.h"
#include "vm/qemu.h"
#include "vm/runtime.h"

/* A first start of a driver that compiles its shaders; usual is 0.2 s. */
#define PROBE_TIMEOUT_MS 20000
/* Facts and view of 16 devices with 512 extensions take 1 MiB. */
#define PROBE_OUTPUT_MAX_BYTES ((off_t)16 << 20)

static const char ok[] = "ok";
static const char note[] = "note";
static const char missing[] = "missing";

static void PV_PRINTF(5, 6) check_add(json_t *checks, const char *name, const char *state,
                                      const char *fix, const char *format, ...)
{
    char text[1024];
    va_list values;

    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:s}", "name", name, "state", state,
                                            "text", text, "fix", fix));
}

/* A member's text, or "". */
static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* ---- the host driver ---- */

/* What the guest's Mesa wants before it offers swapchains and Vulkan 1.3. */
static const struct {
    const char *extension;
    const char *without;
} gates[] = {
    {"VK_EXT_external_memory_dma_buf", "guests get no swapchains"},
    {"VK_EXT_image_drm_format_modifier", "guests get no swapchains"},
    {"VK_EXT_queue_family_foreign", "guests get no swapchains"},
    {"VK_KHR_external_semaphore_fd", "guests get no swapchains"},
    {"VK_KHR_synchronization2", "guests see Vulkan 1.2 at most"},
    {"VK_KHR_timeline_semaphore", "guests get no timeline semaphores, so no Zink and no GL"},
};

/* Returns whether guests in a VM can use the device. */
static bool check_device(const json_t *device, json_t *checks)
{
    const json_t *view = json_object_get(device, "view");
    const json_t *extensions = json_object_get(view, "extensions");
    const json_t *versions = json_object_get(device, "versions");
    const char *name = json_string_value(json_object_get(view, "device_name"));
    const char *limit = text_of(versions, "guest_limit");

    check_add(checks, "vulkan", ok, "", "%s: host %s, guests see %s%s%s%s, with %zu extensions",
              name != NULL ? name : "?", text_of(versions, "host"), text_of(versions, "guest"),
              limit[0] != '\0' ? " (" : "", limit, limit[0] != '\0' ? ")" : "",
              json_object_size(extensions));
    for (size_t i = 0; i < PV_ARRAY_LEN(gates); i++) {
        if (json_object_get(extensions, gates[i].extension) == NULL) {
            check_add(checks, "vulkan", note, "", "%s has no %s: %s", name != NULL ? name : "?",
                      gates[i].extension, gates[i].without);
        }
    }
    if (!json_is_true(json_object_get(view, "pages_can_move"))) {
        check_add(checks, "vulkan", note, "",
                  "%s pins the memory that it is given, so programs in a VM cannot map GPU memory "
                  "on it yet; 'pearvisor vtest' works",
                  name != NULL ? name : "?");
        return false;
    }
    return true;
}

void pv_doctor_report_check_vulkan(const json_t *vulkan, json_t *checks)
{
    static const char fix[] = "install your GPU's Vulkan driver, or run scripts/setup --for=demo "
                              "and '. build/sysroot/env.sh' for one that renders in software; "
                              "PV_HOST_ICD chooses one";
    const json_t *error = json_object_get(vulkan, "error");
    const json_t *devices = json_object_get(vulkan, "devices");
    size_t usable_count = 0;
    size_t vm_count = 0;
    size_t index;
    json_t *device;

    json_array_foreach(devices, index, device)
    {
        if (json_is_true(json_object_get(device, "usable"))) {
            vm_count += check_device(device, checks) ? 1 : 0;
            usable_count++;
        }
    }
    json_array_foreach(devices, index, device)
    {
        if (!json_is_true(json_object_get(device, "usable"))) {
            const char *reason = json_string_value(json_object_get(device, "reason"));

            check_add(checks, "vulkan", usable_count > 0 ? note : missing,
                      usable_count > 0 ? "" : fix, "%s", reason != NULL ? reason : "unknown");
        }
    }
    if (json_is_string(error)) {
        check_add(checks, "vulkan", missing, fix, "%s", json_string_value(error));
    } else if (json_array_size(devices) == 0) {
        check_add(checks, "vulkan", missing, fix, "there is no Vulkan device");
    } else if (usable_count > 0 && vm_count == 0) {
        check_add(checks, "vulkan", missing,
                  "use a CPU driver such as lavapipe for VMs: PV_HOST_ICD chooses one",
                  "no driver here serves programs in a VM yet");
    }
}

/* What pearvisor-probe wrote, or NULL with *ret_end set as far as it got. */
static json_t *output_parse(int fd)
{
    struct stat status;
    json_t *json = NULL;
    void *text;

    if (fstat(fd, &status) != 0 || status.st_size <= 0 || status.st_size > PROBE_OUTPUT_MAX_BYTES) {
        return NULL;
    }
    text = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (text != MAP_FAILED) {
        json = json_loadb(text, (size_t)status.st_size, 0, NULL);
        munmap(text, (size_t)status.st_size);
    }
    return json;
}

static json_t *probe_run(const char *path, const char *sandbox, int output_fd, json_t *checks)
{
    const char *const arguments[] = {path, sandbox, NULL};
    const struct pv_os_process_options options = {.arguments = arguments, .output_fd = output_fd};
    struct pv_os_process process = {0};
    struct pv_os_process_end end = {0};
    json_t *vulkan = NULL;
    int r = pv_os_process_spawn(&options, &process);

    if (r != 0) {
        check_add(checks, "vulkan", missing, "build everything: ninja -C BUILD",
                  "%s cannot be started: %s", path, strerror(-r));
        return NULL;
    }
    r = pv_os_process_reap(&process, PROBE_TIMEOUT_MS, &end);
    if (r != 0) {
        pv_os_process_kill(&process);
        check_add(checks, "vulkan", missing, "choose another driver with PV_HOST_ICD",
                  "the Vulkan driver did not answer within %d s", PROBE_TIMEOUT_MS / 1000);
        return NULL;
    }
    if (end.by_signal) {
        check_add(checks, "vulkan", missing, "choose another driver with PV_HOST_ICD",
                  "the Vulkan driver crashed (%s)", strsignal(end.value));
        return NULL;
    }
    if (end.value == 0) {
        vulkan = output_parse(output_fd);
    }
    if (vulkan == NULL) {
        check_add(checks, "vulkan", missing, "", "%s failed with status %d", path, end.value);
    }
    return vulkan;
}

static json_t *probe_in(const struct pv_doctor_options *options, const char *sandbox,
                        json_t *checks)
{
    const int fd = memfd_create("pearvisor-doctor", MFD_CLOEXEC);
    json_t *vulkan = NULL;

    if (fd < 0) {
        check_add(checks, "vulkan", missing, "", "no memory for the driver's report: %s",
                  strerror(errno));
        return NULL;
    }
    vulkan = probe_run(options->probe_path, sandbox, fd, checks);
    close(fd);
    return vulkan;
}

static size_t usable_count_of(const json_t *vulkan)
{
    const json_t *device;
    size_t usable_count = 0;
    size_t index;

    json_array_foreach(json_object_get(vulkan, "devices"), index, device)
    {
        usable_count += json_is_true(json_object_get(device, "usable")) ? 1 : 0;
    }
    return usable_count;
}

/* The driver is asked in the workers' sandbox; if it fails there, without, to see which it is. */
static json_t *check_vulkan(const struct pv_doctor_options *options, json_t *checks)
{
    json_t *of_first = json_array();
    json_t *of_second = json_array();
    json_t *vulkan = probe_in(options, "--sandbox=full", of_first);
    json_t *without =
        usable_count_of(vulkan) == 0 ? probe_in(options, "--sandbox=none", of_second) : NULL;

    if (usable_count_of(without) > 0) {
        check_add(checks, "sandbox", missing,
                  "'pearvisor vtest --sandbox=measure -- vulkaninfo --summary' names what it "
                  "wants; --sandbox=none runs it unprotected",
                  "the Vulkan driver works, but not in the sandbox of the workers");
        json_decref(vulkan);
        vulkan = json_incref(without);
    } else {
        json_array_extend(checks, of_first);
        pv_doctor_report_check_sandbox(vulkan, checks);
    }
    json_decref(without);
    json_decref(of_first);
    json_decref(of_second);
    if (vulkan != NULL) {
        pv_doctor_report_check_vulkan(vulkan, checks);
    }
    return vulkan;
}

/* ---- the sandbox ---- */

void pv_doctor_report_check_sandbox(const json_t *vulkan, json_t *checks)
{
    const json_t *sandbox = json_object_get(vulkan, "sandbox");
    char held[256] = "";
    size_t absent_count = 0;
    size_t tried_count = 0;
    size_t index;
    const json_t *entry;

    json_array_foreach(json_object_get(sandbox, "stages"), index, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));
        const char *state = json_string_value(json_object_get(entry, "state"));
        const char *detail = json_string_value(json_object_get(entry, "detail"));
        const size_t used = strlen(held);

        if (name == NULL || state == NULL || detail == NULL) {
            continue;
        }
        if (strcmp(state, "holds") == 0) {
            snprintf(held + used, sizeof(held) - used, "%s%s", used > 0 ? ", " : "", name);
        } else {
            absent_count++;
            check_add(checks, "sandbox", note, "", "workers: %s %s: %s", name,
                      strcmp(state, "partly") == 0 ? "hold in part" : "do not hold here", detail);
        }
    }
    json_array_foreach(json_object_get(sandbox, "trials"), index, entry)
    {
        tried_count++;
        if (!json_is_true(json_object_get(entry, "refused"))) {
            absent_count++;
            check_add(checks, "sandbox", note, "", "a worker that was taken over could: %s",
                      text_of(entry, "name"));
        }
    }
    if (held[0] == '\0') {
        return;
    }
    if (absent_count == 0) {
        check_add(checks, "sandbox", ok, "",
                  "workers are held by %s; all of %zu attempts to get out failed", held,
                  tried_count);
    } else {
        check_add(checks, "sandbox", note, "", "workers are held by %s", held);
    }
}

/* ---- the virtual machine ---- */

static bool check_qemu(const struct pv_doctor_options *options, struct pv_vm_qemu *ret_qemu,
                       json_t *checks)
{
    enum pv_vm_qemu_state state;
    char text[512] = "";

    if (options->arch == NULL) {
        check_add(checks, "qemu", missing, "", "guests are not known for this processor");
        return false;
    }
    state = pv_vm_qemu_find(options->arch, options->qemu_path, ret_qemu);
    if (state != PV_VM_QEMU_USABLE) {
        pv_vm_qemu_explain(state, ret_qemu, text, sizeof(text));
        check_add(checks, "qemu", missing, "", "%s", text);
        return false;
    }
    check_add(checks, "qemu", ok, "", "%s, version %u.%u", ret_qemu->path, ret_qemu->major,
              ret_qemu->minor);
    return true;
}

static bool check_image(const struct pv_doctor_options *options, struct pv_vm_image *ret_image,
                        json_t *checks)
{
    char fix[256];
    int r;

    if (options->store == NULL) {
        check_add(checks, "image", missing, "", "it is not known where guest images are");
        return false;
    }
    snprintf(fix, sizeof(fix), "pearvisor image build %s", options->image_name);
    r = pv_vm_image_find(options->store, options->image_name, ret_image);
    if (r != 0) {
        /* The demo builds it. */
        check_add(checks, "image", note, r == -EINVAL ? "" : fix, "the guest image '%s' %s%s",
                  options->image_name,
                  r == -ENOENT   ? "is not built yet"
                  : r == -EINVAL ? "cannot be: that is no name of an image"
                                 : "cannot be read: ",
                  r == -ENOENT || r == -EINVAL ? "" : strerror(-r));
        return false;
    }
    if (ret_image->is_outdated) {
        check_add(checks, "image", note, fix,
                  "the guest image %s is out of date: its recipe has "
                  "changed",
                  options->image_name);
    } else {
        check_add(checks, "image", ok, "", "%s", ret_image->folder);
    }
    return true;
}

static void check_accel(const struct pv_doctor_options *options, const struct pv_vm_qemu *qemu,
                        const struct pv_vm_image *image, json_t *checks)
{
    struct pv_vm_runtime runtime = {.lock_fd = -1};
    struct pv_vm_accel accel = {0};
    char initrd[PV_VM_RUNTIME_PATH_MAX];
    const struct pv_vm_accel_options probe = {
        .arch = options->arch,
        .qemu_path = qemu->path,
        .kernel_path = image->kernel,
        .initrd_path = initrd,
        .cache_path = options->store->cache_path,
        /* Who asks wants to know what is, not what was; `run` then uses this answer. */
        .force = true,
    };
    int r = pv_vm_runtime_create(options->runtime_path, NULL, &runtime);

    if (r == 0) {
        r = pv_vm_runtime_file(&runtime, "initrd", initrd);
    }
    if (r == 0) {
        r = pv_vm_initrd_write(initrd, image->modules, options->programs_path);
    }
    if (r == 0) {
        pv_vm_accel_probe(&probe, &accel);
        if (accel.has_kvm) {
            check_add(checks, "accelerator", ok, "", "KVM");
        } else {
            check_add(checks, "accelerator", note, "", "%s; guests run under emulation (TCG)",
                      accel.reason);
        }
    } else {
        check_add(checks, "accelerator", note, "", "KVM was not tried: %s", strerror(-r));
    }
    pv_vm_runtime_destroy(&runtime);
}

/* ---- together ---- */

json_t *pv_doctor_report_run(const struct pv_doctor_options *options)
{
    json_t *checks = json_array();
    json_t *vulkan = check_vulkan(options, checks);
    struct pv_vm_qemu qemu = {0};
    struct pv_vm_image image = {0};
    const bool has_qemu = check_qemu(options, &qemu, checks);
    const bool has_image = check_image(options, &image, checks);
    bool is_ready = true;
    size_t index;
    json_t *check;

    if (has_qemu && has_image && options->programs_path != NULL) {
        check_accel(options, &qemu, &image, checks);
    } else {
        check_add(checks, "accelerator", note, "",
                  "KVM was not tried: that takes a QEMU and a guest image");
    }
    json_array_foreach(checks, index, check)
    {
        is_ready &= strcmp(text_of(check, "state"), missing) != 0;
    }
    return json_pack("{s:b, s:o, s:o}", "ready", (int)is_ready, "checks", checks, "vulkan",
                     vulkan != NULL ? vulkan : json_null());
}

bool pv_doctor_report_is_ready(const json_t *report)
{
    return json_is_true(json_object_get(report, "ready"));
}
