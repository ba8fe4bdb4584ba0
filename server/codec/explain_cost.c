/* The most memory that an explain call takes: all explanations at a time, and their answer, but one
 * picture's decoding and drawing only. */
#include <math.h>

#include "codec/answer.h"
#include "codec/drawing.h"
#include "codec/explain_call.h"
#include "codec/labels.h"

/* What parts of the answer take as JSON values and as text together. */
enum {
    ANSWER_BYTES = 16384,
    LABEL_BYTES = 2048 + 8 * LABELS_MAX_LENGTH, /* control characters take 6 in JSON */
    WEIGHT_BYTES = 1536,
    OUTPUT_BYTES = 96,
    SAMPLE_BYTES = 320, /* its two lists */
    CELL_BYTES = 18,    /* values are shared: their place in a list that doubles */
    RUN_BYTES = 112,    /* of labels_rle: its label and its length */
    SEGMENT_BYTES = 768,
};

/* Of the picture; where only the number of its pixels is known, those of twice the width. */
static void picture_size(const struct request_picture *picture,
                         const struct request_picture_cost *cost, uint32_t *width, uint32_t *height)
{
    bool known = picture->peek.kind == PICTURE_PEEK_KNOWN;
    double side = ceil(sqrt((double)cost->pixels / 2));
    *width = known ? picture->peek.width : (uint32_t)(2 * side);
    *height = known ? picture->peek.height : (uint32_t)side;
}

/* RLE of all segments: each line of the picture crosses at most as many of the network's pixels as
 * a line of the input has; where it does, a run of two segments ends, of up to 6 characters, which
 * are there three times (text of the mask, of the value, of the answer), the last perhaps escaped.
 */
static uint64_t rle_bytes(const struct explain_call *call, const struct request_picture_cost *cost)
{
    const struct lm_model_info *info = call->terms->info;
    uint64_t lines = info->height > info->width ? info->height : info->width;
    uint64_t ends = cost->side * (lines + 1);
    return 48 * (ends < cost->pixels ? ends : cost->pixels);
}

static uint64_t samples_bytes(const struct explain_call *call)
{
    const struct explainer_options *options = &call->parameters.options;
    uint64_t samples = options->lime.samples;
    uint64_t cells = samples * segmentation_most(&options->segmentation);
    return CELL_BYTES * (cells < EXPLAIN_MAX_CELLS ? cells : EXPLAIN_MAX_CELLS) +
           samples * (SAMPLE_BYTES + (uint64_t)OUTPUT_BYTES * options->n_labels);
}

/* An explanation in the answer: JSON. */
static uint64_t json_bytes(const struct explain_call *call, const struct request_picture_cost *cost,
                           uint64_t drawing_file)
{
    const struct explainer_options *options = &call->parameters.options;
    const struct lm_model_info *info = call->terms->info;
    unsigned include = call->parameters.include;
    uint64_t segments = segmentation_most(&options->segmentation), weights = segments;
    if (options->lime.num_features && options->lime.num_features < segments)
        weights = options->lime.num_features;
    uint64_t bytes = ANSWER_BYTES + (uint64_t)RUN_BYTES * info->width * info->height +
                     64 * segments + options->n_labels * (LABEL_BYTES + WEIGHT_BYTES * weights);
    if (include & ANSWER_SAMPLES)
        bytes += samples_bytes(call);
    if (include & ANSWER_SEGMENTS)
        bytes += segments * SEGMENT_BYTES + rle_bytes(call, cost);
    uint64_t base64 = drawing_file / 3 * 4 + 4; /* as value and as text */
    if (include & ANSWER_HEATMAP)
        bytes += 2 * base64;
    if (include & ANSWER_OVERLAY)
        bytes += 2 * base64;
    return bytes;
}

/* What is there for one instance at a time, while it is answered. */
static uint64_t drawing_transient(const struct explain_call *call, uint32_t width, uint32_t height)
{
    unsigned include = call->parameters.include;
    if (!(include & (ANSWER_HEATMAP | ANSWER_OVERLAY)) && !(call->wants & (CALL_PNG | CALL_JPEG)))
        return 0;
    return drawing_bytes(width, height) + drawing_file_bytes(width, height) / 3 * 4;
}

static uint64_t answer_bytes(const struct explain_call *call,
                             const struct request_picture_cost *cost, uint32_t width,
                             uint32_t height)
{
    uint64_t file = drawing_file_bytes(width, height), bytes = 0;
    bytes += call->wants & CALL_JSON ? json_bytes(call, cost, file) : 0;
    bytes += call->wants & CALL_PNG ? file : 0;
    bytes += call->wants & CALL_JPEG ? file : 0;
    return bytes;
}

uint64_t explain_cost(const struct explain_call *call)
{
    const struct call_terms *terms = call->terms;
    double kept = sizeof *call + ANSWER_BYTES, decoding = 0, drawing = 0;
    for (uint32_t i = 0; i < call->n_instances; i++) {
        const struct explain_instance *instance = &call->instances[i];
        const struct explainer_options options = explain_options(call, instance);
        struct request_picture_cost cost;
        uint32_t width, height;
        request_picture_cost(&instance->picture, terms, &cost);
        picture_size(&instance->picture, &cost, &width, &height);
        kept += sizeof *instance;
        kept += (double)explainer_bytes(terms->model, &options, cost.pixels, terms->batch,
                                        terms->threads);
        kept += (double)answer_bytes(call, &cost, width, height);
        decoding = fmax(decoding, (double)cost.decode);
        drawing = fmax(drawing, (double)drawing_transient(call, width, height));
    }
    double sum = kept + decoding + drawing;
    return sum < 0x1p63 ? (uint64_t)sum : UINT64_MAX;
}
