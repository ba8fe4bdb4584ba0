/* The names of lm_precision's choices, in model.json, on command lines and in settings. */
#ifndef CODEC_PRECISION_H
#define CODEC_PRECISION_H

#include <stdbool.h>

#include "layermask/model.h"

#define PRECISION_NAMES "float32, bfloat16"

/* False, with *out untouched, if there is no such precision. */
bool precision_parse(const char *text, enum lm_precision *out);

const char *precision_name(enum lm_precision precision);

#endif
