/* SPDX-License-Identifier: MIT */
/*
 * base/account.c: the limit holds for all slots together, whoever charges, and a slot that is
 * cleared leaves nothing behind.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/account.h"

#define LIMIT        1000u
#define THREAD_COUNT 4u
#define TRY_COUNT    20000u

static struct pv_base_account *make(void)
{
    struct pv_base_account *account = calloc(1, sizeof(*account));

    assert_non_null(account);
    return account;
}

static void test_limit_of_one_slot(void **state)
{
    struct pv_base_account *account = make();

    (void)state;
    assert_false(pv_base_account_charge(&account->memory, 1, LIMIT + 1, LIMIT));
    assert_false(pv_base_account_charge(&account->memory, 1, UINT64_MAX, LIMIT));
    assert_true(pv_base_account_charge(&account->memory, 1, LIMIT, LIMIT));
    assert_false(pv_base_account_charge(&account->memory, 1, 1, LIMIT));
    assert_false(pv_base_account_charge(&account->memory, 1, UINT64_MAX, LIMIT));
    assert_true(pv_base_account_charge(&account->memory, 1, 0, LIMIT));
    pv_base_account_refund(&account->memory, 1, 1);
    assert_true(pv_base_account_charge(&account->memory, 1, 1, LIMIT));
    assert_int_equal(pv_base_account_bytes(&account->memory, 1), LIMIT);
    free(account);
}

static void test_limit_of_all_slots(void **state)
{
    struct pv_base_account *account = make();
    const uint32_t last = PV_BASE_ACCOUNT_SLOT_COUNT - 1;

    (void)state;
    assert_true(pv_base_account_charge(&account->memory, PV_BASE_ACCOUNT_DEVICE, 400, LIMIT));
    assert_true(pv_base_account_charge(&account->memory, 1, 300, LIMIT));
    assert_false(pv_base_account_charge(&account->memory, last, 301, LIMIT));
    assert_int_equal(pv_base_account_bytes(&account->memory, last), 0);
    assert_true(pv_base_account_charge(&account->memory, last, 300, LIMIT));
    assert_false(pv_base_account_charge(&account->memory, 1, 1, LIMIT));
    assert_int_equal(pv_base_account_sum(&account->memory), LIMIT);
    /* Memory that changes its owner is not refused, but others are from then on. */
    pv_base_account_add(&account->memory, PV_BASE_ACCOUNT_DEVICE, 50);
    pv_base_account_refund(&account->memory, 1, 40);
    assert_false(pv_base_account_charge(&account->memory, 2, 1, LIMIT));
    pv_base_account_clear(account, last);
    assert_true(pv_base_account_charge(&account->memory, 2, 290, LIMIT));
    assert_false(pv_base_account_charge(&account->memory, 2, 1, LIMIT));
    free(account);
}

/* Whatever a worker writes into the slots, sums neither wrap nor let more pass. */
static void test_forged_slots(void **state)
{
    struct pv_base_account *account = make();

    (void)state;
    atomic_store(&account->memory.bytes[3], UINT64_MAX);
    atomic_store(&account->memory.bytes[4], UINT64_MAX - 5);
    assert_true(pv_base_account_sum(&account->memory) == UINT64_MAX);
    assert_false(pv_base_account_charge(&account->memory, 1, 1, LIMIT));
    assert_int_equal(pv_base_account_bytes(&account->memory, 1), 0);
    atomic_store(&account->figures[3].commands[0], UINT64_MAX);
    atomic_store(&account->figures[3].commands[1], 7);
    assert_true(pv_base_account_commands(account, 3) == UINT64_MAX);
    pv_base_account_clear(account, 3);
    pv_base_account_clear(account, 4);
    assert_int_equal(pv_base_account_sum(&account->memory), 0);
    assert_int_equal(pv_base_account_commands(account, 3), 0);
    free(account);
}

struct party {
    struct pv_base_account *account;
    uint32_t slot;
    uint64_t held;
    atomic_uint_fast64_t *all; /* what all parties hold, counted by them */
    bool passed;
};

static void *charge_many(void *user)
{
    struct party *party = user;

    for (uint32_t i = 0; i < TRY_COUNT; i++) {
        if (pv_base_account_charge(&party->account->memory, party->slot, 7, LIMIT)) {
            party->held += 7;
            if (atomic_fetch_add(party->all, 7) + 7 > LIMIT) {
                party->passed = true;
            }
        } else if (party->held > 0) {
            atomic_fetch_sub(party->all, party->held);
            pv_base_account_refund(&party->account->memory, party->slot, party->held);
            party->held = 0;
        }
        pv_base_account_count(&party->account->figures[party->slot].commands[party->slot], 1);
    }
    return NULL;
}

static void test_parties_at_once(void **state)
{
    struct pv_base_account *account = make();
    struct party parties[THREAD_COUNT];
    pthread_t threads[THREAD_COUNT];
    atomic_uint_fast64_t all = 0;
    uint64_t held = 0;

    (void)state;
    for (uint32_t i = 0; i < THREAD_COUNT; i++) {
        parties[i] = (struct party){.account = account, .slot = i, .all = &all};
        assert_int_equal(pthread_create(&threads[i], NULL, charge_many, &parties[i]), 0);
    }
    for (uint32_t i = 0; i < THREAD_COUNT; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(parties[i].passed);
        assert_int_equal(pv_base_account_commands(account, i), TRY_COUNT);
        held += parties[i].held;
    }
    assert_int_equal(pv_base_account_sum(&account->memory), held);
    free(account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_of_one_slot),
        cmocka_unit_test(test_limit_of_all_slots),
        cmocka_unit_test(test_forged_slots),
        cmocka_unit_test(test_parties_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
