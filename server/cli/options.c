/* Command lines by table, on top of getopt_long: it knows abbreviations, "--name=value" and "--";
 * ours are the types, the limits and the texts. */
#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

enum { FIRST_LONG = 256 }; /* getopt's value of row i is FIRST_LONG + i: never a character */

/* ---- help ---- */

static void print_left(const struct option_row *row, char *out, size_t size)
{
    char letter[8] = "    ";
    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(out, size, "%s--%s%s%s", letter, row->name, row->argument ? " " : "",
             row->argument ? row->argument : "");
}

static void print_help(const struct option_table *table)
{
    char left[80];
    int width = 0;
    for (size_t i = 0; i < table->count; i++) {
        print_left(&table->rows[i], left, sizeof left);
        int length = (int)strlen(left);
        width = length > width ? length : width;
    }
    printf("usage: layermask %s%s%s [OPTIONS]\n\n%s\n\n", table->command,
           *table->operands ? " " : "", table->operands, table->about);
    for (size_t i = 0; i < table->count; i++) {
        print_left(&table->rows[i], left, sizeof left);
        printf("  %-*s  ", width, left);
        for (const char *c = table->rows[i].help; *c; c++) {
            putchar(*c);
            if (*c == '\n')
                printf("%*s", width + 4, "");
        }
        putchar('\n');
    }
    printf("  %-*s  this text\n", width, "-h, --help");
}

/* ---- values ---- */

static int refuse_value(const struct option_table *table, const struct option_row *row,
                        const char *text, const char *what)
{
    return command_misuse("%s: --%s %.60s: must be %s from %.10g to %.10g", table->command,
                          row->name, text, what, row->least, row->most);
}

/* Decimal digits only, the whole text. */
static bool read_whole(const char *text, uint64_t most, uint64_t *out)
{
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno || value > most)
        return false;
    *out = value;
    return true;
}

static int set_count(const struct option_table *table, const struct option_row *row,
                     const char *text)
{
    uint64_t value;
    if (!read_whole(text, (uint64_t)row->most, &value) || value < (uint64_t)row->least)
        return refuse_value(table, row, text, "a whole number");
    *(uint32_t *)row->value = (uint32_t)value;
    return OPTIONS_GO_ON;
}

static int set_seed(const struct option_table *table, const struct option_row *row,
                    const char *text)
{
    uint64_t value;
    if (!read_whole(text, INT64_MAX, &value))
        return command_misuse("%s: --%s %.60s: must be a whole number from 0 to 2^63 - 1",
                              table->command, row->name, text);
    *(uint64_t *)row->value = value;
    return OPTIONS_GO_ON;
}

static int set_real(const struct option_table *table, const struct option_row *row,
                    const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= row->least && value <= row->most))
        return refuse_value(table, row, text, "a number");
    *(double *)row->value = value;
    return OPTIONS_GO_ON;
}

/* The argument of an OPTION_FILE may come as the next word; an option is none. */
static const char *next_word(int argc, char **argv)
{
    if (optind >= argc || (argv[optind][0] == '-' && argv[optind][1]))
        return "-";
    return argv[optind++];
}

static int set_value(const struct option_table *table, const struct option_row *row,
                     const char *text, int argc, char **argv)
{
    switch (row->kind) {
    case OPTION_FLAG: *(bool *)row->value = true; break;
    case OPTION_TEXT: *(const char **)row->value = text; break;
    case OPTION_COUNT: return set_count(table, row, text);
    case OPTION_SEED: return set_seed(table, row, text);
    case OPTION_REAL: return set_real(table, row, text);
    case OPTION_FILE: *(const char **)row->value = text ? text : next_word(argc, argv); break;
    }
    return OPTIONS_GO_ON;
}

/* ---- parsing ---- */

/* getopt's view of the table: long options, and the short ones as "o:h". */
struct getopt_view {
    struct option names[OPTIONS_MAX + 2];
    char letters[3 * OPTIONS_MAX + 4];
};

static void make_view(const struct option_table *table, struct getopt_view *view)
{
    static const int argument_of[] = {
        [OPTION_FLAG] = no_argument,        [OPTION_TEXT] = required_argument,
        [OPTION_COUNT] = required_argument, [OPTION_SEED] = required_argument,
        [OPTION_REAL] = required_argument,  [OPTION_FILE] = optional_argument};
    assert(table->count <= OPTIONS_MAX);
    size_t used = 0;
    view->letters[used++] = ':'; /* tell a missing argument from an unknown option */
    view->letters[used++] = 'h';
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        view->names[i] =
            (struct option){row->name, argument_of[row->kind], NULL, FIRST_LONG + (int)i};
        if (!row->letter)
            continue;
        view->letters[used++] = row->letter;
        if (row->kind != OPTION_FLAG)
            view->letters[used++] = ':';
    }
    view->letters[used] = '\0';
    view->names[table->count] = (struct option){"help", no_argument, NULL, 'h'};
    view->names[table->count + 1] = (struct option){0};
}

static const struct option_row *find_row(const struct option_table *table, int found)
{
    if (found >= FIRST_LONG)
        return &table->rows[found - FIRST_LONG];
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].letter == found)
            return &table->rows[i];
    return NULL;
}

/* The word of the command line that getopt stumbled over. */
static int refuse_word(const struct option_table *table, int found, char **argv)
{
    const char *problem = found == ':' ? "needs an argument" : "is no option, or not a clear one";
    if (optopt > 0 && optopt < FIRST_LONG)
        return command_misuse("%s: -%c %s; see layermask %s --help", table->command, optopt,
                              problem, table->command);
    return command_misuse("%s: %.60s %s; see layermask %s --help", table->command, argv[optind - 1],
                          problem, table->command);
}

int options_parse(const struct option_table *table, int argc, char **argv, int *first)
{
    struct getopt_view view;
    make_view(table, &view);
    opterr = 0;
    optind = 1;
    int found;
    while ((found = getopt_long(argc, argv, view.letters, view.names, NULL)) != -1) {
        if (found == 'h') {
            print_help(table);
            return COMMAND_DONE;
        }
        const struct option_row *row = find_row(table, found);
        if (!row)
            return refuse_word(table, found, argv);
        int status = set_value(table, row, optarg, argc, argv);
        if (status != OPTIONS_GO_ON)
            return status;
    }
    *first = optind;
    return OPTIONS_GO_ON;
}
