/* onnx_read: the stages of reading a model, and freeing what they made. */
#include <string.h>

#include "base/memory.h"
#include "onnx/reader.h"

static enum lm_status read_bytes(const struct onnx_reader *reader, uint8_t **bytes, size_t *size)
{
    struct onnx_file file;
    enum lm_status status = onnx_file_open(reader, reader->path, "", &file);
    if (status != LM_OK)
        return status;
    uint8_t *buffer = NULL;
    if (file.size == 0)
        status = onnx_fail(reader, LM_CORRUPT, "the file is empty");
    else if (file.size > SIZE_MAX || !(buffer = malloc((size_t)file.size)))
        status = onnx_nomem(reader);
    else
        status = onnx_file_read(reader, &file, 0, buffer, (size_t)file.size, "");
    onnx_file_close(&file);
    if (status != LM_OK) {
        free(buffer);
        return status;
    }
    *bytes = buffer;
    *size = (size_t)file.size;
    return LM_OK;
}

static enum lm_status read_model(struct onnx_reader *reader, struct onnx_model *model)
{
    struct onnx_links links = {0};
    uint8_t *bytes;
    size_t size;
    enum lm_status status = read_bytes(reader, &bytes, &size);
    if (status == LM_OK)
        status = onnx_unpack(reader, bytes, size, model);
    if (status == LM_OK)
        status = onnx_check_nodes(reader, model);
    if (status == LM_OK)
        status = onnx_link(reader, model, &links);
    if (status == LM_OK)
        status = onnx_sort(reader, model, &links);
    free(links.first);
    free(links.producer);
    return status;
}

enum lm_status onnx_read(const char *path, const struct lm_model_limits *limits,
                         struct onnx_model *out, struct lm_error *error)
{
    struct onnx_reader reader = {.path = path, .limits = limits, .error = error};
    struct onnx_model model = {0};
    const char *slash = strrchr(path, '/');
    onnx_quote(slash && slash[1] ? slash + 1 : path, reader.file);
    if (limits->max_nodes > SIZE_MAX / ONNX_NODE_BYTES)
        reader.structure_bytes = SIZE_MAX;
    else
        reader.structure_bytes = (size_t)limits->max_nodes * ONNX_NODE_BYTES;
    enum lm_status status = read_model(&reader, &model);
    onnx_external_close(&reader);
    if (status != LM_OK) {
        onnx_free(&model);
        return status;
    }
    *out = model;
    return LM_OK;
}

void onnx_tensor_free(struct onnx_tensor *tensor)
{
    if (!tensor)
        return;
    free(tensor->name);
    free(tensor->data);
    *tensor = (struct onnx_tensor){0};
}

static void attribute_free(struct onnx_attribute *attribute)
{
    free(attribute->name);
    free(attribute->s);
    free(attribute->floats);
    free(attribute->ints);
    onnx_tensor_free(&attribute->tensor);
}

static void texts_free(char **texts, size_t n)
{
    for (size_t k = 0; k < n; k++)
        free(texts[k]);
    free(texts);
}

static void node_free(struct onnx_node *node)
{
    free(node->name);
    free(node->op);
    free(node->domain);
    texts_free(node->inputs, node->n_inputs);
    texts_free(node->outputs, node->n_outputs);
    for (size_t k = 0; k < node->n_attributes; k++)
        attribute_free(&node->attributes[k]);
    free(node->attributes);
}

static void values_free(struct onnx_value *values, size_t n)
{
    for (size_t k = 0; k < n; k++)
        free(values[k].name);
    free(values);
}

void onnx_free(struct onnx_model *model)
{
    if (!model)
        return;
    free(model->producer);
    for (size_t k = 0; k < model->n_nodes; k++)
        node_free(&model->nodes[k]);
    free(model->nodes);
    for (size_t k = 0; k < model->n_initializers; k++)
        onnx_tensor_free(&model->initializers[k]);
    free(model->initializers);
    values_free(model->inputs, model->n_inputs);
    values_free(model->outputs, model->n_outputs);
    *model = (struct onnx_model){0};
}

const struct onnx_attribute *onnx_attribute_find(const struct onnx_node *node, const char *name)
{
    for (size_t k = 0; k < node->n_attributes; k++)
        if (strcmp(node->attributes[k].name, name) == 0)
            return &node->attributes[k];
    return NULL;
}
