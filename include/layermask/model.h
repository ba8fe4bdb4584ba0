/* Networks: an ONNX file, read once, folded, fused and planned; immutable from then on.
 *
 * A model may be shared by any number of threads; each thread runs it through a session of its
 * own (session.h).  Method: Balasubramanian and Feizi, "Towards Improved Input Masking for
 * Convolutional Neural Networks", ICCV 2023.
 */
#ifndef LAYERMASK_MODEL_H
#define LAYERMASK_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The choices that layer masking leaves open; 0 is the default of each.
 * concat: mask of a channel concatenation, from how many of its inputs are visible there.
 * exposed: value at a place that is hidden in one input of a concatenation but visible in its
 *     result: what the layer before computed from its neighbour-padded input, or zero.
 * average_pool: mean over the visible cells of the window, or hidden cells count as zeros.
 * global_pool: mean over the visible places; hidden count as zeros; or mean of all values. */
enum lm_concat { LM_CONCAT_UNION, LM_CONCAT_MAJORITY, LM_CONCAT_INTERSECTION };
enum lm_exposed { LM_EXPOSED_COMPUTED, LM_EXPOSED_ZERO };
enum lm_average_pool { LM_AVERAGE_POOL_VISIBLE, LM_AVERAGE_POOL_PLAIN };
enum lm_global_pool { LM_GLOBAL_POOL_VISIBLE, LM_GLOBAL_POOL_PLAIN, LM_GLOBAL_POOL_UNMASKED };

struct lm_policy {
    enum lm_concat concat;
    enum lm_exposed exposed;
    enum lm_average_pool average_pool;
    enum lm_global_pool global_pool;
};

/* What a model file may ask for.  0 in a field means the default. */
struct lm_model_limits {
    uint64_t max_file_bytes; /* of the file and of each external data file; default 2 GiB */
    uint64_t max_nodes;      /* default 20,000 */
    uint64_t max_elements;   /* of one tensor; default 2^29 */
    uint64_t max_bytes;      /* of all weights and tables together; default 4 GiB */
};

/* What convolutions and fully connected layers multiply.
 * bfloat16: weights and activations, rounded to 8 bits of mantissa, at half the memory; sums stay
 * float32, and depthwise convolutions, pools and pointwise operations are computed as ever.  Faster
 * on processors with AMX or AVX512_BF16, slower elsewhere; logits differ from float32's in the
 * third digit.
 */
enum lm_precision { LM_PRECISION_FLOAT32, LM_PRECISION_BFLOAT16 };

struct lm_model_options {
    uint32_t height, width; /* of the input, where the file leaves it open; 0: the file must say */
    struct lm_policy policy;
    struct lm_model_limits limits;
    uint64_t memo_bytes; /* at most, for rows that all sessions remember (lm_session_turn_to); taken
                            at once, touched only as rows come to be known; 0: none */
    bool
        portable; /* the kernels that run anywhere, instead of this machine's best: the reference */
    enum lm_precision precision;
};

struct lm_model;

/* Reads, checks and plans `path`.  External data is read from the model's own folder only.
 * options may be NULL.  Errors: LM_IO, LM_CORRUPT, LM_LIMIT, LM_NOMEM, LM_UNSUPPORTED (names the
 * first operator or attribute with its node; lm_model_check lists all), LM_INVALID (a size or
 * precision in the options that there is not). */
enum lm_status lm_model_load(const char *path, const struct lm_model_options *options,
                             struct lm_model **out, struct lm_error *error);

void lm_model_free(struct lm_model *model); /* NULL is fine; no session may still use it */

/* Every reason why a file cannot be run, one line each, in node order: *lines is malloc'ed text,
 * empty if lm_model_load would succeed.  Errors only for files that cannot be read as ONNX. */
enum lm_status lm_model_check(const char *path, const struct lm_model_options *options,
                              char **lines, struct lm_error *error);

struct lm_model_info {
    uint32_t channels, height, width; /* of the input */
    uint32_t classes;                 /* logits of an image */
    uint32_t layers;                  /* steps of the plan */
    int64_t opset;
    uint64_t parameters;   /* numbers in weights and biases, after folding */
    uint64_t macs;         /* multiply-adds of one image, all visible */
    uint64_t weight_bytes; /* kept in memory */
    struct lm_policy policy;
    enum lm_precision precision;
    const char *kernels; /* instructions that they were written for: "avx512", "portable" */
};

void lm_model_info(const struct lm_model *model, struct lm_model_info *out);

/* One step of the plan, for people.  Strings belong to the model. */
struct lm_layer_info {
    const char *name; /* of the ONNX node it comes from */
    const char *kind; /* "conv", "max_pool", "pointwise", ... */
    char shape[48];   /* of its output: "64x112x112", "1000" */
    char detail[80];  /* "3x3 s2, relu" */
    uint64_t macs;    /* of one image, all visible */
    uint64_t parameters;
};

/* index < info.layers. */
void lm_model_layer(const struct lm_model *model, uint32_t index, struct lm_layer_info *out);

/* The file's operators by name with counts ("Conv"): name belongs to the model; false past the end.
 */
bool lm_model_operator(const struct lm_model *model, uint32_t index, const char **name,
                       uint32_t *count);

/* ONNX operator `index` of those that this library can run or fold; NULL past the end. */
const char *lm_operator_supported(uint32_t index);

#ifdef __cplusplus
}
#endif
#endif
