/* SPDX-License-Identifier: MIT */
/* Stages and trials of the sandbox as JSON; see the header. */
#include "doctor/sandbox_json.h"

#include <string.h>

json_t *pv_doctor_sandbox_to_json(const char *mode, const struct pv_os_isolation_report *report,
                                  const struct pv_os_isolation_trial *trials, size_t trial_count)
{
    static const char *const states[] = {
        [PV_OS_ISOLATION_ABSENT] = "absent",
        [PV_OS_ISOLATION_PARTLY] = "partly",
        [PV_OS_ISOLATION_HOLDS] = "holds",
    };
    json_t *stages = json_array();
    json_t *tried = json_array();

    for (int i = 0; i < PV_OS_ISOLATION_STAGE_COUNT; i++) {
        json_array_append_new(
            stages, json_pack("{s:s, s:s, s:s}", "name",
                              pv_os_isolation_stage_name((enum pv_os_isolation_stage)i), "state",
                              states[report->stages[i].state], "detail", report->stages[i].detail));
    }
    for (size_t i = 0; i < trial_count; i++) {
        json_array_append_new(tried,
                              json_pack("{s:s, s:b, s:s}", "name", trials[i].name, "refused",
                                        (int)trials[i].is_refused, "error",
                                        trials[i].error != 0 ? strerror(trials[i].error) : ""));
    }
    return json_pack("{s:s, s:o, s:o}", "mode", mode, "stages", stages, "trials", tried);
}
