/* The generator against published vectors and an implementation in Python; bounds and shares. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "base/rng.h"

/* First outputs of xoshiro256** from the state 1, 2, 3, 4. */
static void test_published_vector(void **state)
{
    static const uint64_t expected[10] = {
        11520u,
        0u,
        1509978240u,
        1215971899390074240u,
        1216172134540287360u,
        607988272756665600u,
        16172922978634559625u,
        8476171486693032832u,
        10595114339597558777u,
        2904607092377533576u,
    };
    struct rng rng = {{1, 2, 3, 4}};
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(rng_next(&rng), expected[i]);
}

/* splitmix64's first outputs for 1234567 become the state. */
static void test_seed_fills_state(void **state)
{
    struct rng rng;
    (void)state;
    rng_seed(&rng, 1234567);
    assert_int_equal(rng.state[0], 6457827717110365317u);
    assert_int_equal(rng.state[1], 3203168211198807973u);
    assert_int_equal(rng.state[2], 9817491932198370423u);
    assert_int_equal(rng.state[3], 4593380528125082431u);
}

static void test_seeds(void **state)
{
    static const struct {
        uint64_t seed, first, second;
    } cases[] = {
        {0, 0x99ec5f36cb75f2b4u, 0xbf6e1f784956452au},
        {42, 0x15780b2e0c2ec716u, 0x6104d9866d113a7eu},
        {UINT64_MAX, 0x8f5520d52a7ead08u, 0xc476a018caa1802du},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rng rng;
        rng_seed(&rng, cases[i].seed);
        assert_int_equal(rng_next(&rng), cases[i].first);
        assert_int_equal(rng_next(&rng), cases[i].second);
    }
}

static void test_doubles(void **state)
{
    struct rng rng;
    double sum = 0;
    (void)state;
    rng_seed(&rng, 42);
    assert_true(rng_double(&rng) == 0.08386297105988216);
    assert_true(rng_double(&rng) == 0.3789802506626686);
    assert_true(rng_double(&rng) == 0.6800434110281394);
    for (int i = 0; i < 100000; i++) {
        double value = rng_double(&rng);
        assert_true(value >= 0 && value < 1);
        sum += value;
    }
    /* 5 standard deviations of the mean of 100,000 uniform numbers. */
    assert_true(sum / 100000 > 0.4954 && sum / 100000 < 0.5046);
}

static void test_below(void **state)
{
    static const uint64_t tens[12] = {2, 2, 9, 3, 6, 4, 4, 7, 8, 5, 9, 3};
    struct rng rng;
    (void)state;
    rng_seed(&rng, 42);
    for (int i = 0; i < 12; i++)
        assert_int_equal(rng_below(&rng, 10), tens[i]);
    rng_seed(&rng, 42); /* nearly every second draw is thrown away */
    assert_int_equal(rng_below(&rng, (UINT64_C(1) << 63) + 1), 3321214725393783200u);
    assert_int_equal(rng_below(&rng, (UINT64_C(1) << 63) + 1), 7834202072327348384u);
    assert_int_equal(rng_below(&rng, 1), 0);
}

/* With bound 3 * 2^62 a plain remainder would give the lowest third half of all draws. */
static void test_below_has_no_bias(void **state)
{
    struct rng rng;
    unsigned shares[3] = {0};
    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < 90000; i++)
        shares[rng_below(&rng, UINT64_C(3) << 62) >> 62]++;
    for (int i = 0; i < 3; i++)
        assert_in_range(shares[i], 29200, 30800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vector),
        cmocka_unit_test(test_seed_fills_state),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_below_has_no_bias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
