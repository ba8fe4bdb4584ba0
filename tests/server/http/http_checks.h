/* Looking at answers, and what they must be. */
#ifndef HTTP_CHECKS_H
#define HTTP_CHECKS_H

#include "http_support.h"

static inline const char *body_of(const char *response)
{
    const char *end = strstr(response, "\r\n\r\n");
    return end ? end + 4 : "";
}

/* "" when it is not there. */
static inline const char *header_of(const char *response, const char *name)
{
    static char value[1000];
    char start_of[100];
    value[0] = '\0';
    snprintf(start_of, sizeof start_of, "\r\n%s: ", name);
    const char *at = strstr(response, start_of);
    if (at) {
        at += strlen(start_of);
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    }
    return value;
}

static inline int status_of(const char *response)
{
    return strncmp(response, "HTTP/1.1 ", 9) == 0 ? atoi(response + 9) : 0;
}

#define END "Host: x\r\nConnection: close\r\nX-Request-Id: id-1\r\n\r\n"

static inline void expect(struct http_server *server, const char *request, int status,
                          const char *body)
{
    char *response = client_ask(server, request);
    if (status_of(response) != status || strcmp(body_of(response), body) != 0)
        print_error("%s%s\n", request, response);
    assert_int_equal(status_of(response), status);
    assert_string_equal(body_of(response), body);
    assert_string_equal(header_of(response, "X-Request-Id"), "id-1");
    if (status >= 400)
        assert_string_equal(header_of(response, "Content-Type"), "application/problem+json");
    free(response);
}

static inline void expect_problem(struct http_server *server, const char *request, int status,
                                  const char *title, const char *detail)
{
    char body[2000];
    snprintf(body, sizeof body,
             "{\"type\": \"about:blank\", \"title\": \"%s\", \"status\": %d, \"detail\": \"%s\", "
             "\"instance\": \"id-1\", \"error\": \"%s\"}\n",
             title, status, detail, detail);
    expect(server, request, status, body);
}

#define TAIL " address=127.0.0.1 key= trace=\n"

#endif
