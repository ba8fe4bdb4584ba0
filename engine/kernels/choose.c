/* Picks the kernels for this machine. */
#include "kernels/tables.h"

#if defined(__x86_64__)
static const struct kernels *choose_bf16(void)
{
    return amx_allowed()                          ? &kernels_amx
           : __builtin_cpu_supports("avx512bf16") ? &kernels_avx512_bf16
                                                  : &kernels_avx512;
}
#endif

const struct kernels *kernels_choose(bool portable, bool bfloat16)
{
#if defined(__x86_64__)
    if (!portable && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return bfloat16 ? choose_bf16() : &kernels_avx512;
    if (!portable && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &kernels_avx2;
#else
    (void)portable, (void)bfloat16;
#endif
    return &kernels_portable;
}
