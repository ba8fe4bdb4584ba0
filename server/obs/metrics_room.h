/* What the files of the registry share. */
#ifndef OBS_METRICS_ROOM_H
#define OBS_METRICS_ROOM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "obs/metrics.h"

enum { METRICS_PROCESS_FIGURES = 6 };
enum { SERIES_SLOTS = 1024 }; /* a power of two, at least twice METRIC_MAX_SERIES */

/* A double that threads add to: its bits. */
typedef _Atomic uint64_t atomic_real;

struct series {
    struct metric *metric;
    uint64_t hash;
    char *values[METRIC_MAX_LABELS];
    atomic_real value;          /* of histograms: the sum */
    _Atomic uint64_t buckets[]; /* of histograms: metric->buckets->count + 1, not cumulative */
};

struct metric {
    enum metric_kind kind;
    const char *name, *help;
    const char *const *labels;
    size_t n_labels;
    const struct metric_buckets *buckets;
    pthread_mutex_t lock;            /* of whoever adds a series */
    _Atomic(struct series *) *slots; /* SERIES_SLOTS by hash; NULL without labels */
    struct series *_Atomic other;    /* for values beyond METRIC_MAX_SERIES */
    struct series **ordered;         /* METRIC_MAX_SERIES + 1 by age */
    atomic_size_t count;
    struct metric *next;
};

struct collector {
    void (*collect)(void *context);
    void *context;
};

struct metrics {
    pthread_mutex_t lock; /* of the lists, and of rendering */
    struct metric *first, **end;
    struct collector collectors[METRICS_MAX_COLLECTORS];
    size_t n_collectors;
    struct metric *process[METRICS_PROCESS_FIGURES];
};

double real_load(const atomic_real *real);
void real_store(atomic_real *real, double value);

#endif
