/* The file: one flat JSON object of options. */
#include "config/setting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX_BYTES = 1 << 20 };

static enum lm_status fail_to_read(const char *path, struct lm_error *error)
{
    return lm_fail(error, errno == ENOMEM ? LM_NOMEM : LM_IO, "config: %s: %s", path,
                   strerror(errno));
}

static enum lm_status read_whole(const char *path, char **out, size_t *size, struct lm_error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return fail_to_read(path, error);
    char *bytes = malloc(FILE_MAX_BYTES + 1);
    size_t got = bytes ? fread(bytes, 1, FILE_MAX_BYTES + 1, file) : 0;
    enum lm_status status = LM_OK;
    if (!bytes)
        status = lm_fail(error, LM_NOMEM, "%s: out of memory", path);
    else if (ferror(file))
        status = fail_to_read(path, error);
    else if (got > FILE_MAX_BYTES)
        status = lm_fail(error, LM_CORRUPT, "%s: larger than %d bytes", path, FILE_MAX_BYTES);
    fclose(file);
    if (status != LM_OK) {
        free(bytes);
        return status;
    }
    *out = bytes;
    *size = got;
    return LM_OK;
}

static enum lm_status parse(const char *path, const char *bytes, size_t size, json_t **out,
                            struct lm_error *error)
{
    json_error_t where = {.line = 0};
    errno = 0;
    json_t *root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &where);
    if (!root && errno == ENOMEM) /* jansson may call that an error of syntax */
        return lm_fail(error, LM_NOMEM, "%s: out of memory", path);
    if (!root)
        return lm_fail(error, LM_CORRUPT, "%s: line %d, column %d: %s", path, where.line,
                       where.column, where.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return lm_fail(error, LM_CORRUPT, "%s: not a JSON object", path);
    }
    *out = root;
    return LM_OK;
}

static enum lm_status apply(const char *path, json_t *root, struct settings_draft *draft,
                            struct lm_error *error)
{
    const char *key;
    json_t *value;
    char place[300];
    enum lm_status status = LM_OK;
    json_object_foreach(root, key, value)
    {
        size_t index;
        const struct setting *setting = setting_find(key, strlen(key), &index);
        snprintf(place, sizeof place, "%.200s: %.80s", path, key);
        if (!setting)
            return settings_unknown(place, key, error);
        status = setting_set_json(setting, value, place, &draft->values, error);
        if (status != LM_OK)
            return status;
        draft->layers[index] = LAYER_FILE;
    }
    return LM_OK;
}

enum lm_status settings_read_file(const char *path, struct settings_draft *draft,
                                  struct lm_error *error)
{
    char *bytes = NULL;
    size_t size = 0;
    json_t *root = NULL;
    enum lm_status status = read_whole(path, &bytes, &size, error);
    if (status == LM_OK)
        status = parse(path, bytes, size, &root, error);
    if (status == LM_OK)
        status = apply(path, root, draft, error);
    json_decref(root);
    free(bytes);
    draft->file = path;
    return status;
}
