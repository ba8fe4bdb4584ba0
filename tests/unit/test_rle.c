/* COCO run lengths against pycocotools, and hostile lists and strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../golden/mask_golden.h"
#include "layermask/mask.h"
#include "mask_text.h"

static struct lm_mask empty(uint32_t width, uint32_t height)
{
    struct lm_mask mask;
    assert_int_equal(lm_mask_create(width, height, &mask, NULL), LM_OK);
    return mask;
}

static unsigned hex_byte(const char *text)
{
    char digits[3] = {text[0], text[1], '\0'};
    return (unsigned)strtoul(digits, NULL, 16);
}

static struct lm_mask mask_from_hex(const struct golden_rle *golden)
{
    struct lm_mask mask = empty(golden->width, golden->height);
    size_t row_bytes = (golden->width + 7) / 8;
    for (uint32_t y = 0; y < golden->height; y++)
        for (uint32_t x = 0; x < golden->width; x++)
            if (hex_byte(golden->rows + 2 * (y * row_bytes + x / 8)) >> (x % 8) & 1)
                lm_mask_set(&mask, x, y);
    return mask;
}

static size_t read_counts(const char *text, uint64_t *counts)
{
    size_t n = 0;
    for (const char *at = text; *at; at += *at == ',') {
        char *end;
        counts[n++] = strtoull(at, &end, 10);
        at = end;
    }
    return n;
}

static void check_counts(const struct golden_rle *golden, const struct lm_mask *mask)
{
    static uint64_t wanted[500];
    size_t n = read_counts(golden->counts, wanted), got;
    uint64_t *counts;
    assert_int_equal(lm_mask_rle_counts(mask, &counts, &got, NULL), LM_OK);
    assert_int_equal(got, n);
    assert_memory_equal(counts, wanted, n * sizeof *counts);
    struct lm_mask again = empty(mask->width, mask->height);
    assert_int_equal(lm_mask_add_rle(&again, counts, n, NULL), LM_OK);
    assert_masks_equal(&again, mask);
    lm_mask_free(&again);
    free(counts);
}

static void as_pycocotools(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_rles / sizeof *golden_rles; i++) {
        const struct golden_rle *golden = &golden_rles[i];
        struct lm_mask mask = empty(golden->width, golden->height);
        assert_int_equal(lm_mask_add_rle_string(&mask, golden->rle, strlen(golden->rle), NULL),
                         LM_OK);
        if (*golden->rows) {
            struct lm_mask wanted = mask_from_hex(golden);
            assert_masks_equal(&mask, &wanted);
            lm_mask_free(&wanted);
        }
        assert_mask_rle(&mask, golden->rle);
        if (*golden->counts)
            check_counts(golden, &mask);
        lm_mask_free(&mask);
    }
}

static void there_and_back(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (uint32_t round = 0; round < 300; round++) {
        struct lm_mask mask = empty(1 + round * 7 % 150, 1 + round * 13 % 210), again;
        for (uint32_t y = 0; y < mask.height; y++)
            for (uint32_t x = 0; x < mask.width; x++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                if (random >> 60 < round % 17)
                    lm_mask_set(&mask, x, y);
            }
        char *text;
        again = empty(mask.width, mask.height);
        assert_int_equal(lm_mask_rle_string(&mask, &text, NULL), LM_OK);
        assert_int_equal(lm_mask_add_rle_string(&again, text, strlen(text), NULL), LM_OK);
        assert_masks_equal(&mask, &again);
        free(text);
        lm_mask_free(&again);
        lm_mask_free(&mask);
    }
}

static void runs_are_added(void **state)
{
    (void)state;
    const char *const before[] = {"#..", "..."}, *const after[] = {"##.", ".#."};
    struct lm_mask mask = mask_from_text(before, 2);
    const uint64_t counts[] = {0, 0, 2, 0, 0, 2, 2}; /* runs of 0 are odd, but mean something */
    assert_int_equal(lm_mask_add_rle(&mask, counts, 7, NULL), LM_OK);
    assert_mask_text(&mask, after, 2);
    lm_mask_free(&mask);
}

static void expect_bad_list(const uint64_t *counts, size_t n, const char *text)
{
    struct lm_mask mask = empty(4, 3);
    struct lm_error error = {0};
    assert_int_equal(lm_mask_add_rle(&mask, counts, n, &error), LM_INVALID);
    assert_string_equal(error.text, text);
    assert_int_equal(lm_mask_count(&mask), 0);
    lm_mask_free(&mask);
}

static void bad_lists(void **state)
{
    (void)state;
    const uint64_t few[] = {2, 3}, many[] = {2, 3, 8}, huge[] = {1, UINT64_MAX, 12};
    expect_bad_list(few, 2, "rle: counts sum to 5, the pixels of 4x3 are 12");
    expect_bad_list(NULL, 0, "rle: counts sum to 0, the pixels of 4x3 are 12");
    expect_bad_list(many, 3, "rle: counts are more than the 12 pixels of 4x3 at run 2");
    expect_bad_list(huge, 3, "rle: counts are more than the 12 pixels of 4x3 at run 1");
}

static void expect_bad_string(const char *counts, size_t n, enum lm_status status, const char *text)
{
    struct lm_mask mask = empty(4, 3);
    struct lm_error error = {0};
    assert_int_equal(lm_mask_add_rle_string(&mask, counts, n, &error), status);
    assert_string_equal(error.text, text);
    assert_int_equal(lm_mask_count(&mask), 0);
    lm_mask_free(&mask);
}

static void bad_strings(void **state)
{
    (void)state;
    expect_bad_string("", 0, LM_INVALID, "rle: counts sum to 0, the pixels of 4x3 are 12");
    expect_bad_string("41110O", 6, LM_INVALID, "rle: counts sum to 10, the pixels of 4x3 are 12");
    expect_bad_string("41 10O1", 7, LM_CORRUPT,
                      "rle: character 2 of counts has code 32, not in 48..111");
    expect_bad_string("4\0001", 3, LM_CORRUPT,
                      "rle: character 1 of counts has code 0, not in 48..111");
    expect_bad_string("4\xc3\xa4", 3, LM_CORRUPT,
                      "rle: character 1 of counts has code 195, not in 48..111");
    expect_bad_string("4p", 2, LM_CORRUPT,
                      "rle: character 1 of counts has code 112, not in 48..111");
    expect_bad_string("4P", 2, LM_CORRUPT, "rle: counts end inside run 1");
    expect_bad_string("O", 1, LM_CORRUPT, "rle: run 0 has the length -1");
    expect_bad_string("111O", 4, LM_INVALID, "rle: counts sum to 3, the pixels of 4x3 are 12");
    expect_bad_string("111N", 4, LM_CORRUPT, "rle: run 3 has the length -1");
    expect_bad_string("oooooooooooooooooooooo0", 23, LM_CORRUPT,
                      "rle: run 0 at character 10 is too long a number");
    expect_bad_string("ooooooooo?", 10, LM_INVALID,
                      "rle: counts are more than the 12 pixels of 4x3 at run 0");
    expect_bad_string("PPPPPPPPP@", 10, LM_CORRUPT, "rle: run 0 has the length -562949953421312");
}

static void big_masks(void **state)
{
    (void)state;
    struct lm_mask wide = empty(2000000, 1), tall = empty(1, 2000000);
    lm_mask_set(&wide, 1999998, 0);
    lm_mask_set(&tall, 0, 1999998);
    assert_mask_rle(&wide, "nSQm111");
    assert_mask_rle(&tall, "nSQm111");
    struct lm_mask again = empty(2000000, 1);
    assert_int_equal(lm_mask_add_rle_string(&again, "nSQm111", 7, NULL), LM_OK);
    assert_masks_equal(&again, &wide);
    lm_mask_free(&wide);
    lm_mask_free(&tall);
    lm_mask_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_pycocotools), cmocka_unit_test(there_and_back),
        cmocka_unit_test(runs_are_added), cmocka_unit_test(bad_lists),
        cmocka_unit_test(bad_strings),    cmocka_unit_test(big_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
