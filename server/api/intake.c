/* The intake's queue and its threads. */
#include "api/intake.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct intake {
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t posted;
    struct intake_task *first, **last;
    bool ending;
    uint32_t started;
    pthread_t threads[];
};

static void *intake_main(void *argument)
{
    struct intake *intake = argument;
    pthread_mutex_lock(&intake->lock);
    while (intake->first || !intake->ending) {
        struct intake_task *task = intake->first;
        if (!task) {
            pthread_cond_wait(&intake->posted, &intake->lock);
            continue;
        }
        intake->first = task->next;
        if (!intake->first)
            intake->last = &intake->first;
        pthread_mutex_unlock(&intake->lock);
        task->run(task);
        pthread_mutex_lock(&intake->lock);
    }
    pthread_mutex_unlock(&intake->lock);
    return NULL;
}

enum lm_status intake_create(uint32_t threads, struct intake **out, struct lm_error *error)
{
    struct intake *intake = calloc(1, sizeof *intake + threads * sizeof intake->threads[0]);
    if (!intake)
        return lm_fail(error, LM_NOMEM, "out of memory for intake threads");
    pthread_mutex_init(&intake->lock, NULL);
    pthread_cond_init(&intake->posted, NULL);
    intake->last = &intake->first;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (intake->started < threads &&
           pthread_create(&intake->threads[intake->started], NULL, intake_main, intake) == 0)
        intake->started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (intake->started < threads) {
        intake_free(intake);
        return lm_fail(error, LM_NOMEM, "the system gives no more threads");
    }
    *out = intake;
    return LM_OK;
}

void intake_post(struct intake *intake, struct intake_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&intake->lock);
    *intake->last = task;
    intake->last = &task->next;
    pthread_cond_signal(&intake->posted);
    pthread_mutex_unlock(&intake->lock);
}

void intake_free(struct intake *intake)
{
    if (!intake)
        return;
    pthread_mutex_lock(&intake->lock);
    intake->ending = true;
    pthread_cond_broadcast(&intake->posted);
    pthread_mutex_unlock(&intake->lock);
    for (uint32_t i = 0; i < intake->started; i++)
        pthread_join(intake->threads[i], NULL);
    pthread_mutex_destroy(&intake->lock);
    pthread_cond_destroy(&intake->posted);
    free(intake);
}
