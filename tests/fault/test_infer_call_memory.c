/* Calls of the Open Inference Protocol when memory runs out, in each of their steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/base64.h"
#include "fault.h"
#include "infer_case.h"

enum { BOTH = CALL_JSON | CALL_BINARY, NUMBERS = 3 * 4 * 4 };

static struct infer_case tiny;
static struct request request;

static enum lm_status attempt(struct lm_error *error)
{
    struct call_answer answer = {.samples = 77};
    struct codec_fault fault = {0};
    enum lm_status status = infer_case_run(&tiny, &request, BOTH, &answer, &fault, error);
    if (status != LM_OK)
        assert_true(answer.samples == 77 && !answer.json.bytes && !answer.binary.bytes);
    else
        call_answer_free(&answer);
    return status;
}

/* Memory that runs out is not the caller's mistake. */
static enum lm_status read_only(struct lm_error *error)
{
    void *call = NULL;
    struct codec_fault fault = {0};
    enum lm_status status = call_infer.read(&request, &tiny.terms, BOTH, &call, &fault, error);
    assert_true((status == LM_OK) == (call != NULL));
    assert_false(fault.malformed);
    call_infer.free(call);
    return status;
}

static void ratchet(const char *text, const void *tail, size_t size)
{
    request = infer_request_make(text, tail, size);
    fault_ratchet(read_only);
    fault_ratchet(attempt);
    infer_request_drop(&request);
}

static void test_tensors(void **state)
{
    (void)state;
    static const float numbers[2 * NUMBERS + 8];
    ratchet("{\"id\": \"7\", \"inputs\": ["
            "{\"name\": \"input\", \"datatype\": \"FP32\", \"shape\": [2, 3, 4, 4],"
            " \"parameters\": {\"binary_data_size\": 384}},"
            "{\"name\": \"mask\", \"datatype\": \"UINT8\", \"shape\": [2, 1, 4, 4],"
            " \"parameters\": {\"binary_data_size\": 32}}],"
            "\"outputs\": [{\"name\": \"logits\"}, {\"name\": \"probabilities\", \"parameters\":"
            " {\"classification\": 2}}]}",
            numbers, sizeof numbers);
    ratchet("{\"inputs\": [{\"name\": \"input\", \"datatype\": \"FP32\", \"shape\": [2, 3, 4, 4],"
            " \"parameters\": {\"binary_data_size\": 384}}],"
            "\"parameters\": {\"binary_data_output\": true},"
            "\"outputs\": [{\"name\": \"logits\", \"parameters\": {\"classification\": 2}},"
            " {\"name\": \"probabilities\"}]}",
            numbers, 2 * NUMBERS * sizeof *numbers);
    ratchet(NULL, numbers, NUMBERS * sizeof *numbers);
}

static void test_pictures(void **state)
{
    (void)state;
    struct lm_image picture;
    uint8_t *bytes;
    char *encoded, text[2000];
    size_t size;
    assert_int_equal(lm_image_create(8, 8, &picture, NULL), LM_OK);
    assert_int_equal(lm_image_encode_png(&picture, &bytes, &size, NULL), LM_OK);
    assert_int_equal(codec_base64_encode(bytes, size, &encoded, NULL), LM_OK);
    snprintf(text, sizeof text,
             "{\"inputs\": [{\"name\": \"image\", \"datatype\": \"BYTES\", \"shape\": [1],"
             " \"data\": [\"%.1500s\"]}]}",
             encoded);
    ratchet(text, NULL, 0);
    ratchet(NULL, bytes, size);
    free(encoded);
    free(bytes);
    lm_image_free(&picture);
}

static int open_tiny(void **state)
{
    int failed = scratch_make(state);
    if (!failed)
        infer_case_open(&tiny, infer_case_tiny());
    return failed;
}

static int close_tiny(void **state)
{
    infer_case_close(&tiny);
    return scratch_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_pictures),
    };
    return cmocka_run_group_tests_name("infer_call_memory", tests, open_tiny, close_tiny);
}
