/* Start: log, metrics, store, jobs, models' table, API, HTTP; then the models are loaded, on a
 * thread of their own, while it already answers that it is alive and not ready.  Stop: not ready, a
 * pause for load balancers, no new connections, the accepted work, then everything in the opposite
 * order.
 *
 * Signals are blocked in all threads and waited for in the main one, so that nothing runs in a
 * signal's context. */
#include "app.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "app_loader.h"
#include "codec/file.h"
#include "codec/precision.h"
#include "codec/text_memory.h"
#include "codec/version.h"
#include "obs/log.h"

enum { STOP_WAIT_MS = 5000, PATH_BYTES = 4096 };

struct app {
    const struct settings *settings;
    struct metrics *metrics;
    struct metric *requests, *request_seconds, *request_bytes, *loads, *load_seconds;
    struct store *store;
    struct jobs *jobs;
    char *built_in; /* folder of the built-in model, or NULL */
    struct registry *registry;
    struct app_loader loader;
    bool started; /* the models have been loaded for the first time, and the api takes work */
    struct api *api;
    struct http_server *server;
};

/* ---- what the parts tell */

static void on_access(const struct http_access *access, void *context)
{
    struct app *app = context;
    char status[12];
    snprintf(status, sizeof status, "%d", access->status);
    metric_add(app->requests, 1, METRIC_LABELS(access->method, access->route, status));
    metric_observe(app->request_seconds, access->ms / 1000, METRIC_LABELS(access->route));
    metric_add(app->request_bytes, (double)access->bytes_in, METRIC_LABELS("in"));
    metric_add(app->request_bytes, (double)access->bytes_out, METRIC_LABELS("out"));
    bool has_subject = access->subject[0];
    log_event(access->status >= 500 && access->status != 503 ? LOG_WARNING : LOG_INFO, "request",
              log_text("request_id", access->request_id),
              log_text("trace_id", access->trace_id[0] ? access->trace_id : NULL),
              log_text("method", access->method), log_text("route", access->route),
              log_text("path", access->route[0] ? NULL : access->path),
              log_int("status", access->status), log_uint("bytes_in", access->bytes_in),
              log_uint("bytes_out", access->bytes_out), log_real("ms", access->ms),
              log_text("model", has_subject ? access->subject : NULL),
              has_subject ? log_uint("samples", access->amount) : log_text(NULL, NULL),
              log_text("address", access->address),
              log_text("key", access->key_id[0] ? access->key_id : NULL));
}

static void on_message(const char *text, void *context)
{
    (void)context;
    log_event(LOG_DEBUG, "http", log_text("message", text));
}

static void on_loaded(void *context, const char *name, double took_ms, const struct lm_error *error)
{
    struct app *app = context;
    metric_add(app->loads, 1, METRIC_LABELS(name, error ? "failed" : "succeeded"));
    metric_observe(app->load_seconds, took_ms / 1000, NULL);
    if (error)
        log_event(LOG_ERROR, "model_failed", log_text("model", name),
                  log_text("error", error->text));
    else
        log_event(LOG_INFO, "model_loaded", log_text("model", name), log_real("ms", took_ms));
}

static void on_passed_over(void *context, const char *name)
{
    (void)context;
    log_event(LOG_WARNING, "model_ignored", log_text("folder", name),
              log_text("reason", "its name is not 1 to 100 letters, digits, '.', '_' and '-'"));
}

static void on_retired(void *context, const struct lm_model *model)
{
    struct app *app = context;
    jobs_forget_model(app->jobs, model);
}

/* ---- start */

static enum lm_status start_metrics(struct app *app, struct lm_error *error)
{
    static const char *const request[] = {"method", "route", "status", NULL};
    static const char *const route[] = {"route", NULL}, *const direction[] = {"direction", NULL};
    static const char *const load[] = {"model", "outcome", NULL};
    enum lm_status status = metrics_create(&app->metrics, error);
    if (status != LM_OK)
        return status;
    app->requests = metrics_add(app->metrics, METRIC_COUNTER, "layermask_http_requests_total",
                                "Answered requests.", request, NULL);
    app->request_seconds =
        metrics_add(app->metrics, METRIC_HISTOGRAM, "layermask_http_request_seconds",
                    "From a request's first line to its answer's end.", route, &metric_seconds);
    app->request_bytes = metrics_add(app->metrics, METRIC_COUNTER, "layermask_http_bytes_total",
                                     "Bytes of bodies.", direction, NULL);
    app->loads = metrics_add(app->metrics, METRIC_COUNTER, "layermask_model_loads_total",
                             "Models loaded, or not.", load, NULL);
    app->load_seconds = metrics_add(app->metrics, METRIC_HISTOGRAM, "layermask_model_load_seconds",
                                    "Time to load a model.", NULL, &metric_seconds);
    metrics_collect_process(app->metrics);
    return LM_OK;
}

static enum lm_status start_store(struct app *app, struct lm_error *error)
{
    const struct settings *settings = app->settings;
    const struct store_limits limits = {
        .max_request_bytes = settings->max_body_bytes,
        .max_result_bytes = settings->max_result_bytes,
        .max_unfinished = settings->max_unfinished_jobs,
        .max_finished = settings->max_jobs,
        .finished_ttl_ms = (int64_t)settings->job_ttl_ms,
        .max_bytes = settings->max_store_bytes,
        .key_ttl_ms = (int64_t)settings->idempotency_ttl_ms,
    };
    enum lm_status status = settings_make_store_folder(settings, error);
    if (status == LM_OK)
        status = store_open(settings->store_url, &limits, &app->store, error);
    return status;
}

static enum lm_status start_jobs(struct app *app, struct lm_error *error)
{
    const struct settings *settings = app->settings;
    const struct jobs_options options = {
        .workers = settings_workers(settings),
        .batch = settings->batch_size,
        .queue_limits = {[JOB_PREDICT] = settings->queue_predict,
                         [JOB_EXPLAIN] = settings->queue_explain,
                         [JOB_MISSINGNESS] = settings->queue_explain},
    };
    return jobs_create(&options, &app->jobs, error);
}

/* The model that comes with the program: beside it where it is installed, or where it was built. */
static char *find_built_in(void)
{
    static const char *const places[] = {"../share/layermask/models/shapes",
                                         "../config/models/shapes"};
    char program[PATH_BYTES];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return NULL;
    program[length] = '\0';
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char *path = text_format("%s/%s", program, places[i]);
        if (path && folder_exists(path))
            return path;
        free(path);
    }
    return NULL;
}

static enum lm_status start_registry(struct app *app, struct lm_error *error)
{
    const struct settings *settings = app->settings;
    enum lm_precision precision = LM_PRECISION_FLOAT32;
    precision_parse(settings->precision, &precision);
    app->built_in = find_built_in();
    const struct registry_options options = {
        .folder = settings->models[0] ? settings->models : NULL,
        .extra = app->built_in,
        .only = (const char *const *)settings->load_models.items,
        .n_only = settings->load_models.count,
        .max_models = settings->max_models,
        .limits = {.max_file_bytes = settings->max_model_file_bytes,
                   .max_nodes = settings->max_model_nodes,
                   .max_elements = settings->max_model_elements,
                   .max_bytes = settings->max_model_bytes},
        .precision = precision,
        .retire = on_retired,
        .retire_context = app,
        .loaded = on_loaded,
        .loaded_context = app,
        .passed_over = on_passed_over,
    };
    enum lm_status status = registry_create(&options, &app->registry, error);
    app->loader.registry = app->registry;
    return status;
}

static enum lm_status start_api(struct app *app, struct lm_error *error)
{
    const struct api_options options = {
        .settings = app->settings,
        .jobs = app->jobs,
        .registry = app->registry,
        .store = app->store,
        .metrics = app->metrics,
    };
    return api_create(&options, &app->api, error);
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static enum lm_status start_http(struct app *app, struct lm_error *error)
{
    const struct settings *settings = app->settings;
    const struct http_config config = {
        .address = settings->listen.host,
        .port = settings->listen.port,
        .threads = settings->http_threads < settings->max_connections ? settings->http_threads
                                                                      : settings->max_connections,
        .connections_max = settings->max_connections,
        .connections_per_address_max = settings->max_connections_per_address,
        .url_bytes_max = settings->max_url_bytes,
        .header_bytes_max = settings->max_header_bytes,
        .headers_max = settings->max_headers,
        .small_body_bytes_max = settings->max_small_body_bytes,
        .large_body_bytes_max = settings->max_body_bytes,
        .all_bodies_bytes_max = settings->max_bodies_bytes,
        .idle_timeout_ms = (int64_t)settings->idle_timeout_ms,
        .request_timeout_ms = (int64_t)settings->request_timeout_ms,
        .send_timeout_ms = (int64_t)settings->send_timeout_ms,
        .gzip_bytes_min = settings->gzip_min_bytes,
        .stream_bytes_max = settings->max_stream_bytes,
        .stream_ping_ms = (int64_t)settings->stream_ping_ms,
        .keys_file = or_null(settings->keys),
        .key_rate = settings->rate / 60.0,
        .tls_certificate_file = or_null(settings->tls_certificate),
        .tls_key_file = or_null(settings->tls_key),
        .cors_origins = (const char *const *)settings->cors_origins.items,
        .n_cors_origins = settings->cors_origins.count,
        .access = on_access,
        .message = on_message,
        .log_context = app,
    };
    return http_start(&config, api_routes, api_n_routes, app->api, &app->server, error);
}

static enum lm_status start_parts(struct app *app, struct lm_error *error)
{
    enum lm_status (*const parts[])(struct app *, struct lm_error *) = {
        start_metrics, start_store, start_jobs, start_registry, start_api, start_http};
    enum lm_status status = LM_OK;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == LM_OK; i++)
        status = parts[i](app, error);
    return status;
}

static enum lm_status start(struct app *app, struct lm_error *error)
{
    enum lm_status status = start_parts(app, error);
    if (status != LM_OK)
        return status;
    if (http_connections_max(app->server) < app->settings->max_connections)
        log_event(LOG_WARNING, "few_connections",
                  log_text("reason", "the limit of open files (ulimit -n) is too low"),
                  log_uint("max_connections", app->settings->max_connections),
                  log_uint("possible", http_connections_max(app->server)));
    log_event(LOG_INFO, "listening", log_text("address", app->settings->listen.host),
              log_uint("port", http_port(app->server)), log_text("version", LAYERMASK_VERSION));
    return app_loader_begin(&app->loader, error);
}

/* ---- run */

static void log_reload(enum lm_status status, const struct lm_error *error)
{
    if (status != LM_OK)
        log_event(LOG_ERROR, "reload_failed", log_text("error", error->text));
}

static void reload(struct app *app)
{
    struct lm_error error = {0};
    log_event(LOG_INFO, "reload");
    log_reload(http_reload_keys(app->server, &error), &error);
    error = (struct lm_error){0};
    log_reload(app_loader_begin(&app->loader, &error), &error);
}

/* Looks whether models have been loaded; the first time everything begins, or fails, with that. */
static enum lm_status take_load(struct app *app, struct lm_error *error)
{
    struct lm_error reason = {0};
    enum lm_status status = LM_OK;
    if (!app_loader_take(&app->loader, &status, &reason))
        return LM_OK;
    if (app->started) {
        log_reload(status, &reason);
    } else {
        if (status == LM_OK)
            status = api_start(app->api, &reason);
        if (status != LM_OK)
            return lm_fail(error, status, "%s", reason.text);
        app->started = true;
        log_event(LOG_INFO, "ready", log_uint("workers", jobs_workers(app->jobs)));
    }
    if (app->loader.again) {
        app->loader.again = false;
        reason = (struct lm_error){0};
        log_reload(app_loader_begin(&app->loader, &reason), &reason);
    }
    return LM_OK;
}

static sigset_t our_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, APP_LOADER_SIGNAL);
    return set;
}

/* Until SIGTERM or SIGINT, or until the start fails. */
static enum lm_status serve(struct app *app, struct lm_error *error)
{
    const sigset_t set = our_signals();
    const struct timespec second = {.tv_sec = 1};
    for (;;) {
        int signal = sigtimedwait(&set, NULL, &second);
        if (signal == SIGTERM || signal == SIGINT)
            return LM_OK;
        if (signal == SIGHUP)
            reload(app);
        enum lm_status status = take_load(app, error);
        if (status != LM_OK)
            return status;
        if (app->started)
            api_tick(app->api);
    }
}

/* ---- stop */

static void pause_ms(uint64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue;
}

/* A second signal from here on ends the process at once; the store knows what is unfinished. */
static void allow_signals(void)
{
    sigset_t set = our_signals();
    sigdelset(&set, SIGHUP);
    sigdelset(&set, APP_LOADER_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void drain(struct app *app)
{
    log_event(LOG_INFO, "draining", log_uint("requests", http_open_requests(app->server)));
    api_leave(app->api);
    allow_signals();
    pause_ms(app->settings->drain_delay_ms);
    api_drain(app->api);
    http_quiesce(app->server);
    uint32_t left = jobs_drain(app->jobs, app->settings->drain_limit_ms);
    log_event(LOG_INFO, "drained", log_uint("unfinished", left));
}

static void stop(struct app *app)
{
    app_loader_stop(&app->loader);
    http_stop(app->server, STOP_WAIT_MS);
    if (app->jobs)
        jobs_drain(app->jobs, 0);
    api_free(app->api);
    registry_free(app->registry);
    jobs_free(app->jobs);
    store_close(app->store);
    metrics_destroy(app->metrics);
    free(app->built_in);
}

enum lm_status app_run(const struct settings *settings, struct lm_error *error)
{
    struct app app = {.settings = settings};
    enum log_level level = LOG_INFO;
    const sigset_t set = our_signals();
    log_level_parse(settings->log_level, &level);
    log_start(STDERR_FILENO, level);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    enum lm_status status = start(&app, error);
    if (status == LM_OK)
        status = serve(&app, error);
    if (status == LM_OK)
        drain(&app);
    stop(&app);
    log_event(LOG_INFO, "stopped");
    return status;
}
