/* Names of a network's outputs.  Kept as JSON strings: that is how they leave again, and jansson
 * checks that they are UTF-8 on the way in. */
#include "codec/labels.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static enum lm_status append(json_t *labels, const char *text, size_t length, const char *where,
                             struct lm_error *error)
{
    size_t number = json_array_size(labels) + 1;
    if (number > LABELS_MAX_COUNT)
        return lm_fail(error, LM_LIMIT, "%s: more than %d labels", where, LABELS_MAX_COUNT);
    if (length > LABELS_MAX_LENGTH)
        return lm_fail(error, LM_LIMIT, "%s: line %zu has %zu bytes, the limit is %d", where,
                       number, length, LABELS_MAX_LENGTH);
    errno = 0;
    json_t *label = json_stringn(text, length);
    if (!label && errno == ENOMEM)
        return lm_fail(error, LM_NOMEM, "%s: out of memory", where);
    if (!label || memchr(text, '\0', length)) {
        json_decref(label);
        return lm_fail(error, LM_INVALID, "%s: line %zu is not UTF-8 text", where, number);
    }
    if (json_array_append_new(labels, label) != 0)
        return lm_fail(error, LM_NOMEM, "%s: out of memory", where);
    return LM_OK;
}

enum lm_status labels_parse(const char *text, size_t size, const char *where, json_t **out,
                            struct lm_error *error)
{
    json_t *labels = json_array();
    if (!labels)
        return lm_fail(error, LM_NOMEM, "%s: out of memory", where);
    for (const char *at = text, *end = text + size; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        size_t length = (size_t)(stop - at);
        if (length > 0 && at[length - 1] == '\r')
            length--;
        enum lm_status status = append(labels, at, length, where, error);
        if (status != LM_OK) {
            json_decref(labels);
            return status;
        }
        at = stop + 1;
    }
    *out = labels;
    return LM_OK;
}

enum lm_status labels_from_json(json_t *array, const char *where, json_t **out,
                                struct lm_error *error)
{
    if (json_array_size(array) > LABELS_MAX_COUNT)
        return lm_fail(error, LM_LIMIT, "%s: more than %d labels", where, LABELS_MAX_COUNT);
    size_t index;
    json_t *label;
    json_array_foreach(array, index, label)
    {
        if (!json_is_string(label))
            return lm_fail(error, LM_INVALID, "%s[%zu] is not a string", where, index);
        if (json_string_length(label) > LABELS_MAX_LENGTH)
            return lm_fail(error, LM_LIMIT, "%s[%zu] has %zu bytes, the limit is %d", where, index,
                           json_string_length(label), LABELS_MAX_LENGTH);
    }
    *out = json_incref(array);
    return LM_OK;
}

const char *labels_get(const json_t *labels, uint32_t index)
{
    return json_string_value(json_array_get(labels, index));
}

/* Is `name` the label, or one of its comma-separated names? */
static bool label_has_name(const char *label, const char *name)
{
    if (strcasecmp(label, name) == 0)
        return true;
    size_t length = strlen(name);
    for (const char *at = label; *at;) {
        at += strspn(at, " ");
        size_t piece = strcspn(at, ",");
        if (piece == length && strncasecmp(at, name, length) == 0)
            return true;
        at += piece;
        at += *at == ',';
    }
    return false;
}

enum lm_status labels_find(const json_t *labels, const char *name, uint32_t *out,
                           struct lm_error *error)
{
    bool found = false;
    uint32_t first = 0;
    for (uint32_t i = 0; i < json_array_size(labels); i++) {
        if (!label_has_name(labels_get(labels, i), name))
            continue;
        if (found)
            return lm_fail(error, LM_INVALID,
                           "the label \"%.80s\" is not the only one: %u and %u; give the index",
                           name, first, i);
        found = true;
        first = i;
    }
    if (!found)
        return lm_fail(error, LM_INVALID, "the model has no label \"%.80s\"", name);
    *out = first;
    return LM_OK;
}
