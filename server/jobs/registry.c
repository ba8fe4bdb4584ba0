/* The models by name.  Two locks: `loading` is held while a model loads, which may take seconds;
 * `lock` only while the table is looked at or changed, so that finding a model never waits. */
#include "jobs/registry.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "codec/clock.h"
#include "codec/file.h"
#include "codec/text_memory.h"
#include "jobs/model_entry.h"

struct slot {
    struct model_status status;
    const struct model_entry *entry; /* a reference; NULL: nothing is ready */
    bool seen;                       /* by the scan that goes on */
};

struct registry {
    struct registry_options options; /* with copies of the texts */
    char *folder, *extra;
    atomic_bool stopping;
    pthread_mutex_t loading;
    pthread_mutex_t lock;                   /* of all below; slots come and go under both locks */
    struct slot slots[REGISTRY_MAX_MODELS]; /* sorted by name */
    size_t count;
};

bool registry_name_is_plain(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "._-";
    size_t length = strlen(name);
    return length > 0 && length < REGISTRY_NAME_BYTES && name[0] != '.' &&
           strspn(name, letters) == length;
}

/* "models/shapes/" -> "shapes"; false if that is no plain name. */
static bool base_name(const char *path, char out[REGISTRY_NAME_BYTES])
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    if (end - start >= REGISTRY_NAME_BYTES)
        return false;
    memcpy(out, path + start, end - start);
    out[end - start] = '\0';
    return registry_name_is_plain(out);
}

enum lm_status registry_create(const struct registry_options *options, struct registry **out,
                               struct lm_error *error)
{
    struct registry *registry = calloc(1, sizeof *registry);
    if (!registry)
        return lm_fail(error, LM_NOMEM, "out of memory for a table of models");
    registry->options = *options;
    registry->folder = options->folder ? text_copy(options->folder) : NULL;
    registry->extra = options->extra ? text_copy(options->extra) : NULL;
    atomic_init(&registry->stopping, false);
    pthread_mutex_init(&registry->loading, NULL);
    pthread_mutex_init(&registry->lock, NULL);
    if ((options->folder && !registry->folder) || (options->extra && !registry->extra)) {
        registry_free(registry);
        return lm_fail(error, LM_NOMEM, "out of memory for a table of models");
    }
    *out = registry;
    return LM_OK;
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    for (size_t i = 0; i < registry->count; i++)
        model_entry_release(registry->slots[i].entry);
    pthread_mutex_destroy(&registry->loading);
    pthread_mutex_destroy(&registry->lock);
    free(registry->folder);
    free(registry->extra);
    free(registry);
}

/* The name's place in the table: where it is, or would be. */
static size_t place_of(const struct registry *registry, const char *name, bool *found)
{
    size_t low = 0, high = registry->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(registry->slots[middle].status.name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < registry->count && strcmp(registry->slots[low].status.name, name) == 0;
    return low;
}

static struct slot *find_slot(struct registry *registry, const char *name)
{
    bool found;
    size_t place = place_of(registry, name, &found);
    return found ? &registry->slots[place] : NULL;
}

/* The slot of a name that is in the table. */
static struct slot *known_slot(struct registry *registry, const char *name)
{
    bool found;
    size_t place = place_of(registry, name, &found);
    assert(found);
    return &registry->slots[place];
}

static enum lm_status add_slot(struct registry *registry, const char *name, struct slot **out,
                               struct lm_error *error)
{
    bool found;
    size_t place = place_of(registry, name, &found);
    if (!found && registry->count == REGISTRY_MAX_MODELS)
        return lm_fail(error, LM_LIMIT, "%s: more than %d models", name, REGISTRY_MAX_MODELS);
    struct slot *slot = &registry->slots[place];
    if (!found) {
        memmove(slot + 1, slot, (registry->count++ - place) * sizeof *slot);
        *slot = (struct slot){.status.state = MODEL_LOADING};
        memcpy(slot->status.name, name, strlen(name) + 1);
    }
    *out = slot;
    return LM_OK;
}

static void set_entry(struct registry *registry, const char *name, const struct model_entry *entry)
{
    pthread_mutex_lock(&registry->lock);
    struct slot *slot = known_slot(registry, name);
    const struct model_entry *old = slot->entry;
    slot->entry = entry;
    slot->status.state = MODEL_READY;
    slot->status.error = (struct lm_error){0};
    memcpy(slot->status.version, entry->dir.version, sizeof slot->status.version);
    pthread_mutex_unlock(&registry->lock);
    model_entry_release(old); /* without the lock: it may be the last reference */
}

/* Where the server keeps its models is not for everybody who may ask why one is not ready:
 * "/srv/models/cat/model.json: ..." becomes "model.json: ...", and the folder itself its name. */
static void leave_path_off(const char *path, const char *name, const struct lm_error *error,
                           struct lm_error *out)
{
    char shown[sizeof out->text];
    const char *text = error->text;
    size_t size = 0, length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    while (*text && size < sizeof shown - 1) {
        if (strncmp(text, path, length) != 0) {
            shown[size++] = *text++;
            continue;
        }
        text += length;
        size_t slashes = strspn(text, "/");
        text += slashes;
        size_t n = slashes ? 0 : strnlen(name, sizeof shown - 1 - size);
        memcpy(shown + size, name, n);
        size += n;
    }
    shown[size] = '\0';
    *out = (struct lm_error){.status = error->status};
    memcpy(out->text, shown, size + 1);
}

/* path: that the error may name; NULL: none. */
static void set_error(struct registry *registry, const char *name, const char *path,
                      const struct lm_error *error)
{
    struct lm_error shown = *error;
    if (path)
        leave_path_off(path, name, error, &shown);
    pthread_mutex_lock(&registry->lock);
    struct slot *slot = known_slot(registry, name);
    slot->status.error = shown;
    slot->status.state = slot->entry ? MODEL_READY : MODEL_FAILED;
    pthread_mutex_unlock(&registry->lock);
}

static enum lm_status check_count(struct registry *registry, const char *name,
                                  struct lm_error *error)
{
    size_t limit = registry->options.max_models, others = 0;
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->count; i++)
        others += registry->slots[i].entry && strcmp(registry->slots[i].status.name, name) != 0;
    pthread_mutex_unlock(&registry->lock);
    if (limit == 0 || others < limit)
        return LM_OK;
    return lm_fail(error, LM_LIMIT, "%s: %zu models are loaded, the limit (max_models) is %zu",
                   name, others, limit);
}

/* Loads into the name's slot, which is there; `loading` is held.  always: even if the files are
 * those of what is ready. */
static enum lm_status load_slot(struct registry *registry, const char *name, const char *path,
                                bool always, enum registry_refusal *refusal, struct lm_error *error)
{
    const struct registry_options *options = &registry->options;
    struct model_entry *entry = NULL;
    struct lm_error reason = {0};
    double start = clock_ms();
    const struct model_entry *old = registry_find(registry, name);
    enum lm_status status = check_count(registry, name, &reason);
    if (refusal && status != LM_OK)
        *refusal = REGISTRY_FULL;
    if (status == LM_OK)
        status = model_entry_load(name, path, always ? NULL : old, options, &entry, &reason);
    if (status != LM_OK)
        set_error(registry, name, path, &reason);
    else if (entry)
        set_entry(registry, name, entry);
    else
        set_entry(registry, name, model_entry_keep(old)); /* as it was; its error goes */
    model_entry_release(old);
    if (options->loaded && (entry || status != LM_OK))
        options->loaded(options->loaded_context, name, clock_ms() - start,
                        status == LM_OK ? NULL : &reason);
    return status == LM_OK ? LM_OK : lm_fail(error, status, "%s", reason.text);
}

/* Whether registry->folder has name/model.onnx. */
static enum lm_status has_model(const struct registry *registry, const char *name, bool *out,
                                struct lm_error *error)
{
    char *file = text_format("%s/%s/model.onnx", registry->folder, name);
    if (!file)
        return lm_fail(error, LM_NOMEM, "out of memory for a path");
    *out = file_exists(file);
    free(file);
    return LM_OK;
}

/* Where the model of this name is, malloc'ed; NULL without an error: nowhere. */
static enum lm_status find_path(const struct registry *registry, const char *name, char **out,
                                struct lm_error *error)
{
    char extra[REGISTRY_NAME_BYTES];
    bool there = false;
    enum lm_status status = registry->folder ? has_model(registry, name, &there, error) : LM_OK;
    *out = NULL;
    if (status != LM_OK)
        return status;
    if (there) {
        *out = text_format("%s/%s", registry->folder, name);
        return *out ? LM_OK : lm_fail(error, LM_NOMEM, "out of memory for a path");
    }
    if (!registry->extra || !base_name(registry->extra, extra) || strcmp(extra, name) != 0)
        return LM_OK;
    *out = text_copy(registry->extra);
    return *out ? LM_OK : lm_fail(error, LM_NOMEM, "out of memory for a path");
}

/* Models that were loaded by a call are kept, too. */
static bool is_wanted(const struct registry *registry, const char *name)
{
    const struct registry_options *options = &registry->options;
    bool wanted = options->n_only == 0;
    for (size_t i = 0; i < options->n_only && !wanted; i++)
        wanted = strcmp(options->only[i], name) == 0;
    if (!wanted)
        place_of(registry, name, &wanted);
    return wanted;
}

/* The names to load, as a list of texts. */
struct names {
    char text[REGISTRY_MAX_MODELS][REGISTRY_NAME_BYTES];
    size_t count;
};

static enum lm_status add_name(const struct registry *registry, const char *name,
                               struct names *names, struct lm_error *error)
{
    char *path = NULL;
    enum lm_status status = find_path(registry, name, &path, error);
    bool there = path;
    free(path);
    for (size_t i = 0; i < names->count; i++)
        there &= strcmp(names->text[i], name) != 0;
    if (status != LM_OK || !there || !is_wanted(registry, name))
        return status;
    if (names->count == REGISTRY_MAX_MODELS)
        return lm_fail(error, LM_LIMIT, "%s: more than %d models", registry->folder,
                       REGISTRY_MAX_MODELS);
    memcpy(names->text[names->count++], name, strlen(name) + 1);
    return LM_OK;
}

static enum lm_status check_only(const struct registry *registry, const struct names *names,
                                 struct lm_error *error)
{
    for (size_t i = 0; i < registry->options.n_only; i++) {
        bool found = false;
        for (size_t n = 0; n < names->count && !found; n++)
            found = strcmp(names->text[n], registry->options.only[i]) == 0;
        if (!found)
            return lm_fail(error, LM_INVALID, "load_models: there is no model called %s%s%s",
                           registry->options.only[i], registry->folder ? " in " : "",
                           registry->folder ? registry->folder : "");
    }
    return LM_OK;
}

/* A file or folder in registry->folder. */
static enum lm_status scan_entry(const struct registry *registry, const char *name,
                                 struct names *names, struct lm_error *error)
{
    const struct registry_options *options = &registry->options;
    bool is_model = false;
    if (registry_name_is_plain(name))
        return add_name(registry, name, names, error);
    enum lm_status status = has_model(registry, name, &is_model, error);
    if (is_model && strcmp(name, ".") == 0)
        return lm_fail(error, LM_INVALID,
                       "models: %s is a model's own folder; name the one that it is in",
                       registry->folder);
    if (is_model && name[0] != '.' && options->passed_over)
        options->passed_over(options->passed_over_context, name);
    return status;
}

static enum lm_status scan(const struct registry *registry, struct names *names,
                           struct lm_error *error)
{
    enum lm_status status = LM_OK;
    char extra[REGISTRY_NAME_BYTES];
    DIR *folder = registry->folder ? opendir(registry->folder) : NULL;
    if (registry->folder && !folder)
        return lm_fail(error, LM_IO, "models: %s: %s", registry->folder,
                       errno == ENOENT ? "no such folder" : "the folder cannot be read");
    for (struct dirent *file; status == LM_OK && folder && (file = readdir(folder));)
        status = scan_entry(registry, file->d_name, names, error);
    if (folder)
        closedir(folder);
    if (status == LM_OK && registry->extra && base_name(registry->extra, extra))
        status = add_name(registry, extra, names, error);
    if (status == LM_OK)
        status = check_only(registry, names, error);
    return status;
}

/* Marks the slots that stay, if there is room for the new ones beside them. */
static enum lm_status mark(struct registry *registry, const struct names *names,
                           struct lm_error *error)
{
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->count; i++)
        registry->slots[i].seen = registry->slots[i].status.state == MODEL_UNLOADED;
    size_t stay = 0;
    for (size_t i = 0; i < names->count; i++) {
        struct slot *slot = find_slot(registry, names->text[i]);
        if (slot)
            slot->seen = true;
        else
            stay++;
    }
    for (size_t i = 0; i < registry->count; i++)
        stay += registry->slots[i].seen;
    pthread_mutex_unlock(&registry->lock);
    if (stay <= REGISTRY_MAX_MODELS)
        return LM_OK;
    return lm_fail(error, LM_LIMIT, "%s: %zu models, with those that are unloaded; the limit is %d",
                   registry->folder ? registry->folder : "models", stay, REGISTRY_MAX_MODELS);
}

/* Shows all models as loading before the first is loaded. */
static enum lm_status add_slots(struct registry *registry, const struct names *names,
                                struct lm_error *error)
{
    enum lm_status status = LM_OK;
    struct slot *slot;
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < names->count && status == LM_OK; i++)
        status = add_slot(registry, names->text[i], &slot, error);
    pthread_mutex_unlock(&registry->lock);
    return status;
}

/* Takes one slot that is not marked out of the table; false: there is none. */
static bool sweep_one(struct registry *registry)
{
    const struct model_entry *entry = NULL;
    bool found = false;
    pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < registry->count && !found; i++) {
        struct slot *slot = &registry->slots[i];
        if (slot->seen)
            continue;
        found = true;
        entry = slot->entry;
        memmove(slot, slot + 1, (--registry->count - i) * sizeof *slot);
    }
    pthread_mutex_unlock(&registry->lock);
    model_entry_release(entry);
    return found;
}

static void load_named(struct registry *registry, const char *name)
{
    char *path = NULL;
    struct lm_error error = {0};
    pthread_mutex_lock(&registry->lock);
    bool unloaded = known_slot(registry, name)->status.state == MODEL_UNLOADED;
    pthread_mutex_unlock(&registry->lock);
    if (unloaded)
        return;
    if (find_path(registry, name, &path, &error) != LM_OK)
        set_error(registry, name, NULL, &error);
    else if (path)
        load_slot(registry, name, path, false, NULL, NULL);
    else
        set_error(registry, name, NULL,
                  &(struct lm_error){LM_IO, "its folder has gone while it was to be loaded"});
    free(path);
}

enum lm_status registry_reload(struct registry *registry, struct lm_error *error)
{
    struct names *names = calloc(1, sizeof *names);
    if (!names)
        return lm_fail(error, LM_NOMEM, "out of memory for the names of models");
    pthread_mutex_lock(&registry->loading);
    enum lm_status status = scan(registry, names, error);
    if (status == LM_OK)
        status = mark(registry, names, error);
    if (status == LM_OK) {
        while (sweep_one(registry))
            ;
        status = add_slots(registry, names, error);
    }
    for (size_t i = 0; status == LM_OK && i < names->count; i++)
        if (atomic_load(&registry->stopping))
            status = lm_fail(error, LM_CANCELLED, "the server is going down");
        else
            load_named(registry, names->text[i]);
    pthread_mutex_unlock(&registry->loading);
    free(names);
    return status;
}

void registry_stop(struct registry *registry)
{
    atomic_store(&registry->stopping, true);
}

static enum lm_status check_name(const char *name, struct lm_error *error)
{
    if (registry_name_is_plain(name))
        return LM_OK;
    return lm_fail(error, LM_INVALID,
                   "a model's name is 1 to 100 letters, digits, '.', '_' and '-', and does not "
                   "start with '.'");
}

enum lm_status registry_load(struct registry *registry, const char *name,
                             enum registry_refusal *refusal, struct lm_error *error)
{
    char *path = NULL;
    struct slot *slot = NULL;
    enum registry_refusal unused, *why = refusal ? refusal : &unused;
    *why = REGISTRY_FAILED;
    enum lm_status status = check_name(name, error);
    if (status != LM_OK)
        return status;
    pthread_mutex_lock(&registry->loading);
    status = find_path(registry, name, &path, error);
    if (status == LM_OK && !path) {
        *why = REGISTRY_NO_MODEL;
        status = lm_fail(error, LM_IO, "%s: there is no folder with such a model", name);
    }
    if (status != LM_OK)
        goto done;
    pthread_mutex_lock(&registry->lock);
    status = add_slot(registry, name, &slot, error);
    if (slot && !slot->entry)
        slot->status.state = MODEL_LOADING;
    pthread_mutex_unlock(&registry->lock);
    if (status == LM_OK)
        status = load_slot(registry, name, path, true, why, error);
    else
        *why = REGISTRY_FULL;
done:
    pthread_mutex_unlock(&registry->loading);
    free(path);
    return status;
}

enum lm_status registry_unload(struct registry *registry, const char *name,
                               enum registry_refusal *refusal, struct lm_error *error)
{
    const struct model_entry *entry = NULL;
    if (refusal)
        *refusal = REGISTRY_FAILED;
    enum lm_status status = check_name(name, error);
    if (status != LM_OK)
        return status;
    pthread_mutex_lock(&registry->loading);
    pthread_mutex_lock(&registry->lock);
    struct slot *slot = find_slot(registry, name);
    if (slot) {
        entry = slot->entry;
        slot->entry = NULL;
        slot->status.state = MODEL_UNLOADED;
        slot->status.error = (struct lm_error){0};
        slot->status.version[0] = '\0';
    } else {
        status = lm_fail(error, LM_IO, "%s: there is no such model", name);
        if (refusal)
            *refusal = REGISTRY_NO_MODEL;
    }
    pthread_mutex_unlock(&registry->lock);
    model_entry_release(entry);
    pthread_mutex_unlock(&registry->loading);
    return status;
}

const struct model_entry *registry_find(struct registry *registry, const char *name)
{
    pthread_mutex_lock(&registry->lock);
    const struct slot *slot = find_slot(registry, name);
    const struct model_entry *entry = slot && slot->entry ? model_entry_keep(slot->entry) : NULL;
    pthread_mutex_unlock(&registry->lock);
    return entry;
}

bool registry_look(struct registry *registry, const char *name, struct model_status *out)
{
    pthread_mutex_lock(&registry->lock);
    const struct slot *slot = find_slot(registry, name);
    if (slot)
        *out = slot->status;
    pthread_mutex_unlock(&registry->lock);
    return slot;
}

enum lm_status registry_list(struct registry *registry, struct model_status **out, size_t *count,
                             struct lm_error *error)
{
    pthread_mutex_lock(&registry->lock);
    size_t n = registry->count;
    struct model_status *list = calloc(n ? n : 1, sizeof *list);
    for (size_t i = 0; list && i < n; i++)
        list[i] = registry->slots[i].status;
    pthread_mutex_unlock(&registry->lock);
    if (!list)
        return lm_fail(error, LM_NOMEM, "out of memory for a list of %zu models", n);
    *out = list;
    *count = n;
    return LM_OK;
}
