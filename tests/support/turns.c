/* SPDX-License-Identifier: MIT */
/* Running an event loop from a test; see the header. */
#include "support/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/clock.h"

#define TURNS       20
#define PATIENCE_NS (UINT64_C(30) * 1000000000)
#define POLL_NS     UINT64_C(2000000)

struct turns {
    struct pv_os_loop *loop;
    struct pv_os_timer *timer;
    int left; /* without a condition */
    bool (*condition)(void *user);
    void *user;
    uint64_t end_ns;
    bool holds;
};

static void on_timer(void *user)
{
    struct turns *turns = user;

    if (turns->condition == NULL) {
        if (--turns->left > 0) {
            pv_os_timer_set(turns->timer, 0);
            return;
        }
    } else {
        turns->holds = turns->condition(turns->user);
        if (!turns->holds && pv_os_clock_now_ns() < turns->end_ns) {
            pv_os_timer_set(turns->timer, POLL_NS);
            return;
        }
    }
    pv_os_loop_stop(turns->loop);
}

static void run(struct turns *turns)
{
    assert_int_equal(pv_os_timer_create(turns->loop, on_timer, turns, &turns->timer), 0);
    pv_os_timer_set(turns->timer, 0);
    assert_int_equal(pv_os_loop_run(turns->loop), 0);
    pv_os_timer_destroy(turns->timer);
}

void pv_test_turns(struct pv_os_loop *loop)
{
    struct turns turns = {.loop = loop, .left = TURNS};

    run(&turns);
}

bool pv_test_turns_until(struct pv_os_loop *loop, bool (*condition)(void *user), void *user)
{
    struct turns turns = {.loop = loop,
                          .condition = condition,
                          .user = user,
                          .end_ns = pv_os_clock_now_ns() + PATIENCE_NS};

    run(&turns);
    return turns.holds;
}
