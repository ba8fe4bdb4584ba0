/* SLIC superpixels: Lab colours, k-means from a lattice of centres, connected pieces.
 *
 * Every choice that decides about labels is scikit-image 0.19's, in double precision as it uses
 * for 8-bit pictures: two sizes of step (from the wanted number of segments for the weight of
 * distance, from the number of centres for the search windows), ties for the lower label. */
#include "segment/slic.h"

#include <math.h>

#include "base/memory.h"

/* Points along an axis that start at half a step; `spacing` may be fractional. */
static void plan_axis(double spacing, size_t size, size_t *start, size_t *step, size_t *points)
{
    *start = (size_t)floor(spacing / 2.0);
    *step = (size_t)rint(spacing);
    *points = (size - *start - 1) / *step + 1;
}

struct slic_lattice slic_lattice_plan(size_t width, size_t height, size_t n_segments)
{
    double n = (double)n_segments;
    double spacing = sqrt((double)width * (double)height / n);
    double spacing_y = spacing, spacing_x = spacing;
    if ((double)height < spacing && height <= width) { /* one row of centres */
        spacing_y = (double)height;
        spacing_x = (double)width / n;
    } else if ((double)width < spacing) { /* one column */
        spacing_x = (double)width;
        spacing_y = (double)height / n;
    }
    struct slic_lattice lattice;
    plan_axis(spacing_y, height, &lattice.start_y, &lattice.step_y, &lattice.rows);
    plan_axis(spacing_x, width, &lattice.start_x, &lattice.step_x, &lattice.columns);
    return lattice;
}

/* A share of the mean segment in whole pixels, at most all of them. */
static size_t share_pixels(double factor, size_t pixels, size_t centres)
{
    double share = factor * ((double)pixels / (double)centres);
    return share < (double)pixels ? (size_t)share : pixels;
}

static bool cut_pieces(const struct lm_segment_options *options, const struct slic_lab *lab,
                       size_t centres, const int32_t *clusters, int32_t *labels, uint32_t *count)
{
    size_t pixels = lab->width * lab->height;
    size_t min_size = share_pixels(options->min_size_factor, pixels, centres);
    size_t max_size = share_pixels(options->max_size_factor, pixels, centres);
    return slic_connect(clusters, lab->width, lab->height, min_size, max_size ? max_size : 1,
                        labels, count);
}

enum lm_status slic_segment(const struct lm_image *image, const struct lm_segment_options *options,
                            int32_t *labels, uint32_t *count, struct lm_error *error)
{
    struct slic_lab lab = {.width = image->width, .height = image->height};
    struct slic_lattice lattice = slic_lattice_plan(lab.width, lab.height, options->n_segments);
    enum lm_status status = LM_OK;
    size_t pixels = lab.width * lab.height; /* fits: the labels exist */
    int32_t *clusters = array_alloc(pixels, sizeof *clusters);
    lab.values = array_alloc(pixels, 3 * sizeof *lab.values);
    if (!clusters || !lab.values)
        goto out_of_memory;
    slic_lab_convert(image, 1.0 / options->compactness, &lab);
    if (options->sigma > 0.0 && !slic_lab_smooth(&lab, options->sigma))
        goto out_of_memory;
    if (!slic_cluster(&lab, &lattice, options->max_num_iter, clusters) ||
        !cut_pieces(options, &lab, lattice.rows * lattice.columns, clusters, labels, count))
        goto out_of_memory;
    goto done;
out_of_memory:
    status = lm_fail(error, LM_NOMEM, "out of memory for superpixels of %u x %u pixels",
                     image->width, image->height);
done:
    free(clusters);
    free(lab.values);
    return status;
}
