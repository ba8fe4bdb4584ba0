/* Jobs: a bounded queue, fair turns, and worker threads that run micro-batches.
 *
 *     struct jobs *jobs;
 *     jobs_create(&(struct jobs_options){.workers = 2}, &jobs, &error);
 *     struct job job = {.ops = &my_ops, .context = mine, .class = JOB_EXPLAIN, .bytes = ...};
 *     if (jobs_submit(jobs, &job, &number, &refusal, &error) != LM_OK)
 *         ... 503 with refusal.retry_after_s; `mine` is still the caller's
 *     jobs_cancel(jobs, number);                        the client has gone
 *     jobs_drain(jobs, 20 * 1000);                      SIGTERM
 *     jobs_free(jobs);
 *
 * Life of a job: queued -> preparing -> running -> finishing -> ended, in one of five ways (enum
 * job_end_kind).  Its micro-batches are handed out in order, one at a time to any worker, and
 * each is of this job alone: what a job computes does not depend on workers or on load.
 *
 * Turns.  Each time a worker is free it takes one step: a job's preparation or one micro-batch (the
 * worker that ran a job's last one finishes it).  Predict goes before explain, explain before
 * missingness; but after JOBS_MAX_OVERTAKES micro-batches of higher classes in a row, while a lower
 * class had work to do, the next step of that worker is the lower class's.  So each lower class
 * gets 1 of JOBS_MAX_OVERTAKES + 1 turns of every worker (when both wait, + 2), however many
 * predicts come, and a predict waits for one such turn at the most.  Within a class, jobs that have
 * been started take turns by micro-batch, and the others are started in the order they came, as far
 * as running_limit and memory_bytes let them.
 *
 * A micro-batch that is all there is to do (a predict on an idle machine) runs on the threads of a
 * pool besides, as many as there are workers, 8 at most.
 *
 * Deadlines and cancelling are looked at between steps, and when a preparation asks; a job whose
 * last micro-batch has been handed out is not stopped by its deadline any more.
 *
 * Threads: all functions but jobs_drain and jobs_free may be called from anywhere, callbacks
 * included.  Callbacks are called by workers, without a lock held; ended() is called exactly once
 * for every job that jobs_submit took, after all others, and free() after it.
 */
#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/batches.h"
#include "layermask/model.h"
#include "layermask/status.h"

enum job_class { JOB_PREDICT, JOB_EXPLAIN, JOB_MISSINGNESS };
enum { JOB_CLASSES = 3, JOBS_MAX_OVERTAKES = 8, JOBS_MAX_WORKERS = 256 };

enum job_state { JOB_QUEUED, JOB_PREPARING, JOB_RUNNING, JOB_FINISHING };

enum job_end_kind {
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELLED, /* by jobs_cancel */
    JOB_EXPIRED,   /* its deadline passed */
    JOB_DRAINED,   /* the scheduler is going down; nobody's wish: it should run again */
};
enum { JOB_END_KINDS = 5 };

struct job_end {
    enum job_end_kind kind;
    enum lm_status status; /* LM_OK, what a step failed with, or LM_CANCELLED */
    struct lm_error error; /* of the first micro-batch that failed, first by number */
    uint32_t items_done, items;
    uint64_t waited_ns; /* from jobs_submit to the start of its preparation, or to its end */
    uint64_t ran_ns;    /* from there to its end */
};

/* The worker that calls: its number is below jobs_workers(). */
struct job_worker;
uint32_t job_worker_number(const struct job_worker *worker);

/* This worker's runner of a model, for micro-batches of jobs_batch_size(); made when it is first
 * asked for, kept until memory is needed for another model's or jobs_forget_model is called.  Valid
 * until the callback returns.  Errors: LM_NOMEM (also above the limit of session_bytes). */
enum lm_status job_worker_runner(struct job_worker *worker, const struct lm_model *model,
                                 struct runner **out, struct lm_error *error);

/* For a preparation that takes long, now and then: LM_CANCELLED when its job has been stopped. What
 * prepare returns does not matter then. */
enum lm_status job_worker_check(struct job_worker *worker, struct lm_error *error);

/* What a job does.  `context` is the job's.  Only prepare, run_batch and ended must be there. */
struct job_ops {
    /* Somebody is about to prepare it. */
    void (*started)(void *context);

    /* Everything before the first micro-batch (decoding, segments): sets the number of
     * micro-batches, 0 or more. */
    enum lm_status (*prepare)(void *context, struct job_worker *worker, uint32_t *batches,
                              struct lm_error *error);

    /* Items of a micro-batch, for progress and metrics.  NULL: 1. */
    uint32_t (*items)(void *context, uint32_t batch);

    /* Several at once, of different workers.  An error stops the job. */
    enum lm_status (*run_batch)(void *context, uint32_t batch, struct job_worker *worker,
                                struct lm_error *error);

    /* Told now and then, after a micro-batch; one call at a time, `done` never less than before.
     * NULL: nobody listens. */
    void (*progress)(void *context, uint32_t done_items, uint32_t items);

    /* All micro-batches have been run without an error.  NULL: nothing to do. */
    enum lm_status (*finish)(void *context, struct lm_error *error);

    /* The one answer. */
    void (*ended)(void *context, const struct job_end *end);

    void (*free)(void *context);
};

struct job {
    const struct job_ops *ops;
    void *context;
    enum job_class class;
    uint64_t bytes;       /* the most that it will take from its preparation to its end */
    uint64_t deadline_ns; /* on the scheduler's clock; 0: none */
    bool accepted_before; /* it has been promised already: queue limits are not for it */
};

/* 0 in a field is its default. */
struct jobs_options {
    uint32_t workers;                   /* threads; default 1 */
    uint32_t batch;                     /* items of a micro-batch; default BATCHES_DEFAULT_SIZE */
    uint32_t queue_limit;               /* jobs of each class that may wait; default 100 */
    uint32_t queue_limits[JOB_CLASSES]; /* the same for one class; default queue_limit */
    uint32_t running_limit; /* jobs of each class that may be started at a time; default 16, and at
                               least the workers */
    uint64_t memory_bytes;  /* of all started jobs together; an eighth is for predicts alone;
                               default 1 GiB */
    uint64_t session_bytes; /* of all workers' runners together; default 2 GiB */
    uint64_t (*now_ns)(void *context); /* a clock that never goes back; default CLOCK_MONOTONIC */
    void *now_context;
};

struct jobs;

/* Starts the workers, with all signals blocked.  Errors: LM_INVALID, LM_NOMEM. */
enum lm_status jobs_create(const struct jobs_options *options, struct jobs **out,
                           struct lm_error *error);

/* Why jobs_submit said no. */
struct jobs_refusal {
    enum { JOBS_FULL = 1, JOBS_DRAINING, JOBS_TOO_LARGE } why; /* 0: out of memory */
    uint32_t retry_after_s; /* 1 to 60, from how long jobs took lately; 0: never (too large) */
};

/* Takes the job over, or fails without having called anything.  number, refusal: may be NULL.
 * Errors: LM_LIMIT (see refusal), LM_NOMEM. */
enum lm_status jobs_submit(struct jobs *jobs, const struct job *job, uint64_t *number,
                           struct jobs_refusal *refusal, struct lm_error *error);

/* true: the job will end as JOB_CANCELLED, after what its workers are doing just now; false: it has
 * ended, or how it ends is decided already. */
bool jobs_cancel(struct jobs *jobs, uint64_t number);

/* Refuses new jobs, waits until all have ended; those that have not after timeout_ms end as
 * JOB_DRAINED.  Returns how many those are.  When it returns, every job has ended. */
uint32_t jobs_drain(struct jobs *jobs, uint64_t timeout_ms);
void jobs_free(struct jobs *jobs); /* drains with no time; NULL is fine */

/* Frees every worker's runner of a model, which no job uses any more. */
void jobs_forget_model(struct jobs *jobs, const struct lm_model *model);

uint32_t jobs_workers(const struct jobs *jobs);
uint32_t jobs_batch_size(const struct jobs *jobs);
uint64_t jobs_now_ns(const struct jobs *jobs); /* for deadlines */

/* All sums are since the start. */
struct jobs_class_stats {
    uint32_t queued, started; /* now */
    uint64_t submitted, refused;
    uint64_t ended[JOB_END_KINDS];
    uint64_t waited_ns; /* sum over the jobs that have been started */
    uint64_t ran_ns;    /* sum over those that have ended since */
    uint64_t batches, items, batch_ns;
    uint64_t batch_room; /* items that these micro-batches had room for */
};

struct jobs_stats {
    struct jobs_class_stats classes[JOB_CLASSES];
    uint32_t busy_workers;
    uint64_t memory_bytes;  /* of started jobs */
    uint64_t session_bytes; /* of runners */
    uint32_t sessions;
    bool draining;
};

void jobs_read_stats(struct jobs *jobs, struct jobs_stats *out);

#endif
