/* The state of one run: masks, demand, active sites, rows. */
#ifndef LM_GRAPH_RUN_H
#define LM_GRAPH_RUN_H

#include "graph/graph.h"
#include "graph/plan.h"
#include "kernels/kernels.h"
#include "layermask/session.h"

/* A site of a row: row << 16 | column of the picture. */
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

/* Of a spatial value; an ordinary value has rows only (row = sample).
 * visible, demand, ring: one byte a site, sample after sample.
 * Rows: the demanded sites, sample after sample, then ring cells by round, sample after sample. */
struct value_state {
    uint8_t *visible; /* mask */
    uint8_t *demand;  /* whose value somebody needs */
    uint8_t
        *ring; /* round (1, 2, ...) in which neighbour padding makes a needed cell; NULL if never */
    uint32_t *sites; /* of each row below n_rows */
    uint32_t *first; /* row of each sample's first site; [n] = n_rows */
    uint32_t n_rows;
    uint32_t *ring_sites;  /* sample * sites + position of each ring row */
    uint32_t *round_limit; /* [r]: rows up to and including round r */
    int32_t *site_map;     /* row of each site, -1 if it has none; made when first asked for */
    bool has_site_map;
    float *rows;
};

struct run {
    const struct graph *graph;
    const struct plan *plan;
    const struct kernels *kernels;
    uint32_t n;                         /* samples */
    const struct lm_mask *const *masks; /* of the samples; NULL, or a NULL entry: plain inference */
    struct value_state *states;
    int32_t **maps;    /* of plan->maps: cells, sample after sample */
    bool *map_ready;   /* filled for this run */
    uint8_t *bytes[5]; /* scratch of mask planning, plan->max_sites each */
    float *zeros;      /* a row of zeros, plan->widest floats */
    uint8_t *scratch;  /* of the threads, plan->scratch bytes each */
    const struct lm_parallel *pool;
    struct lm_run_stats stats;
    const char *kernel; /* of the step that runs, for people; NULL: its kind says it all */
};

static inline uint8_t *value_visible(const struct run *run, uint32_t value, uint32_t sample)
{
    return run->states[value].visible + sample * value_sites(&run->graph->values[value]);
}

static inline uint8_t *value_demand(const struct run *run, uint32_t value, uint32_t sample)
{
    return run->states[value].demand + sample * value_sites(&run->graph->values[value]);
}

/* Masks forwards, demand backwards, then rows and maps of every value. */
void run_plan_masks(struct run *run);

/* Computes the ring rows of a value: its visible rows must be there. */
void run_neighbour_pad(struct run *run, uint32_t value);

/* Fills a pad map (once a run). */
void run_pad_map(struct run *run, uint32_t index);

/* Whether row i of one value is at the same site as row i of the other, for all rows. */
bool run_same_rows(struct run *run, uint32_t in, uint32_t out);

/* Makes the site map of a value (once a run). */
const int32_t *run_site_map(struct run *run, uint32_t value);

/* Sample of a row of a value. */
uint32_t run_sample_of(const struct run *run, uint32_t value, uint32_t row);

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
