/* SPDX-License-Identifier: MIT */
/*
 * A worker that closes its socket (the first argument) and lives on.
 */
#include <stdlib.h>
#include <unistd.h>

int main(int argument_count, char **arguments)
{
    if (argument_count > 1) {
        (void)close(atoi(arguments[1]));
    }
    (void)pause();
    return 0;
}
