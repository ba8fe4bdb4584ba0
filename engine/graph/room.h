/* Where remembered rows stand: one pool of room for all recall steps, first come, first served.
 *
 * When it is full, rows of the last recall step take the room of earlier steps' youngest rows, down
 * to a share that these keep; what is still without room is computed each time.  For a row that is
 * known at the last step spares asking for any before it, and the first rows to come are those that
 * come most often.
 *
 * Not locked: for shelves.c.
 */
#ifndef LM_GRAPH_ROOM_H
#define LM_GRAPH_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "graph/graph.h"

enum {
    ROOM_KEPT = 6, /* earlier steps keep one such part of the pool, */
    ROOM_STEP = 8, /* and give up the rest of theirs by such parts */
};

/* In units. */
struct room {
    uint32_t size, row[MEMO_MAX_CUTS]; /* of the pool; of a row of each recall step */
    uint32_t last_cut;
    uint32_t late_end;    /* rows of the last step stand from 0 to here, */
    uint32_t early_start; /* those of the others from here to the end, */
    uint32_t free_end;    /* nothing between late_end and here */
    bool full;            /* a row has been refused: earlier steps get no more room */
    uint32_t runs;        /* in progress */
    uint32_t last_run;    /* numbers are given in turn, 0 is left out */
    uint32_t before;      /* runs that have to end before free_end is early_start */
    uint32_t given_up_in; /* the last run that had begun when early_start was set */
};

/* Nothing stands there; no run may be in progress. */
void room_clear(struct room *room);

/* The number of the run. */
uint32_t room_run_begins(struct room *room);
void room_run_ends(struct room *room, uint32_t run);

/* *at = where there is room for a row of recall step `cut`; false: nowhere. */
bool room_take(struct room *room, uint32_t cut, uint32_t *at);

/* Whether a row at this place has not been given up.  If it has, those who knew of it find it there
 * until their runs end. */
bool room_holds(const struct room *room, uint32_t cut, uint32_t at);

#endif
