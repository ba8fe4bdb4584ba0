/* The items of a predict call: pictures decoded, masks drawn.
 *
 * Pictures are decoded one after the other; of each, only the network's input outlives the drawing
 * of its masks.  All regions of a request share one budget, from which segmentations take what they
 * cost, too: a list of masks may ask for a new one in each. */
#include <math.h>
#include <stdlib.h>

#include "codec/predict_call.h"
#include "codec/region.h"
#include "codec/region_draw.h"
#include "codec/segmentation.h"

/* Where the regions of one instance are drawn; context of the callback for segments. */
struct drawing {
    const struct predict_call *call;
    const struct predict_instance *instance;
    struct region_context region;
    bool segmented;
    json_t *segmentation;        /* that `segments` are of, borrowed; NULL: the default */
    struct lm_segments segments; /* kept, since the next region may be of the same */
};

/* Steps of about 10 ns, two or three times what slic takes.  Maps of the caller's take theirs from
 * the budget themselves. */
static uint64_t segmentation_work(const struct segmentation *segmentation, uint64_t pixels)
{
    const struct lm_segment_options *options = &segmentation->options;
    if (segmentation->custom || options->method != LM_SEGMENT_SLIC)
        return pixels;
    uint64_t rounds = options->max_num_iter ? options->max_num_iter : 10;
    double sigma = fmin(fmax(options->sigma, 0), 1000);
    return pixels * (20 + 4 * rounds + 4 * (uint64_t)sigma);
}

static enum lm_status run_segmentation(struct drawing *drawing,
                                       const struct segmentation *segmentation,
                                       struct lm_error *error)
{
    const struct lm_transform *transform = drawing->region.transform;
    uint64_t pixels = (uint64_t)transform->input_width * transform->input_height;
    struct lm_segments segments = {0};
    enum lm_status status =
        region_spend(&drawing->region, segmentation_work(segmentation, pixels), error);
    if (status == LM_OK)
        status = segmentation_run(segmentation, &drawing->instance->input, &segments, NULL, error);
    if (status != LM_OK)
        return status;
    lm_segments_free(&drawing->segments);
    drawing->segments = segments;
    return LM_OK;
}

static enum lm_status change_segments(struct drawing *drawing, json_t *segmentation,
                                      struct codec_fault *fault, struct lm_error *error)
{
    struct segmentation chosen = {0};
    enum lm_status status = segmentation_from_json(segmentation, &chosen, fault, error);
    chosen.max_segments = drawing->call->terms->limits->segments;
    chosen.budget = drawing->region.budget;
    if (status == LM_OK)
        status = run_segmentation(drawing, &chosen, error);
    segmentation_free(&chosen);
    return status;
}

/* region_context.segments */
static enum lm_status find_segments(void *context, json_t *segmentation,
                                    const struct lm_segments **out, struct codec_fault *fault,
                                    struct lm_error *error)
{
    struct drawing *drawing = context;
    bool same = drawing->segmented && (segmentation == drawing->segmentation ||
                                       json_equal(segmentation, drawing->segmentation));
    enum lm_status status = same ? LM_OK : change_segments(drawing, segmentation, fault, error);
    if (status != LM_OK)
        return status;
    drawing->segmented = true;
    drawing->segmentation = segmentation;
    *out = &drawing->segments;
    return LM_OK;
}

/* Regions of the files of the request. */
static enum lm_status draw_files(struct drawing *drawing, struct lm_mask *visible,
                                 struct codec_fault *fault, struct lm_error *error)
{
    const struct request *request = drawing->call->request;
    const struct request_bytes *file = request->hide.bytes ? &request->hide : &request->keep;
    if (!file->bytes)
        return LM_OK;
    size_t here = fault_enter_key(fault, file == &request->hide ? "hide" : "keep");
    enum lm_status status =
        region_parse_png(file->bytes, file->size, &drawing->region, visible, NULL, error);
    if (status != LM_OK)
        return status;
    fault_leave(fault, here);
    if (file == &request->hide)
        lm_mask_invert(visible);
    return LM_OK;
}

static enum lm_status draw_list(struct drawing *drawing, json_t *masks, struct lm_mask *visible,
                                struct codec_fault *fault, struct lm_error *error)
{
    size_t here = fault_enter_key(fault, "masks");
    for (size_t i = 0; i < json_array_size(masks); i++) {
        size_t above = fault_enter_index(fault, i);
        enum lm_status status = call_check(drawing->call->terms, error);
        if (status == LM_OK)
            status = region_parse_visible(json_array_get(masks, i), &drawing->region, &visible[i],
                                          NULL, fault, error);
        if (status != LM_OK)
            return status;
        fault_leave(fault, above);
    }
    fault_leave(fault, here);
    return LM_OK;
}

/* The masks of all items of an instance; visible: of its first one. */
static enum lm_status draw_masks(struct drawing *drawing, struct lm_mask *visible,
                                 struct codec_fault *fault, struct lm_error *error)
{
    json_t *object = drawing->instance->object;
    if (!object)
        return draw_files(drawing, visible, fault, error);
    size_t here =
        request_enter_instance(drawing->call->request, drawing->instance->picture.index, fault);
    enum lm_status status = LM_OK;
    if (drawing->instance->masks)
        status = draw_list(drawing, json_object_get(object, "masks"), visible + 1, fault, error);
    else if (json_object_get(object, "hide") || json_object_get(object, "keep"))
        status = region_parse_visible(object, &drawing->region, visible, NULL, fault, error);
    if (status == LM_OK)
        fault_leave(fault, here);
    return status;
}

static enum lm_status prepare_instance(struct predict_call *call, struct predict_instance *instance,
                                       struct region_budget *budget, struct codec_fault *fault,
                                       struct lm_error *error)
{
    struct drawing drawing = {.call = call, .instance = instance};
    drawing.region = (struct region_context){.transform = &instance->input.transform,
                                             .budget = budget,
                                             .segments = find_segments,
                                             .context = &drawing};
    enum lm_status status = call_check(call->terms, error);
    if (status == LM_OK)
        status =
            request_picture_decode(&instance->picture, call->terms, &instance->input, fault, error);
    if (status == LM_OK)
        status = draw_masks(&drawing, &call->visible[instance->first], fault, error);
    lm_segments_free(&drawing.segments);
    lm_image_free(&instance->input.picture);
    lm_image_free(&instance->input.seen);
    return status;
}

static enum lm_status create_predictor(struct predict_call *call, struct lm_error *error)
{
    const struct call_terms *terms = call->terms;
    struct predictor_item *items = calloc(call->n_items, sizeof *items);
    if (!items)
        return lm_fail(error, LM_NOMEM, "out of memory for %u predictions", call->n_items);
    for (uint32_t i = 0; i < call->n_instances; i++) {
        const struct predict_instance *instance = &call->instances[i];
        for (uint32_t k = instance->first; k <= instance->first + instance->masks; k++)
            items[k] = (struct predictor_item){
                .input = &instance->input,
                .visible = call->visible[k].bits ? &call->visible[k] : NULL,
                .masking = instance->masking,
            };
    }
    enum lm_status status = predictor_prepare(terms->dir, terms->model, terms->batch, items,
                                              call->n_items, &call->predictor, error);
    free(items);
    return status;
}

enum lm_status predict_items_prepare(struct predict_call *call, struct codec_fault *fault,
                                     struct lm_error *error)
{
    struct region_budget budget = region_default_budget;
    budget.regions = budget.regions_max = call->terms->limits->regions;
    call->visible = calloc(call->n_items, sizeof *call->visible);
    if (!call->visible)
        return lm_fail(error, LM_NOMEM, "out of memory for %u masks", call->n_items);
    enum lm_status status = LM_OK;
    for (uint32_t i = 0; i < call->n_instances && status == LM_OK; i++)
        status = prepare_instance(call, &call->instances[i], &budget, fault, error);
    if (status == LM_OK)
        status = create_predictor(call, error);
    return status;
}
