/* API keys: a JSON file of their hashes, what each may do and how often.
 *
 *     [{"id": "alice", "sha256": "<64 hex digits of the key's SHA-256>",
 *       "scopes": ["predict", "explain", "admin"],
 *       "rate": {"per_second": 5, "burst": 10},
 *       "comment": "anything"}]
 *
 * rate and comment may be left out (no limit); burst defaults to per_second rounded up.  The
 * key itself is nowhere; `printf %s "$KEY" | sha256sum` gives its hash.
 * Clients send `Authorization: Bearer KEY` or Basic with the key as the password (any user).
 */
#ifndef HTTP_AUTH_H
#define HTTP_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"

#define AUTH_ID_MAX 64

struct auth_keys;

/* Errors: LM_IO, LM_CORRUPT (not such a file; says where), LM_LIMIT, LM_NOMEM. */
enum lm_status auth_load(const char *path, struct auth_keys **keys, struct lm_error *error);

/* The same from text; `name` stands in errors for the path. */
enum lm_status auth_parse(const char *name, const char *text, size_t length,
                          struct auth_keys **keys, struct lm_error *error);
void auth_free(struct auth_keys *keys);

/* The rate of keys that say none; 0: no limit. */
void auth_default_rate(struct auth_keys *keys, double per_second);

/* Keys of `fresh` that `old` has, too, go on with what is left of their rate. */
void auth_carry_over(struct auth_keys *fresh, struct auth_keys *old);

enum auth_result {
    AUTH_OK = 0,
    AUTH_MISSING, /* no Authorization header */
    AUTH_WRONG,   /* malformed, or no such key */
};

struct auth_identity {
    char id[AUTH_ID_MAX + 1];
    unsigned scopes; /* of enum http_scope */
    size_t index;
};

/* Takes as long whichever key it is, if any.  *identity is set on AUTH_OK only. */
enum auth_result auth_check(const struct auth_keys *keys, const char *authorization,
                            struct auth_identity *identity);

/* Takes one request off the key's rate (a token bucket).  false: over it, and *retry_after_s says
 * when there is one again.  Thread-safe. */
bool auth_take(struct auth_keys *keys, size_t index, int64_t now_ms, unsigned *retry_after_s);

#endif
