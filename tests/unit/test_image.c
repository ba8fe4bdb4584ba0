/* Decoding and encoding: every kind of file against pixels from Pillow or from the samples that
 * were encoded, limits, and what damaged and hostile files do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "image/image_room.h"
#include "image_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const jpegs[] = {
    "baseline",     "full_chroma", "half_chroma", "progressive",    "grey",
    "cmyk",         "ycck",        "rgb",         "arithmetic",     "restart",
    "long",         "one_pixel",   "stray_bytes", "trailing_bytes", "odd_exif",
    "several_app1", "exif_1",      "exif_2",      "exif_3",         "exif_4",
    "exif_5",       "exif_6",      "exif_7",      "exif_8",
};

static const char *const pngs[] = {
    "grey1",          "grey2",          "grey4",          "grey8",       "grey16",
    "grey4_clear",    "grey8_clear",    "grey16_clear",   "grey8_alpha", "grey16_alpha",
    "palette1",       "palette2",       "palette4",       "palette8",    "palette1_alpha",
    "palette2_alpha", "palette4_alpha", "palette8_alpha", "rgb8",        "rgb16",
    "rgb8_clear",     "rgb16_clear",    "rgb8_alpha",     "rgb16_alpha", "size_1x1",
    "size_2x5",       "size_5x3",       "size_1x9",       "size_300x1",  "optional_chunks",
};

static const char *const interlaced[] = {
    "grey1",    "grey2",    "grey16_clear", "palette4_alpha", "rgb8",       "rgb16_alpha",
    "size_1x1", "size_2x5", "size_5x3",     "size_1x9",       "size_300x1",
};

static struct lm_image decode(const char *name, const char *suffix)
{
    struct fixture file = fixture_read(name, suffix);
    struct lm_image image = {0};
    struct lm_error error = {0};
    if (lm_image_decode(file.bytes, file.size, NULL, &image, &error) != LM_OK)
        fail_msg("%s%s: %s", name, suffix, error.text);
    free(file.bytes);
    return image;
}

static void expect(const char *name, const char *suffix, const char *expected, int tolerance)
{
    struct lm_image image = decode(name, suffix), right = fixture_ppm(expected);
    int distance = fixture_distance(&image, &right);
    if (distance > tolerance)
        fail_msg("%s%s is %d away from %s.ppm", name, suffix, distance, expected);
    lm_image_free(&image);
    lm_image_free(&right);
}

static void test_jpeg_as_pillow(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(jpegs); i++)
        expect(jpegs[i], ".jpg", jpegs[i], 0);
}

/* 16-bit colour and alpha are rounded to 8 bits before compositing. */
static void test_png_samples(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pngs); i++)
        expect(pngs[i], ".png", pngs[i], 0);
    for (size_t i = 0; i < COUNT(interlaced); i++)
        expect(interlaced[i], "_interlaced.png", interlaced[i], 0);
}

static void test_png_orientation(void **state)
{
    (void)state;
    for (int n = 1; n <= 8; n++) {
        char name[20];
        snprintf(name, sizeof name, "exif_%d", n);
        expect(name, ".png", "exif_png", 0);
    }
}

struct rows {
    uint32_t width, next;
    uint8_t *expected;
    const char *name;
};

static void check_row(void *context, uint32_t y, const uint8_t *nonzero)
{
    struct rows *rows = context;
    assert_int_equal(y, rows->next++);
    for (uint32_t x = 0; x < rows->width; x++)
        if (nonzero[x] != rows->expected[y * rows->width + x])
            fail_msg("%s at %u, %u is %d", rows->name, x, y, nonzero[x]);
}

static void expect_mask(const char *name, const char *suffix)
{
    struct fixture file = fixture_read(name, suffix);
    struct rows rows = {.name = name};
    uint32_t height;
    rows.expected = fixture_samples(name, ".pgm", &rows.width, &height);
    assert_int_equal(
        image_png_decode_mask(file.bytes, file.size, rows.width, height, check_row, &rows, NULL),
        LM_OK);
    assert_int_equal(rows.next, height);
    free(rows.expected);
    free(file.bytes);
}

static void test_png_as_mask(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pngs); i++)
        expect_mask(pngs[i], ".png");
    for (size_t i = 0; i < COUNT(interlaced); i++)
        expect_mask(interlaced[i], "_interlaced.png");
}

static void no_row(void *context, uint32_t y, const uint8_t *nonzero)
{
    (void)context;
    (void)nonzero;
    fail_msg("row %u of a mask that is refused", y);
}

static void expect_mask_error(const struct fixture *file, size_t size, uint32_t width,
                              enum lm_status status, const char *text)
{
    struct lm_error error = {0};
    assert_int_equal(image_png_decode_mask(file->bytes, size, width, 11, no_row, NULL, &error),
                     status);
    if (text)
        assert_string_equal(error.text, text);
}

static void test_mask_errors(void **state)
{
    (void)state;
    struct fixture png = fixture_read("grey8", ".png"), jpeg = fixture_read("baseline", ".jpg");
    expect_mask_error(&png, png.size, 500, LM_INVALID,
                      "mask is 13 x 11 pixels, the image is 500 x 11");
    expect_mask_error(&png, 0, 13, LM_CORRUPT, "mask is empty (0 bytes)");
    expect_mask_error(&png, 50, 13, LM_CORRUPT, "mask is not a valid PNG: the file ends too early");
    expect_mask_error(&jpeg, jpeg.size, 13, LM_UNSUPPORTED, "mask is not a PNG");
    for (size_t size = 0; size < png.size; size++)
        expect_mask_error(&png, size, 13, LM_CORRUPT, NULL);
    free(png.bytes);
    free(jpeg.bytes);
}

/* Fails with the status and, if it is given, the text; leaves the output alone. */
static void refuse_with(const void *bytes, size_t size, const struct lm_image_limits *limits,
                        enum lm_status status, const char *text)
{
    uint8_t pixel = 0;
    struct lm_image image = {7, 8, &pixel};
    struct lm_error error = {0};
    assert_int_equal(lm_image_decode(bytes, size, limits, &image, &error), status);
    assert_int_equal(error.status, status);
    if (text)
        assert_string_equal(error.text, text);
    assert_true(image.width == 7 && image.height == 8 && image.rgb == &pixel);
}

static void refuse(const void *bytes, size_t size, enum lm_status status, const char *text)
{
    refuse_with(bytes, size, NULL, status, text);
}

static void test_other_formats(void **state)
{
    (void)state;
    refuse(NULL, 0, LM_CORRUPT, "image is empty (0 bytes)");
    refuse("", 0, LM_CORRUPT, "image is empty (0 bytes)");
    refuse("GIF89a....", 10, LM_UNSUPPORTED, "image is GIF; JPEG and PNG are supported");
    refuse("RIFF....WEBPVP8 ", 16, LM_UNSUPPORTED, "image is WebP; JPEG and PNG are supported");
    refuse("Hello, world", 12, LM_UNSUPPORTED, "image is neither JPEG nor PNG");
    refuse("\x89PNG\n\n\x1a\n", 8, LM_UNSUPPORTED, "image is neither JPEG nor PNG");
    refuse("\xff\xd8\x00\x00", 4, LM_UNSUPPORTED, NULL);
    refuse("\x89", 1, LM_CORRUPT, NULL);
    refuse("\xff", 1, LM_CORRUPT, NULL);
}

static void test_limits(void **state)
{
    (void)state;
    struct fixture png = fixture_read("exif_1", ".png"), jpeg = fixture_read("baseline", ".jpg");
    struct lm_image_limits pixels = {.max_pixels = 27 * 19 - 1}, bytes = {.max_bytes = 100};
    const char *text = "image is 27 x 19 pixels, above the limit of 512 pixels";
    refuse_with(png.bytes, png.size, &pixels, LM_LIMIT, text);
    refuse_with(jpeg.bytes, jpeg.size, &pixels, LM_LIMIT, text);
    refuse_with(png.bytes, 200, &bytes, LM_LIMIT,
                "image file has 200 bytes, above the limit of 100");
    struct lm_image_limits exact = {.max_bytes = png.size, .max_pixels = 27 * 19};
    struct lm_image image = {0};
    assert_int_equal(lm_image_decode(png.bytes, png.size, &exact, &image, NULL), LM_OK);
    lm_image_free(&image);
    free(png.bytes);
    free(jpeg.bytes);
}

static void store32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* PNG's check sum, bit by bit. */
static uint32_t crc32_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static void refuse_png_of(uint32_t width, uint32_t height, enum lm_status status, const char *text)
{
    struct fixture png = fixture_read("rgb8", ".png");
    store32(png.bytes + 16, width);
    store32(png.bytes + 20, height);
    store32(png.bytes + 29, crc32_of(png.bytes + 12, 17));
    refuse(png.bytes, png.size, status, text);
    free(png.bytes);
}

static void test_huge_png(void **state)
{
    (void)state;
    refuse_png_of(0x7fffffff, 0x7fffffff, LM_LIMIT,
                  "image is 2147483647 x 2147483647 pixels, above the limit of 1000000 a side");
    refuse_png_of(0x80000000, 0x80000000, LM_CORRUPT, NULL);
    refuse_png_of(100000000, 1, LM_LIMIT, NULL);
    refuse_png_of(10001, 10000, LM_LIMIT,
                  "image is 10001 x 10000 pixels, above the limit of 100000000 pixels");
    refuse_png_of(0, 11, LM_CORRUPT, NULL);
    refuse_png_of(13, 12, LM_CORRUPT, NULL);
}

/* Appends a chunk to a file that has room for it. */
static void append_chunk(struct fixture *png, const char *type, const uint8_t *data, size_t size)
{
    uint8_t *at = png->bytes + png->size;
    store32(at, (uint32_t)size);
    memcpy(at + 4, type, 4);
    if (size)
        memcpy(at + 8, data, size);
    store32(at + 8 + size, crc32_of(at + 4, size + 4));
    png->size += size + 12;
}

/* A deflate stream of `count` zeros in stored blocks; returns its size. */
static size_t store_zeros(uint8_t *out, size_t count)
{
    size_t at = 2, left = count;
    memcpy(out, "\x78\x01", 2);
    for (size_t block; left > 0; left -= block, at += block + 5) {
        block = left < 65535 ? left : 65535;
        const uint8_t head[5] = {left <= 65535, (uint8_t)block, (uint8_t)(block >> 8),
                                 (uint8_t)~block, (uint8_t)(~block >> 8)};
        memcpy(out + at, head, 5);
        memset(out + at + 5, 0, block);
    }
    store32(out + at, (uint32_t)(count % 65521) << 16 | 1); /* Adler-32 of zeros */
    return at + 4;
}

/* libpng unpacks what follows the last row, however much that is, only to drop it. */
static void test_surplus_data(void **state)
{
    (void)state;
    enum { ROOM = 600000 };
    static const uint8_t header[13] = {0, 0, 0, 1, 0, 0, 0, 1, 8}; /* 1 x 1, 8 bits of grey */
    static const size_t surplus[] = {0, 1000, 50000, 100000, 500000};
    uint8_t *data = malloc(ROOM);
    struct fixture png = {.bytes = malloc(ROOM)};
    assert_true(data && png.bytes);
    for (size_t i = 0; i < sizeof surplus / sizeof surplus[0]; i++) {
        struct lm_image image = {0};
        memcpy(png.bytes, "\x89PNG\r\n\x1a\n", 8);
        png.size = 8;
        append_chunk(&png, "IHDR", header, sizeof header);
        append_chunk(&png, "IDAT", data, store_zeros(data, 2 + surplus[i]));
        append_chunk(&png, "IEND", NULL, 0);
        if (surplus[i] > 65536) {
            refuse(png.bytes, png.size, LM_CORRUPT,
                   "image is not a valid PNG: there is more image data than pixels");
            continue;
        }
        assert_int_equal(lm_image_decode(png.bytes, png.size, NULL, &image, NULL), LM_OK);
        lm_image_free(&image);
    }
    free(png.bytes);
    free(data);
}

/* The frame header of the fixtures is FF C0, length, 8 bits, height, width. */
static void refuse_jpeg_of(uint32_t width, uint32_t height, enum lm_status status, const char *text)
{
    struct fixture jpeg = fixture_read("baseline", ".jpg");
    size_t at = 0;
    while (jpeg.bytes[at] != 0xff || jpeg.bytes[at + 1] != 0xc0)
        at++;
    jpeg.bytes[at + 5] = (uint8_t)(height >> 8);
    jpeg.bytes[at + 6] = (uint8_t)height;
    jpeg.bytes[at + 7] = (uint8_t)(width >> 8);
    jpeg.bytes[at + 8] = (uint8_t)width;
    refuse(jpeg.bytes, jpeg.size, status, text);
    free(jpeg.bytes);
}

static void test_huge_jpeg(void **state)
{
    (void)state;
    refuse_jpeg_of(65535, 65535, LM_LIMIT, NULL);
    refuse_jpeg_of(65500, 65500, LM_LIMIT,
                   "image is 65500 x 65500 pixels, above the limit of 100000000 pixels");
    refuse_jpeg_of(0, 19, LM_CORRUPT, NULL);
    refuse_jpeg_of(27, 190, LM_CORRUPT, NULL);
}

/* A progressive file that repeats its last scan, header and all. */
static void test_many_scans(void **state)
{
    (void)state;
    struct fixture jpeg = fixture_read("progressive", ".jpg");
    size_t scan = jpeg.size;
    while (jpeg.bytes[scan - 2] != 0xff || jpeg.bytes[scan - 1] != 0xda)
        scan--;
    scan -= 2;
    size_t length = jpeg.size - 2 - scan, size = scan;
    uint8_t *bomb = malloc(scan + 300 * length + 2);
    assert_non_null(bomb);
    memcpy(bomb, jpeg.bytes, scan);
    for (int i = 0; i < 300; i++, size += length)
        memcpy(bomb + size, jpeg.bytes + scan, length);
    memcpy(bomb + size, "\xff\xd9", 2);
    refuse(bomb, size + 2, LM_LIMIT,
           "JPEG cannot be decoded: it has more than 200 scans, the limit for 27 x 19 pixels");
    free(bomb);
    free(jpeg.bytes);
}

static void test_missing_data(void **state)
{
    (void)state;
    struct fixture jpeg = fixture_read("no_data", ".jpg");
    refuse(jpeg.bytes, jpeg.size, LM_CORRUPT,
           "image is not a valid JPEG: Corrupt JPEG data: premature end of data segment");
    free(jpeg.bytes);
}

/* The copy has exactly the bytes that count, so that reading beyond them is seen. */
static void refuse_prefixes(const char *name, const char *suffix)
{
    struct fixture file = fixture_read(name, suffix);
    for (size_t size = 0; size < file.size; size++) {
        uint8_t *prefix = malloc(size ? size : 1);
        assert_non_null(prefix);
        memcpy(prefix, file.bytes, size);
        refuse(prefix, size, LM_CORRUPT, NULL);
        free(prefix);
    }
    free(file.bytes);
}

static void test_truncated(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(jpegs); i++)
        if (strcmp(jpegs[i], "trailing_bytes") != 0)
            refuse_prefixes(jpegs[i], ".jpg");
    for (size_t i = 0; i < COUNT(pngs); i++)
        if (strcmp(pngs[i], "optional_chunks") != 0)
            refuse_prefixes(pngs[i], ".png");
    for (size_t i = 0; i < COUNT(interlaced); i++)
        refuse_prefixes(interlaced[i], "_interlaced.png");
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void touch_row(void *context, uint32_t y, const uint8_t *nonzero)
{
    (void)y;
    for (int x = 0; x < 13; x++)
        *(unsigned *)context += nonzero[x];
}

static void survive_as_mask(const uint8_t *bytes, size_t size)
{
    unsigned set = 0;
    struct lm_error error = {0};
    if (image_png_decode_mask(bytes, size, 13, 11, touch_row, &set, &error) == LM_OK)
        assert_in_range(set, 0, 13 * 11);
    else
        assert_true(error.text[0] != 0 && set == 0);
}

/* Any outcome but a crash, a wild size, or a failure without text. */
static void survive(const uint8_t *bytes, size_t size)
{
    struct lm_image image = {0};
    struct lm_error error = {0};
    struct lm_image_limits limits = {.max_pixels = 100000};
    if (lm_image_decode(bytes, size, &limits, &image, &error) == LM_OK)
        assert_in_range((uint64_t)image.width * image.height, 1, 100000);
    else
        assert_true(error.text[0] != 0 && !strchr(error.text, '\n'));
    lm_image_free(&image);
}

/* Corrects the check sum of every chunk that is still whole, so that damage gets past it. */
static void repair_png(uint8_t *bytes, size_t size)
{
    size_t at = 8;
    while (at + 12 <= size) {
        size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 |
                        (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (length > size - at - 12)
            return;
        store32(bytes + at + 8 + length, crc32_of(bytes + at + 4, length + 4));
        at += length + 12;
    }
}

static void damage(const char *name, const char *suffix, uint32_t seed, int rounds)
{
    struct fixture file = fixture_read(name, suffix);
    uint8_t *copy = malloc(file.size);
    assert_non_null(copy);
    for (int round = 0; round < rounds; round++) {
        memcpy(copy, file.bytes, file.size);
        for (uint32_t n = next_random(&seed) % 4 + 1; n > 0; n--)
            copy[next_random(&seed) % file.size] ^= (uint8_t)(1u << next_random(&seed) % 8);
        if (suffix[1] == 'p' && round % 4)
            repair_png(copy, file.size);
        survive(copy, file.size);
        survive_as_mask(copy, file.size);
    }
    free(copy);
    free(file.bytes);
}

static void test_damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(jpegs); i++)
        damage(jpegs[i], ".jpg", 1234567u + (uint32_t)i, 150);
    for (size_t i = 0; i < COUNT(pngs); i++)
        damage(pngs[i], ".png", 7654321u + (uint32_t)i, 150);
    for (int n = 1; n <= 8; n++) {
        char name[20];
        snprintf(name, sizeof name, "exif_%d", n);
        damage(name, ".png", 999u + (uint32_t)n, 150);
    }
}

static void test_png_round_trip(void **state)
{
    (void)state;
    struct lm_image image = fixture_ppm("exif_png"), back = {0};
    uint8_t *bytes = NULL, *again = NULL;
    size_t size = 0, size_again = 0;
    assert_int_equal(lm_image_encode_png(&image, &bytes, &size, NULL), LM_OK);
    assert_int_equal(lm_image_encode_png(&image, &again, &size_again, NULL), LM_OK);
    assert_int_equal(size, size_again);
    assert_memory_equal(bytes, again, size);
    assert_int_equal(lm_image_decode(bytes, size, NULL, &back, NULL), LM_OK);
    assert_int_equal(fixture_distance(&image, &back), 0);
    lm_image_free(&image);
    lm_image_free(&back);
    free(bytes);
    free(again);
}

/* Large enough for several blocks of output. */
static void test_jpeg_round_trip(void **state)
{
    (void)state;
    struct lm_image image = fixture_ppm("resize_120x80"), back = {0};
    uint8_t *bytes = NULL, *small = NULL;
    size_t size = 0, small_size = 0;
    assert_int_equal(lm_image_encode_jpeg(&image, 100, &bytes, &size, NULL), LM_OK);
    assert_int_equal(lm_image_encode_jpeg(&image, 20, &small, &small_size, NULL), LM_OK);
    assert_true(small_size < size && size > 4096);
    assert_int_equal(lm_image_decode(bytes, size, NULL, &back, NULL), LM_OK);
    double sum = 0;
    size_t samples = (size_t)3 * image.width * image.height;
    for (size_t i = 0; i < samples; i++)
        sum += abs(image.rgb[i] - back.rgb[i]);
    assert_true(sum / (double)samples < 4.0);
    lm_image_free(&image);
    lm_image_free(&back);
    free(bytes);
    free(small);
}

static void test_encode_errors(void **state)
{
    (void)state;
    struct lm_image empty = {0}, image = {0};
    struct lm_error error = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(lm_image_encode_png(&empty, &bytes, &size, &error), LM_INVALID);
    assert_string_equal(error.text, "image to encode is empty");
    assert_int_equal(lm_image_encode_jpeg(&empty, 90, &bytes, &size, NULL), LM_INVALID);
    assert_int_equal(lm_image_create(70000, 1, &image, NULL), LM_OK);
    error = (struct lm_error){0};
    assert_int_equal(lm_image_encode_jpeg(&image, 101, &bytes, &size, &error), LM_INVALID);
    assert_string_equal(error.text, "JPEG quality is 101; it is 1 to 100");
    assert_int_equal(lm_image_encode_jpeg(&image, 0, &bytes, &size, NULL), LM_INVALID);
    assert_int_equal(lm_image_encode_jpeg(&image, 90, &bytes, &size, NULL), LM_LIMIT);
    assert_null(bytes);
    lm_image_free(&image);
}

static void test_create(void **state)
{
    (void)state;
    struct lm_image image = {0};
    struct lm_error error = {0};
    assert_int_equal(lm_image_create(0, 5, &image, &error), LM_INVALID);
    assert_string_equal(error.text, "image size is 0 x 5; a side is at least 1");
    assert_int_equal(lm_image_create(65536, 65536, &image, NULL), LM_LIMIT);
    assert_null(image.rgb);
    assert_int_equal(lm_image_create(3, 2, &image, NULL), LM_OK);
    for (int i = 0; i < 18; i++)
        assert_int_equal(image.rgb[i], 0);
    lm_image_free(&image);
    lm_image_free(&image);
    lm_image_free(NULL);
    assert_true(image.width == 0 && image.height == 0 && image.rgb == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jpeg_as_pillow),  cmocka_unit_test(test_png_samples),
        cmocka_unit_test(test_png_orientation), cmocka_unit_test(test_png_as_mask),
        cmocka_unit_test(test_mask_errors),     cmocka_unit_test(test_other_formats),
        cmocka_unit_test(test_limits),          cmocka_unit_test(test_huge_png),
        cmocka_unit_test(test_huge_jpeg),       cmocka_unit_test(test_many_scans),
        cmocka_unit_test(test_surplus_data),    cmocka_unit_test(test_missing_data),
        cmocka_unit_test(test_truncated),       cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_png_round_trip),  cmocka_unit_test(test_jpeg_round_trip),
        cmocka_unit_test(test_encode_errors),   cmocka_unit_test(test_create),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
