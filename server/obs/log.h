/* Structured logs: one event is one line is one JSON object.
 *
 *     log_start(STDERR_FILENO, LOG_INFO);
 *     log_event(LOG_INFO, "request", log_text("request_id", id), log_uint("status", 200),
 *               log_real("ms", 1.25));
 *
 *     {"ts":"2026-01-31T12:00:00.123Z","level":"info","event":"request","request_id":"4bf9...",
 *      "status":200,"ms":1.25}
 *
 * Texts may come from clients: they are escaped, repaired to UTF-8 and cut.  Whether they may be
 * shown is the caller's duty: no keys, tokens, bodies or pictures.
 *
 * Any thread may log at any time; a line is never mixed with another one of this process.  Logging
 * cannot fail and hardly waits: when the reader of the log is stuck or gone, lines are counted and
 * left out, and "log_lines_lost" tells how many once it reads again.  The process must ignore
 * SIGPIPE. */
#ifndef OBS_LOG_H
#define OBS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_NOTHING };

enum {
    LOG_LINE_BYTES = 4096, /* of a line with its newline: what a pipe takes in one piece */
    LOG_TEXT_BYTES = 1024, /* of a text's value, before escaping; the rest is cut, marked "..." */
};

/* "debug", "info", "warning" or "error"; false, with *out untouched, for anything else. */
bool log_level_parse(const char *text, enum log_level *out);

/* Before this, nothing is written.  fd stays the caller's; events below `least` are left out
 * (LOG_NOTHING: all are). */
void log_start(int fd, enum log_level least);

/* Whether an event of this level would be written, for those that are dear to make. */
bool log_wants(enum log_level level);

enum log_type { LOG_ABSENT, LOG_TEXT, LOG_INTEGER, LOG_UNSIGNED, LOG_NUMBER };

struct log_field {
    const char *name;
    enum log_type type;
    union {
        struct {
            const char *bytes;
            size_t size;
        } text;
        int64_t integer;
        uint64_t whole;
        double number;
    } value;
};

struct log_field log_text(const char *name, const char *text); /* NULL: the field is left out */
struct log_field log_bytes(const char *name, const void *bytes, size_t size); /* as a text */
struct log_field log_int(const char *name, int64_t value);
struct log_field log_uint(const char *name, uint64_t value);
struct log_field log_real(const char *name, double value); /* NaN and infinities: null */

/* log_event(level, "event"), log_event(level, "event", field, ...).  The fields' names are ours:
 * short, snake_case, each once. */
#define log_event(level, ...) log_event_(level, __VA_ARGS__, log_text(NULL, NULL))
#define log_event_(level, event, ...)                                                              \
    log_fields(level, event, (const struct log_field[]){__VA_ARGS__},                              \
               sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
void log_fields(enum log_level level, const char *event, const struct log_field *fields,
                size_t count);

/* The line alone, with its newline and a NUL behind it; returns its length without the NUL.  Always
 * a whole JSON object: fields that do not fit are left out, and "cut":true tells. */
size_t log_line(char out[LOG_LINE_BYTES + 1], struct timespec now, enum log_level level,
                const char *event, const struct log_field *fields, size_t count);

#endif
