/* Identities of sites (see graph/memo.h): what steps make theirs of. */
#ifndef LM_GRAPH_IDENTITY_H
#define LM_GRAPH_IDENTITY_H

#include "graph/memo.h"
#include "graph/run.h"

/* In place of a sample: the picture without a mask. */
#define IDENTITY_PLAIN UINT32_MAX

/* Of a sample: all values before the last recall step. */
void run_identify(struct run *run, uint32_t sample);

/* Of a step's windows on input 0, which see as many rounds of neighbour-padded cells, and of its
 * other inputs' sites. */
void identity_of_windows(struct run *run, const struct step *step, const struct window *window,
                         uint32_t rounds, uint32_t sample);

/* Of a step that joins the rows of its inputs' sites. */
void identity_of_inputs(struct run *run, const struct step *step, uint32_t sample);

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

/* Of a site; 0 if it is masked and its row is not used. */
static inline uint64_t identity_at(const struct identity_map *map, uint32_t site)
{
    size_t cell = site_y(site) * map->stride + site_x(site);
    if (!sites_has(map->touched, map->width, site))
        return map->plain[cell];
    return map->all == map->seen && sites_has(map->masked, map->width, site) ? 0 : map->all[cell];
}

#endif
