/* One option of the table, and how texts become its value and back. */
#ifndef CONFIG_SETTING_H
#define CONFIG_SETTING_H

#include <jansson.h>

#include "config/settings.h"

enum setting_type {
    SETTING_BOOL,     /* bool */
    SETTING_U32,      /* uint32_t */
    SETTING_U64,      /* uint64_t */
    SETTING_BYTES,    /* uint64_t; k, m, g are powers of 1024 */
    SETTING_DURATION, /* uint64_t milliseconds; ms, s, m, h */
    SETTING_STRING,   /* char * */
    SETTING_LIST,     /* struct settings_list; in flags and the environment separated by commas */
    SETTING_ADDRESS,  /* struct settings_address */
};

enum {
    SETTING_MAX_TEXT = 4096, /* bytes of a string */
    SETTING_MAX_ITEMS = 1000,
    SETTING_SHOWN = 64, /* bytes of a formatted number or address with its NUL */
};

struct setting {
    const char *section;
    const char *name; /* as in the file */
    enum setting_type type;
    size_t offset; /* in struct settings */
    uint64_t least, most;
    const char *standard; /* the default, as a flag would say it */
    const char *argument; /* in the help */
    const char *help;

    /* Of strings and lists, for each item; NULL: any text.  `what` goes on after "is not". */
    bool (*fits)(const char *text);
    const char *what;
};

/* All options in the order of the help, sections together. */
const struct setting *setting_table(size_t *count);

/* "--max-pixels" or "LAYERMASK_MAX_PIXELS"; out has room for SETTING_NAME_BYTES. */
enum { SETTING_NAME_BYTES = 64 };
void setting_flag(const struct setting *setting, char *out);
void setting_variable(const struct setting *setting, char *out);

/* Sets the option's field, freeing what was there.  place: for the error's text.
 * Errors: LM_INVALID, LM_NOMEM; the field is then untouched. */
enum lm_status setting_set_text(const struct setting *setting, const char *text, const char *place,
                                struct settings *out, struct lm_error *error);
enum lm_status setting_set_json(const struct setting *setting, const json_t *value,
                                const char *place, struct settings *out, struct lm_error *error);

/* The value as the file has it; NULL when out of memory. */
json_t *setting_get_json(const struct setting *setting, const struct settings *settings);

/* "127.0.0.1:8080", "[::1]:8080"; out has room for SETTING_SHOWN. */
void setting_show_address(const struct settings_address *address, char *out);

bool setting_read_address(const char *text, struct settings_address *out);

/* Digits and a unit of the type; false when it is none or above 2^64 - 1. */
bool setting_read_number(const char *text, enum setting_type type, uint64_t *out);

/* Adds a copy of text[0..length).  Errors: LM_INVALID (not an item of this list), LM_NOMEM. */
enum lm_status setting_add_item(const struct setting *setting, const char *text, size_t length,
                                const char *place, struct settings_list *list,
                                struct lm_error *error);
void setting_free_list(struct settings_list *list);

/* What values there are: "a whole number from 1 to 64". */
void setting_describe(const struct setting *setting, char *out, size_t size);

/* A number as the option writes it: "64m", "75s", "12". */
void setting_show_number(enum setting_type type, uint64_t value, char *out);

void setting_free_value(const struct setting *setting, struct settings *settings);

/* The checks of single texts that rows name. */
bool setting_is_store(const char *text);
bool setting_is_origin(const char *text);
bool setting_is_level(const char *text);
bool setting_is_precision(const char *text);
bool setting_is_model_name(const char *text);

/* ---- the steps of settings_load ---- */

enum setting_layer { LAYER_DEFAULT, LAYER_FILE, LAYER_VARIABLE, LAYER_FLAG };

enum { SETTINGS_MAX = 80 };

/* Settings in the making: every value, and where it came from. */
struct settings_draft {
    struct settings values;
    const char *file; /* NULL: none */
    enum setting_layer layers[SETTINGS_MAX];
    bool serves; /* the values are to serve with; a probe opens nothing to anybody */
};

/* The place of the value that row `index` has now: "--listen", "LAYERMASK_LISTEN", "FILE: listen"
 * or "listen". */
void setting_place(const struct settings_draft *draft, size_t index, char *out, size_t size);

/* Errors: LM_IO, LM_CORRUPT, LM_INVALID, LM_NOMEM. */
enum lm_status settings_read_file(const char *path, struct settings_draft *draft,
                                  struct lm_error *error);

/* What two options together must not be.  Errors: LM_INVALID. */
enum lm_status settings_check(const struct settings_draft *draft, struct lm_error *error);

/* Fills values.store_url.  Errors: LM_NOMEM. */
enum lm_status settings_find_store(struct settings *settings, char *const *envp,
                                   struct lm_error *error);

/* Fails with "<place>: no such option", and the option that may have been meant; name is in the
 * file's form. */
enum lm_status settings_unknown(const char *place, const char *name, struct lm_error *error);

/* The row of a name in the file's form and its index, or NULL. */
const struct setting *setting_find(const char *name, size_t length, size_t *index);

/* Foreign text in quotes on one line: control characters are '?', the end is cut. */
enum { SETTING_QUOTED = 72 };
void setting_quote(const char *text, char out[SETTING_QUOTED]);

/* The variable's value in envp, or NULL. */
const char *setting_environment(char *const *envp, const char *name);

#endif
