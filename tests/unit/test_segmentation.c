/* Segmentations by name, in JSON, and maps of the user's own; segments in the picture. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/file.h"
#include "codec/placement.h"
#include "codec/region.h"
#include "codec/segmentation.h"

static void assert_close(double value, double expected)
{
    assert_true(fabs(value - expected) <= 1e-6);
}

/* A 40 x 20 picture of which the network sees the middle, 10 x 10 pixels of half the size. */
static const struct lm_preprocess preprocess = {
    .height = 10, .width = 10, .resize_shorter = 10, .center_crop = true, .std = {1, 1, 1}};

static struct picture_input make_input(void)
{
    struct lm_image picture = {0};
    struct picture_input input = {0};
    assert_int_equal(lm_image_create(40, 20, &picture, NULL), LM_OK);
    assert_int_equal(picture_input_prepare(&picture, &preprocess, &input, NULL), LM_OK);
    assert_null(picture.rgb);
    assert_close(input.unseen, 0.5);
    return input;
}

static void parses_names(void **state)
{
    (void)state;
    struct segmentation s = {0};
    assert_int_equal(segmentation_parse("slic:50", &s, NULL), LM_OK);
    assert_true(s.options.method == LM_SEGMENT_SLIC && s.options.n_segments == 50);
    assert_int_equal(segmentation_parse("grid:7x9", &s, NULL), LM_OK);
    assert_true(s.options.method == LM_SEGMENT_GRID && s.options.rows == 7);
    assert_int_equal(s.options.columns, 9);
    assert_int_equal(segmentation_parse("grid:16", &s, NULL), LM_OK);
    assert_true(s.options.cell == 16 && s.options.rows == 0);
    assert_int_equal(segmentation_parse("grid", &s, NULL), LM_OK);
    assert_string_equal(segmentation_method(&s), "grid");
    assert_int_equal(segmentation_parse("custom:a:b.png", &s, NULL), LM_OK);
    assert_string_equal(s.path, "a:b.png");
    assert_string_equal(segmentation_method(&s), "custom");
    segmentation_free(&s);
    segmentation_free(NULL);
}

static void refuses_other_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "slic:",           "slic:0",  "slic:-1",
                                      "slic:65536", "slic:5x5",        "grid:7x", "grid:x7",
                                      "grid:7x7x7", "custom:",         "voronoi", "grid:1e3",
                                      "slic:5 ",    "slic:99999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct segmentation s = {0};
        struct lm_error error = {0};
        assert_int_equal(segmentation_parse(bad[i], &s, &error), LM_INVALID);
        char text[200];
        snprintf(text, sizeof text,
                 "segmentation: \"%s\" is none of slic:N, grid:ROWSxCOLUMNS, grid:PIXELS, "
                 "custom:FILE.png (numbers from 1 to 65535)",
                 bad[i]);
        assert_string_equal(error.text, text);
    }
}

static void expect_json(const char *text, bool malformed, const char *pointer, const char *message)
{
    struct segmentation s = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_int_equal(segmentation_from_json(json, &s, &fault, &error), LM_INVALID);
    assert_string_equal(error.text, message);
    assert_string_equal(fault.pointer, pointer);
    assert_int_equal(fault.malformed, malformed);
    json_decref(json);
}

static void reads_json(void **state)
{
    (void)state;
    struct segmentation s = {0};
    struct codec_fault fault = {0};
    json_t *json = json_loads("{\"method\": \"slic\", \"n_segments\": 9, \"sigma\": 1,"
                              "\"compactness\": 2.5}",
                              0, NULL);
    assert_int_equal(segmentation_from_json(json, &s, &fault, NULL), LM_OK);
    assert_true(s.options.n_segments == 9 && s.options.sigma == 1 && s.options.compactness == 2.5);
    json_decref(json);
    assert_int_equal(segmentation_from_json(NULL, &s, &fault, NULL), LM_OK);
    assert_int_equal(s.options.n_segments, 0);
    expect_json("[]", true, "", "segmentation must be an object or a string, not a list");
    expect_json("{\"n\": 1}", true, "/n", "segmentation has the unknown field \"n\"");
    expect_json("{\"rows\": 1.5}", true, "/rows",
                "segmentation.rows must be a whole number, not a number with a fraction");
    expect_json("{\"sigma\": \"1\"}", true, "/sigma",
                "segmentation.sigma must be a number, not a string");
    expect_json("{\"cell\": 0}", false, "/cell", "segmentation.cell is 0; must be from 1 to 65535");
    expect_json("{\"method\": 1}", true, "/method",
                "segmentation.method must be a string, not an integer");
    expect_json("{\"method\": \"x\"}", false, "/method",
                "segmentation.method must be \"slic\", \"grid\" or \"custom\", not \"x\"");
}

static void reads_text_in_json(void **state)
{
    (void)state;
    struct segmentation s = {0};
    struct codec_fault fault = {0};
    json_t *json = json_string("grid:16");
    assert_int_equal(segmentation_from_json(json, &s, &fault, NULL), LM_OK);
    assert_true(s.options.method == LM_SEGMENT_GRID && s.options.cell == 16);
    json_decref(json);
    expect_json("\"grid:0\"", false, "",
                "segmentation: \"grid:0\" is none of slic:N, grid:ROWSxCOLUMNS, grid:PIXELS "
                "(numbers from 1 to 65535)");
    expect_json("\"custom:/etc/passwd\"", false, "",
                "segmentation: \"custom:/etc/passwd\" is not read here; send the map itself, as "
                "{\"method\": \"custom\", \"png16\": \"<base64>\"}");
}

static void tells_what_is_to_come(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"{\"kernel_size\": 4, \"method\": \"quickshift\"}", "/method"},
        {"\"quickshift\"", ""},
        {"\"quickshift:20\"", ""},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct segmentation s = {0};
        struct codec_fault fault = {0};
        struct lm_error error = {0};
        json_t *json = json_loads(texts[i][0], JSON_DECODE_ANY, NULL);
        assert_int_equal(segmentation_from_json(json, &s, &fault, &error), LM_UNSUPPORTED);
        assert_string_equal(error.text, "segmentation.method \"quickshift\" is not available yet; "
                                        "\"slic\", \"grid\" and \"custom\" are");
        assert_string_equal(fault.pointer, texts[i][1]);
        json_decref(json);
    }
}

static void refuses_mixed_fields(void **state)
{
    (void)state;
    expect_json("{\"png16\": \"AA==\"}", true, "/png16",
                "segmentation.png16 does not go with the method \"slic\"");
    expect_json("{\"n_segments\": 5, \"method\": \"custom\"}", true, "/n_segments",
                "segmentation.n_segments does not go with the method \"custom\"");
    expect_json("{\"method\": \"custom\"}", true, "",
                "segmentation: the method \"custom\" needs one of png16, rle");
    expect_json("{\"method\": \"custom\", \"png16\": \"\", \"rle\":"
                " [{\"size\": [1, 1], \"counts\": \"01\"}]}",
                true, "", "segmentation: the method \"custom\" needs one of png16, rle");
    expect_json("{\"method\": \"custom\", \"png16\": 1}", true, "/png16",
                "segmentation.png16 must be a string of base64, not an integer");
    expect_json("{\"method\": \"custom\", \"rle\": {}}", true, "/rle",
                "segmentation.rle must be a list of objects with size and counts, not an object");
    expect_json("{\"method\": \"custom\", \"rle\": []}", false, "/rle",
                "segmentation.rle: the list is empty");
    expect_json("{\"method\": \"custom\", \"rle\": [5]}", true, "/rle/0",
                "rle must be an object with size and counts, not an integer");
    expect_json("{\"method\": \"custom\", \"rle\": [{\"size\": [2, 2], \"counts\": [1, true]}]}",
                true, "/rle/0/counts/1", "rle: counts must be made of integers, not true");
    expect_json("{\"method\": \"custom\", \"rle\": [{\"size\": [2], \"counts\": \"\"}]}", true,
                "/rle/0/size", "rle: size must be a list of 2 integers (height, width)");
}

/* Saves a map of the picture's size whose left half is `left` and whose right half is `right`. */
static void write_map(const char *path, uint32_t width, const uint8_t left[3],
                      const uint8_t right[3])
{
    struct lm_image map = {0};
    uint8_t *png = NULL;
    size_t size = 0;
    assert_int_equal(lm_image_create(width, 20, &map, NULL), LM_OK);
    for (uint32_t i = 0; i < width * 20; i++)
        memcpy(map.rgb + 3 * i, i % width < width / 2 ? left : right, 3);
    assert_int_equal(lm_image_encode_png(&map, &png, &size, NULL), LM_OK);
    assert_int_equal(file_write(path, png, size, NULL), LM_OK);
    free(png);
    lm_image_free(&map);
}

static void reads_custom_maps(void **state)
{
    (void)state;
    char path[] = "/tmp/layermask-test-XXXXXX", name[64], text[200];
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    snprintf(name, sizeof name, "custom:%s", path);
    struct picture_input input = make_input();
    struct segmentation s = {0};
    struct lm_segments segments = {0};
    struct lm_error error = {0};
    int64_t *ids = NULL;
    assert_int_equal(segmentation_parse(name, &s, NULL), LM_OK);

    write_map(path, 40, (const uint8_t[]){200, 200, 200}, (const uint8_t[]){7, 7, 7});
    assert_int_equal(segmentation_run(&s, &input, &segments, &ids, NULL), LM_OK);
    assert_int_equal(segments.count, 2);
    assert_true(ids[0] == 7 && ids[1] == 200);
    assert_true(segments.labels[0] == 1 && segments.labels[4] == 1 && segments.labels[5] == 0);
    free(ids);
    lm_segments_free(&segments);

    write_map(path, 40, (const uint8_t[]){1, 2, 3}, (const uint8_t[]){0, 0, 9});
    assert_int_equal(segmentation_run(&s, &input, &segments, &ids, NULL), LM_OK);
    assert_true(ids[0] == 9 && ids[1] == 0x010203);
    free(ids);
    lm_segments_free(&segments);

    write_map(path, 41, (const uint8_t[]){1, 2, 3}, (const uint8_t[]){0, 0, 9});
    assert_int_equal(segmentation_run(&s, &input, &segments, &ids, &error), LM_INVALID);
    snprintf(text, sizeof text, "%s: label map is 41 x 20 pixels, the image is 40 x 20", path);
    assert_string_equal(error.text, text);
    remove(path);
    segmentation_free(&s);
    picture_input_free(&input);
}

/* Runs {"method": "custom", "rle": ...} on the 40 x 20 picture. */
static enum lm_status run_rle(const char *list, uint32_t max_segments, struct lm_segments *out,
                              int64_t **ids, struct lm_error *error)
{
    struct picture_input input = make_input();
    struct segmentation s = {0};
    struct codec_fault fault = {0};
    json_t *json = json_pack("{s:s, s:o}", "method", "custom", "rle", json_loads(list, 0, NULL));
    assert_int_equal(segmentation_from_json(json, &s, &fault, NULL), LM_OK);
    json_decref(json);
    s.max_segments = max_segments;
    enum lm_status status = segmentation_run(&s, &input, out, ids, error);
    segmentation_free(&s);
    picture_input_free(&input);
    return status;
}

/* Counts go down the columns of 20: x 10 to 14, then x 20 to 24; the network sees x 10 to 29. */
static void reads_rle(void **state)
{
    (void)state;
    struct lm_segments segments = {0};
    int64_t *ids = NULL;
    assert_int_equal(run_rle("[{\"size\": [20, 40], \"counts\": [400, 100, 300]},"
                             " {\"size\": [20, 40], \"counts\": [0, 20, 780]},"
                             " {\"size\": [20, 40], \"counts\": [200, 100, 500]}]",
                             0, &segments, &ids, NULL),
                     LM_OK);
    static const int32_t row[10] = {1, 1, 2, 2, 2, 0, 0, 2, 2, 2};
    assert_int_equal(segments.count, 3);
    assert_true(ids[0] == 0 && ids[1] == 2 && ids[2] == 3); /* 1 is not seen, 3 is the rest */
    for (size_t y = 0; y < 10; y++)
        assert_memory_equal(segments.labels + 10 * y, row, sizeof row);
    free(ids);
    lm_segments_free(&segments);
}

static void refuses_rle_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        enum lm_status status;
        const char *text;
    } cases[] = {
        {"[{\"size\": [20, 40], \"counts\": [0, 30, 770]},"
         " {\"size\": [20, 40], \"counts\": [25, 10, 765]}]",
         LM_INVALID, "segmentation.rle[1]: the pixel at x 1, y 5 is in an earlier segment, too"},
        {"[{\"size\": [40, 20], \"counts\": [0, 800]}]", LM_INVALID,
         "segmentation.rle[0]: rle: size (height, width) is [40, 20], that of what it masks is "
         "[20, 40]"},
        {"[{\"size\": [20, 40], \"counts\": [800]}]", LM_INVALID,
         "segmentation.rle[0]: no pixel is in it"},
        {"[{\"size\": [20, 40], \"counts\": [0, 1, 799]},"
         " {\"size\": [20, 40], \"counts\": [1, 1, 798]},"
         " {\"size\": [20, 40], \"counts\": [2, 1, 797]}]",
         LM_LIMIT, "segmentation.rle: 3 segments, the limit is 2"},
        {"[{\"size\": [20, 40], \"counts\": [200, 100, 500]},"
         " {\"size\": [20, 40], \"counts\": [300, 100, 400]}]",
         LM_LIMIT, "segmentation: more segments than the limit of 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lm_segments segments = {0};
        struct lm_error error = {0};
        int64_t *ids = NULL;
        assert_int_equal(run_rle(cases[i].list, 2, &segments, &ids, &error), cases[i].status);
        assert_string_equal(error.text, cases[i].text);
        assert_true(!ids && !segments.labels);
    }
}

static void takes_work_from_the_budget(void **state)
{
    (void)state;
    struct picture_input input = make_input();
    struct region_budget budget = {.work = 799};
    struct segmentation s = {.custom = true, .png = json_string("AA=="), .budget = &budget};
    struct lm_segments segments = {0};
    struct lm_error error = {0};
    assert_int_equal(segmentation_run(&s, &input, &segments, NULL, &error), LM_LIMIT);
    assert_string_equal(error.text,
                        "regions: drawing this one takes 800 steps, the limit leaves 799");
    budget.work = 800;
    error = (struct lm_error){0};
    assert_int_equal(segmentation_run(&s, &input, &segments, NULL, &error), LM_UNSUPPORTED);
    assert_string_equal(error.text, "segmentation.png16: label map is not a PNG");
    assert_true(budget.work == 0);
    segmentation_free(&s);
    picture_input_free(&input);
}

static void limits_the_segments(void **state)
{
    (void)state;
    struct lm_image picture = {0};
    struct picture_input input = {0};
    struct segmentation s = {0};
    struct lm_segments segments = {0};
    struct lm_error error = {0};
    const struct lm_preprocess large = {.height = 64, .width = 64, .std = {1, 1, 1}};
    assert_int_equal(lm_image_create(64, 64, &picture, NULL), LM_OK);
    assert_int_equal(picture_input_prepare(&picture, &large, &input, NULL), LM_OK);
    assert_int_equal(segmentation_parse("grid:1", &s, NULL), LM_OK);
    assert_int_equal(segmentation_run(&s, &input, &segments, NULL, &error), LM_LIMIT);
    assert_string_equal(error.text, "segmentation: 4096 segments, the limit is 2000");
    picture_input_free(&input);
}

static void places_segments_in_the_picture(void **state)
{
    (void)state;
    struct picture_input input = make_input();
    struct segmentation s = {0};
    struct lm_segments segments = {0};
    struct placement placement = {0};
    assert_int_equal(segmentation_parse("grid:2x2", &s, NULL), LM_OK);
    assert_int_equal(segmentation_run(&s, &input, &segments, NULL, NULL), LM_OK);
    assert_int_equal(placement_create(&segments, &input.transform, &placement, NULL), LM_OK);
    assert_int_equal(placement.count, 4);
    const struct placement_box *box = &placement.boxes[3];
    assert_true(box->x == 20 && box->y == 10 && box->width == 10 && box->height == 10);
    assert_close(placement.areas[2], 0.25);
    for (uint32_t y = 0; y < 20; y++)
        for (uint32_t x = 0; x < 40; x++) {
            int32_t expected = x < 10 || x >= 30 ? -1 : 2 * (y >= 10) + (x >= 20);
            assert_int_equal(placement.labels[40 * y + x], expected);
        }
    placement_free(&placement);
    placement_free(NULL);
    lm_segments_free(&segments);
    picture_input_free(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_names),
        cmocka_unit_test(refuses_other_names),
        cmocka_unit_test(reads_json),
        cmocka_unit_test(reads_custom_maps),
        cmocka_unit_test(reads_text_in_json),
        cmocka_unit_test(tells_what_is_to_come),
        cmocka_unit_test(refuses_mixed_fields),
        cmocka_unit_test(reads_rle),
        cmocka_unit_test(refuses_rle_that_do_not_fit),
        cmocka_unit_test(takes_work_from_the_budget),
        cmocka_unit_test(limits_the_segments),
        cmocka_unit_test(places_segments_in_the_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
