/* SPDX-License-Identifier: MIT */
/* The user's terminal; see the header. */
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

void pv_cli_terminal_enter(struct pv_cli_terminal *terminal)
{
    struct termios raw;

    if (terminal->is_raw || tcgetattr(STDIN_FILENO, &terminal->saved) != 0) {
        return;
    }
    raw = terminal->saved;
    cfmakeraw(&raw);
    terminal->is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

void pv_cli_terminal_leave(struct pv_cli_terminal *terminal)
{
    if (terminal->is_raw) {
        tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->saved);
        terminal->is_raw = false;
    }
}

bool pv_cli_terminal_size(uint32_t *ret_columns, uint32_t *ret_rows)
{
    struct winsize size;

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0) {
        return false;
    }
    *ret_columns = size.ws_col;
    *ret_rows = size.ws_row;
    return true;
}
