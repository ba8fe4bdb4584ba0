/* Packing of weights in the order in which the products read them. */
#include "kernels/kernels.h"

static uint32_t panel_width(const struct kernels *kernels, uint32_t left)
{
    uint32_t vectors = (left + kernels->lanes - 1) / kernels->lanes;
    return (vectors < kernels->panel ? vectors : kernels->panel) * kernels->lanes;
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
