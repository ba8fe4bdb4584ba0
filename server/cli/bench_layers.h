/* `layermask bench --layers`: each step's work and time against what the machine could do. */
#ifndef CLI_BENCH_LAYERS_H
#define CLI_BENCH_LAYERS_H

#include <jansson.h>

#include "cli/bench_run.h"

/* Of one picture.  Times are wall time: those of threads that ran at once count once. */
struct layer_figures {
    double rows, active_share; /* computed rows; their part of the picture's */
    double gflops_needed, gflops_done, megabytes;
    double ms, share;        /* of the time of all pictures */
    double gflops_per_s;     /* needed ones */
    double gigabytes_per_s;  /* of the bytes that had to be moved at least */
    double bound_ms, excess; /* max(needed / sgemm's rate, bytes / stream's rate); ms / bound_ms */
};

/* Figures of a step, or of the sum of several. */
struct layer_figures bench_layer(const struct bench_options *options,
                                 const struct bench_result *result,
                                 const struct lm_step_profile *step);

/* What no layer accounts for, ms a picture: planning which sites are needed, reading the inputs,
 * and the rest (drawing masks, waiting for the last thread). */
struct bench_outside {
    double planning_ms, reading_ms, rest_ms;
};
struct bench_outside bench_outside(const struct bench_options *options,
                                   const struct bench_result *result);

/* Adds "layers", "outside" and "stream_gb_per_s"; anything but 0: out of memory. */
int bench_layers_json(const struct lm_model *model, const struct bench_options *options,
                      const struct bench_result *result, json_t *object);
void bench_layers_print(const struct lm_model *model, const struct bench_options *options,
                        const struct bench_result *result);

#endif
