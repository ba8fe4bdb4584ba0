/* Sizes from headers, against what the decoders find: pictures of all kinds, as bytes, as base64,
 * cut off anywhere. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/base64.h"
#include "codec/file.h"
#include "codec/picture_peek.h"
#include "codec/text_memory.h"
#include "layermask/image.h"

static const char folder[] = "tests/golden/images";

static bool same(struct picture_peek a, struct picture_peek b)
{
    return a.kind == b.kind && a.width == b.width && a.height == b.height &&
           a.decoder_bytes == b.decoder_bytes;
}

/* The base64 with a line end after every 76 characters, as in mails. */
static char *fold(const char *text)
{
    size_t length = strlen(text);
    char *folded = malloc(length + 2 * (length / 76 + 1) + 1), *to = folded;
    for (size_t i = 0; i < length; i++) {
        if (i && i % 76 == 0)
            *to++ = '\r', *to++ = '\n';
        *to++ = text[i];
    }
    *to = '\0';
    return folded;
}

static void check_base64(const uint8_t *bytes, size_t size, struct picture_peek expected)
{
    char *text = NULL;
    assert_int_equal(codec_base64_encode(bytes, size, &text, NULL), LM_OK);
    char *folded = fold(text);
    assert_true(same(picture_peek_base64(text, strlen(text)), expected));
    assert_true(same(picture_peek_base64(folded, strlen(folded)), expected));
    free(folded);
    free(text);
}

/* What is known of a beginning is right; what is not can be had from a longer one only. */
static void check_beginnings(const uint8_t *bytes, size_t size, struct picture_peek whole)
{
    bool known = false;
    for (size_t n = 0; n < size && n < 2000; n++) {
        uint8_t *cut = malloc(n ? n : 1); /* of this size, so that a read beyond it shows */
        memcpy(cut, bytes, n);
        struct picture_peek peek = picture_peek_bytes(cut, n);
        assert_true(peek.kind == PICTURE_PEEK_NONE ? !known : same(peek, whole));
        known = known || peek.kind == PICTURE_PEEK_KNOWN;
        if (n % 7 == 0)
            check_base64(cut, n, peek);
        free(cut);
    }
}

static void agrees_with_decoders(void **state)
{
    (void)state;
    DIR *directory = opendir(folder);
    struct dirent *entry;
    unsigned pictures = 0;
    assert_non_null(directory);
    while ((entry = readdir(directory))) {
        uint8_t *bytes = NULL;
        size_t size = 0;
        struct lm_image image = {0};
        char *path = text_format("%s/%s", folder, entry->d_name);
        if (file_read(path, 1 << 24, &bytes, &size, NULL) == LM_OK) {
            struct picture_peek peek = picture_peek_bytes(bytes, size);
            bool decodes = lm_image_decode(bytes, size, NULL, &image, NULL) == LM_OK;
            bool upright = peek.width == image.width && peek.height == image.height;
            bool turned = peek.width == image.height && peek.height == image.width;
            if (decodes && (peek.kind != PICTURE_PEEK_KNOWN || (!upright && !turned)))
                fail_msg("%s: %u x %u", path, peek.width, peek.height);
            check_base64(bytes, size, peek);
            check_beginnings(bytes, size, peek);
            pictures += decodes;
        }
        lm_image_free(&image);
        free(bytes);
        free(path);
    }
    closedir(directory);
    assert_true(pictures > 10);
}

static struct picture_peek peek_text(const char *text, size_t size)
{
    return picture_peek_bytes((const uint8_t *)text, size);
}

#define FRAME "\xff\xc2\0\x11\x08\x12\x34\x56\x78\x03\1\x22\0\2\x11\0\3\x11\0"
#define PEEK(text) peek_text(text, sizeof text - 1)

/* As libjpeg walks: stray bytes, filling, markers without a length, lengths below 2. */
static void walks_markers(void **state)
{
    (void)state;
    struct picture_peek peek = PEEK("\xff\xd8" FRAME);
    assert_true(peek.kind == PICTURE_PEEK_KNOWN && peek.width == 0x5678 && peek.height == 0x1234);
    /* 6 blocks of 128 bytes for each 16 x 16 pixels are 3 bytes a pixel */
    assert_in_range(peek.decoder_bytes, UINT64_C(3) * 0x5678 * 0x1234,
                    UINT64_C(3) * 0x5678 * 0x1234 + (8 << 20));
    assert_true(same(PEEK("\xff\xd8"
                          "ab\xff\0\xff\0\xff\xff\xff\xe1\0\5abc\xff\xd0\xff\1\xff\xfe\0\0" FRAME),
                     peek));
    assert_int_equal(PEEK("\xff\xd9" FRAME).kind, PICTURE_PEEK_NONE);
    assert_int_equal(PEEK("\xff\xd8\xff\xd9" FRAME).kind, PICTURE_PEEK_NONE);
    assert_int_equal(PEEK("\xff\xd8\xff\xda" FRAME).kind, PICTURE_PEEK_NONE);
    assert_int_equal(PEEK("GIF89a").kind, PICTURE_PEEK_NONE);
    assert_int_equal(PEEK("\xff\xd8\xff\xc0\0\x20\x08\0\1\0\1\x09").kind, PICTURE_PEEK_UNKNOWN);
    assert_int_equal(PEEK("\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x51\0").kind,
                     PICTURE_PEEK_UNKNOWN);
}

static void gives_up_on_long_headers(void **state)
{
    (void)state;
    static char text[40 * 65537 + 100] = "\xff\xd8";
    size_t size = 2;
    for (int i = 0; i < 40; i++, size += 65537)
        memcpy(text + size, "\xff\xe2\xff\xff", 4);
    memcpy(text + size, FRAME, sizeof FRAME - 1);
    assert_int_equal(peek_text(text, size + sizeof FRAME - 1).kind, PICTURE_PEEK_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_decoders),
        cmocka_unit_test(walks_markers),
        cmocka_unit_test(gives_up_on_long_headers),
    };
    return cmocka_run_group_tests_name("picture_peek", tests, NULL, NULL);
}
