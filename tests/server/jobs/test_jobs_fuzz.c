/* Random operations from eight threads on a scheduler of three workers: every job that was taken
 * ends once, what it was told agrees with how it ended, nothing is left over.  Prints its seed;
 * SEED=n uses another (threads' timing is random all the same). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "jobs/jobs.h"

enum { THREADS = 8, OPERATIONS = 2500 };

static struct jobs *jobs;
static atomic_ulong submitted, refused, ended[JOB_END_KINDS], freed, cancels, wrong;

struct random_job {
    uint32_t batches, fail_at;
    bool fail_prepare, fail_finish, submits;
    atomic_uint run, inside;
    bool prepared, finished, told_end;
};

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void expect(bool right)
{
    if (!right)
        atomic_fetch_add(&wrong, 1u);
}

static enum lm_status prepare(void *context, struct job_worker *worker, uint32_t *batches,
                              struct lm_error *error)
{
    struct random_job *job = context;
    expect(!job->prepared);
    job->prepared = true;
    job_worker_check(worker, NULL);
    *batches = job->batches;
    return job->fail_prepare ? lm_fail(error, LM_CORRUPT, "prepare") : LM_OK;
}

static enum lm_status run_batch(void *context, uint32_t batch, struct job_worker *worker,
                                struct lm_error *error)
{
    struct random_job *job = context;
    expect(job->prepared && !job->finished && batch < job->batches &&
           job_worker_number(worker) < jobs_workers(jobs));
    atomic_fetch_add(&job->inside, 1u);
    atomic_fetch_add(&job->run, 1u);
    atomic_fetch_sub(&job->inside, 1u);
    return batch == job->fail_at ? lm_fail(error, LM_INVALID, "batch") : LM_OK;
}

static enum lm_status finish(void *context, struct lm_error *error)
{
    struct random_job *job = context;
    expect(atomic_load(&job->run) == job->batches && atomic_load(&job->inside) == 0);
    job->finished = true;
    return job->fail_finish ? lm_fail(error, LM_NOMEM, "finish") : LM_OK;
}

static void progress(void *context, uint32_t done, uint32_t items)
{
    const struct random_job *job = context;
    expect(done <= items && items == job->batches);
}

static void submit_random(uint64_t *random);

static void end(void *context, const struct job_end *how)
{
    struct random_job *job = context;
    expect(!job->told_end && atomic_load(&job->inside) == 0);
    job->told_end = true;
    expect((how->kind == JOB_SUCCEEDED) == (how->status == LM_OK));
    expect(how->kind != JOB_SUCCEEDED || (job->finished && how->items_done == job->batches));
    atomic_fetch_add(&ended[how->kind], 1u);
    uint64_t random = (uintptr_t)job;
    if (job->submits)
        submit_random(&random); /* callbacks may call back */
}

static void free_job(void *context)
{
    struct random_job *job = context;
    expect(job->told_end);
    atomic_fetch_add(&freed, 1u);
    free(job);
}

static const struct job_ops ops = {.prepare = prepare,
                                   .run_batch = run_batch,
                                   .progress = progress,
                                   .finish = finish,
                                   .ended = end,
                                   .free = free_job};

static void submit_random(uint64_t *random)
{
    struct random_job *context = calloc(1, sizeof *context);
    if (!context)
        abort();
    uint64_t bits = next_random(random);
    context->batches = (uint32_t)(bits % 7);
    context->fail_at = (uint32_t)(bits >> 8 & 31);
    context->fail_prepare = (bits >> 16 & 15) == 0;
    context->fail_finish = (bits >> 20 & 15) == 0;
    context->submits = (bits >> 24 & 15) == 0;
    struct job job = {.ops = &ops, .context = context, .class = bits >> 28 & 3};
    job.class = job.class == 3 ? JOB_PREDICT : job.class;
    job.bytes = bits >> 32 & 1023;
    job.accepted_before = (bits >> 48 & 7) == 0;
    if ((bits >> 51 & 3) == 0)
        job.deadline_ns = jobs_now_ns(jobs) + (bits >> 53 & 511) * 1000;
    uint64_t number;
    struct jobs_refusal refusal;
    if (jobs_submit(jobs, &job, &number, &refusal, NULL) == LM_OK) {
        atomic_fetch_add(&submitted, 1u);
        return;
    }
    expect(refusal.why != 0);
    atomic_fetch_add(&refused, 1u);
    free(context);
}

static void *operate(void *argument)
{
    uint64_t random = *(const uint64_t *)argument;
    struct jobs_stats stats;
    const struct timespec pause = {.tv_nsec = 30000}; /* lets workers do something */
    for (int i = 0; i < OPERATIONS; i++) {
        uint64_t bits = next_random(&random);
        uint64_t newest = atomic_load(&submitted), number = newest - (bits >> 8) % 64;
        switch (bits % 8) {
        case 0: atomic_fetch_add(&cancels, jobs_cancel(jobs, number)); break;
        case 3:
            jobs_read_stats(jobs, &stats);
            nanosleep(&pause, NULL);
            break;
        default: submit_random(&random);
        }
    }
    return NULL;
}

static void every_job_ends_once(void **state)
{
    (void)state;
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : 1;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    const struct jobs_options options = {
        .workers = 3, .queue_limit = 30, .running_limit = 5, .memory_bytes = 4000};
    assert_int_equal(jobs_create(&options, &jobs, NULL), LM_OK);
    pthread_t threads[THREADS];
    uint64_t seeds[THREADS];
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = seed * THREADS + (uint64_t)i;
        assert_int_equal(pthread_create(&threads[i], NULL, operate, &seeds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint32_t stopped = jobs_drain(jobs, 1);
    unsigned long ends = 0;
    for (int i = 0; i < JOB_END_KINDS; i++)
        ends += atomic_load(&ended[i]);
    print_message("%lu jobs: %lu succeeded, %lu failed, %lu cancelled, %lu late; %lu refused\n",
                  ends, atomic_load(&ended[JOB_SUCCEEDED]), atomic_load(&ended[JOB_FAILED]),
                  atomic_load(&ended[JOB_CANCELLED]), atomic_load(&ended[JOB_EXPIRED]),
                  atomic_load(&refused));
    assert_int_equal(atomic_load(&wrong), 0);
    assert_int_equal(ends, atomic_load(&submitted));
    assert_int_equal(atomic_load(&freed), ends);
    assert_int_equal(atomic_load(&ended[JOB_CANCELLED]), atomic_load(&cancels));
    assert_int_equal(atomic_load(&ended[JOB_DRAINED]), stopped);
    struct jobs_stats stats;
    jobs_read_stats(jobs, &stats);
    assert_true(stats.memory_bytes == 0 && stats.busy_workers <= 3);
    for (int class = 0; class < JOB_CLASSES; class ++)
        assert_true(stats.classes[class].queued == 0 && stats.classes[class].started == 0);
    jobs_free(jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_job_ends_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
