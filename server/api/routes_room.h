/* What the handlers share. */
#ifndef API_ROUTES_ROOM_H
#define API_ROUTES_ROOM_H

#include "api/api_room.h"
#include "api/serving.h"

/* Each of these answers the exchange itself when it says no (false, NULL). */

/* Which of the possible forms (JSON, PNG, JPEG) the client likes best: else 406. */
bool route_wants(struct http_exchange *exchange, unsigned possible, unsigned *out);

/* The path's {model}, with a reference: else 404, or 503 when it is not loaded. */
const struct model_entry *route_model_entry(struct http_exchange *exchange, struct api *api);

/* New work is taken: else 503. */
bool route_is_open(struct http_exchange *exchange, struct api *api);

/* When a direct call has to be done, from Request-Timeout and compute_deadline; 0: any time. */
bool route_deadline(struct http_exchange *exchange, struct api *api, uint64_t *deadline_ns);

/* A direct call of that model, whose reference it takes over (NULL: already answered): else 503. */
struct serving *route_serving(struct http_exchange *exchange, struct api *api,
                              const struct call_kind *kind, const struct model_entry *entry,
                              uint64_t deadline_ns);

/* Work on a thread of an intake that ends with an answer. */
struct route_task {
    struct intake_task task; /* first */
    struct http_exchange *exchange;
    struct api *api;
};
void route_later(struct http_exchange *exchange, struct api *api, struct intake *intake,
                 void (*run)(struct intake_task *task));

#endif
