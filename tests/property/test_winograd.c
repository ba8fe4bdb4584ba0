/* Winograd's tiles: the kernels against sums in double precision, for random channels, both sizes
 * of tiles and both precisions; and convolutions whose rows must not depend on what runs beside
 * them. SEED=n replays a run, ROUNDS=n makes the test longer. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "layermask/session.h"
#include "network_text.h"

static const double unit = 1.0 / 16777216, rounded_unit = 1.0 / 512; /* rounding of a number */
static uint64_t seed = 20260511;
static int rounds = 40;
static struct rng rng;

static uint32_t between(uint32_t low, uint32_t high)
{
    return low + (uint32_t)rng_below(&rng, (uint64_t)high - low + 1);
}

static float *numbers(size_t n)
{
    float *out = malloc((n + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(rng_double(&rng) * 4 - 2);
    out[n] = 12345; /* watched */
    return out;
}

static float float_of(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ---- kernels */

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

/* ---- convolutions */

enum { BATCH = 5, CLASSES = 4, MOST_SIDE = 33 };
#define MOST_AWAY 0.02

/* Blocks backwards, by two threads in turn. */
static void run_backwards(void *context, uint32_t count,
                          void (*task)(void *argument, uint32_t index, uint32_t thread),
                          void *argument)
{
    (void)context;
    while (count-- > 0)
        task(argument, count, count & 1);
}

/* 3x3 layers with pads of all kinds, residuals and a program; the last has many channels, so that
 * its tiles are small where the others' are large.  wide: in
 * bfloat16 there are tiles, too. */
static struct lm_model *random_model(uint32_t side, bool wide, struct lm_model_options options)
{
    char text[1024];
    uint32_t a = between(16, 40), b = between(16, 150), top = between(0, 2), left = between(0, 2);
    if (wide) {
        a = (a + 31) / 32 * 32;
        b = (b + 31) / 32 * 32;
    }
    snprintf(text, sizeof text,
             "input x 1,3,%u,%u;output y 1,4;float w0 %u,3,1,1;float w1 %u,%u,3,3;"
             "float w2 %u,%u,3,3;float w3 %u,%u,3,3;float w4 150,%u,3,3;float g 150,4;"
             "Conv c0 x,w0 h0;Conv c1 h0,w1 h1 pads=1,1,1,1;Relu r1 h1 h2;"
             "Conv c2 h2,w2 h3 pads=1,1,1,1;Add a2 h3,h0 h4;Relu r2 h4 h5;"
             "Conv c3 h5,w3 h6 pads=%u,%u,1,0;Sigmoid s3 h6 h7;Mul m3 h6,h7 h8;"
             "Conv c4 h8,w4 h9 pads=1,1,1,1;GlobalAveragePool p h9 h10;Flatten f h10 h11;"
             "Gemm e h11,g y",
             side, side, a, a, a, a, a, b, a, b, top, left);
    struct lm_error error = {0};
    struct lm_model *model;
    if (lm_model_load(network_file(text), &options, &model, &error) != LM_OK)
        fail_msg("%s", error.text);
    return model;
}

static void draw_masks(uint32_t side, struct lm_mask *masks)
{
    for (uint32_t s = 0; s < BATCH; s++) {
        uint32_t cell = between(1, 9), share = between(0, 8);
        uint64_t key = rng_below(&rng, UINT32_MAX) | 1;
        assert_int_equal(lm_mask_create(side, side, &masks[s], NULL), LM_OK);
        for (uint32_t y = 0; y < side; y++)
            for (uint32_t x = 0; x < side; x++)
                if ((key * (y / cell * 31 + x / cell + 1) >> 20) % 8 < share)
                    lm_mask_set(&masks[s], x, y);
    }
}

/* A sample alone, in a batch, in blocks backwards: the same bits. */
static void check_batches(struct lm_model_options options)
{
    uint32_t side = between(5, MOST_SIDE);
    struct lm_model *model = random_model(side, options.precision != LM_PRECISION_FLOAT32, options);
    struct lm_session *session;
    struct lm_mask masks[BATCH];
    const struct lm_mask *visible[BATCH];
    const float *inputs[BATCH];
    float together[BATCH * CLASSES], alone[CLASSES], *planes[BATCH];
    struct lm_parallel pool = {.threads = 2, .run = run_backwards};
    assert_int_equal(lm_session_create(model, BATCH, 2, &session, NULL), LM_OK);
    draw_masks(side, masks);
    for (uint32_t s = 0; s < BATCH; s++) {
        inputs[s] = planes[s] = numbers((size_t)3 * side * side);
        visible[s] = between(0, 3) ? &masks[s] : NULL;
    }
    assert_int_equal(lm_session_run(session, BATCH, inputs, visible, together, &pool, NULL), LM_OK);
    for (uint32_t s = 0; s < BATCH; s++) {
        assert_int_equal(lm_session_run(session, 1, inputs + s, visible + s, alone, NULL, NULL),
                         LM_OK);
        assert_memory_equal(alone, together + (size_t)s * CLASSES, sizeof alone);
        lm_mask_free(&masks[s]);
        free(planes[s]);
    }
    lm_session_free(session);
    lm_model_free(model);
}

static void test_batches(void **state)
{
    (void)state;
    for (int i = 0; i < rounds / 2; i++)
        check_batches((struct lm_model_options){.portable = i & 1});
    for (int i = 0; i < rounds / 4; i++)
        check_batches((struct lm_model_options){.precision = LM_PRECISION_BFLOAT16});
}

/* Logits of the same network, pictures and masks in both precisions: the root of the squares of
 * their difference, measured by that of the logits. */
static double away_from_floats(uint32_t side)
{
    float logits[2][BATCH * CLASSES], *planes = numbers((size_t)3 * side * side);
    struct lm_mask masks[BATCH];
    const struct lm_mask *visible[BATCH];
    const float *inputs[BATCH];
    struct rng shape = rng;
    draw_masks(side, masks);
    for (uint32_t s = 0; s < BATCH; s++) {
        inputs[s] = planes;
        visible[s] = s ? &masks[s] : NULL;
    }
    for (int p = 0; p < 2; p++) {
        struct lm_model_options options = {.precision = (enum lm_precision)p};
        struct lm_session *session;
        rng = shape;
        struct lm_model *model = random_model(side, true, options);
        assert_int_equal(lm_session_create(model, BATCH, 1, &session, NULL), LM_OK);
        assert_int_equal(lm_session_run(session, BATCH, inputs, visible, logits[p], NULL, NULL),
                         LM_OK);
        lm_session_free(session);
        lm_model_free(model);
    }
    double all = 0, apart = 0;
    for (size_t i = 0; i < sizeof logits[0] / sizeof(float); i++) {
        all += (double)logits[0][i] * (double)logits[0][i];
        apart += pow((double)logits[1][i] - (double)logits[0][i], 2);
    }
    for (uint32_t s = 0; s < BATCH; s++)
        lm_mask_free(&masks[s]);
    free(planes);
    return sqrt(apart / all);
}

static void test_rounded(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = 0; i < rounds / 4; i++) {
        uint32_t side = between(11, MOST_SIDE);
        double away = away_from_floats(side);
        worst = fmax(worst, away);
        if (!(away < MOST_AWAY))
            fail_msg("%u x %u in bfloat16: %.4f away from float32; SEED=%llu", side, side, away,
                     (unsigned long long)seed);
    }
    printf("bfloat16: at most %.4f away from float32\n", worst);
}

/* All 3x3 layers are computed so, and it saves what it should. */
static void check_profile(enum lm_precision precision, uint32_t expected_tiled)
{
    struct lm_model_options options = {.precision = precision};
    struct lm_model *model = random_model(24, precision != LM_PRECISION_FLOAT32, options);
    struct lm_session *session;
    struct lm_model_info info;
    struct lm_profile profile;
    float logits[CLASSES], *planes = numbers((size_t)3 * 24 * 24);
    const float *inputs[1] = {planes};
    lm_model_info(model, &info);
    struct lm_step_profile *steps = calloc(info.layers, sizeof *steps);
    assert_non_null(steps);
    assert_int_equal(lm_session_create(model, 1, 1, &session, NULL), LM_OK);
    lm_session_profile(session, 1);
    assert_int_equal(lm_session_run(session, 1, inputs, NULL, logits, NULL, NULL), LM_OK);
    lm_session_profile_read(session, &profile, steps);
    uint32_t tiled = 0;
    for (uint32_t i = 0; i < info.layers; i++)
        if (strncmp(steps[i].kernel, "winograd", 8) == 0) {
            tiled++;
            assert_true(steps[i].macs_done < steps[i].macs_needed / 2 + steps[i].macs_needed / 4);
        }
    assert_int_equal(tiled, expected_tiled);
    free(steps);
    free(planes);
    lm_session_free(session);
    lm_model_free(model);
}

static void test_profile(void **state)
{
    (void)state;
    check_profile(LM_PRECISION_FLOAT32, 4);
    check_profile(LM_PRECISION_BFLOAT16, kernels_choose(false, true)->bf16_in_place ? 4 : 0);
}

static int start(void **state)
{
    const char *given = getenv("SEED"), *longer = getenv("ROUNDS");
    seed = given ? strtoull(given, NULL, 10) : seed;
    rounds = longer ? atoi(longer) : rounds;
    rng_seed(&rng, seed);
    return scratch_make(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_rounded),
        cmocka_unit_test(test_profile),
    };
    return cmocka_run_group_tests_name("winograd", tests, start, scratch_remove);
}
