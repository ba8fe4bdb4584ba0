/* COCO run lengths, as lists and as compressed strings, drawn into masks.
 *
 * Runs are read twice, first only to check them, so that a bad list or string changes nothing and
 * needs no memory.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "layermask/mask.h"
#include "mask/mask_rle.h"
#include "mask/mask_strip.h"

/* Runs read from a list or from a string, whichever is not NULL. */
struct run_reader {
    const uint64_t *counts;
    const char *text;
    size_t length;       /* of the list or string */
    size_t position;     /* what is read next */
    size_t n;            /* runs read so far */
    int64_t previous[2]; /* run n - 1, n - 2 */
};

static enum lm_status read_number(struct run_reader *reader, int64_t *out, struct lm_error *error)
{
    uint64_t number = 0;
    unsigned bits = 0, group;
    do {
        if (reader->position == reader->length)
            return lm_fail(error, LM_CORRUPT, "rle: counts end inside run %zu", reader->n);
        if (bits == 5 * RLE_MAX_GROUPS)
            return lm_fail(error, LM_CORRUPT, "rle: run %zu at character %zu is too long a number",
                           reader->n, reader->position);
        unsigned char character = (unsigned char)reader->text[reader->position];
        if (character < 48 || character > 48 + 63)
            return lm_fail(error, LM_CORRUPT,
                           "rle: character %zu of counts has code %u, not in 48..111",
                           reader->position, character);
        reader->position++;
        group = character - 48u;
        number |= (uint64_t)(group & 31) << bits;
        bits += 5;
    } while (group & 32);
    if (group & 16)
        number |= ~bits_low(bits);
    *out = (int64_t)number;
    return LM_OK;
}

static enum lm_status read_text_run(struct run_reader *reader, uint64_t *run,
                                    struct lm_error *error)
{
    int64_t number = 0;
    enum lm_status status = read_number(reader, &number, error);
    if (status != LM_OK)
        return status;
    if (reader->n > 2)
        number += reader->previous[1]; /* no overflow: either is below 2^49 */
    if (number < 0 || number >> (5 * RLE_MAX_GROUPS - 1))
        return lm_fail(error, LM_CORRUPT, "rle: run %zu has the length %lld", reader->n,
                       (long long)number);
    reader->previous[1] = reader->previous[0];
    reader->previous[0] = number;
    *run = (uint64_t)number;
    return LM_OK;
}

static bool has_run(const struct run_reader *reader)
{
    return reader->position < reader->length;
}

static enum lm_status read_run(struct run_reader *reader, uint64_t *run, struct lm_error *error)
{
    if (reader->counts) {
        *run = reader->counts[reader->position++];
    } else {
        enum lm_status status = read_text_run(reader, run, error);
        if (status != LM_OK)
            return status;
    }
    reader->n++;
    return LM_OK;
}

/* Takes a copy of the reader: the caller's stays at the start. */
static enum lm_status check_runs(struct run_reader reader, const struct lm_mask *mask,
                                 struct lm_error *error)
{
    uint64_t pixels = (uint64_t)mask->width * mask->height, sum = 0, run;
    while (has_run(&reader)) {
        enum lm_status status = read_run(&reader, &run, error);
        if (status != LM_OK)
            return status;
        if (run > pixels - sum)
            return lm_fail(error, LM_INVALID,
                           "rle: counts are more than the %llu pixels of %ux%u at run %zu",
                           (unsigned long long)pixels, mask->width, mask->height, reader.n - 1);
        sum += run;
    }
    if (sum != pixels)
        return lm_fail(error, LM_INVALID, "rle: counts sum to %llu, the pixels of %ux%u are %llu",
                       (unsigned long long)sum, mask->width, mask->height,
                       (unsigned long long)pixels);
    return LM_OK;
}

/* The run being drawn and what is left of it. */
struct pen {
    struct run_reader reader;
    uint64_t left;
    bool down; /* drawing ones */
};

static void draw_column(struct pen *pen, uint64_t *column, size_t height)
{
    for (size_t y = 0; y < height;) {
        while (!pen->left) {
            read_run(&pen->reader, &pen->left, NULL); /* cannot fail: checked, and not at the end */
            pen->down = !pen->down;
        }
        size_t step = pen->left < height - y ? (size_t)pen->left : height - y;
        if (pen->down)
            bits_set_span(column, y, y + step);
        y += step;
        pen->left -= step;
    }
}

static enum lm_status add_runs(struct lm_mask *mask, struct run_reader reader,
                               struct lm_error *error)
{
    enum lm_status status = check_runs(reader, mask, error);
    if (status != LM_OK)
        return status;
    struct mask_strip strip;
    if ((status = mask_strip_create(mask, &strip, error)) != LM_OK)
        return status;
    struct pen pen = {.reader = reader, .down = true};
    for (size_t index = 0; index < mask->words; index++) {
        memset(strip.bits, 0, strip.words * 64 * sizeof *strip.bits);
        for (size_t c = 0; c < mask_strip_columns(mask, index); c++)
            draw_column(&pen, strip.bits + c * strip.words, mask->height);
        mask_strip_into_mask(&strip, mask, index);
    }
    free(strip.bits);
    return LM_OK;
}

enum lm_status lm_mask_add_rle(struct lm_mask *mask, const uint64_t *counts, size_t n,
                               struct lm_error *error)
{
    return add_runs(mask, (struct run_reader){.counts = counts, .length = n}, error);
}

enum lm_status lm_mask_add_rle_string(struct lm_mask *mask, const char *counts, size_t n,
                                      struct lm_error *error)
{
    return add_runs(mask, (struct run_reader){.text = counts, .length = n}, error);
}
