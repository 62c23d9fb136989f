/* SPDX-License-Identifier: MIT */
/* The options of a renderer back end; see the header. */
#include "cli/backend_options.h"

#include "cli/numbers.h"
#include "cli/usage.h"

static bool check_log(const char *option, const char *value)
{
    struct pv_base_log log;

    (void)option;
    pv_base_log_init(&log, "");
    return pv_cli_log_configure(&log, value);
}

static bool check_sandbox(const char *option, const char *value)
{
    enum pv_render_sandbox_mode mode;

    if (pv_render_sandbox_mode_parse(value, &mode)) {
        return true;
    }
    (void)fprintf(stderr, "pearvisor: %s wants " PV_RENDER_SANDBOX_WORDS ", not '%s'\n", option,
                  value);
    return false;
}

static bool check_window(const char *option, const char *value)
{
    uint64_t bytes = 0;

    if (pv_cli_size(option, value, 0, UINT64_MAX, &bytes) && (bytes & (bytes - 1)) == 0) {
        return true;
    }
    (void)fprintf(stderr, "pearvisor: %s wants a power of two, not '%s'\n", option, value);
    return false;
}

static const struct pv_cli_option backend_rows[] = {
    {.name = "renderer",
     .value = "PATH",
     .help = "the render worker (default: beside this program)",
     .kind = PV_CLI_OPTION_TEXT,
     .offset = offsetof(struct pv_cli_backend, renderer)},
    {.name = "log",
     .value = "SPEC",
     .help = "topics and levels, such as venus=debug,gpu=info",
     .kind = PV_CLI_OPTION_TEXT,
     .check = check_log,
     .offset = offsetof(struct pv_cli_backend, log)},
    {.name = "sandbox",
     .value = "MODE",
     .help = "of render workers: " PV_RENDER_SANDBOX_WORDS "\n"
             "(default full: all that this host has)",
     .kind = PV_CLI_OPTION_TEXT,
     .check = check_sandbox,
     .offset = offsetof(struct pv_cli_backend, sandbox)},
    {.name = "memory-limit",
     .value = "SIZE",
     .help = "memory that all programs of a guest, or of vtest, may make\n"
             "the host hold (default 4G for a guest, 64G for vtest)",
     .kind = PV_CLI_OPTION_SIZE,
     .min = UINT64_C(1) << 20,
     .max = UINT64_C(1) << 46,
     .offset = offsetof(struct pv_cli_backend, memory_max_bytes)},
    {.name = "max-contexts",
     .value = "N",
     .help = "programs that may use Vulkan at once (default and most\n256); each has a process on "
             "the host",
     .kind = PV_CLI_OPTION_NUMBER,
     .min = 1,
     .max = PV_RENDER_CONTEXT_MAX,
     .offset = offsetof(struct pv_cli_backend, context_max)},
};

static const struct pv_cli_option window_rows[] = {
    {.name = "window",
     .value = "SIZE",
     .help = "host-visible window, a power of two (default 8G; sparse)",
     .kind = PV_CLI_OPTION_SIZE,
     .min = UINT64_C(64) << 20,
     .max = UINT64_C(1) << 40,
     .check = check_window,
     .offset = offsetof(struct pv_cli_backend, window_bytes)},
};

struct pv_cli_option_group pv_cli_backend_options(struct pv_cli_backend *backend)
{
    return (struct pv_cli_option_group){backend_rows, PV_ARRAY_LEN(backend_rows), backend};
}

struct pv_cli_option_group pv_cli_window_options(struct pv_cli_backend *backend)
{
    return (struct pv_cli_option_group){window_rows, PV_ARRAY_LEN(window_rows), backend};
}

void pv_cli_backend_fill(const struct pv_cli_backend *backend, const char *renderer,
                         struct pv_render_backend_options *ret_options)
{
    ret_options->renderer = renderer;
    ret_options->log_filter = backend->log;
    if (backend->sandbox != NULL) { /* checked when it was read; else full, which is 0 */
        (void)pv_render_sandbox_mode_parse(backend->sandbox, &ret_options->sandbox);
    }
    ret_options->memory_max_bytes = backend->memory_max_bytes;
    ret_options->context_max = backend->context_max;
    ret_options->window_size_bytes = backend->window_bytes;
}
