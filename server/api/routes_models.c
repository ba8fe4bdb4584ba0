/* Models: their list and what is known of each. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/model_answers.h"
#include "api/routes_room.h"

void route_later(struct http_exchange *exchange, struct api *api, struct intake *intake,
                 void (*run)(struct intake_task *task))
{
    struct route_task *work = calloc(1, sizeof *work);
    if (!work) {
        http_reply_error(exchange, 503, "out of memory");
        return;
    }
    *work = (struct route_task){.task.run = run, .exchange = exchange, .api = api};
    intake_post(intake, &work->task);
}

void route_models(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct model_status *all = NULL;
    size_t count = 0;
    char *text = NULL;
    if (registry_list(api->options.registry, &all, &count, NULL) == LM_OK)
        text = model_answers_list(all, count);
    free(all);
    http_reply_json(exchange, 200, text);
}

/* A model that is not ready is told with 503, as KServe's clients want it. */
void route_model(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    const char *name = http_parameter(exchange, "model");
    const struct model_entry *entry = registry_find(api->options.registry, name);
    struct model_status status;
    if (entry)
        http_reply_json(exchange, 200, model_answers_ready(entry));
    else if (registry_look(api->options.registry, name, &status))
        http_reply_json(exchange, 503, model_answers_not_ready(&status));
    else
        route_model_entry(exchange, api);
    model_entry_release(entry);
}
