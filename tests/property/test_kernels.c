/* The kernels against plain loops in double precision, for random shapes, each with the table of
 * this machine and the portable one.
 *
 * The seed is printed on failure; SEED=n replays it, ROUNDS=n makes the test longer.  `unit` below
 * is 2^-24, the rounding of a float.
 */
#include <float.h>
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
#include "kernels/kernels.h"
#include "kernels/tables.h"

static const double unit = 1.0 / 16777216;
static uint64_t seed = 20260501;
static int rounds = 60;
static struct rng rng;
static const struct kernels *tables[3];
static int n_tables;

static uint32_t between(uint32_t low, uint32_t high)
{
    return low + (uint32_t)rng_below(&rng, (uint64_t)high - low + 1);
}

static float number(void)
{
    return (float)(rng_double(&rng) * 4 - 2);
}

static float *numbers(size_t n)
{
    float *out = malloc((n + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++)
        out[i] = number();
    out[n] = 12345; /* watched by assert_kept */
    return out;
}

static void assert_near(const char *what, const struct kernels *k, float got, double want,
                        double tolerance)
{
    if (!(fabs((double)got - want) <= tolerance))
        fail_msg("%s (%s): %.9g, not %.9g within %g; SEED=%llu", what, k->name, (double)got, want,
                 tolerance, (unsigned long long)seed);
}

static void assert_kept(const char *what, const struct kernels *k, const float *end)
{
    if (*end != 12345)
        fail_msg("%s (%s) writes beyond its end; SEED=%llu", what, k->name,
                 (unsigned long long)seed);
}

/* ---- windows */

struct case_of_windows {
    struct windows w;
    uint32_t rows, channels, source_rows;
    float *source, *border, *zeros;
    int32_t *map, *offset;
    int64_t *origin;
};

/* Windows on a random map: rows of the source, of which some are beyond the limit, zeros, border.
 */
static struct case_of_windows make_windows(void)
{
    struct case_of_windows c = {
        .rows = between(0, 50), .channels = between(1, 130), .source_rows = between(1, 30)};
    uint32_t taps = between(1, 49), cells = taps + between(1, 200);
    size_t stride = c.channels + between(0, 3);
    c.source = numbers(stride * c.source_rows);
    c.border = numbers(c.channels);
    c.zeros = calloc(c.channels, sizeof *c.zeros);
    c.map = malloc(cells * sizeof *c.map);
    c.offset = malloc(taps * sizeof *c.offset);
    c.origin = malloc((c.rows + (size_t)1) * sizeof *c.origin);
    for (uint32_t i = 0; i < cells; i++) {
        uint32_t kind = between(0, 9);
        c.map[i] = kind < 3   ? MAP_ZERO
                   : kind < 5 ? MAP_BORDER
                              : (int32_t)between(0, c.source_rows - 1);
    }
    for (uint32_t t = 0; t < taps; t++)
        c.offset[t] = (int32_t)between(0, taps - 1);
    for (uint32_t r = 0; r < c.rows; r++)
        c.origin[r] = between(0, cells - taps);
    c.w = (struct windows){.source = c.source,
                           .source_stride = stride,
                           .map = c.map,
                           .origin = c.origin,
                           .offset = c.offset,
                           .taps = taps,
                           .limit = (int32_t)between(0, c.source_rows),
                           .border = c.border,
                           .zeros = c.zeros};
    return c;
}

static void free_windows(struct case_of_windows *c)
{
    free(c->source);
    free(c->border);
    free(c->zeros);
    free(c->map);
    free(c->offset);
    free(c->origin);
}

/* NULL: a row of zeros. */
static const float *cell(const struct case_of_windows *c, uint32_t row, uint32_t tap)
{
    int32_t n = c->map[c->origin[row] + c->offset[tap]];
    if (n == MAP_BORDER)
        return c->border;
    return n >= 0 && n < c->w.limit ? c->source + (size_t)n * c->w.source_stride : NULL;
}

/* Copies: no tolerance. */
static void check_gather(const struct kernels *k, const struct case_of_windows *c)
{
    size_t n = (size_t)c->rows * c->w.taps * c->channels;
    float *target = numbers(n);
    k->gather(target, &c->w, c->rows, c->channels);
    for (size_t i = 0; i < n; i++) {
        uint32_t channel = (uint32_t)(i % c->channels);
        uint32_t tap = (uint32_t)(i / c->channels % c->w.taps);
        const float *row = cell(c, (uint32_t)(i / c->channels / c->w.taps), tap);
        assert_near("gather", k, target[i], row ? (double)row[channel] : 0, 0);
    }
    assert_kept("gather", k, target + n);
    free(target);
}

/* Sums: taps roundings of sums that are at most the sum of absolute values. */
static void check_depthwise(const struct kernels *k, const struct case_of_windows *c)
{
    size_t n = (size_t)c->rows * c->channels;
    float *target = numbers(n), *weights = numbers((size_t)c->w.taps * c->channels);
    float *bias = numbers(c->channels), *residual = between(0, 1) ? numbers(n) : NULL;
    struct depthwise d = {.windows = &c->w,
                          .channels = c->channels,
                          .weights = weights,
                          .bias = bias,
                          .residual = residual,
                          .low = between(0, 1) ? 0 : -INFINITY,
                          .high = between(0, 1) ? 6 : INFINITY,
                          .target = target};
    k->depthwise(&d, c->rows);
    for (size_t i = 0; i < n; i++) {
        double sum = (double)bias[i % c->channels] + (residual ? (double)residual[i] : 0), size = 4;
        for (uint32_t t = 0; t < c->w.taps; t++) {
            const float *row = cell(c, (uint32_t)(i / c->channels), t);
            double term = row ? (double)row[i % c->channels] *
                                    (double)weights[(size_t)t * c->channels + i % c->channels]
                              : 0;
            sum += term;
            size += fabs(term);
        }
        sum = fmin(fmax(sum, (double)d.low), (double)d.high);
        assert_near("depthwise", k, target[i], sum, (c->w.taps + 3) * unit * size);
    }
    assert_kept("depthwise", k, target + n);
    free(target);
    free(weights);
    free(bias);
    free(residual);
}

/* Square windows on the rows and columns of a picture, some of whose cells have no row; most of
 * the sites follow each other.  Each answer is a matter of its own window: computed alone, it is
 * the same to the bit. */
static void make_square(struct case_of_windows *c)
{
    static const uint32_t kernels[] = {1, 2, 3, 3, 3, 5, 5, 7, 7, 9};
    uint32_t kernel = kernels[between(0, 9)], step = between(1, 3), width = between(1, 40);
    uint32_t pitch = width * step + kernel, height = between(1, 3), taps = kernel * kernel;
    uint32_t cells = pitch * (height * step + kernel), share = between(0, 9);
    *c = (struct case_of_windows){.channels = between(1, 130), .source_rows = between(1, 60)};
    size_t stride = c->channels + between(0, 3);
    c->source = numbers(stride * c->source_rows);
    c->border = numbers(c->channels);
    c->zeros = calloc(c->channels, sizeof *c->zeros);
    c->map = malloc(cells * sizeof *c->map);
    c->offset = malloc(taps * sizeof *c->offset);
    c->origin = malloc(((size_t)width * height + 1) * sizeof *c->origin);
    for (uint32_t i = 0; i < cells; i++)
        c->map[i] = between(0, 9) < share ? -(int32_t)between(1, 2)
                                          : (int32_t)between(0, c->source_rows - 1);
    for (uint32_t t = 0; t < taps; t++)
        c->offset[t] = (int32_t)(t / kernel * pitch + t % kernel);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            if (between(0, 9) >= share / 2)
                c->origin[c->rows++] = (int64_t)y * step * pitch + x * step;
    c->w = (struct windows){.source = c->source,
                            .source_stride = stride,
                            .map = c->map,
                            .origin = c->origin,
                            .offset = c->offset,
                            .taps = taps,
                            .limit = (int32_t)between(1, c->source_rows),
                            .border = c->border,
                            .zeros = c->zeros,
                            .kernel = kernel,
                            .step = step};
}

static void check_alone(const struct kernels *k, struct case_of_windows *c)
{
    size_t n = (size_t)c->rows * c->channels;
    float *target = numbers(n), *weights = numbers((size_t)c->w.taps * c->channels);
    float *bias = numbers(c->channels);
    struct depthwise d = {.windows = &c->w,
                          .channels = c->channels,
                          .weights = weights,
                          .bias = bias,
                          .low = -INFINITY,
                          .high = INFINITY,
                          .target = target};
    k->depthwise(&d, c->rows);
    for (uint32_t r = 0; r < c->rows; r++, c->w.origin++) {
        float *row = numbers(c->channels);
        d.target = row;
        k->depthwise(&d, 1);
        assert_memory_equal(row, target + (size_t)r * c->channels, c->channels * sizeof *row);
        free(row);
    }
    c->w.origin = c->origin;
    free(target);
    free(weights);
    free(bias);
}

static void test_square_windows(void **state)
{
    (void)state;
    for (int i = 0; i < 4 * rounds; i++) {
        struct case_of_windows c;
        make_square(&c);
        for (int t = 0; t < n_tables; t++) {
            check_depthwise(tables[t], &c);
            check_alone(tables[t], &c);
        }
        free_windows(&c);
    }
}

static void check_pools(const struct kernels *k, const struct case_of_windows *c)
{
    size_t n = (size_t)c->rows * c->channels;
    float *most = numbers(n), *mean = numbers(n), *scale = numbers(c->rows);
    k->max_pool(most, &c->w, c->rows, c->channels);
    k->sum_pool(mean, &c->w, c->rows, c->channels, scale);
    for (size_t i = 0; i < n; i++) {
        double sum = 0, size = 0, top = -INFINITY;
        for (uint32_t t = 0; t < c->w.taps; t++) {
            const float *row = cell(c, (uint32_t)(i / c->channels), t);
            if (!row)
                continue;
            double x = (double)row[i % c->channels];
            sum += x;
            size += fabs(x);
            top = x > top ? x : top;
        }
        double factor = (double)scale[i / c->channels];
        assert_near("max_pool", k, most[i], top > -INFINITY ? top : 0, 0);
        assert_near("sum_pool", k, mean[i], sum * factor,
                    (c->w.taps + 2) * unit * size * fabs(factor));
    }
    assert_kept("max_pool", k, most + n);
    assert_kept("sum_pool", k, mean + n);
    free(most);
    free(mean);
    free(scale);
}

static void test_windows(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++) {
        struct case_of_windows c = make_windows();
        for (int t = 0; t < n_tables; t++) {
            check_gather(tables[t], &c);
            check_depthwise(tables[t], &c);
            check_pools(tables[t], &c);
        }
        free_windows(&c);
    }
}

/* ---- products */

/* Sums of taps * depth products, in any order: one rounding a term of the sum of absolute values.
 */
static void check_multiply(const struct kernels *k)
{
    uint32_t rows = between(1, 50), taps = between(1, 9), depth = between(1, 70);
    uint32_t columns = between(1, 130), terms = taps * depth, sources = between(1, 30);
    size_t stride = columns + between(0, 3);
    float *data = numbers((size_t)sources * depth), *matrix = numbers((size_t)terms * columns);
    float *bias = numbers(columns + (size_t)KERNELS_SLACK), *target = numbers(rows * stride);
    float *residual = between(0, 1) ? numbers(rows * stride) : NULL;
    float *packed = aligned_alloc(
        64, (kernels_packed_floats(k, terms, columns) * sizeof(float) + 63) / 64 * 64);
    const float **source = malloc((size_t)rows * taps * sizeof *source);
    for (size_t i = 0; i < (size_t)rows * taps; i++)
        source[i] = data + (size_t)between(0, sources - 1) * depth;
    struct product product = {.taps = taps,
                              .depth = depth,
                              .columns = columns,
                              .source = source,
                              .weights = packed,
                              .bias = bias,
                              .residual = residual,
                              .residual_stride = stride,
                              .low = between(0, 1) ? 0 : -INFINITY,
                              .high = between(0, 1) ? 6 : INFINITY,
                              .target = target,
                              .target_stride = stride};
    kernels_pack(k, matrix, terms, columns, packed);
    k->multiply(&product, rows);
    for (size_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < columns; c++) {
            double sum = (double)bias[c] + (residual ? (double)residual[r * stride + c] : 0);
            double size = 4;
            for (uint32_t i = 0; i < terms; i++) {
                double term = (double)source[r * taps + i / depth][i % depth] *
                              (double)matrix[(size_t)i * columns + c];
                sum += term;
                size += fabs(term);
            }
            sum = fmin(fmax(sum, (double)product.low), (double)product.high);
            assert_near("multiply", k, target[r * stride + c], sum, (terms + 3) * unit * size);
        }
    assert_kept("multiply", k, target + rows * stride);
    free(data);
    free(matrix);
    free(bias);
    free(target);
    free(residual);
    free(packed);
    free(source);
}

static void test_products(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++)
        for (int t = 0; t < n_tables; t++)
            check_multiply(tables[t]);
}

/* As behind a Relu, in `share` of 8 places; zeros of both signs, and numbers that are none. */
static void rectify(float *data, size_t n, uint32_t share)
{
    for (size_t i = 0; i < n; i++)
        if (between(0, 7) < share)
            data[i] = between(0, 1) ? 0.0f : -0.0f;
        else if (!between(0, 200))
            data[i] = NAN;
}

/* Skipping zeros changes no bit, not even the sign of a zero. */
static void check_zeros(const struct kernels *k)
{
    uint32_t rows = between(1, 110), taps = between(1, 3);
    uint32_t depth = between(0, 9) ? between(1, 150) : between(300, 700);
    uint32_t columns = between(1, 300), terms = taps * depth, sources = between(1, 30);
    float *data = numbers((size_t)sources * depth), *matrix = numbers((size_t)terms * columns);
    float *bias = numbers(columns + (size_t)KERNELS_SLACK);
    float *target = numbers((size_t)rows * columns), *plain = numbers((size_t)rows * columns);
    float *residual = numbers((size_t)rows * columns);
    float *packed = aligned_alloc(
        64, (kernels_packed_floats(k, terms, columns) * sizeof(float) + 63) / 64 * 64);
    const float **source = malloc((size_t)rows * taps * sizeof *source);
    void *scratch = malloc(kernels_zeros_bytes(taps, depth, rows));
    rectify(data, (size_t)sources * depth, between(0, 8));
    for (uint32_t c = 0; c < columns; c += 3)
        bias[c] = -0.0f;
    for (size_t i = 0; i < (size_t)rows * taps; i++)
        source[i] = data + (size_t)between(0, sources - 1) * depth;
    struct product product = {.taps = taps,
                              .depth = depth,
                              .columns = columns,
                              .source = source,
                              .weights = packed,
                              .bias = bias,
                              .low = -INFINITY,
                              .high = INFINITY,
                              .target = plain,
                              .target_stride = columns,
                              .residual = between(0, 1) ? residual : NULL,
                              .residual_stride = columns};
    kernels_pack(k, matrix, terms, columns, packed);
    k->multiply(&product, rows);
    product.target = target;
    product.zeros = scratch;
    k->multiply(&product, rows);
    assert_memory_equal(target, plain, (size_t)rows * columns * sizeof *target);
    assert_kept("multiply without zeros", k, target + (size_t)rows * columns);
    free(data);
    free(matrix);
    free(bias);
    free(target);
    free(plain);
    free(packed);
    free(source);
    free(residual);
    free(scratch);
}

static void test_zeros(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++)
        for (int t = 0; t < n_tables; t++)
            check_zeros(tables[t]);
}

/* ---- rows */

static void check_neighbour_mean(const struct kernels *k)
{
    uint32_t rows = between(0, 50), channels = between(1, 130), sources = between(1, 30);
    float *source = numbers((size_t)sources * channels), *target = numbers((size_t)rows * channels);
    int32_t *index = malloc((8 * (size_t)rows + 1) * sizeof *index);
    uint8_t *count = malloc(rows + (size_t)1);
    for (uint32_t r = 0; r < rows; r++) {
        count[r] = (uint8_t)between(0, 8);
        for (uint32_t i = 0; i < 8; i++)
            index[8 * r + i] = i < count[r] ? (int32_t)between(0, sources - 1) : INT32_MAX;
    }
    k->neighbour_mean(target, source, index, count, rows, channels, 1e-5f);
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < channels; c++) {
            double sum = 0;
            for (uint32_t i = 0; i < count[r]; i++)
                sum += (double)source[(size_t)index[8 * r + i] * channels + c];
            double divisor = (double)((float)count[r] + 1e-5f);
            assert_near("neighbour_mean", k, target[(size_t)r * channels + c], sum / divisor,
                        count[r] ? 10 * unit * 16 / divisor : 0);
        }
    assert_kept("neighbour_mean", k, target + (size_t)rows * channels);
    free(source);
    free(target);
    free(index);
    free(count);
}

static void check_interleave(const struct kernels *k)
{
    uint32_t rows = between(0, 50), channels = between(1, 5);
    size_t plane = rows + between(0, 9);
    float *source = numbers(plane * channels), *target = numbers((size_t)rows * channels);
    k->interleave(target, source, plane, rows, channels);
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < channels; c++)
            assert_true(target[r * channels + c] == source[c * plane + r]);
    assert_kept("interleave", k, target + (size_t)rows * channels);
    free(source);
    free(target);
}

static void check_number(const struct kernels *k)
{
    uint32_t width = between(1, 200), next = between(0, 1000);
    int32_t map[201];
    uint64_t rows[4] = {0}, shown[4] = {0};
    for (uint32_t x = 0; x < width; x++) {
        rows[x / 64] |= (uint64_t)between(0, 1) << x % 64;
        shown[x / 64] |= rows[x / 64] & (uint64_t)between(0, 1) << x % 64;
    }
    map[width] = 7;
    k->number(map, rows, shown, width, (int32_t)next);
    for (uint32_t x = 0; x < width; x++) {
        assert_int_equal(map[x], shown[x / 64] >> x % 64 & 1 ? (int32_t)next : MAP_ZERO);
        next += (uint32_t)(rows[x / 64] >> x % 64 & 1);
    }
    assert_int_equal(map[width], 7);
}

static void check_sum_rows(const struct kernels *k)
{
    uint32_t rows = between(0, 50), channels = between(1, 130);
    float *source = numbers((size_t)rows * channels);
    double *sum = malloc(channels * sizeof *sum), *want = malloc(channels * sizeof *want);
    for (uint32_t c = 0; c < channels; c++) {
        sum[c] = want[c] = (double)number();
        for (uint32_t r = 0; r < rows; r++)
            want[c] += (double)source[(size_t)r * channels + c];
    }
    k->sum_rows(sum, source, rows, channels);
    for (uint32_t c = 0; c < channels; c++)
        assert_true(fabs(sum[c] - want[c]) <= 1e-13);
    free(source);
    free(sum);
    free(want);
}

static void check_row_ops(const struct kernels *k)
{
    uint32_t rows = between(1, 50), channels = between(1, 130), size = between(1, 9);
    size_t n = (size_t)rows * channels;
    float *a = numbers(n), *mean = numbers(rows), *soft = numbers(n), *lrn = numbers(n);
    const float p[4] = {(float)size, 0.3f, 0.75f, 1.5f}, none[4] = {0};
    k->row_op(PW_ROW_MEAN, mean, a, rows, channels, none);
    k->row_op(PW_SOFTMAX, soft, a, rows, channels, none);
    k->row_op(PW_LRN, lrn, a, rows, channels, p);
    for (uint32_t r = 0; r < rows; r++) {
        const float *row = a + (size_t)r * channels;
        double sum = 0, exponentials = 0;
        for (uint32_t c = 0; c < channels; c++) {
            sum += (double)row[c];
            exponentials += exp((double)row[c]);
        }
        assert_near("row mean", k, mean[r], sum / channels, 30 * unit * 2);
        for (uint32_t c = 0; c < channels; c++) {
            double want = exp((double)row[c]) / exponentials, squares = 0;
            assert_near("softmax", k, soft[(size_t)r * channels + c], want, 40 * unit * want);
            for (int64_t i = (int64_t)c - (size - 1) / 2; i <= (int64_t)c + size / 2; i++)
                squares += i >= 0 && i < channels ? (double)row[i] * (double)row[i] : 0;
            want = (double)row[c] / pow(1.5 + (double)0.3f / size * squares, 0.75);
            assert_near("lrn", k, lrn[(size_t)r * channels + c], want, 20 * unit * fabs(want));
        }
    }
    assert_kept("row mean", k, mean + rows);
    assert_kept("softmax", k, soft + n);
    assert_kept("lrn", k, lrn + n);
    free(a);
    free(mean);
    free(soft);
    free(lrn);
}

static void test_rows(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++)
        for (int t = 0; t < n_tables; t++) {
            check_neighbour_mean(tables[t]);
            check_interleave(tables[t]);
            check_number(tables[t]);
            check_sum_rows(tables[t]);
            check_row_ops(tables[t]);
        }
}

/* ---- pointwise */

static double f_sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double f_softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double f_mish(double x)
{
    return x * tanh(f_softplus(x));
}

static double f_silu(double x)
{
    return x * f_sigmoid(x);
}

static double f_gelu(double x)
{
    return x / 2 * erfc(-x / sqrt(2));
}

static double f_elu(double x)
{
    return x < 0 ? 1.5 * expm1(x) : x;
}

static double f_neg(double x)
{
    return -x;
}

static double f_reciprocal(double x)
{
    return 1 / x;
}

static double f_hard_sigmoid(double x)
{
    return fmin(fmax(0.25 * x + 0.5, 0), 1);
}

static double f_hard_swish(double x)
{
    return x * fmin(fmax(x / 6 + 0.5, 0), 1);
}

static double f_leaky(double x)
{
    return x < 0 ? 0.25 * x : x;
}

static double f_clamp(double x)
{
    return fmin(fmax(x, -1), 6);
}

static double f_copy(double x)
{
    return x;
}

/* Within absolute + relative * |value| of the function on from..to, and on the extremes that are
 * in there. */
struct function {
    const char *name;
    enum pointwise op;
    double (*exact)(double x);
    float p[4];
    double from, to, absolute, relative;
};

static const struct function functions[] = {
    {"sigmoid", PW_SIGMOID, f_sigmoid, {0}, -1e30, 1e30, 0, 4e-7},
    {"tanh", PW_TANH, tanh, {0}, -1e30, 1e30, 0, 1e-6},
    {"erf", PW_ERF, erf, {0}, -1e18, 1e18, 0, 1e-6},
    {"exp", PW_EXP, exp, {0}, -87, 88, 0, 3e-7},
    {"softplus", PW_SOFTPLUS, f_softplus, {0}, -87, 1e30, 0, 4e-7},
    {"mish", PW_MISH, f_mish, {0}, -86, 1e30, 1e-37, 2e-6},
    {"silu", PW_SILU, f_silu, {0}, -86, 1e30, 1e-37, 4e-7},
    {"gelu", PW_GELU, f_gelu, {0}, -1e4, 1e30, 1e-7, 2e-7},
    {"elu", PW_ELU, f_elu, {1.5f}, -1e30, 1e30, 2e-7, 1e-7},
    {"log", PW_LOG, log, {0}, 1e-37, 1e38, 1e-7, 1e-7},
    {"sqrt", PW_SQRT, sqrt, {0}, 0, 1e38, 0, 7e-8},
    {"abs", PW_ABS, fabs, {0}, -1e38, 1e38, 0, 0},
    {"neg", PW_NEG, f_neg, {0}, -1e38, 1e38, 0, 0},
    {"reciprocal", PW_RECIPROCAL, f_reciprocal, {0}, 1e-37, 1e37, 0, 7e-8},
    {"floor", PW_FLOOR, floor, {0}, -1e38, 1e38, 0, 0},
    {"ceil", PW_CEIL, ceil, {0}, -1e38, 1e38, 0, 0},
    {"hard_sigmoid", PW_HARD_SIGMOID, f_hard_sigmoid, {0.25f, 0.5f}, -1e38, 1e38, 1e-7, 0},
    {"hard_swish", PW_HARD_SWISH, f_hard_swish, {0}, -1e18, 1e38, 3e-7, 2e-7},
    {"leaky_relu", PW_LEAKY_RELU, f_leaky, {0.25f}, -1e38, 1e38, 0, 0},
    {"clamp", PW_CLAMP, f_clamp, {-1, 6}, -1e38, 1e38, 0, 0},
    {"copy", PW_COPY, f_copy, {0}, -1e38, 1e38, 0, 0},
};

static float clip(const struct function *f, double x)
{
    return (float)(x < f->from ? f->from : x > f->to ? f->to : x);
}

/* Small and large numbers of both signs, and the ends. */
static size_t arguments(const struct function *f, float *x, size_t n)
{
    static const double special[] = {0,     -0.0,  1e-40, -1e-40, 1e-10, -1e-10, 0.15, -0.15,
                                     0.5,   -0.5,  1,     -1,     20,    -20,    87.3, -87.3,
                                     88.72, -88.8, 104,   -104,   1e4,   -1e4,   1e30, -1e30};
    size_t used = 0;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        x[used++] = clip(f, special[i]);
    x[used++] = (float)f->from;
    x[used++] = (float)f->to;
    while (used < n) {
        double spread = pow(10, rng_double(&rng) * 10 - 7);
        x[used++] = clip(f, (rng_double(&rng) * 2 - 1) * spread);
    }
    return used;
}

static void check_function(const struct kernels *k, const struct function *f)
{
    enum { N = 3001 };
    static float x[N], y[N + 1];
    double worst = 0, at = 0;
    size_t n = arguments(f, x, N);
    y[n] = 12345;
    k->pointwise(f->op, y, x, NULL, 1, 0, n, f->p);
    assert_kept(f->name, k, y + n);
    for (size_t i = 0; i < n; i++) {
        double want = f->exact((double)x[i]);
        double error = fabs((double)y[i] - want), allowed = f->absolute + f->relative * fabs(want);
        allowed += FLT_MIN; /* numbers that small may be flushed to 0 */
        if (!(error <= allowed))
            fail_msg("%s (%s) of %.9g: %.9g, not %.9g, off by %.3g (%.3g); SEED=%llu", f->name,
                     k->name, (double)x[i], (double)y[i], want, error, allowed,
                     (unsigned long long)seed);
        double share = allowed > 0 ? error / allowed : 0;
        if (share > worst) {
            worst = share;
            at = (double)x[i];
        }
    }
    if (getenv("VERBOSE"))
        printf("%-12s %-8s worst error %.2f of what is allowed, at %g\n", f->name, k->name, worst,
               at);
}

static void test_functions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        for (int t = 0; t < n_tables; t++)
            check_function(tables[t], &functions[i]);
}

/* What is not a number stays one, and nothing else becomes one. */
static void test_infinities(void **state)
{
    (void)state;
    static const struct {
        enum pointwise op;
        float at_minus, at_plus;
    } limits[] = {
        {PW_SIGMOID, 0, 1},
        {PW_TANH, -1, 1},
        {PW_ERF, -1, 1},
        {PW_SOFTPLUS, 0, INFINITY},
        {PW_ABS, INFINITY, INFINITY},
        {PW_CLAMP, -1, 6},
        {PW_RECIPROCAL, 0, 0},
    };
    const float p[4] = {-1, 6, 0, 0}, x[2] = {-INFINITY, INFINITY};
    for (int t = 0; t < n_tables; t++)
        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
            float y[2];
            tables[t]->pointwise(limits[i].op, y, x, NULL, 1, 0, 2, p);
            if (!(fabsf(y[0] - limits[i].at_minus) < 1e-38f || y[0] == limits[i].at_minus) ||
                y[1] != limits[i].at_plus)
                fail_msg("operation %d (%s): %g %g", limits[i].op, tables[t]->name, (double)y[0],
                         (double)y[1]);
        }
}

/* Of the table, into another row and in place, NaN included. */
static void check_affine(const struct kernels *k, size_t n)
{
    enum { MOST = 200 };
    float x[MOST], scale[MOST], shift[MOST], y[MOST + 1];
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)(rng_double(&rng) * 8 - 4);
        scale[i] = (float)(rng_double(&rng) * 4 - 2);
        shift[i] = (float)(rng_double(&rng) * 4 - 2);
    }
    x[n / 2] = NAN;
    y[n] = 12345;
    k->affine(y, x, scale, shift, n, 0, 6);
    assert_kept("affine", k, y + n);
    for (size_t i = 0; i < n; i++) {
        double exact = (double)x[i] * (double)scale[i] + (double)shift[i];
        double want = exact > 0 ? fmin(exact, 6) : 0;
        assert_true(fabs((double)y[i] - want) <= 1e-6);
    }
    k->affine(x, x, scale, shift, n, 0, 6);
    assert_memory_equal(x, y, n * sizeof *x);
}

static void test_affine(void **state)
{
    (void)state;
    for (int t = 0; t < n_tables; t++)
        for (size_t n = 1; n < 200; n += 1 + n / 7)
            check_affine(tables[t], n);
}

static double binary(enum pointwise op, double x, double y)
{
    switch (op) {
    case PW_ADD: return x + y;
    case PW_SUB: return x - y;
    case PW_MUL: return x * y;
    case PW_DIV: return x / y;
    case PW_MAX: return fmax(x, y);
    case PW_MIN: return fmin(x, y);
    case PW_POW: return pow(x, y);
    default: return x < 0 ? x * y : x;
    }
}

/* Each operand one for all or one each; target may be an operand.  One rounding (pow: 8). */
static void check_binary(const struct kernels *k, enum pointwise op, size_t a_step, size_t b_step)
{
    const float none[4] = {0};
    uint32_t n = between(1, 130);
    float *a = numbers(n), *b = numbers(n), *target = numbers(n);
    for (uint32_t i = 0; i < n && op == PW_POW; i++) {
        a[i] = fabsf(a[i]) + 0.01f;
        b[i] = i % 3 ? b[i] : 2;
    }
    k->pointwise(op, target, a, b, a_step, b_step, n, none);
    for (uint32_t i = 0; i < n; i++) {
        double want = binary(op, (double)a[i * a_step], (double)b[i * b_step]);
        assert_near("binary", k, target[i], want, (op == PW_POW ? 8 : 1) * unit * fabs(want));
    }
    assert_kept("binary", k, target + n);
    float *in_place = a_step ? a : b;
    if (a_step || b_step) {
        k->pointwise(op, in_place, a, b, a_step, b_step, n, none);
        assert_memory_equal(in_place, target, n * sizeof *target);
    }
    free(a);
    free(b);
    free(target);
}

static void test_binary(void **state)
{
    (void)state;
    for (int i = 0; i < rounds; i++)
        for (int op = PW_ADD; op <= PW_PRELU; op++)
            for (size_t steps = 0; steps < 4; steps++)
                for (int t = 0; t < n_tables; t++)
                    check_binary(tables[t], (enum pointwise)op, steps & 1, steps >> 1);
}

static int start(void **state)
{
    (void)state;
    const char *given = getenv("SEED"), *longer = getenv("ROUNDS");
    seed = given ? strtoull(given, NULL, 10) : seed;
    rounds = longer ? atoi(longer) : rounds;
    rng_seed(&rng, seed);
    tables[n_tables++] = kernels_choose(false, false);
    tables[n_tables++] = kernels_choose(true, false);
#if defined(__x86_64__)
    if (tables[0] == &kernels_avx512) /* such a machine has these, too */
        tables[n_tables++] = &kernels_avx2;
#endif
    for (int t = 0; t < n_tables; t++)
        printf("kernels: %s; SEED=%llu\n", tables[t]->name, (unsigned long long)seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),  cmocka_unit_test(test_square_windows),
        cmocka_unit_test(test_rows),     cmocka_unit_test(test_functions),
        cmocka_unit_test(test_affine),   cmocka_unit_test(test_infinities),
        cmocka_unit_test(test_products), cmocka_unit_test(test_zeros),
        cmocka_unit_test(test_binary),
    };
    return cmocka_run_group_tests_name("kernels", tests, start, NULL);
}
