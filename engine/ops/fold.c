/* Constant folding: shape arithmetic, and arithmetic on weights that exporters leave in the file.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/folding.h"

size_t folding_element_bytes(enum onnx_type type)
{
    return type == ONNX_FLOAT ? sizeof(float) : sizeof(int64_t);
}

/* Sets the shape and type of the result and takes its memory. */
enum lm_status folding_shape(struct folding *f, enum onnx_type type, uint32_t rank,
                             const int64_t *dims)
{
    size_t count = 1;
    if (rank > ONNX_MAX_RANK)
        return REFUSE(f->l, "rank %u (at most %d)", rank, ONNX_MAX_RANK);
    for (uint32_t a = 0; a < rank; a++) {
        if (dims[a] < 0)
            return lm_fail(f->l->error, LM_CORRUPT, "a constant with a size of %" PRId64, dims[a]);
        if (!size_mul(count, (size_t)dims[a], &count) || count > f->l->graph->limits.max_elements)
            return lm_fail(f->l->error, LM_LIMIT, "a constant of more than %" PRIu64 " numbers",
                           f->l->graph->limits.max_elements);
    }
    uint64_t bytes = (uint64_t)count * folding_element_bytes(type);
    if (bytes > f->l->fold_limit - f->l->folded_bytes)
        return lm_fail(f->l->error, LM_LIMIT,
                       "constants folded so far need more than the limit of %" PRIu64 " bytes",
                       f->l->fold_limit);
    f->l->folded_bytes += bytes;
    f->out = (struct onnx_tensor){.type = type, .rank = rank, .count = count};
    if (rank)
        memcpy(f->out.dims, dims, rank * sizeof *dims);
    f->out.data = array_zalloc(count, folding_element_bytes(type));
    return f->out.data ? LM_OK : lm_fail(f->l->error, LM_NOMEM, "out of memory for a constant");
}

enum lm_status folding_need(struct folding *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i >= f->n || !f->in[i])
            return lm_fail(f->l->error, LM_CORRUPT, "input %zu is missing", i);
    return LM_OK;
}

void folding_copy_element(struct onnx_tensor *out, size_t to, const struct onnx_tensor *in,
                          size_t from)
{
    if (out->type == ONNX_FLOAT)
        out->f[to] = in->f[from];
    else
        out->i[to] = in->i[from];
}

/* Index into `in` of element `index` of a tensor with dims `dims`, by numpy broadcasting. */
size_t folding_broadcast_index(const struct onnx_tensor *in, uint32_t rank, const int64_t *dims,
                               size_t index)
{
    size_t result = 0, stride = 1;
    for (uint32_t a = rank; a-- > 0;) {
        size_t at = index % (size_t)dims[a];
        index /= (size_t)dims[a];
        uint32_t back = rank - 1 - a;
        if (back < in->rank) {
            size_t extent = (size_t)in->dims[in->rank - 1 - back];
            result += (extent == 1 ? 0 : at) * stride;
            stride *= extent;
        }
    }
    return result;
}

enum lm_status folding_broadcast(struct folding *f, size_t n_inputs, uint32_t *rank, int64_t *dims)
{
    *rank = 0;
    for (size_t i = 0; i < n_inputs; i++)
        *rank = f->in[i]->rank > *rank ? f->in[i]->rank : *rank;
    for (uint32_t a = 0; a < *rank; a++) {
        dims[a] = 1;
        for (size_t i = 0; i < n_inputs; i++) {
            uint32_t missing = *rank - f->in[i]->rank;
            int64_t d = a < missing ? 1 : f->in[i]->dims[a - missing];
            if (d != 1 && dims[a] != 1 && d != dims[a])
                return lm_fail(f->l->error, LM_CORRUPT, "shapes that cannot be broadcast");
            dims[a] = d == 1 ? dims[a] : d;
        }
    }
    return LM_OK;
}

float folding_float(const struct onnx_tensor *t, size_t i)
{
    return t->type == ONNX_FLOAT ? t->f[i] : (float)t->i[i];
}

static enum lm_status fold_constant(struct folding *f)
{
    const struct onnx_node *node = f->node;
    if (node->n_attributes != 1)
        return lm_fail(f->l->error, LM_CORRUPT, "a Constant needs one value");
    const struct onnx_attribute *a = &node->attributes[0];
    int64_t n = (int64_t)a->n;
    enum lm_status status;
    char text[ONNX_QUOTE];
    switch (a->kind) {
    case ONNX_ATTR_TENSOR:
        f->in[0] = &a->tensor;
        f->n = 1;
        return fold_copy(f);
    case ONNX_ATTR_INT:
        if ((status = folding_shape(f, ONNX_INT64, 0, NULL)) == LM_OK)
            f->out.i[0] = a->i;
        return status;
    case ONNX_ATTR_FLOAT:
        if ((status = folding_shape(f, ONNX_FLOAT, 0, NULL)) == LM_OK)
            f->out.f[0] = a->f;
        return status;
    case ONNX_ATTR_INTS:
        if ((status = folding_shape(f, ONNX_INT64, 1, &n)) == LM_OK && n)
            memcpy(f->out.i, a->ints, a->n * sizeof *a->ints);
        return status;
    case ONNX_ATTR_FLOATS:
        if ((status = folding_shape(f, ONNX_FLOAT, 1, &n)) == LM_OK && n)
            memcpy(f->out.f, a->floats, a->n * sizeof *a->floats);
        return status;
    default: return REFUSE(f->l, "a Constant with attribute %s", onnx_quote(a->name, text));
    }
}

static enum lm_status fold_shape(struct folding *f)
{
    const struct symbol *symbol = input_symbol(f->l, f->node, 0);
    if (!symbol)
        return folding_need(f, 1);
    bool view = symbol->kind == SYMBOL_VIEW;
    if (!view && symbol->kind != SYMBOL_CONSTANT)
        return folding_need(f, 1);
    if (view && view_has_border(&symbol->view))
        return REFUSE(f->l, "a padded border that meets Shape");
    int64_t rank = view ? symbol->view.rank : symbol->tensor.rank;
    const int64_t *dims = view ? symbol->view.dims : symbol->tensor.dims;
    int64_t start = attribute_int(f->node, "start", 0), end = attribute_int(f->node, "end", rank);
    start = start < 0 ? start + rank : start;
    end = end < 0 ? end + rank : end;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end = end > rank ? rank : end < start ? start : end;
    int64_t n = end - start;
    enum lm_status status = folding_shape(f, ONNX_INT64, 1, &n);
    if (status == LM_OK)
        memcpy(f->out.i, dims + start, (size_t)n * sizeof *dims);
    return status;
}

static enum lm_status fold_constant_of_shape(struct folding *f)
{
    const struct onnx_attribute *value = onnx_attribute_find(f->node, "value");
    if (folding_need(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *shape = f->in[0];
    const struct onnx_tensor *fill =
        value && value->kind == ONNX_ATTR_TENSOR && value->tensor.count == 1 ? &value->tensor
                                                                             : NULL;
    if (shape->type != ONNX_INT64 || shape->count > ONNX_MAX_RANK)
        return lm_fail(f->l->error, LM_CORRUPT, "a shape of %zu numbers", shape->count);
    enum lm_status status =
        folding_shape(f, fill ? fill->type : ONNX_FLOAT, (uint32_t)shape->count, shape->i);
    for (size_t i = 0; i < f->out.count && fill && status == LM_OK; i++)
        folding_copy_element(&f->out, i, fill, 0);
    return status;
}

static enum lm_status fold_range(struct folding *f)
{
    if (folding_need(f, 3) != LM_OK)
        return LM_CORRUPT;
    for (size_t i = 0; i < 3; i++)
        if (f->in[i]->type != ONNX_INT64 || f->in[i]->count != 1)
            return REFUSE(f->l, "a Range of other than integers");
    int64_t start = f->in[0]->i[0], end = f->in[1]->i[0], step = f->in[2]->i[0], n = 0;
    bool small = start >= -INT32_MAX && start <= INT32_MAX && end >= -INT32_MAX &&
                 end <= INT32_MAX && step >= -INT32_MAX && step <= INT32_MAX;
    if (step == 0 || !small)
        return lm_fail(f->l->error, LM_CORRUPT,
                       "a Range from %" PRId64 " to %" PRId64 " in steps of %" PRId64
                       " (beyond +-2^31, or 0)",
                       start, end, step);
    if (step > 0 ? end > start : end < start)
        n = (end - start + step + (step > 0 ? -1 : 1)) / step;
    enum lm_status status = folding_shape(f, ONNX_INT64, 1, &n);
    for (int64_t i = 0; i < n && status == LM_OK; i++)
        f->out.i[i] = start + i * step;
    return status;
}

static const struct {
    const char *op;
    enum lm_status (*fold)(struct folding *f);
} folds[] = {
    {"Constant", fold_constant},
    {"Shape", fold_shape},
    {"ConstantOfShape", fold_constant_of_shape},
    {"Range", fold_range},
    {"Expand", fold_expand},
    {"Equal", fold_binary},
    {"Greater", fold_binary},
    {"Less", fold_binary},
    {"Mod", fold_binary},
    {"Where", fold_where},
    {"Cast", fold_cast},
    {"Gather", fold_gather},
    {"Concat", fold_concat},
    {"Reshape", fold_reshape},
    {"Transpose", fold_transpose},
    {"Squeeze", fold_squeeze},
    {"Unsqueeze", fold_squeeze},
    {"Slice", fold_slice},
    {"Identity", fold_copy},
    {"Add", fold_binary},
    {"Sub", fold_binary},
    {"Mul", fold_binary},
    {"Div", fold_binary},
    {"Pow", fold_binary},
    {"Max", fold_binary},
    {"Min", fold_binary},
    {"Sqrt", fold_unary},
    {"Floor", fold_unary},
    {"Ceil", fold_unary},
    {"Exp", fold_unary},
    {"Reciprocal", fold_unary},
    {"Neg", fold_unary},
    {"Abs", fold_unary},
};

enum { FOLDS = sizeof folds / sizeof *folds, FOLD_ONLY = 10 };

bool fold_supported(const char *op)
{
    for (size_t i = 0; i < FOLDS; i++)
        if (strcmp(folds[i].op, op) == 0)
            return true;
    return false;
}

const char *fold_only_name(size_t index)
{
    return index < FOLD_ONLY ? folds[index].op : NULL;
}

enum lm_status fold_node(struct lowering *l, const struct onnx_node *node)
{
    struct folding f = {.l = l, .node = node, .n = node->n_inputs};
    if (node->n_inputs > sizeof f.in / sizeof *f.in)
        return REFUSE(l, "%zu constant inputs", node->n_inputs);
    for (size_t i = 0; i < node->n_inputs; i++)
        f.in[i] = input_constant(l, node, i);
    size_t which = 0;
    while (strcmp(folds[which].op, node->op) != 0)
        which++;
    enum lm_status status = folds[which].fold(&f);
    if (status == LM_OK)
        return output_constant(l, node, 0, &f.out);
    free(f.out.data);
    return status;
}
