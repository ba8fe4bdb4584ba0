/* PNG, by libpng: pictures, masks and label maps in, pictures out.
 *
 * Rows are taken from libpng pass by pass and put in place here, so that an interlaced file needs
 * one row of memory beside the result, whatever its sample format.  Samples of 16 bits become
 * 8 by rounding (value * 255 / 65535), alpha is composited on white with rounding, colour profiles
 * and gamma are ignored.  Of the optional chunks only tRNS and eXIf are read, so text and profiles
 * are never unpacked; no chunk may claim more bytes than the file has.  Data behind the last pixel
 * would be unpacked by libpng just to be dropped, a thousand times as long as they are in the file,
 * so that no row may take many more bytes of the file than it has itself.
 *
 * libpng reports errors by longjmp: everything that must survive one lives in struct reader or
 * struct writer, owned by the caller of the function that calls setjmp. */
#include <png.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "image/image_room.h"

/* Bytes of the file that a row may take beyond its own. */
enum { ROW_SURPLUS = 1 << 16 };

/* A chunk's type as png_get_io_chunk_type tells it. */
#define IDAT (((png_uint_32)'I' << 24) | ('D' << 16) | ('A' << 8) | 'T')

/* The pixels of one row of one pass: n of them at (x, y), (x + step, y), ... */
struct span {
    uint32_t x, step, n, y;
};

/* What libpng's calls back work on; shared by reading and writing. */
struct session {
    png_struct *png;
    png_info *info;
    bool no_memory; /* an allocation has failed, which libpng may have taken for something else */
    char text[96];  /* of the error */
    jmp_buf jump;
};

struct reader {
    struct session session;
    const char *what; /* "image", "mask" or "label map", for error texts */
    const uint8_t *bytes;
    size_t size, at;
    size_t row_input, row_input_limit; /* image data, still packed, read for one row */
    uint32_t width, height;
    unsigned colours, sample_bytes; /* of a pixel as libpng hands it out */
    bool alpha;                     /* alpha follows the colours */
    uint8_t *row;
    /* What is made of the rows. accept: after the header, before anything is allocated. */
    enum lm_status (*accept)(struct reader *reader, struct lm_error *error);
    void (*store)(struct reader *reader, const struct span *span);
    bool keep_16_bits;
    uint64_t max_pixels;
    struct lm_image image;
    uint8_t *nonzero;
    uint32_t *ids;
};

static png_voidp session_malloc(png_struct *png, png_alloc_size_t size)
{
    struct session *session = png_get_mem_ptr(png);
    void *memory = malloc(size);
    if (!memory)
        session->no_memory = true;
    return memory;
}

static void session_free(png_struct *png, png_voidp memory)
{
    (void)png;
    free(memory);
}

static void session_error(png_struct *png, const char *message)
{
    struct session *session = png_get_error_ptr(png);
    snprintf(session->text, sizeof session->text, "%s", message);
    longjmp(session->jump, 1);
}

static void session_warning(png_struct *png, const char *message)
{
    (void)png;
    (void)message;
}

static void reader_read(png_struct *png, png_byte *out, size_t size)
{
    struct reader *reader = png_get_io_ptr(png);
    if (size > reader->size - reader->at)
        png_error(png, "the file ends too early");
    if (png_get_io_chunk_type(png) == IDAT)
        reader->row_input += size;
    if (reader->row && reader->row_input > reader->row_input_limit)
        png_error(png, "there is more image data than pixels");
    memcpy(out, reader->bytes + reader->at, size);
    reader->at += size;
}

static enum lm_status fail_memory(const char *what, struct lm_error *error)
{
    return lm_fail(error, LM_NOMEM, "out of memory for a PNG %s", what);
}

static void reader_header(struct reader *reader)
{
    png_struct *png = reader->session.png;
    png_set_read_fn(png, reader, reader_read);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* accept() has the real ones */
    png_set_chunk_malloc_max(png, reader->size);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "eXIf", 1);
    png_read_info(png, reader->session.info);
    reader->width = png_get_image_width(png, reader->session.info);
    reader->height = png_get_image_height(png, reader->session.info);
}

/* Palettes become colours, fewer than 8 bits become 8, a transparent colour becomes alpha. */
static void reader_formats(struct reader *reader)
{
    png_struct *png = reader->session.png;
    png_set_expand(png);
    if (!reader->keep_16_bits)
        png_set_scale_16(png);
    png_read_update_info(png, reader->session.info);
    unsigned channels = png_get_channels(png, reader->session.info);
    reader->alpha = channels % 2 == 0;
    reader->colours = channels - reader->alpha;
    reader->sample_bytes = png_get_bit_depth(png, reader->session.info) / 8;
    size_t row_bytes = png_get_rowbytes(png, reader->session.info);
    reader->row = png_malloc(png, row_bytes);
    reader->row_input_limit = 2 * row_bytes + ROW_SURPLUS; /* 16 bits may have become 8 */
}

/* The first row of a pass, and the distance of its rows in *down. */
static struct span first_span(const struct reader *reader, bool interlaced, int pass,
                              uint32_t *down)
{
    struct span span = {.step = 1, .n = reader->width};
    *down = 1;
    if (interlaced) {
        span.x = (uint32_t)PNG_PASS_START_COL(pass);
        span.y = (uint32_t)PNG_PASS_START_ROW(pass);
        span.step = (uint32_t)PNG_PASS_COL_OFFSET(pass);
        span.n = span.x < reader->width ? (reader->width - span.x - 1) / span.step + 1 : 0;
        *down = (uint32_t)PNG_PASS_ROW_OFFSET(pass);
    }
    return span;
}

/* libpng skips passes without pixels, as we do. */
static void reader_rows(struct reader *reader)
{
    png_struct *png = reader->session.png;
    bool interlaced = png_get_interlace_type(png, reader->session.info) == PNG_INTERLACE_ADAM7;
    for (int pass = 0; pass < (interlaced ? PNG_INTERLACE_ADAM7_PASSES : 1); pass++) {
        uint32_t down;
        struct span span = first_span(reader, interlaced, pass, &down);
        for (; span.n > 0 && span.y < reader->height; span.y += down) {
            reader->row_input = 0;
            png_read_row(png, reader->row, NULL);
            reader->store(reader, &span);
        }
    }
}

static enum lm_status reader_run(struct reader *reader, struct lm_error *error)
{
    struct session *session = &reader->session;
    if (setjmp(session->jump)) {
        if (session->no_memory)
            return fail_memory(reader->what, error);
        return lm_fail(error, LM_CORRUPT, "%s is not a valid PNG: %s", reader->what, session->text);
    }
    session->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, session, session_error,
                                            session_warning, session, session_malloc, session_free);
    session->info = session->png ? png_create_info_struct(session->png) : NULL;
    if (!session->info)
        return fail_memory(reader->what, error);
    reader_header(reader);
    enum lm_status status = reader->accept(reader, error);
    if (status != LM_OK)
        return status;
    reader_formats(reader);
    reader_rows(reader);
    png_read_end(session->png, session->info);
    return session->no_memory ? fail_memory(reader->what, error) : LM_OK;
}

static void reader_close(struct reader *reader)
{
    if (reader->session.png) {
        png_free(reader->session.png, reader->row);
        png_destroy_read_struct(&reader->session.png, &reader->session.info, NULL);
    }
}

static enum lm_status accept_image(struct reader *reader, struct lm_error *error)
{
    enum lm_status status =
        image_check_size(reader->width, reader->height, reader->max_pixels, error);
    if (status == LM_OK)
        status = lm_image_create(reader->width, reader->height, &reader->image, error);
    return status;
}

static uint8_t on_white(unsigned value, unsigned alpha)
{
    return (uint8_t)((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

static void store_image(struct reader *reader, const struct span *span)
{
    const uint8_t *pixel = reader->row;
    unsigned colours = reader->colours, green = colours > 1 ? 1 : 0, blue = colours > 1 ? 2 : 0;
    uint8_t *out = reader->image.rgb + 3 * ((size_t)span->y * reader->width + span->x);
    for (uint32_t i = 0; i < span->n; i++, out += (size_t)3 * span->step) {
        unsigned alpha = reader->alpha ? pixel[colours] : 255;
        out[0] = on_white(pixel[0], alpha);
        out[1] = on_white(pixel[green], alpha);
        out[2] = on_white(pixel[blue], alpha);
        pixel += colours + reader->alpha;
    }
}

static unsigned reader_orientation(struct reader *reader)
{
    png_uint_32 size = 0;
    png_byte *exif = NULL;
    if (!png_get_eXIf_1(reader->session.png, reader->session.info, &size, &exif) || !exif)
        return 1;
    return exif_orientation(exif, size);
}

enum lm_status image_png_decode(const void *bytes, size_t size, uint64_t max_pixels,
                                struct lm_image *out, unsigned *orientation, struct lm_error *error)
{
    struct reader reader = {
        .what = "image",
        .bytes = bytes,
        .size = size,
        .accept = accept_image,
        .store = store_image,
        .max_pixels = max_pixels,
    };
    enum lm_status status = reader_run(&reader, error);
    if (status == LM_OK) {
        *orientation = reader_orientation(&reader);
        *out = reader.image;
    } else {
        lm_image_free(&reader.image);
    }
    reader_close(&reader);
    return status;
}

/* The expected size waits in the still unused picture. */
static enum lm_status check_expected_size(const struct reader *reader, struct lm_error *error)
{
    if (reader->width != reader->image.width || reader->height != reader->image.height)
        return lm_fail(error, LM_INVALID, "%s is %u x %u pixels, the image is %u x %u",
                       reader->what, reader->width, reader->height, reader->image.width,
                       reader->image.height);
    return LM_OK;
}

static enum lm_status accept_mask(struct reader *reader, struct lm_error *error)
{
    enum lm_status status = check_expected_size(reader, error);
    if (status != LM_OK)
        return status;
    reader->nonzero = array_alloc(reader->width, reader->height);
    return reader->nonzero ? LM_OK : fail_memory(reader->what, error);
}

static bool any_byte(const uint8_t *bytes, unsigned n)
{
    unsigned any = 0;
    for (unsigned i = 0; i < n; i++)
        any |= bytes[i];
    return any != 0;
}

static void store_mask(struct reader *reader, const struct span *span)
{
    const uint8_t *pixel = reader->row;
    unsigned colour_bytes = reader->colours * reader->sample_bytes;
    unsigned alpha_bytes = reader->alpha ? reader->sample_bytes : 0;
    uint8_t *out = reader->nonzero + (size_t)span->y * reader->width + span->x;
    for (uint32_t i = 0; i < span->n; i++, out += span->step) {
        bool opaque = !alpha_bytes || any_byte(pixel + colour_bytes, alpha_bytes);
        *out = opaque && any_byte(pixel, colour_bytes);
        pixel += colour_bytes + alpha_bytes;
    }
}

enum lm_status image_png_decode_mask(const void *bytes, size_t size, uint32_t expected_width,
                                     uint32_t expected_height,
                                     void (*row)(void *context, uint32_t y, const uint8_t *nonzero),
                                     void *context, struct lm_error *error)
{
    if (!bytes || size == 0)
        return lm_fail(error, LM_CORRUPT, "mask is empty (0 bytes)");
    if (!image_is_png(bytes, size))
        return lm_fail(error, LM_UNSUPPORTED, "mask is not a PNG");
    struct reader reader = {
        .what = "mask",
        .bytes = bytes,
        .size = size,
        .accept = accept_mask,
        .store = store_mask,
        .keep_16_bits = true,
        .image = {.width = expected_width, .height = expected_height},
    };
    enum lm_status status = reader_run(&reader, error);
    for (uint32_t y = 0; status == LM_OK && y < reader.height; y++)
        row(context, y, reader.nonzero + (size_t)y * reader.width);
    free(reader.nonzero);
    reader_close(&reader);
    return status;
}

static enum lm_status accept_ids(struct reader *reader, struct lm_error *error)
{
    enum lm_status status = check_expected_size(reader, error);
    if (status != LM_OK)
        return status;
    const png_struct *png = reader->session.png;
    const png_info *info = reader->session.info;
    if (png_get_bit_depth(png, info) == 16 &&
        (png_get_color_type(png, info) != PNG_COLOR_TYPE_GRAY ||
         png_get_valid(png, info, PNG_INFO_tRNS)))
        return lm_fail(error, LM_UNSUPPORTED,
                       "label map has 16 bits a channel and colours or alpha; use 16-bit grey, or "
                       "8-bit RGB");
    reader->ids = array_alloc(reader->width, reader->height * sizeof *reader->ids);
    return reader->ids ? LM_OK : fail_memory(reader->what, error);
}

static uint32_t colour_id(const struct reader *reader, const uint8_t *pixel)
{
    unsigned colours = reader->colours, alpha = reader->alpha ? pixel[colours] : 255;
    uint32_t red = on_white(pixel[0], alpha), green = on_white(pixel[colours > 1 ? 1 : 0], alpha);
    return red << 16 | green << 8 | on_white(pixel[colours > 1 ? 2 : 0], alpha);
}

static void store_ids(struct reader *reader, const struct span *span)
{
    const uint8_t *pixel = reader->row;
    unsigned bytes = (reader->colours + reader->alpha) * reader->sample_bytes;
    uint32_t *out = reader->ids + (size_t)span->y * reader->width + span->x;
    for (uint32_t i = 0; i < span->n; i++, out += span->step, pixel += bytes)
        *out = reader->sample_bytes == 2 ? (uint32_t)pixel[0] << 8 | pixel[1]
                                         : colour_id(reader, pixel);
}

/* Ids of 8-bit greys, stored as grey or as colours, become the greys. */
static void reduce_greys(uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] != (ids[i] & 0xff) * 0x010101)
            return;
    for (size_t i = 0; i < n; i++)
        ids[i] &= 0xff;
}

enum lm_status lm_image_decode_ids(const void *bytes, size_t size, uint32_t width, uint32_t height,
                                   uint32_t **ids, struct lm_error *error)
{
    if (!bytes || size == 0)
        return lm_fail(error, LM_CORRUPT, "label map is empty (0 bytes)");
    if (!image_is_png(bytes, size))
        return lm_fail(error, LM_UNSUPPORTED, "label map is not a PNG");
    struct reader reader = {
        .what = "label map",
        .bytes = bytes,
        .size = size,
        .accept = accept_ids,
        .store = store_ids,
        .keep_16_bits = true,
        .image = {.width = width, .height = height},
    };
    enum lm_status status = reader_run(&reader, error);
    if (status == LM_OK) {
        if (reader.sample_bytes == 1)
            reduce_greys(reader.ids, (size_t)width * height);
        *ids = reader.ids;
    } else {
        free(reader.ids);
    }
    reader_close(&reader);
    return status;
}

struct writer {
    struct session session;
    struct image_bytes file;
};

static void writer_write(png_struct *png, png_byte *data, size_t size)
{
    struct writer *writer = png_get_io_ptr(png);
    if (!image_bytes_append(&writer->file, data, size)) {
        writer->session.no_memory = true;
        png_error(png, "out of memory");
    }
}

static void writer_flush(png_struct *png)
{
    (void)png;
}

static enum lm_status writer_run(struct writer *writer, const struct lm_image *image,
                                 struct lm_error *error)
{
    struct session *session = &writer->session;
    if (setjmp(session->jump)) {
        if (session->no_memory)
            return fail_memory("image", error);
        return lm_fail(error, LM_INVALID, "image of %u x %u pixels cannot be a PNG: %s",
                       image->width, image->height, session->text);
    }
    session->png =
        png_create_write_struct_2(PNG_LIBPNG_VER_STRING, session, session_error, session_warning,
                                  session, session_malloc, session_free);
    png_struct *png = session->png;
    session->info = png ? png_create_info_struct(png) : NULL;
    if (!session->info)
        return fail_memory("image", error);
    png_set_write_fn(png, writer, writer_write, writer_flush);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(png, session->info, image->width, image->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, session->info);
    for (uint32_t y = 0; y < image->height; y++)
        png_write_row(png, image->rgb + (size_t)3 * image->width * y);
    png_write_end(png, NULL);
    return LM_OK;
}

enum lm_status lm_image_encode_png(const struct lm_image *image, uint8_t **bytes, size_t *size,
                                   struct lm_error *error)
{
    if (!image->rgb)
        return lm_fail(error, LM_INVALID, "image to encode is empty");
    struct writer writer = {0};
    enum lm_status status = writer_run(&writer, image, error);
    if (status == LM_OK) {
        *bytes = writer.file.data;
        *size = writer.file.size;
    } else {
        free(writer.file.data);
    }
    if (writer.session.png)
        png_destroy_write_struct(&writer.session.png, &writer.session.info);
    return status;
}
