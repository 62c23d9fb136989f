/* SPDX-License-Identifier: MIT */
/* The end of a log file; see the header. */
#include "cli/log_tail.h"

#include <stdio.h>

#define LINE_COUNT 20

void pv_cli_log_tail_print(const char *path, const char *title)
{
    static char lines[LINE_COUNT][512];
    unsigned long count = 0;
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        return;
    }
    while (fgets(lines[count % LINE_COUNT], sizeof(lines[0]), file) != NULL) {
        count++;
    }
    fclose(file);
    if (count == 0) {
        fprintf(stderr, "%s said nothing.\n", title);
        return;
    }
    fprintf(stderr, "The last that %s said:\n", title);
    for (unsigned long i = count > LINE_COUNT ? count - LINE_COUNT : 0; i < count; i++) {
        const char *line = lines[i % LINE_COUNT];

        fputs("  ", stderr);
        /* A guest may have written this: no control characters to the user's terminal. */
        for (size_t k = 0; line[k] != '\0' && line[k] != '\n'; k++) {
            const unsigned char byte = (unsigned char)line[k];

            fputc(byte < 0x20 || byte == 0x7f ? '.' : byte, stderr);
        }
        fputc('\n', stderr);
    }
}
