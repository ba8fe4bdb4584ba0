/* The api's life. */
#include "api/api.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/serving.h"
#include "obs/log.h"

enum { INTAKE_THREADS = 2, RECOVERY_PAGE = 500, STRAYS_TICKS = 5 };

/* The jobs to run again, found before new ones come. */
struct recovery {
    struct api *api;
    char (*ids)[STORE_ID_SIZE];
    size_t count;
};

int64_t api_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct request_limits limits_of(const struct settings *settings)
{
    return (struct request_limits){
        .image_bytes = settings->max_image_bytes,
        .pixels = settings->max_pixels,
        .instances = settings->max_instances,
        .masks = settings->max_masks,
        .samples = settings->max_samples,
        .segments = settings->max_segments,
        .regions = settings->max_regions,
        .json_depth = settings->max_json_depth,
    };
}

enum lm_status api_create(const struct api_options *options, struct api **out,
                          struct lm_error *error)
{
    struct api *api = calloc(1, sizeof *api);
    if (!api)
        return lm_fail(error, LM_NOMEM, "out of memory for the API");
    api->options = *options;
    api->limits = limits_of(options->settings);
    atomic_init(&api->state, API_STARTING);
    enum lm_status status = live_create(&api->live, error);
    if (status == LM_OK)
        status = strays_create(&api->strays, error);
    if (status == LM_OK)
        status = intake_create(INTAKE_THREADS, &api->intake, error);
    if (status == LM_OK)
        status = intake_create(1, &api->loader, error);
    if (status != LM_OK) {
        api_free(api);
        return status;
    }
    api_metrics_declare(api);
    *out = api;
    return LM_OK;
}

static enum lm_status add_page(struct recovery *recovery, const struct store_list *page,
                               struct lm_error *error)
{
    size_t count = recovery->count + page->count;
    void *grown = realloc(recovery->ids, (count + 1) * sizeof recovery->ids[0]);
    if (!grown)
        return lm_fail(error, LM_NOMEM, "out of memory for unfinished jobs");
    recovery->ids = grown;
    for (size_t i = 0; i < page->count; i++)
        memcpy(recovery->ids[recovery->count++], page->jobs[i].id, STORE_ID_SIZE);
    return LM_OK;
}

static enum lm_status find_unfinished(struct recovery *recovery, struct lm_error *error)
{
    struct store_query query = {
        .states = 1u << STORE_QUEUED, .oldest_first = true, .limit = RECOVERY_PAGE};
    enum lm_status status;
    do {
        struct store_list page = {0};
        status = store_list(recovery->api->options.store, &query, &page, error);
        if (status == LM_OK)
            status = add_page(recovery, &page, error);
        query.cursor = page.next;
        store_list_clear(&page);
    } while (status == LM_OK && query.cursor != 0);
    return status;
}

static void recovery_free(struct recovery *recovery)
{
    if (!recovery)
        return;
    free(recovery->ids);
    free(recovery);
}

/* A thread of its own: reading thousands of requests takes a while. */
static void *recover(void *argument)
{
    struct recovery *recovery = argument;
    for (size_t i = 0; i < recovery->count; i++) {
        if (atomic_load(&recovery->api->state) == API_DRAINING)
            break;
        serving_recover(recovery->api, recovery->ids[i]);
    }
    recovery_free(recovery);
    return NULL;
}

static enum lm_status start_recovery(struct recovery *recovery, struct lm_error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&recovery->api->recovery, NULL, recover, recovery) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started ? LM_OK : lm_fail(error, LM_NOMEM, "the system gives no more threads");
}

enum lm_status api_start(struct api *api, struct lm_error *error)
{
    uint64_t again = 0;
    struct recovery *recovery = calloc(1, sizeof *recovery);
    if (!recovery)
        return lm_fail(error, LM_NOMEM, "out of memory for unfinished jobs");
    recovery->api = api;
    enum lm_status status = store_recover(api->options.store, &again, error);
    if (status == LM_OK)
        status = find_unfinished(recovery, error);
    if (status == LM_OK && recovery->count > 0) {
        log_event(LOG_INFO, "jobs_recovered", log_uint("jobs", recovery->count),
                  log_uint("interrupted", again));
        status = start_recovery(recovery, error);
        api->has_recovery = status == LM_OK;
    }
    if (!api->has_recovery)
        recovery_free(recovery);
    if (status == LM_OK)
        atomic_store(&api->state, API_READY);
    return status;
}

static void recover_stray(void *api, const char *id)
{
    serving_recover(api, id);
}

void api_tick(struct api *api)
{
    uint64_t deleted = 0;
    struct lm_error error = {0};
    if (store_expire(api->options.store, api_now_ms(), &deleted, &error) != LM_OK)
        log_event(LOG_ERROR, "store_failed", log_text("what", "expire"),
                  log_text("error", error.text));
    if (++api->ticks % STRAYS_TICKS == 0)
        strays_each(api->strays, recover_stray, api);
}

void api_leave(struct api *api)
{
    atomic_store(&api->state, API_LEAVING);
}

void api_drain(struct api *api)
{
    atomic_store(&api->state, API_DRAINING);
}

void api_free(struct api *api)
{
    if (!api)
        return;
    if (api->has_recovery)
        pthread_join(api->recovery, NULL);
    intake_free(api->intake);
    intake_free(api->loader);
    live_free(api->live);
    strays_free(api->strays);
    free(api);
}
