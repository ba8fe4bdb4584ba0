/* The table of options.  What it says is what the file, the environment, the flags, --help and
 * --print-config do; nothing of it is said twice. */
#include "config/setting.h"

#include <string.h>

#define AT(field) offsetof(struct settings, field)

#define BOOL(name, standard, help)                                                                 \
    {                                                                                              \
        SECTION, #name, SETTING_BOOL, AT(name), 0, 1, standard, NULL, help, NULL, NULL             \
    }
#define U32(name, least, most, standard, help)                                                     \
    {                                                                                              \
        SECTION, #name, SETTING_U32, AT(name), least, most, standard, "N", help, NULL, NULL        \
    }
#define U64(name, least, most, standard, help)                                                     \
    {                                                                                              \
        SECTION, #name, SETTING_U64, AT(name), least, most, standard, "N", help, NULL, NULL        \
    }
#define BYTES(name, least, most, standard, help)                                                   \
    {                                                                                              \
        SECTION, #name, SETTING_BYTES, AT(name), least, most, standard, "SIZE", help, NULL, NULL   \
    }
#define DURATION(name, least, most, standard, help)                                                \
    {                                                                                              \
        SECTION, #name, SETTING_DURATION, AT(name##_ms), least, most, standard, "TIME", help,      \
            NULL, NULL                                                                             \
    }
#define STRING(name, standard, argument, help, fits, what)                                         \
    {                                                                                              \
        SECTION, #name, SETTING_STRING, AT(name), 0, 0, standard, argument, help, fits, what       \
    }
#define FILE_NAME(name, argument, help) STRING(name, "", argument, help, NULL, NULL)
#define LIST(name, argument, help, fits, what)                                                     \
    {                                                                                              \
        SECTION, #name, SETTING_LIST, AT(name), 0, 0, "", argument, help, fits, what               \
    }

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define SECOND ((uint64_t)1000)
#define HOUR (3600 * SECOND)
#define YEAR (8760 * HOUR)

#define MODEL_NAME "a model's name (letters, digits, . _ -)"

static const struct setting table[] = {
#define SECTION "Service"
    {SECTION, "listen", SETTING_ADDRESS, AT(listen), 0, 0, "127.0.0.1:8080", "ADDRESS:PORT",
     "where to listen; [::1]:8080 is IPv6, port 0 any free one", NULL, NULL},
    FILE_NAME(models, "DIR", "folder with a folder for each model; none: the built-in model only"),
    LIST(load_models, "NAMES", "models to load, separated by commas; none: all in the folder",
         setting_is_model_name, MODEL_NAME),
    FILE_NAME(tls_certificate, "FILE", "certificate with its chain (PEM): serve HTTPS only"),
    FILE_NAME(tls_key, "FILE", "the certificate's private key (PEM)"),
    U32(http_threads, 1, 64, "2", "threads that read requests and send answers"),
#undef SECTION

#define SECTION "Access"
    FILE_NAME(keys, "FILE", "API keys; without, everyone may do everything"),
    BOOL(insecure, "false", "allow an address that other machines reach without keys"),
    LIST(cors_origins, "ORIGINS",
         "origins of web pages that may call, such as https://app.example; * for all",
         setting_is_origin, "an origin such as https://app.example, or *"),
    U32(rate, 0, 1000000, "0", "requests a minute of a key that says none itself; 0: any number"),
    BOOL(metrics, "true", "serve /metrics"),
    BOOL(model_control, "false", "allow loading and unloading of models by calls"),
#undef SECTION

#define SECTION "Work"
    U32(workers, 0, 256, "0", "threads that compute; 0: one for each processor"),
    U32(batch_size, 1, 256, "2",
        "pictures that run together; more is a little faster, fewer lets predictions in sooner"),
    U32(queue_predict, 1, 1000000, "256", "predictions that may wait; more are refused"),
    U32(queue_explain, 1, 1000000, "1000", "explanations and reports that may wait"),
    DURATION(compute_deadline, 0, 24 * HOUR, "1m", "time for a call that is waited for; 0s: any"),
    DURATION(job_deadline, 0, YEAR, "1h", "time for a job's computation; 0s: any"),
#undef SECTION

#define SECTION "Limits of a request"
    BYTES(max_body_bytes, KIB, 512 * MIB, "64m", "body, as sent and as decoded"),
    BYTES(max_small_body_bytes, KIB, 64 * MIB, "64k", "body of calls without pictures"),
    BYTES(max_bodies_bytes, KIB, 1024 * GIB, "512m", "all bodies in memory together"),
    BYTES(max_image_bytes, 64, 512 * MIB, "32m", "one JPEG or PNG file"),
    U64(max_pixels, 1, 1000000000, "50000000", "pixels of one picture"),
    U32(max_instances, 1, 10000, "64", "pictures in one call"),
    U32(max_masks, 1, 100000, "1000", "what-if masks of one picture"),
    U32(max_samples, 1, 100000, "10000", "samples of one explanation"),
    U32(max_segments, 1, 2000, "1000", "segments of one picture"),
    U32(max_regions, 1, 10000000, "10000", "regions in one call"),
    U32(max_json_depth, 4, 1000, "32", "lists and objects inside each other"),
    BYTES(max_url_bytes, 256, MIB, "8k", "path and query"),
    BYTES(max_header_bytes, KIB, MIB, "32k", "all header lines"),
    U32(max_headers, 10, 10000, "100", "header lines"),
#undef SECTION

#define SECTION "Connections"
    U32(max_connections, 1, 1000000, "1000", "open at the same time; near it, idle ones make room"),
    U32(max_connections_per_address, 0, 1000000, "0",
        "of one client address; 0: any number (as a proxy in front needs)"),
    DURATION(idle_timeout, SECOND, 24 * HOUR, "75s", "between requests, and without progress"),
    DURATION(request_timeout, SECOND, 24 * HOUR, "30s", "from a request's first byte to its last"),
    DURATION(send_timeout, SECOND, 24 * HOUR, "1m", "for a client to take an answer"),
    BYTES(max_stream_bytes, KIB, 64 * MIB, "256k", "events waiting for a slow reader"),
    DURATION(stream_ping, SECOND, HOUR, "15s", "silence of an event stream before a comment"),
    BYTES(gzip_min_bytes, 0, GIB, "1k", "answers of this size are compressed if clients can"),
#undef SECTION

#define SECTION "Models"
    U32(max_models, 1, 1000, "64", "loaded at the same time"),
    BYTES(max_model_file_bytes, KIB, 64 * GIB, "2g", "a model's file, and each of its data files"),
    U64(max_model_nodes, 1, 1000000, "20000", "nodes of a network"),
    U64(max_model_elements, 1, (uint64_t)1 << 32, "536870912", "numbers in one tensor"),
    BYTES(max_model_bytes, KIB, 1024 * GIB, "4g", "a network in memory"),
    STRING(precision, "float32", "PRECISION",
           "of models whose model.json says none: float32, or bfloat16, faster with "
           "AMX or AVX512_BF16",
           setting_is_precision, "float32 or bfloat16"),
#undef SECTION

#define SECTION "Jobs"
    STRING(store, "sqlite", "STORE",
           "memory, sqlite:PATH, or sqlite: layermask/jobs.db in the user's state folder",
           setting_is_store, "memory, sqlite or sqlite:PATH"),
    DURATION(job_ttl, SECOND, YEAR, "24h", "how long finished jobs are kept"),
    DURATION(idempotency_ttl, SECOND, YEAR, "24h", "how long an Idempotency-Key is remembered"),
    U64(max_jobs, 1, 100000000, "10000", "finished jobs; the oldest go first"),
    U64(max_unfinished_jobs, 1, 100000000, "10000", "jobs that wait or run; more are refused"),
    BYTES(max_store_bytes, MIB, 1024 * GIB, "4g", "requests and results of all jobs"),
    BYTES(max_result_bytes, KIB, 512 * MIB, "64m", "result of one job"),
#undef SECTION

#define SECTION "Operations"
    DURATION(drain_delay, 0, HOUR, "0s",
             "after SIGTERM, time in which it still listens but is not ready"),
    DURATION(drain_limit, 0, 24 * HOUR, "25s", "after that, time for accepted work to end"),
    STRING(log_level, "info", "LEVEL", "debug, info, warning or error", setting_is_level,
           "debug, info, warning or error"),
#undef SECTION
};

_Static_assert(sizeof table / sizeof *table <= SETTINGS_MAX, "struct settings_draft is too small");

const struct setting *setting_table(size_t *count)
{
    *count = sizeof table / sizeof *table;
    return table;
}

const struct setting *setting_find(const char *name, size_t length, size_t *index)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strncmp(table[i].name, name, length) == 0 && table[i].name[length] == '\0') {
            *index = i;
            return &table[i];
        }
    return NULL;
}

void setting_flag(const struct setting *setting, char *out)
{
    snprintf(out, SETTING_NAME_BYTES, "--%s", setting->name);
    for (char *c = out; *c; c++)
        if (*c == '_')
            *c = '-';
}

void setting_variable(const struct setting *setting, char *out)
{
    snprintf(out, SETTING_NAME_BYTES, "LAYERMASK_%s", setting->name);
    for (char *c = out; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
}
