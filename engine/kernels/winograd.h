/* Winograd's minimal filtering F(4x4, 3x3) and F(2x2, 3x3): 36 products for the 16 outputs of a
 * tile instead of 144, or 16 for 4 instead of 36; part of body.h.
 *
 * A filter's nine weights become as many numbers as a tile has cells (U = G g G'; pack.c), and so
 * do the cells that the tile's windows see (V = B' d B); the tile is A' (U V summed over channels)
 * A. Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016.  The
 * matrices are those of interpolation at 0, +-5/8, +-3/2 and infinity: all their numbers are exact
 * in a float, and the error is twice a plain sum's, where the usual 0, +-1, +-2 make it five times
 * that.  The smaller tile's are 0, +-1 and infinity.
 *
 * In bfloat16, the numbers are rounded once more before they are multiplied: which the smaller tile
 * bears, whose numbers are sums and differences of four cells, but not the larger one.
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

typedef uint16_t halves
    __attribute__((vector_size(LANES * sizeof(uint16_t)), aligned(2), may_alias));

/* As bf16_value and bf16_of do; the instruction set's file may say it in one instruction or two. */
#ifndef VECTOR_WIDEN
#define VECTOR_WIDEN(x) ((vector)(__builtin_convertvector(x, words) << 16))
#endif
#ifndef VECTOR_ROUND
static inline halves round_vector(vector x)
{
    words bits = (words)x, nan = (words)(x != x);
    words rounded = bits + 0x7fff + (bits >> 16 & 1);
    return __builtin_convertvector(((rounded & ~nan) | ((bits | 0x400000) & nan)) >> 16, halves);
}
#define VECTOR_ROUND(x) round_vector(x)
#endif

/* Numbers first..first+width-1 of a row of floats or, `rounded`, of bfloat16; zeros after them. */
__attribute__((always_inline)) static inline vector load_part(const void *row, const bool rounded,
                                                              size_t first, uint32_t width)
{
    const float *floats = (const float *)row + first;
    const uint16_t *numbers = (const uint16_t *)row + first;
    if (width == LANES)
        return rounded ? VECTOR_WIDEN(*(const halves *)numbers) : *(const vector *)floats;
    float part[LANES] = {0};
    for (uint32_t c = 0; c < width; c++)
        part[c] = rounded ? bf16_value(numbers[c]) : floats[c];
    return *(const vector *)part;
}

__attribute__((always_inline)) static inline void store_part(void *row, const bool rounded,
                                                             size_t first, uint32_t width, vector x)
{
    halves rounds = rounded ? VECTOR_ROUND(x) : (halves){0};
    float *floats = (float *)row + first;
    uint16_t *numbers = (uint16_t *)row + first;
    if (width == LANES && rounded)
        *(halves *)numbers = rounds;
    else if (width == LANES)
        *(vector *)floats = x;
    for (uint32_t c = 0; c < width && width < LANES; c++)
        if (rounded)
            numbers[c] = rounds[c];
        else
            floats[c] = x[c];
}

__attribute__((always_inline)) static inline void winograd_input_strip(
    const struct winograd_cells *tile, const int side, const bool from_rounded,
    const bool to_rounded, uint32_t first, uint32_t width)
{
    const int cells = side + 2;
    void *target = tile->target; /* which may overlap with anything, for all that compilers know */
    size_t step = tile->step;
    vector t[6][6];
    UNROLL for (int x = 0; x < cells; x++)
    {
        vector d[6], s[6];
        UNROLL for (int y = 0; y < cells; y++) d[y] =
            load_part(tile->source[cells * y + x], from_rounded, first, width);
        winograd_spread(side, d, s);
        UNROLL for (int y = 0; y < cells; y++) t[y][x] = s[y];
    }
    UNROLL for (int y = 0; y < cells; y++)
    {
        vector s[6];
        winograd_spread(side, t[y], s);
        UNROLL for (int x = 0; x < cells; x++)
            store_part(target, to_rounded, (size_t)(cells * y + x) * step + first, LANES, s[x]);
    }
}

__attribute__((always_inline)) static inline void winograd_input_row(
    const struct winograd_cells *tile, const int side, const bool from_rounded,
    const bool to_rounded)
{
    uint32_t c = 0;
    for (; c + LANES <= tile->channels; c += LANES)
        winograd_input_strip(tile, side, from_rounded, to_rounded, c, LANES);
    if (c < tile->channels)
        winograd_input_strip(tile, side, from_rounded, to_rounded, c, tile->channels - c);
}

static void winograd_input(const struct winograd_cells *tile)
{
    if (tile->side == 4)
        winograd_input_row(tile, 4, false, false);
    else if (!tile->target_rounded)
        winograd_input_row(tile, 2, false, false);
    else if (tile->source_rounded)
        winograd_input_row(tile, 2, true, true);
    else
        winograd_input_row(tile, 2, false, true);
}

/* rounds: the tile says whether its rows are rounded; else none is. */
__attribute__((always_inline)) static inline void winograd_output_strip(
    const struct winograd_tile *tile, const int side, const bool rounds, const float *source,
    size_t step, uint32_t first, uint32_t width)
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
    size_t column = (size_t)tile->column + first;
    vector bias = *(const vector *)(tile->bias + column);
    UNROLL for (int y = 0; y < side; y++)
    {
        vector s[4];
        winograd_collect(side, t[y], s);
        UNROLL for (int x = 0; x < side; x++)
        {
            void *target = tile->target[side * y + x];
            const void *residual = tile->residual[side * y + x];
            if (!target)
                continue;
            vector sum = s[x] + bias;
            if (residual)
                sum += load_part(residual, rounds && tile->residual_rounded, column, width);
            store_part(target, rounds && tile->target_rounded, column, width,
                       clamp_vector(sum, tile->low, tile->high));
        }
    }
}

__attribute__((always_inline)) static inline void winograd_output_row(
    const struct winograd_tile *tile, const int side, const bool rounds, const float *source,
    size_t step, uint32_t channels)
{
    uint32_t c = 0;
    for (; c + LANES <= channels; c += LANES)
        winograd_output_strip(tile, side, rounds, source, step, c, LANES);
    if (c < channels)
        winograd_output_strip(tile, side, rounds, source, step, c, channels - c);
}

static void winograd_output(uint32_t side, const struct winograd_tile *tile, const float *source,
                            size_t step, uint32_t channels)
{
    if (side == 4)
        winograd_output_row(tile, 4, false, source, step, channels);
    else if (tile->target_rounded || tile->residual_rounded)
        winograd_output_row(tile, 2, true, source, step, channels);
    else
        winograd_output_row(tile, 2, false, source, step, channels);
}
