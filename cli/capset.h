/* SPDX-License-Identifier: MIT */
/*
 * The Venus capset that guests are given: versions and extensions of the codec.
 * Source: struct virgl_renderer_capset_venus as Mesa reads it (venus_hw.h).
 */
#ifndef PV_CLI_CAPSET_H
#define PV_CLI_CAPSET_H

#include <stdint.h>

#define PV_CLI_CAPSET_WORDS 40u

/* Fill the 160 bytes. */
void pv_cli_capset_fill(uint32_t ret_words[PV_CLI_CAPSET_WORDS]);

#endif
