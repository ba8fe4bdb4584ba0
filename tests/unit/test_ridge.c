/* Gram matrices and ridge regression: golden numbers from dense normal equations with an explicit
 * intercept column and hat matrix in numpy; larger shapes against plain loops. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "explain/gram.h"
#include "explain/ridge.h"

enum { COUNT = 10, SIZE = 4 };

static uint8_t golden_z[COUNT * SIZE] = {
    1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0,
    1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1,
};
static const double golden_weights[COUNT] = {1,     0.5,   0.5,  0.625, 0.25,
                                             0.375, 0.125, 0.25, 0.75,  0.625};
static const double golden_outputs[COUNT] = {0.9, 0.2, 0.55, 0.7, 0.15, 0.5, 0.05, 0.3, 0.8, 0.35};
static const struct lm_samples golden_samples = {COUNT, SIZE, false, golden_z};

static void assert_close(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.17g is not %.17g within %g", value, expected, tolerance);
}

static struct gram make_gram(const struct lm_samples *samples, const double *weights)
{
    struct gram gram = {0};
    assert_int_equal(gram_create(samples, weights, &gram, NULL), LM_OK);
    return gram;
}

static void test_gram_golden(void **state)
{
    static const double mean[SIZE] = {0.65, 0.575, 0.725, 0.725};
    static const double centred[] = {1.1375,   -0.24375, 1.221875, -0.10625,  0.040625,
                                     0.996875, 0.39375,  0.165625, -0.253125, 0.996875};
    static const double squared[] = {0.6171875,    -0.11953125, 0.726171875, -0.04921875,
                                     0.012890625,  0.510546875, 0.21171875,  0.135546875,
                                     -0.074609375, 0.496484375};
    (void)state;
    struct gram gram = make_gram(&golden_samples, golden_weights);
    assert_close(gram.weight_sum, 5, 1e-15);
    assert_close(gram.square_sum, 3.125, 1e-15);
    for (size_t j = 0, cell = 0; j < SIZE; j++) {
        assert_close(gram.mean[j], mean[j], 1e-15);
        for (size_t k = 0; k <= j; k++, cell++) {
            assert_close(gram.centred[j * SIZE + k], centred[cell], 1e-14);
            assert_close(gram.squared[j * SIZE + k], squared[cell], 1e-14);
        }
    }
    gram_free(&gram);
}

struct golden {
    double alpha;
    uint32_t size, columns[SIZE];
    double coefficients[SIZE], variances[SIZE], freedom;
};

static void check_golden(const struct golden *golden)
{
    struct gram gram = make_gram(&golden_samples, golden_weights);
    struct ridge ridge = {0};
    double values[COUNT], projection[SIZE], sides[2 * SIZE], mean = 0;
    for (size_t i = 0; i < COUNT; i++)
        mean += golden_weights[i] * golden_outputs[i] / gram.weight_sum;
    for (size_t i = 0; i < COUNT; i++)
        values[i] = golden_weights[i] * (golden_outputs[i] - mean);
    gram_project(&golden_samples, values, projection);
    for (size_t f = 0; f < golden->size; f++) { /* the second right side is twice the first */
        sides[f] = projection[golden->columns[f]];
        sides[golden->size + f] = 2 * sides[f];
    }
    assert_int_equal(
        ridge_create(&gram, golden->columns, golden->size, golden->alpha, &ridge, NULL), LM_OK);
    assert_int_equal(ridge_find_errors(&ridge, &gram, golden->columns, NULL), LM_OK);
    ridge_solve(&ridge, sides, 2);
    for (size_t f = 0; f < golden->size; f++) {
        assert_close(sides[f], golden->coefficients[f], 1e-13);
        assert_close(sides[golden->size + f], 2 * golden->coefficients[f], 1e-13);
        assert_close(ridge.variances[f], golden->variances[f], 1e-13);
    }
    assert_close(ridge.freedom, golden->freedom, 1e-13);
    ridge_free(&ridge);
    gram_free(&gram);
}

static void test_ridge_golden(void **state)
{
    static const struct golden cases[] = {
        {1,
         4,
         {0, 1, 2, 3},
         {0.24081307599211568, 0.028703541774517255, 0.06702633913050138, 0.13969545881144685},
         {0.1280739330602815, 0.1432369037698294, 0.12939340498987353, 0.11531281740368478},
         2.7769957518652},
        {0.01,
         4,
         {0, 1, 2, 3},
         {0.44237679459366896, 0.07789665891449149, 0.1714970476809753, 0.2163974606483198},
         {0.5784304456898199, 0.5227126272111172, 0.572013333332358, 0.6393165952858796},
         2.2171835244877047},
        {1,
         2,
         {0, 3},
         {0.23512820512820518, 0.13470085470085455},
         {0.13033092263861498, 0.11866462122872383},
         3.6089104390386435},
        {1, /* the same in another order */
         2,
         {3, 0},
         {0.13470085470085455, 0.23512820512820518},
         {0.11866462122872383, 0.13033092263861498},
         3.6089104390386435},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_golden(&cases[i]);
}

static double cell_by_loops(const struct lm_samples *samples, const double *weights,
                            const struct gram *gram, size_t j, size_t k, bool squared)
{
    double sum = 0;
    for (size_t i = 0; i < samples->count; i++) {
        const uint8_t *z = samples->z + i * samples->segments;
        double weight = squared ? weights[i] * weights[i] : weights[i];
        sum += weight * (z[j] - gram->mean[j]) * (z[k] - gram->mean[k]);
    }
    return sum;
}

/* Shapes around the groups of 8 and 32 samples and the bands of rows. */
static void check_gram_shape(uint32_t count, uint32_t segments)
{
    struct rng rng;
    struct lm_samples samples = {0};
    double *weights = malloc(count * sizeof *weights);
    assert_non_null(weights);
    rng_seed(&rng, count * 1000 + segments);
    for (uint32_t i = 0; i < count; i++)
        weights[i] = 0.1 + rng_double(&rng);
    assert_int_equal(lm_samples_draw(segments, count, 0.5, 5, &samples, NULL), LM_OK);
    struct gram gram = make_gram(&samples, weights);
    for (int probe = 0; probe < 300; probe++) {
        size_t j = rng_below(&rng, segments), k = rng_below(&rng, j + 1);
        assert_close(gram.centred[j * segments + k],
                     cell_by_loops(&samples, weights, &gram, j, k, false), 1e-13 * count);
        assert_close(gram.squared[j * segments + k],
                     cell_by_loops(&samples, weights, &gram, j, k, true), 1e-13 * count);
    }
    gram_free(&gram);
    lm_samples_free(&samples);
    free(weights);
}

static void test_gram_shapes(void **state)
{
    (void)state;
    for (uint32_t count = 1; count <= 70; count += count < 40 ? 1 : 7)
        check_gram_shape(count, 9);
    check_gram_shape(64, 127);
    check_gram_shape(65, 128);
    check_gram_shape(1000, 129);
    check_gram_shape(333, 300);
}

/* (Gram + alpha I) times the solution is the right side, for more segments than samples too. */
static void check_solution(uint32_t count, uint32_t segments, double alpha)
{
    struct lm_samples samples = {0};
    struct ridge ridge = {0};
    struct rng rng;
    uint32_t *columns = malloc(segments * sizeof *columns);
    double *side = malloc(segments * sizeof *side), *x = malloc(segments * sizeof *x);
    double *weights = malloc(count * sizeof *weights);
    assert_true(columns && side && x && weights);
    rng_seed(&rng, segments);
    for (uint32_t i = 0; i < count; i++)
        weights[i] = 1;
    for (uint32_t s = 0; s < segments; s++) {
        columns[s] = s;
        x[s] = side[s] = rng_double(&rng) - 0.5;
    }
    assert_int_equal(lm_samples_draw(segments, count, 0.5, 5, &samples, NULL), LM_OK);
    struct gram gram = make_gram(&samples, weights);
    assert_int_equal(ridge_create(&gram, columns, segments, alpha, &ridge, NULL), LM_OK);
    ridge_solve(&ridge, x, 1);
    for (size_t j = 0; j < segments; j++) {
        double sum = alpha * x[j];
        for (size_t k = 0; k < segments; k++)
            sum += x[k] * (j > k ? gram.centred[j * segments + k] : gram.centred[k * segments + j]);
        assert_close(sum, side[j], 1e-10);
    }
    ridge_free(&ridge);
    gram_free(&gram);
    lm_samples_free(&samples);
    free(columns);
    free(side);
    free(x);
    free(weights);
}

static void test_solutions(void **state)
{
    (void)state;
    check_solution(500, 7, 1);
    check_solution(500, 8, 1);
    check_solution(1000, 150, 0.01);
    check_solution(20, 150, 1);
    check_solution(2, 33, 1);
}

/* With equal weights and hardly any alpha, freedom is the textbook's n - 1 - p. */
static void test_freedom_of_plain_regression(void **state)
{
    double weights[100];
    uint32_t columns[10];
    struct lm_samples samples = {0};
    struct ridge ridge = {0};
    (void)state;
    for (size_t i = 0; i < 100; i++)
        weights[i] = 1;
    for (uint32_t s = 0; s < 10; s++)
        columns[s] = s;
    assert_int_equal(lm_samples_draw(10, 100, 0.5, 5, &samples, NULL), LM_OK);
    struct gram gram = make_gram(&samples, weights);
    assert_int_equal(ridge_create(&gram, columns, 10, 1e-9, &ridge, NULL), LM_OK);
    assert_int_equal(ridge_find_errors(&ridge, &gram, columns, NULL), LM_OK);
    assert_close(ridge.freedom, 89, 1e-6);
    ridge_free(&ridge);
    gram_free(&gram);
    lm_samples_free(&samples);
}

/* Two equal columns: their matrix is singular, and a ridge splits the weight evenly. */
static void test_equal_columns(void **state)
{
    uint8_t z[8] = {1, 1, 0, 0, 1, 1, 0, 0};
    static const double weights[4] = {1, 1, 1, 1};
    static const uint32_t columns[2] = {0, 1};
    struct lm_samples samples = {4, 2, false, z};
    struct lm_error error = {0};
    struct ridge ridge = {0};
    double sides[2] = {1, 1};
    (void)state;
    struct gram gram = make_gram(&samples, weights);
    assert_int_equal(ridge_create(&gram, columns, 2, 0, &ridge, &error), LM_INVALID);
    assert_string_equal(error.text, "alpha is 0, too small for these samples: the ridge over 2 "
                                    "segments is singular");
    assert_null(ridge.factor);
    assert_int_equal(ridge_create(&gram, columns, 2, 1, &ridge, NULL), LM_OK);
    ridge_solve(&ridge, sides, 1);
    assert_close(sides[0], 1. / 3, 1e-15); /* (1 + 1) x + 1 x = 1 */
    assert_close(sides[1], 1. / 3, 1e-15);
    ridge_free(&ridge);
    gram_free(&gram);
}

static void test_too_many_segments(void **state)
{
    struct lm_samples samples = {0};
    struct lm_error error = {0};
    struct gram gram = {0};
    static const double weights[1] = {1};
    (void)state;
    assert_int_equal(lm_samples_draw(8193, 1, 0.5, 5, &samples, NULL), LM_OK);
    assert_int_equal(gram_create(&samples, weights, &gram, &error), LM_LIMIT);
    assert_string_equal(error.text, "segments is 8193, above the limit of 8192 for a fit");
    lm_samples_free(&samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gram_golden),
        cmocka_unit_test(test_ridge_golden),
        cmocka_unit_test(test_gram_shapes),
        cmocka_unit_test(test_solutions),
        cmocka_unit_test(test_freedom_of_plain_regression),
        cmocka_unit_test(test_equal_columns),
        cmocka_unit_test(test_too_many_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
