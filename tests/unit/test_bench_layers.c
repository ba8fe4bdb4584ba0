/* Figures of `bench --layers` from given sums: what they are of, and what is not in any layer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/bench_layers.h"

/* 10 pictures in 0.5 s on two sessions, at 200 GFLOP/s and 20 GB/s. */
static const struct bench_options options = {.samples = 10, .batch = 4, .threads = 2};
static struct lm_step_profile steps[] = {
    {.name = "first",
     .kind = "conv",
     .kernel = "product",
     .time_ns = 400000000,
     .rows = 500,
     .rows_plain = 2000,
     .macs_needed = 10000000000,
     .macs_done = 12000000000,
     .bytes = 1000000000},
    {.name = "second",
     .kind = "channels",
     .kernel = "channels",
     .time_ns = 200000000,
     .rows = 100,
     .rows_plain = 100,
     .bytes = 4000000000},
};
static const struct bench_result result = {
    .seconds = 0.5,
    .sgemm_gflops = 200,
    .stream_gbytes = 20,
    .layers = 2,
    .profile = {.runs = 3, .images = 10, .planning_ns = 100000000, .reading_ns = 60000000},
    .steps = steps,
};

static void expect(double got, double want)
{
    assert_float_equal(got, want, 1e-6);
}

static void test_bound_by_arithmetic(void **state)
{
    (void)state;
    struct layer_figures f = bench_layer(&options, &result, &steps[0]);
    expect(f.ms, 20); /* 400 ms of two sessions over 10 pictures */
    expect(f.share, 0.4);
    expect(f.rows, 50);
    expect(f.active_share, 0.25);
    expect(f.gflops_needed, 2);
    expect(f.gflops_done, 2.4);
    expect(f.megabytes, 100);
    expect(f.gflops_per_s, 100);
    expect(f.gigabytes_per_s, 5);
    expect(f.bound_ms, 10);
    expect(f.excess, 2);
}

static void test_bound_by_memory(void **state)
{
    (void)state;
    struct layer_figures f = bench_layer(&options, &result, &steps[1]);
    expect(f.gflops_needed, 0);
    expect(f.gigabytes_per_s, 40);
    expect(f.bound_ms, 20);
    expect(f.excess, 0.5);
}

/* One picture at a time: one session, whose time is the time that passes. */
static void test_alone(void **state)
{
    (void)state;
    struct bench_options alone = options;
    alone.batch = 1;
    assert_int_equal(bench_sessions(&options), 2);
    assert_int_equal(bench_sessions(&alone), 1);
    expect(bench_layer(&alone, &result, &steps[0]).ms, 40);
}

/* Nothing is known of the machine, or nothing ran: zeros, not infinities. */
static void test_nothing_known(void **state)
{
    (void)state;
    struct bench_result unknown = result;
    struct lm_step_profile none = {0};
    unknown.sgemm_gflops = unknown.stream_gbytes = 0;
    struct layer_figures f = bench_layer(&options, &unknown, &steps[0]);
    expect(f.bound_ms, 0);
    expect(f.excess, 0);
    f = bench_layer(&options, &result, &none);
    expect(f.gflops_per_s + f.gigabytes_per_s + f.active_share + f.excess, 0);
}

static void test_outside(void **state)
{
    (void)state;
    struct bench_outside outside = bench_outside(&options, &result);
    expect(outside.planning_ms, 5);
    expect(outside.reading_ms, 3);
    expect(outside.rest_ms, 12); /* of 50: 8 above, 30 in layers */
    struct bench_result quick = result;
    quick.seconds = 0.1; /* clocks differ a little: never below 0 */
    expect(bench_outside(&options, &quick).rest_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_by_arithmetic),
        cmocka_unit_test(test_bound_by_memory),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_outside),
    };
    return cmocka_run_group_tests_name("bench_layers", tests, NULL, NULL);
}
