/* What options must not be together, and names that are no option. */
#include "config/setting.h"

#include <assert.h>
#include <string.h>

/* The place of an option's value. */
struct place {
    char text[300];
};

static struct place place_of(const struct settings_draft *draft, const char *name)
{
    struct place place;
    size_t index = 0;
    const struct setting *setting = setting_find(name, strlen(name), &index);
    assert(setting);
    (void)setting;
    setting_place(draft, index, place.text, sizeof place.text);
    return place;
}

static enum lm_status check_access(const struct settings_draft *draft, struct lm_error *error)
{
    const struct settings *values = &draft->values;
    char address[SETTING_SHOWN];
    if (!draft->serves || values->listen.loopback || *values->keys || values->insecure)
        return LM_OK;
    setting_show_address(&values->listen, address);
    return lm_fail(error, LM_INVALID,
                   "%s: other machines can reach %s: set keys to a file of API keys, or insecure "
                   "to serve everyone",
                   place_of(draft, "listen").text, address);
}

static enum lm_status check_tls(const struct settings_draft *draft, struct lm_error *error)
{
    const struct settings *values = &draft->values;
    if (*values->tls_certificate && !*values->tls_key)
        return lm_fail(error, LM_INVALID, "%s: needs tls_key, too",
                       place_of(draft, "tls_certificate").text);
    if (*values->tls_key && !*values->tls_certificate)
        return lm_fail(error, LM_INVALID, "%s: needs tls_certificate, too",
                       place_of(draft, "tls_key").text);
    return LM_OK;
}

/* Another option's name, in the form that the one at fault was given in. */
static void spell(const char *name, enum setting_layer layer, char out[SETTING_NAME_BYTES])
{
    size_t index = 0;
    const struct setting *setting = setting_find(name, strlen(name), &index);
    assert(setting);
    if (layer == LAYER_FLAG)
        setting_flag(setting, out);
    else if (layer == LAYER_VARIABLE)
        setting_variable(setting, out);
    else
        snprintf(out, SETTING_NAME_BYTES, "%s", name);
}

static enum setting_layer layer_of(const struct settings_draft *draft, const char *name)
{
    size_t index = 0;
    setting_find(name, strlen(name), &index);
    return draft->layers[index];
}

/* What is at fault is what was given, of two that were given the stronger. */
static enum lm_status check_order(const struct settings_draft *draft, const char *name,
                                  uint64_t value, const char *limit, uint64_t most,
                                  struct lm_error *error)
{
    char shown[SETTING_SHOWN], allowed[SETTING_SHOWN], other[SETTING_NAME_BYTES];
    if (value <= most)
        return LM_OK;
    setting_show_number(SETTING_BYTES, value, shown);
    setting_show_number(SETTING_BYTES, most, allowed);
    enum setting_layer layer = layer_of(draft, name), of_limit = layer_of(draft, limit);
    bool is_low = of_limit > layer;
    spell(is_low ? name : limit, is_low ? of_limit : layer, other);
    if (is_low)
        return lm_fail(error, LM_INVALID, "%s: %s is below %s, which is %s",
                       place_of(draft, limit).text, allowed, other, shown);
    return lm_fail(error, LM_INVALID, "%s: %s is above %s, which is %s", place_of(draft, name).text,
                   shown, other, allowed);
}

enum lm_status settings_check(const struct settings_draft *draft, struct lm_error *error)
{
    const struct settings *values = &draft->values;
    enum lm_status status = check_access(draft, error);
    if (status == LM_OK)
        status = check_tls(draft, error);
    if (status == LM_OK)
        status = check_order(draft, "max_small_body_bytes", values->max_small_body_bytes,
                             "max_body_bytes", values->max_body_bytes, error);
    if (status == LM_OK)
        status = check_order(draft, "max_body_bytes", values->max_body_bytes, "max_bodies_bytes",
                             values->max_bodies_bytes, error);
    if (status == LM_OK)
        status = check_order(draft, "max_body_bytes", values->max_body_bytes, "max_store_bytes",
                             values->max_store_bytes, error);
    return status;
}

/* ---- unknown names ---- */

enum { NAME_MAX_COMPARED = 48 };

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance: characters to add, remove or replace. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_COMPARED + 1], length = strlen(b);
    if (length > NAME_MAX_COMPARED)
        return SIZE_MAX;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = least_of(replaced, least_of(row[j], diagonal) + 1);
        }
    }
    return row[length];
}

enum lm_status settings_unknown(const char *place, const char *name, struct lm_error *error)
{
    size_t count, best = 3; /* more than two slips are another word */
    const struct setting *table = setting_table(&count), *meant = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t far = distance(table[i].name, name);
        if (far < best && far < strlen(table[i].name) / 2) {
            best = far;
            meant = &table[i];
        }
    }
    if (!meant)
        return lm_fail(error, LM_INVALID, "%s: no such option; --help lists all", place);
    char written[SETTING_NAME_BYTES];
    snprintf(written, sizeof written, "%s", meant->name);
    if (strncmp(place, "--", 2) == 0)
        setting_flag(meant, written);
    else if (strncmp(place, "LAYERMASK_", 10) == 0 && !strchr(place, ':'))
        setting_variable(meant, written);
    return lm_fail(error, LM_INVALID, "%s: no such option; did you mean %s?", place, written);
}
