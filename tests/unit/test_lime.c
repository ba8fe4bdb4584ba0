/* LIME on fake networks: weights come back, labels and errors are right.  The numbers are checked
 * against the `lime` package in tests/golden/test_lime_package.py. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layermask/explain.h"

enum { OUTPUTS = 4, SEGMENTS = 12 };

/* Output o of a linear network is its bias plus the slopes of visible segments. */
static const double biases[OUTPUTS] = {0.1, 0.5, -0.2, 0.3};

static double slope(uint32_t output, uint32_t segment)
{
    return segment % OUTPUTS == output ? (segment % 8 < 4 ? 1 : -1) * 0.01 * (segment + 1) : 0;
}

struct fake {
    int calls;
    uint32_t count;
    enum lm_status status;
    const char *text;
    double poison; /* output 2 of sample 3, unless 0 */
};

static enum lm_status predict(void *context, const struct lm_samples *samples, double *outputs,
                              struct lm_error *error)
{
    struct fake *fake = context;
    fake->calls++;
    fake->count = samples->count;
    if (fake->text)
        return lm_fail(error, fake->status, "%s", fake->text);
    for (size_t i = 0; i < samples->count; i++)
        for (uint32_t o = 0; o < OUTPUTS; o++) {
            double sum = biases[o];
            for (uint32_t s = 0; s < samples->segments; s++)
                sum += slope(o, s) * samples->z[i * samples->segments + s];
            outputs[i * OUTPUTS + o] = sum;
        }
    if (fake->poison != 0)
        outputs[3 * OUTPUTS + 2] = fake->poison;
    return fake->status;
}

static void assert_close(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.17g is not %.17g within %g", value, expected, tolerance);
}

static const struct lm_weight *find_weight(const struct lm_label_explanation *label,
                                           uint32_t segment)
{
    for (uint32_t i = 0; i < label->n_weights; i++)
        if (label->weights[i].segment == segment)
            return &label->weights[i];
    return NULL;
}

static void assert_sorted(const struct lm_label_explanation *label)
{
    for (uint32_t i = 1; i < label->n_weights; i++)
        assert_true(fabs(label->weights[i - 1].weight) >= fabs(label->weights[i].weight));
}

static void check_recovered(const struct lm_label_explanation *label, double tolerance)
{
    double sum = label->intercept, output = biases[label->label];
    for (uint32_t s = 0; s < SEGMENTS; s++) {
        const struct lm_weight *weight = find_weight(label, s);
        assert_non_null(weight);
        assert_close(weight->weight, slope(label->label, s), tolerance);
        assert_true(weight->standard_error >= 0 && weight->standard_error < tolerance);
        sum += weight->weight;
        output += slope(label->label, s);
    }
    assert_sorted(label);
    assert_close(label->output, output, 1e-15);
    assert_close(label->local_prediction, sum, 1e-14);
    assert_close(label->intercept, biases[label->label], 10 * tolerance);
    assert_true(label->score > 1 - tolerance && label->score <= 1);
}

/* Hardly any penalty: the weights are the network's own. */
static void test_recovers_linear_network(void **state)
{
    struct lm_lime_options options = {.samples = 500, .seed = 4, .alpha = 1e-6};
    static const uint32_t labels[3] = {2, 0, 3};
    struct lm_explanation e = {0};
    struct lm_error error = {0};
    struct fake fake = {0};
    (void)state;
    assert_int_equal(
        lm_explain_lime(&options, SEGMENTS, OUTPUTS, labels, 3, predict, &fake, &e, &error), LM_OK);
    assert_int_equal(fake.calls, 1);
    assert_int_equal(fake.count, 500);
    assert_int_equal(e.n_labels, 3);
    assert_int_equal(e.samples.count, 500);
    assert_int_equal(e.samples.segments, SEGMENTS);
    assert_int_equal(e.n_warnings, 0);
    for (uint32_t l = 0; l < 3; l++) {
        assert_int_equal(e.labels[l].label, labels[l]);
        assert_int_equal(e.labels[l].n_weights, SEGMENTS);
        check_recovered(&e.labels[l], 1e-6);
        assert_true(e.outputs[l] == e.labels[l].output);
    }
    lm_explanation_free(&e);
    lm_explanation_free(&e);
    lm_explanation_free(NULL);
}

/* The order of the outputs at all visible; equal outputs: lower index first. */
static void test_top_labels(void **state)
{
    struct lm_explanation e = {0};
    struct fake fake = {0};
    double outputs[OUTPUTS];
    uint8_t z[SEGMENTS];
    struct lm_samples first = {1, SEGMENTS, false, z};
    (void)state;
    memset(z, 1, sizeof z);
    predict(&fake, &first, outputs, NULL);
    assert_int_equal(
        lm_explain_lime(NULL, SEGMENTS, OUTPUTS, NULL, OUTPUTS, predict, &fake, &e, NULL), LM_OK);
    assert_int_equal(e.samples.count, 1000);
    for (uint32_t l = 1; l < OUTPUTS; l++)
        assert_true(outputs[e.labels[l - 1].label] > outputs[e.labels[l].label]);
    lm_explanation_free(&e);
}

static enum lm_status predict_ties(void *context, const struct lm_samples *samples, double *outputs,
                                   struct lm_error *error)
{
    static const double values[OUTPUTS] = {0.1, 0.4, 0.1, 0.4};
    (void)context;
    (void)error;
    for (size_t i = 0; i < (size_t)samples->count * OUTPUTS; i++)
        outputs[i] = values[i % OUTPUTS];
    return LM_OK;
}

static void test_tied_and_constant_outputs(void **state)
{
    struct lm_explanation e = {0};
    static const uint32_t expected[3] = {1, 3, 0};
    (void)state;
    assert_int_equal(
        lm_explain_lime(NULL, SEGMENTS, OUTPUTS, NULL, 3, predict_ties, NULL, &e, NULL), LM_OK);
    for (uint32_t l = 0; l < 3; l++) {
        const struct lm_label_explanation *label = &e.labels[l];
        assert_int_equal(label->label, expected[l]);
        assert_true(label->score == 1 && label->intercept == label->output);
        assert_true(label->local_prediction == label->output);
        for (uint32_t s = 0; s < SEGMENTS; s++) {
            assert_int_equal(label->weights[s].segment, s);
            assert_true(label->weights[s].weight == 0 && label->weights[s].standard_error == 0);
        }
    }
    assert_int_equal(e.n_warnings, 3);
    assert_string_equal(e.warnings[0], "Label 1: the output is 0.4 in all 1000 samples, so hiding "
                                       "segments changes nothing and every weight is 0.");
    lm_explanation_free(&e);
}

static void test_num_features(void **state)
{
    struct lm_lime_options options = {.samples = 500, .alpha = 1e-6, .num_features = 2};
    static const uint32_t labels[2] = {0, 3};
    struct lm_explanation e = {0};
    struct fake fake = {0};
    (void)state;
    assert_int_equal(
        lm_explain_lime(&options, SEGMENTS, OUTPUTS, labels, 2, predict, &fake, &e, NULL), LM_OK);
    for (uint32_t l = 0; l < 2; l++)
        assert_int_equal(e.labels[l].n_weights, 2);
    assert_int_equal(e.labels[0].weights[0].segment, 8); /* slopes 0.01, -0.05, 0.09 */
    assert_int_equal(e.labels[0].weights[1].segment, 4);
    assert_int_equal(e.labels[1].weights[0].segment, 11); /* 0.04, -0.08, 0.12 */
    assert_int_equal(e.labels[1].weights[1].segment, 7);
    lm_explanation_free(&e);
    options.num_features = 1000;
    assert_int_equal(
        lm_explain_lime(&options, SEGMENTS, OUTPUTS, labels, 2, predict, &fake, &e, NULL), LM_OK);
    assert_int_equal(e.labels[0].n_weights, SEGMENTS);
    lm_explanation_free(&e);
}

static void assert_same(const struct lm_explanation *a, const struct lm_explanation *b)
{
    assert_int_equal(a->labels[0].n_weights, b->labels[0].n_weights);
    for (uint32_t i = 0; i < a->labels[0].n_weights; i++) {
        assert_int_equal(a->labels[0].weights[i].segment, b->labels[0].weights[i].segment);
        assert_true(a->labels[0].weights[i].weight == b->labels[0].weights[i].weight);
        assert_true(a->labels[0].weights[i].standard_error ==
                    b->labels[0].weights[i].standard_error);
    }
    assert_true(a->labels[0].score == b->labels[0].score);
}

/* The same request gives the same bits, alone or among other labels. */
static void test_repeats_exactly(void **state)
{
    struct lm_lime_options options = {.samples = 100, .seed = 8};
    static const uint32_t one[1] = {3}, all[4] = {3, 2, 1, 0};
    struct lm_explanation a = {0}, b = {0}, c = {0};
    struct fake fake = {0};
    (void)state;
    assert_int_equal(lm_explain_lime(&options, SEGMENTS, OUTPUTS, one, 1, predict, &fake, &a, NULL),
                     LM_OK);
    assert_int_equal(lm_explain_lime(&options, SEGMENTS, OUTPUTS, one, 1, predict, &fake, &b, NULL),
                     LM_OK);
    assert_int_equal(lm_explain_lime(&options, SEGMENTS, OUTPUTS, all, 4, predict, &fake, &c, NULL),
                     LM_OK);
    assert_same(&a, &b);
    assert_same(&a, &c);
    lm_explanation_free(&a);
    lm_explanation_free(&b);
    lm_explanation_free(&c);
}

static void test_exact_design(void **state)
{
    struct lm_explanation e = {0};
    struct fake fake = {0};
    (void)state;
    assert_int_equal(lm_explain_lime(NULL, 3, OUTPUTS, NULL, 1, predict, &fake, &e, NULL), LM_OK);
    assert_int_equal(fake.count, 8);
    assert_true(e.samples.exact);
    assert_int_equal(e.n_warnings, 0); /* 2.7 samples a segment, but all there are */
    lm_explanation_free(&e);
}

static void assert_warning(const struct lm_explanation *e, const char *text)
{
    for (uint32_t i = 0; i < e->n_warnings; i++)
        if (strcmp(e->warnings[i], text) == 0)
            return;
    for (uint32_t i = 0; i < e->n_warnings; i++)
        print_message("warning: %s\n", e->warnings[i]);
    fail_msg("no such warning: %s", text);
}

static void explain_with(struct lm_lime_options options, uint32_t segments,
                         struct lm_explanation *e)
{
    static const uint32_t labels[1] = {1};
    struct fake fake = {0};
    assert_int_equal(
        lm_explain_lime(&options, segments, OUTPUTS, labels, 1, predict, &fake, e, NULL), LM_OK);
}

static void test_design_warnings(void **state)
{
    struct lm_explanation e = {0};
    (void)state;
    explain_with((struct lm_lime_options){0}, 1, &e);
    assert_warning(&e, "There is only 1 segment, so its weight has nothing to be compared with.");
    lm_explanation_free(&e);
    explain_with((struct lm_lime_options){.samples = 30}, SEGMENTS, &e);
    assert_warning(&e, "30 samples are fewer than 4 for each of the 12 segments, so the weights "
                       "may change much with the seed.");
    lm_explanation_free(&e);
    explain_with((struct lm_lime_options){.kernel_width = 0.01}, SEGMENTS, &e);
    assert_warning(&e, "With kernel width 0.01 the 1000 samples together count for only 1.0 of "
                       "equal weight, so the weights are shrunk towards 0 and the score means "
                       "little.");
    lm_explanation_free(&e);
    explain_with((struct lm_lime_options){.samples = 1}, SEGMENTS, &e);
    assert_warning(&e, "A fit of 12 weights leaves no degrees of freedom, so their standard errors "
                       "are unknown and given as 0 (number of samples: 1).");
    assert_true(e.labels[0].weights[0].standard_error == 0 && e.labels[0].score == 1);
    lm_explanation_free(&e);
}

/* Parity of the visible segments: nothing that a sum could describe. */
static enum lm_status predict_parity(void *context, const struct lm_samples *samples,
                                     double *outputs, struct lm_error *error)
{
    (void)context;
    (void)error;
    for (size_t i = 0; i < samples->count; i++) {
        unsigned visible = 0;
        for (size_t s = 0; s < samples->segments; s++)
            visible += samples->z[i * samples->segments + s];
        outputs[i] = visible % 2;
    }
    return LM_OK;
}

static void test_low_score_warning(void **state)
{
    struct lm_lime_options options = {.seed = 1};
    struct lm_explanation e = {0};
    char text[200];
    (void)state;
    assert_int_equal(
        lm_explain_lime(&options, SEGMENTS, 1, NULL, 1, predict_parity, NULL, &e, NULL), LM_OK);
    assert_true(e.labels[0].score < 0.1);
    snprintf(text, sizeof text,
             "Label 0: the score is %.3f, below 0.2, so a sum of segment weights hardly describes "
             "what the network does.",
             e.labels[0].score);
    assert_warning(&e, text);
    lm_explanation_free(&e);
}

static void assert_refused(struct lm_lime_options options, uint32_t segments,
                           const uint32_t *labels, uint32_t n_labels, struct fake fake,
                           enum lm_status status, const char *text)
{
    struct lm_explanation e = {.n_labels = 77};
    struct lm_error error = {0};
    int calls = fake.calls;
    fake.calls = 0;
    assert_int_equal(
        lm_explain_lime(&options, segments, OUTPUTS, labels, n_labels, predict, &fake, &e, &error),
        status);
    assert_string_equal(error.text, text);
    assert_int_equal(e.n_labels, 77);
    assert_null(e.labels);
    assert_int_equal(fake.calls, calls);
}

static void test_refusals_before_prediction(void **state)
{
    static const uint32_t twice[2] = {1, 1}, beyond[2] = {1, 4}, fine[1] = {0};
    struct lm_lime_options o = {0};
    struct fake never = {0};
    (void)state;
    assert_refused(o, 5, twice, 2, never, LM_INVALID, "label 1 is asked for twice");
    assert_refused(o, 5, beyond, 2, never, LM_INVALID,
                   "label 4 is out of range, there are 4 outputs");
    assert_refused(o, 5, NULL, 0, never, LM_INVALID,
                   "number of labels is 0, it must be between 1 and the 4 outputs");
    assert_refused(o, 5, NULL, 5, never, LM_INVALID,
                   "number of labels is 5, it must be between 1 and the 4 outputs");
    assert_refused(o, 0, fine, 1, never, LM_INVALID, "segments is 0, at least 1 is needed");
    assert_refused(o, 8193, fine, 1, never, LM_LIMIT,
                   "segments is 8193, above the limit of 8192 for a fit");
    o.samples = 100000000;
    assert_refused(o, 5, fine, 1, never, LM_LIMIT,
                   "samples x outputs is 100000000 x 4, above the limit of 268435456");
    o = (struct lm_lime_options){.keep = -0.5};
    assert_refused(o, 5, fine, 1, never, LM_INVALID,
                   "keep is -0.5, it must be between 0 and 1, both excluded");
    o = (struct lm_lime_options){.kernel_width = -1};
    assert_refused(o, 5, fine, 1, never, LM_INVALID,
                   "kernel_width is -1, it must be between 1e-06 and 1e+06");
    o = (struct lm_lime_options){.alpha = NAN};
    assert_refused(o, 5, fine, 1, never, LM_INVALID,
                   "alpha is nan, it must be between 1e-09 and 1e+12");
}

static void test_bad_outputs(void **state)
{
    static const uint32_t labels[1] = {0};
    struct lm_lime_options o = {0};
    struct fake fake = {.calls = 1, .poison = NAN};
    (void)state;
    assert_refused(o, 5, NULL, 1, fake, LM_INVALID,
                   "output of sample 3 for label 2 is nan, it must be finite and at most 1e+100");
    fake.poison = -INFINITY;
    assert_refused(o, 5, labels, 1, fake, LM_INVALID,
                   "output of sample 3 for label 2 is -inf, it must be finite and at most 1e+100");
    fake.poison = 1e101;
    assert_refused(o, 5, labels, 1, fake, LM_INVALID,
                   "output of sample 3 for label 2 is 1e+101, it must be finite and at most "
                   "1e+100");
}

static void test_callback_stops(void **state)
{
    struct lm_lime_options o = {0};
    (void)state;
    assert_refused(o, 5, NULL, 1, (struct fake){.calls = 1, .status = LM_CANCELLED}, LM_CANCELLED,
                   "running 32 samples: cancelled");
    assert_refused(o, 5, NULL, 1,
                   (struct fake){.calls = 1, .status = LM_NOMEM, .text = "no memory for batch 3"},
                   LM_NOMEM, "no memory for batch 3");
}

/* A failed fit leaves the samples with the caller, a good one takes them. */
static void test_fit_owns_samples(void **state)
{
    struct lm_samples samples = {0};
    struct lm_explanation e = {0};
    struct lm_error error = {0};
    static const uint32_t labels[1] = {0};
    double outputs[8] = {1, 0, 0, 0, 1, 0, 0, NAN};
    (void)state;
    assert_int_equal(lm_samples_draw(3, 8, 0.5, 0, &samples, NULL), LM_OK);
    uint8_t *z = samples.z;
    assert_int_equal(lm_lime_fit(NULL, &samples, outputs, 1, labels, 1, &e, &error), LM_INVALID);
    assert_ptr_equal(samples.z, z);
    outputs[7] = 0;
    assert_int_equal(lm_lime_fit(NULL, &samples, outputs, 1, labels, 1, &e, NULL), LM_OK);
    assert_null(samples.z);
    assert_int_equal(samples.count, 0);
    assert_ptr_equal(e.samples.z, z);
    assert_memory_equal(e.outputs, outputs, sizeof outputs);
    lm_explanation_free(&e);
}

static void check_bad_samples(uint8_t first, uint8_t last, const char *text)
{
    uint8_t z[4] = {1, first, 0, last};
    struct lm_samples samples = {2, 2, false, z};
    static const double outputs[2] = {1, 0};
    static const uint32_t labels[1] = {0};
    struct lm_explanation e = {0};
    struct lm_error error = {0};
    assert_int_equal(lm_lime_fit(NULL, &samples, outputs, 1, labels, 1, &e, &error), LM_INVALID);
    assert_string_equal(error.text, text);
}

static void test_fit_checks_samples(void **state)
{
    struct lm_samples none = {0};
    struct lm_explanation e = {0};
    static const uint32_t labels[1] = {0};
    (void)state;
    check_bad_samples(0, 1,
                      "sample 0, segment 1 is 0, it must be 1 (the first sample is all "
                      "visible)");
    check_bad_samples(1, 255, "sample 1, segment 1 is 255, it must be 0 or 1");
    assert_int_equal(lm_lime_fit(NULL, &none, NULL, 1, labels, 1, &e, NULL), LM_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recovers_linear_network),
        cmocka_unit_test(test_top_labels),
        cmocka_unit_test(test_tied_and_constant_outputs),
        cmocka_unit_test(test_num_features),
        cmocka_unit_test(test_repeats_exactly),
        cmocka_unit_test(test_exact_design),
        cmocka_unit_test(test_design_warnings),
        cmocka_unit_test(test_low_score_warning),
        cmocka_unit_test(test_refusals_before_prediction),
        cmocka_unit_test(test_bad_outputs),
        cmocka_unit_test(test_callback_stops),
        cmocka_unit_test(test_fit_owns_samples),
        cmocka_unit_test(test_fit_checks_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
