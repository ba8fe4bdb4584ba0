/* Constant folding: shape arithmetic, and arithmetic on weights that exporters leave in the file.
 * Integers stay integers (ends of slices are 2^63 - 1); everything follows the ONNX operators. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "ops/ops.h"

struct folding {
    struct lowering *l;
    const struct onnx_node *node;
    size_t n;
    const struct onnx_tensor *in[8];
    struct onnx_tensor out;
};

static size_t element_bytes(enum onnx_type type)
{
    return type == ONNX_FLOAT ? sizeof(float) : sizeof(int64_t);
}

/* Sets the shape and type of the result and takes its memory. */
static enum lm_status shape_out(struct folding *f, enum onnx_type type, uint32_t rank,
                                const int64_t *dims)
{
    size_t count = 1;
    if (rank > ONNX_MAX_RANK)
        return REFUSE(f->l, "rank %u (at most %d)", rank, ONNX_MAX_RANK);
    for (uint32_t a = 0; a < rank; a++)
        if (dims[a] < 0 || !size_mul(count, (size_t)dims[a], &count) ||
            count > f->l->graph->limits.max_elements)
            return lm_fail(f->l->error, LM_LIMIT, "a constant of more than %" PRIu64 " numbers",
                           f->l->graph->limits.max_elements);
    f->out = (struct onnx_tensor){.type = type, .rank = rank, .count = count};
    if (rank)
        memcpy(f->out.dims, dims, rank * sizeof *dims);
    f->out.data = array_zalloc(count, element_bytes(type));
    return f->out.data ? LM_OK : lm_fail(f->l->error, LM_NOMEM, "out of memory for a constant");
}

static enum lm_status need_inputs(struct folding *f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i >= f->n || !f->in[i])
            return lm_fail(f->l->error, LM_CORRUPT, "input %zu is missing", i);
    return LM_OK;
}

static void copy_element(struct onnx_tensor *out, size_t to, const struct onnx_tensor *in,
                         size_t from)
{
    if (out->type == ONNX_FLOAT)
        out->f[to] = in->f[from];
    else
        out->i[to] = in->i[from];
}

/* Index into `in` of element `index` of a tensor with dims `dims`, by numpy broadcasting. */
static size_t broadcast_index(const struct onnx_tensor *in, uint32_t rank, const int64_t *dims,
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

static enum lm_status broadcast_shape(struct folding *f, size_t n_inputs, uint32_t *rank,
                                      int64_t *dims)
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

static int64_t combine_ints(const char *op, int64_t x, int64_t y)
{
    int64_t result = 0;
    if (!strcmp(op, "Add"))
        return __builtin_add_overflow(x, y, &result) ? INT64_MAX : result;
    if (!strcmp(op, "Sub"))
        return __builtin_sub_overflow(x, y, &result) ? INT64_MIN : result;
    if (!strcmp(op, "Mul"))
        return __builtin_mul_overflow(x, y, &result) ? INT64_MAX : result;
    if (!strcmp(op, "Div"))
        return y == 0 || (x == INT64_MIN && y == -1) ? 0 : x / y;
    if (!strcmp(op, "Mod"))
        return y == 0 || y == -1 ? 0 : ((x % y) + y) % y;
    if (!strcmp(op, "Equal"))
        return x == y;
    if (!strcmp(op, "Greater"))
        return x > y;
    if (!strcmp(op, "Less"))
        return x < y;
    return !strcmp(op, "Max") ? (x > y ? x : y) : (x < y ? x : y);
}

static float combine_floats(const char *op, float x, float y)
{
    if (!strcmp(op, "Add"))
        return x + y;
    if (!strcmp(op, "Sub"))
        return x - y;
    if (!strcmp(op, "Mul"))
        return x * y;
    if (!strcmp(op, "Div"))
        return x / y;
    if (!strcmp(op, "Pow"))
        return powf(x, y);
    return !strcmp(op, "Max") ? fmaxf(x, y) : fminf(x, y);
}

static float as_float(const struct onnx_tensor *t, size_t i)
{
    return t->type == ONNX_FLOAT ? t->f[i] : (float)t->i[i];
}

static enum lm_status fold_binary(struct folding *f)
{
    uint32_t rank;
    int64_t dims[ONNX_MAX_RANK];
    const char *op = f->node->op;
    bool compares = !strcmp(op, "Equal") || !strcmp(op, "Greater") || !strcmp(op, "Less");
    if (need_inputs(f, 2) != LM_OK || broadcast_shape(f, 2, &rank, dims) != LM_OK)
        return LM_CORRUPT;
    bool ints = f->in[0]->type == ONNX_INT64 && f->in[1]->type == ONNX_INT64;
    if (ints ? !strcmp(op, "Pow") : compares || !strcmp(op, "Mod"))
        return REFUSE(f->l, "%s of these constants is not supported", op);
    enum lm_status status = shape_out(f, ints ? ONNX_INT64 : ONNX_FLOAT, rank, dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++) {
        size_t a = broadcast_index(f->in[0], rank, dims, i);
        size_t b = broadcast_index(f->in[1], rank, dims, i);
        if (ints)
            f->out.i[i] = combine_ints(op, f->in[0]->i[a], f->in[1]->i[b]);
        else
            f->out.f[i] = combine_floats(op, as_float(f->in[0], a), as_float(f->in[1], b));
    }
    return status;
}

static float apply_float(const char *op, float x)
{
    if (!strcmp(op, "Sqrt"))
        return sqrtf(x);
    if (!strcmp(op, "Floor"))
        return floorf(x);
    if (!strcmp(op, "Ceil"))
        return ceilf(x);
    if (!strcmp(op, "Exp"))
        return expf(x);
    if (!strcmp(op, "Reciprocal"))
        return 1.0f / x;
    return !strcmp(op, "Neg") ? -x : fabsf(x);
}

static enum lm_status fold_unary(struct folding *f)
{
    const char *op = f->node->op;
    if (need_inputs(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0];
    if (in->type == ONNX_INT64 && strcmp(op, "Neg") != 0 && strcmp(op, "Abs") != 0)
        return REFUSE(f->l, "%s of integers is not supported", op);
    enum lm_status status = shape_out(f, in->type, in->rank, in->dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++)
        if (in->type == ONNX_FLOAT)
            f->out.f[i] = apply_float(op, in->f[i]);
        else if (!strcmp(op, "Neg") || in->i[i] < 0)
            f->out.i[i] = in->i[i] == INT64_MIN ? INT64_MAX : -in->i[i];
        else
            f->out.i[i] = in->i[i];
    return status;
}

static enum lm_status fold_copy(struct folding *f)
{
    if (need_inputs(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0];
    enum lm_status status = shape_out(f, in->type, in->rank, in->dims);
    if (status == LM_OK)
        memcpy(f->out.data, in->data, in->count * element_bytes(in->type));
    return status;
}

static enum lm_status fold_constant(struct folding *f)
{
    const struct onnx_node *node = f->node;
    if (node->n_attributes != 1)
        return lm_fail(f->l->error, LM_CORRUPT, "a Constant needs one value");
    const struct onnx_attribute *a = &node->attributes[0];
    int64_t n = (int64_t)a->n;
    enum lm_status status;
    switch (a->kind) {
    case ONNX_ATTR_TENSOR:
        f->in[0] = &a->tensor;
        f->n = 1;
        return fold_copy(f);
    case ONNX_ATTR_INT:
        if ((status = shape_out(f, ONNX_INT64, 0, NULL)) == LM_OK)
            f->out.i[0] = a->i;
        return status;
    case ONNX_ATTR_FLOAT:
        if ((status = shape_out(f, ONNX_FLOAT, 0, NULL)) == LM_OK)
            f->out.f[0] = a->f;
        return status;
    case ONNX_ATTR_INTS:
        if ((status = shape_out(f, ONNX_INT64, 1, &n)) == LM_OK && n)
            memcpy(f->out.i, a->ints, a->n * sizeof *a->ints);
        return status;
    case ONNX_ATTR_FLOATS:
        if ((status = shape_out(f, ONNX_FLOAT, 1, &n)) == LM_OK && n)
            memcpy(f->out.f, a->floats, a->n * sizeof *a->floats);
        return status;
    default: return REFUSE(f->l, "a Constant with attribute %.60s", a->name);
    }
}

static enum lm_status fold_shape(struct folding *f)
{
    const struct symbol *symbol = input_symbol(f->l, f->node, 0);
    if (!symbol)
        return need_inputs(f, 1);
    bool view = symbol->kind == SYMBOL_VIEW;
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
    enum lm_status status = shape_out(f, ONNX_INT64, 1, &n);
    if (status == LM_OK)
        memcpy(f->out.i, dims + start, (size_t)n * sizeof *dims);
    return status;
}

static enum lm_status fold_cast(struct folding *f)
{
    int64_t to = attribute_int(f->node, "to", 1);
    bool real = to == 1 || to == 10 || to == 11 || to == 16;
    if (need_inputs(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0];
    enum lm_status status = shape_out(f, real ? ONNX_FLOAT : ONNX_INT64, in->rank, in->dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++)
        if (real) {
            f->out.f[i] = as_float(in, i);
        } else if (in->type == ONNX_INT64) {
            f->out.i[i] = to == 9 ? in->i[i] != 0 : in->i[i];
        } else {
            float x = in->f[i];
            if (to == 9)
                f->out.i[i] = x != 0;
            else
                f->out.i[i] = x > -9e18f && x < 9e18f ? (int64_t)x : 0;
        }
    return status;
}

static enum lm_status fold_gather(struct folding *f)
{
    if (need_inputs(f, 2) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0], *index = f->in[1];
    int64_t axis = attribute_int(f->node, "axis", 0), dims[2 * ONNX_MAX_RANK];
    axis = axis < 0 ? axis + in->rank : axis;
    if (axis < 0 || axis >= (int64_t)in->rank || index->type != ONNX_INT64)
        return lm_fail(f->l->error, LM_CORRUPT, "axis %" PRId64 " of a rank %u constant", axis,
                       in->rank);
    uint32_t rank = 0;
    size_t outer = 1, inner = 1, extent = (size_t)in->dims[axis];
    for (uint32_t a = 0; a < in->rank; a++) {
        if (a == axis)
            for (uint32_t b = 0; b < index->rank; b++)
                dims[rank++] = index->dims[b];
        else
            dims[rank++] = in->dims[a];
        outer *= a < axis ? (size_t)in->dims[a] : 1;
        inner *= a > axis ? (size_t)in->dims[a] : 1;
    }
    enum lm_status status = shape_out(f, in->type, rank, dims);
    for (size_t o = 0; o < outer && status == LM_OK; o++)
        for (size_t k = 0; k < index->count; k++) {
            int64_t at = index->i[k] < 0 ? index->i[k] + (int64_t)extent : index->i[k];
            if (at < 0 || at >= (int64_t)extent)
                return lm_fail(f->l->error, LM_CORRUPT, "index %" PRId64 " of %zu", index->i[k],
                               extent);
            for (size_t j = 0; j < inner; j++)
                copy_element(&f->out, (o * index->count + k) * inner + j, in,
                             (o * extent + (size_t)at) * inner + j);
        }
    return status;
}

static enum lm_status fold_concat(struct folding *f)
{
    if (need_inputs(f, f->n) != LM_OK || f->n == 0)
        return LM_CORRUPT;
    const struct onnx_tensor *first = f->in[0];
    int64_t axis = attribute_int(f->node, "axis", 0), dims[ONNX_MAX_RANK];
    axis = axis < 0 ? axis + first->rank : axis;
    if (axis < 0 || axis >= (int64_t)first->rank)
        return lm_fail(f->l->error, LM_CORRUPT, "axis out of range");
    memcpy(dims, first->dims, sizeof dims);
    dims[axis] = 0;
    size_t outer = 1, inner = 1;
    for (uint32_t a = 0; a < first->rank; a++) {
        outer *= a < axis ? (size_t)dims[a] : 1;
        inner *= a > axis ? (size_t)dims[a] : 1;
    }
    for (size_t i = 0; i < f->n; i++) {
        for (uint32_t a = 0; a < first->rank; a++)
            if (f->in[i]->rank != first->rank || f->in[i]->type != first->type ||
                (a != axis && f->in[i]->dims[a] != first->dims[a]))
                return lm_fail(f->l->error, LM_CORRUPT, "constants of different shape or type");
        dims[axis] += f->in[i]->dims[axis];
    }
    enum lm_status status = shape_out(f, first->type, first->rank, dims);
    size_t to = 0;
    for (size_t o = 0; o < outer && status == LM_OK; o++)
        for (size_t i = 0; i < f->n; i++) {
            size_t n = (size_t)f->in[i]->dims[axis] * inner;
            for (size_t j = 0; j < n; j++)
                copy_element(&f->out, to++, f->in[i], o * n + j);
        }
    return status;
}

static enum lm_status fold_reshape(struct folding *f)
{
    if (need_inputs(f, 2) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0], *shape = f->in[1];
    int64_t dims[ONNX_MAX_RANK];
    size_t known = 1;
    int64_t open = -1;
    if (shape->type != ONNX_INT64 || shape->count > ONNX_MAX_RANK)
        return lm_fail(f->l->error, LM_CORRUPT, "a shape of %zu numbers", shape->count);
    for (uint32_t a = 0; a < shape->count; a++) {
        dims[a] = shape->i[a] == 0 && a < in->rank ? in->dims[a] : shape->i[a];
        if (dims[a] == -1)
            open = a;
        else if (dims[a] < 0 || !size_mul(known, (size_t)dims[a], &known))
            return lm_fail(f->l->error, LM_CORRUPT, "a negative size");
    }
    if (open >= 0)
        dims[open] = known ? (int64_t)(in->count / known) : 0;
    enum lm_status status = shape_out(f, in->type, (uint32_t)shape->count, dims);
    if (status == LM_OK && f->out.count != in->count)
        return lm_fail(f->l->error, LM_CORRUPT, "%zu numbers reshaped to %zu", in->count,
                       f->out.count);
    if (status == LM_OK)
        memcpy(f->out.data, in->data, in->count * element_bytes(in->type));
    return status;
}

static enum lm_status fold_transpose(struct folding *f)
{
    if (need_inputs(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0];
    const struct onnx_attribute *perm = onnx_attribute_find(f->node, "perm");
    int64_t dims[ONNX_MAX_RANK], from[ONNX_MAX_RANK];
    uint32_t seen = 0;
    for (uint32_t a = 0; a < in->rank; a++) {
        from[a] = perm && perm->n == in->rank ? perm->ints[a] : (int64_t)in->rank - 1 - a;
        if (from[a] < 0 || from[a] >= (int64_t)in->rank || (seen >> from[a] & 1))
            return lm_fail(f->l->error, LM_CORRUPT, "perm is no permutation");
        seen |= 1u << from[a];
        dims[a] = in->dims[from[a]];
    }
    size_t stride[ONNX_MAX_RANK + 1] = {0}, step = 1;
    for (uint32_t a = in->rank; a-- > 0;) {
        stride[a] = step;
        step *= (size_t)in->dims[a];
    }
    enum lm_status status = shape_out(f, in->type, in->rank, dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++) {
        size_t rest = i, at = 0;
        for (uint32_t a = in->rank; a-- > 0;) {
            at += rest % (size_t)dims[a] * stride[from[a]];
            rest /= (size_t)dims[a];
        }
        copy_element(&f->out, i, in, at);
    }
    return status;
}

/* Squeeze and Unsqueeze: the same numbers under another shape. */
static enum lm_status fold_squeeze(struct folding *f)
{
    bool adds = !strcmp(f->node->op, "Unsqueeze");
    const int64_t *axes;
    size_t n;
    if (need_inputs(f, 1) != LM_OK || setting_ints(f->l, f->node, "axes", 1, &axes, &n) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0];
    bool all = n == SIZE_MAX;
    int64_t dims[2 * ONNX_MAX_RANK], total = (int64_t)in->rank + (adds && !all ? (int64_t)n : 0);
    uint32_t marked = 0, rank = 0, next = 0;
    if (total > ONNX_MAX_RANK || (adds && all))
        return lm_fail(f->l->error, LM_CORRUPT, "axes are missing or too many");
    for (size_t i = 0; i < n && !all; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + total : axes[i];
        if (axis < 0 || axis >= total)
            return lm_fail(f->l->error, LM_CORRUPT, "axis %" PRId64 " is out of range", axes[i]);
        marked |= 1u << axis;
    }
    for (uint32_t a = 0; a < total; a++) {
        if (adds)
            dims[rank++] = marked >> a & 1 ? 1 : next < in->rank ? in->dims[next++] : 1;
        else if (all ? in->dims[a] != 1 : !(marked >> a & 1))
            dims[rank++] = in->dims[a];
    }
    enum lm_status status = shape_out(f, in->type, rank, dims);
    if (status == LM_OK && f->out.count != in->count)
        return lm_fail(f->l->error, LM_CORRUPT, "an axis that is not 1");
    if (status == LM_OK)
        memcpy(f->out.data, in->data, in->count * element_bytes(in->type));
    return status;
}

static enum lm_status fold_slice(struct folding *f)
{
    struct slice_range ranges[ONNX_MAX_RANK];
    if (need_inputs(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0];
    enum lm_status status = slice_ranges(f->l, f->node, in->rank, in->dims, ranges);
    if (status != LM_OK)
        return status;
    int64_t dims[ONNX_MAX_RANK];
    for (uint32_t a = 0; a < in->rank; a++)
        dims[a] = ranges[a].count;
    status = shape_out(f, in->type, in->rank, dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++) {
        size_t rest = i, stride = 1, at = 0;
        for (uint32_t a = in->rank; a-- > 0;) {
            int64_t k = (int64_t)(rest % (size_t)dims[a]);
            rest /= (size_t)dims[a];
            at += (size_t)(ranges[a].start + k * ranges[a].step) * stride;
            stride *= (size_t)in->dims[a];
        }
        copy_element(&f->out, i, in, at);
    }
    return status;
}

static enum lm_status fold_constant_of_shape(struct folding *f)
{
    const struct onnx_attribute *value = onnx_attribute_find(f->node, "value");
    if (need_inputs(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *shape = f->in[0];
    const struct onnx_tensor *fill =
        value && value->kind == ONNX_ATTR_TENSOR && value->tensor.count == 1 ? &value->tensor
                                                                             : NULL;
    if (shape->type != ONNX_INT64 || shape->count > ONNX_MAX_RANK)
        return lm_fail(f->l->error, LM_CORRUPT, "a shape of %zu numbers", shape->count);
    enum lm_status status =
        shape_out(f, fill ? fill->type : ONNX_FLOAT, (uint32_t)shape->count, shape->i);
    for (size_t i = 0; i < f->out.count && fill && status == LM_OK; i++)
        copy_element(&f->out, i, fill, 0);
    return status;
}

static enum lm_status fold_range(struct folding *f)
{
    if (need_inputs(f, 3) != LM_OK)
        return LM_CORRUPT;
    for (size_t i = 0; i < 3; i++)
        if (f->in[i]->type != ONNX_INT64 || f->in[i]->count != 1)
            return REFUSE(f->l, "a Range of other than integers");
    int64_t start = f->in[0]->i[0], end = f->in[1]->i[0], step = f->in[2]->i[0], n = 0;
    if (step == 0 || llabs(start) > INT32_MAX || llabs(end) > INT32_MAX || llabs(step) > INT32_MAX)
        return lm_fail(f->l->error, LM_CORRUPT, "a Range beyond its limits");
    if (step > 0 ? end > start : end < start)
        n = (end - start + step + (step > 0 ? -1 : 1)) / step;
    enum lm_status status = shape_out(f, ONNX_INT64, 1, &n);
    for (int64_t i = 0; i < n && status == LM_OK; i++)
        f->out.i[i] = start + i * step;
    return status;
}

static enum lm_status fold_expand(struct folding *f)
{
    if (need_inputs(f, 2) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0], *shape = f->in[1];
    if (shape->type != ONNX_INT64 || shape->count > ONNX_MAX_RANK)
        return lm_fail(f->l->error, LM_CORRUPT, "a shape of %zu numbers", shape->count);
    struct onnx_tensor target = {.rank = (uint32_t)shape->count};
    for (uint32_t a = 0; a < target.rank; a++)
        target.dims[a] = shape->i[a];
    uint32_t rank;
    int64_t dims[ONNX_MAX_RANK];
    f->in[1] = &target;
    if (broadcast_shape(f, 2, &rank, dims) != LM_OK)
        return LM_CORRUPT;
    enum lm_status status = shape_out(f, in->type, rank, dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++)
        copy_element(&f->out, i, in, broadcast_index(in, rank, dims, i));
    return status;
}

static enum lm_status fold_where(struct folding *f)
{
    uint32_t rank;
    int64_t dims[ONNX_MAX_RANK];
    if (need_inputs(f, 3) != LM_OK || broadcast_shape(f, 3, &rank, dims) != LM_OK)
        return LM_CORRUPT;
    if (f->in[0]->type != ONNX_INT64 || f->in[1]->type != f->in[2]->type)
        return lm_fail(f->l->error, LM_CORRUPT, "constants of different types");
    enum lm_status status = shape_out(f, f->in[1]->type, rank, dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++) {
        bool yes = f->in[0]->i[broadcast_index(f->in[0], rank, dims, i)] != 0;
        const struct onnx_tensor *from = f->in[yes ? 1 : 2];
        copy_element(&f->out, i, from, broadcast_index(from, rank, dims, i));
    }
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
