/* Matrix product of rows with packed weights; part of body.h.
 *
 * A tile of rows x vectors of sums stays in registers while the rows are read where they stand, one
 * float broadcast at a time, and the weights stream past, packed in the order of their use.  A wide
 * tile of few rows is the best: the rows' pointers stay in registers, too (with more rows than
 * those there are, each is loaded anew for each float).  Rows are found through pointers, one for
 * each tap, so a convolution needs no gathered copy.  A sum depends on its row and column alone:
 * not on the tile, the block or the batch that it is computed in.
 */
#if defined(__AVX512F__)
enum { LANES = 16, PANEL = 4, TILE_ROWS = 8 };
#elif defined(__AVX2__)
enum { LANES = 8, PANEL = 2, TILE_ROWS = 6 };
#elif defined(__aarch64__)
enum { LANES = 4, PANEL = 4, TILE_ROWS = 6 };
#else
enum { LANES = 4, PANEL = 2, TILE_ROWS = 6 };
#endif

/* Rows of a tile of a panel of 4 vectors; the narrower ones have TILE_ROWS. */
enum { WIDE_TILE_ROWS = 6, PREFETCH_FLOATS = 512 };

typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef uint32_t words
    __attribute__((vector_size(LANES * sizeof(uint32_t)), aligned(2), may_alias));

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

static inline vector vector_of(float x)
{
    return x - (vector){0};
}

/* Sums of one tile, started from the bias. */
__attribute__((always_inline)) static inline void tile_sums(const struct product *p,
                                                            const float *const *source,
                                                            const float *weights, const float *bias,
                                                            const int rows, const int vectors,
                                                            vector sum[TILE_ROWS][PANEL])
{
    UNROLL for (int v = 0; v < vectors; v++)
    {
        vector start = *(const vector *)(bias + v * LANES);
        UNROLL for (int r = 0; r < rows; r++) sum[r][v] = start;
    }
    for (uint32_t t = 0; t < p->taps; t++) {
        const float *row[TILE_ROWS];
        UNROLL for (int r = 0; r < rows; r++) row[r] = source[(size_t)r * p->taps + t];
        for (size_t k = 0; k < p->depth; k++) {
            vector w[PANEL];
            UNROLL for (int v = 0; v < vectors; v++)
            {
                w[v] = *(const vector *)(weights + v * LANES);
                __builtin_prefetch(weights + v * LANES + PREFETCH_FLOATS);
            }
            UNROLL for (int r = 0; r < rows; r++)
            {
                vector x = vector_of(row[r][k]);
                UNROLL for (int v = 0; v < vectors; v++) sum[r][v] += x * w[v];
            }
            weights += vectors * LANES;
        }
    }
}

/* The instruction set's file may say it in one instruction each; as x > y ? x : y, where a NaN in x
 * gives y. */
#ifndef VECTOR_MAX
typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(int32_t)), may_alias));

static inline vector choose(lanes mask, vector yes, vector no)
{
    return (vector)(((lanes)yes & mask) | ((lanes)no & ~mask));
}
#define VECTOR_MAX(x, y) choose((x) > (y), x, y)
#define VECTOR_MIN(x, y) choose((x) < (y), x, y)
#endif

static inline vector clamp_vector(vector x, float low, float high)
{
    vector l = vector_of(low), h = vector_of(high);
    x = VECTOR_MAX(x, l);
    return VECTOR_MIN(x, h);
}

/* Adds the residual, clamps and stores columns first..first+width-1 of a tile.  Adding 0 makes -0 a
 * 0, so that products that skip zeros give the same bits. */
__attribute__((always_inline)) static inline void tile_store(const struct product *p, size_t row,
                                                             uint32_t first, uint32_t width,
                                                             const int rows, const int vectors,
                                                             vector (*sum)[PANEL])
{
    UNROLL for (int r = 0; r < rows; r++)
    {
        float *target = p->target + (row + (size_t)r) * p->target_stride + first;
        const float *residual =
            p->residual ? p->residual + (row + (size_t)r) * p->residual_stride + first : NULL;
        if (width == (uint32_t)(vectors * LANES)) {
            UNROLL for (int v = 0; v < vectors; v++)
            {
                vector x = sum[r][v] + vector_of(0.0f);
                if (residual)
                    x += *(const vector *)(residual + v * LANES);
                *(vector *)(target + v * LANES) = clamp_vector(x, p->low, p->high);
            }
        } else {
            float part[PANEL * LANES] = {0};
            UNROLL for (int v = 0; v < vectors; v++) * (vector *)(part + v * LANES) = sum[r][v];
            for (uint32_t c = 0; c < width; c++) {
                float x = part[c] + 0.0f + (residual ? residual[c] : 0.0f);
                x = x > p->low ? x : p->low;
                target[c] = x < p->high ? x : p->high;
            }
        }
    }
}

__attribute__((always_inline)) static inline void tile(const struct product *p, size_t row,
                                                       const float *weights, uint32_t first,
                                                       uint32_t width, const int rows,
                                                       const int vectors)
{
    vector sum[TILE_ROWS][PANEL];
    tile_sums(p, p->source + row * p->taps, weights, p->bias + first, rows, vectors, sum);
    tile_store(p, row, first, width, rows, vectors, sum);
}

/* Where in a product a panel of columns lies. */
struct panel {
    const float *weights;
    uint32_t first, width; /* columns */
};

#define TILE_CASE(n, vectors)                                                                      \
    case n: tile(p, row, panel->weights, panel->first, panel->width, n, vectors); break

/* A function for each width of panels, a case for each number of rows. */
#define DEFINE_SOME_ROWS(name, vectors, more)                                                      \
    static void name(const struct product *p, const struct panel *panel, size_t row, size_t rows)  \
    {                                                                                              \
        switch (rows) {                                                                            \
            TILE_CASE(1, vectors);                                                                 \
            TILE_CASE(2, vectors);                                                                 \
            TILE_CASE(3, vectors);                                                                 \
            TILE_CASE(4, vectors);                                                                 \
            TILE_CASE(5, vectors);                                                                 \
            TILE_CASE(6, vectors);                                                                 \
            more                                                                                   \
        }                                                                                          \
    }

#if defined(__AVX512F__)
#define ROWS_7_AND_8(vectors)                                                                      \
    TILE_CASE(7, vectors);                                                                         \
    TILE_CASE(8, vectors);
#else
#define ROWS_7_AND_8(vectors)
#endif
DEFINE_SOME_ROWS(rows_of_1, 1, ROWS_7_AND_8(1))
DEFINE_SOME_ROWS(rows_of_2, 2, ROWS_7_AND_8(2))
#if defined(__AVX512F__) || defined(__aarch64__)
DEFINE_SOME_ROWS(rows_of_3, 3, ROWS_7_AND_8(3))
DEFINE_SOME_ROWS(rows_of_4, 4, )
#endif

static void (*const some_rows[PANEL])(const struct product *, const struct panel *, size_t,
                                      size_t) = {
    rows_of_1,
    rows_of_2,
#if defined(__AVX512F__) || defined(__aarch64__)
    rows_of_3,
    rows_of_4,
#endif
};

#include "kernels/zeros.h"

static void plain_panel(const struct product *p, const struct panel *panel, size_t rows)
{
    uint32_t vectors = (panel->width + LANES - 1) / LANES;
    size_t most = vectors == 4 ? WIDE_TILE_ROWS : TILE_ROWS;
    for (size_t row = 0; row < rows; row += most)
        some_rows[vectors - 1](p, panel, row, rows - row < most ? rows - row : most);
}

/* Panels outside, rows inside: a panel of weights stays in the L2 cache while all rows pass. */
static void multiply(const struct product *p, size_t rows)
{
    const uint32_t full = PANEL * LANES;
    size_t depth = (size_t)p->taps * p->depth;
    struct panel panel = {.weights = p->weights};
    struct zeros zeros = {.product = p};
    find_zeros(&zeros, rows);
    while (panel.first < p->columns) {
        uint32_t left = p->columns - panel.first;
        panel.width = left < full ? left : full;
        if (zeros.many && panel.width == full) {
            int panels = left < SKIP_PANELS * full ? 1 : SKIP_PANELS;
            skip_zeros(&zeros, &panel, rows, panels);
            panel.width *= (uint32_t)panels;
        } else {
            plain_panel(p, &panel, rows);
        }
        panel.weights += depth * ((panel.width + LANES - 1) / LANES * LANES);
        panel.first += panel.width;
    }
}
