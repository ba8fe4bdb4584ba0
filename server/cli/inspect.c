/* layermask inspect: what a model is made of, or why it cannot be run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/options.h"
#include "codec/policy.h"
#include "codec/precision.h"

static int read_arguments(int argc, char **argv, const char **model, const char **precision)
{
    const struct option_row rows[] = {
        ROW_TEXT("model", 'm', "DIR", "model folder, or an .onnx file", model),
        ROW_PRECISION(precision),
    };
    const struct option_table table = {
        .command = "inspect",
        .operands = "",
        .about = "Prints the layers of a model, their shapes and cost, its operators and masking\n"
                 "policy.  Of a model that cannot be run: every reason why.",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
    };
    int first = 0;
    int status = options_parse(&table, argc, argv, &first);
    if (status != OPTIONS_GO_ON)
        return status;
    if (argc > first)
        return command_misuse("inspect: takes no operands, not %.60s", argv[first]);
    struct lm_error error = {0};
    if (common_check_precision(*precision, &error) != LM_OK)
        return command_misuse("inspect: --%s", error.text);
    return *model ? OPTIONS_GO_ON : command_misuse("inspect: --model is missing");
}

static void print_input(const struct model_dir *dir, const struct lm_model_info *info)
{
    const struct lm_preprocess *input = &dir->about.preprocess;
    printf("%s  version %s  opset %lld\n", dir->name, dir->version, (long long)info->opset);
    printf("input    %u x %u x %u (channels x height x width), %s, ", info->channels, info->height,
           info->width, input->channels == LM_RGB ? "RGB" : "BGR");
    if (input->resize_shorter)
        printf("shorter side %u, %s\n", input->resize_shorter,
               input->center_crop ? "centre crop" : "no crop");
    else
        printf("stretched\n");
    printf("         mean %g %g %g, std %g %g %g%s\n", (double)input->mean[0],
           (double)input->mean[1], (double)input->mean[2], (double)input->std[0],
           (double)input->std[1], (double)input->std[2],
           dir->assumed ? " (assumed: there is no model.json)" : "");
}

static void print_output(const struct model_dir *dir, const struct lm_model_info *info)
{
    char policy[POLICY_TEXT_BYTES];
    policy_to_text(&info->policy, policy);
    printf("output   %u %s, %s\n", info->classes,
           dir->about.probabilities ? "probabilities" : "logits",
           dir->labels ? "with labels" : "without labels");
    printf("masking  %s\n", policy);
    printf("computes %s with the kernels for %s\n", precision_name(info->precision), info->kernels);
}

static int text_width(const char *text, int least)
{
    int length = (int)strlen(text);
    return length > least ? length : least;
}

static void print_layers(const struct lm_model *model, uint32_t layers)
{
    int name_width = 4, kind_width = 4, shape_width = 5;
    struct lm_layer_info layer;
    for (uint32_t i = 0; i < layers; i++) {
        lm_model_layer(model, i, &layer);
        name_width = text_width(layer.name, name_width);
        kind_width = text_width(layer.kind, kind_width);
        shape_width = text_width(layer.shape, shape_width);
    }
    name_width = name_width > 40 ? 40 : name_width;
    printf("\n%4s  %-*s  %-*s  %*s  %12s  %10s  %s\n", "", name_width, "name", kind_width, "kind",
           shape_width, "shape", "MACs", "parameters", "detail");
    for (uint32_t i = 0; i < layers; i++) {
        lm_model_layer(model, i, &layer);
        printf("%4u  %-*.40s  %-*s  %*s  %12llu  %10llu  %s\n", i, name_width, layer.name,
               kind_width, layer.kind, shape_width, layer.shape, (unsigned long long)layer.macs,
               (unsigned long long)layer.parameters, layer.detail);
    }
}

static void print_operators(const struct lm_model *model)
{
    const char *name;
    uint32_t count;
    printf("\noperators");
    for (uint32_t i = 0; lm_model_operator(model, i, &name, &count); i++)
        printf("%s %u %s", i ? "," : "", count, name);
    printf("\n");
}

static void print_totals(const struct lm_model_info *info)
{
    printf("total    %u layers, %llu parameters (%.1f MB), %llu MACs (%.3f G) a picture\n",
           info->layers, (unsigned long long)info->parameters, (double)info->weight_bytes / 1e6,
           (unsigned long long)info->macs, (double)info->macs / 1e9);
}

/* Lists everything that keeps a model from being run, on standard output; the error itself names
 * the first. */
static void print_reasons(const char *path)
{
    struct model_dir dir = {0};
    char *lines = NULL;
    if (model_dir_read(path, &dir, NULL) != LM_OK)
        return;
    if (model_dir_check(&dir, &lines, NULL) == LM_OK)
        printf("%s%s", lines, *lines && !(lines[strlen(lines) - 1] == '\n') ? "\n" : "");
    free(lines);
    model_dir_free(&dir);
}

int command_inspect(int argc, char **argv)
{
    const char *path = NULL, *precision = NULL;
    struct model_dir dir = {0};
    struct lm_model *model = NULL;
    struct lm_error error = {0};
    int usage = read_arguments(argc, argv, &path, &precision);
    if (usage != OPTIONS_GO_ON)
        return usage;
    enum lm_status status = common_load_model(path, NULL, precision, &dir, &model, &error);
    if (status != LM_OK) {
        if (status == LM_UNSUPPORTED)
            print_reasons(path);
        return command_fail(&error);
    }
    struct lm_model_info info;
    lm_model_info(model, &info);
    print_input(&dir, &info);
    print_output(&dir, &info);
    print_layers(model, info.layers);
    print_operators(model);
    print_totals(&info);
    lm_model_free(model);
    model_dir_free(&dir);
    return COMMAND_DONE;
}
