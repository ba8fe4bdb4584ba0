/* An explanation in words and numbers, for people. */
#ifndef CLI_EXPLAIN_TEXT_H
#define CLI_EXPLAIN_TEXT_H

#include "cli/explain_arguments.h"

/* Prints the most probable answers, the segments that matter, and what to be careful about. */
void explain_print(const struct explain_arguments *arguments, const struct model_dir *dir,
                   const struct explained *explained);

#endif
