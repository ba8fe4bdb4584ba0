/* Rectangular segments: the plainest segmentation, and the one whose results compare across
 * pictures.  The rules for choosing rows and columns are in layermask/segment.h. */
#include "segment/segment_grid.h"

#include <math.h>

/* Cell number of a pixel along one axis: evenly spread, or in steps of `cell` pixels. */
struct axis {
    uint32_t size, cells, cell;
};

static uint32_t axis_cell(const struct axis *axis, uint32_t position)
{
    if (axis->cell)
        return position / axis->cell;
    return (uint32_t)((uint64_t)position * axis->cells / axis->size);
}

static double misfit(const struct axis *y, const struct axis *x, uint32_t rows, uint32_t columns,
                     uint32_t n_segments)
{
    double cells = (double)rows * columns;
    double aspect = (double)y->size * columns / ((double)x->size * rows);
    return 2.0 * fabs(log(cells / n_segments)) + fabs(log(aspect));
}

/* For each number of rows only the two nearest numbers of columns can be best. */
static void fit_both(struct axis *y, struct axis *x, uint32_t n_segments)
{
    double best = INFINITY;
    uint32_t most_rows = y->size < n_segments ? y->size : n_segments;
    for (uint32_t rows = 1; rows <= most_rows; rows++) {
        uint32_t fewest = n_segments / rows;
        for (uint32_t columns = fewest; columns <= fewest + 1 && columns <= x->size; columns++) {
            double found = misfit(y, x, rows, columns, n_segments);
            if (found < best) {
                best = found;
                y->cells = rows;
                x->cells = columns;
            }
        }
    }
}

/* The axis without a wish gets what the other leaves of n_segments. */
static void fit_one(struct axis *axis, uint32_t other, uint32_t n_segments)
{
    uint32_t cells = (n_segments + other / 2) / other;
    if (cells < 1)
        cells = 1;
    axis->cells = cells < axis->size ? cells : axis->size;
}

static enum lm_status check_side(const char *name, uint32_t value, const char *side, uint32_t limit,
                                 struct lm_error *error)
{
    if (value <= limit)
        return LM_OK;
    return lm_fail(error, LM_INVALID, "%s is %u, must be within 1..%u (the picture's %s)", name,
                   value, limit, side);
}

static void fit_cell(struct axis *axis, uint32_t cell)
{
    axis->cell = cell;
    axis->cells = (axis->size - 1) / cell + 1;
}

static enum lm_status plan(const struct lm_segment_options *options, struct axis *y, struct axis *x,
                           struct lm_error *error)
{
    if (options->cell && (options->rows || options->columns || options->n_segments))
        return lm_fail(error, LM_INVALID, "cell is %u, and excludes rows, columns and n_segments",
                       options->cell);
    if (check_side("rows", options->rows, "height", y->size, error) != LM_OK ||
        check_side("columns", options->columns, "width", x->size, error) != LM_OK)
        return LM_INVALID;
    y->cells = options->rows;
    x->cells = options->columns;
    if (options->cell) {
        fit_cell(y, options->cell);
        fit_cell(x, options->cell);
    } else if (!y->cells && !x->cells) {
        fit_both(y, x, options->n_segments);
    } else if (!y->cells) {
        fit_one(y, x->cells, options->n_segments);
    } else if (!x->cells) {
        fit_one(x, y->cells, options->n_segments);
    }
    if ((uint64_t)y->cells * x->cells > LM_SEGMENTS_MAX)
        return lm_fail(error, LM_INVALID, "a grid of %u rows and %u columns has more than %d cells",
                       y->cells, x->cells, LM_SEGMENTS_MAX);
    return LM_OK;
}

enum lm_status grid_segment(const struct lm_image *image, const struct lm_segment_options *options,
                            int32_t *labels, uint32_t *count, struct lm_error *error)
{
    struct axis y_axis = {.size = image->height}, x_axis = {.size = image->width};
    enum lm_status status = plan(options, &y_axis, &x_axis, error);
    if (status != LM_OK)
        return status;
    for (uint32_t y = 0; y < image->height; y++) {
        uint32_t first = axis_cell(&y_axis, y) * x_axis.cells;
        int32_t *row = labels + (size_t)y * image->width;
        for (uint32_t x = 0; x < image->width; x++)
            row[x] = (int32_t)(first + axis_cell(&x_axis, x));
    }
    *count = y_axis.cells * x_axis.cells;
    return LM_OK;
}
