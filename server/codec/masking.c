/* The ways to make pixels missing.  Everything happens on normalised planes: normalising is affine
 * in each channel, so means and blurs of normalised values are normalised means and blurs, and the
 * model's mean colour is 0, without rounding to 8 bits in between. */
#include "codec/masking.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLUR_SIGMA_AT_224 10.0
#define BLUR_TRUNCATE 4.0 /* the kernel ends after so many sigmas */

struct kind_name {
    const char *name;
    enum masking_kind kind;
};

static const struct kind_name names[] = {
    {"layer", MASKING_LAYER}, {"black", MASKING_BLACK}, {"grey", MASKING_GREY},
    {"mean", MASKING_MEAN},   {"blur", MASKING_BLUR},
};

static const char color_prefix[] = "color:#";

static bool parse_color(const char *text, uint8_t rgb[3])
{
    if (strlen(text) != 6 || strspn(text, "0123456789abcdefABCDEF") != 6)
        return false;
    unsigned long value = strtoul(text, NULL, 16);
    rgb[0] = (uint8_t)(value >> 16);
    rgb[1] = (uint8_t)(value >> 8 & 0xff);
    rgb[2] = (uint8_t)(value & 0xff);
    return true;
}

enum lm_status masking_parse(const char *text, struct masking *out, struct lm_error *error)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i].name, text) == 0) {
            *out = (struct masking){.kind = names[i].kind};
            return LM_OK;
        }
    }
    struct masking color = {.kind = MASKING_COLOR};
    size_t prefix = sizeof color_prefix - 1;
    if (strncmp(text, color_prefix, prefix) == 0 && parse_color(text + prefix, color.rgb)) {
        *out = color;
        return LM_OK;
    }
    return lm_fail(error, LM_INVALID,
                   "masking: \"%.40s\" is none of layer, black, grey, mean, blur, color:#rrggbb",
                   text);
}

void masking_name(const struct masking *masking, char out[MASKING_NAME_BYTES])
{
    const char *name = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].kind == masking->kind)
            name = names[i].name;
    if (name)
        snprintf(out, MASKING_NAME_BYTES, "%s", name);
    else
        snprintf(out, MASKING_NAME_BYTES, "%s%02x%02x%02x", color_prefix, masking->rgb[0],
                 masking->rgb[1], masking->rgb[2]);
}

double masking_blur_sigma(uint32_t width, uint32_t height)
{
    return BLUR_SIGMA_AT_224 * (width < height ? width : height) / 224.0;
}

static void fill_color(const struct lm_preprocess *preprocess, const uint8_t rgb[3], float *out)
{
    size_t pixels = (size_t)preprocess->height * preprocess->width;
    for (size_t plane = 0; plane < 3; plane++) {
        float color = (float)rgb[preprocess->channels == LM_RGB ? plane : 2 - plane];
        float value = (color - preprocess->mean[plane]) / preprocess->std[plane];
        for (size_t i = 0; i < pixels; i++)
            out[plane * pixels + i] = value;
    }
}

/* Gives every pixel of a plane the mean of its segment.  sums: room for 2 * count numbers. */
static void fill_means(const float *plane, const int32_t *labels, size_t pixels, uint32_t count,
                       double *sums, float *out)
{
    double *sizes = sums + count;
    memset(sums, 0, 2 * (size_t)count * sizeof *sums);
    for (size_t i = 0; i < pixels; i++) {
        sums[labels[i]] += (double)plane[i];
        sizes[labels[i]] += 1;
    }
    for (size_t i = 0; i < pixels; i++)
        out[i] = (float)(sums[labels[i]] / sizes[labels[i]]);
}

static enum lm_status substitute_means(const float *planes, const int32_t *labels, size_t pixels,
                                       uint32_t count, float *out, struct lm_error *error)
{
    double *sums = calloc(count, 2 * sizeof *sums);
    if (!sums)
        return lm_fail(error, LM_NOMEM, "out of memory for the means of %u segments", count);
    for (size_t plane = 0; plane < 3; plane++)
        fill_means(planes + plane * pixels, labels, pixels, count, sums, out + plane * pixels);
    free(sums);
    return LM_OK;
}

/* Convolves a line of n values, `step` apart, with a symmetric kernel of 2 * radius + 1 weights;
 * beyond its ends the line goes on with its last values. */
static void blur_line(const float *in, size_t n, size_t step, const double *kernel, size_t radius,
                      float *out)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k <= 2 * radius; k++) {
            size_t at = i + k < radius ? 0 : i + k - radius;
            sum += kernel[k] * (double)in[(at < n ? at : n - 1) * step];
        }
        out[i * step] = (float)sum;
    }
}

static double *gaussian_kernel(double sigma, size_t radius)
{
    double *kernel = malloc((2 * radius + 1) * sizeof *kernel), sum = 0;
    if (!kernel)
        return NULL;
    for (size_t i = 0; i <= 2 * radius; i++) {
        double distance = ((double)i - (double)radius) / sigma;
        kernel[i] = exp(-0.5 * distance * distance);
        sum += kernel[i];
    }
    for (size_t i = 0; i <= 2 * radius; i++)
        kernel[i] /= sum;
    return kernel;
}

static enum lm_status substitute_blur(const float *planes, size_t width, size_t height, float *out,
                                      struct lm_error *error)
{
    double sigma = masking_blur_sigma((uint32_t)width, (uint32_t)height);
    size_t radius = (size_t)(BLUR_TRUNCATE * sigma + 0.5), pixels = width * height;
    double *kernel = gaussian_kernel(sigma, radius);
    float *rows = malloc(3 * pixels * sizeof *rows);
    enum lm_status status = LM_OK;
    if (!kernel || !rows) {
        status = lm_fail(error, LM_NOMEM, "out of memory to blur %zu x %zu pixels", width, height);
        goto done;
    }
    for (size_t line = 0; line < 3 * height; line++)
        blur_line(planes + line * width, width, 1, kernel, radius, rows + line * width);
    for (size_t plane = 0; plane < 3; plane++)
        for (size_t x = 0; x < width; x++)
            blur_line(rows + plane * pixels + x, height, width, kernel, radius,
                      out + plane * pixels + x);
done:
    free(kernel);
    free(rows);
    return status;
}

enum lm_status masking_substitute(const struct masking *masking,
                                  const struct lm_preprocess *preprocess, const float *planes,
                                  const int32_t *labels, uint32_t count, float *out,
                                  struct lm_error *error)
{
    size_t pixels = (size_t)preprocess->height * preprocess->width;
    switch (masking->kind) {
    case MASKING_MEAN: return substitute_means(planes, labels, pixels, count, out, error);
    case MASKING_BLUR:
        return substitute_blur(planes, preprocess->width, preprocess->height, out, error);
    case MASKING_GREY: memset(out, 0, 3 * pixels * sizeof *out); return LM_OK;
    case MASKING_LAYER:
    case MASKING_BLACK:
    case MASKING_COLOR: break; /* black is the colour 0, 0, 0 */
    }
    fill_color(preprocess, masking->rgb, out);
    return LM_OK;
}

void masking_compose(const float *planes, const float *substitute, const struct lm_mask *visible,
                     float *out)
{
    size_t width = visible->width, pixels = width * visible->height;
    for (uint32_t y = 0; y < visible->height; y++) {
        for (uint32_t x = 0; x < visible->width; x++) {
            size_t at = y * width + x;
            const float *from = lm_mask_get(visible, x, y) ? planes : substitute;
            for (size_t plane = 0; plane < 3; plane++)
                out[plane * pixels + at] = from[plane * pixels + at];
        }
    }
}
