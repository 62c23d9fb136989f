/* SPDX-License-Identifier: MIT */
/*
 * hosts/doctor/facts_json.c: facts survive the way to JSON and back; broken profiles are refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "doctor/facts_json.h"
#include "doctor/view_json.h"
#include "support/profile.h"

static void test_round_trip(void **state)
{
    static const char *const profiles[] = {"lavapipe-25.0.7", "nvidia-h200-580.159",
                                           "kosmickrisp-26"};
    static struct pv_vkhost_facts before;
    static struct pv_vkhost_facts after;

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(profiles); i++) {
        json_t *json;

        pv_test_profile_load(profiles[i], &before);
        json = pv_doctor_facts_to_json(&before);
        assert_int_equal(pv_doctor_facts_from_json(json, &after), 0);
        assert_memory_equal(&after, &before, sizeof(after));
        json_decref(json);
    }
}

static void test_broken_profiles(void **state)
{
    static const struct {
        const char *key;
        const char *value;
    } breaks[] = {
        {"device_type", "\"quantum\""},
        {"api_version", "\"one\""},
        {"api_version", "3"},
        {"device_name", "[]"},
        {"memory_types", "[{\"heap\": 9, \"flags\": []}]"},
        {"memory_types", "[{\"heap\": 0, \"flags\": [\"SHINY\"]}]"},
        {"memory_types", "[{\"heap\": 0, \"flags\": [7]}]"},
        {"memory_types", "{}"},
        {"memory_heaps", "[1]"},
        {"import_types", "[32]"},
        {"import_types", "[-1]"},
        {"import_types", "3"},
        {"queue_families", "[[], [], [], [], [], [], [], [], [], [], [], [], [], [], [], [], []]"},
        {"extensions", "{\"VK_X\": \"new\"}"},
        {"driver_id", "4294967296"},
        {"timeline_semaphore", "1"},
    };
    static struct pv_vkhost_facts facts;

    (void)state;
    for (size_t i = 0; i < PV_ARRAY_LEN(breaks); i++) {
        json_t *json;

        pv_test_profile_load("lavapipe-25.0.7", &facts);
        json = pv_doctor_facts_to_json(&facts);
        json_object_set_new(json, breaks[i].key,
                            json_loads(breaks[i].value, JSON_DECODE_ANY, NULL));
        assert_int_equal(pv_doctor_facts_from_json(json, &facts), -EINVAL);
        json_decref(json);
    }
    assert_int_equal(pv_doctor_facts_from_json(NULL, &facts), -EINVAL);
}

static void check_versions(const struct pv_vkhost_facts *facts, const struct pv_vkhost_view *view,
                           const char *offered, const char *guest, const char *limit)
{
    json_t *json = pv_doctor_versions_to_json(facts, view);
    const char *text = json_string_value(json_object_get(json, "guest_limit"));

    assert_string_equal(json_string_value(json_object_get(json, "offered")), offered);
    assert_string_equal(json_string_value(json_object_get(json, "guest")), guest);
    assert_non_null(text);
    assert_non_null(strstr(text, limit));
    assert_int_equal(text[0] == '\0', limit[0] == '\0');
    json_decref(json);
}

/* The lowest of what the host has, what the codec carries and what the guest's driver knows. */
static void test_versions(void **state)
{
    static struct pv_vkhost_facts facts;
    static struct pv_vkhost_view view;

    (void)state;
    pv_test_profile_load("lavapipe-25.0.7", &facts);
    pv_test_profile_view(&facts, &view);
    check_versions(&facts, &view, "1.4.305", "1.3.269", "Mesa");
    view.api_version = VK_MAKE_API_VERSION(0, 1, 3, 269);
    check_versions(&facts, &view, "1.3.269", "1.3.269", "");
    view.api_version = VK_MAKE_API_VERSION(0, 1, 1, 300);
    check_versions(&facts, &view, "1.1.300", "1.1.300", "");
    view.api_version = VK_MAKE_API_VERSION(0, 1, 4, 305);
    view.extension_count = 0;
    check_versions(&facts, &view, "1.4.305", "1.2.0", "synchronization2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_broken_profiles),
        cmocka_unit_test(test_versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
