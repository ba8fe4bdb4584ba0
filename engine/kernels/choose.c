/* Picks the kernels for this machine. */
#include "kernels/tables.h"

const struct kernels *kernels_choose(bool portable, bool bfloat16)
{
#if defined(__x86_64__)
    if (!portable && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return bfloat16 && amx_allowed() ? &kernels_amx : &kernels_avx512;
    if (!portable && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &kernels_avx2;
#else
    (void)portable, (void)bfloat16;
#endif
    return &kernels_portable;
}
