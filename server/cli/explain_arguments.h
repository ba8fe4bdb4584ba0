/* The command line of `layermask explain`. */
#ifndef CLI_EXPLAIN_ARGUMENTS_H
#define CLI_EXPLAIN_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/options.h"
#include "codec/explainer.h"
#include "layermask/render.h"
#include "layermask/status.h"

struct explain_arguments {
    const char *model, *image, *policy, *precision, *labels, *json, *output;
    uint32_t threads, batch, top_labels;
    unsigned include; /* ANSWER_... flags */
    struct explainer_options options;
    struct lm_render_options render;
};

/* Returns OPTIONS_GO_ON or the exit status.  options.segmentation is to be freed in any case. */
int explain_arguments_read(int argc, char **argv, struct explain_arguments *out);

/* Is standard output taken by JSON or a drawing? */
bool explain_uses_stdout(const struct explain_arguments *arguments);

#endif
