/* What the commands share: the model, the picture, threads, JSON on its way out. */
#ifndef CLI_COMMON_H
#define CLI_COMMON_H

#include <stdint.h>

#include <jansson.h>

#include "codec/model_dir.h"
#include "codec/picture_input.h"
#include "layermask/model.h"
#include "layermask/status.h"

/* Reads the folder and loads the network.  policy, precision: texts of --policy and --precision, or
 * NULL.  Says on standard error when there is no model.json. */
enum lm_status common_load_model(const char *path, const char *policy, const char *precision,
                                 struct model_dir *dir, struct lm_model **model,
                                 struct lm_error *error);

/* The option --precision, and whether its text (NULL: not given) is one. */
#define ROW_PRECISION(value)                                                                       \
    ROW_TEXT("precision", 0, "P",                                                                  \
             "float32, or bfloat16: rounded weights and activations, faster with\n"                \
             "AMX or AVX512_BF16 (default: the model's own, else float32)",                        \
             value)
enum lm_status common_check_precision(const char *precision, struct lm_error *error);

enum lm_status common_read_picture(const char *path, const struct model_dir *dir,
                                   struct picture_input *out, struct lm_error *error);

/* Processors of this machine, at least 1 and at most what a pool may have. */
uint32_t common_default_threads(void);

/* Writes JSON and a newline to a file, or to standard output ("-"). */
enum lm_status common_write_json(const char *path, const json_t *value, size_t flags,
                                 struct lm_error *error);

/* "tabby, tabby cat", or "class 281" in a model without labels. */
enum { COMMON_LABEL_BYTES = 120 };
void common_label(const struct model_dir *dir, uint32_t index, char out[COMMON_LABEL_BYTES]);

#endif
