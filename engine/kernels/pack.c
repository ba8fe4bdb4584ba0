/* Packing of weights in the order in which the products read them. */
#include "kernels/kernels.h"
#include "kernels/winograd_points.h"

static uint32_t panel_width(const struct kernels *kernels, uint32_t left)
{
    uint32_t vectors = (left + kernels->lanes - 1) / kernels->lanes;
    return (vectors < kernels->panel ? vectors : kernels->panel) * kernels->lanes;
}

size_t kernels_zeros_bytes(size_t taps, size_t depth, size_t rows)
{
    size_t chunks = depth / ZEROS_CHUNK + 1;
    return rows * (ZEROS_SUMS * sizeof(float) + taps * chunks * sizeof(uint64_t));
}

size_t kernels_packed_floats(const struct kernels *kernels, size_t depth, uint32_t columns)
{
    size_t width = 0;
    while (width < columns)
        width += panel_width(kernels, columns - (uint32_t)width);
    return width * depth;
}

void kernels_pack(const struct kernels *kernels, const float *matrix, size_t depth,
                  uint32_t columns, float *packed)
{
    for (uint32_t first = 0; first < columns;) {
        uint32_t width = panel_width(kernels, columns - first);
        for (size_t k = 0; k < depth; k++)
            for (uint32_t c = first; c < first + width; c++)
                *packed++ = c < columns ? matrix[k * columns + c] : 0.0f;
        first += width;
    }
}

/* Row `index` of G: the filter's polynomial at point `index`, divided by the product of the point's
 * distances from the other points; the last point is infinity. */
static void filter_row(uint32_t side, uint32_t index, double row[3])
{
    const double a = (double)WINOGRAD_A, b = (double)WINOGRAD_B;
    const double points[2][5] = {{0, 1, -1}, {0, a, -a, b, -b}}, *point = points[side == 4];
    double scale = 1, x = index <= side ? point[index] : 0;
    for (uint32_t i = 0; i <= side && index <= side; i++)
        scale *= i == index ? 1 : x - point[i];
    row[0] = index <= side ? 1 / scale : 0;
    row[1] = x / scale;
    row[2] = index <= side ? x * x / scale : 1;
}

void kernels_winograd_weights(uint32_t side, const float *weights, size_t stride, uint32_t index,
                              size_t count, float *out)
{
    double down[3], across[3], factor[9];
    filter_row(side, index / (side + 2), down);
    filter_row(side, index % (side + 2), across);
    for (uint32_t t = 0; t < 9; t++)
        factor[t] = down[t / 3] * across[t % 3];
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        for (uint32_t t = 0; t < 9; t++)
            sum += factor[t] * (double)weights[t * stride + i];
        out[i] = (float)sum;
    }
}

/* ---- bfloat16 */

static size_t steps_of(size_t depth)
{
    return (depth + BF16_STEP - 1) / BF16_STEP;
}

size_t kernels_bf16_numbers(size_t depth, uint32_t columns)
{
    size_t tiles = ((size_t)columns + BF16_COLUMNS - 1) / BF16_COLUMNS;
    return tiles * BF16_COLUMNS * steps_of(depth) * BF16_STEP;
}

size_t kernels_bf16_row_bytes(const struct kernels *kernels, size_t depth)
{
    size_t lines = (steps_of(depth) * BF16_STEP * kernels->bf16_bytes + 63) / 64;
    return (lines | 1) * 64;
}

size_t kernels_bf16_rows_bytes(const struct kernels *kernels, size_t depth, size_t rows)
{
    return (rows + 31) / 32 * 32 * kernels_bf16_row_bytes(kernels, depth);
}

size_t kernels_bf16_panel(const struct kernels *kernels, size_t depth)
{
    return kernels->bf16_bytes == sizeof(float) ? (depth + 1) * kernels->panel * kernels->lanes : 0;
}

bool kernels_bf16_in_place(const struct kernels *kernels, uint32_t taps, uint32_t depth)
{
    return kernels->bf16_in_place && depth % (taps > 1 ? BF16_STEP : 2) == 0;
}

/* 32 terms x 16 columns from (k, c) on. */
static void pack_square(const struct kernels *kernels, const float *matrix, size_t depth,
                        uint32_t columns, size_t k, uint32_t c, uint16_t *packed)
{
    float square[BF16_STEP * BF16_COLUMNS] = {0};
    for (size_t i = 0; i < BF16_STEP && k + i < depth; i++)
        for (uint32_t j = 0; j < BF16_COLUMNS && c + j < columns; j++)
            square[(i / 2 * BF16_COLUMNS + j) * 2 + i % 2] = matrix[(k + i) * columns + c + j];
    kernels->bf16_round(packed, square, BF16_STEP * BF16_COLUMNS);
}

void kernels_bf16_pack(const float *matrix, size_t depth, uint32_t columns, uint16_t *packed)
{
    const struct kernels *kernels = kernels_choose(true, false);
    for (uint32_t panel = 0; panel < columns; panel += 2 * BF16_COLUMNS)
        for (size_t k = 0; k < depth; k += BF16_STEP)
            for (uint32_t c = panel; c < columns && c < panel + 2 * BF16_COLUMNS;
                 c += BF16_COLUMNS, packed += BF16_STEP * BF16_COLUMNS)
                pack_square(kernels, matrix, depth, columns, k, c, packed);
}
