/* Jobs without work, for tests of the scheduler: they write down what is done with them, wait where
 * they are told to, and move a clock that stands still otherwise. */
#ifndef TEST_FAKE_JOB_H
#define TEST_FAKE_JOB_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "jobs/scheduler.h"

enum { LOG_BYTES = 4000 };

/* What all jobs of a test share. */
struct scene {
    struct jobs *jobs;
    pthread_mutex_t lock;
    char log[LOG_BYTES]; /* "A0 B0 A1 ": micro-batches, in the order of their starts */
    atomic_ullong now_ns;
};

enum gate { GATE_NONE, GATE_PREPARE, GATE_BATCH, GATE_FINISH };

struct fake {
    struct scene *scene;
    char name;
    uint32_t batches;
    enum gate gate;      /* where it waits for `go`, having posted `arrived` */
    uint32_t gate_batch; /* GATE_BATCH: in this one */
    uint64_t batch_ns;   /* each moves the clock by this */
    bool fail_prepare, fail_finish;
    int64_t fail_from; /* micro-batches from here on fail; -1: none */
    sem_t arrived, go, done;

    char steps[200];        /* everything in the order of its start: "sp01fex" */
    char alone[20];         /* "01": whether each micro-batch was all there was to do */
    enum lm_status checked; /* what job_worker_check said at the end of its preparation */
    atomic_int inside, ended, freed, telling;
    uint32_t told;
    struct job_end end;
};

static inline void note(struct fake *fake, const char *step)
{
    pthread_mutex_lock(&fake->scene->lock);
    strncat(fake->steps, step, sizeof fake->steps - strlen(fake->steps) - 1);
    pthread_mutex_unlock(&fake->scene->lock);
}

static inline void pass_gate(struct fake *fake)
{
    sem_post(&fake->arrived);
    sem_wait(&fake->go);
}

static inline void fake_started(void *context)
{
    note(context, "s");
}

static inline enum lm_status fake_prepare(void *context, struct job_worker *worker,
                                          uint32_t *batches, struct lm_error *error)
{
    struct fake *fake = context;
    note(fake, "p");
    if (fake->gate == GATE_PREPARE)
        pass_gate(fake);
    fake->checked = job_worker_check(worker, NULL);
    *batches = fake->batches;
    return fake->fail_prepare ? lm_fail(error, LM_CORRUPT, "no picture") : LM_OK;
}

static inline uint32_t fake_items(void *context, uint32_t batch)
{
    struct fake *fake = context;
    return batch + 1 < fake->batches ? 4 : 1;
}

static inline enum lm_status fake_batch(void *context, uint32_t batch, struct job_worker *worker,
                                        struct lm_error *error)
{
    struct fake *fake = context;
    struct scene *scene = fake->scene;
    char text[20];
    snprintf(text, sizeof text, "%c%u ", fake->name, batch);
    pthread_mutex_lock(&scene->lock);
    strncat(scene->log, text, sizeof scene->log - strlen(scene->log) - 1);
    strncat(fake->alone, worker->is_alone ? "1" : "0",
            sizeof fake->alone - strlen(fake->alone) - 1);
    pthread_mutex_unlock(&scene->lock);
    snprintf(text, sizeof text, "%u", batch % 10);
    note(fake, text);
    atomic_fetch_add(&fake->inside, 1);
    if (fake->gate == GATE_BATCH && batch == fake->gate_batch)
        pass_gate(fake);
    atomic_fetch_add(&scene->now_ns, fake->batch_ns);
    atomic_fetch_sub(&fake->inside, 1);
    if (fake->fail_from >= 0 && batch >= fake->fail_from)
        return lm_fail(error, LM_INVALID, "micro-batch %u", batch);
    return LM_OK;
}

static inline void fake_progress(void *context, uint32_t done, uint32_t items)
{
    struct fake *fake = context;
    if (atomic_fetch_add(&fake->telling, 1) != 0 || done < fake->told || done > items)
        abort();
    fake->told = done;
    atomic_fetch_sub(&fake->telling, 1);
}

static inline enum lm_status fake_finish(void *context, struct lm_error *error)
{
    struct fake *fake = context;
    if (atomic_load(&fake->inside) != 0)
        abort();
    note(fake, "f");
    if (fake->gate == GATE_FINISH)
        pass_gate(fake);
    return fake->fail_finish ? lm_fail(error, LM_NOMEM, "no fit") : LM_OK;
}

static inline void fake_ended(void *context, const struct job_end *end)
{
    struct fake *fake = context;
    if (atomic_fetch_add(&fake->ended, 1) != 0 || atomic_load(&fake->inside) != 0)
        abort();
    note(fake, "e");
    fake->end = *end;
}

static inline void fake_free(void *context)
{
    struct fake *fake = context;
    if (atomic_load(&fake->ended) != 1 || atomic_fetch_add(&fake->freed, 1) != 0)
        abort();
    note(fake, "x");
    sem_post(&fake->done);
}

static const struct job_ops fake_ops = {
    .started = fake_started,
    .prepare = fake_prepare,
    .items = fake_items,
    .run_batch = fake_batch,
    .progress = fake_progress,
    .finish = fake_finish,
    .ended = fake_ended,
    .free = fake_free,
};

static inline void fake_init(struct fake *fake, struct scene *scene, char name, uint32_t batches)
{
    memset(fake, 0, sizeof *fake);
    fake->scene = scene;
    fake->name = name;
    fake->batches = batches;
    fake->fail_from = -1;
    sem_init(&fake->arrived, 0, 0);
    sem_init(&fake->go, 0, 0);
    sem_init(&fake->done, 0, 0);
}

static inline uint64_t scene_now(void *context)
{
    struct scene *scene = context;
    return atomic_load(&scene->now_ns);
}

#endif
