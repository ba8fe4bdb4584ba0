/* Requests: JSON with its limits, instances, the forms of pictures, maskings; every error with its
 * text and its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/request_picture.h"

static const struct request_limits *const limits = &request_default_limits;

static void parse_fails(const char *text, size_t size, const struct request_limits *with,
                        const char *expected)
{
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    json_t *out = NULL;
    assert_int_equal(request_parse_json("the body", text, size, with, &out, &fault, &error),
                     LM_INVALID);
    assert_string_equal(error.text, expected);
    assert_true(fault.malformed && !out);
}

static void parses_documents(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": \"[[[[\\\"[[\", \"b\": [[{}, []]], \"c\": [[1]]}";
    struct request_limits four = request_default_limits;
    struct codec_fault fault = {0};
    json_t *out = NULL;
    four.json_depth = 4;
    assert_int_equal(request_parse_json("the body", text, strlen(text), &four, &out, &fault, NULL),
                     LM_OK);
    assert_int_equal(json_object_size(out), 3);
    json_decref(out);
    four.json_depth = 3;
    parse_fails(
        text, strlen(text), &four,
        "JSON: more than the limit of 3 lists and objects inside each other (line 1, column "
        "26)");
}

static void refuses_too_many_values(void **state)
{
    (void)state;
    static const char head[] = "{\"a\": [0";
    size_t size = sizeof head - 1 + 2 * (size_t)REQUEST_MAX_VALUES + 2;
    char *text = malloc(size);
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    json_t *out = NULL;
    assert_non_null(text);
    memcpy(text, head, sizeof head - 1);
    for (size_t i = sizeof head - 1; i < size - 2; i += 2)
        memcpy(text + i, ",0", 2);
    memcpy(text + size - 2, "]}", 2);
    assert_int_equal(request_parse_json("the body", text, size, limits, &out, &fault, &error),
                     LM_LIMIT);
    assert_string_equal(
        error.text, "JSON: more than 4000000 values, which is the limit; send tensors in binary");
    assert_null(out);
    free(text);
}

static void refuses_other_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "JSON: the body is empty, it must be an object"},
        {"[1]", "the body must be an object, not a list"},
        {"5", "JSON: '[' or '{' expected near '5' (line 1, column 1)"},
        {"{\"a\":\n1,}", "JSON: string or '}' expected near '}' (line 2, column 3)"},
        {"{\"a\": 1, \"a\": 2}", "JSON: duplicate object key near '\"a\"' (line 1, column 12)"},
        {"{} {}", "JSON: end of file expected near '{' (line 1, column 4)"},
        {"{\"a\": NaN}", "JSON: invalid token near 'NaN' (line 1, column 9)"},
        {"{\"a\": 1e999}", "JSON: real number overflow near '1e999' (line 1, column 11)"},
        {"{\"a\": 99999999999999999999}",
         "JSON: too big integer near '99999999999999999999' (line 1, column 26)"},
        {"{\"a\": \"\\u0000\"}", "JSON: \\u0000 is not allowed without JSON_ALLOW_NUL near "
                                 "'\"\\u0000\"' (line 1, column 14)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        parse_fails(cases[i].text, strlen(cases[i].text), limits, cases[i].error);
    parse_fails("{\"a\": \"\xff\"}", 10, limits,
                "JSON: unable to decode byte 0xff near '\"' (line 1, column 7)");
}

/* As deep as jansson would go, and much deeper, with a character of two bytes before. */
static void refuses_depth_at_once(void **state)
{
    (void)state;
    static const size_t sizes[] = {2000, 10000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *text = malloc(sizes[i]);
        memset(text, '[', sizes[i]);
        memcpy(text, "{\n\"\xc3\xa9\":", 7);
        parse_fails(text, sizes[i], limits,
                    "JSON: more than the limit of 32 lists and objects inside each other (line 2, "
                    "column 36)");
        free(text);
    }
}

static void reads_text_values(void **state)
{
    (void)state;
    static const char *const values[][2] = {
        {"5", "5"},
        {"-0.5", "-0.5"},
        {"true", "true"},
        {"false", "false"},
        {"null", "\"null\""},
        {"", "\"\""},
        {"layer", "\"layer\""},
        {"05", "\"05\""},
        {"0x10", "\"0x10\""},
        {"1e999", "\"1e999\""},
        {"99999999999999999999", "\"99999999999999999999\""},
        {"color:#102030", "\"color:#102030\""},
        {"\"a\"", "\"\\\"a\\\"\""},
        {"[1, 2]", "[1,2]"},
        {"{\"method\": \"grid\"}", "{\"method\":\"grid\"}"},
        {"{\"a\": 1, \"a\": 2}", "\"{\\\"a\\\": 1, \\\"a\\\": 2}\""},
        {"[[[", "\"[[[\""},
        {"[[[]]]", "\"[[[]]]\""}, /* too deep for the limit below */
        {"caf\xc3\xa9", "\"caf\xc3\xa9\""},
        {"caf\xe9", "\"caf?\""},
    };
    struct request_limits two = request_default_limits;
    two.json_depth = 2;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        json_t *value = NULL;
        assert_int_equal(request_text_value(values[i][0], &two, &value, NULL), LM_OK);
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        assert_string_equal(text, values[i][1]);
        free(text);
        json_decref(value);
    }
}

/* A request of a document, its first picture read, the masking of its last instance. */
static enum lm_status read_request(struct request *request, struct request_picture *picture,
                                   struct masking *masking, struct codec_fault *fault,
                                   struct lm_error *error)
{
    static const char *const fields[] = {"masking", "more", NULL};
    struct request_limits two = request_default_limits;
    uint32_t count = 0;
    two.instances = 2;
    two.image_bytes = 64;
    enum lm_status status = request_instances(request, &two, fields, &count, fault, error);
    if (status == LM_OK)
        status = request_picture_read(request, 0, &two, picture, fault, error);
    if (status == LM_OK)
        status = request_masking(request, count - 1, masking, fault, error);
    return status;
}

static struct request request_of(const char *document)
{
    struct request request = {.document = json_loads(document, 0, NULL)};
    assert_non_null(request.document);
    return request;
}

static void finds_pictures(void **state)
{
    (void)state;
    static const struct {
        const char *document, *text;
        enum masking_kind masking;
    } cases[] = {
        {"{\"instances\": [{\"image\": {\"b64\": \"QUJD\"}}]}", "QUJD", MASKING_LAYER},
        {"{\"instances\": [{\"image\": \"QUJD\", \"more\": 1}]}", "QUJD", MASKING_LAYER},
        {"{\"instances\": [{\"image_bytes\": {\"b64\": \"QUJD\"}}], \"parameters\": {}}", "QUJD",
         MASKING_LAYER},
        {"{\"instances\": [{\"data\": \"QUJD\"}], \"parameters\": {\"masking\": \"blur\"}}", "QUJD",
         MASKING_BLUR},
        {"{\"instances\": [{\"data\": {\"b64\": \"data:image/png;base64,QUJD\"}, \"masking\": "
         "\"grey\"}], \"parameters\": {\"masking\": \"blur\"}}",
         "QUJD", MASKING_GREY},
        {"{\"instances\": [{\"image\": \"data:;base64,\"}, {\"masking\": \"mean\"}]}", "",
         MASKING_MEAN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request request = request_of(cases[i].document);
        struct request_picture picture = {0};
        struct masking masking = {0};
        struct codec_fault fault = {0};
        struct lm_error error = {0};
        if (read_request(&request, &picture, &masking, &fault, &error) != LM_OK)
            fail_msg("%s: %s", cases[i].document, error.text);
        assert_int_equal(picture.length, strlen(cases[i].text));
        assert_memory_equal(picture.text, cases[i].text, picture.length);
        assert_int_equal(masking.kind, cases[i].masking);
        assert_int_equal(fault.length, 0);
        request_free(&request);
        assert_null(request.document);
    }
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *document;
        enum lm_status status;
        bool malformed;
        const char *pointer, *text;
    } cases[] = {
        {"{}", LM_INVALID, true, "/instances",
         "instances is missing, it must be a list of objects"},
        {"{\"instances\": {}}", LM_INVALID, true, "/instances",
         "instances must be a list of objects, not an object"},
        {"{\"instances\": []}", LM_INVALID, false, "/instances", "instances: the list is empty"},
        {"{\"instances\": [{}, {}, {}]}", LM_LIMIT, false, "/instances",
         "instances: 3 are over the limit of 2"},
        {"{\"instances\": [{}], \"signature_name\": \"x\"}", LM_INVALID, true, "/signature_name",
         "request has the unknown field \"signature_name\""},
        {"{\"instances\": [{}], \"parameters\": []}", LM_INVALID, true, "/parameters",
         "parameters must be an object, not a list"},
        {"{\"instances\": [{\"more\": 1}, 5]}", LM_INVALID, true, "/instances/1",
         "instance must be an object, not an integer"},
        {"{\"instances\": [{\"image\": \"\"}, {\"xyz\": 1}]}", LM_INVALID, true, "/instances/1/xyz",
         "instance has the unknown field \"xyz\""},
        {"{\"instances\": [{}]}", LM_INVALID, true, "/instances/0/image",
         "image is missing, it must be {\"b64\": \"...\"} or a string of base64"},
        {"{\"instances\": [{\"image\": \"\", \"data\": \"\"}]}", LM_INVALID, true,
         "/instances/0/data", "image and data cannot both be given"},
        {"{\"instances\": [{\"image_bytes\": [1]}]}", LM_INVALID, true, "/instances/0/image_bytes",
         "image_bytes must be {\"b64\": \"...\"} or a string of base64, not a list"},
        {"{\"instances\": [{\"image\": {}}]}", LM_INVALID, true, "/instances/0/image/b64",
         "b64 is missing, it must be a string of base64"},
        {"{\"instances\": [{\"image\": {\"b64\": 1}}]}", LM_INVALID, true, "/instances/0/image/b64",
         "b64 must be a string of base64, not an integer"},
        {"{\"instances\": [{\"image\": {\"b64\": \"\", \"url\": \"\"}}]}", LM_INVALID, true,
         "/instances/0/image/url", "image has the unknown field \"url\""},
        {"{\"instances\": [{\"image\": \"data:image/png,xyz\"}]}", LM_INVALID, false,
         "/instances/0/image",
         "image: a data: URL must begin with data:<type>;base64, and the type be short"},
        {"{\"instances\": [{\"image\": \"\", \"masking\": 1}]}", LM_INVALID, true,
         "/instances/0/masking", "masking must be a string, not an integer"},
        {"{\"instances\": [{\"image\": \"\"}], \"parameters\": {\"masking\": \"bl\\nck\"}}",
         LM_INVALID, false, "/parameters/masking",
         "masking: \"bl?ck\" is none of layer, black, grey, mean, blur, color:#rrggbb"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request request = request_of(cases[i].document);
        struct request_picture picture = {0};
        struct masking masking = {0};
        struct codec_fault fault = {0};
        struct lm_error error = {0};
        assert_int_equal(read_request(&request, &picture, &masking, &fault, &error),
                         cases[i].status);
        assert_string_equal(error.text, cases[i].text);
        assert_string_equal(fault.pointer, cases[i].pointer);
        assert_int_equal(fault.malformed, cases[i].malformed);
        request_free(&request);
    }
}

static void takes_files(void **state)
{
    (void)state;
    static const uint8_t bytes[100] = {0};
    struct request request = request_of("{\"parameters\": {\"masking\": \"black\"}}");
    struct request_picture picture = {0};
    struct masking masking = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    request.image = (struct request_bytes){bytes, 64};
    assert_int_equal(read_request(&request, &picture, &masking, &fault, &error), LM_OK);
    assert_true(picture.file.bytes == bytes && !picture.text && masking.kind == MASKING_BLACK);
    request.image.size = 65;
    assert_int_equal(read_request(&request, &picture, &masking, &fault, &error), LM_LIMIT);
    assert_string_equal(error.text, "image: 65 bytes are over the limit of 64");
    assert_string_equal(fault.pointer, "/image");
    request.hide = request.image;
    request.image = (struct request_bytes){0};
    fault = (struct codec_fault){0}, error = (struct lm_error){0};
    assert_int_equal(read_request(&request, &picture, &masking, &fault, &error), LM_INVALID);
    assert_string_equal(error.text, "image is missing, hide is a file without it");
    assert_true(fault.malformed);
    request_free(&request);
    request = request_of("{\"instances\": [{\"image\": \"\"}]}");
    request.image = (struct request_bytes){bytes, 64};
    fault = (struct codec_fault){0}, error = (struct lm_error){0};
    assert_int_equal(read_request(&request, &picture, &masking, &fault, &error), LM_INVALID);
    assert_string_equal(error.text, "instances and the file image cannot both be given");
    assert_string_equal(fault.pointer, "/instances");
    request_free(&request);
}

static void frees_nothing(void **state)
{
    (void)state;
    struct call_answer answer = {.json = {strdup("a"), 1}, .binary = {strdup("b"), 1}};
    request_free(NULL);
    call_answer_free(NULL);
    call_answer_free(&answer);
    assert_true(!answer.json.bytes && !answer.binary.size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_documents),   cmocka_unit_test(refuses_too_many_values),
        cmocka_unit_test(refuses_other_text), cmocka_unit_test(refuses_depth_at_once),
        cmocka_unit_test(reads_text_values),  cmocka_unit_test(finds_pictures),
        cmocka_unit_test(says_what_is_wrong), cmocka_unit_test(takes_files),
        cmocka_unit_test(frees_nothing),
    };
    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
