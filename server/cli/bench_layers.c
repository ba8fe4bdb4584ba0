/* The table of layers.  A layer's bound is the time that its work takes at the rates that this
 * machine reaches in large matrix products and in streaming from memory.  Times below it are no
 * error: rows may still be in the caches, and some kernels need fewer operations than are counted
 * as needed. */
#include "cli/bench_layers.h"

#include <stdio.h>
#include <string.h>

static double ratio(double of, double to)
{
    return to > 0 ? of / to : 0;
}

/* Nanoseconds over all sessions to milliseconds a picture. */
static double wall_ms(const struct bench_options *options, uint64_t ns)
{
    return (double)ns / 1e6 / options->samples / bench_sessions(options);
}

struct layer_figures bench_layer(const struct bench_options *options,
                                 const struct bench_result *result,
                                 const struct lm_step_profile *step)
{
    double samples = options->samples, bytes = (double)step->bytes;
    double needed = 2 * (double)step->macs_needed, ms = wall_ms(options, step->time_ns);
    double compute_ms = ratio(needed / samples / 1e6, result->sgemm_gflops);
    double memory_ms = ratio(bytes / samples / 1e6, result->stream_gbytes);
    double bound_ms = compute_ms > memory_ms ? compute_ms : memory_ms;
    return (struct layer_figures){
        .rows = (double)step->rows / samples,
        .active_share = ratio((double)step->rows, (double)step->rows_plain),
        .gflops_needed = needed / samples / 1e9,
        .gflops_done = 2 * (double)step->macs_done / samples / 1e9,
        .megabytes = bytes / samples / 1e6,
        .ms = ms,
        .share = ratio(ms, 1000 * result->seconds / samples),
        .gflops_per_s = ratio(needed / samples / 1e6, ms),
        .gigabytes_per_s = ratio(bytes / samples / 1e6, ms),
        .bound_ms = bound_ms,
        .excess = ratio(ms, bound_ms),
    };
}

static struct lm_step_profile sum_steps(const struct bench_result *result)
{
    struct lm_step_profile sum = {0};
    for (uint32_t i = 0; i < result->layers; i++) {
        const struct lm_step_profile *step = &result->steps[i];
        sum.time_ns += step->time_ns;
        sum.rows += step->rows;
        sum.rows_plain += step->rows_plain;
        sum.macs_needed += step->macs_needed;
        sum.macs_done += step->macs_done;
        sum.bytes += step->bytes;
    }
    return sum;
}

/* A layer's own bound may be higher than what the sums would say. */
static double sum_bounds_ms(const struct bench_options *options, const struct bench_result *result)
{
    double sum_ms = 0;
    for (uint32_t i = 0; i < result->layers; i++)
        sum_ms += bench_layer(options, result, &result->steps[i]).bound_ms;
    return sum_ms;
}

struct bench_outside bench_outside(const struct bench_options *options,
                                   const struct bench_result *result)
{
    struct lm_step_profile sum = sum_steps(result);
    double planning_ms = wall_ms(options, result->profile.planning_ns);
    double reading_ms = wall_ms(options, result->profile.reading_ns);
    double rest_ms = 1000 * result->seconds / options->samples - planning_ms - reading_ms -
                     wall_ms(options, sum.time_ns);
    return (struct bench_outside){planning_ms, reading_ms, rest_ms > 0 ? rest_ms : 0};
}

/* ---- JSON */

static json_t *layer_object(const struct lm_model *model, const struct bench_options *options,
                            const struct bench_result *result, uint32_t index)
{
    const struct lm_step_profile *step = &result->steps[index];
    struct layer_figures f = bench_layer(options, result, step);
    struct lm_layer_info layer;
    lm_model_layer(model, index, &layer);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, "
                     "s:f}",
                     "name", step->name, "kind", step->kind, "kernel", step->kernel, "shape",
                     layer.shape, "detail", layer.detail, "rows", f.rows, "active_share",
                     f.active_share, "gflops_needed", f.gflops_needed, "gflops_done", f.gflops_done,
                     "mbytes", f.megabytes, "ms_per_sample", f.ms, "share", f.share, "gflops_per_s",
                     f.gflops_per_s, "gbytes_per_s", f.gigabytes_per_s, "bound_ms", f.bound_ms,
                     "excess", f.excess);
}

int bench_layers_json(const struct lm_model *model, const struct bench_options *options,
                      const struct bench_result *result, json_t *object)
{
    struct bench_outside outside = bench_outside(options, result);
    json_t *layers = json_array();
    int failed = !layers;
    for (uint32_t i = 0; i < result->layers && !failed; i++)
        failed = json_array_append_new(layers, layer_object(model, options, result, i));
    failed |= json_object_set_new(object, "layers", layers);
    failed |= json_object_set_new(object, "outside",
                                  json_pack("{s:f, s:f, s:f}", "planning_ms", outside.planning_ms,
                                            "reading_ms", outside.reading_ms, "rest_ms",
                                            outside.rest_ms));
    failed |= json_object_set_new(object, "stream_gbytes_per_s", json_real(result->stream_gbytes));
    return failed;
}

/* ---- text */

static void print_row(const struct layer_figures *f)
{
    printf("  %9.4f %6.1f%% %9.1f %6.1f%% %8.4f %8.4f %8.3f %8.1f %7.1f %9.4f %6.1f  ", f->ms,
           100 * f->share, f->rows, 100 * f->active_share, f->gflops_needed, f->gflops_done,
           f->megabytes, f->gflops_per_s, f->gigabytes_per_s, f->bound_ms, f->excess);
}

static void print_outside(const struct bench_options *options, const struct bench_result *result)
{
    struct bench_outside outside = bench_outside(options, result);
    const struct {
        const char *name;
        double ms;
    } rows[] = {{"planning: which sites are needed", outside.planning_ms},
                {"reading: the inputs", outside.reading_ms},
                {"the rest: drawing masks, waiting", outside.rest_ms}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("  %9.4f %6.1f%%  %s\n", rows[i].ms,
               100 * ratio(rows[i].ms, 1000 * result->seconds / options->samples), rows[i].name);
}

void bench_layers_print(const struct lm_model *model, const struct bench_options *options,
                        const struct bench_result *result)
{
    printf("  %.1f GB/s, this machine's stream from memory\n\n", result->stream_gbytes);
    printf("  ms/sample   share      rows  active   needed     done       MB  GFLOP/s    GB/s  "
           "bound ms  times  layer\n");
    for (uint32_t i = 0; i < result->layers; i++) {
        const struct lm_step_profile *step = &result->steps[i];
        struct layer_figures f = bench_layer(options, result, step);
        struct lm_layer_info layer;
        lm_model_layer(model, i, &layer);
        print_row(&f);
        bool own = strcmp(step->kernel, layer.kind) != 0;
        printf("%s%s%s %s %s %.40s\n", layer.kind, own ? " by " : "", own ? step->kernel : "",
               layer.shape, layer.detail, layer.name);
    }
    struct lm_step_profile sum = sum_steps(result);
    struct layer_figures total = bench_layer(options, result, &sum);
    total.bound_ms = sum_bounds_ms(options, result);
    total.excess = ratio(total.ms, total.bound_ms);
    print_row(&total);
    printf("all layers\n");
    print_outside(options, result);
    printf("\n  needed, done: GFLOP; MB: rows and weights, moved once; bound: at sgemm's or "
           "stream's rate;\n  times: time / bound\n");
}
