/* Winograd's minimal filtering F(4x4, 3x3) and F(2x2, 3x3): 36 products for the 16 outputs of a
 * tile instead of 144, or 16 for 4 instead of 36; part of body.h.
 *
 * A filter's nine weights become as many numbers as a tile has cells (U = G g G'; pack.c), and so
 * do the cells that the tile's windows see (V = B' d B); the tile is A' (U V summed over channels)
 * A. Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016.  The
 * matrices are those of interpolation at 0, +-5/8, +-3/2 and infinity: all their numbers are exact
 * in a float, and the error is twice a plain sum's, where the usual 0, +-1, +-2 make it five times
 * that.  The smaller tile's are 0, +-1 and infinity.
 */
#include "kernels/winograd_points.h"

/* B' of the cells of a row or column. */
__attribute__((always_inline)) static inline void winograd_spread(const int side, const vector *d,
                                                                  vector *out)
{
    const float a = WINOGRAD_A, b = WINOGRAD_B, aa = a * a, bb = b * b;
    if (side == 2) {
        out[0] = d[2] - d[0];
        out[1] = d[2] + d[1];
        out[2] = d[2] - d[1];
        out[3] = d[3] - d[1];
        return;
    }
    vector even_a = d[4] - bb * d[2], odd_a = a * (d[3] - bb * d[1]);
    vector even_b = d[4] - aa * d[2], odd_b = b * (d[3] - aa * d[1]);
    out[0] = d[4] - (aa + bb) * d[2] + aa * bb * d[0];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = d[5] - (aa + bb) * d[3] + aa * bb * d[1];
}

/* A' of the sums of a row or column. */
__attribute__((always_inline)) static inline void winograd_collect(const int side, const vector *m,
                                                                   vector *out)
{
    const float a = WINOGRAD_A, b = WINOGRAD_B, aa = a * a, bb = b * b;
    if (side == 2) {
        out[0] = m[0] + m[1] + m[2];
        out[1] = m[1] - m[2] + m[3];
        return;
    }
    vector sum_a = m[1] + m[2], sum_b = m[3] + m[4];
    vector odd_a = a * (m[1] - m[2]), odd_b = b * (m[3] - m[4]);
    out[0] = m[0] + sum_a + sum_b;
    out[1] = odd_a + odd_b;
    out[2] = aa * sum_a + bb * sum_b;
    out[3] = m[5] + aa * odd_a + bb * odd_b;
}

/* The first `width` floats at p, zeros after them. */
__attribute__((always_inline)) static inline vector load_part(const float *p, uint32_t width)
{
    if (width == LANES)
        return *(const vector *)p;
    float part[LANES] = {0};
    for (uint32_t c = 0; c < width; c++)
        part[c] = p[c];
    return *(const vector *)part;
}

__attribute__((always_inline)) static inline void store_part(float *p, vector x, uint32_t width)
{
    if (width == LANES)
        *(vector *)p = x;
    else
        for (uint32_t c = 0; c < width; c++)
            p[c] = x[c];
}

__attribute__((always_inline)) static inline void winograd_input_strip(const int side,
                                                                       float *target, size_t step,
                                                                       const float *const *source,
                                                                       uint32_t first,
                                                                       uint32_t width)
{
    const int cells = side + 2;
    vector t[6][6];
    UNROLL for (int x = 0; x < cells; x++)
    {
        vector d[6], s[6];
        UNROLL for (int y = 0; y < cells; y++) d[y] =
            load_part(source[cells * y + x] + first, width);
        winograd_spread(side, d, s);
        UNROLL for (int y = 0; y < cells; y++) t[y][x] = s[y];
    }
    UNROLL for (int y = 0; y < cells; y++)
    {
        vector s[6];
        winograd_spread(side, t[y], s);
        UNROLL for (int x = 0; x < cells; x++) *
            (vector *)(target + (size_t)(cells * y + x) * step) = s[x];
    }
}

__attribute__((always_inline)) static inline void winograd_input_row(const int side, float *target,
                                                                     size_t step,
                                                                     const float *const *source,
                                                                     uint32_t channels)
{
    uint32_t c = 0;
    for (; c + LANES <= channels; c += LANES)
        winograd_input_strip(side, target + c, step, source, c, LANES);
    if (c < channels)
        winograd_input_strip(side, target + c, step, source, c, channels - c);
}

static void winograd_input(uint32_t side, float *target, size_t step, const float *const *source,
                           uint32_t channels)
{
    if (side == 2)
        winograd_input_row(2, target, step, source, channels);
    else
        winograd_input_row(4, target, step, source, channels);
}

__attribute__((always_inline)) static inline void winograd_output_strip(
    const int side, const struct winograd_tile *tile, const float *source, size_t step,
    uint32_t first, uint32_t width)
{
    const int cells = side + 2;
    vector t[4][6];
    UNROLL for (int x = 0; x < cells; x++)
    {
        vector m[6], s[4];
        UNROLL for (int y = 0; y < cells; y++) m[y] =
            *(const vector *)(source + first + (size_t)(cells * y + x) * step);
        winograd_collect(side, m, s);
        UNROLL for (int y = 0; y < side; y++) t[y][x] = s[y];
    }
    vector bias = *(const vector *)(tile->bias + first);
    UNROLL for (int y = 0; y < side; y++)
    {
        vector s[4];
        winograd_collect(side, t[y], s);
        UNROLL for (int x = 0; x < side; x++)
        {
            float *target = tile->target[side * y + x];
            const float *residual = tile->residual[side * y + x];
            if (!target)
                continue;
            vector sum = s[x] + bias;
            if (residual)
                sum += load_part(residual + first, width);
            store_part(target + first, clamp_vector(sum, tile->low, tile->high), width);
        }
    }
}

__attribute__((always_inline)) static inline void winograd_output_row(
    const int side, const struct winograd_tile *tile, const float *source, size_t step,
    uint32_t channels)
{
    uint32_t c = 0;
    for (; c + LANES <= channels; c += LANES)
        winograd_output_strip(side, tile, source, step, c, LANES);
    if (c < channels)
        winograd_output_strip(side, tile, source, step, c, channels - c);
}

static void winograd_output(uint32_t side, const struct winograd_tile *tile, const float *source,
                            size_t step, uint32_t channels)
{
    if (side == 2)
        winograd_output_row(2, tile, source, step, channels);
    else
        winograd_output_row(4, tile, source, step, channels);
}
