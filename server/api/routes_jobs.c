/* Jobs: list, status, result, events, cancelling.  Whoever has a key sees the jobs of that key;
 * keys with the scope "admin" see all. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_answer.h"
#include "api/routes_room.h"
#include "layermask/image.h"
#include "obs/log.h"

enum { LIST_DEFAULT = 100 };

static bool sees_all(const struct http_exchange *exchange)
{
    return !exchange->key_id[0] || (exchange->scopes & HTTP_SCOPE_ADMIN);
}

static void reply_store_failure(struct http_exchange *exchange, const char *what,
                                const struct lm_error *error)
{
    struct failure failure;
    failure_of_store(&failure, what, http_parameter(exchange, "id"), error);
    failure_reply(exchange, &failure);
}

static void reply_missing(struct http_exchange *exchange)
{
    http_reply_error(exchange, 404, "there is no such job, or it has expired");
}

/* The path's {id}; false, answered: there is none that the client may see. */
static bool find_job(struct http_exchange *exchange, struct api *api, struct store_job *out)
{
    struct lm_error error = {0};
    bool found = false;
    const char *id = http_parameter(exchange, "id");
    if (store_get(api->options.store, id, &found, out, &error) != LM_OK) {
        reply_store_failure(exchange, "get", &error);
        return false;
    }
    if (found && (sees_all(exchange) || strcmp(out->owner, exchange->key_id) == 0))
        return true;
    store_job_clear(out);
    reply_missing(exchange);
    return false;
}

static void run_cancel(struct intake_task *task)
{
    struct route_task *work = (struct route_task *)task;
    struct api *api = work->api;
    struct http_exchange *exchange = work->exchange;
    struct store_change change = {0};
    struct lm_error error = {0};
    struct store_job job = {0};
    uint64_t number;
    const char *id = http_parameter(exchange, "id");
    free(work);
    if (store_cancel(api->options.store, id, api_now_ms(), &change, &error) != LM_OK) {
        reply_store_failure(exchange, "cancel", &error);
        return;
    }
    if (change.changed && live_cancel(api->live, id, &number))
        jobs_cancel(api->options.jobs, number);
    if (!find_job(exchange, api, &job))
        return;
    char *text = job_answer(&job);
    if (change.changed)
        live_end(api->live, id, text);
    store_job_clear(&job);
    http_reply_json(exchange, 200, text);
}

void route_job(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct store_job job = {0};
    if (!find_job(exchange, api, &job))
        return;
    if (strcmp(exchange->method, "DELETE") == 0)
        route_later(exchange, api, api->intake, run_cancel);
    else
        http_reply_json(exchange, 200, job_answer(&job));
    store_job_clear(&job);
}

/* ---- list */

static bool read_number(struct http_exchange *exchange, const char *name, uint64_t most,
                        uint64_t *out)
{
    const char *text = http_query(exchange, name);
    char *end = NULL;
    if (!text)
        return true;
    uint64_t value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (end && *end == '\0' && strlen(text) < 20 && value >= 1 && value <= most) {
        *out = value;
        return true;
    }
    http_reply_error(exchange, 400, "%s is \"%.60s\"; must be a whole number from 1 to %" PRIu64,
                     name, text, most);
    return false;
}

static bool read_state(struct http_exchange *exchange, unsigned *states)
{
    const char *text = http_query(exchange, "status");
    if (!text)
        return true;
    for (int state = 0; state < STORE_STATES; state++)
        if (strcmp(text, store_state_name((enum store_state)state)) == 0) {
            *states = 1u << state;
            return true;
        }
    http_reply_error(exchange, 400,
                     "status is \"%.60s\"; must be queued, running, succeeded, failed or cancelled",
                     text);
    return false;
}

static bool check_names(struct http_exchange *exchange)
{
    for (size_t i = 0; i < exchange->n_query; i++) {
        const char *name = exchange->query[i].name;
        if (strcmp(name, "status") != 0 && strcmp(name, "limit") != 0 &&
            strcmp(name, "cursor") != 0) {
            http_reply_error(exchange, 400,
                             "the query has the unknown parameter \"%.80s\"; there are status, "
                             "limit and cursor",
                             name);
            return false;
        }
        for (size_t k = 0; k < i; k++)
            if (strcmp(exchange->query[k].name, name) == 0) {
                http_reply_error(exchange, 400, "the query has %s twice", name);
                return false;
            }
    }
    return true;
}

static void run_list(struct intake_task *task)
{
    struct route_task *work = (struct route_task *)task;
    struct http_exchange *exchange = work->exchange;
    struct api *api = work->api;
    uint64_t limit = LIST_DEFAULT;
    struct store_query query = {.owner = sees_all(exchange) ? NULL : exchange->key_id};
    struct store_list list = {0};
    struct lm_error error = {0};
    free(work);
    if (!check_names(exchange) || !read_state(exchange, &query.states) ||
        !read_number(exchange, "limit", STORE_MAX_LIST, &limit) ||
        !read_number(exchange, "cursor", INT64_MAX, &query.cursor))
        return;
    query.limit = (size_t)limit;
    if (store_list(api->options.store, &query, &list, &error) != LM_OK) {
        reply_store_failure(exchange, "list", &error);
        return;
    }
    http_reply_json(exchange, 200, job_answer_list(&list));
    store_list_clear(&list);
}

void route_jobs(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    route_later(exchange, api, api->intake, run_list);
}

/* ---- result */

static void reply_part(struct http_exchange *exchange, const struct store_content *result)
{
    unsigned form = CALL_JSON;
    struct answer_part part;
    struct lm_error error = {0};
    unsigned forms = serving_stored_forms(result); /* 0: damaged, as unpacking says, too */
    if (forms != 0 && !route_wants(exchange, forms, &form))
        return;
    struct failure failure;
    if (serving_unpack(result, form, &part, &error) == LM_OK) {
        serving_reply(exchange, &part);
        return;
    }
    failure_of_running(&failure, NULL, &error);
    if (error.status != LM_NOMEM)
        failure_set(&failure, 500, "%s", error.text);
    failure_reply(exchange, &failure);
}

static void run_result(struct intake_task *task)
{
    struct route_task *work = (struct route_task *)task;
    struct http_exchange *exchange = work->exchange;
    struct api *api = work->api;
    struct store_content *result = NULL;
    struct lm_error error = {0};
    free(work);
    if (store_get_result(api->options.store, http_parameter(exchange, "id"), &result, &error) !=
        LM_OK)
        reply_store_failure(exchange, "get_result", &error);
    else if (!result)
        reply_missing(exchange);
    else
        reply_part(exchange, result);
    store_content_free(result);
}

static void reply_job_error(struct http_exchange *exchange, const struct store_job *job)
{
    char seconds[16];
    const struct http_pair header = {"Retry-After", seconds};
    const unsigned retry_after_s = failure_retry_s(job->error_status);
    const struct http_answer answer = {
        .status = job->error_status,
        .type = "application/problem+json",
        .body = job->error,
        .size = strlen(job->error),
        .ownership = HTTP_BODY_COPY,
        .headers = &header,
        .n_headers = retry_after_s > 0 ? 1 : 0,
    };
    snprintf(seconds, sizeof seconds, "%u", retry_after_s);
    http_reply(exchange, &answer);
}

void route_job_result(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct store_job job = {0};
    if (!find_job(exchange, api, &job))
        return;
    switch (job.state) {
    case STORE_SUCCEEDED: route_later(exchange, api, api->intake, run_result); break;
    case STORE_FAILED: reply_job_error(exchange, &job); break;
    case STORE_CANCELLED: http_reply_error(exchange, 409, "the job was cancelled"); break;
    case STORE_QUEUED:
    case STORE_RUNNING:
    case STORE_STATES:
        http_reply_error(exchange, 409, "the job has not finished: it is %s",
                         store_state_name(job.state));
    }
    store_job_clear(&job);
}

/* ---- events */

/* The state of now; *final: there will be no other. */
static char *look(struct api *api, const char *id, bool *final, char progress[64])
{
    struct store_job job = {0};
    bool found = false;
    *final = true;
    progress[0] = '\0';
    if (store_get(api->options.store, id, &found, &job, NULL) != LM_OK || !found)
        return NULL;
    *final = store_state_final(job.state);
    snprintf(progress, 64, "{\"done\": %" PRIu64 ", \"total\": %" PRIu64 "}", job.done, job.total);
    char *text = job_answer(&job);
    store_job_clear(&job);
    return text;
}

/* Listening first and looking again afterwards: an end in between is not missed. */
void route_job_events(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct store_job job = {0};
    char id[STORE_ID_SIZE], progress[64];
    bool final;
    if (!find_job(exchange, api, &job))
        return;
    snprintf(id, sizeof id, "%s", job.id);
    store_job_clear(&job);
    http_stream_open(exchange);
    free(look(api, id, &final, progress));
    if (progress[0])
        http_stream_send(exchange, "progress", NULL, progress);
    if (!live_listen(api->live, id, exchange)) {
        http_stream_close(exchange);
        return;
    }
    char *text = look(api, id, &final, progress);
    if (final)
        live_end(api->live, id, text);
    free(text);
}
