/* Which convolutions are computed in tiles, of which size, and their weights for that. */
#include "ops/conv_parts.h"

/* The large tiles multiply less but have more weights, which are read for each block: not if the
 * weights are many and the sites few.  The small ones take four ninths of the products but 16
 * ninths of the weights; and 7 x 7 sites, as many networks end with, fill three of four tiles'
 * outputs: skipping the zeros that a Relu left is faster then.  In bfloat16 the large tiles would
 * lose too many bits, and the small ones are no faster on a few sites. */
enum {
    LEAST_CHANNELS = 16,
    LEAST_SITES = 64, /* where zeros can be skipped instead */
    MANY_SITES = 400,
    FEW_FLOATS = 640 << 10,
    LEAST_ROUNDED_SITES = 100,
};

static bool fits_tiles(const struct conv *conv)
{
    const struct window *w = &conv->window;
    return !conv->pointwise && !conv->depthwise && conv->blocks == 1 && w->kernel_height == 3 &&
           w->kernel_width == 3 && w->stride_y == 1 && w->stride_x == 1 && w->dilation_y == 1 &&
           w->dilation_x == 1 && conv->in_channels >= LEAST_CHANNELS &&
           conv->out_channels >= LEAST_CHANNELS;
}

/* 0: no tiles.  In bfloat16, their numbers are multiplied where they stand, or it does not pay. */
static uint32_t side_of(const struct graph *graph, const struct conv *conv)
{
    size_t count = (size_t)conv->in_channels * conv->out_channels;
    uint64_t sites = (uint64_t)conv->window.out_height * conv->window.out_width;
    if (!fits_tiles(conv))
        return 0;
    if (graph->precision == LM_PRECISION_FLOAT32) {
        if (conv->skips_zeros && sites < LEAST_SITES)
            return 0;
        return sites >= MANY_SITES || count <= FEW_FLOATS / WINOGRAD_CELLS ? 4 : 2;
    }
    bool in_place = kernels_bf16_in_place(graph->kernels, 9, conv->in_channels);
    return sites >= LEAST_ROUNDED_SITES && in_place ? 2 : 0;
}

size_t conv_winograd_plan(const struct graph *graph, struct conv *conv)
{
    uint32_t in = conv->in_channels, out = conv->out_channels;
    conv->winograd_side = side_of(graph, conv);
    conv->winograd_numbers = graph->precision == LM_PRECISION_FLOAT32
                                 ? kernels_packed_floats(graph->kernels, in, out)
                                 : kernels_bf16_numbers(in, out);
    return conv->winograd_side ? conv->winograd_numbers * conv_winograd_cells(conv) : 0;
}

void conv_winograd_pack(const struct graph *graph, const struct conv *conv, const float *weights,
                        float *matrix)
{
    uint32_t in = conv->in_channels, out = conv->out_channels;
    size_t count = (size_t)in * out;
    for (uint32_t i = 0; i < conv_winograd_cells(conv); i++) {
        size_t at = i * conv->winograd_numbers;
        kernels_winograd_weights(conv->winograd_side, weights, count, i, count, matrix);
        if (conv->rounds)
            kernels_bf16_pack(matrix, in, out, (uint16_t *)conv->winograd + at);
        else
            kernels_pack(graph->kernels, matrix, in, out, (float *)conv->winograd + at);
    }
}
