/* The registry as Prometheus text: HELP, TYPE, then one line a series, in the order of their
 * making.  A histogram's count is the sum of its buckets as they were read, so that the two agree
 * while others go on counting. */
#include "obs/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "obs/metrics_room.h"

static const char *const kind_names[] = {
    [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge", [METRIC_HISTOGRAM] = "histogram"};

static void put_escaped(FILE *out, const char *text, bool quoted)
{
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '\\' || (quoted && *text == '"'))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

/* The shortest digits that give the same double back. */
static void put_real(FILE *out, double value)
{
    char digits[40];
    if (!isfinite(value)) {
        fputs(isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf", out);
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    fputs(digits, out);
}

/* name{labels}, with le="bound" if there is one. */
static void put_name(FILE *out, const struct series *series, const char *suffix,
                     const double *bound)
{
    const struct metric *metric = series->metric;
    fprintf(out, "%s%s", metric->name, suffix);
    for (size_t i = 0; i < metric->n_labels; i++) {
        fprintf(out, "%s%s=\"", i ? "," : "{", metric->labels[i]);
        put_escaped(out, series->values[i], true);
        fputc('"', out);
    }
    if (bound) {
        fprintf(out, "%sle=\"", metric->n_labels ? "," : "{");
        put_real(out, *bound);
        fputc('"', out);
    }
    fputs(metric->n_labels || bound ? "} " : " ", out);
}

static void put_histogram(FILE *out, const struct series *series)
{
    const struct metric_buckets *buckets = series->metric->buckets;
    uint64_t total = 0;
    for (size_t i = 0; i <= buckets->count; i++) {
        const double bound = i < buckets->count ? buckets->bounds[i] : INFINITY;
        total += atomic_load_explicit(&series->buckets[i], memory_order_relaxed);
        put_name(out, series, "_bucket", &bound);
        fprintf(out, "%" PRIu64 "\n", total);
    }
    put_name(out, series, "_sum", NULL);
    put_real(out, real_load(&series->value));
    fputc('\n', out);
    put_name(out, series, "_count", NULL);
    fprintf(out, "%" PRIu64 "\n", total);
}

static void put_metric(FILE *out, struct metric *metric)
{
    size_t count = atomic_load_explicit(&metric->count, memory_order_acquire);
    fprintf(out, "# HELP %s ", metric->name);
    put_escaped(out, metric->help, false);
    fprintf(out, "\n# TYPE %s %s\n", metric->name, kind_names[metric->kind]);
    for (size_t i = 0; i < count; i++) {
        const struct series *series = metric->ordered[i];
        if (metric->kind == METRIC_HISTOGRAM) {
            put_histogram(out, series);
            continue;
        }
        put_name(out, series, "", NULL);
        put_real(out, real_load(&series->value));
        fputc('\n', out);
    }
}

enum lm_status metrics_render(struct metrics *metrics, char **text, size_t *length,
                              struct lm_error *error)
{
    char *written = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&written, &size);
    if (!out)
        return lm_fail(error, LM_NOMEM, "metrics: out of memory");
    pthread_mutex_lock(&metrics->lock);
    for (size_t i = 0; i < metrics->n_collectors; i++)
        metrics->collectors[i].collect(metrics->collectors[i].context);
    for (struct metric *metric = metrics->first; metric; metric = metric->next)
        put_metric(out, metric);
    pthread_mutex_unlock(&metrics->lock);
    bool whole = !ferror(out);
    if (fclose(out) != 0 || !whole || !written) {
        free(written);
        return lm_fail(error, LM_NOMEM, "metrics: out of memory after %zu bytes", size);
    }
    *text = written;
    *length = size;
    return LM_OK;
}
