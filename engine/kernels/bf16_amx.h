/* Products in bfloat16 by tiles; part of body.h, for amx.c alone.
 *
 * Four tiles hold 32 rows x 32 columns of sums, two 16 rows x 32 terms each, two 32 terms x 16
 * columns each.  Packed rows stand an odd number of cache lines apart, so that the rows of a tile
 * do not share the sets of a cache.  Tiles are configured for each call: threads are the caller's.
 */
#include "kernels/bf16_avx512.h"

enum { BF16_IN_PLACE = false, TILE = 16, FEW_WEIGHTS = 1 << 18 };

static void configure_tiles(void)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.row_bytes[i] = 64;
        c.rows[i] = TILE;
    }
    _tile_loadconfig(&c);
}

/* Sums of 1 or 2 tiles of rows x 1 or 2 of columns. */
__attribute__((always_inline)) static inline void tile_products(const uint8_t *a, size_t stride,
                                                                const uint8_t *b, size_t steps,
                                                                float sums[32][32],
                                                                const int row_tiles,
                                                                const int column_tiles)
{
    const uint8_t *lower = a + TILE * stride;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t i = 0; i < steps; i++) {
        _tile_loadd(4, a + i * 64, stride);
        _tile_loadd(6, b, 64);
        _tile_dpbf16ps(0, 4, 6);
        if (column_tiles == 2) {
            _tile_loadd(7, b + 1024, 64);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (row_tiles == 2) {
            _tile_loadd(5, lower + i * 64, stride);
            _tile_dpbf16ps(2, 5, 6);
            if (column_tiles == 2)
                _tile_dpbf16ps(3, 5, 7);
        }
        b += column_tiles * 1024;
    }
    _tile_stored(0, sums[0], sizeof sums[0]);
    if (column_tiles == 2)
        _tile_stored(1, sums[0] + TILE, sizeof sums[0]);
    if (row_tiles == 2)
        _tile_stored(2, sums[TILE], sizeof sums[0]);
    if (row_tiles == 2 && column_tiles == 2)
        _tile_stored(3, sums[TILE] + TILE, sizeof sums[0]);
}

/* Bias, residual, limits and storing of columns first.. of some rows. */
static inline void finish(const struct bf16_product *p, size_t row, uint32_t first, size_t rows,
                          float sums[32][32])
{
    __mmask32 columns = first_lanes(p->columns - first);
    __m512 bias[2];
    read_halves(p->bias, false, first, columns, &bias[0], &bias[1]);
    for (size_t r = 0; r < rows; r++)
        store_sums(p, row + r, first, columns, _mm512_load_ps(sums[r]) + bias[0],
                   _mm512_load_ps(sums[r] + 16) + bias[1]);
}

/* Up to 32 rows x 32 columns. */
static void square(const struct bf16_product *p, size_t row, uint32_t first, size_t rows)
{
    size_t steps = (p->depth + BF16_STEP - 1) / BF16_STEP;
    size_t stride = kernels_bf16_row_bytes(&KERNELS_TABLE, p->depth);
    const uint8_t *a = (const uint8_t *)p->rows + row * stride;
    const uint8_t *weights = (const uint8_t *)(p->weights + first * steps * BF16_STEP);
    float sums[32][32] __attribute__((aligned(64)));
    bool wide = p->columns - first > TILE;
    fetch_residual(p, row, first, rows);
    if (rows > TILE && wide)
        tile_products(a, stride, weights, steps, sums, 2, 2);
    else if (rows > TILE)
        tile_products(a, stride, weights, steps, sums, 2, 1);
    else if (wide)
        tile_products(a, stride, weights, steps, sums, 1, 2);
    else
        tile_products(a, stride, weights, steps, sums, 1, 1);
    finish(p, row, first, rows, sums);
}

/* Few weights stay in the L2 cache: then rows of the target are written whole.  Else each panel of
 * weights is read once. */
static void bf16_multiply(const struct bf16_product *p, size_t rows)
{
    bool few = kernels_bf16_numbers(p->depth, p->columns) <= FEW_WEIGHTS;
    size_t row_step = few ? 2 * TILE : rows;
    uint32_t column_step = few ? p->columns : 2 * TILE;
    configure_tiles();
    for (uint32_t panel = 0; panel < p->columns; panel += column_step)
        for (size_t block = 0; block < rows; block += row_step)
            for (uint32_t first = panel; first < panel + column_step && first < p->columns;
                 first += 2 * TILE)
                for (size_t row = block; row < block + row_step && row < rows; row += 2 * TILE)
                    square(p, row, first, rows - row < 2 * TILE ? rows - row : 2 * TILE);
    _tile_release();
}
