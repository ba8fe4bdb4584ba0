/* A list under a lock; calls are made without it. */
#include "api/strays.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "obs/log.h"
#include "store/id.h"

struct stray {
    struct stray *next;
    char id[STORE_ID_SIZE];
};

struct strays {
    pthread_mutex_t lock; /* of all below */
    struct stray *first;
    uint64_t count;
};

enum lm_status strays_create(struct strays **out, struct lm_error *error)
{
    struct strays *strays = calloc(1, sizeof *strays);
    if (!strays)
        return lm_fail(error, LM_NOMEM, "out of memory for a list of jobs");
    pthread_mutex_init(&strays->lock, NULL);
    *out = strays;
    return LM_OK;
}

void strays_add(struct strays *strays, const char *id)
{
    struct stray *stray = malloc(sizeof *stray);
    if (!stray) {
        log_event(LOG_ERROR, "job_left", log_text("job", id), log_text("error", "out of memory"));
        return;
    }
    snprintf(stray->id, sizeof stray->id, "%s", id);
    pthread_mutex_lock(&strays->lock);
    stray->next = strays->first;
    strays->first = stray;
    strays->count++;
    pthread_mutex_unlock(&strays->lock);
}

uint64_t strays_count(struct strays *strays)
{
    pthread_mutex_lock(&strays->lock);
    uint64_t count = strays->count;
    pthread_mutex_unlock(&strays->lock);
    return count;
}

static void ignore(void *context, const char *id)
{
    (void)context, (void)id;
}

void strays_each(struct strays *strays, void (*look)(void *context, const char *id), void *context)
{
    pthread_mutex_lock(&strays->lock);
    struct stray *next, *stray = strays->first;
    strays->first = NULL;
    strays->count = 0;
    pthread_mutex_unlock(&strays->lock);
    for (; stray; stray = next) {
        next = stray->next;
        look(context, stray->id);
        free(stray);
    }
}

void strays_free(struct strays *strays)
{
    if (!strays)
        return;
    strays_each(strays, ignore, NULL);
    pthread_mutex_destroy(&strays->lock);
    free(strays);
}
