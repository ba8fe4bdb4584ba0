/* Winograd's tiles: the kernels against sums in double precision, for random channels and both
 * sizes of tiles; and convolutions whose rows must not depend on what runs beside them.  SEED=n
 * replays a run, ROUNDS=n makes the test longer. */
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

static const double unit = 1.0 / 16777216; /* rounding of a float */
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

/* ---- kernels */

struct tile_case {
    uint32_t side, channels, columns, cells, outputs;
    float *source, *weights, *bias, *residual, *target, *numbers, *sums;
    const float *cell[WINOGRAD_CELLS];
    struct winograd_tile tile;
};

/* Some cells are one row of zeros, some outputs are not wanted, some have no residual. */
static struct tile_case make_case(void)
{
    struct tile_case c = {.side = 2 * between(1, 2), .channels = between(1, 70)};
    c.columns = between(1, 70);
    c.cells = (c.side + 2) * (c.side + 2);
    c.outputs = c.side * c.side;
    c.source = numbers((size_t)(c.cells + 1) * c.channels);
    memset(c.source, 0, c.channels * sizeof *c.source);
    for (uint32_t i = 0; i < c.cells; i++)
        c.cell[i] = c.source + (between(0, 4) ? i + 1 : 0) * (size_t)c.channels;
    c.weights = numbers((size_t)9 * c.channels * c.columns);
    c.bias = numbers(c.columns + KERNELS_SLACK);
    c.residual = numbers((size_t)c.outputs * c.columns);
    c.target = numbers((size_t)c.outputs * c.columns);
    c.tile = (struct winograd_tile){
        .bias = c.bias, .low = between(0, 1) ? 0 : -INFINITY, .high = between(0, 1) ? 6 : INFINITY};
    for (uint32_t i = 0; i < c.outputs; i++) {
        c.tile.target[i] = between(0, 3) ? c.target + (size_t)i * c.columns : NULL;
        c.tile.residual[i] = between(0, 1) ? c.residual + (size_t)i * c.columns : NULL;
    }
    return c;
}

static void free_case(struct tile_case *c)
{
    float *all[] = {c->source, c->weights, c->bias, c->residual, c->target, c->numbers, c->sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* What the kernels make of it, the products in between by plain sums. */
static void compute(const struct kernels *k, struct tile_case *c)
{
    size_t stride = (c->channels + 15) / 16 * 16, width = (c->columns + 15) / 16 * 16;
    size_t count = (size_t)c->channels * c->columns;
    float *matrix = numbers(count);
    c->numbers = numbers(c->cells * stride);
    c->sums = numbers(c->cells * width);
    k->winograd_input(c->side, c->numbers, stride, c->cell, c->channels);
    for (uint32_t i = 0; i < c->cells; i++) {
        kernels_winograd_weights(c->side, c->weights, count, i, count, matrix);
        for (uint32_t o = 0; o < c->columns; o++) {
            float sum = 0;
            for (uint32_t n = 0; n < c->channels; n++)
                sum += c->numbers[i * stride + n] * matrix[(size_t)n * c->columns + o];
            c->sums[i * width + o] = sum;
        }
    }
    k->winograd_output(c->side, &c->tile, c->sums, width, c->columns);
    free(matrix);
}

/* The sum of an output; *size: of all products of the tile, which an error is measured by. */
static double expected(const struct tile_case *c, uint32_t output, uint32_t column, double *size)
{
    uint32_t y0 = output / c->side, x0 = output % c->side;
    double sum = 0;
    for (uint32_t t = 0; t < 9; t++)
        for (uint32_t n = 0; n < c->channels; n++) {
            const float *cell = c->cell[(y0 + t / 3) * (c->side + 2) + x0 + t % 3];
            double term = (double)cell[n] *
                          (double)c->weights[((size_t)t * c->channels + n) * c->columns + column];
            sum += term;
            *size += fabs(term);
        }
    return sum;
}

static void check_output(const struct kernels *k, const struct tile_case *c, uint32_t output,
                         double *worst)
{
    for (uint32_t o = 0; o < c->columns; o++) {
        double size = 10, sum = expected(c, output, o, &size) + (double)c->bias[o];
        const float *residual = c->tile.residual[output];
        sum += residual ? (double)residual[o] : 0;
        sum = fmin(fmax(sum, (double)c->tile.low), (double)c->tile.high);
        double error = fabs((double)c->tile.target[output][o] - sum) / (unit * size);
        *worst = error > *worst ? error : *worst;
        if (!(error <= 40))
            fail_msg("F(%u) of %u channels (%s): output %u, column %u: %.9g, not %.9g; SEED=%llu",
                     c->side, c->channels, k->name, output, o, (double)c->tile.target[output][o],
                     sum, (unsigned long long)seed);
    }
}

static void check_case(const struct kernels *k, double *worst)
{
    struct tile_case c = make_case();
    size_t n = (size_t)c.outputs * c.columns;
    float *before = malloc(n * sizeof *before);
    assert_non_null(before);
    memcpy(before, c.target, n * sizeof *before);
    compute(k, &c);
    for (uint32_t i = 0; i < c.outputs; i++)
        if (c.tile.target[i])
            check_output(k, &c, i, worst);
        else
            assert_memory_equal(c.target + (size_t)i * c.columns, before + (size_t)i * c.columns,
                                c.columns * sizeof *before);
    assert_true(c.target[n] == 12345);
    free(before);
    free_case(&c);
}

static void test_kernels(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = 0; i < rounds; i++)
        for (int portable = 0; portable < 2; portable++)
            check_case(kernels_choose(portable, false), &worst);
    printf("worst error: %.1f roundings of the tile's products\n", worst);
}

/* ---- convolutions */

enum { BATCH = 5, CLASSES = 4, MOST_SIDE = 33 };

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
 * its tiles are small where the others' are large. */
static struct lm_model *random_model(uint32_t side, bool portable)
{
    char text[1024];
    uint32_t a = between(16, 40), b = between(16, 150), top = between(0, 2), left = between(0, 2);
    snprintf(text, sizeof text,
             "input x 1,3,%u,%u;output y 1,4;float w0 %u,3,1,1;float w1 %u,%u,3,3;"
             "float w2 %u,%u,3,3;float w3 %u,%u,3,3;float w4 150,%u,3,3;float g 150,4;"
             "Conv c0 x,w0 h0;Conv c1 h0,w1 h1 pads=1,1,1,1;Relu r1 h1 h2;"
             "Conv c2 h2,w2 h3 pads=1,1,1,1;Add a2 h3,h0 h4;Relu r2 h4 h5;"
             "Conv c3 h5,w3 h6 pads=%u,%u,1,0;Sigmoid s3 h6 h7;Mul m3 h6,h7 h8;"
             "Conv c4 h8,w4 h9 pads=1,1,1,1;GlobalAveragePool p h9 h10;Flatten f h10 h11;"
             "Gemm e h11,g y",
             side, side, a, a, a, a, a, b, a, b, top, left);
    struct lm_model_options options = {.portable = portable};
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
static void check_batches(bool portable)
{
    uint32_t side = between(5, MOST_SIDE);
    struct lm_model *model = random_model(side, portable);
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
        check_batches(i & 1);
}

/* All 3x3 layers are computed so, and it saves what it should. */
static void test_profile(void **state)
{
    (void)state;
    struct lm_model *model = random_model(24, false);
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
    assert_int_equal(tiled, 4);
    free(steps);
    free(planes);
    lm_session_free(session);
    lm_model_free(model);
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
        cmocka_unit_test(test_profile),
    };
    return cmocka_run_group_tests_name("winograd", tests, start, scratch_remove);
}
