/* SPDX-License-Identifier: MIT */
/* The Venus capset; see capset.h. */
#include "cli/capset.h"

#include <string.h>

#include "venus_wire/info.h"

void pv_cli_capset_fill(uint32_t ret_words[PV_CLI_CAPSET_WORDS])
{
    memset(ret_words, 0, sizeof(*ret_words) * PV_CLI_CAPSET_WORDS);
    ret_words[0] = PV_WIRE_FORMAT_VERSION;
    ret_words[1] = PV_WIRE_VK_XML_VERSION;
    ret_words[2] = PV_WIRE_COMMAND_SERIALIZATION_VERSION;
    ret_words[3] = PV_WIRE_VENUS_PROTOCOL_VERSION;
    ret_words[4] = 1; /* supports_blob_id_0 */
    memcpy(&ret_words[5], pv_wire_extension_mask, sizeof(pv_wire_extension_mask));
    ret_words[37] = 1; /* allow_vk_wait_syncs */
    ret_words[38] = 1; /* supports_multiple_timelines */
    ret_words[39] = 0; /* use_guest_vram: stock Mesa deadlocks with it */
}
