/* What is known about every run of a graph before any image comes: maps, ranges, memory.
 *
 * All sizes are for one sample and grow linearly with the batch, so that one plan serves sessions
 * of any batch.
 */
#ifndef LM_GRAPH_PLAN_H
#define LM_GRAPH_PLAN_H

#include "graph/graph.h"

/* Row numbers of a spatial value's cells as Convs and pools see them: the picture in a frame, which
 * holds MAP_BORDER where a Pad put its constant and MAP_ZERO elsewhere.  (top, left) is the
 * picture's corner in the map. */
struct pad_map {
    uint32_t value;
    struct border border;
    uint32_t top, left, height, width;
    uint32_t older; /* another map of the same value, + 1; 0: none */
};

struct value_plan {
    uint32_t rounds;     /* of neighbour padding, most of all Convs that read it; 0: none */
    uint32_t identity;   /* value with the same identities, maybe itself; GRAPH_NO_VALUE: none */
    bool masked_rows;    /* rows of masked sites may be demanded (a Concat exposes them) */
    uint32_t last_use;   /* step */
    size_t rows;         /* most rows of one sample, ring included */
    uint32_t newest_map; /* + 1; 0: none */
    size_t offset;       /* floats from the start of the arena, for a batch of 1 */
};

struct plan {
    size_t n_maps;
    struct pad_map *maps;
    struct value_plan *values;
    uint32_t wide;      /* so many first steps make so much that samples go through them one after
                           the other */
    size_t arena;       /* floats a sample */
    size_t max_words;   /* of the largest plane of sites */
    size_t round_words; /* of the most planes that one value needs for its rounds */
    size_t table;       /* entries of the table of values by demand, a power of 2 */
    size_t widest;      /* floats of the widest row */
    size_t scratch;     /* bytes of scratch of one thread */
    size_t shared;      /* bytes of scratch that the threads share, a sample */
};

/* Sets masked_rows of each value. */
void plan_masked_rows(const struct graph *graph, struct value_plan *values);

enum lm_status plan_make(struct graph *graph, struct plan *plan, struct lm_error *error);
void plan_free(struct plan *plan);

#endif
