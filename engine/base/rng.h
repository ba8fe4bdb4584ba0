/* Pseudo-random numbers with an explicit seed: the same seed gives the same numbers on every
 * machine.  Generator: xoshiro256** 1.0 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number
 * Generators", ACM TOMS 2021), its state filled from the seed by splitmix64 (Steele, Lea and Flood,
 * OOPSLA 2014), as its authors advise.  Period 2^256 - 1.  Good for sampling, not for secrets.
 */
#ifndef LM_BASE_RNG_H
#define LM_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state[4]; /* not all zero; rng_seed sees to that */
};

/* Any seed is good, 0 included; near seeds give unrelated numbers. */
void rng_seed(struct rng *rng, uint64_t seed);

/* 64 random bits. */
uint64_t rng_next(struct rng *rng);

/* Uniform in 0..bound-1 without bias (values that would favour small results are drawn again).
 * bound is at least 1. */
uint64_t rng_below(struct rng *rng, uint64_t bound);

/* Uniform in [0, 1): a multiple of 2^-53 from the upper bits of one draw. */
double rng_double(struct rng *rng);

#endif
