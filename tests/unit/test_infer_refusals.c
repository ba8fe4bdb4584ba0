/* What calls of the Open Inference Protocol refuse: each with its text, the field that it points
 * at, and whether the request is malformed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "infer_case.h"

enum { PIXELS = 96 * 96, NUMBERS = 3 * PIXELS, BOTH = CALL_JSON | CALL_BINARY };

static struct infer_case shapes;
static const float zeros[2 * NUMBERS];

static int open_shapes(void **state)
{
    (void)state;
    infer_case_open(&shapes, "config/models/shapes");
    return 0;
}

static int close_shapes(void **state)
{
    (void)state;
    infer_case_close(&shapes);
    return 0;
}

struct refusal {
    const char *text;
    const char *pointer, *error;
    enum lm_status status;
    bool malformed;
    size_t tail;
};

static void assert_refused(const struct refusal *r, const void *tail)
{
    struct call_answer answer = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    struct request request = infer_request_make(r->text, tail, r->tail);
    enum lm_status status = infer_case_run(&shapes, &request, BOTH, &answer, &fault, &error);
    if (status != r->status || error.status != status || fault.malformed != r->malformed ||
        strcmp(fault.pointer, r->pointer) != 0 || strcmp(error.text, r->error) != 0)
        fail_msg("%.300s\n  status %d, malformed %d, \"%s\": %s", r->text ? r->text : "(body)",
                 status, fault.malformed, fault.pointer, error.text);
    assert_true(!answer.json.bytes && !answer.binary.bytes);
    infer_request_drop(&request);
}

#define TENSOR(name, type, shape, rest)                                                            \
    "{\"name\": \"" name "\", \"datatype\": \"" type "\", \"shape\": " shape ", " rest "}"
#define INPUTS(...) "{\"inputs\": [" __VA_ARGS__ "]}"
#define RAW(size) "\"parameters\": {\"binary_data_size\": " #size "}"
#define ONE TENSOR("input", "FP32", "[1, 3, 96, 96]", RAW(110592))
#define OUTPUTS(...) "{\"inputs\": [" ONE "], \"outputs\": " __VA_ARGS__ "}"

static void refuses_heads(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {"{}", "/inputs", "inputs is missing, it must be a list of tensors", LM_INVALID, true, 0},
        {"{\"inputs\": {}}", "/inputs", "inputs must be a list of tensors, not an object",
         LM_INVALID, true, 0},
        {"{\"inputs\": []}", "/inputs",
         "inputs has neither \"input\" nor a tensor of pictures (BYTES)", LM_INVALID, true, 0},
        {"{\"inputs\": [3]}", "/inputs/0", "inputs[0] must be an object, not an integer",
         LM_INVALID, true, 0},
        {"{\"id\": 3, \"inputs\": []}", "/id", "id must be a string, not an integer", LM_INVALID,
         true, 0},
        {"{\"parameters\": []}", "/parameters", "parameters must be an object, not a list",
         LM_INVALID, true, 0},
        {"{\"parameters\": {\"binary_data_output\": 1}}", "/parameters/binary_data_output",
         "parameters.binary_data_output must be true or false, not an integer", LM_INVALID, true,
         0},
        {INPUTS("{}"), "/inputs/0/name", "inputs[0].name is missing, it must be a string",
         LM_INVALID, true, 0},
        {INPUTS("{\"name\": \"input\"}"), "/inputs/0/datatype",
         "inputs[0].datatype is missing, it must be a string", LM_INVALID, true, 0},
        {INPUTS("{\"name\": \"input\", \"datatype\": \"FP32\"}"), "/inputs/0/shape",
         "inputs[0].shape is missing, it must be a list of integers", LM_INVALID, true, 0},
        {INPUTS(TENSOR("input", "FP32", "[1, 2.5]", "\"data\": []")), "/inputs/0/shape/1",
         "inputs[0].shape[1] must be an integer", LM_INVALID, true, 0},
        {INPUTS(TENSOR("input", "FP32", "[-1, 3, 96, 96]", "\"data\": []")), "/inputs/0/shape/0",
         "inputs[0].shape[0] is -1, must be 0 or more", LM_INVALID, true, 0},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", "\"data\": 1")), "/inputs/0/data",
         "inputs[0].data must be a list, not an integer", LM_INVALID, true, 0},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", "\"parameters\": 1")),
         "/inputs/0/parameters", "inputs[0].parameters must be an object, not an integer",
         LM_INVALID, true, 0},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", "\"parameters\": {}")), "/inputs/0/data",
         "inputs[0].data is missing, it must be a list", LM_INVALID, true, 0},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", "\"data\": [], " RAW(4))),
         "/inputs/0/data", "inputs[0].data and parameters.binary_data_size exclude each other",
         LM_INVALID, true, 4},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]",
                       "\"parameters\": {\"shared_memory_region\": \"a\"}")),
         "/inputs/0/parameters/shared_memory_region",
         "inputs[0].parameters.shared_memory_region: shared memory is not available; send the data",
         LM_UNSUPPORTED, false, 0},
        {INPUTS(TENSOR("x\\n", "FP32", "[1]", "\"data\": []")), "/inputs/0/name",
         "inputs[0].name \"x?\" is none of input, mask (and any name with datatype BYTES)",
         LM_INVALID, true, 0},
        {INPUTS(TENSOR("input", "FP16", "[1, 3, 96, 96]", RAW(4))), "/inputs/0/datatype",
         "inputs[0].datatype is \"FP16\", \"input\" must be FP32 (preprocessed) or BYTES (JPEG or "
         "PNG)",
         LM_INVALID, true, 4},
        {INPUTS(TENSOR("mask", "BYTES", "[1]", "\"data\": []")), "/inputs/0/datatype",
         "inputs[0].datatype is \"BYTES\", \"mask\" must be FP32, UINT8 or BOOL", LM_INVALID, true,
         0},
        {INPUTS(TENSOR("a", "BYTES", "[1]", "\"data\": []") "," ONE), "/inputs/1",
         "inputs[1] is one input too many", LM_INVALID, true, 110592},
        {INPUTS(TENSOR("mask", "BOOL", "[1]", "\"data\": []") "," TENSOR("mask", "BOOL", "[1]",
                                                                         "\"data\": []")),
         "/inputs/1", "inputs[1] is one mask too many", LM_INVALID, true, 0},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        assert_refused(&refusals[i], zeros);
}

static void refuses_shapes_and_sizes(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 95]", "\"data\": []")), "/inputs/0/shape",
         "inputs[0].shape is [1, 3, 96, 95], \"input\" must be [N, 3, 96, 96]", LM_INVALID, false,
         0},
        {INPUTS(TENSOR("input", "FP32", "[]", "\"data\": []")), "/inputs/0/shape",
         "inputs[0].shape is [], \"input\" must be [N, 3, 96, 96]", LM_INVALID, false, 0},
        {INPUTS(TENSOR("input", "FP32", "[9223372036854775807, 3, 96, 96, 1, 1, 1, 1]",
                       "\"data\": []")),
         "/inputs/0/shape",
         "inputs[0].shape is [9223372036854775807, 3, 96, 96, 1, 1, ...], \"input\" must be [N, 3, "
         "96, 96]",
         LM_INVALID, false, 0},
        {INPUTS(TENSOR("input", "FP32", "[0, 3, 96, 96]", "\"data\": []")), "/inputs/0/shape",
         "inputs[0].shape has 0 pictures, must have 1 or more", LM_INVALID, false, 0},
        {INPUTS(TENSOR("input", "FP32", "[65, 3, 96, 96]", "\"data\": []")), "/inputs/0/shape",
         "inputs[0].shape has 65 pictures, above the limit of 64", LM_LIMIT, false, 0},
        {INPUTS(TENSOR("input", "FP32", "[9223372036854775807, 3, 96, 96]", RAW(0))),
         "/inputs/0/shape",
         "inputs[0].shape has 9223372036854775807 pictures, above the limit of 64", LM_LIMIT, false,
         0},
        {INPUTS(TENSOR("a", "BYTES", "[1, 2]", "\"data\": []")), "/inputs/0/shape",
         "inputs[0].shape is [1, 2], \"a\" must be [N, 1]", LM_INVALID, false, 0},
        {INPUTS(TENSOR("a", "BYTES", "[1, 1, 1]", "\"data\": []")), "/inputs/0/shape",
         "inputs[0].shape is [1, 1, 1], \"a\" must be [N]", LM_INVALID, false, 0},
        {INPUTS(ONE "," TENSOR("mask", "BOOL", "[2, 1, 96, 96]", "\"data\": []")),
         "/inputs/1/shape", "inputs[1].shape is [2, 1, 96, 96], \"mask\" must be [1, 1, 96, 96]",
         LM_INVALID, false, 110592},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", RAW(110588))),
         "/inputs/0/parameters/binary_data_size",
         "inputs[0].parameters.binary_data_size is 110588, its shape and datatype take 110592 "
         "bytes",
         LM_INVALID, true, 110588},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", RAW(110592))),
         "/inputs/0/parameters/binary_data_size",
         "inputs[0].parameters.binary_data_size is 110592, but 110591 bytes are left behind the "
         "JSON",
         LM_INVALID, true, 110591},
        {INPUTS(ONE), "/inputs", "3 bytes are left behind the tensors (of 110595 behind the JSON)",
         LM_INVALID, true, 110595},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", RAW(-4))),
         "/inputs/0/parameters/binary_data_size",
         "inputs[0].parameters.binary_data_size is -4, must be 0 or more", LM_INVALID, true, 4},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", RAW(9223372036854775807))),
         "/inputs/0/parameters/binary_data_size",
         "inputs[0].parameters.binary_data_size is 9223372036854775807, but 4 bytes are left "
         "behind "
         "the JSON",
         LM_INVALID, true, 4},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", RAW("4"))),
         "/inputs/0/parameters/binary_data_size",
         "inputs[0].parameters.binary_data_size must be an integer", LM_INVALID, true, 4},
        {INPUTS(ONE "," TENSOR("mask", "UINT8", "[1, 1, 96, 96]", RAW(36864))),
         "/inputs/1/parameters/binary_data_size",
         "inputs[1].parameters.binary_data_size is 36864, its shape and datatype take 9216 bytes",
         LM_INVALID, true, 110592 + 36864},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        assert_refused(&refusals[i], zeros);
}

static void refuses_values(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", "\"data\": [1, [2, \"3\"]]")),
         "/inputs/0/data/1/1", "element 2 of inputs[0].data must be a number, not a string",
         LM_INVALID, true, 0},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", "\"data\": [1, [2, 1e39]]")),
         "/inputs/0/data/1/1", "element 2 of inputs[0].data is 1e+39, more than FP32 holds",
         LM_INVALID, false, 0},
        {INPUTS(TENSOR("input", "FP32", "[1, 3, 96, 96]", "\"data\": [[[1, 2]]]")),
         "/inputs/0/data", "inputs[0].data has 2 elements, its shape 27648", LM_INVALID, true, 0},
        {INPUTS(ONE "," TENSOR("mask", "BOOL", "[1, 1, 96, 96]", "\"data\": [true, 0, 1, 2]")),
         "/inputs/1/data/3", "element 3 of inputs[1].data is 2, must be 0 or 1", LM_INVALID, false,
         110592},
        {INPUTS(ONE "," TENSOR("mask", "FP32", "[1, 1, 96, 96]", "\"data\": [1, 0.5]")),
         "/inputs/1/data/1", "element 1 of inputs[1].data is 0.5, must be 0 or 1", LM_INVALID,
         false, 110592},
        {INPUTS(ONE "," TENSOR("mask", "FP32", "[1, 1, 96, 96]", "\"data\": [1, null]")),
         "/inputs/1/data/1", "element 1 of inputs[1].data must be 0 or 1, not null", LM_INVALID,
         true, 110592},
        {INPUTS(TENSOR("a", "BYTES", "[2]", "\"data\": [\"\", 5]")), "/inputs/0/data/1",
         "element 1 of inputs[0].data must be a string of base64, not an integer", LM_INVALID, true,
         0},
        {INPUTS(TENSOR("a", "BYTES", "[2]", "\"data\": [\"\"]")), "/inputs/0/data",
         "inputs[0].data has 1 elements, its shape 2", LM_INVALID, true, 0},
        {INPUTS(TENSOR("a", "BYTES", "[1]", "\"data\": [\"\", \"\"]")), "/inputs/0/data/1",
         "inputs[0].data has more elements than its shape's 1", LM_INVALID, true, 0},
        {INPUTS(TENSOR("a", "BYTES", "[1]", "\"data\": [\"a?\"]")), "/inputs/0/data/0",
         "element 0 of inputs[0].data: character 1 ('?') is not base64", LM_CORRUPT, false, 0},
        {INPUTS(TENSOR("a", "BYTES", "[1]", "\"data\": [\"R0lGODlh\"]")), "/inputs/0/data/0",
         "element 0 of inputs[0].data: image is GIF; JPEG and PNG are supported", LM_UNSUPPORTED,
         false, 0},
        {INPUTS(TENSOR("a", "BYTES", "[1]", "\"data\": [[\"\"]]")), "/inputs/0/data/0",
         "element 0 of inputs[0].data: image is empty (0 bytes)", LM_CORRUPT, false, 0},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        assert_refused(&refusals[i], zeros);
}

static void refuses_outputs(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {OUTPUTS("{}"), "/outputs", "outputs must be a list, not an object", LM_INVALID, true,
         110592},
        {OUTPUTS("[1]"), "/outputs/0", "outputs[0] must be an object, not an integer", LM_INVALID,
         true, 110592},
        {OUTPUTS("[{}]"), "/outputs/0/name", "outputs[0].name is missing, it must be a string",
         LM_INVALID, true, 110592},
        {OUTPUTS("[{\"name\": \"logits\"}, {\"name\": \"softmax\"}]"), "/outputs/1/name",
         "outputs[1].name \"softmax\" is none of logits, probabilities", LM_INVALID, true, 110592},
        {OUTPUTS("[{\"name\": \"logits\"}, {\"name\": \"logits\"}]"), "/outputs/1",
         "outputs[1] asks for logits twice", LM_INVALID, true, 110592},
        {OUTPUTS("[{\"name\": \"logits\", \"parameters\": []}]"), "/outputs/0/parameters",
         "outputs[0].parameters must be an object, not a list", LM_INVALID, true, 110592},
        {OUTPUTS("[{\"name\": \"logits\", \"parameters\": {\"binary_data\": \"yes\"}}]"),
         "/outputs/0/parameters/binary_data",
         "outputs[0].parameters.binary_data must be true or false, not a string", LM_INVALID, true,
         110592},
        {OUTPUTS("[{\"name\": \"logits\", \"parameters\": {\"classification\": -1}}]"),
         "/outputs/0/parameters/classification",
         "outputs[0].parameters.classification must be an integer, 0 or more", LM_INVALID, true,
         110592},
        {OUTPUTS("[{\"name\": \"logits\", \"parameters\": {\"shared_memory_region\": \"a\"}}]"),
         "/outputs/0/parameters/shared_memory_region",
         "outputs[0].parameters.shared_memory_region: shared memory is not available",
         LM_UNSUPPORTED, false, 110592},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        assert_refused(&refusals[i], zeros);
}

static void refuses_raw_values(void **state)
{
    (void)state;
    static const char with_mask[] =
        INPUTS(ONE "," TENSOR("mask", "BOOL", "[1, 1, 96, 96]", RAW(9216)));
    static const struct {
        size_t at;
        float value;
        const char *error;
    } bad[] = {{0, NAN, "element 0 of inputs[0] is NaN, must be a finite number"},
               {NUMBERS - 1, -INFINITY,
                "element 27647 of inputs[0] is infinite, must be a finite number"}};
    const size_t size = NUMBERS * 4 + PIXELS;
    uint8_t *raw = calloc(1, size);
    for (size_t i = 0; i < 2; i++) {
        float good;
        memcpy(&good, raw + 4 * bad[i].at, 4);
        memcpy(raw + 4 * bad[i].at, &bad[i].value, 4);
        const struct refusal r = {INPUTS(ONE), "/inputs/0", bad[i].error,
                                  LM_INVALID,  false,       NUMBERS * 4};
        assert_refused(&r, raw);
        memcpy(raw + 4 * bad[i].at, &good, 4);
    }
    raw[size - 1] = 2;
    assert_refused(&(struct refusal){with_mask, "/inputs/1",
                                     "element 9215 of inputs[1] is 2, must be 0 or 1", LM_INVALID,
                                     false, size},
                   raw);
    free(raw);
}

/* Elements of BYTES: their length in four bytes, then themselves. */
static void refuses_raw_files(void **state)
{
    (void)state;
    static const struct refusal refusals[] = {
        {INPUTS(TENSOR("a", "BYTES", "[1]", RAW(0))), "/inputs/0",
         "inputs[0] ends before the length of its element 0", LM_INVALID, true, 0},
        {INPUTS(TENSOR("a", "BYTES", "[1]", RAW(6))), "/inputs/0",
         "element 0 of inputs[0] has 3 bytes, but 2 are left", LM_INVALID, true, 6},
        {INPUTS(TENSOR("a", "BYTES", "[2]", RAW(7))), "/inputs/0",
         "inputs[0] ends before the length of its element 1", LM_INVALID, true, 7},
        {INPUTS(TENSOR("a", "BYTES", "[1]", RAW(8))), "/inputs/0",
         "inputs[0] has 1 bytes behind its last element", LM_INVALID, true, 8},
        {INPUTS(TENSOR("a", "BYTES", "[1]", RAW(7))), "/inputs/0",
         "element 0 of inputs[0]: image is neither JPEG nor PNG", LM_UNSUPPORTED, false, 7},
    };
    static const uint8_t raw[8] = {3, 0, 0, 0, 'a', 'b', 'c', 'd'};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        assert_refused(&refusals[i], raw);
    static const uint8_t long_raw[4] = {0xff, 0xff, 0xff, 0xff};
    assert_refused(&(struct refusal){INPUTS(TENSOR("a", "BYTES", "[1]", RAW(4))), "/inputs/0",
                                     "element 0 of inputs[0] has 4294967295 bytes, but 0 are left",
                                     LM_INVALID, true, 4},
                   long_raw);
    shapes.limits.image_bytes = 2;
    assert_refused(&(struct refusal){INPUTS(TENSOR("a", "BYTES", "[1]", RAW(7))), "/inputs/0",
                                     "element 0 of inputs[0] has 3 bytes, above the limit of 2",
                                     LM_LIMIT, false, 7},
                   raw);
    assert_refused(&(struct refusal){INPUTS(TENSOR("a", "BYTES", "[1]", "\"data\": [\"YWJj\"]")),
                                     "/inputs/0/data/0",
                                     "element 0 of inputs[0].data: 3 bytes are over the limit of 2",
                                     LM_LIMIT, false, 0},
                   raw);
    shapes.limits = request_default_limits;
}

static void refuses_bodies(void **state)
{
    (void)state;
    assert_refused(
        &(struct refusal){NULL, "",
                          "the body of 110593 bytes is no JPEG, no PNG and no whole number of FP32 "
                          "inputs [3, 96, 96] of 110592 bytes",
                          LM_INVALID, true, 110593},
        zeros);
    shapes.limits.instances = 1;
    assert_refused(&(struct refusal){NULL, "", "the body has 2 pictures, above the limit of 1",
                                     LM_LIMIT, false, 2 * NUMBERS * 4},
                   zeros);
    shapes.limits = request_default_limits;
    assert_refused(&(struct refusal){NULL, "/inputs",
                                     "inputs is missing, it must be a list of tensors", LM_INVALID,
                                     true, 0},
                   zeros);
    static const uint8_t png[] = "\x89PNG\r\n\x1a\n";
    struct call_answer answer = {0};
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    struct request request = infer_request_make(NULL, png, sizeof png - 1);
    assert_int_equal(infer_case_run(&shapes, &request, BOTH, &answer, &fault, &error), LM_CORRUPT);
    assert_string_equal(fault.pointer, "");
    assert_memory_equal(error.text, "the body: image is not a valid PNG", 34);
    infer_request_drop(&request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_heads),      cmocka_unit_test(refuses_shapes_and_sizes),
        cmocka_unit_test(refuses_values),     cmocka_unit_test(refuses_outputs),
        cmocka_unit_test(refuses_raw_values), cmocka_unit_test(refuses_raw_files),
        cmocka_unit_test(refuses_bodies),
    };
    return cmocka_run_group_tests_name("infer_refusals", tests, open_shapes, close_shapes);
}
