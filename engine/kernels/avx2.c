/* The kernels for x86-64 with AVX2 and FMA; the Makefile compiles this file for them. */
#include "kernels/tables.h"

#if defined(__x86_64__)
#define KERNELS_TABLE kernels_avx2
#define KERNELS_NAME "avx2"
#include "kernels/body.h"
#endif
