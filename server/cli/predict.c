/* layermask predict: what the network says about a picture, perhaps with a part of it hidden. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/options.h"
#include "cli/predict_tensor.h"
#include "codec/answer.h"
#include "codec/policy.h"
#include "codec/probability.h"
#include "codec/region.h"
#include "codec/thread_pool.h"

struct arguments {
    const char *model, *hide, *keep, *masking, *policy, *precision, *input, *mask, *image;
    uint32_t top, threads;
    bool json, logits;
};

/* Everything of one prediction, freed together. */
struct work {
    struct masking masking;
    json_t *region; /* {"hide": ...}, {"keep": ...} or {} */
    struct model_dir dir;
    struct lm_model *model;
    struct picture_input input;
    struct lm_mask visible;
    struct pool *pool;
    struct runner *runner;
    struct prediction prediction;
    struct lm_segments segments; /* of a region given as segments */
};

static void work_free(struct work *work)
{
    prediction_free(&work->prediction);
    runner_free(work->runner);
    pool_free(work->pool);
    lm_mask_free(&work->visible);
    lm_segments_free(&work->segments);
    picture_input_free(&work->input);
    lm_model_free(work->model);
    model_dir_free(&work->dir);
    json_decref(work->region);
}

static int read_arguments(int argc, char **argv, struct arguments *arguments)
{
    const struct option_row rows[] = {
        ROW_TEXT("model", 'm', "DIR", "model folder, or an .onnx file", &arguments->model),
        ROW_TEXT("hide", 0, "REGION",
                 "hide this region: a PNG file of the picture's size, box:x,y,w,h,\n"
                 "or a region in JSON",
                 &arguments->hide),
        ROW_TEXT("keep", 0, "REGION", "hide everything else", &arguments->keep),
        ROW_TEXT("masking", 0, "M",
                 "layer (default), black, grey, mean, blur (sigma 10 pixels at 224),\n"
                 "or color:#rrggbb",
                 &arguments->masking),
        ROW_COUNT("top", 'k', "K", "how many answers (default 5)", &arguments->top, 1, 100000),
        ROW_FLAG("json", 0, "print what the HTTP API would answer", &arguments->json),
        ROW_FLAG("logits", 0, "with --json: all outputs of the network, too", &arguments->logits),
        ROW_TEXT("input", 0, "X.npy",
                 "instead of IMAGE: preprocessed tensor N,C,H,W;\n"
                 "prints {\"logits\": [[...], ...]}",
                 &arguments->input),
        ROW_TEXT("mask", 0, "M.npy", "with --input: mask N,1,H,W, 1 = visible", &arguments->mask),
        ROW_TEXT("policy", 0, "P",
                 "masking policy: default, authors-squeezenet, authors-densenet,\n"
                 "or concat=...,exposed=...,average_pool=...,global_pool=...",
                 &arguments->policy),
        ROW_PRECISION(&arguments->precision),
        ROW_COUNT("threads", 't', "T", "default: the machine's processors", &arguments->threads, 1,
                  POOL_MAX_THREADS),
    };
    const struct option_table table = {
        .command = "predict",
        .operands = "IMAGE",
        .about = "Prints the most probable labels of a JPEG or PNG picture.",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
    };
    int first = 0;
    int status = options_parse(&table, argc, argv, &first);
    if (status != OPTIONS_GO_ON)
        return status;
    if (argc - first > 1)
        return command_misuse("predict: one IMAGE, not %d", argc - first);
    arguments->image = first < argc ? argv[first] : NULL;
    return OPTIONS_GO_ON;
}

static int check_arguments(const struct arguments *arguments)
{
    if (!arguments->model)
        return command_misuse("predict: --model is missing");
    if (!arguments->image && !arguments->input)
        return command_misuse("predict: an IMAGE or --input is missing");
    if (arguments->image && arguments->input)
        return command_misuse("predict: IMAGE and --input exclude each other");
    if (arguments->hide && arguments->keep)
        return command_misuse("predict: --hide and --keep exclude each other");
    if (arguments->input && (arguments->hide || arguments->keep || arguments->masking))
        return command_misuse("predict: --input takes --mask, not --hide, --keep or --masking");
    if (arguments->mask && !arguments->input)
        return command_misuse("predict: --mask goes with --input");
    if (arguments->logits && !arguments->json)
        return command_misuse("predict: --logits goes with --json");
    return OPTIONS_GO_ON;
}

/* What can be read before the model: a mistake in it is one of usage. */
static int read_choices(const struct arguments *arguments, struct work *work)
{
    struct lm_error error = {0};
    struct lm_policy policy = {0};
    if (arguments->policy && policy_parse(arguments->policy, &policy, &error) != LM_OK)
        return command_misuse("predict: --%s", error.text);
    if (common_check_precision(arguments->precision, &error) != LM_OK)
        return command_misuse("predict: --%s", error.text);
    if (arguments->masking && masking_parse(arguments->masking, &work->masking, &error) != LM_OK)
        return command_misuse("predict: --%s", error.text);
    return OPTIONS_GO_ON;
}

static int read_region(const struct arguments *arguments, struct work *work)
{
    const char *text = arguments->hide ? arguments->hide : arguments->keep;
    const char *name = arguments->hide ? "hide" : "keep";
    struct lm_error error = {0};
    json_t *region = NULL;
    if (!text)
        return OPTIONS_GO_ON;
    enum lm_status status = region_from_argument(text, &region, &error);
    if (status == LM_INVALID)
        return command_misuse("predict: --%s: %s", name, error.text);
    if (status != LM_OK)
        return command_fail(&error);
    work->region = json_pack("{s:o}", name, region);
    return OPTIONS_GO_ON;
}

/* region_context.segments */
static enum lm_status segment_picture(void *context, json_t *segmentation,
                                      const struct lm_segments **out, struct codec_fault *fault,
                                      struct lm_error *error)
{
    struct work *work = context;
    struct segmentation chosen = {0};
    enum lm_status status = segmentation_from_json(segmentation, &chosen, fault, error);
    lm_segments_free(&work->segments);
    if (status == LM_OK)
        status = segmentation_run(&chosen, &work->input, &work->segments, NULL, error);
    segmentation_free(&chosen);
    if (status == LM_OK)
        *out = &work->segments;
    return status;
}

static enum lm_status read_visible(struct work *work, struct lm_error *error)
{
    struct region_budget budget = region_default_budget;
    struct codec_fault fault = {0};
    const struct region_context context = {.transform = &work->input.transform,
                                           .budget = &budget,
                                           .segments = segment_picture,
                                           .context = work};
    return region_parse_visible(work->region, &context, &work->visible, NULL, &fault, error);
}

static enum lm_status predict(const struct arguments *arguments, struct work *work,
                              struct lm_error *error)
{
    enum lm_status status = common_load_model(
        arguments->model, arguments->policy, arguments->precision, &work->dir, &work->model, error);
    if (status == LM_OK)
        status = common_read_picture(arguments->image, &work->dir, &work->input, error);
    if (status == LM_OK && work->region)
        status = read_visible(work, error);
    if (status == LM_OK)
        status = pool_create(arguments->threads, 0, &work->pool, error);
    if (status == LM_OK)
        status = runner_create(work->model, 1, work->pool, &work->runner, error);
    if (status != LM_OK)
        return status;
    const struct predictor_item item = {.input = &work->input,
                                        .visible = work->region ? &work->visible : NULL,
                                        .masking = work->masking};
    return predictor_run(&work->dir, work->model, work->runner, &item, &work->prediction, error);
}

static enum lm_status print_json(const struct arguments *arguments, const struct work *work,
                                 struct lm_error *error)
{
    json_t *item = NULL, *envelope = NULL;
    enum lm_status status =
        answer_prediction(&work->dir, &work->input, &work->prediction, &work->masking,
                          arguments->top, arguments->logits, &item, error);
    if (status == LM_OK)
        status = answer_envelope(&work->dir, "predictions", item, &envelope, error);
    if (status == LM_OK)
        status = common_write_json("-", envelope, ANSWER_FLOAT_FLAGS, error);
    json_decref(envelope);
    return status;
}

static enum lm_status print_text(const struct arguments *arguments, const struct work *work,
                                 struct lm_error *error)
{
    const struct prediction *prediction = &work->prediction;
    uint32_t n = arguments->top < prediction->classes ? arguments->top : prediction->classes;
    uint32_t *top = calloc(n, sizeof *top);
    if (!top)
        return lm_fail(error, LM_NOMEM, "out of memory for %u answers", n);
    probability_top(prediction->probabilities, prediction->classes, n, top);
    for (uint32_t i = 0; i < n; i++) {
        char label[COMMON_LABEL_BYTES];
        common_label(&work->dir, top[i], label);
        printf("%6.2f %%  %5u  %s\n", 100 * prediction->probabilities[top[i]], top[i], label);
    }
    free(top);
    char masking[MASKING_NAME_BYTES];
    masking_name(&work->masking, masking);
    if (work->region)
        printf("visible: %.1f %% of the network's input, masking %s\n",
               100 * prediction->visible_fraction, masking);
    return LM_OK;
}

int command_predict(int argc, char **argv)
{
    struct arguments arguments = {.top = 5, .threads = common_default_threads()};
    struct work work = {0};
    struct lm_error error = {0};
    int status = read_arguments(argc, argv, &arguments);
    if (status == OPTIONS_GO_ON)
        status = check_arguments(&arguments);
    if (status == OPTIONS_GO_ON)
        status = read_choices(&arguments, &work);
    if (status == OPTIONS_GO_ON && arguments.input)
        status = predict_tensor(arguments.model, arguments.policy, arguments.precision,
                                arguments.input, arguments.mask, arguments.threads);
    if (status == OPTIONS_GO_ON)
        status = read_region(&arguments, &work);
    if (status == OPTIONS_GO_ON) {
        bool done = predict(&arguments, &work, &error) == LM_OK &&
                    (arguments.json ? print_json : print_text)(&arguments, &work, &error) == LM_OK;
        status = done ? COMMAND_DONE : command_fail(&error);
    }
    work_free(&work);
    return status;
}
