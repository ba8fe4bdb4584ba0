/* Warnings of a LIME explanation: one sentence each, with the numbers that gave rise to it. */
#include "explain/lime_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* A score below this, or fewer samples for each segment, is worth a word. */
static const double low_score = 0.2;
enum { FEW_SAMPLES = 4, WARNING_BYTES = 300 };

struct warning_list {
    struct lm_explanation *explanation;
    const struct lm_samples *samples;
    size_t capacity;
    bool failed; /* out of memory */
};

__attribute__((format(printf, 2, 3))) static void append(struct warning_list *list,
                                                         const char *format, ...)
{
    struct lm_explanation *e = list->explanation;
    char *text = malloc(WARNING_BYTES);
    void *grown = e->warnings;
    if (!text || !array_grow(&grown, &list->capacity, (size_t)e->n_warnings + 1, sizeof text)) {
        free(text);
        list->failed = true;
        return;
    }
    e->warnings = grown;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, WARNING_BYTES, format, arguments);
    va_end(arguments);
    e->warnings[e->n_warnings++] = text;
}

static void look_at_design(struct warning_list *list, const struct lime_facts *facts)
{
    const struct lm_samples *samples = list->samples;
    if (samples->segments < 2)
        append(list,
               "There is only %" PRIu32 " segment, so its weight has nothing to be compared with.",
               samples->segments);
    if (!samples->exact && samples->count < (uint64_t)FEW_SAMPLES * samples->segments)
        append(list,
               "%" PRIu32 " samples are fewer than %d for each of the %" PRIu32 " segments, so the "
               "weights may change much with the seed.",
               samples->count, FEW_SAMPLES, samples->segments);
    if (samples->segments > 1 && samples->count > 1 && facts->effective_samples < 2)
        append(list,
               "With kernel width %g the %" PRIu32 " samples together count for only %.1f of equal "
               "weight, so the weights are shrunk towards 0 and the score means little.",
               facts->kernel_width, samples->count, facts->effective_samples);
    if (facts->no_freedom)
        append(list,
               "A fit of %" PRIu32
               " weights leaves no degrees of freedom, so their standard errors "
               "are unknown and given as 0 (number of samples: %" PRIu32 ").",
               list->explanation->labels[0].n_weights, samples->count);
}

static bool is_constant(const struct warning_list *list, uint32_t column)
{
    const struct lm_explanation *e = list->explanation;
    for (size_t i = 1; i < list->samples->count; i++)
        if (e->outputs[i * e->n_labels + column] != e->outputs[column])
            return false;
    return true;
}

static void look_at_label(struct warning_list *list, uint32_t index)
{
    const struct lm_label_explanation *label = &list->explanation->labels[index];
    if (is_constant(list, index))
        append(list,
               "Label %" PRIu32 ": the output is %g in all %" PRIu32 " samples, so hiding segments "
               "changes nothing and every weight is 0.",
               label->label, label->output, list->samples->count);
    else if (label->score < low_score)
        append(list,
               "Label %" PRIu32 ": the score is %.3f, below %g, so a sum of segment weights hardly "
               "describes what the network does.",
               label->label, label->score, low_score);
}

enum lm_status lime_warnings_add(struct lm_explanation *explanation,
                                 const struct lm_samples *samples, const struct lime_facts *facts,
                                 struct lm_error *error)
{
    struct warning_list list = {.explanation = explanation, .samples = samples};
    look_at_design(&list, facts);
    for (uint32_t i = 0; i < explanation->n_labels; i++)
        look_at_label(&list, i);
    if (list.failed)
        return lm_fail(error, LM_NOMEM, "out of memory for the warnings");
    return LM_OK;
}
