/* Tensors whose numbers are in a file beside the model.
 *
 * The location comes from the model file and is not trusted: it must be a relative path without
 * "..", and what it leads to, links resolved, must be a regular file inside the model's folder.
 * Someone who can change that folder while it is read is trusted.  The file that was used last
 * stays open, because models keep their tensors one after the other in one file.
 */
#define _XOPEN_SOURCE 700 /* realpath */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "onnx/reader.h"

static const char *location_fault(const char *location)
{
    if (!location || !*location)
        return "it has no location";
    if (*location == '/')
        return "it is an absolute path";
    if (strchr(location, '\\') || strchr(location, ':'))
        return "it has a backslash or colon";
    for (const char *part = location; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return "it leads out of the model's folder";
    }
    return NULL;
}

/* The folder of the model's path, links resolved; NULL, with errno set, when that fails. */
static char *model_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return realpath(".", NULL);
    size_t length = (size_t)(slash - path) + 1;
    char *folder = array_alloc(length + 1, 1);
    if (!folder) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(folder, path, length);
    folder[length] = '\0';
    char *resolved = realpath(folder, NULL);
    free(folder);
    return resolved;
}

static char *join(const char *folder, const char *location)
{
    size_t size = strlen(folder) + strlen(location) + 2;
    char *path = array_alloc(size, 1);
    if (path)
        snprintf(path, size, "%s/%s", folder, location);
    return path;
}

static bool is_inside(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    if (length > 0 && folder[length - 1] == '/') /* the root */
        length--;
    return strncmp(path, folder, length) == 0 && path[length] == '/';
}

static enum lm_status fail_resolve(const struct onnx_reader *reader, const char *where, int number)
{
    if (number == ENOMEM)
        return onnx_nomem(reader);
    char reason[120];
    if (strerror_r(number, reason, sizeof reason) != 0)
        strcpy(reason, "unknown error");
    return onnx_fail(reader, LM_IO, "%scannot be opened: %s", where, reason);
}

/* *out: the file's path, links resolved and known to be inside the model's folder. */
static enum lm_status resolve(struct onnx_reader *reader, const char *where, const char *location,
                              char **out)
{
    if (!reader->folder && !(reader->folder = model_folder(reader->path)))
        return fail_resolve(reader, where, errno);
    char *path = join(reader->folder, location);
    if (!path)
        return onnx_nomem(reader);
    char *resolved = realpath(path, NULL);
    int number = errno;
    free(path);
    if (!resolved)
        return fail_resolve(reader, where, number);
    if (!is_inside(resolved, reader->folder)) {
        free(resolved);
        return onnx_fail(reader, LM_UNSUPPORTED, "%sit leads out of the model's folder", where);
    }
    *out = resolved;
    return LM_OK;
}

static enum lm_status open_data(struct onnx_reader *reader, const char *where,
                                struct onnx_tensor_source *source)
{
    if (reader->data_location && strcmp(reader->data_location, source->location) == 0)
        return LM_OK;
    char *path = NULL;
    struct onnx_file file;
    enum lm_status status = resolve(reader, where, source->location, &path);
    if (status != LM_OK)
        return status;
    status = onnx_file_open(reader, path, where, &file);
    free(path);
    if (status != LM_OK)
        return status;
    if (reader->data_location) {
        onnx_file_close(&reader->data);
        free(reader->data_location);
    }
    reader->data = file;
    reader->data_location = source->location;
    source->location = NULL;
    return LM_OK;
}

/* Digits only; text NULL: `missing`. */
static bool parse_count(const char *text, uint64_t missing, uint64_t *out)
{
    uint64_t value = 0;
    if (!text) {
        *out = missing;
        return true;
    }
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (unsigned)(*c - '0'), &value))
            return false;
    }
    *out = value;
    return *text != '\0';
}

static enum lm_status parse_range(const struct onnx_reader *reader, const char *where,
                                  const struct onnx_tensor_source *source, size_t size,
                                  uint64_t *offset)
{
    char text[ONNX_QUOTE];
    uint64_t length;
    if (!parse_count(source->offset, 0, offset))
        return onnx_fail(reader, LM_CORRUPT, "%soffset \"%s\" is not a number of bytes", where,
                         onnx_quote(source->offset, text));
    if (!parse_count(source->length, size, &length))
        return onnx_fail(reader, LM_CORRUPT, "%slength \"%s\" is not a number of bytes", where,
                         onnx_quote(source->length, text));
    if (length != size)
        return onnx_fail(reader, LM_CORRUPT, "%slength %" PRIu64 ", but the dims need %zu", where,
                         length, size);
    return LM_OK;
}

enum lm_status onnx_external_read(struct onnx_reader *reader, const char *where, size_t size,
                                  struct onnx_tensor_source *source)
{
    char place[ONNX_WHERE + 100], name[ONNX_QUOTE];
    uint64_t offset;
    const char *location = source->location ? source->location : "";
    snprintf(place, sizeof place, "%s: external data \"%s\": ", where, onnx_quote(location, name));
    const char *fault = location_fault(source->location);
    if (fault)
        return onnx_fail(reader, LM_UNSUPPORTED, "%s%s", place, fault);
    enum lm_status status = parse_range(reader, place, source, size, &offset);
    if (status == LM_OK)
        status = open_data(reader, place, source);
    if (status != LM_OK)
        return status;
    if (offset > reader->data.size || size > reader->data.size - offset)
        return onnx_fail(reader, LM_CORRUPT,
                         "%s%zu bytes from %" PRIu64 " on, but the file has %" PRIu64, place, size,
                         offset, reader->data.size);
    uint8_t *bytes = array_alloc(size, 1);
    if (!bytes)
        return onnx_nomem(reader);
    status = onnx_file_read(reader, &reader->data, offset, bytes, size, place);
    if (status != LM_OK) {
        free(bytes);
        return status;
    }
    free(source->raw);
    source->raw = bytes;
    source->raw_size = size;
    source->has_raw = true;
    return LM_OK;
}

void onnx_external_close(struct onnx_reader *reader)
{
    if (reader->data_location)
        onnx_file_close(&reader->data);
    free(reader->data_location);
    free(reader->folder);
    reader->data_location = reader->folder = NULL;
}
