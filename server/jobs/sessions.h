/* One worker's runners, one for each model that it has lately run. */
#ifndef JOBS_SESSIONS_H
#define JOBS_SESSIONS_H

#include <stdint.h>

#include "codec/batches.h"
#include "layermask/model.h"
#include "layermask/status.h"

struct sessions;

/* batch: items of a micro-batch.  limit_bytes: of all runners together.  helpers: the pool that
 * they may be shared with, which must outlive them; NULL: none.  Errors: LM_NOMEM. */
enum lm_status sessions_create(uint32_t batch, uint64_t limit_bytes, struct pool *helpers,
                               struct sessions **out, struct lm_error *error);
void sessions_free(struct sessions *sessions); /* NULL is fine */

/* The model's runner, made if there is none; those that were used longest ago make room for it.
 * Only the worker itself asks, and is done with one runner when it asks for the next.
 * Errors: LM_NOMEM (the limit, too). */
enum lm_status sessions_get(struct sessions *sessions, const struct lm_model *model,
                            struct runner **out, struct lm_error *error);

/* Frees the model's runner, which is not in use; from any thread. */
void sessions_forget(struct sessions *sessions, const struct lm_model *model);

void sessions_count(struct sessions *sessions, uint32_t *runners, uint64_t *bytes);

#endif
