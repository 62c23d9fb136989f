/* SPDX-License-Identifier: MIT */
/*
 * hosts/doctor/report.c: what it makes of a probe's answer, and of probes that fail or crash.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "doctor/facts_json.h"
#include "doctor/view_json.h"
#include "doctor/report.h"
#include "support/profile.h"

static struct pv_vkhost_facts facts;
static struct pv_vkhost_view view;

/* What pearvisor-probe would say about one device. */
static json_t *answer_make(const char *profile, bool is_usable)
{
    pv_test_profile_load(profile, &facts);
    pv_test_profile_view(&facts, &view);
    return json_pack("{s:n, s:[{s:b, s:s, s:o, s:o, s:o, s:o}]}", "error", "devices", "usable",
                     (int)is_usable, "reason", is_usable ? "" : "it is made of wood", "facts",
                     pv_doctor_facts_to_json(&facts), "view", pv_doctor_view_to_json(&view),
                     "versions", pv_doctor_versions_to_json(&facts, &view), "items",
                     pv_doctor_items_to_json(&facts));
}

static const char *state_of(const json_t *checks, size_t index)
{
    return json_string_value(json_object_get(json_array_get(checks, index), "state"));
}

static const char *text_of(const json_t *checks, size_t index)
{
    return json_string_value(json_object_get(json_array_get(checks, index), "text"));
}

static json_t *sandbox_make(const char *files_state, bool is_refused)
{
    return json_pack("{s:{s:s, s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}], s:[{s:s, s:b}, {s:s, s:b}]}}",
                     "sandbox", "mode", "full", "stages", "name", "limits", "state", "holds",
                     "detail", "", "name", "files", "state", files_state, "detail", "no Landlock",
                     "trials", "name", "list /tmp", "refused", (int)is_refused, "name",
                     "run a program", "refused", 1);
}

static void test_sandbox_that_holds(void **state)
{
    json_t *checks = json_array();
    json_t *answer = sandbox_make("holds", true);

    (void)state;
    pv_doctor_report_check_sandbox(answer, checks);
    assert_int_equal(json_array_size(checks), 1);
    assert_string_equal(state_of(checks, 0), "ok");
    assert_string_equal(text_of(checks, 0), "workers are held by limits, files; all of 2 attempts "
                                            "to get out failed");
    json_decref(answer);
    json_decref(checks);
}

static void test_sandbox_with_holes(void **state)
{
    json_t *checks = json_array();
    json_t *answer = sandbox_make("absent", false);

    (void)state;
    pv_doctor_report_check_sandbox(answer, checks);
    assert_int_equal(json_array_size(checks), 3);
    assert_string_equal(text_of(checks, 0), "workers: files do not hold here: no Landlock");
    assert_string_equal(text_of(checks, 1), "a worker that was taken over could: list /tmp");
    assert_string_equal(text_of(checks, 2), "workers are held by limits");
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(state_of(checks, i), "note");
    }
    json_decref(answer);
    json_decref(checks);
}

static void test_usable_device(void **state)
{
    json_t *checks = json_array();
    json_t *answer = answer_make("lavapipe-25.0.7", true);

    (void)state;
    pv_doctor_report_check_vulkan(answer, checks);
    assert_int_equal(json_array_size(checks), 1);
    assert_string_equal(state_of(checks, 0), "ok");
    assert_non_null(strstr(text_of(checks, 0), "lavapipe"));
    assert_non_null(
        strstr(text_of(checks, 0), "host 1.4.305, guests see 1.3.269 (the Venus driver"));
    json_decref(answer);
    json_decref(checks);
}

static void test_unusable_device(void **state)
{
    json_t *checks = json_array();
    json_t *answer = answer_make("lavapipe-25.0.7", false);

    (void)state;
    pv_doctor_report_check_vulkan(answer, checks);
    assert_int_equal(json_array_size(checks), 1);
    assert_string_equal(state_of(checks, 0), "missing");
    assert_string_equal(text_of(checks, 0), "it is made of wood");
    json_decref(answer);
    json_decref(checks);
}

static void test_missing_gates_are_told(void **state)
{
    json_t *checks = json_array();
    json_t *answer = answer_make("lavapipe-25.0.7", true);
    json_t *device = json_array_get(json_object_get(answer, "devices"), 0);

    (void)state;
    json_object_del(json_object_get(json_object_get(device, "view"), "extensions"),
                    "VK_KHR_synchronization2");
    pv_doctor_report_check_vulkan(answer, checks);
    assert_int_equal(json_array_size(checks), 2);
    assert_string_equal(state_of(checks, 1), "note");
    assert_non_null(strstr(text_of(checks, 1), "Vulkan 1.2"));
    json_decref(answer);
    json_decref(checks);
}

/* Run a report whose probe is some program; nothing else is there. */
static json_t *report_with(const char *probe_path)
{
    const struct pv_doctor_options options = {.probe_path = probe_path, .image_name = "none"};

    return pv_doctor_report_run(&options);
}

static void expect_failed(const char *probe_path, const char *text)
{
    json_t *report = report_with(probe_path);
    const json_t *checks = json_object_get(report, "checks");

    assert_false(pv_doctor_report_is_ready(report));
    assert_true(json_is_null(json_object_get(report, "vulkan")));
    assert_string_equal(state_of(checks, 0), "missing");
    assert_non_null(strstr(text_of(checks, 0), text));
    json_decref(report);
}

static void test_probe_that_fails(void **state)
{
    (void)state;
    expect_failed("/nonexistent/pearvisor-probe", "cannot be started");
    expect_failed("/bin/false", "failed with status 1");
    expect_failed("/bin/true", "failed with status 0"); /* and said nothing */
}

static void test_probe_that_crashes(void **state)
{
    const char *path = getenv("PV_TEST_CRASHER");

    (void)state;
    assert_non_null(path);
    expect_failed(path, "crashed");
}

static void test_printing_says_all(void **state)
{
    json_t *answer = answer_make("nvidia-h200-580.159", true);
    json_t *checks = json_array();
    json_t *report;
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *file = open_memstream(&text, &text_bytes);

    (void)state;
    assert_non_null(file);
    pv_doctor_report_check_vulkan(answer, checks);
    report = json_pack("{s:b, s:o, s:o}", "ready", 1, "checks", checks, "vulkan", answer);
    pv_doctor_report_print(report, true, file);
    fclose(file);
    assert_non_null(strstr(text, "VK_EXT_image_drm_format_modifier"));
    assert_non_null(strstr(text, "HOST_VISIBLE only where imports work"));
    assert_non_null(strstr(text, "1: DEVICE_LOCAL; own: driver memory, host type 1; shared: our "
                                 "pages, host type 3"));
    assert_non_null(strstr(text, "The demo can work here"));
    free(text);
    json_decref(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sandbox_that_holds),     cmocka_unit_test(test_sandbox_with_holes),
        cmocka_unit_test(test_usable_device),          cmocka_unit_test(test_unusable_device),
        cmocka_unit_test(test_missing_gates_are_told), cmocka_unit_test(test_probe_that_fails),
        cmocka_unit_test(test_probe_that_crashes),     cmocka_unit_test(test_printing_says_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
