/* An explanation in words and numbers. */
#include "cli/explain_text.h"

#include <stdio.h>

#include "cli/common.h"
#include "codec/probability.h"

enum { SHOWN_ANSWERS = 5, SHOWN_SEGMENTS = 8 };

static void print_answers(const struct model_dir *dir, const struct explained *explained)
{
    uint32_t top[SHOWN_ANSWERS];
    uint32_t n = explained->classes < SHOWN_ANSWERS ? explained->classes : SHOWN_ANSWERS;
    probability_top(explained->probabilities, explained->classes, n, top);
    for (uint32_t i = 0; i < n; i++) {
        char label[COMMON_LABEL_BYTES];
        common_label(dir, top[i], label);
        printf("%6.2f %%  %5u  %s\n", 100 * explained->probabilities[top[i]], top[i], label);
    }
}

static void print_weight(const struct placement *placement, const struct lm_weight *weight)
{
    const struct placement_box *box = &placement->boxes[weight->segment];
    printf("  %7u  %+8.4f  %7.4f  %5.1f %%  %u,%u,%u,%u\n", weight->segment, weight->weight,
           weight->standard_error, 100 * placement->areas[weight->segment], box->x, box->y,
           box->width, box->height);
}

static void print_label(const struct model_dir *dir, const struct explained *explained,
                        const struct lm_label_explanation *label)
{
    char name[COMMON_LABEL_BYTES];
    common_label(dir, label->label, name);
    printf("\n%s: the segments that matter, of %u (surrogate score %.3f)\n", name,
           explained->segments.count, label->score);
    printf("  segment    weight   stderr     area  box in the picture x,y,w,h\n");
    uint32_t shown = label->n_weights < SHOWN_SEGMENTS ? label->n_weights : SHOWN_SEGMENTS;
    for (uint32_t i = 0; i < shown; i++)
        print_weight(&explained->placement, &label->weights[i]);
}

static void print_run(const struct explain_arguments *arguments, const struct explained *explained)
{
    char masking[MASKING_NAME_BYTES];
    masking_name(&arguments->options.masking, masking);
    printf("\n%u %s samples in %.1f s (%.1f/s), %s masking, seed %llu; segments %.0f ms, "
           "fit %.0f ms\n",
           explained->forward_passes, explained->lime.samples.exact ? "exact" : "random",
           explained->forward_ms / 1000, 1000 * explained->forward_passes / explained->forward_ms,
           masking, (unsigned long long)arguments->options.lime.seed, explained->segment_ms,
           explained->fit_ms);
}

void explain_print(const struct explain_arguments *arguments, const struct model_dir *dir,
                   const struct explained *explained)
{
    size_t index;
    json_t *warning;
    print_answers(dir, explained);
    for (uint32_t i = 0; i < explained->lime.n_labels; i++)
        print_label(dir, explained, &explained->lime.labels[i]);
    print_run(arguments, explained);
    json_array_foreach(explained->warnings, index, warning)
        printf("note: %s\n", json_string_value(warning));
    if (arguments->output)
        printf("wrote %s\n", arguments->output);
    if (arguments->json)
        printf("wrote %s\n", arguments->json);
}
