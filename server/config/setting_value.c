/* Texts to values: what flags and variables say. */
#include "config/setting.h"

#include <stdlib.h>
#include <string.h>

static void *field_of(const struct setting *setting, struct settings *settings)
{
    return (char *)settings + setting->offset;
}

/* ---- errors ---- */

void setting_quote(const char *text, char out[SETTING_QUOTED])
{
    static const char mark[] = "...";
    size_t length = strnlen(text, SETTING_QUOTED), end = 1;
    bool cut = length > SETTING_QUOTED - 3;
    if (cut)
        length = SETTING_QUOTED - 3 - (sizeof mark - 1);
    while (cut && length && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--; /* not inside a UTF-8 character */
    out[0] = '"';
    for (size_t i = 0; i < length; i++)
        out[end++] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    snprintf(out + end, SETTING_QUOTED - end, "%s\"", cut ? mark : "");
}

void setting_describe(const struct setting *setting, char *out, size_t size)
{
    static const char *const forms[] = {[SETTING_BOOL] = "true or false",
                                        [SETTING_STRING] = "a text of at most 4096 bytes",
                                        [SETTING_LIST] = "a list of texts",
                                        [SETTING_ADDRESS] =
                                            "an address such as 127.0.0.1:8080 or [::1]:8080"};
    char least[SETTING_SHOWN], most[SETTING_SHOWN];
    setting_show_number(setting->type, setting->least, least);
    setting_show_number(setting->type, setting->most, most);
    switch (setting->type) {
    case SETTING_U32:
    case SETTING_U64: snprintf(out, size, "a whole number from %s to %s", least, most); break;
    case SETTING_BYTES:
        snprintf(out, size, "a size in bytes, k, m or g, from %s to %s", least, most);
        break;
    case SETTING_DURATION:
        snprintf(out, size, "a time in ms, s, m or h, from %s to %s", least, most);
        break;
    case SETTING_BOOL:
    case SETTING_STRING:
    case SETTING_LIST:
    case SETTING_ADDRESS:
        snprintf(out, size, "%s", setting->what ? setting->what : forms[setting->type]);
        break;
    }
}

static enum lm_status refuse(const struct setting *setting, const char *text, const char *place,
                             struct lm_error *error)
{
    char quoted[SETTING_QUOTED], wanted[160];
    setting_quote(text, quoted);
    setting_describe(setting, wanted, sizeof wanted);
    return lm_fail(error, LM_INVALID, "%s: %s is not %s", place, quoted, wanted);
}

static enum lm_status no_memory(const char *place, struct lm_error *error)
{
    return lm_fail(error, LM_NOMEM, "%s: out of memory", place);
}

static enum lm_status set_number(const struct setting *setting, const char *text, const char *place,
                                 void *field, struct lm_error *error)
{
    uint64_t value;
    if (!setting_read_number(text, setting->type, &value) || value < setting->least ||
        value > setting->most)
        return refuse(setting, text, place, error);
    if (setting->type == SETTING_U32)
        *(uint32_t *)field = (uint32_t)value;
    else
        *(uint64_t *)field = value;
    return LM_OK;
}

static enum lm_status set_bool(const struct setting *setting, const char *text, const char *place,
                               bool *field, struct lm_error *error)
{
    bool on = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!on && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
        return refuse(setting, text, place, error);
    *field = on;
    return LM_OK;
}

/* ---- texts ---- */

static bool is_text(const char *text)
{
    size_t length = strnlen(text, SETTING_MAX_TEXT + 1);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return length <= SETTING_MAX_TEXT;
}

static enum lm_status set_string(const struct setting *setting, const char *text, const char *place,
                                 char **field, struct lm_error *error)
{
    bool unset = *text == '\0' && *setting->standard == '\0';
    if (!is_text(text) || (!unset && setting->fits && !setting->fits(text)))
        return refuse(setting, text, place, error);
    char *copy = strdup(text);
    if (!copy)
        return no_memory(place, error);
    free(*field);
    *field = copy;
    return LM_OK;
}

void setting_free_list(struct settings_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct settings_list){0};
}

/* Adds a copy of text[0..length), which must be an item of the list. */
enum lm_status setting_add_item(const struct setting *setting, const char *text, size_t length,
                                const char *place, struct settings_list *list,
                                struct lm_error *error)
{
    if (list->count == SETTING_MAX_ITEMS)
        return lm_fail(error, LM_INVALID, "%s: a list of more than %d texts", place,
                       SETTING_MAX_ITEMS);
    char *copy = strndup(text, length);
    char **grown = realloc(list->items, (list->count + 1) * sizeof *grown);
    if (grown)
        list->items = grown;
    if (!copy || !grown) {
        free(copy);
        return no_memory(place, error);
    }
    grown[list->count++] = copy;
    if (length == 0 || !is_text(copy) || strchr(copy, ',') || !setting->fits(copy))
        return refuse(setting, copy, place, error);
    return LM_OK;
}

static enum lm_status set_list(const struct setting *setting, const char *text, const char *place,
                               struct settings_list *field, struct lm_error *error)
{
    struct settings_list list = {0};
    enum lm_status status = LM_OK;
    const char *item = *text ? text : NULL;
    while (item && status == LM_OK) {
        size_t length = strcspn(item, ",");
        status = setting_add_item(setting, item, length, place, &list, error);
        item = item[length] ? item + length + 1 : NULL;
    }
    if (status != LM_OK) {
        setting_free_list(&list);
        return status;
    }
    setting_free_list(field);
    *field = list;
    return LM_OK;
}

/* ---- all types ---- */

enum lm_status setting_set_text(const struct setting *setting, const char *text, const char *place,
                                struct settings *out, struct lm_error *error)
{
    void *field = field_of(setting, out);
    switch (setting->type) {
    case SETTING_BOOL: return set_bool(setting, text, place, field, error);
    case SETTING_STRING: return set_string(setting, text, place, field, error);
    case SETTING_LIST: return set_list(setting, text, place, field, error);
    case SETTING_ADDRESS:
        return setting_read_address(text, field) ? LM_OK : refuse(setting, text, place, error);
    case SETTING_U32:
    case SETTING_U64:
    case SETTING_BYTES:
    case SETTING_DURATION: break;
    }
    return set_number(setting, text, place, field, error);
}

void setting_free_value(const struct setting *setting, struct settings *settings)
{
    if (setting->type == SETTING_LIST) {
        setting_free_list(field_of(setting, settings));
    } else if (setting->type == SETTING_STRING) {
        char **text = field_of(setting, settings);
        free(*text);
        *text = NULL;
    }
}
