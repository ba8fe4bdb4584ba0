/* Ranks of bits, for kernels that number cells. */
#ifndef LM_KERNELS_RANKS_H
#define LM_KERNELS_RANKS_H

#include <stdint.h>

/* [byte][k]: bits 0..k of the byte that are set, less 1. */
extern const int32_t kernels_ranks[256][8];

#endif
