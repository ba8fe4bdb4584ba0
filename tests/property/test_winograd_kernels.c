/* The kernels of Winograd's tiles against sums in double precision, for random channels, both sizes
 * of tiles and both precisions.  SEED=n replays a run, ROUNDS=n makes the test longer. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "draws.h"
#include "kernels/kernels.h"

static const double unit = 1.0 / 16777216, rounded_unit = 1.0 / 512; /* rounding of a number */
static float float_of(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Rows as floats, and as the tile has them. */
struct rows {
    float *floats;
    uint16_t *halves; /* NULL: as floats */
};

enum { MOST_ROUNDINGS = 3 };

struct tile_case {
    uint32_t side, channels, columns, cells, outputs;
    size_t stride; /* of rows of outputs */
    bool rounded;  /* the numbers, and the weights */
    struct rows source, residual, target;
    float *weights, *bias, *sums;
    void *numbers;
    uint32_t at[WINOGRAD_CELLS]; /* row of a cell */
    struct winograd_tile tile;
};

/* The floats become those that bfloat16 has. */
static struct rows make_rows(size_t n, bool rounded)
{
    struct rows rows = {.floats = numbers(n)};
    if (!rounded)
        return rows;
    rows.halves = calloc(n + 1, sizeof *rows.halves);
    assert_non_null(rows.halves);
    kernels_choose(true, false)->bf16_round(rows.halves, rows.floats, n + 1);
    for (size_t i = 0; i <= n; i++)
        rows.floats[i] = float_of(rows.halves[i]);
    return rows;
}

static void *row_at(const struct rows *rows, size_t at)
{
    return rows->halves ? (void *)(rows->halves + at) : (void *)(rows->floats + at);
}

/* Some cells are one row of zeros, some outputs are not wanted, some have no residual. */
static struct tile_case make_case(void)
{
    struct tile_case c = {.side = 2 * between(1, 2), .channels = between(1, 70)};
    uint32_t column = between(0, 3);
    c.rounded = c.side == 2 && between(0, 1);
    c.columns = between(1, 70);
    c.stride = column + c.columns;
    c.cells = (c.side + 2) * (c.side + 2);
    c.outputs = c.side * c.side;
    c.source = make_rows((size_t)(c.cells + 1) * c.channels, c.rounded && between(0, 1));
    memset(c.source.floats, 0, c.channels * sizeof(float));
    if (c.source.halves)
        memset(c.source.halves, 0, c.channels * sizeof(uint16_t));
    for (uint32_t i = 0; i < c.cells; i++)
        c.at[i] = (between(0, 4) ? i + 1 : 0) * c.channels;
    c.weights = numbers((size_t)9 * c.channels * c.columns);
    c.bias = numbers(c.stride + KERNELS_SLACK);
    c.residual = make_rows(c.outputs * c.stride, c.rounded && between(0, 1));
    c.target = make_rows(c.outputs * c.stride, c.rounded && between(0, 1));
    c.tile = (struct winograd_tile){.target_rounded = c.target.halves != NULL,
                                    .residual_rounded = c.residual.halves != NULL,
                                    .column = column,
                                    .bias = c.bias,
                                    .low = between(0, 1) ? 0 : -INFINITY,
                                    .high = between(0, 1) ? 6 : INFINITY};
    for (uint32_t i = 0; i < c.outputs; i++) {
        c.tile.target[i] = between(0, 3) ? row_at(&c.target, i * c.stride) : NULL;
        c.tile.residual[i] = between(0, 1) ? row_at(&c.residual, i * c.stride) : NULL;
    }
    return c;
}

static void free_case(struct tile_case *c)
{
    void *all[] = {c->source.floats, c->source.halves, c->residual.floats, c->residual.halves,
                   c->target.floats, c->target.halves, c->weights,         c->bias,
                   c->numbers,       c->sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void spread_cells(const struct kernels *k, struct tile_case *c, size_t stride)
{
    const void *source[WINOGRAD_CELLS];
    for (uint32_t i = 0; i < c->cells; i++)
        source[i] = row_at(&c->source, c->at[i]);
    c->numbers = numbers(c->cells * stride);
    struct winograd_cells cells = {.side = c->side,
                                   .channels = c->channels,
                                   .source = source,
                                   .target = c->numbers,
                                   .step = stride,
                                   .source_rounded = c->source.halves != NULL,
                                   .target_rounded = c->rounded};
    k->winograd_input(&cells);
}

/* Matrix i of the weights. */
static struct rows make_matrix(const struct tile_case *c, uint32_t i)
{
    size_t count = (size_t)c->channels * c->columns;
    struct rows matrix = {.floats = numbers(count)};
    kernels_winograd_weights(c->side, c->weights, count, i, count, matrix.floats);
    if (c->rounded) {
        matrix.halves = calloc(count, sizeof *matrix.halves);
        assert_non_null(matrix.halves);
        kernels_choose(true, false)->bf16_round(matrix.halves, matrix.floats, count);
    }
    return matrix;
}

static float number_at(const struct tile_case *c, const void *rows, size_t at)
{
    return c->rounded ? float_of(((const uint16_t *)rows)[at]) : ((const float *)rows)[at];
}

/* What the kernels make of it, the products in between by plain sums. */
static void compute(const struct kernels *k, struct tile_case *c)
{
    size_t stride = (c->channels + 15) / 16 * 16, width = (c->columns + 15) / 16 * 16;
    spread_cells(k, c, stride);
    c->sums = numbers(c->cells * width);
    for (uint32_t i = 0; i < c->cells; i++) {
        struct rows matrix = make_matrix(c, i);
        for (uint32_t o = 0; o < c->columns; o++) {
            float sum = 0;
            for (uint32_t n = 0; n < c->channels; n++)
                sum += number_at(c, c->numbers, i * stride + n) *
                       number_at(c, row_at(&matrix, 0), (size_t)n * c->columns + o);
            c->sums[i * width + o] = sum;
        }
        free(matrix.floats);
        free(matrix.halves);
    }
    k->winograd_output(c->side, &c->tile, c->sums, width, c->columns);
    for (size_t i = 0; c->target.halves && i <= c->outputs * c->stride; i++)
        c->target.floats[i] = float_of(c->target.halves[i]);
}

/* The sum of an output; *size: of all products of the tile, which an error is measured by. */
static double expected(const struct tile_case *c, uint32_t output, uint32_t column, double *size)
{
    uint32_t y0 = output / c->side, x0 = output % c->side;
    double sum = 0;
    for (uint32_t t = 0; t < 9; t++)
        for (uint32_t n = 0; n < c->channels; n++) {
            uint32_t cell = (y0 + t / 3) * (c->side + 2) + x0 + t % 3;
            float x = c->source.floats[c->at[cell] + n];
            double term =
                (double)x * (double)c->weights[((size_t)t * c->channels + n) * c->columns + column];
            sum += term;
            *size += fabs(term);
        }
    return sum;
}

static void check_output(const struct kernels *k, const struct tile_case *c, uint32_t output,
                         double *worst)
{
    double rounding = c->rounded ? rounded_unit : unit, most = c->rounded ? MOST_ROUNDINGS : 40;
    for (uint32_t o = 0; o < c->columns; o++) {
        size_t at = output * c->stride + c->tile.column + o;
        double size = 10, sum = expected(c, output, o, &size) + (double)c->bias[c->tile.column + o];
        double got = (double)c->target.floats[at];
        sum += c->tile.residual[output] ? (double)c->residual.floats[at] : 0;
        sum = fmin(fmax(sum, (double)c->tile.low), (double)c->tile.high);
        double error = fabs(got - sum) / (rounding * size);
        worst[c->rounded] = fmax(worst[c->rounded], error);
        if (!(error <= most))
            fail_msg("F(%u) of %u channels (%s%s): output %u, column %u: %.9g, not %.9g; SEED=%llu",
                     c->side, c->channels, k->name, c->rounded ? ", bfloat16" : "", output, o, got,
                     sum, (unsigned long long)seed);
    }
}

static void check_case(const struct kernels *k, double *worst)
{
    struct tile_case c = make_case();
    size_t n = c.outputs * c.stride;
    float *before = malloc((n + 1) * sizeof *before);
    assert_non_null(before);
    memcpy(before, c.target.floats, (n + 1) * sizeof *before);
    compute(k, &c);
    for (uint32_t i = 0; i < c.outputs; i++) {
        size_t same = c.tile.target[i] ? c.tile.column : c.stride;
        assert_memory_equal(c.target.floats + i * c.stride, before + i * c.stride,
                            same * sizeof *before);
        if (c.tile.target[i])
            check_output(k, &c, i, worst);
    }
    assert_true(c.target.floats[n] == before[n]);
    free(before);
    free_case(&c);
}

static void test_kernels(void **state)
{
    (void)state;
    double worst[2] = {0};
    for (int i = 0; i < rounds; i++)
        for (int table = 0; table < 3; table++)
            check_case(kernels_choose(table == 0, table == 2), worst);
    printf("worst errors: %.1f roundings of the tile's products, %.2f in bfloat16\n", worst[0],
           worst[1]);
}

int main(void)
{
    draws_begin();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels)};
    return cmocka_run_group_tests_name("winograd_kernels", tests, NULL, NULL);
}
