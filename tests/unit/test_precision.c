/* Models in bfloat16 beside the same in float32: near it, by all kinds of layers that can take or
 * make rounded rows, under masks, with this machine's kernels and the portable ones.
 *
 * Tolerance: a rounding is 2^-9 at most; a dozen layers of sums whose roundings are independent
 * stay below 2^-6 of the largest score.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hostile.h"

enum { SIDE = 20, BATCH = 4, CLASSES = 7, PLANES = 3 * SIDE * SIDE };

/* Rounded rows of odd width, into 3x3, 1x1, strided and grouped convolutions and into residuals, of
 * the same rows and of others; from a program; around a Pad's border; and values that must stay
 * floats: a pool's, a depthwise convolution's, a concatenation's, alone and as prologues. */
static const char NETWORK[] =
    "input x 1,3,20,20;output y 1,7;"
    "float w1 13,3,3,3;float w2 13,13,3,3;float w3 40,13,1,1;float w4 40,40,1,1;float w5 40,1,3,3;"
    "float w6 24,10,3,3;float w7 16,24,3,3;float w8 16,24,1,1;float w9 16,32,1,1;float g 16,7;"
    "float g2 7,7;float b 7;"
    "Conv c1 x,w1 h1 pads=1,1,1,1;Relu r1 h1 h2;Conv c2 h2,w2 h3 pads=1,1,1,1;Add a1 h3,h2 h4;"
    "Relu r2 h4 h5;Conv c3 h5,w3 h6;Sigmoid s h6 h7;Mul m h6,h7 h8;Conv c4 h8,w4 h9;"
    "Conv c5 h9,w5 h10 pads=1,1,1,1 group:40;Conv p1 h10,w4 q1;"
    "Conv c6 q1,w6 h11 pads=1,1,1,1 group:4 strides=2,2;"
    "int pads 0,0,1,1,0,0,1,1;float pv 1 0.3;Pad pad h11,pads,pv h12;Conv c7 h12,w7 h13;"
    "Conv c8 h11,w8 h14;Add a2 h13,h14 h15;Relu r3 h15 h16;"
    "MaxPool mp h16 h17 kernel_shape=3,3 pads=1,1,1,1;Concat cat h16,h17 h18 axis:1;"
    "Conv c9 h18,w9 h19;GlobalAveragePool gp h19 h20;Flatten fl h20 h21;Gemm ge h21,g h22;"
    "Gemm ge2 h22,g2,b y";

static float images[BATCH][PLANES];
static struct lm_mask masks[BATCH];

static int start(void **state)
{
    if (hostile_start(state) != 0)
        return -1;
    for (uint32_t s = 0; s < BATCH; s++) {
        for (size_t i = 0; i < PLANES; i++)
            images[s][i] = network_number(i * 11 + s * 1000);
        assert_int_equal(lm_mask_create(SIDE, SIDE, &masks[s], NULL), LM_OK);
        for (uint32_t i = 0; i < SIDE * SIDE; i++)
            if ((i % SIDE / 6 + i / SIDE / 5 + s) % 3)
                lm_mask_set(&masks[s], i % SIDE, i / SIDE);
    }
    return 0;
}

static int stop(void **state)
{
    for (int s = 0; s < BATCH; s++)
        lm_mask_free(&masks[s]);
    return scratch_remove(state);
}

static struct lm_model *load(enum lm_precision precision, bool portable,
                             const struct lm_policy *policy)
{
    struct lm_model_options options = {.precision = precision, .portable = portable};
    struct lm_model *model;
    struct lm_error error = {0};
    if (policy)
        options.policy = *policy;
    if (lm_model_load(network_file(NETWORK), &options, &model, &error) != LM_OK)
        fail_msg("%s", error.text);
    return model;
}

/* Four images: under their masks, or two of them. */
static void score(enum lm_precision precision, bool portable, const struct lm_policy *policy,
                  bool masked, float *logits)
{
    const float *inputs[BATCH];
    const struct lm_mask *visible[BATCH];
    for (int s = 0; s < BATCH; s++) {
        inputs[s] = images[s];
        visible[s] = masked || s < 2 ? &masks[s] : NULL;
    }
    struct lm_model *model = load(precision, portable, policy);
    struct lm_session *session;
    assert_int_equal(lm_session_create(model, BATCH, 1, &session, NULL), LM_OK);
    assert_int_equal(lm_session_run(session, BATCH, inputs, visible, logits, NULL, NULL), LM_OK);
    lm_session_free(session);
    lm_model_free(model);
}

static void assert_near(const float *want, const float *got)
{
    float most = 0, worst = 0;
    for (int i = 0; i < BATCH * CLASSES; i++) {
        most = fmaxf(most, fabsf(want[i]));
        worst = fmaxf(worst, fabsf(want[i] - got[i]));
    }
    if (!(worst <= most / 64) || worst == 0)
        fail_msg("%g away, scores up to %g", (double)worst, (double)most);
}

static void test_near_float32(void **state)
{
    (void)state;
    const struct lm_policy policies[] = {
        {0}, {.concat = LM_CONCAT_INTERSECTION}, {.exposed = LM_EXPOSED_ZERO}};
    for (size_t p = 0; p < sizeof policies / sizeof *policies; p++)
        for (int i = 0; i < 4; i++) {
            float want[BATCH * CLASSES], got[BATCH * CLASSES];
            score(LM_PRECISION_FLOAT32, i & 1, &policies[p], i & 2, want);
            score(LM_PRECISION_BFLOAT16, i & 1, &policies[p], i & 2, got);
            assert_near(want, got);
        }
}

static void test_info(void **state)
{
    (void)state;
    struct lm_model *floats = load(LM_PRECISION_FLOAT32, false, NULL);
    struct lm_model *halves = load(LM_PRECISION_BFLOAT16, true, NULL);
    struct lm_model_info a, b;
    lm_model_info(floats, &a);
    lm_model_info(halves, &b);
    assert_int_equal(a.precision, LM_PRECISION_FLOAT32);
    assert_int_equal(b.precision, LM_PRECISION_BFLOAT16);
    assert_string_equal(b.kernels, "portable");
    assert_true(a.parameters == b.parameters && a.macs == b.macs);
    assert_true(lm_session_bytes(halves, BATCH, 1) > 0);
    lm_model_free(floats);
    lm_model_free(halves);
}

static void test_no_such_precision(void **state)
{
    (void)state;
    const struct lm_model_options options = {.precision = (enum lm_precision)2};
    struct lm_model *model = NULL;
    struct lm_error error = {0};
    assert_int_equal(lm_model_load(network_file(NETWORK), &options, &model, &error), LM_INVALID);
    assert_string_equal(error.text, "precision 2: there are 0 (float32) and 1 (bfloat16)");
    assert_null(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_float32),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_no_such_precision),
    };
    return cmocka_run_group_tests_name("precision", tests, start, stop);
}
