/* Pictures: decoding, resizing and the way into a network.
 *
 * The way of a picture: file bytes -> lm_image (8-bit RGB, upright) -> resize -> crop ->
 * normalise -> float planes.  The geometry of that way is kept in an lm_transform, so that
 * masks can follow it (mask.h) and results can be drawn on the picture that the user sees.
 */
#ifndef LAYERMASK_IMAGE_H
#define LAYERMASK_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 8-bit RGB, rows from the top, pixels from the left, 3 bytes a pixel, no padding:
 * rgb[3 * (y * width + x) + channel].  The pixels belong to the struct: lm_image_free.
 * {0} is the empty image, safe to free. */
struct lm_image {
    uint32_t width, height;
    uint8_t *rgb;
};

/* What a decoder accepts.  0 in a field means the default. */
struct lm_image_limits {
    size_t max_bytes;    /* of the file; default 64 MiB */
    uint64_t max_pixels; /* width * height of the decoded picture; default 100,000,000 */
};

/* Decodes JPEG (baseline, progressive, grey, YCbCr, RGB, CMYK, YCCK) or PNG (1 to 16 bit, grey,
 * palette, alpha composited on white, interlaced), told apart by their first bytes, and turns
 * the picture upright by its EXIF orientation (JPEG APP1, PNG eXIf).
 * limits may be NULL.  Nothing is allocated for pixels before the claimed size has been checked.
 * Errors: LM_CORRUPT (also truncated files), LM_UNSUPPORTED (another format), LM_LIMIT, LM_NOMEM.
 */
enum lm_status lm_image_decode(const void *bytes, size_t size, const struct lm_image_limits *limits,
                               struct lm_image *out, struct lm_error *error);

/* Reads a label map: an id for each pixel of a PNG of width x height.  A grey is its own id, of 16
 * bits, too (of fewer than 8 bits: stretched to 0..255); of a picture with colours the ids are
 * 65536 red + 256 green + blue.  Alpha is composited on white.  The file's orientation is not
 * looked at. *ids: row-major, malloc'ed; the caller frees it. Errors: LM_CORRUPT, LM_INVALID
 * (another size), LM_UNSUPPORTED (not a PNG; 16 bits a channel with colours or alpha), LM_NOMEM. */
enum lm_status lm_image_decode_ids(const void *bytes, size_t size, uint32_t width, uint32_t height,
                                   uint32_t **ids, struct lm_error *error);

/* Allocates a black width x height picture. Errors: LM_INVALID (a side of 0), LM_LIMIT, LM_NOMEM.
 */
enum lm_status lm_image_create(uint32_t width, uint32_t height, struct lm_image *out,
                               struct lm_error *error);

/* Encodes as 8-bit RGB PNG, without time stamps: the same picture gives the same bytes.
 * *bytes is malloc'ed; the caller frees it. */
enum lm_status lm_image_encode_png(const struct lm_image *image, uint8_t **bytes, size_t *size,
                                   struct lm_error *error);

/* Encodes as baseline JPEG with colours as sharp as the brightness (4:4:4), since drawings have
 * thin coloured lines; quality 1..100. The same picture gives the same bytes. *bytes is malloc'ed;
 * the caller frees it. */
enum lm_status lm_image_encode_jpeg(const struct lm_image *image, int quality, uint8_t **bytes,
                                    size_t *size, struct lm_error *error);

/* Resizes as Pillow's Image.resize((width, height), BILINEAR) does: a triangle filter that is
 * widened when shrinking (antialiased), horizontal pass first, 8 bits in between.  At most 1 of
 * 255 away from Pillow in any pixel. */
enum lm_status lm_image_resize(const struct lm_image *image, uint32_t width, uint32_t height,
                               struct lm_image *out, struct lm_error *error);

void lm_image_free(struct lm_image *image); /* NULL is fine; leaves {0} */

/* How a network wants its input. */
enum lm_channels { LM_RGB, LM_BGR };

struct lm_preprocess {
    uint32_t height, width;    /* of the network's input, pixels */
    enum lm_channels channels; /* order of the float planes */
    uint32_t
        resize_shorter;    /* shorter side before the crop, pixels; 0: stretch to height x width */
    bool center_crop;      /* false: the resized picture must have the input's size */
    float mean[3], std[3]; /* in 0..255 units, in the order of the planes; std > 0 */
};

/* Geometry from picture to network input: scale to resized_*, then cut the input's size at crop_*.
 */
struct lm_transform {
    uint32_t image_width, image_height;     /* the upright picture */
    uint32_t resized_width, resized_height; /* after scaling */
    uint32_t crop_x, crop_y;                /* left top of the input in the scaled picture */
    uint32_t input_width, input_height;     /* the network's input */
};

/* Works out the geometry for a picture of the given size, with torchvision's rounding: shorter
 * side N, longer side trunc(N * long / short), crop start round-half-even((length - crop) / 2).
 * Errors: LM_INVALID when the scaled picture is smaller than the input. */
enum lm_status lm_transform_plan(const struct lm_preprocess *preprocess, uint32_t image_width,
                                 uint32_t image_height, struct lm_transform *out,
                                 struct lm_error *error);

/* The picture as the network sees it, still 8-bit: scaled and cropped to the input's size. */
enum lm_status lm_transform_apply(const struct lm_transform *transform,
                                  const struct lm_image *image, struct lm_image *out,
                                  struct lm_error *error);

/* Normalises an input-sized picture: planes[c][y][x] = (value - mean[c]) / std[c], in the order
 * of preprocess->channels.  planes holds 3 * height * width floats. */
void lm_normalise(const struct lm_preprocess *preprocess, const struct lm_image *input,
                  float *planes);

/* Where the input pixel (x, y) (its centre) lies in the picture: nearest neighbour, floor of the
 * exact coordinate, always inside the picture. */
void lm_transform_to_image(const struct lm_transform *transform, uint32_t x, uint32_t y,
                           uint32_t *image_x, uint32_t *image_y);

/* Where the picture's pixel lies in the input; false if the crop removed it ("unseen"). */
bool lm_transform_to_input(const struct lm_transform *transform, uint32_t image_x, uint32_t image_y,
                           uint32_t *x, uint32_t *y);

#ifdef __cplusplus
}
#endif
#endif
