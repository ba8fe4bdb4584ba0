/* Bytes of a model file -> struct onnx_model.  The only file that knows protobuf.
 *
 * The parser takes memory as the file tells it to, so it has two guards.  onnx_scan goes first and
 * accepts only well-formed messages with bounded names, nodes and lists.  Then the parser's
 * allocator has a budget: the file's size (each byte of text and data is copied once) plus what
 * packed lists grow by, which the scan counted, plus a fixed allowance for message structs, so that
 * millions of empty messages fail early.  Large tensors do not go through the parser (lift.c).
 *
 * Names and arrays are moved out of the messages, not copied.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "onnx/reader.h"
#include "onnx_subset.pb-c.h"

/* AttributeProto.AttributeType */
enum { TYPE_NONE, TYPE_FLOAT, TYPE_INT, TYPE_STRING, TYPE_TENSOR, TYPE_FLOATS = 6, TYPE_INTS = 7 };

/* What field `number` of a message type is, for the scan; type: a ProtobufCMessageDescriptor. */
static struct onnx_field describe(const void *type, uint32_t number)
{
    const ProtobufCMessageDescriptor *message = type;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(message, number);
    struct onnx_field out = {.kind = ONNX_FIELD_UNKNOWN};
    if (!field)
        return out;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: out.kind = ONNX_FIELD_NAME; break;
    case PROTOBUF_C_TYPE_BYTES: out.kind = ONNX_FIELD_BYTES; break;
    case PROTOBUF_C_TYPE_MESSAGE: out.kind = ONNX_FIELD_MESSAGE; break;
    case PROTOBUF_C_TYPE_FLOAT: out.kind = ONNX_FIELD_FLOAT; break;
    case PROTOBUF_C_TYPE_DOUBLE: out.kind = ONNX_FIELD_DOUBLE; break;
    case PROTOBUF_C_TYPE_INT32: out.kind = ONNX_FIELD_INT32; break;
    default: out.kind = ONNX_FIELD_INT64; break;
    }
    out.repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    out.index = (unsigned)(field - message->fields);
    out.type = field->descriptor;
    out.is_node = out.type == &lm_onnx__node_proto__descriptor;
    return out;
}

struct budget {
    size_t left;
    bool spent, out_of_memory;
};

/* Memory that the parser gives back is not credited: the sum bounds the peak. */
static void *budget_alloc(void *data, size_t size)
{
    struct budget *budget = data;
    if (size > budget->left) {
        budget->spent = true;
        return NULL;
    }
    void *memory = malloc(size ? size : 1);
    if (!memory)
        budget->out_of_memory = true;
    else
        budget->left -= size;
    return memory;
}

static void budget_free(void *data, void *memory)
{
    (void)data;
    free(memory);
}

static enum lm_status parse(const struct onnx_reader *reader, const uint8_t *bytes, size_t size,
                            uint64_t list_bytes, LmOnnx__ModelProto **out)
{
    struct budget budget = {0};
    if (!size_add(reader->structure_bytes, size, &budget.left) ||
        !size_add(budget.left, (size_t)list_bytes, &budget.left))
        budget.left = SIZE_MAX;
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
    *out = lm_onnx__model_proto__unpack(&allocator, size, bytes);
    if (*out)
        return LM_OK;
    if (budget.out_of_memory)
        return onnx_nomem(reader);
    if (budget.spent)
        return onnx_fail(reader, LM_LIMIT,
                         "its nodes, names and other structure take more than %zu bytes of memory "
                         "(limit for %" PRIu64 " nodes)",
                         reader->structure_bytes, reader->limits->max_nodes);
    return onnx_fail(reader, LM_CORRUPT, "not an ONNX file, or damaged");
}

/* The text itself, or "" for one that is not there; NULL when out of memory. */
static char *move_text(char **from)
{
    char *text = *from ? *from : calloc(1, 1);
    *from = NULL;
    return text;
}

static enum lm_status move_externals(const struct onnx_reader *reader, const char *where,
                                     LmOnnx__TensorProto *from, struct onnx_tensor_source *to)
{
    for (size_t k = 0; k < from->n_external_data; k++) {
        LmOnnx__StringStringEntryProto *entry = from->external_data[k];
        char **place = NULL;
        const char *key = entry->key ? entry->key : "";
        if (strcmp(key, "location") == 0)
            place = &to->location;
        else if (strcmp(key, "offset") == 0)
            place = &to->offset;
        else if (strcmp(key, "length") == 0)
            place = &to->length;
        if (!place)
            continue;
        if (*place)
            return onnx_fail(reader, LM_CORRUPT, "%s: external data: %s is given twice", where,
                             key);
        *place = move_text(&entry->value);
        if (!*place)
            return onnx_nomem(reader);
    }
    return LM_OK;
}

/* Every array that `to` takes over is NULL in `from`, with its count 0, afterwards. */
#define MOVE_LIST(to, to_list, to_n, from, from_list, from_n)                                      \
    ((to)->to_list = (from)->from_list, (to)->to_n = (from)->from_n, (from)->from_list = NULL,     \
     (from)->from_n = 0)

static void move_numbers(LmOnnx__TensorProto *from, struct onnx_tensor_source *to)
{
    MOVE_LIST(to, dims, n_dims, from, dims, n_dims);
    MOVE_LIST(to, floats, n_floats, from, float_data, n_float_data);
    MOVE_LIST(to, int32s, n_int32s, from, int32_data, n_int32_data);
    MOVE_LIST(to, int64s, n_int64s, from, int64_data, n_int64_data);
    MOVE_LIST(to, doubles, n_doubles, from, double_data, n_double_data);
    MOVE_LIST(to, raw, raw_size, from, raw_data.data, raw_data.len);
    to->has_raw = to->raw_size > 0;
    to->data_type = from->data_type;
    to->external = from->data_location == 1;
}

static enum lm_status take_tensor(struct onnx_reader *reader, const char *where,
                                  LmOnnx__TensorProto *from, struct onnx_tensor *to)
{
    struct onnx_tensor_source source = {0};
    if (from->has_segment)
        return onnx_fail(reader, LM_UNSUPPORTED, "%s: tensors in segments are not supported",
                         where);
    enum lm_status status = move_externals(reader, where, from, &source);
    if (status == LM_OK && !(source.name = move_text(&from->name)))
        status = onnx_nomem(reader);
    if (status != LM_OK) {
        free(source.location);
        free(source.offset);
        free(source.length);
        return status;
    }
    move_numbers(from, &source);
    return onnx_tensor_take(reader, where, &source, to);
}

static enum lm_status take_string(const struct onnx_reader *reader, const ProtobufCBinaryData *from,
                                  struct onnx_attribute *to)
{
    if (from->len > 0 && memchr(from->data, 0, from->len)) {
        to->kind = ONNX_ATTR_OTHER;
        return LM_OK;
    }
    to->kind = ONNX_ATTR_STRING;
    to->s = array_zalloc(from->len + 1, 1);
    if (!to->s)
        return onnx_nomem(reader);
    if (from->len > 0)
        memcpy(to->s, from->data, from->len);
    return LM_OK;
}

/* AttributeProto.type, or for files older than that field the kind of what is there. */
static int32_t attribute_type(const LmOnnx__AttributeProto *from)
{
    if (from->ref_attr_name && *from->ref_attr_name)
        return TYPE_NONE;
    if (from->type != TYPE_NONE)
        return from->type;
    if (from->has_f)
        return TYPE_FLOAT;
    if (from->has_i)
        return TYPE_INT;
    if (from->has_s)
        return TYPE_STRING;
    if (from->t)
        return TYPE_TENSOR;
    if (from->n_floats > 0)
        return TYPE_FLOATS;
    return from->n_ints > 0 ? TYPE_INTS : TYPE_NONE;
}

static enum lm_status take_attribute_tensor(struct onnx_reader *reader, const char *where,
                                            LmOnnx__AttributeProto *from, struct onnx_attribute *to)
{
    char name[ONNX_QUOTE], place[ONNX_WHERE];
    snprintf(place, sizeof place, "%.200s: attribute \"%s\"", where, onnx_quote(to->name, name));
    if (!from->t)
        return onnx_fail(reader, LM_CORRUPT, "%s: there is no tensor in it", place);
    to->kind = ONNX_ATTR_TENSOR;
    return take_tensor(reader, place, from->t, &to->tensor);
}

static enum lm_status take_attribute(struct onnx_reader *reader, const char *where,
                                     LmOnnx__AttributeProto *from, struct onnx_attribute *to)
{
    to->name = move_text(&from->name);
    if (!to->name)
        return onnx_nomem(reader);
    to->kind = ONNX_ATTR_OTHER;
    switch (attribute_type(from)) {
    case TYPE_FLOAT:
        to->kind = ONNX_ATTR_FLOAT;
        to->f = from->f;
        break;
    case TYPE_INT:
        to->kind = ONNX_ATTR_INT;
        to->i = from->i;
        break;
    case TYPE_STRING: return take_string(reader, &from->s, to);
    case TYPE_TENSOR: return take_attribute_tensor(reader, where, from, to);
    case TYPE_FLOATS:
        to->kind = ONNX_ATTR_FLOATS;
        MOVE_LIST(to, floats, n, from, floats, n_floats);
        break;
    case TYPE_INTS:
        to->kind = ONNX_ATTR_INTS;
        MOVE_LIST(to, ints, n, from, ints, n_ints);
        break;
    }
    return LM_OK;
}

static enum lm_status take_node(struct onnx_reader *reader, size_t index, LmOnnx__NodeProto *from,
                                struct onnx_node *to)
{
    char where[ONNX_WHERE];
    MOVE_LIST(to, inputs, n_inputs, from, input, n_input);
    MOVE_LIST(to, outputs, n_outputs, from, output, n_output);
    to->name = move_text(&from->name);
    to->op = move_text(&from->op_type);
    to->domain = move_text(&from->domain);
    to->attributes = array_zalloc(from->n_attribute, sizeof *to->attributes);
    if (!to->name || !to->op || !to->domain || !to->attributes)
        return onnx_nomem(reader);
    onnx_node_text(to->name, to->op, index, where);
    to->n_attributes = from->n_attribute;
    for (size_t k = 0; k < from->n_attribute; k++) {
        enum lm_status status =
            take_attribute(reader, where, from->attribute[k], &to->attributes[k]);
        if (status != LM_OK)
            return status;
    }
    return LM_OK;
}

static enum lm_status take_value(const struct onnx_reader *reader, LmOnnx__ValueInfoProto *from,
                                 struct onnx_value *to)
{
    to->name = move_text(&from->name);
    if (!to->name)
        return onnx_nomem(reader);
    const LmOnnx__TypeProto__Tensor *type = from->type ? from->type->tensor_type : NULL;
    if (!type)
        return LM_OK;
    to->source_type = type->elem_type;
    if (!type->shape)
        return LM_OK;
    char name[ONNX_QUOTE];
    if (type->shape->n_dim > ONNX_MAX_RANK)
        return onnx_fail(reader, LM_LIMIT, "tensor \"%s\": %zu dims (limit %d)",
                         onnx_quote(to->name, name), type->shape->n_dim, ONNX_MAX_RANK);
    to->has_shape = true;
    to->rank = (uint32_t)type->shape->n_dim;
    for (size_t k = 0; k < type->shape->n_dim; k++) {
        const LmOnnx__TensorShapeProto__Dimension *dim = type->shape->dim[k];
        to->dims[k] = dim->has_dim_value ? dim->dim_value : -1; /* some writers say -1, too */
        if (to->dims[k] < -1)
            return onnx_fail(reader, LM_CORRUPT, "tensor \"%s\": dim %zu is %" PRId64,
                             onnx_quote(to->name, name), k, to->dims[k]);
    }
    return LM_OK;
}

static enum lm_status take_values(const struct onnx_reader *reader, LmOnnx__ValueInfoProto **from,
                                  size_t n, struct onnx_value **values, size_t *n_values)
{
    *values = array_zalloc(n, sizeof **values);
    if (!*values)
        return onnx_nomem(reader);
    *n_values = n;
    enum lm_status status = LM_OK;
    for (size_t k = 0; k < n && status == LM_OK; k++)
        status = take_value(reader, from[k], &(*values)[k]);
    return status;
}

static enum lm_status take_initializer(struct onnx_reader *reader, LmOnnx__TensorProto *from,
                                       struct onnx_tensor *to)
{
    char name[ONNX_QUOTE], where[ONNX_WHERE];
    snprintf(where, sizeof where, "initializer \"%s\"",
             onnx_quote(from->name ? from->name : "", name));
    return take_tensor(reader, where, from, to);
}

static enum lm_status take_graph(struct onnx_reader *reader, LmOnnx__GraphProto *from,
                                 struct onnx_model *to)
{
    enum lm_status status = LM_OK;
    if (from->n_sparse_initializer > 0)
        return onnx_fail(reader, LM_UNSUPPORTED, "sparse initializers are not supported");
    to->nodes = array_zalloc(from->n_node, sizeof *to->nodes);
    to->initializers = array_zalloc(from->n_initializer, sizeof *to->initializers);
    if (!to->nodes || !to->initializers)
        return onnx_nomem(reader);
    to->n_nodes = from->n_node;
    to->n_initializers = from->n_initializer;
    for (size_t k = 0; k < from->n_node && status == LM_OK; k++)
        status = take_node(reader, k, from->node[k], &to->nodes[k]);
    for (size_t k = 0; k < from->n_initializer && status == LM_OK; k++)
        status = take_initializer(reader, from->initializer[k], &to->initializers[k]);
    if (status == LM_OK)
        status = take_values(reader, from->input, from->n_input, &to->inputs, &to->n_inputs);
    if (status == LM_OK)
        status = take_values(reader, from->output, from->n_output, &to->outputs, &to->n_outputs);
    return status;
}

/* Imports of other domains do not matter as long as no node uses them. */
static enum lm_status take_opset(const struct onnx_reader *reader, const LmOnnx__ModelProto *from,
                                 int64_t *out)
{
    bool found = false;
    int64_t opset = 0;
    for (size_t k = 0; k < from->n_opset_import; k++) {
        const LmOnnx__OperatorSetIdProto *import = from->opset_import[k];
        if (import->domain && *import->domain && strcmp(import->domain, "ai.onnx") != 0)
            continue;
        if (found && import->version != opset)
            return onnx_fail(reader, LM_CORRUPT, "it imports opsets %" PRId64 " and %" PRId64,
                             opset, import->version);
        opset = import->version;
        found = true;
    }
    if (!found)
        return onnx_fail(reader, LM_CORRUPT, "it does not say which opset it uses");
    if (opset < ONNX_MIN_OPSET || opset > ONNX_MAX_OPSET)
        return onnx_fail(reader, LM_UNSUPPORTED,
                         "opset %" PRId64 " is not supported (%d to %d are)", opset, ONNX_MIN_OPSET,
                         ONNX_MAX_OPSET);
    *out = opset;
    return LM_OK;
}

static enum lm_status take_model(struct onnx_reader *reader, LmOnnx__ModelProto *from,
                                 struct onnx_model *to)
{
    if (!from->graph)
        return onnx_fail(reader, LM_CORRUPT,
                         "not an ONNX file, or damaged: there is no graph in it");
    enum lm_status status = take_opset(reader, from, &to->opset);
    if (status != LM_OK)
        return status;
    if (from->n_functions > 0)
        return onnx_fail(reader, LM_UNSUPPORTED,
                         "model-local functions are not supported (export with them inlined)");
    to->ir_version = from->ir_version;
    to->producer = move_text(&from->producer_name);
    if (!to->producer)
        return onnx_nomem(reader);
    return take_graph(reader, from->graph, to);
}

static void put_back(struct onnx_lifted *lifted, LmOnnx__ModelProto *message)
{
    for (size_t k = 0; k < lifted->n; k++) {
        struct onnx_raw *raw = &lifted->list[k];
        message->graph->initializer[raw->index]->raw_data =
            (ProtobufCBinaryData){.len = raw->size, .data = raw->data};
        raw->data = NULL;
    }
}

enum lm_status onnx_unpack(struct onnx_reader *reader, uint8_t *bytes, size_t size,
                           struct onnx_model *out)
{
    LmOnnx__ModelProto *message = NULL;
    struct onnx_lifted lifted = {0};
    uint64_t list_bytes;
    enum lm_status status =
        onnx_scan(reader, bytes, size, &lm_onnx__model_proto__descriptor, describe, &list_bytes);
    if (status == LM_OK)
        status = onnx_lift(reader, &bytes, &size, &lifted);
    if (status == LM_OK)
        status = parse(reader, bytes, size, list_bytes, &message);
    free(bytes);
    if (message) {
        put_back(&lifted, message);
        status = take_model(reader, message, out);
        ProtobufCAllocator allocator = {NULL, budget_free, NULL};
        lm_onnx__model_proto__free_unpacked(message, &allocator);
    }
    onnx_lifted_free(&lifted);
    return status;
}
