/* Means of neighbouring rows; part of body.h.
 *
 * Some vectors of columns at a time, whose sums stay in registers.  The last vector is made where a
 * whole one fits, over columns that another made, too: a mean depends on its column alone, so both
 * write the same.
 */
enum { MEAN_VECTORS = 4 };

__attribute__((always_inline)) static inline void mean_strip(float *target, const float *source,
                                                             const int32_t *index, uint32_t n,
                                                             size_t channels, float scale,
                                                             const int vectors)
{
    vector sum[MEAN_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) sum[v] = vector_of(0);
    for (uint32_t i = 0; i < n; i++) {
        const float *row = source + (size_t)index[i] * channels;
        UNROLL for (int v = 0; v < vectors; v++) sum[v] += *(const vector *)(row + v * LANES);
    }
    UNROLL for (int v = 0; v < vectors; v++) * (vector *)(target + v * LANES) = sum[v] * scale;
}

static void mean_narrow(float *target, const float *source, const int32_t *index, uint32_t n,
                        uint32_t channels, float scale)
{
    for (uint32_t c = 0; c < channels; c++) {
        float sum = 0;
        for (uint32_t i = 0; i < n; i++)
            sum += source[(size_t)index[i] * channels + c];
        target[c] = sum * scale;
    }
}

static void neighbour_mean(float *target, const float *source, const int32_t *index,
                           const uint8_t *count, size_t rows, uint32_t channels, float epsilon)
{
    for (size_t r = 0; r < rows; r++, target += channels, index += 8) {
        float scale = 1.0f / ((float)count[r] + epsilon);
        uint32_t c = 0, n = count[r];
        if (channels < LANES) {
            mean_narrow(target, source, index, n, channels, scale);
            continue;
        }
        for (; c + MEAN_VECTORS * LANES <= channels; c += MEAN_VECTORS * LANES)
            mean_strip(target + c, source + c, index, n, channels, scale, MEAN_VECTORS);
        for (; c + LANES <= channels; c += LANES)
            mean_strip(target + c, source + c, index, n, channels, scale, 1);
        if (c < channels)
            mean_strip(target + channels - LANES, source + channels - LANES, index, n, channels,
                       scale, 1);
    }
}
