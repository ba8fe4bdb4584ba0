/* Shelves of rows, behind memos: a table from (recall step, site, identity) to slots, in which rows
 * stand.  For memo.c; shelves_create and shelves_free are in memo.h. */
#ifndef LM_GRAPH_SHELVES_H
#define LM_GRAPH_SHELVES_H

#include "graph/memo.h"

enum {
    NO_SLOT = -1,
    KNOWN = 1 << 30, /* beside the slot: the row is, or will be, there */
};

/* The number of a run that begins, or 0 if the shelves are of no use to it. */
uint32_t shelves_run_begins(struct shelves *shelves, uint64_t picture);
void shelves_run_ends(struct shelves *shelves, uint32_t run);

/* The key of a row; where the table has it is sent for, so that it is there when it is looked up.
 */
uint64_t shelves_key(const struct shelves *shelves, uint32_t cut, uint32_t place,
                     uint64_t identity);

/* slot_of[p] for each of the n places p: the slot of the row with its key, with KNOWN if it is
 * filled or `run` will have filled it; a new slot, for `run` to fill; or NO_SLOT, when there is no
 * room or another run is about to fill it.  Returns how many are KNOWN. */
uint32_t shelves_look_up(struct shelves *shelves, uint32_t cut, uint32_t run,
                         const uint32_t *places, uint32_t n, const uint64_t *keys,
                         int32_t *slot_of);

/* Where the row of a slot stands, until the run ends that was told of it. */
float *shelves_row(const struct shelves *shelves, int32_t slot);

/* A new slot is filled, for everybody. */
void shelves_filled(struct shelves *shelves, int32_t slot);

#endif
