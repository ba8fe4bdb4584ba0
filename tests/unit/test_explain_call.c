/* Explain calls over the model of the shapes: their answers against those of the parts that the
 * command line is made of, against each other, and as pictures; segments of the user's own. */
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
#include "codec/drawing.h"
#include "image_fixture.h"
#include "shapes_fixture.h"

static char *run(const char *document)
{
    return shapes_answer_text(&call_explain, document);
}

static json_t *explanations(const char *document)
{
    return shapes_answer_list(&call_explain, document, "explanations");
}

/* What the parts make of a star: a pool of threads, and the command line's way of writing. */
static void explain_star(const struct explainer_options *options, struct picture_input *input,
                         struct explained *out)
{
    struct batches *batches = NULL;
    assert_int_equal(picture_input_read(shapes.star, shapes.star_size, NULL,
                                        &shapes.dir.about.preprocess, input, NULL),
                     LM_OK);
    assert_int_equal(batches_create(shapes.model, 4, 2, &batches, NULL), LM_OK);
    assert_int_equal(explainer_run(&shapes.dir, shapes.model, batches, input, options, out, NULL),
                     LM_OK);
    batches_free(batches);
}

static char *parts_text(const struct explainer_options *options, unsigned include,
                        const struct lm_render_options *render)
{
    struct picture_input input = {0};
    struct explained explained = {0};
    json_t *item = NULL, *envelope = NULL;
    explain_star(options, &input, &explained);
    assert_int_equal(
        answer_explanation(&shapes.dir, &input, options, &explained, include, render, &item, NULL),
        LM_OK);
    assert_int_equal(answer_envelope(&shapes.dir, "explanations", item, &envelope, NULL), LM_OK);
    char *text = json_dumps(envelope, ANSWER_DOUBLE_FLAGS);
    json_decref(envelope);
    explained_free(&explained);
    picture_input_free(&input);
    return text;
}

static void expect_parts(const char *document, const struct explainer_options *options,
                         unsigned include, const struct lm_render_options *render)
{
    char *text = run(document), *expected = parts_text(options, include, render);
    assert_string_equal(text, expected);
    free(text);
    free(expected);
}

static void is_what_the_parts_make(void **state)
{
    (void)state;
    struct explainer_options options = {
        .lime = {.samples = 100},
        .segmentation.options = {.method = LM_SEGMENT_SLIC, .n_segments = 20},
        .n_labels = 1,
    };
    struct lm_render_options render = {0};
    expect_parts("{\"instances\": [{\"image\": {\"b64\": \"@\"}}],"
                 " \"parameters\": {\"samples\": 100, \"segmentation\": {\"n_segments\": 20}}}",
                 &options, 0, &render);

    static const uint32_t labels[] = {5, 8};
    options = (struct explainer_options){
        .lime = {.samples = 70,
                 .seed = 9007199254740992,
                 .keep = 0.4,
                 .kernel_width = 0.5,
                 .alpha = 2,
                 .num_features = 5},
        .segmentation.options = {.method = LM_SEGMENT_GRID, .cell = 24},
        .masking = {.kind = MASKING_COLOR, .rgb = {1, 2, 3}},
        .labels = labels,
        .n_labels = 2,
    };
    render = (struct lm_render_options){.colormap = LM_COLORMAP_BROWN_TEAL, .alpha = 0.5};
    expect_parts(
        "{\"instances\": [{\"data\": \"@\"}], \"parameters\": {\"samples\": 70, \"seed\":"
        " 9007199254740992, \"probability\": 0.4, \"kernel_width\": 0.5, \"alpha\": 2,"
        " \"num_features\": 5, \"segmentation\": \"grid:24\", \"masking\":"
        " \"color:\\u0023010203\", \"labels\": [\"heart\", 8, \"5\"], \"preset\": \"lime\","
        " \"method\": \"lime\", \"include\": [\"overlay\", \"samples\", \"segments\"],"
        " \"colormap\": \"brown_teal\", \"opacity\": 0.5}}",
        &options, ANSWER_OVERLAY | ANSWER_SAMPLES | ANSWER_SEGMENTS, &render);
}

/* The document of a bare picture's query: texts, and numbers that were understood as such. */
static void reads_texts_of_a_query(void **state)
{
    (void)state;
    struct request request = {
        .document = json_loads("{\"parameters\": {\"samples\": 40, \"labels\": \"heart, 8\","
                               " \"include\": \"segments,heatmap\", \"segmentation\":"
                               " \"grid:3x4\", \"masking\": \"mean\"}}",
                               0, NULL),
        .image = {shapes.star, shapes.star_size},
    };
    struct call_answer answer = shapes_answer(&call_explain, &request, CALL_JSON);
    static const uint32_t labels[] = {5, 8};
    const struct lm_render_options render = {0};
    const struct explainer_options options = {
        .lime.samples = 40,
        .segmentation.options = {.method = LM_SEGMENT_GRID, .rows = 3, .columns = 4},
        .masking.kind = MASKING_MEAN,
        .labels = labels,
        .n_labels = 2,
    };
    char *expected = parts_text(&options, ANSWER_SEGMENTS | ANSWER_HEATMAP, &render);
    assert_int_equal(answer.json.size, strlen(expected) + 1);
    assert_memory_equal(answer.json.bytes, expected, answer.json.size - 1);
    free(expected);
    call_answer_free(&answer);
    request_free(&request);
}

static void takes_several_pictures(void **state)
{
    (void)state;
    const char *parameters = "\"parameters\": {\"samples\": 30, \"segmentation\": \"grid:4x4\"}}";
    char both[300], first[200], second[200];
    snprintf(first, sizeof first, "{\"instances\": [{\"image\": \"@\"}], %s", parameters);
    snprintf(second, sizeof second,
             "{\"instances\": [{\"image_bytes\": {\"b64\": \"#\"}, \"masking\": \"black\"}], %s",
             parameters);
    snprintf(both, sizeof both,
             "{\"instances\": [{\"image\": \"@\"}, {\"image_bytes\": {\"b64\": \"#\"}, \"masking\":"
             " \"black\"}], %s",
             parameters);
    json_t *all = explanations(both), *one = explanations(first), *two = explanations(second);
    assert_int_equal(json_array_size(all), 2);
    assert_true(json_equal(json_array_get(all, 0), json_array_get(one, 0)));
    assert_true(json_equal(json_array_get(all, 1), json_array_get(two, 0)));
    assert_false(json_equal(json_array_get(one, 0), json_array_get(two, 0)));
    json_decref(all);
    json_decref(one);
    json_decref(two);
}

static void counts_items_of_micro_batches(void **state)
{
    (void)state;
    struct request request =
        shapes_request("{\"instances\": [{\"image\": \"@\"}, {\"image\": \"@\"}], \"parameters\":"
                       " {\"samples\": 6, \"segmentation\": \"grid:4x4\"}}");
    struct codec_fault fault = {0};
    void *call = NULL;
    uint32_t batches = 0;
    assert_int_equal(call_explain.read(&request, &shapes.terms, CALL_JSON, &call, &fault, NULL),
                     LM_OK);
    assert_true(call_explain.bytes(call) > 1 << 20);
    assert_int_equal(call_explain.prepare(call, &batches, &fault, NULL), LM_OK);
    assert_int_equal(batches, 4);
    static const uint32_t items[4] = {4, 2, 4, 2};
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(call_explain.items(call, i), items[i]);
    call_explain.free(call);
    call_explain.free(NULL);
    request_free(&request);
}

static void stops_between_pictures(void **state)
{
    (void)state;
    struct request request = shapes_request(
        "{\"instances\": [{\"image\": \"@\"}, {\"image\": \"@\"}, {\"image\": \"@\"}]}");
    struct call_answer answer = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    int left = 2;
    shapes.terms.check = shapes_check;
    shapes.terms.check_context = &left;
    assert_int_equal(shapes_call(&call_explain, &request, CALL_JSON, &answer, &fault, &error),
                     LM_CANCELLED);
    shapes.terms.check = NULL;
    assert_string_equal(error.text, "nobody waits");
    assert_int_equal(left, -1);
    request_free(&request);
}

/* As in the `lime` package. */
static void top_labels_go_before_labels(void **state)
{
    (void)state;
    json_t *list = explanations("{\"instances\": [{\"image\": \"@\"}], \"parameters\": {\"labels\":"
                                " [0], \"top_labels\": 100, \"samples\": 10, \"segmentation\":"
                                " \"grid:2x2\"}}");
    json_t *item = json_array_get(list, 0), *labels = json_object_get(item, "labels");
    assert_int_equal(json_array_size(labels), 10);
    assert_string_equal(json_string_value(json_object_get(json_array_get(labels, 0), "label")),
                        "star");
    assert_true(json_is_false(json_object_get(item, "exact")));
    json_decref(list);
}

/* 2^4 masks are fewer than 1000 samples, which are the default. */
static void runs_every_mask_of_few_segments(void **state)
{
    (void)state;
    json_t *list = explanations("{\"instances\": [{\"image\": \"@\"}], \"parameters\":"
                                " {\"segmentation\": {\"method\": \"grid\", \"rows\": 2,"
                                " \"columns\": 2}, \"include\": \"timing\"}}");
    json_t *item = json_array_get(list, 0), *timing = json_object_get(item, "timing");
    assert_int_equal(json_integer_value(json_object_get(item, "samples")), 16);
    assert_true(json_is_true(json_object_get(item, "exact")));
    assert_int_equal(json_integer_value(json_object_get(timing, "forward_passes")), 16);
    json_decref(list);
}

/* One explanation over `segmentation`, with the RLE of its segments. */
static json_t *explain_over(json_t *segmentation)
{
    char *text = json_dumps(segmentation, JSON_ENCODE_ANY | JSON_COMPACT);
    size_t size = strlen(text) + 200;
    char *document = malloc(size);
    snprintf(document, size,
             "{\"instances\": [{\"image\": \"@\"}], \"parameters\": {\"samples\": 50, \"include\":"
             " [\"segments\"], \"segmentation\": %s}}",
             text);
    json_t *list = explanations(document), *item = json_incref(json_array_get(list, 0));
    json_decref(list);
    json_decref(segmentation);
    free(document);
    free(text);
    return item;
}

static void expect_same_member(const json_t *a, const json_t *b, const char *key)
{
    assert_non_null(json_object_get(a, key));
    assert_true(json_equal(json_object_get(a, key), json_object_get(b, key)));
}

/* What an answer says of its segments, sent back, gives the same explanation. */
static void explains_over_rle_of_an_answer(void **state)
{
    (void)state;
    json_t *grid = explain_over(json_string("grid:4x4")), *rle = json_array(), *entry;
    size_t i;
    json_array_foreach(json_object_get(grid, "segments"), i, entry)
        json_array_append(rle, json_object_get(entry, "rle"));
    assert_int_equal(json_array_size(rle), 16);
    json_t *again = explain_over(json_pack("{s:s, s:O}", "method", "custom", "rle", rle));
    const json_t *before = json_object_get(grid, "segmentation");
    const json_t *after = json_object_get(again, "segmentation");
    expect_same_member(grid, again, "labels");
    expect_same_member(grid, again, "segments");
    expect_same_member(before, after, "labels_rle");
    assert_string_equal(json_string_value(json_object_get(after, "method")), "custom");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(after, "ids"), 15)), 15);
    json_decref(again);

    json_array_remove(rle, 3); /* what is in none is the last segment */
    again = explain_over(json_pack("{s:s, s:o}", "method", "custom", "rle", rle));
    after = json_object_get(again, "segmentation");
    assert_int_equal(json_integer_value(json_object_get(after, "n_segments")), 16);
    const json_t *third = json_array_get(json_object_get(grid, "segments"), 3);
    const json_t *last = json_array_get(json_object_get(again, "segments"), 15);
    expect_same_member(third, last, "rle");
    json_decref(again);
    json_decref(grid);
}

static char *fixture_text(const char *name)
{
    struct fixture file = fixture_read(name, ".png");
    char *text = NULL;
    assert_int_equal(codec_base64_encode(file.bytes, file.size, &text, NULL), LM_OK);
    free(file.bytes);
    return text;
}

/* A map of 16 bits on a picture of the same size: ids that share their upper byte stay apart. */
static void explains_over_a_map_of_16_bits(void **state)
{
    (void)state;
    char *picture = fixture_text("grey8"), *map = fixture_text("grey16"), document[2000];
    snprintf(document, sizeof document,
             "{\"instances\": [{\"image\": \"%s\"}], \"parameters\": {\"samples\": 20, "
             "\"segmentation\": {\"method\": \"custom\", \"png16\": \"%s\"}}}",
             picture, map);
    json_t *list = explanations(document);
    json_t *ids = json_object_get(json_object_get(json_array_get(list, 0), "segmentation"), "ids");
    static const json_int_t least[] = {0, 1, 255, 256};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(json_integer_value(json_array_get(ids, i)), least[i]);
    size_t n = json_array_size(ids);
    assert_true(n > 40 && json_integer_value(json_array_get(ids, n - 1)) == 65535);
    json_decref(list);
    free(picture);
    free(map);
}

static struct lm_image decoded(const struct call_body *body)
{
    struct lm_image image = {0};
    assert_int_equal(lm_image_decode(body->bytes, body->size, NULL, &image, NULL), LM_OK);
    return image;
}

/* PNG is what the command line writes, JPEG looks the same. */
static void draws_pictures(void **state)
{
    (void)state;
    struct request request = shapes_request(
        "{\"instances\": [{\"image\": \"@\"}], \"parameters\": {\"samples\": 30,"
        " \"segmentation\": \"grid:4x4\", \"render\": \"top\", \"top_segments\": 2}}");
    const struct explainer_options options = {
        .lime.samples = 30,
        .segmentation.options = {.method = LM_SEGMENT_GRID, .rows = 4, .columns = 4},
        .n_labels = 1,
    };
    const struct lm_render_options render = {.kind = LM_RENDER_TOP, .top_segments = 2};
    struct call_answer answer = shapes_answer(&call_explain, &request, CALL_PNG | CALL_JPEG);
    struct picture_input input = {0};
    struct explained explained = {0};
    uint8_t *png = NULL;
    size_t size = 0;
    explain_star(&options, &input, &explained);
    assert_int_equal(drawing_png(&shapes.dir, &input, &explained, 0, &render, &png, &size, NULL),
                     LM_OK);
    assert_true(!answer.json.bytes && answer.samples == 30);
    assert_int_equal(answer.png.size, size);
    assert_memory_equal(answer.png.bytes, png, size);
    struct lm_image drawn = decoded(&answer.png), copy = decoded(&answer.jpeg);
    assert_true(drawn.width == copy.width && drawn.height == copy.height);
    double squares = 0;
    size_t samples = (size_t)3 * drawn.width * drawn.height;
    for (size_t i = 0; i < samples; i++)
        squares += pow((double)drawn.rgb[i] - copy.rgb[i], 2);
    assert_true(10 * log10(255.0 * 255.0 * (double)samples / squares) > 30);
    lm_image_free(&drawn);
    lm_image_free(&copy);
    free(png);
    explained_free(&explained);
    picture_input_free(&input);
    call_answer_free(&answer);
    request_free(&request);
}

static void draws_beside_json(void **state)
{
    (void)state;
    struct request request =
        shapes_request("{\"instances\": [{\"image\": \"@\"}], \"parameters\": {\"samples\": 30,"
                       " \"segmentation\": \"grid:4x4\", \"include\": [\"overlay\"]}}");
    struct call_answer answer = shapes_answer(&call_explain, &request, CALL_JSON | CALL_PNG);
    json_t *json = json_loadb(answer.json.bytes, answer.json.size, 0, NULL);
    json_t *item = json_array_get(json_object_get(json, "explanations"), 0);
    char *overlay = NULL;
    assert_int_equal(codec_base64_encode(answer.png.bytes, answer.png.size, &overlay, NULL), LM_OK);
    assert_string_equal(json_string_value(json_object_get(item, "overlay")), overlay);
    assert_null(answer.jpeg.bytes);
    free(overlay);
    json_decref(json);
    call_answer_free(&answer);
    request_free(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_what_the_parts_make),
        cmocka_unit_test(reads_texts_of_a_query),
        cmocka_unit_test(takes_several_pictures),
        cmocka_unit_test(counts_items_of_micro_batches),
        cmocka_unit_test(stops_between_pictures),
        cmocka_unit_test(top_labels_go_before_labels),
        cmocka_unit_test(runs_every_mask_of_few_segments),
        cmocka_unit_test(explains_over_rle_of_an_answer),
        cmocka_unit_test(explains_over_a_map_of_16_bits),
        cmocka_unit_test(draws_pictures),
        cmocka_unit_test(draws_beside_json),
    };
    return cmocka_run_group_tests(tests, shapes_setup, shapes_teardown);
}
