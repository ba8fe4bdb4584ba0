/* One table of kernels for each instruction set that this build knows. */
#ifndef LM_KERNELS_TABLES_H
#define LM_KERNELS_TABLES_H

#include "kernels/kernels.h"

extern const struct kernels kernels_portable;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2;
extern const struct kernels kernels_avx512;
extern const struct kernels kernels_avx512_bf16; /* avx512, and products in bfloat16 of pairs */
extern const struct kernels kernels_amx;         /* avx512, and products in bfloat16 by tiles */

/* Whether this process may use AMX: asks the system for it. */
bool amx_allowed(void);
#endif

#endif
