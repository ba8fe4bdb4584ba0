/* The commands of `layermask`, and how they end. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "layermask/status.h"

enum { COMMAND_DONE = 0, COMMAND_FAILED = 1, COMMAND_USAGE = 2 };

/* Each takes the arguments from its own name on and returns the exit status. */
int command_predict(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_bench(int argc, char **argv);

/* Prints "layermask: <text>" on standard error, one line; returns COMMAND_FAILED. */
int command_fail(const struct lm_error *error);

/* The same for what was asked for in a way that cannot be meant; returns COMMAND_USAGE. */
__attribute__((format(printf, 1, 2))) int command_misuse(const char *format, ...);

/* The same for something that the user should know and that stops nothing. */
__attribute__((format(printf, 1, 2))) void command_note(const char *format, ...);

#endif
