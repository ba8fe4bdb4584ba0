/* Sets of sites: windows forwards and backwards, neighbourhoods, lists, set operations.
 *
 * Windows are separable: rows are united first (or last), then shifted along themselves.  Strides
 * that are powers of 2 up to 4 squeeze or stretch whole words; others go bit by bit.
 */
#include "graph/sites.h"

#include <string.h>

enum { MOST_WORDS = GRAPH_MAX_SIDE / 64 };

/* ---- set operations */

void sites_or(uint64_t *restrict target, const uint64_t *restrict other, size_t n)
{
    for (size_t i = 0; i < n; i++)
        target[i] |= other[i];
}

void sites_and(uint64_t *restrict target, const uint64_t *restrict other, size_t n)
{
    for (size_t i = 0; i < n; i++)
        target[i] &= other[i];
}

void sites_or_and(uint64_t *restrict target, const uint64_t *restrict a, const uint64_t *restrict b,
                  size_t n)
{
    for (size_t i = 0; i < n; i++)
        target[i] |= a[i] & b[i];
}

void sites_without(uint64_t *restrict target, const uint64_t *restrict other, size_t n)
{
    for (size_t i = 0; i < n; i++)
        target[i] &= ~other[i];
}

bool sites_any_set(const uint64_t *plane, size_t n)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < n; i++)
        seen |= plane[i];
    return seen != 0;
}

uint32_t sites_count(const uint64_t *plane, size_t n)
{
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += bits_count(plane[i]);
    return count;
}

void sites_fill(uint32_t height, uint32_t width, uint64_t *plane)
{
    size_t words = bits_words(width);
    memset(plane, 0xff, height * words * sizeof *plane);
    for (uint32_t y = 0; y < height; y++)
        plane[y * words + words - 1] = bits_last(width);
}

/* ---- windows */

static int64_t left_pad(const struct window *w)
{
    return (int64_t)w->pad_left + w->border.left;
}

/* Row of the input that tap t of output row o sees; false if there is none. */
static bool row_of(const struct window *w, uint32_t o, uint32_t t, size_t *out)
{
    int64_t y = (int64_t)o * w->stride_y + (int64_t)t * w->dilation_y - w->pad_top - w->border.top;
    *out = (size_t)y;
    return y >= 0 && y < w->in_height;
}

/* Windows that see the same cell as they make. */
static bool is_identity(const struct window *w)
{
    return window_taps(w) == 1 && w->stride_y == 1 && w->stride_x == 1 && !left_pad(w) &&
           !w->pad_top && !w->border.top && w->in_height == w->out_height &&
           w->in_width == w->out_width;
}

static bool is_word_stride(uint32_t stride)
{
    return stride == 1 || stride == 2 || stride == 4;
}

/* Bits at, at + 1, ...: whether the window that starts there holds any bit of the row. */
static uint64_t starts_from(const struct window *w, const uint64_t *row, int64_t at)
{
    uint64_t any = 0;
    for (uint32_t t = 0; t < w->kernel_width; t++)
        any |= bits_from(row, bits_words(w->in_width), at + (int64_t)t * w->dilation_x);
    return any;
}

static void any_along(const struct window *w, const uint64_t *row, uint64_t *out)
{
    uint32_t stride = w->stride_x;
    size_t words = bits_words(w->out_width);
    if (!is_word_stride(stride)) {
        for (uint32_t x = 0; x < w->out_width; x++)
            if (starts_from(w, row, (int64_t)x * stride - left_pad(w)) & 1)
                bits_put(out, x);
        return;
    }
    for (size_t i = 0; i < words; i++) {
        for (uint32_t part = 0; part < stride; part++) {
            uint64_t word = starts_from(w, row, (int64_t)(i * stride + part) * 64 - left_pad(w));
            for (uint32_t s = stride; s > 1; s /= 2)
                word = bits_squeeze(word);
            out[i] |= word << part * (64 / stride);
        }
    }
    out[words - 1] &= bits_last(w->out_width);
}

void sites_any(const struct window *w, const uint64_t *in, uint64_t *out)
{
    size_t in_words = bits_words(w->in_width), out_words = bits_words(w->out_width), y;
    uint64_t row[MOST_WORDS];
    if (is_identity(w)) {
        memcpy(out, in, in_words * w->in_height * sizeof *out);
        return;
    }
    memset(out, 0, out_words * w->out_height * sizeof *out);
    for (uint32_t o = 0; o < w->out_height; o++, out += out_words) {
        memset(row, 0, in_words * sizeof *row);
        for (uint32_t t = 0; t < w->kernel_height; t++)
            if (row_of(w, o, t, &y))
                sites_or(row, in + y * in_words, in_words);
        if (sites_any_set(row, in_words))
            any_along(w, row, out);
    }
}

/* Bits at, at + 1, ... of a row whose bit i stands at i * stride. */
static uint64_t stretched_from(const uint64_t *row, size_t words, uint32_t stride, int64_t at)
{
    uint32_t skip = (uint32_t) - (uint64_t)at & (stride - 1);
    uint64_t word = bits_from(row, words, (at + skip) / (int64_t)stride);
    for (uint32_t s = stride; s > 1; s /= 2)
        word = bits_stretch(word);
    return word << skip;
}

static void cover_along(const struct window *w, const uint64_t *row, uint64_t *in)
{
    uint32_t stride = w->stride_x;
    size_t words = bits_words(w->in_width), out_words = bits_words(w->out_width);
    memset(in, 0, words * sizeof *in);
    for (uint32_t t = 0; t < w->kernel_width; t++) {
        int64_t shift = (int64_t)t * w->dilation_x - left_pad(w);
        if (is_word_stride(stride))
            for (size_t i = 0; i < words; i++)
                in[i] |= stretched_from(row, out_words, stride, (int64_t)i * 64 - shift);
        else
            for (uint32_t x = 0; x < w->out_width; x++) {
                int64_t at = (int64_t)x * stride + shift;
                if (at >= 0 && at < w->in_width && bits_get(row, x))
                    bits_put(in, (size_t)at);
            }
    }
    in[words - 1] &= bits_last(w->in_width);
}

void sites_cover(const struct window *w, const uint64_t *out, uint64_t *in)
{
    size_t in_words = bits_words(w->in_width), out_words = bits_words(w->out_width), y;
    uint64_t row[MOST_WORDS];
    if (is_identity(w)) {
        sites_or(in, out, in_words * w->in_height);
        return;
    }
    for (uint32_t o = 0; o < w->out_height; o++, out += out_words) {
        if (!sites_any_set(out, out_words))
            continue;
        cover_along(w, out, row);
        for (uint32_t t = 0; t < w->kernel_height; t++)
            if (row_of(w, o, t, &y))
                sites_or(in + y * in_words, row, in_words);
    }
}

/* The row and its neighbours to the left and right. */
static void grow_along(uint64_t *row, size_t words, uint32_t width)
{
    uint64_t before = 0;
    for (size_t i = 0; i < words; i++) {
        uint64_t word = row[i], after = i + 1 < words ? row[i + 1] : 0;
        row[i] = word | word << 1 | before >> 63 | word >> 1 | after << 63;
        before = word;
    }
    row[words - 1] &= bits_last(width);
}

void sites_grow(uint32_t height, uint32_t width, const uint64_t *in, uint64_t *out)
{
    size_t words = bits_words(width), n = height * words;
    memcpy(out, in, n * sizeof *out);
    sites_or(out, in + words, n - words);
    sites_or(out + words, in, n - words);
    for (uint32_t y = 0; y < height; y++)
        grow_along(out + y * words, words, width);
}

/* ---- lists and numbers */

/* Runs of bits, eight sites at a time. */
static uint32_t *list_word(uint64_t word, uint32_t site, uint32_t *list)
{
    while (word) {
        uint32_t skip = (uint32_t)__builtin_ctzll(word);
        word >>= skip;
        site += skip;
        uint32_t length = ~word ? (uint32_t)__builtin_ctzll(~word) : 64;
        for (uint32_t i = 0; i < length; i += SITES_SLACK + 1)
            for (uint32_t k = 0; k <= SITES_SLACK; k++)
                list[i + k] = site + i + k;
        list += length;
        if (length == 64)
            break;
        word >>= length;
        site += length;
    }
    return list;
}

uint32_t sites_list(uint32_t height, uint32_t width, const uint64_t *plane, uint32_t *list)
{
    uint32_t *end = list, words = (uint32_t)bits_words(width);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t i = 0; i < words; i++)
            end = list_word(*plane++, site_pack(y, i * 64), end);
    return (uint32_t)(end - list);
}

void sites_number(const struct kernels *kernels, uint32_t height, uint32_t width,
                  const uint64_t *rows, const uint64_t *shown, int32_t first, int32_t *map,
                  size_t stride)
{
    size_t words = bits_words(width);
    for (uint32_t y = 0; y < height; y++, rows += words, shown += words, map += stride) {
        kernels->number(map, rows, shown, width, first);
        first += (int32_t)sites_count(rows, words);
    }
}
