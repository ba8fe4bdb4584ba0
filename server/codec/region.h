/* Regions as callers write them, in JSON or on the command line, to masks.
 *
 * A region is {"png": "<base64>"}, {"rle": {"size": [h, w], "counts": "..." | [ints]}},
 * {"polygon": [[x1, y1, ...], ...]}, {"box": [x, y, w, h]} or {"segments": [ids], "segmentation":
 * {...}}; a list of them is their union.  They are in pixels of the upright picture, those with
 * "space": "input" in pixels of the network's input; segments always are.
 *
 *     struct region_budget budget = region_default_budget;            one for each request
 *     struct region_context context = {.transform = &transform, .budget = &budget};
 *     struct codec_fault fault = {0};                                 entered as far as `object`
 *     struct lm_mask visible = {0};
 *     status = region_parse_visible(object, &context, &visible, NULL, &fault, &error);
 */
#ifndef CODEC_REGION_H
#define CODEC_REGION_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "codec/fault.h"
#include "layermask/image.h"
#include "layermask/mask.h"
#include "layermask/segment.h"
#include "layermask/status.h"

/* What the regions of one request may still cost; every region takes its part.  work: steps of
 * about 10 ns; pixels of PNG files, rows crossed by polygon edges, 64-pixel words of masks. */
struct region_budget {
    size_t regions;
    size_t points; /* of polygons */
    uint64_t work;
    size_t regions_max; /* what `regions` was at first, for errors */
};
extern const struct region_budget region_default_budget; /* 10,000; 1,000,000; 10^9 */

struct region_context {
    const struct lm_transform *transform; /* both sizes, and the way between them */
    struct region_budget *budget;

    /* The segments that {"segments": ..., "segmentation": ...} means; `segmentation` is NULL when
     * there is none.  *out is of the input's size, borrowed until the parser returns.
     * The callback itself NULL: such regions are refused. */
    enum lm_status (*segments)(void *context, json_t *segmentation, const struct lm_segments **out,
                               struct codec_fault *fault, struct lm_error *error);
    void *context;
};

/* Reads a region or a list of them.
 * input: the pixels in it, of the network's input; at least one, else it is an error.
 * image: the same in pixels of the picture, for drawing; NULL if not wanted.
 * On failure both are untouched, and fault->pointer has been extended to the field at fault.
 * Errors: LM_INVALID (fault->malformed tells the two kinds apart), LM_CORRUPT (base64, PNG, RLE),
 * LM_UNSUPPORTED, LM_LIMIT (the budget), LM_NOMEM. */
enum lm_status region_parse(json_t *value, const struct region_context *context,
                            struct lm_mask *input, struct lm_mask *image, struct codec_fault *fault,
                            struct lm_error *error);

/* The same for a PNG file that came as it is: what {"png": ...} means. */
enum lm_status region_parse_png(const void *bytes, size_t size,
                                const struct region_context *context, struct lm_mask *input,
                                struct lm_mask *image, struct lm_error *error);

/* Reads what is left visible by the member "hide" or "keep" of an object, whose other members are
 * the caller's: all of it when there is neither; both is an error.  Set bits are visible; otherwise
 * as region_parse. */
enum lm_status region_parse_visible(json_t *object, const struct region_context *context,
                                    struct lm_mask *input, struct lm_mask *image,
                                    struct codec_fault *fault, struct lm_error *error);

/* A region of the command line as JSON: the path of a PNG file (at most 64 MiB), box:x,y,w,h, or
 * JSON itself (starts with { or [).  The caller decrefs *out.
 * Errors: LM_INVALID, LM_IO, LM_LIMIT, LM_NOMEM. */
enum lm_status region_from_argument(const char *text, json_t **out, struct lm_error *error);

#endif
