/* onnx_read: files, the form of their bytes, damage and limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "onnx/reader.h"
#include "onnx_build.h"

static void test_small_model(void **state)
{
    (void)state;
    struct wire bytes = small_model();
    struct onnx_model model;
    assert_reads(&bytes, &model);
    assert_int_equal(model.ir_version, 7);
    assert_int_equal(model.opset, 13);
    assert_string_equal(model.producer, "test");
    assert_int_equal(model.n_nodes, 2);
    assert_string_equal(model.nodes[0].op, "Add");
    assert_string_equal(model.nodes[0].inputs[1], "w");
    assert_string_equal(model.nodes[1].name, "act");
    assert_string_equal(model.nodes[1].outputs[0], "y");
    assert_int_equal(model.n_initializers, 1);
    assert_string_equal(model.initializers[0].name, "w");
    assert_int_equal(model.initializers[0].rank, 2);
    assert_true(model.initializers[0].f[1] == -2.0f);
    assert_int_equal(model.n_inputs, 1);
    assert_int_equal(model.inputs[0].source_type, 1);
    assert_true(model.inputs[0].has_shape && model.inputs[0].rank == 2);
    assert_int_equal(model.inputs[0].dims[1], 4);
    assert_int_equal(model.n_outputs, 1);
    onnx_free(&model);
    assert_null(model.nodes);
    onnx_free(NULL);
    onnx_tensor_free(NULL);
}

static void assert_error_line(const struct lm_error *error)
{
    assert_int_equal(strncmp(error->text, "m.onnx: ", 8), 0);
    for (const char *c = error->text; *c; c++)
        assert_true(*c >= ' ' && *c <= '~');
}

static void test_every_prefix_fails(void **state)
{
    (void)state;
    struct wire bytes = small_model();
    size_t whole = bytes.size;
    for (bytes.size = 1; bytes.size < whole; bytes.size++) {
        struct lm_error error = {0};
        struct onnx_model model = {0};
        assert_int_equal(read_model_with(&bytes, &test_limits, &model, &error), LM_CORRUPT);
        assert_error_line(&error);
    }
    wire_free(&bytes);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void test_damaged_bytes(void **state)
{
    (void)state;
    struct wire bytes = small_model();
    uint8_t *copy = malloc(bytes.size);
    uint32_t seed = 2463534242u;
    int read = 0;
    memcpy(copy, bytes.bytes, bytes.size);
    for (int round = 0; round < 6000; round++) {
        struct lm_error error = {0};
        struct onnx_model model = {0};
        for (uint32_t k = 0; k < 1 + next_random(&seed) % 3; k++)
            bytes.bytes[next_random(&seed) % bytes.size] = (uint8_t)next_random(&seed);
        if (read_model_with(&bytes, &test_limits, &model, &error) == LM_OK) {
            assert_promises(&model);
            read++;
        } else {
            assert_error_line(&error);
        }
        onnx_free(&model);
        memcpy(bytes.bytes, copy, bytes.size);
    }
    assert_true(read > 100); /* damage inside of numbers and names is not seen */
    free(copy);
    wire_free(&bytes);
}

static void assert_path_fails(const char *name, enum lm_status expected, const char *text)
{
    struct lm_error error = {0};
    struct onnx_model model = {0};
    assert_int_equal(onnx_read(scratch_path(name), &test_limits, &model, &error), expected);
    assert_string_equal(error.text, text);
}

static void test_files(void **state)
{
    (void)state;
    scratch_write("empty.onnx", "", 0);
    assert_path_fails("empty.onnx", LM_CORRUPT, "empty.onnx: the file is empty");
    scratch_write("text.onnx", "version https://git-lfs.github.com/spec/v1\n", 43);
    assert_path_fails("text.onnx", LM_CORRUPT,
                      "text.onnx: not an ONNX file, or damaged: byte 0: no field starts here");
    assert_path_fails("missing.onnx", LM_IO,
                      "missing.onnx: cannot be opened: No such file or directory");
    assert_int_equal(mkdir(scratch_path("folder.onnx"), 0700), 0);
    assert_path_fails("folder.onnx", LM_IO, "folder.onnx: is a folder, not a file");
    assert_int_equal(mkfifo(scratch_path("fifo.onnx"), 0600), 0);
    assert_path_fails("fifo.onnx", LM_IO, "fifo.onnx: is not a regular file");
    struct lm_error error = {0};
    struct onnx_model model = {0};
    assert_int_equal(onnx_read("/dev/null", &test_limits, &model, &error), LM_IO);
    assert_string_equal(error.text, "null: is not a regular file");
    assert_int_equal(onnx_read("/dev/null", &test_limits, &model, NULL), LM_IO);
    struct wire small = small_model();
    struct lm_model_limits limits = test_limits;
    limits.max_file_bytes = 100;
    char text[100];
    snprintf(text, sizeof text, "m.onnx: the file has %zu bytes (limit 100)", small.size);
    assert_fails_with(&small, &limits, LM_LIMIT, text);
}

static void test_wrong_form(void **state)
{
    (void)state;
    struct wire graph = {0}, bytes = small_model();
    put_ends(&graph);
    wire_put(&bytes, MODEL_GRAPH, &graph);
    char text[200];
    struct wire once = small_model();
    snprintf(text, sizeof text,
             "m.onnx: not an ONNX file, or damaged: byte %zu: a message that may be given once is "
             "given twice",
             once.size + 2);
    wire_free(&once);
    assert_fails(&bytes, LM_CORRUPT, text);
    wire_int(&bytes, MODEL_GRAPH, 3);
    assert_fails(&bytes, LM_CORRUPT,
                 "m.onnx: not an ONNX file, or damaged: byte 0: a field is not of its type");
    wire_tag(&bytes, 100, 3); /* a group */
    assert_fails(&bytes, LM_CORRUPT,
                 "m.onnx: not an ONNX file, or damaged: byte 0: no field starts here");
    wire_data(&bytes, 0, "", 0);
    assert_fails(&bytes, LM_CORRUPT,
                 "m.onnx: not an ONNX file, or damaged: byte 0: no field starts here");
    wire_int(&bytes, 1, 7);
    assert_fails(&bytes, LM_CORRUPT,
                 "m.onnx: not an ONNX file, or damaged: there is no graph in it");
    wire_tag(&bytes, MODEL_GRAPH, 2);
    wire_varint(&bytes, 1000000000);
    assert_fails(
        &bytes, LM_CORRUPT,
        "m.onnx: not an ONNX file, or damaged: byte 6: a field is longer than what holds it");
    wire_tag(&bytes, MODEL_GRAPH, 2);
    wire_varint(&bytes, UINT64_MAX);
    assert_fails(
        &bytes, LM_CORRUPT,
        "m.onnx: not an ONNX file, or damaged: byte 11: a field is longer than what holds it");
}

static void put_empty(struct wire *graph, uint32_t field, int times)
{
    for (int k = 0; k < times; k++)
        wire_data(graph, field, "", 0);
}

static void test_too_much(void **state)
{
    (void)state;
    struct wire graph = {0};
    put_empty(&graph, GRAPH_NODE, 20001);
    assert_graph_fails(&graph, LM_LIMIT, "m.onnx: more than 20000 nodes (limit)");
    /* Two bytes that would each make a struct of 300: refused before much is taken. */
    struct lm_model_limits limits = test_limits;
    limits.max_nodes = 10;
    const uint32_t fields[] = {GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, 15, 99};
    for (size_t k = 0; k < 5; k++) {
        put_empty(&graph, fields[k], 30000);
        struct wire model = make_model(&graph);
        assert_fails_with(&model, &limits, LM_LIMIT,
                          "m.onnx: its nodes, names and other structure take more than 81920 bytes "
                          "of memory (limit for 10 nodes)");
    }
}

static void test_lists_of_numbers(void **state)
{
    (void)state;
    /* A byte a number in the file, eight in memory. */
    struct wire graph = {0}, tensor = {0};
    struct lm_model_limits limits = test_limits;
    uint8_t *ones = calloc(1, 2000);
    limits.max_bytes = 15992;
    wire_data(&tensor, 7, ones, 2000);
    wire_put(&graph, GRAPH_INITIALIZER, &tensor);
    struct wire model = make_model(&graph);
    assert_fails_with(&model, &limits, LM_LIMIT,
                      "m.onnx: lists of numbers take 16000 bytes or more (limit 15992)");
    wire_data(&tensor, 4, ones, 7);
    wire_put(&graph, GRAPH_INITIALIZER, &tensor);
    assert_graph_fails(
        &graph, LM_CORRUPT,
        "m.onnx: not an ONNX file, or damaged: byte 14: a list of numbers ends inside "
        "a number");
    free(ones);
}

/* Subgraphs are passed over, however deep. */
static void test_deep_nesting(void **state)
{
    (void)state;
    struct wire body = {0};
    for (int k = 0; k < 1500; k++) {
        struct wire attribute = {0}, node = {0}, outer = {0};
        wire_text(&attribute, 1, "body");
        wire_int(&attribute, 20, 5);
        wire_put(&attribute, 6, &body);
        wire_put(&node, NODE_ATTRIBUTE, &attribute);
        wire_put(&outer, GRAPH_NODE, &node);
        body = outer;
    }
    struct wire attribute = {0}, node = make_node("loop", "Loop", "x", "y"), graph = {0};
    struct onnx_model model;
    wire_text(&attribute, 1, "body");
    wire_put(&attribute, 6, &body);
    wire_put(&node, NODE_ATTRIBUTE, &attribute);
    wire_put(&graph, GRAPH_NODE, &node);
    put_ends(&graph);
    struct wire bytes = make_model(&graph);
    assert_reads(&bytes, &model);
    assert_int_equal(model.nodes[0].attributes[0].kind, ONNX_ATTR_OTHER);
    onnx_free(&model);
}

static void test_hostile_names(void **state)
{
    (void)state;
    struct wire graph = one_node("a\nb\"\x1b[31m\xe2\x80\xae", "Re\tlu", "x", "z");
    assert_graph_fails(&graph, LM_CORRUPT, "m.onnx: output \"y\" of the graph: nothing writes it");
    graph = one_node("a\nb\"\x1b[31m\xe2\x80\xae", "Re\tlu", "z\r", "y");
    assert_graph_fails(&graph, LM_CORRUPT,
                       "m.onnx: node \"a?b??[31m???\" (Re?lu): input \"z?\": nothing writes it");
    char *text = malloc(3000001);
    memset(text, 'n', 3000000);
    text[3000000] = '\0';
    graph = one_node(text, "Relu", "x", "y");
    assert_graph_fails(&graph, LM_LIMIT, "m.onnx: a name of 3000000 bytes at byte 71 (limit 4096)");
    text[4096] = '\0';
    memcpy(text, "first", 5);
    memcpy(text + 4096 - 4, "last", 4);
    graph = one_node(text, text, text, "y");
    assert_graph_fails(
        &graph, LM_CORRUPT,
        "m.onnx: node \"firstnnnnnnnnnnnnnnnnnnnnnnnnn...nnnnnnnnnnnnnnnnnnnnnnnnnnlast\" "
        "(firstnnnnnnnnnnnnnnnnnnnnnnnnn...nnnnnnnnnnnnnnnnnnnnnnnnnnlast): input "
        "\"firstnnnnnnnnnnnnnnnnnnnnnnnnn...nnnnnnnnnnnnnnnnnnnnnnnnnnlast\": nothing writes it");
    free(text);
    struct wire node = {0};
    wire_data(&node, 3, "a\0b", 3);
    wire_put(&graph, GRAPH_NODE, &node);
    assert_graph_fails(&graph, LM_CORRUPT,
                       "m.onnx: not an ONNX file, or damaged: byte 14: a name with a NUL inside");
}

/* Every amount of memory that is not enough gives an error and leaks nothing. */
static void test_memory_budget(void **state)
{
    (void)state;
    struct wire bytes = small_model();
    struct lm_error error = {0};
    struct onnx_reader reader = {.limits = &test_limits, .error = &error, .file = "m.onnx"};
    enum lm_status status = LM_LIMIT;
    size_t budget = 0;
    for (; status != LM_OK && budget < 20000; budget++) {
        struct onnx_model model = {0};
        uint8_t *copy = malloc(bytes.size);
        memcpy(copy, bytes.bytes, bytes.size);
        error = (struct lm_error){0};
        reader.structure_bytes = budget;
        reader.tensor_bytes = 0;
        status = onnx_unpack(&reader, copy, bytes.size, &model);
        assert_true(status == LM_OK || status == LM_LIMIT);
        onnx_free(&model);
    }
    assert_int_equal(status, LM_OK);
    assert_true(budget > 1000 && budget < 4000);
    wire_free(&bytes);
}

static void test_quote(void **state)
{
    (void)state;
    char out[ONNX_QUOTE];
    assert_string_equal(onnx_quote("", out), "");
    assert_string_equal(onnx_quote("/layer1/Conv", out), "/layer1/Conv");
    assert_string_equal(onnx_quote("0123456789012345678901234567890123456789012345678901234567890"
                                   "12",
                                   out),
                        "012345678901234567890123456789012345678901234567890123456789012");
    assert_string_equal(onnx_quote("0123456789012345678901234567890123456789012345678901234567890"
                                   "123",
                                   out),
                        "012345678901234567890123456789...456789012345678901234567890123");
    assert_string_equal(onnx_type_name(10), "float16");
    assert_string_equal(onnx_type_name(-1), "unknown");
    assert_string_equal(onnx_type_name(1000), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_model),
        cmocka_unit_test(test_every_prefix_fails),
        cmocka_unit_test(test_damaged_bytes),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_wrong_form),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_lists_of_numbers),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_memory_budget),
        cmocka_unit_test(test_quote),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
