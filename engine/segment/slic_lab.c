/* sRGB to CIE Lab, white point D65, 2 degree observer, for clustering.
 *
 * The picture is stretched to its full range first, as scikit-image does, so that the result does
 * not depend on exposure.  An 8-bit picture has 256 intensities at most, so that stretching and
 * linearisation are one table.  The cube root dominates the rest: it is computed a row at a time,
 * in a form that compilers vectorise, correct to about 1 unit in the last place.
 *
 * Limit: about 1e-14 away from scikit-image, whose last bits depend on its machine (fused
 * multiplication, vector libraries).  Where flat areas make ties, these bits decide labels. */
#include <math.h>
#include <string.h>

#include "segment/slic.h"

static const double xyz_from_rgb[3][3] = {
    {0.412453, 0.357580, 0.180423}, {0.212671, 0.715160, 0.072169}, {0.019334, 0.119193, 0.950227}};
static const double white[3] = {0.95047, 1.0, 1.08883};

/* Below this the curve of Lab is a straight line. */
#define LINEAR_LIMIT 0.008856

static void find_range(const uint8_t *bytes, size_t count, uint8_t *low, uint8_t *high)
{
    uint8_t least = UINT8_MAX, most = 0;
    for (size_t i = 0; i < count; i++) {
        least = bytes[i] < least ? bytes[i] : least;
        most = bytes[i] > most ? bytes[i] : most;
    }
    *low = least;
    *high = most;
}

/* table[v]: linear light of value v once the picture's range is stretched to 0..1. */
static void fill_table(const struct lm_image *image, double table[256])
{
    uint8_t low, high;
    find_range(image->rgb, (size_t)image->width * image->height * 3, &low, &high);
    const double unit = 1.0 / 255.0;
    double range = high * unit - low * unit;
    for (int value = 0; value < 256; value++) {
        double v = value * unit - low * unit;
        if (high > low)
            v /= range;
        table[value] = v > 0.04045 ? pow((v + 0.055) / 1.055, 2.4) : v / 12.92;
    }
}

/* One row of pixels to X, Y, Z relative to white. */
static void convert_row(const uint8_t *rgb, const double table[256], double scaled[3][3],
                        size_t width, double *xyz)
{
    for (size_t x = 0; x < width; x++) {
        double red = table[rgb[3 * x]], green = table[rgb[3 * x + 1]], blue = table[rgb[3 * x + 2]];
        for (size_t i = 0; i < 3; i++)
            xyz[i * width + x] = scaled[i][0] * red + scaled[i][1] * green + scaled[i][2] * blue;
    }
}

/* Cube root of t in [LINEAR_LIMIT, 2]: a third of the exponent, then Halley's steps, each of which
 * triples the correct digits: 3 % -> 2e-5 -> 1e-7 (single precision ends there) -> full. */
static inline double cube_root(double t)
{
    float single = (float)t, guess;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    bits = bits / 3 + UINT32_C(0x2a5137a0);
    memcpy(&guess, &bits, sizeof guess);
    for (int step = 0; step < 2; step++) {
        float cube = guess * guess * guess;
        guess = guess * (cube + 2.0f * single) / (2.0f * cube + single);
    }
    double root = guess, cube = root * root * root;
    return root + root * (t - cube) / (2.0 * cube + t);
}

static void apply_curve(double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double t = values[i];
        double root = cube_root(t > LINEAR_LIMIT ? t : LINEAR_LIMIT);
        values[i] = t > LINEAR_LIMIT ? root : 7.787 * t + 16.0 / 116.0;
    }
}

static void mix_row(double *row, size_t width, double scale)
{
    double *first = row, *second = row + width, *third = row + 2 * width;
    for (size_t x = 0; x < width; x++) {
        double fx = first[x], fy = second[x], fz = third[x];
        first[x] = (116.0 * fy - 16.0) * scale;
        second[x] = 500.0 * (fx - fy) * scale;
        third[x] = 200.0 * (fy - fz) * scale;
    }
}

void slic_lab_convert(const struct lm_image *image, double scale, struct slic_lab *lab)
{
    double table[256], scaled[3][3];
    fill_table(image, table);
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            scaled[i][j] = xyz_from_rgb[i][j] / white[i];
    for (size_t y = 0; y < lab->height; y++) {
        double *row = slic_lab_row(lab, y, 0);
        convert_row(image->rgb + 3 * y * lab->width, table, scaled, lab->width, row);
        apply_curve(row, 3 * lab->width);
        mix_row(row, lab->width, scale);
    }
}
