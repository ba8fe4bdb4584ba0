/* JSON pointers and texts of faults; field names come from outside and may be long or strange. */
#include "codec/fault.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One name more at the end of the pointer, with RFC 6901's ~0 for ~ and ~1 for /. */
static size_t enter(struct codec_fault *fault, const char *name)
{
    size_t here = fault->length, end = here;
    const size_t room = sizeof fault->pointer - 1;
    if (fault->cut || end == room)
        goto cut;
    fault->pointer[end++] = '/';
    for (; *name; name++) {
        bool escape = *name == '~' || *name == '/';
        if (room - end < (escape ? 2 : 1))
            goto cut;
        if (escape)
            fault->pointer[end++] = '~';
        fault->pointer[end++] = (char)(*name == '~' ? '0' : *name == '/' ? '1' : *name);
    }
    fault->pointer[end] = '\0';
    fault->length = end;
    return here;
cut:
    fault->pointer[here] = '\0';
    fault->cut = true;
    return here;
}

size_t fault_enter_key(struct codec_fault *fault, const char *key)
{
    return enter(fault, key);
}

size_t fault_enter_index(struct codec_fault *fault, size_t index)
{
    char name[24];
    snprintf(name, sizeof name, "%zu", index);
    return enter(fault, name);
}

void fault_leave(struct codec_fault *fault, size_t here)
{
    assert(here <= fault->length);
    fault->length = here;
    fault->pointer[here] = '\0';
    fault->cut = false;
}

enum lm_status fault_malformed(struct codec_fault *fault, struct lm_error *error,
                               const char *format, ...)
{
    char text[sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fault->malformed = true;
    return lm_fail(error, LM_INVALID, "%s", text);
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number with a fraction";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: return "null";
    }
    return "something else";
}

enum lm_status fault_type(struct codec_fault *fault, struct lm_error *error, const char *field,
                          const char *what, const json_t *value)
{
    if (!value)
        return fault_malformed(fault, error, "%s is missing, it must be %s", field, what);
    return fault_malformed(fault, error, "%s must be %s, not %s", field, what, type_name(value));
}

enum lm_status fault_unknown(struct codec_fault *fault, struct lm_error *error, const char *object,
                             const char *key)
{
    char shown[60];
    fault_clip_text(shown, sizeof shown, key);
    fault_enter_key(fault, key);
    return fault_malformed(fault, error, "%s has the unknown field \"%s\"", object, shown);
}

void fault_clip_text(char *out, size_t size, const char *text)
{
    static const char mark[] = "...";
    assert(size > sizeof mark);
    size_t length = strlen(text);
    bool cut = length >= size;
    if (cut) {
        length = size - sizeof mark;
        while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--; /* not inside a UTF-8 character */
    }
    for (size_t i = 0; i < length; i++)
        out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    memcpy(out + length, cut ? mark : "", cut ? sizeof mark : 1);
}

/* Where jansson has no memory for a character of a text that it reads, or for a key that it writes,
 * it goes on without, and asks anew for what follows.  So what it allocates is watched: the first
 * failure on a thread that reads or writes ends all others there at once, and nothing of it counts.
 */
static _Thread_local enum { NOT_WATCHED, WATCHED, RAN_OUT } memory;

static void *watched_malloc(size_t size)
{
    if (memory == RAN_OUT)
        return NULL;
    void *block = malloc(size);
    if (!block && memory == WATCHED)
        memory = RAN_OUT;
    return block;
}

/* Before there are other threads; what was allocated without it may be freed with it. */
__attribute__((constructor)) static void watch_jansson(void)
{
    json_set_alloc_funcs(watched_malloc, free);
}

static bool end_watch(void)
{
    bool ran_out = memory == RAN_OUT;
    memory = NOT_WATCHED;
    return ran_out;
}

json_t *fault_load_json(const char *text, size_t size, size_t flags, json_error_t *reason,
                        bool *ran_out)
{
    memory = WATCHED;
    json_t *json = json_loadb(text, size, flags, reason);
    *ran_out = end_watch();
    if (*ran_out) {
        json_decref(json);
        return NULL;
    }
    if (!json)
        fault_clip_text(reason->text, sizeof reason->text, reason->text);
    return json;
}

char *fault_dump_json(const json_t *json, size_t flags)
{
    memory = WATCHED;
    char *text = json_dumps(json, flags);
    if (!end_watch())
        return text;
    free(text);
    return NULL;
}
