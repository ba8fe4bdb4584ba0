/* What a request of the Open Inference Protocol asks for. */
#ifndef CODEC_INFER_REQUEST_H
#define CODEC_INFER_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "codec/call.h"
#include "codec/infer_tensor.h"

enum infer_what { INFER_LOGITS, INFER_PROBABILITIES };
enum { INFER_WHATS = 2 };

extern const char *const infer_output_names[INFER_WHATS]; /* "logits", "probabilities" */

struct infer_output {
    enum infer_what what;
    uint32_t top; /* as "value:index:label" of so many, at most the classes; 0: as numbers */
    bool binary;
};

/* Borrows everything from the request. */
struct infer_request {
    const char *id; /* NULL: none */
    uint32_t n;     /* pictures */
    bool encoded;   /* `input` holds files, not preprocessed numbers */
    bool has_mask;
    struct infer_tensor input, mask;
    struct infer_output outputs[INFER_WHATS];
    uint32_t n_outputs;
    bool binary; /* the answer is JSON and raw tensors, even if there are none */
};

/* Inputs: "input" FP32 [N, channels, height, width], preprocessed; or one of any name, BYTES [N] or
 * [N, 1], JPEG or PNG files.  With either may come "mask" [N, 1, height, width], FP32, UINT8 or
 * BOOL, 1 = visible.  A document without members and a tail: the tail is the one input, a picture's
 * file if it begins like one, and all outputs are binary.
 *
 * Outputs: "logits", what the network says, which is also the default; "probabilities".
 * Their parameters: "binary_data", "classification".  The request's: "binary_data_output".
 *
 * As in Triton, members and parameters that are not known are passed over at every level, and null
 * stands for a missing member.
 *
 * Errors: LM_INVALID (malformed: names, types, numbers of bytes; not malformed: shapes), LM_LIMIT
 * (more pictures than limits->instances), LM_UNSUPPORTED (shared memory). */
enum lm_status infer_request_read(const struct request *request, const struct call_terms *terms,
                                  unsigned wants, struct infer_request *out,
                                  struct codec_fault *fault, struct lm_error *error);

/* What infer_request_read consists of; `fault` as there.
 * A parameter that is true or false, untouched if it is not there; object: its name in errors, for
 * which the caller has entered it. */
enum lm_status infer_flag_read(json_t *parameters, const char *object, const char *key, bool *out,
                               struct codec_fault *fault, struct lm_error *error);

/* "outputs", or NULL; out->binary is what outputs are that do not say it themselves. */
enum lm_status infer_outputs_read(json_t *list, uint32_t classes, struct infer_request *out,
                                  struct codec_fault *fault, struct lm_error *error);

#endif
