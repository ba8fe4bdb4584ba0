/* 3x3 convolutions in Winograd's tiles: rows must not depend on what runs beside them, in bfloat16
 * they are what they are in float32 but for its rounding, and tiles save products.  SEED=n replays
 * a run, ROUNDS=n makes the test longer. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "draws.h"
#include "kernels/kernels.h"
#include "layermask/session.h"
#include "network_text.h"

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
 * its tiles are small where the others' are large.  wide: in bfloat16 there are tiles, too. */
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

/* How many of the four 3x3 layers are computed so; on many sites it saves what it should. */
static void check_profile(uint32_t side, enum lm_precision precision, uint32_t expected_tiled)
{
    struct lm_model_options options = {.precision = precision};
    struct lm_model *model = random_model(side, precision != LM_PRECISION_FLOAT32, options);
    struct lm_session *session;
    struct lm_model_info info;
    struct lm_profile profile;
    float logits[CLASSES], *planes = numbers((size_t)3 * side * side);
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
            assert_true(side < 24 ||
                        steps[i].macs_done < steps[i].macs_needed / 2 + steps[i].macs_needed / 4);
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
    check_profile(24, LM_PRECISION_FLOAT32, 4);
    check_profile(24, LM_PRECISION_BFLOAT16, kernels_choose(false, true)->bf16_in_place ? 4 : 0);
    /* two of them read what a Relu left */
    check_profile(6, LM_PRECISION_FLOAT32, kernels_choose(false, false)->skips ? 2 : 4);
}

static int start(void **state)
{
    draws_begin();
    return scratch_make(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_rounded),
        cmocka_unit_test(test_profile),
    };
    return cmocka_run_group_tests_name("winograd", tests, start, scratch_remove);
}
