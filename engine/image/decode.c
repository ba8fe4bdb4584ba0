/* From the bytes of a file to an upright picture: tells the format, enforces the limits and turns
 * the picture; the formats themselves are in jpeg.c and png.c. */
#include <string.h>

#include "image/image_room.h"

#define DEFAULT_MAX_BYTES ((size_t)64 << 20)
#define DEFAULT_MAX_PIXELS 100000000u

static bool begins_with(const void *bytes, size_t size, const char *magic, size_t length)
{
    return size > 0 && memcmp(bytes, magic, size < length ? size : length) == 0;
}

bool image_is_png(const void *bytes, size_t size)
{
    return begins_with(bytes, size, "\x89PNG\r\n\x1a\n", 8);
}

bool image_is_jpeg(const void *bytes, size_t size)
{
    return begins_with(bytes, size, "\xff\xd8\xff", 3);
}

/* Names the formats that people are likely to send, so that the error says what they sent. */
static const char *foreign_format(const void *bytes, size_t size)
{
    static const struct {
        size_t at, length;
        const char *magic, *name;
    } formats[] = {
        {0, 4, "GIF8", "GIF"},
        {0, 2, "BM", "BMP"},
        {0, 4, "II*\0", "TIFF"},
        {0, 4, "MM\0*", "TIFF"},
        {8, 4, "WEBP", "WebP"},
        {4, 8, "ftypheic", "HEIC"},
        {4, 8, "ftypmif1", "HEIF"},
        {4, 8, "ftypavif", "AVIF"},
        {0, 4, "%PDF", "PDF"},
        {0, 2, "\xff\x0a", "JPEG XL"},
        {4, 8, "JXL \r\n\x87\n", "JPEG XL"},
        {4, 4, "jP  ", "JPEG 2000"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (size >= formats[i].at + formats[i].length &&
            memcmp((const char *)bytes + formats[i].at, formats[i].magic, formats[i].length) == 0)
            return formats[i].name;
    return NULL;
}

static enum lm_status fail_unsupported(const void *bytes, size_t size, struct lm_error *error)
{
    const char *name = foreign_format(bytes, size);
    if (name)
        return lm_fail(error, LM_UNSUPPORTED, "image is %s; JPEG and PNG are supported", name);
    return lm_fail(error, LM_UNSUPPORTED, "image is neither JPEG nor PNG");
}

enum lm_status image_check_size(uint32_t width, uint32_t height, uint64_t max_pixels,
                                struct lm_error *error)
{
    if (width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE)
        return lm_fail(error, LM_LIMIT, "image is %u x %u pixels, above the limit of %u a side",
                       width, height, IMAGE_MAX_SIDE);
    if ((uint64_t)width * height > max_pixels)
        return lm_fail(error, LM_LIMIT, "image is %u x %u pixels, above the limit of %llu pixels",
                       width, height, (unsigned long long)max_pixels);
    return LM_OK;
}

enum lm_status lm_image_decode(const void *bytes, size_t size, const struct lm_image_limits *limits,
                               struct lm_image *out, struct lm_error *error)
{
    size_t max_bytes = limits && limits->max_bytes ? limits->max_bytes : DEFAULT_MAX_BYTES;
    uint64_t max_pixels = limits && limits->max_pixels ? limits->max_pixels : DEFAULT_MAX_PIXELS;
    if (!bytes || size == 0)
        return lm_fail(error, LM_CORRUPT, "image is empty (0 bytes)");
    if (size > max_bytes)
        return lm_fail(error, LM_LIMIT, "image file has %zu bytes, above the limit of %zu", size,
                       max_bytes);
    struct lm_image image = {0};
    unsigned orientation = 1;
    enum lm_status status;
    if (image_is_png(bytes, size))
        status = image_png_decode(bytes, size, max_pixels, &image, &orientation, error);
    else if (image_is_jpeg(bytes, size))
        status = image_jpeg_decode(bytes, size, max_pixels, &image, &orientation, error);
    else
        status = fail_unsupported(bytes, size, error);
    if (status == LM_OK)
        status = image_turn_upright(&image, orientation, error);
    if (status == LM_OK)
        *out = image;
    else
        lm_image_free(&image);
    return status;
}
