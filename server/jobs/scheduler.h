/* The scheduler's state and its moves; the lock is held in all functions here.  For the files of
 * this room. */
#ifndef JOBS_SCHEDULER_H
#define JOBS_SCHEDULER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "jobs/jobs.h"
#include "jobs/sessions.h"

/* A job from jobs_submit to its end. */
struct live_job {
    struct live_job *next, *previous;           /* in `place` */
    struct live_job *live_next, *live_previous; /* in jobs.live */
    struct job_list *place;                     /* a queue, a ring, ending, or NULL */
    uint64_t number;
    struct job job;
    enum job_state state;
    bool admitted; /* it has left the queue for the ring, and counts as started */
    bool telling;  /* a worker is calling progress() */

    bool decided; /* how it ends: */
    enum job_end_kind kind;
    enum lm_status status;
    struct lm_error error;
    uint32_t failed_batch;

    uint32_t batches, next_batch; /* the ones before next_batch have been handed out */
    uint32_t in_flight;           /* of them, not done yet */
    uint32_t items, items_done;
    uint64_t submitted_ns, started_ns, busy_ns;
};

struct job_list {
    struct live_job *first, *last;
};

struct job_worker {
    struct jobs *jobs;
    uint32_t number;
    pthread_t thread;
    struct sessions *sessions;
    bool is_alone; /* its micro-batch is all there is to do: it runs on the helpers, too */
    const struct live_job *preparing; /* NULL: none */
    uint32_t overtaken[JOB_CLASSES];  /* micro-batches of higher classes that went before this one,
                                         in a row */
};

struct jobs {
    struct jobs_options options;
    struct job_worker *workers;
    uint32_t started_workers;
    struct pool *helpers; /* of the worker that is alone; NULL: none */

    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t work;    /* there may be a step to take */
    pthread_cond_t no_jobs; /* the last one has ended */
    struct live_job *live;
    uint32_t live_count;
    struct job_list queues[JOB_CLASSES]; /* not yet admitted, as they came */
    struct job_list rings[JOB_CLASSES];  /* whose turn it is: the first */
    struct job_list ending;              /* decided without a worker: to be told */
    uint64_t last_number;
    uint64_t next_deadline_ns; /* no undecided job's is before; 0: none */
    uint64_t memory_bytes;
    uint32_t busy_workers, idle_workers;
    bool draining, stopping;
    double mean_busy_ns[JOB_CLASSES]; /* of a job, of late */
    struct jobs_class_stats stats[JOB_CLASSES];
};

/* One step for a worker. */
struct step {
    enum { STEP_NONE, STEP_PREPARE, STEP_BATCH, STEP_END } kind;
    struct live_job *job;
    uint32_t batch; /* STEP_BATCH */
};

uint64_t scheduler_memory_limit(const struct jobs *jobs, enum job_class class);

/* Enters a new job; it waits in its queue. */
void scheduler_add(struct jobs *jobs, struct live_job *job);
struct live_job *scheduler_find(const struct jobs *jobs, uint64_t number);

/* What the worker is to do next: the job is in no list then (STEP_BATCH: it may be). */
struct step scheduler_next(struct jobs *jobs, struct job_worker *worker, uint64_t now_ns);

/* Stops the jobs whose deadline has passed. */
void scheduler_expire(struct jobs *jobs, uint64_t now_ns);

/* It has been prepared: its turns begin. */
void scheduler_run(struct jobs *jobs, struct live_job *job);

/* Decides how a job ends, if that is open: true. */
bool scheduler_decide(struct live_job *job, enum job_end_kind kind, enum lm_status status,
                      const char *text);

/* The same from outside of the job's own steps: who holds it ends it, else it goes to `ending`. */
bool scheduler_stop(struct jobs *jobs, struct live_job *job, enum job_end_kind kind,
                    const char *text);

/* No more of its micro-batches are handed out. */
void scheduler_withhold(struct live_job *job);

/* There are micro-batches (or all of them) left to hand out. */
bool scheduler_has_steps(const struct live_job *job);

/* All that there is to do is the one micro-batch of this job that is in flight. */
bool scheduler_is_alone(const struct jobs *jobs, const struct live_job *job);

/* The job has been told its end: forgets it, and makes room for others. */
void scheduler_remove(struct jobs *jobs, struct live_job *job);

/* Wakes idle workers: there may be steps for them. */
void scheduler_wake(struct jobs *jobs);

/* worker.c: the thread of a worker.  Threads that serve connections go first: they have little to
 * do, and callers wait for them. */
enum { WORKER_NICENESS = 10 };
void *worker_main(void *worker);

#endif
