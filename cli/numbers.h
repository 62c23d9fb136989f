/* SPDX-License-Identifier: MIT */
/* Numbers on the command line. */
#ifndef PV_CLI_NUMBERS_H
#define PV_CLI_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Read a whole decimal number from min to max; else say what `option` wants, and return false.
 * unit: how the help calls the value, such as "MIB"; "N" or NULL: just a number.
 */
bool pv_cli_number(const char *option, const char *unit, const char *text, uint32_t min,
                   uint32_t max, uint32_t *ret_value);

/*
 * Read a size in bytes with an optional K, M, G or T (powers of 1024) from min to max; else say
 * what `option` wants, and return false.
 */
bool pv_cli_size(const char *option, const char *text, uint64_t min_bytes, uint64_t max_bytes,
                 uint64_t *ret_bytes);

#endif
