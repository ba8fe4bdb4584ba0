/* One event as one line of JSON.
 *
 * Written by hand into the caller's buffer, since a log must not allocate: it also has to tell that
 * memory ran out.  Every field is written whole or not at all, so that what comes out is always a
 * JSON object.  Control characters are escaped beyond what JSON asks for (DEL, C1): logs are read
 * on terminals.  Numbers rely on the "C" locale, which a program has until it asks for another. */
#include "obs/log.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "obs/plain_text.h"

/* full: something did not fit; the length is then meaningless. */
struct line {
    char *out;
    size_t length, limit;
    bool full;
};

static const char closing[] = ",\"cut\":true}\n";

static void put(struct line *line, const char *bytes, size_t size)
{
    if (line->full || size > line->limit - line->length) {
        line->full = true;
        return;
    }
    memcpy(line->out + line->length, bytes, size);
    line->length += size;
}

static void put_string(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static void put_escaped(struct line *line, unsigned code)
{
    char escape[8];
    snprintf(escape, sizeof escape, "\\u%04x", code & 0xffff);
    put_string(line, escape);
}

static void put_character(struct line *line, const char *text, size_t size)
{
    const unsigned char byte = (unsigned char)*text;
    if (byte == '"' || byte == '\\') {
        put(line, "\\", 1);
        put(line, text, 1);
    } else if (byte == '\n') {
        put_string(line, "\\n");
    } else if (byte < ' ' || byte == 0x7f) {
        put_escaped(line, byte);
    } else if (byte == 0xc2 && (unsigned char)text[1] < 0xa0) {
        put_escaped(line, (unsigned char)text[1]);
    } else {
        put(line, text, size);
    }
}

static void put_text(struct line *line, const char *text, size_t size)
{
    size_t end = text_clip(text, size, LOG_TEXT_BYTES);
    put(line, "\"", 1);
    for (size_t i = 0; i < end && !line->full;) {
        size_t step = text_character(text + i, end - i);
        if (step == 0)
            put_string(line, TEXT_REPLACEMENT);
        else
            put_character(line, text + i, step);
        i += step ? step : 1;
    }
    put_string(line, end < size ? "...\"" : "\"");
}

static void put_number(struct line *line, double value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%.6g", value);
    put_string(line, isfinite(value) ? digits : "null");
}

static void put_value(struct line *line, const struct log_field *field)
{
    char digits[32];
    switch (field->type) {
    case LOG_ABSENT: break;
    case LOG_TEXT: put_text(line, field->value.text.bytes, field->value.text.size); break;
    case LOG_INTEGER:
        snprintf(digits, sizeof digits, "%" PRId64, field->value.integer);
        put_string(line, digits);
        break;
    case LOG_UNSIGNED:
        snprintf(digits, sizeof digits, "%" PRIu64, field->value.whole);
        put_string(line, digits);
        break;
    case LOG_NUMBER: put_number(line, field->value.number); break;
    }
}

/* False when it does not fit; the line is then as before. */
static bool put_field(struct line *line, const struct log_field *field)
{
    size_t before = line->length;
    if (field->type == LOG_ABSENT)
        return true;
    put(line, ",", 1);
    put_text(line, field->name, strlen(field->name));
    put(line, ":", 1);
    put_value(line, field);
    if (!line->full)
        return true;
    line->full = false;
    line->length = before;
    return false;
}

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARNING] = "warning", [LOG_ERROR] = "error"};

bool log_level_parse(const char *text, enum log_level *out)
{
    for (enum log_level level = LOG_DEBUG; level < LOG_NOTHING; level++)
        if (strcmp(text, level_names[level]) == 0) {
            *out = level;
            return true;
        }
    return false;
}

/* RFC 3339 in UTC, with milliseconds. */
static void put_time(struct line *line, struct timespec now)
{
    struct tm utc = {.tm_mday = 1, .tm_year = 70};
    char text[40], fraction[24];
    gmtime_r(&now.tv_sec, &utc);
    strftime(text, sizeof text, "{\"ts\":\"%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(fraction, sizeof fraction, ".%03ldZ\"", now.tv_nsec / 1000000);
    put_string(line, text);
    put_string(line, fraction);
}

size_t log_line(char out[LOG_LINE_BYTES + 1], struct timespec now, enum log_level level,
                const char *event, const struct log_field *fields, size_t count)
{
    assert(level < LOG_NOTHING);
    struct line line = {.out = out, .limit = LOG_LINE_BYTES - (sizeof closing - 1)};
    const struct log_field head[] = {log_text("level", level_names[level]),
                                     log_text("event", event)};
    put_time(&line, now);
    put_field(&line, &head[0]);
    bool whole = put_field(&line, &head[1]);
    for (size_t i = 0; i < count; i++)
        whole &= put_field(&line, &fields[i]);
    line.limit = LOG_LINE_BYTES;
    put_string(&line, whole ? "}\n" : closing);
    out[line.length] = '\0';
    return line.length;
}
