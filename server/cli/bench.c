/* layermask bench: how fast a model runs on masked pictures, beside what the machine can do. */
#include <stdio.h>

#include "cli/bench_report.h"
#include "cli/bench_run.h"
#include "cli/command.h"
#include "cli/common.h"
#include "cli/options.h"
#include "codec/policy.h"
#include "codec/segmentation.h"

struct arguments {
    const char *model, *policy, *precision, *segments;
    struct bench_options run;
    bool json, layers;
};

static int read_arguments(int argc, char **argv, struct arguments *arguments)
{
    struct bench_options *run = &arguments->run;
    const struct option_row rows[] = {
        ROW_TEXT("model", 'm', "DIR", "model folder, or an .onnx file", &arguments->model),
        ROW_COUNT("samples", 'n', "N", "how many masked pictures (default 200)", &run->samples, 1,
                  1000000),
        ROW_COUNT("batch", 0, "B",
                  "pictures that run together on one thread (default 2 to 4, by the network);\n"
                  "1: one at a time, on all threads, as predict does",
                  &run->batch, 1, BATCHES_MAX_SIZE),
        ROW_COUNT("threads", 't', "T", "default: the machine's processors", &run->threads, 1,
                  POOL_MAX_THREADS),
        ROW_REAL("hidden", 0, "F", "share of the segments that are hidden (default 0.5)",
                 &run->hidden, 0, 1),
        ROW_TEXT("segments", 0, "S", "grid:PIXELS, grid:ROWSxCOLUMNS or slic:N (default grid:16)",
                 &arguments->segments),
        ROW_SEED("seed", 0, "S", "of the masks (default 0)", &run->seed),
        ROW_FLAG("plain", 0, "no masks: ordinary inference", &run->plain),
        ROW_FLAG("layers", 0, "each layer's work and time against this machine's ceilings, too",
                 &arguments->layers),
        ROW_TEXT("policy", 0, "P",
                 "masking policy: default, authors-squeezenet, authors-densenet,\n"
                 "or concat=...,exposed=...,average_pool=...,global_pool=...",
                 &arguments->policy),
        ROW_PRECISION(&arguments->precision),
        ROW_FLAG("json", 0, "print JSON", &arguments->json),
    };
    const struct option_table table = {
        .command = "bench",
        .operands = "",
        .about = "Runs a model on a synthetic picture under random masks and prints the speed.",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
    };
    int first = 0;
    int status = options_parse(&table, argc, argv, &first);
    if (status != OPTIONS_GO_ON)
        return status;
    if (argc > first)
        return command_misuse("bench: takes no operands, not %.60s", argv[first]);
    return arguments->model ? OPTIONS_GO_ON : command_misuse("bench: --model is missing");
}

static int read_choices(struct arguments *arguments)
{
    struct lm_error error = {0};
    struct lm_policy policy = {0};
    if (arguments->policy && policy_parse(arguments->policy, &policy, &error) != LM_OK)
        return command_misuse("bench: --%s", error.text);
    if (common_check_precision(arguments->precision, &error) != LM_OK)
        return command_misuse("bench: --%s", error.text);
    if (segmentation_parse(arguments->segments, &arguments->run.segmentation, &error) != LM_OK)
        return command_misuse("bench: %s", error.text);
    if (arguments->run.segmentation.custom)
        return command_misuse("bench: --segments custom: has no picture to go with");
    arguments->run.profile = arguments->layers;
    return OPTIONS_GO_ON;
}

static enum lm_status bench(struct arguments *arguments, struct lm_error *error)
{
    struct model_dir dir = {0};
    struct lm_model *model = NULL;
    struct bench_result result = {0};
    enum lm_status status = common_load_model(arguments->model, arguments->policy,
                                              arguments->precision, &dir, &model, error);
    if (status == LM_OK && !arguments->run.batch)
        arguments->run.batch = batches_default_size(model);
    if (status == LM_OK)
        status = bench_run(&dir, model, &arguments->run, &result, error);
    if (status == LM_OK && arguments->json)
        status = bench_print_json(&dir, model, &arguments->run, &result, error);
    else if (status == LM_OK)
        bench_print_text(&dir, model, &arguments->run, &result);
    bench_result_free(&result);
    lm_model_free(model);
    model_dir_free(&dir);
    return status;
}

int command_bench(int argc, char **argv)
{
    struct arguments arguments = {
        .segments = "grid:16",
        .run = {.samples = 200, .threads = common_default_threads(), .hidden = 0.5},
    };
    struct lm_error error = {0};
    int status = read_arguments(argc, argv, &arguments);
    if (status == OPTIONS_GO_ON)
        status = read_choices(&arguments);
    if (status == OPTIONS_GO_ON)
        status = bench(&arguments, &error) == LM_OK ? COMMAND_DONE : command_fail(&error);
    segmentation_free(&arguments.run.segmentation);
    return status;
}
