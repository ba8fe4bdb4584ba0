/* The command line of `layermask explain`. */
#include "cli/explain_arguments.h"

#include <string.h>

#include "cli/command.h"
#include "cli/common.h"
#include "codec/answer.h"
#include "codec/drawing.h"
#include "codec/policy.h"

/* Options that are words, before they are understood. */
struct words {
    const char *method, *segmentation, *masking, *include, *render, *colormap;
};

static int read_options(int argc, char **argv, struct explain_arguments *out, struct words *words)
{
    struct lm_lime_options *lime = &out->options.lime;
    const struct option_row rows[] = {
        ROW_TEXT("model", 'm', "DIR", "model folder, or an .onnx file", &out->model),
        ROW_TEXT("output", 'o', "FILE.png", "draw the explanation on the picture", &out->output),
        ROW_FILE("json", 0, "FILE",
                 "write what the HTTP API would answer; - is standard output\n"
                 "(labels_rle: the segment of each pixel of the network's input, rows\n"
                 "from the top, as [segment, run, segment, run, ...])",
                 &out->json),
        ROW_TEXT("include", 0, "LIST",
                 "more in the JSON: segments, heatmap, overlay, samples, timing", &words->include),
        ROW_TEXT("method", 0, "M", "lime (the only one)", &words->method),
        ROW_TEXT("segmentation", 0, "S",
                 "slic:N (about N segments; default slic:50), grid:ROWSxCOLUMNS,\n"
                 "grid:PIXELS (cells of that side), custom:FILE.png (a grey or a\n"
                 "colour for each segment, of the picture's size)",
                 &words->segmentation),
        ROW_TEXT("masking", 0, "M",
                 "layer (default), black, grey, mean, blur (sigma 10 pixels at 224),\n"
                 "or color:#rrggbb",
                 &words->masking),
        ROW_COUNT("samples", 'n', "N", "how many masked pictures (default 1000)", &lime->samples, 2,
                  EXPLAINER_MAX_SAMPLES),
        ROW_SEED("seed", 0, "S", "of the samples (default 0)", &lime->seed),
        ROW_REAL("keep", 0, "P", "share of segments that stay visible (default 0.5)", &lime->keep,
                 0.01, 0.99),
        ROW_REAL("kernel-width", 0, "W", "of the weights of samples (default 0.25)",
                 &lime->kernel_width, 1e-3, 1e3),
        ROW_REAL("alpha-ridge", 0, "A", "penalty of the ridge regression (default 1)", &lime->alpha,
                 1e-9, 1e9),
        ROW_COUNT("num-features", 0, "N", "only the N strongest segments, refitted (default all)",
                  &lime->num_features, 1, SEGMENTATION_MAX_SEGMENTS),
        ROW_TEXT("labels", 0, "LIST", "explain these: indices or names, by comma", &out->labels),
        ROW_COUNT("top-labels", 0, "N", "or the N most probable (default 1)", &out->top_labels, 1,
                  100),
        ROW_TEXT("render", 0, "R", "overlay (default), heatmap, boundaries, top", &words->render),
        ROW_TEXT("colormap", 0, "C", "red_blue (default), purple_green, brown_teal",
                 &words->colormap),
        ROW_REAL("alpha", 0, "A", "strength of the colours (default 0.6)", &out->render.alpha, 0.01,
                 1),
        ROW_COUNT("top-segments", 0, "N", "of --render top (default 5)", &out->render.top_segments,
                  1, SEGMENTATION_MAX_SEGMENTS),
        ROW_TEXT("policy", 0, "P",
                 "masking policy: default, authors-squeezenet, authors-densenet,\n"
                 "or concat=...,exposed=...,average_pool=...,global_pool=...",
                 &out->policy),
        ROW_PRECISION(&out->precision),
        ROW_COUNT("threads", 't', "T", "default: the machine's processors", &out->threads, 1,
                  POOL_MAX_THREADS),
        ROW_COUNT("batch", 0, "B", "pictures that run together (default 2 to 4, by the network)",
                  &out->batch, 1, BATCHES_MAX_SIZE),
    };
    const struct option_table table = {
        .command = "explain",
        .operands = "IMAGE",
        .about =
            "Hides random segments of a JPEG or PNG picture many times, and fits which of them\n"
            "the answer hangs on (LIME).  The same arguments give the same result, whatever\n"
            "the number of threads.",
        .rows = rows,
        .count = sizeof rows / sizeof rows[0],
    };
    int first = 0;
    int status = options_parse(&table, argc, argv, &first);
    if (status != OPTIONS_GO_ON)
        return status;
    if (argc - first != 1)
        return command_misuse("explain: one IMAGE, not %d", argc - first);
    out->image = argv[first];
    return OPTIONS_GO_ON;
}

static enum lm_status understand(const struct words *words, struct explain_arguments *out,
                                 struct lm_error *error)
{
    struct lm_policy policy = {0};
    enum lm_status status = LM_OK;
    if (words->method && strcmp(words->method, "lime") != 0)
        status = lm_fail(error, LM_INVALID, "method: \"%.40s\" is not lime", words->method);
    if (status == LM_OK)
        status = segmentation_parse(words->segmentation, &out->options.segmentation, error);
    if (status == LM_OK && words->masking)
        status = masking_parse(words->masking, &out->options.masking, error);
    if (status == LM_OK && words->include)
        status = answer_include_parse(words->include, &out->include, error);
    if (status == LM_OK && words->render)
        status = drawing_kind_parse(words->render, &out->render.kind, error);
    if (status == LM_OK && words->colormap)
        status = drawing_colormap_parse(words->colormap, &out->render.colormap, error);
    if (status == LM_OK && out->policy)
        status = policy_parse(out->policy, &policy, error);
    if (status == LM_OK)
        status = common_check_precision(out->precision, error);
    return status;
}

/* Two outputs into the same place would be neither. */
static int check_outputs(const struct explain_arguments *arguments)
{
    if (arguments->include && !arguments->json)
        return command_misuse("explain: --include goes with --json");
    if (arguments->json && arguments->output && strcmp(arguments->json, arguments->output) == 0)
        return command_misuse("explain: --json and --output are the same file, %s",
                              arguments->json);
    if ((arguments->output && strcmp(arguments->output, arguments->image) == 0) ||
        (arguments->json && strcmp(arguments->json, arguments->image) == 0))
        return command_misuse("explain: %s would be overwritten", arguments->image);
    return OPTIONS_GO_ON;
}

int explain_arguments_read(int argc, char **argv, struct explain_arguments *out)
{
    *out = (struct explain_arguments){
        .threads = common_default_threads(),
        .top_labels = 1,
        .options.lime.samples = 1000,
    };
    struct words words = {.segmentation = "slic:50"};
    struct lm_error error = {0};
    int status = read_options(argc, argv, out, &words);
    if (status != OPTIONS_GO_ON)
        return status;
    if (!out->model)
        return command_misuse("explain: --model is missing");
    if (understand(&words, out, &error) != LM_OK)
        return command_misuse("explain: --%s", error.text);
    return check_outputs(out);
}

bool explain_uses_stdout(const struct explain_arguments *arguments)
{
    return (arguments->json && strcmp(arguments->json, "-") == 0) ||
           (arguments->output && strcmp(arguments->output, "-") == 0);
}
