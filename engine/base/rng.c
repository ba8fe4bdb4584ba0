/* xoshiro256** seeded by splitmix64: four words of state, no tables, and shifts, rotations and
 * multiplications of unsigned integers only, so that nothing depends on the machine. */
#include "base/rng.h"

#include <assert.h>

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

/* splitmix64 is a bijection of a counter, so four draws in a row are never all zero. */
static uint64_t splitmix64(uint64_t *counter)
{
    uint64_t z = *counter += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void rng_seed(struct rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->state[i] = splitmix64(&seed);
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    assert(bound > 0);
    /* 2^64 mod bound values are too many for equal shares: leave out the lowest of them. */
    uint64_t excess = (0 - bound) % bound;
    uint64_t draw = rng_next(rng);
    while (draw < excess)
        draw = rng_next(rng);
    return draw % bound;
}

double rng_double(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}
