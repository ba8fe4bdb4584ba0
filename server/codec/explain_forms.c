/* The answer of an explain call, one picture after the other: whatever is not needed for the next
 * is freed before it. */
#include <stdlib.h>

#include "codec/answer.h"
#include "codec/drawing.h"
#include "codec/explain_call.h"

enum { JPEG_QUALITY = 90 };

/* A line of text, as the command line prints it.  Measured first: jansson's own growing and copying
 * would take it three times. */
static enum lm_status write_line(const json_t *answer, struct call_body *out,
                                 struct lm_error *error)
{
    size_t size = json_dumpb(answer, NULL, 0, ANSWER_DOUBLE_FLAGS);
    char *text = size ? malloc(size + 1) : NULL;
    if (!text || json_dumpb(answer, text, size, ANSWER_DOUBLE_FLAGS) != size) {
        free(text);
        return lm_fail(error, LM_NOMEM, "out of memory for the answer");
    }
    text[size] = '\n';
    *out = (struct call_body){.bytes = text, .size = size + 1};
    return LM_OK;
}

static enum lm_status write_drawings(const struct explain_call *call,
                                     const struct explain_instance *instance,
                                     const struct explained *explained, struct call_answer *out,
                                     struct lm_error *error)
{
    struct lm_image image = {0};
    uint8_t *png = NULL, *jpeg = NULL;
    size_t png_size = 0, jpeg_size = 0;
    enum lm_status status = drawing_make(call->terms->dir, &instance->input, explained, 0,
                                         &call->parameters.render, &image, error);
    if (status == LM_OK && call->wants & CALL_PNG)
        status = lm_image_encode_png(&image, &png, &png_size, error);
    if (status == LM_OK && call->wants & CALL_JPEG)
        status = lm_image_encode_jpeg(&image, JPEG_QUALITY, &jpeg, &jpeg_size, error);
    lm_image_free(&image);
    out->png = (struct call_body){.bytes = (char *)png, .size = png_size};
    out->jpeg = (struct call_body){.bytes = (char *)jpeg, .size = jpeg_size};
    return status;
}

/* Adds what the answer is to have of the instance, and frees the instance's own. */
static enum lm_status answer_instance(const struct explain_call *call,
                                      struct explain_instance *instance, json_t *list,
                                      struct call_answer *out, struct lm_error *error)
{
    struct explained explained = {0};
    json_t *item = NULL;
    const struct explainer_options options = explain_options(call, instance);
    enum lm_status status = explainer_finish(instance->explainer, &explained, error);
    if (status != LM_OK)
        return status;
    explainer_free(instance->explainer);
    instance->explainer = NULL;
    out->samples += explained.forward_passes;
    if (call->wants & (CALL_PNG | CALL_JPEG))
        status = write_drawings(call, instance, &explained, out, error);
    if (status == LM_OK && call->wants & CALL_JSON)
        status =
            answer_explanation(call->terms->dir, &instance->input, &options, &explained,
                               call->parameters.include, &call->parameters.render, &item, error);
    if (item && json_array_append_new(list, item) != 0)
        status = lm_fail(error, LM_NOMEM, "out of memory for the explanations");
    explained_free(&explained);
    picture_input_free(&instance->input);
    return status;
}

enum lm_status explain_answer(struct explain_call *call, struct call_answer *out,
                              struct lm_error *error)
{
    struct call_answer answer = {0};
    json_t *list = json_array(), *envelope = NULL;
    enum lm_status status =
        list ? LM_OK : lm_fail(error, LM_NOMEM, "out of memory for the explanations");
    for (uint32_t i = 0; i < call->n_instances && status == LM_OK; i++)
        status = answer_instance(call, &call->instances[i], list, &answer, error);
    if (status == LM_OK && call->wants & CALL_JSON) {
        status = answer_envelope_list(call->terms->dir, call->terms->name, "explanations", list,
                                      &envelope, error);
        list = NULL;
        if (status == LM_OK)
            status = write_line(envelope, &answer.json, error);
    }
    json_decref(list);
    json_decref(envelope);
    if (status != LM_OK) {
        call_answer_free(&answer);
        return status;
    }
    *out = answer;
    return LM_OK;
}
