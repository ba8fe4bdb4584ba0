/* What samples may be: shared by those who draw and those who fit. */
#ifndef LM_EXPLAIN_SAMPLES_H
#define LM_EXPLAIN_SAMPLES_H

#include "layermask/explain.h"

enum {
    SAMPLES_MAX_COUNT = 1000000,
    SAMPLES_MAX_SEGMENTS = 65536,
    SAMPLES_MAX_CELLS = 1 << 30, /* count * segments, a byte each */
};

/* LM_INVALID if either is 0, LM_LIMIT if one or their product is too large. */
enum lm_status samples_check_size(uint32_t segments, uint32_t count, struct lm_error *error);

#endif
