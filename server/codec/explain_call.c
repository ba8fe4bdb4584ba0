/* Explanations of pictures: an explainer for each, their micro-batches numbered through. */
#include "codec/explain_call.h"

#include <stdlib.h>
#include <string.h>

#include "codec/answer.h"

struct explainer_options explain_options(const struct explain_call *call,
                                         const struct explain_instance *instance)
{
    struct explainer_options options = call->parameters.options;
    options.masking = instance->masking;
    return options;
}

static void call_free(void *context)
{
    struct explain_call *call = context;
    if (!call)
        return;
    for (uint32_t i = 0; i < call->n_instances; i++) {
        explainer_free(call->instances[i].explainer);
        picture_input_free(&call->instances[i].input);
    }
    free(call->instances);
    explain_parameters_free(&call->parameters);
    free(call);
}

static enum lm_status read_instances(struct explain_call *call, struct codec_fault *fault,
                                     struct lm_error *error)
{
    static const char *const fields[] = {"masking", NULL};
    const struct request_limits *limits = call->terms->limits;
    uint32_t n = 0;
    enum lm_status status = request_instances(call->request, limits, fields, &n, fault, error);
    if (status != LM_OK)
        return status;
    call->instances = calloc(n, sizeof *call->instances);
    if (!call->instances)
        return lm_fail(error, LM_NOMEM, "out of memory for %u instances", n);
    call->n_instances = n;
    for (uint32_t i = 0; i < n && status == LM_OK; i++) {
        struct explain_instance *instance = &call->instances[i];
        status = request_picture_read(call->request, i, limits, &instance->picture, fault, error);
        if (status == LM_OK)
            status = request_masking(call->request, i, &instance->masking, fault, error);
    }
    return status;
}

static enum lm_status check_files(const struct request *request, struct codec_fault *fault,
                                  struct lm_error *error)
{
    const char *name = request->hide.bytes ? "hide" : request->keep.bytes ? "keep" : NULL;
    if (!name)
        return LM_OK;
    fault_enter_key(fault, name);
    return fault_malformed(fault, error, "%s: an explanation is of the whole picture", name);
}

static enum lm_status check_forms(const struct explain_call *call, struct codec_fault *fault,
                                  struct lm_error *error)
{
    if (!(call->wants & (CALL_PNG | CALL_JPEG)) || call->n_instances == 1)
        return LM_OK;
    fault_enter_key(fault, "instances");
    return lm_fail(error, LM_INVALID, "an overlay is of one picture; %u were sent",
                   call->n_instances);
}

static enum lm_status call_read(const struct request *request, const struct call_terms *terms,
                                unsigned wants, void **out, struct codec_fault *fault,
                                struct lm_error *error)
{
    struct explain_call *call = calloc(1, sizeof *call);
    if (!call)
        return lm_fail(error, LM_NOMEM, "out of memory for a call");
    *call = (struct explain_call){.request = request, .terms = terms, .wants = wants};
    enum lm_status status = read_instances(call, fault, error);
    if (status == LM_OK)
        status = check_files(request, fault, error);
    if (status == LM_OK)
        status = check_forms(call, fault, error);
    if (status == LM_OK)
        status = explain_parameters_read(request_parameters(request), terms, &call->parameters,
                                         fault, error);
    if (status != LM_OK) {
        call_free(call);
        return status;
    }
    *out = call;
    return LM_OK;
}

static uint64_t call_bytes(const void *context)
{
    return explain_cost(context);
}

/* What can still be wrong is the segmentation, which may not fit the picture. */
static enum lm_status prepare_explainer(struct explain_call *call,
                                        struct explain_instance *instance,
                                        struct codec_fault *fault, struct lm_error *error)
{
    const struct call_terms *terms = call->terms;
    const struct explainer_options options = explain_options(call, instance);
    enum lm_status status =
        explainer_prepare(terms->dir, terms->model, terms->batch, terms->threads, &instance->input,
                          &options, &instance->explainer, error);
    if (status == LM_OK || status == LM_NOMEM ||
        !json_object_get(request_parameters(call->request), "segmentation"))
        return status;
    request_enter_parameters(fault);
    fault_enter_key(fault, "segmentation");
    return status;
}

/* Numbers of the instance's sample matrix. */
static uint64_t count_cells(const struct explain_instance *instance)
{
    return (uint64_t)explainer_work(instance->explainer)->count *
           explainer_segments(instance->explainer);
}

static enum lm_status check_cells(const struct explain_call *call, uint64_t cells,
                                  struct codec_fault *fault, struct lm_error *error)
{
    if (!(call->parameters.include & ANSWER_SAMPLES) || cells <= EXPLAIN_MAX_CELLS)
        return LM_OK;
    request_enter_parameters(fault);
    fault_enter_key(fault, "include");
    return lm_fail(error, LM_LIMIT,
                   "parameters.include: the samples are more than the limit of %d zeros and ones",
                   EXPLAIN_MAX_CELLS);
}

static enum lm_status call_prepare(void *context, uint32_t *batches, struct codec_fault *fault,
                                   struct lm_error *error)
{
    struct explain_call *call = context;
    uint64_t cells = 0;
    call->batches = 0;
    for (uint32_t i = 0; i < call->n_instances; i++) {
        struct explain_instance *instance = &call->instances[i];
        enum lm_status status = call_check(call->terms, error);
        if (status == LM_OK)
            status = request_picture_decode(&instance->picture, call->terms, &instance->input,
                                            fault, error);
        if (status == LM_OK)
            status = prepare_explainer(call, instance, fault, error);
        if (status == LM_OK)
            status = check_cells(call, cells += count_cells(instance), fault, error);
        if (status != LM_OK)
            return status;
        uint32_t n = batches_count(explainer_work(instance->explainer));
        if (n > UINT32_MAX - call->batches)
            return lm_fail(error, LM_LIMIT, "samples: too many in all instances together");
        instance->first = call->batches;
        call->batches += n;
    }
    *batches = call->batches;
    return LM_OK;
}

/* The last instance whose first micro-batch is not above the number. */
static struct explain_instance *find_instance(const struct explain_call *call, uint32_t batch)
{
    uint32_t low = 0, high = call->n_instances;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (call->instances[middle].first <= batch)
            low = middle;
        else
            high = middle;
    }
    return &call->instances[low];
}

static uint32_t call_items(const void *context, uint32_t batch)
{
    const struct explain_instance *instance = find_instance(context, batch);
    return batches_items(explainer_work(instance->explainer), batch - instance->first);
}

static enum lm_status call_run_batch(void *context, uint32_t batch, struct runner *runner,
                                     uint32_t thread, struct lm_error *error)
{
    const struct explain_instance *instance = find_instance(context, batch);
    return runner_take_batch(runner, explainer_work(instance->explainer), batch - instance->first,
                             thread, error);
}

static enum lm_status call_finish(void *context, struct call_answer *out, struct lm_error *error)
{
    return explain_answer(context, out, error);
}

const struct call_kind call_explain = {
    .name = "explain",
    .read = call_read,
    .forms = CALL_JSON | CALL_PNG | CALL_JPEG,
    .bytes = call_bytes,
    .prepare = call_prepare,
    .items = call_items,
    .run_batch = call_run_batch,
    .finish = call_finish,
    .free = call_free,
};
