/* What body.h takes from AVX-512, for the tables of avx512.c, avx512_bf16.c and amx.c. */
#include <immintrin.h>
#define VECTOR_MAX(x, y) ((vector)_mm512_max_ps((__m512)(x), (__m512)(y)))
#define VECTOR_MIN(x, y) ((vector)_mm512_min_ps((__m512)(x), (__m512)(y)))
