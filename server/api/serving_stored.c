/* Calls that outlive their requests: into the store before they are acknowledged, out of it when
 * their turn comes, their answers back into it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/sha2.h>

#include "api/job_answer.h"
#include "api/serving.h"
#include "layermask/image.h"
#include "obs/log.h"

/* A job that was running each time when the process went down so often is taken to be the reason.
 */
enum { ATTEMPTS_MAX = 25 };

/* A stored result with a drawing: a line with both sizes, the JSON, the PNG.  A JPEG is made of the
 * PNG when somebody asks for it. */
static const char pack_type[] = "application/vnd.layermask.answers";
#define PACK_FORMAT "answers %zu %zu\n"
enum { PACK_LINE_BYTES = 80, JPEG_QUALITY = 90 };

static enum store_kind stored_kind(const struct serving *serving)
{
    return serving->kind == &call_explain ? STORE_EXPLAIN : STORE_PREDICT;
}

static void log_store(const char *what, const char *id, const struct lm_error *error)
{
    log_event(LOG_ERROR, "store_failed", log_text("what", what), log_text("job", id),
              log_text("error", error->text));
}

/* ---- results */

static enum lm_status pack(const struct call_answer *answer, struct call_body *out,
                           struct lm_error *error)
{
    char line[PACK_LINE_BYTES];
    int length = snprintf(line, sizeof line, PACK_FORMAT, answer->json.size, answer->png.size);
    size_t size = (size_t)length + answer->json.size + answer->png.size;
    char *bytes = malloc(size);
    if (!bytes)
        return lm_fail(error, LM_NOMEM, "out of memory for a result");
    const struct call_body parts[] = {{line, (size_t)length}, answer->json, answer->png};
    char *end = bytes;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].size > 0) {
            memcpy(end, parts[i].bytes, parts[i].size);
            end += parts[i].size;
        }
    *out = (struct call_body){bytes, size};
    return LM_OK;
}

/* The JSON and the PNG (if there is one) of a result, as places in its bytes; false: it is damaged.
 */
static bool find_forms(const struct store_content *result, struct request_bytes *json,
                       struct request_bytes *png)
{
    char line[PACK_LINE_BYTES];
    size_t n = result->size < sizeof line - 1 ? result->size : sizeof line - 1;
    *json = (struct request_bytes){result->bytes, result->size};
    *png = (struct request_bytes){0};
    if (strcmp(result->type, pack_type) != 0)
        return true;
    memcpy(line, result->bytes, n);
    line[n] = '\0';
    const char *newline = strchr(line, '\n');
    if (!newline || sscanf(line, PACK_FORMAT, &json->size, &png->size) != 2)
        return false;
    size_t start = (size_t)(newline - line) + 1, left = result->size - start;
    json->bytes = result->bytes + start;
    png->bytes = json->bytes + json->size;
    return json->size <= left && png->size == left - json->size;
}

unsigned serving_stored_forms(const struct store_content *result)
{
    struct request_bytes json, png;
    if (!find_forms(result, &json, &png))
        return 0;
    return CALL_JSON | (png.bytes ? CALL_PNG | CALL_JPEG : 0u);
}

static enum lm_status copy_form(const struct request_bytes *from, struct call_body *out,
                                struct lm_error *error)
{
    char *bytes = malloc(from->size ? from->size : 1);
    if (!bytes)
        return lm_fail(error, LM_NOMEM, "out of memory for a result");
    if (from->size > 0)
        memcpy(bytes, from->bytes, from->size);
    *out = (struct call_body){bytes, from->size};
    return LM_OK;
}

static enum lm_status make_jpeg(const struct request_bytes *png, struct call_body *out,
                                struct lm_error *error)
{
    struct lm_image image = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum lm_status status = lm_image_decode(png->bytes, png->size, NULL, &image, error);
    if (status == LM_OK)
        status = lm_image_encode_jpeg(&image, JPEG_QUALITY, &bytes, &size, error);
    lm_image_free(&image);
    if (status == LM_OK)
        *out = (struct call_body){(char *)bytes, size};
    return status;
}

enum lm_status serving_unpack(const struct store_content *result, unsigned form,
                              struct answer_part *out, struct lm_error *error)
{
    struct request_bytes json, png;
    struct call_body body = {0};
    if (!find_forms(result, &json, &png))
        return lm_fail(error, LM_CORRUPT, "the stored result is damaged");
    enum lm_status status = form == CALL_JPEG  ? make_jpeg(&png, &body, error)
                            : form == CALL_PNG ? copy_form(&png, &body, error)
                                               : copy_form(&json, &body, error);
    if (status == LM_OK)
        *out = (struct answer_part){.form = form, .body = body};
    return status;
}

/* ---- the end of a stored job */

static void tell_end(struct api *api, const char *id)
{
    struct store_job job = {0};
    struct lm_error error = {0};
    bool found = false;
    char *text = NULL;
    if (store_get(api->options.store, id, &found, &job, &error) != LM_OK)
        log_store("get", id, &error);
    else if (found)
        text = job_answer(&job);
    live_end(api->live, id, text);
    store_job_clear(&job);
    free(text);
}

static enum lm_status put_outcome(struct api *api, const char *id,
                                  const struct store_outcome *outcome, struct lm_error *error)
{
    struct store_change change;
    return store_finish(api->options.store, id, outcome, api_now_ms(), &change, error);
}

/* false: the store has failed. */
static bool put_failure(struct api *api, const char *id, const struct failure *failure)
{
    struct lm_error error = {0};
    char *problem = failure_json(failure, id);
    const struct store_outcome outcome = {
        .state = STORE_FAILED,
        .error_status = failure->status,
        .error = problem ? problem : "{}",
    };
    bool done = put_outcome(api, id, &outcome, &error) == LM_OK;
    if (!done)
        log_store("finish", id, &error);
    free(problem);
    return done;
}

static enum lm_status put_body(struct serving *serving, const char *type,
                               const struct call_body *body, struct lm_error *error)
{
    const struct store_outcome outcome = {.state = STORE_SUCCEEDED,
                                          .result_type = type,
                                          .result = body->bytes,
                                          .result_bytes = body->size};
    return put_outcome(serving->api, serving->id, &outcome, error);
}

/* A drawing that is too large for the store is left out. */
static enum lm_status put_forms(struct serving *serving, struct lm_error *error)
{
    const struct call_answer *answer = &serving->answer;
    struct call_body packed = {0};
    enum lm_status status = LM_LIMIT;
    if (answer->png.bytes) {
        status = pack(answer, &packed, error);
        if (status == LM_OK)
            status = put_body(serving, pack_type, &packed, error);
        free(packed.bytes);
    }
    if (status != LM_LIMIT)
        return status;
    *error = (struct lm_error){0};
    return put_body(serving, "application/json", &answer->json, error);
}

static bool put_answer(struct serving *serving)
{
    struct lm_error error = {0};
    struct failure failure;
    if (put_forms(serving, &error) == LM_OK)
        return true;
    failure_of_store(&failure, "finish", serving->id, &error);
    return put_failure(serving->api, serving->id, &failure);
}

/* A job that has not been started. */
static void fail_queued(struct api *api, const char *id, const struct failure *failure)
{
    struct store_change change;
    struct lm_error error = {0};
    enum lm_status status = store_start(api->options.store, id, api_now_ms(), &change, &error);
    if (status != LM_OK)
        log_store("start", id, &error);
    if (status == LM_OK && put_failure(api, id, failure))
        tell_end(api, id);
    else
        strays_add(api->strays, id);
}

static void failure_of_load(struct failure *out, const struct serving *serving,
                            const struct lm_error *error)
{
    if (serving->is_unread)
        failure_of_store(out, "get_request", serving->id, error);
    else
        failure_of_reading(out, &serving->fault, error);
}

/* It is run again after the next start.  If the store does not take it back, it counts as one that
 * a crash has ended. */
static void give_back(struct api *api, const char *id)
{
    struct store_change change;
    struct lm_error error = {0};
    if (store_give_back(api->options.store, id, &change, &error) != LM_OK)
        log_store("give back", id, &error);
}

static void stored_ended(void *context, const struct job_end *end)
{
    struct serving *serving = context;
    struct failure failure = {0};
    bool done = true;
    serving_count(serving, end);
    if (end->kind == JOB_SUCCEEDED)
        done = put_answer(serving);
    else if (end->kind == JOB_FAILED && end->status == LM_CANCELLED && !serving->is_unwanted)
        failure_set(&failure, 504, "%s", end->error.text);
    else if (end->kind == JOB_FAILED && serving->call && serving->is_read)
        failure_of_running(&failure, &serving->fault, &end->error);
    else if (end->kind == JOB_FAILED)
        failure_of_load(&failure, serving, &end->error);
    else if (end->kind == JOB_EXPIRED)
        failure_set(&failure, 504, "the job's deadline has passed");
    if (failure.status != 0 && !serving->is_unwanted)
        done = put_failure(serving->api, serving->id, &failure);
    if (end->kind == JOB_DRAINED && !serving->is_unwanted)
        give_back(serving->api, serving->id);
    if (serving->is_stray || !done)
        strays_add(serving->api->strays, serving->id);
    else if (end->kind != JOB_DRAINED)
        tell_end(serving->api, serving->id);
    serving_forget(serving);
    serving_leave_model(serving);
}

/* ---- running */

static void stored_started(void *context)
{
    struct serving *serving = context;
    struct store_change change = {0};
    struct lm_error error = {0};
    serving->started_ns = jobs_now_ns(serving->api->options.jobs);
    if (store_start(serving->api->options.store, serving->id, api_now_ms(), &change, &error) !=
        LM_OK) {
        log_store("start", serving->id, &error);
        serving->is_stray = true;
    }
    serving->is_unwanted = !change.changed;
}

static enum lm_status load(struct serving *serving, struct lm_error *error)
{
    enum lm_status status =
        store_get_request(serving->api->options.store, serving->id, &serving->stored, error);
    serving->is_unread = status != LM_OK;
    if (status != LM_OK)
        return status;
    if (!serving->stored)
        return lm_fail(error, LM_CANCELLED, "the job has gone");
    const struct store_content *stored = serving->stored;
    const char *question = strchr(stored->target, '?');
    serving->wants = serving->kind->forms & (CALL_JSON | CALL_PNG);
    serving->content = (struct content){
        .type = stored->type,
        .query = question ? question + 1 : "",
        .body = stored->bytes,
        .size = stored->size,
    };
    return serving_read(serving, error);
}

static enum lm_status stored_prepare(void *context, struct job_worker *worker, uint32_t *batches,
                                     struct lm_error *error)
{
    struct serving *serving = context;
    if (serving->is_unwanted)
        return lm_fail(error, LM_CANCELLED, "cancelled");
    enum lm_status status = load(serving, error);
    if (status == LM_OK)
        status = serving_prepare(serving, worker, batches, error);
    return status;
}

static void stored_progress(void *context, uint32_t done, uint32_t total)
{
    struct serving *serving = context;
    store_progress(serving->api->options.store, serving->id, done, total);
    live_progress(serving->api->live, serving->id, done, total);
}

static const struct job_ops stored_ops = {
    .started = stored_started,
    .prepare = stored_prepare,
    .items = serving_items,
    .run_batch = serving_run_batch,
    .progress = stored_progress,
    .finish = serving_finish,
    .ended = stored_ended,
    .free = serving_free,
};

/* What was read is thrown away; `bytes` is what it will take when it is read again. */
static enum lm_status submit_stored(struct serving *serving, uint64_t bytes,
                                    struct jobs_refusal *refusal, struct lm_error *error)
{
    struct api *api = serving->api;
    if (!live_open(api->live, serving->id))
        return lm_fail(error, LM_NOMEM, "out of memory for a job");
    enum lm_status status = serving_submit(serving, &stored_ops, bytes, refusal, error);
    if (status == LM_OK && !live_number(api->live, serving->id, serving->number))
        jobs_cancel(api->options.jobs, serving->number);
    return status;
}

static uint64_t bytes_of(const struct serving *serving, uint64_t request_bytes)
{
    uint64_t bytes = serving->kind->bytes(serving->call);
    return bytes > UINT64_MAX - request_bytes ? UINT64_MAX : bytes + request_bytes;
}

/* ---- putting */

static void hash_text(struct sha256_ctx *hash, const char *text)
{
    sha256_update(hash, strlen(text) + 1, (const uint8_t *)text);
}

static void hash_request(const struct http_exchange *exchange, const char *type, uint8_t out[32])
{
    struct sha256_ctx hash;
    sha256_init(&hash);
    hash_text(&hash, exchange->path);
    hash_text(&hash, exchange->query_text);
    hash_text(&hash, type);
    sha256_update(&hash, exchange->body_size, exchange->body);
    sha256_digest(&hash, 32, out);
}

static enum lm_status put(struct serving *serving, struct store_put *out, struct lm_error *error)
{
    const struct http_exchange *exchange = serving->exchange;
    size_t room = strlen(exchange->path) + strlen(exchange->query_text) + 2;
    char *target = malloc(room);
    if (!target)
        return lm_fail(error, LM_NOMEM, "out of memory for a job");
    snprintf(target, room, "%s%s%s", exchange->path, exchange->query_text[0] ? "?" : "",
             exchange->query_text);
    struct store_new job = {
        .kind = stored_kind(serving),
        .model = serving->entry->name,
        .owner = exchange->key_id,
        .request_type = serving->content.type,
        .target = target,
        .body = exchange->body,
        .body_bytes = exchange->body_size,
        .key = http_header(exchange, "Idempotency-Key"),
    };
    if (job.key)
        hash_request(exchange, serving->content.type, job.request_hash);
    enum lm_status status = store_put(serving->api->options.store, &job, api_now_ms(), out, error);
    free(target);
    return status;
}

/* It is accepted, but how it is cannot be said. */
static void reply_unknown(struct http_exchange *exchange, const char *id, enum lm_status status,
                          bool found, const struct lm_error *error)
{
    struct failure failure;
    if (status != LM_OK)
        failure_of_store(&failure, "get", id, error);
    else if (!found)
        failure_set(&failure, 503, "the job has been done and deleted already (max_jobs, job_ttl)");
    else
        failure_set(&failure, 503, "out of memory");
    failure_reply(exchange, &failure);
}

static void reply_accepted(struct http_exchange *exchange, struct api *api, const char *id)
{
    char location[STORE_ID_SIZE + 16];
    struct store_job job = {0};
    struct lm_error error = {0};
    bool found = false;
    enum lm_status status = store_get(api->options.store, id, &found, &job, &error);
    char *text = status == LM_OK && found ? job_answer(&job) : NULL;
    store_job_clear(&job);
    if (!text) {
        reply_unknown(exchange, id, status, found, &error);
        return;
    }
    snprintf(location, sizeof location, "/v1/jobs/%s", id);
    const struct http_pair headers[] = {{"Location", location},
                                        {"Preference-Applied", "respond-async"}};
    const struct http_answer answer = {.status = 202,
                                       .type = "application/json",
                                       .body = text,
                                       .size = strlen(text),
                                       .ownership = HTTP_BODY_FREE,
                                       .headers = headers,
                                       .n_headers = 2};
    http_reply(exchange, &answer);
}

/* The store has taken the job: it will run, at the latest after the next start. */
static void run_created(struct serving *serving, const char *id, struct failure *failure)
{
    struct api *api = serving->api;
    struct jobs_refusal refusal = {0};
    struct lm_error error = {0};
    uint64_t bytes = bytes_of(serving, serving->content.size);
    snprintf(serving->id, sizeof serving->id, "%s", id);
    serving_forget(serving);
    serving->deadline_ns = 0;
    if (submit_stored(serving, bytes, &refusal, &error) == LM_OK || refusal.why == JOBS_DRAINING)
        return;
    if (refusal.why == JOBS_TOO_LARGE) { /* whoever repeats its key finds it failed */
        failure_of_queue(failure, &refusal, &error);
        fail_queued(api, id, failure);
    } else {
        strays_add(api->strays, id);
    }
}

void serving_store(struct serving *serving)
{
    struct http_exchange *exchange = serving->exchange;
    struct store_put put_result = {0};
    struct failure failure = {0};
    struct lm_error error = {0};
    http_note(exchange, serving->entry->name, 0);
    if (put(serving, &put_result, &error) != LM_OK)
        failure_of_store(&failure, "put", NULL, &error);
    else if (put_result.result == STORE_CONFLICT)
        failure_set(&failure, 409, "Idempotency-Key was used before, with another request");
    else if (put_result.result == STORE_FULL)
        failure_set(&failure, 503,
                    "too many jobs are waiting (max_unfinished_jobs, "
                    "max_store_bytes)");
    serving->exchange = NULL;
    if (put_result.result == STORE_CREATED && failure.status == 0)
        run_created(serving, put_result.id, &failure);
    if (failure.status != 0)
        failure_reply(exchange, &failure);
    else
        reply_accepted(exchange, serving->api, put_result.id);
    serving_drop(serving);
}

/* ---- after a restart */

static void submit_again(struct serving *serving)
{
    struct api *api = serving->api;
    struct failure failure;
    struct lm_error error = {0};
    struct jobs_refusal refusal = {0};
    uint64_t bytes = bytes_of(serving, serving->content.size);
    serving_forget(serving);
    if (submit_stored(serving, bytes, &refusal, &error) == LM_OK || refusal.why == JOBS_DRAINING)
        return;
    if (refusal.why == JOBS_TOO_LARGE) {
        failure_of_queue(&failure, &refusal, &error);
        fail_queued(api, serving->id, &failure);
    } else {
        strays_add(api->strays, serving->id);
    }
}

static void recover_on(struct api *api, const struct store_job *job,
                       const struct model_entry *entry)
{
    struct failure failure;
    struct lm_error error = {0};
    const struct call_kind *kind = job->kind == STORE_EXPLAIN ? &call_explain : &call_predict;
    struct serving *serving = serving_new(api, kind, entry);
    if (!serving) {
        strays_add(api->strays, job->id);
        return;
    }
    serving->is_async = true;
    snprintf(serving->id, sizeof serving->id, "%s", job->id);
    enum lm_status status = load(serving, &error);
    if (status == LM_OK) {
        submit_again(serving);
    } else if (status == LM_IO) {
        strays_add(api->strays, job->id);
    } else {
        failure_of_load(&failure, serving, &error);
        fail_queued(api, job->id, &failure);
    }
    serving_drop(serving);
}

static void recover_queued(struct api *api, const struct store_job *job)
{
    struct failure failure;
    struct model_status model;
    const struct model_entry *entry = registry_find(api->options.registry, job->model);
    if (job->attempts >= ATTEMPTS_MAX) {
        failure_set(&failure, 500, "the server went down %u times while this job was running",
                    job->attempts);
        fail_queued(api, job->id, &failure);
        model_entry_release(entry);
    } else if (entry) {
        recover_on(api, job, entry);
    } else if (registry_look(api->options.registry, job->model, &model)) {
        strays_add(api->strays, job->id); /* it may be loaded yet */
    } else {
        failure_set(&failure, 404, "the model %s is not there any more", job->model);
        fail_queued(api, job->id, &failure);
    }
}

/* The store has not taken its end; the result has gone meanwhile. */
static void finish_running(struct api *api, const char *id)
{
    struct failure failure;
    failure_set(&failure, 503, "the store could not keep the result; send the request again");
    if (put_failure(api, id, &failure))
        tell_end(api, id);
    else
        strays_add(api->strays, id);
}

void serving_recover(struct api *api, const char *id)
{
    struct store_job job = {0};
    struct lm_error error = {0};
    bool found = false;
    if (store_get(api->options.store, id, &found, &job, &error) != LM_OK) {
        log_store("get", id, &error);
        strays_add(api->strays, id);
    } else if (found && job.state == STORE_QUEUED) {
        recover_queued(api, &job);
    } else if (found && job.state == STORE_RUNNING) {
        finish_running(api, id);
    }
    store_job_clear(&job);
}
