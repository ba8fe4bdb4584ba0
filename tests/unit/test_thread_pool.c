/* The pool of threads: every index once, no thread number in two places, reuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <sys/resource.h>

#include "codec/thread_pool.h"

enum { THREADS = 4, MOST = 1000 };

struct count {
    atomic_uint calls[MOST];     /* of each index */
    atomic_uint inside[THREADS]; /* tasks that are running under a thread's number */
    atomic_uint collisions;
};

static void count_call(void *argument, uint32_t index, uint32_t thread)
{
    struct count *count = argument;
    if (atomic_fetch_add(&count->inside[thread], 1u) != 0)
        atomic_fetch_add(&count->collisions, 1u);
    atomic_fetch_add(&count->calls[index], 1u);
    atomic_fetch_sub(&count->inside[thread], 1u);
}

static void run_and_check(struct pool *pool, uint32_t n)
{
    static struct count count;
    memset(&count, 0, sizeof count);
    struct lm_parallel parallel = pool_parallel(pool);
    parallel.run(parallel.context, n, count_call, &count);
    assert_int_equal(atomic_load(&count.collisions), 0);
    for (uint32_t i = 0; i < MOST; i++)
        assert_int_equal(atomic_load(&count.calls[i]), i < n);
}

static void calls_every_index_once(void **state)
{
    (void)state;
    for (uint32_t threads = 1; threads <= THREADS; threads++) {
        struct pool *pool = NULL;
        assert_int_equal(pool_create(threads, 0, &pool, NULL), LM_OK);
        assert_int_equal(pool_threads(pool), threads);
        for (uint32_t round = 0; round < 50; round++)
            run_and_check(pool, round % 10);
        run_and_check(pool, MOST);
        pool_free(pool);
    }
}

/* Runs that follow at once find the workers awake, those after a pause asleep. */
static void runs_follow_each_other(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    assert_int_equal(pool_create(THREADS, 0, &pool, NULL), LM_OK);
    for (uint32_t round = 0; round < 2000; round++) {
        run_and_check(pool, 2 + round % 7);
        if (round % 100 == 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    pool_free(pool);
}

static void note_niceness(void *argument, uint32_t index, uint32_t thread)
{
    atomic_int *niceness = argument;
    (void)index;
    atomic_store(&niceness[thread], getpriority(PRIO_PROCESS, 0));
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* the others come, too */
}

/* Those that it starts, not the caller. */
static void its_threads_are_as_nice_as_said(void **state)
{
    (void)state;
    enum { UNSEEN = 100 };
    struct pool *pool = NULL;
    atomic_int niceness[2];
    int before = getpriority(PRIO_PROCESS, 0);
    for (int i = 0; i < 2; i++)
        atomic_init(&niceness[i], UNSEEN);
    assert_int_equal(pool_create(2, 19, &pool, NULL), LM_OK);
    while (atomic_load(&niceness[1]) == UNSEEN)
        pool_run(pool, 20, note_niceness, niceness);
    assert_int_equal(atomic_load(&niceness[0]), before);
    assert_int_equal(atomic_load(&niceness[1]), 19);
    pool_free(pool);
}

static void refuses_odd_numbers_of_threads(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    struct lm_error error = {0};
    assert_int_equal(pool_create(0, 0, &pool, &error), LM_INVALID);
    assert_string_equal(error.text, "threads: 0 is not from 1 to 256");
    assert_int_equal(pool_create(257, 0, &pool, NULL), LM_INVALID);
    assert_null(pool);
    pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_every_index_once),
        cmocka_unit_test(runs_follow_each_other),
        cmocka_unit_test(its_threads_are_as_nice_as_said),
        cmocka_unit_test(refuses_odd_numbers_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
