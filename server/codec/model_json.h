/* model.json: how a network wants its pictures, what its outputs are called, how it is masked. */
#ifndef CODEC_MODEL_JSON_H
#define CODEC_MODEL_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "layermask/image.h"
#include "layermask/model.h"
#include "layermask/status.h"

enum { MODEL_JSON_MAX_BYTES = 1 << 24, MODEL_MAX_SIDE = 4096 };

struct model_description {
    struct lm_preprocess preprocess;
    bool probabilities; /* the outputs are probabilities already, not logits */
    struct lm_policy policy;
    enum lm_precision precision;
    bool says_precision; /* there is such a field */
    json_t *labels;      /* array of strings given in place, or NULL */
    char *labels_file;   /* or the name of a file beside model.json, or NULL */
    json_t *json;        /* everything that was read, unknown fields too; NULL if there was none */
};

/* What holds without a model.json: torchvision's ImageNet preprocessing (shorter side 256, centre
 * crop 224 x 224, its mean and std), logits, the default policy. */
void model_description_assume(struct model_description *out);

/* Reads a model.json.  Fields at the top that are not known are kept in ->json; inside of "input"
 * and "masking" they are errors, since they would change results if they were known.  Without
 * "input", torchvision's.  where: what to call the file in errors.
 * Errors: LM_CORRUPT (not JSON, a key twice), LM_INVALID (names the field), LM_LIMIT, LM_NOMEM. */
enum lm_status model_description_parse(const char *text, size_t size, const char *where,
                                       struct model_description *out, struct lm_error *error);

void model_description_free(struct model_description *description); /* NULL is fine; leaves {0} */

#endif
