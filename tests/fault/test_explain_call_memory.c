/* Explain calls and their segmentations when memory runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fault.h"
#include "image_fixture.h"
#include "shapes_fixture.h"

static struct shapes shapes;
static struct request request;
static unsigned wants;

static enum lm_status explain(struct lm_error *error)
{
    struct codec_fault fault = {0};
    struct call_answer answer = {.samples = 77};
    enum lm_status status = shapes_call(&call_explain, &request, wants, &answer, &fault, error);
    if (status == LM_OK)
        call_answer_free(&answer);
    else
        assert_true(answer.samples == 77 && !answer.json.bytes && !answer.png.bytes);
    return status;
}

static void ratchet(const char *document, unsigned forms)
{
    request = shapes_request(document);
    wants = forms;
    fault_ratchet(explain);
    request_free(&request);
}

/* Replaces every @ by a picture of 13 x 11 pixels and every # by a map of it, whose upper rows are
 * one segment: with few runs, so that there is little to allocate. */
static void ratchet_small(const char *document, unsigned forms)
{
    struct fixture file = fixture_read("grey8", ".png");
    struct lm_image map = {0};
    char *picture = shapes.star_text, *mask = shapes.mask_text;
    uint8_t *png = NULL;
    size_t size = 0;
    assert_int_equal(codec_base64_encode(file.bytes, file.size, &shapes.star_text, NULL), LM_OK);
    assert_int_equal(lm_image_create(13, 11, &map, NULL), LM_OK);
    memset(map.rgb, 1, 3 * 13 * 5);
    assert_int_equal(lm_image_encode_png(&map, &png, &size, NULL), LM_OK);
    assert_int_equal(codec_base64_encode(png, size, &shapes.mask_text, NULL), LM_OK);
    ratchet(document, forms);
    free(shapes.star_text);
    free(shapes.mask_text);
    shapes.star_text = picture;
    shapes.mask_text = mask;
    lm_image_free(&map);
    free(png);
    free(file.bytes);
}

static void test_json(void **state)
{
    (void)state;
    ratchet_small("{\"instances\": [{\"image\": \"@\"}], \"parameters\": {\"samples\": 1,"
                  " \"segmentation\": \"grid:2x1\", \"labels\": \"star,0\", \"include\":"
                  " \"segments,samples,timing\"}}",
                  CALL_JSON);
}

static void test_several_pictures(void **state)
{
    (void)state;
    ratchet_small("{\"instances\": [{\"image\": \"@\"}, {\"image\": \"@\", \"masking\": \"grey\"}],"
                  " \"parameters\": {\"samples\": 1, \"segmentation\": \"grid:96\"}}",
                  CALL_JSON);
}

static void test_pictures(void **state)
{
    (void)state;
    ratchet_small("{\"instances\": [{\"image\": \"@\"}], \"parameters\": {\"samples\": 1,"
                  " \"segmentation\": \"grid:2x1\"}}",
                  CALL_PNG | CALL_JPEG);
    ratchet_small("{\"instances\": [{\"image\": \"@\"}], \"parameters\": {\"samples\": 1,"
                  " \"segmentation\": \"grid:2x1\", \"include\": \"overlay\"}}",
                  CALL_JSON);
}

static void test_custom_segmentations(void **state)
{
    (void)state;
    ratchet_small("{\"instances\": [{\"image\": \"@\"}], \"parameters\": {\"samples\": 1,"
                  " \"segmentation\": {\"method\": \"custom\", \"png16\": \"#\"}}}",
                  CALL_JSON);
    ratchet_small(
        "{\"instances\": [{\"image\": \"@\"}], \"parameters\": {\"samples\": 1,"
        " \"segmentation\": {\"method\": \"custom\", \"rle\": [{\"size\": [11, 13], \"counts\":"
        " [0,5,6,5,6,5,6,5,6,5,6,5,6,5,6,5,6,5,6,5,6,5,6,5,6,5,6]}]}}}",
        CALL_JSON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_several_pictures),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_custom_segmentations),
    };
    return cmocka_run_group_tests(tests, shapes_setup, shapes_teardown);
}
