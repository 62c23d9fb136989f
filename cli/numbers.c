/* SPDX-License-Identifier: MIT */
/* Numbers on the command line; see the header. */
#include "cli/numbers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

bool pv_cli_number(const char *option, const char *text, uint32_t min, uint32_t max,
                   uint32_t *ret_value)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || value < min
        || value > max) {
        fprintf(stderr, "pearvisor: %s wants a number from %u to %u, not '%s'\n", option, min, max,
                text);
        return false;
    }
    *ret_value = (uint32_t)value;
    return true;
}
