/* Constant folding of operators that move numbers about. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "ops/folding.h"

enum lm_status fold_copy(struct folding *f)
{
    if (folding_need(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0];
    enum lm_status status = folding_shape(f, in->type, in->rank, in->dims);
    if (status == LM_OK)
        memcpy(f->out.data, in->data, in->count * folding_element_bytes(in->type));
    return status;
}

enum lm_status fold_gather(struct folding *f)
{
    if (folding_need(f, 2) != LM_OK)
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
    enum lm_status status = folding_shape(f, in->type, rank, dims);
    for (size_t o = 0; o < outer && f->out.count && status == LM_OK; o++)
        for (size_t k = 0; k < index->count; k++) {
            int64_t at = index->i[k] < 0 ? index->i[k] + (int64_t)extent : index->i[k];
            if (at < 0 || at >= (int64_t)extent)
                return lm_fail(f->l->error, LM_CORRUPT, "index %" PRId64 " of %zu", index->i[k],
                               extent);
            for (size_t j = 0; j < inner; j++)
                folding_copy_element(&f->out, (o * index->count + k) * inner + j, in,
                                     (o * extent + (size_t)at) * inner + j);
        }
    return status;
}

enum lm_status fold_concat(struct folding *f)
{
    if (folding_need(f, f->n ? f->n : 1) != LM_OK)
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
        if (__builtin_add_overflow(dims[axis], f->in[i]->dims[axis], &dims[axis]))
            return lm_fail(f->l->error, LM_LIMIT, "constants of too many numbers");
    }
    enum lm_status status = folding_shape(f, first->type, first->rank, dims);
    size_t to = 0;
    for (size_t o = 0; o < outer && f->out.count && status == LM_OK; o++)
        for (size_t i = 0; i < f->n; i++) {
            size_t n = (size_t)f->in[i]->dims[axis] * inner;
            for (size_t j = 0; j < n; j++)
                folding_copy_element(&f->out, to++, f->in[i], o * n + j);
        }
    return status;
}

enum lm_status fold_reshape(struct folding *f)
{
    if (folding_need(f, 2) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0], *shape = f->in[1];
    int64_t dims[ONNX_MAX_RANK];
    size_t known = 1;
    int64_t open = -1;
    bool copies = !attribute_int(f->node, "allowzero", 0);
    if (shape->type != ONNX_INT64 || shape->count > ONNX_MAX_RANK)
        return lm_fail(f->l->error, LM_CORRUPT, "a shape of %zu numbers", shape->count);
    for (uint32_t a = 0; a < shape->count; a++) {
        dims[a] = shape->i[a] == 0 && copies && a < in->rank ? in->dims[a] : shape->i[a];
        if (dims[a] == -1)
            open = a;
        else if (dims[a] < 0 || !size_mul(known, (size_t)dims[a], &known))
            return lm_fail(f->l->error, LM_CORRUPT, "a negative size");
    }
    if (open >= 0)
        dims[open] = known ? (int64_t)(in->count / known) : 0;
    enum lm_status status = folding_shape(f, in->type, (uint32_t)shape->count, dims);
    if (status == LM_OK && f->out.count != in->count)
        return lm_fail(f->l->error, LM_CORRUPT, "%zu numbers reshaped to %zu", in->count,
                       f->out.count);
    if (status == LM_OK)
        memcpy(f->out.data, in->data, in->count * folding_element_bytes(in->type));
    return status;
}

enum lm_status fold_transpose(struct folding *f)
{
    if (folding_need(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0];
    const struct onnx_attribute *perm = onnx_attribute_find(f->node, "perm");
    int64_t dims[ONNX_MAX_RANK], from[ONNX_MAX_RANK];
    uint32_t seen = 0;
    if (perm && (perm->kind != ONNX_ATTR_INTS || perm->n != in->rank))
        return lm_fail(f->l->error, LM_CORRUPT, "perm is no permutation");
    for (uint32_t a = 0; a < in->rank; a++) {
        from[a] = perm ? perm->ints[a] : (int64_t)in->rank - 1 - a;
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
    enum lm_status status = folding_shape(f, in->type, in->rank, dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++) {
        size_t rest = i, at = 0;
        for (uint32_t a = in->rank; a-- > 0;) {
            at += rest % (size_t)dims[a] * stride[from[a]];
            rest /= (size_t)dims[a];
        }
        folding_copy_element(&f->out, i, in, at);
    }
    return status;
}

/* Squeeze and Unsqueeze: the same numbers under another shape. */
enum lm_status fold_squeeze(struct folding *f)
{
    bool adds = !strcmp(f->node->op, "Unsqueeze");
    const int64_t *axes;
    size_t n;
    if (folding_need(f, 1) != LM_OK)
        return LM_CORRUPT;
    enum lm_status status = setting_ints(f->l, f->node, "axes", 1, &axes, &n);
    if (status != LM_OK)
        return status;
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
    status = folding_shape(f, in->type, rank, dims);
    if (status == LM_OK && f->out.count != in->count)
        return lm_fail(f->l->error, LM_CORRUPT, "an axis that is not 1");
    if (status == LM_OK)
        memcpy(f->out.data, in->data, in->count * folding_element_bytes(in->type));
    return status;
}

enum lm_status fold_slice(struct folding *f)
{
    struct slice_range ranges[ONNX_MAX_RANK];
    if (folding_need(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0];
    enum lm_status status = slice_ranges(f->l, f->node, in->rank, in->dims, ranges);
    if (status != LM_OK)
        return status;
    int64_t dims[ONNX_MAX_RANK];
    for (uint32_t a = 0; a < in->rank; a++)
        dims[a] = ranges[a].count;
    status = folding_shape(f, in->type, in->rank, dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++) {
        size_t rest = i, stride = 1, at = 0;
        for (uint32_t a = in->rank; a-- > 0;) {
            int64_t k = (int64_t)(rest % (size_t)dims[a]);
            rest /= (size_t)dims[a];
            at += (size_t)(ranges[a].start + k * ranges[a].step) * stride;
            stride *= (size_t)in->dims[a];
        }
        folding_copy_element(&f->out, i, in, at);
    }
    return status;
}

enum lm_status fold_expand(struct folding *f)
{
    if (folding_need(f, 2) != LM_OK)
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
    if (folding_broadcast(f, 2, &rank, dims) != LM_OK)
        return LM_CORRUPT;
    enum lm_status status = folding_shape(f, in->type, rank, dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++)
        folding_copy_element(&f->out, i, in, folding_broadcast_index(in, rank, dims, i));
    return status;
}
