/* The models of the server: loaded from folders, shared by all jobs, replaced while jobs run.
 *
 *     registry_create(&options, &registry, &error);     after jobs_create: see `retire`
 *     registry_reload(registry, &error);                at the start, and on SIGHUP
 *     const struct model_entry *entry = registry_find(registry, "squeezenet1_1");
 *     ... a job keeps `entry` from its submission to its free() ...
 *     model_entry_release(entry);
 *     jobs_drain(jobs, ...); registry_free(registry); jobs_free(jobs);
 *
 * An entry never changes.  A reload that finds other files makes a new entry and forgets the old
 * one, which goes away with the last job that uses it.
 *
 * Threads: all but registry_free from anywhere.  registry_find, registry_look, registry_list and
 * model_entry_release never wait for a model to load; reload, load and unload wait for each other.
 */
#ifndef JOBS_REGISTRY_H
#define JOBS_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/model_dir.h"
#include "layermask/model.h"
#include "layermask/status.h"

enum { REGISTRY_MAX_MODELS = 1000, REGISTRY_NAME_BYTES = 101 };

struct model_entry {
    const char *name; /* of its folder; what it is asked for by */
    struct model_dir dir;
    struct lm_model *model;
    struct lm_model_info info;
    double load_ms; /* how long that took */
};

enum model_state { MODEL_LOADING, MODEL_READY, MODEL_FAILED, MODEL_UNLOADED };

/* A line of the list. */
struct model_status {
    char name[REGISTRY_NAME_BYTES];
    enum model_state state;
    char version[13];      /* of what is ready, else "" */
    struct lm_error error; /* of the last load, with files named from the model's folder on; a
                              model that was ready before stays so */
};

struct registry_options {
    const char *folder; /* each folder in it with a model.onnx is a model; NULL: none */
    const char *extra;  /* a model's own folder, unless `folder` has one of its name; NULL: none */

    const char *const *only; /* names to load; n_only 0: all */
    size_t n_only;
    size_t max_models;             /* ready at the same time; 0: REGISTRY_MAX_MODELS */
    struct lm_model_limits limits; /* of each */
    enum lm_precision precision;   /* of those whose model.json says none */

    /* The last reference to a model has gone; it is freed when this returns.  The sessions that
     * workers hold for it have to go first: jobs_forget_model. */
    void (*retire)(void *context, const struct lm_model *model);
    void *retire_context;

    /* A model has been loaded (error NULL) or has not; for logs and metrics.  NULL: nobody asks. */
    void (*loaded)(void *context, const char *name, double took_ms, const struct lm_error *error);
    void *loaded_context;

    /* registry_reload passes over a model whose folder has a name that nobody can ask for.  NULL:
     * nobody asks. */
    void (*passed_over)(void *context, const char *name);
    void *passed_over_context;
};

struct registry;

/* Empty at first; the texts are copied, but for `only`, which outlives the registry.  Errors:
 * LM_NOMEM. */
enum lm_status registry_create(const struct registry_options *options, struct registry **out,
                               struct lm_error *error);
void registry_free(struct registry *registry); /* NULL is fine */

/* A name that can be asked for: letters, digits, '.', '_' and '-', no '.' in front, 1 to 100. */
bool registry_name_is_plain(const char *name);

/* Loads what is new or has changed (model.onnx, model.json or labels; not external data alone),
 * tries again what has failed, forgets models whose folder has gone.  What fails is in the list;
 * its old entry stays.  Unloaded models stay so, folders with other names are passed over.
 * Errors, with nothing loaded: LM_IO (the folder cannot be read), LM_INVALID (one of `only` is not
 * there, or the folder is a model's own), LM_LIMIT (more than 1000 models, those that are unloaded
 * included), LM_NOMEM; or in the middle, LM_CANCELLED (registry_stop). */
enum lm_status registry_reload(struct registry *registry, struct lm_error *error);

/* registry_reload ends after the model that it is loading, from now on. */
void registry_stop(struct registry *registry);

/* Why registry_load and registry_unload said no, beyond their status. */
enum registry_refusal {
    REGISTRY_FAILED = 1, /* the model is at fault, or the machine */
    REGISTRY_NO_MODEL,   /* there is none of that name */
    REGISTRY_FULL,       /* max_models */
};

/* Loads one model, also if it is ready.  refusal may be NULL.  Errors: LM_INVALID (name), LM_IO (no
 * such folder), LM_LIMIT, those of model_dir_read and model_dir_load. */
enum lm_status registry_load(struct registry *registry, const char *name,
                             enum registry_refusal *refusal, struct lm_error *error);

/* Forgets one model until registry_load.  Errors: LM_INVALID (name), LM_IO (there is none). */
enum lm_status registry_unload(struct registry *registry, const char *name,
                               enum registry_refusal *refusal, struct lm_error *error);

/* The model, with a reference that the caller releases; NULL: none is ready under that name. */
const struct model_entry *registry_find(struct registry *registry, const char *name);
const struct model_entry *model_entry_keep(const struct model_entry *entry); /* one more */
void model_entry_release(const struct model_entry *entry);                   /* NULL is fine */

/* The line of one model; false, with *out untouched: there is none of that name. */
bool registry_look(struct registry *registry, const char *name, struct model_status *out);

/* All models by name: *out is malloc'ed.  Errors: LM_NOMEM. */
enum lm_status registry_list(struct registry *registry, struct model_status **out, size_t *count,
                             struct lm_error *error);

#endif
