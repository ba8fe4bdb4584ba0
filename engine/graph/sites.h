/* Site maps: one byte a site, 0 or 1, row-major.  Bytes, not bits: every operation is a plain loop
 * over rows that compilers turn into vector instructions, strides included. */
#ifndef LM_GRAPH_SITES_H
#define LM_GRAPH_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "graph/graph.h"

/* out (out_height x out_width): 1 where window w holds any 1 of `in` (in_height x in_width).
 * scratch: in_height * out_width bytes. */
void sites_any(const struct window *w, const uint8_t *in, uint8_t *out, uint8_t *scratch);

/* in |= the sites that the windows of the 1s of `out` cover.  scratch as above. */
void sites_cover(const struct window *w, const uint8_t *out, uint8_t *in, uint8_t *scratch);

/* out = the 3 x 3 neighbourhood of the 1s of `in`, themselves included.  scratch: height * width.
 */
void sites_grow(uint32_t height, uint32_t width, const uint8_t *in, uint8_t *out, uint8_t *scratch);

void sites_or(uint8_t *target, const uint8_t *other, size_t n);
void sites_and(uint8_t *target, const uint8_t *other, size_t n);
bool sites_any_set(const uint8_t *sites, size_t n);

#endif
