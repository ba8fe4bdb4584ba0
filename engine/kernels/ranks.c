/* Table of ranks: see ranks.h. */
#include "kernels/ranks.h"

#define RANK(b, k) (__builtin_popcount((b) & ((2u << (k)) - 1)) - 1)
#define ROW(b)                                                                                     \
    {                                                                                              \
        RANK(b, 0), RANK(b, 1), RANK(b, 2), RANK(b, 3), RANK(b, 4), RANK(b, 5), RANK(b, 6),        \
            RANK(b, 7)                                                                             \
    }
#define ROWS4(b) ROW(b), ROW(b + 1), ROW(b + 2), ROW(b + 3)
#define ROWS16(b) ROWS4(b), ROWS4(b + 4), ROWS4(b + 8), ROWS4(b + 12)
#define ROWS64(b) ROWS16(b), ROWS16(b + 16), ROWS16(b + 32), ROWS16(b + 48)

const int32_t kernels_ranks[256][8] = {ROWS64(0u), ROWS64(64u), ROWS64(128u), ROWS64(192u)};
