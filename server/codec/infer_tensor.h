/* Input tensors of the Open Inference Protocol: described in the JSON head of a request, their
 * numbers in it or behind it.
 *
 * Everything is borrowed from the request.  `fault` is at the document's root when these are
 * called, and again when they succeed. */
#ifndef CODEC_INFER_TENSOR_H
#define CODEC_INFER_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "codec/fault.h"
#include "codec/request.h"
#include "codec/request_picture.h"
#include "layermask/mask.h"
#include "layermask/status.h"

enum { INFER_SHAPE_KEPT = 6 };

struct infer_tensor {
    bool listed; /* element `index` of "inputs"; false: the request's whole body */
    uint32_t index;
    const char *name, *datatype; /* of the protocol: "FP32", "BYTES", ... */
    uint32_t dimensions;
    uint64_t shape[INFER_SHAPE_KEPT]; /* the first of them */
    json_t *data;                     /* numbers, in lists inside of lists or not; NULL: raw */
    struct request_bytes raw;         /* little-endian */
};

/* The member as it is; NULL if it is missing or null, which some clients send for missing. */
json_t *infer_member(json_t *object, const char *key);

/* Reads element `index` of "inputs".  tail: what is left behind the JSON; a raw tensor is cut off
 * its front.  Errors: LM_INVALID (malformed), LM_UNSUPPORTED (shared memory). */
enum lm_status infer_tensor_read(json_t *object, uint32_t index, struct request_bytes *tail,
                                 struct infer_tensor *out, struct codec_fault *fault,
                                 struct lm_error *error);

/* Enters the tensor, and its field unless that is NULL; returns what fault_leave wants. */
size_t infer_tensor_enter(const struct infer_tensor *tensor, const char *field,
                          struct codec_fault *fault);

/* "inputs[2]", "inputs[2].shape", or "the body". */
enum { INFER_LABEL_BYTES = 48 };
void infer_tensor_label(const struct infer_tensor *tensor, const char *field,
                        char out[INFER_LABEL_BYTES]);

/* Compares with n lengths, of which a first one of 0 stands for any.  Errors: LM_INVALID. */
enum lm_status infer_tensor_check_shape(const struct infer_tensor *tensor, const uint64_t *shape,
                                        uint32_t n, struct codec_fault *fault,
                                        struct lm_error *error);

/* Whether raw bytes are count elements of so many bytes.  Errors: LM_INVALID (malformed). */
enum lm_status infer_tensor_check_size(const struct infer_tensor *tensor, size_t count,
                                       size_t element_bytes, struct codec_fault *fault,
                                       struct lm_error *error);

/* The three below take tensors whose shape and size have been checked. */

/* FP32: `count` finite numbers.  Errors: LM_INVALID. */
enum lm_status infer_tensor_floats(const struct infer_tensor *tensor, size_t count, float *out,
                                   struct codec_fault *fault, struct lm_error *error);

/* FP32, UINT8 or BOOL, 0 or 1: sets the bits of n masks of one size.  Errors: LM_INVALID. */
enum lm_status infer_tensor_masks(const struct infer_tensor *tensor, struct lm_mask *masks,
                                  uint32_t n, struct codec_fault *fault, struct lm_error *error);

/* BYTES: n files, bytes behind their length in raw tensors, base64 in JSON.  Sets what a
 * request_picture says of the file.  Errors: LM_INVALID (malformed), LM_LIMIT. */
enum lm_status infer_tensor_files(const struct infer_tensor *tensor, uint32_t n,
                                  const struct request_limits *limits, struct request_picture *out,
                                  struct codec_fault *fault, struct lm_error *error);

#endif
