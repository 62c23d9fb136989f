/* SPDX-License-Identifier: MIT */
/* The end of a log file, for a user of what failed. Main thread. */
#ifndef PV_CLI_LOG_TAIL_H
#define PV_CLI_LOG_TAIL_H

/*
 * Print the last lines of a file to stderr, without control characters: others wrote it. Nothing
 * if it cannot be read.
 *
 * title  who wrote it, as the subject of a sentence
 */
void pv_cli_log_tail_print(const char *path, const char *title);

#endif
