/* The measurement of `layermask bench`: an explanation's way through the engine, with the clock. */
#include "cli/bench_run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "cli/bench_draw.h"
#include "cli/bench_machine.h"
#include "cli/progress.h"
#include "codec/clock.h"
#include "codec/sample_inputs.h"

static const struct masking layer_masking = {.kind = MASKING_LAYER};

/* What the callbacks see. */
struct bench {
    struct batches *batches; /* or, for a batch of 1: */
    struct pool *pool;
    struct runner *lone;
    struct sample_inputs *inputs;
    bool plain;
    const float *planes;
    const struct lm_segments *labels;
    const uint8_t *z;            /* samples x segments */
    struct lm_run_stats *totals; /* one for each session */
};

uint32_t bench_sessions(const struct bench_options *options)
{
    return options->batch > 1 ? options->threads : 1;
}

static struct lm_session *session_of(const struct bench *bench, uint32_t index)
{
    return bench->lone ? runner_session(bench->lone) : batches_session(bench->batches, index);
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
        sample_inputs_fill(bench->inputs, bench->z + (size_t)index * bench->labels->count, thread,
                           slot, planes, visible);
    return LM_OK;
}

static enum lm_status take(void *context, uint32_t first, uint32_t n, const float *logits,
                           uint32_t thread, struct lm_error *error)
{
    struct bench *bench = context;
    struct lm_run_stats stats, *total = &bench->totals[thread];
    (void)first, (void)n, (void)logits, (void)error;
    lm_session_stats(session_of(bench, thread), &stats);
    total->macs_needed += stats.macs_needed;
    total->macs_done += stats.macs_done;
    total->macs_plain += stats.macs_plain;
    return LM_OK;
}

/* One picture after the other. */
static enum lm_status run_alone(struct bench *bench, const struct batches_work *work,
                                struct lm_error *error)
{
    enum lm_status status = LM_OK;
    for (uint32_t i = 0; i < work->count && status == LM_OK; i++) {
        status = runner_take_batch(bench->lone, work, i, 0, error);
        if (work->progress)
            work->progress(work->progress_context, i + 1, work->count);
    }
    return status;
}

static enum lm_status run_all(struct bench *bench, const struct batches_work *work,
                              struct lm_error *error)
{
    return bench->lone ? run_alone(bench, work, error) : batches_run(bench->batches, work, error);
}

/* On the negative of the picture, so that nothing is known yet about the picture itself. */
static enum lm_status warm_up(struct bench *bench, const struct lm_preprocess *preprocess,
                              const struct bench_options *options, struct lm_error *error)
{
    size_t numbers = (size_t)3 * preprocess->height * preprocess->width;
    float *negative = malloc(numbers * sizeof *negative);
    if (!negative)
        return lm_fail(error, LM_NOMEM, "out of memory for a second picture");
    for (size_t i = 0; i < numbers; i++)
        negative[i] = -bench->planes[i];
    struct bench other = *bench;
    other.planes = negative;
    uint64_t most = (uint64_t)options->batch * options->threads;
    const struct batches_work work = {.count = most < options->samples ? (uint32_t)most
                                                                       : options->samples,
                                      .size = options->batch,
                                      .context = &other,
                                      .fill = fill,
                                      .take = take};
    enum lm_status status =
        sample_inputs_create(&layer_masking, preprocess, negative, bench->labels, options->threads,
                             options->batch, &other.inputs, error);
    if (status == LM_OK)
        status = run_all(&other, &work, error);
    sample_inputs_free(other.inputs);
    free(negative);
    return status;
}

/* Of all threads. */
static double cpu_seconds(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
}

static enum lm_status measure(struct bench *bench, const struct bench_options *options,
                              struct bench_result *result, struct lm_error *error)
{
    struct progress progress;
    const struct batches_work work = {.count = options->samples,
                                      .size = options->batch,
                                      .picture = batches_picture(),
                                      .context = bench,
                                      .fill = fill,
                                      .take = take,
                                      .progress = progress_update,
                                      .progress_context = &progress};
    uint32_t sessions = bench_sessions(options);
    memset(bench->totals, 0, sessions * sizeof *bench->totals);
    for (uint32_t i = 0; i < sessions; i++)
        lm_session_profile(session_of(bench, i), options->profile);
    progress_begin(&progress);
    double start = clock_ms(), cpu_start = cpu_seconds();
    enum lm_status status = run_all(bench, &work, error);
    result->seconds = (clock_ms() - start) / 1000;
    result->cpu_seconds = cpu_seconds() - cpu_start;
    progress_end(&progress);
    return status;
}

static void sum_stats(const struct bench *bench, uint32_t sessions, struct bench_result *result)
{
    for (uint32_t i = 0; i < sessions; i++) {
        result->macs_needed += bench->totals[i].macs_needed;
        result->macs_done += bench->totals[i].macs_done;
        result->macs_plain += bench->totals[i].macs_plain;
    }
}

static void add_step(struct lm_step_profile *sum, const struct lm_step_profile *step)
{
    sum->name = step->name;
    sum->kind = step->kind;
    if (step->kernel) /* NULL in a session that ran nothing */
        sum->kernel = step->kernel;
    sum->time_ns += step->time_ns;
    sum->rows += step->rows;
    sum->rows_plain += step->rows_plain;
    sum->macs_needed += step->macs_needed;
    sum->macs_done += step->macs_done;
    sum->bytes += step->bytes;
}

static enum lm_status sum_profiles(const struct bench *bench, uint32_t sessions,
                                   struct bench_result *result, struct lm_error *error)
{
    uint32_t n = result->layers;
    result->steps = calloc(n, sizeof *result->steps);
    struct lm_step_profile *steps = calloc(n, sizeof *steps);
    if (!result->steps || !steps) {
        free(steps);
        return lm_fail(error, LM_NOMEM, "out of memory for the times of %u layers", n);
    }
    for (uint32_t i = 0; i < sessions; i++) {
        struct lm_profile profile;
        lm_session_profile_read(session_of(bench, i), &profile, steps);
        result->profile.runs += profile.runs;
        result->profile.images += profile.images;
        result->profile.planning_ns += profile.planning_ns;
        result->profile.reading_ns += profile.reading_ns;
        for (uint32_t layer = 0; layer < n; layer++)
            add_step(&result->steps[layer], &steps[layer]);
    }
    free(steps);
    return LM_OK;
}

static uint64_t peak_rss_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (uint64_t)usage.ru_maxrss * 1024; /* Linux counts in KiB */
}

/* The machine comes last: its arrays are no part of the peak. */
static enum lm_status run_bench(struct bench *bench, const struct lm_preprocess *preprocess,
                                const struct bench_options *options, struct bench_result *result,
                                struct lm_error *error)
{
    uint32_t sessions = bench_sessions(options);
    enum lm_status status = warm_up(bench, preprocess, options, error);
    if (status == LM_OK)
        status = measure(bench, options, result, error);
    sum_stats(bench, sessions, result);
    if (status == LM_OK && options->profile)
        status = sum_profiles(bench, sessions, result, error);
    result->peak_rss_bytes = peak_rss_bytes();
    if (status == LM_OK)
        status = bench_measure_sgemm(options->threads, &result->sgemm_gflops, error);
    if (status == LM_OK && options->profile)
        status = bench_measure_stream(options->threads, &result->stream_gbytes, error);
    return status;
}

static enum lm_status create_sessions(const struct lm_model *model,
                                      const struct bench_options *options, struct bench *bench,
                                      struct lm_error *error)
{
    bench->totals = calloc(bench_sessions(options), sizeof *bench->totals);
    if (!bench->totals)
        return lm_fail(error, LM_NOMEM, "out of memory for %u threads", options->threads);
    if (options->batch > 1)
        return batches_create(model, options->batch, options->threads, &bench->batches, error);
    enum lm_status status = pool_create(options->threads, 0, &bench->pool, error);
    if (status == LM_OK)
        status = runner_create(model, 1, bench->pool, &bench->lone, error);
    return status;
}

static void free_sessions(struct bench *bench)
{
    free(bench->totals);
    batches_free(bench->batches);
    runner_free(bench->lone);
    pool_free(bench->pool);
}

enum lm_status bench_run(const struct model_dir *dir, const struct lm_model *model,
                         const struct bench_options *options, struct bench_result *out,
                         struct lm_error *error)
{
    const struct lm_preprocess *preprocess = &dir->about.preprocess;
    struct lm_model_info info;
    lm_model_info(model, &info);
    struct picture_input input = {0};
    struct lm_segments segments = {0};
    struct bench bench = {.plain = options->plain, .labels = &segments};
    struct bench_result result = {.layers = info.layers};
    uint8_t *z = NULL;
    enum lm_status status = bench_draw_picture(dir, &input, error);
    if (status == LM_OK)
        status = segmentation_run(&options->segmentation, &input, &segments, NULL, error);
    if (status == LM_OK)
        status = create_sessions(model, options, &bench, error);
    if (status == LM_OK)
        status = sample_inputs_create(&layer_masking, preprocess, input.planes, &segments,
                                      options->threads, options->batch, &bench.inputs, error);
    if (status != LM_OK)
        goto done;
    bench.z = z = bench_draw_samples(options, segments.count);
    if (!z) {
        status = lm_fail(error, LM_NOMEM, "out of memory for %u samples", options->samples);
        goto done;
    }
    bench.planes = input.planes;
    result.segments = segments.count;
    result.hidden_pixels = bench_hidden_share(&segments, z, options->samples);
    status = run_bench(&bench, preprocess, options, &result, error);
    if (status != LM_OK)
        goto done;
    *out = result;
    result = (struct bench_result){0};
done:
    bench_result_free(&result);
    free(z);
    sample_inputs_free(bench.inputs);
    free_sessions(&bench);
    lm_segments_free(&segments);
    picture_input_free(&input);
    return status;
}

void bench_result_free(struct bench_result *result)
{
    if (!result)
        return;
    free(result->steps);
    *result = (struct bench_result){0};
}
