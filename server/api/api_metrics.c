/* What /metrics says of jobs, models and the store. */
#include <stdlib.h>

#include "api/api_room.h"

static const char *const class_names[JOB_CLASSES] = {"predict", "explain", "missingness"};
static const char *const by_class[] = {"class", NULL};
static const char *const by_class_outcome[] = {"class", "outcome", NULL};
static const char *const by_model[] = {"model", NULL};
static const char *const by_state[] = {"state", NULL};

static void read_jobs(struct api *api)
{
    struct jobs_stats stats;
    const struct api_metrics *metrics = &api->metrics;
    jobs_read_stats(api->options.jobs, &stats);
    for (int c = 0; c < JOB_CLASSES; c++) {
        const char *const *labels = METRIC_LABELS(class_names[c]);
        metric_set(metrics->queued, stats.classes[c].queued, labels);
        metric_set(metrics->started, stats.classes[c].started, labels);
        metric_set(metrics->batches, (double)stats.classes[c].batches, labels);
        metric_set(metrics->batch_items, (double)stats.classes[c].items, labels);
        metric_set(metrics->batch_room, (double)stats.classes[c].batch_room, labels);
    }
    metric_set(metrics->busy_workers, stats.busy_workers, NULL);
    metric_set(metrics->sessions, stats.sessions, NULL);
    metric_set(metrics->session_bytes, (double)stats.session_bytes, NULL);
    metric_set(metrics->job_bytes, (double)stats.memory_bytes, NULL);
}

static void read_store(struct api *api)
{
    struct store_stats stats;
    store_get_stats(api->options.store, &stats);
    for (int s = 0; s < STORE_STATES; s++)
        metric_set(api->metrics.stored_jobs, (double)stats.jobs[s],
                   METRIC_LABELS(store_state_name((enum store_state)s)));
    metric_set(api->metrics.stored_bytes, (double)stats.bytes, NULL);
    metric_set(api->metrics.strays, (double)strays_count(api->strays), NULL);
}

static void read_models(struct api *api)
{
    static const char *const names[] = {"loading", "ready", "failed", "unloaded"};
    size_t counts[sizeof names / sizeof names[0]] = {0}, n = 0;
    struct model_status *all = NULL;
    if (registry_list(api->options.registry, &all, &n, NULL) != LM_OK)
        return;
    for (size_t i = 0; i < n; i++)
        counts[all[i].state]++;
    free(all);
    for (size_t s = 0; s < sizeof names / sizeof names[0]; s++)
        metric_set(api->metrics.models, (double)counts[s], METRIC_LABELS(names[s]));
}

static void collect(void *context)
{
    read_jobs(context);
    read_store(context);
    read_models(context);
}

static struct metric *gauge(struct api *api, const char *name, const char *help,
                            const char *const *labels)
{
    return metrics_add(api->options.metrics, METRIC_GAUGE, name, help, labels, NULL);
}

static struct metric *counter(struct api *api, const char *name, const char *help,
                              const char *const *labels)
{
    return metrics_add(api->options.metrics, METRIC_COUNTER, name, help, labels, NULL);
}

static struct metric *seconds(struct api *api, const char *name, const char *help)
{
    return metrics_add(api->options.metrics, METRIC_HISTOGRAM, name, help, by_class,
                       &metric_seconds);
}

void api_metrics_declare(struct api *api)
{
    api->metrics = (struct api_metrics){
        .wait_seconds =
            seconds(api, "layermask_job_wait_seconds", "From acceptance to the first step."),
        .run_seconds = seconds(api, "layermask_job_run_seconds", "From the first step to the end."),
        .jobs_ended =
            counter(api, "layermask_jobs_total", "Calls that have ended.", by_class_outcome),
        .samples = counter(api, "layermask_samples_total", "Forward passes: pictures and samples.",
                           by_model),
        .queued = gauge(api, "layermask_queue_depth",
                        "Calls in memory that wait for workers, stored ones included.", by_class),
        .started =
            gauge(api, "layermask_calls_started", "Calls that workers take turns with.", by_class),
        .batches =
            counter(api, "layermask_batches_total", "Micro-batches that were run.", by_class),
        .batch_items = counter(api, "layermask_batch_items_total",
                               "Samples in these micro-batches.", by_class),
        .batch_room = counter(api, "layermask_batch_room_total",
                              "Samples that these micro-batches had room for.", by_class),
        .busy_workers = gauge(api, "layermask_busy_workers", "Workers that compute.", NULL),
        .sessions = gauge(api, "layermask_sessions", "Sessions that workers hold.", NULL),
        .session_bytes =
            gauge(api, "layermask_session_bytes", "Memory of these sessions, in bytes.", NULL),
        .job_bytes =
            gauge(api, "layermask_call_bytes", "Memory set aside for calls in work.", NULL),
        .stored_jobs = gauge(api, "layermask_jobs", "Jobs in the store.", by_state),
        .stored_bytes =
            gauge(api, "layermask_store_bytes", "Requests and results in the store.", NULL),
        .strays = gauge(api, "layermask_jobs_set_aside",
                        "Stored jobs that wait for their model, or for the store.", NULL),
        .models = gauge(api, "layermask_models", "Models.", by_state),
    };
    metrics_collect(api->options.metrics, collect, api);
}
