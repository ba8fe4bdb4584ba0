/* Jobs in hand: a cancel finds the job's number, or whoever learns the number finds the cancel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/live.h"

static const char id[] = "01m85nzy8ahw4z0jv0yezf8qkb0jzfdavzgg";

static void cancel_after_the_number(void **state)
{
    struct live *live = NULL;
    uint64_t number = 0;
    (void)state;
    assert_int_equal(live_create(&live, NULL), LM_OK);
    assert_true(live_open(live, id));
    assert_true(live_number(live, id, 7));
    assert_true(live_cancel(live, id, &number));
    assert_int_equal(number, 7);
    live_end(live, id, NULL);
    assert_false(live_cancel(live, id, &number));
    live_free(live);
}

/* The scheduler has it, but nobody has said its number yet. */
static void cancel_before_the_number(void **state)
{
    struct live *live = NULL;
    uint64_t number = 0;
    (void)state;
    assert_int_equal(live_create(&live, NULL), LM_OK);
    assert_true(live_open(live, id));
    assert_false(live_cancel(live, id, &number));
    assert_false(live_number(live, id, 7));
    live_end(live, id, NULL);
    assert_true(live_open(live, id));
    assert_false(live_cancel(live, id, &number));
    live_end(live, id, NULL);
    assert_false(live_number(live, id, 8)); /* and gone by now */
    assert_int_equal(number, 0);
    live_free(live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancel_after_the_number),
        cmocka_unit_test(cancel_before_the_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
