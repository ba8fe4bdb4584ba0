/* Memoisation of early layers: rows that are the same under many masks of one picture are computed
 * once.
 *
 * A row of an early layer depends on few pixels and on which of them are visible, so a thousand
 * masks of a picture give a site few different rows.  Each site of a value gets an identity, a hash
 * of what its row is computed from: of the input, whether the pixel is visible; of a window, the
 * identities of the cells that it sees, neighbour-padded ones included; of arithmetic between rows,
 * theirs.  Two samples whose site has the same identity have the same row there, bit for bit,
 * because a kernel's result depends on its operands alone.  Recall steps (ops/recall.c) stand
 * behind some early values: what is remembered there is not demanded of the layers before.
 *
 * The rows stand on shelves that all sessions of a model share; they are about one picture at a
 * time.  A memo is one session's part: the identities of the sample that is being planned, and
 * where the rows of a run are.  No result changes (identities are 64 bits: two different ones among
 * a million rows meet with a chance of 3e-8).
 */
#ifndef LM_GRAPH_MEMO_H
#define LM_GRAPH_MEMO_H

#include <stdbool.h>

#include "graph/graph.h"
#include "graph/plan.h"

struct shelves;
struct memo;

/* Rows in at most max_bytes bytes (graph/room.h says whose).  *out = NULL, and LM_OK, if the graph
 * has no recall steps or the memory is too little to be of use. */
enum lm_status shelves_create(const struct graph *graph, uint64_t max_bytes, struct shelves **out,
                              struct lm_error *error);
void shelves_free(struct shelves *shelves); /* NULL is fine; no memo may use it any more */

/* For runs of at most `batch` samples. */
enum lm_status memo_create(const struct graph *graph, const struct plan *plan,
                           struct shelves *shelves, uint32_t batch, struct memo **out,
                           struct lm_error *error);
void memo_free(struct memo *memo); /* NULL is fine */
uint64_t memo_bytes(const struct graph *graph, const struct plan *plan, uint32_t batch);

/* A run about this picture (0: any) begins; whether the shelves are of use to it, and then
 * memo_run_ends has to follow.  Another picture's rows are forgotten when no run uses them and they
 * have not been asked for while MEMO_PATIENCE runs began. */
enum { MEMO_PATIENCE = 8 };
bool memo_run_begins(struct memo *memo, uint64_t picture);
void memo_run_ends(struct memo *memo);

/* Identities of one sample's sites, in a frame that has room for what windows see beyond them.
 * Most sites see no masked pixel: theirs are the same for all samples.  The arrays are brought up
 * to date only where windows look: elsewhere they hold what an older sample left. */
struct identity_map {
    uint64_t *memory;     /* of the arrays below: cells of each, frame included */
    size_t cells, stride; /* of a row */
    uint64_t *all;        /* of the first site */
    uint64_t *seen;       /* the same, 0 at masked sites, for windows; is `all` if the rows of
                             masked sites are not used */
    uint64_t *plain;      /* where nothing is masked */
    uint32_t width;       /* planes of sites: */
    uint64_t *touched;    /* may differ from `plain` */
    uint64_t *masked;
    uint64_t *changed; /* the arrays do not hold `plain` */
    uint64_t *blank;   /* `seen` holds 0 */
};

/* For those that make them (graph/identity.h). */
struct identities {
    struct identity_map **of; /* value: its sites'; NULL if it has none; two may share one */
    uint64_t *fresh;          /* room for those of any value's sites */
    uint32_t *list;           /* room for any value's sites */
    size_t steps;             /* how many of the first steps make some */
    bool ready;               /* `plain` has been made */
};
struct identities *memo_identities(struct memo *memo);

/* Takes from `demand`, a plane of the value that recall step `cut` reads, the sites of a sample
 * whose rows are known or will be made for another sample of this run, and notes where they are. */
void memo_look_up(struct memo *memo, uint32_t cut, uint32_t sample, uint64_t *demand);

/* The same for a sample that has no mask: all of its rows are made, and none is remembered. */
void memo_look_away(struct memo *memo, uint32_t cut, uint32_t sample);

/* The rows that were made become those of all demanded sites, in place: they are moved apart and
 * the known ones put between them. */
struct memo_rows {
    float *rows;
    uint32_t samples;
    const uint32_t *made_sites, *made_first; /* what memo_look_up left; as in struct value_state */
    const uint32_t *sites, *first;           /* all */
};
void memo_recall(struct memo *memo, uint32_t cut, const struct memo_rows *rows);

#endif
