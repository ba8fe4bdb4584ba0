/* The Open Inference Protocol (version 2), as KServe and Triton speak it. */
#include <stdlib.h>
#include <string.h>

#include "api/failure.h"
#include "api/routes_room.h"
#include "api/v2_answers.h"
#include "codec/version.h"

void route_v2(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    http_reply_json(exchange, 200,
                    v2_server_answer(LAYERMASK_VERSION, api->options.settings->model_control));
}

void route_v2_live(struct http_exchange *exchange, void *api)
{
    (void)api;
    http_reply_text(exchange, 200, "application/json", "{\"live\": true}\n");
}

void route_v2_ready(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    bool ready = atomic_load(&api->state) == API_READY && !failure_store();
    http_reply_text(exchange, ready ? 200 : 503, "application/json",
                    ready ? "{\"ready\": true, \"live\": true}\n"
                          : "{\"ready\": false, \"live\": true}\n");
}

/* The path's {model}, and {version} if it has one. */
static const struct model_entry *find_version(struct http_exchange *exchange, struct api *api)
{
    const char *version = http_parameter(exchange, "version");
    const struct model_entry *entry = route_model_entry(exchange, api);
    if (!entry || !version || strcmp(version, entry->dir.version) == 0 || strcmp(version, "1") == 0)
        return entry;
    http_reply_error(exchange, 404, "the model %s has no version \"%.60s\"; it has %s", entry->name,
                     version, entry->dir.version);
    model_entry_release(entry);
    return NULL;
}

void route_v2_model(struct http_exchange *exchange, void *api)
{
    const struct model_entry *entry = find_version(exchange, api);
    if (entry)
        http_reply_json(exchange, 200, v2_model_answer(entry));
    model_entry_release(entry);
}

void route_v2_model_ready(struct http_exchange *exchange, void *api)
{
    const struct model_entry *entry = find_version(exchange, api);
    if (entry)
        http_reply_json(exchange, 200, v2_model_ready_answer(entry->name, true));
    model_entry_release(entry);
}

void route_v2_model_config(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    const struct model_entry *entry = find_version(exchange, api);
    if (entry)
        http_reply_json(exchange, 200, v2_model_config_answer(entry, api->limits.instances));
    model_entry_release(entry);
}

/* Inference-Header-Content-Length; SIZE_MAX without one. */
static bool read_json_size(struct http_exchange *exchange, size_t *out)
{
    const char *text = http_header(exchange, "Inference-Header-Content-Length");
    *out = SIZE_MAX;
    if (!text)
        return true;
    size_t length = strlen(text);
    if (length > 0 && length < 12 && strspn(text, "0123456789") == length) {
        *out = (size_t)strtoull(text, NULL, 10);
        return true;
    }
    http_reply_error(exchange, 400,
                     "Inference-Header-Content-Length is \"%.60s\"; must be a number of bytes",
                     text);
    return false;
}

static bool check_type(struct http_exchange *exchange)
{
    static const char *const known[] = {"", "application/json", "application/octet-stream",
                                        "application/vnd.sagemaker-triton.binary+json"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(exchange->content_type, known[i]) == 0)
            return true;
    http_reply_error(exchange, 415,
                     "cannot read a body of type %.100s; send application/json or "
                     "application/octet-stream",
                     exchange->content_type);
    return false;
}

void route_v2_infer(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    size_t json_size;
    uint64_t deadline_ns;
    if (!route_is_open(exchange, api) || !check_type(exchange) ||
        !read_json_size(exchange, &json_size) || !route_deadline(exchange, api, &deadline_ns))
        return;
    const struct model_entry *entry = find_version(exchange, api);
    struct serving *serving = route_serving(exchange, api, &call_infer, entry, deadline_ns);
    if (!serving)
        return;
    serving->is_infer = true;
    serving->json_size = json_size;
    serving->wants = CALL_JSON | CALL_BINARY;
    serving->content = (struct content){
        .type = "", .query = "", .body = exchange->body, .size = exchange->body_size};
    serving_begin(serving);
}

/* ---- the repository */

/* {"ready": true} asks for the models that are ready alone; an empty body for all. */
static bool read_index_request(struct http_exchange *exchange, struct api *api, bool *ready)
{
    json_t *document = NULL;
    struct codec_fault fault = {0};
    struct lm_error error = {0};
    struct failure failure;
    *ready = false;
    if (exchange->body_size == 0)
        return true;
    enum lm_status status =
        request_parse_json("the body", (const char *)exchange->body, exchange->body_size,
                           &api->limits, &document, &fault, &error);
    json_t *value = json_object_get(document, "ready");
    *ready = json_is_true(value);
    if (status == LM_OK && value && !json_is_boolean(value)) {
        fault_enter_key(&fault, "ready");
        status = fault_type(&fault, &error, "ready", "true or false", value);
    }
    json_decref(document);
    if (status == LM_OK)
        return true;
    failure_of_reading(&failure, &fault, &error);
    failure_reply(exchange, &failure);
    return false;
}

void route_v2_index(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct model_status *all = NULL;
    size_t count = 0;
    char *text = NULL;
    bool ready;
    if (!read_index_request(exchange, api, &ready))
        return;
    if (registry_list(api->options.registry, &all, &count, NULL) == LM_OK)
        text = v2_index_answer(all, count, ready);
    free(all);
    http_reply_json(exchange, 200, text);
}

/* A model's own faults are 422, also the limits that it is above; what the machine lacks is 503. */
static int status_of_control(enum lm_status status, enum registry_refusal refusal)
{
    if (refusal == REGISTRY_NO_MODEL)
        return 404;
    if (refusal == REGISTRY_FULL)
        return 409;
    return status == LM_NOMEM || status == LM_IO ? 503 : 422;
}

static void reply_control(struct http_exchange *exchange, enum lm_status status,
                          enum registry_refusal refusal, const struct lm_error *error)
{
    struct failure failure;
    if (status == LM_OK) {
        http_reply_text(exchange, 200, "application/json", "{}\n");
        return;
    }
    failure_set(&failure, status_of_control(status, refusal), "%s", error->text);
    failure.no_memory = status == LM_NOMEM;
    failure_reply(exchange, &failure);
}

static void run_load(struct intake_task *task)
{
    struct route_task *work = (struct route_task *)task;
    struct lm_error error = {0};
    enum registry_refusal refusal;
    enum lm_status status = registry_load(
        work->api->options.registry, http_parameter(work->exchange, "model"), &refusal, &error);
    reply_control(work->exchange, status, refusal, &error);
    free(work);
}

static void run_unload(struct intake_task *task)
{
    struct route_task *work = (struct route_task *)task;
    struct lm_error error = {0};
    enum registry_refusal refusal;
    enum lm_status status = registry_unload(
        work->api->options.registry, http_parameter(work->exchange, "model"), &refusal, &error);
    reply_control(work->exchange, status, refusal, &error);
    free(work);
}

static void control(struct http_exchange *exchange, struct api *api,
                    void (*run)(struct intake_task *task))
{
    if (api->options.settings->model_control)
        route_later(exchange, api, api->loader, run);
    else
        http_reply_error(exchange, 403,
                         "loading and unloading by calls is off; the option is model_control");
}

void route_v2_load(struct http_exchange *exchange, void *api)
{
    control(exchange, api, run_load);
}

void route_v2_unload(struct http_exchange *exchange, void *api)
{
    control(exchange, api, run_unload);
}
