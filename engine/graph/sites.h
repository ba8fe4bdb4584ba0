/* Sets of sites: planes of bits, row after row, each row from a word of its own; site (y, x) is bit
 * x of row y.  Bits beyond the width are 0, here and in masks.  Propagation through windows is
 * shifts and ORs of words, so that planning a masked run is cheap beside running it. */
#ifndef LM_GRAPH_SITES_H
#define LM_GRAPH_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "graph/graph.h"
#include "kernels/kernels.h"

/* A site in lists: row << 16 | column. */
static inline uint32_t site_pack(uint32_t y, uint32_t x)
{
    return y << 16 | x;
}

static inline uint32_t site_y(uint32_t site)
{
    return site >> 16;
}

static inline uint32_t site_x(uint32_t site)
{
    return site & 0xffff;
}

/* Words of a plane. */
static inline size_t sites_words(uint32_t height, uint32_t width)
{
    return height * bits_words(width);
}

static inline bool sites_has(const uint64_t *plane, uint32_t width, uint32_t site)
{
    return bits_get(plane + site_y(site) * bits_words(width), site_x(site));
}

/* out (out_height x out_width): the windows of w that hold any site of `in`. */
void sites_any(const struct window *w, const uint64_t *in, uint64_t *out);

/* in |= the sites that the windows in `out` cover. */
void sites_cover(const struct window *w, const uint64_t *out, uint64_t *in);

/* out = the 3 x 3 neighbourhood of the sites of `in`, themselves included. */
void sites_grow(uint32_t height, uint32_t width, const uint64_t *in, uint64_t *out);

/* All sites. */
void sites_fill(uint32_t height, uint32_t width, uint64_t *plane);

/* Lists the sites in order; returns how many.  May write up to SITES_SLACK entries more. */
enum { SITES_SLACK = 7 };
uint32_t sites_list(uint32_t height, uint32_t width, const uint64_t *plane, uint32_t *list);

/* map[y][x], rows `stride` apart = first + the number of sites of `rows` before (y, x), if that is
 * a site of `shown` (each of which is one of `rows`); else MAP_ZERO. */
void sites_number(const struct kernels *kernels, uint32_t height, uint32_t width,
                  const uint64_t *rows, const uint64_t *shown, int32_t first, int32_t *map,
                  size_t stride);

/* ---- set operations on n words */

void sites_or(uint64_t *target, const uint64_t *other, size_t n);
void sites_and(uint64_t *target, const uint64_t *other, size_t n);
void sites_or_and(uint64_t *target, const uint64_t *a, const uint64_t *b, size_t n);
void sites_without(uint64_t *target, const uint64_t *other, size_t n);
bool sites_any_set(const uint64_t *plane, size_t n);
uint32_t sites_count(const uint64_t *plane, size_t n);

#endif
