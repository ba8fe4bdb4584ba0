/* The names of lm_policy's choices.  One table serves reading and writing; the order of the names
 * is that of the enums in model.h. */
#include "codec/policy.h"

#include <stdio.h>
#include <string.h>

#include "codec/fault.h"

enum { FIELDS = 4, MOST_CHOICES = 4, TEXT_BYTES = 200 };

struct field {
    const char *name;
    const char *choices[MOST_CHOICES]; /* ends with NULL */
};

static const struct field fields[FIELDS] = {
    {"concat", {"union", "majority", "intersection", NULL}},
    {"exposed", {"computed", "zero", NULL}},
    {"average_pool", {"visible", "plain", NULL}},
    {"global_pool", {"visible", "plain", "unmasked", NULL}},
};

struct preset {
    const char *name;
    struct lm_policy policy;
};

/* What reproduces the published code of the method's authors, by kind of network. */
static const struct preset presets[] = {
    {"default",
     {LM_CONCAT_UNION, LM_EXPOSED_COMPUTED, LM_AVERAGE_POOL_VISIBLE, LM_GLOBAL_POOL_VISIBLE}},
    {"authors-squeezenet",
     {LM_CONCAT_UNION, LM_EXPOSED_COMPUTED, LM_AVERAGE_POOL_VISIBLE, LM_GLOBAL_POOL_PLAIN}},
    {"authors-densenet",
     {LM_CONCAT_MAJORITY, LM_EXPOSED_ZERO, LM_AVERAGE_POOL_PLAIN, LM_GLOBAL_POOL_PLAIN}},
};

static int choice_of(const struct lm_policy *policy, int field)
{
    switch (field) {
    case 0: return (int)policy->concat;
    case 1: return (int)policy->exposed;
    case 2: return (int)policy->average_pool;
    default: return (int)policy->global_pool;
    }
}

static void set_choice(struct lm_policy *policy, int field, int choice)
{
    switch (field) {
    case 0: policy->concat = (enum lm_concat)choice; break;
    case 1: policy->exposed = (enum lm_exposed)choice; break;
    case 2: policy->average_pool = (enum lm_average_pool)choice; break;
    default: policy->global_pool = (enum lm_global_pool)choice; break;
    }
}

static int find_field(const char *name)
{
    for (int i = 0; i < FIELDS; i++)
        if (strcmp(fields[i].name, name) == 0)
            return i;
    return -1;
}

static void list_choices(const struct field *field, char text[TEXT_BYTES])
{
    size_t used = 0;
    for (int i = 0; field->choices[i]; i++)
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, "%s%s", i ? ", " : "",
                                 field->choices[i]);
}

enum lm_status policy_set(struct lm_policy *policy, const char *field, const char *value,
                          const char *where, struct lm_error *error)
{
    int index = find_field(field);
    if (index < 0)
        return lm_fail(error, LM_INVALID,
                       "%s: unknown field; there are concat, exposed, average_pool, global_pool",
                       where);
    const struct field *row = &fields[index];
    for (int i = 0; row->choices[i]; i++) {
        if (strcmp(row->choices[i], value) == 0) {
            set_choice(policy, index, i);
            return LM_OK;
        }
    }
    char choices[TEXT_BYTES];
    list_choices(row, choices);
    char shown[44];
    fault_clip_text(shown, sizeof shown, value);
    return lm_fail(error, LM_INVALID, "%s: \"%s\" is none of %s", where, shown, choices);
}

static const struct preset *find_preset(const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

/* One "field=value" of `length` bytes. */
static enum lm_status parse_assignment(const char *text, size_t length, struct lm_policy *policy,
                                       struct lm_error *error)
{
    char piece[64];
    if (length >= sizeof piece)
        return lm_fail(error, LM_INVALID, "policy: \"%.40s...\" is too long", text);
    memcpy(piece, text, length);
    piece[length] = '\0';
    char *equals = strchr(piece, '=');
    if (!equals)
        return lm_fail(error, LM_INVALID,
                       "policy: \"%s\" is neither field=value nor one of the presets default, "
                       "authors-squeezenet, authors-densenet",
                       piece);
    *equals = '\0';
    char where[80];
    snprintf(where, sizeof where, "policy %s", piece);
    return policy_set(policy, piece, equals + 1, where, error);
}

enum lm_status policy_parse(const char *text, struct lm_policy *policy, struct lm_error *error)
{
    const struct preset *preset = find_preset(text);
    if (preset) {
        *policy = preset->policy;
        return LM_OK;
    }
    struct lm_policy result = *policy;
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        enum lm_status status = parse_assignment(at, length, &result, error);
        if (status != LM_OK)
            return status;
        at += length;
        if (*at == '\0')
            break;
    }
    *policy = result;
    return LM_OK;
}

json_t *policy_to_json(const struct lm_policy *policy)
{
    json_t *object = json_object();
    for (int i = 0; i < FIELDS; i++)
        if (json_object_set_new(object, fields[i].name,
                                json_string(fields[i].choices[choice_of(policy, i)]))) {
            json_decref(object);
            return NULL;
        }
    return object;
}

void policy_to_text(const struct lm_policy *policy, char out[POLICY_TEXT_BYTES])
{
    size_t used = 0;
    for (int i = 0; i < FIELDS; i++)
        used += (size_t)snprintf(out + used, POLICY_TEXT_BYTES - used, "%s%s=%s", i ? "," : "",
                                 fields[i].name, fields[i].choices[choice_of(policy, i)]);
}
