/* SPDX-License-Identifier: MIT */
/* Numbers on the command line; see the header. */
#include "cli/numbers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool pv_cli_number(const char *option, const char *unit, const char *text, uint32_t min,
                   uint32_t max, uint32_t *ret_value)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || value < min
        || value > max) {
        const bool has_unit = unit != NULL && strcmp(unit, "N") != 0;

        fprintf(stderr, "pearvisor: %s wants %s%sa number from %u to %u, not '%s'\n", option,
                has_unit ? unit : "", has_unit ? ", " : "", min, max, text);
        return false;
    }
    *ret_value = (uint32_t)value;
    return true;
}

/* The power of two that a unit letter stands for, or -1. */
static int unit_bits(const char *unit)
{
    static const char units[] = "KMGT";
    const char *found;

    if (unit[0] == '\0') {
        return 0;
    }
    found = strchr(units, unit[0]);
    return found != NULL && unit[1] == '\0' ? (int)(found - units + 1) * 10 : -1;
}

bool pv_cli_size(const char *option, const char *text, uint64_t min_bytes, uint64_t max_bytes,
                 uint64_t *ret_bytes)
{
    char *end = NULL;
    unsigned long long number;
    int bits;

    errno = 0;
    number = strtoull(text, &end, 10);
    bits = unit_bits(end);
    if (errno == 0 && end != text && text[0] >= '0' && text[0] <= '9' && bits >= 0
        && number <= UINT64_MAX >> bits && number << bits >= min_bytes
        && number << bits <= max_bytes) {
        *ret_bytes = (uint64_t)number << bits;
        return true;
    }
    fprintf(stderr, "pearvisor: %s wants a size such as 512M or 8G, from %llu to %llu bytes\n",
            option, (unsigned long long)min_bytes, (unsigned long long)max_bytes);
    return false;
}
