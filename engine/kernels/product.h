/* Matrix product of rows with packed weights; part of body.h.
 *
 * A tile of TILE_ROWS x (2 vectors) sums stays in registers while the rows are read where they
 * stand, one float broadcast at a time, and the weights stream past, packed in the order of their
 * use.  Rows are found through pointers, one for each tap, so a convolution needs no gathered copy.
 * A sum depends on its row and column alone: not on the tile, the block or the batch that it is
 * computed in.
 */
#if defined(__AVX512F__)
enum { LANES = 16, TILE_ROWS = 12 };
#elif defined(__AVX2__)
enum { LANES = 8, TILE_ROWS = 6 };
#else
enum { LANES = 4, TILE_ROWS = 6 };
#endif

typedef float vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

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
                                                            vector sum[TILE_ROWS][2])
{
    UNROLL for (int v = 0; v < vectors; v++)
    {
        vector start = *(const vector *)(bias + v * LANES);
        UNROLL for (int r = 0; r < rows; r++) sum[r][v] = start;
    }
    for (uint32_t t = 0; t < p->taps; t++) {
        const float *row[TILE_ROWS];
        UNROLL for (int r = 0; r < rows; r++) row[r] = source[(size_t)r * p->taps + t];
        for (uint32_t k = 0; k < p->depth; k++) {
            vector w[2];
            UNROLL for (int v = 0; v < vectors; v++) w[v] = *(const vector *)(weights + v * LANES);
            UNROLL for (int r = 0; r < rows; r++)
            {
                vector x = vector_of(row[r][k]);
                UNROLL for (int v = 0; v < vectors; v++) sum[r][v] += x * w[v];
            }
            weights += vectors * LANES;
        }
    }
}

typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(int32_t)), may_alias));

static inline vector choose(lanes mask, vector yes, vector no)
{
    return (vector)(((lanes)yes & mask) | ((lanes)no & ~mask));
}

static inline vector clamp_vector(vector x, float low, float high)
{
    vector l = vector_of(low), h = vector_of(high);
    x = choose(x > l, x, l);
    return choose(x < h, x, h);
}

/* Adds the residual, clamps and stores columns first..first+width-1 of a tile. */
__attribute__((always_inline)) static inline void tile_store(const struct product *p, size_t row,
                                                             uint32_t first, uint32_t width,
                                                             const int rows, const int vectors,
                                                             vector sum[TILE_ROWS][2])
{
    UNROLL for (int r = 0; r < rows; r++)
    {
        float *target = p->target + (row + (size_t)r) * p->target_stride + first;
        const float *residual =
            p->residual ? p->residual + (row + (size_t)r) * p->residual_stride + first : NULL;
        if (width == (uint32_t)(vectors * LANES)) {
            UNROLL for (int v = 0; v < vectors; v++)
            {
                vector x = sum[r][v];
                if (residual)
                    x += *(const vector *)(residual + v * LANES);
                *(vector *)(target + v * LANES) = clamp_vector(x, p->low, p->high);
            }
        } else {
            float part[2 * LANES] = {0};
            UNROLL for (int v = 0; v < vectors; v++) * (vector *)(part + v * LANES) = sum[r][v];
            for (uint32_t c = 0; c < width; c++) {
                float x = part[c] + (residual ? residual[c] : 0.0f);
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
    vector sum[TILE_ROWS][2];
    tile_sums(p, p->source + row * p->taps, weights, p->bias + first, rows, vectors, sum);
    tile_store(p, row, first, width, rows, vectors, sum);
}

#define TILE_CASE(n)                                                                               \
    case n:                                                                                        \
        if (vectors == 2)                                                                          \
            tile(p, row, weights, first, width, n, 2);                                             \
        else                                                                                       \
            tile(p, row, weights, first, width, n, 1);                                             \
        break;

static void some_rows(const struct product *p, size_t row, const float *weights, uint32_t first,
                      uint32_t width, size_t rows, int vectors)
{
    switch (rows) {
        TILE_CASE(1)
        TILE_CASE(2)
        TILE_CASE(3)
        TILE_CASE(4)
        TILE_CASE(5)
        TILE_CASE(6)
#if defined(__AVX512F__)
        TILE_CASE(7)
        TILE_CASE(8)
        TILE_CASE(9)
        TILE_CASE(10)
        TILE_CASE(11)
        TILE_CASE(12)
#endif
    default: break;
    }
}

/* Panels outside, rows inside: a panel of weights stays in the L2 cache while all rows pass. */
static void multiply(const struct product *p, size_t rows)
{
    size_t depth = (size_t)p->taps * p->depth;
    const float *weights = p->weights;
    for (uint32_t first = 0; first < p->columns;) {
        uint32_t left = p->columns - first, full = 2 * LANES;
        uint32_t width = left < full ? left : full;
        int vectors = width > LANES ? 2 : 1;
        for (size_t row = 0; row < rows; row += TILE_ROWS) {
            size_t n = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
            some_rows(p, row, weights, first, width, n, vectors);
        }
        weights += depth * (size_t)vectors * LANES;
        first += width;
    }
}
