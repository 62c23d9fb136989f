/* SPDX-License-Identifier: MIT */
/*
 * base/id_table.c: dense and sparse ids, refusals, and removal.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/id_table.h"

static const uint64_t ids[] = {
    1,
    2,
    4095,
    4096,
    4097,
    PV_BASE_ID_TABLE_DENSE_MAX - 1,
    PV_BASE_ID_TABLE_DENSE_MAX,
    UINT64_C(0x7f0012345678),
    UINT64_MAX,
};

static void test_each_id_names_its_object(void **state)
{
    struct pv_base_object objects[PV_ARRAY_LEN(ids)] = {0};
    struct pv_base_id_table *table;

    (void)state;
    assert_int_equal(pv_base_id_table_create(&table), 0);
    for (size_t i = 0; i < PV_ARRAY_LEN(ids); i++) {
        objects[i].id = ids[i];
        assert_null(pv_base_id_table_find(table, ids[i]));
        assert_int_equal(pv_base_id_table_add(table, &objects[i]), 0);
        assert_int_equal(pv_base_id_table_add(table, &objects[i]), -EEXIST);
    }
    assert_int_equal(pv_base_id_table_count(table), PV_ARRAY_LEN(ids));
    for (size_t i = 0; i < PV_ARRAY_LEN(ids); i++) {
        assert_ptr_equal(pv_base_id_table_find(table, ids[i]), &objects[i]);
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(ids); i++) {
        struct pv_base_object twin = {.id = ids[i]};

        assert_false(pv_base_id_table_remove_exact(table, &twin));
        assert_true(pv_base_id_table_remove_exact(table, &objects[i]));
        assert_false(pv_base_id_table_remove_exact(table, &objects[i]));
        assert_int_equal(pv_base_id_table_add(table, &objects[i]), 0);
    }
    for (size_t i = 0; i < PV_ARRAY_LEN(ids); i++) {
        assert_ptr_equal(pv_base_id_table_remove(table, ids[i]), &objects[i]);
        assert_null(pv_base_id_table_remove(table, ids[i]));
        assert_null(pv_base_id_table_find(table, ids[i]));
    }
    assert_int_equal(pv_base_id_table_count(table), 0);
    pv_base_id_table_destroy(table);
}

static void test_zero_is_no_id(void **state)
{
    struct pv_base_object object = {.id = 0};
    struct pv_base_id_table *table;

    (void)state;
    assert_int_equal(pv_base_id_table_create(&table), 0);
    assert_int_equal(pv_base_id_table_add(table, &object), -EINVAL);
    assert_null(pv_base_id_table_find(table, 0));
    pv_base_id_table_destroy(table);
    pv_base_id_table_destroy(NULL);
}

/* 4 Mi objects, dense and sparse together, and not one more; the copy of the count follows. */
static void test_object_cap(void **state)
{
    struct pv_base_object *objects = calloc(PV_BASE_ID_TABLE_OBJECT_MAX + 1, sizeof(*objects));
    atomic_uint_fast64_t published = 99;
    struct pv_base_id_table *table;

    (void)state;
    assert_non_null(objects);
    assert_int_equal(pv_base_id_table_create(&table), 0);
    pv_base_id_table_publish_count(table, &published);
    assert_int_equal(published, 0);
    for (size_t i = 0; i <= PV_BASE_ID_TABLE_OBJECT_MAX; i++) {
        objects[i].id = i < 1000 ? PV_BASE_ID_TABLE_DENSE_MAX + i : i;
        if (i < PV_BASE_ID_TABLE_OBJECT_MAX) {
            assert_int_equal(pv_base_id_table_add(table, &objects[i]), 0);
        }
    }
    assert_int_equal(published, PV_BASE_ID_TABLE_OBJECT_MAX);
    assert_int_equal(pv_base_id_table_add(table, &objects[PV_BASE_ID_TABLE_OBJECT_MAX]), -ENOSPC);
    assert_ptr_equal(pv_base_id_table_remove(table, objects[5].id), &objects[5]);
    assert_int_equal(published, PV_BASE_ID_TABLE_OBJECT_MAX - 1);
    assert_int_equal(pv_base_id_table_add(table, &objects[PV_BASE_ID_TABLE_OBJECT_MAX]), 0);
    assert_int_equal(pv_base_id_table_add(table, &objects[5]), -ENOSPC);
    pv_base_id_table_destroy(table);
    free(objects);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_id_names_its_object),
        cmocka_unit_test(test_zero_is_no_id),
        cmocka_unit_test(test_object_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
