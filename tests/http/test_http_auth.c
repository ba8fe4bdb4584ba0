/* Keys: who may do what, how often, and what they see of each other. */
#include "client.h"

#include <nettle/sha2.h>

#define STAR EXAMPLES "star.png"

static char keys_path[200];

static void hash_text(const char *key, char out[65])
{
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, strlen(key), (const uint8_t *)key);
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* An entry of the keys file: scopes as JSON; rate: JSON, or NULL. */
static void add_key(json_t *keys, const char *id, const char *key, const char *scopes,
                    const char *rate)
{
    char hash[65];
    hash_text(key, hash);
    json_t *entry =
        json_pack("{s: s, s: s, s: o}", "id", id, "sha256", hash, "scopes", parse(scopes));
    if (rate)
        json_object_set_new(entry, "rate", parse(rate));
    assert_int_equal(json_array_append_new(keys, entry), 0);
}

static void write_keys(json_t *keys)
{
    char *text = json_dumps(keys, 0);
    file_put(keys_path, text, strlen(text));
    free(text);
    json_decref(keys);
}

static json_t *usual_keys(void)
{
    json_t *keys = json_array();
    add_key(keys, "alice", "alice's key", "[\"predict\", \"explain\"]", NULL);
    add_key(keys, "bob", "bob-key", "[\"predict\", \"explain\"]", NULL);
    add_key(keys, "reader", "reader-key", "[]", NULL);
    add_key(keys, "predictor", "predictor-key", "[\"predict\"]", NULL);
    add_key(keys, "root", "root-key", "[\"predict\", \"explain\", \"admin\"]", NULL);
    add_key(keys, "slow", "slow-key", "[\"predict\"]", "{\"per_second\": 0.1, \"burst\": 3}");
    return keys;
}

static int start(void **state)
{
    daemon_make_folder(&shared_daemon);
    snprintf(keys_path, sizeof keys_path, "%s/keys.json", shared_daemon.folder);
    write_keys(usual_keys());
    return daemon_shared_start(
        state, FLAGS("--keys", keys_path, "--workers", "1", "--model-control=true"));
}

#define ALICE "Authorization: Bearer alice's key"
#define BOB "Authorization: Bearer bob-key"
#define ROOT "Authorization: Bearer root-key"

static struct answer ask_as(const struct daemon *daemon, const char *key, const char *path,
                            json_t *body)
{
    return ask(daemon, (struct ask){.path = path, .json = body, .headers = HEADERS(key)});
}

static void what_needs_no_key(void **state)
{
    static const char *const paths[] = {"/",        "/livez",          "/readyz", "/docs",
                                        "/metrics", "/v2/health/live", "/v2",     "/openapi.yaml"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(daemon_status(*state, paths[i]), 200);
}

static void missing_and_wrong_keys(void **state)
{
    static const char *const paths[] = {"/v1/models", "/v1/models/shapes", "/v1/jobs",
                                        "/v2/models/shapes", "/v1/jobs/none"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct answer answer = get(*state, paths[i]);
        assert_problem(&answer, 401, "this needs a key: Authorization: Bearer KEY", NULL);
        assert_header(&answer, "WWW-Authenticate", "Bearer realm=\"layermask\"");
        answer_free(&answer);
    }
    static const char *const wrong[] = {
        "Authorization: Bearer alice",       "Authorization: Bearer alice's keyy",
        "Authorization: Bearer alice's ke",  "Authorization: Bearer",
        "Authorization: Digest alice's key", "Authorization: Basic !!!",
        "Authorization: Bearer ALICE'S KEY",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct answer answer = ask_as(*state, wrong[i], PREDICT, body_with(STAR, NULL, NULL));
        assert_problem(&answer, 401, "the key in Authorization is not known", NULL);
        assert_non_null(answer_header(&answer, "WWW-Authenticate"));
        answer_free(&answer);
    }
}

static void bearer_and_basic(void **state)
{
    char header[200], *basic = base64("anybody:alice's key", 19);
    snprintf(header, sizeof header, "Authorization: Basic %s", basic);
    const char *const ways[] = {ALICE, "Authorization: bearer alice's key", header};
    for (size_t i = 0; i < 3; i++) {
        struct answer answer = ask_as(*state, ways[i], PREDICT, body_with(STAR, NULL, NULL));
        assert_status(&answer, 200);
        answer_free(&answer);
    }
    free(basic);
}

static void scopes(void **state)
{
    const char predictor[] = "Authorization: Bearer predictor-key",
               reader[] = "Authorization: Bearer reader-key";
    struct answer answer = ask_as(*state, predictor, PREDICT, body_with(STAR, NULL, NULL));
    assert_status(&answer, 200);
    answer_free(&answer);
    answer = ask_as(*state, predictor, EXPLAIN, explanation(STAR, few(20), NULL));
    assert_problem(&answer, 403, "this key does not have the scope explain", NULL);
    answer_free(&answer);
    answer = ask_as(*state, reader, PREDICT, body_with(STAR, NULL, NULL));
    assert_problem(&answer, 403, "this key does not have the scope predict", NULL);
    answer_free(&answer);
    answer = ask_as(*state, reader, "/v1/models", NULL);
    assert_status(&answer, 200);
    answer_free(&answer);
    answer = ask_as(*state, ALICE, "/v2/repository/models/shapes/load", json_object());
    assert_problem(&answer, 403, "this key does not have the scope admin", NULL);
    answer_free(&answer);
    answer = ask_as(*state, ROOT, "/v2/repository/models/shapes/load", json_object());
    assert_status(&answer, 200);
    answer_free(&answer);
}

static void rates(void **state)
{
    const char slow[] = "Authorization: Bearer slow-key";
    for (int i = 0; i < 3; i++) {
        struct answer answer = ask_as(*state, slow, "/v1/models", NULL);
        assert_status(&answer, 200);
        answer_free(&answer);
    }
    struct answer answer = ask_as(*state, slow, "/v1/models", NULL);
    assert_problem(&answer, 429, "this key is over its rate", NULL);
    int after = atoi(answer_header(&answer, "Retry-After"));
    assert_true(after >= 1 && after <= 10);
    answer_free(&answer);
    answer = ask_as(*state, ALICE, "/v1/models", NULL); /* nobody else's matter */
    assert_status(&answer, 200);
    answer_free(&answer);
}

/* --rate is for the keys that say none themselves: requests a minute. */
static void rate_of_all(void **state)
{
    struct daemon daemon = {0};
    int refused = 0;
    (void)state;
    daemon_start(&daemon, FLAGS("--keys", keys_path, "--rate", "4"));
    for (int i = 0; i < 8; i++) {
        struct answer answer = ask_as(&daemon, ALICE, "/v1/models", NULL);
        refused += answer.status == 429;
        assert_true(answer.status == 429 || answer.status == 200);
        answer_free(&answer);
    }
    assert_true(refused >= 4 && refused < 8);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

/* A job is its key's; admins see all. */
static void jobs_of_others(void **state)
{
    struct answer answer = ask(
        *state,
        (struct ask){.path = PREDICT,
                     .json = body_with(STAR, NULL, NULL),
                     .headers = HEADERS(ALICE, "Prefer: respond-async", "Idempotency-Key: one")});
    char *id = accepted(&answer), path[200];
    static const char *const below[] = {"", "/result", "/events"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/v1/jobs/%s%s", id, below[i]);
        answer = ask_as(*state, BOB, path, NULL);
        assert_problem(&answer, 404, "there is no such job, or it has expired", NULL);
        answer_free(&answer);
        answer = ask_as(*state, ROOT, path, NULL);
        assert_true(answer.status == 200 || answer.status == 409);
        answer_free(&answer);
    }
    snprintf(path, sizeof path, "/v1/jobs/%s", id);
    answer = ask(*state, (struct ask){.path = path, .method = "DELETE", .headers = HEADERS(BOB)});
    assert_status(&answer, 404);
    answer_free(&answer);
    do { /* not cancelled by it */
        answer = ask_as(*state, ALICE, path, NULL);
        assert_status(&answer, 200);
        assert_string_not_equal(text_at(answer.json, "status"), "cancelled");
        if (strcmp(text_at(answer.json, "status"), "succeeded") == 0)
            break;
        answer_free(&answer);
    } while (true);
    answer_free(&answer);
    answer = ask_as(*state, BOB, "/v1/jobs", NULL);
    assert_int_equal(json_array_size(at(answer.json, "jobs")), 0);
    answer_free(&answer);
    answer = ask_as(*state, ALICE, "/v1/jobs", NULL);
    assert_int_equal(json_array_size(at(answer.json, "jobs")), 1);
    answer_free(&answer);
    answer =
        ask(*state,
            (struct ask){.path = PREDICT, /* keys of idempotency are apart, too */
                         .json = body_with(STAR, NULL, NULL),
                         .headers = HEADERS(BOB, "Prefer: respond-async", "Idempotency-Key: one")});
    char *other = accepted(&answer);
    assert_string_not_equal(other, id);
    free(other);
    free(id);
}

/* SIGHUP reads the keys again; a broken file changes nothing. */
static void new_keys(void **state)
{
    struct daemon *daemon = *state;
    json_t *keys = usual_keys();
    add_key(keys, "late", "late-key", "[\"predict\"]", NULL);
    json_array_remove(keys, 1); /* bob */
    write_keys(keys);
    struct answer answer = ask_as(daemon, "Authorization: Bearer late-key", "/v1/models", NULL);
    assert_status(&answer, 401);
    answer_free(&answer);
    kill(daemon->pid, SIGHUP);
    double end = now_ms() + 10000;
    do {
        answer_free(&answer);
        answer = ask_as(daemon, "Authorization: Bearer late-key", "/v1/models", NULL);
    } while (answer.status == 401 && now_ms() < end);
    assert_status(&answer, 200);
    answer_free(&answer);
    answer = ask_as(daemon, BOB, "/v1/models", NULL);
    assert_status(&answer, 401);
    answer_free(&answer);
    file_put(keys_path, "[{\"id\": 5}]", 11);
    kill(daemon->pid, SIGHUP);
    json_decref(daemon_await_logged(daemon, "reload_failed"));
    answer = ask_as(daemon, ALICE, "/v1/models", NULL);
    assert_status(&answer, 200);
    answer_free(&answer);
    write_keys(usual_keys());
    kill(daemon->pid, SIGHUP);
}

static void keys_are_not_logged(void **state)
{
    assert_false(daemon_log_has(*state, "alice's key"));
    assert_false(daemon_log_has(*state, "bob-key"));
    daemon_await_log(*state, "\"key\":\"alice\"");
}

static void addresses_that_others_reach(void **state)
{
    struct daemon daemon = {0};
    (void)state;
    daemon_launch(&daemon, FLAGS("--listen", "0.0.0.0:0"));
    assert_int_equal(daemon_wait(&daemon, DAEMON_LIMIT_MS), 2);
    assert_true(daemon_log_has(&daemon, "layermaskd: --listen: other machines can reach 0.0.0.0:0: "
                                        "set keys to a file of API keys, or insecure to serve "
                                        "everyone"));
    daemon_clean(&daemon);
    daemon_start(&daemon, FLAGS("--listen", "0.0.0.0:0", "--keys", keys_path));
    assert_int_equal(daemon_status(&daemon, "/v1/models"), 401);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
    daemon_start(&daemon, FLAGS("--listen", "0.0.0.0:0", "--insecure"));
    assert_int_equal(daemon_status(&daemon, "/v1/models"), 200);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
    daemon_launch(&daemon, FLAGS("--keys", "/nowhere/keys.json"));
    assert_int_equal(daemon_wait(&daemon, DAEMON_LIMIT_MS), 1);
    assert_true(daemon_log_has(&daemon, "/nowhere/keys.json"));
    daemon_clean(&daemon);
}

/* The page's example of a file is one: the daemon starts with it. */
static void file_of_the_docs(void **state)
{
    struct daemon daemon = {0};
    char path[200];
    daemon_make_folder(&daemon);
    snprintf(path, sizeof path, "%s/keys.json", daemon.folder);
    struct answer answer = get(*state, "/docs");
    char *text = strstr(answer.body, "id=\"keys-file\"><code>[");
    assert_non_null(text);
    text = strchr(text, '[');
    char *end = strstr(text, "</code>");
    assert_non_null(end);
    file_put(path, text, (size_t)(end - text));
    answer_free(&answer);
    daemon_start(&daemon, FLAGS("--keys", path));
    assert_int_equal(daemon_status(&daemon, "/v1/models"), 401);
    assert_int_equal(daemon_stop(&daemon), 0);
    daemon_clean(&daemon);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_needs_no_key),
        cmocka_unit_test(missing_and_wrong_keys),
        cmocka_unit_test(bearer_and_basic),
        cmocka_unit_test(scopes),
        cmocka_unit_test(rates),
        cmocka_unit_test(rate_of_all),
        cmocka_unit_test(jobs_of_others),
        cmocka_unit_test(new_keys),
        cmocka_unit_test(keys_are_not_logged),
        cmocka_unit_test(file_of_the_docs),
        cmocka_unit_test(addresses_that_others_reach),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, start, daemon_shared_stop);
}
