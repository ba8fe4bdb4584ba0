/* The front of all stores: chooses one by its URL, and checks what callers hand in once for all of
 * them, so that backends see only what fits. */
#include "store/store_backend.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct store_limits store_default_limits = {
    .max_request_bytes = (size_t)64 << 20,
    .max_result_bytes = (size_t)64 << 20,
    .max_unfinished = 10000,
    .max_finished = 10000,
    .finished_ttl_ms = (int64_t)24 * 60 * 60 * 1000,
    .max_bytes = (uint64_t)4 << 30,
    .key_ttl_ms = (int64_t)24 * 60 * 60 * 1000,
};

const char *store_kind_name(enum store_kind kind)
{
    static const char *const names[STORE_KINDS] = {"predict", "explain", "missingness"};
    return names[kind];
}

const char *store_state_name(enum store_state state)
{
    static const char *const names[STORE_STATES] = {"queued", "running", "succeeded", "failed",
                                                    "cancelled"};
    return names[state];
}

static enum lm_status check_limits(const struct store_limits *limits, struct lm_error *error)
{
    const struct {
        const char *name;
        uint64_t value, limit;
    } rows[] = {
        {"max_request_bytes", limits->max_request_bytes, STORE_MAX_BLOB},
        {"max_result_bytes", limits->max_result_bytes, STORE_MAX_BLOB},
        {"max_unfinished", limits->max_unfinished, INT64_MAX},
        {"max_finished", limits->max_finished, INT64_MAX},
        {"finished_ttl_ms", (uint64_t)limits->finished_ttl_ms, INT64_MAX},
        {"max_bytes", limits->max_bytes, INT64_MAX},
        {"key_ttl_ms", (uint64_t)limits->key_ttl_ms, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].value < 1 || rows[i].value > rows[i].limit)
            return lm_fail(error, LM_INVALID, "store: %s: %" PRIu64 " is not from 1 to %" PRIu64,
                           rows[i].name, rows[i].value, rows[i].limit);
    if (limits->max_bytes < limits->max_request_bytes)
        return lm_fail(error, LM_INVALID,
                       "store: max_bytes: %" PRIu64 " is below max_request_bytes, %zu",
                       limits->max_bytes, limits->max_request_bytes);
    return LM_OK;
}

enum lm_status store_open(const char *url, const struct store_limits *limits, struct store **out,
                          struct lm_error *error)
{
    static const char sqlite[] = "sqlite:";
    enum lm_status status = check_limits(limits, error);
    if (status != LM_OK)
        return status;
    if (strcmp(url, "memory") == 0)
        return store_memory_open(limits, out, error);
    if (strncmp(url, sqlite, sizeof sqlite - 1) != 0)
        return lm_fail(error, LM_UNSUPPORTED, "store: \"%.200s\" is not memory or sqlite:PATH",
                       url);
    const char *path = url + sizeof sqlite - 1;
    if (!*path)
        return lm_fail(error, LM_INVALID, "store: sqlite: needs a path, as in sqlite:/var/jobs.db");
    return store_sqlite_open(path, limits, out, error);
}

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store);
}

static enum lm_status check_text(const char *name, const char *text, size_t limit,
                                 struct lm_error *error)
{
    size_t length = strlen(text);
    if (length > limit)
        return lm_fail(error, LM_INVALID, "%s: %zu bytes, the limit is %zu", name, length, limit);
    return LM_OK;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static enum lm_status check_new(const struct store *store, const struct store_new *job,
                                struct lm_error *error)
{
    if ((unsigned)job->kind >= STORE_KINDS)
        return lm_fail(error, LM_INVALID, "kind: %u is not the number of a kind",
                       (unsigned)job->kind);
    if (!*job->model)
        return lm_fail(error, LM_INVALID, "model: must not be empty");
    if (job->id && !store_id_valid(job->id))
        return lm_fail(error, LM_INVALID, "id: \"%.60s\" is not one that store_id_make makes",
                       job->id);
    if (job->total > INT64_MAX)
        return lm_fail(error, LM_INVALID, "total: %" PRIu64 " is above %" PRId64, job->total,
                       INT64_MAX);
    enum lm_status status = check_text("model", job->model, STORE_MAX_NAME, error);
    if (status == LM_OK)
        status = check_text("owner", job->owner, STORE_MAX_NAME, error);
    if (status == LM_OK)
        status = check_text("content type", job->request_type, STORE_MAX_TYPE, error);
    if (status == LM_OK)
        status = check_text("path and query", job->target, STORE_MAX_TARGET, error);
    if (status == LM_OK)
        status = check_text("idempotency key", job->key, STORE_MAX_KEY, error);
    if (status == LM_OK && job->body_bytes > store->limits.max_request_bytes)
        return lm_fail(error, LM_LIMIT, "request body: %zu bytes, the limit is %zu",
                       job->body_bytes, store->limits.max_request_bytes);
    return status;
}

enum lm_status store_put(struct store *store, const struct store_new *job, int64_t now_ms,
                         struct store_put *out, struct lm_error *error)
{
    struct store_new checked = *job;
    checked.model = or_empty(job->model);
    checked.owner = or_empty(job->owner);
    checked.request_type = or_empty(job->request_type);
    checked.target = or_empty(job->target);
    checked.key = or_empty(job->key);
    struct store_put put = {.result = STORE_CREATED};
    enum lm_status status = check_new(store, &checked, error);
    if (status == LM_OK && job->id)
        memcpy(put.id, job->id, sizeof put.id);
    else if (status == LM_OK)
        status = store_id_make(now_ms, put.id, error);
    if (status != LM_OK ||
        (status = store->ops->put(store, &checked, now_ms, &put, error)) != LM_OK)
        return status;
    if (put.result == STORE_FULL)
        put.id[0] = '\0';
    *out = put;
    return LM_OK;
}

enum lm_status store_get(struct store *store, const char *id, bool *found, struct store_job *out,
                         struct lm_error *error)
{
    if (store_id_valid(id))
        return store->ops->get(store, id, found, out, error);
    *found = false;
    return LM_OK;
}

static enum lm_status get_content(struct store *store, const char *id, enum store_role role,
                                  struct store_content **out, struct lm_error *error)
{
    if (store_id_valid(id))
        return store->ops->get_content(store, id, role, out, error);
    *out = NULL;
    return LM_OK;
}

enum lm_status store_get_request(struct store *store, const char *id, struct store_content **out,
                                 struct lm_error *error)
{
    return get_content(store, id, STORE_REQUEST, out, error);
}

enum lm_status store_get_result(struct store *store, const char *id, struct store_content **out,
                                struct lm_error *error)
{
    return get_content(store, id, STORE_RESULT, out, error);
}

enum lm_status store_list(struct store *store, const struct store_query *query,
                          struct store_list *out, struct lm_error *error)
{
    if (query->limit < 1 || query->limit > STORE_MAX_LIST)
        return lm_fail(error, LM_INVALID, "limit: %zu is not from 1 to %d", query->limit,
                       STORE_MAX_LIST);
    struct store_query checked = *query;
    if (!query->states)
        checked.states = (1u << STORE_STATES) - 1;
    if (query->cursor > INT64_MAX)
        checked.cursor = INT64_MAX;
    struct store_list list = {.jobs = calloc(query->limit, sizeof *list.jobs)};
    if (!list.jobs)
        return lm_fail(error, LM_NOMEM, "out of memory for a list of %zu jobs", query->limit);
    enum lm_status status = store->ops->list(store, &checked, &list, error);
    if (status == LM_OK)
        *out = list;
    else
        store_list_clear(&list);
    return status;
}

static enum lm_status take_step(struct store *store, const char *id, const struct store_step *step,
                                struct store_change *out, struct lm_error *error)
{
    if (store_id_valid(id))
        return store->ops->step(store, id, step, out, error);
    *out = (struct store_change){.found = false};
    return LM_OK;
}

enum lm_status store_start(struct store *store, const char *id, int64_t now_ms,
                           struct store_change *out, struct lm_error *error)
{
    const struct store_step step = {
        .from = 1u << STORE_QUEUED, .to = STORE_RUNNING, .now_ms = now_ms};
    return take_step(store, id, &step, out, error);
}

enum lm_status store_give_back(struct store *store, const char *id, struct store_change *out,
                               struct lm_error *error)
{
    const struct store_step step = {.from = 1u << STORE_RUNNING, .to = STORE_QUEUED};
    return take_step(store, id, &step, out, error);
}

enum lm_status store_cancel(struct store *store, const char *id, int64_t now_ms,
                            struct store_change *out, struct lm_error *error)
{
    const struct store_step step = {
        .from = 1u << STORE_QUEUED | 1u << STORE_RUNNING, .to = STORE_CANCELLED, .now_ms = now_ms};
    return take_step(store, id, &step, out, error);
}

static enum lm_status check_outcome(const struct store *store, const struct store_outcome *outcome,
                                    struct lm_error *error)
{
    if (outcome->state == STORE_FAILED) {
        if (!outcome->error || outcome->result_type || outcome->result_bytes)
            return lm_fail(error, LM_INVALID, "a failed job has an error and no result");
        if (outcome->error_status < 400 || outcome->error_status > 599)
            return lm_fail(error, LM_INVALID, "error status: %d is not from 400 to 599",
                           outcome->error_status);
        return check_text("error", outcome->error, STORE_MAX_ERROR, error);
    }
    if (outcome->state != STORE_SUCCEEDED || !outcome->result_type || outcome->error)
        return lm_fail(error, LM_INVALID, "a finished job has a result or an error");
    if (outcome->result_bytes > store->limits.max_result_bytes)
        return lm_fail(error, LM_LIMIT, "result: %zu bytes, the limit is %zu",
                       outcome->result_bytes, store->limits.max_result_bytes);
    return check_text("content type", outcome->result_type, STORE_MAX_TYPE, error);
}

enum lm_status store_finish(struct store *store, const char *id,
                            const struct store_outcome *outcome, int64_t now_ms,
                            struct store_change *out, struct lm_error *error)
{
    const struct store_step step = {
        .from = 1u << STORE_RUNNING, .to = outcome->state, .now_ms = now_ms, .outcome = outcome};
    enum lm_status status = check_outcome(store, outcome, error);
    return status == LM_OK ? take_step(store, id, &step, out, error) : status;
}

void store_progress(struct store *store, const char *id, uint64_t done, uint64_t total)
{
    if (done > INT64_MAX) /* what a column of a database holds */
        done = INT64_MAX;
    if (total > INT64_MAX)
        total = INT64_MAX;
    if (store_id_valid(id))
        store->ops->progress(store, id, done, total);
}

enum lm_status store_recover(struct store *store, uint64_t *requeued, struct lm_error *error)
{
    return store->ops->recover(store, requeued, error);
}

enum lm_status store_expire(struct store *store, int64_t now_ms, uint64_t *deleted,
                            struct lm_error *error)
{
    return store->ops->expire(store, now_ms, deleted, error);
}

void store_get_stats(struct store *store, struct store_stats *out)
{
    store->ops->get_stats(store, out);
}
