/* One worker's runners: a list with the last used in front.  The lock is there for sessions_forget
 * and sessions_count alone; runners are made and freed without it, so that nobody waits for that.
 */
#include "jobs/sessions.h"

#include <pthread.h>
#include <stdlib.h>

struct cached {
    struct cached *next;
    const struct lm_model *model;
    struct runner *runner;
    uint64_t bytes;
};

struct sessions {
    uint32_t batch;
    uint64_t limit_bytes;
    struct pool *helpers; /* NULL: none */
    pthread_mutex_t lock; /* of all below */
    struct cached *first; /* the last used */
    uint32_t count;
    uint64_t bytes;
};

enum lm_status sessions_create(uint32_t batch, uint64_t limit_bytes, struct pool *helpers,
                               struct sessions **out, struct lm_error *error)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);
    if (!sessions)
        return lm_fail(error, LM_NOMEM, "out of memory for a worker's sessions");
    sessions->batch = batch;
    sessions->limit_bytes = limit_bytes;
    sessions->helpers = helpers;
    pthread_mutex_init(&sessions->lock, NULL);
    *out = sessions;
    return LM_OK;
}

/* Takes *link out of the list. */
static struct cached *unlink_cached(struct sessions *sessions, struct cached **link)
{
    struct cached *cached = *link;
    *link = cached->next;
    sessions->count--;
    sessions->bytes -= cached->bytes;
    return cached;
}

static void put_first(struct sessions *sessions, struct cached *cached)
{
    cached->next = sessions->first;
    sessions->first = cached;
    sessions->count++;
    sessions->bytes += cached->bytes;
}

static void cached_free(struct cached *cached)
{
    runner_free(cached->runner);
    free(cached);
}

static struct cached **find(struct sessions *sessions, const struct lm_model *model)
{
    struct cached **link = &sessions->first;
    while (*link && (*link)->model != model)
        link = &(*link)->next;
    return link;
}

/* The one that was used longest ago, taken out; NULL: what there is leaves room for `bytes`. */
static struct cached *take_last(struct sessions *sessions, uint64_t bytes)
{
    struct cached *last = NULL;
    pthread_mutex_lock(&sessions->lock);
    if (sessions->first && sessions->bytes > sessions->limit_bytes - bytes) {
        struct cached **link = &sessions->first;
        while ((*link)->next)
            link = &(*link)->next;
        last = unlink_cached(sessions, link);
    }
    pthread_mutex_unlock(&sessions->lock);
    return last;
}

/* NULL: *status is why. */
static struct cached *create_cached(struct sessions *sessions, const struct lm_model *model,
                                    enum lm_status *status, struct lm_error *error)
{
    struct cached *last;
    struct pool *helpers = sessions->helpers;
    uint64_t bytes = runner_bytes(model, sessions->batch, helpers);
    if (bytes > sessions->limit_bytes) {
        helpers = NULL; /* they take memory, too */
        bytes = runner_bytes(model, sessions->batch, NULL);
    }
    if (bytes > sessions->limit_bytes) {
        *status = lm_fail(error, LM_NOMEM,
                          "a session of this model takes %llu bytes, a worker's limit is %llu",
                          (unsigned long long)bytes, (unsigned long long)sessions->limit_bytes);
        return NULL;
    }
    while ((last = take_last(sessions, bytes)))
        cached_free(last);
    struct cached *cached = calloc(1, sizeof *cached);
    if (!cached) {
        *status = lm_fail(error, LM_NOMEM, "out of memory for a session");
        return NULL;
    }
    *cached = (struct cached){.model = model, .bytes = bytes};
    *status = runner_create(model, sessions->batch, helpers, &cached->runner, error);
    if (*status == LM_OK)
        return cached;
    free(cached);
    return NULL;
}

enum lm_status sessions_get(struct sessions *sessions, const struct lm_model *model,
                            struct runner **out, struct lm_error *error)
{
    enum lm_status status = LM_OK;
    pthread_mutex_lock(&sessions->lock);
    struct cached **link = find(sessions, model);
    struct cached *cached = *link ? unlink_cached(sessions, link) : NULL;
    if (!cached) {
        pthread_mutex_unlock(&sessions->lock);
        cached = create_cached(sessions, model, &status, error);
        if (!cached)
            return status;
        pthread_mutex_lock(&sessions->lock);
    }
    put_first(sessions, cached);
    pthread_mutex_unlock(&sessions->lock);
    *out = cached->runner;
    return LM_OK;
}

void sessions_forget(struct sessions *sessions, const struct lm_model *model)
{
    pthread_mutex_lock(&sessions->lock);
    struct cached **link = find(sessions, model);
    struct cached *cached = *link ? unlink_cached(sessions, link) : NULL;
    pthread_mutex_unlock(&sessions->lock);
    if (cached)
        cached_free(cached);
}

void sessions_count(struct sessions *sessions, uint32_t *runners, uint64_t *bytes)
{
    pthread_mutex_lock(&sessions->lock);
    *runners = sessions->count;
    *bytes = sessions->bytes;
    pthread_mutex_unlock(&sessions->lock);
}

void sessions_free(struct sessions *sessions)
{
    if (!sessions)
        return;
    while (sessions->first)
        cached_free(unlink_cached(sessions, &sessions->first));
    pthread_mutex_destroy(&sessions->lock);
    free(sessions);
}
