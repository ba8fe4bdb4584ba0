/* The daemon's configuration: one table of options behind file, environment, flags, --help and
 * --print-config.
 *
 *     struct settings settings;
 *     enum settings_action action;
 *     if (settings_load(argc, argv, environ, &settings, &action, &error) != LM_OK)
 *         ... print error.text, exit 2
 *     if (action == SETTINGS_HELP)
 *         settings_help(stdout);
 *
 * An option has one name: max_image_bytes in the file, LAYERMASK_MAX_IMAGE_BYTES in the
 * environment, --max-image-bytes as a flag.  Flags go before the environment, the environment
 * before the file that --config (or LAYERMASK_CONFIG) names, the file before the defaults.  What is
 * unknown or out of range is an error that names its place, the value and what would be allowed.
 *
 * To add an option: a field here, a row in setting_table.c, and config/layermaskd.json written anew
 * (layermaskd --print-config with an empty environment). */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "layermask/status.h"

struct settings_address {
    char host[48]; /* a number, IPv6 without brackets */
    uint16_t port; /* 0: any free one */
    bool loopback; /* other machines cannot reach it */
};

struct settings_list {
    size_t count;
    char **items;
};

/* Texts are never NULL; "" means that the option was not set.  The table says what each one means,
 * and its range. */
struct settings {
    /* service */
    struct settings_address listen;
    char *models; /* folder */
    struct settings_list load_models;
    char *tls_certificate, *tls_key; /* files; both or none */
    uint32_t http_threads;

    /* access */
    char *keys; /* file; set, or insecure, if listen is not loopback */
    bool insecure;
    struct settings_list cors_origins;
    uint32_t rate; /* requests a minute of one key; 0: any number */
    bool metrics;
    bool model_control;

    /* work */
    uint32_t workers; /* 0: see settings_workers */
    uint32_t batch_size;
    uint32_t queue_predict, queue_explain;
    uint64_t compute_deadline_ms, job_deadline_ms; /* 0: none */

    /* limits of one request */
    uint64_t max_body_bytes, max_small_body_bytes, max_bodies_bytes;
    uint64_t max_image_bytes, max_pixels;
    uint32_t max_instances, max_masks, max_samples, max_segments, max_regions;
    uint32_t max_json_depth;
    uint64_t max_url_bytes, max_header_bytes;
    uint32_t max_headers;

    /* connections */
    uint32_t max_connections, max_connections_per_address; /* the latter 0: any number */
    uint64_t idle_timeout_ms, request_timeout_ms, send_timeout_ms;
    uint64_t max_stream_bytes, stream_ping_ms;
    uint64_t gzip_min_bytes;

    /* models */
    uint32_t max_models;
    uint64_t max_model_file_bytes, max_model_nodes, max_model_elements, max_model_bytes;
    char *precision; /* float32 or bfloat16: of models that do not say */

    /* jobs */
    char *store; /* as it was said */
    uint64_t job_ttl_ms, idempotency_ttl_ms;
    uint64_t max_jobs, max_unfinished_jobs;
    uint64_t max_store_bytes, max_result_bytes;

    /* operations */
    uint64_t drain_delay_ms, drain_limit_ms;
    char *log_level; /* debug, info, warning or error */

    /* Not an option: `store` with its path, "memory" or "sqlite:PATH".  A plain "sqlite" is
     * jobs.db in $STATE_DIRECTORY (systemd's), $XDG_STATE_HOME/layermask,
     * $HOME/.local/state/layermask or /var/lib/layermask, the first whose variable is set. */
    char *store_url;
};

/* What the command line asks for. */
enum settings_action {
    SETTINGS_SERVE,
    SETTINGS_HELP,         /* --help, -h */
    SETTINGS_VERSION,      /* --version */
    SETTINGS_PRINT_CONFIG, /* --print-config */
    SETTINGS_PROBE, /* --probe: ask the daemon that runs with these settings for its health */
};

/* argv[0] is skipped; envp as in environ.  For SETTINGS_HELP and SETTINGS_VERSION nothing else is
 * looked at and *out is {0}.  settings_free it in any case but failure, when *out and *action are
 * untouched.
 * Errors: LM_INVALID (one line, "<place>: ..."), LM_IO, LM_CORRUPT (the file), LM_NOMEM. */
enum lm_status settings_load(int argc, char *const *argv, char *const *envp, struct settings *out,
                             enum settings_action *action, struct lm_error *error);

void settings_free(struct settings *settings); /* NULL is fine; leaves {0} */

/* All options, by groups, with their ranges and defaults. */
void settings_help(FILE *out);

/* The whole configuration as the JSON file that would give it.  It names files of keys and
 * certificates, but shows none of what is in them.  Errors: LM_NOMEM, LM_IO. */
enum lm_status settings_print(const struct settings *settings, FILE *out, struct lm_error *error);

/* Threads that compute: the option, or as many as there are processors online. */
uint32_t settings_workers(const struct settings *settings);

/* Makes the folder of the store's file, with those above it, readable by its owner only; nothing
 * for stores in memory.  Errors: LM_IO (names the folder). */
enum lm_status settings_make_store_folder(const struct settings *settings, struct lm_error *error);

#endif
