/* What `layermask bench` prints, from one set of derived figures. */
#include "cli/bench_report.h"

#include <stdio.h>

#include <jansson.h>

#include "cli/bench_layers.h"
#include "cli/common.h"

struct figures {
    double ms_per_sample, images_per_s, active_share;
    double gflops_needed; /* of one picture */
    double gflops_per_s;
    double gflops_done; /* less where rows are remembered or Winograd's way is taken */
};

static struct figures derive(const struct bench_options *options, const struct bench_result *result)
{
    double samples = options->samples;
    double needed = (double)result->macs_needed, done = (double)result->macs_done;
    return (struct figures){
        .ms_per_sample = 1000 * result->seconds / samples,
        .images_per_s = samples / result->seconds,
        .active_share = result->macs_plain ? needed / (double)result->macs_plain : 0,
        .gflops_needed = 2 * needed / samples / 1e9,
        .gflops_per_s = 2 * needed / result->seconds / 1e9,
        .gflops_done = 2 * done / samples / 1e9,
    };
}

enum lm_status bench_print_json(const struct model_dir *dir, const struct lm_model *model,
                                const struct bench_options *options,
                                const struct bench_result *result, struct lm_error *error)
{
    struct figures figures = derive(options, result);
    struct lm_model_info info;
    lm_model_info(model, &info);
    json_t *object = json_pack(
        "{s:s, s:s, s:f, s:f, s:f, s:I, s:I, s:I, s:b, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f, "
        "s:f, "
        "s:I, s:I}",
        "model_name", dir->name, "model_version", dir->version, "ms_per_sample",
        figures.ms_per_sample, "cpu_ms_per_sample", 1000 * result->cpu_seconds / options->samples,
        "images_per_s", figures.images_per_s, "samples", (json_int_t)options->samples, "threads",
        (json_int_t)options->threads, "batch", (json_int_t)options->batch, "plain", options->plain,
        "segmentation", segmentation_method(&options->segmentation), "segments",
        (json_int_t)result->segments, "hidden", options->plain ? 0.0 : options->hidden,
        "hidden_pixels", result->hidden_pixels, "active_share", figures.active_share,
        "gflops_needed", figures.gflops_needed, "gflops_per_s", figures.gflops_per_s,
        "sgemm_gflops_per_s", result->sgemm_gflops, "gflops_done", figures.gflops_done,
        "peak_rss_bytes", (json_int_t)result->peak_rss_bytes, "weight_bytes",
        (json_int_t)info.weight_bytes);
    enum lm_status status = LM_OK;
    if (!object || (result->steps && bench_layers_json(model, options, result, object)))
        status = lm_fail(error, LM_NOMEM, "out of memory for the report");
    if (status == LM_OK)
        status = common_write_json("-", object, JSON_COMPACT | JSON_REAL_PRECISION(6), error);
    json_decref(object);
    return status;
}

void bench_print_text(const struct model_dir *dir, const struct lm_model *model,
                      const struct bench_options *options, const struct bench_result *result)
{
    struct figures figures = derive(options, result);
    printf("%s, %u samples %s", dir->name, options->samples,
           options->batch > 1 ? "in micro-batches" : "one at a time");
    if (options->batch > 1)
        printf(" of %u", options->batch);
    printf(" on %u threads", options->threads);
    if (options->plain)
        printf(", nothing hidden\n");
    else
        printf(", %.1f %% of the pixels hidden (%s, %u segments)\n", 100 * result->hidden_pixels,
               segmentation_method(&options->segmentation), result->segments);
    printf("  %.3f ms a sample (%.3f ms of processors), %.1f a second\n", figures.ms_per_sample,
           1000 * result->cpu_seconds / options->samples, figures.images_per_s);
    printf("  %.3f GFLOP needed a sample, %.1f %% of all; %.3f done\n", figures.gflops_needed,
           100 * figures.active_share, figures.gflops_done);
    if (result->sgemm_gflops > 0)
        printf("  %.1f GFLOP/s, %.0f %% of this machine's sgemm (%.1f GFLOP/s)\n",
               figures.gflops_per_s, 100 * figures.gflops_per_s / result->sgemm_gflops,
               result->sgemm_gflops);
    else
        printf("  %.1f GFLOP/s (OpenBLAS, the yardstick, is not installed)\n",
               figures.gflops_per_s);
    printf("  %.1f MB peak memory\n", (double)result->peak_rss_bytes / 1e6);
    if (result->steps)
        bench_layers_print(model, options, result);
}
