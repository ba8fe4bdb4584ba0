/* Predictions as JSON, and what all answers share. */
#include "codec/answer.h"

#include <stdlib.h>

#include "codec/answer_part.h"
#include "codec/labels.h"
#include "codec/probability.h"

enum lm_status answer_fail(struct lm_error *error)
{
    return lm_fail(error, LM_NOMEM,
                   "the answer cannot be written: out of memory, or a number is not finite");
}

json_t *answer_label(const json_t *labels, uint32_t index)
{
    const char *label = labels_get(labels, index);
    return label ? json_string(label) : json_null();
}

static json_t *top_entry(const json_t *labels, const double *probabilities, const float *logits,
                         uint32_t index)
{
    json_t *entry = json_pack("{s:I, s:o, s:f}", "index", (json_int_t)index, "label",
                              answer_label(labels, index), "probability", probabilities[index]);
    if (entry && logits && json_object_set_new(entry, "logit", json_real((double)logits[index]))) {
        json_decref(entry);
        return NULL;
    }
    return entry;
}

enum lm_status answer_top(const json_t *labels, const double *probabilities, const float *logits,
                          uint32_t classes, uint32_t k, json_t **out, struct lm_error *error)
{
    uint32_t n = k < classes ? k : classes;
    uint32_t *top = calloc(n ? n : 1, sizeof *top);
    json_t *list = json_array();
    bool failed = !top || !list;
    if (!failed)
        probability_top(probabilities, classes, n, top);
    for (uint32_t i = 0; i < n && !failed; i++)
        failed = json_array_append_new(list, top_entry(labels, probabilities, logits, top[i])) != 0;
    free(top);
    if (failed) {
        json_decref(list);
        return answer_fail(error);
    }
    *out = list;
    return LM_OK;
}

static json_t *logits_list(const float *logits, uint32_t n)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n && list; i++) {
        if (json_array_append_new(list, json_real((double)logits[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* {"top", "logits" (if asked for)} and the members of `rest`, which is taken over. */
static enum lm_status write_outputs(const struct model_dir *dir,
                                    const struct prediction *prediction, uint32_t top_k,
                                    bool logits, json_t *rest, json_t **out, struct lm_error *error)
{
    json_t *top = NULL, *result = NULL;
    enum lm_status status = rest ? LM_OK : answer_fail(error);
    if (status == LM_OK)
        status = answer_top(dir->labels, prediction->probabilities, prediction->logits,
                            prediction->classes, top_k, &top, error);
    if (status != LM_OK)
        goto done;
    result = json_pack("{s:o}", "top", top);
    bool failed = !result;
    if (logits && !failed)
        failed = json_object_set_new(result, "logits",
                                     logits_list(prediction->logits, prediction->classes)) != 0;
    if (failed || json_object_update(result, rest) != 0) {
        status = answer_fail(error);
        goto done;
    }
    *out = result;
    result = NULL;
done:
    json_decref(result);
    json_decref(rest);
    return status;
}

enum lm_status answer_prediction(const struct model_dir *dir, const struct picture_input *input,
                                 const struct prediction *prediction, const struct masking *masking,
                                 uint32_t top_k, bool logits, json_t **out, struct lm_error *error)
{
    char name[MASKING_NAME_BYTES];
    masking_name(masking, name);
    json_t *rest = json_pack("{s:s, s:f, s:f}", "masking", name, "visible_fraction",
                             prediction->visible_fraction, "unseen", input->unseen);
    return write_outputs(dir, prediction, top_k, logits, rest, out, error);
}

enum lm_status answer_what_if(const struct model_dir *dir, const struct prediction *unmasked,
                              const struct prediction *masked, uint32_t top_k, bool logits,
                              json_t **out, struct lm_error *error)
{
    uint32_t label;
    probability_top(unmasked->probabilities, unmasked->classes, 1, &label);
    double delta = masked->probabilities[label] - unmasked->probabilities[label];
    json_t *rest =
        json_pack("{s:f, s:f}", "visible_fraction", masked->visible_fraction, "delta", delta);
    return write_outputs(dir, masked, top_k, logits, rest, out, error);
}

enum lm_status answer_envelope_list(const struct model_dir *dir, const char *model_name,
                                    const char *key, json_t *items, json_t **out,
                                    struct lm_error *error)
{
    json_t *envelope = json_pack("{s:s, s:s, s:o}", "model_name", model_name, "model_version",
                                 dir->version, key, items);
    if (!envelope)
        return answer_fail(error);
    *out = envelope;
    return LM_OK;
}

enum lm_status answer_envelope(const struct model_dir *dir, const char *key, json_t *item,
                               json_t **out, struct lm_error *error)
{
    json_t *items = json_pack("[o]", item);
    return answer_envelope_list(dir, dir->name, key, items, out, error);
}
