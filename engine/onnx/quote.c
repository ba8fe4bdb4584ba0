/* Error texts of the ONNX reader: "<file>: <what>", one line whatever names the file holds.
 *
 * Names are reduced to ASCII rather than to valid UTF-8, so that neither control characters nor
 * text direction marks of a hostile file reach a log or a terminal.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "onnx/reader.h"

const char *onnx_quote(const char *name, char out[ONNX_QUOTE])
{
    static const char dots[] = "...";
    size_t length = strlen(name);
    size_t room = ONNX_QUOTE - 1;
    if (length <= room) {
        memcpy(out, name, length + 1);
    } else {
        size_t tail = (room - strlen(dots)) / 2, head = room - strlen(dots) - tail;
        memcpy(out, name, head);
        memcpy(out + head, dots, strlen(dots));
        memcpy(out + head + strlen(dots), name + length - tail, tail + 1);
    }
    for (char *c = out; *c; c++)
        if (*c < ' ' || *c > '~' || *c == '"')
            *c = '?';
    return out;
}

enum lm_status onnx_fail(const struct onnx_reader *reader, enum lm_status status,
                         const char *format, ...)
{
    char text[sizeof reader->error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return lm_fail(reader->error, status, "%s: %s", reader->file, text);
}

enum lm_status onnx_nomem(const struct onnx_reader *reader)
{
    return onnx_fail(reader, LM_NOMEM, "out of memory");
}

void onnx_node_text(const char *name, const char *op, size_t index, char out[ONNX_WHERE])
{
    char node[ONNX_QUOTE], type[ONNX_QUOTE];
    if (*name)
        snprintf(out, ONNX_WHERE, "node \"%s\" (%s)", onnx_quote(name, node), onnx_quote(op, type));
    else
        snprintf(out, ONNX_WHERE, "node %zu (%s)", index, onnx_quote(op, type));
}
