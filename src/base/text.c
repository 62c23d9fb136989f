/* SPDX-License-Identifier: MIT */
/* Text of others, made printable; see text.h. */
#include "base/text.h"

#include <string.h>

void pv_base_text_clean(char *text, size_t size_bytes)
{
    text[size_bytes - 1] = '\0';
    for (char *c = text; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~') {
            *c = '?';
        }
    }
}

void pv_base_text_copy(char *ret_text, size_t target_bytes, const char *bytes, size_t size_bytes)
{
    const size_t room = target_bytes - 1;
    const size_t length = strnlen(bytes, size_bytes < room ? size_bytes : room);

    memcpy(ret_text, bytes, length);
    ret_text[length] = '\0';
    pv_base_text_clean(ret_text, target_bytes);
}
