/* From defaults, file, environment and flags to one struct settings.
 *
 * The flags are looked at twice: first for what decides how to go on (--help, --config), then for
 * their values, since the file and the environment come before them.  getopt is not used: it keeps
 * state in globals and knows abbreviations, which would become ambiguous as options are added. */
#include "config/setting.h"

#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

void setting_place(const struct settings_draft *draft, size_t index, char *out, size_t size)
{
    size_t count;
    const struct setting *setting = &setting_table(&count)[index];
    char name[SETTING_NAME_BYTES];
    switch (draft->layers[index]) {
    case LAYER_DEFAULT: snprintf(out, size, "%s", setting->name); return;
    case LAYER_FILE: snprintf(out, size, "%.200s: %s", draft->file, setting->name); return;
    case LAYER_VARIABLE: setting_variable(setting, name); break;
    case LAYER_FLAG: setting_flag(setting, name); break;
    }
    snprintf(out, size, "%s", name);
}

/* Words that only flags and the environment know. */
static const struct word {
    const char *name;
    enum settings_action action;
} actions[] = {{"help", SETTINGS_HELP},
               {"version", SETTINGS_VERSION},
               {"print_config", SETTINGS_PRINT_CONFIG},
               {"probe", SETTINGS_PROBE}};

static const struct word *find_action(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strlen(actions[i].name) == length && strncmp(actions[i].name, name, length) == 0)
            return &actions[i];
    return NULL;
}

/* Variables that begin like ours and are not: those of the project's own tests, and those that
 * Kubernetes gives containers for services whose names begin with layermask (..._SERVICE_HOST,
 * ..._PORT=tcp://10.0.0.1:80, ..._PORT_80_TCP). */
static bool is_foreign(const char *name, const char *value)
{
    static const char *const names[] = {"BIN", "BUILD", "CC", "LIB", "SANITIZED", "SHARED"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    const char *port = strstr(name, "PORT_");
    bool address = length >= 4 && strcmp(name + length - 4, "PORT") == 0 && strstr(value, "://");
    return address || (port && port[5] >= '0' && port[5] <= '9') || strstr(name, "SERVICE_HOST") ||
           strstr(name, "SERVICE_PORT");
}

/* ---- flags ---- */

/* One word of the command line, taken apart. */
struct flag {
    char name[SETTING_NAME_BYTES]; /* in the file's form; cut when longer, and then unknown */
    char place[SETTING_QUOTED];    /* as it was written, without its value */
    const char *value;             /* NULL: none */
    const struct setting *setting; /* NULL: "config", an action or unknown */
    size_t index;
};

static void split_flag(const char *word, struct flag *out)
{
    char quoted[SETTING_QUOTED];
    const char *name = word + 2, *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    *out = (struct flag){.value = equals ? equals + 1 : NULL};
    snprintf(out->name, sizeof out->name, "%.*s", (int)(length < 100 ? length : 100), name);
    setting_quote(out->name, quoted);
    quoted[strlen(quoted) - 1] = '\0';
    snprintf(out->place, sizeof out->place, "--%.69s", quoted + 1);
    for (char *c = out->name; *c; c++)
        *c = *c == '-' ? '_' : *c == '_' ? '-' : *c;
    out->setting = setting_find(out->name, strlen(out->name), &out->index);
}

static bool takes_value(const struct flag *flag)
{
    return flag->setting ? flag->setting->type != SETTING_BOOL : strcmp(flag->name, "config") == 0;
}

/* Reads the flag at argv[*i] and leaves *i at its last word. */
static enum lm_status next_flag(int argc, char *const *argv, int *i, struct flag *out,
                                struct lm_error *error)
{
    const char *word = strcmp(argv[*i], "-h") == 0 ? "--help" : argv[*i];
    if (strncmp(word, "--", 2) != 0 || !word[2]) {
        char quoted[SETTING_QUOTED];
        setting_quote(word, quoted);
        return lm_fail(error, LM_INVALID, "%s: not an option; --help lists all", quoted);
    }
    split_flag(word, out);
    const struct word *action = find_action(out->name, strlen(out->name));
    if (action && out->value)
        return lm_fail(error, LM_INVALID, "%s: takes no value", out->place);
    if (!out->setting && !action && strcmp(out->name, "config") != 0)
        return settings_unknown(out->place, out->name, error);
    if (!out->value && takes_value(out)) {
        if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0)
            return lm_fail(error, LM_INVALID, "%s: needs a value", out->place);
        out->value = argv[++*i];
    }
    return LM_OK;
}

/* What the command line asks for, and which file.  Help and version are answered whatever else
 * there is, right or wrong. */
static enum lm_status scan_flags(int argc, char *const *argv, enum settings_action *action,
                                 const char **file, struct lm_error *error)
{
    *action = SETTINGS_SERVE;
    for (int i = 1; i < argc; i++) {
        bool help = strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
        if (help || strcmp(argv[i], "--version") == 0) {
            *action = help ? SETTINGS_HELP : SETTINGS_VERSION;
            return LM_OK;
        }
    }
    for (int i = 1; i < argc; i++) {
        struct flag flag = {.name = ""};
        enum lm_status status = next_flag(argc, argv, &i, &flag, error);
        if (status != LM_OK)
            return status;
        const struct word *found = find_action(flag.name, strlen(flag.name));
        if (found)
            *action = found->action;
        else if (!flag.setting)
            *file = flag.value;
    }
    return LM_OK;
}

static enum lm_status apply_flags(int argc, char *const *argv, struct settings_draft *draft,
                                  struct lm_error *error)
{
    for (int i = 1; i < argc; i++) {
        struct flag flag = {.name = ""};
        enum lm_status status = next_flag(argc, argv, &i, &flag, error);
        if (status == LM_OK && flag.setting) {
            status = setting_set_text(flag.setting, flag.value ? flag.value : "true", flag.place,
                                      &draft->values, error);
            draft->layers[flag.index] = LAYER_FLAG;
        }
        if (status != LM_OK)
            return status;
    }
    return LM_OK;
}

/* ---- environment ---- */

static const char prefix[] = "LAYERMASK_";

const char *setting_environment(char *const *envp, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; envp && envp[i]; i++)
        if (strncmp(envp[i], name, length) == 0 && envp[i][length] == '=')
            return envp[i] + length + 1;
    return NULL;
}

/* One LAYERMASK_NAME=value; `variable` starts with NAME. */
static enum lm_status apply_variable(const char *variable, struct settings_draft *draft,
                                     struct lm_error *error)
{
    const char *value = strchr(variable, '=');
    size_t length = value ? (size_t)(value - variable) : 0, index;
    char name[SETTING_NAME_BYTES], place[SETTING_NAME_BYTES + sizeof prefix];
    if (!value)
        return LM_OK;
    snprintf(name, sizeof name, "%.*s", (int)(length < 100 ? length : 100), variable);
    if (is_foreign(name, value + 1) || strcmp(name, "CONFIG") == 0)
        return LM_OK;
    snprintf(place, sizeof place, "%s%s", prefix, name);
    for (char *c = name; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c >= 'a' && *c <= 'z' ? '?' : *c);
    const struct setting *setting = setting_find(name, strlen(name), &index);
    if (!setting)
        return settings_unknown(place, name, error);
    draft->layers[index] = LAYER_VARIABLE;
    return setting_set_text(setting, value + 1, place, &draft->values, error);
}

static enum lm_status apply_environment(char *const *envp, struct settings_draft *draft,
                                        struct lm_error *error)
{
    enum lm_status status = LM_OK;
    for (size_t i = 0; envp && envp[i] && status == LM_OK; i++)
        if (strncmp(envp[i], prefix, sizeof prefix - 1) == 0)
            status = apply_variable(envp[i] + sizeof prefix - 1, draft, error);
    return status;
}

/* ---- all ---- */

static enum lm_status apply_defaults(struct settings_draft *draft, struct lm_error *error)
{
    size_t count;
    const struct setting *table = setting_table(&count);
    enum lm_status status = LM_OK;
    for (size_t i = 0; i < count && status == LM_OK; i++)
        status =
            setting_set_text(&table[i], table[i].standard, table[i].name, &draft->values, error);
    return status;
}

static enum lm_status apply_all(int argc, char *const *argv, char *const *envp, const char *file,
                                struct settings_draft *draft, struct lm_error *error)
{
    enum lm_status status = apply_defaults(draft, error);
    if (status == LM_OK && file && *file)
        status = settings_read_file(file, draft, error);
    if (status == LM_OK)
        status = apply_environment(envp, draft, error);
    if (status == LM_OK)
        status = apply_flags(argc, argv, draft, error);
    if (status == LM_OK)
        status = settings_check(draft, error);
    if (status == LM_OK)
        status = settings_find_store(&draft->values, envp, error);
    return status;
}

enum lm_status settings_load(int argc, char *const *argv, char *const *envp, struct settings *out,
                             enum settings_action *action, struct lm_error *error)
{
    struct settings_draft draft = {.file = NULL};
    enum settings_action asked;
    const char *file = setting_environment(envp, "LAYERMASK_CONFIG");
    enum lm_status status = scan_flags(argc, argv, &asked, &file, error);
    draft.serves = status == LM_OK && asked != SETTINGS_PROBE;
    if (status == LM_OK && asked != SETTINGS_HELP && asked != SETTINGS_VERSION)
        status = apply_all(argc, argv, envp, file, &draft, error);
    if (status != LM_OK) {
        settings_free(&draft.values);
        return status;
    }
    *out = draft.values;
    *action = asked;
    return LM_OK;
}

void settings_free(struct settings *settings)
{
    if (!settings)
        return;
    size_t count;
    const struct setting *table = setting_table(&count);
    for (size_t i = 0; i < count; i++)
        setting_free_value(&table[i], settings);
    free(settings->store_url);
    *settings = (struct settings){0};
}
