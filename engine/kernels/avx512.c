/* The kernels for x86-64 with AVX-512 F, BW, DQ and VL; the Makefile compiles this file for them.
 */
#include "kernels/tables.h"

#if defined(__x86_64__)
#define KERNELS_TABLE kernels_avx512
#define KERNELS_NAME "avx512"
#include <immintrin.h>
#define VECTOR_MAX(x, y) ((vector)_mm512_max_ps((__m512)(x), (__m512)(y)))
#define VECTOR_MIN(x, y) ((vector)_mm512_min_ps((__m512)(x), (__m512)(y)))
#include "kernels/body.h"
#endif
