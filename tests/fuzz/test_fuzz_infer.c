/* Requests of the Open Inference Protocol: two bytes that say how much of the rest is JSON, the
 * JSON, tensors behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fuzz.h"
#include "infer_case.h"

static const char fuzz_name[] = "infer";

#define NUMBERS(n) "\"parameters\": {\"binary_data_size\": " #n "}"
#define INPUT(n, rest)                                                                             \
    "{\"name\": \"input\", \"datatype\": \"FP32\", \"shape\": [" #n ", 3, 4, 4], " rest "}"
#define MASK(type, rest)                                                                           \
    "{\"name\": \"mask\", \"datatype\": \"" type "\", \"shape\": [1, 1, 4, 4], " rest "}"
#define IMAGE(rest) "{\"name\": \"image\", \"datatype\": \"BYTES\", \"shape\": [1], " rest "}"

/* The grey picture of one pixel, as PNG in base64 and in bytes. */
#define PNG_TEXT                                                                                   \
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGM4AQAAygDJmcpdfgAAAABJRU5ErkJggg=="
static const uint8_t png[] = {0x89, 0x50, 0x4e, 0x47, 0xd,  0xa,  0x1a, 0xa,  0,    0, 0, 0xd,
                              0x49, 0x48, 0x44, 0x52, 0,    0,    0,    1,    0,    0, 0, 1,
                              8,    0,    0,    0,    0,    0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0,
                              0xa,  0x49, 0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0x38, 1, 0, 0,
                              0xca, 0,    0xc9, 0x99, 0xca, 0x5d, 0x7e, 0,    0,    0, 0, 0x49,
                              0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
enum { PNG_BYTES = sizeof png };

struct seed {
    const char *text;
    size_t tail;  /* bytes of numbers ... */
    bool picture; /* ... or a file */
};

static const struct seed seeds[] = {
    {"{\"inputs\": [" INPUT(1, NUMBERS(192)) "], \"id\": \"1\"}", 192, false},
    {"{\"inputs\": [" INPUT(2, NUMBERS(384)) "], \"outputs\": [{\"name\": \"probabilities\","
                                             " \"parameters\": {\"classification\": 2, "
                                             "\"binary_data\": true}}, {\"name\": \"logits\"}]}",
     384, false},
    {"{\"inputs\": [" INPUT(1, NUMBERS(192)) ", " MASK(
         "BOOL", NUMBERS(16)) "],"
                              " \"parameters\": {\"binary_data_output\": true}}",
     208, false},
    {"{\"inputs\": [" MASK("UINT8", "\"data\": [[0,1,1,1,0,0,1,1],[0,0,0,1,0,1,1,1]]") ", " INPUT(
         1, NUMBERS(192)) "]}",
     192, false},
    {"{\"inputs\": [" INPUT(1, "\"data\": [1,2,-3.5,4,5,6,7,8,9,10,11,12,13,14,15,1e-6,17,18,19,"
                               "20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,"
                               "42,43,44,45,46,47,48]") "]}",
     0, false},
    {"{\"inputs\": [" IMAGE("\"data\": [\"" PNG_TEXT "\"]") "]}", 0, false},
    {"{\"inputs\": [" IMAGE(NUMBERS(71)) "]}", 0, true},
    {"", 384, false},
    {"", 0, true},
};

static struct wire fuzz_seed(size_t index)
{
    struct wire wire = {0};
    if (index >= sizeof seeds / sizeof *seeds)
        return wire;
    const struct seed *seed = &seeds[index];
    size_t length = strlen(seed->text);
    const uint8_t head[2] = {(uint8_t)(length & 0xff), (uint8_t)(length >> 8)};
    const uint8_t size[4] = {PNG_BYTES, 0, 0, 0};
    wire_bytes(&wire, head, 2);
    wire_bytes(&wire, seed->text, length);
    if (seed->picture && length > 0)
        wire_bytes(&wire, size, 4);
    if (seed->picture)
        wire_bytes(&wire, png, PNG_BYTES);
    for (size_t i = 0; i < seed->tail; i++) {
        const uint8_t byte =
            i % 4 == 3 && i < seed->tail / 192 * 192 ? 0x3f : 0; /* 0.5; masks of 0 */
        wire_bytes(&wire, &byte, 1);
    }
    return wire;
}

static struct infer_case *tiny(void)
{
    static struct infer_case c;
    if (c.model)
        return &c;
    if (scratch_make(NULL) != 0)
        abort();
    infer_case_open(&c, infer_case_tiny());
    scratch_remove(NULL);
    c.limits.instances = 8;
    c.limits.pixels = 10000;
    return &c;
}

static void check_answer(struct call_answer *answer)
{
    bool raw = answer->binary.bytes != NULL;
    if (raw == (answer->json.bytes != NULL) || answer->binary_json_bytes > answer->binary.size)
        abort();
    json_t *json = json_loadb(raw ? answer->binary.bytes : answer->json.bytes,
                              raw ? answer->binary_json_bytes : answer->json.size, 0, NULL);
    if (!json)
        abort();
    json_decref(json);
    call_answer_free(answer);
}

static void check_failure(enum lm_status status, const struct call_answer *answer,
                          const struct lm_error *error)
{
    if (error->status != status || !error->text[0] || answer->json.bytes || answer->binary.bytes)
        abort();
    for (const char *c = error->text; *c; c++)
        if ((unsigned char)*c < ' ')
            abort();
}

static void fuzz_one(const uint8_t *bytes, size_t size)
{
    struct infer_case *c = tiny();
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    struct call_answer answer = {0};
    struct request request = {0};
    if (size < 2)
        return;
    size_t length = (size_t)bytes[0] | (size_t)bytes[1] << 8;
    length = length < size - 2 ? length : size - 2;
    enum lm_status status = LM_OK;
    if (length > 0)
        status = request_parse_json("the body", (const char *)bytes + 2, length, &c->limits,
                                    &request.document, &fault, &error);
    else
        request.document = json_object();
    request.tail = (struct request_bytes){bytes + 2 + length, size - 2 - length};
    if (status == LM_OK)
        status = infer_case_run(c, &request, CALL_JSON | CALL_BINARY, &answer, &fault, &error);
    if (status == LM_OK)
        check_answer(&answer);
    else
        check_failure(status, &answer, &error);
    request_free(&request);
}

#ifndef FUZZER
/* The seeds are good requests, as long as they are not changed. */
static void seeds_are_answered(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        struct wire wire = fuzz_seed(i);
        struct codec_fault fault = {0};
        struct lm_error error = {0};
        struct call_answer answer = {0};
        size_t length = strlen(seeds[i].text);
        struct request request = infer_request_make(
            length ? seeds[i].text : NULL, wire.bytes + 2 + length, wire.size - 2 - length);
        if (infer_case_run(tiny(), &request, CALL_JSON, &answer, &fault, &error) != LM_OK)
            fail_msg("seed %zu: %s", i, error.text);
        call_answer_free(&answer);
        infer_request_drop(&request);
        wire_free(&wire);
    }
    infer_case_close(tiny());
}
#endif

FUZZ_MAIN(cmocka_unit_test(seeds_are_answered))
