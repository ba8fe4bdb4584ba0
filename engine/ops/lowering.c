/* From the file's nodes to steps: names, and the way of one node. */
#include <string.h>

#include "base/memory.h"
#include "ops/ops.h"

static const struct onnx_rule *const families[] = {
    rules_conv, rules_pool, rules_pointwise, rules_norm, rules_shape, rules_channels, rules_reduce};

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    return hash;
}

struct symbol *lowering_find(struct lowering *l, const char *name)
{
    for (uint64_t h = hash_text(name);; h++) {
        uint32_t index = l->table[h & (l->table_size - 1)];
        if (!index)
            return NULL;
        if (strcmp(l->symbols[index - 1].name, name) == 0)
            return &l->symbols[index - 1];
    }
}

static enum lm_status declare(struct lowering *l, const char *name)
{
    char text[ONNX_QUOTE];
    if (lowering_find(l, name))
        return lm_fail(l->error, LM_CORRUPT, "'%s' is written twice", onnx_quote(name, text));
    uint64_t h = hash_text(name);
    while (l->table[h & (l->table_size - 1)])
        h++;
    l->symbols[l->n_symbols].name = name;
    l->table[h & (l->table_size - 1)] = (uint32_t)++l->n_symbols;
    return LM_OK;
}

static size_t count_names(const struct onnx_model *model)
{
    size_t n = model->n_initializers + model->n_inputs;
    for (size_t i = 0; i < model->n_nodes; i++)
        n += model->nodes[i].n_outputs;
    return n;
}

static enum lm_status declare_all(struct lowering *l)
{
    struct onnx_model *model = l->model;
    enum lm_status status = LM_OK;
    for (size_t i = 0; i < model->n_initializers && status == LM_OK; i++) {
        status = declare(l, model->initializers[i].name);
        if (status == LM_OK) {
            struct symbol *symbol = &l->symbols[l->n_symbols - 1];
            symbol->kind = SYMBOL_CONSTANT;
            symbol->tensor = model->initializers[i];
            model->initializers[i].data = NULL;
        }
    }
    for (size_t i = 0; i < model->n_inputs && status == LM_OK; i++)
        status = declare(l, model->inputs[i].name);
    for (size_t i = 0; i < model->n_nodes; i++)
        for (size_t k = 0; k < model->nodes[i].n_outputs && status == LM_OK; k++)
            if (model->nodes[i].outputs[k][0])
                status = declare(l, model->nodes[i].outputs[k]);
    return status;
}

static void count_uses(struct lowering *l)
{
    struct symbol *symbol;
    for (size_t i = 0; i < l->model->n_nodes; i++)
        for (size_t k = 0; k < l->model->nodes[i].n_inputs; k++)
            if ((symbol = lowering_find(l, l->model->nodes[i].inputs[k])))
                symbol->pending = ++symbol->uses;
    for (size_t i = 0; i < l->model->n_outputs; i++)
        if ((symbol = lowering_find(l, l->model->outputs[i].name)))
            symbol->pending = ++symbol->uses;
}

/* Constants are folded into others of their size, a few times at the most; a file of a few bytes
 * that asks for gigabytes is up to no good. */
enum { FOLD_TIMES = 4, FOLD_SMALL = 1 << 28 };

static uint64_t tensor_bytes(const struct onnx_tensor *tensor)
{
    return (uint64_t)tensor->count * (tensor->type == ONNX_FLOAT ? sizeof(float) : sizeof(int64_t));
}

static uint64_t fold_limit(const struct onnx_model *model, uint64_t max_bytes)
{
    uint64_t bytes = 0; /* of the file's tensors, which are within max_bytes */
    for (size_t i = 0; i < model->n_initializers; i++)
        bytes += tensor_bytes(&model->initializers[i]);
    for (size_t i = 0; i < model->n_nodes; i++)
        for (size_t k = 0; k < model->nodes[i].n_attributes; k++)
            if (model->nodes[i].attributes[k].kind == ONNX_ATTR_TENSOR)
                bytes += tensor_bytes(&model->nodes[i].attributes[k].tensor);
    uint64_t spare = max_bytes > FOLD_SMALL ? max_bytes - FOLD_SMALL : 0;
    return bytes < spare / FOLD_TIMES ? FOLD_SMALL + FOLD_TIMES * bytes : max_bytes;
}

enum lm_status lowering_start(struct lowering *l, struct graph *graph, struct onnx_model *model,
                              struct lm_error *error)
{
    *l = (struct lowering){.graph = graph,
                           .model = model,
                           .fold_limit = fold_limit(model, graph->limits.max_bytes),
                           .error = error};
    size_t names = count_names(model) + 1;
    l->table_size = 16;
    while (l->table_size < 2 * names)
        l->table_size *= 2;
    l->symbols = array_zalloc(names, sizeof *l->symbols);
    l->table = array_zalloc(l->table_size, sizeof *l->table);
    if (!l->symbols || !l->table)
        return lm_fail(error, LM_NOMEM, "out of memory for %zu names", names);
    enum lm_status status = declare_all(l);
    if (status == LM_OK)
        count_uses(l);
    return status;
}

void lowering_free(struct lowering *l)
{
    for (size_t i = 0; i < l->n_symbols; i++)
        free(l->symbols[i].tensor.data);
    free(l->symbols);
    free(l->table);
    *l = (struct lowering){0};
}

const struct symbol *input_symbol(struct lowering *l, const struct onnx_node *node, size_t i)
{
    if (i >= node->n_inputs || !node->inputs[i][0])
        return NULL;
    return lowering_find(l, node->inputs[i]);
}

const struct view *input_view(struct lowering *l, const struct onnx_node *node, size_t i)
{
    const struct symbol *symbol = input_symbol(l, node, i);
    return symbol && symbol->kind == SYMBOL_VIEW ? &symbol->view : NULL;
}

const struct onnx_tensor *input_constant(struct lowering *l, const struct onnx_node *node, size_t i)
{
    const struct symbol *symbol = input_symbol(l, node, i);
    return symbol && symbol->kind == SYMBOL_CONSTANT ? &symbol->tensor : NULL;
}

enum lm_status output_view(struct lowering *l, const struct onnx_node *node, size_t i,
                           const struct view *view)
{
    if (i < node->n_outputs && node->outputs[i][0]) {
        struct symbol *symbol = lowering_find(l, node->outputs[i]);
        symbol->kind = SYMBOL_VIEW;
        symbol->view = *view;
        for (size_t k = 0; k < node->n_inputs; k++) {
            const struct symbol *input = input_symbol(l, node, k);
            if (input && input->kind == SYMBOL_VIEW && input->view.value == view->value)
                l->graph->values[view->value].shared |= input->uses > 1;
        }
    }
    return LM_OK;
}

enum lm_status output_constant(struct lowering *l, const struct onnx_node *node, size_t i,
                               struct onnx_tensor *tensor)
{
    struct symbol *symbol =
        i < node->n_outputs && node->outputs[i][0] ? lowering_find(l, node->outputs[i]) : NULL;
    if (!symbol) {
        free(tensor->data);
        return LM_OK;
    }
    symbol->kind = SYMBOL_CONSTANT;
    symbol->tensor = *tensor;
    return LM_OK;
}

int64_t attribute_int(const struct onnx_node *node, const char *name, int64_t otherwise)
{
    const struct onnx_attribute *attribute = onnx_attribute_find(node, name);
    return attribute && attribute->kind == ONNX_ATTR_INT ? attribute->i : otherwise;
}

float attribute_float(const struct onnx_node *node, const char *name, float otherwise)
{
    const struct onnx_attribute *attribute = onnx_attribute_find(node, name);
    return attribute && attribute->kind == ONNX_ATTR_FLOAT ? attribute->f : otherwise;
}

const char *attribute_string(const struct onnx_node *node, const char *name, const char *otherwise)
{
    const struct onnx_attribute *attribute = onnx_attribute_find(node, name);
    return attribute && attribute->kind == ONNX_ATTR_STRING ? attribute->s : otherwise;
}

enum lm_status setting_ints(struct lowering *l, const struct onnx_node *node, const char *name,
                            size_t index, const int64_t **ints, size_t *n)
{
    const struct onnx_attribute *attribute = name ? onnx_attribute_find(node, name) : NULL;
    const struct symbol *symbol = input_symbol(l, node, index);
    *ints = NULL;
    *n = SIZE_MAX;
    if (attribute) {
        *ints = attribute->ints;
        *n = attribute->n;
    } else if (symbol) {
        if (symbol->kind != SYMBOL_CONSTANT || symbol->tensor.type != ONNX_INT64)
            return REFUSE(l, "%s is computed from the image, or not made of integers",
                          name ? name : "an input");
        *ints = symbol->tensor.i;
        *n = symbol->tensor.count;
    }
    return LM_OK;
}

enum lm_status setting_float(struct lowering *l, const struct onnx_node *node, const char *name,
                             size_t index, float otherwise, float *out)
{
    const struct onnx_attribute *attribute = onnx_attribute_find(node, name);
    const struct symbol *symbol = input_symbol(l, node, index);
    *out = otherwise;
    if (attribute && attribute->kind == ONNX_ATTR_FLOAT) {
        *out = attribute->f;
    } else if (symbol) {
        if (symbol->kind != SYMBOL_CONSTANT || symbol->tensor.count != 1)
            return REFUSE(l, "%s is computed from the image, or not one number", name);
        *out = symbol->tensor.type == ONNX_FLOAT ? symbol->tensor.f[0] : (float)symbol->tensor.i[0];
    }
    return LM_OK;
}

static const struct onnx_rule *find_rule(const char *op)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const struct onnx_rule *rule = families[f]; rule->op; rule++)
            if (strcmp(rule->op, op) == 0)
                return rule;
    return NULL;
}

const char *onnx_operator_name(size_t index)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const struct onnx_rule *rule = families[f]; rule->op; rule++)
            if (index-- == 0)
                return rule->op;
    return fold_only_name(index);
}

void lowering_give_up(struct lowering *l, const struct onnx_node *node)
{
    for (size_t i = 0; i < node->n_outputs; i++)
        if (node->outputs[i][0])
            lowering_find(l, node->outputs[i])->kind = SYMBOL_UNKNOWN;
}

static enum lm_status lower_node(struct lowering *l, const struct onnx_node *node)
{
    const struct onnx_rule *rule = find_rule(node->op);
    bool constant = true, unknown = false;
    char op[ONNX_QUOTE];
    for (size_t i = 0; i < node->n_inputs; i++) {
        const struct symbol *symbol = input_symbol(l, node, i);
        constant &= !symbol || symbol->kind == SYMBOL_CONSTANT;
        unknown |= symbol && symbol->kind == SYMBOL_UNKNOWN;
    }
    if (!rule && !fold_supported(node->op))
        return REFUSE(l, "operator %s is not supported", onnx_quote(node->op, op));
    if (unknown) {
        lowering_give_up(l, node);
        return LM_OK;
    }
    if (node->n_outputs == 0)
        return LM_OK;
    enum lm_status status = attributes_check(l, node);
    if (status != LM_OK)
        return status;
    if (fold_supported(node->op) && (constant || strcmp(node->op, "Shape") == 0))
        return fold_node(l, node);
    if (!rule || constant)
        return REFUSE(l, "operator %s is supported on %s only", onnx_quote(node->op, op),
                      rule ? "values computed from the image" : "constants");
    return rule->lower(l, node);
}

/* Steps have numbers of their own: constants that no later node reads are not needed any more. */
static void release_inputs(struct lowering *l, const struct onnx_node *node)
{
    for (size_t i = 0; i < node->n_inputs; i++) {
        struct symbol *symbol = lowering_find(l, node->inputs[i]);
        if (!symbol || --symbol->pending > 0)
            continue;
        free(symbol->tensor.data);
        symbol->tensor.data = NULL;
    }
}

/* Helpers that only return a pointer or a bool have said in `error` what is wrong. */
enum lm_status lowering_node(struct lowering *l, const struct onnx_node *node,
                             struct lm_error *error)
{
    l->error = error;
    enum lm_status status = lower_node(l, node);
    release_inputs(l, node);
    return status != LM_OK && error->status != LM_OK ? error->status : status;
}
