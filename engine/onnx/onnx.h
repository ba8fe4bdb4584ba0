/* An ONNX file in memory: what the file says, checked for form, not yet understood.
 *
 * The only room that knows protobuf.  Everything here is plain structs with NUL-terminated
 * strings; graph/ gives it meaning.
 */
#ifndef LM_ONNX_ONNX_H
#define LM_ONNX_ONNX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/model.h"
#include "layermask/status.h"

enum {
    ONNX_MAX_RANK = 8,
    ONNX_MAX_NAME = 4096,     /* bytes of a name */
    ONNX_MAX_ATTRIBUTES = 64, /* of a node */
    ONNX_MIN_OPSET = 9,
    ONNX_MAX_OPSET = 21,
    ONNX_NODE_BYTES = 8192, /* of memory for structure, for each node that is allowed */
    ONNX_QUOTE = 64,
};

/* float16, bfloat16 and double are widened or narrowed to float; bool (as 0 and 1) and signed and
 * unsigned integers of 8, 16 and 32 bits, but uint32, to int64. */
enum onnx_type { ONNX_FLOAT, ONNX_INT64 };

/* dims: rank of them, each >= 0.  count: their product (1 for rank 0).
 * data: count floats or int64s, C order, malloc'ed, owned by the tensor. */
struct onnx_tensor {
    char *name;
    enum onnx_type type;
    int32_t source_type; /* TensorProto.DataType of the file, e.g. 10 = float16, 9 = bool */
    uint32_t rank;
    int64_t dims[ONNX_MAX_RANK];
    size_t count;
    union {
        float *f;
        int64_t *i;
        void *data;
    };
};

enum onnx_attribute_kind {
    ONNX_ATTR_FLOAT,
    ONNX_ATTR_INT,
    ONNX_ATTR_STRING,
    ONNX_ATTR_TENSOR,
    ONNX_ATTR_FLOATS,
    ONNX_ATTR_INTS,
    ONNX_ATTR_OTHER
};

/* f, i, s (NUL-terminated), tensor, or an array of n floats or ints (NULL if n is 0).
 * ONNX_ATTR_OTHER (subgraphs, lists of strings, strings with a NUL inside, references to a
 * function's attribute, ...) keeps its name only. */
struct onnx_attribute {
    char *name;
    enum onnx_attribute_kind kind;
    float f;
    int64_t i;
    char *s;
    struct onnx_tensor tensor;
    size_t n;
    float *floats;
    int64_t *ints;
};

/* name is "" where the file gives none.  An omitted optional input is "". */
struct onnx_node {
    char *name, *op, *domain;
    size_t n_inputs, n_outputs, n_attributes;
    char **inputs, **outputs;
    struct onnx_attribute *attributes;
};

/* A graph input or output; dims are -1 where symbolic, missing or -1, else >= 0; rank 0 with
 * has_shape false when the file gives no shape; source_type 0 when it gives no tensor type. */
struct onnx_value {
    char *name;
    int32_t source_type;
    bool has_shape;
    uint32_t rank;
    int64_t dims[ONNX_MAX_RANK];
};

/* Nodes are in topological order: the file's own where it is one, sorted otherwise.  Every node
 * has an op, the default domain (written "") and at least one output, and no attribute twice.
 * Every node input is "", an initializer, a graph input or an output of an earlier node; every
 * tensor name is written once; every graph output is written by someone.  There is at least one
 * input and one output. */
struct onnx_model {
    int64_t ir_version;
    int64_t opset; /* of the default domain */
    char *producer;
    size_t n_nodes, n_initializers, n_inputs, n_outputs;
    struct onnx_node *nodes;
    struct onnx_tensor *initializers;
    struct onnx_value *inputs; /* without those that are initializers */
    struct onnx_value *outputs;
};

/* Reads a file with all its checks: size, message nesting and memory (bounded before it is taken:
 * numbers by limits->max_bytes, the rest by the file's size and ONNX_NODE_BYTES for each of
 * limits->max_nodes), opset 9..21, dims (>= 0, product within limits->max_elements), data lengths,
 * raw and typed data, float32/16/bfloat16/double and integer types, external data (location must
 * be a plain relative path inside the model's folder after resolving links; offset and length
 * within the file), names (at most ONNX_MAX_NAME bytes), dangling and duplicate names, cycles,
 * domains other than the default, model-local functions, sparse initializers.  limits: no field 0
 * (defaults are filled in by the caller).  Peak memory: the file's size, its largest tensor, all
 * numbers that are not raw data of initializers once more, and what the tensors grow by in
 * widening; `out` alone afterwards.
 * Errors: LM_IO, LM_CORRUPT, LM_UNSUPPORTED, LM_LIMIT, LM_NOMEM; the text is one line, starts with
 * the path's last component, and names the tensor or node. */
enum lm_status onnx_read(const char *path, const struct lm_model_limits *limits,
                         struct onnx_model *out, struct lm_error *error);

void onnx_free(struct onnx_model *model);          /* leaves {0} */
void onnx_tensor_free(struct onnx_tensor *tensor); /* leaves {0} */

/* NULL if the node has no such attribute. */
const struct onnx_attribute *onnx_attribute_find(const struct onnx_node *node, const char *name);

/* Whether it is read as floats: float16, float32, float64, bfloat16. */
bool onnx_type_is_float(int32_t source_type);

/* "float32", "bool", ... of a source_type; "unknown" for one that the format does not have. */
const char *onnx_type_name(int32_t source_type);

/* A name from a file made fit for an error text, which is one line of printable ASCII: other bytes
 * and quotation marks become '?', and the middle of a long name "...".  Returns out. */
const char *onnx_quote(const char *name, char out[ONNX_QUOTE]);

#endif
