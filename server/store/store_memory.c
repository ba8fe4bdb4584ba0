/* Jobs in memory, for tests and for servers that may forget: one lock around two search trees (by
 * id, by owner and key; libc's tsearch, which stays balanced whatever clients choose as keys) and
 * two lists (by creation, by finish).  Nothing long happens under the lock: bodies are copied
 * before it is taken, and readers share contents instead of copying them. */
#include "store/store_backend.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct kept {
    struct store_job job;
    uint64_t number; /* order of creation, from 1 */
    struct store_content *request, *result;
    char *key; /* NULL: none, or forgotten */
    uint8_t request_hash[32];
    struct kept *older, *newer;                    /* by creation */
    struct kept *finished_before, *finished_after; /* in a final state only */
};

struct memory_store {
    struct store store;
    pthread_mutex_t lock; /* of all below */
    void *by_id, *by_key; /* of struct kept */
    struct kept *oldest, *newest, *first_finished, *last_finished;
    uint64_t numbers;
    struct store_stats stats;
};

static struct memory_store *memory_store(struct store *store)
{
    return (struct memory_store *)store;
}

static int compare_ids(const void *a, const void *b)
{
    const struct kept *left = a, *right = b;
    return strcmp(left->job.id, right->job.id);
}

static int compare_keys(const void *a, const void *b)
{
    const struct kept *left = a, *right = b;
    int order = strcmp(left->job.owner, right->job.owner);
    return order ? order : strcmp(left->key, right->key);
}

static struct kept *find_id(struct memory_store *memory, const char *id)
{
    struct kept sought = {0};
    memcpy(sought.job.id, id, sizeof sought.job.id);
    struct kept **node = tfind(&sought, &memory->by_id, compare_ids);
    return node ? *node : NULL;
}

static struct kept *find_key(struct memory_store *memory, const struct kept *like)
{
    struct kept **node = like->key ? tfind(like, &memory->by_key, compare_keys) : NULL;
    return node ? *node : NULL;
}

static void kept_free(struct kept *kept)
{
    if (!kept)
        return;
    store_job_clear(&kept->job);
    store_content_free(kept->request);
    store_content_free(kept->result);
    free(kept->key);
    free(kept);
}

static struct kept *kept_new(const struct store_new *job, int64_t now_ms, const char *id)
{
    struct kept *kept = calloc(1, sizeof *kept);
    if (!kept)
        return NULL;
    kept->job = (struct store_job){.kind = job->kind,
                                   .state = STORE_QUEUED,
                                   .model = strdup(job->model),
                                   .owner = strdup(job->owner),
                                   .total = job->total,
                                   .created_ms = now_ms,
                                   .request_bytes = job->body_bytes};
    memcpy(kept->job.id, id, sizeof kept->job.id);
    memcpy(kept->request_hash, job->request_hash, sizeof kept->request_hash);
    kept->key = *job->key ? strdup(job->key) : NULL;
    kept->request = store_content_new(job->request_type, job->target, job->body, job->body_bytes);
    if (kept->job.model && kept->job.owner && kept->request && (kept->key || !*job->key))
        return kept;
    kept_free(kept);
    return NULL;
}

static void forget_key(struct memory_store *memory, struct kept *kept)
{
    if (kept->key)
        tdelete(kept, &memory->by_key, compare_keys);
    free(kept->key);
    kept->key = NULL;
}

static uint64_t kept_bytes(const struct kept *kept)
{
    return kept->job.request_bytes + kept->job.result_bytes;
}

/* Takes a job in a final state out of everything and frees it. */
static void delete_finished(struct memory_store *memory, struct kept *kept)
{
    stats_remove(&memory->stats, kept->job.state, kept_bytes(kept));
    forget_key(memory, kept);
    tdelete(kept, &memory->by_id, compare_ids);
    *(kept->older ? &kept->older->newer : &memory->oldest) = kept->newer;
    *(kept->newer ? &kept->newer->older : &memory->newest) = kept->older;
    struct kept *before = kept->finished_before, *after = kept->finished_after;
    *(before ? &before->finished_after : &memory->first_finished) = after;
    *(after ? &after->finished_before : &memory->last_finished) = before;
    kept_free(kept);
}

/* Deletes the oldest finished jobs until `more_bytes` fit. */
static void make_room(struct memory_store *memory, uint64_t more_bytes)
{
    while (memory->stats.bytes + more_bytes > memory->store.limits.max_bytes &&
           memory->first_finished)
        delete_finished(memory, memory->first_finished);
}

static bool insert(struct memory_store *memory, struct kept *kept)
{
    if (!tsearch(kept, &memory->by_id, compare_ids))
        return false;
    if (kept->key && !tsearch(kept, &memory->by_key, compare_keys)) {
        tdelete(kept, &memory->by_id, compare_ids);
        return false;
    }
    kept->number = ++memory->numbers;
    kept->older = memory->newest;
    *(memory->newest ? &memory->newest->newer : &memory->oldest) = kept;
    memory->newest = kept;
    stats_add(&memory->stats, STORE_QUEUED, kept_bytes(kept));
    return true;
}

/* The part of put under the lock.  kept is the store's if the result is STORE_CREATED. */
static enum lm_status put_kept(struct memory_store *memory, struct kept *kept,
                               struct store_put *out, struct lm_error *error)
{
    const struct store_limits *limits = &memory->store.limits;
    struct kept *first = find_key(memory, kept);
    if (first && time_after(first->job.created_ms, limits->key_ttl_ms) > kept->job.created_ms) {
        bool same = memcmp(first->request_hash, kept->request_hash, 32) == 0;
        out->result = same ? STORE_EXISTING : STORE_CONFLICT;
        memcpy(out->id, first->job.id, sizeof out->id);
        return LM_OK;
    }
    if (find_id(memory, kept->job.id))
        return lm_fail(error, LM_INVALID, "id: there is a job %s already", kept->job.id);
    if (!stats_admit(&memory->stats, limits, kept->job.request_bytes)) {
        out->result = STORE_FULL;
        return LM_OK;
    }
    make_room(memory, kept->job.request_bytes);
    first = find_key(memory, kept); /* make_room may have deleted it */
    if (first)
        forget_key(memory, first);
    if (!insert(memory, kept))
        return lm_fail(error, LM_NOMEM, "out of memory for a job");
    out->result = STORE_CREATED;
    return LM_OK;
}

static enum lm_status memory_put(struct store *store, const struct store_new *job, int64_t now_ms,
                                 struct store_put *out, struct lm_error *error)
{
    struct memory_store *memory = memory_store(store);
    struct kept *kept = kept_new(job, now_ms, out->id);
    if (!kept)
        return lm_fail(error, LM_NOMEM, "out of memory for a job of %zu bytes", job->body_bytes);
    pthread_mutex_lock(&memory->lock);
    enum lm_status status = put_kept(memory, kept, out, error);
    pthread_mutex_unlock(&memory->lock);
    if (status != LM_OK || out->result != STORE_CREATED)
        kept_free(kept);
    return status;
}

static bool copy_text(const char *text, char **out)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

static enum lm_status copy_job(const struct store_job *job, struct store_job *out,
                               struct lm_error *error)
{
    struct store_job copy = *job;
    bool all = copy_text(job->model, &copy.model);
    all = copy_text(job->owner, &copy.owner) && all;
    all = copy_text(job->error, &copy.error) && all;
    all = copy_text(job->result_type, &copy.result_type) && all;
    if (!all) {
        store_job_clear(&copy);
        return lm_fail(error, LM_NOMEM, "out of memory for a job's record");
    }
    *out = copy;
    return LM_OK;
}

static enum lm_status memory_get(struct store *store, const char *id, bool *found,
                                 struct store_job *out, struct lm_error *error)
{
    struct memory_store *memory = memory_store(store);
    pthread_mutex_lock(&memory->lock);
    const struct kept *kept = find_id(memory, id);
    enum lm_status status = kept ? copy_job(&kept->job, out, error) : LM_OK;
    pthread_mutex_unlock(&memory->lock);
    if (status == LM_OK)
        *found = kept != NULL;
    return status;
}

static enum lm_status memory_get_content(struct store *store, const char *id, enum store_role role,
                                         struct store_content **out, struct lm_error *error)
{
    (void)error;
    struct memory_store *memory = memory_store(store);
    pthread_mutex_lock(&memory->lock);
    const struct kept *kept = find_id(memory, id);
    *out = !kept ? NULL : store_content_share(role == STORE_REQUEST ? kept->request : kept->result);
    pthread_mutex_unlock(&memory->lock);
    return LM_OK;
}

static bool matches(const struct kept *kept, const struct store_query *query)
{
    if (query->cursor &&
        (query->oldest_first ? kept->number <= query->cursor : kept->number >= query->cursor))
        return false;
    return (query->states >> kept->job.state & 1u) &&
           (!query->owner || strcmp(query->owner, kept->job.owner) == 0);
}

static enum lm_status memory_list(struct store *store, const struct store_query *query,
                                  struct store_list *out, struct lm_error *error)
{
    struct memory_store *memory = memory_store(store);
    enum lm_status status = LM_OK;
    uint64_t last = 0;
    pthread_mutex_lock(&memory->lock);
    const struct kept *kept = query->oldest_first ? memory->oldest : memory->newest;
    for (; kept; kept = query->oldest_first ? kept->newer : kept->older) {
        if (!matches(kept, query))
            continue;
        if (out->count == query->limit) {
            out->next = last;
            break;
        }
        if ((status = copy_job(&kept->job, &out->jobs[out->count], error)) != LM_OK)
            break;
        out->count++;
        last = kept->number;
    }
    pthread_mutex_unlock(&memory->lock);
    return status;
}

/* What a step brings, allocated before the lock is taken. */
struct outcome_copy {
    char *error, *result_type;
    struct store_content *result;
};

static void outcome_free(struct outcome_copy *copy)
{
    free(copy->error);
    free(copy->result_type);
    store_content_free(copy->result);
}

static enum lm_status outcome_copy(const struct store_outcome *outcome, struct outcome_copy *out,
                                   struct lm_error *error)
{
    struct outcome_copy copy = {0};
    bool all = !outcome || (copy_text(outcome->error, &copy.error) &&
                            copy_text(outcome->result_type, &copy.result_type));
    if (all && outcome && outcome->result_type) {
        copy.result =
            store_content_new(outcome->result_type, "", outcome->result, outcome->result_bytes);
        all = copy.result != NULL;
    }
    if (!all) {
        outcome_free(&copy);
        return lm_fail(error, LM_NOMEM, "out of memory for the outcome of a job");
    }
    *out = copy;
    return LM_OK;
}

static void enter_running(struct store_job *job, int64_t now_ms)
{
    job->started_ms = now_ms;
    job->attempts++;
    job->done = 0;
}

static void enter_queued(struct store_job *job)
{
    job->attempts -= job->attempts > 0;
    job->done = 0;
}

/* Takes the contents of *copy over. */
static void enter_final(struct memory_store *memory, struct kept *kept,
                        const struct store_step *step, struct outcome_copy *copy)
{
    struct store_job *job = &kept->job;
    job->finished_ms = step->now_ms;
    job->expires_ms = time_after(step->now_ms, memory->store.limits.finished_ttl_ms);
    job->error_status = step->outcome ? step->outcome->error_status : 0;
    job->error = copy->error;
    job->result_type = copy->result_type;
    job->result_bytes = copy->result ? copy->result->size : 0;
    kept->result = copy->result;
    *copy = (struct outcome_copy){0};
    kept->finished_before = memory->last_finished;
    *(memory->last_finished ? &memory->last_finished->finished_after : &memory->first_finished) =
        kept;
    memory->last_finished = kept;
}

static enum lm_status memory_step(struct store *store, const char *id,
                                  const struct store_step *step, struct store_change *out,
                                  struct lm_error *error)
{
    struct memory_store *memory = memory_store(store);
    struct outcome_copy copy = {0};
    enum lm_status status = outcome_copy(step->outcome, &copy, error);
    if (status != LM_OK)
        return status;
    struct store_change change = {0};
    pthread_mutex_lock(&memory->lock);
    struct kept *kept = find_id(memory, id);
    if (kept) {
        change.found = true;
        change.previous = kept->job.state;
        change.changed = step->from >> kept->job.state & 1u;
    }
    if (change.changed) {
        stats_remove(&memory->stats, kept->job.state, kept_bytes(kept));
        kept->job.state = step->to;
        if (step->to == STORE_RUNNING)
            enter_running(&kept->job, step->now_ms);
        else if (step->to == STORE_QUEUED)
            enter_queued(&kept->job);
        else
            enter_final(memory, kept, step, &copy);
        stats_add(&memory->stats, step->to, kept_bytes(kept));
    }
    pthread_mutex_unlock(&memory->lock);
    outcome_free(&copy);
    *out = change;
    return LM_OK;
}

static void memory_progress(struct store *store, const char *id, uint64_t done, uint64_t total)
{
    struct memory_store *memory = memory_store(store);
    pthread_mutex_lock(&memory->lock);
    struct kept *kept = find_id(memory, id);
    if (kept && kept->job.state == STORE_RUNNING) {
        kept->job.done = done;
        kept->job.total = total;
    }
    pthread_mutex_unlock(&memory->lock);
}

static enum lm_status memory_recover(struct store *store, uint64_t *requeued,
                                     struct lm_error *error)
{
    (void)error;
    struct memory_store *memory = memory_store(store);
    uint64_t count = 0;
    pthread_mutex_lock(&memory->lock);
    for (struct kept *kept = memory->oldest; kept; kept = kept->newer) {
        if (kept->job.state != STORE_RUNNING)
            continue;
        stats_remove(&memory->stats, STORE_RUNNING, kept_bytes(kept));
        kept->job.state = STORE_QUEUED;
        kept->job.done = 0;
        stats_add(&memory->stats, STORE_QUEUED, kept_bytes(kept));
        count++;
    }
    pthread_mutex_unlock(&memory->lock);
    *requeued = count;
    return LM_OK;
}

static uint64_t delete_over_limits(struct memory_store *memory, int64_t now_ms)
{
    const struct store_limits *limits = &memory->store.limits;
    uint64_t before = stats_finished(&memory->stats);
    for (struct kept *kept = memory->first_finished, *next; kept; kept = next) {
        next = kept->finished_after;
        if (kept->job.expires_ms <= now_ms)
            delete_finished(memory, kept);
    }
    while (stats_finished(&memory->stats) > limits->max_finished && memory->first_finished)
        delete_finished(memory, memory->first_finished);
    make_room(memory, 0);
    return before - stats_finished(&memory->stats);
}

static enum lm_status memory_expire(struct store *store, int64_t now_ms, uint64_t *deleted,
                                    struct lm_error *error)
{
    (void)error;
    struct memory_store *memory = memory_store(store);
    pthread_mutex_lock(&memory->lock);
    *deleted = delete_over_limits(memory, now_ms);
    for (struct kept *kept = memory->oldest; kept; kept = kept->newer)
        if (time_after(kept->job.created_ms, store->limits.key_ttl_ms) <= now_ms)
            forget_key(memory, kept);
    pthread_mutex_unlock(&memory->lock);
    return LM_OK;
}

static void memory_get_stats(struct store *store, struct store_stats *out)
{
    struct memory_store *memory = memory_store(store);
    pthread_mutex_lock(&memory->lock);
    *out = memory->stats;
    pthread_mutex_unlock(&memory->lock);
}

static void memory_close(struct store *store)
{
    struct memory_store *memory = memory_store(store);
    for (struct kept *kept = memory->oldest, *next; kept; kept = next) {
        next = kept->newer;
        forget_key(memory, kept);
        tdelete(kept, &memory->by_id, compare_ids);
        kept_free(kept);
    }
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

enum lm_status store_memory_open(const struct store_limits *limits, struct store **out,
                                 struct lm_error *error)
{
    static const struct store_ops ops = {
        .close = memory_close,
        .put = memory_put,
        .get = memory_get,
        .get_content = memory_get_content,
        .list = memory_list,
        .step = memory_step,
        .progress = memory_progress,
        .recover = memory_recover,
        .expire = memory_expire,
        .get_stats = memory_get_stats,
    };
    struct memory_store *memory = calloc(1, sizeof *memory);
    if (!memory)
        return lm_fail(error, LM_NOMEM, "out of memory for the store");
    memory->store = (struct store){.ops = &ops, .limits = *limits};
    pthread_mutex_init(&memory->lock, NULL);
    *out = &memory->store;
    return LM_OK;
}
