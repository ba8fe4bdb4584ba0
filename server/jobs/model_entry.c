/* One loaded model and the count of those who use it. */
#include "jobs/model_entry.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "codec/clock.h"
#include "codec/text_memory.h"

/* The public part is first, so that one pointer is the other. */
struct counted_entry {
    struct model_entry entry;
    char *name;
    atomic_uint references;
    void (*retire)(void *context, const struct lm_model *model);
    void *retire_context;
};

/* const is a promise to the users of an entry; the count and the last release are not theirs. */
static struct counted_entry *counted(const struct model_entry *entry)
{
    union {
        const struct model_entry *entry;
        struct counted_entry *counted;
    } pointer = {.entry = entry};
    return pointer.counted;
}

static bool same_json(const json_t *a, const json_t *b)
{
    return (!a && !b) || (a && b && json_equal(a, b));
}

/* Both read the same files, as far as their small ones and the network's fingerprint tell. */
static bool is_same(const struct model_dir *a, const struct model_dir *b)
{
    return strcmp(a->version, b->version) == 0 && strcmp(a->file, b->file) == 0 &&
           a->assumed == b->assumed && same_json(a->about.json, b->about.json) &&
           same_json(a->labels, b->labels);
}

static void counted_free(struct counted_entry *counted)
{
    lm_model_free(counted->entry.model);
    model_dir_free(&counted->entry.dir);
    free(counted->name);
    free(counted);
}

enum lm_status model_entry_load(const char *name, const char *path, const struct model_entry *old,
                                const struct registry_options *options, struct model_entry **out,
                                struct lm_error *error)
{
    double start = clock_ms();
    struct counted_entry *made = calloc(1, sizeof *made);
    if (!made)
        return lm_fail(error, LM_NOMEM, "out of memory for a model");
    atomic_init(&made->references, 1u);
    made->retire = options->retire;
    made->retire_context = options->retire_context;
    made->name = text_copy(name);
    enum lm_status status =
        made->name ? LM_OK : lm_fail(error, LM_NOMEM, "out of memory for a model");
    if (status == LM_OK)
        status = model_dir_read(path, &made->entry.dir, error);
    if (status == LM_OK && old && is_same(&made->entry.dir, &old->dir)) {
        counted_free(made);
        *out = NULL;
        return LM_OK;
    }
    made->entry.dir.limits = options->limits;
    if (!made->entry.dir.about.says_precision)
        made->entry.dir.about.precision = options->precision;
    if (status == LM_OK)
        status = model_dir_load(&made->entry.dir, NULL, &made->entry.model, error);
    if (status != LM_OK) {
        counted_free(made);
        return status;
    }
    made->entry.name = made->name;
    lm_model_info(made->entry.model, &made->entry.info);
    made->entry.load_ms = clock_ms() - start;
    *out = &made->entry;
    return LM_OK;
}

const struct model_entry *model_entry_keep(const struct model_entry *entry)
{
    atomic_fetch_add(&counted(entry)->references, 1u);
    return entry;
}

void model_entry_release(const struct model_entry *entry)
{
    if (!entry || atomic_fetch_sub(&counted(entry)->references, 1u) != 1)
        return;
    struct counted_entry *last = counted(entry);
    if (last->retire)
        last->retire(last->retire_context, entry->model);
    counted_free(last);
}
