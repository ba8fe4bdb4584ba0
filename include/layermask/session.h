/* Running a model: one session for each thread that runs it.
 *
 *     struct lm_session *session;
 *     lm_session_create(model, 8, &session, &error);
 *     lm_session_run(session, 2, inputs, masks, logits, NULL, &error);
 *     lm_session_free(session);
 *
 * All memory is taken by lm_session_create; lm_session_run allocates nothing.  Its result for a
 * micro-batch depends on that micro-batch alone (images, masks, their order), not on threads.
 */
#ifndef LAYERMASK_SESSION_H
#define LAYERMASK_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "layermask/mask.h"
#include "layermask/model.h"
#include "layermask/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lm_session;

/* A pool of threads that the caller owns.  run() calls task(argument, i, thread) once for each i
 * in 0..count-1, from any of `threads` threads at a time (thread: 0..threads-1, each used by one
 * thread at a time), and returns when all are done. */
struct lm_parallel {
    void *context;
    uint32_t threads;
    void (*run)(void *context, uint32_t count,
                void (*task)(void *argument, uint32_t index, uint32_t thread), void *argument);
};

/* max_batch: images of a micro-batch, 1..256.  threads: the most that a pool given to
 * lm_session_run may have, 1..256.  Errors: LM_INVALID, LM_NOMEM, LM_LIMIT. */
enum lm_status lm_session_create(const struct lm_model *model, uint32_t max_batch, uint32_t threads,
                                 struct lm_session **out, struct lm_error *error);
void lm_session_free(struct lm_session *session);

/* Memory that a session of this size takes, bytes. */
uint64_t lm_session_bytes(const struct lm_model *model, uint32_t max_batch, uint32_t threads);

/* Scores n images (1..max_batch).
 * inputs: n pointers to channels x height x width floats, already normalised; values of hidden
 *     pixels do not matter, not even NaN.  The same pointer may be given several times.
 * visible: n pointers to masks of the input's size, set = visible; NULL, or a NULL entry: no mask,
 *     ordinary inference.  A mask that is all set gives the same numbers, but for windows that lie
 *     wholly in padding (a 1x1 Conv with pads has some): they see nothing, and under a mask, what
 *     sees nothing is hidden from the layers behind it.
 * logits: n x classes floats.
 * pool: NULL runs on the calling thread alone; the result is the same.
 * Errors: LM_INVALID (n, or a mask of another size). */
enum lm_status lm_session_run(struct lm_session *session, uint32_t n, const float *const *inputs,
                              const struct lm_mask *const *visible, float *logits,
                              const struct lm_parallel *pool, struct lm_error *error);

/* The `inputs` of all runs with the same number are the same picture, in all sessions of the model;
 * the caller chooses the numbers, and must not use one for two pictures.  0, as at first: any
 * picture.  Masks of one picture have rows of early layers in common: a model that was loaded with
 * memo_bytes remembers them, for one picture at a time (the one that was there first), and computes
 * each once.  No result changes. */
void lm_session_turn_to(struct lm_session *session, uint64_t picture);

/* What the last run did, over its n images. */
struct lm_run_stats {
    uint64_t macs_needed; /* multiply-adds of the demanded sites, were nothing remembered */
    uint64_t macs_done;   /* really executed: the padding of blocks and groups included; 3x3
                             convolutions take fewer than they need (Winograd) */
    uint64_t macs_plain;  /* if all had been visible */
};

void lm_session_stats(const struct lm_session *session, struct lm_run_stats *out);

/* Where the time went, summed over the runs since profiling was turned on. */
struct lm_profile {
    uint64_t runs, images;
    uint64_t planning_ns; /* which sites each step needs */
    uint64_t reading_ns;  /* of the inputs */
};

/* One step of the plan, summed over the same runs.  Rows are of its output, one for each site of
 * each image.  bytes is the least that it must move: reached rows of its inputs and all of its
 * output once, its weights once a run. */
struct lm_step_profile {
    const char *name, *kind; /* as in struct lm_layer_info; belong to the model */
    const char *kernel;      /* what did the last run's work: "product", "depthwise", ... */
    uint64_t time_ns;
    uint64_t rows, rows_plain; /* computed; if all had been visible */
    uint64_t macs_needed, macs_done;
    uint64_t bytes;
};

/* Turns profiling on or off, and all sums to 0.  It costs a clock reading a step. */
void lm_session_profile(struct lm_session *session, int enable);

/* steps: info.layers entries, or NULL. */
void lm_session_profile_read(const struct lm_session *session, struct lm_profile *out,
                             struct lm_step_profile *steps);

#ifdef __cplusplus
}
#endif
#endif
