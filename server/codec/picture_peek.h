/* A look at the header of a picture's file, without decoding it and without memory: how large it
 * will be.  For deciding whether to decode it; decoders have the last word. */
#ifndef CODEC_PICTURE_PEEK_H
#define CODEC_PICTURE_PEEK_H

#include <stddef.h>
#include <stdint.h>

enum picture_peek_kind {
    PICTURE_PEEK_NONE,    /* no picture that can be decoded: of another format, cut off */
    PICTURE_PEEK_KNOWN,   /* the fields below say it */
    PICTURE_PEEK_UNKNOWN, /* its header is too long to look at, or an unusual one */
};

struct picture_peek {
    enum picture_peek_kind kind;
    uint32_t width, height; /* as stored, perhaps not upright */
    uint64_t decoder_bytes; /* most that a decoder takes beside the picture's 3 bytes a pixel */
};

/* Of a file's bytes, or of its base64 (white space is skipped). */
struct picture_peek picture_peek_bytes(const uint8_t *bytes, size_t size);
struct picture_peek picture_peek_base64(const char *text, size_t length);

#endif
