/* SPDX-License-Identifier: MIT */
/*
 * hosts/vtest/sync.c: counters, waits on all and any, and their caps.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "vtest/sync.h"

static bool is_readable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    assert_true(poll(&entry, 1, 0) >= 0);
    return entry.revents == POLLIN;
}

static void test_counters(void **state)
{
    struct pv_vtest_syncs *syncs;
    uint64_t value;
    uint32_t id;

    (void)state;
    assert_int_equal(pv_vtest_syncs_create(&syncs), 0);
    assert_int_equal(pv_vtest_syncs_add(syncs, 5, &id), 0);
    assert_true(id > 0);
    assert_true(pv_vtest_syncs_read(syncs, id, &value));
    assert_int_equal(value, 5);
    assert_true(pv_vtest_syncs_write(syncs, id, 2));
    assert_true(pv_vtest_syncs_read(syncs, id, &value));
    assert_int_equal(value, 2);
    assert_true(pv_vtest_syncs_remove(syncs, id));
    assert_false(pv_vtest_syncs_remove(syncs, id));
    assert_false(pv_vtest_syncs_read(syncs, id, &value));
    assert_false(pv_vtest_syncs_write(syncs, 0, 1));
    pv_vtest_syncs_destroy(syncs);
    pv_vtest_syncs_destroy(NULL);
}

static void test_waits(void **state)
{
    struct pv_vtest_sync_target targets[2];
    struct pv_vtest_syncs *syncs;
    int all;
    int any;
    int now;

    (void)state;
    assert_int_equal(pv_vtest_syncs_create(&syncs), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pv_vtest_syncs_add(syncs, 0, &targets[i].id), 0);
        targets[i].value = 10;
    }
    assert_int_equal(pv_vtest_syncs_wait(syncs, false, UINT32_MAX, targets, 2, &all), 0);
    assert_int_equal(pv_vtest_syncs_wait(syncs, true, UINT32_MAX, targets, 2, &any), 0);
    assert_int_equal(pv_vtest_syncs_wait(syncs, false, UINT32_MAX, NULL, 0, &now), 0);
    assert_true(is_readable(now));
    assert_false(is_readable(all));
    assert_false(is_readable(any));
    assert_true(pv_vtest_syncs_write(syncs, targets[0].id, 10));
    assert_true(is_readable(any));
    assert_false(is_readable(all));
    assert_true(pv_vtest_syncs_write(syncs, targets[1].id, 11));
    assert_true(is_readable(all));
    close(all);
    close(any);
    close(now);

    /* An unknown counter is refused; those still open at the end become readable. */
    targets[1].id = 12345;
    assert_int_equal(pv_vtest_syncs_wait(syncs, false, 0, targets, 2, &now), -ENOENT);
    targets[0].value = 1000;
    assert_int_equal(pv_vtest_syncs_wait(syncs, false, UINT32_MAX, targets, 1, &all), 0);
    pv_vtest_syncs_destroy(syncs);
    assert_true(is_readable(all));
    close(all);
}

static void test_caps(void **state)
{
    struct pv_vtest_sync_target target = {.value = 1};
    struct pv_vtest_syncs *syncs;
    uint32_t id;
    int fd;

    (void)state;
    assert_int_equal(pv_vtest_syncs_create(&syncs), 0);
    for (uint32_t i = 0; i < PV_VTEST_SYNC_MAX; i++) {
        assert_int_equal(pv_vtest_syncs_add(syncs, 0, &id), 0);
    }
    assert_int_equal(pv_vtest_syncs_add(syncs, 0, &id), -ENOSPC);
    target.id = id;
    for (uint32_t i = 1; i < PV_VTEST_WAIT_MAX; i++) {
        assert_int_equal(pv_vtest_syncs_wait(syncs, false, UINT32_MAX, &target, 1, &fd), 0);
        close(fd);
    }
    /* Waits that expired make room: nobody looks at them any more. */
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(pv_vtest_syncs_wait(syncs, false, 0, &target, 1, &fd), 0);
        assert_false(is_readable(fd));
        close(fd);
    }
    assert_int_equal(pv_vtest_syncs_wait(syncs, false, UINT32_MAX, &target, 1, &fd), 0);
    assert_int_equal(pv_vtest_syncs_wait(syncs, false, 0, &target, 1, &(int){0}), -ENOSPC);
    pv_vtest_syncs_write_many(syncs, &target, 1);
    assert_false(is_readable(fd));
    pv_vtest_syncs_look(syncs);
    assert_true(is_readable(fd));
    close(fd);
    assert_int_equal(pv_vtest_syncs_wait(syncs, false, 0, &target, 1, &fd), 0);
    close(fd);
    pv_vtest_syncs_destroy(syncs);
}

/* Counters that fences set are seen before they are changed again, and looked at once for many. */
static void test_many_at_once(void **state)
{
    struct pv_vtest_sync_target targets[8];
    struct pv_vtest_syncs *syncs;
    int fds[8];

    (void)state;
    assert_int_equal(pv_vtest_syncs_create(&syncs), 0);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pv_vtest_syncs_add(syncs, 0, &targets[i].id), 0);
        targets[i].value = 5;
        assert_int_equal(pv_vtest_syncs_wait(syncs, false, UINT32_MAX, &targets[i], 1, &fds[i]), 0);
    }
    (void)pv_vtest_syncs_take_work(syncs);
    for (size_t i = 0; i < 7; i++) {
        pv_vtest_syncs_write_many(syncs, &targets[i], 1);
    }
    assert_int_equal(pv_vtest_syncs_take_work(syncs), 0);
    assert_true(pv_vtest_syncs_write(syncs, targets[0].id, 0)); /* it was 5 in between */
    assert_true(pv_vtest_syncs_remove(syncs, targets[1].id));
    assert_true(pv_vtest_syncs_take_work(syncs) <= 2 * 8 + 4);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(is_readable(fds[i]), i < 7);
        close(fds[i]);
    }
    pv_vtest_syncs_destroy(syncs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_caps),
        cmocka_unit_test(test_many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
