/* Bit masks: making, combining and measuring them.
 *
 * All loops go over 64-bit words.  They rely on the bits beyond the width being 0, and keep them
 * so.  Limit: 2^31 bits with every row rounded up to 64, 256 MiB.
 */
#include "layermask/mask.h"

#include <assert.h>
#include <string.h>

#include "base/bits.h"
#include "base/memory.h"

#define MAX_BITS ((uint64_t)1 << 31)

enum lm_status lm_mask_create(uint32_t width, uint32_t height, struct lm_mask *out,
                              struct lm_error *error)
{
    if (!width || !height)
        return lm_fail(error, LM_INVALID, "mask: size is %ux%u, both sides must be at least 1",
                       width, height);
    uint64_t words = ((uint64_t)width + 63) / 64;
    if (words * 64 > MAX_BITS / height)
        return lm_fail(error, LM_LIMIT, "mask: %ux%u pixels are more than the limit of 2^31", width,
                       height);
    uint64_t *bits = array_zalloc((size_t)words * height, sizeof *bits);
    if (!bits)
        return lm_fail(error, LM_NOMEM, "mask: out of memory for %ux%u pixels", width, height);
    *out = (struct lm_mask){.width = width, .height = height, .words = (size_t)words, .bits = bits};
    return LM_OK;
}

void lm_mask_free(struct lm_mask *mask)
{
    if (!mask)
        return;
    free(mask->bits);
    *mask = (struct lm_mask){0};
}

/* The bits of a row's last word that are pixels. */
static uint64_t last_word(const struct lm_mask *mask)
{
    return mask->width % 64 ? bits_low(mask->width % 64) : ~(uint64_t)0;
}

static size_t word_count(const struct lm_mask *mask)
{
    return mask->words * mask->height;
}

void lm_mask_fill(struct lm_mask *mask, bool value)
{
    if (!mask->words)
        return;
    memset(mask->bits, value ? 0xff : 0, word_count(mask) * sizeof *mask->bits);
    for (size_t i = mask->words - 1; value && i < word_count(mask); i += mask->words)
        mask->bits[i] = last_word(mask);
}

void lm_mask_invert(struct lm_mask *mask)
{
    if (!mask->words)
        return;
    for (size_t i = 0; i < word_count(mask); i++)
        mask->bits[i] = ~mask->bits[i];
    for (size_t i = mask->words - 1; i < word_count(mask); i += mask->words)
        mask->bits[i] &= last_word(mask);
}

uint64_t lm_mask_count(const struct lm_mask *mask)
{
    uint64_t count = 0;
    for (size_t i = 0; i < word_count(mask); i++)
        count += bits_count(mask->bits[i]);
    return count;
}

void lm_mask_unite(struct lm_mask *mask, const struct lm_mask *other)
{
    assert(mask->width == other->width && mask->height == other->height);
    for (size_t i = 0; i < word_count(mask); i++)
        mask->bits[i] |= other->bits[i];
}

void lm_mask_intersect(struct lm_mask *mask, const struct lm_mask *other)
{
    assert(mask->width == other->width && mask->height == other->height);
    for (size_t i = 0; i < word_count(mask); i++)
        mask->bits[i] &= other->bits[i];
}

/* The last set bit of a row that has one. */
static size_t last_set(const uint64_t *row, size_t words)
{
    size_t i = words - 1;
    while (!row[i])
        i--;
    return i * 64 + 63 - (size_t)__builtin_clzll(row[i]);
}

bool lm_mask_bounds(const struct lm_mask *mask, uint32_t *x, uint32_t *y, uint32_t *width,
                    uint32_t *height)
{
    size_t left = mask->width, right = 0, top = mask->height, bottom = 0;
    for (size_t row = 0; row < mask->height; row++) {
        const uint64_t *words = mask->bits + row * mask->words;
        size_t first = bits_find(words, 0, mask->width, true);
        if (first == mask->width)
            continue;
        size_t last = last_set(words, mask->words);
        left = first < left ? first : left;
        right = last > right ? last : right;
        top = row < top ? row : top;
        bottom = row;
    }
    if (top == mask->height)
        return false;
    *x = (uint32_t)left;
    *y = (uint32_t)top;
    *width = (uint32_t)(right - left + 1);
    *height = (uint32_t)(bottom - top + 1);
    return true;
}
