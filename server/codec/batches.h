/* Many runs of one network: micro-batches over threads, each thread with a session of its own.
 *
 * Micro-batches are fixed groups of consecutive items, so that results do not depend on the number
 * of threads or on what else the machine does. */
#ifndef CODEC_BATCHES_H
#define CODEC_BATCHES_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/thread_pool.h"
#include "layermask/mask.h"
#include "layermask/model.h"
#include "layermask/session.h"
#include "layermask/status.h"

enum { BATCHES_DEFAULT_SIZE = 4, BATCHES_MAX_SIZE = 256 };

struct batches;

/* size: items of a micro-batch, 1..256.  The model must outlive it.
 * Errors: LM_INVALID, LM_LIMIT, LM_NOMEM. */
enum lm_status batches_create(const struct lm_model *model, uint32_t size, uint32_t threads,
                              struct batches **out, struct lm_error *error);
void batches_free(struct batches *batches); /* NULL is fine */

uint32_t batches_size(const struct batches *batches);
uint32_t batches_threads(const struct batches *batches);
uint32_t batches_classes(const struct batches *batches); /* outputs of the network */
struct lm_session *batches_session(struct batches *batches, uint32_t thread);

/* What to run.  Both callbacks are called from several threads at once, never twice at the same
 * time with the same `thread`. */
struct batches_work {
    uint32_t count; /* items */
    void *context;

    /* Points at item `index`'s planes and mask (NULL: all visible).  What is pointed at must stay
     * until the micro-batch has run: buffers are one for each thread and slot, slot being the
     * item's place in the micro-batch. */
    void (*fill)(void *context, uint32_t index, uint32_t thread, uint32_t slot,
                 const float **planes, const struct lm_mask **visible);

    /* Takes the logits of items first..first+n-1.  Anything but LM_OK stops the work. */
    enum lm_status (*take)(void *context, uint32_t first, uint32_t n, const float *logits,
                           uint32_t thread, struct lm_error *error);

    /* Told after each micro-batch how many items are done, one call at a time; false stops the
     * work with LM_CANCELLED.  NULL: nobody listens. */
    bool (*progress)(void *context, uint32_t done, uint32_t total);
    void *progress_context;
};

/* Runs all items, or fails with what the first failing micro-batch said. */
enum lm_status batches_run(struct batches *batches, const struct batches_work *work,
                           struct lm_error *error);

#endif
