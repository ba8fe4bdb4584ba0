/* Micro-batches over threads. */
#include "codec/batches.h"

#include <pthread.h>
#include <stdlib.h>

struct batches {
    uint32_t size, threads, classes;
    struct pool *pool;
    struct lm_session **sessions; /* one for each thread */
    float *logits;                /* size x classes for each thread */
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

static enum lm_status run_micro_batch(struct run *run, uint32_t first, uint32_t n, uint32_t thread,
                                      struct lm_error *error)
{
    struct batches *batches = run->batches;
    const struct batches_work *work = run->work;
    const float *planes[BATCHES_MAX_SIZE];
    const struct lm_mask *visible[BATCHES_MAX_SIZE];
    for (uint32_t slot = 0; slot < n; slot++)
        work->fill(work->context, first + slot, thread, slot, &planes[slot], &visible[slot]);
    float *logits = batches->logits + (size_t)thread * batches->size * batches->classes;
    enum lm_status status =
        lm_session_run(batches->sessions[thread], n, planes, visible, logits, NULL, error);
    if (status == LM_OK)
        status = work->take(work->context, first, n, logits, thread, error);
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
    uint32_t first = index * run->batches->size;
    uint32_t left = run->work->count - first;
    uint32_t n = left < run->batches->size ? left : run->batches->size;
    struct lm_error error = {0};
    enum lm_status status = run_micro_batch(run, first, n, thread, &error);
    record(run, n, status, &error);
}

enum lm_status batches_run(struct batches *batches, const struct batches_work *work,
                           struct lm_error *error)
{
    struct run run = {.batches = batches, .work = work, .error = error};
    pthread_mutex_init(&run.lock, NULL);
    uint32_t groups = work->count / batches->size + (work->count % batches->size != 0);
    pool_run(batches->pool, groups, task, &run);
    pthread_mutex_destroy(&run.lock);
    return run.status;
}

enum lm_status batches_create(const struct lm_model *model, uint32_t size, uint32_t threads,
                              struct batches **out, struct lm_error *error)
{
    if (size < 1 || size > BATCHES_MAX_SIZE)
        return lm_fail(error, LM_INVALID, "batch: %u is not from 1 to %d", size, BATCHES_MAX_SIZE);
    struct lm_model_info info;
    lm_model_info(model, &info);
    struct batches *batches = calloc(1, sizeof *batches);
    if (!batches)
        return lm_fail(error, LM_NOMEM, "out of memory for micro-batches");
    *batches = (struct batches){.size = size, .threads = threads, .classes = info.classes};
    enum lm_status status = pool_create(threads, &batches->pool, error);
    if (status != LM_OK)
        goto failed;
    batches->sessions = calloc(threads, sizeof *batches->sessions);
    batches->logits = calloc((size_t)threads * size, info.classes * sizeof *batches->logits);
    if (!batches->sessions || !batches->logits) {
        status = lm_fail(error, LM_NOMEM, "out of memory for %u threads", threads);
        goto failed;
    }
    for (uint32_t i = 0; i < threads && status == LM_OK; i++)
        status = lm_session_create(model, size, 1, &batches->sessions[i], error);
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
    for (uint32_t i = 0; batches->sessions && i < batches->threads; i++)
        lm_session_free(batches->sessions[i]);
    free(batches->sessions);
    free(batches->logits);
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

uint32_t batches_classes(const struct batches *batches)
{
    return batches->classes;
}

struct lm_session *batches_session(struct batches *batches, uint32_t thread)
{
    return batches->sessions[thread];
}
