/* Takes the numbers of large initializers out of a file's bytes before those are parsed.
 *
 * The parser copies what it reads: file and numbers would be in memory together.  So raw data is
 * copied here, from the last tensor to the first, and the file given back from its end on
 * meanwhile: no more than the file and one tensor are in memory at once.  What is left for the
 * parser is the same file with empty raw data; the lengths of what holds it are written anew in as
 * many bytes as they had, which varints allow, so that nothing else changes.
 *
 * The bytes have passed onnx_scan and are not checked again.
 * Limits: raw data (which is how weights are written) of initializers, given once in its tensor.
 */
#include <string.h>

#include "base/memory.h"
#include "onnx/reader.h"

enum { MODEL_GRAPH = 7, GRAPH_INITIALIZER = 5, TENSOR_RAW_DATA = 9 };
enum { WIRE_VARINT, WIRE_64, WIRE_SIZED, WIRE_32 = 5 };

/* The list of what is lifted takes less than 3 % of the file. */
enum { LIFT_LEAST = 1024 };

/* length: where its length is written, up to body.  size: 0 for fields without a length. */
struct field {
    uint32_t number;
    uint8_t *length, *body;
    size_t size;
};

static uint64_t read_varint(uint8_t **at)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return value;
}

static struct field read_field(uint8_t **at)
{
    uint64_t tag = read_varint(at);
    struct field field = {.number = (uint32_t)(tag >> 3)};
    switch (tag & 7) {
    case WIRE_VARINT: read_varint(at); break;
    case WIRE_64: *at += 8; break;
    case WIRE_32: *at += 4; break;
    case WIRE_SIZED:
        field.length = *at;
        field.size = (size_t)read_varint(at);
        field.body = *at;
        *at += field.size;
        break;
    }
    return field;
}

static void write_length(const struct field *field, size_t size)
{
    for (uint8_t *at = field->length; at < field->body; at++, size >>= 7)
        *at = (uint8_t)((size & 0x7f) | (at + 1 < field->body ? 0x80 : 0));
}

/* The last field of that number, and how many there are. */
static size_t find_field(uint8_t *at, const uint8_t *end, uint32_t number, struct field *out)
{
    size_t found = 0;
    while (at < end) {
        struct field field = read_field(&at);
        if (field.number == number) {
            *out = field;
            found++;
        }
    }
    return found;
}

/* Lists what to lift, and makes it empty for the parser; *total: its bytes. */
static bool list_raw(uint8_t *bytes, struct field *graph, struct onnx_lifted *out, size_t *total)
{
    size_t capacity = 0, index = 0;
    const uint8_t *end = graph->body + graph->size;
    for (uint8_t *at = graph->body; at < end;) {
        struct field raw, tensor = read_field(&at);
        if (tensor.number != GRAPH_INITIALIZER)
            continue;
        index++;
        if (find_field(tensor.body, at, TENSOR_RAW_DATA, &raw) != 1 || raw.size < LIFT_LEAST)
            continue;
        void *list = out->list;
        if (!array_grow(&list, &capacity, out->n + 1, sizeof *out->list))
            return false;
        out->list = list;
        out->list[out->n++] = (struct onnx_raw){
            .index = index - 1, .at = (size_t)(raw.body - bytes), .size = raw.size};
        *total += raw.size;
        write_length(&raw, 0);
        write_length(&tensor, tensor.size - raw.size);
    }
    write_length(graph, graph->size - *total);
    return true;
}

/* The file without what is lifted. */
static uint8_t *copy_rest(const uint8_t *bytes, size_t size, const struct onnx_lifted *lifted,
                          size_t rest_size)
{
    uint8_t *rest = array_alloc(rest_size, 1);
    size_t from = 0, to = 0;
    for (size_t k = 0; k <= lifted->n && rest; k++) {
        size_t until = k < lifted->n ? lifted->list[k].at : size;
        memcpy(rest + to, bytes + from, until - from);
        to += until - from;
        from = k < lifted->n ? until + lifted->list[k].size : size;
    }
    return rest;
}

/* The file ends before each tensor that has been copied. */
static bool take_raw(uint8_t **bytes, struct onnx_lifted *lifted)
{
    for (size_t k = lifted->n; k-- > 0;) {
        struct onnx_raw *raw = &lifted->list[k];
        raw->data = array_alloc(raw->size, 1);
        if (!raw->data)
            return false;
        memcpy(raw->data, *bytes + raw->at, raw->size);
        uint8_t *shorter = realloc(*bytes, raw->at);
        if (!shorter)
            return false;
        *bytes = shorter;
    }
    return true;
}

enum lm_status onnx_lift(const struct onnx_reader *reader, uint8_t **bytes, size_t *size,
                         struct onnx_lifted *out)
{
    struct field graph;
    size_t total = 0;
    if (find_field(*bytes, *bytes + *size, MODEL_GRAPH, &graph) == 0)
        return LM_OK;
    if (!list_raw(*bytes, &graph, out, &total))
        return onnx_nomem(reader);
    if (out->n == 0)
        return LM_OK;
    uint8_t *rest = copy_rest(*bytes, *size, out, *size - total);
    if (!rest)
        return onnx_nomem(reader);
    if (!take_raw(bytes, out)) {
        free(rest);
        return onnx_nomem(reader);
    }
    free(*bytes);
    *bytes = rest;
    *size -= total;
    return LM_OK;
}

void onnx_lifted_free(struct onnx_lifted *lifted)
{
    for (size_t k = 0; k < lifted->n; k++)
        free(lifted->list[k].data);
    free(lifted->list);
    *lifted = (struct onnx_lifted){0};
}
