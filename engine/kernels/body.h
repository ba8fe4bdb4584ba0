/* The kernels, written so that compilers vectorise them; included once for each instruction set by
 * a file that defines KERNELS_TABLE (name of the table) and KERNELS_NAME (text).
 *
 * Exponential: x = k ln 2 + r with |r| <= ln 2 / 2, Taylor polynomial of degree 7 in r (below 3e-8
 * relative), scaled by 2^k in two steps so that the ends of the range stay exact enough.
 */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/number.h"
#include "kernels/product.h"

enum { STRIP = 64 };

static const float *source_row(const struct windows *w, size_t r, uint32_t t)
{
    int32_t row = w->map[w->origin[r] + w->offset[t]];
    if ((uint32_t)row < (uint32_t)w->limit)
        return w->source + (size_t)row * w->source_stride;
    return row == MAP_BORDER ? w->border : NULL;
}

static void gather(float *restrict target, const struct windows *w, size_t rows, uint32_t channels)
{
    for (size_t r = 0; r < rows; r++)
        for (uint32_t t = 0; t < w->taps; t++, target += channels) {
            const float *source = source_row(w, r, t);
            if (!source)
                memset(target, 0, channels * sizeof *target);
            else if (channels == 3)
                target[0] = source[0], target[1] = source[1], target[2] = source[2];
            else
                memcpy(target, source, channels * sizeof *target);
        }
}

/* Some columns of one depthwise row; the sums stay in registers. */
static inline void depthwise_strip(float *restrict target, const struct windows *w, size_t r,
                                   const float *restrict weights, uint32_t channels, uint32_t first,
                                   uint32_t n)
{
    float sum[STRIP] = {0};
    for (uint32_t t = 0; t < w->taps; t++) {
        const float *source = source_row(w, r, t);
        if (!source)
            continue;
        const float *factor = weights + (size_t)t * channels + first;
        for (uint32_t c = 0; c < n; c++)
            sum[c] += source[first + c] * factor[c];
    }
    memcpy(target + first, sum, n * sizeof *sum);
}

static void depthwise(float *restrict target, const struct windows *w, size_t rows,
                      uint32_t channels, const float *weights)
{
    for (size_t r = 0; r < rows; r++, target += channels) {
        uint32_t c = 0;
        for (; c + STRIP <= channels; c += STRIP)
            depthwise_strip(target, w, r, weights, channels, c, STRIP);
        if (c + 32 <= channels) {
            depthwise_strip(target, w, r, weights, channels, c, 32);
            c += 32;
        }
        if (c < channels)
            depthwise_strip(target, w, r, weights, channels, c, channels - c);
    }
}

static void max_pool(float *restrict target, const struct windows *w, size_t rows,
                     uint32_t channels)
{
    for (size_t r = 0; r < rows; r++, target += channels) {
        bool any = false;
        for (uint32_t t = 0; t < w->taps; t++) {
            const float *source = source_row(w, r, t);
            if (source && !any)
                memcpy(target, source, channels * sizeof *target);
            else if (source)
                for (uint32_t c = 0; c < channels; c++)
                    target[c] = source[c] > target[c] ? source[c] : target[c];
            any |= source != NULL;
        }
        if (!any)
            memset(target, 0, channels * sizeof *target);
    }
}

static void sum_pool(float *restrict target, const struct windows *w, size_t rows,
                     uint32_t channels, const float *scale)
{
    for (size_t r = 0; r < rows; r++, target += channels) {
        memset(target, 0, channels * sizeof *target);
        for (uint32_t t = 0; t < w->taps; t++) {
            const float *source = source_row(w, r, t);
            if (source)
                for (uint32_t c = 0; c < channels; c++)
                    target[c] += source[c];
        }
        for (uint32_t c = 0; c < channels; c++)
            target[c] *= scale[r];
    }
}

static void interleave_three(float *restrict target, const float *restrict first,
                             const float *restrict second, const float *restrict third, size_t rows)
{
    for (size_t r = 0; r < rows; r++) {
        target[3 * r] = first[r];
        target[3 * r + 1] = second[r];
        target[3 * r + 2] = third[r];
    }
}

static void interleave(float *restrict target, const float *restrict source, size_t plane,
                       size_t rows, uint32_t channels)
{
    if (channels == 3) {
        interleave_three(target, source, source + plane, source + 2 * plane, rows);
        return;
    }
    for (uint32_t c = 0; c < channels; c++)
        for (size_t r = 0; r < rows; r++)
            target[r * channels + c] = source[c * plane + r];
}

/* Some columns of the mean of n rows; the sums stay in registers. */
static inline void mean_strip(float *restrict target, const float *source, const int32_t *index,
                              uint32_t n, size_t channels, float scale, uint32_t width)
{
    float sum[STRIP] = {0};
    for (uint32_t i = 0; i < n; i++) {
        const float *row = source + (size_t)index[i] * channels;
        for (uint32_t c = 0; c < width; c++)
            sum[c] += row[c];
    }
    for (uint32_t c = 0; c < width; c++)
        target[c] = sum[c] * scale;
}

static void neighbour_mean(float *restrict target, const float *source, const int32_t *index,
                           const uint8_t *count, size_t rows, uint32_t channels, float epsilon)
{
    for (size_t r = 0; r < rows; r++, target += channels, index += 8) {
        float scale = 1.0f / ((float)count[r] + epsilon);
        uint32_t c = 0, n = count[r];
        for (; c + STRIP <= channels; c += STRIP)
            mean_strip(target + c, source + c, index, n, channels, scale, STRIP);
        for (; c + 16 <= channels; c += 16)
            mean_strip(target + c, source + c, index, n, channels, scale, 16);
        if (c < channels)
            mean_strip(target + c, source + c, index, n, channels, scale, channels - c);
    }
}

static void epilogue(float *restrict target, size_t rows, uint32_t channels,
                     const float *restrict bias, const float *restrict residual, float low,
                     float high)
{
    for (size_t r = 0; r < rows; r++, target += channels) {
        for (uint32_t c = 0; c < channels; c++) {
            float x = target[c] + bias[c] + (residual ? residual[c] : 0.0f);
            x = x > low ? x : low;
            target[c] = x < high ? x : high;
        }
        if (residual)
            residual += channels;
    }
}

static void sum_rows(double *restrict sum, const float *restrict source, size_t rows,
                     uint32_t channels)
{
    for (size_t r = 0; r < rows; r++, source += channels)
        for (uint32_t c = 0; c < channels; c++)
            sum[c] += (double)source[c];
}

static inline float power_of_two(int32_t k)
{
    union {
        uint32_t bits;
        float value;
    } u = {.bits = (uint32_t)(k + 127) << 23};
    return u.value;
}

static inline float fast_exp(float x)
{
    x = x > 88.7f ? 88.7f : x;
    x = x < -103.9f ? -103.9f : x;
    float k = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: rounds to the nearest integer */
    k -= 12582912.0f;
    float r = x - k * 0.693359375f;
    r += k * 2.12194440e-4f;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t whole = (int32_t)k, half = whole / 2;
    return p * power_of_two(half) * power_of_two(whole - half);
}

static inline float sigmoid(float x)
{
    return 1.0f / (1.0f + fast_exp(-x));
}

/* Abramowitz and Stegun 7.1.26 has 1.5e-7 absolute error; near 0 the odd Taylor series is exact
 * enough. */
static inline float fast_erf(float x)
{
    float a = x < 0 ? -x : x;
    float t = 1.0f / (1.0f + 0.3275911f * a);
    float poly = ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t +
                  0.254829592f) *
                 t;
    float far = 1.0f - poly * fast_exp(-a * a);
    float s = a * a;
    float near =
        a *
        (1.128379167f +
         s * (-0.3761263890f + s * (0.1128379167f + s * (-0.02686617064f + s * 0.005223977625f))));
    float y = a < 0.5f ? near : far;
    return x < 0 ? -y : y;
}

static inline float fast_tanh(float x)
{
    float a = x < 0 ? -x : x;
    float s = a * a;
    float near = a * (1.0f + s * (-1.0f / 3.0f + s * (2.0f / 15.0f - s * (17.0f / 315.0f))));
    float far = 1.0f - 2.0f / (fast_exp(2.0f * a) + 1.0f);
    float y = a < 0.15f ? near : far;
    return x < 0 ? -y : y;
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)) */
static inline float softplus(float x)
{
    float a = x < 0 ? x : -x;
    return (x > 0 ? x : 0.0f) + log1pf(fast_exp(a));
}

#define BINARY(expression)                                                                         \
    if (a_step && b_step)                                                                          \
        for (size_t i = 0; i < n; i++) {                                                           \
            float x = a[i], y = b[i];                                                              \
            target[i] = (expression);                                                              \
        }                                                                                          \
    else if (a_step)                                                                               \
        for (size_t i = 0; i < n; i++) {                                                           \
            float x = a[i], y = b[0];                                                              \
            target[i] = (expression);                                                              \
        }                                                                                          \
    else                                                                                           \
        for (size_t i = 0; i < n; i++) {                                                           \
            float x = a[0], y = b[i * b_step];                                                     \
            target[i] = (expression);                                                              \
        }                                                                                          \
    break

#define UNARY(expression)                                                                          \
    for (size_t i = 0; i < n; i++) {                                                               \
        float x = a[i * a_step];                                                                   \
        target[i] = (expression);                                                                  \
    }                                                                                              \
    break

static void pointwise_apply(enum pointwise op, float *target, const float *a, const float *b,
                            size_t a_step, size_t b_step, size_t n, const float *p)
{
    const float p0 = p[0], p1 = p[1];
    switch (op) {
    case PW_ADD: BINARY(x + y);
    case PW_SUB: BINARY(x - y);
    case PW_MUL: BINARY(x * y);
    case PW_DIV: BINARY(x / y);
    case PW_MAX: BINARY(x > y ? x : y);
    case PW_MIN: BINARY(x < y ? x : y);
    case PW_POW: BINARY(y == 2.0f ? x * x : powf(x, y));
    case PW_PRELU: BINARY(x < 0 ? x * y : x);
    case PW_CLAMP: UNARY(x > p0 ? (x < p1 ? x : p1) : p0);
    case PW_LEAKY_RELU: UNARY(x < 0 ? p0 * x : x);
    case PW_ELU: UNARY(x < 0 ? p0 * (fast_exp(x) - 1.0f) : x);
    case PW_SIGMOID: UNARY(sigmoid(x));
    case PW_TANH: UNARY(fast_tanh(x));
    case PW_SOFTPLUS: UNARY(softplus(x));
    case PW_MISH: UNARY(x * fast_tanh(softplus(x)));
    case PW_ERF: UNARY(fast_erf(x));
    case PW_EXP: UNARY(fast_exp(x));
    case PW_LOG: UNARY(logf(x));
    case PW_SQRT: UNARY(sqrtf(x));
    case PW_ABS: UNARY(x < 0 ? -x : x);
    case PW_NEG: UNARY(-x);
    case PW_RECIPROCAL: UNARY(1.0f / x);
    case PW_FLOOR: UNARY(floorf(x));
    case PW_CEIL: UNARY(ceilf(x));
    case PW_HARD_SIGMOID: {
        float y;
        UNARY((y = p0 * x + p1, y = y > 0 ? y : 0, y < 1 ? y : 1));
    }
    case PW_HARD_SWISH: {
        float y;
        UNARY((y = x * (1.0f / 6.0f) + 0.5f, y = y > 0 ? y : 0, x * (y < 1 ? y : 1)));
    }
    case PW_SILU: UNARY(x * sigmoid(x));
    case PW_COPY: UNARY(x);
    default: break;
    }
}

static float row_sum(const float *a, uint32_t n)
{
    float part[16] = {0};
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (uint32_t j = 0; j < 16; j++)
            part[j] += a[i + j];
    float sum = 0;
    for (; i < n; i++)
        sum += a[i];
    for (uint32_t j = 0; j < 16; j++)
        sum += part[j];
    return sum;
}

static void softmax_row(float *target, const float *a, uint32_t n)
{
    float top = a[0];
    for (uint32_t i = 1; i < n; i++)
        top = a[i] > top ? a[i] : top;
    for (uint32_t i = 0; i < n; i++)
        target[i] = fast_exp(a[i] - top);
    float sum = row_sum(target, n);
    for (uint32_t i = 0; i < n; i++)
        target[i] /= sum;
}

/* Source of the formula: ONNX operator LRN; the window is clipped to the channels. */
static void lrn_row(float *restrict target, const float *restrict a, uint32_t n, const float *p)
{
    int64_t size = (int64_t)p[0], before = (size - 1) / 2, after = size - 1 - before;
    for (int64_t c = 0; c < (int64_t)n; c++) {
        int64_t first = c - before > 0 ? c - before : 0;
        int64_t last = c + after < (int64_t)n - 1 ? c + after : (int64_t)n - 1;
        float squares = 0;
        for (int64_t i = first; i <= last; i++)
            squares += a[i] * a[i];
        target[c] = a[c] / powf(p[3] + p[1] / p[0] * squares, p[2]);
    }
}

static void row_op(enum pointwise op, float *target, const float *a, size_t rows, uint32_t channels,
                   const float *p)
{
    for (size_t r = 0; r < rows; r++, a += channels) {
        if (op == PW_ROW_MEAN) {
            target[r] = row_sum(a, channels) / (float)channels;
        } else if (op == PW_SOFTMAX) {
            softmax_row(target + r * channels, a, channels);
        } else {
            lrn_row(target + r * channels, a, channels, p);
        }
    }
}

const struct kernels KERNELS_TABLE = {
    .name = KERNELS_NAME,
    .lanes = LANES,
    .panel = PANEL,
    .multiply = multiply,
    .gather = gather,
    .depthwise = depthwise,
    .max_pool = max_pool,
    .sum_pool = sum_pool,
    .interleave = interleave,
    .number = number,
    .neighbour_mean = neighbour_mean,
    .epilogue = epilogue,
    .sum_rows = sum_rows,
    .pointwise = pointwise_apply,
    .row_op = row_op,
};
