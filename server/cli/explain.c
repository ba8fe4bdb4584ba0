/* layermask explain: which parts of a picture made the answer. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/explain_arguments.h"
#include "cli/explain_text.h"
#include "cli/progress.h"
#include "codec/answer.h"
#include "codec/drawing.h"
#include "codec/file.h"
#include "codec/label_choice.h"

/* Everything of one explanation, freed together. */
struct work {
    struct model_dir dir;
    struct lm_model *model;
    struct picture_input input;
    struct batches *batches;
    struct explained explained;
    struct label_choice labels; /* asked for by --labels */
};

static void work_free(struct work *work)
{
    explained_free(&work->explained);
    batches_free(work->batches);
    picture_input_free(&work->input);
    lm_model_free(work->model);
    model_dir_free(&work->dir);
}

static enum lm_status prepare(struct explain_arguments *arguments, struct work *work,
                              struct lm_error *error)
{
    struct explainer_options *options = &arguments->options;
    struct lm_model_info info;
    enum lm_status status = common_load_model(
        arguments->model, arguments->policy, arguments->precision, &work->dir, &work->model, error);
    if (status != LM_OK)
        return status;
    lm_model_info(work->model, &info);
    options->n_labels = arguments->top_labels < info.classes ? arguments->top_labels : info.classes;
    if (arguments->labels) {
        status = label_choice_parse(arguments->labels, work->dir.labels, info.classes,
                                    &work->labels, error);
        options->labels = work->labels.indices;
        options->n_labels = work->labels.n;
    }
    if (status == LM_OK)
        status = common_read_picture(arguments->image, &work->dir, &work->input, error);
    if (!arguments->batch)
        arguments->batch = batches_default_size(work->model);
    if (status == LM_OK)
        status = batches_create(work->model, arguments->batch, arguments->threads, &work->batches,
                                error);
    return status;
}

static enum lm_status run(struct explain_arguments *arguments, struct work *work,
                          struct lm_error *error)
{
    struct progress progress;
    progress_begin(&progress);
    arguments->options.progress = progress_update;
    arguments->options.progress_context = &progress;
    enum lm_status status = explainer_run(&work->dir, work->model, work->batches, &work->input,
                                          &arguments->options, &work->explained, error);
    progress_end(&progress);
    return status;
}

static enum lm_status write_json(const struct explain_arguments *arguments, const struct work *work,
                                 struct lm_error *error)
{
    json_t *item = NULL, *envelope = NULL;
    enum lm_status status =
        answer_explanation(&work->dir, &work->input, &arguments->options, &work->explained,
                           arguments->include, &arguments->render, &item, error);
    if (status == LM_OK)
        status = answer_envelope(&work->dir, "explanations", item, &envelope, error);
    if (status == LM_OK)
        status = common_write_json(arguments->json, envelope, ANSWER_DOUBLE_FLAGS, error);
    json_decref(envelope);
    return status;
}

static enum lm_status write_drawing(const struct explain_arguments *arguments,
                                    const struct work *work, struct lm_error *error)
{
    uint8_t *png = NULL;
    size_t size = 0;
    enum lm_status status = drawing_png(&work->dir, &work->input, &work->explained, 0,
                                        &arguments->render, &png, &size, error);
    if (status == LM_OK)
        status = file_write(arguments->output, png, size, error);
    free(png);
    return status;
}

/* Files first, so that what is said to be written is. */
static enum lm_status report(const struct explain_arguments *arguments, const struct work *work,
                             struct lm_error *error)
{
    enum lm_status status = LM_OK;
    if (arguments->output)
        status = write_drawing(arguments, work, error);
    if (status == LM_OK && arguments->json)
        status = write_json(arguments, work, error);
    if (status == LM_OK && !explain_uses_stdout(arguments))
        explain_print(arguments, &work->dir, &work->explained);
    return status;
}

int command_explain(int argc, char **argv)
{
    struct explain_arguments arguments;
    int status = explain_arguments_read(argc, argv, &arguments);
    if (status == OPTIONS_GO_ON) {
        struct work work = {0};
        struct lm_error error = {0};
        bool done = prepare(&arguments, &work, &error) == LM_OK &&
                    run(&arguments, &work, &error) == LM_OK &&
                    report(&arguments, &work, &error) == LM_OK;
        status = done ? COMMAND_DONE : command_fail(&error);
        work_free(&work);
    }
    segmentation_free(&arguments.options.segmentation);
    return status;
}
