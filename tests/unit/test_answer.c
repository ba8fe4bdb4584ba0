/* Answers as JSON, compared with whole texts: names, order and nesting are what callers rely on. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/answer.h"
#include "codec/base64.h"
#include "codec/probability.h"

/* A picture of 8 x 4 pixels; the network sees the middle 4 x 4, in segments left and right. */
struct fixture {
    struct model_dir dir;
    struct picture_input input;
    struct explainer_options options;
    struct explained explained;
};

static char *copy(const char *text)
{
    char *result = strdup(text);
    assert_non_null(result);
    return result;
}

static struct lm_label_explanation make_label(void)
{
    struct lm_label_explanation label = {.label = 2,
                                         .output = 0.75,
                                         .intercept = 0.125,
                                         .local_prediction = 0.625,
                                         .score = 0.5,
                                         .n_weights = 2,
                                         .weights = calloc(2, sizeof(struct lm_weight))};
    label.weights[0] = (struct lm_weight){1, -0.5, 0.25};
    label.weights[1] = (struct lm_weight){0, 0.25, 0};
    return label;
}

static void make_lime(struct lm_explanation *lime)
{
    static const uint8_t z[4] = {1, 1, 0, 1};
    lime->samples = (struct lm_samples){.count = 2, .segments = 2, .z = malloc(4)};
    memcpy(lime->samples.z, z, 4);
    lime->outputs = calloc(2, sizeof *lime->outputs);
    lime->outputs[0] = 0.75;
    lime->outputs[1] = 0.5;
    lime->n_labels = 1;
    lime->labels = calloc(1, sizeof *lime->labels);
    lime->labels[0] = make_label();
}

static int make_fixture(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    const struct lm_preprocess preprocess = {
        .height = 4, .width = 4, .resize_shorter = 4, .center_crop = true, .std = {1, 1, 1}};
    struct lm_image picture = {0};
    f.dir.name = copy("m");
    strcpy(f.dir.version, "0123456789ab");
    f.dir.labels = json_pack("[s, s, s]", "zero", "one \"1\"", "zw\xc3\xb6lf");
    f.dir.about.preprocess = preprocess;
    if (lm_image_create(8, 4, &picture, NULL) != LM_OK ||
        picture_input_prepare(&picture, &preprocess, &f.input, NULL) != LM_OK)
        return -1;
    f.options.lime.seed = 7;
    f.options.segmentation.options =
        (struct lm_segment_options){.method = LM_SEGMENT_GRID, .rows = 1, .columns = 2};
    f.explained.classes = 3;
    f.explained.warnings = json_pack("[s]", "careful");
    f.explained.segment_ms = 1.5;
    f.explained.forward_ms = 2.5;
    f.explained.fit_ms = 0.5;
    f.explained.forward_passes = 2;
    make_lime(&f.explained.lime);
    if (segmentation_run(&f.options.segmentation, &f.input, &f.explained.segments, NULL, NULL) !=
            LM_OK ||
        placement_create(&f.explained.segments, &f.input.transform, &f.explained.placement, NULL) !=
            LM_OK)
        return -1;
    *state = &f;
    return 0;
}

static int free_fixture(void **state)
{
    struct fixture *f = *state;
    explained_free(&f->explained);
    picture_input_free(&f->input);
    model_dir_free(&f->dir);
    return 0;
}

static void expect_text(json_t *value, size_t flags, const char *expected)
{
    char *text = json_dumps(value, flags);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    json_decref(value);
}

static void turns_logits_into_probabilities(void **state)
{
    (void)state;
    const float logits[3] = {1000, 999, -1000}, broken[2] = {1, NAN};
    double p[3];
    struct lm_error error = {0};
    assert_int_equal(probability_from_logits(logits, 3, false, p, NULL), LM_OK);
    assert_true(fabs(p[0] - 1 / (1 + exp(-1))) < 1e-15);
    assert_true(fabs(p[1] - 1 / (1 + exp(1))) < 1e-15 && p[2] == 0);
    assert_int_equal(probability_from_logits(logits, 3, true, p, NULL), LM_OK);
    assert_true(p[0] == 1000);
    assert_int_equal(probability_from_logits(broken, 2, false, p, &error), LM_INVALID);
    assert_string_equal(error.text, "output 1 of the network is not a finite number");
}

static void finds_the_largest(void **state)
{
    (void)state;
    const double values[6] = {0.1, 0.3, 0.3, 0.05, 0.2, 0.05};
    static const uint32_t order[6] = {1, 2, 4, 0, 3, 5};
    for (uint32_t k = 0; k <= 6; k++) {
        uint32_t top[6];
        probability_top(values, 6, k, top);
        assert_memory_equal(top, order, k * sizeof *top);
    }
}

static void writes_predictions(void **state)
{
    struct fixture *f = *state;
    float logits[3] = {0.1f, -1, 2.5f};
    double probabilities[3] = {0.125, 0.25, 0.625};
    const struct prediction prediction = {
        .classes = 3, .logits = logits, .probabilities = probabilities, .visible_fraction = 0.5};
    const struct masking masking = {.kind = MASKING_COLOR, .rgb = {1, 2, 255}};
    json_t *item = NULL, *envelope = NULL;
    assert_int_equal(
        answer_prediction(&f->dir, &f->input, &prediction, &masking, 2, true, &item, NULL), LM_OK);
    assert_int_equal(answer_envelope(&f->dir, "predictions", item, &envelope, NULL), LM_OK);
    expect_text(
        envelope, ANSWER_FLOAT_FLAGS,
        "{\"model_name\":\"m\",\"model_version\":\"0123456789ab\",\"predictions\":[{\"top\":["
        "{\"index\":2,\"label\":\"zw\xc3\xb6lf\",\"probability\":0.625,\"logit\":2.5},"
        "{\"index\":1,\"label\":\"one \\\"1\\\"\",\"probability\":0.25,\"logit\":-1.0}],"
        "\"logits\":[0.100000001,-1.0,2.5],\"masking\":\"color:#0102ff\","
        "\"visible_fraction\":0.5,\"unseen\":0.5}]}");
}

static void writes_null_for_missing_labels(void **state)
{
    (void)state;
    const double probabilities[2] = {0.25, 0.75};
    json_t *top = NULL;
    assert_int_equal(answer_top(NULL, probabilities, NULL, 2, 5, &top, NULL), LM_OK);
    expect_text(top, ANSWER_FLOAT_FLAGS,
                "[{\"index\":1,\"label\":null,\"probability\":0.75},"
                "{\"index\":0,\"label\":null,\"probability\":0.25}]");
}

static const char front[] = "{\"method\":\"lime\",\"masking\":\"layer\",\"seed\":7,\"samples\":";
static const char middle[] =
    ",\"exact\":false,\"converged\":true,\"segmentation\":{\"method\":\"grid\",\"n_segments\":2,"
    "\"size\":[4,4],\"labels_rle\":[0,2,1,2,0,2,1,2,0,2,1,2,0,2,1,2]},"
    "\"labels\":[{\"index\":2,\"label\":\"zw\xc3\xb6lf\",\"probability\":0.75,\"intercept\":0.125,"
    "\"local_prediction\":0.625,\"score\":0.5,\"weights\":["
    "{\"segment\":1,\"weight\":-0.5,\"stderr\":0.25,\"area\":0.5,\"bbox\":[4,0,2,4]},"
    "{\"segment\":0,\"weight\":0.25,\"stderr\":0.0,\"area\":0.5,\"bbox\":[2,0,2,4]}]}],"
    "\"complete\":true,\"warnings\":[\"careful\"],\"unseen\":0.5";

static json_t *explanation(const struct fixture *f, unsigned include)
{
    const struct lm_render_options render = {.no_legend = true};
    json_t *result = NULL;
    assert_int_equal(answer_explanation(&f->dir, &f->input, &f->options, &f->explained, include,
                                        &render, &result, NULL),
                     LM_OK);
    return result;
}

static void writes_explanations(void **state)
{
    char expected[2000];
    snprintf(expected, sizeof expected, "%s2%s}", front, middle);
    expect_text(explanation(*state, 0), ANSWER_DOUBLE_FLAGS, expected);
}

static void writes_what_is_included(void **state)
{
    char expected[2000];
    snprintf(expected, sizeof expected,
             "%s{\"count\":2,\"z\":[[1,1],[0,1]],\"outputs\":[[0.75],[0.5]]}%s,"
             "\"segments\":[{\"segment\":0,\"rle\":{\"size\":[4,8],\"counts\":\"88`0\"}},"
             "{\"segment\":1,\"rle\":{\"size\":[4,8],\"counts\":\"`088\"}}],"
             "\"timing\":{\"segment_ms\":1.5,\"forward_ms\":2.5,\"fit_ms\":0.5,"
             "\"forward_passes\":2}}",
             front, middle);
    expect_text(explanation(*state, ANSWER_SAMPLES | ANSWER_SEGMENTS | ANSWER_TIMING),
                ANSWER_DOUBLE_FLAGS, expected);
}

static void includes_drawings(void **state)
{
    static const char *const keys[] = {"heatmap", "overlay"};
    json_t *result = explanation(*state, ANSWER_HEATMAP | ANSWER_OVERLAY);
    for (int i = 0; i < 2; i++) {
        const char *text = json_string_value(json_object_get(result, keys[i]));
        uint8_t *png = NULL;
        size_t size = 0;
        struct lm_image image = {0};
        assert_non_null(text);
        assert_int_equal(codec_base64_decode("x", text, strlen(text), 100000, &png, &size, NULL),
                         LM_OK);
        assert_int_equal(lm_image_decode(png, size, NULL, &image, NULL), LM_OK);
        assert_true(image.width == 8 && image.height == 4);
        lm_image_free(&image);
        free(png);
    }
    json_decref(result);
}

static void parses_include_lists(void **state)
{
    (void)state;
    unsigned include = 0;
    struct lm_error error = {0};
    assert_int_equal(answer_include_parse("timing,segments", &include, NULL), LM_OK);
    assert_int_equal(include, ANSWER_TIMING | ANSWER_SEGMENTS);
    assert_int_equal(answer_include_parse("", &include, NULL), LM_INVALID);
    assert_int_equal(answer_include_parse("timing,", &include, NULL), LM_INVALID);
    assert_int_equal(answer_include_parse("timing,evaluation", &include, &error), LM_INVALID);
    assert_string_equal(
        error.text,
        "include: \"evaluation\" is none of segments, heatmap, overlay, samples, timing");
}

static void never_writes_nan(void **state)
{
    struct fixture *f = *state;
    const struct lm_render_options render = {0};
    json_t *result = NULL;
    struct lm_error error = {0};
    f->explained.lime.labels[0].score = NAN;
    assert_int_equal(answer_explanation(&f->dir, &f->input, &f->options, &f->explained, 0, &render,
                                        &result, &error),
                     LM_NOMEM);
    assert_null(result);
    assert_string_equal(error.text,
                        "the answer cannot be written: out of memory, or a number is not finite");
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_logits_into_probabilities),
        cmocka_unit_test(finds_the_largest),
        WITH_FIXTURE(writes_predictions),
        cmocka_unit_test(writes_null_for_missing_labels),
        WITH_FIXTURE(writes_explanations),
        WITH_FIXTURE(writes_what_is_included),
        WITH_FIXTURE(includes_drawings),
        cmocka_unit_test(parses_include_lists),
        WITH_FIXTURE(never_writes_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
