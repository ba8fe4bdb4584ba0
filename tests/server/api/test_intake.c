/* The intake: everything posted is run once, in order on one thread, and before it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>

#include "api/intake.h"

enum { TASKS = 1000 };

struct counted {
    struct intake_task task; /* first */
    atomic_uint *runs;
    unsigned *order;
    unsigned number;
};

static void count(struct intake_task *task)
{
    struct counted *counted = (struct counted *)task;
    unsigned before = atomic_fetch_add(counted->runs, 1u);
    if (counted->order)
        counted->order[before] = counted->number;
    free(counted);
}

static void post(struct intake *intake, atomic_uint *runs, unsigned *order, unsigned number)
{
    struct counted *counted = calloc(1, sizeof *counted);
    assert_non_null(counted);
    *counted = (struct counted){.task.run = count, .runs = runs, .order = order, .number = number};
    intake_post(intake, &counted->task);
}

static struct intake *start(uint32_t threads)
{
    struct intake *intake = NULL;
    struct lm_error error = {0};
    assert_int_equal(intake_create(threads, &intake, &error), LM_OK);
    return intake;
}

static void test_all_are_run(void **state)
{
    (void)state;
    atomic_uint runs = 0;
    struct intake *intake = start(4);
    for (unsigned i = 0; i < TASKS; i++)
        post(intake, &runs, NULL, i);
    intake_free(intake);
    assert_int_equal(runs, TASKS);
}

static void test_order(void **state)
{
    (void)state;
    atomic_uint runs = 0;
    unsigned order[TASKS];
    struct intake *intake = start(1);
    for (unsigned i = 0; i < TASKS; i++)
        post(intake, &runs, order, i);
    intake_free(intake);
    for (unsigned i = 0; i < TASKS; i++)
        assert_int_equal(order[i], i);
}

static void test_empty(void **state)
{
    (void)state;
    intake_free(start(2));
    intake_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_run),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
