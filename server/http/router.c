/* Routes.  A path is compared with every pattern: there are a few dozen, and that takes a
 * microsecond.  Of those that match, the most specific one counts, segment by segment from the
 * left; routes of the same pattern share a path and differ in their methods. */
#include "http/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { PARAMETER = 1, VERB, LITERAL };

struct segment {
    enum kind kind;
    char *text; /* the literal, or the parameter's name */
    char *verb;
};

struct pattern {
    struct http_route route;
    struct segment segments[URI_SEGMENTS_MAX];
    size_t n;
    uint64_t rank; /* kinds of the segments, two bits each, the first the highest */
};

struct router {
    struct pattern *patterns;
    size_t n;
};

static bool is_name(const char *text, size_t length)
{
    return length > 0 && strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789") == length;
}

/* false: malformed, or out of memory. */
static bool read_segment(const char *text, size_t length, struct segment *out)
{
    if (text[0] != '{') {
        out->kind = LITERAL;
        out->text = strndup(text, length);
        return out->text && !memchr(text, '{', length) && !memchr(text, '}', length);
    }
    size_t name = strcspn(text, "}");
    if (name >= length)
        return false;
    out->text = strndup(text + 1, name - 1);
    out->kind = PARAMETER;
    if (!out->text || !is_name(out->text, name - 1))
        return false;
    if (name + 1 == length)
        return true;
    out->kind = VERB;
    out->verb = strndup(text + name + 2, length - name - 2);
    return text[name + 1] == ':' && out->verb && out->verb[0];
}

static bool read_pattern(struct pattern *pattern)
{
    const char *text = pattern->route.pattern;
    size_t parameters = 0;
    if (*text++ != '/')
        return false;
    while (*text) {
        size_t length = strcspn(text, "/");
        if (length == 0 || pattern->n == URI_SEGMENTS_MAX)
            return false;
        struct segment *segment = &pattern->segments[pattern->n++];
        if (!read_segment(text, length, segment))
            return false;
        parameters += segment->kind != LITERAL;
        pattern->rank |= (uint64_t)segment->kind << (2 * (URI_SEGMENTS_MAX - pattern->n));
        text += length;
        if (*text && !*++text)
            return false;
    }
    return parameters <= HTTP_PARAMETERS_MAX;
}

static bool has_method(const char *methods, const char *method)
{
    size_t length = strlen(method);
    for (const char *at = methods; *at;) {
        size_t n = strcspn(at, " ");
        if (n == length && memcmp(at, method, n) == 0)
            return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

static bool is_complete(const struct http_route *route)
{
    return route->handle && route->pattern && route->methods && route->methods[0] &&
           strspn(route->methods, "ABCDEFGHIJKLMNOPQRSTUVWXYZ ") == strlen(route->methods);
}

static enum lm_status add_pattern(struct router *router, const struct http_route *route,
                                  struct lm_error *error)
{
    struct pattern *pattern = &router->patterns[router->n++];
    pattern->route = *route;
    if (!is_complete(route) || !read_pattern(pattern))
        return lm_fail(error, LM_INVALID, "routes[%zu]: %s %s is not a route", router->n - 1,
                       route->methods ? route->methods : "", route->pattern ? route->pattern : "");
    return LM_OK;
}

enum lm_status router_new(const struct http_route *routes, size_t n, struct router **out,
                          struct lm_error *error)
{
    struct router *router = calloc(1, sizeof *router);
    struct pattern *patterns = calloc(n ? n : 1, sizeof *patterns);
    if (!router || !patterns) {
        free(router);
        free(patterns);
        return lm_fail(error, LM_NOMEM, "out of memory for %zu routes", n);
    }
    router->patterns = patterns;
    enum lm_status status = LM_OK;
    for (size_t i = 0; i < n && status == LM_OK; i++)
        status = add_pattern(router, &routes[i], error);
    if (status != LM_OK) {
        router_free(router);
        return status;
    }
    *out = router;
    return LM_OK;
}

void router_free(struct router *router)
{
    if (!router)
        return;
    for (size_t i = 0; i < router->n; i++)
        for (size_t k = 0; k < router->patterns[i].n; k++) {
            free(router->patterns[i].segments[k].text);
            free(router->patterns[i].segments[k].verb);
        }
    free(router->patterns);
    free(router);
}

static bool segment_matches(const struct segment *segment, const struct uri_segment *part)
{
    switch (segment->kind) {
    case LITERAL: return strcmp(segment->text, part->text) == 0;
    case PARAMETER: return part->colon == SIZE_MAX;
    case VERB:
        return part->colon != SIZE_MAX && part->colon > 0 &&
               strcmp(segment->verb, part->text + part->colon + 1) == 0;
    }
    return false;
}

static bool pattern_matches(const struct pattern *pattern, const struct uri_path *path)
{
    if (pattern->n != path->n)
        return false;
    for (size_t i = 0; i < path->n; i++)
        if (!segment_matches(&pattern->segments[i], &path->segments[i]))
            return false;
    return true;
}

static void add_allowed(char allow[ROUTER_ALLOW_MAX], const char *methods)
{
    while (*methods) {
        size_t n = strcspn(methods, " "), used = strlen(allow);
        if (n > 0 && used + n + 2 < ROUTER_ALLOW_MAX)
            snprintf(allow + used, ROUTER_ALLOW_MAX - used, "%s%.*s", used ? ", " : "", (int)n,
                     methods);
        if (n == 3 && memcmp(methods, "GET", 3) == 0)
            add_allowed(allow, "HEAD");
        methods += n + (methods[n] == ' ');
    }
}

static bool answers(const struct http_route *route, const char *method)
{
    return has_method(route->methods, method) ||
           (strcmp(method, "HEAD") == 0 && has_method(route->methods, "GET"));
}

static const struct pattern *choose(const struct router *router, const char *method,
                                    const struct uri_path *path, struct router_match *match)
{
    const struct pattern *chosen = NULL;
    for (size_t i = 0; i < router->n; i++) {
        const struct pattern *pattern = &router->patterns[i];
        if (!pattern_matches(pattern, path) || (chosen && pattern->rank < chosen->rank))
            continue;
        if (!chosen || pattern->rank > chosen->rank) {
            chosen = NULL;
            match->status = 405;
            match->allow[0] = '\0';
        }
        add_allowed(match->allow, pattern->route.methods);
        if (match->status == 405 && answers(&pattern->route, method)) {
            chosen = pattern;
            match->status = 200;
        }
        chosen = chosen ? chosen : pattern;
    }
    return chosen;
}

void router_match(const struct router *router, const char *method, const struct uri_path *path,
                  char *buffer, struct router_match *match)
{
    *match = (struct router_match){.status = 404};
    const struct pattern *pattern = choose(router, method, path, match);
    if (!pattern)
        return;
    add_allowed(match->allow, "OPTIONS");
    match->route = &pattern->route;
    for (size_t i = 0; i < pattern->n; i++) {
        const struct uri_segment *part = &path->segments[i];
        if (pattern->segments[i].kind == LITERAL)
            continue;
        size_t length = part->colon != SIZE_MAX ? part->colon : strlen(part->text);
        if (memchr(part->text, '/', length))
            match->status = 400;
        memcpy(buffer, part->text, length);
        buffer[length] = '\0';
        match->parameters[match->n_parameters++] =
            (struct http_pair){pattern->segments[i].text, buffer};
        buffer += length + 1;
    }
}
