/* Label maps from outside.
 *
 * The ids are gathered run by run (maps are made of runs) in a buffer of about twice max_count
 * ids, which is sorted and thinned whenever it is full: at worst n log max_count steps whatever
 * the ids are, where a hash table could be driven into collisions, and a map with too many ids is
 * refused without sorting all of it. */
#include "base/memory.h"
#include "layermask/segment.h"

struct id_set {
    int64_t *ids;
    size_t count, capacity;
};

static int compare_ids(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Sorts the set and drops repetitions. */
static void thin(struct id_set *set)
{
    qsort(set->ids, set->count, sizeof *set->ids, compare_ids);
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++)
        if (i == 0 || set->ids[i] != set->ids[kept - 1])
            set->ids[kept++] = set->ids[i];
    set->count = kept;
}

/* All different ids in increasing order; false when they are more than max_count. */
static bool gather(const int64_t *ids, size_t pixels, size_t max_count, struct id_set *set)
{
    for (size_t i = 0; i < pixels; i++) {
        if (i > 0 && ids[i] == ids[i - 1])
            continue;
        if (set->count == set->capacity) {
            thin(set);
            if (set->count > max_count)
                return false;
        }
        set->ids[set->count++] = ids[i];
    }
    thin(set);
    return set->count <= max_count;
}

static int32_t rank(const struct id_set *set, int64_t id)
{
    size_t low = 0, high = set->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (set->ids[middle] <= id)
            low = middle;
        else
            high = middle;
    }
    return (int32_t)low;
}

static void renumber(const int64_t *ids, size_t pixels, const struct id_set *set, int32_t *labels)
{
    for (size_t i = 0; i < pixels; i++)
        labels[i] = i > 0 && ids[i] == ids[i - 1] ? labels[i - 1] : rank(set, ids[i]);
}

enum lm_status lm_segments_custom(const int64_t *ids, uint32_t width, uint32_t height,
                                  uint32_t max_count, struct lm_segments *out,
                                  struct lm_error *error)
{
    if (!ids || !width || !height)
        return lm_fail(error, LM_INVALID, "the label map is empty: %u x %u", width, height);
    struct lm_segments made = {.width = width, .height = height};
    struct id_set set = {0};
    enum lm_status status = LM_OK;
    size_t pixels;
    /* Labels are int32_t, so that more ids than INT32_MAX could not be numbered. */
    size_t limit = max_count < INT32_MAX ? max_count : INT32_MAX;
    if (size_mul(width, height, &pixels)) {
        set.capacity = pixels < 2 * (limit + 1) ? pixels : 2 * (limit + 1);
        set.ids = array_alloc(set.capacity, sizeof *set.ids);
        made.labels = array_alloc(pixels, sizeof *made.labels);
    }
    if (!set.ids || !made.labels) {
        status =
            lm_fail(error, LM_NOMEM, "out of memory for a label map of %u x %u", width, height);
        goto done;
    }
    if (!gather(ids, pixels, limit, &set)) {
        status = lm_fail(error, LM_INVALID, "the label map has more than %zu different ids", limit);
        goto done;
    }
    renumber(ids, pixels, &set, made.labels);
    made.count = (uint32_t)set.count;
    *out = made;
    made.labels = NULL;
done:
    free(set.ids);
    lm_segments_free(&made);
    return status;
}
