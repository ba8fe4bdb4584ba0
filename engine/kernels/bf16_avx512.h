/* Rows of bfloat16 to and from memory with AVX-512 and AVX512_BF16; part of body.h, for amx.c and
 * avx512_bf16.c.
 */
enum { BF16_BYTES = sizeof(uint16_t) };

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
    uint32_t differ = ~bits_of_8(_mm512_mask_cmpeq_epi64_mask(there, at, wanted));
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

__attribute__((always_inline)) static inline void read_halves(const void *source, bool rounded,
                                                              size_t at, __mmask32 columns,
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

/* Adds the residual to columns first..first+31 of a row, clamps and stores them. */
__attribute__((always_inline)) static inline void store_sums(const struct bf16_product *p,
                                                             size_t row, uint32_t first,
                                                             __mmask32 columns, __m512 x, __m512 y)
{
    __m512 low = _mm512_set1_ps(p->low), high = _mm512_set1_ps(p->high);
    if (p->residual) {
        __m512 more[2];
        read_halves(p->residual, p->residual_rounded, row * p->residual_stride + first, columns,
                    &more[0], &more[1]);
        x += more[0];
        y += more[1];
    }
    x = _mm512_min_ps(_mm512_max_ps(x, low), high);
    y = _mm512_min_ps(_mm512_max_ps(y, low), high);
    size_t at = row * p->target_stride + first;
    if (p->target_rounded) {
        _mm512_mask_storeu_epi16((uint16_t *)p->target + at, columns,
                                 (__m512i)_mm512_cvtne2ps_pbh(y, x));
    } else {
        _mm512_mask_storeu_ps((float *)p->target + at, (__mmask16)columns, x);
        _mm512_mask_storeu_ps((float *)p->target + at + 16, (__mmask16)(columns >> 16), y);
    }
}

/* Fetches the residual of columns first..first+31 of some rows, while their sums are made. */
static inline void fetch_residual(const struct bf16_product *p, size_t row, uint32_t first,
                                  size_t rows)
{
    if (!p->residual)
        return;
    size_t bytes = p->residual_rounded ? sizeof(uint16_t) : sizeof(float);
    const char *residual = (const char *)p->residual + (row * p->residual_stride + first) * bytes;
    for (size_t r = 0; r < rows; r++) {
        _mm_prefetch(residual, _MM_HINT_T0);
        if (!p->residual_rounded)
            _mm_prefetch(residual + 64, _MM_HINT_T0);
        residual += p->residual_stride * bytes;
    }
}
