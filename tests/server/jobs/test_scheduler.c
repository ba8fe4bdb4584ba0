/* The scheduler with jobs that do nothing: who goes when, limits, ends. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "fake_job.h"

static struct scene scene;

static void open_scene(struct jobs_options options)
{
    memset(&scene, 0, sizeof scene);
    pthread_mutex_init(&scene.lock, NULL);
    atomic_store(&scene.now_ns, 1000u);
    options.now_ns = scene_now;
    options.now_context = &scene;
    struct lm_error error = {0};
    if (jobs_create(&options, &scene.jobs, &error) != LM_OK)
        fail_msg("%s", error.text);
}

static void close_scene(void)
{
    jobs_free(scene.jobs);
    pthread_mutex_destroy(&scene.lock);
}

static struct job job_of(struct fake *fake, enum job_class class)
{
    return (struct job){.ops = &fake_ops, .context = fake, .class = class};
}

static uint64_t submit_job(const struct job *job)
{
    uint64_t number = 0;
    struct lm_error error = {0};
    if (jobs_submit(scene.jobs, job, &number, NULL, &error) != LM_OK)
        fail_msg("%s", error.text);
    return number;
}

static uint64_t submit(struct fake *fake, enum job_class class)
{
    const struct job job = job_of(fake, class);
    return submit_job(&job);
}

static void expect_end(struct fake *fake, enum job_end_kind kind, enum lm_status status)
{
    sem_wait(&fake->done);
    assert_int_equal(atomic_load(&fake->ended), 1);
    assert_int_equal(fake->end.kind, kind);
    assert_int_equal(fake->end.status, status);
    assert_int_equal(fake->end.error.status, status);
}

/* A job that keeps one worker until `go`. */
static void block(struct fake *blocker)
{
    fake_init(blocker, &scene, '-', 1);
    blocker->gate = GATE_BATCH;
    submit(blocker, JOB_PREDICT);
    sem_wait(&blocker->arrived);
    scene.log[0] = '\0';
}

static void unblock(struct fake *blocker)
{
    sem_post(&blocker->go);
    expect_end(blocker, JOB_SUCCEEDED, LM_OK);
}

static void takes_all_steps_in_order(void **state)
{
    (void)state;
    struct fake a;
    open_scene((struct jobs_options){.batch = 4});
    fake_init(&a, &scene, 'A', 3);
    a.batch_ns = 10;
    submit(&a, JOB_EXPLAIN);
    expect_end(&a, JOB_SUCCEEDED, LM_OK);
    assert_string_equal(a.steps, "sp012fex");
    assert_int_equal(a.end.items, 9);
    assert_int_equal(a.end.items_done, 9);
    assert_int_equal(a.told, 9);
    assert_int_equal(a.end.ran_ns, 30);
    assert_int_equal(a.end.waited_ns, 0);
    jobs_drain(scene.jobs, 1000);
    struct jobs_stats stats;
    jobs_read_stats(scene.jobs, &stats);
    const struct jobs_class_stats *explain = &stats.classes[JOB_EXPLAIN];
    assert_true(explain->submitted == 1 && explain->ended[JOB_SUCCEEDED] == 1);
    assert_true(explain->batches == 3 && explain->items == 9 && explain->batch_room == 12);
    assert_true(explain->batch_ns == 30 && explain->ran_ns == 30 && explain->queued == 0);
    assert_true(explain->started == 0 && stats.memory_bytes == 0 && stats.busy_workers == 0);
    close_scene();
}

static void await_batches(enum job_class class, uint64_t batches)
{
    struct jobs_stats stats = {0};
    while (stats.classes[class].batches < batches) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        jobs_read_stats(scene.jobs, &stats);
    }
}

/* Then it may use all processors. */
static void knows_when_it_is_alone(void **state)
{
    (void)state;
    struct fake a, b, c;
    open_scene((struct jobs_options){.workers = 2});
    fake_init(&a, &scene, 'A', 1);
    submit(&a, JOB_PREDICT);
    expect_end(&a, JOB_SUCCEEDED, LM_OK);
    assert_string_equal(a.alone, "1");

    fake_init(&b, &scene, 'B', 3); /* one worker is held by the first, the other takes the rest */
    b.gate = GATE_BATCH;
    b.gate_batch = 0;
    submit(&b, JOB_EXPLAIN);
    sem_wait(&b.arrived);
    fake_init(&c, &scene, 'C', 1);
    submit(&c, JOB_PREDICT);
    expect_end(&c, JOB_SUCCEEDED, LM_OK);
    await_batches(JOB_EXPLAIN, 2);
    sem_post(&b.go);
    expect_end(&b, JOB_SUCCEEDED, LM_OK);
    assert_string_equal(c.alone, "0");
    assert_string_equal(b.alone, "000");
    close_scene();
}

static void needs_no_micro_batches(void **state)
{
    (void)state;
    struct fake a;
    open_scene((struct jobs_options){0});
    fake_init(&a, &scene, 'A', 0);
    submit(&a, JOB_PREDICT);
    expect_end(&a, JOB_SUCCEEDED, LM_OK);
    assert_string_equal(a.steps, "spfex");
    close_scene();
}

static void explains_take_turns(void **state)
{
    (void)state;
    struct fake blocker, a, b;
    open_scene((struct jobs_options){0});
    block(&blocker);
    fake_init(&a, &scene, 'A', 4);
    fake_init(&b, &scene, 'B', 3);
    submit(&a, JOB_EXPLAIN);
    submit(&b, JOB_EXPLAIN);
    unblock(&blocker);
    expect_end(&a, JOB_SUCCEEDED, LM_OK);
    expect_end(&b, JOB_SUCCEEDED, LM_OK);
    assert_string_equal(scene.log, "A0 B0 A1 B1 A2 B2 A3 ");
    close_scene();
}

static void predict_overtakes_and_missingness_comes_last(void **state)
{
    (void)state;
    struct fake m, e, p;
    open_scene((struct jobs_options){0});
    fake_init(&m, &scene, 'M', 3);
    fake_init(&e, &scene, 'E', 2);
    fake_init(&p, &scene, 'P', 2);
    m.gate = GATE_BATCH;
    submit(&m, JOB_MISSINGNESS);
    sem_wait(&m.arrived); /* in its first micro-batch */
    submit(&e, JOB_EXPLAIN);
    submit(&p, JOB_PREDICT);
    sem_post(&m.go);
    expect_end(&m, JOB_SUCCEEDED, LM_OK);
    assert_string_equal(scene.log, "M0 P0 P1 E0 E1 M1 M2 ");
    close_scene();
}

static void lower_classes_are_not_starved(void **state)
{
    (void)state;
    struct fake blocker, e, m, p[20];
    open_scene((struct jobs_options){0});
    block(&blocker);
    fake_init(&e, &scene, 'E', 2);
    fake_init(&m, &scene, 'M', 2);
    submit(&m, JOB_MISSINGNESS);
    submit(&e, JOB_EXPLAIN);
    for (int i = 0; i < 20; i++) {
        fake_init(&p[i], &scene, 'P', 1);
        submit(&p[i], JOB_PREDICT);
    }
    unblock(&blocker);
    for (int i = 0; i < 20; i++)
        expect_end(&p[i], JOB_SUCCEEDED, LM_OK);
    expect_end(&e, JOB_SUCCEEDED, LM_OK);
    expect_end(&m, JOB_SUCCEEDED, LM_OK);
    assert_string_equal(scene.log, "P0 P0 P0 P0 P0 P0 P0 P0 M0 E0 "
                                   "P0 P0 P0 P0 P0 P0 P0 M1 P0 E1 P0 P0 P0 P0 ");
    close_scene();
}

static void queue_is_bounded(void **state)
{
    (void)state;
    struct fake blocker, a, b, c, d;
    struct jobs_refusal refusal;
    struct lm_error error = {0};
    open_scene((struct jobs_options){.queue_limit = 1, .running_limit = 1});
    block(&blocker);
    fake_init(&a, &scene, 'A', 1);
    fake_init(&b, &scene, 'B', 1);
    fake_init(&c, &scene, 'C', 1);
    fake_init(&d, &scene, 'D', 1);
    submit(&a, JOB_EXPLAIN);
    struct job job = job_of(&b, JOB_EXPLAIN);
    assert_int_equal(jobs_submit(scene.jobs, &job, NULL, &refusal, &error), LM_LIMIT);
    assert_string_equal(error.text, "the queue is full: 1 jobs are waiting");
    assert_int_equal(refusal.why, JOBS_FULL);
    assert_int_equal(refusal.retry_after_s, 1);
    assert_string_equal(b.steps, "");
    job.accepted_before = true;
    submit_job(&job);
    submit(&c, JOB_MISSINGNESS); /* each class has its own */
    struct jobs_stats stats;
    jobs_read_stats(scene.jobs, &stats);
    assert_int_equal(stats.classes[JOB_EXPLAIN].queued, 2);
    assert_int_equal(stats.classes[JOB_EXPLAIN].refused, 1);
    assert_int_equal(stats.busy_workers, 1);
    unblock(&blocker);
    expect_end(&a, JOB_SUCCEEDED, LM_OK);
    expect_end(&b, JOB_SUCCEEDED, LM_OK);
    expect_end(&c, JOB_SUCCEEDED, LM_OK);
    submit(&d, JOB_EXPLAIN);
    expect_end(&d, JOB_SUCCEEDED, LM_OK);
    close_scene();
}

static void retry_is_estimated_from_recent_jobs(void **state)
{
    (void)state;
    struct fake a, blocker, waiting[3], refused;
    struct jobs_refusal refusal;
    open_scene((struct jobs_options){.queue_limit = 3, .running_limit = 1});
    fake_init(&a, &scene, 'A', 2);
    a.batch_ns = 2500000000; /* 5 s in all */
    submit(&a, JOB_EXPLAIN);
    expect_end(&a, JOB_SUCCEEDED, LM_OK);
    block(&blocker);
    for (int i = 0; i < 3; i++) {
        fake_init(&waiting[i], &scene, 'W', 1);
        submit(&waiting[i], JOB_EXPLAIN);
    }
    fake_init(&refused, &scene, 'R', 1);
    const struct job job = job_of(&refused, JOB_EXPLAIN);
    assert_int_equal(jobs_submit(scene.jobs, &job, NULL, &refusal, NULL), LM_LIMIT);
    assert_int_equal(refusal.retry_after_s, 15);
    unblock(&blocker);
    close_scene();
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct fake a, b, p, huge;
    struct jobs_refusal refusal;
    struct lm_error error = {0};
    open_scene((struct jobs_options){.memory_bytes = 800, .workers = 2});
    fake_init(&a, &scene, 'A', 1);
    fake_init(&b, &scene, 'B', 1);
    fake_init(&p, &scene, 'P', 1);
    fake_init(&huge, &scene, 'H', 1);
    struct job job = job_of(&huge, JOB_EXPLAIN);
    job.bytes = 701;
    assert_int_equal(jobs_submit(scene.jobs, &job, NULL, &refusal, &error), LM_LIMIT);
    assert_string_equal(error.text, "this would take 701 bytes of memory, the limit is 700");
    assert_int_equal(refusal.why, JOBS_TOO_LARGE);
    assert_int_equal(refusal.retry_after_s, 0);

    a.gate = GATE_BATCH;
    job = job_of(&a, JOB_EXPLAIN);
    job.bytes = 700;
    submit_job(&job);
    sem_wait(&a.arrived);
    job = job_of(&b, JOB_EXPLAIN); /* waits for a's memory, though a worker is idle */
    job.bytes = 1;
    submit_job(&job);
    job = job_of(&p, JOB_PREDICT); /* goes into what is kept for it */
    job.bytes = 100;
    submit_job(&job);
    expect_end(&p, JOB_SUCCEEDED, LM_OK);
    assert_string_equal(b.steps, "");
    sem_post(&a.go);
    expect_end(&b, JOB_SUCCEEDED, LM_OK);
    assert_string_equal(b.steps, "sp0fex");
    close_scene();
}

static void cancels_what_waits(void **state)
{
    (void)state;
    struct fake blocker, a, b;
    open_scene((struct jobs_options){.running_limit = 1});
    block(&blocker);
    fake_init(&a, &scene, 'A', 1);
    fake_init(&b, &scene, 'B', 1);
    submit(&a, JOB_EXPLAIN);
    uint64_t number = submit(&b, JOB_EXPLAIN);
    assert_true(jobs_cancel(scene.jobs, number));
    assert_false(jobs_cancel(scene.jobs, number));
    assert_false(jobs_cancel(scene.jobs, 12345));
    unblock(&blocker);
    expect_end(&b, JOB_CANCELLED, LM_CANCELLED);
    assert_string_equal(b.steps, "ex");
    assert_string_equal(b.end.error.text, "cancelled");
    expect_end(&a, JOB_SUCCEEDED, LM_OK);
    close_scene();
}

static void cancels_what_runs(void **state)
{
    (void)state;
    static const struct {
        enum gate gate;
        uint32_t batch;
        bool cancelled;
        enum lm_status checked;
        const char *steps;
    } cases[] = {
        {GATE_PREPARE, 0, true, LM_CANCELLED, "spex"},
        {GATE_BATCH, 0, true, LM_OK, "sp0ex"},
        {GATE_BATCH, 1, true, LM_OK, "sp01ex"},
        {GATE_FINISH, 0, false, LM_OK, "sp01fex"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake a;
        open_scene((struct jobs_options){0});
        fake_init(&a, &scene, 'A', 2);
        a.gate = cases[i].gate;
        a.gate_batch = cases[i].batch;
        uint64_t number = submit(&a, JOB_EXPLAIN);
        sem_wait(&a.arrived);
        assert_int_equal(jobs_cancel(scene.jobs, number), cases[i].cancelled);
        assert_false(jobs_cancel(scene.jobs, number));
        sem_post(&a.go);
        if (cases[i].cancelled)
            expect_end(&a, JOB_CANCELLED, LM_CANCELLED);
        else
            expect_end(&a, JOB_SUCCEEDED, LM_OK);
        assert_string_equal(a.steps, cases[i].steps);
        assert_int_equal(a.checked, cases[i].checked);
        jobs_drain(scene.jobs, 1000);
        assert_false(jobs_cancel(scene.jobs, number));
        close_scene();
    }
}

static void cancels_between_micro_batches(void **state)
{
    (void)state;
    struct fake a, b;
    open_scene((struct jobs_options){0});
    fake_init(&a, &scene, 'A', 3);
    fake_init(&b, &scene, 'B', 1);
    a.gate = GATE_BATCH;
    b.gate = GATE_BATCH;
    uint64_t number = submit(&a, JOB_EXPLAIN);
    sem_wait(&a.arrived);
    submit(&b, JOB_PREDICT);
    sem_post(&a.go);
    sem_wait(&b.arrived); /* a is in the ring, with nothing in flight */
    assert_true(jobs_cancel(scene.jobs, number));
    sem_post(&b.go);
    expect_end(&a, JOB_CANCELLED, LM_CANCELLED);
    assert_string_equal(a.steps, "sp0ex");
    assert_int_equal(a.end.items_done, 4);
    close_scene();
}

static void deadlines_hold(void **state)
{
    (void)state;
    struct fake a, b, c;
    open_scene((struct jobs_options){0});
    fake_init(&a, &scene, 'A', 5); /* the second micro-batch ends behind the deadline */
    a.batch_ns = 10;
    a.gate = GATE_BATCH;
    struct job job = job_of(&a, JOB_EXPLAIN);
    job.deadline_ns = 1015;
    submit_job(&job);
    sem_wait(&a.arrived);
    fake_init(&b, &scene, 'B', 1); /* waits, and its deadline passes */
    job = job_of(&b, JOB_MISSINGNESS);
    job.deadline_ns = 1012;
    submit_job(&job);
    fake_init(&c, &scene, 'C', 2); /* passes in the last one: finished */
    c.batch_ns = 1000;
    job = job_of(&c, JOB_MISSINGNESS);
    job.deadline_ns = 2100;
    submit_job(&job);
    sem_post(&a.go);
    expect_end(&a, JOB_EXPIRED, LM_CANCELLED);
    assert_string_equal(a.steps, "sp01ex");
    assert_string_equal(a.end.error.text, "the deadline passed");
    expect_end(&b, JOB_EXPIRED, LM_CANCELLED);
    assert_string_equal(b.steps, "ex");
    assert_int_equal(b.end.waited_ns, 20);
    expect_end(&c, JOB_SUCCEEDED, LM_OK);
    close_scene();
}

/* The only worker is told so while it prepares. */
static void deadlines_reach_preparations(void **state)
{
    (void)state;
    struct fake a;
    open_scene((struct jobs_options){0});
    fake_init(&a, &scene, 'A', 2);
    a.gate = GATE_PREPARE;
    struct job job = job_of(&a, JOB_EXPLAIN);
    job.deadline_ns = 1015;
    submit_job(&job);
    sem_wait(&a.arrived);
    atomic_store(&scene.now_ns, 1016);
    sem_post(&a.go);
    expect_end(&a, JOB_EXPIRED, LM_CANCELLED);
    assert_int_equal(a.checked, LM_CANCELLED);
    assert_string_equal(a.steps, "spex");
    close_scene();
}

static void idle_workers_see_deadlines(void **state)
{
    (void)state;
    struct fake a, b;
    open_scene((struct jobs_options){0});
    jobs_free(scene.jobs); /* the real clock, instead */
    jobs_create(&(struct jobs_options){.workers = 2, .memory_bytes = 8}, &scene.jobs, NULL);
    fake_init(&a, &scene, 'A', 1);
    a.gate = GATE_BATCH;
    struct job job = job_of(&a, JOB_EXPLAIN);
    job.bytes = 7;
    submit_job(&job);
    sem_wait(&a.arrived);
    fake_init(&b, &scene, 'B', 1);
    job = job_of(&b, JOB_EXPLAIN);
    job.bytes = 7;
    job.deadline_ns = jobs_now_ns(scene.jobs) + 20000000;
    submit_job(&job);
    expect_end(&b, JOB_EXPIRED, LM_CANCELLED); /* while a holds the memory */
    assert_true(b.end.waited_ns >= 20000000);
    sem_post(&a.go);
    expect_end(&a, JOB_SUCCEEDED, LM_OK);
    close_scene();
}

static void failures_end_jobs(void **state)
{
    (void)state;
    for (uint32_t workers = 1; workers <= 4; workers++) {
        struct fake a, b, c;
        open_scene((struct jobs_options){.workers = workers});
        fake_init(&a, &scene, 'A', 2);
        a.fail_prepare = true;
        submit(&a, JOB_EXPLAIN);
        expect_end(&a, JOB_FAILED, LM_CORRUPT);
        assert_string_equal(a.steps, "spex");
        assert_string_equal(a.end.error.text, "no picture");
        fake_init(&b, &scene, 'B', 50);
        b.fail_from = 7;
        submit(&b, JOB_EXPLAIN);
        expect_end(&b, JOB_FAILED, LM_INVALID);
        assert_string_equal(b.end.error.text, "micro-batch 7");
        assert_int_equal(b.end.items_done, 28);
        fake_init(&c, &scene, 'C', 1);
        c.fail_finish = true;
        submit(&c, JOB_PREDICT);
        expect_end(&c, JOB_FAILED, LM_NOMEM);
        assert_string_equal(c.end.error.text, "no fit");
        close_scene();
    }
}

struct drain {
    uint64_t timeout_ms;
    uint32_t stopped;
};

static void *drain_main(void *argument)
{
    struct drain *drain = argument;
    drain->stopped = jobs_drain(scene.jobs, drain->timeout_ms);
    return NULL;
}

static void wait_until_draining(void)
{
    struct jobs_stats stats = {0};
    while (!stats.draining)
        jobs_read_stats(scene.jobs, &stats);
}

static void drains(void **state)
{
    (void)state;
    struct fake a, b, late;
    struct jobs_refusal refusal;
    struct lm_error error = {0};
    struct drain drain = {.timeout_ms = 10000};
    pthread_t thread;
    open_scene((struct jobs_options){0});
    fake_init(&a, &scene, 'A', 3);
    fake_init(&b, &scene, 'B', 1);
    fake_init(&late, &scene, 'L', 1);
    a.gate = GATE_BATCH;
    submit(&a, JOB_EXPLAIN);
    sem_wait(&a.arrived);
    submit(&b, JOB_EXPLAIN);
    pthread_create(&thread, NULL, drain_main, &drain);
    wait_until_draining();
    const struct job job = job_of(&late, JOB_PREDICT);
    assert_int_equal(jobs_submit(scene.jobs, &job, NULL, &refusal, &error), LM_LIMIT);
    assert_string_equal(error.text, "the server is going down");
    assert_int_equal(refusal.why, JOBS_DRAINING);
    sem_post(&a.go);
    pthread_join(thread, NULL);
    assert_int_equal(drain.stopped, 0);
    expect_end(&a, JOB_SUCCEEDED, LM_OK);
    expect_end(&b, JOB_SUCCEEDED, LM_OK);
    close_scene();
}

static void drains_within_its_time(void **state)
{
    (void)state;
    struct fake a, b, c, last;
    struct drain drain = {.timeout_ms = 20};
    pthread_t thread;
    open_scene((struct jobs_options){.workers = 3});
    fake_init(&a, &scene, 'A', 3);
    fake_init(&b, &scene, 'B', 1);
    fake_init(&c, &scene, 'C', 1);
    fake_init(&last, &scene, 'L', 1);
    a.gate = GATE_BATCH;
    a.gate_batch = 0;
    c.gate = GATE_PREPARE;
    last.gate = GATE_BATCH;
    submit(&last, JOB_PREDICT); /* in its last micro-batch: it may finish */
    sem_wait(&last.arrived);
    submit(&c, JOB_EXPLAIN);
    sem_wait(&c.arrived);
    a.batches = 100000;
    submit(&a, JOB_EXPLAIN);
    sem_wait(&a.arrived);
    submit(&b, JOB_EXPLAIN);
    pthread_create(&thread, NULL, drain_main, &drain);
    wait_until_draining();
    const struct timespec pause = {.tv_nsec = 60000000};
    nanosleep(&pause, NULL);
    sem_post(&a.go);
    sem_post(&c.go);
    sem_post(&last.go);
    pthread_join(thread, NULL);
    assert_int_equal(drain.stopped, 3);
    expect_end(&a, JOB_DRAINED, LM_CANCELLED);
    expect_end(&b, JOB_DRAINED, LM_CANCELLED);
    expect_end(&c, JOB_DRAINED, LM_CANCELLED);
    expect_end(&last, JOB_SUCCEEDED, LM_OK);
    close_scene();
}

static void many_workers_run_each_micro_batch_once(void **state)
{
    (void)state;
    struct fake a;
    open_scene((struct jobs_options){.workers = 8});
    fake_init(&a, &scene, 'A', 100);
    submit(&a, JOB_EXPLAIN);
    expect_end(&a, JOB_SUCCEEDED, LM_OK);
    for (unsigned batch = 0; batch < 100; batch++) {
        char text[20];
        snprintf(text, sizeof text, "A%u ", batch);
        const char *place = strstr(scene.log, text);
        assert_non_null(place);
        assert_null(strstr(place + 1, text));
    }
    close_scene();
}

static void refuses_odd_options(void **state)
{
    (void)state;
    struct jobs *jobs = NULL;
    struct lm_error error = {0};
    assert_int_equal(jobs_create(&(struct jobs_options){.workers = 257}, &jobs, &error),
                     LM_INVALID);
    assert_string_equal(error.text, "workers: 257 is not from 1 to 256");
    error = (struct lm_error){0};
    assert_int_equal(jobs_create(&(struct jobs_options){.batch = 257}, &jobs, &error), LM_INVALID);
    assert_string_equal(error.text, "batch: 257 is not from 1 to 256");
    assert_null(jobs);
    jobs_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_all_steps_in_order),
        cmocka_unit_test(knows_when_it_is_alone),
        cmocka_unit_test(needs_no_micro_batches),
        cmocka_unit_test(explains_take_turns),
        cmocka_unit_test(predict_overtakes_and_missingness_comes_last),
        cmocka_unit_test(lower_classes_are_not_starved),
        cmocka_unit_test(queue_is_bounded),
        cmocka_unit_test(retry_is_estimated_from_recent_jobs),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(cancels_what_waits),
        cmocka_unit_test(cancels_what_runs),
        cmocka_unit_test(cancels_between_micro_batches),
        cmocka_unit_test(deadlines_hold),
        cmocka_unit_test(deadlines_reach_preparations),
        cmocka_unit_test(idle_workers_see_deadlines),
        cmocka_unit_test(failures_end_jobs),
        cmocka_unit_test(drains),
        cmocka_unit_test(drains_within_its_time),
        cmocka_unit_test(many_workers_run_each_micro_batch_once),
        cmocka_unit_test(refuses_odd_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
