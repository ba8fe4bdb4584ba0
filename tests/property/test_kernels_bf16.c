/* Products in bfloat16: each table of this machine against sums in double precision of numbers that
 * are rounded here, and what does not depend on the table against the portable one, bit by bit.
 *
 * SEED=n replays, ROUNDS=n makes the test longer.  `unit` is 2^-24, the rounding of a float.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "kernels/tables.h"

static const double unit = 1.0 / 16777216;
static uint64_t seed = 20261124;
static int rounds = 60;
static struct rng rng;
static const struct kernels *tables[5];
static int n_tables;

static uint32_t between(uint32_t low, uint32_t high)
{
    return low + (uint32_t)rng_below(&rng, (uint64_t)high - low + 1);
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The nearer of the two bfloat16 around x, the even one of two as near; infinity is 2^128 here. */
static uint16_t nearest(float x)
{
    uint32_t low = bits_of(x) & 0xffff0000u, high = low + 0x10000u;
    double below = (double)float_of(low), above = (double)float_of(high);
    if (isinf(above))
        above = copysign(ldexp(1, 128), below);
    double down = fabs((double)x - below), up = fabs(above - (double)x);
    return (uint16_t)((down < up || (down == up && !(low >> 16 & 1)) ? low : high) >> 16);
}

static void test_rounding(void **state)
{
    (void)state;
    static const uint32_t tails[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    enum { N = sizeof tails / sizeof *tails };
    for (int t = 0; t < n_tables; t++)
        for (uint32_t half = 0; half < 0x10000; half++) {
            float numbers[N];
            uint16_t got[N];
            for (int i = 0; i < N; i++)
                numbers[i] = float_of(half << 16 | tails[i]);
            tables[t]->bf16_round(got, numbers, N);
            for (int i = 0; i < N; i++)
                if (isnan(numbers[i]))
                    assert_true(isnan(float_of((uint32_t)got[i] << 16)));
                else if (!isinf(numbers[i]))
                    assert_int_equal(got[i], nearest(numbers[i]));
                else
                    assert_int_equal(got[i], half);
        }
}

/* ---- products */

struct case_of_product {
    uint32_t rows, taps, depth, columns, sources;
    bool source_rounded, residual_rounded, target_rounded;
    float *source, *matrix, *bias, *residual; /* as floats */
    uint16_t *halves;                         /* of the source */
    void *residual_rows;                      /* in its form; NULL: none */
    const void **pointers;
    uint16_t *weights;
    float low, high;
    size_t stride;
};

static float *numbers(size_t n, bool rounded)
{
    float *out = malloc((n + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)(rng_double(&rng) * 4 - 2);
        if (rounded)
            out[i] = float_of((uint32_t)nearest(out[i]) << 16);
    }
    return out;
}

static void *in_form(const float *source, size_t n, bool rounded)
{
    float *out = malloc((n + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++)
        if (rounded)
            ((uint16_t *)out)[i] = nearest(source[i]);
        else
            out[i] = source[i];
    return out;
}

/* Few, any, or such as rows of several taps are read in place. */
static uint32_t some_depth(void)
{
    uint32_t kind = between(0, 3);
    return kind < 2 ? between(1, 7) : kind < 3 ? between(1, 140) : BF16_STEP * between(1, 4);
}

static struct case_of_product make_case(void)
{
    struct case_of_product c = {.rows = between(1, 90),
                                .taps = between(0, 1) ? 1 : between(1, 12),
                                .depth = some_depth(),
                                .columns = between(1, 140),
                                .sources = between(1, 30),
                                .source_rounded = between(0, 1),
                                .residual_rounded = between(0, 1),
                                .target_rounded = between(0, 1),
                                .low = between(0, 1) ? 0 : -INFINITY,
                                .high = between(0, 1) ? 6 : INFINITY};
    size_t terms = (size_t)c.taps * c.depth, numbers_in = (size_t)c.sources * c.depth;
    c.stride = c.columns + between(0, 3);
    c.source = numbers(numbers_in, c.source_rounded);
    c.halves = in_form(c.source, numbers_in, true);
    c.matrix = numbers(terms * c.columns, false);
    c.bias = numbers(c.columns + KERNELS_SLACK, false);
    c.residual = numbers(c.rows * c.stride, c.residual_rounded);
    c.residual_rows =
        between(0, 1) ? in_form(c.residual, c.rows * c.stride, c.residual_rounded) : NULL;
    c.pointers = malloc((size_t)c.rows * c.taps * sizeof *c.pointers);
    uint32_t next = 0; /* mostly side by side */
    for (size_t i = 0; i < (size_t)c.rows * c.taps; i++) {
        next = between(0, 3) ? (next + 1) % c.sources : between(0, c.sources - 1);
        c.pointers[i] = c.source_rounded ? (const void *)(c.halves + (size_t)next * c.depth)
                                         : (const void *)(c.source + (size_t)next * c.depth);
    }
    size_t bytes = kernels_bf16_numbers(terms, c.columns) * sizeof *c.weights;
    c.weights = aligned_alloc(64, (bytes + 63) / 64 * 64);
    kernels_bf16_pack(c.matrix, terms, c.columns, c.weights);
    return c;
}

static void free_case(struct case_of_product *c)
{
    free(c->source);
    free(c->halves);
    free(c->matrix);
    free(c->bias);
    free(c->residual);
    free(c->residual_rows);
    free((void *)c->pointers);
    free(c->weights);
}

/* rows x stride numbers of the target, as floats; rows first..first+n-1 alone are computed.
 * in_place: from where the rows stand. */
static float *multiply_rows(const struct kernels *k, const struct case_of_product *c,
                            uint32_t first, uint32_t n, bool in_place)
{
    size_t depth = (size_t)c->taps * c->depth, all = c->rows * c->stride;
    size_t bytes = kernels_bf16_rows_bytes(k, depth, n);
    void *packed = aligned_alloc(64, bytes);
    float *panel = malloc((kernels_bf16_panel(k, depth) + 1) * sizeof *panel);
    float *out = malloc(all * sizeof *out);
    uint8_t *target = malloc((all + 1) * sizeof *out);
    assert_true(packed && panel && out && target);
    memset(packed, 0xff, bytes); /* NaN: what is not packed must not count */
    memset(target, 0x77, (all + 1) * sizeof *out);
    size_t number = c->target_rounded ? sizeof(uint16_t) : sizeof(float);
    struct bf16_rows rows = {c->taps, c->depth, c->pointers + (size_t)first * c->taps,
                             c->source_rounded};
    struct bf16_product p = {
        .taps = in_place ? c->taps : 1,
        .depth = in_place ? c->depth : (uint32_t)depth,
        .columns = c->columns,
        .rows = in_place ? NULL : packed,
        .source = rows.source,
        .weights = c->weights,
        .bias = c->bias,
        .residual_stride = c->stride,
        .residual_rounded = c->residual_rounded,
        .target_rounded = c->target_rounded,
        .low = c->low,
        .high = c->high,
        .target = target + first * c->stride * number,
        .target_stride = c->stride,
        .panel = panel,
    };
    if (c->residual_rows)
        p.residual = (uint8_t *)c->residual_rows +
                     first * c->stride * (c->residual_rounded ? sizeof(uint16_t) : sizeof(float));
    if (!in_place)
        k->bf16_pack(packed, &rows, n);
    k->bf16_multiply(&p, n);
    for (size_t i = 0; i < all; i++) {
        uint32_t row = (uint32_t)(i / c->stride),
                 untouched = c->target_rounded ? 0x7777 : 0x77777777;
        uint32_t bits = c->target_rounded ? (uint32_t)((uint16_t *)(void *)target)[i]
                                          : bits_of(((float *)(void *)target)[i]);
        if (row < first || row >= first + n || i % c->stride >= c->columns)
            assert_int_equal(bits, untouched);
        out[i] = float_of(c->target_rounded ? bits << 16 : bits);
    }
    free(packed);
    free(panel);
    free(target);
    return out;
}

/* Number i of row r's sum, rounded. */
static double factor(const struct case_of_product *c, uint32_t r, uint32_t i)
{
    const void *row = c->pointers[r * c->taps + i / c->depth];
    uint16_t half = c->source_rounded ? ((const uint16_t *)row)[i % c->depth]
                                      : nearest(((const float *)row)[i % c->depth]);
    return (double)float_of((uint32_t)half << 16);
}

/* One rounding of the sum of absolute values for each term, bias, residual; one of 2^-9 at the end
 * if the target is rounded. */
static void check_product(const struct kernels *k, const struct case_of_product *c,
                          const float *got)
{
    uint32_t terms = c->taps * c->depth;
    for (uint32_t r = 0; r < c->rows; r++)
        for (uint32_t j = 0; j < c->columns; j++) {
            size_t at = r * c->stride + j;
            double sum = (double)c->bias[j] + (c->residual_rows ? (double)c->residual[at] : 0);
            double size = 4;
            for (uint32_t i = 0; i < terms; i++) {
                double term = factor(c, r, i) *
                              (double)float_of(
                                  (uint32_t)nearest(c->matrix[(size_t)i * c->columns + j]) << 16);
                sum += term;
                size += fabs(term);
            }
            sum = fmin(fmax(sum, (double)c->low), (double)c->high);
            double tolerance = (terms + 3) * unit * size;
            tolerance += c->target_rounded ? (fabs(sum) + tolerance) / 256 : 0;
            if (!(fabs((double)got[at] - sum) <= tolerance))
                fail_msg("%s: %.9g, not %.9g within %g; SEED=%llu", k->name, (double)got[at], sum,
                         tolerance, (unsigned long long)seed);
        }
}

static void assert_same_rows(const struct kernels *k, const struct case_of_product *c,
                             const float *a, const float *b, uint32_t first, uint32_t n)
{
    for (uint32_t r = first; r < first + n; r++)
        if (memcmp(a + r * c->stride, b + r * c->stride, c->columns * sizeof *a) != 0)
            fail_msg("%s: other bits in row %u; SEED=%llu", k->name, r, (unsigned long long)seed);
}

/* Some of the rows have the bits that they have among all; and so have rows that are not packed. */
static void check_table(const struct kernels *k, const struct case_of_product *c,
                        const float *portable)
{
    float *all = multiply_rows(k, c, 0, c->rows, false);
    check_product(k, c, all);
    if (k->bf16_bytes == sizeof(float))
        assert_same_rows(k, c, portable, all, 0, c->rows);
    uint32_t first = between(0, c->rows - 1), n = between(1, c->rows - first);
    for (int in_place = 0; in_place < 2; in_place++) {
        if (in_place && !(c->source_rounded && kernels_bf16_in_place(k, c->taps, c->depth)))
            continue;
        float *some = multiply_rows(k, c, first, n, in_place);
        assert_same_rows(k, c, all, some, first, n);
        free(some);
    }
    free(all);
}

static void test_products(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++) {
        struct case_of_product c = make_case();
        float *portable = multiply_rows(&kernels_portable, &c, 0, c.rows, false);
        for (int t = 0; t < n_tables; t++)
            check_table(tables[t], &c, portable);
        free(portable);
        free_case(&c);
    }
}

/* ---- neighbour padding: the order of the additions is the same in all tables */

static void test_neighbour_mean(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++) {
        uint32_t rows = between(0, 30), channels = between(1, 130), sources = between(1, 30);
        size_t stride = channels + between(0, 3), n = sources * stride;
        float *source = numbers(n, true);
        uint16_t *halves = in_form(source, n, true), *got = calloc(rows * stride + 1, sizeof *got);
        int32_t *index = malloc((8 * (size_t)rows + 1) * sizeof *index);
        uint8_t *count = malloc(rows + (size_t)1);
        for (uint32_t r = 0; r < rows; r++) {
            count[r] = (uint8_t)between(0, 8);
            for (uint32_t j = 0; j < 8; j++)
                index[8 * r + j] = j < count[r] ? (int32_t)between(0, sources - 1) : INT32_MAX;
        }
        for (int t = 0; t < n_tables; t++) {
            tables[t]->bf16_neighbour_mean(got, halves, stride, index, count, rows, channels,
                                           1e-5f);
            for (uint32_t r = 0; r < rows; r++)
                for (uint32_t c = 0; c < channels; c++) {
                    float sum = 0;
                    for (uint32_t j = 0; j < count[r]; j++)
                        sum += source[(size_t)index[8 * r + j] * stride + c];
                    assert_int_equal(got[r * stride + c], nearest(sum / ((float)count[r] + 1e-5f)));
                }
        }
        free(source);
        free(halves);
        free(got);
        free(index);
        free(count);
    }
}

static void find_tables(void)
{
    tables[n_tables++] = &kernels_portable;
#if defined(__x86_64__)
    const struct kernels *best = kernels_choose(false, true),
                         *floats = kernels_choose(false, false);
    if (floats != &kernels_portable)
        tables[n_tables++] = floats;
    if (floats == &kernels_avx512)
        tables[n_tables++] = &kernels_avx2;
    if (best != floats)
        tables[n_tables++] = best;
    if (best == &kernels_amx) /* whose processors can do this, too */
        tables[n_tables++] = &kernels_avx512_bf16;
#endif
}

int main(void)
{
    if (getenv("SEED"))
        seed = strtoull(getenv("SEED"), NULL, 10);
    if (getenv("ROUNDS"))
        rounds = atoi(getenv("ROUNDS"));
    rng_seed(&rng, seed);
    find_tables();
    for (int t = 0; t < n_tables; t++)
        print_message("kernels: %s\n", tables[t]->name);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_neighbour_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
