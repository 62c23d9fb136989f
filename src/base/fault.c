/* SPDX-License-Identifier: MIT */
/*
 * Names of the faults, for the one log line that a lost context gets.
 */
#include "base/fault.h"

const char *pv_base_fault_kind_name(enum pv_base_fault_kind kind)
{
    static const char *const names[PV_BASE_FAULT_KIND_COUNT] = {
        [PV_BASE_FAULT_NONE] = "no fault",
        [PV_BASE_FAULT_SHORT] = "stream ends inside a command",
        [PV_BASE_FAULT_COUNT] = "bad count",
        [PV_BASE_FAULT_RANGE] = "offset or size out of range",
        [PV_BASE_FAULT_COMMAND] = "unknown or refused command",
        [PV_BASE_FAULT_STRUCT_TYPE] = "bad sType or pNext chain",
        [PV_BASE_FAULT_TAG] = "bad union tag",
        [PV_BASE_FAULT_POINTER] = "bad NULL or non-NULL pointer",
        [PV_BASE_FAULT_HANDLE] = "no object of that type with that id",
        [PV_BASE_FAULT_ID] = "new object id is zero or in use",
        [PV_BASE_FAULT_RESOURCE] = "bad resource",
        [PV_BASE_FAULT_REPLY] = "reply does not fit or has no stream",
        [PV_BASE_FAULT_STATE] = "command not allowed here",
        [PV_BASE_FAULT_LIMIT] = "limit reached",
        [PV_BASE_FAULT_MEMORY] = "host out of memory",
        [PV_BASE_FAULT_DRIVER] = "host driver lacks it",
    };

    if ((unsigned int)kind >= PV_BASE_FAULT_KIND_COUNT) {
        return "unknown fault";
    }
    return names[kind];
}
