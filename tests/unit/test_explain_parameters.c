/* Explain requests that are refused: status, malformed or not, place and text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "shapes_fixture.h"

struct refusal {
    const char *parameters; /* or a whole document, which begins with { */
    enum lm_status status;
    bool malformed;
    const char *pointer, *text;
};

/* Says what is wrong and returns false. */
static bool is_refused(const struct refusal *refusal, unsigned wants)
{
    char document[2000];
    struct call_answer answer = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    if (refusal->parameters[0] == '{')
        snprintf(document, sizeof document, "%s", refusal->parameters);
    else
        snprintf(document, sizeof document,
                 "{\"instances\": [{\"image\": \"@\"}], \"parameters\": {%s}}",
                 refusal->parameters);
    struct request request = shapes_request(document);
    enum lm_status status = shapes_call(&call_explain, &request, wants, &answer, &fault, &error);
    request_free(&request);
    call_answer_free(&answer);
    if (status == refusal->status && error.status == status &&
        fault.malformed == refusal->malformed && strcmp(fault.pointer, refusal->pointer) == 0 &&
        strcmp(error.text, refusal->text) == 0)
        return true;
    print_error("%s\n  status %d, malformed %d, %s: %s\n", refusal->parameters, status,
                fault.malformed, fault.pointer, error.text);
    return false;
}

static void assert_all_refused(const struct refusal *refusals, size_t n, unsigned wants)
{
    bool all = true;
    for (size_t i = 0; i < n; i++)
        all &= is_refused(&refusals[i], wants);
    assert_true(all);
}

#define ASSERT_REFUSED(refusals, wants)                                                            \
    assert_all_refused(refusals, sizeof refusals / sizeof refusals[0], wants)
#define AT(name) "/parameters/" name

static void refuses_wrong_types(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"\"sample\": 5", LM_INVALID, true, AT("sample"),
         "parameters has the unknown field \"sample\""},
        {"\"samples\": 5.5", LM_INVALID, true, AT("samples"),
         "parameters.samples must be a whole number, not a number with a fraction"},
        {"\"samples\": \"many\"", LM_INVALID, true, AT("samples"),
         "parameters.samples must be a whole number, not a string"},
        {"\"seed\": true", LM_INVALID, true, AT("seed"),
         "parameters.seed must be a whole number, not true"},
        {"\"method\": 1", LM_INVALID, true, AT("method"),
         "parameters.method must be a string, not an integer"},
        {"\"preset\": null", LM_INVALID, true, AT("preset"),
         "parameters.preset must be a string, not null"},
        {"\"alpha\": \"1\"", LM_INVALID, true, AT("alpha"),
         "parameters.alpha must be a number, not a string"},
        {"\"labels\": {}", LM_INVALID, true, AT("labels"),
         "labels must be a list of indices and names, not an object"},
        {"\"labels\": [0, 1.5]", LM_INVALID, true, AT("labels/1"),
         "labels must be made of indices and names, not a number with a fraction"},
        {"\"include\": 5", LM_INVALID, true, AT("include"),
         "parameters.include must be a list of strings, not an integer"},
        {"\"include\": [\"timing\", []]", LM_INVALID, true, AT("include/1"),
         "parameters.include must be a list of strings, not a list"},
        {"\"render\": 1", LM_INVALID, true, AT("render"),
         "parameters.render must be a string, not an integer"},
        {"\"colormap\": 1", LM_INVALID, true, AT("colormap"),
         "parameters.colormap must be a string, not an integer"},
        {"\"segmentation\": 50", LM_INVALID, true, AT("segmentation"),
         "segmentation must be an object or a string, not an integer"},
        {"\"segmentation\": {\"n\": 50}", LM_INVALID, true, AT("segmentation/n"),
         "segmentation has the unknown field \"n\""},
        {"\"masking\": 1", LM_INVALID, true, AT("masking"),
         "masking must be a string, not an integer"},
        {"{\"instances\": [{\"image\": \"@\", \"hide\": {}}]}", LM_INVALID, true,
         "/instances/0/hide", "instance has the unknown field \"hide\""},
        {"{\"instances\": [{\"image\": \"@\"}], \"parameters\": 5}", LM_INVALID, true,
         "/parameters", "parameters must be an object, not an integer"},
    };
    ASSERT_REFUSED(refusals, CALL_JSON);
}

static void refuses_wrong_values(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"\"samples\": 0", LM_INVALID, false, AT("samples"),
         "parameters.samples is 0; must be from 1 to 10000"},
        {"\"seed\": -1", LM_INVALID, false, AT("seed"),
         "parameters.seed is -1; must be from 0 to 9007199254740992"},
        {"\"seed\": 9007199254740993", LM_INVALID, false, AT("seed"),
         "parameters.seed is 9007199254740993; must be from 0 to 9007199254740992"},
        {"\"probability\": 0", LM_INVALID, false, AT("probability"),
         "parameters.probability is 0; must be from 0.01 to 0.99"},
        {"\"kernel_width\": 0", LM_INVALID, false, AT("kernel_width"),
         "parameters.kernel_width is 0; must be from 1e-06 to 1e+06"},
        {"\"alpha\": 1e13", LM_INVALID, false, AT("alpha"),
         "parameters.alpha is 1e+13; must be from 1e-09 to 1e+12"},
        {"\"num_features\": 0", LM_INVALID, false, AT("num_features"),
         "parameters.num_features is 0; must be from 1 to 1000000000"},
        {"\"top_labels\": 101", LM_INVALID, false, AT("top_labels"),
         "parameters.top_labels is 101; must be from 1 to 100"},
        {"\"opacity\": 1.5", LM_INVALID, false, AT("opacity"),
         "parameters.opacity is 1.5; must be from 0.01 to 1"},
        {"\"top_segments\": 2001", LM_INVALID, false, AT("top_segments"),
         "parameters.top_segments is 2001; must be from 1 to 2000"},
        {"\"method\": \"shap\"", LM_INVALID, false, AT("method"),
         "parameters.method must be \"lime\", not \"shap\""},
        {"\"preset\": \"eli5\"", LM_INVALID, false, AT("preset"),
         "parameters.preset must be \"lime\", not \"eli5\""},
        {"\"labels\": []", LM_INVALID, false, AT("labels"), "labels: the list is empty"},
        {"\"labels\": \"\"", LM_INVALID, false, AT("labels"), "labels: the list is empty"},
        {"\"labels\": 10", LM_INVALID, false, AT("labels"),
         "labels: 10 is not an output of the network, 0 to 9"},
        {"\"labels\": [3, -1]", LM_INVALID, false, AT("labels/1"),
         "labels: -1 is not an output of the network, 0 to 9"},
        {"\"labels\": \"star,10\"", LM_INVALID, false, AT("labels"),
         "labels: 10 is not an output of the network, 0 to 9"},
        {"\"labels\": [\"blob\"]", LM_INVALID, false, AT("labels/0"),
         "labels: the model has no label \"blob\""},
        {"\"include\": \"\"", LM_INVALID, false, AT("include"),
         "include: \"\" is none of segments, heatmap, overlay, samples, timing"},
        {"\"include\": [\"all\"]", LM_INVALID, false, AT("include/0"),
         "include: \"all\" is none of segments, heatmap, overlay, samples, timing"},
        {"\"include\": [\"segments,timing\"]", LM_INVALID, false, AT("include/0"),
         "parameters.include: commas are for text, not for names in a list"},
        {"\"render\": \"x\"", LM_INVALID, false, AT("render"),
         "render: \"x\" is none of overlay, heatmap, boundaries, top"},
        {"\"colormap\": \"x\"", LM_INVALID, false, AT("colormap"),
         "colormap: \"x\" is none of red_blue, purple_green, brown_teal"},
        {"\"masking\": \"x\"", LM_INVALID, false, AT("masking"),
         "masking: \"x\" is none of layer, black, grey, mean, blur, color:#rrggbb"},
        {"\"segmentation\": \"custom:map.png\"", LM_INVALID, false, AT("segmentation"),
         "segmentation: \"custom:map.png\" is not read here; send the map itself, as "
         "{\"method\": \"custom\", \"png16\": \"<base64>\"}"},
    };
    ASSERT_REFUSED(refusals, CALL_JSON);
}

static void tells_what_is_to_come(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"\"method\": \"rise\"", LM_UNSUPPORTED, false, AT("method"),
         "parameters.method \"rise\" is not available yet; \"lime\" is"},
        {"\"preset\": \"captum\"", LM_UNSUPPORTED, false, AT("preset"),
         "parameters.preset \"captum\" is not available yet; \"lime\" is"},
        {"\"samples\": \"auto\"", LM_UNSUPPORTED, false, AT("samples"),
         "parameters.samples \"auto\" is not available yet; a number is"},
        {"\"deadline_ms\": 500", LM_UNSUPPORTED, false, AT("deadline_ms"),
         "parameters.deadline_ms is not available yet"},
        {"\"tolerance\": 0.1", LM_UNSUPPORTED, false, AT("tolerance"),
         "parameters.tolerance is not available yet"},
        {"\"include\": [\"timing\", \"evaluation\"]", LM_UNSUPPORTED, false, AT("include/1"),
         "parameters.include \"evaluation\" is not available yet"},
        {"\"include\": \"timing,evaluation\"", LM_UNSUPPORTED, false, AT("include"),
         "parameters.include \"evaluation\" is not available yet"},
        {"\"segmentation\": {\"method\": \"felzenszwalb\", \"scale\": 1}", LM_UNSUPPORTED, false,
         AT("segmentation/method"),
         "segmentation.method \"felzenszwalb\" is not available yet; \"slic\", \"grid\" and "
         "\"custom\" are"},
    };
    ASSERT_REFUSED(refusals, CALL_JSON);
}

static void keeps_to_limits(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"\"samples\": 10001", LM_LIMIT, false, AT("samples"),
         "parameters.samples is 10001, above the limit of 10000"},
        {"\"segmentation\": \"grid:2\"", LM_LIMIT, false, AT("segmentation"),
         "segmentation: 2304 segments, the limit is 1000"},
        {"{\"instances\": [{\"image\": \"@\"}, {\"image\": \"@\"}, {\"image\": \"@\"}], "
         "\"parameters\": {\"samples\": 10000, \"segmentation\": \"grid:28x28\", \"include\":"
         " [\"samples\"]}}",
         LM_LIMIT, false, AT("include"),
         "parameters.include: the samples are more than the limit of 16777216 zeros and ones"},
    };
    ASSERT_REFUSED(refusals, CALL_JSON);
    shapes.info.classes = 30000;
    const struct refusal many = {
        "\"samples\": 9000", LM_LIMIT, false, AT("samples"),
        "parameters.samples is 9000, above the limit of 8947 for 30000 classes"};
    assert_true(is_refused(&many, CALL_JSON));
    lm_model_info(shapes.model, &shapes.info);
}

static void refuses_segmentations_that_do_not_fit(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"\"segmentation\": {\"method\": \"grid\", \"rows\": 3, \"cell\": 5}", LM_INVALID, false,
         AT("segmentation"), "cell is 5, and excludes rows, columns and n_segments"},
        {"\"segmentation\": {\"method\": \"custom\", \"png16\": \"?\"}", LM_CORRUPT, false,
         AT("segmentation"), "segmentation.png16: character 0 ('?') is not base64"},
        {"\"segmentation\": {\"method\": \"custom\", \"png16\": \"AAAA\"}", LM_UNSUPPORTED, false,
         AT("segmentation"), "segmentation.png16: label map is not a PNG"},
        {"\"segmentation\": {\"method\": \"custom\", \"rle\": [{\"size\": [10, 10], \"counts\":"
         " [0, 100]}]}",
         LM_INVALID, false, AT("segmentation"),
         "segmentation.rle[0]: rle: size (height, width) is [10, 10], that of what it masks is "
         "[240, 240]"},
        {"\"segmentation\": {\"method\": \"custom\", \"rle\": [{\"size\": [240, 240], \"counts\":"
         " [0, 300, 57300]}, {\"size\": [240, 240], \"counts\": [299, 57301]}]}",
         LM_INVALID, false, AT("segmentation"),
         "segmentation.rle[1]: the pixel at x 1, y 59 is in an earlier segment, too"},
        {"\"segmentation\": {\"method\": \"custom\", \"rle\": [{\"size\": [240, 240], \"count\":"
         " []}]}",
         LM_INVALID, true, AT("segmentation/rle/0/count"), "rle has the unknown field \"count\""},
    };
    ASSERT_REFUSED(refusals, CALL_JSON);
}

static void refuses_pictures(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{\"instances\": [{\"image\": \"@\"}, {\"image\": \"AAAA\"}]}", LM_UNSUPPORTED, false,
         "/instances/1/image", "image is neither JPEG nor PNG"},
        {"{\"instances\": [{\"image\": \"@\"}, {\"image\": {\"b64\": \"@\"}, \"masking\": \"x\"}]}",
         LM_INVALID, false, "/instances/1/masking",
         "masking: \"x\" is none of layer, black, grey, mean, blur, color:#rrggbb"},
    };
    ASSERT_REFUSED(refusals, CALL_JSON);
    static const struct refusal several[] = {
        {"{\"instances\": [{\"image\": \"@\"}, {\"image\": \"@\"}]}", LM_INVALID, false,
         "/instances", "an overlay is of one picture; 2 were sent"},
    };
    ASSERT_REFUSED(several, CALL_PNG);
    ASSERT_REFUSED(several, CALL_JSON | CALL_JPEG);
}

static void refuses_files_of_regions(void **state)
{
    (void)state;
    struct request request = {.document = json_object(),
                              .image = {shapes.star, shapes.star_size},
                              .keep = {shapes.mask, shapes.mask_size}};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    void *call = NULL;
    assert_int_equal(call_explain.read(&request, &shapes.terms, CALL_JSON, &call, &fault, &error),
                     LM_INVALID);
    assert_null(call);
    assert_true(fault.malformed);
    assert_string_equal(fault.pointer, "/keep");
    assert_string_equal(error.text, "keep: an explanation is of the whole picture");
    request_free(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_wrong_types),
        cmocka_unit_test(refuses_wrong_values),
        cmocka_unit_test(tells_what_is_to_come),
        cmocka_unit_test(keeps_to_limits),
        cmocka_unit_test(refuses_segmentations_that_do_not_fit),
        cmocka_unit_test(refuses_pictures),
        cmocka_unit_test(refuses_files_of_regions),
    };
    return cmocka_run_group_tests(tests, shapes_setup, shapes_teardown);
}
