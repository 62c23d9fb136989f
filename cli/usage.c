/* SPDX-License-Identifier: MIT */
/* Arguments that make no sense; see the header. */
#include "cli/usage.h"

#include <stdarg.h>
#include <stdio.h>

#include "cli/commands.h"

int pv_cli_usage_error(const char *command, const char *format, ...)
{
    va_list arguments;

    (void)fprintf(stderr, "pearvisor %s: ", command);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "; see 'pearvisor %s --help'\n", command);
    return PV_CLI_USAGE;
}

bool pv_cli_log_configure(struct pv_base_log *log, const char *specification)
{
    if (specification == NULL || pv_base_log_configure(log, specification) == 0) {
        return true;
    }
    (void)fprintf(stderr,
                  "pearvisor: --log wants TOPIC=LEVEL,... with levels error, warn, info and debug, "
                  "not '%s'\n",
                  specification);
    return false;
}
