/* Gaussian smoothing before clustering: columns, then rows, the kernel cut at 4 sigma, and the
 * picture mirrored at its borders (... b a | a b ... y z | z y ...), as often as the kernel is
 * longer than the picture. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "segment/slic.h"

static size_t mirror(ptrdiff_t position, size_t size)
{
    ptrdiff_t period = 2 * (ptrdiff_t)size;
    ptrdiff_t place = position % period;
    if (place < 0)
        place += period;
    return (size_t)(place < (ptrdiff_t)size ? place : period - 1 - place);
}

/* kernel[0..2 * radius], sum 1. */
static void fill_kernel(double sigma, size_t radius, double *kernel)
{
    double sum = 0.0;
    for (size_t i = 0; i <= 2 * radius; i++) {
        double distance = (double)i - (double)radius;
        kernel[i] = exp(-0.5 / (sigma * sigma) * distance * distance);
        sum += kernel[i];
    }
    for (size_t i = 0; i <= 2 * radius; i++)
        kernel[i] /= sum;
}

static void add_scaled(double *restrict sum, const double *restrict values, double factor,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += factor * values[i];
}

/* The three planes of a row lie together, so that columns are smoothed by adding whole rows. */
static void smooth_columns(const struct slic_lab *from, const double *kernel, size_t radius,
                           struct slic_lab *to)
{
    size_t length = 3 * from->width;
    memset(to->values, 0, from->height * length * sizeof *to->values);
    for (size_t y = 0; y < from->height; y++)
        for (size_t i = 0; i <= 2 * radius; i++) {
            size_t source = mirror((ptrdiff_t)(y + i) - (ptrdiff_t)radius, from->height);
            add_scaled(slic_lab_row(to, y, 0), slic_lab_row(from, source, 0), kernel[i], length);
        }
}

/* padded has room for a plane's row and a radius on both sides. */
static void smooth_row(const double *from, size_t width, const double *kernel, size_t radius,
                       double *padded, double *to)
{
    for (size_t x = 0; x < width + 2 * radius; x++)
        padded[x] = from[mirror((ptrdiff_t)x - (ptrdiff_t)radius, width)];
    memset(to, 0, width * sizeof *to);
    for (size_t i = 0; i <= 2 * radius; i++)
        add_scaled(to, padded + i, kernel[i], width);
}

bool slic_lab_smooth(struct slic_lab *lab, double sigma)
{
    size_t radius = (size_t)(4.0 * sigma + 0.5);
    if (radius == 0)
        return true; /* the kernel is a single 1 */
    struct slic_lab between = *lab;
    between.values = array_alloc(lab->width * lab->height, 3 * sizeof *between.values);
    double *kernel = array_alloc(2 * radius + 1, sizeof *kernel);
    double *padded = array_alloc(lab->width + 2 * radius, sizeof *padded);
    bool made = between.values && kernel && padded;
    if (made) {
        fill_kernel(sigma, radius, kernel);
        smooth_columns(lab, kernel, radius, &between);
        for (size_t y = 0; y < lab->height; y++)
            for (size_t channel = 0; channel < 3; channel++)
                smooth_row(slic_lab_row(&between, y, channel), lab->width, kernel, radius, padded,
                           slic_lab_row(lab, y, channel));
    }
    free(between.values);
    free(kernel);
    free(padded);
    return made;
}
