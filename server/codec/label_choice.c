/* Lists of outputs.  A list of JSON may hold names with commas in them; in text commas separate,
 * which is no loss, as each part of such a name is one, too. */
#include "codec/label_choice.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "codec/labels.h"

static enum lm_status add_index(struct label_choice *choice, uint32_t index, struct lm_error *error)
{
    for (uint32_t i = 0; i < choice->n; i++)
        if (choice->indices[i] == index)
            return LM_OK;
    if (choice->n == LABEL_CHOICE_MAX)
        return lm_fail(error, LM_LIMIT, "labels: more than the limit of %d", LABEL_CHOICE_MAX);
    choice->indices[choice->n++] = index;
    return LM_OK;
}

static enum lm_status add_name(struct label_choice *choice, const char *name, const json_t *labels,
                               struct lm_error *error)
{
    char shown[60];
    struct lm_error reason = {0};
    uint32_t index;
    fault_clip_text(shown, sizeof shown, name);
    if (!labels)
        return lm_fail(error, LM_INVALID,
                       "labels: the model has no names of labels; give an index, not \"%s\"",
                       shown);
    enum lm_status status = labels_find(labels, name, &index, &reason);
    if (status != LM_OK)
        return lm_fail(error, status, "labels: %s", reason.text);
    return add_index(choice, index, error);
}

/* A number is an index. */
static enum lm_status add_text(struct label_choice *choice, const char *entry, const json_t *labels,
                               uint32_t classes, struct lm_error *error)
{
    size_t digits = strspn(entry, "0123456789");
    if (!digits || entry[digits])
        return add_name(choice, entry, labels, error);
    unsigned long index = strtoul(entry, NULL, 10);
    if (index >= classes)
        return lm_fail(error, LM_INVALID, "labels: %.20s is not an output of the network, 0 to %u",
                       entry, classes - 1);
    return add_index(choice, (uint32_t)index, error);
}

enum lm_status label_choice_parse(const char *text, const json_t *labels, uint32_t classes,
                                  struct label_choice *out, struct lm_error *error)
{
    struct label_choice choice = {0};
    enum lm_status status = LM_OK;
    char *copy = strdup(text), *rest = copy;
    if (!copy)
        return lm_fail(error, LM_NOMEM, "labels: out of memory");
    for (char *entry; status == LM_OK && (entry = strtok_r(rest, ",", &rest));)
        status = add_text(&choice, entry + strspn(entry, " "), labels, classes, error);
    free(copy);
    if (status == LM_OK && choice.n == 0)
        status = lm_fail(error, LM_INVALID, "labels: the list is empty");
    if (status == LM_OK)
        *out = choice;
    return status;
}

static enum lm_status add_json(struct label_choice *choice, const json_t *value,
                               const json_t *labels, uint32_t classes, struct codec_fault *fault,
                               struct lm_error *error)
{
    if (json_is_string(value))
        return add_text(choice, json_string_value(value), labels, classes, error);
    if (!json_is_integer(value))
        return fault_type(fault, error, "labels", "made of indices and names", value);
    json_int_t index = json_integer_value(value);
    if (index < 0 || index >= classes)
        return lm_fail(error, LM_INVALID,
                       "labels: %" JSON_INTEGER_FORMAT " is not an output of the network, 0 to %u",
                       index, classes - 1);
    return add_index(choice, (uint32_t)index, error);
}

enum lm_status label_choice_from_json(json_t *value, const json_t *labels, uint32_t classes,
                                      struct label_choice *out, struct codec_fault *fault,
                                      struct lm_error *error)
{
    struct label_choice choice = {0};
    if (json_is_string(value))
        return label_choice_parse(json_string_value(value), labels, classes, out, error);
    if (json_is_integer(value)) {
        enum lm_status status = add_json(&choice, value, labels, classes, fault, error);
        if (status == LM_OK)
            *out = choice;
        return status;
    }
    if (!json_is_array(value))
        return fault_type(fault, error, "labels", "a list of indices and names", value);
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t here = fault_enter_index(fault, i);
        enum lm_status status =
            add_json(&choice, json_array_get(value, i), labels, classes, fault, error);
        if (status != LM_OK)
            return status;
        fault_leave(fault, here);
    }
    if (choice.n == 0)
        return lm_fail(error, LM_INVALID, "labels: the list is empty");
    *out = choice;
    return LM_OK;
}
