/* Request targets.  Splitting comes before decoding, so that escaped slashes and colons are data;
 * decoded text is plain UTF-8, so that it can go into JSON and logs as it is. */
#include "http/uri.h"

#include <stdint.h>
#include <string.h>

#include "http/utf8.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *unescape(const char *text, size_t length, bool is_query, char *out)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '%') {
            *out++ = is_query && text[i] == '+' ? ' ' : text[i];
            continue;
        }
        if (length - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
            return NULL;
        *out++ = (char)(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
        i += 2;
    }
    return out;
}

char *uri_decode(const char *text, size_t length, bool is_query, char *out)
{
    char *end = unescape(text, length, is_query, out);
    if (!end || !utf8_is_plain(out, (size_t)(end - out)))
        return NULL;
    *end = '\0';
    return end;
}

static size_t last_colon(const char *text, size_t length)
{
    while (length-- > 0)
        if (text[length] == ':')
            return length;
    return SIZE_MAX;
}

/* The decoded segment; *buffer moves behind it. */
static enum uri_fault split_one(const char *text, size_t length, char **buffer,
                                struct uri_segment *out)
{
    char *start = *buffer;
    size_t colon = last_colon(text, length);
    out->text = start;
    out->colon = SIZE_MAX;
    size_t skip = 0;
    char *end = start;
    if (colon != SIZE_MAX) {
        end = uri_decode(text, colon, false, start);
        if (!end)
            return URI_BROKEN;
        out->colon = (size_t)(end - start);
        *end++ = ':';
        skip = colon + 1;
    }
    end = uri_decode(text + skip, length - skip, false, end);
    if (!end)
        return URI_BROKEN;
    *buffer = end + 1;
    bool nowhere = end == start || strcmp(start, ".") == 0 || strcmp(start, "..") == 0;
    return nowhere ? URI_NOWHERE : URI_OK;
}

enum uri_fault uri_split(const char *path, char *buffer, struct uri_path *out)
{
    out->n = 0;
    if (*path++ != '/')
        return URI_NOWHERE;
    enum uri_fault worst = URI_OK;
    while (*path) {
        if (out->n == URI_SEGMENTS_MAX)
            return URI_NOWHERE;
        size_t length = strcspn(path, "/");
        enum uri_fault fault = split_one(path, length, &buffer, &out->segments[out->n++]);
        if (fault == URI_BROKEN)
            return fault;
        worst = fault ? fault : worst;
        path += length + (path[length] == '/');
    }
    return worst;
}

bool uri_query(const char *query, char *buffer, struct http_pair pairs[URI_QUERY_MAX], size_t *n)
{
    *n = 0;
    while (*query) {
        size_t length = strcspn(query, "&"), name = strcspn(query, "=&");
        if (length > 0) {
            if (*n == URI_QUERY_MAX)
                return false;
            struct http_pair *pair = &pairs[(*n)++];
            pair->name = buffer;
            buffer = uri_decode(query, name, true, buffer);
            if (!buffer)
                return false;
            pair->value = name < length ? ++buffer : buffer;
            size_t skip = name < length ? name + 1 : name;
            buffer = uri_decode(query + skip, length - skip, true, buffer);
            if (!buffer)
                return false;
            buffer++;
        }
        query += length + (query[length] == '&');
    }
    return true;
}
