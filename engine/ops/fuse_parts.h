/* The parts of graph_fuse. */
#ifndef LM_OPS_FUSE_PARTS_H
#define LM_OPS_FUSE_PARTS_H

#include "ops/ops.h"

/* How many steps read each value, the graph's output counted; NULL: out of memory. */
uint32_t *fuse_use_counts(const struct graph *graph);

/* Removes an input that the program does not read (any more). */
void fuse_drop_input(struct step *step, uint32_t index);

/* fuse_prologues.c: takes steps that make the rows of one conv of one tap into that conv.  The
 * steps taken become dead.  False: out of memory. */
bool fuse_prologues(struct graph *graph);

#endif
