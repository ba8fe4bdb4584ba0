/* Predict calls and requests when memory runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/call.h"
#include "fault.h"
#include "shapes_fixture.h"

enum { LONG_TEXT = 100000 };

static struct shapes shapes;
static struct request request;
static const char *text;

static int load(void **state)
{
    (void)state;
    return shapes_load(2);
}

static enum lm_status parse(struct lm_error *error)
{
    struct codec_fault fault = {0};
    json_t *const untouched = (json_t *)(void *)error;
    json_t *out = untouched;
    enum lm_status status = request_parse_json("the body", text, strlen(text),
                                               &request_default_limits, &out, &fault, error);
    if (status == LM_OK)
        json_decref(out);
    else
        assert_true(out == untouched && !fault.malformed);
    return status;
}

/* A long text, of which nothing may be missing when it has been read. */
static enum lm_status parse_long(struct lm_error *error)
{
    struct codec_fault fault = {0};
    json_t *out = NULL;
    enum lm_status status = request_parse_json("the body", text, strlen(text),
                                               &request_default_limits, &out, &fault, error);
    if (status == LM_OK)
        assert_int_equal(json_string_length(json_object_get(out, "a")), LONG_TEXT);
    json_decref(out);
    return status;
}

static void test_long_text(void **state)
{
    static char document[LONG_TEXT + 20];
    char filler[LONG_TEXT + 1];
    (void)state;
    if (!FAULT_WORKS)
        skip();
    memset(filler, 'x', LONG_TEXT);
    filler[LONG_TEXT] = '\0';
    snprintf(document, sizeof document, "{\"a\": \"%s\"}", filler);
    text = document;
    fault_ratchet(parse_long);
    fault_count();
    struct lm_error error = {0};
    assert_int_equal(parse_long(&error), LM_OK);
    unsigned long all = fault_disarm();
    for (unsigned long n = 0; n < all; n++) { /* the first failure ends it */
        fault_arm(n, true);
        assert_int_equal(parse_long(&error), LM_NOMEM);
        assert_in_range(fault_disarm(), n + 1, n + 1);
    }
}

static enum lm_status read_value(struct lm_error *error)
{
    json_t *const untouched = (json_t *)(void *)error;
    json_t *out = untouched;
    enum lm_status status = request_text_value(text, &request_default_limits, &out, error);
    if (status == LM_OK)
        json_decref(out);
    else
        assert_ptr_equal(out, untouched);
    return status;
}

static void test_json(void **state)
{
    static const char document[] =
        "{\"instances\": [{\"image\": \"abc\", \"hide\": {\"box\": [1, 2.5, "
        "3, true]}}], \"parameters\": {\"top_k\": 3}}";
    static const char *const values[] = {"5", "[1, {\"a\": 0.5}]", "some text", "\"quoted\"",
                                         "caf\xe9"};
    (void)state;
    text = document;
    fault_ratchet(parse);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        text = values[i];
        fault_ratchet(read_value);
    }
}

static enum lm_status call(struct lm_error *error)
{
    struct call_answer answer = {.samples = 77};
    struct codec_fault fault = {0};
    enum lm_status status = shapes_call(&call_predict, &request, CALL_JSON, &answer, &fault, error);
    if (status == LM_OK)
        call_answer_free(&answer);
    else
        assert_true(answer.samples == 77 && !answer.json.bytes && !fault.malformed);
    return status;
}

static void test_calls(void **state)
{
    static const char *const documents[] = {
        "{\"instances\": [{\"image\": {\"b64\": \"@\"}, \"hide\": {\"png\": \"#\"}, \"masking\": "
        "\"mean\"}, {\"image\": \"@\"}], \"parameters\": {\"top_k\": 1}}",
        "{\"instances\": [{\"image\": \"@\", \"masks\": [{\"keep\": {\"box\": [9, 9, 99, 99]}}, "
        "{\"hide\": {\"segments\": [1], \"segmentation\": {\"max_num_iter\": 1}}}]}], "
        "\"parameters\": {\"logits\": true, \"top_k\": 1}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        request = shapes_request(documents[i]);
        fault_ratchet(call);
        request_free(&request);
    }
}

static void test_files(void **state)
{
    (void)state;
    request = shapes_request("{\"parameters\": {\"masking\": \"blur\", \"top_k\": 1}}");
    request.image = (struct request_bytes){shapes.star, shapes.star_size};
    request.hide = (struct request_bytes){shapes.mask, shapes.mask_size};
    fault_ratchet(call);
    request_free(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests_name("predict_call_memory", tests, load, shapes_teardown);
}
