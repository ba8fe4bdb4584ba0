/* Loads all models on a thread of its own, so that the main one goes on waiting for signals. */
#ifndef SERVER_APP_LOADER_H
#define SERVER_APP_LOADER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "jobs/registry.h"
#include "layermask/status.h"

/* Sent to the thread that called app_loader_begin when a load has ended; it must be blocked. */
#define APP_LOADER_SIGNAL SIGUSR1

/* {.registry = ...}; of the main thread. */
struct app_loader {
    struct registry *registry;
    pthread_t thread, owner;
    bool running, again; /* again: it was asked for once more meanwhile */
    atomic_bool done;
    enum lm_status status;
    struct lm_error error;
};

/* Begins registry_reload, now or when the one that runs has ended.  Errors: LM_NOMEM. */
enum lm_status app_loader_begin(struct app_loader *loader, struct lm_error *error);

/* Whether a load has ended since the last time; *status and *error are how. */
bool app_loader_take(struct app_loader *loader, enum lm_status *status, struct lm_error *error);

/* Ends it after the model that it is loading, and waits for that. */
void app_loader_stop(struct app_loader *loader);

#endif
