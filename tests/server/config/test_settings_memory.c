/* Settings when memory runs out. */
#include "settings_fixture.h"

#include "fault.h"

static char *argv_of[] = {
    (char *)(uintptr_t) "layermaskd", (char *)(uintptr_t) "--config=test.json",
    (char *)(uintptr_t) "--models=m", (char *)(uintptr_t) "--cors-origins=http://a,http://b"};
static char *envp_of[] = {(char *)(uintptr_t) "LAYERMASK_KEYS=k", NULL};

static enum lm_status load_settings(struct lm_error *error)
{
    static const struct settings untouched;
    struct settings settings = untouched;
    enum settings_action action;
    enum lm_status status = settings_load(4, argv_of, envp_of, &settings, &action, error);
    if (status != LM_OK)
        assert_memory_equal(&settings, &untouched, sizeof untouched);
    settings_free(&settings);
    return status;
}

static void loading(void **state)
{
    (void)state;
    file_of("{\"load_models\": [\"x\", \"y\"], \"store\": \"memory\", \"workers\": 2}");
    fault_ratchet(load_settings);
}

static struct settings to_print;
static FILE *print_to;

static enum lm_status print_settings(struct lm_error *error)
{
    return settings_print(&to_print, print_to, error);
}

static void printing(void **state)
{
    (void)state;
    struct loaded loaded = load_well(WORDS("--load-models=x,y"), NOTHING);
    to_print = loaded.settings;
    print_to = fopen("/dev/null", "w");
    assert_non_null(print_to);
    setvbuf(print_to, NULL, _IONBF, 0);
    fault_ratchet(print_settings);
    fclose(print_to);
    settings_free(&loaded.settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading),
        cmocka_unit_test(printing),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
