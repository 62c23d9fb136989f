/* SPDX-License-Identifier: MIT */
/* The words for --sandbox; see sandbox_mode.h. */
#include "render/sandbox_mode.h"

#include <stddef.h>
#include <string.h>

#include "base/compiler.h"

static const char *const names[] = {
    [PV_RENDER_SANDBOX_FULL] = "full",
    [PV_RENDER_SANDBOX_STRICT] = "strict",
    [PV_RENDER_SANDBOX_MEASURE] = "measure",
    [PV_RENDER_SANDBOX_NONE] = "none",
};

bool pv_render_sandbox_mode_parse(const char *text, enum pv_render_sandbox_mode *ret_mode)
{
    for (size_t i = 0; i < PV_ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_mode = (enum pv_render_sandbox_mode)i;
            return true;
        }
    }
    return false;
}

const char *pv_render_sandbox_mode_name(enum pv_render_sandbox_mode mode)
{
    return (size_t)mode < PV_ARRAY_LEN(names) ? names[mode] : "?";
}
