/* A pool of threads.  Within a run, workers take indices from a common counter until it is used up.
 * A run ends when all that have joined it have come back, so that nobody can take an index of one
 * run with the task of another; whoever comes later joins the next.
 *
 * Whoever waits looks out for a moment before it sleeps on a condition: the runs of a network's
 * layers follow each other at once, and to be woken takes as long as many a layer. */
#include "codec/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <sys/resource.h>

#include "codec/clock.h"

#define LOOK_OUT_MS 0.2

struct worker {
    struct pool *pool;
    uint32_t number; /* 1..threads-1; the caller is 0 */
    pthread_t thread;
};

struct pool {
    uint32_t threads, started; /* started: workers that are running */
    int niceness;
    struct worker *workers;
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
    /* Changed under lock, looked at without. */
    atomic_uint run;    /* number of runs so far */
    atomic_uint inside; /* workers that have joined this one */
    bool is_open, stop; /* under lock */
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

/* For a moment, until *number is `value`, or is not, as `wanted`.  Other threads that are ready go
 * first. */
static void look_out(const atomic_uint *number, unsigned value, bool wanted)
{
    double end_ms = clock_ms() + LOOK_OUT_MS;
    while ((atomic_load(number) == value) != wanted && clock_ms() < end_ms)
        sched_yield();
}

/* Joins a run after number `seen`; false when the pool closes. */
static bool join_run(struct pool *pool, unsigned *seen)
{
    look_out(&pool->run, *seen, false);
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop && (!pool->is_open || atomic_load(&pool->run) == *seen))
        pthread_cond_wait(&pool->begin, &pool->lock);
    *seen = atomic_load(&pool->run);
    bool stop = pool->stop;
    if (!stop)
        atomic_fetch_add(&pool->inside, 1u);
    pthread_mutex_unlock(&pool->lock);
    return !stop;
}

static void leave_run(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    if (atomic_fetch_sub(&pool->inside, 1u) == 1)
        pthread_cond_signal(&pool->end);
    pthread_mutex_unlock(&pool->lock);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct pool *pool = worker->pool;
    unsigned seen = 0;
    if (pool->niceness > 0)
        setpriority(PRIO_PROCESS, 0, pool->niceness); /* on Linux, of this thread alone */
    while (join_run(pool, &seen)) {
        take_indices(pool, worker->number);
        leave_run(pool);
    }
    return NULL;
}

static void open_run(struct pool *pool, uint32_t count,
                     void (*task)(void *argument, uint32_t index, uint32_t thread), void *argument)
{
    pthread_mutex_lock(&pool->lock);
    pool->task = task;
    pool->argument = argument;
    pool->count = count;
    atomic_store(&pool->next, 0u);
    pool->is_open = true;
    atomic_fetch_add(&pool->run, 1u);
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->lock);
}

/* All indices are taken; some may still be worked on. */
static void close_run(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->is_open = false;
    pthread_mutex_unlock(&pool->lock);
    look_out(&pool->inside, 0, true);
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->inside) > 0)
        pthread_cond_wait(&pool->end, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void pool_run(struct pool *pool, uint32_t count,
              void (*task)(void *argument, uint32_t index, uint32_t thread), void *argument)
{
    if (pool->threads == 1 || count <= 1) {
        for (uint32_t i = 0; i < count; i++)
            task(argument, i, 0);
        return;
    }
    open_run(pool, count, task, argument);
    take_indices(pool, 0);
    close_run(pool);
}

enum lm_status pool_create(uint32_t threads, int niceness, struct pool **out,
                           struct lm_error *error)
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
    pool->niceness = niceness;
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
