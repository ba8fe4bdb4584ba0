/* Content negotiation.  Elements of a list that are malformed are passed over: a client that asks
 * for something odd gets the best of the rest. */
#include "http/negotiate.h"

#include <string.h>
#include <strings.h>

#include "http/media.h"

/* "0.25" to 250; -1 when malformed. */
static int quality(const char *text, size_t length)
{
    if (length == 0 || (text[0] != '0' && text[0] != '1') || length > 5)
        return -1;
    int value = (text[0] - '0') * 1000;
    if (length > 1 && text[1] != '.')
        return -1;
    int unit = 100;
    for (size_t i = 2; i < length; i++, unit /= 10) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value += (text[i] - '0') * unit;
    }
    return value <= 1000 ? value : -1;
}

struct element {
    const char *text; /* the type or coding */
    size_t length;
    int quality; /* -1: malformed */
};

/* Takes one element off a comma-separated list. */
static const char *next_element(const char *list, struct element *out)
{
    list += strspn(list, " \t,");
    size_t end = strcspn(list, ",");
    out->text = list;
    out->length = 0;
    while (out->length < end && !strchr("; \t", list[out->length]))
        out->length++;
    out->quality = 1000;
    for (size_t i = out->length; i < end; i++) {
        if (list[i] != ';')
            continue;
        i += 1 + strspn(list + i + 1, " \t");
        if ((list[i] | 0x20) == 'q' && list[i + 1] == '=')
            out->quality = quality(list + i + 2, strcspn(list + i + 2, ",; \t"));
        i--;
    }
    return list + end;
}

/* 3: the type itself, 2: type / *, 1: * / *, 0: no match. */
static int closeness(const struct element *range, const char *type)
{
    if (range->length == strlen(type) && strncasecmp(range->text, type, range->length) == 0)
        return 3;
    if (range->length == 3 && memcmp(range->text, "*/*", 3) == 0)
        return 1;
    size_t major = strcspn(type, "/") + 1;
    bool same = range->length == major + 1 && range->text[major] == '*' &&
                strncasecmp(range->text, type, major) == 0;
    return same ? 2 : 0;
}

static int quality_of(const char *accept, const char *type)
{
    int best = 0, result = 0;
    while (*accept) {
        struct element range;
        accept = next_element(accept, &range);
        int close = range.quality < 0 ? 0 : closeness(&range, type);
        if (close > best) {
            best = close;
            result = range.quality;
        }
    }
    return result;
}

int negotiate_type(const char *accept, const char *const *offered, size_t n)
{
    if (!accept || !accept[strspn(accept, " \t")])
        return n > 0 ? 0 : -1;
    int best = -1, best_quality = 0;
    for (size_t i = 0; i < n; i++) {
        int q = quality_of(accept, offered[i]);
        if (q > best_quality) {
            best = (int)i;
            best_quality = q;
        }
    }
    return best;
}

static bool coding_is(const struct element *coding, const char *name)
{
    return coding->length == strlen(name) && strncasecmp(coding->text, name, coding->length) == 0;
}

bool negotiate_gzip(const char *accept_encoding)
{
    int gzip = -1, any = -1, identity = -1;
    for (const char *list = accept_encoding; list && *list;) {
        struct element coding;
        list = next_element(list, &coding);
        if (coding_is(&coding, "gzip") || coding_is(&coding, "x-gzip"))
            gzip = coding.quality;
        else if (coding_is(&coding, "identity"))
            identity = coding.quality;
        else if (coding_is(&coding, "*"))
            any = coding.quality;
    }
    gzip = gzip < 0 ? any : gzip;
    return gzip > 0 && gzip >= identity;
}

/* Seconds up to a day; -1 when malformed. */
static int seconds(const char *text, size_t length)
{
    int value = 0;
    if (length == 0 || length > 5)
        return -1;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + text[i] - '0';
    }
    return value;
}

struct negotiate_prefer negotiate_prefer(const char *prefer)
{
    struct negotiate_prefer result = {.wait_s = -1};
    while (prefer && *prefer) {
        prefer += strspn(prefer, " \t,");
        size_t end = strcspn(prefer, ","), name = media_token(prefer);
        if (name == 13 && strncasecmp(prefer, "respond-async", name) == 0)
            result.respond_async = true;
        else if (name == 4 && strncasecmp(prefer, "wait", name) == 0 && prefer[name] == '=')
            result.wait_s = seconds(prefer + 5, strcspn(prefer + 5, ",; \t"));
        prefer += end;
    }
    return result;
}
