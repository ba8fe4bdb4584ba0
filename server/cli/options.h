/* Command lines by table: a command lists its options once, parsing and --help follow from it. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_FLAG,  /* value: bool */
    OPTION_TEXT,  /* value: const char *, into argv */
    OPTION_COUNT, /* value: uint32_t, from least to most */
    OPTION_SEED,  /* value: uint64_t, up to 2^63 - 1 */
    OPTION_REAL,  /* value: double, from least to most */
    OPTION_FILE,  /* value: const char *; the argument may be left off at the end of the line and
                     before another option, and is "-" then */
};

struct option_row {
    const char *name; /* without the dashes */
    char letter;      /* short form, or 0 */
    enum option_kind kind;
    const char *argument; /* what help calls it; NULL for flags */
    const char *help;
    void *value; /* left alone if the option is not given */
    double least, most;
};

struct option_table {
    const char *command;  /* "predict" */
    const char *operands; /* "IMAGE" */
    const char *about;    /* one paragraph */
    const struct option_row *rows;
    size_t count;
};

/* Rows of a table; `value` must be a pointer of the right type.  Letters may be 0. */
#define ROW_FLAG(name, letter, help, value)                                                        \
    {                                                                                              \
        name, letter, OPTION_FLAG, NULL, help, (bool *){value}, 0, 0                               \
    }
#define ROW_TEXT(name, letter, argument, help, value)                                              \
    {                                                                                              \
        name, letter, OPTION_TEXT, argument, help, (const char **){value}, 0, 0                    \
    }
#define ROW_COUNT(name, letter, argument, help, value, least, most)                                \
    {                                                                                              \
        name, letter, OPTION_COUNT, argument, help, (uint32_t *){value}, least, most               \
    }
#define ROW_SEED(name, letter, argument, help, value)                                              \
    {                                                                                              \
        name, letter, OPTION_SEED, argument, help, (uint64_t *){value}, 0, 0                       \
    }
#define ROW_REAL(name, letter, argument, help, value, least, most)                                 \
    {                                                                                              \
        name, letter, OPTION_REAL, argument, help, (double *){value}, least, most                  \
    }
#define ROW_FILE(name, letter, argument, help, value)                                              \
    {                                                                                              \
        name, letter, OPTION_FILE, argument, help, (const char **){value}, 0, 0                    \
    }

enum { OPTIONS_GO_ON = -1, OPTIONS_MAX = 40 };

/* Fills the values of the options that are given; *first is then the index of the first operand
 * (operands are moved behind the options).  Returns OPTIONS_GO_ON, or the exit status: 0 after
 * --help, 2 after an error, which has been printed. */
int options_parse(const struct option_table *table, int argc, char **argv, int *first);

#endif
