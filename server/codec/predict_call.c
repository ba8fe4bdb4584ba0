/* The predict call: labels for pictures, perhaps with parts of them hidden.  What is asked for is
 * read in predict_read.c, pixels come in predict_items.c; the network's part is the predictor's. */
#include "codec/predict_call.h"

#include <stdlib.h>
#include <string.h>

#include "codec/answer.h"
#include "codec/fault.h"

static void call_free(void *context)
{
    struct predict_call *call = context;
    if (!call)
        return;
    predictor_free(call->predictor);
    for (uint32_t i = 0; call->visible && i < call->n_items; i++)
        lm_mask_free(&call->visible[i]);
    for (uint32_t i = 0; call->instances && i < call->n_instances; i++)
        picture_input_free(&call->instances[i].input);
    free(call->visible);
    free(call->instances);
    free(call);
}

static enum lm_status call_read(const struct request *request, const struct call_terms *terms,
                                unsigned wants, void **out, struct codec_fault *fault,
                                struct lm_error *error)
{
    struct predict_call *call = calloc(1, sizeof *call);
    if (!call)
        return lm_fail(error, LM_NOMEM, "out of memory for a call");
    (void)wants; /* there is one form only */
    call->request = request;
    call->terms = terms;
    enum lm_status status = predict_read(call, fault, error);
    if (status != LM_OK) {
        call_free(call);
        return status;
    }
    *out = call;
    return LM_OK;
}

static uint64_t call_bytes(const void *call)
{
    return predict_cost(call);
}

static enum lm_status call_prepare(void *context, uint32_t *batches, struct codec_fault *fault,
                                   struct lm_error *error)
{
    struct predict_call *call = context;
    enum lm_status status = predict_items_prepare(call, fault, error);
    if (status == LM_OK)
        *batches = batches_count(predictor_work(call->predictor));
    return status;
}

static uint32_t call_items(const void *context, uint32_t batch)
{
    const struct predict_call *call = context;
    return batches_items(predictor_work(call->predictor), batch);
}

static enum lm_status call_run_batch(void *context, uint32_t batch, struct runner *runner,
                                     uint32_t thread, struct lm_error *error)
{
    struct predict_call *call = context;
    return runner_take_batch(runner, predictor_work(call->predictor), batch, thread, error);
}

/* The list "masks" of an instance's answer; predictions: of its items. */
static enum lm_status answer_masks(const struct predict_call *call,
                                   const struct predict_instance *instance,
                                   const struct prediction *predictions, json_t **out,
                                   struct lm_error *error)
{
    json_t *list = json_array(), *item = NULL;
    enum lm_status status =
        list ? LM_OK : lm_fail(error, LM_NOMEM, "out of memory for the answers to masks");
    for (uint32_t i = 1; i <= instance->masks && status == LM_OK; i++) {
        status = answer_what_if(call->terms->dir, &predictions[0], &predictions[i], call->top_k,
                                call->logits, &item, error);
        if (status == LM_OK && json_array_append_new(list, item) != 0)
            status = lm_fail(error, LM_NOMEM, "out of memory for the answers to masks");
    }
    if (status == LM_OK)
        *out = list;
    else
        json_decref(list);
    return status;
}

static enum lm_status answer_instance(const struct predict_call *call,
                                      const struct predict_instance *instance,
                                      const struct prediction *predictions, json_t **out,
                                      struct lm_error *error)
{
    json_t *answer = NULL, *masks = NULL;
    enum lm_status status =
        answer_prediction(call->terms->dir, &instance->input, &predictions[0], &instance->masking,
                          call->top_k, call->logits, &answer, error);
    if (status == LM_OK && instance->masks)
        status = answer_masks(call, instance, predictions, &masks, error);
    if (status == LM_OK && masks && json_object_set_new(answer, "masks", masks) != 0)
        status = lm_fail(error, LM_NOMEM, "out of memory for the answers to masks");
    if (status == LM_OK)
        *out = answer;
    else
        json_decref(answer);
    return status;
}

static enum lm_status answer_all(const struct predict_call *call,
                                 const struct prediction *predictions, json_t **out,
                                 struct lm_error *error)
{
    json_t *list = json_array(), *item = NULL;
    enum lm_status status =
        list ? LM_OK : lm_fail(error, LM_NOMEM, "out of memory for the predictions");
    for (uint32_t i = 0; i < call->n_instances && status == LM_OK; i++) {
        const struct predict_instance *instance = &call->instances[i];
        status = answer_instance(call, instance, &predictions[instance->first], &item, error);
        if (status == LM_OK && json_array_append_new(list, item) != 0)
            status = lm_fail(error, LM_NOMEM, "out of memory for the predictions");
    }
    if (status != LM_OK) {
        json_decref(list);
        return status;
    }
    return answer_envelope_list(call->terms->dir, call->terms->name, "predictions", list, out,
                                error);
}

/* A line of text, as the command line prints it. */
static enum lm_status write_line(const json_t *answer, struct call_body *out,
                                 struct lm_error *error)
{
    char *text = fault_dump_json(answer, ANSWER_FLOAT_FLAGS);
    if (!text)
        return lm_fail(error, LM_NOMEM, "out of memory for the answer");
    size_t length = strlen(text);
    text[length] = '\n'; /* in place of its 0 byte: it is no string any more */
    *out = (struct call_body){.bytes = text, .size = length + 1};
    return LM_OK;
}

static enum lm_status call_finish(void *context, struct call_answer *out, struct lm_error *error)
{
    struct predict_call *call = context;
    struct prediction *predictions = calloc(call->n_items, sizeof *predictions);
    json_t *answer = NULL;
    struct call_body line = {0};
    if (!predictions)
        return lm_fail(error, LM_NOMEM, "out of memory for %u predictions", call->n_items);
    predictor_finish(call->predictor, predictions);
    enum lm_status status = answer_all(call, predictions, &answer, error);
    if (status == LM_OK)
        status = write_line(answer, &line, error);
    if (status == LM_OK)
        *out = (struct call_answer){.json = line, .samples = call->n_items};
    json_decref(answer);
    for (uint32_t i = 0; i < call->n_items; i++)
        prediction_free(&predictions[i]);
    free(predictions);
    return status;
}

const struct call_kind call_predict = {
    .name = "predict",
    .read = call_read,
    .forms = CALL_JSON,
    .bytes = call_bytes,
    .prepare = call_prepare,
    .items = call_items,
    .run_batch = call_run_batch,
    .finish = call_finish,
    .free = call_free,
};
