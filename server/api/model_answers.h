/* JSON texts about models: GET /v1/models and GET /v1/models/{model}.
 *
 * All return malloc'ed text, NULL when out of memory. */
#ifndef API_MODEL_ANSWERS_H
#define API_MODEL_ANSWERS_H

#include <stddef.h>

#include <jansson.h>

#include "jobs/registry.h"

/* {"models": [names]}: all but those that have been unloaded, ready or not. */
char *model_answers_list(const struct model_status *models, size_t n);

/* Of a model that is ready:
 *
 *     {"name", "ready": true, "version",
 *      "inputs": as in v2_answers.h, "outputs": the same,
 *      "preprocessing": {"size": [height, width], "channels": "RGB" | "BGR",
 *                        "resize_shorter": pixels | null, "crop": "center" | "none",
 *                        "mean": [3], "std": [3], "assumed": whether there was no model.json},
 *      "output": "logits" | "probabilities", "classes": 1000, "labels": how many (0: none),
 *      "masking": {"concat", "exposed", "average_pool", "global_pool"},
 *      "precision": "float32" | "bfloat16", "kernels": "avx512", ...,
 *      "opset", "layers": how many, "parameters", "macs", "weight_bytes",
 *      "operators": {"Conv": 26, ...}, "load_ms",
 *      "description": {what else is in model.json}, "warnings": ["..."]} */
char *model_answers_ready(const struct model_entry *entry);

/* Of one that is not: {"name", "ready": false, "state": "loading" | "failed" | "unloaded",
 * "error"}.  For MODEL_READY, which has been forgotten since: "loading". */
char *model_answers_not_ready(const struct model_status *status);

/* Why a model is not ready, in a line; lives as long as the status. */
const char *model_answers_reason(const struct model_status *status);

/* Bytes of the reason that are not UTF-8, such as those of a cut character, become '?'. */
json_t *model_answers_reason_string(const char *reason);

/* What the files of this kind share: the text of a JSON value, whose reference is taken over; NULL
 * for NULL. */
char *model_answers_text(json_t *value);

#endif
