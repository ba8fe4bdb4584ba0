/* Which outputs of a network are to be explained, as people say it. */
#ifndef CODEC_LABEL_CHOICE_H
#define CODEC_LABEL_CHOICE_H

#include <stdint.h>

#include <jansson.h>

#include "codec/fault.h"
#include "layermask/status.h"

enum { LABEL_CHOICE_MAX = 100 };

/* Outputs in the order in which they were chosen, each once. */
struct label_choice {
    uint32_t n;
    uint32_t indices[LABEL_CHOICE_MAX];
};

/* "281,tabby": indices below `classes`, and names as of labels_find.
 * Errors: LM_INVALID, LM_LIMIT, LM_NOMEM. */
enum lm_status label_choice_parse(const char *text, const json_t *labels, uint32_t classes,
                                  struct label_choice *out, struct lm_error *error);

/* A list of indices and names, one of them, or text as above.
 * Errors: as above; fault points at the entry. */
enum lm_status label_choice_from_json(json_t *value, const json_t *labels, uint32_t classes,
                                      struct label_choice *out, struct codec_fault *fault,
                                      struct lm_error *error);

#endif
