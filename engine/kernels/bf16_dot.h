/* Products in bfloat16 by VDPBF16PS, which adds two products to each of 16 sums; part of body.h,
 * for avx512_bf16.c alone.
 *
 * As in product.h: a tile of sums stays in registers, pairs of numbers of its rows are broadcast
 * one at a time, and the weights stream past, those of two neighbouring panels side by side.  Rows
 * that are bfloat16 already are read where they stand.
 */
#include "kernels/bf16_avx512.h"

enum {
    BF16_IN_PLACE = true,
    MOST_VECTORS = 4,
    MOST_DOT_ROWS = 12,
    SQUARE = BF16_STEP * BF16_COLUMNS
};

/* Some columns of a product, at most 64: one panel of weights or two (else the second is not read).
 */
struct strip {
    const uint16_t *weights[2];
    uint32_t step[2]; /* numbers from square to square of a panel */
    uint32_t first, columns;
    size_t row_step; /* numbers from packed row to packed row */
};

/* Adds the products of up to 32 terms, `pairs` pairs. */
__attribute__((always_inline)) static inline void add_terms(const uint16_t *const *rows, size_t k,
                                                            const uint16_t *const *weights,
                                                            uint32_t pairs,
                                                            __m512 sum[MOST_DOT_ROWS][MOST_VECTORS],
                                                            const int n, const int vectors)
{
    for (uint32_t i = 0; i < pairs; i++) {
        __m512i w[MOST_VECTORS];
        UNROLL for (int v = 0; v < vectors; v++)
        {
            const uint16_t *at = weights[v / 2] + v % 2 * SQUARE + i * 2 * BF16_COLUMNS;
            w[v] = _mm512_loadu_si512(at);
        }
        UNROLL for (int r = 0; r < n; r++)
        {
            int32_t pair;
            memcpy(&pair, rows[r] + k + 2 * i, sizeof pair);
            __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
            UNROLL for (int v = 0; v < vectors; v++) sum[r][v] =
                _mm512_dpbf16_ps(sum[r][v], x, (__m512bh)w[v]);
        }
    }
}

static inline const uint16_t *row_of(const struct bf16_product *p, const struct strip *strip,
                                     size_t row, uint32_t tap)
{
    return p->rows ? (const uint16_t *)p->rows + row * strip->row_step
                   : (const uint16_t *)p->source[row * p->taps + tap];
}

__attribute__((always_inline)) static inline void dot_sums(const struct bf16_product *p, size_t row,
                                                           const struct strip *strip,
                                                           __m512 sum[MOST_DOT_ROWS][MOST_VECTORS],
                                                           const int n, const int vectors)
{
    const uint16_t *weights[2] = {strip->weights[0], strip->weights[1]};
    UNROLL for (int v = 0; v < vectors; v++)
    {
        __m512 bias = _mm512_loadu_ps(p->bias + strip->first + v * LANES);
        UNROLL for (int r = 0; r < n; r++) sum[r][v] = bias;
    }
    for (uint32_t t = 0; t < p->taps; t++) {
        const uint16_t *rows[MOST_DOT_ROWS];
        UNROLL for (int r = 0; r < n; r++) rows[r] = row_of(p, strip, row + (size_t)r, t);
        for (size_t k = 0; k < p->depth; k += BF16_STEP) {
            size_t left = p->depth - k;
            uint32_t pairs = left < BF16_STEP ? (uint32_t)(left + 1) / 2 : BF16_STEP / 2;
            add_terms(rows, k, weights, pairs, sum, n, vectors);
            weights[0] += strip->step[0];
            weights[1] += strip->step[1];
        }
    }
}

__attribute__((always_inline)) static inline void dot_tile(const struct bf16_product *p, size_t row,
                                                           const struct strip *strip, const int n,
                                                           const int vectors)
{
    __m512 sum[MOST_DOT_ROWS][MOST_VECTORS];
    for (uint32_t c = 0; c < strip->columns; c += 2 * BF16_COLUMNS)
        fetch_residual(p, row, strip->first + c, (size_t)n);
    dot_sums(p, row, strip, sum, n, vectors);
    bool whole = strip->columns == (uint32_t)(vectors * LANES);
    UNROLL for (int r = 0; r < n; r++) UNROLL for (int v = 0; v < vectors; v += 2)
    {
        uint32_t first = (uint32_t)(v * LANES), left = strip->columns - first;
        __m512 next = v + 1 < vectors ? sum[r][v + 1] : _mm512_setzero_ps();
        if (whole && v + 1 < vectors) /* a constant: no masks */
            store_sums(p, row + (size_t)r, strip->first + first, 0xffffffffu, sum[r][v], next);
        else
            store_sums(p, row + (size_t)r, strip->first + first, first_lanes(left), sum[r][v],
                       next);
    }
}

#define DOT_CASE(n, vectors)                                                                       \
    case n: dot_tile(p, row, strip, n, vectors); break

/* A function for each width of strips, a case for each number of rows. */
#define DEFINE_DOT_ROWS(name, vectors, more)                                                       \
    static void name(const struct bf16_product *p, const struct strip *strip, size_t row,          \
                     size_t rows)                                                                  \
    {                                                                                              \
        switch (rows) {                                                                            \
            DOT_CASE(1, vectors);                                                                  \
            DOT_CASE(2, vectors);                                                                  \
            DOT_CASE(3, vectors);                                                                  \
            DOT_CASE(4, vectors);                                                                  \
            DOT_CASE(5, vectors);                                                                  \
            DOT_CASE(6, vectors);                                                                  \
            more                                                                                   \
        }                                                                                          \
    }
#define DOT_ROWS_7_TO_12(vectors)                                                                  \
    DOT_CASE(7, vectors);                                                                          \
    DOT_CASE(8, vectors);                                                                          \
    DOT_CASE(9, vectors);                                                                          \
    DOT_CASE(10, vectors);                                                                         \
    DOT_CASE(11, vectors);                                                                         \
    DOT_CASE(12, vectors);
DEFINE_DOT_ROWS(dot_rows_of_1, 1, DOT_ROWS_7_TO_12(1))
DEFINE_DOT_ROWS(dot_rows_of_2, 2, DOT_ROWS_7_TO_12(2))
DEFINE_DOT_ROWS(dot_rows_of_3, 3, )
DEFINE_DOT_ROWS(dot_rows_of_4, 4, )

static void (*const dot_rows[MOST_VECTORS])(const struct bf16_product *, const struct strip *,
                                            size_t, size_t) = {
    dot_rows_of_1,
    dot_rows_of_2,
    dot_rows_of_3,
    dot_rows_of_4,
};

/* The strip that begins at a column. */
static struct strip strip_at(const struct bf16_product *p, uint32_t first)
{
    size_t depth = ((size_t)p->taps * p->depth + BF16_STEP - 1) / BF16_STEP * BF16_STEP;
    size_t row_bytes = kernels_bf16_row_bytes(&KERNELS_TABLE, p->depth);
    uint32_t left = p->columns - first, full = MOST_VECTORS * LANES;
    uint32_t columns = left < full ? left : full;
    bool second = columns > 2 * BF16_COLUMNS;
    const uint16_t *weights = p->weights + first * depth;
    return (struct strip){
        .weights = {weights, second ? weights + 2 * BF16_COLUMNS * depth : weights},
        .step = {columns > BF16_COLUMNS ? 2 * SQUARE : SQUARE,
                 columns > 3 * BF16_COLUMNS ? 2 * SQUARE : SQUARE},
        .first = first,
        .columns = columns,
        .row_step = row_bytes / sizeof(uint16_t),
    };
}

/* Strips outside, rows inside: a strip's weights stay in the L2 cache while all rows pass. */
static void bf16_multiply(const struct bf16_product *p, size_t rows)
{
    for (uint32_t first = 0; first < p->columns; first += MOST_VECTORS * LANES) {
        struct strip strip = strip_at(p, first);
        uint32_t vectors = (strip.columns + LANES - 1) / LANES;
        size_t most = vectors > 2 ? WIDE_TILE_ROWS : MOST_DOT_ROWS;
        for (size_t row = 0; row < rows; row += most)
            dot_rows[vectors - 1](p, &strip, row, rows - row < most ? rows - row : most);
    }
}
