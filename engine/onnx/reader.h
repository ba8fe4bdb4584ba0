/* Inside of engine/onnx: what the stages of reading one file share.
 *
 *     read.c   the stages in order            disk.c      opening and reading files
 *     scan.c   the form of the bytes          quote.c     error texts
 *     lift.c   large tensors first            unpack.c    bytes -> structs (protobuf)
 *     tensor.c numbers of every type          external.c  numbers kept in another file
 *     check.c  names and nodes                order.c     topological order
 *
 * Nothing here is thread-safe or lives longer than one call of onnx_read.
 */
#ifndef LM_ONNX_READER_H
#define LM_ONNX_READER_H

#include "onnx/onnx.h"

enum { ONNX_WHERE = 300 }; /* bytes of a place in an error text: node "a" (Conv): attribute "b" */

struct onnx_file {
    int fd;
    uint64_t size;
};

struct onnx_reader {
    const char *path;
    const struct lm_model_limits *limits;
    struct lm_error *error;
    char file[ONNX_QUOTE];  /* last component of path: every error text starts with it */
    size_t structure_bytes; /* memory for unpacked messages, above the size of their numbers */
    uint64_t tensor_bytes;  /* of tensors so far, against limits->max_bytes */
    char *folder;           /* of external data, links resolved; NULL until needed */
    char *data_location;    /* the external file opened last; NULL: none */
    struct onnx_file data;
};

/* Numbers of a tensor as the file has them.  Pointers are malloc'ed and owned. */
struct onnx_tensor_source {
    char *name;
    int32_t data_type;
    size_t n_dims, n_floats, n_int32s, n_int64s, n_doubles, raw_size;
    int64_t *dims;
    float *floats;
    int32_t *int32s;
    int64_t *int64s;
    double *doubles;
    uint8_t *raw;
    bool has_raw, external;
    char *location, *offset, *length; /* of external data; NULL where not given */
};

/* Inputs of node k: links first[k]..first[k + 1] - 1.  producer: the node that writes the input,
 * or ONNX_NO_NODE. */
#define ONNX_NO_NODE SIZE_MAX
struct onnx_links {
    size_t *first, *producer;
};

/* quote.c */
enum lm_status onnx_fail(const struct onnx_reader *reader, enum lm_status status,
                         const char *format, ...) __attribute__((format(printf, 3, 4)));
enum lm_status onnx_nomem(const struct onnx_reader *reader);
/* node "conv1" (Conv), or node 12 (Conv) for one without a name. */
void onnx_node_text(const char *name, const char *op, size_t index, char out[ONNX_WHERE]);

/* disk.c.  where: "" or a place in the model that ends in ": ".  LM_IO, LM_LIMIT. */
enum lm_status onnx_file_open(const struct onnx_reader *reader, const char *path, const char *where,
                              struct onnx_file *out);
enum lm_status onnx_file_read(const struct onnx_reader *reader, const struct onnx_file *file,
                              uint64_t offset, uint8_t *bytes, size_t size, const char *where);
void onnx_file_close(struct onnx_file *file);

/* scan.c.  What a field of a message is, as far as its form goes.  index: below 64, different for
 * each field of its message.  type: of the message in it. */
enum onnx_field_kind {
    ONNX_FIELD_UNKNOWN,
    ONNX_FIELD_INT32,
    ONNX_FIELD_INT64,
    ONNX_FIELD_FLOAT,
    ONNX_FIELD_DOUBLE,
    ONNX_FIELD_BYTES,
    ONNX_FIELD_NAME,
    ONNX_FIELD_MESSAGE
};
struct onnx_field {
    enum onnx_field_kind kind;
    bool repeated, is_node;
    unsigned index;
    const void *type;
};
typedef struct onnx_field (*onnx_describe_fn)(const void *type, uint32_t number);

/* Checks the form of a whole file without allocating.  root: type of the outermost message.
 * *list_bytes: size of all packed lists of numbers once unpacked.  LM_CORRUPT, LM_LIMIT. */
enum lm_status onnx_scan(const struct onnx_reader *reader, const uint8_t *bytes, size_t size,
                         const void *root, onnx_describe_fn describe, uint64_t *list_bytes);

/* lift.c.  Takes raw data of initializers out of bytes that onnx_scan has accepted: *bytes and
 * *size are without it afterwards (data of no bytes is left).  On failure *bytes is damaged, but
 * still the caller's.  out: {0}; onnx_lifted_free it in any case.  LM_NOMEM. */
struct onnx_raw {
    size_t index; /* of its initializer */
    size_t at;    /* where it was in the file */
    size_t size;
    uint8_t *data;
};
struct onnx_lifted {
    size_t n;
    struct onnx_raw *list; /* in the file's order */
};
enum lm_status onnx_lift(const struct onnx_reader *reader, uint8_t **bytes, size_t *size,
                         struct onnx_lifted *out);
void onnx_lifted_free(struct onnx_lifted *lifted);

/* unpack.c.  Takes over `bytes`, which is freed before tensors are converted.  On failure `out` is
 * partly filled: onnx_free it. */
enum lm_status onnx_unpack(struct onnx_reader *reader, uint8_t *bytes, size_t size,
                           struct onnx_model *out);

/* tensor.c.  Moves what it can from source and frees the rest, in any case.  *out is untouched on
 * failure. */
enum lm_status onnx_tensor_take(struct onnx_reader *reader, const char *where,
                                struct onnx_tensor_source *source, struct onnx_tensor *out);

/* external.c.  Reads exactly `size` bytes of external data to source->raw. */
enum lm_status onnx_external_read(struct onnx_reader *reader, const char *where, size_t size,
                                  struct onnx_tensor_source *source);
void onnx_external_close(struct onnx_reader *reader);

/* check.c: operators, domains and attributes of each node; then names, after which inputs holds no
 * initializers.  links: free() both arrays. */
enum lm_status onnx_check_nodes(const struct onnx_reader *reader, struct onnx_model *model);
enum lm_status onnx_link(const struct onnx_reader *reader, struct onnx_model *model,
                         struct onnx_links *links);

/* order.c: sorts the nodes, which makes the links stale. */
enum lm_status onnx_sort(const struct onnx_reader *reader, struct onnx_model *model,
                         const struct onnx_links *links);

#endif
