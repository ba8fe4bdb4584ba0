/* The checks of single texts that the table names. */
#include "config/setting.h"

#include <string.h>

#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool setting_is_store(const char *text)
{
    return strcmp(text, "memory") == 0 || strcmp(text, "sqlite") == 0 ||
           (strncmp(text, "sqlite:", 7) == 0 && text[7] != '\0');
}

bool setting_is_level(const char *text)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(text, levels[i]) == 0)
            return true;
    return false;
}

bool setting_is_precision(const char *text)
{
    return strcmp(text, "float32") == 0 || strcmp(text, "bfloat16") == 0;
}

bool setting_is_model_name(const char *text)
{
    size_t length = strspn(text, ALPHANUMERIC "._-");
    return length > 0 && length <= 255 && text[length] == '\0' && text[0] != '.';
}

/* As browsers send it: scheme://host or scheme://host:port, nothing behind. */
bool setting_is_origin(const char *text)
{
    if (strcmp(text, "*") == 0)
        return true;
    size_t scheme = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.");
    if (scheme == 0 || strncmp(text + scheme, "://", 3) != 0)
        return false;
    const char *host = text + scheme + 3;
    const char *port = host + strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-_[]:");
    return host[0] != '\0' && host[0] != ':' && *port == '\0';
}
