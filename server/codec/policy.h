/* The names of lm_policy's choices, in model.json and on the command line. */
#ifndef CODEC_POLICY_H
#define CODEC_POLICY_H

#include <jansson.h>

#include "layermask/model.h"
#include "layermask/status.h"

/* Sets one choice by name: ("concat", "majority").  where: what to call the field in an error.
 * Errors: LM_INVALID, listing what there is. */
enum lm_status policy_set(struct lm_policy *policy, const char *field, const char *value,
                          const char *where, struct lm_error *error);

/* Command line: a preset ("default", "authors-squeezenet", "authors-densenet"), or choices over
 * what *policy holds: "concat=majority,exposed=zero". */
enum lm_status policy_parse(const char *text, struct lm_policy *policy, struct lm_error *error);

/* {"concat": "union", ...}; NULL when out of memory. */
json_t *policy_to_json(const struct lm_policy *policy);

/* "concat=union,exposed=computed,average_pool=visible,global_pool=visible" into `out`. */
enum { POLICY_TEXT_BYTES = 128 };
void policy_to_text(const struct lm_policy *policy, char out[POLICY_TEXT_BYTES]);

#endif
