/* The kernels for x86-64 with AVX2 and FMA; the Makefile compiles this file for them. */
#include "kernels/tables.h"

#if defined(__x86_64__)
#define KERNELS_TABLE kernels_avx2
#define KERNELS_NAME "avx2"
#include <immintrin.h>
#define VECTOR_MAX(x, y) ((vector)_mm256_max_ps((__m256)(x), (__m256)(y)))
#define VECTOR_MIN(x, y) ((vector)_mm256_min_ps((__m256)(x), (__m256)(y)))
#include "kernels/body.h"
#endif
