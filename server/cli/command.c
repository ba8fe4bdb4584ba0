/* How commands end.  Texts may quote foreign files, so control characters, which could drive a
 * terminal, become '?'. */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>

static void print_line(const char *text)
{
    char line[700];
    size_t length = 0;
    for (; text[length] && length + 1 < sizeof line; length++) {
        unsigned char c = (unsigned char)text[length];
        line[length] = (char)(c < ' ' || c == 0x7f ? '?' : c);
    }
    line[length] = '\0';
    fprintf(stderr, "layermask: %s\n", line);
}

__attribute__((format(printf, 1, 0))) static void print_formatted(const char *format,
                                                                  va_list arguments)
{
    char text[700];
    vsnprintf(text, sizeof text, format, arguments);
    print_line(text);
}

int command_fail(const struct lm_error *error)
{
    print_line(error->text);
    return COMMAND_FAILED;
}

int command_misuse(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_formatted(format, arguments);
    va_end(arguments);
    return COMMAND_USAGE;
}

void command_note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_formatted(format, arguments);
    va_end(arguments);
}
