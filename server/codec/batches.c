/* Micro-batches: one at a time on the caller's thread, or all of them over a pool. */
#include "codec/batches.h"

#include <pthread.h>
#include <stdlib.h>

enum { DEFAULT_SESSION_BYTES = 32 << 20 };

struct runner {
    struct lm_session *session;
    struct lm_parallel parallel; /* its threads are 0 without a pool */
    bool shared;                 /* it is used */
    float *logits;               /* of a micro-batch */
};

struct batches {
    uint32_t size, threads;
    struct pool *pool;
    struct runner **runners; /* one for each thread */
};

/* One call of batches_run. */
struct run {
    struct batches *batches;
    const struct batches_work *work;
    pthread_mutex_t lock; /* of all below */
    uint32_t done;
    enum lm_status status;
    struct lm_error *error;
};

uint64_t batches_picture(void)
{
    static _Atomic uint64_t last;
    return ++last;
}

uint32_t batches_count(const struct batches_work *work)
{
    return work->count / work->size + (work->count % work->size != 0);
}

uint32_t batches_items(const struct batches_work *work, uint32_t index)
{
    uint32_t left = work->count - index * work->size;
    return left < work->size ? left : work->size;
}

enum lm_status runner_create(const struct lm_model *model, uint32_t size, struct pool *pool,
                             struct runner **out, struct lm_error *error)
{
    if (size < 1 || size > BATCHES_MAX_SIZE)
        return lm_fail(error, LM_INVALID, "batch: %u is not from 1 to %d", size, BATCHES_MAX_SIZE);
    struct lm_model_info info;
    lm_model_info(model, &info);
    struct runner *runner = calloc(1, sizeof *runner);
    if (!runner)
        return lm_fail(error, LM_NOMEM, "out of memory to run a network");
    if (pool)
        runner->parallel = pool_parallel(pool);
    runner->shared = pool;
    runner->logits = calloc(size, info.classes * sizeof *runner->logits);
    enum lm_status status = LM_OK;
    if (!runner->logits)
        status = lm_fail(error, LM_NOMEM, "out of memory for %u x %u outputs", size, info.classes);
    if (status == LM_OK)
        status =
            lm_session_create(model, size, pool ? pool_threads(pool) : 1, &runner->session, error);
    if (status != LM_OK) {
        runner_free(runner);
        return status;
    }
    *out = runner;
    return LM_OK;
}

void runner_free(struct runner *runner)
{
    if (!runner)
        return;
    lm_session_free(runner->session);
    free(runner->logits);
    free(runner);
}

uint64_t runner_bytes(const struct lm_model *model, uint32_t size, const struct pool *pool)
{
    struct lm_model_info info;
    lm_model_info(model, &info);
    uint64_t session = lm_session_bytes(model, size, pool ? pool_threads(pool) : 1);
    uint64_t rest = sizeof(struct runner) + (uint64_t)size * info.classes * sizeof(float);
    return session > UINT64_MAX - rest ? UINT64_MAX : session + rest;
}

void runner_share(struct runner *runner, bool shared)
{
    runner->shared = shared && runner->parallel.threads > 0;
}

uint32_t batches_default_size(const struct lm_model *model)
{
    uint32_t size = BATCHES_DEFAULT_SIZE;
    while (size > 2 && lm_session_bytes(model, size, 1) > DEFAULT_SESSION_BYTES)
        size--;
    return size;
}

struct lm_session *runner_session(struct runner *runner)
{
    return runner->session;
}

enum lm_status runner_take_batch(struct runner *runner, const struct batches_work *work,
                                 uint32_t index, uint32_t thread, struct lm_error *error)
{
    const float *planes[BATCHES_MAX_SIZE];
    const struct lm_mask *visible[BATCHES_MAX_SIZE];
    uint32_t first = index * work->size, n = batches_items(work, index);
    enum lm_status status = LM_OK;
    for (uint32_t slot = 0; slot < n && status == LM_OK; slot++)
        status = work->fill(work->context, first + slot, thread, slot, &planes[slot],
                            &visible[slot], error);
    lm_session_turn_to(runner->session, work->picture);
    if (status == LM_OK)
        status = lm_session_run(runner->session, n, planes, visible, runner->logits,
                                runner->shared ? &runner->parallel : NULL, error);
    if (status == LM_OK)
        status = work->take(work->context, first, n, runner->logits, thread, error);
    return status;
}

static bool has_stopped(struct run *run)
{
    pthread_mutex_lock(&run->lock);
    bool stopped = run->status != LM_OK;
    pthread_mutex_unlock(&run->lock);
    return stopped;
}

static void record(struct run *run, uint32_t n, enum lm_status status, const struct lm_error *error)
{
    const struct batches_work *work = run->work;
    pthread_mutex_lock(&run->lock);
    run->done += n;
    if (run->status == LM_OK && status != LM_OK)
        run->status = lm_fail(run->error, status, "%s", error->text);
    if (run->status == LM_OK && work->progress &&
        !work->progress(work->progress_context, run->done, work->count))
        run->status = lm_fail(run->error, LM_CANCELLED, "stopped after %u of %u runs", run->done,
                              work->count);
    pthread_mutex_unlock(&run->lock);
}

static void task(void *argument, uint32_t index, uint32_t thread)
{
    struct run *run = argument;
    if (has_stopped(run))
        return;
    struct lm_error error = {0};
    enum lm_status status =
        runner_take_batch(run->batches->runners[thread], run->work, index, thread, &error);
    record(run, batches_items(run->work, index), status, &error);
}

enum lm_status batches_run(struct batches *batches, const struct batches_work *work,
                           struct lm_error *error)
{
    struct run run = {.batches = batches, .work = work, .error = error};
    pthread_mutex_init(&run.lock, NULL);
    pool_run(batches->pool, batches_count(work), task, &run);
    pthread_mutex_destroy(&run.lock);
    return run.status;
}

enum lm_status batches_create(const struct lm_model *model, uint32_t size, uint32_t threads,
                              struct batches **out, struct lm_error *error)
{
    struct batches *batches = calloc(1, sizeof *batches);
    if (!batches)
        return lm_fail(error, LM_NOMEM, "out of memory for micro-batches");
    *batches = (struct batches){.size = size, .threads = threads};
    enum lm_status status = pool_create(threads, 0, &batches->pool, error);
    if (status != LM_OK)
        goto failed;
    batches->runners = calloc(threads, sizeof *batches->runners);
    if (!batches->runners)
        status = lm_fail(error, LM_NOMEM, "out of memory for %u threads", threads);
    for (uint32_t i = 0; i < threads && status == LM_OK; i++)
        status = runner_create(model, size, NULL, &batches->runners[i], error);
    if (status != LM_OK)
        goto failed;
    *out = batches;
    return LM_OK;
failed:
    batches_free(batches);
    return status;
}

void batches_free(struct batches *batches)
{
    if (!batches)
        return;
    pool_free(batches->pool);
    for (uint32_t i = 0; batches->runners && i < batches->threads; i++)
        runner_free(batches->runners[i]);
    free(batches->runners);
    free(batches);
}

uint32_t batches_size(const struct batches *batches)
{
    return batches->size;
}

uint32_t batches_threads(const struct batches *batches)
{
    return batches->threads;
}

struct lm_session *batches_session(struct batches *batches, uint32_t thread)
{
    return batches->runners[thread]->session;
}
