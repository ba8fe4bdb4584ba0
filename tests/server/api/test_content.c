/* Bodies of all kinds to requests, and what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/content.h"
#include "config/settings.h"

static struct request request;
static struct codec_fault fault;
static struct lm_error error;

static enum lm_status read_body(const char *type, const char *query, const char *body)
{
    const struct content content = {
        .type = type, .query = query, .body = (const uint8_t *)body, .size = strlen(body)};
    request_free(&request);
    fault = (struct codec_fault){0};
    error = (struct lm_error){0};
    return content_read(&content, &request_default_limits, &request, &fault, &error);
}

static int forget(void **state)
{
    (void)state;
    request_free(&request);
    return 0;
}

static json_t *parameter(const char *name)
{
    return json_object_get(json_object_get(request.document, "parameters"), name);
}

static void assert_refused(enum lm_status status, const char *text, const char *pointer)
{
    assert_int_equal(status, LM_INVALID);
    assert_true(fault.malformed);
    assert_string_equal(error.text, text);
    assert_string_equal(fault.pointer, pointer);
    assert_null(request.document);
}

static void test_types(void **state)
{
    (void)state;
    static const char *const known[] = {
        "",          "application/json", "application/json; charset=utf-8",
        "image/png", "image/jpeg",       "multipart/form-data; boundary=x",
        "Image/PNG"};
    static const char *const unknown[] = {"text/plain", "image/gif", "application/jsonx",
                                          "nonsense", "application/x-www-form-urlencoded"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_true(content_is_known(known[i]));
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_false(content_is_known(unknown[i]));
}

static void test_json(void **state)
{
    (void)state;
    assert_int_equal(read_body("application/json", "", "{\"instances\": [1]}"), LM_OK);
    assert_int_equal(json_array_size(json_object_get(request.document, "instances")), 1);
    assert_null(request.image.bytes);
}

static void test_query(void **state)
{
    (void)state;
    assert_int_equal(
        read_body("application/json", "top_k=3&logits=true&masking=color%3A%23ff0000", "{}"),
        LM_OK);
    assert_int_equal(json_integer_value(parameter("top_k")), 3);
    assert_true(json_is_true(parameter("logits")));
    assert_string_equal(json_string_value(parameter("masking")), "color:#ff0000");
}

static void test_query_and_body(void **state)
{
    (void)state;
    assert_int_equal(read_body("", "a=1", "{\"parameters\": {\"b\": 2}}"), LM_OK);
    assert_int_equal(json_integer_value(parameter("a")), 1);
    assert_int_equal(json_integer_value(parameter("b")), 2);
    assert_refused(read_body("", "b=1", "{\"parameters\": {\"b\": 2}}"),
                   "parameters.b is given twice", "/parameters/b");
    assert_refused(read_body("", "b=1&b=1", "{}"), "parameters.b is given twice", "/parameters/b");
    assert_refused(read_body("", "b=1", "{\"parameters\": 3}"),
                   "parameters must be an object, not an integer", "/parameters");
    assert_refused(read_body("", "b=%zz", "{}"), "the query cannot be read", "");
}

static void test_picture(void **state)
{
    (void)state;
    assert_int_equal(read_body("image/png", "top_k=1", "pixels"), LM_OK);
    assert_int_equal(request.image.size, 6);
    assert_memory_equal(request.image.bytes, "pixels", 6);
    assert_int_equal(json_integer_value(parameter("top_k")), 1);
}

#define FORM "multipart/form-data; boundary=x"
#define PART(name, body)                                                                           \
    "--x\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" body "\r\n"
#define END "--x--\r\n"

static void test_form(void **state)
{
    (void)state;
    assert_int_equal(read_body(FORM, "",
                               PART("image", "pixels") PART("hide", "mask")
                                   PART("parameters", "{\"top_k\": 2}") END),
                     LM_OK);
    assert_memory_equal(request.image.bytes, "pixels", 6);
    assert_memory_equal(request.hide.bytes, "mask", 4);
    assert_null(request.keep.bytes);
    assert_int_equal(json_integer_value(parameter("top_k")), 2);
}

static void test_bad_forms(void **state)
{
    (void)state;
    assert_refused(read_body(FORM, "", PART("hide", "mask") END),
                   "the form has no part called image", "");
    assert_refused(read_body(FORM, "", PART("image", "a") PART("image", "b") END),
                   "there are two parts called image", "");
    assert_refused(read_body(FORM, "", PART("image", "a") PART("colour", "b") END),
                   "the form has the unknown part \"colour\"; there are image, hide, keep and "
                   "parameters",
                   "");
    assert_refused(read_body(FORM, "",
                             PART("image", "a") PART("parameters", "{}") PART("parameters", "{}")
                                 END),
                   "there are two parts called parameters", "");
    assert_int_equal(read_body(FORM, "", "no form at all"), LM_INVALID);
    assert_true(fault.malformed);
    assert_int_equal(read_body(FORM, "", PART("image", "a") PART("parameters", "[") END),
                     LM_INVALID);
    assert_string_equal(fault.pointer, "/parameters");
}

static enum lm_status read_infer(const char *body, size_t json_size)
{
    const struct content content = {
        .type = "", .query = "", .body = (const uint8_t *)body, .size = strlen(body)};
    request_free(&request);
    fault = (struct codec_fault){0};
    return content_read_infer(&content, json_size, &request_default_limits, &request, &fault,
                              &error);
}

/* What the codec takes without a daemon are the daemon's defaults. */
static void test_default_limits(void **state)
{
    (void)state;
    char program[] = "layermaskd", home[] = "HOME=/nowhere";
    char *const argv[] = {program, NULL}, *const envp[] = {home, NULL};
    struct settings settings;
    enum settings_action action;
    const struct request_limits *limits = &request_default_limits;
    assert_int_equal(settings_load(1, argv, envp, &settings, &action, NULL), LM_OK);
    assert_int_equal(limits->image_bytes, settings.max_image_bytes);
    assert_int_equal(limits->pixels, settings.max_pixels);
    assert_int_equal(limits->instances, settings.max_instances);
    assert_int_equal(limits->masks, settings.max_masks);
    assert_int_equal(limits->samples, settings.max_samples);
    assert_int_equal(limits->segments, settings.max_segments);
    assert_int_equal(limits->regions, settings.max_regions);
    assert_int_equal(limits->json_depth, settings.max_json_depth);
    settings_free(&settings);
}

static void test_infer(void **state)
{
    (void)state;
    assert_int_equal(read_infer("{}tensor", 2), LM_OK);
    assert_memory_equal(request.tail.bytes, "tensor", 6);
    assert_int_equal(request.tail.size, 6);
    assert_int_equal(read_infer("{\"id\": \"a\"}", SIZE_MAX), LM_OK);
    assert_null(request.tail.bytes);
    assert_int_equal(read_infer("tensor", 0), LM_OK);
    assert_int_equal(request.tail.size, 6);
    assert_int_equal(json_object_size(request.document), 0);
    error = (struct lm_error){0};
    assert_refused(read_infer("{}", 3),
                   "Inference-Header-Content-Length is 3, but the body has 2 bytes", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_types, forget),
        cmocka_unit_test_teardown(test_json, forget),
        cmocka_unit_test_teardown(test_query, forget),
        cmocka_unit_test_teardown(test_query_and_body, forget),
        cmocka_unit_test_teardown(test_picture, forget),
        cmocka_unit_test_teardown(test_form, forget),
        cmocka_unit_test_teardown(test_bad_forms, forget),
        cmocka_unit_test_teardown(test_infer, forget),
        cmocka_unit_test(test_default_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
