/* Samples: which segments stay visible.  Random bits, or every mask once where that is no more
 * work.  The order of the draws is part of the contract (sample by sample, segment by segment, one
 * rng_double each), since explanations are to be repeatable from their seed. */
#include "explain/samples.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"

enum lm_status samples_check_size(uint32_t segments, uint32_t count, struct lm_error *error)
{
    if (segments == 0)
        return lm_fail(error, LM_INVALID, "segments is 0, at least 1 is needed");
    if (count == 0)
        return lm_fail(error, LM_INVALID, "samples is 0, at least 1 is needed");
    if (segments > SAMPLES_MAX_SEGMENTS)
        return lm_fail(error, LM_LIMIT, "segments is %" PRIu32 ", above the limit of %d", segments,
                       SAMPLES_MAX_SEGMENTS);
    if (count > SAMPLES_MAX_COUNT)
        return lm_fail(error, LM_LIMIT, "samples is %" PRIu32 ", above the limit of %d", count,
                       SAMPLES_MAX_COUNT);
    uint64_t cells = (uint64_t)count * segments;
    if (cells > SAMPLES_MAX_CELLS)
        return lm_fail(error, LM_LIMIT,
                       "samples x segments is %" PRIu32 " x %" PRIu32 " = %" PRIu64
                       ", above the limit of %d",
                       count, segments, cells, SAMPLES_MAX_CELLS);
    return LM_OK;
}

/* Counting down from all ones: sample i is the complement of i's bits, segment 0 the lowest. */
static void list_masks(struct lm_samples *samples)
{
    for (uint32_t i = 0; i < samples->count; i++)
        for (uint32_t s = 0; s < samples->segments; s++)
            samples->z[(size_t)i * samples->segments + s] = !(i >> s & 1);
}

static void draw_masks(struct lm_samples *samples, double keep, uint64_t seed)
{
    size_t segments = samples->segments;
    struct rng rng;
    rng_seed(&rng, seed);
    memset(samples->z, 1, segments);
    for (size_t cell = segments; cell < samples->count * segments; cell++)
        samples->z[cell] = rng_double(&rng) < keep;
}

enum lm_status lm_samples_draw(uint32_t segments, uint32_t count, double keep, uint64_t seed,
                               struct lm_samples *out, struct lm_error *error)
{
    if (!(keep > 0 && keep < 1))
        return lm_fail(error, LM_INVALID, "keep is %g, it must be between 0 and 1, both excluded",
                       keep);
    enum lm_status status = samples_check_size(segments, count, error);
    if (status != LM_OK)
        return status;

    /* count is at most 10^6, so 2^segments fits whenever it matters. */
    bool exact = segments < 32 && UINT32_C(1) << segments <= count;
    struct lm_samples samples = {
        .count = exact ? UINT32_C(1) << segments : count, .segments = segments, .exact = exact};
    samples.z = array_alloc(samples.count, segments);
    if (!samples.z)
        return lm_fail(error, LM_NOMEM,
                       "out of memory for %" PRIu32 " samples of %" PRIu32 " segments",
                       samples.count, segments);
    if (exact)
        list_masks(&samples);
    else
        draw_masks(&samples, keep, seed);
    *out = samples;
    return LM_OK;
}

void lm_samples_free(struct lm_samples *samples)
{
    if (!samples)
        return;
    free(samples->z);
    *samples = (struct lm_samples){0};
}
