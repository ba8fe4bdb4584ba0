/* Products in bfloat16 by tiles; part of body.h, for amx.c alone.
 *
 * Four tiles hold 32 rows x 32 columns of sums, two 16 rows x 32 terms each, two 32 terms x 16
 * columns each.  Packed rows stand an odd number of cache lines apart, so that the rows of a tile
 * do not share the sets of a cache.  Tiles are configured for each call: threads are the caller's.
 */
enum { BF16_BYTES = sizeof(uint16_t), TILE = 16, FEW_WEIGHTS = 1 << 18 };

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

static inline __mmask32 first_lanes(uint32_t n)
{
    return n >= 32 ? 0xffffffffu : (1u << n) - 1;
}

/* n <= 32 floats at source, rounded. */
static inline __m512i round_floats(const float *source, __mmask32 n)
{
    __m512 low = _mm512_maskz_loadu_ps((__mmask16)n, source);
    __m512 high = _mm512_maskz_loadu_ps((__mmask16)(n >> 16), source + 16);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static inline void pack_piece(uint16_t *target, const void *source, bool rounded, uint32_t n)
{
    uint32_t k = 0;
    for (; k + 32 <= n; k += 32) {
        __m512i x = rounded ? _mm512_loadu_si512((const uint16_t *)source + k)
                            : round_floats((const float *)source + k, 0xffffffffu);
        _mm512_storeu_si512(target + k, x);
    }
    if (k < n) {
        __mmask32 rest = first_lanes(n - k);
        __m512i x = rounded ? _mm512_maskz_loadu_epi16(rest, (const uint16_t *)source + k)
                            : round_floats((const float *)source + k, rest);
        _mm512_mask_storeu_epi16(target + k, rest, x);
    }
}

/* How many of the next taps, 8 at most, stand side by side; step: 0 to 7 times their bytes. */
static inline uint32_t side_by_side(const void *const *source, uint32_t taps, __m512i step)
{
    __mmask8 there = (__mmask8)(taps >= 8 ? 0xffu : (1u << taps) - 1);
    __m512i at = _mm512_maskz_loadu_epi64(there, source);
    __m512i wanted = _mm512_add_epi64(_mm512_set1_epi64((int64_t)(uintptr_t)*source), step);
    uint32_t differ = ~(uint32_t)_mm512_mask_cmpeq_epi64_mask(there, at, wanted);
    return (uint32_t)__builtin_ctz(differ);
}

static void bf16_pack(void *target, const struct bf16_rows *s, size_t rows)
{
    uint32_t depth = s->taps * s->depth;
    uint32_t padded = (depth + BF16_STEP - 1) / BF16_STEP * BF16_STEP;
    size_t bytes = kernels_bf16_row_bytes(&KERNELS_TABLE, depth);
    const void *const *source = s->source;
    int64_t piece = s->depth * (s->rounded ? (int64_t)sizeof(uint16_t) : (int64_t)sizeof(float));
    __m512i step =
        _mm512_mullo_epi64(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0), _mm512_set1_epi64(piece));
    for (size_t r = 0; r < rows; r++, source += s->taps) {
        uint16_t *row = (uint16_t *)(void *)((uint8_t *)target + r * bytes);
        _mm512_storeu_si512(row + padded - BF16_STEP, _mm512_setzero_si512());
        for (uint32_t t = 0, n; t < s->taps; t += n, row += n * s->depth) {
            n = s->depth < BF16_STEP ? side_by_side(source + t, s->taps - t, step) : 1;
            pack_piece(row, source[t], s->rounded, n * s->depth);
        }
    }
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

static inline __m512 widen(__m256i half)
{
    return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
}

static inline void read_halves(const void *source, bool rounded, size_t at, __mmask32 columns,
                               __m512 *low, __m512 *high)
{
    if (rounded) {
        __m512i both = _mm512_maskz_loadu_epi16(columns, (const uint16_t *)source + at);
        *low = widen(_mm512_castsi512_si256(both));
        *high = widen(_mm512_extracti64x4_epi64(both, 1));
    } else {
        *low = _mm512_maskz_loadu_ps((__mmask16)columns, (const float *)source + at);
        *high = _mm512_maskz_loadu_ps((__mmask16)(columns >> 16), (const float *)source + at + 16);
    }
}

/* Bias, residual, limits and storing of columns first.. of some rows. */
static inline void finish(const struct bf16_product *p, size_t row, uint32_t first, size_t rows,
                          float sums[32][32])
{
    __mmask32 columns = first_lanes(p->columns - first);
    __m512 low = _mm512_set1_ps(p->low), high = _mm512_set1_ps(p->high), bias[2];
    read_halves(p->bias, false, first, columns, &bias[0], &bias[1]);
    for (size_t r = 0; r < rows; r++) {
        __m512 x = _mm512_load_ps(sums[r]) + bias[0], y = _mm512_load_ps(sums[r] + 16) + bias[1];
        if (p->residual) {
            __m512 more[2];
            read_halves(p->residual, p->residual_rounded, (row + r) * p->residual_stride + first,
                        columns, &more[0], &more[1]);
            x += more[0];
            y += more[1];
        }
        x = _mm512_min_ps(_mm512_max_ps(x, low), high);
        y = _mm512_min_ps(_mm512_max_ps(y, low), high);
        size_t at = (row + r) * p->target_stride + first;
        if (p->target_rounded) {
            _mm512_mask_storeu_epi16((uint16_t *)p->target + at, columns,
                                     (__m512i)_mm512_cvtne2ps_pbh(y, x));
        } else {
            _mm512_mask_storeu_ps((float *)p->target + at, (__mmask16)columns, x);
            _mm512_mask_storeu_ps((float *)p->target + at + 16, (__mmask16)(columns >> 16), y);
        }
    }
}

/* Fetches what finish will need while the tiles compute. */
static inline void fetch(const struct bf16_product *p, size_t row, uint32_t first, size_t rows)
{
    size_t bytes = p->residual_rounded ? sizeof(uint16_t) : sizeof(float);
    const char *residual = (const char *)p->residual + (row * p->residual_stride + first) * bytes;
    for (size_t r = 0; r < rows && p->residual; r++) {
        _mm_prefetch(residual, _MM_HINT_T0);
        if (!p->residual_rounded)
            _mm_prefetch(residual + 64, _MM_HINT_T0);
        residual += p->residual_stride * bytes;
    }
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
    fetch(p, row, first, rows);
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
