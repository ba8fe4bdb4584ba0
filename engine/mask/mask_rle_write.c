/* Masks as COCO run lengths: lists of counts and compressed strings. */
#include <stdbool.h>
#include <stdlib.h>

#include "base/bits.h"
#include "base/memory.h"
#include "layermask/mask.h"
#include "mask/mask_rle.h"
#include "mask/mask_strip.h"

/* Runs written to a list, or to a string. */
struct run_writer {
    bool as_text;
    void *items;        /* uint64_t, or char */
    size_t n, capacity; /* of items */
    size_t runs;
    int64_t previous[2]; /* run - 1, run - 2 */
};

static bool write_text_run(struct run_writer *writer, uint64_t run)
{
    int64_t number = (int64_t)run;
    if (writer->runs > 2)
        number -= writer->previous[1];
    writer->previous[1] = writer->previous[0];
    writer->previous[0] = (int64_t)run;
    if (!array_grow(&writer->items, &writer->capacity, writer->n + RLE_MAX_GROUPS + 1, 1))
        return false;
    char *text = writer->items;
    bool more;
    do {
        int64_t group = number & 31;
        number = (number - group) / 32; /* exact: floor, whatever the sign */
        more = number != (group & 16 ? -1 : 0);
        text[writer->n++] = (char)(48 + group + (more ? 32 : 0));
    } while (more);
    return true;
}

static bool write_run(struct run_writer *writer, uint64_t run)
{
    if (writer->as_text) {
        if (!write_text_run(writer, run))
            return false;
    } else {
        if (!array_grow(&writer->items, &writer->capacity, writer->n + 1, sizeof run))
            return false;
        uint64_t *counts = writer->items;
        counts[writer->n++] = run;
    }
    writer->runs++;
    return true;
}

/* One column's runs; *run is the length so far of the run of *value that reaches into it. */
static bool write_column(struct run_writer *writer, const uint64_t *column, size_t height,
                         uint64_t *run, bool *value)
{
    for (size_t y = 0; y < height;) {
        size_t end = bits_find(column, y, height, !*value);
        *run += end - y;
        y = end;
        if (y == height)
            break;
        if (!write_run(writer, *run))
            return false;
        *run = 0;
        *value = !*value;
    }
    return true;
}

/* On failure, frees what has been written. */
static enum lm_status write_mask(struct run_writer *writer, const struct lm_mask *mask,
                                 struct lm_error *error)
{
    struct mask_strip strip;
    enum lm_status status = mask_strip_create(mask, &strip, error);
    if (status != LM_OK)
        return status;
    uint64_t run = 0;
    bool value = false, ok = true;
    for (size_t index = 0; ok && index < mask->words; index++) {
        mask_strip_from_mask(&strip, mask, index);
        for (size_t c = 0; ok && c < mask_strip_columns(mask, index); c++)
            ok = write_column(writer, strip.bits + c * strip.words, mask->height, &run, &value);
    }
    ok = ok && write_run(writer, run);
    free(strip.bits);
    if (ok)
        return LM_OK;
    free(writer->items);
    return lm_fail(error, LM_NOMEM, "rle: out of memory after %zu runs", writer->runs);
}

enum lm_status lm_mask_rle_counts(const struct lm_mask *mask, uint64_t **counts, size_t *n,
                                  struct lm_error *error)
{
    struct run_writer writer = {.as_text = false};
    enum lm_status status = write_mask(&writer, mask, error);
    if (status != LM_OK)
        return status;
    *counts = writer.items;
    *n = writer.n;
    return LM_OK;
}

enum lm_status lm_mask_rle_string(const struct lm_mask *mask, char **out, struct lm_error *error)
{
    struct run_writer writer = {.as_text = true};
    enum lm_status status = write_mask(&writer, mask, error);
    if (status != LM_OK)
        return status;
    *out = writer.items;
    (*out)[writer.n] = '\0'; /* write_text_run keeps room for it */
    return LM_OK;
}
