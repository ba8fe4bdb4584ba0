/* Inside of the api room: what its files share. */
#ifndef API_API_ROOM_H
#define API_API_ROOM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "api/api.h"
#include "api/intake.h"
#include "api/live.h"
#include "api/strays.h"
#include "codec/request.h"

/* LEAVING: still takes work, but says that it is not ready. */
enum api_state { API_STARTING, API_READY, API_LEAVING, API_DRAINING };

struct api_metrics {
    struct metric *wait_seconds, *run_seconds, *jobs_ended; /* by class, the last by outcome, too */
    struct metric *samples;                                 /* by model */
    struct metric *queued, *started, *busy_workers, *sessions, *session_bytes, *job_bytes;
    struct metric *batches, *batch_items, *batch_room;
    struct metric *stored_jobs, *stored_bytes, *strays, *models;
};

struct api {
    struct api_options options;
    struct request_limits limits;
    struct intake *intake;
    struct intake *loader; /* for models, which take seconds each */
    struct live *live;
    struct strays *strays;
    unsigned ticks;
    atomic_int state;
    pthread_t recovery;
    bool has_recovery;
    struct api_metrics metrics;
};

/* api_metrics.c */
void api_metrics_declare(struct api *api);

/* Milliseconds since 1970. */
int64_t api_now_ms(void);

/* routes_*.c: the handlers of the routes table. */
void route_index(struct http_exchange *exchange, void *api);
void route_docs(struct http_exchange *exchange, void *api);
void route_openapi(struct http_exchange *exchange, void *api);
void route_livez(struct http_exchange *exchange, void *api);
void route_readyz(struct http_exchange *exchange, void *api);
void route_metrics(struct http_exchange *exchange, void *api);

void route_models(struct http_exchange *exchange, void *api);
void route_model(struct http_exchange *exchange, void *api);

void route_predict(struct http_exchange *exchange, void *api);
void route_explain(struct http_exchange *exchange, void *api);
void route_missingness(struct http_exchange *exchange, void *api);

void route_jobs(struct http_exchange *exchange, void *api);
void route_job(struct http_exchange *exchange, void *api);
void route_job_result(struct http_exchange *exchange, void *api);
void route_job_events(struct http_exchange *exchange, void *api);

void route_v2(struct http_exchange *exchange, void *api);
void route_v2_live(struct http_exchange *exchange, void *api);
void route_v2_ready(struct http_exchange *exchange, void *api);
void route_v2_model(struct http_exchange *exchange, void *api);
void route_v2_model_ready(struct http_exchange *exchange, void *api);
void route_v2_model_config(struct http_exchange *exchange, void *api);
void route_v2_infer(struct http_exchange *exchange, void *api);
void route_v2_index(struct http_exchange *exchange, void *api);
void route_v2_load(struct http_exchange *exchange, void *api);
void route_v2_unload(struct http_exchange *exchange, void *api);

#endif
