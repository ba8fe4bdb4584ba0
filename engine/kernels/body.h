/* The kernels, written so that compilers vectorise them; included once for each instruction set by
 * a file that defines KERNELS_TABLE (name of the table) and KERNELS_NAME (text). */
#include <math.h>
#include <string.h>

#include "kernels/bf16.h"
#include "kernels/kernels.h"
#include "kernels/number.h"
#include "kernels/product.h"
#include "kernels/sigmoid.h"
#include "kernels/winograd.h"

#include "kernels/pointwise.h"

#if defined(__AMX_BF16__)
#include "kernels/bf16_amx.h"
#elif defined(__AVX512BF16__)
#include "kernels/bf16_dot.h"
#else
#include "kernels/bf16_any.h"
#endif

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
#include "kernels/neighbour.h"

enum { STRIP = 64 };

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
    .skips = SKIP_VECTORS * LANES >= 64,
    .multiply = multiply,
    .gather = gather,
    .depthwise = depthwise,
    .max_pool = max_pool,
    .sum_pool = sum_pool,
    .interleave = interleave,
    .number = number,
    .neighbour_mean = neighbour_mean,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .sum_rows = sum_rows,
    .pointwise = pointwise_apply,
    .affine = affine,
    .row_op = row_op,
    .bf16_bytes = BF16_BYTES,
    .bf16_in_place = BF16_IN_PLACE,
    .bf16_pack = bf16_pack,
    .bf16_multiply = bf16_multiply,
    .bf16_neighbour_mean = bf16_neighbour_mean,
    .bf16_round = bf16_round,
};
