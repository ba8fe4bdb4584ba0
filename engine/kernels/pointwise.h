/* Arithmetic that sees one row at a time; part of body.h.
 *
 * Exponential: x = k ln 2 + r with |r| <= ln 2 / 2, Taylor polynomial of degree 7 in r (below 3e-8
 * relative), scaled by 2^k in two steps so that the ends of the range stay exact enough.  Where the
 * argument is never positive and tiny results may vanish, 2^f by a minimax polynomial in the
 * fraction f, scaled by adding to the exponent's bits, is cheaper.
 */
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

static inline uint32_t bits_of(float x)
{
    union {
        float value;
        uint32_t bits;
    } u = {.value = x};
    return u.bits;
}

/* e^x for x <= 0; below e^-87.3 anything smaller. */
static inline float decay(float x)
{
    x = x < -87.7f ? -87.7f : x;
    float t = x * 1.44269504f + 12582912.0f; /* as above; its last bits are the integer */
    float k = t - 12582912.0f;
    float r = x - k * 0.693359375f;
    r += k * 2.12194440e-4f;
    float p = 1.383684553e-03f;
    p = p * r + 8.374815801e-03f;
    p = p * r + 4.166822558e-02f;
    p = p * r + 1.666642017e-01f;
    p = p * r + 4.999999208e-01f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    union {
        uint32_t bits;
        float value;
    } u = {.bits = bits_of(p) + (bits_of(t) << 23)};
    return u.value;
}

/* x / 2 * (1 + erf(x / sqrt 2)); erfc(|x| / sqrt 2) is e^(|x| q(|x|)), q the polynomial of degree 7
 * that makes the largest error of the result the smallest: 1e-8. */
static inline float gelu(float x)
{
    float a = x < 0 ? -x : x;
    a = a > 16.0f ? 16.0f : a;
    float q = -1.318411884e-06f;
    q = q * a + 1.944759531e-05f;
    q = q * a + -9.113032320e-05f;
    q = q * a + -1.885884263e-04f;
    q = q * a + 5.022143099e-03f;
    q = q * a + -3.647868081e-02f;
    q = q * a + -3.182669468e-01f;
    q = q * a + -7.978893488e-01f;
    float tail = 0.5f * decay(q * a);
    return x < 0 ? x * tail : x - x * tail;
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
    case PW_SIGMOID: sigmoid_apply(target, a, a_step, n, false); break;
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
    case PW_SILU: sigmoid_apply(target, a, a_step, n, true); break;
    case PW_GELU: UNARY(gelu(x));
    case PW_COPY: UNARY(x);
    default: break;
    }
}

static void affine(float *target, const float *a, const float *scale, const float *shift, size_t n,
                   float low, float high)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vector x = *(const vector *)(a + i) * *(const vector *)(scale + i);
        *(vector *)(target + i) = clamp_vector(x + *(const vector *)(shift + i), low, high);
    }
    for (; i < n; i++) {
        float x = a[i] * scale[i] + shift[i];
        target[i] = x > low ? (x < high ? x : high) : low;
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
