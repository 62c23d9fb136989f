/* SPDX-License-Identifier: MIT */
/*
 * The user's terminal: raw while a guest's terminal is shown in it, and always put back.
 */
#ifndef PV_CLI_TERMINAL_H
#define PV_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

struct pv_cli_terminal {
    bool is_raw;
    struct termios saved;
};

/* Keys go through as they are, Ctrl-C included. Does nothing if standard input is no terminal. */
void pv_cli_terminal_enter(struct pv_cli_terminal *terminal);

/* Back to what it was. */
void pv_cli_terminal_leave(struct pv_cli_terminal *terminal);

/* Size of the terminal behind standard input; false if it is none. */
bool pv_cli_terminal_size(uint32_t *ret_columns, uint32_t *ret_rows);

#endif
