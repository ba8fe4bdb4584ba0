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

struct region_budget; /* region.h */

/* More segments than these cannot be explained in a sensible time. */
enum { SEGMENTATION_MAX_SEGMENTS = 2000 };

struct segmentation {
    bool custom;
    struct lm_segment_options options; /* unless custom */
    char *path;                        /* custom: PNG of the picture's size, ... */
    json_t *png;                       /* ... or that in base64, ... */
    json_t *rle;                       /* ... or a list of COCO RLE, one for each segment */
    uint32_t max_segments;             /* 0: SEGMENTATION_MAX_SEGMENTS */
    struct region_budget *budget; /* what maps take their work from; NULL: a budget of its own */
};

/* "slic", "slic:50", "grid", "grid:7x7" (rows x columns), "grid:16" (cells of 16 x 16 pixels) or
 * "custom:FILE.png".  Errors: LM_INVALID, LM_NOMEM. */
enum lm_status segmentation_parse(const char *text, struct segmentation *out,
                                  struct lm_error *error);
void segmentation_free(struct segmentation *segmentation); /* NULL is fine; leaves {0} */

/* {"method": "slic" | "grid", ...} with the names of lm_segment_options; {"method": "custom",
 * "png16": "<base64>" | "rle": [...]}; or text as above, without files.  NULL: slic's defaults.
 * Maps are looked at when segmentation_run has a picture to put them on.
 * Errors: LM_INVALID (fault points at the field), LM_UNSUPPORTED (quickshift, felzenszwalb). */
enum lm_status segmentation_from_json(json_t *value, struct segmentation *out,
                                      struct codec_fault *fault, struct lm_error *error);

/* "slic", "grid" or "custom". */
const char *segmentation_method(const struct segmentation *segmentation);

/* Most segments that it may have, and most that it can have: the limit or fewer. */
uint32_t segmentation_limit(const struct segmentation *segmentation);
uint32_t segmentation_most(const struct segmentation *segmentation);

/* Segments input->seen.  Custom maps are of the picture's size.  In a PNG the pixels of one grey
 * (8 or 16 bits), or of one colour (8 bits a channel), are one segment; see lm_image_decode_ids for
 * its id.  Of RLE, the id is the place in the list, and pixels that are in none are one segment
 * more, whose id is the length of the list.  Segments are numbered by increasing id; those of which
 * the network sees no pixel are left out.
 * ids: NULL, or gets a malloc'ed array of the segments' ids; NULL unless custom.
 * Errors: those of lm_segment, LM_LIMIT (too many segments, the budget), LM_IO, LM_CORRUPT,
 * LM_INVALID (a map of another size, RLE that overlap or are empty), LM_UNSUPPORTED. */
enum lm_status segmentation_run(const struct segmentation *segmentation,
                                const struct picture_input *input, struct lm_segments *out,
                                int64_t **ids, struct lm_error *error);

/* The most memory that segmentation_run takes beside the picture_input, bytes. */
uint64_t segmentation_bytes(const struct segmentation *segmentation, uint64_t picture_pixels,
                            uint64_t input_pixels);

#endif
