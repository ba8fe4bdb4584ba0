/* Who goes next.  Every decision is made here, in one place, under one lock, from a handful of
 * lists; a step takes far longer than a decision, so nothing finer is needed. */
#include "jobs/scheduler.h"

#include <stdlib.h>

static void list_remove(struct live_job *job)
{
    struct job_list *list = job->place;
    if (!list)
        return;
    *(job->previous ? &job->previous->next : &list->first) = job->next;
    *(job->next ? &job->next->previous : &list->last) = job->previous;
    job->next = job->previous = NULL;
    job->place = NULL;
}

static void list_append(struct job_list *list, struct live_job *job)
{
    job->place = list;
    job->next = NULL;
    job->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = job;
    list->last = job;
}

static void list_prepend(struct job_list *list, struct live_job *job)
{
    job->place = list;
    job->previous = NULL;
    job->next = list->first;
    *(list->first ? &list->first->previous : &list->last) = job;
    list->first = job;
}

uint64_t scheduler_memory_limit(const struct jobs *jobs, enum job_class class)
{
    uint64_t all = jobs->options.memory_bytes;
    return class == JOB_PREDICT ? all : all - all / 8;
}

void scheduler_wake(struct jobs *jobs)
{
    if (jobs->idle_workers > 0)
        pthread_cond_broadcast(&jobs->work);
}

static void note_deadline(struct jobs *jobs, const struct live_job *job)
{
    uint64_t deadline = job->job.deadline_ns;
    if (deadline && (!jobs->next_deadline_ns || deadline < jobs->next_deadline_ns))
        jobs->next_deadline_ns = deadline;
}

void scheduler_add(struct jobs *jobs, struct live_job *job)
{
    job->live_next = jobs->live;
    if (jobs->live)
        jobs->live->live_previous = job;
    jobs->live = job;
    jobs->live_count++;
    list_append(&jobs->queues[job->job.class], job);
    jobs->stats[job->job.class].queued++;
    note_deadline(jobs, job);
    scheduler_wake(jobs);
}

struct live_job *scheduler_find(const struct jobs *jobs, uint64_t number)
{
    struct live_job *job = jobs->live;
    while (job && job->number != number)
        job = job->live_next;
    return job;
}

bool scheduler_decide(struct live_job *job, enum job_end_kind kind, enum lm_status status,
                      const char *text)
{
    if (job->decided)
        return false;
    job->decided = true;
    job->kind = kind;
    job->status = status;
    if (status != LM_OK)
        lm_fail(&job->error, status, "%s", text);
    return true;
}

void scheduler_withhold(struct live_job *job)
{
    list_remove(job);
}

bool scheduler_stop(struct jobs *jobs, struct live_job *job, enum job_end_kind kind,
                    const char *text)
{
    if (job->state == JOB_FINISHING || !scheduler_decide(job, kind, LM_CANCELLED, text))
        return false;
    if (job->place == &jobs->queues[job->job.class])
        jobs->stats[job->job.class].queued--;
    list_remove(job);
    if (job->state == JOB_QUEUED || (job->state == JOB_RUNNING && job->in_flight == 0)) {
        list_append(&jobs->ending, job);
        scheduler_wake(jobs);
    }
    return true;
}

bool scheduler_has_steps(const struct live_job *job)
{
    if (job->decided || job->state == JOB_FINISHING)
        return false;
    return job->state != JOB_RUNNING || job->next_batch < job->batches;
}

bool scheduler_is_alone(const struct jobs *jobs, const struct live_job *job)
{
    return jobs->live_count == 1 && job->in_flight == 1 && !scheduler_has_steps(job);
}

/* All jobs are looked at only when one's deadline has passed. */
void scheduler_expire(struct jobs *jobs, uint64_t now_ns)
{
    if (!jobs->next_deadline_ns || now_ns < jobs->next_deadline_ns)
        return;
    jobs->next_deadline_ns = 0;
    for (struct live_job *job = jobs->live; job; job = job->live_next) {
        if (!scheduler_has_steps(job))
            continue;
        if (job->job.deadline_ns && job->job.deadline_ns <= now_ns)
            scheduler_stop(jobs, job, JOB_EXPIRED, "the deadline passed");
        else
            note_deadline(jobs, job);
    }
}

/* From the queue to the ring, as far as the limits go.  A job that does not fit holds up those
 * behind it: else small ones could keep it waiting for ever. */
static void admit(struct jobs *jobs, enum job_class class)
{
    struct jobs_class_stats *stats = &jobs->stats[class];
    uint64_t limit = scheduler_memory_limit(jobs, class);
    struct live_job *job;
    while ((job = jobs->queues[class].first) && stats->started < jobs->options.running_limit &&
           jobs->memory_bytes <= limit && job->job.bytes <= limit - jobs->memory_bytes) {
        list_remove(job);
        list_append(&jobs->rings[class], job);
        job->admitted = true;
        stats->queued--;
        stats->started++;
        jobs->memory_bytes += job->job.bytes;
    }
}

/* The class whose turn it is with this worker; JOB_CLASSES: there is nothing to do. */
static uint32_t choose_class(const struct jobs *jobs, const struct job_worker *worker)
{
    for (uint32_t class = JOB_CLASSES - 1; class > 0; class --)
        if (jobs->rings[class].first && worker->overtaken[class] >= JOBS_MAX_OVERTAKES)
            return class;
    uint32_t class = 0;
    while (class < JOB_CLASSES && !jobs->rings[class].first)
        class ++;
    return class;
}

static void count_overtaken(const struct jobs *jobs, struct job_worker *worker, uint32_t class)
{
    worker->overtaken[class] = 0;
    for (uint32_t lower = class + 1; lower < JOB_CLASSES; lower++)
        worker->overtaken[lower] = jobs->rings[lower].first ? worker->overtaken[lower] + 1 : 0;
}

static struct step take_turn(struct jobs *jobs, struct job_worker *worker, uint32_t class,
                             uint64_t now_ns)
{
    struct live_job *job = jobs->rings[class].first;
    list_remove(job);
    if (job->state == JOB_QUEUED) {
        job->state = JOB_PREPARING;
        job->started_ns = now_ns;
        jobs->stats[class].waited_ns += now_ns - job->submitted_ns;
        return (struct step){.kind = STEP_PREPARE, .job = job};
    }
    count_overtaken(jobs, worker, class);
    struct step step = {.kind = STEP_BATCH, .job = job, .batch = job->next_batch++};
    job->in_flight++;
    if (job->next_batch < job->batches)
        list_append(&jobs->rings[class], job);
    return step;
}

struct step scheduler_next(struct jobs *jobs, struct job_worker *worker, uint64_t now_ns)
{
    scheduler_expire(jobs, now_ns);
    struct live_job *ended = jobs->ending.first;
    if (ended) {
        list_remove(ended);
        return (struct step){.kind = STEP_END, .job = ended};
    }
    for (uint32_t class = 0; class < JOB_CLASSES; class ++)
        admit(jobs, class);
    uint32_t class = choose_class(jobs, worker);
    if (class == JOB_CLASSES)
        return (struct step){.kind = STEP_NONE};
    return take_turn(jobs, worker, class, now_ns);
}

/* In front, since what has been prepared holds memory, and a predict is one micro-batch. */
void scheduler_run(struct jobs *jobs, struct live_job *job)
{
    job->state = JOB_RUNNING;
    list_prepend(&jobs->rings[job->job.class], job);
    if (job->batches > 1)
        scheduler_wake(jobs);
}

void scheduler_remove(struct jobs *jobs, struct live_job *job)
{
    struct jobs_class_stats *stats = &jobs->stats[job->job.class];
    *(job->live_previous ? &job->live_previous->live_next : &jobs->live) = job->live_next;
    if (job->live_next)
        job->live_next->live_previous = job->live_previous;
    stats->ended[job->kind]++;
    if (job->admitted) {
        stats->started--;
        jobs->memory_bytes -= job->job.bytes;
        scheduler_wake(jobs); /* others may be admitted now */
    }
    jobs->live_count--;
    if (jobs->live_count == 0)
        pthread_cond_broadcast(&jobs->no_jobs);
}
