/* Shelves of rows, behind memos: a table from (recall step, site, identity) to a slot, and the rows
 * in their slots.  For memo.c; shelves_create and shelves_free are in memo.h. */
#ifndef LM_GRAPH_SHELVES_H
#define LM_GRAPH_SHELVES_H

#include "graph/memo.h"

enum {
    NO_SLOT = -1,
    KNOWN = 1 << 30, /* beside the slot: the row is, or will be, there */
};

bool shelves_run_begins(struct shelves *shelves, uint64_t picture);
void shelves_run_ends(struct shelves *shelves);

/* The key of a row; where the table has it is sent for, so that it is there when it is looked up.
 */
uint64_t shelves_key(const struct shelves *shelves, uint32_t cut, uint32_t place,
                     uint64_t identity);

/* slot_of[p] for each of the n places p: the slot of the row with its key, with KNOWN if it is
 * filled or `who` will have filled it in this run; a new slot, for `who` to fill; or NO_SLOT, when
 * there is none left or another run is about to fill it.  The new ones are *first..*end - 1.
 * Returns how many are KNOWN. */
uint32_t shelves_look_up(struct shelves *shelves, uint32_t cut, const void *who,
                         const uint32_t *places, uint32_t n, const uint64_t *keys, int32_t *slot_of,
                         uint32_t *first, uint32_t *end);

/* Where the row of a slot stands. */
float *shelves_row(const struct shelves *shelves, uint32_t cut, uint32_t slot);

/* Slots first..end-1 are filled, for everybody. */
void shelves_filled(struct shelves *shelves, uint32_t cut, uint32_t first, uint32_t end);

#endif
