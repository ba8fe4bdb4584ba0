/* Regions in JSON and on the command line: what they mean, and what each mistake is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/base64.h"
#include "codec/region.h"
#include "mask_text.h"

/* A picture of 40 x 20, halved, its middle 10 x 10 is the input: input pixel (x, y) is sampled at
 * (11 + 2 x, 1 + 2 y). */
static const struct lm_transform transform = {40, 20, 20, 10, 5, 0, 10, 10};

/* Four quarters, 0 1 over 2 3. */
static int32_t quarters[100];
static const struct lm_segments segments = {10, 10, 4, quarters};

static enum lm_status find_segments(void *context, json_t *segmentation,
                                    const struct lm_segments **out, struct codec_fault *fault,
                                    struct lm_error *error)
{
    (void)context;
    if (segmentation && !json_is_object(segmentation))
        return fault_type(fault, error, "segmentation", "an object", segmentation);
    for (int i = 0; i < 100; i++)
        quarters[i] = i % 10 / 5 + i / 50 * 2;
    *out = &segments;
    return LM_OK;
}

struct outcome {
    enum lm_status status;
    struct lm_mask input, image;
    struct codec_fault fault;
    struct lm_error error;
};

static struct outcome parse_value(json_t *value, struct region_budget budget)
{
    struct outcome outcome = {0};
    struct region_context context = {
        .transform = &transform, .budget = &budget, .segments = find_segments};
    outcome.status = region_parse(value, &context, &outcome.input, &outcome.image, &outcome.fault,
                                  &outcome.error);
    return outcome;
}

static struct outcome parse(const char *text)
{
    json_error_t at;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &at);
    if (!value)
        fail_msg("%s: %s", text, at.text);
    struct outcome outcome = parse_value(value, region_default_budget);
    json_decref(value);
    return outcome;
}

static void outcome_free(struct outcome *outcome)
{
    lm_mask_free(&outcome->input);
    lm_mask_free(&outcome->image);
}

static void expect_bounds(const struct lm_mask *mask, const uint32_t box[4])
{
    uint32_t x, y, width, height;
    assert_true(lm_mask_bounds(mask, &x, &y, &width, &height));
    assert_int_equal(x, box[0]);
    assert_int_equal(y, box[1]);
    assert_int_equal(width, box[2]);
    assert_int_equal(height, box[3]);
    assert_int_equal(lm_mask_count(mask), width * height);
}

static void expect_boxes(const char *text, const uint32_t input[4], const uint32_t image[4])
{
    struct outcome outcome = parse(text);
    if (outcome.status != LM_OK)
        fail_msg("%s: %s", text, outcome.error.text);
    expect_bounds(&outcome.input, input);
    expect_bounds(&outcome.image, image);
    assert_string_equal(outcome.fault.pointer, "");
    assert_false(outcome.fault.malformed);
    outcome_free(&outcome);
}

#define BOX(x, y, width, height) ((const uint32_t[]){x, y, width, height})

static void every_shape(void **state)
{
    (void)state;
    expect_boxes("{\"box\": [11, 1, 4, 6]}", BOX(0, 0, 2, 3), BOX(11, 1, 4, 6));
    expect_boxes("{\"box\": [11, 1, 4.0, 6], \"space\": \"image\"}", BOX(0, 0, 2, 3),
                 BOX(11, 1, 4, 6));
    expect_boxes("{\"polygon\": [[0, 0, 20, 0, 20, 20, 0, 20]]}", BOX(0, 0, 5, 10),
                 BOX(0, 0, 20, 20));
    expect_boxes("{\"polygon\": [[0, 0, 20, 0, 20, 20, 0, 20], [20, 0, 40, 0, 40, 20, 20, 20]]}",
                 BOX(0, 0, 10, 10), BOX(0, 0, 40, 20));
    expect_boxes("{\"rle\": {\"size\": [20, 40], \"counts\": [400, 400]}}", BOX(5, 0, 5, 10),
                 BOX(20, 0, 20, 20));
    expect_boxes("{\"rle\": {\"size\": [20, 40], \"counts\": \"`<`<\"}}", BOX(5, 0, 5, 10),
                 BOX(20, 0, 20, 20));
}

static void input_space(void **state)
{
    (void)state;
    expect_boxes("{\"box\": [1, 2, 3, 4], \"space\": \"input\"}", BOX(1, 2, 3, 4),
                 BOX(12, 4, 6, 8));
    expect_boxes("{\"rle\": {\"size\": [10, 10], \"counts\": [50, 50]}, \"space\": \"input\"}",
                 BOX(5, 0, 5, 10), BOX(20, 0, 10, 20));
    expect_boxes("{\"segments\": [1, 3, 1]}", BOX(5, 0, 5, 10), BOX(20, 0, 10, 20));
    expect_boxes("{\"segments\": [0], \"segmentation\": {}, \"space\": \"input\"}", BOX(0, 0, 5, 5),
                 BOX(10, 0, 10, 10));
}

static void lists_are_unions(void **state)
{
    (void)state;
    expect_boxes("[{\"box\": [0, 0, 40, 10]}, {\"box\": [0, 10, 40, 10]}]", BOX(0, 0, 10, 10),
                 BOX(0, 0, 40, 20));
    expect_boxes("[{\"box\": [10, 0, 10, 20]}, {\"segments\": [1, 3]}]", BOX(0, 0, 10, 10),
                 BOX(10, 0, 20, 20));
}

static json_t *png_region(uint32_t width, uint32_t height, uint32_t left)
{
    struct lm_image image;
    uint8_t *png;
    size_t size;
    char *text;
    assert_int_equal(lm_image_create(width, height, &image, NULL), LM_OK);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = left; x < width; x++)
            image.rgb[3 * (y * width + x) + 1] = 255;
    assert_int_equal(lm_image_encode_png(&image, &png, &size, NULL), LM_OK);
    assert_int_equal(codec_base64_encode(png, size, &text, NULL), LM_OK);
    json_t *region = json_pack("{s: s}", "png", text);
    assert_non_null(region);
    free(text);
    free(png);
    lm_image_free(&image);
    return region;
}

static void png_regions(void **state)
{
    (void)state;
    json_t *region = png_region(40, 20, 20);
    struct outcome outcome = parse_value(region, region_default_budget);
    assert_int_equal(outcome.status, LM_OK);
    expect_bounds(&outcome.input, BOX(5, 0, 5, 10));
    expect_bounds(&outcome.image, BOX(20, 0, 20, 20));
    outcome_free(&outcome);
    json_decref(region);

    region = png_region(20, 40, 0);
    outcome = parse_value(region, region_default_budget);
    assert_int_equal(outcome.status, LM_INVALID);
    assert_false(outcome.fault.malformed);
    assert_string_equal(outcome.fault.pointer, "/png");
    assert_non_null(strstr(outcome.error.text, "20"));
    json_decref(region);
}

struct mistake {
    const char *text;
    enum lm_status status;
    bool malformed;
    const char *pointer, *message;
};

static void expect_mistakes(const struct mistake *mistakes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct outcome outcome = parse(mistakes[i].text);
        assert_string_equal(outcome.error.text, mistakes[i].message);
        assert_string_equal(outcome.fault.pointer, mistakes[i].pointer);
        assert_int_equal(outcome.status, mistakes[i].status);
        assert_int_equal(outcome.fault.malformed, mistakes[i].malformed);
        assert_null(outcome.input.bits);
        assert_null(outcome.image.bits);
    }
}

static void malformed(void **state)
{
    (void)state;
    static const struct mistake mistakes[] = {
        {"3", LM_INVALID, true, "",
         "region must be an object with one of png, rle, polygon, box, segments, not an integer"},
        {"{}", LM_INVALID, true, "", "region needs one of png, rle, polygon, box, segments"},
        {"[[{}]]", LM_INVALID, true, "/0",
         "region must be an object with one of png, rle, polygon, box, segments, not a list"},
        {"[{\"box\": [0, 0, 9, 9]}, null]", LM_INVALID, true, "/1",
         "region must be an object with one of png, rle, polygon, box, segments, not null"},
        {"{\"bbox\": [1, 2, 3, 4]}", LM_INVALID, true, "/bbox",
         "region has the unknown field \"bbox\""},
        {"{\"a/b~\\n\": 0}", LM_INVALID, true, "/a~1b~0\n",
         "region has the unknown field \"a/b~?\""},
        {"{\"box\": [1, 2, 3, 4], \"polygon\": []}", LM_INVALID, true, "",
         "region has both box and polygon, give a list for their union"},
        {"{\"box\": {\"x\": 1}}", LM_INVALID, true, "/box",
         "box must be a list of 4 numbers (x, y, width, height), not an object"},
        {"{\"box\": [1, 2, 3]}", LM_INVALID, true, "/box",
         "box must have 4 numbers (x, y, width, height), not 3"},
        {"{\"box\": [1, 2, \"3\", 4]}", LM_INVALID, true, "/box/2",
         "box must be made of numbers, not a string"},
        {"{\"polygon\": [0, 0, 9, 0, 9, 9]}", LM_INVALID, true, "/polygon/0",
         "polygon must be a list of polygons, each a list of numbers (x1, y1, x2, y2, ...), "
         "not an integer"},
        {"{\"polygon\": \"M 0 0\"}", LM_INVALID, true, "/polygon",
         "polygon must be a list of polygons, not a string"},
        {"{\"polygon\": [[0, 0, 9, 0, 9]]}", LM_INVALID, true, "/polygon/0",
         "polygon must have pairs of numbers, not 5 numbers"},
        {"{\"polygon\": [[0, 0, 9, 0, 9, 9], [0, 0, 9, 0, 9, true]]}", LM_INVALID, true,
         "/polygon/1/5", "polygon must be made of numbers, not true"},
        {"{\"polygon\": [[[0, 0], [9, 0], [9, 9], [0, 9]]]}", LM_INVALID, true, "/polygon/0/0",
         "polygon must be made of numbers, not a list"},
        {"{\"rle\": \"41110O1\"}", LM_INVALID, true, "/rle",
         "rle must be an object with size and counts, not a string"},
        {"{\"rle\": {\"size\": [20, 40], \"counts\": [400, 400], \"order\": \"F\"}}", LM_INVALID,
         true, "/rle/order", "rle has the unknown field \"order\""},
        {"{\"rle\": {\"counts\": [400, 400]}}", LM_INVALID, true, "/rle/size",
         "rle: size must be a list of 2 integers (height, width)"},
        {"{\"rle\": {\"size\": [20.0, 40], \"counts\": [800]}}", LM_INVALID, true, "/rle/size",
         "rle: size must be a list of 2 integers (height, width)"},
        {"{\"rle\": {\"size\": [20, 40]}}", LM_INVALID, true, "/rle/counts",
         "rle: counts is missing, it must be a string or a list of integers"},
        {"{\"rle\": {\"size\": [20, 40], \"counts\": [1e300, 400]}}", LM_INVALID, true,
         "/rle/counts/0", "rle: counts must be made of integers, not a number with a fraction"},
        {"{\"png\": [137, 80]}", LM_INVALID, true, "/png",
         "png must be a string of base64, not a list"},
        {"{\"segments\": 3}", LM_INVALID, true, "/segments",
         "segments must be a list of integers, not an integer"},
        {"{\"segments\": [1, 2.0]}", LM_INVALID, true, "/segments/1",
         "segments must be made of integers, not a number with a fraction"},
        {"{\"segments\": [1], \"segmentation\": 7}", LM_INVALID, true, "/segmentation",
         "segmentation must be an object, not an integer"},
        {"{\"box\": [1, 2, 3, 4], \"segmentation\": {}}", LM_INVALID, true, "/segmentation",
         "segmentation goes with segments, not with box"},
        {"{\"box\": [1, 2, 3, 4], \"space\": 1}", LM_INVALID, true, "/space",
         "space must be \"image\" or \"input\", not an integer"},
    };
    expect_mistakes(mistakes, sizeof mistakes / sizeof *mistakes);
}

static void unusable(void **state)
{
    (void)state;
    static const struct mistake mistakes[] = {
        {"[]", LM_INVALID, false, "", "region: the list of regions is empty"},
        {"{\"box\": [1, 2, 0, 4]}", LM_INVALID, false, "/box",
         "box: width 0 and height 4 must be above 0"},
        {"{\"polygon\": []}", LM_INVALID, false, "/polygon",
         "polygon: the list of polygons is empty"},
        {"{\"polygon\": [[0, 0, 9, 9]]}", LM_INVALID, false, "/polygon/0",
         "polygon: 2 points, at least 3 are needed"},
        {"{\"polygon\": [[]]}", LM_INVALID, false, "/polygon/0",
         "polygon: 0 points, at least 3 are needed"},
        {"{\"polygon\": [[0, 0, 9, 1e308, -1e308, 9]]}", LM_INVALID, false, "/polygon/0",
         "polygon: y of point 1 is 1e+308, the limit is +-1e+06"},
        {"{\"rle\": {\"size\": [40, 20], \"counts\": [800]}}", LM_INVALID, false, "/rle/size",
         "rle: size (height, width) is [40, 20], that of what it masks is [20, 40]"},
        {"{\"rle\": {\"size\": [-9223372036854775808, 4294967336], \"counts\": [800]}}", LM_INVALID,
         false, "/rle/size",
         "rle: size (height, width) is [-9223372036854775808, 4294967336], that of what it masks "
         "is [20, 40]"},
        {"{\"rle\": {\"size\": [20, 40], \"counts\": [400, -1, 401]}}", LM_INVALID, false,
         "/rle/counts/1", "rle: run 1 has the length -1"},
        {"{\"rle\": {\"size\": [20, 40], \"counts\": [9223372036854775807, 9223372036854775807, "
         "802]}}",
         LM_INVALID, false, "/rle/counts",
         "rle: counts are more than the 800 pixels of 40x20 at run 0"},
        {"{\"rle\": {\"size\": [20, 40], \"counts\": []}}", LM_INVALID, false, "/rle/counts",
         "rle: counts sum to 0, the pixels of 40x20 are 800"},
        {"{\"rle\": {\"size\": [20, 40], \"counts\": \"\\u00e4\"}}", LM_CORRUPT, false,
         "/rle/counts", "rle: character 0 of counts has code 195, not in 48..111"},
        {"{\"png\": \"iVBORw0KGgo\"}", LM_CORRUPT, false, "/png",
         "png: base64 ends early, after 11 characters"},
        {"{\"png\": \"data:image/png;base64,iVBO\"}", LM_CORRUPT, false, "/png",
         "png: character 4 (':') is not base64 (a data: URL needs its header cut off)"},
        {"{\"segments\": [3, 4]}", LM_INVALID, false, "/segments/1",
         "segments: 4 is not a segment, the segmentation has 4, 0 to 3"},
        {"{\"segments\": [-1]}", LM_INVALID, false, "/segments/0",
         "segments: -1 is not a segment, the segmentation has 4, 0 to 3"},
        {"{\"segments\": [9223372036854775807]}", LM_INVALID, false, "/segments/0",
         "segments: 9223372036854775807 is not a segment, the segmentation has 4, 0 to 3"},
        {"{\"segments\": [1], \"space\": \"image\"}", LM_INVALID, false, "/space",
         "space of segments is \"input\" always"},
        {"{\"box\": [1, 2, 3, 4], \"space\": \"In\\u0009put\"}", LM_INVALID, false, "/space",
         "space must be \"image\" or \"input\", not \"In?put\""},
    };
    expect_mistakes(mistakes, sizeof mistakes / sizeof *mistakes);
}

static void empty_regions(void **state)
{
    (void)state;
    static const struct mistake mistakes[] = {
        {"{\"segments\": []}", LM_INVALID, false, "",
         "region is empty: no pixel of the 10x10 input is in it"},
        {"{\"box\": [100, 100, 5, 5]}", LM_INVALID, false, "",
         "region is empty: no pixel of the 40x20 picture is in it"},
        {"{\"box\": [1e308, 1e308, 1e308, 1e308]}", LM_INVALID, false, "",
         "region is empty: no pixel of the 40x20 picture is in it"},
        {"{\"rle\": {\"size\": [20, 40], \"counts\": [800]}}", LM_INVALID, false, "",
         "region is empty: no pixel of the 40x20 picture is in it"},
        {"[{\"box\": [0, 0, 9, 20]}, {\"box\": [31, 0, 9, 20]}]", LM_INVALID, false, "",
         "region is not seen: it lies in the part of the picture that the crop cuts off; the "
         "network sees x 11 to 29, y 1 to 19"},
        {"{\"box\": [12, 0, 1, 20]}", LM_INVALID, false, "",
         "region is too small: it lies between the pixels that are sampled from the 40x20 picture "
         "for the 10x10 input"},
        {"{\"box\": [12, 0, 1, 20], \"space\": \"input\"}", LM_INVALID, false, "",
         "region is empty: no pixel of the 10x10 input is in it"},
    };
    expect_mistakes(mistakes, sizeof mistakes / sizeof *mistakes);
}

static json_t *repeat(const char *text, size_t n)
{
    json_t *one = json_loads(text, JSON_DECODE_ANY, NULL), *list = json_array();
    assert_non_null(one);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(json_array_append(list, one), 0);
    json_decref(one);
    return list;
}

static void expect_limit(json_t *value, struct region_budget budget, const char *pointer,
                         const char *message)
{
    struct outcome outcome = parse_value(value, budget);
    assert_string_equal(outcome.error.text, message);
    assert_string_equal(outcome.fault.pointer, pointer);
    assert_int_equal(outcome.status, LM_LIMIT);
    json_decref(value);
}

static void budgets(void **state)
{
    (void)state;
    struct region_budget budget = region_default_budget;
    expect_limit(repeat("{\"box\": [11, 1, 4, 6]}", 1000000), budget, "/10000",
                 "regions: more than the limit of 10000 in one request");
    json_t *ring = repeat("7", 2000002);
    expect_limit(json_pack("{s: [o]}", "polygon", ring), budget, "/polygon/0",
                 "polygon: 1000001 points, the limit leaves 1000000");
    budget.work = 1000;
    expect_limit(repeat("{\"box\": [11, 1, 4, 6]}", 100), budget, "/44/box",
                 "regions: drawing this one takes 20 steps, the limit leaves 0");
    expect_limit(png_region(40, 20, 0), (struct region_budget){.regions = 1, .work = 900}, "/png",
                 "regions: drawing this one takes 800 steps, the limit leaves 780");
    budget.work = 50;
    expect_limit(json_object(), budget, "",
                 "regions: drawing this one takes 100 steps, the limit leaves 50");
}

/* Many tall triangles: few points, much to do. */
static void polygons_cost_what_they_cross(void **state)
{
    (void)state;
    struct lm_transform tall = {1000, 100000, 1000, 100000, 0, 0, 10, 10};
    struct region_budget budget = {.regions = 1, .points = 30000, .work = 20000000};
    struct region_context context = {.transform = &tall, .budget = &budget};
    json_t *rings = repeat("[0, -1e6, 1000, 1e6, 500, -1e6]", 10000);
    json_t *region = json_pack("{s: o}", "polygon", rings);
    struct lm_mask input = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    assert_int_equal(region_parse(region, &context, &input, NULL, &fault, &error), LM_LIMIT);
    assert_string_equal(fault.pointer, "/polygon/10");
    json_decref(region);
}

static void without_segments(void **state)
{
    (void)state;
    struct region_budget budget = region_default_budget;
    struct region_context context = {.transform = &transform, .budget = &budget};
    struct lm_mask input = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    json_t *region = json_loads("{\"segments\": [1]}", 0, NULL);
    fault_enter_key(&fault, "hide");
    assert_int_equal(region_parse(region, &context, &input, NULL, &fault, &error), LM_UNSUPPORTED);
    assert_string_equal(error.text, "segments: not possible here, give the pixels");
    assert_string_equal(fault.pointer, "/hide");
    json_decref(region);
}

static enum lm_status visible(const char *text, struct outcome *out)
{
    struct region_budget budget = region_default_budget;
    struct region_context context = {.transform = &transform, .budget = &budget};
    json_t *object = json_loads(text, 0, NULL);
    *out = (struct outcome){0};
    fault_enter_key(&out->fault, "instances");
    enum lm_status status =
        region_parse_visible(object, &context, &out->input, &out->image, &out->fault, &out->error);
    json_decref(object);
    return status;
}

static void hide_and_keep(void **state)
{
    (void)state;
    struct outcome outcome;
    assert_int_equal(visible("{\"image\": 1}", &outcome), LM_OK);
    expect_bounds(&outcome.input, BOX(0, 0, 10, 10));
    expect_bounds(&outcome.image, BOX(0, 0, 40, 20));
    outcome_free(&outcome);
    assert_int_equal(visible("{\"keep\": {\"box\": [20, 0, 20, 20]}}", &outcome), LM_OK);
    expect_bounds(&outcome.input, BOX(5, 0, 5, 10));
    expect_bounds(&outcome.image, BOX(20, 0, 20, 20));
    outcome_free(&outcome);
    assert_int_equal(visible("{\"hide\": {\"box\": [20, 0, 20, 20]}}", &outcome), LM_OK);
    expect_bounds(&outcome.input, BOX(0, 0, 5, 10));
    expect_bounds(&outcome.image, BOX(0, 0, 20, 20));
    assert_string_equal(outcome.fault.pointer, "/instances");
    outcome_free(&outcome);
    assert_int_equal(visible("{\"hide\": {\"box\": [0, 0, 40, 20]}}", &outcome), LM_OK);
    assert_int_equal(lm_mask_count(&outcome.input), 0);
    outcome_free(&outcome);
    assert_int_equal(visible("{\"hide\": [{\"box\": [0, 0]}]}", &outcome), LM_INVALID);
    assert_string_equal(outcome.fault.pointer, "/instances/hide/0/box");
    assert_int_equal(visible("{\"hide\": {}, \"keep\": {}}", &outcome), LM_INVALID);
    assert_string_equal(outcome.error.text, "hide and keep cannot both be given");
    assert_string_equal(outcome.fault.pointer, "/instances/keep");
    assert_true(outcome.fault.malformed);
}

static void expect_argument(const char *argument, const char *json)
{
    json_t *region = NULL, *wanted = json_loads(json, 0, NULL);
    struct lm_error error = {0};
    if (region_from_argument(argument, &region, &error) != LM_OK)
        fail_msg("%s: %s", argument, error.text);
    assert_true(json_equal(region, wanted));
    json_decref(region);
    json_decref(wanted);
}

static void expect_bad_argument(const char *argument, enum lm_status status, const char *message)
{
    json_t *region = NULL;
    struct lm_error error = {0};
    assert_int_equal(region_from_argument(argument, &region, &error), status);
    assert_string_equal(error.text, message);
    assert_null(region);
}

static void arguments(void **state)
{
    (void)state;
    expect_argument("box:1,2.5,-3e1,.5", "{\"box\": [1.0, 2.5, -30.0, 0.5]}");
    expect_argument("{\"segments\": [1]}", "{\"segments\": [1]}");
    expect_argument("[{\"segments\": [1]}]", "[{\"segments\": [1]}]");
    expect_bad_argument("box:1,2,3", LM_INVALID,
                        "region: box:1,2,3 is not box:x,y,width,height with 4 numbers");
    expect_bad_argument("box:", LM_INVALID,
                        "region: box: is not box:x,y,width,height with 4 numbers");
    expect_bad_argument("box:1,2,3,4,5", LM_INVALID,
                        "region: box:1,2,3,4,5 is not box:x,y,width,height with 4 numbers");
    expect_bad_argument("box:1,2,3,nan", LM_INVALID,
                        "region: box:1,2,3,nan is not box:x,y,width,height with 4 numbers");
    expect_bad_argument("box:1,2,3,1e999", LM_INVALID,
                        "region: box:1,2,3,1e999 is not box:x,y,width,height with 4 numbers");
    expect_bad_argument("{\"box\": [1}", LM_INVALID,
                        "region: not JSON: ']' expected near '}' (character 11)");
    expect_bad_argument("{\"box\": 1, \"box\": 2}", LM_INVALID,
                        "region: not JSON: duplicate object key near '\"box\"' (character 16)");
    expect_bad_argument("bix:1,2,3,4", LM_IO,
                        "region: bix:1,2,3,4 is no file, nor box:x,y,width,height, nor JSON");
    expect_bad_argument("/", LM_IO, "region: / is no file, nor box:x,y,width,height, nor JSON");
}

static void deep_json_is_refused(void **state)
{
    (void)state;
    char text[100001];
    memset(text, '[', 100000);
    text[100000] = '\0';
    json_t *region = NULL;
    struct lm_error error = {0};
    assert_int_equal(region_from_argument(text, &region, &error), LM_INVALID);
    assert_non_null(strstr(error.text, "maximum parsing depth reached"));
}

static void file_arguments(void **state)
{
    (void)state;
    char path[] = "/tmp/test_region_XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    char text[80];
    snprintf(text, sizeof text, "region: %s is not a PNG file", path);
    expect_bad_argument(path, LM_UNSUPPORTED, text);
    assert_int_equal(write(file, "foobar, foobar", 14), 14);
    expect_bad_argument(path, LM_UNSUPPORTED, text);
    assert_int_equal(pwrite(file, "\x89PNG\r\n\x1a\n", 8, 0), 8);
    expect_argument(path, "{\"png\": \"iVBORw0KGgpmb29iYXI=\"}");
    assert_int_equal(ftruncate(file, (64 << 20) + 1), 0);
    json_t *region = NULL;
    assert_int_equal(region_from_argument(path, &region, NULL), LM_LIMIT);
    close(file);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape),
        cmocka_unit_test(input_space),
        cmocka_unit_test(lists_are_unions),
        cmocka_unit_test(png_regions),
        cmocka_unit_test(malformed),
        cmocka_unit_test(unusable),
        cmocka_unit_test(empty_regions),
        cmocka_unit_test(budgets),
        cmocka_unit_test(polygons_cost_what_they_cross),
        cmocka_unit_test(without_segments),
        cmocka_unit_test(hide_and_keep),
        cmocka_unit_test(arguments),
        cmocka_unit_test(deep_json_is_refused),
        cmocka_unit_test(file_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
