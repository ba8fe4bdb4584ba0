/* The routes table, made ready to be searched. */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include "http/http.h"
#include "http/uri.h"

struct router;

/* Errors: LM_INVALID (names the route), LM_NOMEM. */
enum lm_status router_new(const struct http_route *routes, size_t n, struct router **router,
                          struct lm_error *error);
void router_free(struct router *router);

#define ROUTER_ALLOW_MAX 128

struct router_match {
    int status; /* 200; 404; 405: other routes have that path; 400: a parameter may not be so */
    const struct http_route *route; /* of 200; of 405, one of those with that path */
    struct http_pair parameters[HTTP_PARAMETERS_MAX];
    size_t n_parameters;
    char allow[ROUTER_ALLOW_MAX]; /* the methods of that path, for Allow, unless 404 */
};

/* HEAD matches routes of GET.  The values of parameters are made in buffer (as large as that of
 * uri_split) from the path's segments, names are those of the pattern's copy in the router. */
void router_match(const struct router *router, const char *method, const struct uri_path *path,
                  char *buffer, struct router_match *match);

#endif
