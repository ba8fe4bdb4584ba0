/* Products of rows with many zeros, as a Relu leaves them; part of body.h.
 *
 * Two rows at a time: a place of the depth where both hold a zero is skipped.  (One row alone would
 * skip more, but load all weights for itself; more rows together have few zeros in common.)  The
 * places that are left are listed once for each pair and serve all panels of columns, in chunks of
 * the depth whose weights stay in the L1 cache while the rows of a group pass.  What is skipped
 * changes no sum and what is left is added in the same order, so that results are those of the
 * plain product, bit for bit (tile_store clears the sign of zeros).
 */
enum {
    PAIR = 2,
    PANEL_FLOATS = PANEL * LANES,
    LINE_FLOATS = 16,
    LEAST_ROWS = 16, /* with fewer, the weights' way from memory takes the time */
    LOOK_PAIRS = 8,
    GROUP_ROWS = 48,
    L2_FLOATS = 1 << 17, /* of a panel: a larger one passes once, for a group of all rows */
};

/* place[((pair * taps + tap) * chunks + chunk) * ZEROS_CHUNK ...]: count[same] places, from the
 * chunk's start. */
struct lists {
    const struct product *product;
    uint32_t chunks; /* of a tap */
    uint8_t *count, *place;
    float *sums; /* of a group */
};

/* The row behind the last one of an odd number is that one again. */
static const float *const *other_of(const struct product *p, const float *const *source, size_t row,
                                    size_t rows)
{
    return source + (row + 1 < rows ? p->taps : 0);
}

/* The places of a chunk, at most ZEROS_CHUNK, where a or b is not zero. */
#if defined(__AVX512F__)
static uint32_t list_chunk(const float *a, const float *b, uint32_t depth, uint8_t *place)
{
    __m512i at = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    uint32_t n = 0;
    for (uint32_t k = 0; k < depth; k += LANES) {
        __mmask16 here = (__mmask16)(depth - k < LANES ? (1u << (depth - k)) - 1 : 0xffffu);
        __m512 x = _mm512_maskz_loadu_ps(here, a + k), y = _mm512_maskz_loadu_ps(here, b + k);
        __mmask16 kept = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ) |
                         _mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        __m512i places = _mm512_maskz_compress_epi32(kept, at);
        _mm_storeu_si128((__m128i *)(void *)(place + n), _mm512_cvtepi32_epi8(places));
        n += (uint32_t)__builtin_popcount(kept);
        at = _mm512_add_epi32(at, _mm512_set1_epi32(LANES));
    }
    return n;
}
#else
static inline uint32_t is_kept(float x)
{
    return float_bits(x) << 1 != 0;
}

static uint32_t list_chunk(const float *a, const float *b, uint32_t depth, uint8_t *place)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < depth; k++) {
        place[n] = (uint8_t)k;
        n += is_kept(a[k]) | is_kept(b[k]);
    }
    return n;
}
#endif

/* The places of a pair; returns how many. */
static size_t list_pair(const struct lists *lists, const float *const *a, const float *const *b,
                        uint8_t *count, uint8_t *place)
{
    const struct product *p = lists->product;
    size_t kept = 0;
    for (uint32_t t = 0; t < p->taps; t++)
        for (uint32_t k = 0; k < p->depth; k += ZEROS_CHUNK, place += ZEROS_CHUNK) {
            uint32_t depth = p->depth - k < ZEROS_CHUNK ? p->depth - k : ZEROS_CHUNK;
            *count = (uint8_t)list_chunk(a[t] + k, b[t] + k, depth, place);
            kept += *count++;
        }
    return kept;
}

/* False if too few are zeros for it to pay (lists, loads and branches cost a sixth), as soon as
 * that shows. */
static bool list_rows(const struct lists *lists, size_t rows)
{
    const struct product *p = lists->product;
    size_t chunks = p->taps * lists->chunks, pairs = (rows + 1) / PAIR, kept = 0;
    for (size_t i = 0; i < pairs; i++) {
        const float *const *a = p->source + i * PAIR * p->taps;
        kept += list_pair(lists, a, other_of(p, a, i * PAIR, rows), lists->count + i * chunks,
                          lists->place + i * chunks * ZEROS_CHUNK);
        if ((i % LOOK_PAIRS == LOOK_PAIRS - 1 || i == pairs - 1) &&
            kept > (i + 1) * p->taps * p->depth * 5 / 6)
            return false;
    }
    return true;
}

static bool find_zeros(const struct product *p, size_t rows, struct lists *lists)
{
    if (!p->lists || rows < LEAST_ROWS)
        return false;
    lists->chunks = (p->depth + ZEROS_CHUNK - 1) / ZEROS_CHUNK;
    lists->sums = (float *)(void *)p->lists;
    lists->place = p->lists + (rows + 1) / PAIR * PAIR * ZEROS_SUMS * sizeof *lists->sums;
    lists->count = lists->place + (rows + 1) / PAIR * p->taps * lists->chunks * ZEROS_CHUNK;
    return list_rows(lists, rows);
}

/* Adds a chunk to the sums of a pair. */
static void add_chunk(const float *a, const float *b, const float *weights, const uint8_t *place,
                      uint32_t count, float *sums)
{
    vector sum[PAIR][PANEL];
    UNROLL for (int v = 0; v < PANEL; v++)
    {
        sum[0][v] = *(const vector *)(sums + v * LANES);
        sum[1][v] = *(const vector *)(sums + PANEL_FLOATS + v * LANES);
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t k = place[i];
        vector x = vector_of(a[k]), y = vector_of(b[k]);
        vector w[PANEL]; /* in registers: read once for both rows */
        UNROLL for (int v = 0; v < PANEL; v++) w[v] =
            *(const vector *)(weights + k * PANEL_FLOATS + v * LANES);
        UNROLL for (int v = 0; v < PANEL; v++) sum[0][v] += x * w[v];
        UNROLL for (int v = 0; v < PANEL; v++) sum[1][v] += y * w[v];
    }
    UNROLL for (int v = 0; v < PANEL; v++)
    {
        *(vector *)(sums + v * LANES) = sum[0][v];
        *(vector *)(sums + PANEL_FLOATS + v * LANES) = sum[1][v];
    }
}

/* `n` floats, into the L2 cache. */
static inline void fetch(const float *data, size_t n)
{
    for (size_t i = 0; i < n; i += LINE_FLOATS)
        __builtin_prefetch(data + i, 0, 2);
}

/* One chunk of the depth, for rows first..first+n-1 of `rows`.  On the way the next chunk's weights
 * are fetched. */
static void add_group(const struct lists *lists, const struct panel *panel, size_t first, size_t n,
                      size_t rows, uint32_t tap, uint32_t chunk)
{
    const struct product *p = lists->product;
    size_t depth = (size_t)tap * p->depth + (size_t)chunk * ZEROS_CHUNK;
    const float *weights = panel->weights + depth * PANEL_FLOATS;
    for (size_t r = 0; r < n; r += PAIR) {
        const float *const *a = p->source + (first + r) * p->taps;
        const float *const *b = other_of(p, a, first + r, rows);
        size_t at = ((first + r) / PAIR * p->taps + tap) * lists->chunks + chunk;
        if (r < ZEROS_CHUNK)
            fetch(weights + (ZEROS_CHUNK + r) * PANEL_FLOATS, PAIR * PANEL_FLOATS);
        add_chunk(a[tap] + chunk * ZEROS_CHUNK, b[tap] + chunk * ZEROS_CHUNK, weights,
                  lists->place + at * ZEROS_CHUNK, lists->count[at],
                  lists->sums + r * PANEL_FLOATS);
    }
}

static void store_group(const struct product *p, const struct panel *panel, size_t first, size_t n,
                        const float *sums)
{
    for (size_t r = 0; r < n; r++) {
        vector sum[TILE_ROWS][PANEL];
        UNROLL for (int v = 0; v < PANEL; v++) sum[0][v] =
            *(const vector *)(sums + r * PANEL_FLOATS + v * LANES);
        tile_store(p, first + r, panel->first, panel->width, 1, PANEL, sum);
    }
}

/* Starts from the bias, and fetches what store_group will need. */
static void begin_group(const struct product *p, const struct panel *panel, size_t first, size_t n,
                        float *sums)
{
    for (size_t r = 0; r < n; r++) {
        memcpy(sums + r * PANEL_FLOATS, p->bias + panel->first, PANEL_FLOATS * sizeof *sums);
        fetch(p->target + (first + r) * p->target_stride + panel->first, PANEL_FLOATS);
        if (p->residual)
            fetch(p->residual + (first + r) * p->residual_stride + panel->first, PANEL_FLOATS);
    }
}

/* All rows of a full panel. */
static void skip_zeros(const struct lists *lists, const struct panel *panel, size_t rows)
{
    const struct product *p = lists->product;
    size_t most = (size_t)p->taps * p->depth * PANEL_FLOATS > L2_FLOATS ? rows : GROUP_ROWS;
    for (size_t first = 0; first < rows; first += most) {
        size_t n = rows - first < most ? rows - first : most;
        begin_group(p, panel, first, n + n % PAIR, lists->sums);
        for (uint32_t t = 0; t < p->taps; t++)
            for (uint32_t c = 0; c < lists->chunks; c++)
                add_group(lists, panel, first, n, rows, t, c);
        store_group(p, panel, first, n, lists->sums);
    }
}
