/* Sizes of pictures from the headers of their files.
 *
 * PNG says its size at a fixed place.  In a JPEG, markers are walked exactly as libjpeg walks them,
 * stray bytes included, up to the one with the size.  Bytes are taken one at a time, so that base64
 * needs no buffer, and no more than PEEK_BYTES of them. */
#include "codec/picture_peek.h"

#include <stdbool.h>

#define PEEK_BYTES ((size_t)1 << 20)
#define KIB ((uint64_t)1 << 10)

enum { MAX_COMPONENTS = 4, MAX_SAMPLING = 4, JPEG_BLOCK_BYTES = 128 };

/* Bytes, or characters of base64, that are still to be read. */
struct source {
    const uint8_t *at, *end;
    bool base64;
    uint32_t bits; /* decoded, n_bits of them not handed out yet */
    unsigned n_bits;
    size_t left; /* bytes that may still be looked at */
};

static int value_of(uint8_t character)
{
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    return character == '+' ? 62 : character == '/' ? 63 : -1;
}

static bool is_space(uint8_t character)
{
    return character == ' ' || (character >= '\t' && character <= '\r');
}

/* Six bits more; false at the end of the base64. */
static bool take_character(struct source *source)
{
    while (source->at < source->end && is_space(*source->at))
        source->at++;
    int value = source->at < source->end ? value_of(*source->at++) : -1;
    if (value < 0)
        return false;
    source->bits = source->bits << 6 | (uint32_t)value;
    source->n_bits += 6;
    return true;
}

/* The next byte, or -1: there is none, or (left is 0) it is too far from the start. */
static int next(struct source *source)
{
    if (!source->left)
        return -1;
    if (!source->base64) {
        source->left--;
        return source->at < source->end ? *source->at++ : -1;
    }
    while (source->n_bits < 8)
        if (!take_character(source))
            return -1;
    source->left--;
    source->n_bits -= 8;
    return source->bits >> source->n_bits & 0xff;
}

/* A number of n bytes, at most 4, the most significant first; false at the end. */
static bool next_number(struct source *source, unsigned n, uint32_t *out)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < n; i++) {
        int byte = next(source);
        if (byte < 0)
            return false;
        number = number << 8 | (uint32_t)byte;
    }
    *out = number;
    return true;
}

static bool skip(struct source *source, uint32_t n)
{
    while (n && next(source) >= 0)
        n--;
    return n == 0;
}

/* Behind the first byte: the rest of the signature, the length and name of IHDR, the size.  Beside
 * the picture there are some rows of at most 8 bytes a pixel. */
static enum picture_peek_kind peek_png(struct source *source, struct picture_peek *out)
{
    if (!skip(source, 15) || !next_number(source, 4, &out->width) ||
        !next_number(source, 4, &out->height))
        return PICTURE_PEEK_NONE;
    out->decoder_bytes = 48 * (uint64_t)out->width + 256 * KIB;
    return PICTURE_PEEK_KNOWN;
}

/* The code of the next marker, stray bytes before it passed over; -1 at the end. */
static int next_marker(struct source *source)
{
    int byte;
    do {
        do
            byte = next(source);
        while (byte >= 0 && byte != 0xff);
        do
            byte = next(source);
        while (byte == 0xff);
    } while (byte == 0);
    return byte;
}

static bool is_frame(int marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* Markers without a length. */
static bool is_bare(int marker)
{
    return (marker >= 0xd0 && marker <= 0xd7) || marker == 0x01;
}

struct component {
    uint32_t horizontal, vertical; /* sampling factors */
};

static bool read_component(struct source *source, struct component *out)
{
    uint32_t id, factors, table;
    if (!next_number(source, 1, &id) || !next_number(source, 1, &factors) ||
        !next_number(source, 1, &table))
        return false;
    *out = (struct component){factors >> 4, factors & 15};
    return true;
}

static bool is_usual(const struct component *component)
{
    return component->horizontal >= 1 && component->horizontal <= MAX_SAMPLING &&
           component->vertical >= 1 && component->vertical <= MAX_SAMPLING;
}

/* libjpeg's memory if it has to keep the coefficients of the whole picture, as it does for
 * progressive files and for those with a scan for each component; and some rows. */
static uint64_t jpeg_bytes(uint32_t width, uint32_t height, const struct component *components,
                           uint32_t n)
{
    uint32_t across = 1, down = 1, blocks = 0;
    for (uint32_t i = 0; i < n; i++) {
        across = components[i].horizontal > across ? components[i].horizontal : across;
        down = components[i].vertical > down ? components[i].vertical : down;
        blocks += components[i].horizontal * components[i].vertical;
    }
    uint64_t units = ((uint64_t)width / (8 * across) + 1) * (height / (8 * down) + 1);
    return units * blocks * JPEG_BLOCK_BYTES + 256 * ((uint64_t)width + 32) + 256 * KIB;
}

/* A frame header behind its marker: length, precision, size, components. */
static enum picture_peek_kind peek_frame(struct source *source, struct picture_peek *out)
{
    struct component components[MAX_COMPONENTS];
    uint32_t n;
    if (!skip(source, 3) || !next_number(source, 2, &out->height) ||
        !next_number(source, 2, &out->width) || !next_number(source, 1, &n))
        return PICTURE_PEEK_NONE;
    if (n > MAX_COMPONENTS)
        return PICTURE_PEEK_UNKNOWN;
    for (uint32_t i = 0; i < n; i++) {
        if (!read_component(source, &components[i]))
            return PICTURE_PEEK_NONE;
        if (!is_usual(&components[i]))
            return PICTURE_PEEK_UNKNOWN;
    }
    out->decoder_bytes = jpeg_bytes(out->width, out->height, components, n);
    return PICTURE_PEEK_KNOWN;
}

/* Behind the first byte. */
static enum picture_peek_kind peek_jpeg(struct source *source, struct picture_peek *out)
{
    if (next(source) != 0xd8)
        return PICTURE_PEEK_NONE;
    for (int marker; (marker = next_marker(source)) >= 0;) {
        uint32_t length;
        if (is_frame(marker))
            return peek_frame(source, out);
        if (marker == 0xd9 || marker == 0xda) /* the end, or pixels without a size */
            break;
        if (is_bare(marker))
            continue;
        if (!next_number(source, 2, &length) || !skip(source, length > 2 ? length - 2 : 0))
            break;
    }
    return PICTURE_PEEK_NONE;
}

static struct picture_peek peek(struct source *source)
{
    struct picture_peek result = {.kind = PICTURE_PEEK_NONE};
    int first = next(source);
    if (first == 0x89)
        result.kind = peek_png(source, &result);
    else if (first == 0xff)
        result.kind = peek_jpeg(source, &result);
    if (result.kind == PICTURE_PEEK_NONE && !source->left)
        result.kind = PICTURE_PEEK_UNKNOWN;
    return result.kind == PICTURE_PEEK_KNOWN ? result : (struct picture_peek){.kind = result.kind};
}

struct picture_peek picture_peek_bytes(const uint8_t *bytes, size_t size)
{
    struct source source = {.at = bytes, .end = bytes + size, .left = PEEK_BYTES};
    return peek(&source);
}

struct picture_peek picture_peek_base64(const char *text, size_t length)
{
    const uint8_t *at = (const uint8_t *)text;
    struct source source = {.at = at, .end = at + length, .base64 = true, .left = PEEK_BYTES};
    return peek(&source);
}
