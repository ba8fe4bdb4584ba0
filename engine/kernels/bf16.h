/* bfloat16, the upper half of a float; part of body.h. */

static inline uint32_t float_bits(float x)
{
    union {
        float value;
        uint32_t bits;
    } u = {x};
    return u.bits;
}

static inline float bf16_value(uint16_t half)
{
    union {
        uint32_t bits;
        float value;
    } u = {(uint32_t)half << 16};
    return u.value;
}

/* To nearest, ties to even; NaN stays NaN. */
static inline uint16_t bf16_of(float x)
{
    uint32_t bits = float_bits(x);
    uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    return (uint16_t)((x == x ? rounded : bits | 0x400000) >> 16);
}

static inline void bf16_round(uint16_t *restrict target, const float *restrict source, size_t n)
{
    for (size_t i = 0; i < n; i++)
        target[i] = bf16_of(source[i]);
}

/* n <= 32 numbers of a mean. */
static inline void mean_piece(uint16_t *restrict target, const uint16_t *source, size_t stride,
                              const int32_t *index, uint8_t count, float divisor, uint32_t n)
{
    float sum[32] = {0};
    for (uint32_t i = 0; i < count; i++) {
        const uint16_t *neighbour = source + (size_t)index[i] * stride;
        for (uint32_t c = 0; c < n; c++)
            sum[c] += bf16_value(neighbour[c]);
    }
    for (uint32_t c = 0; c < n; c++)
        sum[c] /= divisor;
    bf16_round(target, sum, n);
}

static void bf16_neighbour_mean(uint16_t *target, const uint16_t *source, size_t stride,
                                const int32_t *index, const uint8_t *count, size_t rows,
                                uint32_t channels, float epsilon)
{
    for (size_t r = 0; r < rows; r++, target += stride, index += 8) {
        float divisor = (float)count[r] + epsilon;
        uint32_t c = 0;
        for (; c + 32 <= channels; c += 32)
            mean_piece(target + c, source + c, stride, index, count[r], divisor, 32);
        if (c < channels)
            mean_piece(target + c, source + c, stride, index, count[r], divisor, channels - c);
    }
}
