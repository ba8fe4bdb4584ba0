/* Boxes, polygons, segments and PNG files drawn into masks.
 *
 * One rule for all outlines: a pixel belongs to a shape when its centre does; an edge that runs
 * exactly through a centre gives the pixel to the shape on its right or below, so that shapes
 * which share an edge share no pixel and leave none out.
 *
 * Polygons need no sorting: each edge flips one bit in each row that it crosses, at the first
 * centre right of the crossing, and the parity of the flips up to a pixel says whether it is
 * inside.  Time grows with the number of crossed rows, memory is that of the mask.
 */
#include <math.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/memory.h"
#include "image/image_room.h"
#include "layermask/mask.h"

#define MAX_COORDINATE 1e6

/* The first pixel, 0..count, whose centre is not before `position`. */
static size_t first_centre(double position, uint32_t count)
{
    double pixel = ceil(position - 0.5);
    if (!(pixel > 0))
        return 0;
    return pixel < count ? (size_t)pixel : count;
}

enum lm_status lm_mask_add_box(struct lm_mask *mask, double x, double y, double width,
                               double height, struct lm_error *error)
{
    if (!isfinite(x) || !isfinite(y) || !isfinite(width) || !isfinite(height))
        return lm_fail(error, LM_INVALID, "box: numbers must be finite");
    if (!(width > 0 && height > 0))
        return lm_fail(error, LM_INVALID, "box: width %g and height %g must be above 0", width,
                       height);
    size_t left = first_centre(x, mask->width), right = first_centre(x + width, mask->width);
    size_t top = first_centre(y, mask->height), bottom = first_centre(y + height, mask->height);
    for (size_t row = top; row < bottom; row++)
        bits_set_span(mask->bits + row * mask->words, left, right);
    return LM_OK;
}

static enum lm_status check_points(const double *xy, size_t n, struct lm_error *error)
{
    if (n < 3)
        return lm_fail(error, LM_INVALID, "polygon: %zu points, at least 3 are needed", n);
    for (size_t i = 0; i < 2 * n; i++)
        if (!(fabs(xy[i]) <= MAX_COORDINATE))
            return lm_fail(error, LM_INVALID, "polygon: %c of point %zu is %g, the limit is +-%g",
                           i % 2 ? 'y' : 'x', i / 2, xy[i], MAX_COORDINATE);
    return LM_OK;
}

/* Rows top..bottom-1 of a mask-wide bit map in which edges flip bits. */
struct flips {
    const struct lm_mask *mask;
    size_t top, bottom;
    uint64_t *bits;
};

/* Flips the bits of the edge a-b. Taken from its upper end always, so that two polygons which
 * share it get the same crossings. */
static void flip_edge(struct flips *flips, const double *a, const double *b)
{
    if (a[1] > b[1]) {
        const double *upper = b;
        b = a;
        a = upper;
    }
    const struct lm_mask *mask = flips->mask;
    size_t top = first_centre(a[1], mask->height), bottom = first_centre(b[1], mask->height);
    if (top == bottom)
        return; /* level, or between two rows of centres */
    double slope = (b[0] - a[0]) / (b[1] - a[1]);
    for (size_t y = top; y < bottom; y++) {
        double crossing = a[0] + ((double)y + 0.5 - a[1]) * slope;
        size_t x = first_centre(crossing, mask->width);
        if (x < mask->width)
            flips->bits[(y - flips->top) * mask->words + x / 64] ^= (uint64_t)1 << (x % 64);
    }
}

/* Each bit becomes the parity of the bits up to and with it. */
static uint64_t parity_of_prefix(uint64_t word)
{
    for (unsigned shift = 1; shift < 64; shift *= 2)
        word ^= word << shift;
    return word;
}

static void fill_by_parity(struct lm_mask *mask, const struct flips *flips)
{
    size_t tail = mask->width % 64;
    for (size_t y = flips->top; y < flips->bottom; y++) {
        const uint64_t *row = flips->bits + (y - flips->top) * mask->words;
        uint64_t *to = mask->bits + y * mask->words;
        uint64_t inside = 0; /* all ones when the row is inside at the end of the word before */
        for (size_t i = 0; i < mask->words; i++) {
            uint64_t filled = row[i] ? parity_of_prefix(row[i]) ^ inside : inside;
            inside = (uint64_t)0 - (filled >> 63);
            to[i] |= i + 1 == mask->words && tail ? filled & bits_low(tail) : filled;
        }
    }
}

enum lm_status lm_mask_add_polygon(struct lm_mask *mask, const double *xy, size_t n,
                                   struct lm_error *error)
{
    enum lm_status status = check_points(xy, n, error);
    if (status != LM_OK)
        return status;
    double low = xy[1], high = xy[1];
    for (size_t i = 1; i < n; i++) {
        low = fmin(low, xy[2 * i + 1]);
        high = fmax(high, xy[2 * i + 1]);
    }
    struct flips flips = {.mask = mask,
                          .top = first_centre(low, mask->height),
                          .bottom = first_centre(high, mask->height)};
    flips.bits = array_zalloc((flips.bottom - flips.top) * mask->words, sizeof *flips.bits);
    if (!flips.bits)
        return lm_fail(error, LM_NOMEM, "polygon: out of memory");
    for (size_t i = 0; i < n; i++)
        flip_edge(&flips, xy + 2 * i, xy + 2 * (i + 1 < n ? i + 1 : 0));
    fill_by_parity(mask, &flips);
    free(flips.bits);
    return LM_OK;
}

void lm_mask_add_segment(struct lm_mask *mask, const int32_t *labels, int32_t segment)
{
    for (uint32_t y = 0; y < mask->height; y++)
        for (uint32_t x = 0; x < mask->width; x++)
            if (labels[(size_t)y * mask->width + x] == segment)
                lm_mask_set(mask, x, y);
}

static void set_row(void *context, uint32_t y, const uint8_t *nonzero)
{
    struct lm_mask *mask = context;
    for (uint32_t x = 0; x < mask->width; x++)
        mask->bits[y * mask->words + x / 64] |= (uint64_t)(nonzero[x] != 0) << (x % 64);
}

enum lm_status lm_mask_add_png(struct lm_mask *mask, const void *bytes, size_t size,
                               struct lm_error *error)
{
    return image_png_decode_mask(bytes, size, mask->width, mask->height, set_row, mask, error);
}
