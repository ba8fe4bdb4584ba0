/* The two Gram matrices, sum of w z_j z_k and sum of w^2 z_j z_k, with z of zeros and ones.
 *
 * A product of bits is their AND, so no multiplication is needed: for 8 samples at a time, a table
 * holds the sum of the weights of every subset of them (the "method of the four Russians"), and a
 * pair of segments adds the entry of the samples that see both.  That is 1/8 of a lookup for each
 * sample and pair, for both matrices at once, about five times fewer instructions than plain
 * multiply-adds, and sums are short, so rounding is small.
 *
 * Groups of 32 samples (four tables, 16 KiB: the first-level cache) are swept over bands of rows
 * (256 KiB: the second level).  Centring comes last, on the finished sums: with 0/1 columns that
 * loses at most the few digits that a sum of n weights has over their variance.
 */
#include "explain/gram.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"

enum { GROUP = 32, BYTES = GROUP / 8, BAND_CELLS = 16384 };

/* Sum of the weights of some samples, and of their squares. */
struct moment {
    double first, second;
};

/* bits[group * segments + s]: which of the group's 32 samples see segment s, first sample lowest.
 */
static uint32_t *pack_bits(const struct lm_samples *samples)
{
    size_t segments = samples->segments;
    uint32_t *bits = array_zalloc((samples->count / GROUP + 1) * segments, sizeof *bits);
    if (!bits)
        return NULL;
    for (size_t i = 0; i < samples->count; i++) {
        uint32_t *group = bits + i / GROUP * segments;
        const uint8_t *z = samples->z + i * segments;
        for (size_t s = 0; s < segments; s++)
            group[s] |= (uint32_t)z[s] << i % GROUP;
    }
    return bits;
}

/* table[subset]: moments of a subset of the samples start..start+7, as far as they exist. */
static void fill_table(const double *weights, size_t count, size_t start, struct moment table[256])
{
    table[0] = (struct moment){0};
    for (size_t b = 0; b < 8; b++) {
        double w = start + b < count ? weights[start + b] : 0;
        for (size_t subset = 0; subset < (size_t)1 << b; subset++) {
            table[subset | (size_t)1 << b].first = table[subset].first + w;
            table[subset | (size_t)1 << b].second = table[subset].second + w * w;
        }
    }
}

/* Adds a group's share to one row: segment with bits `own` against the first `count` segments. */
static void add_to_row(const struct moment (*tables)[256], uint32_t own, const uint32_t *bits,
                       size_t count, struct moment *row)
{
    for (size_t k = 0; k < count; k++) {
        uint32_t both = own & bits[k];
        const struct moment *a = &tables[0][both & 255];
        const struct moment *b = &tables[1][both >> 8 & 255];
        const struct moment *c = &tables[2][both >> 16 & 255];
        const struct moment *d = &tables[3][both >> 24];
        row[k].first += (a->first + b->first) + (c->first + d->first);
        row[k].second += (a->second + b->second) + (c->second + d->second);
    }
}

/* Raw moments of rows first..end-1 into band (rows of `end` cells). */
static void sweep_band(const struct lm_samples *samples, const double *weights,
                       const uint32_t *bits, size_t first, size_t end, struct moment *band)
{
    struct moment tables[BYTES][256];
    memset(band, 0, (end - first) * end * sizeof *band);
    for (size_t start = 0; start < samples->count; start += GROUP) {
        const uint32_t *group = bits + start / GROUP * samples->segments;
        for (size_t byte = 0; byte < BYTES; byte++)
            fill_table(weights, samples->count, start + byte * 8, tables[byte]);
        for (size_t j = first; j < end; j++)
            add_to_row(tables, group[j], group, j + 1, band + (j - first) * end);
    }
}

static void store_band(struct gram *gram, size_t first, size_t end, const struct moment *band)
{
    for (size_t j = first; j < end; j++)
        for (size_t k = 0; k <= j; k++) {
            gram->centred[j * gram->size + k] = band[(j - first) * end + k].first;
            gram->squared[j * gram->size + k] = band[(j - first) * end + k].second;
        }
}

/* On raw sums; z^2 = z, so the diagonals are the columns' own sums. */
static void centre(struct gram *gram, double *diagonal)
{
    size_t size = gram->size;
    for (size_t j = 0; j < size; j++) {
        gram->mean[j] = gram->centred[j * size + j] / gram->weight_sum;
        diagonal[j] = gram->squared[j * size + j];
    }
    for (size_t j = 0; j < size; j++)
        for (size_t k = 0; k <= j; k++) {
            double a = gram->mean[j], b = gram->mean[k];
            gram->centred[j * size + k] -= a * b * gram->weight_sum;
            gram->squared[j * size + k] +=
                a * b * gram->square_sum - a * diagonal[k] - b * diagonal[j];
        }
}

static bool accumulate(struct gram *gram, const struct lm_samples *samples, const double *weights)
{
    size_t size = gram->size;
    size_t rows = size < BAND_CELLS ? BAND_CELLS / size : 1;
    if (rows > size)
        rows = size;
    uint32_t *bits = pack_bits(samples);
    struct moment *band = array_alloc(rows * size, sizeof *band);
    double *diagonal = array_alloc(size, sizeof *diagonal);
    bool ok = bits && band && diagonal;
    for (size_t first = 0; ok && first < size; first += rows) {
        size_t end = first + rows < size ? first + rows : size;
        sweep_band(samples, weights, bits, first, end, band);
        store_band(gram, first, end, band);
    }
    if (ok)
        centre(gram, diagonal);
    free(bits);
    free(band);
    free(diagonal);
    return ok;
}

enum lm_status gram_create(const struct lm_samples *samples, const double *weights,
                           struct gram *out, struct lm_error *error)
{
    size_t size = samples->segments;
    if (size > GRAM_MAX_SIZE)
        return lm_fail(error, LM_LIMIT, "segments is %zu, above the limit of %d for a fit", size,
                       GRAM_MAX_SIZE);
    struct gram gram = {.size = samples->segments};
    for (size_t i = 0; i < samples->count; i++) {
        gram.weight_sum += weights[i];
        gram.square_sum += weights[i] * weights[i];
    }
    gram.mean = array_alloc(size, sizeof *gram.mean);
    gram.centred = array_alloc(size * size, sizeof *gram.centred);
    gram.squared = array_alloc(size * size, sizeof *gram.squared);
    if (!gram.mean || !gram.centred || !gram.squared || !accumulate(&gram, samples, weights)) {
        gram_free(&gram);
        return lm_fail(error, LM_NOMEM, "out of memory for a fit over %zu segments", size);
    }
    *out = gram;
    return LM_OK;
}

void gram_free(struct gram *gram)
{
    free(gram->mean);
    free(gram->centred);
    free(gram->squared);
    *gram = (struct gram){0};
}

void gram_project(const struct lm_samples *samples, const double *values, double *projection)
{
    size_t segments = samples->segments;
    memset(projection, 0, segments * sizeof *projection);
    for (size_t i = 0; i < samples->count; i++)
        for (size_t k = 0; k < segments; k++)
            projection[k] += values[i] * samples->z[i * segments + k];
}
