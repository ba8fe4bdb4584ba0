/* What an explanation is made over: segments of the picture as the network sees it. */
#ifndef CODEC_SEGMENTATION_H
#define CODEC_SEGMENTATION_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "codec/fault.h"
#include "codec/picture_input.h"
#include "layermask/segment.h"
#include "layermask/status.h"

/* More segments than these cannot be explained in a sensible time. */
enum { SEGMENTATION_MAX_SEGMENTS = 2000 };

struct segmentation {
    bool custom;
    struct lm_segment_options options; /* unless custom */
    char *path;                        /* custom: PNG of the picture's size */
};

/* "slic", "slic:50", "grid", "grid:7x7" (rows x columns), "grid:16" (cells of 16 x 16 pixels) or
 * "custom:FILE.png".  Errors: LM_INVALID, LM_NOMEM. */
enum lm_status segmentation_parse(const char *text, struct segmentation *out,
                                  struct lm_error *error);
void segmentation_free(struct segmentation *segmentation); /* NULL is fine; leaves {0} */

/* {"method": "slic" | "grid", ...} with the names of lm_segment_options; NULL: slic's defaults.
 * Errors: LM_INVALID (fault points at the field). */
enum lm_status segmentation_from_json(json_t *value, struct segmentation *out,
                                      struct codec_fault *fault, struct lm_error *error);

/* "slic", "grid" or "custom". */
const char *segmentation_method(const struct segmentation *segmentation);

/* Segments input->seen.  A custom map is a PNG of the picture's size; the pixels of one grey, or of
 * one colour, are one segment.  Its id is the grey (0 to 255), in a map with colours 65536 * red +
 * 256 * green + blue; segments are numbered by increasing id.
 * ids: NULL, or gets a malloc'ed array of the segments' ids; NULL unless custom.
 * Errors: those of lm_segment, LM_LIMIT (more than 2000 segments), LM_IO, LM_CORRUPT, LM_INVALID
 * (a map of another size), LM_UNSUPPORTED (a map of 16 bits a channel). */
enum lm_status segmentation_run(const struct segmentation *segmentation,
                                const struct picture_input *input, struct lm_segments *out,
                                int64_t **ids, struct lm_error *error);

#endif
