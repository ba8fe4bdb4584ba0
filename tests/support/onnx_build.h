/* Small ONNX files for tests: built message by message, written to a scratch folder, read back. */
#ifndef TEST_ONNX_BUILD_H
#define TEST_ONNX_BUILD_H

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "onnx/onnx.h"
#include "wire.h"

enum {
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    GRAPH_NODE = 1,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    NODE_ATTRIBUTE = 5
};

static const struct lm_model_limits test_limits = {1 << 30, 20000, 1 << 29, 1 << 30};

static char scratch[200];

static inline int scratch_make(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%.150s/onnx-test-XXXXXX", base ? base : "/tmp");
    return mkdtemp(scratch) ? 0 : -1;
}

static inline void remove_tree(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char name[600];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%.300s/%.255s", path, entry->d_name);
        if (unlink(name) != 0)
            remove_tree(name);
    }
    if (folder)
        closedir(folder);
    rmdir(path);
}

static inline int scratch_remove(void **state)
{
    (void)state;
    remove_tree(scratch);
    return 0;
}

static inline const char *scratch_path(const char *name)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    return path;
}

/* A new file each time: to empty and refill one makes some file systems wait for the disk. */
static inline void scratch_write(const char *name, const void *bytes, size_t size)
{
    unlink(scratch_path(name));
    FILE *file = fopen(scratch_path(name), "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0)
        abort();
}

/* Comma-separated names, each as one field. */
static inline void put_names(struct wire *wire, uint32_t field, const char *names)
{
    while (names) {
        const char *comma = strchr(names, ',');
        wire_data(wire, field, names, comma ? (size_t)(comma - names) : strlen(names));
        names = comma ? comma + 1 : NULL;
    }
}

static inline struct wire make_node(const char *name, const char *op, const char *inputs,
                                    const char *outputs)
{
    struct wire node = {0};
    put_names(&node, 1, inputs);
    put_names(&node, 2, outputs);
    wire_text(&node, 3, name);
    wire_text(&node, 4, op);
    return node;
}

static inline void put_node(struct wire *graph, const char *name, const char *op,
                            const char *inputs, const char *outputs)
{
    struct wire node = make_node(name, op, inputs, outputs);
    wire_put(graph, GRAPH_NODE, &node);
}

/* A dim of -1 is written as a symbol, -2 as nothing. */
static inline void put_typed_value(struct wire *graph, uint32_t field, const char *name,
                                   size_t rank, const int64_t *dims, int64_t element_type)
{
    struct wire shape = {0}, tensor = {0}, type = {0}, value = {0};
    for (size_t k = 0; k < rank; k++) {
        struct wire dim = {0};
        if (dims[k] == -1)
            wire_text(&dim, 2, "batch");
        else if (dims[k] != -2)
            wire_int(&dim, 1, dims[k]);
        wire_put(&shape, 1, &dim);
    }
    wire_int(&tensor, 1, element_type);
    wire_put(&tensor, 2, &shape);
    wire_put(&type, 1, &tensor);
    wire_text(&value, 1, name);
    wire_put(&value, 2, &type);
    wire_put(graph, field, &value);
}

static inline void put_value(struct wire *graph, uint32_t field, const char *name, size_t rank,
                             const int64_t *dims)
{
    put_typed_value(graph, field, name, rank, dims, 1);
}

/* Input x and output y, both 1 x 4. */
static inline void put_ends(struct wire *graph)
{
    const int64_t dims[] = {1, 4};
    put_value(graph, GRAPH_INPUT, "x", 2, dims);
    put_value(graph, GRAPH_OUTPUT, "y", 2, dims);
}

static inline void put_opset(struct wire *model, const char *domain, int64_t version)
{
    struct wire opset = {0};
    if (domain)
        wire_text(&opset, 1, domain);
    wire_int(&opset, 2, version);
    wire_put(model, MODEL_OPSET, &opset);
}

/* Frees graph. */
static inline struct wire make_model(struct wire *graph)
{
    struct wire model = {0};
    wire_int(&model, 1, 7);
    wire_text(&model, 2, "test");
    wire_put(&model, MODEL_GRAPH, graph);
    put_opset(&model, NULL, 13);
    return model;
}

/* Reads the model as the file m.onnx. */
static inline enum lm_status read_model_with(const struct wire *model,
                                             const struct lm_model_limits *limits,
                                             struct onnx_model *out, struct lm_error *error)
{
    scratch_write("m.onnx", model->bytes, model->size);
    return onnx_read(scratch_path("m.onnx"), limits, out, error);
}

/* Frees the model. */
static inline void assert_reads(struct wire *model, struct onnx_model *out)
{
    struct lm_error error = {0};
    *out = (struct onnx_model){0};
    enum lm_status status = read_model_with(model, &test_limits, out, &error);
    if (status != LM_OK)
        fail_msg("%s", error.text);
    wire_free(model);
}

/* Frees the model. */
static inline void assert_fails_with(struct wire *model, const struct lm_model_limits *limits,
                                     enum lm_status expected, const char *text)
{
    struct lm_error error = {0};
    struct onnx_model out = {.opset = 77};
    enum lm_status status = read_model_with(model, limits, &out, &error);
    wire_free(model);
    assert_string_equal(error.text, text);
    assert_int_equal(status, expected);
    assert_int_equal(error.status, expected);
    assert_true(out.opset == 77 && !out.nodes && !out.inputs);
}

static inline void assert_fails(struct wire *model, enum lm_status expected, const char *text)
{
    assert_fails_with(model, &test_limits, expected, text);
}

/* The same for a graph that make_model completes. */
static inline void assert_graph_fails(struct wire *graph, enum lm_status expected, const char *text)
{
    struct wire model = make_model(graph);
    assert_fails(&model, expected, text);
}

static inline void put_weight(struct wire *graph, const char *name)
{
    const float numbers[] = {1, -2, 3, 4};
    struct wire tensor = {0};
    wire_int(&tensor, 1, 1);
    wire_int(&tensor, 1, 4);
    wire_int(&tensor, 2, 1);
    wire_text(&tensor, 8, name);
    wire_data(&tensor, 9, numbers, sizeof numbers);
    wire_put(graph, GRAPH_INITIALIZER, &tensor);
}

/* x -> Add(w) -> Relu -> y, with an attribute of each kind. */
static inline struct wire small_model(void)
{
    struct wire graph = {0}, relu = make_node("act", "Relu", "sum", "y"), tensor = {0};
    const int64_t ints[] = {1, -1, 1LL << 40};
    const float floats[] = {0.5f, 2.5f};
    struct wire attributes[6] = {0};
    static const char *const names[] = {"f", "i", "s", "t", "floats", "ints"};
    put_node(&graph, "add", "Add", "x,w", "sum");
    for (int k = 0; k < 6; k++) {
        wire_text(&attributes[k], 1, names[k]);
        wire_int(&attributes[k], 20, k < 4 ? k + 1 : k + 2);
    }
    wire_float(&attributes[0], 2, -1.5f);
    wire_int(&attributes[1], 3, -7);
    wire_text(&attributes[2], 4, "SAME_UPPER");
    wire_int(&tensor, 2, 7);
    wire_ints(&tensor, 7, ints, 1);
    wire_put(&attributes[3], 5, &tensor);
    wire_data(&attributes[4], 7, floats, sizeof floats);
    for (int k = 0; k < 3; k++)
        wire_int(&attributes[5], 8, ints[k]);
    for (int k = 0; k < 6; k++)
        wire_put(&relu, NODE_ATTRIBUTE, &attributes[k]);
    wire_put(&graph, GRAPH_NODE, &relu);
    put_ends(&graph);
    put_weight(&graph, "w");
    return make_model(&graph);
}

/* What onnx.h promises of every model that was read. */
static inline void assert_promises(const struct onnx_model *model)
{
    assert_true(model->n_inputs > 0 && model->n_outputs > 0);
    for (size_t k = 0; k < model->n_nodes; k++) {
        const struct onnx_node *node = &model->nodes[k];
        assert_true(*node->op && !*node->domain && node->n_outputs > 0 && node->name);
        for (size_t i = 0; i < node->n_inputs; i++) {
            bool found = !*node->inputs[i];
            for (size_t j = 0; j < model->n_initializers; j++)
                found |= strcmp(model->initializers[j].name, node->inputs[i]) == 0;
            for (size_t j = 0; j < model->n_inputs; j++)
                found |= strcmp(model->inputs[j].name, node->inputs[i]) == 0;
            for (size_t j = 0; j < k; j++)
                for (size_t o = 0; o < model->nodes[j].n_outputs; o++)
                    found |= strcmp(model->nodes[j].outputs[o], node->inputs[i]) == 0;
            assert_true(found);
        }
    }
}

static inline struct wire one_node(const char *name, const char *op, const char *inputs,
                                   const char *outputs)
{
    struct wire graph = {0};
    put_ends(&graph);
    put_node(&graph, name, op, inputs, outputs);
    return graph;
}

#endif
