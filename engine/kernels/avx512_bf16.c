/* The kernels for x86-64 with AVX-512 and AVX512_BF16; the Makefile compiles this file for them. */
#include "kernels/tables.h"

#if defined(__x86_64__)
#define KERNELS_TABLE kernels_avx512_bf16
#define KERNELS_NAME "avx512 bf16"
#include "kernels/avx512.h"
#define VECTOR_ROUND(x) ((halves)_mm512_cvtneps_pbh((__m512)(x)))
#include "kernels/body.h"
#endif
