/* Entry of the room: options checked and completed, then the method.
 *
 * Ranges are wide, but finite, so that no later arithmetic can overflow: a compactness of 1e-300
 * would make all distances infinite. */
#include "layermask/segment.h"

#include <math.h>

#include "base/memory.h"
#include "segment/segment_grid.h"
#include "segment/slic.h"

static enum lm_status check_count(const char *name, uint32_t value, uint32_t limit,
                                  struct lm_error *error)
{
    if (value >= 1 && value <= limit)
        return LM_OK;
    return lm_fail(error, LM_INVALID, "%s is %u, must be within 1..%u", name, value, limit);
}

static enum lm_status check_real(const char *name, double value, double low, double high,
                                 struct lm_error *error)
{
    if (value >= low && value <= high)
        return LM_OK;
    return lm_fail(error, LM_INVALID, "%s is %g, must be within %g..%g", name, value, low, high);
}

static enum lm_status check_image(const struct lm_image *image, struct lm_error *error)
{
    if (!image || !image->rgb || !image->width || !image->height)
        return lm_fail(error, LM_INVALID, "the picture to segment is empty");
    if ((uint64_t)image->width * image->height > INT32_MAX)
        return lm_fail(error, LM_LIMIT, "the %u x %u picture has more than %d pixels", image->width,
                       image->height, INT32_MAX);
    return LM_OK;
}

/* n_segments: both methods have it. */
static enum lm_status complete_count(const struct lm_image *image,
                                     struct lm_segment_options *options, struct lm_error *error)
{
    uint64_t pixels = (uint64_t)image->width * image->height;
    if (!options->n_segments)
        options->n_segments = pixels < 50 ? (uint32_t)pixels : 50;
    if (check_count("n_segments", options->n_segments, LM_SEGMENTS_MAX, error) != LM_OK)
        return LM_INVALID;
    if (options->n_segments > pixels)
        return lm_fail(error, LM_INVALID, "n_segments is %u, the %u x %u picture has %llu pixels",
                       options->n_segments, image->width, image->height,
                       (unsigned long long)pixels);
    return LM_OK;
}

static double default_real(double value, double preset)
{
    return value == 0.0 ? preset : value;
}

static enum lm_status complete_slic(struct lm_segment_options *options, struct lm_error *error)
{
    options->compactness = default_real(options->compactness, 10.0);
    options->min_size_factor = default_real(options->min_size_factor, 0.5);
    options->max_size_factor = default_real(options->max_size_factor, 3.0);
    if (!options->max_num_iter)
        options->max_num_iter = 10;
    if (check_real("compactness", options->compactness, 1e-6, 1e6, error) != LM_OK ||
        check_count("max_num_iter", options->max_num_iter, 1000, error) != LM_OK ||
        check_real("sigma", options->sigma, 0.0, 100.0, error) != LM_OK ||
        check_real("min_size_factor", options->min_size_factor, 0.0, 1e6, error) != LM_OK ||
        check_real("max_size_factor", options->max_size_factor, 0.0, 1e6, error) != LM_OK)
        return LM_INVALID;
    if (options->min_size_factor > options->max_size_factor)
        return lm_fail(error, LM_INVALID,
                       "min_size_factor is %g, must be at most max_size_factor, %g",
                       options->min_size_factor, options->max_size_factor);
    return LM_OK;
}

static enum lm_status label_pixels(const struct lm_image *image, struct lm_segment_options *options,
                                   int32_t *labels, uint32_t *count, struct lm_error *error)
{
    switch (options->method) {
    case LM_SEGMENT_SLIC:
        if (complete_count(image, options, error) != LM_OK ||
            complete_slic(options, error) != LM_OK)
            return LM_INVALID;
        return slic_segment(image, options, labels, count, error);
    case LM_SEGMENT_GRID:
        /* With a cell, n_segments has no default: grid_segment tells the two apart. */
        if ((!options->cell || options->n_segments) &&
            complete_count(image, options, error) != LM_OK)
            return LM_INVALID;
        return grid_segment(image, options, labels, count, error);
    }
    return lm_fail(error, LM_INVALID, "segmentation method %d is unknown", (int)options->method);
}

enum lm_status lm_segment(const struct lm_image *image, const struct lm_segment_options *options,
                          struct lm_segments *out, struct lm_error *error)
{
    struct lm_segment_options chosen = {0};
    if (options)
        chosen = *options;
    enum lm_status status = check_image(image, error);
    if (status != LM_OK)
        return status;
    size_t pixels;
    struct lm_segments made = {.width = image->width, .height = image->height};
    if (size_mul(image->width, image->height, &pixels))
        made.labels = array_alloc(pixels, sizeof *made.labels);
    if (!made.labels)
        return lm_fail(error, LM_NOMEM, "out of memory for the labels of %u x %u pixels",
                       image->width, image->height);
    status = label_pixels(image, &chosen, made.labels, &made.count, error);
    if (status == LM_OK)
        *out = made;
    else
        lm_segments_free(&made);
    return status;
}

void lm_segments_free(struct lm_segments *segments)
{
    if (!segments)
        return;
    free(segments->labels);
    *segments = (struct lm_segments){0};
}
