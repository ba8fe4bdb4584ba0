/* Constant folding of arithmetic, by the ONNX operators: integers stay integers (ends of slices are
 * 2^63 - 1) and saturate; a division by zero gives 0. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ops/folding.h"

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
    if (!strcmp(op, "Mod")) /* has the sign of y */
        return y == 0 || y == -1 ? 0 : x % y != 0 && (x % y < 0) != (y < 0) ? x % y + y : x % y;
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

enum lm_status fold_binary(struct folding *f)
{
    uint32_t rank;
    int64_t dims[ONNX_MAX_RANK];
    const char *op = f->node->op;
    bool compares = !strcmp(op, "Equal") || !strcmp(op, "Greater") || !strcmp(op, "Less");
    if (folding_need(f, 2) != LM_OK || folding_broadcast(f, 2, &rank, dims) != LM_OK)
        return LM_CORRUPT;
    bool ints = f->in[0]->type == ONNX_INT64 && f->in[1]->type == ONNX_INT64;
    if (ints ? !strcmp(op, "Pow") : compares || !strcmp(op, "Mod"))
        return REFUSE(f->l, "%s of these constants is not supported", op);
    enum lm_status status = folding_shape(f, ints ? ONNX_INT64 : ONNX_FLOAT, rank, dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++) {
        size_t a = folding_broadcast_index(f->in[0], rank, dims, i);
        size_t b = folding_broadcast_index(f->in[1], rank, dims, i);
        if (ints)
            f->out.i[i] = combine_ints(op, f->in[0]->i[a], f->in[1]->i[b]);
        else
            f->out.f[i] =
                combine_floats(op, folding_float(f->in[0], a), folding_float(f->in[1], b));
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

enum lm_status fold_unary(struct folding *f)
{
    const char *op = f->node->op;
    if (folding_need(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0];
    if (in->type == ONNX_INT64 && strcmp(op, "Neg") != 0 && strcmp(op, "Abs") != 0)
        return REFUSE(f->l, "%s of integers is not supported", op);
    enum lm_status status = folding_shape(f, in->type, in->rank, in->dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++)
        if (in->type == ONNX_FLOAT)
            f->out.f[i] = apply_float(op, in->f[i]);
        else if (!strcmp(op, "Neg") || in->i[i] < 0)
            f->out.i[i] = in->i[i] == INT64_MIN ? INT64_MAX : -in->i[i];
        else
            f->out.i[i] = in->i[i];
    return status;
}

enum lm_status fold_cast(struct folding *f)
{
    int64_t to = attribute_int(f->node, "to", 1);
    bool real = to == 1 || to == 10 || to == 11 || to == 16;
    bool whole = (to >= 2 && to <= 7) || to == 9 || to == 12 || to == 13;
    if (!real && !whole)
        return REFUSE(f->l, "a Cast to type %" PRId64, to);
    if (folding_need(f, 1) != LM_OK)
        return LM_CORRUPT;
    const struct onnx_tensor *in = f->in[0];
    enum lm_status status = folding_shape(f, real ? ONNX_FLOAT : ONNX_INT64, in->rank, in->dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++)
        if (real) {
            f->out.f[i] = folding_float(in, i);
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

enum lm_status fold_where(struct folding *f)
{
    uint32_t rank;
    int64_t dims[ONNX_MAX_RANK];
    if (folding_need(f, 3) != LM_OK || folding_broadcast(f, 3, &rank, dims) != LM_OK)
        return LM_CORRUPT;
    if (f->in[0]->type != ONNX_INT64 || f->in[1]->type != f->in[2]->type)
        return lm_fail(f->l->error, LM_CORRUPT, "constants of different types");
    enum lm_status status = folding_shape(f, f->in[1]->type, rank, dims);
    for (size_t i = 0; i < f->out.count && status == LM_OK; i++) {
        bool yes = f->in[0]->i[folding_broadcast_index(f->in[0], rank, dims, i)] != 0;
        const struct onnx_tensor *from = f->in[yes ? 1 : 2];
        folding_copy_element(&f->out, i, from, folding_broadcast_index(from, rank, dims, i));
    }
    return status;
}
