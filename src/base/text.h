/* SPDX-License-Identifier: MIT */
/*
 * Text of others on its way into logs and onto terminals: names that guests choose, reasons that
 * workers give. Anything but printable ASCII becomes a question mark, so that no text can forge a
 * line or command a terminal.
 *
 * Any thread.
 */
#ifndef PV_BASE_TEXT_H
#define PV_BASE_TEXT_H

#include <stddef.h>

/* Make the text in a buffer printable, and end it there at the latest. size_bytes is not 0. */
void pv_base_text_clean(char *text, size_t size_bytes);

/*
 * Copy a text, made printable: up to its NUL, its size or what the target has room for, whatever
 * comes first.
 *
 * bytes         size_bytes of them; need not end with a NUL
 * ret_text      ends with a NUL
 * target_bytes  room in ret_text; not 0
 */
void pv_base_text_copy(char *ret_text, size_t target_bytes, const char *bytes, size_t size_bytes);

#endif
