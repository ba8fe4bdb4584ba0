/* Workers: each takes the next step and runs it without the lock.  The worker that brings a job's
 * last step to its end finishes the job and tells its end, so nobody waits for anybody. */
#include <stdlib.h>
#include <time.h>

#include <sys/resource.h>

#include "jobs/scheduler.h"

uint32_t job_worker_number(const struct job_worker *worker)
{
    return worker->number;
}

enum lm_status job_worker_runner(struct job_worker *worker, const struct lm_model *model,
                                 struct runner **out, struct lm_error *error)
{
    enum lm_status status = sessions_get(worker->sessions, model, out, error);
    if (status == LM_OK)
        runner_share(*out, worker->is_alone);
    return status;
}

enum lm_status job_worker_check(struct job_worker *worker, struct lm_error *error)
{
    struct jobs *jobs = worker->jobs;
    pthread_mutex_lock(&jobs->lock);
    scheduler_expire(jobs, jobs_now_ns(jobs));
    bool stopped = worker->preparing && worker->preparing->decided;
    pthread_mutex_unlock(&jobs->lock);
    return stopped ? lm_fail(error, LM_CANCELLED, "the job has been stopped") : LM_OK;
}

static struct job_end describe_end(const struct live_job *job, uint64_t now_ns)
{
    bool started = job->started_ns != 0;
    return (struct job_end){
        .kind = job->kind,
        .status = job->status,
        .error = job->error,
        .items_done = job->items_done,
        .items = job->items,
        .waited_ns = (started ? job->started_ns : now_ns) - job->submitted_ns,
        .ran_ns = started ? now_ns - job->started_ns : 0,
    };
}

static void note_busy(struct jobs *jobs, const struct live_job *job)
{
    double *mean = &jobs->mean_busy_ns[job->job.class];
    double busy = (double)job->busy_ns;
    *mean = *mean > 0 ? *mean + (busy - *mean) / 8 : busy;
}

/* Tells how the job, which is decided, ended. */
static void end_job(struct jobs *jobs, struct live_job *job)
{
    const struct job_ops *ops = job->job.ops;
    job->state = JOB_FINISHING;
    pthread_mutex_unlock(&jobs->lock);
    const struct job_end end = describe_end(job, jobs_now_ns(jobs));
    ops->ended(job->job.context, &end);
    if (ops->free)
        ops->free(job->job.context);
    pthread_mutex_lock(&jobs->lock);
    if (job->kind == JOB_SUCCEEDED)
        note_busy(jobs, job);
    jobs->stats[job->job.class].ran_ns += end.ran_ns;
    scheduler_remove(jobs, job);
    free(job);
}

/* Nobody works on the job any more: all is done, or its end is decided. */
static void settle(struct jobs *jobs, struct live_job *job)
{
    const struct job_ops *ops = job->job.ops;
    if (!job->decided) {
        job->state = JOB_FINISHING; /* from here on nobody else decides */
        struct lm_error error = {0};
        enum lm_status status = LM_OK;
        pthread_mutex_unlock(&jobs->lock);
        uint64_t start = jobs_now_ns(jobs);
        if (ops->finish)
            status = ops->finish(job->job.context, &error);
        uint64_t took = jobs_now_ns(jobs) - start;
        pthread_mutex_lock(&jobs->lock);
        job->busy_ns += took;
        scheduler_decide(job, status == LM_OK ? JOB_SUCCEEDED : JOB_FAILED, status, error.text);
    }
    end_job(jobs, job);
}

static uint32_t items_of(const struct live_job *job, uint32_t batch)
{
    return job->job.ops->items ? job->job.ops->items(job->job.context, batch) : 1;
}

static void prepare(struct job_worker *worker, struct live_job *job)
{
    struct jobs *jobs = worker->jobs;
    const struct job_ops *ops = job->job.ops;
    struct lm_error error = {0};
    uint32_t batches = 0, items = 0;
    worker->preparing = job;
    pthread_mutex_unlock(&jobs->lock);
    uint64_t start = jobs_now_ns(jobs);
    if (ops->started)
        ops->started(job->job.context);
    enum lm_status status = ops->prepare(job->job.context, worker, &batches, &error);
    for (uint32_t i = 0; status == LM_OK && i < batches; i++)
        items += items_of(job, i);
    uint64_t took = jobs_now_ns(jobs) - start;
    pthread_mutex_lock(&jobs->lock);
    job->busy_ns += took;
    worker->preparing = NULL;
    job->batches = batches;
    job->items = items;
    if (status != LM_OK)
        scheduler_decide(job, JOB_FAILED, status, error.text);
    if (job->decided || batches == 0)
        settle(jobs, job);
    else
        scheduler_run(jobs, job);
}

/* Micro-batches start in order, so that of all which can fail the first always runs: with its error
 * kept, a job's error does not depend on the number of workers either. */
static void note_failure(struct live_job *job, uint32_t batch, enum lm_status status,
                         const struct lm_error *error)
{
    bool first = scheduler_decide(job, JOB_FAILED, status, error->text);
    if (!first && (job->kind != JOB_FAILED || batch > job->failed_batch))
        return;
    job->failed_batch = batch;
    job->status = status;
    job->error = (struct lm_error){0};
    lm_fail(&job->error, status, "%s", error->text);
    scheduler_withhold(job);
}

/* One call at a time; a worker that comes in between leaves it to the next. */
static void tell_progress(struct jobs *jobs, struct live_job *job)
{
    const struct job_ops *ops = job->job.ops;
    if (!ops->progress || job->telling || job->decided)
        return;
    uint32_t done = job->items_done;
    job->telling = true;
    pthread_mutex_unlock(&jobs->lock);
    ops->progress(job->job.context, done, job->items);
    pthread_mutex_lock(&jobs->lock);
    job->telling = false;
}

static void run_batch(struct job_worker *worker, struct live_job *job, uint32_t batch)
{
    struct jobs *jobs = worker->jobs;
    struct jobs_class_stats *stats = &jobs->stats[job->job.class];
    struct lm_error error = {0};
    worker->is_alone = scheduler_is_alone(jobs, job);
    pthread_mutex_unlock(&jobs->lock);
    uint64_t start = jobs_now_ns(jobs);
    uint32_t items = items_of(job, batch);
    enum lm_status status = job->job.ops->run_batch(job->job.context, batch, worker, &error);
    uint64_t took = jobs_now_ns(jobs) - start;
    pthread_mutex_lock(&jobs->lock);
    worker->is_alone = false;
    job->busy_ns += took;
    stats->batch_ns += took;
    stats->batches++;
    stats->items += items;
    stats->batch_room += jobs->options.batch;
    if (status == LM_OK) {
        job->items_done += items;
        tell_progress(jobs, job);
    } else {
        note_failure(job, batch, status, &error);
    }
    job->in_flight--;
    if (job->in_flight == 0 && !scheduler_has_steps(job))
        settle(jobs, job);
}

static void take(struct job_worker *worker, const struct step *step)
{
    struct jobs *jobs = worker->jobs;
    jobs->busy_workers++;
    switch (step->kind) {
    case STEP_PREPARE: prepare(worker, step->job); break;
    case STEP_BATCH: run_batch(worker, step->job, step->batch); break;
    case STEP_END: end_job(jobs, step->job); break;
    case STEP_NONE: break;
    }
    jobs->busy_workers--;
}

/* Until there is work, or until a job that cannot be started yet has waited too long. */
static void wait_for_work(struct jobs *jobs, uint64_t now_ns)
{
    jobs->idle_workers++;
    if (jobs->next_deadline_ns > now_ns) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        uint64_t wait_ns = jobs->next_deadline_ns - now_ns + (uint64_t)until.tv_nsec;
        uint64_t seconds = wait_ns / 1000000000;
        until.tv_sec += (time_t)(seconds < 3600 ? seconds : 3600);
        until.tv_nsec = (long)(wait_ns % 1000000000);
        pthread_cond_timedwait(&jobs->work, &jobs->lock, &until);
    } else {
        pthread_cond_wait(&jobs->work, &jobs->lock);
    }
    jobs->idle_workers--;
}

void *worker_main(void *argument)
{
    struct job_worker *worker = argument;
    struct jobs *jobs = worker->jobs;
    setpriority(PRIO_PROCESS, 0, WORKER_NICENESS); /* on Linux, of this thread alone */
    pthread_mutex_lock(&jobs->lock);
    for (;;) {
        uint64_t now_ns = jobs_now_ns(jobs);
        struct step step = scheduler_next(jobs, worker, now_ns);
        if (step.kind != STEP_NONE)
            take(worker, &step);
        else if (jobs->stopping)
            break;
        else
            wait_for_work(jobs, now_ns);
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}
