/* Drawing samples: golden rows from an independent implementation of the generator in Python, the
 * list of all masks, shares, limits. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layermask/explain.h"

static struct lm_samples draw(uint32_t segments, uint32_t count, double keep, uint64_t seed)
{
    struct lm_samples samples = {0};
    struct lm_error error = {0};
    assert_int_equal(lm_samples_draw(segments, count, keep, seed, &samples, &error), LM_OK);
    assert_string_equal(error.text, "");
    return samples;
}

static void assert_row(const struct lm_samples *samples, uint32_t row, const char *bits)
{
    char text[65];
    assert_in_range(samples->segments, 1, 64);
    for (uint32_t s = 0; s < samples->segments; s++)
        text[s] = (char)('0' + samples->z[row * samples->segments + s]);
    text[samples->segments] = 0;
    assert_string_equal(text, bits);
}

static void test_golden_rows(void **state)
{
    static const char *const half[6] = {"111111111111", "110000000001", "010000001110",
                                        "111001100000", "011000000100", "000110110000"};
    static const char *const tenth[4] = {"111111111111", "000000100000", "000000000000",
                                         "001000100000"};
    (void)state;
    struct lm_samples samples = draw(12, 6, 0.5, 42);
    assert_int_equal(samples.count, 6);
    assert_int_equal(samples.segments, 12);
    assert_false(samples.exact);
    for (uint32_t i = 0; i < 6; i++)
        assert_row(&samples, i, half[i]);
    lm_samples_free(&samples);
    samples = draw(12, 4, 0.1, 7);
    for (uint32_t i = 0; i < 4; i++)
        assert_row(&samples, i, tenth[i]);
    lm_samples_free(&samples);
}

static void test_same_seed_same_samples(void **state)
{
    (void)state;
    struct lm_samples a = draw(50, 200, 0.5, 9), b = draw(50, 200, 0.5, 9);
    struct lm_samples c = draw(50, 200, 0.5, 10), longer = draw(50, 300, 0.5, 9);
    assert_memory_equal(a.z, b.z, 50 * 200);
    assert_memory_not_equal(a.z, c.z, 50 * 200);
    assert_memory_equal(a.z, longer.z, 50 * 200); /* more samples continue the same ones */
    lm_samples_free(&a);
    lm_samples_free(&b);
    lm_samples_free(&c);
    lm_samples_free(&longer);
}

/* Shares of ones, in all and in each column, within 5 standard deviations. */
static void check_shares(double keep)
{
    enum { SEGMENTS = 40, COUNT = 10000 };
    struct lm_samples samples = draw(SEGMENTS, COUNT, keep, 3);
    double columns[SEGMENTS] = {0}, all = 0;
    for (size_t cell = 0; cell < SEGMENTS; cell++)
        assert_int_equal(samples.z[cell], 1);
    for (size_t cell = SEGMENTS; cell < (size_t)SEGMENTS * COUNT; cell++) {
        assert_in_range(samples.z[cell], 0, 1);
        columns[cell % SEGMENTS] += samples.z[cell];
        all += samples.z[cell];
    }
    double rows = COUNT - 1, deviation = sqrt(keep * (1 - keep) / rows);
    for (size_t s = 0; s < SEGMENTS; s++)
        assert_true(fabs(columns[s] / rows - keep) < 5 * deviation);
    assert_true(fabs(all / rows / SEGMENTS - keep) < 5 * deviation / sqrt(SEGMENTS));
    lm_samples_free(&samples);
}

static void test_shares(void **state)
{
    (void)state;
    check_shares(0.5);
    check_shares(0.1);
    check_shares(0.9);
}

static void test_every_mask(void **state)
{
    (void)state;
    struct lm_samples samples = draw(3, 1000, 0.5, 1);
    static const char *const rows[8] = {"111", "011", "101", "001", "110", "010", "100", "000"};
    assert_true(samples.exact);
    assert_int_equal(samples.count, 8);
    for (uint32_t i = 0; i < 8; i++)
        assert_row(&samples, i, rows[i]);
    lm_samples_free(&samples);
    lm_samples_free(&samples); /* twice does no harm */
    lm_samples_free(NULL);
}

static void test_every_mask_needs_room(void **state)
{
    (void)state;
    struct lm_samples samples = draw(4, 16, 0.5, 1);
    assert_true(samples.exact);
    lm_samples_free(&samples);
    samples = draw(4, 15, 0.5, 1);
    assert_false(samples.exact);
    assert_int_equal(samples.count, 15);
    lm_samples_free(&samples);
    samples = draw(1, 1, 0.5, 1);
    assert_false(samples.exact);
    assert_row(&samples, 0, "1");
    lm_samples_free(&samples);
    samples = draw(40, 2, 0.5, 1); /* 2^40 does not wrap around */
    assert_false(samples.exact);
    lm_samples_free(&samples);
}

static void assert_refused(uint32_t segments, uint32_t count, double keep, enum lm_status status,
                           const char *text)
{
    struct lm_samples samples = {.count = 77};
    struct lm_error error = {0};
    assert_int_equal(lm_samples_draw(segments, count, keep, 0, &samples, &error), status);
    assert_int_equal(error.status, status);
    assert_string_equal(error.text, text);
    assert_int_equal(samples.count, 77);
    assert_null(samples.z);
    assert_int_equal(lm_samples_draw(segments, count, keep, 0, &samples, NULL), status);
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused(0, 10, 0.5, LM_INVALID, "segments is 0, at least 1 is needed");
    assert_refused(10, 0, 0.5, LM_INVALID, "samples is 0, at least 1 is needed");
    assert_refused(10, 10, 0, LM_INVALID, "keep is 0, it must be between 0 and 1, both excluded");
    assert_refused(10, 10, 1, LM_INVALID, "keep is 1, it must be between 0 and 1, both excluded");
    assert_refused(10, 10, NAN, LM_INVALID,
                   "keep is nan, it must be between 0 and 1, both excluded");
    assert_refused(65537, 10, 0.5, LM_LIMIT, "segments is 65537, above the limit of 65536");
    assert_refused(10, 1000001, 0.5, LM_LIMIT, "samples is 1000001, above the limit of 1000000");
    assert_refused(UINT32_MAX, UINT32_MAX, 0.5, LM_LIMIT,
                   "segments is 4294967295, above the limit of 65536");
    assert_refused(65536, 16385, 0.5, LM_LIMIT,
                   "samples x segments is 16385 x 65536 = 1073807360, above the limit of "
                   "1073741824");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_rows),
        cmocka_unit_test(test_same_seed_same_samples),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_every_mask),
        cmocka_unit_test(test_every_mask_needs_room),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
