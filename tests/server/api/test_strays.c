/* Strays: each is looked at once in a round, and those that are added again come in the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

#include "api/strays.h"

struct round {
    struct strays *strays;
    unsigned calls, sum;
    bool again;
};

static void look(void *context, const char *id)
{
    struct round *round = context;
    round->calls++;
    round->sum += (unsigned)atoi(id);
    if (round->again)
        strays_add(round->strays, id);
}

static void rounds(void **state)
{
    struct round round = {.again = true};
    struct lm_error error = {0};
    (void)state;
    assert_int_equal(strays_create(&round.strays, &error), LM_OK);
    strays_each(round.strays, look, &round);
    assert_int_equal(round.calls, 0);
    strays_add(round.strays, "1");
    strays_add(round.strays, "20");
    strays_add(round.strays, "300");
    assert_int_equal(strays_count(round.strays), 3);
    strays_each(round.strays, look, &round);
    assert_int_equal(round.calls, 3);
    assert_int_equal(round.sum, 321);
    round.again = false;
    strays_each(round.strays, look, &round);
    strays_each(round.strays, look, &round);
    assert_int_equal(round.calls, 6);
    assert_int_equal(round.sum, 642);
    strays_free(round.strays);
}

static void freed_with_what_it_has(void **state)
{
    struct strays *strays = NULL;
    struct lm_error error = {0};
    (void)state;
    assert_int_equal(strays_create(&strays, &error), LM_OK);
    strays_add(strays, "left");
    strays_free(strays);
    strays_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds),
        cmocka_unit_test(freed_with_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
