/* NumPy's .npy files: magic, version, length of a header, the header (a Python dictionary written
 * as text), the numbers.  The reader of the header takes the dictionary that NumPy writes, in any
 * order of its three keys, and nothing else. */
#include "codec/npy.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "codec/fault.h"
#include "codec/file.h"

#define MAX_FILE_BYTES ((size_t)1 << 32)
#define MAX_ELEMENTS ((size_t)1 << 30)

static const char magic[6] = "\x93NUMPY";

struct element_type {
    const char *name;
    size_t bytes;
};

static const struct element_type types[] = {{"<f4", 4}, {"<f8", 8}, {"|u1", 1}, {"|b1", 1}};

/* Text being read, and where errors go. */
struct reader {
    const char *at, *end;
    const char *where;
    struct lm_error *error;
};

struct header {
    const struct element_type *type; /* NULL until read */
    bool has_order, has_shape;
    uint32_t dimensions;
    size_t shape[NPY_MAX_DIMENSIONS];
};

static enum lm_status corrupt(const struct reader *reader, const char *reason)
{
    return lm_fail(reader->error, LM_CORRUPT, "%s: not a valid .npy file: %s", reader->where,
                   reason);
}

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n'))
        reader->at++;
}

/* Takes `text` if it comes next. */
static bool accept(struct reader *reader, const char *text)
{
    skip_blanks(reader);
    size_t length = strlen(text);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, text, length) != 0)
        return false;
    reader->at += length;
    return true;
}

/* 'text' in quotes, shorter than `capacity`. */
static bool read_quoted(struct reader *reader, char *out, size_t capacity)
{
    if (!accept(reader, "'"))
        return false;
    const char *quote = memchr(reader->at, '\'', (size_t)(reader->end - reader->at));
    if (!quote || (size_t)(quote - reader->at) >= capacity)
        return false;
    size_t length = (size_t)(quote - reader->at);
    memcpy(out, reader->at, length);
    out[length] = '\0';
    reader->at = quote + 1;
    return true;
}

static enum lm_status read_type(struct reader *reader, struct header *header)
{
    char name[32];
    if (!read_quoted(reader, name, sizeof name))
        return lm_fail(reader->error, LM_UNSUPPORTED,
                       "%s: structured arrays are not read, only float32, float64, uint8 and bool",
                       reader->where);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0)
            header->type = &types[i];
    char shown[sizeof name];
    fault_clip_text(shown, sizeof shown, name);
    if (!header->type)
        return lm_fail(reader->error, LM_UNSUPPORTED,
                       "%s: elements of type '%s' are not read, only float32 '<f4', float64 '<f8', "
                       "uint8 '|u1' and bool '|b1'",
                       reader->where, shown);
    return LM_OK;
}

static enum lm_status read_order(struct reader *reader, struct header *header)
{
    header->has_order = true;
    if (accept(reader, "True"))
        return lm_fail(reader->error, LM_UNSUPPORTED,
                       "%s: Fortran order is not read; save numpy.ascontiguousarray(x)",
                       reader->where);
    return accept(reader, "False") ? LM_OK : corrupt(reader, "fortran_order is no bool");
}

static bool read_length(struct reader *reader, size_t *out)
{
    size_t value = 0;
    const char *start = reader->at;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++)
        if (__builtin_mul_overflow(value, (size_t)10, &value) ||
            __builtin_add_overflow(value, (size_t)(*reader->at - '0'), &value))
            return false;
    *out = value;
    return reader->at > start;
}

static enum lm_status read_shape(struct reader *reader, struct header *header)
{
    header->has_shape = true;
    if (!accept(reader, "("))
        return corrupt(reader, "the shape is no tuple");
    while (!accept(reader, ")")) {
        if (header->dimensions == NPY_MAX_DIMENSIONS)
            return lm_fail(reader->error, LM_LIMIT, "%s: more than %d dimensions", reader->where,
                           NPY_MAX_DIMENSIONS);
        skip_blanks(reader);
        if (!read_length(reader, &header->shape[header->dimensions++]))
            return corrupt(reader, "a length in the shape is no number");
        if (!accept(reader, ",") && !(reader->at < reader->end && *reader->at == ')'))
            return corrupt(reader, "the shape is no tuple");
    }
    return LM_OK;
}

static enum lm_status read_entry(struct reader *reader, struct header *header)
{
    char key[32];
    if (!read_quoted(reader, key, sizeof key) || !accept(reader, ":"))
        return corrupt(reader, "the header is no dictionary");
    if (strcmp(key, "descr") == 0 && !header->type)
        return read_type(reader, header);
    if (strcmp(key, "fortran_order") == 0 && !header->has_order)
        return read_order(reader, header);
    if (strcmp(key, "shape") == 0 && !header->has_shape)
        return read_shape(reader, header);
    return corrupt(reader, "an unknown or repeated key in the header");
}

static enum lm_status read_header(struct reader *reader, struct header *header)
{
    if (!accept(reader, "{"))
        return corrupt(reader, "the header is no dictionary");
    while (!accept(reader, "}")) {
        enum lm_status status = read_entry(reader, header);
        if (status != LM_OK)
            return status;
        skip_blanks(reader);
        if (!accept(reader, ",") && !(reader->at < reader->end && *reader->at == '}'))
            return corrupt(reader, "the header is no dictionary");
    }
    if (!header->type || !header->has_order || !header->has_shape)
        return corrupt(reader, "the header lacks descr, fortran_order or shape");
    return LM_OK;
}

/* Finds the header between the magic and the numbers; *data is where the numbers begin. */
static enum lm_status find_header(const uint8_t *bytes, size_t size, struct reader *reader,
                                  size_t *data)
{
    if (size < 10 || memcmp(bytes, magic, sizeof magic) != 0)
        return corrupt(reader, "it does not begin with \\x93NUMPY");
    unsigned version = bytes[6];
    if (version != 1 && version != 2)
        return lm_fail(reader->error, LM_UNSUPPORTED,
                       "%s: .npy version %u is not read, only 1 and 2", reader->where, version);
    size_t start = version == 1 ? 10 : 12;
    size_t length = bytes[8] + ((size_t)bytes[9] << 8);
    if (version == 2 && size >= start)
        length += ((size_t)bytes[10] << 16) + ((size_t)bytes[11] << 24);
    if (size < start || length > size - start)
        return corrupt(reader, "the header is cut short");
    reader->at = (const char *)bytes + start;
    reader->end = reader->at + length;
    *data = start + length;
    return LM_OK;
}

static enum lm_status count_elements(const struct reader *reader, const struct header *header,
                                     size_t *out)
{
    size_t count = 1;
    for (uint32_t i = 0; i < header->dimensions; i++)
        if (__builtin_mul_overflow(count, header->shape[i], &count) || count > MAX_ELEMENTS)
            return lm_fail(reader->error, LM_LIMIT, "%s: more than %zu elements", reader->where,
                           MAX_ELEMENTS);
    *out = count;
    return LM_OK;
}

static float element_as_float(const struct element_type *type, const uint8_t *at)
{
    double wide;
    float narrow;
    switch (type->bytes) {
    case 4: memcpy(&narrow, at, sizeof narrow); return narrow;
    case 8: memcpy(&wide, at, sizeof wide); return (float)wide;
    default: return (float)*at;
    }
}

enum lm_status npy_parse(const void *bytes, size_t size, const char *where, struct npy *out,
                         struct lm_error *error)
{
    struct reader reader = {.where = where, .error = error};
    struct header header = {0};
    size_t start = 0, count = 0;
    enum lm_status status = find_header(bytes, size, &reader, &start);
    if (status == LM_OK)
        status = read_header(&reader, &header);
    if (status == LM_OK)
        status = count_elements(&reader, &header, &count);
    if (status != LM_OK)
        return status;
    if (size - start != count * header.type->bytes)
        return lm_fail(error, LM_CORRUPT,
                       "%s: not a valid .npy file: %zu bytes of numbers, its shape needs %zu",
                       where, size - start, count * header.type->bytes);
    float *data = malloc(count ? count * sizeof *data : 1);
    if (!data)
        return lm_fail(error, LM_NOMEM, "%s: out of memory", where);
    const uint8_t *at = (const uint8_t *)bytes + start;
    for (size_t i = 0; i < count; i++)
        data[i] = element_as_float(header.type, at + i * header.type->bytes);
    *out = (struct npy){.dimensions = header.dimensions, .count = count, .data = data};
    memcpy(out->shape, header.shape, sizeof header.shape);
    return LM_OK;
}

enum lm_status npy_read(const char *path, struct npy *out, struct lm_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum lm_status status = file_read(path, MAX_FILE_BYTES, &bytes, &size, error);
    if (status == LM_OK)
        status = npy_parse(bytes, size, path, out, error);
    free(bytes);
    return status;
}

void npy_free(struct npy *array)
{
    if (!array)
        return;
    free(array->data);
    *array = (struct npy){0};
}
