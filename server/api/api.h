/* The HTTP API: what each route does, on top of jobs, store, models and HTTP.
 *
 *     api_create(&options, &api, &error);
 *     http_start(&config, api_routes, api_n_routes, api, &server, &error);
 *     api_start(api, &error);                  ready, and unfinished jobs run again
 *     api_tick(api);                           every second or so
 *     api_leave(api);                          readyz says no
 *     api_drain(api);                          new work is refused, too
 *     ... http_quiesce, jobs_drain, http_stop ...
 *     api_free(api);
 *
 * Handlers run on HTTP threads and must not block.  What takes longer than a lookup (parsing
 * bodies, writing to the store, loading models) is handed to a few intake threads; what computes
 * is a job.
 */
#ifndef API_API_H
#define API_API_H

#include <stddef.h>

#include "config/settings.h"
#include "http/http.h"
#include "jobs/jobs.h"
#include "jobs/registry.h"
#include "layermask/status.h"
#include "obs/metrics.h"
#include "store/store.h"

struct api;

/* All outlive the api. */
struct api_options {
    const struct settings *settings;
    struct jobs *jobs;
    struct registry *registry;
    struct store *store;
    struct metrics *metrics;
};

extern const struct http_route api_routes[];
extern const size_t api_n_routes;

/* Not ready at first.  Errors: LM_NOMEM. */
enum lm_status api_create(const struct api_options *options, struct api **out,
                          struct lm_error *error);

/* Takes work from now on, and begins to submit again what the store has unfinished.
 * Errors: those of the store. */
enum lm_status api_start(struct api *api, struct lm_error *error);

/* Deletes what has expired from the store; tries again the jobs that could not be gone on with. */
void api_tick(struct api *api);

/* Not ready any more, but everything goes on, for as long as load balancers need to notice. */
void api_leave(struct api *api);

/* New work is refused with 503.  Accepted work goes on. */
void api_drain(struct api *api);

/* After http_stop and jobs_drain.  NULL is fine. */
void api_free(struct api *api);

#endif
