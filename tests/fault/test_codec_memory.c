/* Regions, model folders and arrays when memory runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "codec/base64.h"
#include "codec/model_dir.h"
#include "codec/npy.h"
#include "codec/region.h"
#include "fault.h"
#include "hostile.h"

static const struct lm_transform transform = {40, 20, 20, 10, 5, 0, 10, 10};
static json_t *value;

static enum lm_status parse_region(struct lm_error *error)
{
    struct region_budget budget = region_default_budget;
    struct region_context context = {.transform = &transform, .budget = &budget};
    struct codec_fault fault = {0};
    struct lm_mask input = {.width = 77}, image = {.width = 77};
    enum lm_status status = region_parse(value, &context, &input, &image, &fault, error);
    if (status == LM_OK) {
        lm_mask_free(&input);
        lm_mask_free(&image);
    } else {
        assert_true(input.width == 77 && image.width == 77 && !input.bits && !image.bits);
    }
    return status;
}

static enum lm_status parse_visible(struct lm_error *error)
{
    struct region_budget budget = region_default_budget;
    struct region_context context = {.transform = &transform, .budget = &budget};
    struct codec_fault fault = {0};
    struct lm_mask input = {.width = 77}, image = {.width = 77};
    enum lm_status status = region_parse_visible(value, &context, &input, &image, &fault, error);
    if (status == LM_OK) {
        lm_mask_free(&input);
        lm_mask_free(&image);
    } else {
        assert_true(input.width == 77 && image.width == 77 && !input.bits && !image.bits);
    }
    return status;
}

static char *png_region(void)
{
    struct lm_image picture;
    uint8_t *bytes;
    size_t size;
    assert_int_equal(lm_image_create(40, 20, &picture, NULL), LM_OK);
    memset(picture.rgb, 255, (size_t)40 * 20 * 3);
    assert_int_equal(lm_image_encode_png(&picture, &bytes, &size, NULL), LM_OK);
    char *encoded, *text = malloc(2 * size + 100);
    assert_int_equal(codec_base64_encode(bytes, size, &encoded, NULL), LM_OK);
    snprintf(text, 2 * size + 100, "{\"png\": \"%s\"}", encoded);
    free(encoded);
    free(bytes);
    lm_image_free(&picture);
    return text;
}

static void test_regions(void **state)
{
    (void)state;
    char *png = png_region();
    const char *const texts[] = {
        "{\"box\": [12, 2, 9, 9]}",
        "{\"polygon\": [[12, 2, 30, 3, 20, 15]]}",
        "{\"rle\": {\"size\": [20, 40], \"counts\": [300, 200, 300]}}",
        "{\"rle\": {\"size\": [10, 10], \"counts\": [30, 20, 50]}, \"space\": \"input\"}",
        "[{\"box\": [12, 2, 9, 9]}, {\"box\": [20, 2, 5, 5], \"space\": \"input\"},"
        " {\"box\": [2, 2, 5, 5], \"space\": \"input\"}]",
        png,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        value = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        fault_ratchet(parse_region);
        value = json_pack("{s:o}", "hide", value);
        fault_ratchet(parse_visible);
        json_decref(value);
    }
    free(png);
}

static const char *argument;

static enum lm_status read_argument(struct lm_error *error)
{
    json_t *const untouched = (json_t *)(void *)error;
    json_t *out = untouched;
    enum lm_status status = region_from_argument(argument, &out, error);
    if (status == LM_OK)
        json_decref(out);
    else
        assert_ptr_equal(out, untouched);
    return status;
}

static void test_arguments(void **state)
{
    (void)state;
    argument = "box:1,2,3.5,4";
    fault_ratchet(read_argument);
    argument = "{\"polygon\": [[12, 2, 30.5, 3, 20, 15]], \"space\": \"input\"}";
    fault_ratchet(read_argument);
}

static char folder[600];

static enum lm_status read_folder(struct lm_error *error)
{
    struct model_dir dir = {.assumed = true};
    enum lm_status status = model_dir_read(folder, &dir, error);
    if (status == LM_OK)
        model_dir_free(&dir);
    else
        assert_true(dir.assumed && !dir.file && !dir.labels);
    return status;
}

static enum lm_status load_folder(struct lm_error *error)
{
    struct model_dir dir = {0};
    struct lm_model *model = NULL;
    enum lm_status status = model_dir_read(folder, &dir, error);
    if (status == LM_OK)
        status = model_dir_load(&dir, NULL, &model, error);
    assert_true(status == LM_OK || !model);
    lm_model_free(model);
    model_dir_free(&dir);
    return status;
}

static void test_folder(void **state)
{
    (void)state;
    static const char json[] =
        "{\"name\": \"n\", \"input\": {\"size\": [8, 8], \"mean\": [1, 2, 3], \"std\": [4, 5, 6]},"
        "\"labels\": \"names.txt\", \"masking\": {\"concat\": \"majority\"}}";
    struct wire bytes = network("input x 1,3,8,8;output y 1,3;GlobalAveragePool p x y");
    snprintf(folder, sizeof folder, "%s", scratch_path("model"));
    assert_int_equal(mkdir(folder, 0700), 0);
    scratch_write("model/model.onnx", bytes.bytes, bytes.size);
    scratch_write("model/model.json", json, sizeof json - 1);
    scratch_write("model/names.txt", "a\nb\nc\n", 6);
    wire_free(&bytes);
    fault_ratchet(read_folder);
    fault_ratchet(load_folder);
}

static struct wire array;

static enum lm_status parse_array(struct lm_error *error)
{
    struct npy out = {.count = 77};
    enum lm_status status = npy_parse(array.bytes, array.size, "a.npy", &out, error);
    if (status == LM_OK)
        npy_free(&out);
    else
        assert_true(out.count == 77 && !out.data);
    return status;
}

static void test_array(void **state)
{
    (void)state;
    static const char head[] = "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, "
                               "'shape': (2, 3), }";
    char rest[118 - (sizeof head - 1 - 10)];
    const float numbers[6] = {0};
    memset(rest, ' ', sizeof rest);
    rest[sizeof rest - 1] = '\n';
    wire_bytes(&array, head, sizeof head - 1);
    wire_bytes(&array, rest, sizeof rest);
    wire_bytes(&array, numbers, sizeof numbers);
    fault_ratchet(parse_array);
    wire_free(&array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_array),
    };
    return cmocka_run_group_tests_name("codec_memory", tests, scratch_make, scratch_remove);
}
