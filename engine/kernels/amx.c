/* The kernels for x86-64 with AVX-512 and AMX tiles of bfloat16; the Makefile compiles this file
 * for them. */
#include "kernels/tables.h"

#if defined(__x86_64__)
#define KERNELS_TABLE kernels_amx
#define KERNELS_NAME "avx512 amx"
#include "kernels/avx512.h"
#include "kernels/body.h"
#endif
