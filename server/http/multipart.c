/* multipart/form-data.  Strict: lines end in CRLF, nothing before the first boundary and nothing
 * but one CRLF after the last, every part has exactly one Content-Disposition with a name.  Parts
 * are not copied. */
#include "http/multipart.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/media.h"
#include "http/utf8.h"

#define BOUNDARY_MAX 70

struct reader {
    const uint8_t *next, *end;
    char delimiter[BOUNDARY_MAX + 5]; /* CRLF, two dashes, the boundary */
    size_t delimiter_length;
    struct lm_error *error;
};

static bool is_boundary(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && text[length - 1] != ' ' &&
           strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "'()+_,-./:=? ") == length;
}

static enum lm_status read_boundary(struct reader *reader, const char *content_type)
{
    char type[MEDIA_TYPE_MAX], boundary[BOUNDARY_MAX + 1];
    if (!media_type(content_type, type) || strcmp(type, "multipart/form-data") != 0)
        return lm_fail(reader->error, LM_INVALID, "the content type is not multipart/form-data");
    if (!media_parameter(content_type, "boundary", boundary, sizeof boundary) ||
        !is_boundary(boundary))
        return lm_fail(reader->error, LM_INVALID,
                       "multipart/form-data needs a boundary of 1 to 70 characters");
    memcpy(reader->delimiter, "\r\n--", 4);
    strcpy(reader->delimiter + 4, boundary);
    reader->delimiter_length = 4 + strlen(boundary);
    return LM_OK;
}

static bool starts_with(const struct reader *reader, const void *text, size_t length)
{
    return (size_t)(reader->end - reader->next) >= length &&
           memcmp(reader->next, text, length) == 0;
}

static bool skip(struct reader *reader, const void *text, size_t length)
{
    if (!starts_with(reader, text, length))
        return false;
    reader->next += length;
    return true;
}

/* NULL when it does not come any more. */
static const uint8_t *find(const struct reader *reader, const char *text, size_t length)
{
    for (const uint8_t *at = reader->next; (size_t)(reader->end - at) >= length; at++) {
        at = memchr(at, text[0], (size_t)(reader->end - at) - length + 1);
        if (!at || memcmp(at, text, length) == 0)
            return at;
    }
    return NULL;
}

/* Takes a header line into line, without its CRLF. */
static enum lm_status read_line(struct reader *reader, size_t number, char *line, size_t *left)
{
    const uint8_t *end = find(reader, "\r\n", 2);
    if (!end)
        return lm_fail(reader->error, LM_CORRUPT, "part %zu: the headers have no end", number);
    size_t length = (size_t)(end - reader->next);
    if (length + 2 > *left)
        return lm_fail(reader->error, LM_LIMIT, "part %zu: headers are over the limit of %d bytes",
                       number, MULTIPART_HEADER_BYTES_MAX);
    memcpy(line, reader->next, length);
    line[length] = '\0';
    if (!utf8_is_plain(line, length) && length > 0)
        for (size_t i = 0; i < length; i++)
            if (line[i] != '\t' && (unsigned char)line[i] < 0x20)
                return lm_fail(reader->error, LM_CORRUPT,
                               "part %zu: control characters in the headers", number);
    *left -= length + 2;
    reader->next = end + 2;
    return LM_OK;
}

static enum lm_status read_disposition(struct reader *reader, size_t number, const char *value,
                                       struct multipart_part *part)
{
    struct lm_error *error = reader->error;
    if (part->name[0])
        return lm_fail(error, LM_CORRUPT, "part %zu: two Content-Disposition headers", number);
    if (media_token(value) != 9 || strncasecmp(value, "form-data", 9) != 0)
        return lm_fail(error, LM_CORRUPT, "part %zu: Content-Disposition is not form-data", number);
    if (!media_parameter(value, "name", part->name, sizeof part->name) || !part->name[0])
        return lm_fail(error, LM_CORRUPT, "part %zu: no name, or one over %d bytes", number,
                       MULTIPART_NAME_MAX - 1);
    if (!media_parameter(value, "filename", part->filename, sizeof part->filename))
        part->filename[0] = '\0';
    if (!utf8_is_plain(part->name, strlen(part->name)) ||
        !utf8_is_plain(part->filename, strlen(part->filename)))
        return lm_fail(error, LM_CORRUPT, "part %zu: the name is not UTF-8", number);
    return LM_OK;
}

static enum lm_status read_header(struct reader *reader, size_t number, const char *line,
                                  struct multipart_part *part)
{
    size_t name = media_token(line);
    if (name == 0 || line[name] != ':')
        return lm_fail(reader->error, LM_CORRUPT, "part %zu: a malformed header line", number);
    const char *value = line + name + 1;
    value += strspn(value, " \t");
    if (name == 19 && strncasecmp(line, "Content-Disposition", name) == 0)
        return read_disposition(reader, number, value, part);
    if (name == 12 && strncasecmp(line, "Content-Type", name) == 0) {
        if (strlen(value) >= sizeof part->content_type || !utf8_is_plain(value, strlen(value)))
            return lm_fail(reader->error, LM_CORRUPT, "part %zu: a malformed Content-Type", number);
        strcpy(part->content_type, value);
    }
    if (name == 25 && strncasecmp(line, "Content-Transfer-Encoding", name) == 0 &&
        strcasecmp(value, "binary") != 0 && strcasecmp(value, "8bit") != 0 &&
        strcasecmp(value, "7bit") != 0)
        return lm_fail(reader->error, LM_CORRUPT,
                       "part %zu: Content-Transfer-Encoding must be binary", number);
    return LM_OK;
}

static enum lm_status read_headers(struct reader *reader, size_t number,
                                   struct multipart_part *part)
{
    char line[MULTIPART_HEADER_BYTES_MAX];
    size_t left = sizeof line;
    for (;;) {
        enum lm_status status = read_line(reader, number, line, &left);
        if (status != LM_OK)
            return status;
        if (!line[0])
            break;
        status = read_header(reader, number, line, part);
        if (status != LM_OK)
            return status;
    }
    if (!part->name[0])
        return lm_fail(reader->error, LM_CORRUPT, "part %zu: no Content-Disposition", number);
    if (!part->content_type[0])
        strcpy(part->content_type, "text/plain");
    return LM_OK;
}

static enum lm_status read_part(struct reader *reader, size_t number, struct multipart_part *part)
{
    *part = (struct multipart_part){0};
    enum lm_status status = read_headers(reader, number, part);
    if (status != LM_OK)
        return status;
    /* An empty part's delimiter begins with the CRLF that ends its headers. */
    reader->next -= 2;
    const uint8_t *end = find(reader, reader->delimiter, reader->delimiter_length);
    if (!end)
        return lm_fail(reader->error, LM_CORRUPT, "part %zu: the closing boundary is missing",
                       number);
    part->bytes = reader->next + 2;
    part->size = end > reader->next ? (size_t)(end - reader->next) - 2 : 0;
    reader->next = end + reader->delimiter_length;
    return LM_OK;
}

static enum lm_status add_part(struct reader *reader, size_t parts_max, struct multipart *out,
                               size_t *capacity)
{
    if (out->n >= parts_max)
        return lm_fail(reader->error, LM_LIMIT, "the body has more than %zu parts", parts_max);
    if (out->n == *capacity) {
        size_t wanted = *capacity ? *capacity * 2 : 4;
        struct multipart_part *grown = realloc(out->parts, wanted * sizeof *grown);
        if (!grown)
            return lm_fail(reader->error, LM_NOMEM, "out of memory for %zu parts", wanted);
        out->parts = grown;
        *capacity = wanted;
    }
    enum lm_status status = read_part(reader, out->n, &out->parts[out->n]);
    if (status == LM_OK)
        out->n++;
    return status;
}

static enum lm_status read_parts(struct reader *reader, size_t parts_max, struct multipart *out)
{
    size_t capacity = 0;
    if (!skip(reader, reader->delimiter + 2, reader->delimiter_length - 2))
        return lm_fail(reader->error, LM_CORRUPT, "the body does not start with its boundary");
    while (!starts_with(reader, "--", 2)) {
        if (!skip(reader, "\r\n", 2))
            return lm_fail(reader->error, LM_CORRUPT,
                           "the body ends in or after a boundary, after %zu parts", out->n);
        enum lm_status status = add_part(reader, parts_max, out, &capacity);
        if (status != LM_OK)
            return status;
    }
    reader->next += 2;
    skip(reader, "\r\n", 2);
    if (reader->next != reader->end)
        return lm_fail(reader->error, LM_CORRUPT, "%zu bytes follow the closing boundary",
                       (size_t)(reader->end - reader->next));
    return LM_OK;
}

enum lm_status multipart_parse(const char *content_type, const uint8_t *body, size_t size,
                               size_t parts_max, struct multipart *out, struct lm_error *error)
{
    static const uint8_t nothing[1];
    if (!body)
        body = nothing;
    struct reader reader = {.next = body, .end = body + size, .error = error};
    enum lm_status status = read_boundary(&reader, content_type);
    if (status != LM_OK)
        return status;
    struct multipart parts = {0};
    status = read_parts(&reader, parts_max, &parts);
    if (status != LM_OK) {
        multipart_free(&parts);
        return status;
    }
    *out = parts;
    return LM_OK;
}

void multipart_free(struct multipart *multipart)
{
    if (!multipart)
        return;
    free(multipart->parts);
    *multipart = (struct multipart){0};
}
