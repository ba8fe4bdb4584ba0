/* The options for people (--help) and as a file (--print-config). */
#include "config/setting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 100 };

static void left_column(const struct setting *setting, char *out, size_t size)
{
    char flag[SETTING_NAME_BYTES];
    setting_flag(setting, flag);
    snprintf(out, size, "%s%s%s", flag, setting->argument ? " " : "",
             setting->argument ? setting->argument : "");
}

/* What the option is, and in brackets its default and range. */
static void right_column(const struct setting *setting, char *out, size_t size)
{
    char least[SETTING_SHOWN], most[SETTING_SHOWN];
    bool number = false;
    switch (setting->type) {
    case SETTING_U32:
    case SETTING_U64:
    case SETTING_BYTES:
    case SETTING_DURATION: number = true; break;
    case SETTING_BOOL:
    case SETTING_STRING:
    case SETTING_LIST:
    case SETTING_ADDRESS: break;
    }
    setting_show_number(setting->type, setting->least, least);
    setting_show_number(setting->type, setting->most, most);
    if (number)
        snprintf(out, size, "%s (%s; %s to %s)", setting->help, setting->standard, least, most);
    else if (*setting->standard)
        snprintf(out, size, "%s (%s)", setting->help, setting->standard);
    else
        snprintf(out, size, "%s", setting->help);
}

/* Writes words from column `start` on, in lines of at most COLUMNS. */
static void put_wrapped(FILE *out, const char *text, int start)
{
    int column = start;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (column > start && column + 1 + length > COLUMNS) {
            fprintf(out, "\n%*s", start, "");
            column = start;
        }
        column += fprintf(out, "%s%.*s", column > start ? " " : "", length, text);
        text += length + (text[length] == ' ');
    }
    fputc('\n', out);
}

static void put_row(FILE *out, const char *left, const char *right, int width)
{
    fprintf(out, "  %-*s  ", width, left);
    put_wrapped(out, right, width + 4);
}

static int widest(const struct setting *table, size_t count)
{
    char left[128];
    size_t width = 0;
    for (size_t i = 0; i < count; i++) {
        left_column(&table[i], left, sizeof left);
        width = strlen(left) > width ? strlen(left) : width;
    }
    return (int)width;
}

void settings_help(FILE *out)
{
    size_t count;
    const struct setting *table = setting_table(&count);
    int width = widest(table, count);
    fputs(
        "usage: layermaskd [OPTIONS]\n\n"
        "Classifies pictures over HTTP, with parts of them hidden if asked, and explains what it\n"
        "sees in them.  Without options: the built-in model on http://127.0.0.1:8080\n\n",
        out);
    put_row(out, "--config FILE", "JSON file of options: {\"max_pixels\": 1000000, ...}", width);
    put_row(out, "--print-config", "print all options as such a file, and exit", width);
    put_row(out, "--probe", "ask the daemon that runs with these options for its health, and exit",
            width);
    put_row(out, "--version", "print the version, and exit", width);
    put_row(out, "-h, --help", "this text", width);
    for (size_t i = 0; i < count; i++) {
        char left[128], right[512];
        if (i == 0 || strcmp(table[i].section, table[i - 1].section) != 0)
            fprintf(out, "\n%s\n", table[i].section);
        left_column(&table[i], left, sizeof left);
        right_column(&table[i], right, sizeof right);
        put_row(out, left, right, width);
    }
    fputs("\nIn brackets: the default, and what is allowed.  An option --max-pixels is max_pixels\n"
          "in the file and LAYERMASK_MAX_PIXELS in the environment.  Flags go before the\n"
          "environment, the environment before the file.  Switches are turned off with =false.\n",
          out);
}

/* In two passes, since json_dumps leaves out what it has no memory for. */
static char *text_of(const json_t *root)
{
    const size_t flags = JSON_INDENT(4), size = json_dumpb(root, NULL, 0, flags);
    char *text = size ? malloc(size + 1) : NULL;
    if (!text || json_dumpb(root, text, size, flags) != size) {
        free(text);
        return NULL;
    }
    text[size] = '\0';
    return text;
}

enum lm_status settings_print(const struct settings *settings, FILE *out, struct lm_error *error)
{
    size_t count;
    const struct setting *table = setting_table(&count);
    json_t *root = json_object();
    bool built = root != NULL;
    for (size_t i = 0; i < count && built; i++)
        built =
            json_object_set_new(root, table[i].name, setting_get_json(&table[i], settings)) == 0;
    char *text = built ? text_of(root) : NULL;
    json_decref(root);
    if (!text)
        return lm_fail(error, LM_NOMEM, "configuration: out of memory");
    bool written = fprintf(out, "%s\n", text) > 0 && fflush(out) == 0;
    int reason = errno;
    free(text);
    return written ? LM_OK : lm_fail(error, LM_IO, "configuration: %s", strerror(reason));
}
