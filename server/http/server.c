/* Start and stop of the server. */
#include "http/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/resource.h>
#include <sys/socket.h>

#include "http/watch.h"

#define PEM_BYTES_MAX (1 << 20)
#define LAST_ANSWERS_MS 1000
#define OTHER_FILES 256 /* descriptors for all but connections */

static enum lm_status check_config(const struct http_config *config, struct lm_error *error)
{
    if (!config->address)
        return lm_fail(error, LM_INVALID, "address: must be given");
    if (config->threads < 1 || config->threads > 64)
        return lm_fail(error, LM_INVALID, "threads: %u is not from 1 to 64", config->threads);
    if (config->connections_max < config->threads)
        return lm_fail(error, LM_INVALID, "connections_max: %u is less than one per thread",
                       config->connections_max);
    if (config->url_bytes_max < 64 || config->url_bytes_max > 1 << 20 ||
        config->header_bytes_max < 256 || config->header_bytes_max > 1 << 20)
        return lm_fail(error, LM_INVALID, "url_bytes_max, header_bytes_max: out of range");
    if (config->idle_timeout_ms < 1000 || config->idle_timeout_ms > 86400000)
        return lm_fail(error, LM_INVALID, "idle_timeout_ms: must be from 1000 to 86400000");
    if (config->request_timeout_ms < 100 || config->send_timeout_ms < 100 ||
        config->stream_ping_ms < 100)
        return lm_fail(error, LM_INVALID, "timeouts: must be at least 100 ms");
    if (!config->tls_certificate_file != !config->tls_key_file)
        return lm_fail(error, LM_INVALID, "tls: certificate and key are needed together");
    return LM_OK;
}

/* Copies a string for as long as the server lives. */
static bool own(struct http_server *server, const char **text)
{
    if (!*text)
        return true;
    char *copy = strdup(*text);
    if (copy)
        server->owned[server->n_owned++] = copy;
    *text = copy;
    return copy;
}

static bool own_config(struct http_server *server)
{
    struct http_config *config = &server->config;
    size_t n = config->n_cors_origins;
    server->owned = calloc(n + 5, sizeof *server->owned);
    const char **origins = calloc(n + 1, sizeof *origins);
    if (!server->owned || !origins) {
        free(origins);
        config->n_cors_origins = 0;
        return false;
    }
    bool good = own(server, &config->address) && own(server, &config->keys_file) &&
                own(server, &config->tls_certificate_file) && own(server, &config->tls_key_file);
    for (size_t i = 0; i < n && good; i++) {
        origins[i] = config->cors_origins[i];
        good = own(server, &origins[i]);
    }
    server->owned[server->n_owned] = NULL;
    config->cors_origins = origins;
    return good;
}

static void free_server(struct http_server *server, bool owns_origins)
{
    for (size_t i = 0; i < server->n_owned; i++)
        free(server->owned[i]);
    free(server->owned);
    if (owns_origins) {
        const char *const *origins = server->config.cors_origins;
        void *memory;
        memcpy(&memory, &origins, sizeof memory);
        free(memory);
    }
    router_free(server->router);
    auth_free(server->keys);
    watch_stop(server->watch);
    if (server->listener >= 0)
        close(server->listener);
    pthread_rwlock_destroy(&server->keys_lock);
    free(server);
}

/* option: whose value the path is, for errors */
static char *read_file(const char *option, const char *path, struct lm_error *error)
{
    FILE *file = fopen(path, "rb");
    char *text = file ? calloc(1, PEM_BYTES_MAX + 1) : NULL;
    if (!text)
        lm_fail(error, LM_IO, "%s: %s: %s", option, path, strerror(errno));
    if (text && (fread(text, 1, PEM_BYTES_MAX, file) == 0 || ferror(file))) {
        lm_fail(error, LM_IO, "%s: %s: cannot be read, or is empty", option, path);
        free(text);
        text = NULL;
    }
    if (file)
        fclose(file);
    return text;
}

static enum lm_status start_transport(struct http_server *server, bool is_ipv6,
                                      struct lm_error *error)
{
    const struct http_config *config = &server->config;
    if (!config->tls_certificate_file)
        return transport_start(server, NULL, NULL, is_ipv6, error);
    char *certificate = read_file("tls_certificate", config->tls_certificate_file, error);
    char *key = certificate ? read_file("tls_key", config->tls_key_file, error) : NULL;
    enum lm_status status = key ? transport_start(server, certificate, key, is_ipv6, error) : LM_IO;
    if (key)
        memset(key, 0, strlen(key));
    free(certificate);
    free(key);
    return status;
}

/* A connection is a file.  Where there cannot be as many, the limit is lower, so that it is reached
 * before that of the system, at which nothing could be accepted, opened or stored. */
static void fit_connections(struct http_server *server)
{
    struct http_config *config = &server->config;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    rlim_t wanted = (rlim_t)config->connections_max + OTHER_FILES;
    if (files.rlim_cur < wanted) {
        files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
        setrlimit(RLIMIT_NOFILE, &files);
        getrlimit(RLIMIT_NOFILE, &files);
    }
    if (files.rlim_cur >= wanted)
        return;
    rlim_t fitting =
        files.rlim_cur > 2 * OTHER_FILES ? files.rlim_cur - OTHER_FILES : files.rlim_cur / 2;
    config->connections_max = fitting > config->threads ? (unsigned)fitting : config->threads;
}

/* The last places are for connections that come while others are being closed for them. */
static enum lm_status start_watch(struct http_server *server, struct lm_error *error)
{
    unsigned most = server->config.connections_max;
    struct watch_options options = {.open_max = most - (most < 128 ? (most + 7) / 8 : 16),
                                    .is_plain = !server->config.tls_certificate_file};
    return watch_start(&options, &server->watch, error);
}

static enum lm_status load_keys(const char *path, struct auth_keys **keys, struct lm_error *error)
{
    struct lm_error reason = {0};
    enum lm_status status = auth_load(path, keys, &reason);
    return status == LM_OK ? LM_OK : lm_fail(error, status, "keys: %s", reason.text);
}

static enum lm_status start_parts(struct http_server *server, const struct http_route *routes,
                                  size_t n_routes, struct lm_error *error)
{
    const struct http_config *config = &server->config;
    bool is_ipv6 = false;
    enum lm_status status = router_new(routes, n_routes, &server->router, error);
    if (status == LM_OK && config->keys_file)
        status = load_keys(config->keys_file, &server->keys, error);
    if (status == LM_OK && server->keys)
        auth_default_rate(server->keys, config->key_rate);
    if (status == LM_OK)
        status = start_watch(server, error);
    if (status == LM_OK)
        status = listen_open(config->address, config->port, &server->listener, &server->port,
                             &is_ipv6, error);
    if (status == LM_OK)
        status = start_transport(server, is_ipv6, error);
    return status;
}

enum lm_status http_start(const struct http_config *config, const struct http_route *routes,
                          size_t n_routes, void *context, struct http_server **out,
                          struct lm_error *error)
{
    enum lm_status status = check_config(config, error);
    if (status != LM_OK)
        return status;
    struct http_server *server = calloc(1, sizeof *server);
    if (!server)
        return lm_fail(error, LM_NOMEM, "out of memory");
    server->config = *config;
    server->context = context;
    server->listener = -1;
    fit_connections(server);
    pthread_rwlock_init(&server->keys_lock, NULL);
    atomic_init(&server->body_budget, config->all_bodies_bytes_max);
    if (!own_config(server)) {
        free_server(server, server->config.cors_origins != config->cors_origins);
        return lm_fail(error, LM_NOMEM, "out of memory");
    }
    status = start_parts(server, routes, n_routes, error);
    if (status != LM_OK) {
        free_server(server, true);
        return status;
    }
    *out = server;
    return LM_OK;
}

unsigned http_connections_max(const struct http_server *server)
{
    return server->config.connections_max;
}

uint16_t http_port(const struct http_server *server)
{
    return server->port;
}

size_t http_open_requests(struct http_server *server)
{
    return atomic_load(&server->open_requests);
}

enum lm_status http_reload_keys(struct http_server *server, struct lm_error *error)
{
    if (!server->config.keys_file)
        return LM_OK;
    struct auth_keys *fresh = NULL;
    enum lm_status status = load_keys(server->config.keys_file, &fresh, error);
    if (status != LM_OK)
        return status;
    pthread_rwlock_wrlock(&server->keys_lock);
    struct auth_keys *old = server->keys;
    auth_default_rate(fresh, server->config.key_rate);
    auth_carry_over(fresh, old);
    server->keys = fresh;
    pthread_rwlock_unlock(&server->keys_lock);
    auth_free(old);
    return LM_OK;
}

/* The library must not see its socket closed while its threads run; a shutdown makes the kernel
 * refuse new connections at once instead of letting them wait for an accept that never comes. */
void http_quiesce(struct http_server *server)
{
    if (atomic_exchange(&server->quiesced, true))
        return;
    transport_quiesce(server->transport);
    shutdown(server->listener, SHUT_RDWR);
}

static void end_stream(struct exchange *exchange)
{
    pthread_mutex_lock(&exchange->lock);
    if (exchange->answer.is_stream) {
        exchange->stream.closed = true;
        exchange_wake(exchange);
    }
    pthread_mutex_unlock(&exchange->lock);
}

static void wait_for_answers(struct http_server *server, int64_t until_ms)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    while (atomic_load(&server->open_requests) > 0 && exchange_now_ms() < until_ms) {
        watch_each(server->watch, end_stream);
        nanosleep(&pause, NULL);
    }
}

void http_stop(struct http_server *server, int64_t drain_ms)
{
    if (!server)
        return;
    http_quiesce(server);
    wait_for_answers(server, exchange_now_ms() + drain_ms);
    atomic_store(&server->stopping, true);
    watch_each(server->watch, exchange_abort);
    wait_for_answers(server, exchange_now_ms() + LAST_ANSWERS_MS);
    watch_kill_all(server->watch);
    transport_stop(server->transport);
    free_server(server, true);
}
