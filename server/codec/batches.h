/* Many runs of one network: micro-batches over threads, each thread with a runner of its own.
 *
 * Micro-batches are fixed groups of consecutive items, so that results do not depend on the number
 * of threads or on what else the machine does.  Whoever has threads of its own (the server's
 * workers) runs them one at a time with runner_take_batch; batches_run does it with a pool.
 */
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

/* What to run.  Both callbacks are called from several threads at once, never twice at the same
 * time with the same `thread`. */
struct batches_work {
    uint32_t count; /* items */
    uint32_t size;  /* items of a micro-batch, at most what its runners were made for */
    uint64_t
        picture; /* all items are masks of this picture, from batches_picture; 0: they are not */
    void *context;

    /* Points at item `index`'s planes and mask (NULL: all visible).  What is pointed at must stay
     * until the micro-batch has run: buffers are one for each thread and slot, slot being the
     * item's place in the micro-batch.  Anything but LM_OK stops the work. */
    enum lm_status (*fill)(void *context, uint32_t index, uint32_t thread, uint32_t slot,
                           const float **planes, const struct lm_mask **visible,
                           struct lm_error *error);

    /* Takes the logits of items first..first+n-1.  Anything but LM_OK stops the work. */
    enum lm_status (*take)(void *context, uint32_t first, uint32_t n, const float *logits,
                           uint32_t thread, struct lm_error *error);

    /* Told by batches_run after each micro-batch how many items are done, one call at a time; false
     * stops the work with LM_CANCELLED.  NULL: nobody listens. */
    bool (*progress)(void *context, uint32_t done, uint32_t total);
    void *progress_context;
};

/* A number that no other picture of this process has (see lm_session_turn_to). */
uint64_t batches_picture(void);

/* Micro-batches of the work, and the items of one of them. */
uint32_t batches_count(const struct batches_work *work);
uint32_t batches_items(const struct batches_work *work, uint32_t index);

/* Items of a micro-batch where nobody says: BATCHES_DEFAULT_SIZE, or fewer (2 at least) of a
 * network of large values, where more take memory and save no time. */
uint32_t batches_default_size(const struct lm_model *model);

/* What one thread runs a network with: a session, and room for a micro-batch's logits. */
struct runner;

/* size: items of a micro-batch, 1..256.  pool: runs each micro-batch on all of its threads (see
 * runner_share); NULL: on the calling thread alone; the result is the same.  The model and the pool
 * must outlive it.
 * Errors: LM_INVALID, LM_LIMIT, LM_NOMEM. */
enum lm_status runner_create(const struct lm_model *model, uint32_t size, struct pool *pool,
                             struct runner **out, struct lm_error *error);
void runner_free(struct runner *runner); /* NULL is fine */

/* Memory of a runner, bytes. */
uint64_t runner_bytes(const struct lm_model *model, uint32_t size, const struct pool *pool);

/* Whether the next micro-batches run on the pool, if it has one, as they do at first.  For a pool
 * of several runners, which one of them may use at a time. */
void runner_share(struct runner *runner, bool shared);

struct lm_session *runner_session(struct runner *runner);

/* Runs micro-batch `index` of the work on the calling thread, which `thread` is the number of in
 * the callbacks.  The order in which micro-batches are run does not matter. */
enum lm_status runner_take_batch(struct runner *runner, const struct batches_work *work,
                                 uint32_t index, uint32_t thread, struct lm_error *error);

/* A pool of threads with a runner each. */
struct batches;

/* size: as in runner_create.  The model must outlive it.  Errors: LM_INVALID, LM_LIMIT, LM_NOMEM.
 */
enum lm_status batches_create(const struct lm_model *model, uint32_t size, uint32_t threads,
                              struct batches **out, struct lm_error *error);
void batches_free(struct batches *batches); /* NULL is fine */

uint32_t batches_size(const struct batches *batches);
uint32_t batches_threads(const struct batches *batches);
struct lm_session *batches_session(struct batches *batches, uint32_t thread);

/* Runs all items, or fails with what the first failing micro-batch said. */
enum lm_status batches_run(struct batches *batches, const struct batches_work *work,
                           struct lm_error *error);

#endif
