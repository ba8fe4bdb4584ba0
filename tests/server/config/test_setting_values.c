/* Every type of option: what it takes, its edges, and the exact text of refusals. */
#include "settings_fixture.h"

static uint64_t size_of(const char *flag)
{
    struct loaded loaded = load_well(WORDS(flag), NOTHING);
    uint64_t value = loaded.settings.gzip_min_bytes;
    settings_free(&loaded.settings);
    return value;
}

static void sizes(void **state)
{
    (void)state;
    assert_int_equal(size_of("--gzip-min-bytes=0"), 0);
    assert_int_equal(size_of("--gzip-min-bytes=1500"), 1500);
    assert_int_equal(size_of("--gzip-min-bytes=3k"), 3072);
    assert_int_equal(size_of("--gzip-min-bytes=3K"), 3072);
    assert_int_equal(size_of("--gzip-min-bytes=7m"), 7340032);
    assert_int_equal(size_of("--gzip-min-bytes=7M"), 7340032);
    assert_int_equal(size_of("--gzip-min-bytes=1g"), 1073741824);
    assert_int_equal(size_of("--gzip-min-bytes=1073741824"), 1073741824);
    static const char *const wrong[] = {
        "1073741825", "2g",   "-1", "",   "k",   "1 k",          "1kb",
        "1.5m",       "0x10", "1t", "+1", "10s", "17179869184g", "18446744073709551616"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char flag[80], text[200];
        snprintf(flag, sizeof flag, "--gzip-min-bytes=%s", wrong[i]);
        snprintf(text, sizeof text,
                 "--gzip-min-bytes: \"%s\" is not a size in bytes, k, m or g, from 0 to 1g",
                 wrong[i]);
        expect_refused(flag, text);
    }
}

static uint64_t time_of(const char *flag)
{
    struct loaded loaded = load_well(WORDS(flag), NOTHING);
    uint64_t value = loaded.settings.compute_deadline_ms;
    settings_free(&loaded.settings);
    return value;
}

static void durations(void **state)
{
    (void)state;
    assert_int_equal(time_of("--compute-deadline=0s"), 0);
    assert_int_equal(time_of("--compute-deadline=1ms"), 1);
    assert_int_equal(time_of("--compute-deadline=90s"), 90000);
    assert_int_equal(time_of("--compute-deadline=2m"), 120000);
    assert_int_equal(time_of("--compute-deadline=24h"), 86400000);
    static const char *const wrong[] = {"86400001ms", "25h",  "60",  "1S",
                                        "1M",         "-1s",  "1 s", "s",
                                        "1d",         "1.5s", "",    "18446744073709551615h"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char flag[80], text[200];
        snprintf(flag, sizeof flag, "--compute-deadline=%s", wrong[i]);
        snprintf(text, sizeof text,
                 "--compute-deadline: \"%s\" is not a time in ms, s, m or h, from 0s to 24h",
                 wrong[i]);
        expect_refused(flag, text);
    }
}

static void numbers(void **state)
{
    (void)state;
    struct loaded loaded = load_well(
        WORDS("--http-threads=1", "--max-pixels", "1000000000", "--max-model-elements=4294967296"),
        NOTHING);
    assert_int_equal(loaded.settings.http_threads, 1);
    assert_int_equal(loaded.settings.max_pixels, 1000000000);
    assert_int_equal(loaded.settings.max_model_elements, UINT64_C(4294967296));
    settings_free(&loaded.settings);
    static const char *const wrong[] = {
        "0", "65", "-1", "1k", "", "two", "1.0", "4294967297", " 1", "1e1", "18446744073709551617"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char flag[80], text[200];
        snprintf(flag, sizeof flag, "--http-threads=%s", wrong[i]);
        snprintf(text, sizeof text, "--http-threads: \"%s\" is not a whole number from 1 to 64",
                 wrong[i]);
        expect_refused(flag, text);
    }
}

/* The table's own ranges: both ends are taken, what is beyond them is not. */
static void ends_of_ranges(void **state)
{
    (void)state;
    size_t count;
    const struct setting *table = setting_table(&count);
    for (size_t i = 0; i < count; i++) {
        struct settings settings = {0};
        char text[SETTING_SHOWN];
        const struct setting *row = &table[i];
        if (row->most == 0 || row->type == SETTING_BOOL)
            continue;
        assert_true(row->least < row->most);
        setting_show_number(row->type, row->least, text);
        assert_int_equal(setting_set_text(row, text, "x", &settings, NULL), LM_OK);
        setting_show_number(row->type, row->most, text);
        assert_int_equal(setting_set_text(row, text, "x", &settings, NULL), LM_OK);
        setting_show_number(row->type, row->most + 1, text);
        assert_int_equal(setting_set_text(row, text, "x", &settings, NULL), LM_INVALID);
        if (row->least > 0) {
            setting_show_number(row->type, row->least - 1, text);
            assert_int_equal(setting_set_text(row, text, "x", &settings, NULL), LM_INVALID);
        }
    }
}

static void switches(void **state)
{
    (void)state;
    struct loaded loaded =
        load_well(WORDS("--insecure", "--metrics=false"), WORDS("LAYERMASK_MODEL_CONTROL=1"));
    assert_true(loaded.settings.insecure);
    assert_true(loaded.settings.model_control);
    assert_false(loaded.settings.metrics);
    settings_free(&loaded.settings);
    expect_refused("--insecure=maybe", "--insecure: \"maybe\" is not true or false");
    expect_error(WORDS("--insecure", "true"), NOTHING, LM_INVALID,
                 "\"true\": not an option; --help lists all");
    expect_error(NOTHING, WORDS("LAYERMASK_METRICS="), LM_INVALID,
                 "LAYERMASK_METRICS: \"\" is not true or false");
}

static void strings(void **state)
{
    (void)state;
    struct loaded loaded =
        load_well(WORDS("--models", "/srv/my models", "--keys=", "--log-level=debug",
                        "--precision=bfloat16", "--load-models", "resnet18.a1-x"),
                  WORDS("LAYERMASK_KEYS=/etc/keys"));
    assert_string_equal(loaded.settings.models, "/srv/my models");
    assert_string_equal(loaded.settings.keys, "");
    assert_string_equal(loaded.settings.log_level, "debug");
    assert_string_equal(loaded.settings.precision, "bfloat16");
    assert_string_equal(loaded.settings.load_models.items[0], "resnet18.a1-x");
    settings_free(&loaded.settings);
    expect_refused("--models=a\nb", "--models: \"a?b\" is not a text of at most 4096 bytes");
    expect_refused("--log-level=loud",
                   "--log-level: \"loud\" is not debug, info, warning or error");
    expect_refused("--precision=int8", "--precision: \"int8\" is not float32 or bfloat16");
    expect_refused("--log-level=", "--log-level: \"\" is not debug, info, warning or error");
    expect_refused("--load-models=../x", "--load-models: \"../x\" is not a model's name "
                                         "(letters, digits, . _ -)");
    expect_refused("--load-models=a,a/b", "--load-models: \"a/b\" is not a model's name "
                                          "(letters, digits, . _ -)");
    expect_refused("--store=redis://here", "--store: \"redis://here\" is not memory, sqlite or "
                                           "sqlite:PATH");
    expect_refused("--store=sqlite:", "--store: \"sqlite:\" is not memory, sqlite or sqlite:PATH");
}

static void long_texts(void **state)
{
    (void)state;
    char flag[5000] = "--models=", *end = flag + strlen(flag);
    memset(end, 'x', 4096);
    struct loaded loaded = load_well(WORDS(flag), NOTHING);
    assert_int_equal(strlen(loaded.settings.models), 4096);
    settings_free(&loaded.settings);
    memset(end, 'x', 4097);
    expect_refused(flag,
                   "--models: \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                   "...\" is not a text of at most 4096 bytes");
    memcpy(end, "\xc3\xa4", 2); /* cut between characters */
    for (int i = 0; i < 2100; i++)
        memcpy(end + 1 + 2 * i, "\xc3\xa4", 3);
    end[0] = 'x';
    expect_refused(flag, "--models: \"xääääääääääääääääääääääääääääääää...\" is not a text of at "
                         "most 4096 bytes");
}

static void lists(void **state)
{
    (void)state;
    struct loaded loaded = load_well(
        WORDS("--cors-origins=https://app.example,http://localhost:3000", "--load-models", "a"),
        WORDS("LAYERMASK_CORS_ORIGINS=*"));
    assert_int_equal(loaded.settings.cors_origins.count, 2);
    assert_string_equal(loaded.settings.cors_origins.items[0], "https://app.example");
    assert_string_equal(loaded.settings.cors_origins.items[1], "http://localhost:3000");
    assert_int_equal(loaded.settings.load_models.count, 1);
    settings_free(&loaded.settings);
    loaded = load_well(WORDS("--cors-origins="), WORDS("LAYERMASK_CORS_ORIGINS=*"));
    assert_int_equal(loaded.settings.cors_origins.count, 0);
    settings_free(&loaded.settings);
    static const char *const wrong[] = {"app.example", "https://",   "https://a/", "https://A",
                                        "https://a b", "https://:1", "//a",        "://a"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char flag[80], text[200];
        snprintf(flag, sizeof flag, "--cors-origins=*,%s", wrong[i]);
        snprintf(text, sizeof text,
                 "--cors-origins: \"%s\" is not an origin such as https://app.example, or *",
                 wrong[i]);
        expect_refused(flag, text);
    }
    expect_refused("--load-models=a,,b",
                   "--load-models: \"\" is not a model's name (letters, digits, . _ -)");
    expect_refused("--load-models=a,",
                   "--load-models: \"\" is not a model's name (letters, digits, . _ -)");
}

static void list_too_long(void **state)
{
    (void)state;
    char flag[2100] = "--load-models=a";
    for (int i = 1; i < 1000; i++)
        strcat(flag, ",a");
    struct loaded loaded = load_well(WORDS(flag), NOTHING);
    assert_int_equal(loaded.settings.load_models.count, 1000);
    settings_free(&loaded.settings);
    strcat(flag, ",a");
    expect_refused(flag, "--load-models: a list of more than 1000 texts");
}

static void expect_address(const char *flag, const char *host, uint16_t port, bool loopback)
{
    struct loaded loaded = load_well(WORDS(flag, "--insecure"), NOTHING);
    assert_string_equal(loaded.settings.listen.host, host);
    assert_int_equal(loaded.settings.listen.port, port);
    assert_int_equal(loaded.settings.listen.loopback, loopback);
    settings_free(&loaded.settings);
}

static void addresses(void **state)
{
    (void)state;
    expect_address("--listen=127.0.0.1:0", "127.0.0.1", 0, true);
    expect_address("--listen=127.9.9.9:65535", "127.9.9.9", 65535, true);
    expect_address("--listen=localhost:80", "127.0.0.1", 80, true);
    expect_address("--listen=[::1]:8080", "::1", 8080, true);
    expect_address("--listen=[::ffff:127.0.0.1]:8080", "::ffff:127.0.0.1", 8080, true);
    expect_address("--listen=0.0.0.0:8080", "0.0.0.0", 8080, false);
    expect_address("--listen=128.0.0.1:8080", "128.0.0.1", 8080, false);
    expect_address("--listen=[::]:8080", "::", 8080, false);
    expect_address("--listen=[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1", 1, false);
    static const char *const wrong[] = {"",
                                        "8080",
                                        ":8080",
                                        "127.0.0.1",
                                        "127.0.0.1:",
                                        "127.0.0.1:65536",
                                        "::1",
                                        "::1:8080",
                                        "[::1]",
                                        "[127.0.0.1]:80",
                                        "example.org:80",
                                        "127.1:80",
                                        "[]:80",
                                        "[::1:80",
                                        "[localhost]:80",
                                        "127.0.0.1:-1",
                                        "127.0.0.1:8o",
                                        "0000:0000:0000:0000:0000:ffff:0000:0000:0000:0000:1:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char flag[100], text[300];
        snprintf(flag, sizeof flag, "--listen=%s", wrong[i]);
        snprintf(text, sizeof text,
                 "--listen: \"%s\" is not an address such as 127.0.0.1:8080 or [::1]:8080",
                 wrong[i]);
        expect_refused(flag, text);
    }
}

static void shown_numbers(void **state)
{
    (void)state;
    static const struct {
        enum setting_type type;
        uint64_t value;
        const char *text;
    } cases[] = {
        {SETTING_BYTES, 0, "0"},
        {SETTING_BYTES, 1023, "1023"},
        {SETTING_BYTES, 1024, "1k"},
        {SETTING_BYTES, 1536, "1536"},
        {SETTING_BYTES, 1 << 30, "1g"},
        {SETTING_BYTES, 1025 * 1024, "1025k"},
        {SETTING_DURATION, 0, "0s"},
        {SETTING_DURATION, 999, "999ms"},
        {SETTING_DURATION, 90000, "90s"},
        {SETTING_DURATION, 5400000, "90m"},
        {SETTING_DURATION, 3600000, "1h"},
        {SETTING_U32, 1024, "1024"},
        {SETTING_U64, 0, "0"},
        {SETTING_BYTES, UINT64_MAX, "18446744073709551615"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[SETTING_SHOWN];
        uint64_t value;
        setting_show_number(cases[i].type, cases[i].value, text);
        assert_string_equal(text, cases[i].text);
        assert_true(setting_read_number(text, cases[i].type, &value));
        assert_true(value == cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),         cmocka_unit_test(durations),
        cmocka_unit_test(numbers),       cmocka_unit_test(ends_of_ranges),
        cmocka_unit_test(switches),      cmocka_unit_test(strings),
        cmocka_unit_test(long_texts),    cmocka_unit_test(lists),
        cmocka_unit_test(list_too_long), cmocka_unit_test(addresses),
        cmocka_unit_test(shown_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
