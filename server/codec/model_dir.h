/* A model folder: model.onnx, model.json beside it, labels. */
#ifndef CODEC_MODEL_DIR_H
#define CODEC_MODEL_DIR_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/model_json.h"
#include "layermask/model.h"
#include "layermask/status.h"

/* Of each model, for rows that many masks of a picture have in common. */
enum { MODEL_DIR_MEMO_BYTES = 40 << 20 };

struct model_dir {
    char *file;       /* path of the ONNX file */
    char *name;       /* model.json's "name", or the folder's */
    char version[13]; /* first 12 hexadecimal digits of the ONNX file's SHA-256 */
    bool assumed;     /* there is no model.json; torchvision's preprocessing is assumed */
    struct model_description about;
    json_t *labels;                /* array of strings, or NULL: the outputs have no names */
    struct lm_model_limits limits; /* of model_dir_load; 0 in a field: the default */
};

/* Reads everything but the network.  path: a folder, or an ONNX file, whose folder is then used.
 * Without a model.json, torchvision's ImageNet preprocessing is assumed (say so to the user);
 * without a "labels" field, labels.txt is read if it is there.
 * Errors: LM_IO, LM_CORRUPT, LM_INVALID, LM_LIMIT, LM_NOMEM. */
enum lm_status model_dir_read(const char *path, struct model_dir *out, struct lm_error *error);

/* Loads the network and checks that the folder's files fit it: the same input size, as many labels
 * as outputs.  If the preprocessing is assumed, it takes on the network's own size, in
 * torchvision's proportion of 256 to 224.  policy: instead of the folder's; NULL: the folder's.
 * Errors: those of lm_model_load, LM_INVALID (names both numbers that do not fit),
 * LM_UNSUPPORTED (an input without 3 channels). */
enum lm_status model_dir_load(struct model_dir *dir, const struct lm_policy *policy,
                              struct lm_model **out, struct lm_error *error);

/* lm_model_check, on the same terms. */
enum lm_status model_dir_check(const struct model_dir *dir, char **lines, struct lm_error *error);

void model_dir_free(struct model_dir *dir); /* NULL is fine; leaves {0} */

#endif
