/* JSON values to options and back.  After a check of their type they go through the same texts as
 * flags do, so that the file, the environment and the flags agree on what is allowed. */
#include "config/setting.h"

#include <stdlib.h>

static const char *const type_names[] = {
    [JSON_OBJECT] = "an object",
    [JSON_ARRAY] = "a list",
    [JSON_STRING] = "a string",
    [JSON_INTEGER] = "an integer",
    [JSON_REAL] = "a number with a fraction",
    [JSON_TRUE] = "true",
    [JSON_FALSE] = "false",
    [JSON_NULL] = "null",
};

static enum lm_status refuse_json(const struct setting *setting, const json_t *value,
                                  const char *place, struct lm_error *error)
{
    char wanted[160];
    setting_describe(setting, wanted, sizeof wanted);
    return lm_fail(error, LM_INVALID, "%s: %s is not %s%s", place, type_names[json_typeof(value)],
                   setting->type == SETTING_LIST && setting->what ? "a list, each " : "", wanted);
}

static enum lm_status set_json_list(const struct setting *setting, const json_t *value,
                                    const char *place, struct settings_list *field,
                                    struct lm_error *error)
{
    struct settings_list list = {0};
    enum lm_status status = LM_OK;
    for (size_t i = 0; i < json_array_size(value) && status == LM_OK; i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_string(item))
            status = lm_fail(error, LM_INVALID, "%s: %s in the list is not %s", place,
                             type_names[json_typeof(item)], setting->what);
        else
            status = setting_add_item(setting, json_string_value(item), json_string_length(item),
                                      place, &list, error);
    }
    if (status != LM_OK) {
        setting_free_list(&list);
        return status;
    }
    setting_free_list(field);
    *field = list;
    return LM_OK;
}

/* Whether a value of this JSON type may stand for the option; strings then are its text. */
static bool is_type(const struct setting *setting, const json_t *value)
{
    switch (setting->type) {
    case SETTING_BOOL: return json_is_boolean(value);
    case SETTING_U32:
    case SETTING_U64: return json_is_integer(value);
    case SETTING_BYTES: return json_is_integer(value) || json_is_string(value);
    case SETTING_DURATION:
    case SETTING_STRING:
    case SETTING_ADDRESS: return json_is_string(value);
    case SETTING_LIST: return json_is_array(value);
    }
    return false;
}

enum lm_status setting_set_json(const struct setting *setting, const json_t *value,
                                const char *place, struct settings *out, struct lm_error *error)
{
    char digits[32];
    if (!is_type(setting, value))
        return refuse_json(setting, value, place, error);
    if (json_is_array(value))
        return set_json_list(setting, value, place,
                             (struct settings_list *)(void *)((char *)out + setting->offset),
                             error);
    if (json_is_string(value))
        return setting_set_text(setting, json_string_value(value), place, out, error);
    if (json_is_boolean(value))
        return setting_set_text(setting, json_is_true(value) ? "true" : "false", place, out, error);
    snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return setting_set_text(setting, digits, place, out, error);
}

static json_t *list_json(const struct settings_list *list)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < list->count; i++)
        if (json_array_append_new(array, json_string(list->items[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static uint64_t get_number(const struct setting *setting, const void *value)
{
    return setting->type == SETTING_U32 ? *(const uint32_t *)value : *(const uint64_t *)value;
}

json_t *setting_get_json(const struct setting *setting, const struct settings *settings)
{
    const void *value = (const char *)settings + setting->offset;
    char text[SETTING_SHOWN];
    switch (setting->type) {
    case SETTING_BOOL: return json_boolean(*(const bool *)value);
    case SETTING_U32:
    case SETTING_U64: return json_integer((json_int_t)get_number(setting, value));
    case SETTING_STRING: return json_string(*(char *const *)value);
    case SETTING_LIST: return list_json(value);
    case SETTING_ADDRESS: setting_show_address(value, text); return json_string(text);
    case SETTING_BYTES:
    case SETTING_DURATION: break;
    }
    setting_show_number(setting->type, get_number(setting, value), text);
    return json_string(text);
}
