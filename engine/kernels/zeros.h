/* Products of rows with many zeros, as a Relu leaves them; part of body.h.
 *
 * A bit for each number of the rows says whether it is a zero, once for all panels of columns.
 * Then rows are taken alone, which skips every zero but reads the weights for each of them, or in
 * pairs, which skip what is zero in both and read the weights once for two: better where neighbours
 * share their zeros.  The weights of a chunk of the depth stay in the L1 cache while the rows of a
 * group pass.  What is skipped changes no sum and what is left is added in the same order, so that
 * results are those of the plain product, bit for bit (tile_store clears the sign of zeros).
 */
enum {
    PAIR = 2,
    PANEL_FLOATS = PANEL * LANES,
    LINE_FLOATS = 16,
    LEAST_ROWS = 16, /* with fewer, the weights' way from memory takes the time */
    LOOK_ROWS = 16,
    GROUP_ROWS = 64,
    L2_FLOATS = 1 << 17, /* of a panel: a larger one passes once, for a group of all rows */
};

/* What a number takes that is not skipped, and a chunk of a row or a pair besides, where a number
 * of a plain product takes COST_PLAIN.  Reading a vector of weights takes as long as multiplying
 * it, and one more is read for the number. */
enum { COST_PLAIN = 4, COST_ALONE = 5, COST_PAIR = 8, COST_CHUNK = 8 };

/* mask[(row * taps + tap) * chunks + chunk]: bit k is set if number k of the chunk is not zero. */
struct zeros {
    const struct product *product;
    uint32_t chunks; /* of a tap */
    int rows;        /* that are taken together: 1 or PAIR; 0: zeros are too few for it to pay */
    uint64_t *mask;
    float *sums; /* of a group */
};

#if defined(__AVX512F__)
static uint64_t nonzero_mask(const float *x, uint32_t n)
{
    uint64_t mask = 0;
    for (uint32_t k = 0; k < n; k += LANES) {
        __mmask16 here = (__mmask16)(n - k < LANES ? (1u << (n - k)) - 1 : 0xffffu);
        __m512 part = _mm512_maskz_loadu_ps(here, x + k);
        mask |= (uint64_t)_mm512_cmp_ps_mask(part, _mm512_setzero_ps(), _CMP_NEQ_UQ) << k;
    }
    return mask;
}
#else
static uint64_t nonzero_mask(const float *x, uint32_t n)
{
    uint64_t mask = 0;
    for (uint32_t k = 0; k < n; k++)
        mask |= (uint64_t)(float_bits(x[k]) << 1 != 0) << k;
    return mask;
}
#endif

static size_t bits_in(uint64_t mask)
{
    return (size_t)__builtin_popcountll(mask);
}

static void look_at_row(const struct zeros *z, size_t row)
{
    const struct product *p = z->product;
    uint64_t *mask = z->mask + row * p->taps * z->chunks;
    for (uint32_t t = 0; t < p->taps; t++)
        for (uint32_t k = 0; k < p->depth; k += ZEROS_CHUNK) {
            uint32_t n = p->depth - k < ZEROS_CHUNK ? p->depth - k : ZEROS_CHUNK;
            *mask++ = nonzero_mask(p->source[row * p->taps + t] + k, n);
        }
}

/* How to take the rows, as far as the first of them tell. */
static int best_rows(const struct product *p, size_t rows, size_t chunks, size_t alone, size_t pair)
{
    size_t cost_alone = COST_ALONE * alone + COST_CHUNK * rows * chunks,
           cost_pair = COST_PAIR * pair + COST_CHUNK * rows / PAIR * chunks,
           cost_plain = COST_PLAIN * rows * p->taps * p->depth;
    size_t least = cost_alone < cost_pair ? cost_alone : cost_pair;
    if (least > cost_plain / 10 * 9)
        return 0;
    return cost_alone < cost_pair ? 1 : PAIR;
}

/* Looks no further once it shows that zeros are too few. */
static int look_at_rows(const struct zeros *z, size_t rows)
{
    size_t chunks = z->product->taps * z->chunks, alone = 0, pair = 0;
    int best = 0;
    for (size_t r = 0; r < rows; r++) {
        const uint64_t *mask = z->mask + r * chunks, *before = r % PAIR ? mask - chunks : mask;
        look_at_row(z, r);
        for (size_t c = 0; c < chunks; c++) {
            alone += bits_in(mask[c]);
            if (r % PAIR || r == rows - 1)
                pair += bits_in(mask[c] | before[c]);
        }
        if (r % LOOK_ROWS < LOOK_ROWS - 1 && r < rows - 1)
            continue;
        best = best_rows(z->product, r + 1, chunks, alone, pair);
        if (!best)
            break;
    }
    return best;
}

static void find_zeros(struct zeros *z, size_t rows)
{
    const struct product *p = z->product;
    if (!p->zeros || rows < LEAST_ROWS || p->columns < PANEL_FLOATS)
        return;
    z->chunks = (p->depth + ZEROS_CHUNK - 1) / ZEROS_CHUNK;
    z->sums = (float *)p->zeros;
    z->mask = (uint64_t *)(void *)(z->sums + (rows + 1) * ZEROS_SUMS);
    z->rows = look_at_rows(z, rows);
}

/* ---- products */

/* A chunk of the depth of a panel, for rows first..end-1 of `rows`. */
struct piece {
    const struct panel *panel;
    const float *weights;
    uint32_t tap, chunk;
    bool starts, ends; /* the sums */
    size_t first, end, rows;
};

/* Adds a row's numbers to its sums. */
__attribute__((always_inline)) static inline void add_alone(const float *a, uint64_t mask,
                                                            const float *weights, vector sum[PANEL])
{
    for (; mask; mask &= mask - 1) {
        size_t k = (size_t)__builtin_ctzll(mask);
        vector x = vector_of(a[k]);
        UNROLL for (int v = 0; v < PANEL; v++) sum[v] +=
            x * *(const vector *)(weights + k * PANEL_FLOATS + v * LANES);
    }
}

__attribute__((always_inline)) static inline void add_pair(const float *a, const float *b,
                                                           uint64_t mask, const float *weights,
                                                           vector sum[PAIR][PANEL])
{
    for (; mask; mask &= mask - 1) {
        size_t k = (size_t)__builtin_ctzll(mask);
        vector x = vector_of(a[k]), y = vector_of(b[k]);
        vector w[PANEL]; /* in registers: read once for both rows */
        UNROLL for (int v = 0; v < PANEL; v++) w[v] =
            *(const vector *)(weights + k * PANEL_FLOATS + v * LANES);
        UNROLL for (int v = 0; v < PANEL; v++) sum[0][v] += x * w[v];
        UNROLL for (int v = 0; v < PANEL; v++) sum[1][v] += y * w[v];
    }
}

/* `n` floats, into the L2 cache. */
static inline void fetch(const float *data, size_t n)
{
    for (size_t i = 0; i < n; i += LINE_FLOATS)
        __builtin_prefetch(data + i, 0, 2);
}

/* What the piece after this one will read, or store: a part of it for each row. */
static inline void fetch_next(const struct product *p, const struct piece *piece, size_t row)
{
    size_t ahead = PAIR * (row - piece->first), column = piece->panel->first;
    if (ahead < ZEROS_CHUNK)
        fetch(piece->weights + (ZEROS_CHUNK + ahead) * PANEL_FLOATS, PAIR * PANEL_FLOATS);
    if (!piece->starts)
        return;
    fetch(p->target + row * p->target_stride + column, PANEL_FLOATS);
    if (p->residual)
        fetch(p->residual + row * p->residual_stride + column, PANEL_FLOATS);
}

/* The row behind the last one of an odd number is that one again, which is not stored. */
__attribute__((always_inline)) static inline void add_rows(const struct zeros *z,
                                                           const struct piece *piece, size_t row,
                                                           const int together)
{
    const struct product *p = z->product;
    float *sums = z->sums + (row - piece->first) * PANEL_FLOATS;
    const float *numbers[PAIR];
    uint64_t mask = 0;
    vector sum[PAIR][PANEL];
    UNROLL for (int i = 0; i < together; i++)
    {
        size_t r = row + (size_t)i < piece->rows ? row + (size_t)i : row;
        const float *from = piece->starts ? p->bias + piece->panel->first : sums + i * PANEL_FLOATS;
        numbers[i] = p->source[r * p->taps + piece->tap] + piece->chunk * ZEROS_CHUNK;
        mask |= z->mask[(r * p->taps + piece->tap) * z->chunks + piece->chunk];
        UNROLL for (int v = 0; v < PANEL; v++) sum[i][v] = *(const vector *)(from + v * LANES);
        fetch_next(p, piece, r);
    }
    if (together == PAIR)
        add_pair(numbers[0], numbers[1], mask, piece->weights, sum);
    else
        add_alone(numbers[0], mask, piece->weights, sum[0]);
    if (!piece->ends) {
        UNROLL for (int i = 0; i < together; i++) UNROLL for (int v = 0; v < PANEL; v++) *
            (vector *)(sums + i * PANEL_FLOATS + v * LANES) = sum[i][v];
        return;
    }
    tile_store(p, row, piece->panel->first, piece->panel->width, 1, PANEL, sum);
    if (together == PAIR && row + 1 < piece->rows)
        tile_store(p, row + 1, piece->panel->first, piece->panel->width, 1, PANEL, sum + 1);
}

static void add_piece(const struct zeros *z, const struct piece *piece)
{
    if (z->rows == PAIR)
        for (size_t r = piece->first; r < piece->end; r += PAIR)
            add_rows(z, piece, r, PAIR);
    else
        for (size_t r = piece->first; r < piece->end; r++)
            add_rows(z, piece, r, 1);
}

/* All rows of a full panel. */
static void skip_zeros(const struct zeros *z, const struct panel *panel, size_t rows)
{
    const struct product *p = z->product;
    size_t most = (size_t)p->taps * p->depth * PANEL_FLOATS > L2_FLOATS ? rows : GROUP_ROWS;
    for (size_t first = 0; first < rows; first += most) {
        struct piece piece = {.panel = panel,
                              .weights = panel->weights,
                              .starts = true,
                              .first = first,
                              .end = rows - first < most ? rows : first + most,
                              .rows = rows};
        for (piece.tap = 0; piece.tap < p->taps; piece.tap++)
            for (piece.chunk = 0; piece.chunk < z->chunks; piece.chunk++) {
                uint32_t left = p->depth - piece.chunk * ZEROS_CHUNK;
                piece.ends = piece.tap == p->taps - 1 && piece.chunk == z->chunks - 1;
                add_piece(z, &piece);
                piece.weights += (left < ZEROS_CHUNK ? left : ZEROS_CHUNK) * PANEL_FLOATS;
                piece.starts = false;
            }
    }
}
