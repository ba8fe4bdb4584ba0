/* The measurement of `layermask bench`.
 *
 * Micro-batches run as those of an explanation: the same picture under other masks, one micro-batch
 * on each thread.  Pictures that come one at a time (a batch of 1) run as `layermask predict` does,
 * each on all threads.
 */
#ifndef CLI_BENCH_RUN_H
#define CLI_BENCH_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/batches.h"
#include "codec/model_dir.h"
#include "codec/segmentation.h"
#include "layermask/session.h"
#include "layermask/status.h"

struct bench_options {
    uint32_t samples, batch, threads;
    double hidden; /* share of the segments that each sample hides */
    uint64_t seed;
    bool plain;   /* no masks at all */
    bool profile; /* each layer, too */
    struct segmentation segmentation;
};

struct bench_result {
    double seconds;     /* wall time of all samples */
    double cpu_seconds; /* of all threads: less disturbed by what else the machine does */
    uint32_t segments;
    double hidden_pixels; /* share of the input's pixels, mean over the samples */
    uint64_t macs_needed, macs_done, macs_plain; /* summed over the samples */
    double sgemm_gflops;                         /* of `threads` threads at once, on this machine */
    double stream_gbytes; /* the same of memory, a second; 0 without profile */
    uint64_t peak_rss_bytes;
    uint32_t layers;
    struct lm_profile profile;     /* summed over the sessions */
    struct lm_step_profile *steps; /* the same; NULL without profile */
};

/* Sessions that run at once: one for each thread, but one with all threads for a batch of 1. */
uint32_t bench_sessions(const struct bench_options *options);

/* Warms up on another picture with one micro-batch a thread, then measures.
 * Errors: LM_LIMIT, LM_NOMEM, those of the engine. */
enum lm_status bench_run(const struct model_dir *dir, const struct lm_model *model,
                         const struct bench_options *options, struct bench_result *out,
                         struct lm_error *error);
void bench_result_free(struct bench_result *result); /* NULL is fine; leaves {0} */

#endif
