/* What the files of the image room share, and the PNG mask reader that the mask room uses.
 *
 * png.h and jpeglib.h are seen by png.c and jpeg.c only; everybody else meets pictures here.
 */
#ifndef LM_IMAGE_ROOM_H
#define LM_IMAGE_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/image.h"
#include "layermask/status.h"

/* Longest side of a decoded picture: bounds the decoders' row buffers to a few megabytes, which
 * the number of pixels alone does not. JPEG itself ends at 65,500. */
#define IMAGE_MAX_SIDE 1000000u

/* Told by the first bytes; a file that ends within a signature counts as that format, so that it
 * is reported as truncated rather than as unknown. */
bool image_is_png(const void *bytes, size_t size);
bool image_is_jpeg(const void *bytes, size_t size);

/* Decoders of one format: pixels as they are stored, and the EXIF orientation, 1..8 (1 when there
 * is none, or none that makes sense). */
enum lm_status image_png_decode(const void *bytes, size_t size, uint64_t max_pixels,
                                struct lm_image *out, unsigned *orientation,
                                struct lm_error *error);
enum lm_status image_jpeg_decode(const void *bytes, size_t size, uint64_t max_pixels,
                                 struct lm_image *out, unsigned *orientation,
                                 struct lm_error *error);

/* Reads a PNG of any kind as a mask and hands out its rows, from the top: nonzero[x], width bytes,
 * is 1 when alpha (if there is any) is not 0 and any colour channel is not 0 (palettes expanded,
 * all 16 bits looked at), else 0.  The first row is handed out after the whole file has been read
 * without error, so that a failure leaves the receiver untouched.
 * The size is checked before pixels are decoded.
 * Errors: LM_INVALID (another size), LM_UNSUPPORTED (not a PNG), LM_CORRUPT, LM_NOMEM. */
enum lm_status image_png_decode_mask(const void *bytes, size_t size, uint32_t expected_width,
                                     uint32_t expected_height,
                                     void (*row)(void *context, uint32_t y, const uint8_t *nonzero),
                                     void *context, struct lm_error *error);

/* LM_LIMIT when a decoder's claimed size has too long a side or too many pixels. */
enum lm_status image_check_size(uint32_t width, uint32_t height, uint64_t max_pixels,
                                struct lm_error *error);

/* Turns a stored picture upright, replacing its pixels; orientation 1..8 (asserted).
 * The picture is untouched on failure.  Errors: LM_NOMEM. */
enum lm_status image_turn_upright(struct lm_image *image, unsigned orientation,
                                  struct lm_error *error);

/* The orientation (tag 0x0112) in the first directory of a TIFF structure, which is what EXIF is;
 * 1 when it is missing, damaged or out of range. */
unsigned exif_orientation(const uint8_t *tiff, size_t size);

/* The part width x height at (x, y) of a picture that is scaled to scaled_width x scaled_height:
 * the same pixels as scaling all of it and then cutting, without computing those that would be cut
 * off.  The part lies inside the scaled picture (asserted).  Errors: LM_LIMIT, LM_NOMEM. */
struct image_window {
    uint32_t scaled_width, scaled_height;
    uint32_t x, y, width, height;
};
enum lm_status image_resize_window(const struct lm_image *image, const struct image_window *window,
                                   struct lm_image *out, struct lm_error *error);

/* A growing file in memory, for the encoders. */
struct image_bytes {
    uint8_t *data; /* malloc'ed */
    size_t size, capacity;
};
bool image_bytes_append(struct image_bytes *file, const void *data, size_t size);

#endif
