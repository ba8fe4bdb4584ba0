/* Strips: a mask's columns as runs of bits, by transposing blocks of 64 x 64. */
#include "mask/mask_strip.h"

#include <stdlib.h>

#include "base/memory.h"

/* Bit c of word r becomes bit r of word c: halves, then quarters, ... swap across the diagonal. */
static void transpose_block(uint64_t block[64])
{
    uint64_t low = 0x00000000ffffffff;
    for (size_t half = 32; half; half /= 2, low ^= low << half)
        for (size_t r = 0; r < 64; r++) {
            if (r & half)
                continue;
            uint64_t swap = ((block[r] >> half) ^ block[r + half]) & low;
            block[r] ^= swap << half;
            block[r + half] ^= swap;
        }
}

enum lm_status mask_strip_create(const struct lm_mask *mask, struct mask_strip *out,
                                 struct lm_error *error)
{
    struct mask_strip strip = {.words = ((size_t)mask->height + 63) / 64};
    strip.bits = array_zalloc(strip.words * 64, sizeof *strip.bits);
    if (!strip.bits)
        return lm_fail(error, LM_NOMEM, "mask: out of memory for columns of %u pixels",
                       mask->height);
    *out = strip;
    return LM_OK;
}

size_t mask_strip_columns(const struct lm_mask *mask, size_t index)
{
    size_t left = mask->width - 64 * index;
    return left < 64 ? left : 64;
}

static size_t block_rows(const struct lm_mask *mask, size_t block)
{
    size_t left = mask->height - 64 * block;
    return left < 64 ? left : 64;
}

void mask_strip_from_mask(struct mask_strip *strip, const struct lm_mask *mask, size_t index)
{
    for (size_t b = 0; b < strip->words; b++) {
        uint64_t block[64] = {0};
        for (size_t r = 0; r < block_rows(mask, b); r++)
            block[r] = mask->bits[(64 * b + r) * mask->words + index];
        transpose_block(block);
        for (size_t c = 0; c < 64; c++)
            strip->bits[c * strip->words + b] = block[c];
    }
}

void mask_strip_into_mask(const struct mask_strip *strip, struct lm_mask *mask, size_t index)
{
    for (size_t b = 0; b < strip->words; b++) {
        uint64_t block[64];
        for (size_t c = 0; c < 64; c++)
            block[c] = strip->bits[c * strip->words + b];
        transpose_block(block);
        for (size_t r = 0; r < block_rows(mask, b); r++)
            mask->bits[(64 * b + r) * mask->words + index] |= block[r];
    }
}
