/* Calls of the Open Inference Protocol, on the model of drawn shapes.  What the network says is
 * compared with the engine's own answer for the same numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "codec/base64.h"
#include "codec/file.h"
#include "infer_case.h"

enum { SIDE = 96, PIXELS = SIDE * SIDE, NUMBERS = 3 * PIXELS, CLASSES = 10, MOST = 3 };

static struct infer_case shapes;
static float planes[MOST * NUMBERS];
static float shown[MOST * PIXELS];    /* the mask: 1 = visible */
static float expected[MOST][CLASSES]; /* with the mask */
static float expected_plain[MOST][CLASSES];

static const char *const examples[MOST] = {"arrow", "flower", "heart"};

static struct picture_input read_example(int index, uint8_t **bytes, size_t *size)
{
    char path[200];
    struct picture_input input = {0};
    struct lm_error error = {0};
    snprintf(path, sizeof path, "config/models/shapes/examples/%s.png", examples[index]);
    if (file_read(path, 1 << 24, bytes, size, &error) != LM_OK ||
        picture_input_read(*bytes, *size, NULL, &shapes.dir.about.preprocess, &input, &error) !=
            LM_OK)
        fail_msg("%s", error.text);
    return input;
}

/* A third of the picture is hidden, in another place in each. */
static bool is_shown(int picture, int x, int y)
{
    return (x / 8 + y / 16 + picture) % 3 != 0;
}

static void run_engine(int picture)
{
    struct lm_mask mask;
    const float *inputs[1] = {planes + picture * NUMBERS};
    const struct lm_mask *visible[1] = {&mask};
    assert_int_equal(lm_mask_create(SIDE, SIDE, &mask, NULL), LM_OK);
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            shown[picture * PIXELS + y * SIDE + x] = is_shown(picture, x, y);
            if (is_shown(picture, x, y))
                lm_mask_set(&mask, (uint32_t)x, (uint32_t)y);
        }
    }
    struct lm_session *session = runner_session(shapes.runner);
    assert_int_equal(lm_session_run(session, 1, inputs, visible, expected[picture], NULL, NULL),
                     LM_OK);
    assert_int_equal(lm_session_run(session, 1, inputs, NULL, expected_plain[picture], NULL, NULL),
                     LM_OK);
    lm_mask_free(&mask);
}

static int open_shapes(void **state)
{
    (void)state;
    infer_case_open(&shapes, "config/models/shapes");
    assert_true(shapes.info.width == SIDE && shapes.info.classes == CLASSES);
    for (int i = 0; i < MOST; i++) {
        uint8_t *bytes = NULL;
        size_t size;
        struct picture_input input = read_example(i, &bytes, &size);
        memcpy(planes + i * NUMBERS, input.planes, NUMBERS * sizeof(float));
        picture_input_free(&input);
        free(bytes);
        run_engine(i);
    }
    return 0;
}

static int close_shapes(void **state)
{
    (void)state;
    infer_case_close(&shapes);
    return 0;
}

static struct call_answer run(const char *text, const void *tail, size_t size, unsigned wants)
{
    struct call_answer answer = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    struct request request = infer_request_make(text, tail, size);
    if (infer_case_run(&shapes, &request, wants, &answer, &fault, &error) != LM_OK)
        fail_msg("%s (%s)", error.text, fault.pointer);
    assert_int_equal(fault.length, 0);
    infer_request_drop(&request);
    return answer;
}

enum { BOTH = CALL_JSON | CALL_BINARY };

static json_t *parse(const struct call_answer *answer)
{
    bool raw = answer->binary.bytes != NULL;
    assert_true(raw != (answer->json.bytes != NULL));
    json_t *json = json_loadb(raw ? answer->binary.bytes : answer->json.bytes,
                              raw ? answer->binary_json_bytes : answer->json.size, 0, NULL);
    assert_non_null(json);
    return json;
}

/* The answer's JSON as text, without the output's data. */
static void assert_head(json_t *json, const char *expected_text)
{
    char version[100], *text = json_dumps(json, JSON_COMPACT);
    snprintf(version, sizeof version, "\"model_version\":\"%s\",", shapes.dir.version);
    char *at = strstr(text, version);
    assert_non_null(at);
    memmove(at, at + strlen(version), strlen(at + strlen(version)) + 1);
    assert_string_equal(text, expected_text);
    free(text);
}

static void assert_list(json_t *data, float all[][CLASSES], uint32_t n)
{
    assert_int_equal(json_array_size(data), n * CLASSES);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t class = 0; class < CLASSES; class ++) {
            double value = json_real_value(json_array_get(data, i * CLASSES + class));
            assert_true((float)value == all[i][class]); /* to the last bit */
        }
}

static void assert_raw(const struct call_answer *answer, size_t at, float all[][CLASSES],
                       uint32_t n)
{
    size_t start = answer->binary_json_bytes + at;
    assert_true(answer->binary.size >= start + n * CLASSES * sizeof(float));
    assert_memory_equal(answer->binary.bytes + start, all, n * CLASSES * sizeof(float));
}

/* {"shape": [...], "data": [...]} of floats with 9 digits, nested [n][...] or flat. */
static char *number_text(const float *numbers, size_t n, size_t row)
{
    char *text = malloc(n * 20 + 10);
    size_t used = (size_t)sprintf(text, "[");
    for (size_t i = 0; i < n; i++)
        used +=
            (size_t)sprintf(text + used, "%s%s%.9g%s", i ? "," : "", row && i % row == 0 ? "[" : "",
                            (double)numbers[i], row && i % row == row - 1 ? "]" : "");
    sprintf(text + used, "]");
    return text;
}

static void numbers_in_json(void **state)
{
    (void)state;
    for (size_t row = 0; row <= SIDE; row += SIDE) {
        char *numbers = number_text(planes, 2 * NUMBERS, row),
             *mask = number_text(shown, 2 * PIXELS, row);
        size_t size = strlen(numbers) + strlen(mask) + 1000;
        char *text = malloc(size);
        snprintf(
            text, size,
            "{\"id\": \"a \\\"1\\\"\", \"inputs\": [{\"name\": \"input\", \"datatype\": \"FP32\","
            "\"shape\": [2, 3, 96, 96], \"data\": %s}, {\"name\": \"mask\", \"datatype\":"
            "\"FP32\", \"shape\": [2, 1, 96, 96], \"data\": %s}]}",
            numbers, mask);
        struct call_answer answer = run(text, NULL, 0, BOTH);
        json_t *json = parse(&answer);
        json_t *output = json_array_get(json_object_get(json, "outputs"), 0);
        assert_int_equal(answer.samples, 2);
        assert_null(answer.binary.bytes);
        assert_list(json_object_get(output, "data"), expected, 2);
        json_object_del(output, "data");
        assert_head(json, "{\"model_name\":\"demo\",\"id\":\"a \\\"1\\\"\",\"outputs\":[{\"name\":"
                          "\"logits\",\"datatype\":\"FP32\",\"shape\":[2,10]}]}");
        json_decref(json);
        call_answer_free(&answer);
        free(text);
        free(numbers);
        free(mask);
    }
}

/* input, and a mask of one byte or four an element. */
static uint8_t *raw_tensors(uint32_t n, bool wide, size_t *size)
{
    size_t input = n * NUMBERS * sizeof(float), mask = n * PIXELS * (wide ? sizeof(float) : 1);
    uint8_t *raw = malloc(input + mask);
    memcpy(raw, planes, input);
    if (wide)
        memcpy(raw + input, shown, mask);
    for (size_t i = 0; i < n * PIXELS && !wide; i++)
        raw[input + i] = shown[i] == 1;
    *size = input + mask;
    return raw;
}

static void numbers_behind_json(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        bool wide;
    } masks[] = {{"FP32", true}, {"UINT8", false}, {"BOOL", false}};
    for (size_t i = 0; i < 3; i++) {
        char text[600];
        size_t size;
        uint8_t *raw = raw_tensors(MOST, masks[i].wide, &size);
        snprintf(text, sizeof text,
                 "{\"parameters\": {\"binary_data_output\": true}, \"inputs\": ["
                 "{\"name\": \"input\", \"datatype\": \"FP32\", \"shape\": [3, 3, 96, 96],"
                 " \"parameters\": {\"binary_data_size\": %d}},"
                 "{\"name\": \"mask\", \"datatype\": \"%s\", \"shape\": [3, 1, 96, 96],"
                 " \"parameters\": {\"binary_data_size\": %d}}]}",
                 MOST * NUMBERS * 4, masks[i].type, MOST * PIXELS * (masks[i].wide ? 4 : 1));
        struct call_answer answer = run(text, raw, size, BOTH);
        json_t *json = parse(&answer);
        assert_head(json, "{\"model_name\":\"demo\",\"outputs\":[{\"name\":\"logits\",\"datatype\":"
                          "\"FP32\",\"shape\":[3,10],\"parameters\":{\"binary_data_size\":120}}]}");
        assert_raw(&answer, 0, expected, MOST);
        assert_int_equal(answer.binary.size, answer.binary_json_bytes + 120);
        json_decref(json);
        call_answer_free(&answer);
        free(raw);
    }
}

/* Mixed: numbers behind the JSON, the mask in it as true and false. */
static void mask_of_booleans(void **state)
{
    (void)state;
    char *text = malloc(PIXELS * 8 + 600);
    size_t used = (size_t)sprintf(
        text, "{\"inputs\": [{\"name\": \"mask\", \"datatype\": \"BOOL\", \"shape\": [1,1,96,96],"
              " \"parameters\": null, \"data\": [");
    for (int i = 0; i < PIXELS; i++)
        used +=
            (size_t)sprintf(text + used, "%s%s", i ? "," : "", shown[i] == 1 ? "true" : "false");
    sprintf(text + used,
            "]}, {\"name\": \"input\", \"datatype\": \"FP32\", \"shape\": [1,3,96,96], \"data\":"
            " null, \"parameters\": {\"binary_data_size\": %d}}], \"model_name\": \"x\"}",
            NUMBERS * 4);
    struct call_answer answer = run(text, planes, NUMBERS * 4, BOTH);
    json_t *json = parse(&answer);
    assert_list(json_object_get(json_array_get(json_object_get(json, "outputs"), 0), "data"),
                expected, 1);
    json_decref(json);
    call_answer_free(&answer);
    free(text);
}

static void body_of_numbers(void **state)
{
    (void)state;
    struct call_answer answer = run(NULL, planes, 2 * NUMBERS * 4, BOTH);
    json_t *json = parse(&answer);
    assert_head(json, "{\"model_name\":\"demo\",\"outputs\":[{\"name\":\"logits\",\"datatype\":"
                      "\"FP32\",\"shape\":[2,10],\"parameters\":{\"binary_data_size\":80}}]}");
    assert_raw(&answer, 0, expected_plain, 2);
    json_decref(json);
    call_answer_free(&answer);
}

static void body_of_a_picture(void **state)
{
    (void)state;
    uint8_t *bytes = NULL;
    size_t size;
    struct picture_input input = read_example(1, &bytes, &size);
    struct call_answer answer = run(NULL, bytes, size, BOTH);
    assert_raw(&answer, 0, &expected_plain[1], 1);
    call_answer_free(&answer);
    uint8_t *jpeg = NULL;
    assert_int_equal(lm_image_encode_jpeg(&input.picture, 95, &jpeg, &size, NULL), LM_OK);
    answer = run(NULL, jpeg, size, BOTH);
    assert_int_equal(answer.binary.size, answer.binary_json_bytes + 40);
    call_answer_free(&answer);
    free(jpeg);
    picture_input_free(&input);
    free(bytes);
}

static void pictures(void **state)
{
    (void)state;
    uint8_t *files[2] = {0}, *raw;
    size_t sizes[2], used = 0;
    char *encoded[2], head[300];
    for (int i = 0; i < 2; i++) {
        struct picture_input input = read_example(i, &files[i], &sizes[i]);
        picture_input_free(&input);
        assert_int_equal(codec_base64_encode(files[i], sizes[i], &encoded[i], NULL), LM_OK);
    }
    size_t size = strlen(encoded[0]) + strlen(encoded[1]) + 300;
    char *text = malloc(size);
    snprintf(text, size,
             "{\"inputs\": [{\"name\": \"0\", \"datatype\": \"BYTES\", \"shape\": [2],"
             " \"data\": [\"%s\", \"data:image/png;base64,%s\"]}]}",
             encoded[0], encoded[1]);
    struct call_answer answer = run(text, NULL, 0, BOTH);
    json_t *json = parse(&answer);
    assert_list(json_object_get(json_array_get(json_object_get(json, "outputs"), 0), "data"),
                expected_plain, 2);
    json_decref(json);
    call_answer_free(&answer);

    raw = malloc(8 + sizes[0] + sizes[1]);
    for (int i = 0; i < 2; i++) {
        for (int shift = 0; shift < 32; shift += 8)
            raw[used++] = (uint8_t)(sizes[i] >> shift & 0xff);
        memcpy(raw + used, files[i], sizes[i]);
        used += sizes[i];
    }
    snprintf(head, sizeof head,
             "{\"inputs\": [{\"name\": \"image\", \"datatype\": \"BYTES\", \"shape\": [2, 1],"
             " \"parameters\": {\"binary_data_size\": %zu}}]}",
             used);
    answer = run(head, raw, used, CALL_BINARY);
    assert_raw(&answer, 0, expected_plain, 2);
    call_answer_free(&answer);
    for (int i = 0; i < 2; i++) {
        free(files[i]);
        free(encoded[i]);
    }
    free(raw);
    free(text);
}

static const char head_of_one[] =
    "{\"inputs\": [{\"name\": \"input\", \"datatype\": \"FP32\", \"shape\": [1, 3, 96, 96],"
    " \"parameters\": {\"binary_data_size\": 110592}}], \"parameters\": {\"priority\": 1%s},"
    " \"outputs\": [%s]}";

static struct call_answer run_outputs(const char *parameters, const char *outputs, unsigned wants)
{
    char text[1000];
    snprintf(text, sizeof text, head_of_one, parameters, outputs);
    return run(text, planes, NUMBERS * 4, wants);
}

static void probabilities_and_classes(void **state)
{
    (void)state;
    struct call_answer answer =
        run_outputs("",
                    "{\"name\": \"probabilities\"},"
                    "{\"name\": \"logits\", \"parameters\": {\"classification\": 3}}",
                    BOTH);
    json_t *json = parse(&answer), *outputs = json_object_get(json, "outputs");
    double sum = 0, total = 0;
    for (int i = 0; i < CLASSES; i++)
        total += exp((double)expected_plain[0][i]);
    json_t *data = json_object_get(json_array_get(outputs, 0), "data");
    for (int i = 0; i < CLASSES; i++) {
        double value = json_real_value(json_array_get(data, (size_t)i));
        assert_true(fabs(value - exp((double)expected_plain[0][i]) / total) < 1e-6);
        sum += value;
    }
    assert_true(fabs(sum - 1) < 1e-6);
    json_object_del(json_array_get(outputs, 0), "data");
    data = json_object_get(json_array_get(outputs, 1), "data");
    assert_int_equal(json_array_size(data), 3);
    float last = INFINITY;
    for (size_t i = 0; i < 3; i++) {
        char label[100];
        float value;
        unsigned index;
        const char *text = json_string_value(json_array_get(data, i));
        assert_int_equal(sscanf(text, "%f:%u:%99[^\n]", &value, &index, label), 3);
        assert_true(value == expected_plain[0][index] && value <= last);
        assert_string_equal(label, json_string_value(json_array_get(shapes.dir.labels, index)));
        last = value;
    }
    json_object_del(json_array_get(outputs, 1), "data");
    assert_head(json, "{\"model_name\":\"demo\",\"outputs\":["
                      "{\"name\":\"probabilities\",\"datatype\":\"FP32\",\"shape\":[1,10]},"
                      "{\"name\":\"logits\",\"datatype\":\"BYTES\",\"shape\":[1,3]}]}");
    json_decref(json);
    call_answer_free(&answer);
}

/* Some raw, some not; classes are clipped to what there is. */
static void raw_outputs(void **state)
{
    (void)state;
    struct call_answer answer =
        run_outputs(", \"binary_data_output\": true",
                    "{\"name\": \"probabilities\", \"parameters\": {\"classification\": 77}},"
                    "{\"name\": \"logits\", \"parameters\": {\"binary_data\": false}}",
                    BOTH);
    json_t *json = parse(&answer), *outputs = json_object_get(json, "outputs");
    assert_list(json_object_get(json_array_get(outputs, 1), "data"), expected_plain, 1);
    json_t *first = json_array_get(outputs, 0);
    json_int_t size = json_integer_value(
        json_object_get(json_object_get(first, "parameters"), "binary_data_size"));
    assert_int_equal(answer.binary.size, answer.binary_json_bytes + (size_t)size);
    const uint8_t *at = (const uint8_t *)answer.binary.bytes + answer.binary_json_bytes;
    const uint8_t *end = at + size;
    int count = 0;
    for (; at < end; count++) {
        unsigned length = at[0] | (unsigned)at[1] << 8, index;
        char text[100], label[100];
        float value;
        assert_true(at[2] == 0 && at[3] == 0 && length < sizeof text);
        memcpy(text, at + 4, length);
        text[length] = '\0';
        assert_int_equal(sscanf(text, "%f:%u:%99[^\n]", &value, &index, label), 3);
        at += 4 + length;
    }
    assert_true(at == end && count == CLASSES);
    json_decref(json);
    call_answer_free(&answer);
}

/* The caller's forms win over the request's. */
static void wanted_forms(void **state)
{
    (void)state;
    struct call_answer answer =
        run_outputs(", \"binary_data_output\": true",
                    "{\"name\": \"logits\", \"parameters\": {\"binary_data\": true}}", CALL_JSON);
    assert_null(answer.binary.bytes);
    assert_non_null(strstr(answer.json.bytes, "\"data\":["));
    call_answer_free(&answer);
    answer = run_outputs("", "{\"name\": \"logits\"}", CALL_BINARY);
    assert_null(answer.json.bytes);
    assert_raw(&answer, 0, expected_plain, 1);
    call_answer_free(&answer);
    answer = run_outputs("", "{\"name\": \"logits\", \"parameters\": {\"binary_data\": false}}",
                         CALL_BINARY);
    assert_null(answer.json.bytes);
    assert_int_equal(answer.binary.size, answer.binary_json_bytes);
    call_answer_free(&answer);
}

/* Items of micro-batches of 2, and a bound on memory that grows with what is asked. */
static void steps(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (uint32_t n = 1; n <= 3; n++) {
        struct codec_fault fault = {0};
        struct lm_error error = {0};
        void *call = NULL;
        uint32_t batches = 0;
        struct request request = infer_request_make(NULL, planes, n * NUMBERS * 4);
        assert_int_equal(call_infer.read(&request, &shapes.terms, BOTH, &call, &fault, &error),
                         LM_OK);
        uint64_t bytes = call_infer.bytes(call);
        assert_true(bytes > last + NUMBERS * 4);
        last = bytes;
        assert_int_equal(call_infer.prepare(call, &batches, &fault, &error), LM_OK);
        assert_int_equal(batches, (n + 1) / 2);
        assert_int_equal(call_infer.items(call, batches - 1), n == 2 ? 2 : 1);
        call_infer.free(call);
        infer_request_drop(&request);
    }
    call_infer.free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_in_json),
        cmocka_unit_test(numbers_behind_json),
        cmocka_unit_test(mask_of_booleans),
        cmocka_unit_test(body_of_numbers),
        cmocka_unit_test(body_of_a_picture),
        cmocka_unit_test(pictures),
        cmocka_unit_test(probabilities_and_classes),
        cmocka_unit_test(raw_outputs),
        cmocka_unit_test(wanted_forms),
        cmocka_unit_test(steps),
    };
    return cmocka_run_group_tests_name("infer_call", tests, open_shapes, close_shapes);
}
