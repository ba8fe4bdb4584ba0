/* Row numbers from bits, eight cells at a time: a byte's ranks come from a table.  Part of body.h.
 */
#include "kernels/ranks.h"

typedef int32_t eight_cells __attribute__((vector_size(8 * sizeof(int32_t))));

static inline int32_t number_byte(int32_t *map, uint32_t rows, uint32_t shown, int32_t next)
{
    const eight_cells bit = {1, 2, 4, 8, 16, 32, 64, 128};
    eight_cells eight;
    memcpy(&eight, kernels_ranks[rows], sizeof eight);
    eight = (eight + next) | ((bit & (int32_t)shown) == 0);
    memcpy(map, &eight, sizeof eight);
    return next + kernels_ranks[rows][7] + 1;
}

static void number(int32_t *map, const uint64_t *rows, const uint64_t *shown, uint32_t width,
                   int32_t next)
{
    uint32_t x = 0;
    for (; x + 8 <= width; x += 8)
        next = number_byte(map + x, rows[x / 64] >> x % 64 & 0xff, shown[x / 64] >> x % 64 & 0xff,
                           next);
    if (x < width) {
        int32_t last[8];
        number_byte(last, rows[x / 64] >> x % 64 & 0xff, shown[x / 64] >> x % 64 & 0xff, next);
        for (uint32_t i = 0; x + i < width; i++)
            map[x + i] = last[i];
    }
}
