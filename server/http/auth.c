/* API keys.  Every presented key is hashed and compared with all hashes in constant time, so time
 * tells nothing; keys are random and long, so a plain hash is enough. */
#include "http/auth.h"
#include "codec/base64.h"
#include "codec/fault.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>
#include <nettle/base16.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>

#include "http/http.h"
#include "http/utf8.h"

#define KEYS_MAX 1000
#define FILE_BYTES_MAX (1 << 20)
#define KEY_BYTES_MAX 512

struct key {
    char id[AUTH_ID_MAX + 1];
    uint8_t hash[SHA256_DIGEST_SIZE];
    unsigned scopes;
    double per_second; /* 0: no limit */
    double burst;
    double tokens;
    int64_t filled_ms;
};

struct auth_keys {
    pthread_mutex_t lock; /* of tokens and filled_ms */
    struct key *keys;
    size_t n;
};

struct place {
    const char *file;
    size_t index;
    struct lm_error *error;
};

static enum lm_status wrong(const struct place *place, const char *field, const char *what)
{
    return lm_fail(place->error, LM_CORRUPT, "%s: [%zu]%s %s", place->file, place->index, field,
                   what);
}

static enum lm_status read_id(const struct place *place, const json_t *value, struct key *key)
{
    const char *id = json_string_value(value);
    if (!id || !*id || strlen(id) > AUTH_ID_MAX || !utf8_is_plain(id, strlen(id)))
        return wrong(place, ".id", "must be a text of 1 to 64 bytes");
    strcpy(key->id, id);
    return LM_OK;
}

static enum lm_status read_hash(const struct place *place, const json_t *value, struct key *key)
{
    const char *hex = json_string_value(value);
    struct base16_decode_ctx context;
    base16_decode_init(&context);
    size_t size = sizeof key->hash;
    if (!hex || strlen(hex) != 2 * sizeof key->hash ||
        !base16_decode_update(&context, &size, key->hash, strlen(hex), hex) ||
        !base16_decode_final(&context))
        return wrong(place, ".sha256", "must be 64 hexadecimal digits");
    return LM_OK;
}

static enum lm_status read_scopes(const struct place *place, const json_t *value, struct key *key)
{
    static const struct {
        const char *name;
        enum http_scope scope;
    } known[] = {{"predict", HTTP_SCOPE_PREDICT},
                 {"explain", HTTP_SCOPE_EXPLAIN},
                 {"admin", HTTP_SCOPE_ADMIN}};
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *name = json_string_value(json_array_get(value, i));
        unsigned scope = 0;
        for (size_t k = 0; name && k < sizeof known / sizeof *known; k++)
            if (strcmp(name, known[k].name) == 0)
                scope = known[k].scope;
        if (scope == 0)
            return wrong(place, ".scopes", "may have predict, explain and admin");
        key->scopes |= scope;
    }
    return json_is_array(value) ? LM_OK : wrong(place, ".scopes", "must be a list");
}

static enum lm_status read_rate(const struct place *place, json_t *value, struct key *key)
{
    const char *name;
    json_t *member;
    if (json_is_null(value))
        return LM_OK;
    if (!json_is_object(value))
        return wrong(place, ".rate", "must be an object");
    json_object_foreach(value, name, member)
    {
        double number = json_number_value(member);
        if (strcmp(name, "per_second") == 0)
            key->per_second = number;
        else if (strcmp(name, "burst") == 0)
            key->burst = number;
        else
            return wrong(place, ".rate", "may have per_second and burst");
    }
    key->burst = json_object_get(value, "burst") ? key->burst : ceil(key->per_second);
    if (!(key->per_second > 0 && key->per_second <= 1e6))
        return wrong(place, ".rate.per_second", "must be above 0 and at most 1000000");
    if (!(key->burst >= 1 && key->burst <= 1e6))
        return wrong(place, ".rate.burst", "must be from 1 to 1000000");
    key->tokens = key->burst;
    return LM_OK;
}

static enum lm_status read_member(const struct place *place, const char *name, json_t *value,
                                  struct key *key)
{
    if (strcmp(name, "id") == 0)
        return read_id(place, value, key);
    if (strcmp(name, "sha256") == 0)
        return read_hash(place, value, key);
    if (strcmp(name, "scopes") == 0)
        return read_scopes(place, value, key);
    if (strcmp(name, "rate") == 0)
        return read_rate(place, value, key);
    if (strcmp(name, "comment") == 0)
        return LM_OK;
    return wrong(place, "", "may have id, sha256, scopes, rate and comment");
}

static enum lm_status read_key(const struct place *place, json_t *object, struct key *key)
{
    static const char *const needed[] = {"id", "sha256", "scopes"};
    const char *name;
    json_t *value;
    if (!json_is_object(object))
        return wrong(place, "", "must be an object");
    json_object_foreach(object, name, value)
    {
        enum lm_status status = read_member(place, name, value, key);
        if (status != LM_OK)
            return status;
    }
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!json_object_get(object, needed[i]))
            return wrong(place, "", "needs id, sha256 and scopes");
    return LM_OK;
}

static enum lm_status read_keys(const char *name, const json_t *list, struct auth_keys *keys,
                                struct lm_error *error)
{
    for (; keys->n < json_array_size(list); keys->n++) {
        struct key *key = &keys->keys[keys->n];
        struct place place = {name, keys->n, error};
        enum lm_status status = read_key(&place, json_array_get(list, keys->n), key);
        if (status != LM_OK)
            return status;
        for (size_t i = 0; i < keys->n; i++) {
            if (strcmp(keys->keys[i].id, key->id) == 0)
                return wrong(&place, ".id", "is there twice");
            if (memcmp(keys->keys[i].hash, key->hash, sizeof key->hash) == 0)
                return wrong(&place, ".sha256", "is there twice");
        }
    }
    return LM_OK;
}

static enum lm_status make_keys(const char *name, const json_t *list, struct auth_keys **out,
                                struct lm_error *error)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0)
        return lm_fail(error, LM_CORRUPT, "%s: must be a list of at least one key", name);
    if (n > KEYS_MAX)
        return lm_fail(error, LM_LIMIT, "%s: %zu keys are over the limit of %d", name, n, KEYS_MAX);
    struct auth_keys *keys = calloc(1, sizeof *keys);
    struct key *all = calloc(n, sizeof *all);
    if (!keys || !all) {
        free(keys);
        free(all);
        return lm_fail(error, LM_NOMEM, "%s: out of memory for %zu keys", name, n);
    }
    keys->keys = all;
    pthread_mutex_init(&keys->lock, NULL);
    enum lm_status status = read_keys(name, list, keys, error);
    if (status != LM_OK) {
        auth_free(keys);
        return status;
    }
    *out = keys;
    return LM_OK;
}

enum lm_status auth_parse(const char *name, const char *text, size_t length,
                          struct auth_keys **keys, struct lm_error *error)
{
    json_error_t where;
    bool ran_out;
    json_t *list = fault_load_json(text, length, JSON_REJECT_DUPLICATES, &where, &ran_out);
    if (ran_out)
        return lm_fail(error, LM_NOMEM, "%s: out of memory", name);
    if (!list)
        return lm_fail(error, LM_CORRUPT, "%s: not JSON: line %d: %s", name, where.line,
                       where.text);
    enum lm_status status = make_keys(name, list, keys, error);
    json_decref(list);
    return status;
}

enum lm_status auth_load(const char *path, struct auth_keys **keys, struct lm_error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return lm_fail(error, LM_IO, "%s: %s", path, strerror(errno));
    enum lm_status status = LM_OK;
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t length = text ? fread(text, 1, FILE_BYTES_MAX + 1, file) : 0;
    if (!text)
        status = lm_fail(error, LM_NOMEM, "%s: out of memory", path);
    else if (ferror(file))
        status = lm_fail(error, LM_IO, "%s: %s", path, strerror(errno));
    else if (length > FILE_BYTES_MAX)
        status = lm_fail(error, LM_LIMIT, "%s: over %d bytes", path, FILE_BYTES_MAX);
    else
        status = auth_parse(path, text, length, keys, error);
    free(text);
    fclose(file);
    return status;
}

void auth_free(struct auth_keys *keys)
{
    if (!keys)
        return;
    pthread_mutex_destroy(&keys->lock);
    free(keys->keys);
    free(keys);
}

void auth_default_rate(struct auth_keys *keys, double per_second)
{
    for (size_t i = 0; i < keys->n && per_second > 0; i++)
        if (keys->keys[i].per_second <= 0) {
            keys->keys[i].per_second = per_second;
            keys->keys[i].burst = keys->keys[i].tokens = fmax(1, ceil(per_second));
        }
}

void auth_carry_over(struct auth_keys *fresh, struct auth_keys *old)
{
    pthread_mutex_lock(&old->lock);
    for (size_t i = 0; i < fresh->n; i++)
        for (size_t k = 0; k < old->n; k++) {
            struct key *key = &fresh->keys[i];
            if (strcmp(key->id, old->keys[k].id) != 0 || old->keys[k].per_second <= 0)
                continue;
            key->tokens = fmin(key->tokens, old->keys[k].tokens);
            key->filled_ms = old->keys[k].filled_ms;
        }
    pthread_mutex_unlock(&old->lock);
}

/* The key out of an Authorization header into secret; its length, 0 when there is none. */
static size_t read_bearer(const char *text, uint8_t secret[KEY_BYTES_MAX])
{
    size_t length = strlen(text);
    if (length > KEY_BYTES_MAX)
        return 0;
    memcpy(secret, text, length);
    return length;
}

static size_t read_basic(const char *text, uint8_t secret[KEY_BYTES_MAX])
{
    uint8_t *pair = NULL;
    size_t size, length = 0;
    struct lm_error error = {0};
    if (codec_base64_decode("Authorization", text, strlen(text), (size_t)2 * KEY_BYTES_MAX, &pair,
                            &size, &error) != LM_OK)
        return 0;
    const uint8_t *colon = memchr(pair, ':', size);
    if (colon)
        length = size - (size_t)(colon + 1 - pair);
    if (length > KEY_BYTES_MAX)
        length = 0;
    if (length)
        memcpy(secret, colon + 1, length);
    free(pair);
    return length;
}

static size_t read_secret(const char *authorization, uint8_t secret[KEY_BYTES_MAX])
{
    size_t scheme = strcspn(authorization, " ");
    const char *rest = authorization + scheme + strspn(authorization + scheme, " ");
    if (scheme == 6 && strncasecmp(authorization, "Bearer", scheme) == 0)
        return read_bearer(rest, secret);
    if (scheme == 5 && strncasecmp(authorization, "Basic", scheme) == 0)
        return read_basic(rest, secret);
    return 0;
}

enum auth_result auth_check(const struct auth_keys *keys, const char *authorization,
                            struct auth_identity *identity)
{
    if (!authorization)
        return AUTH_MISSING;
    uint8_t secret[KEY_BYTES_MAX], hash[SHA256_DIGEST_SIZE];
    size_t length = read_secret(authorization, secret);
    if (length == 0)
        return AUTH_WRONG;
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, length, secret);
    sha256_digest(&context, sizeof hash, hash);
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < keys->n; i++) {
        size_t mask = (size_t)0 - (size_t)(memeql_sec(hash, keys->keys[i].hash, sizeof hash) != 0);
        found = (found & ~mask) | (i & mask);
    }
    if (found == SIZE_MAX)
        return AUTH_WRONG;
    strcpy(identity->id, keys->keys[found].id);
    identity->scopes = keys->keys[found].scopes;
    identity->index = found;
    return AUTH_OK;
}

bool auth_take(struct auth_keys *keys, size_t index, int64_t now_ms, unsigned *retry_after_s)
{
    struct key *key = &keys->keys[index];
    if (key->per_second <= 0)
        return true;
    pthread_mutex_lock(&keys->lock);
    double passed_ms = key->filled_ms ? (double)(now_ms - key->filled_ms) : 0;
    key->tokens = fmin(key->burst, key->tokens + fmax(passed_ms, 0) * key->per_second / 1000);
    key->filled_ms = now_ms;
    bool taken = key->tokens >= 1;
    if (taken)
        key->tokens -= 1;
    else
        *retry_after_s = (unsigned)ceil(fmin((1 - key->tokens) / key->per_second, 86400));
    pthread_mutex_unlock(&keys->lock);
    return taken;
}
