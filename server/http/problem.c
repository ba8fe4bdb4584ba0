/* problem+json, written by hand: it must work with details that are not UTF-8 and when memory is
 * short, and its order of members is part of the golden tests. */
#include "http/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "obs/plain_text.h"

const char *problem_title(int status)
{
    switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Error";
    }
}

int problem_status(enum lm_status status)
{
    switch (status) {
    case LM_OK: return 200;
    case LM_INVALID: return 400;
    case LM_CORRUPT:
    case LM_UNSUPPORTED: return 422;
    case LM_LIMIT: return 413;
    case LM_NOMEM:
    case LM_IO:
    case LM_CANCELLED: break;
    }
    return 503;
}

static void put_string(FILE *stream, const char *text)
{
    size_t left = strlen(text);
    putc('"', stream);
    while (left > 0) {
        size_t n = text_character(text, left);
        unsigned char c = (unsigned char)*text;
        if (n == 0)
            putc('?', stream);
        else if (c == '"' || c == '\\')
            fprintf(stream, "\\%c", c);
        else if (c < 0x20)
            fprintf(stream, "\\u%04x", c);
        else
            fwrite(text, 1, n, stream);
        n = n ? n : 1;
        text += n;
        left -= n;
    }
    putc('"', stream);
}

static void put_member(FILE *stream, const char *name, const char *value)
{
    fprintf(stream, "\"%s\": ", name);
    put_string(stream, value);
}

static void put_fields(FILE *stream, const struct problem *problem)
{
    for (size_t i = 0; i < problem->n_fields; i++) {
        fputs(i ? ", {" : ", \"errors\": [{", stream);
        put_member(stream, "pointer", problem->fields[i].pointer);
        fputs(", ", stream);
        put_member(stream, "detail", problem->fields[i].detail);
        putc('}', stream);
    }
    if (problem->n_fields > 0)
        putc(']', stream);
}

char *problem_json(const struct problem *problem, const char *request_id)
{
    const char *title = problem->title ? problem->title : problem_title(problem->status);
    const char *detail = problem->detail ? problem->detail : title;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    putc('{', stream);
    put_member(stream, "type", problem->type ? problem->type : "about:blank");
    fputs(", ", stream);
    put_member(stream, "title", title);
    fprintf(stream, ", \"status\": %d, ", problem->status);
    put_member(stream, "detail", detail);
    fputs(", ", stream);
    put_member(stream, "instance", request_id);
    fputs(", ", stream);
    put_member(stream, "error", detail);
    put_fields(stream, problem);
    fputs("}\n", stream);
    bool failed = ferror(stream);
    if (fclose(stream) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

static const char out_of_memory[] =
    "{\"type\": \"about:blank\", \"title\": \"Service Unavailable\", \"status\": 503, "
    "\"detail\": \"out of memory\", \"instance\": \"\", \"error\": \"out of memory\"}\n";

void problem_reply(struct http_exchange *exchange, const struct problem *problem)
{
    char *json = problem_json(problem, exchange->request_id);
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", problem->retry_after_s ? problem->retry_after_s : 1);
    struct http_pair headers[PROBLEM_HEADERS_MAX + 1];
    size_t n = 0;
    for (; n < problem->n_headers && n < PROBLEM_HEADERS_MAX; n++)
        headers[n] = problem->headers[n];
    if (!json || problem->retry_after_s)
        headers[n++] = (struct http_pair){"Retry-After", seconds};
    struct http_answer answer = {
        .status = json ? problem->status : 503,
        .type = PROBLEM_TYPE,
        .body = json ? json : out_of_memory,
        .size = json ? strlen(json) : sizeof out_of_memory - 1,
        .ownership = json ? HTTP_BODY_FREE : HTTP_BODY_STATIC,
        .headers = headers,
        .n_headers = n,
    };
    http_reply(exchange, &answer);
}
