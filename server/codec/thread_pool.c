/* A pool of threads.  Workers sleep on a condition between runs; within a run they take indices
 * from a common counter until it is used up.  A run ends when every worker has come back, so that
 * nobody can take an index of one run with the task of another. */
#include "codec/thread_pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

struct worker {
    struct pool *pool;
    uint32_t number; /* 1..threads-1; the caller is 0 */
    pthread_t thread;
};

struct pool {
    uint32_t threads, started; /* started: workers that are running */
    struct worker *workers;
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
    uint64_t run;  /* number of runs so far, under lock, as are the next two */
    uint32_t busy; /* workers that are still in this run */
    bool stop;
    void (*task)(void *argument, uint32_t index, uint32_t thread);
    void *argument;
    uint32_t count;
    atomic_uint next;
};

static void take_indices(struct pool *pool, uint32_t thread)
{
    for (;;) {
        uint32_t index = atomic_fetch_add(&pool->next, 1u);
        if (index >= pool->count)
            return;
        pool->task(pool->argument, index, thread);
    }
}

/* Waits for a run after number `seen`; false when the pool closes. */
static bool wait_for_run(struct pool *pool, uint64_t *seen)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->run == *seen && !pool->stop)
        pthread_cond_wait(&pool->begin, &pool->lock);
    *seen = pool->run;
    bool stop = pool->stop;
    pthread_mutex_unlock(&pool->lock);
    return !stop;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct pool *pool = worker->pool;
    uint64_t seen = 0;
    while (wait_for_run(pool, &seen)) {
        take_indices(pool, worker->number);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->end);
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

void pool_run(struct pool *pool, uint32_t count,
              void (*task)(void *argument, uint32_t index, uint32_t thread), void *argument)
{
    if (pool->threads == 1 || count <= 1) {
        for (uint32_t i = 0; i < count; i++)
            task(argument, i, 0);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->task = task;
    pool->argument = argument;
    pool->count = count;
    atomic_store(&pool->next, 0u);
    pool->busy = pool->started;
    pool->run++;
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->lock);

    take_indices(pool, 0);

    pthread_mutex_lock(&pool->lock);
    while (pool->busy > 0)
        pthread_cond_wait(&pool->end, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

enum lm_status pool_create(uint32_t threads, struct pool **out, struct lm_error *error)
{
    if (threads < 1 || threads > POOL_MAX_THREADS)
        return lm_fail(error, LM_INVALID, "threads: %u is not from 1 to %d", threads,
                       POOL_MAX_THREADS);
    struct pool *pool = calloc(1, sizeof *pool);
    struct worker *workers = calloc(threads, sizeof *workers);
    if (!pool || !workers) {
        free(pool);
        free(workers);
        return lm_fail(error, LM_NOMEM, "out of memory for %u threads", threads);
    }
    pool->threads = threads;
    pool->workers = workers;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->begin, NULL);
    pthread_cond_init(&pool->end, NULL);
    for (uint32_t i = 1; i < threads; i++) {
        struct worker *worker = &workers[i - 1];
        *worker = (struct worker){.pool = pool, .number = i};
        if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
            pool_free(pool);
            return lm_fail(error, LM_NOMEM, "the system gave %u of %u threads", i, threads);
        }
        pool->started++;
    }
    *out = pool;
    return LM_OK;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->begin);
    pthread_cond_destroy(&pool->end);
    free(pool->workers);
    free(pool);
}

uint32_t pool_threads(const struct pool *pool)
{
    return pool->threads;
}

static void run_for_engine(void *context, uint32_t count,
                           void (*task)(void *argument, uint32_t index, uint32_t thread),
                           void *argument)
{
    pool_run(context, count, task, argument);
}

struct lm_parallel pool_parallel(struct pool *pool)
{
    return (struct lm_parallel){.context = pool, .threads = pool->threads, .run = run_for_engine};
}
