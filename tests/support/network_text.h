/* Small networks for tests, written as text and turned into ONNX files.
 *
 *     input x 1,3,8,8                       a dim of -1 is symbolic, -2 left out; a number more:
 *                                           the ONNX type of its elements (1, float)
 *     output y 1,4
 *     float w 4,3,3,3 0.5                   every number 0.5; without one: a fixed pattern
 *     int s 1,-1                            one-dimensional int64; "int s" alone is empty
 *     scalar k 7                            int64 of rank 0
 *     Conv c x,w h pads=1,1,1,1 group:2     operator, name, inputs, outputs, attributes
 *
 * Statements end with ';' or a newline.  Attributes: key=ints (a list), key:int, key~float,
 * key@text, key#int (a tensor of one int64).  "-" is no inputs; a name "_" is an empty one.
 */
#ifndef TEST_NETWORK_TEXT_H
#define TEST_NETWORK_TEXT_H

#include "onnx_build.h"

enum { NETWORK_LIST = 1024 };

static inline size_t network_ints(const char *text, int64_t *out)
{
    size_t n = 0;
    while (text && *text) {
        char *end;
        if (n == NETWORK_LIST)
            abort();
        out[n++] = strtoll(text, &end, 10);
        text = *end == ',' ? end + 1 : NULL;
    }
    return n;
}

static inline void network_end(struct wire *graph, uint32_t field, char **rest)
{
    int64_t dims[NETWORK_LIST];
    const char *name = strtok_r(NULL, " ", rest), *text = strtok_r(NULL, " ", rest);
    const char *type = strtok_r(NULL, " ", rest);
    size_t rank = network_ints(text, dims);
    put_typed_value(graph, field, name, rank, dims, type ? strtoll(type, NULL, 10) : 1);
}

/* Numbers that differ from each other, small and exact. */
static inline float network_number(size_t i)
{
    return (float)((int)((i * 2654435761u >> 7) % 33) - 16) / 32.0f;
}

static inline void network_floats(struct wire *graph, char **rest)
{
    int64_t dims[NETWORK_LIST];
    const char *name = strtok_r(NULL, " ", rest), *shape = strtok_r(NULL, " ", rest);
    const char *value = strtok_r(NULL, " ", rest);
    struct wire tensor = {0}, data = {0};
    size_t rank = network_ints(shape, dims), count = 1;
    for (size_t a = 0; a < rank; a++) {
        wire_int(&tensor, 1, dims[a]);
        count *= (size_t)dims[a];
    }
    for (size_t i = 0; i < count; i++) {
        float number = value ? strtof(value, NULL) : network_number(i);
        wire_bytes(&data, &number, sizeof number);
    }
    wire_int(&tensor, 2, 1);
    wire_text(&tensor, 8, name);
    wire_data(&tensor, 9, data.bytes, data.size);
    wire_free(&data);
    wire_put(graph, GRAPH_INITIALIZER, &tensor);
}

static inline void network_int_tensor(struct wire *tensor, bool scalar, const int64_t *ints,
                                      size_t n)
{
    if (!scalar)
        wire_int(tensor, 1, (int64_t)n);
    wire_int(tensor, 2, 7);
    wire_data(tensor, 9, ints, n * sizeof *ints);
}

static inline void network_integers(struct wire *graph, bool scalar, char **rest)
{
    int64_t ints[NETWORK_LIST];
    const char *name = strtok_r(NULL, " ", rest);
    size_t n = network_ints(strtok_r(NULL, " ", rest), ints);
    struct wire tensor = {0};
    network_int_tensor(&tensor, scalar, ints, n);
    wire_text(&tensor, 8, name);
    wire_put(graph, GRAPH_INITIALIZER, &tensor);
}

static inline void network_attribute(struct wire *node, char *text)
{
    int64_t ints[NETWORK_LIST];
    size_t key = strcspn(text, "=:~@#");
    char kind = text[key], *value = text + key + (kind != 0);
    struct wire attribute = {0}, tensor = {0};
    text[key] = 0;
    wire_text(&attribute, 1, text);
    if (kind == '=') {
        size_t n = network_ints(value, ints);
        for (size_t i = 0; i < n; i++)
            wire_int(&attribute, 8, ints[i]);
        wire_int(&attribute, 20, 7);
    } else if (kind == ':') {
        wire_int(&attribute, 3, strtoll(value, NULL, 10));
        wire_int(&attribute, 20, 2);
    } else if (kind == '~') {
        wire_float(&attribute, 2, strtof(value, NULL));
        wire_int(&attribute, 20, 1);
    } else if (kind == '@') {
        wire_text(&attribute, 4, value);
        wire_int(&attribute, 20, 3);
    } else {
        size_t n = network_ints(value, ints);
        network_int_tensor(&tensor, false, ints, n);
        wire_put(&attribute, 5, &tensor);
        wire_int(&attribute, 20, 4);
    }
    wire_put(node, NODE_ATTRIBUTE, &attribute);
}

static inline void network_names(struct wire *node, uint32_t field, char *names)
{
    char *rest = NULL;
    if (strcmp(names, "-") == 0)
        return;
    for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        wire_text(node, field, strcmp(name, "_") == 0 ? "" : name);
}

static inline void network_node(struct wire *graph, const char *op, char **rest)
{
    struct wire node = {0};
    char *name = strtok_r(NULL, " ", rest), *inputs = strtok_r(NULL, " ", rest);
    char *outputs = strtok_r(NULL, " ", rest), *attribute;
    network_names(&node, 1, inputs);
    network_names(&node, 2, outputs);
    wire_text(&node, 3, name);
    wire_text(&node, 4, op);
    while ((attribute = strtok_r(NULL, " ", rest)))
        network_attribute(&node, attribute);
    wire_put(graph, GRAPH_NODE, &node);
}

/* The bytes of a model file; opset 13. */
static inline struct wire network(const char *text)
{
    struct wire graph = {0};
    char *copy = strdup(text), *rest = NULL;
    if (!copy)
        abort();
    for (char *line = strtok_r(copy, ";\n", &rest); line; line = strtok_r(NULL, ";\n", &rest)) {
        char *words = NULL, *op = strtok_r(line, " ", &words);
        if (!op)
            continue;
        if (strcmp(op, "input") == 0)
            network_end(&graph, GRAPH_INPUT, &words);
        else if (strcmp(op, "output") == 0)
            network_end(&graph, GRAPH_OUTPUT, &words);
        else if (strcmp(op, "float") == 0)
            network_floats(&graph, &words);
        else if (strcmp(op, "int") == 0 || strcmp(op, "scalar") == 0)
            network_integers(&graph, *op == 's', &words);
        else
            network_node(&graph, op, &words);
    }
    free(copy);
    return make_model(&graph);
}

/* The same, in the scratch folder; returns its path. */
static inline const char *network_file(const char *text)
{
    struct wire bytes = network(text);
    scratch_write("m.onnx", bytes.bytes, bytes.size);
    wire_free(&bytes);
    return scratch_path("m.onnx");
}

#endif
