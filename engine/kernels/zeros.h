/* Products of rows with many zeros, as a Relu leaves them; part of body.h.
 *
 * A bit for each number of the rows says whether it is a zero, once for all columns.  Then panels
 * of columns are taken together, a chunk of the depth at a time: its weights stay in the L1 cache
 * while the rows pass, each of which adds those of its numbers that are not zero.  Reading a vector
 * of weights takes as long as multiplying it, and the number is read besides: hence many vectors.
 * What is skipped changes no sum and what is left is added in the same order, so that results are
 * those of the plain product, bit for bit (tile_store clears the sign of zeros).
 */
enum {
    SKIP_VECTORS = 8,
    SKIP_PANELS = SKIP_VECTORS / PANEL,
    PANEL_FLOATS = PANEL * LANES,
    LINE_FLOATS = 16,
    LEAST_ROWS = 16, /* with fewer, the weights' way from memory takes the time */
    LOOK_ROWS = 16,
    COST_CHUNK = 8,
    ROWS_AHEAD = 4,
};

/* mask[(row * taps + tap) * chunks + chunk]: bit k is set if number k of the chunk is not zero. */
struct zeros {
    const struct product *product;
    uint32_t chunk, chunks; /* numbers of one; how many a tap has */
    bool many;              /* so that skipping them pays */
    uint64_t *mask;
    float *sums; /* of all rows, for the panels that are taken together */
};

/* Of LANES numbers. */
#if defined(__AVX512F__)
static uint64_t nonzero_lanes(const float *x)
{
    __m512 numbers = _mm512_loadu_ps(x);
    return bits_of_16(_mm512_cmp_ps_mask(numbers, _mm512_setzero_ps(), _CMP_NEQ_UQ));
}
#elif defined(__AVX2__)
static uint64_t nonzero_lanes(const float *x)
{
    __m256 differ = _mm256_cmp_ps(_mm256_loadu_ps(x), _mm256_setzero_ps(), _CMP_NEQ_UQ);
    return (uint64_t)_mm256_movemask_ps(differ);
}
#else
static uint64_t nonzero_lanes(const float *x)
{
    uint64_t mask = 0;
    for (uint32_t i = 0; i < LANES; i++)
        mask |= (uint64_t)(x[i] != 0) << i;
    return mask;
}
#endif

static uint64_t nonzero_mask(const float *x, uint32_t n)
{
    uint64_t mask = 0;
    uint32_t k = 0;
    for (; k + LANES <= n; k += LANES)
        mask |= nonzero_lanes(x + k) << k;
    for (; k < n; k++)
        mask |= (uint64_t)(x[k] != 0) << k;
    return mask;
}

/* How many numbers of the row are not zero. */
static size_t look_at_row(const struct zeros *z, size_t row)
{
    const struct product *p = z->product;
    uint64_t *mask = z->mask + row * p->taps * z->chunks;
    size_t found = 0;
    for (uint32_t t = 0; t < p->taps; t++)
        for (uint32_t k = 0; k < p->depth; k += z->chunk) {
            uint32_t n = p->depth - k < z->chunk ? p->depth - k : z->chunk;
            *mask = nonzero_mask(p->source[row * p->taps + t] + k, n);
            found += (size_t)__builtin_popcountll(*mask++);
        }
    return found;
}

/* Whether skipping pays by a tenth.  In vectors: read for each number that is not zero are its
 * weights and the number; and for each chunk the sums, which are written, too, and COST_CHUNK. */
static bool skipping_pays(const struct zeros *z, size_t rows, size_t found)
{
    const struct product *p = z->product;
    size_t vectors = p->columns < SKIP_PANELS * PANEL_FLOATS ? PANEL : SKIP_VECTORS;
    size_t chunks = rows * p->taps * z->chunks, plain = rows * p->taps * p->depth * vectors;
    return found * (vectors + 1) + chunks * (2 * vectors + COST_CHUNK) < plain / 10 * 9;
}

/* Looks no further once it shows that zeros are too few. */
static bool look_at_rows(const struct zeros *z, size_t rows)
{
    size_t found = 0;
    for (size_t r = 0; r < rows; r++) {
        found += look_at_row(z, r);
        bool judge = r % LOOK_ROWS == LOOK_ROWS - 1 || r == rows - 1;
        if (judge && !skipping_pays(z, r + 1, found))
            return false;
    }
    return true;
}

/* The chunk of few or narrow panels, or of a shallow product, may be as large as its mask. */
static void find_zeros(struct zeros *z, size_t rows)
{
    const struct product *p = z->product;
    if (!p->zeros || rows < LEAST_ROWS || p->columns < PANEL_FLOATS)
        return;
    bool narrow = SKIP_VECTORS * LANES < ZEROS_SUMS || p->columns < SKIP_PANELS * PANEL_FLOATS;
    bool large = narrow || p->depth <= ZEROS_BITS;
    z->chunk = large ? ZEROS_BITS : ZEROS_CHUNK;
    z->chunks = (p->depth + z->chunk - 1) / z->chunk;
    z->sums = (float *)p->zeros;
    z->mask = (uint64_t *)(void *)(z->sums + rows * ZEROS_SUMS);
    z->many = look_at_rows(z, rows);
}

/* ---- products */

/* A chunk of the depth of the panels that begin at a column. */
struct piece {
    const struct product *product;
    const float *weights, *next; /* of the first panel; those of the piece that follows */
    size_t panel;                /* floats from panel to panel */
    uint32_t column;
    uint32_t tap, chunk, numbers;
    bool starts, ends; /* the sums */
};

/* The same pointer, in a register of its own; else it may be computed anew for each number. */
__attribute__((always_inline)) static inline const float *keep(const float *data)
{
    __asm__("" : "+r"(data));
    return data;
}

/* Adds the numbers of row `r` to the sums `from`: new sums, or outputs if the piece ends them. */
__attribute__((always_inline)) static inline void add_row(const struct piece *piece, size_t r,
                                                          const float *numbers, uint64_t mask,
                                                          const float *from, float *to,
                                                          const int panels, const bool ends)
{
    vector sum[SKIP_PANELS][PANEL];
    UNROLL for (int i = 0; i < panels; i++) UNROLL for (int v = 0; v < PANEL; v++) sum[i][v] =
        *(const vector *)(from + i * PANEL_FLOATS + v * LANES);
    const float *weights[SKIP_PANELS];
    UNROLL for (int i = 0; i < panels; i++) weights[i] =
        keep(piece->weights + (size_t)i * piece->panel);
    for (; mask; mask &= mask - 1) {
        size_t k = (size_t)__builtin_ctzll(mask);
        vector x = vector_of(numbers[k]);
        UNROLL for (int i = 0; i < panels; i++) UNROLL for (int v = 0; v < PANEL; v++) sum[i][v] +=
            x * *(const vector *)(weights[i] + k * PANEL_FLOATS + v * LANES);
    }
    UNROLL for (int i = 0; i < panels; i++)
    {
        if (ends)
            tile_store(piece->product, r, piece->column + (uint32_t)(i * PANEL_FLOATS),
                       PANEL_FLOATS, 1, PANEL, sum + i);
        UNROLL for (int v = 0; v < PANEL && !ends; v++) *
            (vector *)(to + i * PANEL_FLOATS + v * LANES) = sum[i][v];
    }
}

/* Functions of their own, so that the loop over the rows keeps its pointers out of the vector
 * registers: on their way back they would wait for the products. */
#define DEFINE_ADD(name, panels, ends)                                                             \
    __attribute__((noinline)) static void name(const struct piece *piece, size_t r,                \
                                               const float *numbers, uint64_t mask,                \
                                               const float *from, float *to)                       \
    {                                                                                              \
        add_row(piece, r, numbers, mask, from, to, panels, ends);                                  \
    }
DEFINE_ADD(add_to_panel, 1, false)
DEFINE_ADD(add_to_panels, SKIP_PANELS, false)
DEFINE_ADD(end_panel, 1, true)
DEFINE_ADD(end_panels, SKIP_PANELS, true)

/* [several panels][ends] */
static void (*const add_numbers[2][2])(const struct piece *, size_t, const float *, uint64_t,
                                       const float *, float *) = {
    {add_to_panel, end_panel},
    {add_to_panels, end_panels},
};

/* `n` floats, into the L2 cache.  (A function that but prefetches would not be called.) */
__attribute__((always_inline)) static inline void fetch(const float *data, size_t n)
{
    for (size_t i = 0; i < n; i += LINE_FLOATS)
        __builtin_prefetch(data + i, 0, 2);
}

/* Where a row's outputs are stored, and what is added to them. */
__attribute__((always_inline)) static inline void fetch_outputs(const struct piece *piece,
                                                                size_t row, size_t n)
{
    const struct product *p = piece->product;
    fetch(p->target + row * p->target_stride + piece->column, n);
    if (p->residual)
        fetch(p->residual + row * p->residual_stride + piece->column, n);
}

/* All rows.  Meanwhile, what is needed next comes from memory: a part of the weights with each row,
 * and as the sums start what they are for. */
static void add_piece(const struct zeros *z, const struct piece *piece, size_t rows, int panels)
{
    void (*add)(const struct piece *, size_t, const float *, uint64_t, const float *, float *) =
        add_numbers[panels > 1][piece->ends];
    const struct product *p = z->product;
    size_t width = (size_t)panels * PANEL_FLOATS, ahead = piece->ends ? ROWS_AHEAD : 0;
    size_t lines = piece->numbers * PANEL_FLOATS / LINE_FLOATS;
    size_t part = (lines + rows - 1) / rows * LINE_FLOATS;
    size_t step = p->taps;
    const float *const *source = p->source + piece->tap;
    const uint64_t *mask = z->mask + piece->tap * z->chunks + piece->chunk;
    float *sums = z->sums;
    for (size_t r = 0; r < rows; r++, source += step, mask += step * z->chunks, sums += width) {
        for (int i = 0; i < panels; i++)
            fetch(piece->next + (size_t)i * piece->panel + r * part, part);
        if (piece->starts)
            fetch_outputs(piece, r + ahead, width);
        add(piece, r, *source + piece->chunk * z->chunk, *mask,
            piece->starts ? p->bias + piece->column : sums, sums);
    }
}

/* All rows of the full panels that begin at a column, of which `panels` are taken together. */
static void skip_zeros(const struct zeros *z, const struct panel *first, size_t rows, int panels)
{
    const struct product *p = z->product;
    struct piece piece = {.product = p,
                          .next = first->weights,
                          .panel = (size_t)p->taps * p->depth * PANEL_FLOATS,
                          .column = first->first,
                          .starts = true};
    for (piece.tap = 0; piece.tap < p->taps; piece.tap++)
        for (piece.chunk = 0; piece.chunk < z->chunks; piece.chunk++) {
            uint32_t left = p->depth - piece.chunk * z->chunk;
            piece.numbers = left < z->chunk ? left : z->chunk;
            piece.ends = piece.tap == p->taps - 1 && piece.chunk == z->chunks - 1;
            piece.weights = piece.next;
            piece.next += piece.numbers * PANEL_FLOATS;
            if (piece.ends)
                piece.next += (size_t)(panels - 1) * piece.panel;
            add_piece(z, &piece, rows, panels);
            piece.starts = false;
        }
}
