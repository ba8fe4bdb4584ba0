/* JSON texts of the Open Inference Protocol, version 2, about the server and its models.
 *
 * All char * are malloc'ed, NULL when out of memory. */
#ifndef API_V2_ANSWERS_H
#define API_V2_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "jobs/registry.h"

/* GET /v2: {"name": "layermask", "version", "extensions"}.  repository: models can be loaded and
 * unloaded. */
char *v2_server_answer(const char *version, bool repository);

/* GET /v2/models/{model}: {"name", "versions", "platform", "inputs", "outputs"}.  As Triton does
 * it, optional tensors are listed, too: of input and image a request has one, mask is optional. */
char *v2_model_answer(const struct model_entry *entry);

/* Its parts, new references; NULL when out of memory. */
json_t *v2_model_inputs(const struct model_entry *entry);
json_t *v2_model_outputs(const struct model_entry *entry);

/* GET /v2/models/{model}/ready: {"name", "ready"}. */
char *v2_model_ready_answer(const char *name, bool ready);

/* GET /v2/models/{model}/config: Triton's model configuration, as far as it makes sense.
 * max_pictures: in one request, the option max_instances. */
char *v2_model_config_answer(const struct model_entry *entry, uint32_t max_pictures);

/* POST /v2/repository/index: [{"name", "version", "state": "READY" | "LOADING" | "UNAVAILABLE",
 * "reason"}]; version and reason are left out where there is none.  ready: only what is ready. */
char *v2_index_answer(const struct model_status *models, size_t n, bool ready);

#endif
