/* Whether AMX may be used: the processor has it, and Linux, which keeps the tiles' 8 KB from
 * threads that do not ask, lets this process have it. */
#define _DEFAULT_SOURCE
#include "kernels/tables.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum {
    TILE_CONFIGURATION = 17,
    TILE_DATA = 18, /* state components of XSAVE */
};

static bool processor_has_amx(void)
{
    unsigned a, b, c, d, most;
    if (!__get_cpuid_count(7, 0, &most, &b, &c, &d))
        return false;
    unsigned bf16 = 1u << 22, tiles = 1u << 24, avx512_bf16 = 1u << 5;
    return (d & bf16) && (d & tiles) && most >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
           (a & avx512_bf16);
}

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

enum { ARCH_REQ_XCOMP_PERM = 0x1023 };

static bool system_saves_tiles(void)
{
    unsigned low, high, bits = 1u << TILE_CONFIGURATION | 1u << TILE_DATA;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & bits) == bits && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}
#else
static bool system_saves_tiles(void)
{
    return false;
}
#endif

bool amx_allowed(void)
{
    return processor_has_amx() && system_saves_tiles();
}
#endif
