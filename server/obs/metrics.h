/* Counters, gauges and histograms, shown as Prometheus text (format 0.0.4).
 *
 *     struct metrics *metrics;                                        at start
 *     metrics_create(&metrics, &error);
 *     static const char *const by[] = {"route", "status", NULL};
 *     struct metric *requests = metrics_add(metrics, METRIC_COUNTER, "layermask_requests_total",
 *                                           "Answered requests.", by, NULL);
 *     metric_add(requests, 1, METRIC_LABELS("/v1/models", "200"));    any thread, any time
 *     metrics_render(metrics, &text, &length, &error);
 *
 * Metrics are declared once, at start; they and their series live as long as the registry.  Updates
 * take no lock (the first one of a new series does) and cannot fail: without memory they are left
 * out.  Everything that takes a metric or a series also takes NULL, and does nothing. */
#ifndef OBS_METRICS_H
#define OBS_METRICS_H

#include <stddef.h>

#include "layermask/status.h"

enum {
    METRIC_MAX_LABELS = 4,
    METRIC_MAX_SERIES = 500,  /* of one metric; others count as one whose labels are "other" */
    METRIC_MAX_BUCKETS = 24,  /* of a histogram, without +Inf */
    METRIC_LABEL_BYTES = 128, /* of a label's value; the rest is cut */
    METRICS_MAX_COLLECTORS = 8,
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metrics;
struct metric; /* all series of one name */
struct series; /* one set of label values */

enum lm_status metrics_create(struct metrics **out, struct lm_error *error);
void metrics_destroy(struct metrics *metrics); /* NULL is fine; nobody may update any more */

/* Upper bounds of histogram buckets, increasing. */
struct metric_buckets {
    size_t count;
    double bounds[METRIC_MAX_BUCKETS];
};
extern const struct metric_buckets metric_seconds; /* 1 ms to 10 minutes */
extern const struct metric_buckets metric_sizes;   /* 1, 2, 4 ... 256: items of a batch */

/* Declares a metric; the same name once more gives the same metric.  name, help and labels
 * (ended by NULL; NULL: none) are constants of the program and are not copied; so are the buckets
 * (of histograms; others: NULL).  A metric without labels shows its 0 from the start.
 * NULL when out of memory. */
struct metric *metrics_add(struct metrics *metrics, enum metric_kind kind, const char *name,
                           const char *help, const char *const *labels,
                           const struct metric_buckets *buckets);

/* The values of all labels of a metric, in their order.  A NULL among them is shown as "". */
#define METRIC_LABELS(...) ((const char *const[]){__VA_ARGS__})

/* The series of these values, made at its first use; values NULL: the metric has no labels.
 * Whoever updates one often keeps it. */
struct series *metric_series(struct metric *metric, const char *const *values);

void series_add(struct series *series, double amount);    /* counters (>= 0), gauges */
void series_set(struct series *series, double value);     /* gauges, counters counted elsewhere */
void series_observe(struct series *series, double value); /* histograms */

/* The same with the series looked up. */
void metric_add(struct metric *metric, double amount, const char *const *values);
void metric_set(struct metric *metric, double value, const char *const *values);
void metric_observe(struct metric *metric, double value, const char *const *values);

/* Has `collect` called at the beginning of every rendering, to set gauges of what is only known
 * then (the length of a queue, jobs by state).  Calls come one at a time, and must not declare. */
void metrics_collect(struct metrics *metrics, void (*collect)(void *context), void *context);

/* Adds Prometheus's process_* metrics of this process, read from /proc at every rendering: resident
 * and virtual memory, open and possible files, processor time, start time. */
void metrics_collect_process(struct metrics *metrics);

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* All metrics as text, malloc'ed, with a NUL behind its *length bytes.  Errors: LM_NOMEM. */
enum lm_status metrics_render(struct metrics *metrics, char **text, size_t *length,
                              struct lm_error *error);

#endif
