/* A pool of threads, since the engine starts none. */
#ifndef CODEC_THREAD_POOL_H
#define CODEC_THREAD_POOL_H

#include <stdint.h>

#include "layermask/session.h"
#include "layermask/status.h"

enum { POOL_MAX_THREADS = 256 };

struct pool;

/* `threads` counts the caller of pool_run, which works too: 1 starts none.  niceness: of those that
 * it starts, 0 (as the caller) to 19.  Errors: LM_INVALID (not 1 to 256), LM_NOMEM (no memory, or
 * the system gives no more threads). */
enum lm_status pool_create(uint32_t threads, int niceness, struct pool **out,
                           struct lm_error *error);
void pool_free(struct pool *pool); /* NULL is fine */

uint32_t pool_threads(const struct pool *pool);

/* Calls task(argument, i, thread) once for each i in 0..count-1, returns when all are done.  Tasks
 * are started in order of i.  Not to be called from a task, nor from two threads at once. */
void pool_run(struct pool *pool, uint32_t count,
              void (*task)(void *argument, uint32_t index, uint32_t thread), void *argument);

/* The pool as the engine wants it. */
struct lm_parallel pool_parallel(struct pool *pool);

#endif
