/* The measurement of `layermask bench`.  The picture is synthetic: a network's speed depends on
 * which pixels are visible, not on what they show (SLIC alone looks at them, so there are colours
 * to follow).  Each sample hides the same number of segments, drawn anew. */
#include "cli/bench_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/progress.h"
#include "codec/clock.h"
#include "codec/sample_inputs.h"
#include "layermask/session.h"

#define SGEMM_SECONDS 0.3

/* What the callbacks see. */
struct bench {
    struct batches *batches;
    struct sample_inputs *inputs;
    bool plain;
    const float *planes;
    uint32_t segments;
    const uint8_t *z;            /* samples x segments */
    struct lm_run_stats *totals; /* one for each thread */
};

/* Coloured waves, of some structure at every scale. */
static enum lm_status draw_picture(const struct model_dir *dir, struct picture_input *out,
                                   struct lm_error *error)
{
    const struct lm_preprocess *preprocess = &dir->about.preprocess;
    struct lm_image picture = {0};
    enum lm_status status = lm_image_create(preprocess->width, preprocess->height, &picture, error);
    if (status != LM_OK)
        return status;
    uint8_t *value = picture.rgb;
    for (uint32_t y = 0; y < picture.height; y++)
        for (uint32_t x = 0; x < picture.width; x++)
            for (uint32_t channel = 0; channel < 3; channel++) {
                double wave = sin(0.05 * (channel + 1) * x) + cos(0.07 * (3 - channel) * y) +
                              sin(0.4 * x + 0.3 * y);
                *value++ = (uint8_t)(128 + 40 * wave);
            }
    status = picture_input_prepare(&picture, preprocess, out, error);
    lm_image_free(&picture);
    return status;
}

/* splitmix64 (Vigna): good enough to shuffle segments, the same on every machine. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Hides exactly `hidden` segments of one sample: selection sampling. */
static void draw_sample(uint32_t segments, uint32_t hidden, uint64_t *state, uint8_t *z)
{
    uint32_t left = hidden;
    for (uint32_t s = 0; s < segments; s++) {
        bool hide = next_random(state) % (segments - s) < left;
        z[s] = !hide;
        left -= hide;
    }
}

static uint8_t *draw_samples(const struct bench_options *options, uint32_t segments)
{
    uint8_t *z = calloc(options->samples, segments);
    uint32_t hidden = options->plain ? 0 : (uint32_t)lround(options->hidden * segments);
    uint64_t state = options->seed;
    for (uint32_t i = 0; z && i < options->samples; i++)
        draw_sample(segments, hidden, &state, z + (size_t)i * segments);
    return z;
}

/* Share of pixels that the samples hide. */
static double hidden_share(const struct lm_segments *segments, const uint8_t *z, uint32_t samples)
{
    size_t pixels = (size_t)segments->width * segments->height;
    uint64_t *hidden_in = calloc(segments->count, sizeof *hidden_in); /* samples, by segment */
    double sum = 0;
    if (!hidden_in)
        return 0;
    for (uint32_t i = 0; i < samples; i++)
        for (uint32_t s = 0; s < segments->count; s++)
            hidden_in[s] += !*z++;
    for (size_t i = 0; i < pixels; i++)
        sum += (double)hidden_in[segments->labels[i]];
    free(hidden_in);
    return sum / ((double)pixels * samples);
}

static enum lm_status fill(void *context, uint32_t index, uint32_t thread, uint32_t slot,
                           const float **planes, const struct lm_mask **visible,
                           struct lm_error *error)
{
    const struct bench *bench = context;
    (void)error;
    *planes = bench->planes;
    *visible = NULL;
    if (!bench->plain)
        sample_inputs_fill(bench->inputs, bench->z + (size_t)index * bench->segments, thread, slot,
                           planes, visible);
    return LM_OK;
}

static enum lm_status take(void *context, uint32_t first, uint32_t n, const float *logits,
                           uint32_t thread, struct lm_error *error)
{
    struct bench *bench = context;
    struct lm_run_stats stats, *total = &bench->totals[thread];
    (void)first, (void)n, (void)logits, (void)error;
    lm_session_stats(batches_session(bench->batches, thread), &stats);
    total->macs_needed += stats.macs_needed;
    total->macs_done += stats.macs_done;
    total->macs_plain += stats.macs_plain;
    return LM_OK;
}

static void set_profile(struct batches *batches, bool on)
{
    for (uint32_t i = 0; i < batches_threads(batches); i++)
        lm_session_profile(batches_session(batches, i), on);
}

static enum lm_status measure(struct bench *bench, const struct bench_options *options,
                              struct bench_result *result, struct lm_error *error)
{
    struct progress progress;
    struct batches_work work = {
        .size = options->batch, .context = bench, .fill = fill, .take = take};
    uint64_t warm_up = (uint64_t)options->batch * options->threads;
    work.count = warm_up < options->samples ? (uint32_t)warm_up : options->samples;
    enum lm_status status = batches_run(bench->batches, &work, error);
    if (status != LM_OK)
        return status;
    memset(bench->totals, 0, options->threads * sizeof *bench->totals);
    set_profile(bench->batches, options->profile);
    progress_begin(&progress);
    work.count = options->samples;
    work.progress = progress_update;
    work.progress_context = &progress;
    double start = clock_ms();
    status = batches_run(bench->batches, &work, error);
    result->seconds = (clock_ms() - start) / 1000;
    progress_end(&progress);
    return status;
}

static void sum_stats(const struct bench *bench, uint32_t threads, struct bench_result *result)
{
    for (uint32_t i = 0; i < threads; i++) {
        result->macs_needed += bench->totals[i].macs_needed;
        result->macs_done += bench->totals[i].macs_done;
        result->macs_plain += bench->totals[i].macs_plain;
    }
}

static enum lm_status sum_profiles(struct batches *batches, struct bench_result *result,
                                   struct lm_error *error)
{
    uint32_t n = result->layers;
    result->layer_ns = calloc(n, sizeof *result->layer_ns);
    result->layer_macs = calloc(n, sizeof *result->layer_macs);
    uint64_t *ns = calloc(n, sizeof *ns), *macs = calloc(n, sizeof *macs);
    enum lm_status status = LM_OK;
    if (!result->layer_ns || !result->layer_macs || !ns || !macs)
        status = lm_fail(error, LM_NOMEM, "out of memory for the times of %u layers", n);
    for (uint32_t i = 0; i < batches_threads(batches) && status == LM_OK; i++) {
        lm_session_profile_read(batches_session(batches, i), ns, macs);
        for (uint32_t layer = 0; layer < n; layer++) {
            result->layer_ns[layer] += ns[layer];
            result->layer_macs[layer] += macs[layer];
        }
    }
    free(ns);
    free(macs);
    return status;
}

static void sgemm_task(void *argument, uint32_t index, uint32_t thread)
{
    double *gflops = argument;
    (void)thread;
    gflops[index] = lm_sgemm_gflops(SGEMM_SECONDS);
}

/* What the machine's own matrix product does on all threads at once. */
static enum lm_status measure_sgemm(uint32_t threads, double *out, struct lm_error *error)
{
    struct pool *pool = NULL;
    double gflops[POOL_MAX_THREADS] = {0}, sum = 0;
    enum lm_status status = pool_create(threads, &pool, error);
    if (status != LM_OK)
        return status;
    pool_run(pool, threads, sgemm_task, gflops);
    pool_free(pool);
    for (uint32_t i = 0; i < threads; i++)
        sum += gflops[i];
    *out = sum;
    return LM_OK;
}

static uint64_t peak_rss_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (uint64_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
}

static enum lm_status run_bench(struct bench *bench, const struct bench_options *options,
                                struct bench_result *result, struct lm_error *error)
{
    enum lm_status status = measure(bench, options, result, error);
    sum_stats(bench, options->threads, result);
    if (status == LM_OK && options->profile)
        status = sum_profiles(bench->batches, result, error);
    result->peak_rss_bytes = peak_rss_bytes(); /* before sgemm takes its own */
    if (status == LM_OK)
        status = measure_sgemm(options->threads, &result->sgemm_gflops, error);
    return status;
}

enum lm_status bench_run(const struct model_dir *dir, const struct lm_model *model,
                         const struct bench_options *options, struct bench_result *out,
                         struct lm_error *error)
{
    static const struct masking layer = {.kind = MASKING_LAYER};
    struct lm_model_info info;
    lm_model_info(model, &info);
    struct picture_input input = {0};
    struct lm_segments segments = {0};
    struct bench bench = {.plain = options->plain};
    struct bench_result result = {.layers = info.layers};
    uint8_t *z = NULL;
    enum lm_status status = draw_picture(dir, &input, error);
    if (status == LM_OK)
        status = segmentation_run(&options->segmentation, &input, &segments, NULL, error);
    if (status == LM_OK)
        status = batches_create(model, options->batch, options->threads, &bench.batches, error);
    if (status == LM_OK)
        status = sample_inputs_create(&layer, &dir->about.preprocess, input.planes, &segments,
                                      options->threads, options->batch, &bench.inputs, error);
    if (status != LM_OK)
        goto done;
    z = draw_samples(options, segments.count);
    bench.totals = calloc(options->threads, sizeof *bench.totals);
    if (!z || !bench.totals) {
        status = lm_fail(error, LM_NOMEM, "out of memory for %u samples", options->samples);
        goto done;
    }
    bench.z = z;
    bench.planes = input.planes;
    bench.segments = result.segments = segments.count;
    result.hidden_pixels = hidden_share(&segments, z, options->samples);
    status = run_bench(&bench, options, &result, error);
    if (status != LM_OK)
        goto done;
    *out = result;
    result = (struct bench_result){0};
done:
    bench_result_free(&result);
    free(bench.totals);
    free(z);
    sample_inputs_free(bench.inputs);
    batches_free(bench.batches);
    lm_segments_free(&segments);
    picture_input_free(&input);
    return status;
}

void bench_result_free(struct bench_result *result)
{
    if (!result)
        return;
    free(result->layer_ns);
    free(result->layer_macs);
    *result = (struct bench_result){0};
}
