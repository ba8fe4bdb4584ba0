/* The Open Inference Protocol: what KServe's and Triton's clients send, checked against the command
 * line tool, which reads the same tensors from files. */
#include "client.h"

#include <zlib.h>

#define STAR EXAMPLES "star.png"
#define INFER "/v2/models/shapes/infer"
enum { SIDE = 96, NUMBERS = 3 * SIDE * SIDE, MASK = SIDE * SIDE, CLASSES = 10, N = 2 };

static float tensor[N * NUMBERS], mask[N * MASK];
static double expected[N * CLASSES], expected_masked[N * CLASSES];

/* A file that numpy would write. */
static void write_npy(const char *path, const float *numbers, int channels)
{
    char head[128] = "\x93NUMPY\x01\x00\x76\x00", text[118];
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    snprintf(text, sizeof text,
             "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d, %d, %d), }", N, channels,
             SIDE, SIDE);
    memset(head + 10, ' ', 117);
    memcpy(head + 10, text, strlen(text));
    head[127] = '\n';
    assert_int_equal(fwrite(head, 1, sizeof head, file), sizeof head);
    size_t count = (size_t)N * (size_t)channels * SIDE * SIDE;
    assert_int_equal(fwrite(numbers, sizeof *numbers, count, file), count);
    assert_int_equal(fclose(file), 0);
}

static void tool_logits(const char *arguments, double *out)
{
    char *text = tool(arguments, NULL);
    json_t *json = parse(text), *rows = at(json, "logits");
    assert_int_equal(json_array_size(rows), N);
    for (size_t i = 0; i < N * CLASSES; i++)
        out[i] = json_number_value(json_array_get(json_array_get(rows, i / CLASSES), i % CLASSES));
    json_decref(json);
    free(text);
}

static int start(void **state)
{
    char x[100], m[100], command[500];
    uint32_t seed = 7;
    for (size_t i = 0; i < N * NUMBERS; i++) {
        seed = seed * 1664525u + 1013904223u;
        tensor[i] = (float)(seed >> 8) / (float)(1 << 23) - 1;
    }
    for (size_t i = 0; i < N * MASK; i++)
        mask[i] = i % SIDE < 50 || i / SIDE % SIDE < 20;
    daemon_make_folder(&shared_daemon);
    snprintf(x, sizeof x, "%s/x.npy", shared_daemon.folder);
    snprintf(m, sizeof m, "%s/m.npy", shared_daemon.folder);
    write_npy(x, tensor, 3);
    write_npy(m, mask, 1);
    snprintf(command, sizeof command, "predict --model config/models/shapes --input %s", x);
    tool_logits(command, expected);
    snprintf(command, sizeof command, "predict --model config/models/shapes --input %s --mask %s",
             x, m);
    tool_logits(command, expected_masked);
    return daemon_shared_start(state, FLAGS("--workers", "2", "--model-control=true"));
}

static json_t *numbers_of(const float *numbers, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_real((double)numbers[i]));
    return list;
}

static void expect_logits(json_t *answer, const double *logits)
{
    json_t *data = at(answer, "outputs.0.data");
    assert_text(answer, "model_name", "shapes");
    assert_text(answer, "outputs.0.name", "logits");
    assert_text(answer, "outputs.0.datatype", "FP32");
    assert_near(number_at(answer, "outputs.0.shape.0"), N, 0);
    assert_near(number_at(answer, "outputs.0.shape.1"), CLASSES, 0);
    assert_int_equal(json_array_size(data), N * CLASSES);
    for (size_t i = 0; i < N * CLASSES; i++)
        assert_true((float)json_number_value(json_array_get(data, i)) == (float)logits[i]);
}

static void about(void **state)
{
    struct answer answer = get(*state, "/v2");
    assert_status(&answer, 200);
    assert_text(answer.json, "name", "layermask");
    assert_true(json_is_array(at(answer.json, "extensions")));
    answer_free(&answer);
    answer = get(*state, "/v2/health/live");
    assert_status(&answer, 200);
    assert_true(json_is_true(at(answer.json, "live")));
    answer_free(&answer);
    answer = get(*state, "/v2/health/ready");
    assert_status(&answer, 200);
    assert_true(json_is_true(at(answer.json, "live")) && json_is_true(at(answer.json, "ready")));
    answer_free(&answer);
    answer = get(*state, "/v2/models/shapes");
    assert_status(&answer, 200);
    assert_text(answer.json, "name", "shapes");
    assert_text(answer.json, "inputs.0.name", "input");
    assert_text(answer.json, "inputs.0.datatype", "FP32");
    assert_near(number_at(answer.json, "inputs.0.shape.0"), -1, 0);
    assert_near(number_at(answer.json, "inputs.0.shape.3"), SIDE, 0);
    assert_text(answer.json, "outputs.0.name", "logits");
    char path[200];
    snprintf(path, sizeof path, "/v2/models/shapes/versions/%s/ready",
             text_at(answer.json, "versions.0"));
    answer_free(&answer);
    answer = get(*state, path);
    assert_status(&answer, 200);
    assert_true(json_is_true(at(answer.json, "ready")));
    answer_free(&answer);
    answer = get(*state, "/v2/models/shapes/versions/9999/ready");
    assert_status(&answer, 404);
    answer_free(&answer);
    answer = get(*state, "/v2/models/shapes/versions/9999/config");
    assert_status(&answer, 404);
    answer_free(&answer);
    static const char *const also[] = {"/v2/models/shapes/ready", "/v2/models/shapes/config",
                                       "/v2/models/shapes/versions/1/config"};
    for (size_t i = 0; i < sizeof also / sizeof also[0]; i++) {
        answer = get(*state, also[i]);
        assert_status(&answer, 200);
        assert_non_null(answer.json);
        answer_free(&answer);
    }
    answer = get(*state, "/v2/models/none/ready");
    assert_status(&answer, 404);
    answer_free(&answer);
}

static void flat_and_nested(void **state)
{
    struct answer answer =
        post(*state, INFER,
             json_pack("{s: s, s: [{s: s, s: [i, i, i, i], s: s, s: o}]}", "id", "call-1", "inputs",
                       "name", "input", "shape", N, 3, SIDE, SIDE, "datatype", "FP32", "data",
                       numbers_of(tensor, N * NUMBERS)));
    assert_status(&answer, 200);
    assert_text(answer.json, "id", "call-1");
    expect_logits(answer.json, expected);
    answer_free(&answer);
    json_t *pictures = json_array();
    for (size_t i = 0; i < N; i++) {
        json_t *planes = json_array();
        for (size_t c = 0; c < 3; c++) {
            json_t *rows = json_array();
            for (size_t y = 0; y < SIDE; y++)
                json_array_append_new(rows,
                                      numbers_of(tensor + ((i * 3 + c) * SIDE + y) * SIDE, SIDE));
            json_array_append_new(planes, rows);
        }
        json_array_append_new(pictures, planes);
    }
    answer =
        post(*state, INFER,
             json_pack("{s: [{s: s, s: [i, i, i, i], s: s, s: o}, {s: s, s: [i, i, i, i], s: "
                       "s, s: o}], s: [{s: s}]}",
                       "inputs", "name", "input", "shape", N, 3, SIDE, SIDE, "datatype", "FP32",
                       "data", pictures, "name", "mask", "shape", N, 1, SIDE, SIDE, "datatype",
                       "FP32", "data", numbers_of(mask, N * MASK), "outputs", "name", "logits"));
    assert_status(&answer, 200);
    assert_null(at(answer.json, "id"));
    expect_logits(answer.json, expected_masked);
    answer_free(&answer);
}

/* JSON and raw tensors behind it. */
static struct bytes binary_body(json_t *json, const void *first, size_t first_size,
                                const void *second, size_t second_size, char *header)
{
    struct bytes body = {NULL, 0};
    char *text = json ? json_dumps(json, JSON_COMPACT) : strdup("");
    bytes_add(text, 1, strlen(text), &body);
    sprintf(header, "Inference-Header-Content-Length: %zu", strlen(text));
    bytes_add((char *)(uintptr_t)first, 1, first_size, &body);
    if (second)
        bytes_add((char *)(uintptr_t)second, 1, second_size, &body);
    free(text);
    json_decref(json);
    return body;
}

/* The JSON of a binary answer, and what is behind it. */
static json_t *binary_answer(const struct answer *answer, const char **tail, size_t *tail_size)
{
    const char *length = answer_header(answer, "Inference-Header-Content-Length");
    assert_non_null(length);
    size_t size = (size_t)atoi(length);
    assert_true(size <= answer->size);
    *tail = answer->body + size;
    *tail_size = answer->size - size;
    json_t *json = json_loadb(answer->body, size, 0, NULL);
    assert_non_null(json);
    return json;
}

static void expect_binary(const struct answer *answer, const double *logits)
{
    const char *tail;
    size_t size;
    json_t *json = binary_answer(answer, &tail, &size);
    assert_header(answer, "Content-Type", "application/octet-stream");
    assert_text(json, "outputs.0.name", "logits");
    assert_near(number_at(json, "outputs.0.parameters.binary_data_size"),
                (double)(N * CLASSES * sizeof(float)), 0);
    assert_int_equal(size, N * CLASSES * sizeof(float));
    assert_null(at(json, "outputs.0.data"));
    for (size_t i = 0; i < N * CLASSES; i++) {
        float value;
        memcpy(&value, tail + i * sizeof value, sizeof value);
        assert_true(value == (float)logits[i]);
    }
    json_decref(json);
}

static json_t *binary_head(bool masked)
{
    json_t *inputs = json_pack("[{s: s, s: [i, i, i, i], s: s, s: {s: i}}]", "name", "input",
                               "shape", N, 3, SIDE, SIDE, "datatype", "FP32", "parameters",
                               "binary_data_size", (int)sizeof tensor);
    if (masked)
        json_array_append_new(inputs,
                              json_pack("{s: s, s: [i, i, i, i], s: s, s: {s: i}}", "name", "mask",
                                        "shape", N, 1, SIDE, SIDE, "datatype", "FP32", "parameters",
                                        "binary_data_size", (int)sizeof mask));
    return json_pack("{s: o, s: {s: b}}", "inputs", inputs, "parameters", "binary_data_output", 1);
}

static struct answer ask_binary(const struct daemon *daemon, const char *path,
                                const struct bytes *body, const char *header, const char *more)
{
    return ask(daemon,
               (struct ask){.path = path,
                            .headers = HEADERS(header, "Content-Type: application/octet-stream",
                                               more ? more : "X-Unused: 1"),
                            .body = body->bytes,
                            .size = body->size});
}

static void binary(void **state)
{
    char header[100];
    struct bytes body = binary_body(binary_head(false), tensor, sizeof tensor, NULL, 0, header);
    struct answer answer = ask_binary(*state, INFER, &body, header, NULL);
    assert_status(&answer, 200);
    expect_binary(&answer, expected);
    answer_free(&answer);
    free(body.bytes);
    body = binary_body(binary_head(true), tensor, sizeof tensor, mask, sizeof mask, header);
    answer = ask_binary(*state, "/v2/models/shapes/versions/1/infer", &body, header, NULL);
    assert_status(&answer, 200);
    expect_binary(&answer, expected_masked);
    answer_free(&answer);
    uLongf size = compressBound(body.size); /* as tritonclient does it */
    struct bytes packed = {malloc(size), size};
    assert_int_equal(compress2((Bytef *)packed.bytes, &size, (Bytef *)body.bytes, body.size, 1),
                     Z_OK);
    packed.size = size;
    answer = ask_binary(*state, INFER, &packed, header, "Content-Encoding: deflate");
    assert_status(&answer, 200);
    expect_binary(&answer, expected_masked);
    answer_free(&answer);
    free(packed.bytes);
    free(body.bytes);
}

/* Which outputs, and how: named in JSON beside a request for binary. */
static void chosen_outputs(void **state)
{
    char header[100];
    json_t *head = binary_head(false);
    json_object_set_new(
        head, "outputs",
        json_pack("[{s: s, s: {s: b}}]", "name", "logits", "parameters", "binary_data", 0));
    struct bytes body = binary_body(head, tensor, sizeof tensor, NULL, 0, header);
    struct answer answer = ask_binary(*state, INFER, &body, header, NULL);
    assert_status(&answer, 200);
    assert_null(answer_header(&answer, "Inference-Header-Content-Length"));
    expect_logits(answer.json, expected);
    answer_free(&answer);
    free(body.bytes);
    head = binary_head(false);
    json_object_set_new(head, "outputs",
                        json_pack("[{s: s, s: {s: b, s: i}}]", "name", "logits", "parameters",
                                  "binary_data", 0, "classification", 2));
    body = binary_body(head, tensor, sizeof tensor, NULL, 0, header);
    answer = ask_binary(*state, INFER, &body, header, NULL);
    assert_status(&answer, 200);
    assert_text(answer.json, "outputs.0.datatype", "BYTES");
    assert_int_equal(json_array_size(at(answer.json, "outputs.0.data")), N * 2);
    size_t best = 0; /* "value:index:label" of the largest first */
    for (size_t i = 1; i < CLASSES; i++)
        best = expected[i] > expected[best] ? i : best;
    double value;
    int index;
    assert_int_equal(sscanf(text_at(answer.json, "outputs.0.data.0"), "%lf:%d:", &value, &index),
                     2);
    assert_int_equal(index, best);
    assert_near(value, expected[best], 1e-4);
    answer_free(&answer);
    free(body.bytes);
}

/* Pictures as files: the same logits as predict says. */
static void encoded_pictures(void **state)
{
    static const char *const names[] = {STAR, EXAMPLES "heart.png"};
    struct bytes raw = {NULL, 0};
    double logits[N * CLASSES];
    json_t *list = json_array();
    for (size_t i = 0; i < N; i++) {
        size_t size;
        char *file = file_bytes(names[i], &size), *text = base64(file, size);
        uint8_t length[4] = {(uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), 0};
        bytes_add((char *)length, 1, 4, &raw);
        bytes_add(file, 1, size, &raw);
        json_array_append_new(list, json_string(text));
        struct answer answer =
            post(*state, PREDICT, body_with(names[i], NULL, "{\"logits\": true}"));
        assert_status(&answer, 200);
        for (size_t k = 0; k < CLASSES; k++)
            logits[i * CLASSES + k] =
                json_number_value(json_array_get(at(answer.json, "predictions.0.logits"), k));
        answer_free(&answer);
        free(file);
        free(text);
    }
    struct answer answer = post(*state, INFER,
                                json_pack("{s: [{s: s, s: [i], s: s, s: o}]}", "inputs", "name",
                                          "image", "shape", N, "datatype", "BYTES", "data", list));
    assert_status(&answer, 200);
    expect_logits(answer.json, logits);
    answer_free(&answer);
    char header[100];
    struct bytes body = binary_body(json_pack("{s: [{s: s, s: [i], s: s, s: {s: i}}]}", "inputs",
                                              "name", "image", "shape", N, "datatype", "BYTES",
                                              "parameters", "binary_data_size", (int)raw.size),
                                    raw.bytes, raw.size, NULL, 0, header);
    answer = ask_binary(*state, INFER, &body, header, NULL);
    assert_status(&answer, 200);
    expect_logits(answer.json, logits);
    answer_free(&answer);
    free(body.bytes);
    free(raw.bytes);
}

/* No JSON at all: the body is the tensor. */
static void nothing_but_a_tensor(void **state)
{
    struct bytes body = {(char *)tensor, sizeof tensor};
    struct answer answer =
        ask_binary(*state, INFER, &body, "Inference-Header-Content-Length: 0", NULL);
    assert_status(&answer, 200);
    expect_binary(&answer, expected);
    answer_free(&answer);
    body.size -= 4;
    answer = ask_binary(*state, INFER, &body, "Inference-Header-Content-Length: 0", NULL);
    assert_status(&answer, 400);
    answer_free(&answer);
}

static void expect_infer_error(const struct daemon *daemon, const char *text, int status,
                               const char *words, const char *pointer)
{
    struct answer answer = post(daemon, INFER, parse(text));
    assert_status(&answer, status);
    if (!strstr(text_at(answer.json, "error"), words) ||
        strcmp(text_at(answer.json, "errors.0.pointer"), pointer) != 0)
        answer_show(&answer);
    assert_non_null(strstr(text_at(answer.json, "error"), words));
    assert_text(answer.json, "errors.0.pointer", pointer);
    answer_free(&answer);
}

static void refused(void **state)
{
    static const char tail[] = ", \"datatype\": \"FP32\", \"data\": [1]}]}";
    char text[300];
    expect_infer_error(*state, "{}", 400, "inputs is missing", "/inputs");
    expect_infer_error(*state, "{\"inputs\": []}", 400, "inputs has neither", "/inputs");
    snprintf(text, sizeof text, "{\"inputs\": [{\"name\": \"input\", \"shape\": [1, 3, 95, 96]%s",
             tail);
    expect_infer_error(*state, text, 422, "95", "/inputs/0/shape");
    snprintf(text, sizeof text, "{\"inputs\": [{\"name\": \"input\", \"shape\": [1, 3, 96, 96]%s",
             tail);
    expect_infer_error(*state, text, 400, "has 1 elements, its shape 27648", "/inputs/0/data");
    snprintf(text, sizeof text, "{\"inputs\": [{\"name\": \"other\", \"shape\": [1, 3, 96, 96]%s",
             tail);
    expect_infer_error(*state, text, 400, "other", "/inputs/0/name");
    expect_infer_error(*state,
                       "{\"inputs\": [{\"name\": \"input\", \"shape\": [1, 3, 96, 96], "
                       "\"datatype\": \"INT8\", \"data\": [1]}]}",
                       400, "INT8", "/inputs/0/datatype");
    expect_infer_error(*state,
                       "{\"inputs\": [{\"name\": \"image\", \"shape\": [1], \"datatype\": "
                       "\"BYTES\", \"data\": [\"aGVsbG8=\"]}]}",
                       422, "neither JPEG nor PNG", "/inputs/0/data/0");
    char header[100];
    struct bytes body = binary_body(binary_head(false), tensor, sizeof tensor - 4, NULL, 0, header);
    struct answer answer = ask_binary(*state, INFER, &body, header, NULL);
    assert_int_equal(answer.status, 400);
    answer_free(&answer);
    answer = ask_binary(*state, INFER, &body, "Inference-Header-Content-Length: 99999999", NULL);
    assert_status(&answer, 400);
    answer_free(&answer);
    free(body.bytes);
}

static void repository(void **state)
{
    struct answer answer = post(*state, "/v2/repository/index", json_object());
    assert_status(&answer, 200);
    assert_text(answer.json, "0.name", "shapes");
    assert_text(answer.json, "0.state", "READY");
    answer_free(&answer);
    answer = post(*state, "/v2/repository/models/shapes/unload", json_object());
    assert_status(&answer, 200);
    answer_free(&answer);
    answer = get(*state, "/v2/models/shapes/ready");
    assert_true(answer.status == 503 || answer.status == 400);
    answer_free(&answer);
    answer = post(*state, PREDICT, body_with(STAR, NULL, NULL));
    assert_status(&answer, 503);
    answer_free(&answer);
    answer = post(*state, "/v2/repository/index", json_object());
    assert_text(answer.json, "0.state", "UNAVAILABLE");
    answer_free(&answer);
    answer = post(*state, "/v2/repository/models/shapes/load", json_object());
    assert_status(&answer, 200);
    answer_free(&answer);
    answer = post(*state, PREDICT, body_with(STAR, NULL, NULL));
    assert_status(&answer, 200);
    answer_free(&answer);
    answer = post(*state, "/v2/repository/models/nothing/load", json_object());
    assert_status(&answer, 404);
    answer_free(&answer);
    struct daemon daemon = {0};
    daemon_start(&daemon, NO_FLAGS); /* off unless it is configured */
    answer = post(&daemon, "/v2/repository/models/shapes/unload", json_object());
    assert_problem(&answer, 403,
                   "loading and unloading by calls is off; the option is model_control", NULL);
    answer_free(&answer);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(about),
        cmocka_unit_test(flat_and_nested),
        cmocka_unit_test(binary),
        cmocka_unit_test(chosen_outputs),
        cmocka_unit_test(encoded_pictures),
        cmocka_unit_test(nothing_but_a_tensor),
        cmocka_unit_test(refused),
        cmocka_unit_test(repository),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, start, daemon_shared_stop);
}
