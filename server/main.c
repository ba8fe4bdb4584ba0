/* layermaskd: the service. */
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "codec/version.h"
#include "config/settings.h"

extern char **environ;

enum { DONE = 0, FAILED = 1, MISUSE = 2 };

static int complain(int status, const struct lm_error *error)
{
    fprintf(stderr, "layermaskd: %s\n", error->text);
    return status;
}

static int act(enum settings_action action, const struct settings *settings)
{
    struct lm_error error = {0};
    enum lm_status status = LM_OK;
    switch (action) {
    case SETTINGS_SERVE: status = app_run(settings, &error); break;
    case SETTINGS_HELP: settings_help(stdout); break;
    case SETTINGS_VERSION: puts("layermaskd " LAYERMASK_VERSION); break;
    case SETTINGS_PRINT_CONFIG: status = settings_print(settings, stdout, &error); break;
    case SETTINGS_PROBE: status = app_probe(settings, &error); break;
    }
    if (status == LM_OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = lm_fail(&error, LM_IO, "standard output could not be written");
    return status == LM_OK ? DONE : complain(FAILED, &error);
}

int main(int argc, char **argv)
{
    struct settings settings;
    enum settings_action action;
    struct lm_error error = {0};
    if (settings_load(argc, argv, environ, &settings, &action, &error) != LM_OK)
        return complain(MISUSE, &error);
    int status = act(action, &settings);
    settings_free(&settings);
    return status;
}
