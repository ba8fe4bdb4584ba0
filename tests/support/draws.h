/* Random draws of a property test: SEED=n replays a run, ROUNDS=n makes it longer.  Include after
 * cmocka.h, in one file. */
#ifndef TEST_DRAWS_H
#define TEST_DRAWS_H

#include <stdint.h>
#include <stdlib.h>

#include "base/rng.h"

static uint64_t seed = 20260511;
static int rounds = 40;
static struct rng rng;

static inline void draws_begin(void)
{
    const char *given = getenv("SEED"), *longer = getenv("ROUNDS");
    seed = given ? strtoull(given, NULL, 10) : seed;
    rounds = longer ? atoi(longer) : rounds;
    rng_seed(&rng, seed);
}

static inline uint32_t between(uint32_t low, uint32_t high)
{
    return low + (uint32_t)rng_below(&rng, (uint64_t)high - low + 1);
}

/* malloc'ed, with one number more behind the last, for tests that watch it. */
static inline float *numbers(size_t n)
{
    float *out = malloc((n + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(rng_double(&rng) * 4 - 2);
    out[n] = 12345;
    return out;
}

#endif
