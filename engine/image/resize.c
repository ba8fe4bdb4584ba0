/* Bilinear scaling with antialiasing, equal to Pillow's.
 *
 * Networks were trained on pictures that Pillow scaled, so its arithmetic is followed to the bit:
 * triangle weights over the source pixels that an output pixel covers (at least 2, more when
 * shrinking), computed and normalised in double, rounded to 22 fractional bits, applied to rows
 * first and columns second with rounding to 8 bits in between.
 *
 * Only a window of the scaled picture is made: the weights of its columns and rows, and the source
 * rows that they reach.  So a crop costs what it shows, and a very long picture costs little.
 * Weights take at most about 8 * source side + 12 * window side bytes a direction. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "image/image_room.h"

#define FRACTION_BITS 22
#define ONE_HALF ((uint32_t)1 << (FRACTION_BITS - 1))

/* For each of `count` output positions, the source positions from first[i] on, length[i] of them,
 * and their weights[i * stride ...]. */
struct taps {
    uint32_t count;
    size_t stride;
    uint32_t *first, *length, *weights;
};

static void taps_free(struct taps *taps)
{
    free(taps->first);
    free(taps->length);
    free(taps->weights);
}

static double triangle(double x)
{
    return fabs(x) < 1.0 ? 1.0 - fabs(x) : 0.0;
}

/* Fills entry i with the weights of output position `position`; scratch holds `stride` doubles. */
static void taps_fill(struct taps *taps, uint32_t i, uint32_t position, uint32_t source,
                      double scale, double *scratch)
{
    double widening = scale > 1.0 ? scale : 1.0;
    double centre = (position + 0.5) * scale, sum = 0.0;
    double low = centre - widening + 0.5, high = centre + widening + 0.5;
    uint32_t begin = low > 0.0 ? (uint32_t)low : 0;
    uint32_t end = high < source ? (uint32_t)high : source;
    for (uint32_t k = begin; k < end; k++) {
        scratch[k - begin] = triangle((k - centre + 0.5) * (1.0 / widening));
        sum += scratch[k - begin];
    }
    for (uint32_t k = 0; k < end - begin; k++)
        taps->weights[i * taps->stride + k] =
            (uint32_t)(0.5 + scratch[k] / sum * ((uint32_t)1 << FRACTION_BITS));
    taps->first[i] = begin;
    taps->length[i] = end - begin;
}

/* Plans output positions offset .. offset + count - 1 of a side that goes from source to scaled. */
static bool taps_plan(struct taps *taps, uint32_t source, uint32_t scaled, uint32_t offset,
                      uint32_t count)
{
    double scale = (double)source / scaled;
    double widening = scale > 1.0 ? scale : 1.0;
    size_t weights;
    taps->count = count;
    taps->stride = (size_t)ceil(widening) * 2 + 1;
    taps->first = array_alloc(count, sizeof *taps->first);
    taps->length = array_alloc(count, sizeof *taps->length);
    if (size_mul(count, taps->stride, &weights))
        taps->weights = array_alloc(weights, sizeof *taps->weights);
    double *scratch = array_alloc(taps->stride, sizeof *scratch);
    bool ok = taps->first && taps->length && taps->weights && scratch;
    for (uint32_t i = 0; ok && i < count; i++)
        taps_fill(taps, i, offset + i, source, scale, scratch);
    free(scratch);
    return ok;
}

/* The weights of a position add up to 1 give or take their rounding, which can carry white a
 * little beyond 255 but, at half a unit a weight, never to the end of 32 bits. */
static uint8_t rounded(uint32_t sum)
{
    uint32_t value = (sum + ONE_HALF) >> FRACTION_BITS;
    return value > 255 ? 255 : (uint8_t)value;
}

static void scale_row(const struct taps *taps, const uint8_t *row, uint8_t *out)
{
    for (uint32_t i = 0; i < taps->count; i++, out += 3) {
        const uint32_t *weight = taps->weights + i * taps->stride;
        const uint8_t *pixel = row + (size_t)3 * taps->first[i];
        uint32_t red = 0, green = 0, blue = 0;
        for (uint32_t k = 0; k < taps->length[i]; k++, pixel += 3) {
            red += weight[k] * pixel[0];
            green += weight[k] * pixel[1];
            blue += weight[k] * pixel[2];
        }
        out[0] = rounded(red);
        out[1] = rounded(green);
        out[2] = rounded(blue);
    }
}

/* Output row i from rows of `bytes` bytes; row 0 of `rows` is source row `top`. */
static void blend_rows(const struct taps *taps, uint32_t i, const uint8_t *rows, uint32_t top,
                       size_t bytes, uint32_t *sums, uint8_t *out)
{
    memset(sums, 0, bytes * sizeof *sums);
    for (uint32_t k = 0; k < taps->length[i]; k++) {
        uint32_t weight = taps->weights[i * taps->stride + k];
        const uint8_t *row = rows + (taps->first[i] + k - top) * bytes;
        for (size_t x = 0; x < bytes; x++)
            sums[x] += weight * row[x];
    }
    for (size_t x = 0; x < bytes; x++)
        out[x] = rounded(sums[x]);
}

/* Source rows top .. bottom - 1, scaled horizontally. NULL when out of memory. */
static uint8_t *scale_rows(const struct lm_image *image, const struct taps *columns, uint32_t top,
                           uint32_t bottom)
{
    size_t bytes = (size_t)3 * columns->count, row_bytes = (size_t)3 * image->width;
    uint8_t *rows = array_alloc(bottom - top, bytes);
    for (uint32_t y = top; rows && y < bottom; y++)
        scale_row(columns, image->rgb + y * row_bytes, rows + (y - top) * bytes);
    return rows;
}

static enum lm_status fail_memory(const struct image_window *window, struct lm_error *error)
{
    return lm_fail(error, LM_NOMEM, "out of memory for scaling an image to %u x %u pixels",
                   window->scaled_width, window->scaled_height);
}

enum lm_status image_resize_window(const struct lm_image *image, const struct image_window *window,
                                   struct lm_image *out, struct lm_error *error)
{
    assert(window->x <= window->scaled_width && window->y <= window->scaled_height);
    assert(window->width <= window->scaled_width - window->x);
    assert(window->height <= window->scaled_height - window->y);
    struct lm_image scaled = {0};
    struct taps columns = {0}, lines = {0};
    size_t bytes = (size_t)3 * window->width;
    uint8_t *rows = NULL;
    uint32_t *sums = NULL;
    enum lm_status status = lm_image_create(window->width, window->height, &scaled, error);
    if (status != LM_OK)
        return status;
    status = LM_NOMEM;
    if (!taps_plan(&columns, image->width, window->scaled_width, window->x, window->width) ||
        !taps_plan(&lines, image->height, window->scaled_height, window->y, window->height))
        goto done;
    uint32_t last = lines.count - 1, top = lines.first[0];
    rows = scale_rows(image, &columns, top, lines.first[last] + lines.length[last]);
    sums = array_alloc(bytes, sizeof *sums);
    if (!rows || !sums)
        goto done;
    for (uint32_t y = 0; y < window->height; y++)
        blend_rows(&lines, y, rows, top, bytes, sums, scaled.rgb + y * bytes);
    *out = scaled;
    scaled = (struct lm_image){0};
    status = LM_OK;
done:
    lm_image_free(&scaled);
    taps_free(&columns);
    taps_free(&lines);
    free(rows);
    free(sums);
    return status == LM_OK ? LM_OK : fail_memory(window, error);
}

enum lm_status lm_image_resize(const struct lm_image *image, uint32_t width, uint32_t height,
                               struct lm_image *out, struct lm_error *error)
{
    if (!image->rgb)
        return lm_fail(error, LM_INVALID, "image to resize is empty");
    struct image_window whole = {width, height, 0, 0, width, height};
    return image_resize_window(image, &whole, out, error);
}
