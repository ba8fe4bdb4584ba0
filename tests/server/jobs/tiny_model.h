/* A model folder with a small network: 3 x 24 x 24 -> Conv 3x3 of 8 -> Relu -> mean -> 8 logits.
 * Include cmocka.h first. */
#ifndef TEST_TINY_MODEL_H
#define TEST_TINY_MODEL_H

#include <sys/stat.h>

#include "onnx_build.h"

enum { TINY_SIDE = 24, TINY_CLASSES = 8 };

static inline void tiny_put_weights(struct wire *graph, uint32_t seed)
{
    float numbers[TINY_CLASSES * 3 * 9];
    const int64_t dims[] = {TINY_CLASSES, 3, 3, 3};
    struct wire tensor = {0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        seed = seed * 1664525u + 1013904223u;
        numbers[i] = (float)(seed >> 8) / (float)(1 << 23) - 1;
    }
    for (int i = 0; i < 4; i++)
        wire_int(&tensor, 1, dims[i]);
    wire_int(&tensor, 2, 1);
    wire_text(&tensor, 8, "w");
    wire_data(&tensor, 9, numbers, sizeof numbers);
    wire_put(graph, GRAPH_INITIALIZER, &tensor);
}

static inline void tiny_put_conv(struct wire *graph)
{
    struct wire node = make_node("conv", "Conv", "x,w", "a"), pads = {0};
    wire_text(&pads, 1, "pads");
    for (int i = 0; i < 4; i++)
        wire_int(&pads, 8, 1);
    wire_int(&pads, 20, 7);
    wire_put(&node, NODE_ATTRIBUTE, &pads);
    wire_put(graph, GRAPH_NODE, &node);
}

/* Writes scratch/<folder>/model.onnx and model.json. */
static inline void tiny_model_write(const char *folder, uint32_t seed)
{
    static const char json[] = "{\"name\": \"tiny\", \"input\": {\"size\": [24, 24], "
                               "\"resize_shorter\": null, \"mean\": [127.5, 127.5, 127.5], "
                               "\"std\": [64, 64, 64]}}";
    const int64_t in[] = {-1, 3, TINY_SIDE, TINY_SIDE}, out[] = {-1, TINY_CLASSES};
    char name[300];
    struct wire graph = {0};
    tiny_put_conv(&graph);
    put_node(&graph, "relu", "Relu", "a", "b");
    put_node(&graph, "pool", "GlobalAveragePool", "b", "c");
    put_node(&graph, "flat", "Flatten", "c", "y");
    tiny_put_weights(&graph, seed);
    put_value(&graph, GRAPH_INPUT, "x", 4, in);
    put_value(&graph, GRAPH_OUTPUT, "y", 2, out);
    struct wire model = make_model(&graph);
    mkdir(scratch_path(folder), 0700);
    snprintf(name, sizeof name, "%s/model.onnx", folder);
    scratch_write(name, model.bytes, model.size);
    snprintf(name, sizeof name, "%s/model.json", folder);
    scratch_write(name, json, sizeof json - 1);
    wire_free(&model);
}

#endif
