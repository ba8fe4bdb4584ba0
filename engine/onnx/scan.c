/* The form of a protobuf file, checked before anything is parsed or allocated.
 *
 * Walks the wire format with a small stack of its own: every field must fit into the message that
 * holds it and be of its type, names and lists of numbers are bounded, and the messages that are
 * nodes are counted.  A message field that may be given once but is given twice would be merged by
 * the parser, copying lists each time: the format allows it, no writer does it, it is refused.
 * What the fields are is told by a callback, so that the schema is in one place (unpack.c).
 */
#include <inttypes.h>
#include <string.h>

#include "onnx/reader.h"

enum {
    MAX_DEPTH = 8,                /* ModelProto to TensorShapeProto.Dimension is 7 */
    MAX_FIELD = INT32_MAX - 16,   /* the parser's limit is 2 GiB with tag and length */
    MAX_LIST_NUMBERS = INT32_MAX, /* of all lists; the parser counts in 32 bits */
};

enum { WIRE_VARINT, WIRE_64, WIRE_SIZED, WIRE_32 = 5 };

struct frame {
    const uint8_t *end;
    const void *type;
    uint64_t seen; /* bit k: singular message field with index k has occurred */
};

struct scan {
    const struct onnx_reader *reader;
    onnx_describe_fn describe;
    const uint8_t *start, *at;
    struct frame frames[MAX_DEPTH];
    size_t depth;
    uint64_t nodes, list_numbers, list_bytes;
};

static enum lm_status fail_from(const struct scan *scan, const uint8_t *place, const char *what)
{
    return onnx_fail(scan->reader, LM_CORRUPT, "not an ONNX file, or damaged: byte %zu: %s",
                     (size_t)(place - scan->start), what);
}

static enum lm_status fail_at(const struct scan *scan, const char *what)
{
    return fail_from(scan, scan->at, what);
}

/* Moves scan->at behind a varint of at most 10 bytes; false if there is none before end. */
static bool read_varint(struct scan *scan, const uint8_t *end, uint64_t *out)
{
    uint64_t value = 0;
    const uint8_t *byte = scan->at;
    for (unsigned shift = 0; shift < 70 && byte < end; shift += 7, byte++) {
        value |= (uint64_t)(*byte & 0x7f) << shift;
        if (*byte < 0x80) {
            scan->at = byte + 1;
            *out = value;
            return true;
        }
    }
    return false;
}

static enum lm_status scan_name(struct scan *scan, const uint8_t *end)
{
    size_t size = (size_t)(end - scan->at);
    if (size > ONNX_MAX_NAME)
        return onnx_fail(scan->reader, LM_LIMIT, "a name of %zu bytes at byte %zu (limit %d)", size,
                         (size_t)(scan->at - scan->start), ONNX_MAX_NAME);
    if (size > 0 && memchr(scan->at, 0, size))
        return fail_at(scan, "a name with a NUL inside");
    scan->at = end;
    return LM_OK;
}

static enum lm_status enter_message(struct scan *scan, const struct onnx_field *field,
                                    const uint8_t *end)
{
    struct frame *frame = &scan->frames[scan->depth - 1];
    uint64_t limit = scan->reader->limits->max_nodes;
    uint64_t bit = (uint64_t)1 << field->index;
    if (!field->repeated && (frame->seen & bit))
        return fail_at(scan, "a message that may be given once is given twice");
    frame->seen |= bit;
    if (field->is_node && ++scan->nodes > limit)
        return onnx_fail(scan->reader, LM_LIMIT, "more than %" PRIu64 " nodes (limit)", limit);
    if (scan->depth == MAX_DEPTH)
        return fail_at(scan, "nested too deeply");
    scan->frames[scan->depth++] = (struct frame){.end = end, .type = field->type};
    return LM_OK;
}

static enum lm_status scan_list(struct scan *scan, enum onnx_field_kind kind, const uint8_t *end)
{
    uint64_t limit = scan->reader->limits->max_bytes;
    size_t size = (size_t)(end - scan->at), numbers = 0;
    size_t unit = kind == ONNX_FIELD_FLOAT || kind == ONNX_FIELD_INT32 ? 4 : 8;
    if (kind == ONNX_FIELD_FLOAT || kind == ONNX_FIELD_DOUBLE) {
        if (size % unit != 0)
            return fail_at(scan, "a list of numbers ends inside a number");
        numbers = size / unit;
        scan->at = end;
    }
    for (uint64_t value; scan->at < end; numbers++)
        if (!read_varint(scan, end, &value))
            return fail_at(scan, "a list of numbers ends inside a number");
    scan->list_numbers += numbers;
    scan->list_bytes += (uint64_t)numbers * unit;
    if (scan->list_numbers > MAX_LIST_NUMBERS || scan->list_bytes > limit)
        return onnx_fail(scan->reader, LM_LIMIT,
                         "lists of numbers take %" PRIu64 " bytes or more (limit %" PRIu64 ")",
                         scan->list_bytes, limit);
    return LM_OK;
}

static enum lm_status scan_sized(struct scan *scan, const struct onnx_field *field)
{
    const uint8_t *limit = scan->frames[scan->depth - 1].end;
    uint64_t size;
    if (!read_varint(scan, limit, &size))
        return fail_at(scan, "a length is cut short");
    if (size > (uint64_t)(limit - scan->at))
        return fail_at(scan, "a field is longer than what holds it");
    if (size > MAX_FIELD)
        return onnx_fail(scan->reader, LM_LIMIT, "a field of %" PRIu64 " bytes (limit %d)", size,
                         MAX_FIELD);
    const uint8_t *end = scan->at + size;
    switch (field->kind) {
    case ONNX_FIELD_NAME: return scan_name(scan, end);
    case ONNX_FIELD_MESSAGE: return enter_message(scan, field, end);
    case ONNX_FIELD_UNKNOWN:
    case ONNX_FIELD_BYTES: scan->at = end; return LM_OK;
    default: return scan_list(scan, field->kind, end);
    }
}

/* Lists of numbers may come packed into one field, or one number a field. */
static bool has_wire_type(const struct onnx_field *field, unsigned wire)
{
    switch (field->kind) {
    case ONNX_FIELD_UNKNOWN: return true;
    case ONNX_FIELD_BYTES:
    case ONNX_FIELD_NAME:
    case ONNX_FIELD_MESSAGE: return wire == WIRE_SIZED;
    case ONNX_FIELD_FLOAT: return wire == WIRE_32 || (wire == WIRE_SIZED && field->repeated);
    case ONNX_FIELD_DOUBLE: return wire == WIRE_64 || (wire == WIRE_SIZED && field->repeated);
    default: return wire == WIRE_VARINT || (wire == WIRE_SIZED && field->repeated);
    }
}

static enum lm_status skip_number(struct scan *scan, unsigned wire)
{
    const uint8_t *end = scan->frames[scan->depth - 1].end;
    uint64_t value;
    size_t size = wire == WIRE_64 ? 8 : 4;
    if (wire == WIRE_VARINT) {
        if (read_varint(scan, end, &value))
            return LM_OK;
    } else if ((size_t)(end - scan->at) >= size) {
        scan->at += size;
        return LM_OK;
    }
    return fail_at(scan, "a number is cut short");
}

static enum lm_status scan_field(struct scan *scan)
{
    const struct frame *frame = &scan->frames[scan->depth - 1];
    const uint8_t *begin = scan->at;
    uint64_t tag;
    if (!read_varint(scan, frame->end, &tag) || scan->at - begin > 5 || tag > UINT32_MAX ||
        tag >> 3 == 0)
        return fail_from(scan, begin, "no field starts here");
    unsigned wire = tag & 7;
    if (wire > WIRE_SIZED && wire != WIRE_32)
        return fail_from(scan, begin, "no field starts here");
    struct onnx_field field = scan->describe(frame->type, (uint32_t)(tag >> 3));
    if (!has_wire_type(&field, wire))
        return fail_from(scan, begin, "a field is not of its type");
    return wire == WIRE_SIZED ? scan_sized(scan, &field) : skip_number(scan, wire);
}

enum lm_status onnx_scan(const struct onnx_reader *reader, const uint8_t *bytes, size_t size,
                         const void *root, onnx_describe_fn describe, uint64_t *list_bytes)
{
    struct scan scan = {.reader = reader, .describe = describe, .start = bytes, .at = bytes};
    scan.frames[0] = (struct frame){.end = bytes + size, .type = root};
    scan.depth = 1;
    while (scan.depth > 0) {
        if (scan.at == scan.frames[scan.depth - 1].end) {
            scan.depth--;
            continue;
        }
        enum lm_status status = scan_field(&scan);
        if (status != LM_OK)
            return status;
    }
    *list_bytes = scan.list_bytes;
    return LM_OK;
}
