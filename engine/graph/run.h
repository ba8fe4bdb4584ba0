/* The state of one run: masks, demand, active sites, rows. */
#ifndef LM_GRAPH_RUN_H
#define LM_GRAPH_RUN_H

#include "graph/graph.h"
#include "graph/plan.h"
#include "graph/sites.h"
#include "kernels/kernels.h"
#include "layermask/session.h"

/* Of a spatial value; an ordinary value has rows only (row = sample).
 * visible, demand: planes of sites, sample after sample.
 * Rows: the demanded sites, sample after sample, then ring cells by round, sample after sample.
 * Values whose demand is the same share a list of sites and a site map: those of same_as. */
struct value_state {
    uint64_t *visible; /* mask */
    uint64_t *demand;  /* whose value somebody needs */
    uint64_t *ring;    /* cells that neighbour padding makes because somebody needs them: for each
                          sample, a plane for each round (1, 2, ...); NULL if never */
    bool has_ring;     /* this run has such cells */
    uint32_t same_as;  /* first value of the same demand; GRAPH_NO_VALUE if ordinary */
    uint32_t *sites;   /* of each row below n_rows */
    uint32_t *first;   /* row of each sample's first site; [n] = n_rows */
    uint32_t n_rows;
    uint64_t needed;       /* rows below n_rows, if nothing were remembered */
    uint32_t *ring_sites;  /* of each ring row */
    uint32_t *ring_first;  /* [(round - 1) * n + sample]: of ring_sites; one more at the end */
    uint32_t *round_limit; /* [r]: rows up to and including round r */
    int32_t *site_map;     /* row of each site, -1 if it has none; made when first asked for */
    bool has_site_map;
    uint32_t *own_sites; /* memory for a list and a map that are not another value's */
    int32_t *own_map;
    float *rows;
};

/* Blocks of rows first..end-1, of `rows` rows and `columns` columns (or what is left) each; those
 * of the same rows follow each other. */
struct row_cut {
    uint32_t first, end, rows, columns;
};

struct run {
    const struct graph *graph;
    const struct plan *plan;
    const struct kernels *kernels;
    uint32_t n;                         /* samples */
    uint32_t from, to;                  /* those that the steps compute just now: from..to-1 */
    const struct lm_mask *const *masks; /* of the samples; NULL, or a NULL entry: plain inference */
    uint32_t *recalls; /* of each sample: how many recall steps it uses, the first ones */
    struct value_state *states;
    int32_t **maps;       /* of plan->maps: cells, sample after sample */
    bool *map_ready;      /* filled for this run */
    uint64_t *planes[3];  /* scratch of mask planning, plan->max_words each */
    struct memo *memo;    /* NULL: nothing is remembered */
    uint64_t *rounds;     /* the same, for a plane for each round of the value that has most */
    uint32_t *known_rows; /* hash table of values by their demand, plan->table entries */
    uint32_t planned;     /* samples of the last plan */
    bool plain;           /* none of them had a mask */
    float *zeros;         /* a row of zeros, plan->widest floats and KERNELS_SLACK more */
    uint8_t *scratch;     /* of the threads, plan->scratch bytes each */
    uint8_t *shared;      /* plan->shared bytes a sample */
    struct row_cut cut;   /* of a conv */
    const struct lm_parallel *pool;
    struct lm_run_stats stats;
    const char *kernel; /* of the step that runs, for people; NULL: its kind says it all */
};

static inline uint64_t *value_visible(const struct run *run, uint32_t value, uint32_t sample)
{
    return run->states[value].visible + sample * value_words(&run->graph->values[value]);
}

static inline uint64_t *value_demand(const struct run *run, uint32_t value, uint32_t sample)
{
    return run->states[value].demand + sample * value_words(&run->graph->values[value]);
}

/* The ring cells of a round, 1 and up. */
static inline uint64_t *value_ring(const struct run *run, uint32_t value, uint32_t sample,
                                   uint32_t round)
{
    size_t plane = (size_t)sample * run->plan->values[value].rounds + round - 1;
    return run->states[value].ring + plane * value_words(&run->graph->values[value]);
}

static inline bool run_is_masked(const struct run *run, uint32_t sample)
{
    return run->masks && run->masks[sample];
}

/* Masks forwards, demand backwards, then rows and maps of every value. */
void run_plan_masks(struct run *run);

/* Computes the ring rows of a value, of the samples that are computed just now: their visible rows
 * must be there. */
void run_neighbour_pad(struct run *run, uint32_t value);

/* Fills a pad map (once a run). */
void run_pad_map(struct run *run, uint32_t index);

/* Whether row i of one value is at the same site as row i of the other, for all rows. */
bool run_same_rows(const struct run *run, uint32_t in, uint32_t out);

/* Makes the site map of a value (once a run). */
const int32_t *run_site_map(struct run *run, uint32_t value);

/* Sample of a row of a value. */
uint32_t run_sample_of(const struct run *run, uint32_t value, uint32_t row);

/* The first row of a sample, which may be the number of samples. */
static inline uint32_t run_first_row(const struct run *run, uint32_t value, uint32_t sample)
{
    return run->states[value].demand ? run->states[value].first[sample] : sample;
}

/* The rows of the samples that are computed just now, in blocks of at most `most`: how many blocks,
 * and the rows of one of them. */
uint32_t run_row_blocks(const struct run *run, uint32_t value, uint32_t most);
uint32_t run_block_rows(const struct run *run, uint32_t value, uint32_t most, uint32_t block,
                        uint32_t *first);

/* Calls task for each block 0..count-1, in the pool if there is one; scratch: of the thread. */
struct run_task {
    struct run *run;
    const struct step *step;
    void (*task)(struct run *run, const struct step *step, uint32_t block, uint8_t *scratch);
};
void run_blocks(struct run_task *task, uint32_t count);

/* Windows of rows first..first+count-1 of the step's output on its input 0; origin: count entries;
 * offset: taps entries; limit: rows that the windows may see. */
void run_windows(const struct run *run, const struct step *step, const struct window *window,
                 uint32_t first, uint32_t count, uint32_t rounds, int64_t *origin, int32_t *offset,
                 struct windows *out);

#endif
