/* A model folder.  What the network itself says (input size, number of outputs) always wins over
 * what its folder says: a difference is an error, never a guess. */
#include "codec/model_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/file.h"
#include "codec/labels.h"
#include "codec/text_memory.h"

/* What protobuf allows.  lm_model_load has a limit of its own, but this file is hashed before. */
#define NETWORK_MAX_BYTES ((size_t)1 << 31)

static enum lm_status out_of_memory(struct lm_error *error)
{
    return lm_fail(error, LM_NOMEM, "out of memory reading a model folder");
}

/* "a/b/model.onnx" -> "a/b", "model.onnx" -> ".". */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return text_copy(".");
    return slash == path ? text_copy("/") : text_format("%.*s", (int)(slash - path), path);
}

/* The last part of a path: "a/b/" -> "b". */
static char *base_of(const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return text_format("%.*s", (int)(end - start), path + start);
}

static enum lm_status find_network(const char *path, char **folder, char **file,
                                   struct lm_error *error)
{
    bool is_folder = folder_exists(path);
    if (!is_folder && !file_exists(path))
        return lm_fail(error, LM_IO, "%s: no such model folder", path);
    if (!is_folder && !text_ends_with(path, ".onnx"))
        return lm_fail(error, LM_INVALID, "%s: neither a model folder nor an .onnx file", path);
    *folder = is_folder ? text_copy(path) : parent_of(path);
    *file = is_folder ? text_format("%s/model.onnx", path) : text_copy(path);
    return *folder && *file ? LM_OK : out_of_memory(error);
}

static enum lm_status read_description(const char *folder, struct model_dir *dir,
                                       struct lm_error *error)
{
    char *path = text_format("%s/model.json", folder);
    if (!path)
        return out_of_memory(error);
    uint8_t *text = NULL;
    size_t size = 0;
    enum lm_status status = LM_OK;
    dir->assumed = !file_exists(path);
    if (dir->assumed) {
        model_description_assume(&dir->about);
        goto done;
    }
    status = file_read_regular(path, MODEL_JSON_MAX_BYTES, &text, &size, error);
    if (status == LM_OK)
        status = model_description_parse((const char *)text, size, path, &dir->about, error);
done:
    free(text);
    free(path);
    return status;
}

static enum lm_status read_labels(const char *folder, struct model_dir *dir, struct lm_error *error)
{
    if (dir->about.labels) {
        dir->labels = json_incref(dir->about.labels);
        return LM_OK;
    }
    const char *name = dir->about.labels_file ? dir->about.labels_file : "labels.txt";
    char *path = text_format("%s/%s", folder, name);
    if (!path)
        return out_of_memory(error);
    uint8_t *text = NULL;
    size_t size = 0;
    enum lm_status status = LM_OK;
    if (!dir->about.labels_file && !file_exists(path))
        goto done;
    status = file_read_regular(path, LABELS_MAX_BYTES, &text, &size, error);
    if (status == LM_OK)
        status = labels_parse((const char *)text, size, path, &dir->labels, error);
done:
    free(text);
    free(path);
    return status;
}

static enum lm_status read_name(const char *path, struct model_dir *dir, struct lm_error *error)
{
    const char *name = json_string_value(json_object_get(dir->about.json, "name"));
    dir->name = name ? text_copy(name) : base_of(path);
    if (!dir->name)
        return out_of_memory(error);
    errno = 0;
    json_t *text = json_string(dir->name);
    if (!text && errno == ENOMEM)
        return out_of_memory(error);
    json_decref(text);
    return text ? LM_OK
                : lm_fail(error, LM_INVALID,
                          "%s: a name that is not UTF-8; say \"name\" in model.json", dir->name);
}

enum lm_status model_dir_read(const char *path, struct model_dir *out, struct lm_error *error)
{
    struct model_dir dir = {0};
    char *folder = NULL;
    enum lm_status status = find_network(path, &folder, &dir.file, error);
    if (status == LM_OK)
        status = file_fingerprint(dir.file, NETWORK_MAX_BYTES, dir.version, error);
    if (status == LM_OK)
        status = read_description(folder, &dir, error);
    if (status == LM_OK)
        status = read_labels(folder, &dir, error);
    if (status == LM_OK)
        status = read_name(path, &dir, error);
    free(folder);
    if (status != LM_OK) {
        model_dir_free(&dir);
        return status;
    }
    *out = dir;
    return LM_OK;
}

/* Assumed preprocessing follows the network's size: 299 becomes shorter side 342, crop 299. */
static void assume_size(struct lm_preprocess *preprocess, const struct lm_model_info *info)
{
    if (info->height == preprocess->height && info->width == preprocess->width)
        return;
    uint32_t longer = info->height > info->width ? info->height : info->width;
    preprocess->height = info->height;
    preprocess->width = info->width;
    preprocess->resize_shorter = (uint32_t)(((uint64_t)longer * 256 + 112) / 224);
}

static enum lm_status check_fit(struct model_dir *dir, const struct lm_model_info *info,
                                struct lm_error *error)
{
    if (info->channels != 3)
        return lm_fail(error, LM_UNSUPPORTED, "%s: the network takes %u channels, pictures have 3",
                       dir->name, info->channels);
    if (dir->assumed)
        assume_size(&dir->about.preprocess, info);
    if (dir->labels && json_array_size(dir->labels) != info->classes)
        return lm_fail(error, LM_INVALID,
                       "%s: there are %zu labels, but the network has %u outputs", dir->name,
                       json_array_size(dir->labels), info->classes);
    return LM_OK;
}

/* The folder's size, which the engine holds against the file's; 0 leaves it to the file. */
static struct lm_model_options options_of(const struct model_dir *dir, bool sized,
                                          const struct lm_policy *policy)
{
    return (struct lm_model_options){
        .height = sized ? dir->about.preprocess.height : 0,
        .width = sized ? dir->about.preprocess.width : 0,
        .policy = policy ? *policy : dir->about.policy,
        .limits = dir->limits,
        .memo_bytes = MODEL_DIR_MEMO_BYTES,
        .precision = dir->about.precision,
    };
}

/* An assumed size is only for files that leave theirs open, so they are first asked without. */
static enum lm_status load_network(const struct model_dir *dir, const struct lm_policy *policy,
                                   struct lm_model **out, struct lm_error *error)
{
    struct lm_model_options sized = options_of(dir, true, policy);
    struct lm_model_options open = options_of(dir, false, policy);
    struct lm_error reason = {0};
    if (!dir->assumed)
        return lm_model_load(dir->file, &sized, out, error);
    enum lm_status status = lm_model_load(dir->file, &open, out, &reason);
    if (status == LM_INVALID)
        return lm_model_load(dir->file, &sized, out, error);
    return status == LM_OK ? LM_OK : lm_fail(error, status, "%s", reason.text);
}

enum lm_status model_dir_load(struct model_dir *dir, const struct lm_policy *policy,
                              struct lm_model **out, struct lm_error *error)
{
    struct lm_model *model = NULL;
    enum lm_status status = load_network(dir, policy, &model, error);
    if (status != LM_OK)
        return status;
    struct lm_model_info info;
    lm_model_info(model, &info);
    status = check_fit(dir, &info, error);
    if (status != LM_OK) {
        lm_model_free(model);
        return status;
    }
    *out = model;
    return LM_OK;
}

enum lm_status model_dir_check(const struct model_dir *dir, char **lines, struct lm_error *error)
{
    struct lm_model_options sized = options_of(dir, true, NULL);
    struct lm_model_options open = options_of(dir, false, NULL);
    if (dir->assumed && lm_model_check(dir->file, &open, lines, NULL) == LM_OK)
        return LM_OK;
    return lm_model_check(dir->file, &sized, lines, error);
}

void model_dir_free(struct model_dir *dir)
{
    if (!dir)
        return;
    free(dir->file);
    free(dir->name);
    json_decref(dir->labels);
    model_description_free(&dir->about);
    *dir = (struct model_dir){0};
}
