/* Pictures of requests.  Texts stay where they are in the document until they are decoded, which is
 * not before the call has its turn. */
#include "codec/request_picture.h"

#include <stdlib.h>
#include <string.h>

#include "codec/base64.h"

/* Longest header of a data: URL. */
enum { DATA_HEADER = 200 };

const char *const request_picture_keys[] = {"image", "image_bytes", "data", NULL};

/* Passes over the header of a data: URL. */
static enum lm_status skip_data_header(struct request_picture *picture, struct lm_error *error)
{
    static const char start[] = "data:", end[] = ";base64";
    size_t most = picture->length < DATA_HEADER ? picture->length : DATA_HEADER;
    if (strncmp(picture->text, start, sizeof start - 1) != 0)
        return LM_OK;
    const char *comma = memchr(picture->text, ',', most);
    size_t header = comma ? (size_t)(comma - picture->text) : 0, length = sizeof end - 1;
    if (header < length || memcmp(comma - length, end, length) != 0)
        return lm_fail(error, LM_INVALID,
                       "%s: a data: URL must begin with data:<type>;base64, and the type be short",
                       picture->key);
    picture->text = comma + 1;
    picture->length -= header + 1;
    return LM_OK;
}

static enum lm_status read_text(json_t *value, struct request_picture *picture,
                                struct codec_fault *fault, struct lm_error *error)
{
    static const char *const fields[] = {"b64", NULL};
    if (json_is_object(value)) {
        enum lm_status status = request_check_fields(value, picture->key, fields, fault, error);
        if (status != LM_OK)
            return status;
        picture->inner = fields[0];
        fault_enter_key(fault, picture->inner);
        value = json_object_get(value, picture->inner);
        if (!json_is_string(value))
            return fault_type(fault, error, "b64", "a string of base64", value);
    }
    if (!json_is_string(value))
        return fault_type(fault, error, picture->key, "{\"b64\": \"...\"} or a string of base64",
                          value);
    picture->text = json_string_value(value);
    picture->length = json_string_length(value);
    return skip_data_header(picture, error);
}

/* Which of the keys the instance has. */
static enum lm_status choose_key(json_t *instance, struct request_picture *picture,
                                 struct codec_fault *fault, struct lm_error *error)
{
    for (size_t i = 0; request_picture_keys[i]; i++) {
        if (!json_object_get(instance, request_picture_keys[i]))
            continue;
        if (picture->key) {
            fault_enter_key(fault, request_picture_keys[i]);
            return fault_malformed(fault, error, "%s and %s cannot both be given", picture->key,
                                   request_picture_keys[i]);
        }
        picture->key = request_picture_keys[i];
    }
    if (!picture->key)
        picture->key = request_picture_keys[0];
    fault_enter_key(fault, picture->key);
    return LM_OK;
}

static enum lm_status read_file(const struct request_bytes *file,
                                const struct request_limits *limits,
                                struct request_picture *picture, struct codec_fault *fault,
                                struct lm_error *error)
{
    picture->file = *file;
    picture->key = request_picture_keys[0];
    picture->peek = picture_peek_bytes(file->bytes, file->size);
    fault_enter_key(fault, picture->key);
    if (file->size > limits->image_bytes)
        return lm_fail(error, LM_LIMIT, "image: %zu bytes are over the limit of %zu", file->size,
                       limits->image_bytes);
    return LM_OK;
}

enum lm_status request_picture_read(const struct request *request, uint32_t index,
                                    const struct request_limits *limits,
                                    struct request_picture *out, struct codec_fault *fault,
                                    struct lm_error *error)
{
    json_t *instance = request_instance(request, index);
    struct request_picture picture = {.index = index, .listed = instance != NULL};
    size_t here = request_enter_instance(request, index, fault);
    enum lm_status status;
    if (instance) {
        status = choose_key(instance, &picture, fault, error);
        if (status == LM_OK)
            status = read_text(json_object_get(instance, picture.key), &picture, fault, error);
        if (status == LM_OK)
            picture.peek = picture_peek_base64(picture.text, picture.length);
    } else {
        status = read_file(&request->image, limits, &picture, fault, error);
    }
    if (status != LM_OK)
        return status;
    fault_leave(fault, here);
    *out = picture;
    return LM_OK;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Scaling: weights, and the rows that are scaled in one direction. */
static uint64_t scaling_bytes(const struct lm_preprocess *preprocess, uint64_t side)
{
    uint64_t width = preprocess->width, height = preprocess->height;
    return 16 * side + 3 * width * side + 32 * (width + height);
}

static uint64_t mask_bytes(uint64_t width, uint64_t height)
{
    return (width + 63) / 64 * 8 * height;
}

/* pixels, side, mask, and what the decoder takes beside the picture. */
static void reckon_size(const struct picture_peek *peek, uint64_t limit,
                        struct request_picture_cost *out, uint64_t *decoder)
{
    const uint64_t longest_jpeg = 65535; /* all that is unknown is JPEG */
    uint64_t pixels = (uint64_t)peek->width * peek->height;
    if (peek->kind == PICTURE_PEEK_UNKNOWN) {
        uint64_t side = smaller(longest_jpeg, limit);
        *out = (struct request_picture_cost){
            .pixels = limit, .side = side, .mask = limit / 8 + 8 * side};
        *decoder = 8 * limit + 1024 * side;
    } else if (peek->kind == PICTURE_PEEK_KNOWN && pixels <= limit) {
        *out = (struct request_picture_cost){.pixels = pixels,
                                             .side = larger(peek->width, peek->height),
                                             .mask = larger(mask_bytes(peek->width, peek->height),
                                                            mask_bytes(peek->height, peek->width))};
        *decoder = peek->decoder_bytes;
    } else { /* the decoder will refuse it */
        *out = (struct request_picture_cost){0};
        *decoder = 0;
    }
}

void request_picture_cost(const struct request_picture *picture, const struct call_terms *terms,
                          struct request_picture_cost *out)
{
    const uint64_t spare = 4096;
    const struct lm_preprocess *preprocess = &terms->dir->about.preprocess;
    uint64_t seen = (uint64_t)preprocess->width * preprocess->height, decoder;
    uint64_t file = picture->text ? picture->length / 4 * 3 + 3 : 0;
    uint64_t chunk = picture->text ? file : picture->file.size; /* of a PNG, if it is all EXIF */
    reckon_size(&picture->peek, smaller(terms->limits->pixels, UINT64_MAX / 64), out, &decoder);
    out->picture = 3 * out->pixels;
    out->input = (3 + 3 * sizeof(float)) * seen;
    uint64_t turning = out->picture, scaling = scaling_bytes(preprocess, out->side);
    out->decode = file + chunk + out->picture + larger(decoder, larger(turning, scaling)) +
                  out->input + spare;
}

/* The decoder may not make more of it than has been reckoned with. */
static uint64_t pixels_limit(const struct picture_peek *peek, uint64_t limit)
{
    uint64_t pixels = (uint64_t)peek->width * peek->height;
    return peek->kind == PICTURE_PEEK_KNOWN && pixels && pixels < limit ? pixels : limit;
}

enum lm_status request_picture_decode(const struct request_picture *picture,
                                      const struct call_terms *terms, struct picture_input *out,
                                      struct codec_fault *fault, struct lm_error *error)
{
    const struct lm_image_limits limits = {
        .max_bytes = terms->limits->image_bytes,
        .max_pixels = pixels_limit(&picture->peek, terms->limits->pixels),
    };
    const uint8_t *bytes = picture->file.bytes;
    size_t size = picture->file.size, here = fault->length;
    uint8_t *decoded = NULL;
    if (picture->listed) {
        fault_enter_key(fault, "instances");
        fault_enter_index(fault, picture->index);
    }
    fault_enter_key(fault, picture->key);
    if (picture->inner)
        fault_enter_key(fault, picture->inner);
    enum lm_status status = LM_OK;
    if (picture->text) {
        status = codec_base64_decode(picture->inner ? picture->inner : picture->key, picture->text,
                                     picture->length, limits.max_bytes, &decoded, &size, error);
        bytes = decoded;
    }
    if (status == LM_OK)
        status =
            picture_input_read(bytes, size, &limits, &terms->dir->about.preprocess, out, error);
    free(decoded);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}
