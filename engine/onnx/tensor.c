/* TensorProto -> struct onnx_tensor: numbers of every supported type to float or int64.
 *
 * The format keeps numbers in one of six places: raw little-endian bytes (in the model or in a file
 * beside it) or a typed list, where int32_data serves all narrow types, float16 as bit patterns
 * included.  float32 and int64 need no conversion and are moved, not copied.
 * Limits: little-endian hosts; uint32, uint64, complex, string and 4- and 8-bit floats are refused.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "onnx/reader.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw tensor data is used as it is");

enum {
    FLOAT = 1,
    UINT8 = 2,
    INT8 = 3,
    UINT16 = 4,
    INT16 = 5,
    INT32 = 6,
    INT64 = 7,
    BOOL = 9,
    FLOAT16 = 10,
    DOUBLE = 11,
    BFLOAT16 = 16,
};

/* size: bytes of a number in raw data, 0 if unsupported.  min, max: what int32_data may hold. */
struct element {
    const char *name;
    size_t size;
    enum onnx_type type;
    int32_t min, max;
};

static const struct element elements[] = {
    [0] = {"undefined", 0, ONNX_FLOAT, 0, 0},
    [FLOAT] = {"float32", 4, ONNX_FLOAT, 0, 0},
    [UINT8] = {"uint8", 1, ONNX_INT64, 0, UINT8_MAX},
    [INT8] = {"int8", 1, ONNX_INT64, INT8_MIN, INT8_MAX},
    [UINT16] = {"uint16", 2, ONNX_INT64, 0, UINT16_MAX},
    [INT16] = {"int16", 2, ONNX_INT64, INT16_MIN, INT16_MAX},
    [INT32] = {"int32", 4, ONNX_INT64, INT32_MIN, INT32_MAX},
    [INT64] = {"int64", 8, ONNX_INT64, 0, 0},
    [8] = {"string", 0, ONNX_FLOAT, 0, 0},
    [BOOL] = {"bool", 1, ONNX_INT64, 0, 1},
    [FLOAT16] = {"float16", 2, ONNX_FLOAT, 0, UINT16_MAX},
    [DOUBLE] = {"float64", 8, ONNX_FLOAT, 0, 0},
    [12] = {"uint32", 0, ONNX_FLOAT, 0, 0},
    [13] = {"uint64", 0, ONNX_FLOAT, 0, 0},
    [14] = {"complex64", 0, ONNX_FLOAT, 0, 0},
    [15] = {"complex128", 0, ONNX_FLOAT, 0, 0},
    [BFLOAT16] = {"bfloat16", 2, ONNX_FLOAT, 0, UINT16_MAX},
    [17] = {"float8e4m3fn", 0, ONNX_FLOAT, 0, 0},
    [18] = {"float8e4m3fnuz", 0, ONNX_FLOAT, 0, 0},
    [19] = {"float8e5m2", 0, ONNX_FLOAT, 0, 0},
    [20] = {"float8e5m2fnuz", 0, ONNX_FLOAT, 0, 0},
    [21] = {"uint4", 0, ONNX_FLOAT, 0, 0},
    [22] = {"int4", 0, ONNX_FLOAT, 0, 0},
};

const char *onnx_type_name(int32_t source_type)
{
    if (source_type < 0 || (size_t)source_type >= sizeof elements / sizeof elements[0])
        return "unknown";
    return elements[source_type].name;
}

bool onnx_type_is_float(int32_t source_type)
{
    return source_type >= 0 && (size_t)source_type < sizeof elements / sizeof elements[0] &&
           elements[source_type].size > 0 && elements[source_type].type == ONNX_FLOAT;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
    if (exponent == 0x1f)
        return float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent > 0)
        return float_of_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
    float subnormal = (float)fraction * 0x1p-24f;
    return sign ? -subnormal : subnormal;
}

static float float_of_16_bits(int32_t data_type, uint16_t bits)
{
    return data_type == FLOAT16 ? float_of_half(bits) : float_of_bits((uint32_t)bits << 16);
}

static void floats_of_raw(int32_t data_type, const uint8_t *raw, size_t count, float *out)
{
    for (size_t k = 0; k < count; k++) {
        if (data_type == DOUBLE) {
            double value;
            memcpy(&value, raw + 8 * k, 8);
            out[k] = (float)value;
        } else {
            uint16_t bits;
            memcpy(&bits, raw + 2 * k, 2);
            out[k] = float_of_16_bits(data_type, bits);
        }
    }
}

static int64_t int_of_raw(int32_t data_type, const uint8_t *raw)
{
    uint8_t byte = raw[0];
    uint16_t half;
    int32_t word;
    switch (data_type) {
    case BOOL: return byte != 0;
    case UINT8: return byte;
    case INT8: return (int8_t)byte;
    case UINT16: memcpy(&half, raw, 2); return half;
    case INT16: memcpy(&half, raw, 2); return (int16_t)half;
    default: memcpy(&word, raw, 4); return word;
    }
}

static void convert_raw(int32_t data_type, const uint8_t *raw, struct onnx_tensor *out)
{
    if (out->type == ONNX_FLOAT) {
        floats_of_raw(data_type, raw, out->count, out->f);
        return;
    }
    size_t size = elements[data_type].size;
    for (size_t k = 0; k < out->count; k++)
        out->i[k] = int_of_raw(data_type, raw + size * k);
}

/* Returns the position of the first number that does not fit its type, or count. */
static size_t convert_typed(const struct onnx_tensor_source *source, struct onnx_tensor *out)
{
    const struct element *element = &elements[source->data_type];
    for (size_t k = 0; k < out->count; k++) {
        if (source->data_type == DOUBLE) {
            out->f[k] = (float)source->doubles[k];
            continue;
        }
        int32_t number = source->int32s[k];
        if (number < element->min || number > element->max)
            return k;
        if (out->type == ONNX_FLOAT)
            out->f[k] = float_of_16_bits(source->data_type, (uint16_t)number);
        else
            out->i[k] = number;
    }
    return out->count;
}

/* Eight dims of 20 characters. */
struct dims_text {
    char text[8 * 21 + 1];
};

static struct dims_text dims_text(const struct onnx_tensor_source *source)
{
    struct dims_text out = {"(none)"};
    size_t used = 0;
    for (size_t k = 0; k < source->n_dims; k++)
        used += (size_t)snprintf(out.text + used, sizeof out.text - used, "%s%" PRId64,
                                 k ? "x" : "", source->dims[k]);
    return out;
}

static enum lm_status check_dims(const struct onnx_reader *reader, const char *where,
                                 const struct onnx_tensor_source *source, struct onnx_tensor *out)
{
    uint64_t limit = reader->limits->max_elements;
    if (source->n_dims > ONNX_MAX_RANK)
        return onnx_fail(reader, LM_LIMIT, "%s: %zu dims (limit %d)", where, source->n_dims,
                         ONNX_MAX_RANK);
    out->rank = (uint32_t)source->n_dims;
    out->count = 1;
    for (size_t k = 0; k < source->n_dims; k++) {
        int64_t dim = source->dims[k];
        if (dim < 0)
            return onnx_fail(reader, LM_CORRUPT, "%s: dims %s: %" PRId64 " is negative", where,
                             dims_text(source).text, dim);
        if ((uint64_t)dim > limit || !size_mul(out->count, (size_t)dim, &out->count) ||
            out->count > limit)
            return onnx_fail(reader, LM_LIMIT, "%s: dims %s: too many elements (limit %" PRIu64 ")",
                             where, dims_text(source).text, limit);
        out->dims[k] = dim;
    }
    return LM_OK;
}

static enum lm_status check_type(const struct onnx_reader *reader, const char *where,
                                 const struct onnx_tensor_source *source, struct onnx_tensor *out)
{
    int32_t id = source->data_type;
    size_t known = sizeof elements / sizeof elements[0];
    if (id < 0 || (size_t)id >= known || elements[id].size == 0)
        return onnx_fail(reader, LM_UNSUPPORTED, "%s: data type %" PRId32 " (%s) is not supported",
                         where, id, onnx_type_name(id));
    out->source_type = id;
    out->type = elements[id].type;
    return LM_OK;
}

/* Counts the converted tensor against the limit before anything is taken for it. */
static enum lm_status check_memory(struct onnx_reader *reader, const char *where,
                                   const struct onnx_tensor *tensor)
{
    uint64_t limit = reader->limits->max_bytes, bytes;
    uint64_t size = tensor->type == ONNX_FLOAT ? sizeof(float) : sizeof(int64_t);
    if (__builtin_mul_overflow((uint64_t)tensor->count, size, &bytes) ||
        bytes > limit - reader->tensor_bytes)
        return onnx_fail(reader, LM_LIMIT,
                         "%s: weights up to here take more than %" PRIu64 " bytes (limit)", where,
                         limit);
    reader->tensor_bytes += bytes;
    return LM_OK;
}

static enum lm_status check_raw(const struct onnx_reader *reader, const char *where,
                                const struct onnx_tensor_source *source, size_t needed)
{
    if (source->raw_size == needed)
        return LM_OK;
    return onnx_fail(reader, LM_CORRUPT, "%s: %zu bytes of data, but dims %s of %s need %zu", where,
                     source->raw_size, dims_text(source).text, onnx_type_name(source->data_type),
                     needed);
}

static enum lm_status check_typed(const struct onnx_reader *reader, const char *where,
                                  const struct onnx_tensor_source *source, size_t count)
{
    size_t given = source->n_int32s;
    switch (source->data_type) {
    case FLOAT: given = source->n_floats; break;
    case INT64: given = source->n_int64s; break;
    case DOUBLE: given = source->n_doubles; break;
    }
    if (given == count)
        return LM_OK;
    return onnx_fail(reader, LM_CORRUPT, "%s: %zu numbers, but dims %s need %zu", where, given,
                     dims_text(source).text, count);
}

/* float32 and int64 as they are: NULL if the numbers need converting, or there are none. */
static void *move_data(struct onnx_tensor_source *source)
{
    void *data = NULL;
    if (source->data_type != FLOAT && source->data_type != INT64)
        return NULL;
    if (source->has_raw) {
        data = source->raw;
        source->raw = NULL;
    } else if (source->data_type == FLOAT) {
        data = source->floats;
        source->floats = NULL;
    } else {
        data = source->int64s;
        source->int64s = NULL;
    }
    return data;
}

static enum lm_status convert(const struct onnx_reader *reader, const char *where,
                              struct onnx_tensor_source *source, struct onnx_tensor *out)
{
    out->data = move_data(source);
    if (out->data)
        return LM_OK;
    out->data = array_alloc(out->count, out->type == ONNX_FLOAT ? sizeof(float) : sizeof(int64_t));
    if (!out->data)
        return onnx_nomem(reader);
    if (out->count == 0)
        return LM_OK;
    if (source->has_raw) {
        convert_raw(source->data_type, source->raw, out);
        return LM_OK;
    }
    size_t bad = convert_typed(source, out);
    if (bad < out->count)
        return onnx_fail(reader, LM_CORRUPT, "%s: number %zu, %" PRId32 ", does not fit %s", where,
                         bad, source->int32s[bad], onnx_type_name(source->data_type));
    return LM_OK;
}

static enum lm_status take(struct onnx_reader *reader, const char *where,
                           struct onnx_tensor_source *source, struct onnx_tensor *out)
{
    enum lm_status status = check_type(reader, where, source, out);
    if (status == LM_OK)
        status = check_dims(reader, where, source, out);
    if (status == LM_OK)
        status = check_memory(reader, where, out);
    size_t bytes = 0;
    if (status == LM_OK && !size_mul(out->count, elements[source->data_type].size, &bytes))
        status = onnx_nomem(reader);
    if (status != LM_OK)
        return status;
    if (source->external)
        status = onnx_external_read(reader, where, bytes, source);
    else if (source->has_raw)
        status = check_raw(reader, where, source, bytes);
    else
        status = check_typed(reader, where, source, out->count);
    return status == LM_OK ? convert(reader, where, source, out) : status;
}

enum lm_status onnx_tensor_take(struct onnx_reader *reader, const char *where,
                                struct onnx_tensor_source *source, struct onnx_tensor *out)
{
    struct onnx_tensor tensor = {0};
    enum lm_status status = take(reader, where, source, &tensor);
    if (status == LM_OK) {
        tensor.name = source->name;
        source->name = NULL;
        *out = tensor;
    } else {
        onnx_tensor_free(&tensor);
    }
    free(source->name);
    free(source->dims);
    free(source->floats);
    free(source->int32s);
    free(source->int64s);
    free(source->doubles);
    free(source->raw);
    free(source->location);
    free(source->offset);
    free(source->length);
    *source = (struct onnx_tensor_source){0};
    return status;
}
