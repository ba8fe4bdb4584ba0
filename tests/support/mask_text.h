/* Masks written as text in tests: rows of '.' and '#'. */
#ifndef TEST_MASK_TEXT_H
#define TEST_MASK_TEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "layermask/mask.h"

static inline struct lm_mask mask_from_text(const char *const *rows, uint32_t height)
{
    struct lm_mask mask;
    uint32_t width = (uint32_t)strlen(rows[0]);
    assert_int_equal(lm_mask_create(width, height, &mask, NULL), LM_OK);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            if (rows[y][x] == '#')
                lm_mask_set(&mask, x, y);
    return mask;
}

static inline void assert_mask_text(const struct lm_mask *mask, const char *const *rows,
                                    uint32_t height)
{
    assert_int_equal(mask->height, height);
    assert_int_equal(mask->width, strlen(rows[0]));
    for (uint32_t y = 0; y < height; y++) {
        char row[256];
        for (uint32_t x = 0; x < mask->width; x++)
            row[x] = lm_mask_get(mask, x, y) ? '#' : '.';
        row[mask->width] = '\0';
        assert_string_equal(row, rows[y]);
    }
}

/* The same size, the same bits, and none beyond the width. */
static inline void assert_masks_equal(const struct lm_mask *a, const struct lm_mask *b)
{
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->words, b->words);
    assert_memory_equal(a->bits, b->bits, a->words * a->height * sizeof *a->bits);
}

static inline void assert_mask_rle(const struct lm_mask *mask, const char *rle)
{
    char *text = NULL;
    assert_int_equal(lm_mask_rle_string(mask, &text, NULL), LM_OK);
    assert_string_equal(text, rle);
    free(text);
}

#endif
