/* A thread for each load: there are few, and far apart. */
#include "app_loader.h"

#include <signal.h>

static void *load(void *argument)
{
    struct app_loader *loader = argument;
    pthread_t owner = loader->owner;
    loader->error = (struct lm_error){0};
    loader->status = registry_reload(loader->registry, &loader->error);
    atomic_store(&loader->done, true);
    pthread_kill(owner, APP_LOADER_SIGNAL);
    return NULL;
}

enum lm_status app_loader_begin(struct app_loader *loader, struct lm_error *error)
{
    sigset_t all, before;
    if (loader->running) {
        loader->again = true;
        return LM_OK;
    }
    loader->owner = pthread_self();
    atomic_store(&loader->done, false);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    loader->running = pthread_create(&loader->thread, NULL, load, loader) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return loader->running ? LM_OK : lm_fail(error, LM_NOMEM, "the system gives no more threads");
}

bool app_loader_take(struct app_loader *loader, enum lm_status *status, struct lm_error *error)
{
    if (!loader->running || !atomic_load(&loader->done))
        return false;
    pthread_join(loader->thread, NULL);
    loader->running = false;
    *status = loader->status;
    *error = loader->error;
    return true;
}

void app_loader_stop(struct app_loader *loader)
{
    if (!loader->running)
        return;
    registry_stop(loader->registry);
    pthread_join(loader->thread, NULL);
    loader->running = false;
}
