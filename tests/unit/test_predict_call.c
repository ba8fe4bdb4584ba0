/* Predict calls over the model of the shapes: their answers against those of the parts that the
 * command line is made of, and against each other; errors with their texts and places. */
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
#include "codec/region.h"
#include "shapes_fixture.h"

static char *run_request(const struct request *request)
{
    return shapes_answer_line(&call_predict, request);
}

static char *run(const char *document)
{
    return shapes_answer_text(&call_predict, document);
}

static json_t *predictions(const char *document)
{
    return shapes_answer_list(&call_predict, document, "predictions");
}

static double number(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static json_t *top(const json_t *prediction, size_t place)
{
    return json_array_get(json_object_get(prediction, "top"), place);
}

/* What the command line prints for the star. */
static char *expected_text(const char *region, const char *masking, uint32_t top_k, bool logits)
{
    struct picture_input input = {0};
    struct lm_mask visible = {0};
    struct masking chosen = {0};
    struct region_budget budget = region_default_budget;
    const struct region_context context = {.transform = &input.transform, .budget = &budget};
    struct codec_fault fault = {0};
    struct prediction prediction = {0};
    struct runner *runner = NULL;
    json_t *item = NULL, *envelope = NULL, *object = NULL;
    assert_int_equal(picture_input_read(shapes.star, shapes.star_size, NULL,
                                        &shapes.dir.about.preprocess, &input, NULL),
                     LM_OK);
    assert_int_equal(masking_parse(masking, &chosen, NULL), LM_OK);
    if (region) {
        char *text = shapes_text(region);
        object = json_loads(text, 0, NULL);
        free(text);
        assert_int_equal(region_parse_visible(object, &context, &visible, NULL, &fault, NULL),
                         LM_OK);
    }
    const struct predictor_item items = {&input, region ? &visible : NULL, chosen};
    assert_int_equal(runner_create(shapes.model, 1, NULL, &runner, NULL), LM_OK);
    assert_int_equal(predictor_run(&shapes.dir, shapes.model, runner, &items, &prediction, NULL),
                     LM_OK);
    assert_int_equal(
        answer_prediction(&shapes.dir, &input, &prediction, &chosen, top_k, logits, &item, NULL),
        LM_OK);
    assert_int_equal(answer_envelope(&shapes.dir, "predictions", item, &envelope, NULL), LM_OK);
    char *text = json_dumps(envelope, ANSWER_FLOAT_FLAGS);
    json_decref(envelope);
    json_decref(object);
    prediction_free(&prediction);
    runner_free(runner);
    lm_mask_free(&visible);
    picture_input_free(&input);
    return text;
}

static void expect_same(char *text, char *expected)
{
    assert_string_equal(text, expected);
    free(text);
    free(expected);
}

static void answers_as_the_command_line(void **state)
{
    (void)state;
    expect_same(run("{\"instances\": [{\"image\": {\"b64\": \"@\"}}]}"),
                expected_text(NULL, "layer", 5, false));
    expect_same(run("{\"instances\": [{\"data\": \"data:image/png;base64,@\", \"hide\": {\"box\": "
                    "[20, 20, 40, 30]}}], \"parameters\": {\"top_k\": 2, \"logits\": true}}"),
                expected_text("{\"hide\": {\"box\": [20, 20, 40, 30]}}", "layer", 2, true));
    expect_same(run("{\"instances\": [{\"image_bytes\": {\"b64\": \"@\"}, \"keep\": {\"png\": "
                    "\"#\"}, \"masking\": \"blur\"}], \"parameters\": {\"top_k\": 1000000000000, "
                    "\"masking\": \"grey\", \"logits\": false}}"),
                expected_text("{\"keep\": {\"png\": \"#\"}}", "blur", 10, false));
    json_t *list = predictions("{\"instances\": [{\"image\": \"@\"}]}");
    assert_string_equal(
        json_string_value(json_object_get(top(json_array_get(list, 0), 0), "label")), "star");
    json_decref(list);
}

/* Files of a form mean what the same bytes in JSON mean. */
static void takes_files(void **state)
{
    (void)state;
    struct request request = shapes_request("{\"parameters\": {\"masking\": \"black\"}}");
    request.image = (struct request_bytes){shapes.star, shapes.star_size};
    expect_same(run_request(&request), expected_text(NULL, "black", 5, false));
    request.hide = (struct request_bytes){shapes.mask, shapes.mask_size};
    expect_same(run_request(&request),
                expected_text("{\"hide\": {\"png\": \"#\"}}", "black", 5, false));
    request.keep = request.hide;
    request.hide = (struct request_bytes){0};
    expect_same(run_request(&request),
                expected_text("{\"keep\": {\"png\": \"#\"}}", "black", 5, false));
    request_free(&request);
}

/* Prediction i of the first list is the only one of the document. */
static void expect_prediction(const json_t *list, size_t i, const char *document)
{
    json_t *other = predictions(document);
    char *a = json_dumps(json_array_get(list, i), 0), *b = json_dumps(json_array_get(other, 0), 0);
    expect_same(a, b);
    json_decref(other);
}

static void answers_several(void **state)
{
    (void)state;
    json_t *list = predictions(
        "{\"instances\": [{\"image\": \"@\"}, {\"image\": \"@\", \"hide\": {\"png\": \"#\"}},"
        "{\"image\": \"@\", \"masks\": [{\"keep\": {\"png\": \"#\"}}, {\"hide\": {\"box\": [1, 1, "
        "9, 9]}}]}, {\"image\": \"@\", \"hide\": {\"segments\": [0, 3], \"segmentation\": "
        "{\"method\": \"grid\", \"cell\": 32}}, \"masking\": \"mean\"}]}");
    assert_int_equal(json_array_size(list), 4);
    expect_prediction(list, 0, "{\"instances\": [{\"image\": \"@\"}]}");
    expect_prediction(list, 1, "{\"instances\": [{\"image\": \"@\", \"hide\": {\"png\": \"#\"}}]}");
    expect_prediction(list, 2,
                      "{\"instances\": [{\"image\": \"@\", \"masks\": [{\"keep\": {\"png\": "
                      "\"#\"}}, {\"hide\": {\"box\": [1, 1, 9, 9]}}]}]}");
    /* a grid of 3 x 3 cells of 32 pixels: 0 and 3 are the upper two of the left column */
    expect_prediction(list, 3,
                      "{\"instances\": [{\"image\": \"@\", \"hide\": {\"box\": [0, 0, 32, 64], "
                      "\"space\": \"input\"}}], \"parameters\": {\"masking\": \"mean\"}}");
    json_decref(list);
}

/* The mask as a label map has two segments: what is black, what is white. */
static void hides_segments_of_maps(void **state)
{
    (void)state;
    json_t *list = predictions("{\"instances\": [{\"image\": \"@\", \"hide\": {\"segments\": [1], "
                               "\"segmentation\": {\"method\": \"custom\", \"png16\": \"#\"}}}]}");
    expect_prediction(list, 0, "{\"instances\": [{\"image\": \"@\", \"hide\": {\"png\": \"#\"}}]}");
    json_decref(list);
}

static double probability_of(const json_t *prediction, json_int_t index)
{
    for (size_t i = 0; i < json_array_size(json_object_get(prediction, "top")); i++)
        if ((json_int_t)number(top(prediction, i), "index") == index)
            return number(top(prediction, i), "probability");
    fail_msg("no class %lld", (long long)index);
    return 0;
}

/* Each mask's answer is that of a request of its own, and delta the difference. */
static void answers_what_if(void **state)
{
    (void)state;
    static const char *const masks[] = {"\"hide\": {\"png\": \"#\"}", "\"keep\": {\"png\": \"#\"}",
                                        "\"hide\": {\"segments\": [1]}",
                                        "\"hide\": {\"segments\": [0]}"};
    enum { N = sizeof masks / sizeof masks[0] };
    char document[1000] = "{\"instances\": [{\"image\": \"@\", \"masks\": [";
    for (size_t i = 0; i < N; i++)
        snprintf(document + strlen(document), sizeof document - strlen(document), "%s{%s}",
                 i ? ", " : "", masks[i]);
    strcat(document, "]}], \"parameters\": {\"top_k\": 10, \"logits\": true}}");
    json_t *list = predictions(document), *prediction = json_array_get(list, 0);
    json_t *answers = json_object_get(prediction, "masks");
    assert_int_equal(json_array_size(answers), N);
    json_int_t best = (json_int_t)number(top(prediction, 0), "index");
    for (size_t i = 0; i < N; i++) {
        json_t *answer = json_array_get(answers, i);
        snprintf(document, sizeof document,
                 "{\"instances\": [{\"image\": \"@\", %s}], \"parameters\": {\"top_k\": 10, "
                 "\"logits\": true}}",
                 masks[i]);
        json_t *others = predictions(document), *other = json_array_get(others, 0);
        assert_true(json_equal(json_object_get(answer, "top"), json_object_get(other, "top")));
        assert_true(
            json_equal(json_object_get(answer, "logits"), json_object_get(other, "logits")));
        assert_true(number(answer, "visible_fraction") == number(other, "visible_fraction"));
        double delta = probability_of(other, best) - probability_of(prediction, best);
        assert_true(fabs(number(answer, "delta") - delta) < 1e-8);
        assert_int_equal(json_object_size(answer), 4);
        json_decref(others);
    }
    assert_true(number(json_array_get(answers, 0), "delta") < -0.5);      /* without the star */
    assert_true(fabs(number(json_array_get(answers, 1), "delta")) < 0.5); /* with it alone */
    assert_null(json_object_get(prediction, "delta"));
    json_object_del(prediction, "masks");
    expect_prediction(list, 0,
                      "{\"instances\": [{\"image\": \"@\"}], \"parameters\": {\"top_k\": 10, "
                      "\"logits\": true}}");
    json_decref(list);
}

struct failure {
    const char *document;
    enum lm_status status;
    bool malformed;
    const char *pointer, *text;
};

static void expect_failure_of(const struct request *request, const struct failure *expected)
{
    struct call_answer answer = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    enum lm_status status = shapes_call(&call_predict, request, CALL_JSON, &answer, &fault, &error);
    if (status != expected->status || fault.malformed != expected->malformed ||
        strcmp(fault.pointer, expected->pointer) != 0 || strcmp(error.text, expected->text) != 0)
        fail_msg("%s: status %d, malformed %d, %s: %s",
                 expected->document ? expected->document : "files", status, fault.malformed,
                 fault.pointer, error.text);
    assert_null(answer.json.bytes);
}

static void expect_failures(const struct failure *failures, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct request request = shapes_request(failures[i].document);
        expect_failure_of(&request, &failures[i]);
        request_free(&request);
    }
}

#define INSTANCE(more) "{\"instances\": [{\"image\": {\"b64\": \"@\"}" more "}]}"
#define PARAMETERS(more)                                                                           \
    "{\"instances\": [{\"image\": {\"b64\": \"@\"}}], \"parameters\": {" more "}}"

static void says_what_is_malformed(void **state)
{
    (void)state;
    static const struct failure failures[] = {
        {PARAMETERS("\"topk\": 1"), LM_INVALID, true, "/parameters/topk",
         "parameters has the unknown field \"topk\""},
        {PARAMETERS("\"top_k\": \"1\""), LM_INVALID, true, "/parameters/top_k",
         "top_k must be an integer, not a string"},
        {PARAMETERS("\"top_k\": 0"), LM_INVALID, false, "/parameters/top_k",
         "top_k is 0, it must be 1 or more"},
        {PARAMETERS("\"logits\": 1"), LM_INVALID, true, "/parameters/logits",
         "logits must be true or false, not an integer"},
        {PARAMETERS("\"masking\": \"red\""), LM_INVALID, false, "/parameters/masking",
         "masking: \"red\" is none of layer, black, grey, mean, blur, color:#rrggbb"},
        {INSTANCE(", \"labels\": [1]"), LM_INVALID, true, "/instances/0/labels",
         "instance has the unknown field \"labels\""},
        {INSTANCE(", \"hide\": 1, \"keep\": 1"), LM_INVALID, true, "/instances/0/keep",
         "hide and keep cannot both be given"},
        {INSTANCE(", \"hide\": 1, \"masks\": 1"), LM_INVALID, true, "/instances/0/masks",
         "hide and masks cannot both be given"},
        {INSTANCE(", \"masks\": {}"), LM_INVALID, true, "/instances/0/masks",
         "masks must be a list of objects with hide or keep, not an object"},
        {INSTANCE(", \"masks\": []"), LM_INVALID, false, "/instances/0/masks",
         "masks: the list is empty"},
        {INSTANCE(", \"masks\": [{\"hide\": 1}, {}]"), LM_INVALID, true, "/instances/0/masks/1",
         "mask needs hide or keep"},
        {INSTANCE(", \"masks\": [7]"), LM_INVALID, true, "/instances/0/masks/0",
         "mask must be an object with hide or keep, not an integer"},
        {INSTANCE(", \"masks\": [{\"hide\": 1, \"masking\": \"black\"}]"), LM_INVALID, true,
         "/instances/0/masks/0/masking", "mask has the unknown field \"masking\""},
        {INSTANCE(", \"masks\": [{\"hide\": 1, \"keep\": 1}]"), LM_INVALID, true,
         "/instances/0/masks/0/keep", "hide and keep cannot both be given"},
        {INSTANCE(", \"hide\": 1"), LM_INVALID, true, "/instances/0/hide",
         "region must be an object with one of png, rle, polygon, box, segments, not an integer"},
        {INSTANCE(", \"masks\": [{\"hide\": [{\"box\": [0, 0, 9, 9]}, {\"box\": 1}]}]"), LM_INVALID,
         true, "/instances/0/masks/0/hide/1/box",
         "box must be a list of 4 numbers (x, y, width, height), not an integer"},
    };
    expect_failures(failures, sizeof failures / sizeof failures[0]);
}

static void says_what_is_unusable(void **state)
{
    (void)state;
    static const struct failure failures[] = {
        {"{\"instances\": [{\"image\": \"@\"}, {\"image\": {\"b64\": \"QUJD\"}}]}", LM_UNSUPPORTED,
         false, "/instances/1/image/b64", "image is neither JPEG nor PNG"},
        {"{\"instances\": [{\"image\": {\"b64\": \"\"}}]}", LM_CORRUPT, false,
         "/instances/0/image/b64", "image is empty (0 bytes)"},
        {"{\"instances\": [{\"data\": \"http://a\"}]}", LM_CORRUPT, false, "/instances/0/data",
         "data: character 4 (':') is not base64 (URLs are not fetched; send the file itself)"},
        {INSTANCE(", \"hide\": {\"box\": [300, 0, 5, 5]}"), LM_INVALID, false, "/instances/0/hide",
         "region is empty: no pixel of the 240x240 picture is in it"},
        {INSTANCE(", \"hide\": {\"segments\": [9], \"segmentation\": {\"method\": \"grid\", "
                  "\"cell\": 32}}"),
         LM_INVALID, false, "/instances/0/hide/segments/0",
         "segments: 9 is not a segment, the segmentation has 9, 0 to 8"},
        {INSTANCE(", \"hide\": {\"segments\": [0], \"segmentation\": {\"method\": \"grid\", "
                  "\"cell\": 2}}"),
         LM_LIMIT, false, "/instances/0/hide/segmentation",
         "segmentation: 2304 segments, the limit is 1000"},
        {INSTANCE(", \"masks\": [{\"hide\": {\"segments\": [0]}}, {\"hide\": {\"segments\": [0], "
                  "\"segmentation\": {\"cells\": 2}}}]"),
         LM_INVALID, true, "/instances/0/masks/1/hide/segmentation/cells",
         "segmentation has the unknown field \"cells\""},
    };
    expect_failures(failures, sizeof failures / sizeof failures[0]);
}

static void keeps_limits(void **state)
{
    (void)state;
    static const struct failure failures[] = {
        {INSTANCE(", \"masks\": [{\"hide\": 1}, {\"hide\": 1}]"), LM_LIMIT, false,
         "/instances/0/masks", "masks: 2 are over the limit of 1"},
        {INSTANCE(", \"hide\": [{\"box\": [0, 0, 9, 9]}, {\"box\": [0, 0, 9, 9]}]"), LM_LIMIT,
         false, "/instances/0/hide/1", "regions: more than the limit of 1 in one request"},
        {"{\"instances\": [{\"image\": \"@\", \"hide\": {\"box\": [0, 0, 9, 9]}}, {\"image\": "
         "\"@\", \"hide\": {\"box\": [0, 0, 9, 9]}}]}",
         LM_LIMIT, false, "/instances/1/hide", "regions: more than the limit of 1 in one request"},
        {INSTANCE(", \"hide\": {\"segments\": [0], \"segmentation\": {\"method\": \"grid\", "
                  "\"cell\": 32}}"),
         LM_LIMIT, false, "/instances/0/hide/segmentation",
         "segmentation: 9 segments, the limit is 8"},
    };
    shapes.limits.masks = shapes.limits.regions = 1;
    shapes.limits.segments = 8;
    expect_failures(failures, sizeof failures / sizeof failures[0]);
    shapes.limits = request_default_limits;
    shapes.limits.pixels = 240 * 240 - 1;
    expect_failures(&(struct failure){INSTANCE(""), LM_LIMIT, false, "/instances/0/image/b64",
                                      "image is 240 x 240 pixels, above the limit of 57599 pixels"},
                    1);
    shapes.limits = request_default_limits;
    shapes.limits.image_bytes = shapes.star_size - 1;
    char text[100];
    snprintf(text, sizeof text, "b64: %zu bytes are over the limit of %zu", shapes.star_size,
             shapes.limits.image_bytes);
    expect_failures(
        &(struct failure){INSTANCE(""), LM_LIMIT, false, "/instances/0/image/b64", text}, 1);
    shapes.limits = request_default_limits;
}

/* A new segmentation for each mask, each of the costliest kind: the budget of regions ends it. */
static void ends_endless_segmentations(void **state)
{
    (void)state;
    size_t size = 20000;
    char *document = malloc(size), *end = document;
    end += sprintf(end, "{\"instances\": [{\"image\": \"@\", \"masks\": [");
    for (int i = 0; i < 100; i++)
        end += sprintf(end,
                       "%s{\"hide\": {\"segments\": [0], \"segmentation\": {\"max_num_iter\": %d, "
                       "\"sigma\": 90}}}",
                       i ? ", " : "", 1000 - i);
    sprintf(end, "]}]}");
    struct request request = shapes_request(document);
    struct call_answer answer = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    assert_int_equal(shapes_call(&call_predict, &request, CALL_JSON, &answer, &fault, &error),
                     LM_LIMIT);
    assert_non_null(strstr(error.text, "regions: drawing this one takes "));
    assert_null(answer.json.bytes);
    request_free(&request);
    free(document);
}

/* Between pictures, and between the masks of one. */
static void stops_between_pictures(void **state)
{
    (void)state;
    struct request request = shapes_request("{\"instances\": [{\"image\": \"@\"}, {\"image\": "
                                            "\"@\", \"masks\": [{\"hide\": {\"box\": [0, 0, "
                                            "9, 9]}}, {\"hide\": {\"box\": [9, 9, 9, 9]}}]}]}");
    for (int wanted = 0; wanted < 5; wanted++) {
        struct call_answer answer = {0};
        struct codec_fault fault = {0};
        struct lm_error error = {0};
        int left = wanted;
        shapes.terms.check = shapes_check;
        shapes.terms.check_context = &left;
        assert_int_equal(shapes_call(&call_predict, &request, CALL_JSON, &answer, &fault, &error),
                         wanted < 4 ? LM_CANCELLED : LM_OK);
        assert_int_equal(left, wanted < 4 ? -1 : 0);
        call_answer_free(&answer);
    }
    shapes.terms.check = NULL;
    request_free(&request);
}

static void says_what_is_wrong_with_files(void **state)
{
    (void)state;
    static const uint8_t text[] = "not a picture";
    const struct request_bytes star = {shapes.star, shapes.star_size};
    const struct request_bytes mask = {shapes.mask, shapes.mask_size};
    const struct request_bytes wrong = {text, sizeof text - 1}, none = {0}, empty = {text, 0};
    struct request request = shapes_request("{}");
    const struct {
        struct request_bytes image, hide, keep;
        struct failure failure;
    } cases[] = {
        {none,
         none,
         none,
         {NULL, LM_INVALID, true, "/instances",
          "instances is missing, it must be a list of objects"}},
        {none,
         mask,
         none,
         {NULL, LM_INVALID, true, "/image", "image is missing, hide is a file without it"}},
        {star, mask, mask, {NULL, LM_INVALID, true, "/keep", "hide and keep cannot both be given"}},
        {wrong,
         mask,
         none,
         {NULL, LM_UNSUPPORTED, false, "/image", "image is neither JPEG nor PNG"}},
        {empty, none, none, {NULL, LM_CORRUPT, false, "/image", "image is empty (0 bytes)"}},
        {star, wrong, none, {NULL, LM_UNSUPPORTED, false, "/hide", "mask is not a PNG"}},
        {star, none, empty, {NULL, LM_CORRUPT, false, "/keep", "mask is empty (0 bytes)"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        request.image = cases[i].image, request.hide = cases[i].hide, request.keep = cases[i].keep;
        expect_failure_of(&request, &cases[i].failure);
    }
    request_free(&request);
}

/* A mask of another size, as a file and in JSON. */
static void refuses_other_sizes(void **state)
{
    (void)state;
    struct lm_image small = {0};
    struct request_bytes file = {0};
    uint8_t *bytes = NULL;
    char *text = NULL, document[2000];
    assert_int_equal(lm_image_create(30, 20, &small, NULL), LM_OK);
    assert_int_equal(lm_image_encode_png(&small, &bytes, &file.size, NULL), LM_OK);
    assert_int_equal(codec_base64_encode(bytes, file.size, &text, NULL), LM_OK);
    file.bytes = bytes;
    struct request request = shapes_request("{}");
    request.image = (struct request_bytes){shapes.star, shapes.star_size};
    request.hide = file;
    expect_failure_of(&request,
                      &(struct failure){NULL, LM_INVALID, false, "/hide",
                                        "mask is 30 x 20 pixels, the image is 240 x 240"});
    snprintf(document, sizeof document, INSTANCE(", \"hide\": {\"png\": \"%s\"}"), text);
    expect_failures(&(struct failure){document, LM_INVALID, false, "/instances/0/hide/png",
                                      "mask is 30 x 20 pixels, the image is 240 x 240"},
                    1);
    request_free(&request);
    free(text);
    free(bytes);
    lm_image_free(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_as_the_command_line),
        cmocka_unit_test(takes_files),
        cmocka_unit_test(answers_several),
        cmocka_unit_test(hides_segments_of_maps),
        cmocka_unit_test(answers_what_if),
        cmocka_unit_test(says_what_is_malformed),
        cmocka_unit_test(says_what_is_unusable),
        cmocka_unit_test(keeps_limits),
        cmocka_unit_test(ends_endless_segmentations),
        cmocka_unit_test(stops_between_pictures),
        cmocka_unit_test(says_what_is_wrong_with_files),
        cmocka_unit_test(refuses_other_sizes),
    };
    return cmocka_run_group_tests_name("predict_call", tests, shapes_setup, shapes_teardown);
}
