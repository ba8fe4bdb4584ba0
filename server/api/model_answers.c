/* What the server says of its models.  Everything comes from an entry, which never changes, so that
 * an answer is of one version of a model. */
#include "api/model_answers.h"

#include <stdio.h>
#include <string.h>

#include "api/v2_answers.h"
#include "codec/answer.h"
#include "codec/fault.h"
#include "codec/policy.h"
#include "codec/precision.h"
#include "obs/plain_text.h"

char *model_answers_text(json_t *value)
{
    char *text = value ? fault_dump_json(value, ANSWER_FLOAT_FLAGS) : NULL;
    json_decref(value);
    return text;
}

char *model_answers_list(const struct model_status *models, size_t n)
{
    json_t *names = json_array();
    for (size_t i = 0; i < n && names; i++) {
        if (models[i].state == MODEL_UNLOADED)
            continue;
        if (json_array_append_new(names, json_string(models[i].name)) != 0) {
            json_decref(names);
            names = NULL;
        }
    }
    return model_answers_text(json_pack("{s:o}", "models", names));
}

static json_t *three_numbers(const float numbers[3])
{
    return json_pack("[f, f, f]", (double)numbers[0], (double)numbers[1], (double)numbers[2]);
}

static json_t *preprocessing(const struct model_dir *dir)
{
    const struct lm_preprocess *how = &dir->about.preprocess;
    json_t *shorter =
        how->resize_shorter ? json_integer((json_int_t)how->resize_shorter) : json_null();
    return json_pack("{s:[I, I], s:s, s:o, s:s, s:o, s:o, s:b}", "size", (json_int_t)how->height,
                     (json_int_t)how->width, "channels", how->channels == LM_RGB ? "RGB" : "BGR",
                     "resize_shorter", shorter, "crop", how->center_crop ? "center" : "none",
                     "mean", three_numbers(how->mean), "std", three_numbers(how->std), "assumed",
                     dir->assumed ? 1 : 0);
}

static json_t *operators(const struct lm_model *model)
{
    json_t *counts = json_object();
    const char *name;
    uint32_t count;
    for (uint32_t i = 0; counts && lm_model_operator(model, i, &name, &count); i++) {
        if (json_object_set_new(counts, name, json_integer((json_int_t)count)) != 0) {
            json_decref(counts);
            counts = NULL;
        }
    }
    return counts;
}

static bool has_place(const char *name)
{
    static const char *const told[] = {"input", "output", "labels", "masking", "precision"};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        if (strcmp(name, told[i]) == 0)
            return true;
    return false;
}

/* What model.json says beside what has a place of its own in the answer. */
static json_t *description(const struct model_dir *dir)
{
    json_t *rest = json_object(), *value;
    const char *name;
    bool failed = !rest;
    json_object_foreach(dir->about.json, name, value)
    {
        if (!failed && !has_place(name))
            failed = json_object_set(rest, name, value) != 0;
    }
    if (!failed)
        return rest;
    json_decref(rest);
    return NULL;
}

static json_t *warnings(const struct model_dir *dir)
{
    json_t *list = json_array();
    if (list && dir->assumed &&
        json_array_append_new(list, json_string("there is no model.json: torchvision's ImageNet "
                                                "preprocessing is assumed")) != 0) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *network(const struct model_entry *entry)
{
    const struct lm_model_info *info = &entry->info;
    return json_pack("{s:s, s:I, s:I, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:f}", "output",
                     entry->dir.about.probabilities ? "probabilities" : "logits", "classes",
                     (json_int_t)info->classes, "labels",
                     (json_int_t)json_array_size(entry->dir.labels), "masking",
                     policy_to_json(&info->policy), "precision", precision_name(info->precision),
                     "kernels", info->kernels, "opset", (json_int_t)info->opset, "layers",
                     (json_int_t)info->layers, "parameters", (json_int_t)info->parameters, "macs",
                     (json_int_t)info->macs, "weight_bytes", (json_int_t)info->weight_bytes,
                     "operators", operators(entry->model), "load_ms", entry->load_ms);
}

char *model_answers_ready(const struct model_entry *entry)
{
    json_t *answer =
        json_pack("{s:s, s:b, s:s, s:o, s:o, s:o}", "name", entry->name, "ready", 1, "version",
                  entry->dir.version, "inputs", v2_model_inputs(entry), "outputs",
                  v2_model_outputs(entry), "preprocessing", preprocessing(&entry->dir));
    json_t *rest = network(entry);
    json_t *last = json_pack("{s:o, s:o}", "description", description(&entry->dir), "warnings",
                             warnings(&entry->dir));
    bool whole = answer && rest && last && json_object_update(answer, rest) == 0 &&
                 json_object_update(answer, last) == 0;
    json_decref(rest);
    json_decref(last);
    if (!whole) {
        json_decref(answer);
        return NULL;
    }
    return model_answers_text(answer);
}

const char *model_answers_reason(const struct model_status *status)
{
    if (status->state == MODEL_UNLOADED)
        return "the model has been unloaded";
    if (status->state == MODEL_FAILED && status->error.text[0])
        return status->error.text;
    return status->state == MODEL_FAILED ? "the model could not be loaded"
                                         : "the model is being loaded";
}

json_t *model_answers_reason_string(const char *reason)
{
    char text[sizeof((struct lm_error *)0)->text];
    snprintf(text, sizeof text, "%s", reason);
    for (size_t i = 0, left = strlen(text), n; left > 0; i += n, left -= n) {
        n = text_character(text + i, left);
        if (n == 0) {
            text[i] = '?';
            n = 1;
        }
    }
    return json_string(text);
}

char *model_answers_not_ready(const struct model_status *status)
{
    static const char *const states[] = {[MODEL_LOADING] = "loading",
                                         [MODEL_READY] = "loading",
                                         [MODEL_FAILED] = "failed",
                                         [MODEL_UNLOADED] = "unloaded"};
    return model_answers_text(json_pack("{s:s, s:b, s:s, s:o}", "name", status->name, "ready", 0,
                                        "state", states[status->state], "error",
                                        model_answers_reason_string(model_answers_reason(status))));
}
