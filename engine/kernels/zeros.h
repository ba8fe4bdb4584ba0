/* Products of rows with many zeros, as a Relu leaves them; part of body.h.
 *
 * One row at a time: a place of the depth where it holds a zero is skipped.  The places that are
 * left are listed once for each row and serve all panels of columns.  Such a row loads all weights
 * for itself, a vector for each multiplication: no slower than those, as long as they come from the
 * L1 cache.  So the rows of a group pass over the weights of a short piece of the depth, for two
 * panels together.  What is skipped changes no sum and what is left is added in the same order, so
 * that results are those of the plain product, bit for bit (tile_store clears the sign of zeros).
 */
enum {
    PANEL_FLOATS = PANEL * LANES,
    TWO_PANELS = 2 * PANEL,
    GROUP_ROWS = 48,
    L2_FLOATS = 1 << 17, /* of weights: more are read once, for all rows */
    LINE_FLOATS = 16,
};

/* place[((row * taps + tap) * chunks + chunk) * ZEROS_CHUNK ...]: count[same] places, from the
 * chunk's start. */
struct lists {
    const struct product *product;
    uint32_t chunks; /* of a tap */
    uint8_t *count, *place;
    float *sums;
};

/* The places of a chunk, at most ZEROS_CHUNK, that hold no zero. */
#if defined(__AVX512F__)
static uint32_t list_chunk(const float *row, uint32_t depth, uint8_t *place)
{
    __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    uint32_t n = 0;
    for (uint32_t k = 0; k < depth; k += LANES) {
        __mmask16 here = (__mmask16)(depth - k < LANES ? (1u << (depth - k)) - 1 : 0xffffu);
        __m512 x = _mm512_maskz_loadu_ps(here, row + k);
        __mmask16 kept = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        __m512i places = _mm512_maskz_compress_epi32(kept, at);
        _mm_storeu_si128((__m128i *)(void *)(place + n), _mm512_cvtepi32_epi8(places));
        n += (uint32_t)__builtin_popcount(kept);
        at = _mm512_add_epi32(at, _mm512_set1_epi32(LANES));
    }
    return n;
}
#else
static uint32_t list_chunk(const float *row, uint32_t depth, uint8_t *place)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < depth; k++) {
        place[n] = (uint8_t)k;
        n += float_bits(row[k]) << 1 != 0;
    }
    return n;
}
#endif

/* False if too few are zeros for it to pay: lists, loads and branches cost a quarter. */
static bool list_rows(const struct product *p, size_t rows, struct lists *lists)
{
    uint8_t *count = lists->count, *place = lists->place;
    size_t all = rows * p->taps * p->depth, kept = 0;
    for (size_t i = 0; i < rows * p->taps; i++)
        for (uint32_t k = 0; k < p->depth; k += ZEROS_CHUNK, place += ZEROS_CHUNK) {
            uint32_t depth = p->depth - k < ZEROS_CHUNK ? p->depth - k : ZEROS_CHUNK;
            *count = (uint8_t)list_chunk(p->source[i] + k, depth, place);
            kept += *count++;
        }
    return kept + all / 3 < all;
}

static bool find_zeros(const struct product *p, size_t rows, struct lists *lists)
{
    if (!p->lists)
        return false;
    lists->chunks = (p->depth + ZEROS_CHUNK - 1) / ZEROS_CHUNK;
    lists->sums = (float *)(void *)p->lists;
    lists->place = p->lists + rows * ZEROS_SUMS * sizeof *lists->sums;
    lists->count = lists->place + rows * p->taps * lists->chunks * ZEROS_CHUNK;
    return list_rows(p, rows, lists);
}

/* Adds a chunk to the sums of a row, vectors x LANES of them: those of one panel, or of two, whose
 * weights are `apart` floats apart. */
__attribute__((always_inline)) static inline void add_chunk(const float *row, const float *weights,
                                                            size_t apart, const uint8_t *place,
                                                            uint32_t count, const int vectors,
                                                            float *sums)
{
    vector sum[TWO_PANELS];
    UNROLL for (int v = 0; v < vectors; v++) sum[v] = *(const vector *)(sums + v * LANES);
    for (uint32_t i = 0; i < count; i++) {
        size_t k = place[i];
        vector x = vector_of(row[k]);
        const float *one = weights + k * PANEL_FLOATS, *two = one + apart;
        UNROLL for (int v = 0; v < vectors; v++) sum[v] +=
            x * *(const vector *)(v < PANEL ? one + v * LANES : two + (v - PANEL) * LANES);
    }
    UNROLL for (int v = 0; v < vectors; v++) * (vector *)(sums + v * LANES) = sum[v];
}

/* A row of panels, into the L2 cache. */
static inline void fetch_weights(const float *weights, size_t apart, int vectors)
{
    for (int v = 0; v < vectors; v += PANEL, weights += apart)
        for (int i = 0; i < PANEL_FLOATS; i += LINE_FLOATS)
            __builtin_prefetch(weights + i, 0, 2);
}

/* One chunk of the depth, for rows first..first+n-1. */
__attribute__((always_inline)) static inline void add_group(const struct lists *lists,
                                                            const float *weights, size_t first,
                                                            size_t n, uint32_t tap, uint32_t chunk,
                                                            const int vectors, float *sums)
{
    const struct product *p = lists->product;
    size_t depth = (size_t)tap * p->depth + (size_t)chunk * ZEROS_CHUNK;
    size_t apart = (size_t)p->taps * p->depth * PANEL_FLOATS;
    weights += depth * PANEL_FLOATS;
    for (size_t r = 0; r < n; r++) {
        size_t row = (first + r) * p->taps + tap, at = row * lists->chunks + chunk;
        if (r < ZEROS_CHUNK) /* row r of the chunk to come */
            fetch_weights(weights + (ZEROS_CHUNK + r) * PANEL_FLOATS, apart, vectors);
        add_chunk(p->source[row] + chunk * ZEROS_CHUNK, weights, apart,
                  lists->place + at * ZEROS_CHUNK, lists->count[at], vectors,
                  sums + r * (size_t)(vectors * LANES));
    }
}

static void store_group(const struct product *p, uint32_t column, size_t first, size_t n,
                        const int vectors, const float *sums)
{
    for (size_t r = 0; r < n; r++)
        for (int v = 0; v < vectors; v += PANEL, sums += PANEL_FLOATS) {
            vector sum[TILE_ROWS][PANEL];
            UNROLL for (int i = 0; i < PANEL; i++) sum[0][i] = *(const vector *)(sums + i * LANES);
            tile_store(p, first + r, column + (uint32_t)v * LANES, PANEL_FLOATS, 1, PANEL, sum);
        }
}

/* Of what store_group reads and writes, into the L2 cache. */
static void fetch_row(const struct product *p, size_t row, uint32_t column, size_t width)
{
    const float *target = p->target + row * p->target_stride + column;
    const float *residual = p->residual ? p->residual + row * p->residual_stride + column : NULL;
    for (size_t c = 0; c < width; c += LINE_FLOATS) {
        __builtin_prefetch(target + c, 1, 2);
        if (residual)
            __builtin_prefetch(residual + c, 0, 2);
    }
}

/* All rows of some vectors of columns from `column` on. */
__attribute__((always_inline)) static inline void skip_zeros(const struct lists *lists,
                                                             const float *weights, uint32_t column,
                                                             size_t rows, const int vectors)
{
    const struct product *p = lists->product;
    float *sums = lists->sums;
    size_t width = (size_t)vectors * LANES;
    size_t most = p->taps * p->depth * width > L2_FLOATS ? rows : GROUP_ROWS;
    for (size_t first = 0; first < rows; first += most) {
        size_t n = rows - first < most ? rows - first : most;
        for (size_t r = 0; r < n; r++) {
            memcpy(sums + r * width, p->bias + column, width * sizeof *sums);
            fetch_row(p, first + r, column, width);
        }
        for (uint32_t t = 0; t < p->taps; t++)
            for (uint32_t c = 0; c < lists->chunks; c++)
                add_group(lists, weights, first, n, t, c, vectors, sums);
        store_group(p, column, first, n, vectors, sums);
    }
}

/* As many columns as full panels have, at most two of those; returns how many. */
static uint32_t skip_zeros_of_panels(const struct lists *lists, const struct panel *panel,
                                     uint32_t columns, size_t rows)
{
    if (columns >= 2 * PANEL_FLOATS) {
        skip_zeros(lists, panel->weights, panel->first, rows, TWO_PANELS);
        return 2 * PANEL_FLOATS;
    }
    skip_zeros(lists, panel->weights, panel->first, rows, PANEL);
    return PANEL_FLOATS;
}
