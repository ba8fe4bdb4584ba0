/* Loads settings as the daemon does, from literal command lines, environments and files. */
#ifndef TESTS_SETTINGS_FIXTURE_H
#define TESTS_SETTINGS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/setting.h"
#include "config/settings.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NOTHING ((const char *const[]){NULL})

struct loaded {
    struct settings settings;
    enum settings_action action;
    struct lm_error error;
    enum lm_status status;
};

/* flags, variables: ended by NULL. */
static inline struct loaded load(const char *const *flags, const char *const *variables)
{
    char *argv[64] = {(char *)(uintptr_t) "layermaskd"}, *envp[64] = {NULL};
    int argc = 1;
    for (size_t i = 0; flags[i]; i++)
        argv[argc++] = (char *)(uintptr_t)flags[i];
    for (size_t i = 0; variables[i]; i++)
        envp[i] = (char *)(uintptr_t)variables[i];
    struct loaded loaded = {.error = {0}};
    loaded.status =
        settings_load(argc, argv, envp, &loaded.settings, &loaded.action, &loaded.error);
    return loaded;
}

static inline struct loaded load_well(const char *const *flags, const char *const *variables)
{
    struct loaded loaded = load(flags, variables);
    if (loaded.status != LM_OK)
        fail_msg("%s", loaded.error.text);
    return loaded;
}

/* The error's whole text. */
static inline void expect_error(const char *const *flags, const char *const *variables,
                                enum lm_status status, const char *text)
{
    struct loaded loaded = load(flags, variables);
    assert_string_equal(loaded.error.text, text);
    assert_int_equal(loaded.status, status);
    static const struct settings untouched;
    assert_memory_equal(&loaded.settings, &untouched, sizeof untouched);
}

static inline void expect_refused(const char *flag, const char *text)
{
    expect_error(WORDS(flag), NOTHING, LM_INVALID, text);
}

/* A file of this text; path is relative to a folder of its own, where the test is from then on. */
static inline const char *file_of(const char *text)
{
    FILE *file = fopen("test.json", "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return "test.json";
}

static char fixture_root[4096];

static inline int enter_folder(void **state)
{
    (void)state;
    static char folder[64];
    snprintf(folder, sizeof folder, "/tmp/test_settings.XXXXXX");
    return !getcwd(fixture_root, sizeof fixture_root) || !mkdtemp(folder) || chdir(folder);
}

static inline int leave_folder(void **state)
{
    (void)state;
    char folder[4096];
    unlink("test.json");
    return !getcwd(folder, sizeof folder) || chdir(fixture_root) || rmdir(folder);
}

/* settings_print's text, malloc'ed. */
static inline char *printed(const struct settings *settings)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(settings_print(settings, out, NULL), LM_OK);
    assert_int_equal(fclose(out), 0);
    return text;
}

#endif
