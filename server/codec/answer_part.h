/* What the files of answer.h share. */
#ifndef CODEC_ANSWER_PART_H
#define CODEC_ANSWER_PART_H

#include <stdint.h>

#include <jansson.h>

#include "layermask/status.h"

enum lm_status answer_fail(struct lm_error *error);

/* The label as a JSON string, null if it has none. */
json_t *answer_label(const json_t *labels, uint32_t index);

#endif
