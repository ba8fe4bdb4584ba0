/* Names of a network's outputs: a JSON array of strings, its index the index of the output. */
#ifndef CODEC_LABELS_H
#define CODEC_LABELS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "layermask/status.h"

enum {
    LABELS_MAX_COUNT = 100000,
    LABELS_MAX_LENGTH = 1000,  /* bytes of one label */
    LABELS_MAX_BYTES = 1 << 24 /* of a file of labels */
};

/* One label a line; a line may be empty, a newline at the end starts no further one.
 * where: what to call the file in errors.
 * Errors: LM_INVALID (not UTF-8, names the line), LM_LIMIT, LM_NOMEM. */
enum lm_status labels_parse(const char *text, size_t size, const char *where, json_t **out,
                            struct lm_error *error);

/* The array itself, with a new reference, if it holds nothing but labels.  Errors as above. */
enum lm_status labels_from_json(json_t *array, const char *where, json_t **out,
                                struct lm_error *error);

/* NULL if there is none. */
const char *labels_get(const json_t *labels, uint32_t index);

/* The output called `name`: its whole label or one of the comma-separated names in it, in any
 * case of the ASCII letters.  Errors: LM_INVALID (no such label, or several). */
enum lm_status labels_find(const json_t *labels, const char *name, uint32_t *out,
                           struct lm_error *error);

#endif
