/* The registry: metrics by name, series by label values, lock-free updates.
 *
 * A metric finds its series in a hash table that only grows: readers follow atomic pointers, the
 * rare writer holds the metric's lock.  Values are doubles whose bits are exchanged atomically,
 * relaxed, since nothing else is ordered by them.  Names and shapes are promises of our own
 * program, and asserted; label values may come from outside, and are cut and repaired to UTF-8. */
#include "obs/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "obs/metrics_room.h"
#include "obs/plain_text.h"

const struct metric_buckets metric_seconds = {18,
                                              {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                               0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}};
const struct metric_buckets metric_sizes = {9, {1, 2, 4, 8, 16, 32, 64, 128, 256}};

/* ---- values ---- */

double real_load(const atomic_real *real)
{
    uint64_t bits = atomic_load_explicit(real, memory_order_relaxed);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void real_store(atomic_real *real, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    atomic_store_explicit(real, bits, memory_order_relaxed);
}

static void real_add(atomic_real *real, double amount)
{
    uint64_t before = atomic_load_explicit(real, memory_order_relaxed), after;
    do {
        double value;
        memcpy(&value, &before, sizeof value);
        value += amount;
        memcpy(&after, &value, sizeof after);
    } while (!atomic_compare_exchange_weak_explicit(real, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
}

void series_add(struct series *series, double amount)
{
    if (!series)
        return;
    assert(series->metric->kind != METRIC_HISTOGRAM);
    assert(series->metric->kind != METRIC_COUNTER || amount >= 0);
    real_add(&series->value, amount);
}

void series_set(struct series *series, double value)
{
    if (!series)
        return;
    assert(series->metric->kind != METRIC_HISTOGRAM);
    real_store(&series->value, value);
}

void series_observe(struct series *series, double value)
{
    if (!series || !isfinite(value))
        return;
    assert(series->metric->kind == METRIC_HISTOGRAM);
    const struct metric_buckets *buckets = series->metric->buckets;
    size_t i = 0;
    while (i < buckets->count && value > buckets->bounds[i])
        i++;
    atomic_fetch_add_explicit(&series->buckets[i], 1, memory_order_relaxed);
    real_add(&series->value, value);
}

void metric_add(struct metric *metric, double amount, const char *const *values)
{
    series_add(metric_series(metric, values), amount);
}

void metric_set(struct metric *metric, double value, const char *const *values)
{
    series_set(metric_series(metric, values), value);
}

void metric_observe(struct metric *metric, double value, const char *const *values)
{
    series_observe(metric_series(metric, values), value);
}

/* ---- series ---- */

/* Label values as they are kept and shown. */
struct label_values {
    char text[METRIC_MAX_LABELS][METRIC_LABEL_BYTES + 1];
    uint64_t hash;
};

static void clean_value(const char *value, char out[METRIC_LABEL_BYTES + 1])
{
    size_t size = value ? strnlen(value, METRIC_LABEL_BYTES + 4) : 0, length = 0;
    for (size_t i = 0; i < size;) {
        size_t step = text_character(value + i, size - i), width = step ? step : 3;
        if (width > METRIC_LABEL_BYTES - length)
            break;
        memcpy(out + length, step ? value + i : TEXT_REPLACEMENT, width);
        length += width;
        i += step ? step : 1;
    }
    out[length] = '\0';
}

static void clean_values(const struct metric *metric, const char *const *values,
                         struct label_values *out)
{
    out->hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, the values' NULs included */
    for (size_t i = 0; i < metric->n_labels; i++) {
        clean_value(values[i], out->text[i]);
        const char *c = out->text[i];
        do {
            out->hash = (out->hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
        } while (*c++);
    }
}

static bool has_values(const struct series *series, const struct label_values *values)
{
    if (series->hash != values->hash)
        return false;
    for (size_t i = 0; i < series->metric->n_labels; i++)
        if (strcmp(series->values[i], values->text[i]) != 0)
            return false;
    return true;
}

/* The series, or NULL with *slot being the free one where it belongs. */
static struct series *find_series(struct metric *metric, const struct label_values *values,
                                  size_t *slot)
{
    for (size_t i = values->hash % SERIES_SLOTS;; i = (i + 1) % SERIES_SLOTS) {
        struct series *series = atomic_load_explicit(&metric->slots[i], memory_order_acquire);
        *slot = i;
        if (!series || has_values(series, values))
            return series;
    }
}

static void free_series(struct series *series)
{
    if (!series)
        return;
    for (size_t i = 0; i < METRIC_MAX_LABELS; i++)
        free(series->values[i]);
    free(series);
}

/* Makes a series and shows it to renderers; the metric's lock is held. */
static struct series *new_series(struct metric *metric, const struct label_values *values)
{
    size_t n_buckets = metric->buckets ? metric->buckets->count + 1 : 0;
    struct series *series = calloc(1, sizeof *series + n_buckets * sizeof *series->buckets);
    if (!series)
        return NULL;
    series->metric = metric;
    series->hash = values->hash;
    for (size_t i = 0; i < metric->n_labels; i++) {
        series->values[i] = strdup(values->text[i]);
        if (!series->values[i]) {
            free_series(series);
            return NULL;
        }
    }
    size_t count = atomic_load_explicit(&metric->count, memory_order_relaxed);
    metric->ordered[count] = series;
    atomic_store_explicit(&metric->count, count + 1, memory_order_release);
    return series;
}

/* The series of all values that there is no room for; the metric's lock is held. */
static struct series *other_series(struct metric *metric)
{
    struct series *other = atomic_load_explicit(&metric->other, memory_order_relaxed);
    if (!other) {
        const char *const others[METRIC_MAX_LABELS] = {"other", "other", "other", "other"};
        struct label_values values;
        clean_values(metric, others, &values);
        size_t slot;
        other = find_series(metric, &values, &slot);
        if (!other)
            other = new_series(metric, &values);
        atomic_store_explicit(&metric->other, other, memory_order_release);
    }
    return other;
}

static struct series *make_series(struct metric *metric, const struct label_values *values)
{
    size_t slot;
    pthread_mutex_lock(&metric->lock);
    struct series *series = find_series(metric, values, &slot);
    if (!series &&
        atomic_load_explicit(&metric->count, memory_order_relaxed) >= METRIC_MAX_SERIES) {
        series = other_series(metric);
    } else if (!series) {
        series = new_series(metric, values);
        atomic_store_explicit(&metric->slots[slot], series, memory_order_release);
    }
    pthread_mutex_unlock(&metric->lock);
    return series;
}

struct series *metric_series(struct metric *metric, const char *const *values)
{
    if (!metric)
        return NULL;
    assert((metric->n_labels == 0) == (values == NULL));
    if (!values)
        return metric->ordered[0];
    struct label_values cleaned;
    size_t slot;
    clean_values(metric, values, &cleaned);
    struct series *series = find_series(metric, &cleaned, &slot);
    if (!series) /* once it exists, there is room for no other */
        series = atomic_load_explicit(&metric->other, memory_order_acquire);
    return series ? series : make_series(metric, &cleaned);
}

/* ---- metrics ---- */

static bool is_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    return *name >= 'a' && *name <= 'z' && strspn(name, allowed) == strlen(name);
}

static void check_shape(const struct metric *metric)
{
    assert(is_name(metric->name) && metric->help);
    assert(metric->n_labels <= METRIC_MAX_LABELS);
    for (size_t i = 0; i < metric->n_labels; i++)
        assert(is_name(metric->labels[i]) && strcmp(metric->labels[i], "le") != 0);
    assert((metric->kind == METRIC_HISTOGRAM) == (metric->buckets != NULL));
    assert(!metric->buckets || metric->buckets->count <= METRIC_MAX_BUCKETS);
    (void)metric;
}

static size_t count_labels(const char *const *labels)
{
    size_t count = 0;
    while (labels && labels[count])
        count++;
    return count;
}

static void free_metric(struct metric *metric)
{
    size_t count = metric->ordered ? metric->count : 0;
    for (size_t i = 0; i < count; i++)
        free_series(metric->ordered[i]);
    free(metric->ordered);
    free(metric->slots);
    pthread_mutex_destroy(&metric->lock);
    free(metric);
}

static bool allocate_series(struct metric *metric)
{
    size_t room = metric->n_labels ? METRIC_MAX_SERIES + 1 : 1;
    metric->ordered = calloc(room, sizeof(struct series *));
    if (metric->n_labels > 0) {
        metric->slots = calloc(SERIES_SLOTS, sizeof *metric->slots);
        return metric->ordered && metric->slots;
    }
    return metric->ordered && new_series(metric, &(const struct label_values){.hash = 0});
}

static struct metric *make_metric(enum metric_kind kind, const char *name, const char *help,
                                  const char *const *labels, const struct metric_buckets *buckets)
{
    struct metric *metric = calloc(1, sizeof *metric);
    if (!metric)
        return NULL;
    metric->kind = kind;
    metric->name = name;
    metric->help = help;
    metric->labels = labels;
    metric->n_labels = count_labels(labels);
    metric->buckets = buckets;
    pthread_mutex_init(&metric->lock, NULL);
    check_shape(metric);
    if (allocate_series(metric))
        return metric;
    free_metric(metric);
    return NULL;
}

static struct metric *find_metric(const struct metrics *metrics, const char *name)
{
    struct metric *metric = metrics->first;
    while (metric && strcmp(metric->name, name) != 0)
        metric = metric->next;
    return metric;
}

struct metric *metrics_add(struct metrics *metrics, enum metric_kind kind, const char *name,
                           const char *help, const char *const *labels,
                           const struct metric_buckets *buckets)
{
    pthread_mutex_lock(&metrics->lock);
    struct metric *metric = find_metric(metrics, name);
    assert(!metric || (metric->kind == kind && metric->n_labels == count_labels(labels)));
    if (!metric) {
        metric = make_metric(kind, name, help, labels, buckets);
        if (metric) {
            *metrics->end = metric;
            metrics->end = &metric->next;
        }
    }
    pthread_mutex_unlock(&metrics->lock);
    return metric;
}

void metrics_collect(struct metrics *metrics, void (*collect)(void *context), void *context)
{
    pthread_mutex_lock(&metrics->lock);
    assert(metrics->n_collectors < METRICS_MAX_COLLECTORS);
    metrics->collectors[metrics->n_collectors++] = (struct collector){collect, context};
    pthread_mutex_unlock(&metrics->lock);
}

enum lm_status metrics_create(struct metrics **out, struct lm_error *error)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        return lm_fail(error, LM_NOMEM, "metrics: out of memory");
    pthread_mutex_init(&metrics->lock, NULL);
    metrics->end = &metrics->first;
    *out = metrics;
    return LM_OK;
}

void metrics_destroy(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (struct metric *metric = metrics->first; metric;) {
        struct metric *next = metric->next;
        free_metric(metric);
        metric = next;
    }
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}
