/* A mask's columns, 64 at a time, as runs of bits: COCO counts down the columns, masks lie in rows.
 * A strip takes 8 bytes for each row.
 */
#ifndef LM_MASK_STRIP_H
#define LM_MASK_STRIP_H

#include <stddef.h>
#include <stdint.h>

#include "layermask/mask.h"

/* The 64 columns of word `index` of every row: column c is the bits from bits + c * words. */
struct mask_strip {
    size_t words; /* of a column */
    uint64_t *bits;
};

/* All clear; free(bits).  Errors: LM_NOMEM. */
enum lm_status mask_strip_create(const struct lm_mask *mask, struct mask_strip *out,
                                 struct lm_error *error);

/* The columns in the strip of word `index`: 64, fewer at the right edge. */
size_t mask_strip_columns(const struct lm_mask *mask, size_t index);

void mask_strip_from_mask(struct mask_strip *strip, const struct lm_mask *mask, size_t index);

/* Adds the strip's set bits to the mask; those beyond its right edge must be clear. */
void mask_strip_into_mask(const struct mask_strip *strip, struct lm_mask *mask, size_t index);

#endif
