/* What direct and stored calls have in common, and the direct ones. */
#include "api/serving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obs/log.h"

static const char *const class_names[JOB_CLASSES] = {"predict", "explain", "missingness"};
static const char *const end_names[JOB_END_KINDS] = {"succeeded", "failed", "cancelled", "expired",
                                                     "drained"};

struct serving *serving_new(struct api *api, const struct call_kind *kind,
                            const struct model_entry *entry)
{
    struct serving *serving = calloc(1, sizeof *serving);
    if (!serving) {
        model_entry_release(entry);
        return NULL;
    }
    atomic_init(&serving->references, 1u);
    pthread_mutex_init(&serving->lock, NULL);
    serving->api = api;
    serving->kind = kind;
    serving->class = kind == &call_explain ? JOB_EXPLAIN : JOB_PREDICT;
    serving->entry = entry;
    serving->json_size = SIZE_MAX;
    serving->terms = (struct call_terms){
        .name = entry->name,
        .dir = &entry->dir,
        .model = entry->model,
        .info = &entry->info,
        .batch = jobs_batch_size(api->options.jobs),
        .threads = jobs_workers(api->options.jobs),
        .limits = &api->limits,
    };
    return serving;
}

void serving_forget(struct serving *serving)
{
    serving->kind->free(serving->call);
    serving->call = NULL;
    request_free(&serving->request);
    store_content_free(serving->stored);
    serving->stored = NULL;
    serving->is_read = false;
}

void serving_leave_model(struct serving *serving)
{
    model_entry_release(serving->entry);
    serving->entry = NULL;
}

void serving_drop(struct serving *serving)
{
    if (atomic_fetch_sub(&serving->references, 1u) != 1)
        return;
    serving_forget(serving);
    call_answer_free(&serving->answer);
    serving_leave_model(serving);
    pthread_mutex_destroy(&serving->lock);
    free(serving);
}

static size_t instances_of(const struct request *request)
{
    const json_t *instances = json_object_get(request->document, "instances");
    return json_is_array(instances) ? json_array_size(instances) : 1;
}

enum lm_status serving_read(struct serving *serving, struct lm_error *error)
{
    const struct request_limits *limits = &serving->api->limits;
    struct request *request = &serving->request;
    enum lm_status status =
        serving->is_infer
            ? content_read_infer(&serving->content, serving->json_size, limits, request,
                                 &serving->fault, error)
            : content_read(&serving->content, limits, request, &serving->fault, error);
    if (status != LM_OK)
        return status;
    if (serving->is_async && instances_of(request) != 1)
        serving->wants = CALL_JSON; /* a picture is of one picture */
    status = serving->kind->read(request, &serving->terms, serving->wants, &serving->call,
                                 &serving->fault, error);
    serving->is_read = status == LM_OK;
    return status;
}

enum lm_status serving_submit(struct serving *serving, const struct job_ops *ops, uint64_t bytes,
                              struct jobs_refusal *refusal, struct lm_error *error)
{
    const struct job job = {
        .ops = ops,
        .context = serving,
        .class = serving->class,
        .bytes = bytes,
        .deadline_ns = serving->deadline_ns,
        .accepted_before = serving->id[0] != '\0',
    };
    atomic_fetch_add(&serving->references, 1u);
    enum lm_status status =
        jobs_submit(serving->api->options.jobs, &job, &serving->number, refusal, error);
    if (status != LM_OK)
        serving_drop(serving);
    return status;
}

uint32_t serving_items(void *context, uint32_t batch)
{
    const struct serving *serving = context;
    return serving->kind->items(serving->call, batch);
}

static bool is_over_deadline(const struct serving *serving)
{
    uint64_t limit_ms = serving->api->options.settings->job_deadline_ms;
    return serving->id[0] && limit_ms > 0 &&
           jobs_now_ns(serving->api->options.jobs) - serving->started_ns > limit_ms * 1000000;
}

static enum lm_status fail_deadline(struct lm_error *error)
{
    return lm_fail(error, LM_CANCELLED, "the job ran for longer than job_deadline allows");
}

/* call_terms.check */
static enum lm_status check(void *context, struct lm_error *error)
{
    const struct serving *serving = context;
    return is_over_deadline(serving) ? fail_deadline(error)
                                     : job_worker_check(serving->worker, error);
}

enum lm_status serving_prepare(struct serving *serving, struct job_worker *worker,
                               uint32_t *batches, struct lm_error *error)
{
    serving->worker = worker;
    serving->terms.check = check;
    serving->terms.check_context = serving;
    return serving->kind->prepare(serving->call, batches, &serving->fault, error);
}

enum lm_status serving_run_batch(void *context, uint32_t batch, struct job_worker *worker,
                                 struct lm_error *error)
{
    struct serving *serving = context;
    struct runner *runner = NULL;
    if (is_over_deadline(serving))
        return fail_deadline(error);
    enum lm_status status = job_worker_runner(worker, serving->entry->model, &runner, error);
    if (status == LM_OK)
        status = serving->kind->run_batch(serving->call, batch, runner, job_worker_number(worker),
                                          error);
    return status;
}

enum lm_status serving_finish(void *context, struct lm_error *error)
{
    struct serving *serving = context;
    return serving->kind->finish(serving->call, &serving->answer, error);
}

void serving_free(void *context)
{
    serving_drop(context);
}

void serving_count(const struct serving *serving, const struct job_end *end)
{
    const struct api_metrics *metrics = &serving->api->metrics;
    const char *class = class_names[serving->class];
    metric_observe(metrics->wait_seconds, (double)end->waited_ns / 1e9, METRIC_LABELS(class));
    metric_observe(metrics->run_seconds, (double)end->ran_ns / 1e9, METRIC_LABELS(class));
    metric_add(metrics->jobs_ended, 1, METRIC_LABELS(class, end_names[end->kind]));
    metric_add(metrics->samples, end->items_done, METRIC_LABELS(serving->entry->name));
    log_event(LOG_DEBUG, "job", log_text("job", serving->id[0] ? serving->id : NULL),
              log_text("kind", class), log_text("model", serving->entry->name),
              log_text("status", end_names[end->kind]), log_uint("samples", end->items_done),
              log_real("wait_ms", (double)end->waited_ns / 1e6),
              log_real("run_ms", (double)end->ran_ns / 1e6),
              log_text("error", end->error.text[0] ? end->error.text : NULL));
}

const char *serving_type(unsigned form)
{
    switch (form) {
    case CALL_PNG: return "image/png";
    case CALL_JPEG: return "image/jpeg";
    case CALL_BINARY: return "application/octet-stream";
    default: return "application/json";
    }
}

void serving_reply(struct http_exchange *exchange, const struct answer_part *part)
{
    char length[24];
    snprintf(length, sizeof length, "%zu", part->binary_json_bytes);
    const struct http_pair header = {"Inference-Header-Content-Length", length};
    const struct http_answer answer = {
        .status = 200,
        .type = serving_type(part->form),
        .body = part->body.bytes,
        .size = part->body.size,
        .ownership = HTTP_BODY_FREE,
        .headers = &header,
        .n_headers = part->form == CALL_BINARY ? 1 : 0,
    };
    http_reply(exchange, &answer);
}

static void reply_answer(struct serving *serving)
{
    struct call_answer *answer = &serving->answer;
    const struct {
        unsigned form;
        struct call_body *body;
    } made[CALL_FORMS] = {{CALL_JSON, &answer->json},
                          {CALL_PNG, &answer->png},
                          {CALL_JPEG, &answer->jpeg},
                          {CALL_BINARY, &answer->binary}};
    http_note(serving->exchange, serving->entry->name, answer->samples);
    for (size_t i = 0; i < CALL_FORMS && serving->exchange; i++)
        if (made[i].body->bytes && (serving->wants & made[i].form)) {
            const struct answer_part part = {made[i].form, *made[i].body,
                                             answer->binary_json_bytes};
            *made[i].body = (struct call_body){0};
            serving_reply(serving->exchange, &part);
            serving->exchange = NULL;
        }
}

/* The one answer of a direct call. */
static void tell_direct(struct serving *serving, const struct job_end *end)
{
    struct failure failure = {0};
    serving_count(serving, end);
    serving_forget(serving); /* the rest stays until the client has taken its answer */
    switch (end->kind) {
    case JOB_SUCCEEDED: reply_answer(serving); break;
    case JOB_FAILED: failure_of_running(&failure, &serving->fault, &end->error); break;
    case JOB_EXPIRED: failure_set(&failure, 504, "the request's deadline has passed"); break;
    case JOB_CANCELLED: failure_set(&failure, 503, "the client has gone"); break;
    case JOB_DRAINED: failure_set(&failure, 503, "the server is shutting down"); break;
    }
    if (!serving->exchange)
        return;
    http_note(serving->exchange, serving->entry->name, end->items_done);
    failure_reply(serving->exchange, &failure);
    serving->exchange = NULL;
}

static void direct_ended(void *context, const struct job_end *end)
{
    tell_direct(context, end);
    serving_leave_model(context);
}

static enum lm_status direct_prepare(void *context, struct job_worker *worker, uint32_t *batches,
                                     struct lm_error *error)
{
    return serving_prepare(context, worker, batches, error);
}

static const struct job_ops direct_ops = {
    .prepare = direct_prepare,
    .items = serving_items,
    .run_batch = serving_run_batch,
    .finish = serving_finish,
    .ended = direct_ended,
    .free = serving_free,
};

/* http_on_gone's, on an HTTP thread. */
static void client_gone(void *context)
{
    struct serving *serving = context;
    pthread_mutex_lock(&serving->lock);
    serving->gone = true;
    bool numbered = serving->numbered;
    pthread_mutex_unlock(&serving->lock);
    if (numbered)
        jobs_cancel(serving->api->options.jobs, serving->number);
}

/* The scheduler knows it now; its client may have gone meanwhile. */
static void note_number(struct serving *serving)
{
    pthread_mutex_lock(&serving->lock);
    serving->numbered = true;
    bool gone = serving->gone;
    pthread_mutex_unlock(&serving->lock);
    if (gone)
        jobs_cancel(serving->api->options.jobs, serving->number);
}

static void give_up(struct serving *serving, const struct failure *failure)
{
    failure_reply(serving->exchange, failure);
    serving->exchange = NULL;
    serving_forget(serving);
    serving_leave_model(serving);
    serving_drop(serving);
}

static void submit_direct(struct serving *serving)
{
    struct lm_error error = {0};
    struct jobs_refusal refusal = {0};
    struct failure failure;
    uint64_t bytes = serving->kind->bytes(serving->call);
    if (serving_submit(serving, &direct_ops, bytes, &refusal, &error) != LM_OK) {
        failure_of_queue(&failure, &refusal, &error);
        give_up(serving, &failure);
        return;
    }
    note_number(serving);
    serving_drop(serving);
}

static bool is_gone(struct serving *serving)
{
    pthread_mutex_lock(&serving->lock);
    bool gone = serving->gone;
    pthread_mutex_unlock(&serving->lock);
    return gone;
}

/* On an intake thread. */
static void take_in(struct intake_task *task)
{
    struct serving *serving = (struct serving *)task;
    struct lm_error error = {0};
    struct failure failure;
    if (is_gone(serving)) {
        failure_set(&failure, 503, "the client has gone");
        give_up(serving, &failure);
    } else if (serving_read(serving, &error) != LM_OK) {
        failure_of_reading(&failure, &serving->fault, &error);
        give_up(serving, &failure);
    } else if (serving->is_async) {
        serving_store(serving);
    } else {
        submit_direct(serving);
    }
}

void serving_begin(struct serving *serving)
{
    serving->task.run = take_in;
    atomic_fetch_add(&serving->references, 1u);
    if (!http_on_gone(serving->exchange, client_gone, serving_free, serving)) {
        serving->gone = true;
        serving_drop(serving);
    }
    intake_post(serving->api->intake, &serving->task);
}
