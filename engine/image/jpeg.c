/* JPEG, by libjpeg-turbo, with the settings that Pillow leaves at their defaults too (slow integer
 * transform, smooth chroma upsampling), so that pictures are as networks have seen them.
 *
 * Corrupt data are only warnings to libjpeg, which then paints grey; those that mean lost pixels
 * are errors here, while stray bytes between markers, which real cameras write, are not.
 * CMYK and YCCK follow Pillow, which takes all four-channel files for inverted, as Adobe writes
 * them.  A progressive file may ask for a pass over all pixels with a few bytes, so the number of
 * scans is limited; its coefficient memory is bounded by the limit of pixels.
 *
 * libjpeg reports errors by longjmp: everything that must survive one lives in struct decoder or
 * struct encoder, owned by the caller of the function that calls setjmp. */
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h> /* its list depends on what jpeglib.h has defined */

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "image/image_room.h"

/* Ten scans are usual, about 200 is one per coefficient and component. A scan over a hundred
 * million pixels takes 0.07 s even if it holds nothing, so the large pictures get fewer. */
#define MAX_SCANNED_PIXELS 2000000000u
enum { LEAST_MAX_SCANS = 20, MAX_SCANS = 200 };

/* First in the structs below, so that libjpeg's pointer to it is a pointer to them. */
struct failure {
    struct jpeg_error_mgr manager;
    jmp_buf jump;
    enum lm_status status;
    char text[JMSG_LENGTH_MAX];
};

static enum lm_status status_of(int code)
{
    switch (code) {
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE: return LM_NOMEM;
    case JERR_IMAGE_TOO_BIG:
    case JERR_WIDTH_OVERFLOW: return LM_LIMIT;
    case JERR_BAD_PRECISION:
    case JERR_CCIR601_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED: return LM_UNSUPPORTED;
    default: return LM_CORRUPT;
    }
}

static void on_error(j_common_ptr jpeg)
{
    struct failure *failure = (struct failure *)jpeg->err;
    jpeg->err->format_message(jpeg, failure->text);
    failure->status = status_of(jpeg->err->msg_code);
    longjmp(failure->jump, 1);
}

/* Level -1 is a warning; the others are a commentary. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level != -1)
        return;
    switch (jpeg->err->msg_code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC: on_error(jpeg); break;
    default: break;
    }
}

static void no_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static struct jpeg_error_mgr *failure_manager(struct failure *failure)
{
    jpeg_std_error(&failure->manager);
    failure->manager.error_exit = on_error;
    failure->manager.emit_message = on_message;
    failure->manager.output_message = no_output;
    return &failure->manager;
}

static enum lm_status fail_with(const struct failure *failure, const char *doing,
                                struct lm_error *error)
{
    switch (failure->status) {
    case LM_NOMEM: return lm_fail(error, LM_NOMEM, "out of memory for a JPEG image");
    case LM_CORRUPT:
        return lm_fail(error, LM_CORRUPT, "image is not a valid JPEG: %s", failure->text);
    default: return lm_fail(error, failure->status, "JPEG cannot be %s: %s", doing, failure->text);
    }
}

struct decoder {
    struct failure failure;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct jpeg;
    uint64_t max_pixels;
    struct lm_image image;
    unsigned orientation;
    bool has_exif;
};

/* As many scans as MAX_SCANNED_PIXELS allows, within the bounds. */
static int max_scans(const struct jpeg_decompress_struct *jpeg)
{
    uint64_t scans = MAX_SCANNED_PIXELS / ((uint64_t)jpeg->image_width * jpeg->image_height);
    return scans < LEAST_MAX_SCANS ? LEAST_MAX_SCANS : scans > MAX_SCANS ? MAX_SCANS : (int)scans;
}

static void count_scans(j_common_ptr common)
{
    j_decompress_ptr jpeg = (j_decompress_ptr)common;
    if (jpeg->input_scan_number <= max_scans(jpeg))
        return;
    struct failure *failure = (struct failure *)jpeg->err;
    snprintf(failure->text, sizeof failure->text,
             "it has more than %d scans, the limit for %u x %u pixels", max_scans(jpeg),
             jpeg->image_width, jpeg->image_height);
    failure->status = LM_LIMIT;
    longjmp(failure->jump, 1);
}

/* Reads an APP1 marker where it lies: the source is the whole file in memory. Saving markers, as
 * libjpeg offers, would take some 100 bytes for each empty one. Only the first EXIF counts. */
static boolean read_app1(j_decompress_ptr jpeg)
{
    struct decoder *decoder = jpeg->client_data;
    struct jpeg_source_mgr *source = jpeg->src;
    const uint8_t *marker = source->next_input_byte;
    if (source->bytes_in_buffer < 2)
        ERREXIT(jpeg, JERR_INPUT_EOF);
    size_t length = (size_t)marker[0] << 8 | marker[1];
    if (length < 2)
        ERREXIT(jpeg, JERR_BAD_LENGTH);
    if (length > source->bytes_in_buffer)
        ERREXIT(jpeg, JERR_INPUT_EOF);
    if (!decoder->has_exif && length >= 8 && memcmp(marker + 2, "Exif\0", 5) == 0) {
        decoder->has_exif = true;
        decoder->orientation = exif_orientation(marker + 8, length - 8);
    }
    source->next_input_byte += length;
    source->bytes_in_buffer -= length;
    return TRUE;
}

static void inverted_cmyk_to_rgb(const uint8_t *cmyk, uint32_t width, uint8_t *rgb)
{
    for (uint32_t x = 0; x < width; x++, cmyk += 4, rgb += 3) {
        unsigned light = cmyk[3];
        for (unsigned c = 0; c < 3; c++)
            rgb[c] = (uint8_t)(light - ((255u - cmyk[c]) * light + 127) / 255);
    }
}

/* Four-channel rows come in memory that libjpeg releases with the decoder. */
static void read_rows(struct decoder *decoder)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    uint32_t width = decoder->image.width;
    JSAMPARRAY four = NULL;
    if (jpeg->out_color_space == JCS_CMYK)
        four = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, 4 * width, 1);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = decoder->image.rgb + (size_t)3 * width * jpeg->output_scanline;
        jpeg_read_scanlines(jpeg, four ? four : &row, 1);
        if (four)
            inverted_cmyk_to_rgb(four[0], width, row);
    }
}

static enum lm_status decoder_run(struct decoder *decoder, const void *bytes, size_t size,
                                  struct lm_error *error)
{
    struct jpeg_decompress_struct *jpeg = &decoder->jpeg;
    jpeg->err = failure_manager(&decoder->failure);
    if (setjmp(decoder->failure.jump))
        return fail_with(&decoder->failure, "decoded", error);
    jpeg_create_decompress(jpeg);
    decoder->progress.progress_monitor = count_scans;
    jpeg->progress = &decoder->progress;
    jpeg_mem_src(jpeg, bytes, size);
    jpeg->client_data = decoder;
    jpeg_set_marker_processor(jpeg, JPEG_APP0 + 1, read_app1);
    jpeg_read_header(jpeg, TRUE);
    enum lm_status status =
        image_check_size(jpeg->image_width, jpeg->image_height, decoder->max_pixels, error);
    if (status == LM_OK)
        status = lm_image_create(jpeg->image_width, jpeg->image_height, &decoder->image, error);
    if (status != LM_OK)
        return status;
    jpeg->out_color_space = jpeg->num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(jpeg);
    read_rows(decoder);
    jpeg_finish_decompress(jpeg);
    return LM_OK;
}

enum lm_status image_jpeg_decode(const void *bytes, size_t size, uint64_t max_pixels,
                                 struct lm_image *out, unsigned *orientation,
                                 struct lm_error *error)
{
    struct decoder decoder = {.max_pixels = max_pixels, .orientation = 1};
    enum lm_status status = decoder_run(&decoder, bytes, size, error);
    if (status == LM_OK) {
        *out = decoder.image;
        *orientation = decoder.orientation;
    } else {
        lm_image_free(&decoder.image);
    }
    jpeg_destroy_decompress(&decoder.jpeg);
    return status;
}

/* libjpeg's own memory writer leaves its buffer in doubt after an error, so this is another. */
struct encoder {
    struct failure failure;
    struct jpeg_compress_struct jpeg;
    struct jpeg_destination_mgr sink;
    uint8_t block[4096];
    struct image_bytes file;
};

static void sink_rewind(struct encoder *encoder)
{
    encoder->sink.next_output_byte = encoder->block;
    encoder->sink.free_in_buffer = sizeof encoder->block;
}

static void sink_append(j_compress_ptr jpeg, size_t size)
{
    struct encoder *encoder = jpeg->client_data;
    if (!image_bytes_append(&encoder->file, encoder->block, size))
        ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
    sink_rewind(encoder);
}

static void sink_start(j_compress_ptr jpeg)
{
    sink_rewind(jpeg->client_data);
}

/* Called when the block is full: all of it counts, whatever free_in_buffer says. */
static boolean sink_full(j_compress_ptr jpeg)
{
    struct encoder *encoder = jpeg->client_data;
    sink_append(jpeg, sizeof encoder->block);
    return TRUE;
}

static void sink_end(j_compress_ptr jpeg)
{
    struct encoder *encoder = jpeg->client_data;
    sink_append(jpeg, sizeof encoder->block - encoder->sink.free_in_buffer);
}

static enum lm_status encoder_run(struct encoder *encoder, const struct lm_image *image,
                                  int quality, struct lm_error *error)
{
    struct jpeg_compress_struct *jpeg = &encoder->jpeg;
    jpeg->err = failure_manager(&encoder->failure);
    if (setjmp(encoder->failure.jump))
        return fail_with(&encoder->failure, "encoded", error);
    jpeg_create_compress(jpeg);
    encoder->sink.init_destination = sink_start;
    encoder->sink.empty_output_buffer = sink_full;
    encoder->sink.term_destination = sink_end;
    jpeg->client_data = encoder;
    jpeg->dest = &encoder->sink;
    jpeg->image_width = image->width;
    jpeg->image_height = image->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg->comp_info[0].h_samp_factor = jpeg->comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = image->rgb + (size_t)3 * image->width * jpeg->next_scanline;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    return LM_OK;
}

enum lm_status lm_image_encode_jpeg(const struct lm_image *image, int quality, uint8_t **bytes,
                                    size_t *size, struct lm_error *error)
{
    if (!image->rgb)
        return lm_fail(error, LM_INVALID, "image to encode is empty");
    if (quality < 1 || quality > 100)
        return lm_fail(error, LM_INVALID, "JPEG quality is %d; it is 1 to 100", quality);
    struct encoder encoder = {0};
    enum lm_status status = encoder_run(&encoder, image, quality, error);
    if (status == LM_OK) {
        *bytes = encoder.file.data;
        *size = encoder.file.size;
    } else {
        free(encoder.file.data);
    }
    jpeg_destroy_compress(&encoder.jpeg);
    return status;
}
