/* The most memory that a predict call takes.  Pictures and regions come one after the other, so
 * that only the largest counts; inputs, masks and answers stay. */
#include "codec/labels.h"
#include "codec/predict_call.h"

/* Of a number in the answer: jansson's value and place in a list, and its text three times over
 * (written, grown, copied). */
enum { NUMBER_BYTES = 128 };
enum { ENTRY_BYTES = 1024, PREDICTION_BYTES = 2048 };
/* Of a character of a label: at most 6 in JSON, each as often as those of numbers. */
enum { CHARACTER_BYTES = 20 };

/* What drawing makes of a region's texts (a PNG's bytes, and again one of its chunks) and numbers.
 */
static uint64_t json_bytes(json_t *value)
{
    const uint64_t character = 2, number = 16;
    uint64_t bytes = number + character * json_string_length(value);
    const char *key;
    json_t *member;
    size_t i;
    json_array_foreach(value, i, member) bytes += json_bytes(member);
    json_object_foreach(value, key, member) bytes += json_bytes(member);
    return bytes;
}

/* Whether a region's segments are those of a label map. */
static bool has_label_map(json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;
    bool found = json_object_get(value, "png16");
    json_array_foreach(value, i, member) found = found || has_label_map(member);
    json_object_foreach(value, key, member) found = found || has_label_map(member);
    return found;
}

/* What drawing one region at a time takes: masks of the picture (of the regions and a polygon, or
 * of a segment and those before it), a PNG's pixels and rows, segments. */
static uint64_t drawing_bytes(const struct request_picture_cost *cost, uint64_t input, bool map)
{
    const uint64_t png_row = 48, png_buffers = 512 << 10, segment_pixel = 80;
    uint64_t png_pixel = map ? sizeof(uint32_t) : 1;
    return 4 * cost->mask + png_pixel * cost->pixels + png_row * cost->side + png_buffers +
           segment_pixel * input;
}

static uint64_t region_bytes(const struct predict_call *call,
                             const struct predict_instance *instance,
                             const struct request_picture_cost *cost)
{
    const struct lm_model_info *info = call->terms->info;
    const struct request *request = call->request;
    json_t *region = json_object_get(instance->object, "hide"), *masks, *mask;
    uint64_t bytes = instance->object ? 0 : request->hide.size + request->keep.size;
    size_t i;
    if (!region)
        region = json_object_get(instance->object, "keep");
    if (region)
        bytes = json_bytes(region);
    masks = json_object_get(instance->object, "masks");
    json_array_foreach(masks, i, mask)
    {
        uint64_t one = json_bytes(mask);
        bytes = one > bytes ? one : bytes;
    }
    if (!bytes)
        return 0;
    bool map = has_label_map(region) || has_label_map(masks);
    return bytes + drawing_bytes(cost, (uint64_t)info->width * info->height, map);
}

static uint64_t mask_bytes(const struct lm_model_info *info)
{
    return ((uint64_t)info->width + 63) / 64 * 8 * info->height;
}

/* Hidden pixels that are replaced: inputs of the micro-batches, and what one is made with. */
static uint64_t run_bytes(const struct predict_call *call)
{
    const uint64_t planes = 3 * sizeof(float), making = 40;
    const struct lm_model_info *info = call->terms->info;
    bool replaces = false;
    for (uint32_t i = 0; i < call->n_instances; i++)
        replaces |= call->instances[i].masking.kind != MASKING_LAYER;
    if (!replaces)
        return 0;
    return (uint64_t)info->width * info->height * call->terms->threads *
           (call->terms->batch * planes + making);
}

static uint64_t longest_label(const json_t *labels)
{
    size_t longest = 0, i;
    json_t *label;
    json_array_foreach(labels, i, label)
    {
        size_t length = json_string_length(label);
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* Of an item, from its mask to its answer. */
static uint64_t item_bytes(const struct predict_call *call)
{
    const struct lm_model_info *info = call->terms->info;
    const uint64_t each = sizeof(struct lm_mask) + 2 * sizeof(struct predictor_item) +
                          2 * sizeof(struct prediction) + sizeof(float *);
    uint64_t entry = ENTRY_BYTES + CHARACTER_BYTES * longest_label(call->terms->dir->labels);
    uint64_t outputs =
        info->classes * (uint64_t)(sizeof(float) + sizeof(double) + sizeof(uint32_t));
    uint64_t logits = call->logits ? (uint64_t)NUMBER_BYTES * info->classes : 0;
    return each + mask_bytes(info) + outputs + logits + PREDICTION_BYTES + call->top_k * entry;
}

uint64_t predict_cost(const struct predict_call *call)
{
    uint64_t largest = 0, kept = sizeof *call + PREDICTION_BYTES;
    for (uint32_t i = 0; i < call->n_instances; i++) {
        const struct predict_instance *instance = &call->instances[i];
        struct request_picture_cost cost;
        request_picture_cost(&instance->picture, call->terms, &cost);
        uint64_t drawing = cost.picture + cost.input + region_bytes(call, instance, &cost);
        uint64_t most = cost.decode > drawing ? cost.decode : drawing;
        largest = most > largest ? most : largest;
        kept += sizeof *instance + cost.input;
    }
    return kept + largest + run_bytes(call) + call->n_items * item_bytes(call);
}
