/* onnx_read: large tensors, whose numbers do not go through the parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "onnx_build.h"

enum { COUNT = 3000, BYTES = 4 * COUNT };

static float numbers[COUNT];

static int start(void **state)
{
    for (int k = 0; k < COUNT; k++)
        numbers[k] = (float)k / 7;
    return scratch_make(state);
}

/* A tag and a length of `width` bytes, padded with zeros. */
static void put_sized(struct wire *wire, uint32_t field, struct wire *body, unsigned width)
{
    wire_tag(wire, field, 2);
    for (unsigned k = 0; k < width; k++) {
        uint8_t byte =
            (uint8_t)((k < 9 ? body->size >> 7 * k & 0x7f : 0) | (k + 1 < width ? 0x80u : 0));
        wire_bytes(wire, &byte, 1);
    }
    wire_bytes(wire, body->bytes, body->size);
    wire_free(body);
}

/* Raw data `times` times, of which the last counts; then the rest of the tensor. */
static struct wire make_tensor(const char *name, int64_t dim, int times, unsigned width)
{
    struct wire tensor = {0};
    while (times-- > 0) {
        struct wire raw = {0};
        wire_bytes(&raw, numbers, sizeof numbers);
        raw.bytes[0] ^= (uint8_t)times;
        put_sized(&tensor, 9, &raw, width);
    }
    wire_text(&tensor, 8, name);
    wire_int(&tensor, 1, dim);
    wire_int(&tensor, 2, 1);
    return tensor;
}

static void assert_numbers(const struct onnx_tensor *tensor, const char *name)
{
    assert_string_equal(tensor->name, name);
    assert_int_equal(tensor->count, COUNT);
    assert_memory_equal(tensor->f, numbers, BYTES);
}

/* Between nodes and ends, large and small, with lengths of more bytes than they need. */
static void test_order(void **state)
{
    (void)state;
    const int64_t dims[] = {1, 4};
    struct wire graph = {0}, model = {0};
    struct onnx_model out;
    struct wire tensor = make_tensor("first", COUNT, 1, 2);
    put_sized(&graph, GRAPH_INITIALIZER, &tensor, 2);
    put_value(&graph, GRAPH_OUTPUT, "y", 2, dims);
    put_weight(&graph, "small");
    tensor = make_tensor("padded", COUNT, 1, 5);
    put_sized(&graph, GRAPH_INITIALIZER, &tensor, 5);
    put_node(&graph, "act", "Relu", "x", "y");
    tensor = make_tensor("twice", COUNT, 3, 2);
    wire_put(&graph, GRAPH_INITIALIZER, &tensor);
    tensor = make_tensor("last", COUNT, 1, 4);
    wire_put(&graph, GRAPH_INITIALIZER, &tensor);
    put_value(&graph, GRAPH_INPUT, "x", 2, dims);
    put_opset(&model, NULL, 13);
    put_sized(&model, MODEL_GRAPH, &graph, 4);
    wire_text(&model, 2, "after the graph");
    assert_reads(&model, &out);
    assert_string_equal(out.producer, "after the graph");
    assert_int_equal(out.n_nodes, 1);
    assert_int_equal(out.n_initializers, 5);
    assert_numbers(&out.initializers[0], "first");
    assert_string_equal(out.initializers[1].name, "small");
    assert_true(out.initializers[1].count == 4 && out.initializers[1].f[1] == -2);
    assert_numbers(&out.initializers[2], "padded");
    assert_numbers(&out.initializers[3], "twice");
    assert_numbers(&out.initializers[4], "last");
    onnx_free(&out);
}

static void assert_tensor_fails(struct wire *tensor, enum lm_status status, const char *text)
{
    struct wire graph = one_node("act", "Relu", "x", "y");
    wire_put(&graph, GRAPH_INITIALIZER, tensor);
    assert_graph_fails(&graph, status, text);
}

/* The same texts as for small tensors. */
static void test_errors(void **state)
{
    (void)state;
    struct wire tensor = make_tensor("w", COUNT + 1, 1, 2);
    assert_tensor_fails(&tensor, LM_CORRUPT,
                        "m.onnx: initializer \"w\": 12000 bytes of data, but dims 3001 of float32 "
                        "need 12004");
    tensor = make_tensor("w", COUNT, 1, 2);
    wire_int(&tensor, 2, 14);
    assert_tensor_fails(&tensor, LM_UNSUPPORTED,
                        "m.onnx: initializer \"w\": data type 14 (complex64) is not supported");
    tensor = make_tensor("w", COUNT, 1, 2);
    wire_data(&tensor, 3, "", 0);
    assert_tensor_fails(&tensor, LM_UNSUPPORTED,
                        "m.onnx: initializer \"w\": tensors in segments are not supported");
    tensor = make_tensor("w", COUNT, 1, 6); /* the format allows it, the parser does not */
    assert_tensor_fails(&tensor, LM_CORRUPT, "m.onnx: not an ONNX file, or damaged");
    tensor = make_tensor("w", COUNT, 1, 2);
    struct wire graph = one_node("act", "Relu", "x", "y");
    put_sized(&graph, GRAPH_INITIALIZER, &tensor, 6);
    assert_graph_fails(&graph, LM_CORRUPT, "m.onnx: not an ONNX file, or damaged");
}

/* Large tensors are no structure: they leave the memory for it as it is. */
static void test_budget(void **state)
{
    (void)state;
    struct lm_model_limits limits = test_limits;
    limits.max_nodes = 1;
    for (int tensors = 1; tensors < 40; tensors += 37) {
        struct wire graph = one_node("act", "Relu", "x", "y");
        for (int k = 0; k < 40; k++) {
            struct wire empty = make_tensor("", 0, k < tensors, 2);
            wire_put(&graph, GRAPH_INITIALIZER, &empty);
        }
        struct wire model = make_model(&graph);
        assert_fails_with(&model, &limits, LM_LIMIT,
                          "m.onnx: its nodes, names and other structure take more than 8192 bytes "
                          "of memory (limit for 1 nodes)");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_budget),
    };
    return cmocka_run_group_tests_name("onnx_lift", tests, start, scratch_remove);
}
