/* Where settings come from, which source wins, what is refused, and that what is printed gives the
 * same settings again. */
#include "settings_fixture.h"

#include <sys/stat.h>

static void defaults(void **state)
{
    (void)state;
    struct loaded loaded = load_well(NOTHING, WORDS("HOME=/home/u", "PATH=/bin"));
    const struct settings *settings = &loaded.settings;
    assert_int_equal(loaded.action, SETTINGS_SERVE);
    assert_string_equal(settings->listen.host, "127.0.0.1");
    assert_int_equal(settings->listen.port, 8080);
    assert_true(settings->listen.loopback);
    assert_string_equal(settings->models, "");
    assert_int_equal(settings->workers, 0);
    assert_int_equal(settings->max_body_bytes, 64 << 20);
    assert_int_equal(settings->idle_timeout_ms, 75000);
    assert_string_equal(settings->store, "sqlite");
    assert_string_equal(settings->store_url, "sqlite:/home/u/.local/state/layermask/jobs.db");
    settings_free(&loaded.settings);
    settings_free(&loaded.settings);
    settings_free(NULL);
}

/* The table: names fit everywhere, texts fit lines, defaults are written as they are printed. */
static void table_is_sound(void **state)
{
    (void)state;
    size_t count;
    const struct setting *table = setting_table(&count);
    struct loaded loaded = load_well(NOTHING, NOTHING);
    for (size_t i = 0; i < count; i++) {
        size_t index;
        assert_ptr_equal(setting_find(table[i].name, strlen(table[i].name), &index), &table[i]);
        assert_int_equal(index, i);
        assert_true(strlen(table[i].name) + sizeof "LAYERMASK_" < SETTING_NAME_BYTES);
        assert_int_equal(strspn(table[i].name, "abcdefghijklmnopqrstuvwxyz_"),
                         strlen(table[i].name));
        assert_null(strstr(table[i].name, "port"));
        assert_true(table[i].type != SETTING_LIST || (table[i].fits && table[i].what));
        json_t *value = setting_get_json(&table[i], &loaded.settings);
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        if (json_is_string(value))
            assert_string_equal(json_string_value(value), table[i].standard);
        else if (!json_is_array(value))
            assert_string_equal(text, table[i].standard);
        free(text);
        json_decref(value);
    }
    settings_free(&loaded.settings);
}

static void flags_before_environment_before_file(void **state)
{
    (void)state;
    const char *path = file_of("{\"workers\": 1, \"batch_size\": 11, \"max_samples\": 111}");
    struct loaded loaded = load_well(WORDS("--workers", "3", "--config", path),
                                     WORDS("LAYERMASK_WORKERS=2", "LAYERMASK_BATCH_SIZE=22"));
    assert_int_equal(loaded.settings.workers, 3);
    assert_int_equal(loaded.settings.batch_size, 22);
    assert_int_equal(loaded.settings.max_samples, 111);
    assert_int_equal(loaded.settings.max_masks, 1000);
    settings_free(&loaded.settings);
}

static void the_last_of_two_flags_counts(void **state)
{
    (void)state;
    struct loaded loaded = load_well(WORDS("--workers=3", "--models=a", "--models=b", "--workers",
                                           "4", "--load-models=x", "--load-models=y,z"),
                                     NOTHING);
    assert_int_equal(loaded.settings.workers, 4);
    assert_string_equal(loaded.settings.models, "b");
    assert_int_equal(loaded.settings.load_models.count, 2);
    settings_free(&loaded.settings);
}

static void file_by_variable_or_flag(void **state)
{
    (void)state;
    file_of("{\"workers\": 5}");
    struct loaded loaded = load_well(NOTHING, WORDS("LAYERMASK_CONFIG=test.json"));
    assert_int_equal(loaded.settings.workers, 5);
    settings_free(&loaded.settings);
    loaded = load_well(WORDS("--config=test.json"), WORDS("LAYERMASK_CONFIG=missing.json"));
    assert_int_equal(loaded.settings.workers, 5);
    settings_free(&loaded.settings);
    loaded = load_well(WORDS("--config="), WORDS("LAYERMASK_CONFIG=missing.json"));
    assert_int_equal(loaded.settings.workers, 0);
    settings_free(&loaded.settings);
    expect_error(WORDS("--config", "missing.json"), NOTHING, LM_IO,
                 "config: missing.json: No such file or directory");
    expect_error(WORDS("--config=/tmp"), NOTHING, LM_IO, "config: /tmp: Is a directory");
    expect_error(WORDS("--config"), NOTHING, LM_INVALID, "--config: needs a value");
}

static void every_type_in_a_file(void **state)
{
    (void)state;
    const char *path = file_of(
        "{\"listen\": \"[::1]:9\", \"insecure\": true, \"workers\": 2, \"max_pixels\": 7,"
        " \"max_image_bytes\": 65536, \"max_body_bytes\": \"1m\", \"job_ttl\": \"90m\","
        " \"models\": \"m\", \"cors_origins\": [\"*\", \"http://a\"], \"load_models\": []}");
    struct loaded loaded = load_well(WORDS("--config", path), NOTHING);
    const struct settings *settings = &loaded.settings;
    assert_string_equal(settings->listen.host, "::1");
    assert_true(settings->insecure);
    assert_int_equal(settings->workers, 2);
    assert_int_equal(settings->max_pixels, 7);
    assert_int_equal(settings->max_image_bytes, 65536);
    assert_int_equal(settings->max_body_bytes, 1 << 20);
    assert_int_equal(settings->job_ttl_ms, 90 * 60000);
    assert_string_equal(settings->models, "m");
    assert_int_equal(settings->cors_origins.count, 2);
    assert_string_equal(settings->cors_origins.items[1], "http://a");
    settings_free(&loaded.settings);
}

static void wrong_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
        enum lm_status status;
    } cases[] = {
        {"", "line 1, column 0: '[' or '{' expected near end of file", LM_CORRUPT},
        {"[]", "not a JSON object", LM_CORRUPT},
        {"{\"workers\": 1,}", "line 1, column 15: string or '}' expected near '}'", LM_CORRUPT},
        {"{\n\"workers\": 1,\n\"workers\": 2}",
         "line 3, column 9: duplicate object key near "
         "'\"workers\"'",
         LM_CORRUPT},
        {"{\"workers\": 1} x", "line 1, column 16: end of file expected near 'x'", LM_CORRUPT},
        {"{\"wrokers\": 1}", "wrokers: no such option; did you mean workers?", LM_INVALID},
        {"{\"max-pixels\": 1}", "max-pixels: no such option; did you mean max_pixels?", LM_INVALID},
        {"{\"config\": \"x\"}", "config: no such option; --help lists all", LM_INVALID},
        {"{\"zebra\": 1}", "zebra: no such option; --help lists all", LM_INVALID},
        {"{\"workers\": \"1\"}", "workers: a string is not a whole number from 0 to 256",
         LM_INVALID},
        {"{\"workers\": 1.5}",
         "workers: a number with a fraction is not a whole number from 0 to 256", LM_INVALID},
        {"{\"workers\": 257}", "workers: \"257\" is not a whole number from 0 to 256", LM_INVALID},
        {"{\"workers\": -1}", "workers: \"-1\" is not a whole number from 0 to 256", LM_INVALID},
        {"{\"workers\": null}", "workers: null is not a whole number from 0 to 256", LM_INVALID},
        {"{\"insecure\": 1}", "insecure: an integer is not true or false", LM_INVALID},
        {"{\"insecure\": \"true\"}", "insecure: a string is not true or false", LM_INVALID},
        {"{\"models\": true}", "models: true is not a text of at most 4096 bytes", LM_INVALID},
        {"{\"job_ttl\": 60}",
         "job_ttl: an integer is not a time in ms, s, m or h, from 1s to 8760h", LM_INVALID},
        {"{\"max_body_bytes\": \"1x\"}",
         "max_body_bytes: \"1x\" is not a size in bytes, k, m or g, from 1k to 512m", LM_INVALID},
        {"{\"max_body_bytes\": {}}",
         "max_body_bytes: an object is not a size in bytes, k, m or g, from 1k to 512m",
         LM_INVALID},
        {"{\"cors_origins\": \"*\"}",
         "cors_origins: a string is not a list, each an origin such as https://app.example, or *",
         LM_INVALID},
        {"{\"cors_origins\": [1]}",
         "cors_origins: an integer in the list is not an origin such as https://app.example, or *",
         LM_INVALID},
        {"{\"cors_origins\": [\"*\", \"x,y\"]}",
         "cors_origins: \"x,y\" is not an origin such as https://app.example, or *", LM_INVALID},
        {"{\"listen\": \"here\"}",
         "listen: \"here\" is not an address such as 127.0.0.1:8080 or [::1]:8080", LM_INVALID},
        {"{\"listen\": 8080}",
         "listen: an integer is not an address such as 127.0.0.1:8080 or [::1]:8080", LM_INVALID},
        {"{\"listen\": \"0.0.0.0:1\"}",
         "listen: other machines can reach 0.0.0.0:1: set keys to a file of API keys, or insecure "
         "to serve everyone",
         LM_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        snprintf(text, sizeof text, "test.json: %s", cases[i].error);
        expect_error(WORDS("--config", file_of(cases[i].text)), NOTHING, cases[i].status, text);
    }
}

static void large_file(void **state)
{
    (void)state;
    char *text = malloc((1 << 20) + 2);
    memset(text, ' ', (1 << 20) + 1);
    memcpy(text, "{}", 2);
    text[(1 << 20) + 1] = '\0';
    expect_error(WORDS("--config", file_of(text)), NOTHING, LM_CORRUPT,
                 "test.json: larger than 1048576 bytes");
    text[1 << 20] = '\0';
    struct loaded loaded = load_well(WORDS("--config", file_of(text)), NOTHING);
    settings_free(&loaded.settings);
    free(text);
}

static void unknown_flags(void **state)
{
    (void)state;
    expect_refused("--wrokers=1", "--wrokers: no such option; did you mean --workers?");
    expect_refused("--max_pixels=1", "--max_pixels: no such option; did you mean --max-pixels?");
    expect_refused("--worker=1", "--worker: no such option; did you mean --workers?");
    expect_refused("--zebra", "--zebra: no such option; --help lists all");
    expect_refused("-w", "\"-w\": not an option; --help lists all");
    expect_refused("--", "\"--\": not an option; --help lists all");
    expect_refused("", "\"\": not an option; --help lists all");
    expect_refused("model.onnx", "\"model.onnx\": not an option; --help lists all");
    expect_refused("--workers", "--workers: needs a value");
    expect_refused("--print-config=1", "--print-config: takes no value");
    expect_error(WORDS("--models", "--workers=1"), NOTHING, LM_INVALID, "--models: needs a value");
    expect_refused("--a\x1b[31m=1", "--a?[31m: no such option; --help lists all");
    expect_refused(
        "--xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "--xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: no such "
        "option; --help lists all");
}

static void unknown_variables(void **state)
{
    (void)state;
    expect_error(NOTHING, WORDS("LAYERMASK_WORKER=1"), LM_INVALID,
                 "LAYERMASK_WORKER: no such option; did you mean LAYERMASK_WORKERS?");
    expect_error(NOTHING, WORDS("LAYERMASK_workers=1"), LM_INVALID,
                 "LAYERMASK_workers: no such option; --help lists all");
    expect_error(NOTHING, WORDS("LAYERMASK_PORT=80"), LM_INVALID,
                 "LAYERMASK_PORT: no such option; --help lists all");
    expect_error(NOTHING, WORDS("LAYERMASK_=80"), LM_INVALID,
                 "LAYERMASK_: no such option; --help lists all");
    expect_error(NOTHING, WORDS("LAYERMASK_WORKERS=many"), LM_INVALID,
                 "LAYERMASK_WORKERS: \"many\" is not a whole number from 0 to 256");
    expect_error(NOTHING, WORDS("LAYERMASK_PROBE=1"), LM_INVALID,
                 "LAYERMASK_PROBE: no such option; --help lists all");
}

static void variables_of_others(void **state)
{
    (void)state;
    struct loaded loaded = load_well(
        NOTHING, WORDS("LAYERMASK_SHARED=/x", "LAYERMASK_BIN=/x", "LAYERMASK_SERVICE_HOST=10.0.0.1",
                       "LAYERMASK_SERVICE_PORT=80", "LAYERMASK_SERVICE_PORT_HTTP=80",
                       "LAYERMASK_PORT=tcp://10.0.0.1:80", "LAYERMASK_PORT_80_TCP_ADDR=10.0.0.1",
                       "LAYERMASK_API_SERVICE_HOST=10.0.0.1",
                       "LAYERMASK_API_PORT=udp://10.0.0.1:80", "LAYERMASKD=1", "WORKERS=9"));
    assert_int_equal(loaded.settings.workers, 0);
    settings_free(&loaded.settings);
}

static void options_that_need_others(void **state)
{
    (void)state;
    static const char reach[] = "set keys to a file of API keys, or insecure to serve everyone";
    char text[300];
    snprintf(text, sizeof text, "--listen: other machines can reach [::]:80: %s", reach);
    expect_refused("--listen=[::]:80", text);
    snprintf(text, sizeof text, "LAYERMASK_LISTEN: other machines can reach 10.0.0.1:80: %s",
             reach);
    expect_error(NOTHING, WORDS("LAYERMASK_LISTEN=10.0.0.1:80"), LM_INVALID, text);
    struct loaded loaded = load_well(WORDS("--listen=0.0.0.0:80", "--keys=file"), NOTHING);
    settings_free(&loaded.settings);
    loaded = load_well(WORDS("--listen=0.0.0.0:80", "--probe"), NOTHING);
    settings_free(&loaded.settings);
    loaded = load_well(WORDS("--listen=0.0.0.0:80", "--insecure"), NOTHING);
    settings_free(&loaded.settings);

    expect_refused("--tls-certificate=c", "--tls-certificate: needs tls_key, too");
    expect_refused("--tls-key=k", "--tls-key: needs tls_certificate, too");
    loaded = load_well(WORDS("--tls-key=k"), WORDS("LAYERMASK_TLS_CERTIFICATE=c"));
    settings_free(&loaded.settings);

    expect_refused("--max-bodies-bytes=1m",
                   "--max-bodies-bytes: 1m is below --max-body-bytes, which is 64m");
    expect_refused("--max-store-bytes=1m",
                   "--max-store-bytes: 1m is below --max-body-bytes, which is 64m");
    expect_refused("--max-body-bytes=1k",
                   "--max-body-bytes: 1k is below --max-small-body-bytes, which is 64k");
    expect_error(WORDS("--max-small-body-bytes=2m", "--max-body-bytes=1m"), NOTHING, LM_INVALID,
                 "--max-small-body-bytes: 2m is above --max-body-bytes, which is 1m");
    expect_error(NOTHING, WORDS("LAYERMASK_MAX_STORE_BYTES=1m"), LM_INVALID,
                 "LAYERMASK_MAX_STORE_BYTES: 1m is below LAYERMASK_MAX_BODY_BYTES, which is 64m");
}

static void actions(void **state)
{
    (void)state;
    static const struct {
        const char *flag;
        enum settings_action action;
    } cases[] = {{"--help", SETTINGS_HELP},
                 {"-h", SETTINGS_HELP},
                 {"--version", SETTINGS_VERSION},
                 {"--print-config", SETTINGS_PRINT_CONFIG},
                 {"--probe", SETTINGS_PROBE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct loaded loaded = load_well(WORDS("--workers=3", cases[i].flag), NOTHING);
        assert_int_equal(loaded.action, cases[i].action);
        bool loads = i > 2;
        assert_int_equal(loaded.settings.workers, loads ? 3 : 0);
        settings_free(&loaded.settings);
    }
    struct loaded loaded =
        load_well(WORDS("--zebra", "--help"), WORDS("LAYERMASK_CONFIG=missing", "LAYERMASK_X=1"));
    assert_int_equal(loaded.action, SETTINGS_HELP);
}

static void help_has_everything(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0, count;
    FILE *out = open_memstream(&text, &size);
    settings_help(out);
    fclose(out);
    const struct setting *table = setting_table(&count);
    for (size_t i = 0; i < count; i++) {
        char flag[SETTING_NAME_BYTES], line[SETTING_NAME_BYTES + 8];
        setting_flag(&table[i], flag);
        snprintf(line, sizeof line, "\n  %s ", flag);
        assert_non_null(strstr(text, line));
        assert_non_null(strstr(text, table[i].section));
    }
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        assert_true(strlen(line) <= 100);
        assert_true(line[strlen(line) - 1] != ' ');
    }
    free(text);
}

/* print, load, print: the same; also for values far from the defaults. */
static void printed_settings_load_the_same(void **state)
{
    (void)state;
    struct loaded first = load_well(
        WORDS("--listen=[::]:1", "--keys=k", "--models=a \"b\" \xc3\xa4", "--insecure",
              "--metrics=false", "--cors-origins=*,https://a", "--load-models=x,y",
              "--max-image-bytes=1025", "--idle-timeout=1001ms", "--max-model-elements=4294967296",
              "--store=sqlite:/a/b", "--log-level=error"),
        NOTHING);
    char *text = printed(&first.settings);
    struct loaded second = load_well(WORDS("--config", file_of(text)), NOTHING);
    char *again = printed(&second.settings);
    assert_string_equal(text, again);
    assert_string_equal(second.settings.models, "a \"b\" \xc3\xa4");
    assert_int_equal(second.settings.max_image_bytes, 1025);
    assert_int_equal(second.settings.idle_timeout_ms, 1001);
    assert_string_equal(second.settings.store_url, "sqlite:/a/b");
    free(text);
    free(again);
    settings_free(&first.settings);
    settings_free(&second.settings);
}

/* The file in the repository is what --print-config prints. */
static void file_of_defaults_is_fresh(void **state)
{
    (void)state;
    char path[5000], file[16384];
    snprintf(path, sizeof path, "%s/config/layermaskd.json", fixture_root);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    size_t size = fread(file, 1, sizeof file - 1, in);
    file[size] = '\0';
    fclose(in);
    struct loaded loaded = load_well(NOTHING, NOTHING);
    char *text = printed(&loaded.settings);
    assert_string_equal(file, text);
    free(text);
    settings_free(&loaded.settings);
}

static void printing_to_a_full_disk(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    struct loaded loaded = load_well(NOTHING, NOTHING);
    struct lm_error error = {0};
    assert_int_equal(settings_print(&loaded.settings, full, &error), LM_IO);
    assert_string_equal(error.text, "configuration: No space left on device");
    fclose(full);
    settings_free(&loaded.settings);
}

static void expect_store(const char *const *variables, const char *flag, const char *url)
{
    struct loaded loaded = load_well(WORDS(flag), variables);
    assert_string_equal(loaded.settings.store_url, url);
    settings_free(&loaded.settings);
}

static void places_of_the_store(void **state)
{
    (void)state;
    static const char plain[] = "--store=sqlite";
    expect_store(WORDS("STATE_DIRECTORY=/s:/t", "XDG_STATE_HOME=/x", "HOME=/h"), plain,
                 "sqlite:/s/jobs.db");
    expect_store(WORDS("XDG_STATE_HOME=/x", "HOME=/h"), plain, "sqlite:/x/layermask/jobs.db");
    expect_store(WORDS("XDG_STATE_HOME=x", "HOME=/h"), plain,
                 "sqlite:/h/.local/state/layermask/jobs.db");
    expect_store(WORDS("HOME="), plain, "sqlite:/var/lib/layermask/jobs.db");
    expect_store(NOTHING, plain, "sqlite:/var/lib/layermask/jobs.db");
    expect_store(WORDS("HOME=/h"), "--store=memory", "memory");
    expect_store(WORDS("HOME=/h"), "--store=sqlite:jobs", "sqlite:jobs");
}

static void folder_of_the_store(void **state)
{
    (void)state;
    struct lm_error error = {0};
    struct stat status;
    struct loaded loaded = load_well(WORDS("--store=sqlite:a/b/c.db"), NOTHING);
    for (int i = 0; i < 2; i++)
        assert_int_equal(settings_make_store_folder(&loaded.settings, &error), LM_OK);
    assert_int_equal(stat("a/b", &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_not_equal(stat("a/b/c.db", &status), 0);
    settings_free(&loaded.settings);
    rmdir("a/b");
    rmdir("a");
    file_of("");
    loaded = load_well(WORDS("--store=sqlite:test.json/b/c.db"), NOTHING);
    assert_int_equal(settings_make_store_folder(&loaded.settings, &error), LM_IO);
    assert_string_equal(error.text, "store: cannot make the folder test.json: Not a directory");
    settings_free(&loaded.settings);
    loaded = load_well(WORDS("--store=memory"), NOTHING);
    assert_int_equal(settings_make_store_folder(&loaded.settings, &error), LM_OK);
    settings_free(&loaded.settings);
}

static void workers(void **state)
{
    (void)state;
    struct settings settings = {.workers = 7};
    assert_int_equal(settings_workers(&settings), 7);
    settings.workers = 0;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    assert_int_equal(settings_workers(&settings), online > 256 ? 256 : online);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(table_is_sound),
        cmocka_unit_test(flags_before_environment_before_file),
        cmocka_unit_test(the_last_of_two_flags_counts),
        cmocka_unit_test(file_by_variable_or_flag),
        cmocka_unit_test(every_type_in_a_file),
        cmocka_unit_test(wrong_files),
        cmocka_unit_test(large_file),
        cmocka_unit_test(unknown_flags),
        cmocka_unit_test(unknown_variables),
        cmocka_unit_test(variables_of_others),
        cmocka_unit_test(options_that_need_others),
        cmocka_unit_test(actions),
        cmocka_unit_test(help_has_everything),
        cmocka_unit_test(printed_settings_load_the_same),
        cmocka_unit_test(file_of_defaults_is_fresh),
        cmocka_unit_test(printing_to_a_full_disk),
        cmocka_unit_test(places_of_the_store),
        cmocka_unit_test(folder_of_the_store),
        cmocka_unit_test(workers),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
