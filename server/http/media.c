/* Content types and their parameters, by the grammar of RFC 9110, section 5.6. */
#include "http/media.h"

#include <string.h>
#include <strings.h>

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_space(const char *text)
{
    return text + strspn(text, " \t");
}

size_t media_token(const char *text)
{
    size_t n = 0;
    while (is_token(text[n]))
        n++;
    return n;
}

bool media_type(const char *text, char type[MEDIA_TYPE_MAX])
{
    type[0] = '\0';
    text = skip_space(text);
    size_t major = media_token(text);
    size_t minor = major && text[major] == '/' ? media_token(text + major + 1) : 0;
    size_t length = major + 1 + minor;
    if (minor == 0 || length >= MEDIA_TYPE_MAX || !strchr("; \t", text[length]))
        return false;
    for (size_t i = 0; i < length; i++)
        type[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]);
    type[length] = '\0';
    return true;
}

/* A quoted string at text; backslashes only escape quotes and themselves, as browsers send file
 * names with plain backslashes.  Returns what follows; NULL when it has no end or does not fit. */
static const char *unquote(const char *text, char *value, size_t capacity)
{
    size_t n = 0;
    for (text++; *text != '"'; text++) {
        if (*text == '\\' && (text[1] == '"' || text[1] == '\\'))
            text++;
        if (!*text || n + 1 >= capacity)
            return NULL;
        value[n++] = *text;
    }
    value[n] = '\0';
    return text + 1;
}

static const char *take_value(const char *text, char *value, size_t capacity)
{
    if (*text == '"')
        return unquote(text, value, capacity);
    size_t length = media_token(text);
    if (length == 0 || length >= capacity)
        return NULL;
    memcpy(value, text, length);
    value[length] = '\0';
    return text + length;
}

bool media_parameter(const char *text, const char *name, char *value, size_t capacity)
{
    text += strcspn(text, ";");
    while (*text == ';') {
        text = skip_space(text + 1);
        size_t length = media_token(text);
        if (length == 0 || text[length] != '=')
            return false;
        bool found = length == strlen(name) && strncasecmp(text, name, length) == 0;
        const char *next = take_value(text + length + 1, value, capacity);
        if (!next)
            return false;
        if (found)
            return true;
        text = skip_space(next);
    }
    return false;
}
