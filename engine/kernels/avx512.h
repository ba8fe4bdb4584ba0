/* What body.h takes from AVX-512, for the tables of avx512.c, avx512_bf16.c and amx.c. */
#include <immintrin.h>
#define VECTOR_MAX(x, y) ((vector)_mm512_max_ps((__m512)(x), (__m512)(y)))
#define VECTOR_MIN(x, y) ((vector)_mm512_min_ps((__m512)(x), (__m512)(y)))

/* Masks as numbers.  If gcc 12 widens one itself and lacks registers, it may store its byte or two
 * and read eight. */
static inline uint32_t bits_of_8(__mmask8 mask)
{
    uint32_t bits;
    __asm__("kmovb %1, %0" : "=r"(bits) : "k"(mask));
    return bits;
}

static inline uint32_t bits_of_16(__mmask16 mask)
{
    uint32_t bits;
    __asm__("kmovw %1, %0" : "=r"(bits) : "k"(mask));
    return bits;
}

static inline __m512 widen(__m256i half)
{
    return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
}
#define VECTOR_WIDEN(x) ((vector)widen((__m256i)(x)))

/* Newton's step takes the 14 bits of the estimate to all of them; of numbers above 2^126, whose
 * reciprocals are not normal, it may make 0. */
static inline __m512 reciprocal_16(__m512 x)
{
    __m512 y = _mm512_rcp14_ps(x);
    return _mm512_fmadd_ps(y, _mm512_fnmadd_ps(x, y, _mm512_set1_ps(1)), y);
}
#define VECTOR_RECIPROCAL(x) ((vector)reciprocal_16((__m512)(x)))
