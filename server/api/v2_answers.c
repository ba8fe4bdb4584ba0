/* The Open Inference Protocol's answers about server and models. */
#include "api/v2_answers.h"

#include "api/model_answers.h"

#define PLATFORM "layermask"

static json_t *append_all(json_t *list, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n && list; i++) {
        if (json_array_append_new(list, json_string(names[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

char *v2_server_answer(const char *version, bool repository)
{
    static const char *const extensions[] = {"binary_tensor_data", "classification",
                                             "model_configuration", "model_repository"};
    size_t n = sizeof extensions / sizeof extensions[0] - (repository ? 0 : 1);
    return model_answers_text(json_pack("{s:s, s:s, s:o}", "name", "layermask", "version", version,
                                        "extensions", append_all(json_array(), extensions, n)));
}

json_t *v2_model_inputs(const struct model_entry *entry)
{
    json_int_t any = -1, channels = entry->info.channels, height = entry->info.height,
               width = entry->info.width;
    return json_pack("[{s:s, s:s, s:[I, I, I, I]}, {s:s, s:s, s:[I, I, I, I]}, {s:s, s:s, s:[I]}]",
                     "name", "input", "datatype", "FP32", "shape", any, channels, height, width,
                     "name", "mask", "datatype", "FP32", "shape", any, (json_int_t)1, height, width,
                     "name", "image", "datatype", "BYTES", "shape", any);
}

json_t *v2_model_outputs(const struct model_entry *entry)
{
    json_int_t any = -1, classes = entry->info.classes;
    return json_pack("[{s:s, s:s, s:[I, I]}, {s:s, s:s, s:[I, I]}]", "name", "logits", "datatype",
                     "FP32", "shape", any, classes, "name", "probabilities", "datatype", "FP32",
                     "shape", any, classes);
}

char *v2_model_answer(const struct model_entry *entry)
{
    return model_answers_text(json_pack("{s:s, s:[s], s:s, s:o, s:o}", "name", entry->name,
                                        "versions", entry->dir.version, "platform", PLATFORM,
                                        "inputs", v2_model_inputs(entry), "outputs",
                                        v2_model_outputs(entry)));
}

char *v2_model_ready_answer(const char *name, bool ready)
{
    return model_answers_text(json_pack("{s:s, s:b}", "name", name, "ready", ready ? 1 : 0));
}

/* Dimensions without the first one, which is the number of pictures. */
static json_t *config_inputs(const struct lm_model_info *info)
{
    json_int_t channels = info->channels, height = info->height, width = info->width;
    return json_pack("[{s:s, s:s, s:s, s:[I, I, I], s:b}, {s:s, s:s, s:s, s:[I, I, I], s:b},"
                     " {s:s, s:s, s:s, s:[I], s:b}]",
                     "name", "input", "data_type", "TYPE_FP32", "format", "FORMAT_NCHW", "dims",
                     channels, height, width, "optional", 0, "name", "mask", "data_type",
                     "TYPE_FP32", "format", "FORMAT_NONE", "dims", (json_int_t)1, height, width,
                     "optional", 1, "name", "image", "data_type", "TYPE_STRING", "format",
                     "FORMAT_NONE", "dims", (json_int_t)1, "optional", 1);
}

static json_t *config_outputs(const struct lm_model_info *info)
{
    json_int_t classes = info->classes;
    return json_pack("[{s:s, s:s, s:[I]}, {s:s, s:s, s:[I]}]", "name", "logits", "data_type",
                     "TYPE_FP32", "dims", classes, "name", "probabilities", "data_type",
                     "TYPE_FP32", "dims", classes);
}

char *v2_model_config_answer(const struct model_entry *entry, uint32_t max_pictures)
{
    return model_answers_text(
        json_pack("{s:s, s:s, s:s, s:{s:{s:i}}, s:I, s:o, s:o}", "name", entry->name, "platform",
                  PLATFORM, "backend", PLATFORM, "version_policy", "latest", "num_versions", 1,
                  "max_batch_size", (json_int_t)max_pictures, "input", config_inputs(&entry->info),
                  "output", config_outputs(&entry->info)));
}

/* A model that is ready may have a reason, too: its last reload has failed. */
static json_t *index_line(const struct model_status *status)
{
    static const char *const states[] = {[MODEL_LOADING] = "LOADING",
                                         [MODEL_READY] = "READY",
                                         [MODEL_FAILED] = "UNAVAILABLE",
                                         [MODEL_UNLOADED] = "UNAVAILABLE"};
    json_t *line = json_pack("{s:s, s:s}", "name", status->name, "state", states[status->state]);
    const char *reason =
        status->state == MODEL_READY ? status->error.text : model_answers_reason(status);
    bool whole = line != NULL;
    if (whole && status->version[0])
        whole = json_object_set_new(line, "version", json_string(status->version)) == 0;
    if (whole && reason[0])
        whole = json_object_set_new(line, "reason", model_answers_reason_string(reason)) == 0;
    if (!whole) {
        json_decref(line);
        return NULL;
    }
    return line;
}

char *v2_index_answer(const struct model_status *models, size_t n, bool ready)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n && list; i++) {
        if (ready && models[i].state != MODEL_READY)
            continue;
        if (json_array_append_new(list, index_line(&models[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return model_answers_text(list);
}
