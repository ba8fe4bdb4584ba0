/* For tests of the whole service: pictures that are small as files and large as pixels. */
#ifndef LARGE_PNG_H
#define LARGE_PNG_H

#include <zlib.h>

#include "client.h"

static inline void png_put_number(uint8_t *to, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(number >> (24 - 8 * i));
}

static inline void png_put_chunk(struct bytes *png, const char *type, const void *data, size_t size)
{
    uint8_t length[4], sum[4];
    png_put_number(length, (uint32_t)size);
    uLong crc = crc32(0, (const Bytef *)type, 4);
    if (size > 0)
        crc = crc32(crc, data, (uInt)size);
    png_put_number(sum, (uint32_t)crc);
    bytes_add((char *)length, 1, 4, png);
    bytes_add((char *)(uintptr_t)type, 1, 4, png);
    if (size > 0)
        bytes_add((char *)(uintptr_t)data, 1, size, png);
    bytes_add((char *)sum, 1, 4, png);
}

/* A black square, in RGB; its bytes are the caller's to free. */
static inline struct bytes large_png(uint32_t side)
{
    struct bytes png = {NULL, 0};
    uint8_t head[13] = {0};
    uLong size = (uLong)side * (3 * side + 1);
    uLongf packed_size = compressBound(size);
    Bytef *lines = calloc(1, size), *packed = malloc(packed_size);
    assert_true(lines && packed);
    assert_int_equal(compress2(packed, &packed_size, lines, size, 1), Z_OK);
    png_put_number(head, side);
    png_put_number(head + 4, side);
    head[8] = 8;
    head[9] = 2;
    bytes_add((char *)(uintptr_t) "\x89PNG\r\n\x1a\n", 1, 8, &png);
    png_put_chunk(&png, "IHDR", head, sizeof head);
    png_put_chunk(&png, "IDAT", packed, packed_size);
    png_put_chunk(&png, "IEND", NULL, 0);
    free(lines);
    free(packed);
    return png;
}

#endif
