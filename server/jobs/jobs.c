/* The scheduler as its callers see it. */
#include "jobs/jobs.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "jobs/scheduler.h"

/* A micro-batch's layers gain little from more threads than MOST_HELPERS, and each takes memory. */
enum { DEFAULT_QUEUE = 100, DEFAULT_RUNNING = 16, LONGEST_RETRY_S = 60, MOST_HELPERS = 8 };

static const uint64_t default_memory_bytes = UINT64_C(1) << 30;
static const uint64_t default_session_bytes = UINT64_C(2) << 30;

static uint64_t monotonic_ns(void *context)
{
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t jobs_now_ns(const struct jobs *jobs)
{
    return jobs->options.now_ns(jobs->options.now_context);
}

uint32_t jobs_workers(const struct jobs *jobs)
{
    return jobs->options.workers;
}

uint32_t jobs_batch_size(const struct jobs *jobs)
{
    return jobs->options.batch;
}

static struct jobs_options resolve(const struct jobs_options *options)
{
    struct jobs_options o = *options;
    o.workers = o.workers ? o.workers : 1;
    o.batch = o.batch ? o.batch : BATCHES_DEFAULT_SIZE;
    o.queue_limit = o.queue_limit ? o.queue_limit : DEFAULT_QUEUE;
    for (int c = 0; c < JOB_CLASSES; c++)
        o.queue_limits[c] = o.queue_limits[c] ? o.queue_limits[c] : o.queue_limit;
    o.running_limit = o.running_limit ? o.running_limit : DEFAULT_RUNNING;
    if (o.running_limit < o.workers)
        o.running_limit = o.workers;
    o.memory_bytes = o.memory_bytes ? o.memory_bytes : default_memory_bytes;
    o.session_bytes = o.session_bytes ? o.session_bytes : default_session_bytes;
    o.now_ns = o.now_ns ? o.now_ns : monotonic_ns;
    return o;
}

static void init_locks(struct jobs *jobs)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->work, &attributes);
    pthread_cond_init(&jobs->no_jobs, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* With all signals blocked. */
static enum lm_status start_workers(struct jobs *jobs, struct lm_error *error)
{
    uint32_t n = jobs->options.workers, threads = n < MOST_HELPERS ? n : MOST_HELPERS;
    enum lm_status status = LM_OK;
    if (n > 1)
        status = pool_create(threads, WORKER_NICENESS, &jobs->helpers, error);
    for (uint32_t i = 0; i < n && status == LM_OK; i++) {
        struct job_worker *worker = &jobs->workers[i];
        worker->jobs = jobs;
        worker->number = i;
        status = sessions_create(jobs->options.batch, jobs->options.session_bytes / n,
                                 jobs->helpers, &worker->sessions, error);
        if (status == LM_OK && pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
            status = lm_fail(error, LM_NOMEM, "the system gave %u of %u threads", i, n);
        if (status == LM_OK)
            jobs->started_workers++;
    }
    return status;
}

enum lm_status jobs_create(const struct jobs_options *options, struct jobs **out,
                           struct lm_error *error)
{
    struct jobs_options resolved = resolve(options);
    if (resolved.workers > JOBS_MAX_WORKERS)
        return lm_fail(error, LM_INVALID, "workers: %u is not from 1 to %d", resolved.workers,
                       JOBS_MAX_WORKERS);
    if (resolved.batch > BATCHES_MAX_SIZE)
        return lm_fail(error, LM_INVALID, "batch: %u is not from 1 to %d", resolved.batch,
                       BATCHES_MAX_SIZE);
    struct jobs *jobs = calloc(1, sizeof *jobs);
    struct job_worker *workers = calloc(resolved.workers, sizeof *workers);
    if (!jobs || !workers) {
        free(jobs);
        free(workers);
        return lm_fail(error, LM_NOMEM, "out of memory for %u workers", resolved.workers);
    }
    jobs->options = resolved;
    jobs->workers = workers;
    init_locks(jobs);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    enum lm_status status = start_workers(jobs, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != LM_OK) {
        jobs_free(jobs);
        return status;
    }
    *out = jobs;
    return LM_OK;
}

/* Seconds until what goes before a new job of this class may be done. */
static uint32_t estimate_retry(const struct jobs *jobs, enum job_class class)
{
    double ns = 0;
    for (uint32_t c = 0; c <= (uint32_t) class; c++)
        ns += jobs->mean_busy_ns[c] * (jobs->stats[c].queued + jobs->stats[c].started);
    double seconds = ceil(ns / 1e9 / jobs->options.workers);
    if (seconds > LONGEST_RETRY_S)
        return LONGEST_RETRY_S;
    return seconds < 1 ? 1 : (uint32_t)seconds;
}

static enum lm_status check_room(struct jobs *jobs, const struct job *job,
                                 struct jobs_refusal *refusal, struct lm_error *error)
{
    uint64_t limit = scheduler_memory_limit(jobs, job->class);
    if (job->bytes > limit) {
        *refusal = (struct jobs_refusal){.why = JOBS_TOO_LARGE};
        return lm_fail(error, LM_LIMIT, "this would take %llu bytes of memory, the limit is %llu",
                       (unsigned long long)job->bytes, (unsigned long long)limit);
    }
    *refusal = (struct jobs_refusal){.retry_after_s = estimate_retry(jobs, job->class)};
    if (jobs->draining) {
        refusal->why = JOBS_DRAINING;
        return lm_fail(error, LM_LIMIT, "the server is going down");
    }
    if (!job->accepted_before &&
        jobs->stats[job->class].queued >= jobs->options.queue_limits[job->class]) {
        refusal->why = JOBS_FULL;
        return lm_fail(error, LM_LIMIT, "the queue is full: %u jobs are waiting",
                       jobs->stats[job->class].queued);
    }
    return LM_OK;
}

enum lm_status jobs_submit(struct jobs *jobs, const struct job *job, uint64_t *number,
                           struct jobs_refusal *refusal, struct lm_error *error)
{
    struct jobs_refusal unused, *why = refusal ? refusal : &unused;
    *why = (struct jobs_refusal){.retry_after_s = 1};
    struct live_job *live = calloc(1, sizeof *live);
    if (!live)
        return lm_fail(error, LM_NOMEM, "out of memory for a job");
    live->job = *job;
    live->submitted_ns = jobs_now_ns(jobs);
    pthread_mutex_lock(&jobs->lock);
    enum lm_status status = check_room(jobs, job, why, error);
    struct jobs_class_stats *stats = &jobs->stats[job->class];
    if (status == LM_OK) {
        stats->submitted++;
        live->number = ++jobs->last_number;
        if (number)
            *number = live->number;
        scheduler_add(jobs, live);
        live = NULL;
    } else {
        stats->refused++;
    }
    pthread_mutex_unlock(&jobs->lock);
    free(live);
    return status;
}

bool jobs_cancel(struct jobs *jobs, uint64_t number)
{
    pthread_mutex_lock(&jobs->lock);
    struct live_job *job = scheduler_find(jobs, number);
    bool stopped = job && scheduler_stop(jobs, job, JOB_CANCELLED, "cancelled");
    pthread_mutex_unlock(&jobs->lock);
    return stopped;
}

static struct timespec after_ms(uint64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    return until;
}

uint32_t jobs_drain(struct jobs *jobs, uint64_t timeout_ms)
{
    const struct timespec until = after_ms(timeout_ms);
    uint32_t stopped = 0;
    pthread_mutex_lock(&jobs->lock);
    jobs->draining = true;
    while (jobs->live_count > 0 &&
           pthread_cond_timedwait(&jobs->no_jobs, &jobs->lock, &until) != ETIMEDOUT)
        ;
    for (struct live_job *job = jobs->live; job; job = job->live_next)
        if (scheduler_has_steps(job))
            stopped += scheduler_stop(jobs, job, JOB_DRAINED, "the server is going down");
    while (jobs->live_count > 0)
        pthread_cond_wait(&jobs->no_jobs, &jobs->lock);
    pthread_mutex_unlock(&jobs->lock);
    return stopped;
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    if (jobs->started_workers > 0)
        jobs_drain(jobs, 0);
    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    pthread_cond_broadcast(&jobs->work);
    pthread_mutex_unlock(&jobs->lock);
    for (uint32_t i = 0; i < jobs->started_workers; i++)
        pthread_join(jobs->workers[i].thread, NULL);
    for (uint32_t i = 0; i < jobs->options.workers; i++)
        sessions_free(jobs->workers[i].sessions);
    pool_free(jobs->helpers);
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->work);
    pthread_cond_destroy(&jobs->no_jobs);
    free(jobs->workers);
    free(jobs);
}

void jobs_forget_model(struct jobs *jobs, const struct lm_model *model)
{
    for (uint32_t i = 0; i < jobs->options.workers; i++)
        sessions_forget(jobs->workers[i].sessions, model);
}

void jobs_read_stats(struct jobs *jobs, struct jobs_stats *out)
{
    struct jobs_stats stats = {0};
    pthread_mutex_lock(&jobs->lock);
    for (uint32_t class = 0; class < JOB_CLASSES; class ++)
        stats.classes[class] = jobs->stats[class];
    stats.busy_workers = jobs->busy_workers;
    stats.memory_bytes = jobs->memory_bytes;
    stats.draining = jobs->draining;
    pthread_mutex_unlock(&jobs->lock);
    for (uint32_t i = 0; i < jobs->options.workers; i++) {
        uint32_t runners = 0;
        uint64_t bytes = 0;
        sessions_count(jobs->workers[i].sessions, &runners, &bytes);
        stats.sessions += runners;
        stats.session_bytes += bytes;
    }
    *out = stats;
}
