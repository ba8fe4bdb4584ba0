/* Loading a model: read, lower node by node, fuse, plan; and what is known about it afterwards. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "model_room.h"
#include "onnx/onnx.h"
#include "ops/ops.h"

enum { MAX_SIDE = 4096 };

static struct lm_model_limits fill_limits(const struct lm_model_options *options)
{
    struct lm_model_limits limits = options ? options->limits : (struct lm_model_limits){0};
    if (!limits.max_file_bytes)
        limits.max_file_bytes = (uint64_t)2 << 30;
    if (!limits.max_nodes)
        limits.max_nodes = 20000;
    if (!limits.max_elements)
        limits.max_elements = (uint64_t)1 << 29;
    if (!limits.max_bytes)
        limits.max_bytes = (uint64_t)4 << 30;
    return limits;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The sizes of the input: the file's, or the caller's where the file leaves them open. */
static enum lm_status input_dims(const struct onnx_value *input,
                                 const struct lm_model_options *options, int64_t *dims,
                                 struct lm_error *error)
{
    char name[ONNX_QUOTE];
    onnx_quote(input->name, name);
    if (!input->has_shape || input->rank != 4)
        return lm_fail(error, LM_UNSUPPORTED, "input '%s' has rank %u, not N,C,H,W", name,
                       input->has_shape ? input->rank : 0);
    memcpy(dims, input->dims, 4 * sizeof *dims);
    int64_t asked[4] = {1, 3, options ? options->height : 0, options ? options->width : 0};
    for (int a = 0; a < 4; a++) {
        const char *axis = (const char *[]){"batch", "channels", "height", "width"}[a];
        if (dims[a] == 0)
            return lm_fail(error, LM_CORRUPT, "input '%s': %s 0 (1 to %d)", name, axis, MAX_SIDE);
        if (dims[a] < 0)
            dims[a] = asked[a];
        if (dims[a] < 1)
            return lm_fail(error, LM_INVALID,
                           "input '%s' leaves its %s open: say it in model.json's input.size", name,
                           axis);
        if (dims[a] > MAX_SIDE)
            return lm_fail(error, LM_LIMIT, "input '%s': %s %" PRId64 " (at most %d)", name, axis,
                           dims[a], MAX_SIDE);
        if (a >= 2 && asked[a] && dims[a] != asked[a])
            return lm_fail(error, LM_INVALID,
                           "input '%s': %s is %" PRId64 " in the file, but %" PRId64
                           " was asked for",
                           name, axis, dims[a], asked[a]);
    }
    return LM_OK;
}

static enum lm_status define_input(struct lowering *l, const struct onnx_model *onnx,
                                   const struct lm_model_options *options, struct lm_error *error)
{
    if (onnx->n_inputs != 1)
        return lm_fail(error, LM_UNSUPPORTED, "%zu inputs; an image classifier has one",
                       onnx->n_inputs);
    struct view view = {.rank = 4, .row_axis = 2, .column_axis = 3};
    char name[ONNX_QUOTE];
    int32_t type = onnx->inputs[0].source_type; /* 0: it does not say */
    if (type && !onnx_type_is_float(type))
        return lm_fail(error, LM_UNSUPPORTED, "input '%s' is %s; only floats are supported",
                       onnx_quote(onnx->inputs[0].name, name), onnx_type_name(type));
    enum lm_status status = input_dims(&onnx->inputs[0], options, view.dims, error);
    if (status != LM_OK)
        return status;
    struct value value = {.spatial = true,
                          .height = (uint32_t)view.dims[2],
                          .width = (uint32_t)view.dims[3],
                          .channels = (uint32_t)view.dims[1],
                          .producer = GRAPH_NO_VALUE};
    l->graph->batch = (uint32_t)view.dims[0];
    if (!graph_add_value(l->graph, &value, &view.value, error))
        return LM_NOMEM;
    l->graph->input = view.value;
    struct symbol *symbol = lowering_find(l, onnx->inputs[0].name);
    symbol->kind = SYMBOL_VIEW;
    symbol->view = view;
    return LM_OK;
}

static enum lm_status find_output(struct lowering *l, const struct onnx_model *onnx,
                                  struct lm_error *error)
{
    const struct symbol *symbol = onnx->n_outputs ? lowering_find(l, onnx->outputs[0].name) : NULL;
    if (!symbol || symbol->kind != SYMBOL_VIEW)
        return lm_fail(error, LM_UNSUPPORTED, "the output is not computed from the image");
    if (view_spatial(l->graph, &symbol->view)) {
        char text[96], name[ONNX_QUOTE];
        return lm_fail(error, LM_UNSUPPORTED,
                       "output '%s' of %s still has rows and columns; "
                       "a classifier gives one row of scores",
                       onnx_quote(symbol->name, name),
                       shape_text(symbol->view.dims, symbol->view.rank, text));
    }
    l->graph->output = symbol->view.value;
    return LM_OK;
}

/* "node 'name' (Op): what", with its number for a node without a name */
static void describe(const struct onnx_model *onnx, size_t index, const char *what, char *text,
                     size_t size)
{
    const struct onnx_node *node = &onnx->nodes[index];
    char name[ONNX_QUOTE], op[ONNX_QUOTE];
    onnx_quote(node->op, op);
    if (node->name[0])
        snprintf(text, size, "node '%s' (%s): %s", onnx_quote(node->name, name), op, what);
    else
        snprintf(text, size, "node %zu (%s): %s", index, op, what);
}

/* Lowers all nodes. Without `refused`, stops at the first that is refused; else collects one line
 * each and goes on. */
static enum lm_status lower_all(struct lowering *l, const struct onnx_model *onnx,
                                struct text *refused, struct lm_error *error)
{
    for (size_t i = 0; i < onnx->n_nodes; i++) {
        struct lm_error found = {0};
        char line[700];
        enum lm_status status = lowering_node(l, &onnx->nodes[i], &found);
        if (status == LM_OK)
            continue;
        describe(onnx, i, found.text, line, sizeof line);
        if (!refused || status == LM_NOMEM)
            return lm_fail(error, status, "%s", line);
        if (!text_append(refused, line) || !text_append(refused, "\n"))
            return lm_fail(error, LM_NOMEM, "out of memory for the list of nodes");
        lowering_give_up(l, &onnx->nodes[i]);
    }
    return LM_OK;
}

static enum lm_status build(struct lm_model *model, struct onnx_model *onnx,
                            const struct lm_model_options *options, struct text *refused,
                            struct lm_error *error)
{
    struct lowering l;
    enum lm_status status = lowering_start(&l, &model->graph, onnx, error);
    if (status == LM_OK)
        status = define_input(&l, onnx, options, error);
    if (status == LM_OK)
        status = lower_all(&l, onnx, refused, error);
    if (status == LM_OK && !(refused && refused->length))
        status = find_output(&l, onnx, error);
    lowering_free(&l);
    if (status != LM_OK || (refused && refused->length))
        return status;
    status = graph_fuse(&model->graph, error);
    if (status == LM_OK)
        status = graph_place_recalls(&model->graph, error);
    graph_rectify(&model->graph);
    if (status == LM_OK)
        status = graph_pack(&model->graph, error);
    if (status == LM_OK)
        status = plan_make(&model->graph, &model->plan, error);
    if (status == LM_OK && options && options->memo_bytes)
        status = shelves_create(&model->graph, options->memo_bytes, &model->shelves, error);
    return status;
}

static enum lm_status count_operators(struct lm_model *model, const struct onnx_model *onnx,
                                      struct lm_error *error)
{
    for (size_t i = 0; i < onnx->n_nodes; i++) {
        uint32_t k = 0;
        while (k < model->n_operators && strcmp(model->operators[k].name, onnx->nodes[i].op) != 0)
            k++;
        if (k == model->n_operators) {
            void *operators = model->operators;
            if (!array_grow(&operators, &model->operator_capacity, k + 1, sizeof *model->operators))
                return lm_fail(error, LM_NOMEM, "out of memory for operators");
            model->operators = operators;
            model->operators[k] = (struct operator_count){strdup(onnx->nodes[i].op), 0};
            if (!model->operators[k].name)
                return lm_fail(error, LM_NOMEM, "out of memory for operators");
            model->n_operators++;
        }
        model->operators[k].count++;
    }
    return LM_OK;
}

static enum lm_status load(const char *path, const struct lm_model_options *options,
                           struct text *refused, struct lm_model **out, struct lm_error *error)
{
    struct onnx_model onnx = {0};
    struct lm_error found = {0};
    if (options && options->precision > LM_PRECISION_BFLOAT16)
        return lm_fail(error, LM_INVALID, "precision %d: there are %d (float32) and %d (bfloat16)",
                       (int)options->precision, LM_PRECISION_FLOAT32, LM_PRECISION_BFLOAT16);
    struct lm_model *model = array_zalloc(1, sizeof *model);
    if (!model)
        return lm_fail(error, LM_NOMEM, "out of memory for a model");
    model->graph.precision = options ? options->precision : LM_PRECISION_FLOAT32;
    model->kernels = kernels_choose(options && options->portable,
                                    model->graph.precision == LM_PRECISION_BFLOAT16);
    model->graph.kernels = model->kernels;
    model->graph.limits = fill_limits(options);
    model->graph.policy = options ? options->policy : (struct lm_policy){0};
    enum lm_status status = onnx_read(path, &model->graph.limits, &onnx, error);
    if (status == LM_OK) {
        model->graph.opset = onnx.opset;
        status = build(model, &onnx, options, refused, &found);
        if (status == LM_OK && !(refused && refused->length))
            status = count_operators(model, &onnx, &found);
        if (status != LM_OK)
            lm_fail(error, status, "%.60s: %.430s", file_name(path), found.text);
    }
    onnx_free(&onnx);
    if (status == LM_OK && out)
        *out = model;
    else
        lm_model_free(model);
    return status;
}

enum lm_status lm_model_load(const char *path, const struct lm_model_options *options,
                             struct lm_model **out, struct lm_error *error)
{
    return load(path, options, NULL, out, error);
}

enum lm_status lm_model_check(const char *path, const struct lm_model_options *options,
                              char **lines, struct lm_error *error)
{
    struct text refused = {0};
    struct lm_error found = {0};
    if (!text_append(&refused, ""))
        return lm_fail(error, LM_NOMEM, "out of memory");
    enum lm_status status = load(path, options, &refused, NULL, &found);
    if (status != LM_OK && status != LM_UNSUPPORTED) {
        free(refused.bytes);
        return lm_fail(error, status, "%s", found.text);
    }
    if (status != LM_OK && (!text_append(&refused, found.text) || !text_append(&refused, "\n"))) {
        free(refused.bytes);
        return lm_fail(error, LM_NOMEM, "out of memory");
    }
    *lines = refused.bytes;
    return LM_OK;
}

void lm_model_free(struct lm_model *model)
{
    if (!model)
        return;
    for (uint32_t i = 0; i < model->n_operators; i++)
        free(model->operators[i].name);
    free(model->operators);
    plan_free(&model->plan);
    graph_free(&model->graph);
    shelves_free(model->shelves);
    free(model);
}

bool text_append(struct text *text, const char *more)
{
    size_t n = strlen(more);
    void *bytes = text->bytes;
    if (!array_grow(&bytes, &text->capacity, text->length + n + 1, 1))
        return false;
    text->bytes = bytes;
    memcpy(text->bytes + text->length, more, n + 1);
    text->length += n;
    return true;
}
