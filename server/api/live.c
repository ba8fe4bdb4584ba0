/* A hash table of jobs by id, each with a list of listeners, under one lock. */
#include "api/live.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/id.h"

enum { BUCKETS = 1024 };

struct listener {
    struct listener *next;
    struct http_exchange *exchange;
};

struct entry {
    struct entry *next;
    char id[STORE_ID_SIZE];
    bool numbered, cancelled;
    uint64_t number;
    struct listener *listeners;
};

struct live {
    pthread_mutex_t lock; /* of all below */
    struct entry *buckets[BUCKETS];
};

static struct entry **place_of(struct live *live, const char *id)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *c = id; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    struct entry **place = &live->buckets[hash % BUCKETS];
    while (*place && strcmp((*place)->id, id) != 0)
        place = &(*place)->next;
    return place;
}

/* NULL: out of memory. */
static struct entry *find_or_add(struct live *live, const char *id)
{
    struct entry **place = place_of(live, id);
    if (!*place && (*place = calloc(1, sizeof **place)))
        snprintf((*place)->id, sizeof(*place)->id, "%s", id);
    return *place;
}

/* Closes the first of a list, and takes it out. */
static void close_listener(struct listener **place)
{
    struct listener *listener = *place;
    *place = listener->next;
    http_stream_close(listener->exchange);
    free(listener);
}

static void close_listeners(struct listener *listeners, const char *job)
{
    while (listeners) {
        if (job)
            http_stream_send(listeners->exchange, "done", NULL, job);
        close_listener(&listeners);
    }
}

enum lm_status live_create(struct live **out, struct lm_error *error)
{
    struct live *live = calloc(1, sizeof *live);
    if (!live)
        return lm_fail(error, LM_NOMEM, "out of memory for a table of jobs");
    pthread_mutex_init(&live->lock, NULL);
    *out = live;
    return LM_OK;
}

void live_free(struct live *live)
{
    if (!live)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (live->buckets[i]) {
            struct entry *entry = live->buckets[i];
            live->buckets[i] = entry->next;
            close_listeners(entry->listeners, NULL);
            free(entry);
        }
    pthread_mutex_destroy(&live->lock);
    free(live);
}

bool live_open(struct live *live, const char *id)
{
    pthread_mutex_lock(&live->lock);
    bool opened = find_or_add(live, id);
    pthread_mutex_unlock(&live->lock);
    return opened;
}

bool live_number(struct live *live, const char *id, uint64_t number)
{
    pthread_mutex_lock(&live->lock);
    struct entry *entry = *place_of(live, id);
    bool wanted = entry && !entry->cancelled;
    if (wanted) {
        entry->numbered = true;
        entry->number = number;
    }
    pthread_mutex_unlock(&live->lock);
    return wanted;
}

bool live_cancel(struct live *live, const char *id, uint64_t *number)
{
    pthread_mutex_lock(&live->lock);
    struct entry *entry = *place_of(live, id);
    bool numbered = entry && entry->numbered;
    if (entry)
        entry->cancelled = true;
    if (numbered)
        *number = entry->number;
    pthread_mutex_unlock(&live->lock);
    return numbered;
}

/* Closes those that have gone: a job that waits for long has no progress to find them by. */
static void sweep(struct entry *entry)
{
    struct listener **place = &entry->listeners;
    while (*place) {
        if (http_stream_is_open((*place)->exchange))
            place = &(*place)->next;
        else
            close_listener(place);
    }
}

bool live_listen(struct live *live, const char *id, struct http_exchange *exchange)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return false;
    pthread_mutex_lock(&live->lock);
    struct entry *entry = find_or_add(live, id);
    bool added = entry;
    if (added) {
        sweep(entry);
        *listener = (struct listener){.next = entry->listeners, .exchange = exchange};
        entry->listeners = listener;
        listener = NULL;
    }
    pthread_mutex_unlock(&live->lock);
    free(listener);
    return added;
}

/* Those that have gone are closed on the way. */
void live_progress(struct live *live, const char *id, uint32_t done, uint32_t total)
{
    char data[64];
    snprintf(data, sizeof data, "{\"done\": %u, \"total\": %u}", done, total);
    pthread_mutex_lock(&live->lock);
    struct entry *entry = *place_of(live, id);
    struct listener **place = entry ? &entry->listeners : NULL;
    while (place && *place) {
        if (http_stream_send((*place)->exchange, "progress", NULL, data))
            place = &(*place)->next;
        else
            close_listener(place);
    }
    pthread_mutex_unlock(&live->lock);
}

void live_end(struct live *live, const char *id, const char *job)
{
    pthread_mutex_lock(&live->lock);
    struct entry **place = place_of(live, id), *entry = *place;
    if (entry)
        *place = entry->next;
    pthread_mutex_unlock(&live->lock);
    if (!entry)
        return;
    close_listeners(entry->listeners, job);
    free(entry);
}
