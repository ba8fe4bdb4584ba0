/* What the commands share. */
#include "cli/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "codec/fault.h"
#include "codec/file.h"
#include "codec/labels.h"
#include "codec/policy.h"
#include "codec/precision.h"
#include "codec/thread_pool.h"

enum { MAX_PICTURE_BYTES = 1 << 26 };

static void note_assumed(const struct model_dir *dir)
{
    const struct lm_preprocess *preprocess = &dir->about.preprocess;
    command_note("%s has no model.json: torchvision's ImageNet preprocessing is assumed "
                 "(shorter side %u, centre crop %u x %u, its mean and std)",
                 dir->name, preprocess->resize_shorter, preprocess->height, preprocess->width);
}

enum lm_status common_check_precision(const char *precision, struct lm_error *error)
{
    enum lm_precision unused;
    if (!precision || precision_parse(precision, &unused))
        return LM_OK;
    return lm_fail(error, LM_INVALID, "precision: \"%.40s\" is none of " PRECISION_NAMES,
                   precision);
}

enum lm_status common_load_model(const char *path, const char *policy, const char *precision,
                                 struct model_dir *dir, struct lm_model **model,
                                 struct lm_error *error)
{
    struct model_dir result = {0};
    enum lm_status status = model_dir_read(path, &result, error);
    struct lm_policy choices = result.about.policy;
    if (status == LM_OK && policy)
        status = policy_parse(policy, &choices, error);
    if (status == LM_OK)
        status = common_check_precision(precision, error);
    if (status == LM_OK && precision)
        precision_parse(precision, &result.about.precision);
    if (status == LM_OK)
        status = model_dir_load(&result, &choices, model, error);
    if (status != LM_OK) {
        model_dir_free(&result);
        return status;
    }
    if (result.assumed)
        note_assumed(&result);
    *dir = result;
    return LM_OK;
}

enum lm_status common_read_picture(const char *path, const struct model_dir *dir,
                                   struct picture_input *out, struct lm_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    struct lm_error reason = {0};
    enum lm_status status = file_read(path, MAX_PICTURE_BYTES, &bytes, &size, error);
    if (status != LM_OK)
        return status;
    status = picture_input_read(bytes, size, NULL, &dir->about.preprocess, out, &reason);
    free(bytes);
    if (status != LM_OK) /* the decoder does not know the file's name */
        return lm_fail(error, status, "%.200s: %.290s", path, reason.text);
    return LM_OK;
}

uint32_t common_default_threads(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (online < 1)
        return 1;
    return online > POOL_MAX_THREADS ? POOL_MAX_THREADS : (uint32_t)online;
}

enum lm_status common_write_json(const char *path, const json_t *value, size_t flags,
                                 struct lm_error *error)
{
    char *text = fault_dump_json(value, flags);
    if (!text)
        return lm_fail(error, LM_NOMEM, "out of memory for the answer");
    size_t length = strlen(text);
    text[length] = '\n'; /* in place of its 0 byte: nobody reads it as a string any more */
    enum lm_status status = file_write(path, text, length + 1, error);
    free(text);
    return status;
}

void common_label(const struct model_dir *dir, uint32_t index, char out[COMMON_LABEL_BYTES])
{
    const char *label = labels_get(dir->labels, index);
    if (label)
        fault_clip_text(out, COMMON_LABEL_BYTES, label);
    else
        snprintf(out, COMMON_LABEL_BYTES, "class %u", index);
}
