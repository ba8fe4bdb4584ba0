/* The kernels, written so that compilers vectorise them; included once for each instruction set by
 * a file that defines KERNELS_TABLE (name of the table) and KERNELS_NAME (text). */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/number.h"
#include "kernels/pointwise.h"
#include "kernels/product.h"

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

#include "kernels/depthwise.h"

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

enum { STRIP = 64 };

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

static void sum_rows(double *restrict sum, const float *restrict source, size_t rows,
                     uint32_t channels)
{
    for (size_t r = 0; r < rows; r++, source += channels)
        for (uint32_t c = 0; c < channels; c++)
            sum[c] += (double)source[c];
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
    .sum_rows = sum_rows,
    .pointwise = pointwise_apply,
    .row_op = row_op,
};
