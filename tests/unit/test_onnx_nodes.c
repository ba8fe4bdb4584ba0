/* onnx_read: nodes, attributes, names and their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "onnx/onnx.h"
#include "onnx_build.h"

static void test_attributes(void **state)
{
    (void)state;
    struct wire bytes = small_model();
    struct onnx_model model;
    assert_reads(&bytes, &model);
    const struct onnx_node *node = &model.nodes[1];
    assert_int_equal(node->n_attributes, 6);
    assert_int_equal(onnx_attribute_find(node, "f")->kind, ONNX_ATTR_FLOAT);
    assert_true(onnx_attribute_find(node, "f")->f == -1.5f);
    assert_int_equal(onnx_attribute_find(node, "i")->kind, ONNX_ATTR_INT);
    assert_int_equal(onnx_attribute_find(node, "i")->i, -7);
    assert_int_equal(onnx_attribute_find(node, "s")->kind, ONNX_ATTR_STRING);
    assert_string_equal(onnx_attribute_find(node, "s")->s, "SAME_UPPER");
    assert_int_equal(onnx_attribute_find(node, "t")->kind, ONNX_ATTR_TENSOR);
    assert_int_equal(onnx_attribute_find(node, "t")->tensor.i[0], 1);
    assert_int_equal(onnx_attribute_find(node, "t")->tensor.rank, 0);
    assert_int_equal(onnx_attribute_find(node, "floats")->kind, ONNX_ATTR_FLOATS);
    assert_int_equal(onnx_attribute_find(node, "floats")->n, 2);
    assert_true(onnx_attribute_find(node, "floats")->floats[1] == 2.5f);
    assert_int_equal(onnx_attribute_find(node, "ints")->kind, ONNX_ATTR_INTS);
    assert_int_equal(onnx_attribute_find(node, "ints")->n, 3);
    assert_true(onnx_attribute_find(node, "ints")->ints[2] == 1LL << 40);
    assert_null(onnx_attribute_find(node, "g"));
    onnx_free(&model);
}

static void put_other_attributes(struct wire *node)
{
    struct wire untyped = {0}, subgraph = {0}, reference = {0}, binary = {0}, empty = {0};
    wire_text(&untyped, 1, "old");
    wire_int(&untyped, 8, 3);
    wire_put(node, NODE_ATTRIBUTE, &untyped);
    wire_text(&subgraph, 1, "body");
    wire_int(&subgraph, 20, 5);
    wire_text(&subgraph, 6, "any bytes");
    wire_put(node, NODE_ATTRIBUTE, &subgraph);
    wire_text(&reference, 1, "reference");
    wire_int(&reference, 20, 2);
    wire_text(&reference, 21, "outer");
    wire_put(node, NODE_ATTRIBUTE, &reference);
    wire_text(&binary, 1, "binary");
    wire_int(&binary, 20, 3);
    wire_data(&binary, 4, "a\0b", 3);
    wire_put(node, NODE_ATTRIBUTE, &binary);
    wire_text(&empty, 1, "empty");
    wire_int(&empty, 20, 7);
    wire_put(node, NODE_ATTRIBUTE, &empty);
}

static void test_other_attributes(void **state)
{
    (void)state;
    struct wire graph = {0}, node = make_node("n", "If", "x", "y");
    struct onnx_model model;
    put_other_attributes(&node);
    wire_put(&graph, GRAPH_NODE, &node);
    put_ends(&graph);
    struct wire bytes = make_model(&graph);
    assert_reads(&bytes, &model);
    const struct onnx_node *read = &model.nodes[0];
    assert_int_equal(onnx_attribute_find(read, "old")->kind, ONNX_ATTR_INTS);
    assert_int_equal(onnx_attribute_find(read, "old")->ints[0], 3);
    assert_int_equal(onnx_attribute_find(read, "body")->kind, ONNX_ATTR_OTHER);
    assert_int_equal(onnx_attribute_find(read, "reference")->kind, ONNX_ATTR_OTHER);
    assert_int_equal(onnx_attribute_find(read, "binary")->kind, ONNX_ATTR_OTHER);
    assert_int_equal(onnx_attribute_find(read, "empty")->kind, ONNX_ATTR_INTS);
    assert_int_equal(onnx_attribute_find(read, "empty")->n, 0);
    onnx_free(&model);
}

static void assert_attribute_fails(const char *name, int times, int64_t type, enum lm_status status,
                                   const char *text)
{
    struct wire graph = {0}, node = make_node("n", "Conv", "x", "y");
    for (int k = 0; k < times; k++) {
        struct wire attribute = {0};
        wire_text(&attribute, 1, name);
        wire_int(&attribute, 20, type);
        wire_put(&node, NODE_ATTRIBUTE, &attribute);
    }
    wire_put(&graph, GRAPH_NODE, &node);
    put_ends(&graph);
    assert_graph_fails(&graph, status, text);
}

static void test_bad_attributes(void **state)
{
    (void)state;
    assert_attribute_fails("", 1, 2, LM_CORRUPT,
                           "m.onnx: node \"n\" (Conv): attribute 0 has no name");
    assert_attribute_fails("pads", 2, 2, LM_CORRUPT,
                           "m.onnx: node \"n\" (Conv): attribute \"pads\" is given twice");
    assert_attribute_fails("pads", 65, 2, LM_LIMIT,
                           "m.onnx: node \"n\" (Conv): 65 attributes (limit 64)");
    assert_attribute_fails(
        "value", 1, 4, LM_CORRUPT,
        "m.onnx: node \"n\" (Conv): attribute \"value\": there is no tensor in it");
}

static void test_values(void **state)
{
    (void)state;
    const int64_t symbolic[] = {-1, 3, -2, 0}, full[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const int64_t negative[] = {1, -5};
    struct wire graph = {0}, bare = {0}, other = {0}, type = {0}, tensor = {0}, unknown = {0};
    struct wire below = {0};
    struct onnx_model model;
    put_node(&graph, "", "Relu", "x", "y");
    put_value(&graph, GRAPH_INPUT, "x", 4, symbolic);
    wire_text(&bare, 1, "bare");
    wire_put(&graph, GRAPH_INPUT, &bare);
    wire_int(&tensor, 1, 10);
    wire_put(&unknown, 1, &tensor);
    wire_text(&other, 1, "unranked");
    wire_put(&other, 2, &unknown);
    wire_put(&graph, GRAPH_INPUT, &other);
    put_value(&graph, GRAPH_INPUT, "scalar", 0, NULL);
    put_value(&graph, GRAPH_OUTPUT, "y", 8, full);
    struct wire bytes = make_model(&graph);
    assert_reads(&bytes, &model);
    assert_int_equal(model.n_inputs, 4);
    assert_int_equal(model.inputs[0].dims[0], -1);
    assert_int_equal(model.inputs[0].dims[1], 3);
    assert_int_equal(model.inputs[0].dims[2], -1);
    assert_int_equal(model.inputs[0].dims[3], 0);
    assert_true(!model.inputs[1].has_shape && model.inputs[1].source_type == 0);
    assert_true(!model.inputs[2].has_shape && model.inputs[2].source_type == 10);
    assert_true(model.inputs[3].has_shape && model.inputs[3].rank == 0);
    assert_int_equal(model.outputs[0].dims[7], 8);
    onnx_free(&model);
    put_value(&type, GRAPH_INPUT, "x", 9, full);
    assert_graph_fails(&type, LM_LIMIT, "m.onnx: tensor \"x\": 9 dims (limit 8)");
    put_value(&below, GRAPH_INPUT, "x", 2, negative);
    assert_graph_fails(&below, LM_CORRUPT, "m.onnx: tensor \"x\": dim 1 is -5");
}

static void test_names(void **state)
{
    (void)state;
    struct wire graph = one_node("act", "Relu", "z", "y");
    assert_graph_fails(&graph, LM_CORRUPT,
                       "m.onnx: node \"act\" (Relu): input \"z\": nothing writes it");
    graph = one_node("", "Relu", "x", "z");
    assert_graph_fails(&graph, LM_CORRUPT, "m.onnx: output \"y\" of the graph: nothing writes it");
    graph = one_node("a", "Relu", "x", "y,y");
    assert_graph_fails(&graph, LM_CORRUPT,
                       "m.onnx: tensor \"y\" is written twice: by node \"a\" (Relu) and node \"a\" "
                       "(Relu)");
    graph = one_node("a", "Relu", "x", "y");
    put_node(&graph, "", "Tanh", "x", "y");
    assert_graph_fails(&graph, LM_CORRUPT,
                       "m.onnx: tensor \"y\" is written twice: by node \"a\" (Relu) and node 1 "
                       "(Tanh)");
    graph = one_node("a", "Relu", "x", "x");
    assert_graph_fails(&graph, LM_CORRUPT,
                       "m.onnx: tensor \"x\" is written twice: by an input and node \"a\" (Relu)");
    graph = one_node("a", "Relu", "x", "y");
    put_ends(&graph);
    assert_graph_fails(&graph, LM_CORRUPT,
                       "m.onnx: tensor \"x\" is written twice: by an input and an input");
    graph = one_node("a", "Relu", "x", "y");
    put_weight(&graph, "w");
    put_weight(&graph, "w");
    assert_graph_fails(
        &graph, LM_CORRUPT,
        "m.onnx: tensor \"w\" is written twice: by an initializer and an initializer");
    graph = one_node("a", "Relu", "x", "y");
    put_weight(&graph, "y");
    assert_graph_fails(&graph, LM_CORRUPT,
                       "m.onnx: tensor \"y\" is written twice: by an initializer and node \"a\" "
                       "(Relu)");
    graph = one_node("a", "Relu", "x", "y");
    put_weight(&graph, "");
    assert_graph_fails(&graph, LM_CORRUPT, "m.onnx: initializer 0 has no name");
    graph = one_node("a", "Relu", "x", "y");
    put_value(&graph, GRAPH_INPUT, "", 0, NULL);
    assert_graph_fails(&graph, LM_CORRUPT, "m.onnx: input 1 of the graph has no name");
    graph = one_node("a", "", "x", "y");
    assert_graph_fails(&graph, LM_CORRUPT, "m.onnx: node \"a\" (): it has no operator");
    put_ends(&graph);
    struct wire node = {0};
    wire_text(&node, 4, "Relu");
    wire_put(&graph, GRAPH_NODE, &node);
    assert_graph_fails(&graph, LM_CORRUPT, "m.onnx: node 0 (Relu): it has no output");
    put_value(&graph, GRAPH_INPUT, "x", 0, NULL);
    assert_graph_fails(&graph, LM_CORRUPT, "m.onnx: the graph has no output");
    put_value(&graph, GRAPH_OUTPUT, "y", 0, NULL);
    assert_graph_fails(&graph, LM_CORRUPT, "m.onnx: the graph has no input");
}

static void test_inputs_with_defaults(void **state)
{
    (void)state;
    const int64_t dims[] = {1, 4};
    struct wire graph = {0};
    struct onnx_model model;
    put_value(&graph, GRAPH_INPUT, "w", 2, dims);
    put_node(&graph, "", "Sum", "x,w,,v", ",y");
    put_ends(&graph);
    put_weight(&graph, "w");
    put_value(&graph, GRAPH_INPUT, "v", 2, dims);
    put_weight(&graph, "v");
    struct wire bytes = make_model(&graph);
    assert_reads(&bytes, &model);
    assert_int_equal(model.n_inputs, 1);
    assert_string_equal(model.inputs[0].name, "x");
    assert_int_equal(model.n_initializers, 2);
    assert_int_equal(model.nodes[0].n_inputs, 4);
    assert_string_equal(model.nodes[0].inputs[2], "");
    assert_string_equal(model.nodes[0].outputs[0], "");
    onnx_free(&model);
    put_ends(&graph);
    put_value(&graph, GRAPH_INPUT, "w", 2, dims);
    put_value(&graph, GRAPH_INPUT, "w", 2, dims);
    put_weight(&graph, "w");
    assert_graph_fails(&graph, LM_CORRUPT,
                       "m.onnx: tensor \"w\" is written twice: by an input and an input");
}

static void test_opsets(void **state)
{
    (void)state;
    static const struct {
        const char *domain;
        int64_t version;
        enum lm_status status;
        const char *text;
    } cases[] = {
        {NULL, 8, LM_UNSUPPORTED, "m.onnx: opset 8 is not supported (9 to 21 are)"},
        {"", 9, LM_OK, NULL},
        {"ai.onnx", 21, LM_OK, NULL},
        {NULL, 22, LM_UNSUPPORTED, "m.onnx: opset 22 is not supported (9 to 21 are)"},
        {NULL, -1, LM_UNSUPPORTED, "m.onnx: opset -1 is not supported (9 to 21 are)"},
        {"ai.onnx.ml", 2, LM_CORRUPT, "m.onnx: it does not say which opset it uses"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct wire graph = one_node("a", "Relu", "x", "y"), bytes = {0};
        struct onnx_model model;
        wire_put(&bytes, MODEL_GRAPH, &graph);
        put_opset(&bytes, cases[k].domain, cases[k].version);
        if (cases[k].status != LM_OK) {
            assert_fails(&bytes, cases[k].status, cases[k].text);
            continue;
        }
        put_opset(&bytes, "com.microsoft", 1);
        assert_reads(&bytes, &model);
        assert_int_equal(model.opset, cases[k].version);
        assert_string_equal(model.producer, "");
        onnx_free(&model);
    }
    struct wire bytes = small_model();
    put_opset(&bytes, "ai.onnx", 14);
    assert_fails(&bytes, LM_CORRUPT, "m.onnx: it imports opsets 13 and 14");
}

static void test_domains_and_functions(void **state)
{
    (void)state;
    struct wire graph = {0}, node = make_node("fused", "FusedConv", "x", "y");
    struct onnx_model model;
    wire_text(&node, 7, "com.microsoft");
    wire_put(&graph, GRAPH_NODE, &node);
    put_ends(&graph);
    assert_graph_fails(&graph, LM_UNSUPPORTED,
                       "m.onnx: node \"fused\" (FusedConv): domain \"com.microsoft\" is not "
                       "supported");
    node = make_node("a", "Relu", "x", "y");
    wire_text(&node, 7, "ai.onnx");
    wire_put(&graph, GRAPH_NODE, &node);
    put_ends(&graph);
    struct wire bytes = make_model(&graph);
    wire_text(&bytes, 20, "training_info is of no use here");
    assert_reads(&bytes, &model);
    assert_string_equal(model.nodes[0].domain, "");
    onnx_free(&model);
    bytes = small_model();
    wire_text(&bytes, 25, "");
    assert_fails(&bytes, LM_UNSUPPORTED,
                 "m.onnx: model-local functions are not supported (export with them inlined)");
    graph = one_node("a", "Relu", "x", "y");
    wire_text(&graph, 15, "");
    assert_graph_fails(&graph, LM_UNSUPPORTED, "m.onnx: sparse initializers are not supported");
}

static void test_cycles(void **state)
{
    (void)state;
    struct wire graph = one_node("self", "Add", "x,y", "y");
    assert_graph_fails(&graph, LM_CORRUPT,
                       "m.onnx: node \"self\" (Add): it needs its own output (a cycle)");
    /* after the cycle, but not on it */
    graph = one_node("end", "Relu", "b", "y");
    put_node(&graph, "one", "Add", "x,c", "a");
    put_node(&graph, "two", "Relu", "a", "b");
    put_node(&graph, "three", "Relu", "b", "c");
    assert_graph_fails(&graph, LM_CORRUPT,
                       "m.onnx: node \"two\" (Relu): it needs its own output (a cycle)");
}

static void assert_order(struct wire *graph, const char *expected)
{
    struct wire bytes = make_model(graph);
    struct onnx_model model;
    char order[100] = "";
    assert_reads(&bytes, &model);
    for (size_t k = 0; k < model.n_nodes; k++)
        strcat(order, model.nodes[k].name);
    assert_promises(&model);
    onnx_free(&model);
    assert_string_equal(order, expected);
}

static void test_order(void **state)
{
    (void)state;
    /* two branches, interleaved: a valid order is kept */
    struct wire graph = one_node("a", "Relu", "x", "1");
    put_node(&graph, "b", "Tanh", "x", "2");
    put_node(&graph, "c", "Relu", "1", "3");
    put_node(&graph, "d", "Relu", "2", "4");
    put_node(&graph, "e", "Add", "3,4", "y");
    assert_order(&graph, "abcde");
    graph = one_node("e", "Add", "3,4", "y");
    put_node(&graph, "d", "Relu", "2", "4");
    put_node(&graph, "c", "Relu", "1", "3");
    put_node(&graph, "a", "Relu", "x", "1");
    put_node(&graph, "b", "Tanh", "x", "2");
    assert_order(&graph, "acbde");
}

static void test_long_chain_backwards(void **state)
{
    (void)state;
    struct wire graph = {0};
    struct onnx_model model;
    put_ends(&graph);
    for (int k = 19999; k >= 0; k--) {
        char from[20], to[20];
        snprintf(from, sizeof from, k ? "t%d" : "x", k);
        snprintf(to, sizeof to, k < 19999 ? "t%d" : "y", k + 1);
        put_node(&graph, "", "Relu", from, to);
    }
    struct wire bytes = make_model(&graph);
    assert_reads(&bytes, &model);
    assert_int_equal(model.n_nodes, 20000);
    for (size_t k = 1; k < model.n_nodes; k++)
        assert_string_equal(model.nodes[k].inputs[0], model.nodes[k - 1].outputs[0]);
    onnx_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_other_attributes),
        cmocka_unit_test(test_bad_attributes),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_inputs_with_defaults),
        cmocka_unit_test(test_opsets),
        cmocka_unit_test(test_domains_and_functions),
        cmocka_unit_test(test_cycles),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_long_chain_backwards),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
