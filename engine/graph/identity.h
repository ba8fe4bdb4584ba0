/* Identities of sites (see graph/memo.h): what steps make theirs of. */
#ifndef LM_GRAPH_IDENTITY_H
#define LM_GRAPH_IDENTITY_H

#include "graph/memo.h"
#include "graph/run.h"

/* Of the input: which pixels are visible. */
void identity_of_input(struct run *run, uint32_t sample);

/* Of a step's windows on input 0, which see as many rounds of neighbour-padded cells. */
void identity_of_windows(struct run *run, const struct step *step, const struct window *window,
                         uint32_t rounds, uint32_t sample);

/* Joins the identities of inputs first..n_inputs-1 into those of the output; from 1 on, it has
 * some already. */
void identity_join(struct run *run, const struct step *step, uint32_t first);

/* 64 bits into 64, one to one, all of them mixed (the finalizer of MurmurHash3, by A. Appleby). */
static inline uint64_t identity_mix(uint64_t x)
{
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53u;
    return x ^ (x >> 33);
}

/* The odd factor of term i of a sum. */
static inline uint64_t identity_factor(uint64_t i)
{
    return identity_mix(i + 0x9e3779b97f4a7c15u) | 1;
}

#endif
