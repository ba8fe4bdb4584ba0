/* What is found out on the machine: where the store's file is, how many processors there are. */
#include "config/setting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Folders by variables, the first that is set; systemd may give several, separated by colons. */
static void find_state_folder(char *const *envp, char *out, size_t size)
{
    static const struct {
        const char *variable, *below;
    } folders[] = {{"STATE_DIRECTORY", ""},
                   {"XDG_STATE_HOME", "/layermask"},
                   {"HOME", "/.local/state/layermask"}};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        const char *value = setting_environment(envp, folders[i].variable);
        if (!value || *value != '/')
            continue;
        int length = (int)strcspn(value, i == 0 ? ":" : "");
        if (length <= SETTING_MAX_TEXT) {
            snprintf(out, size, "%.*s%s", length, value, folders[i].below);
            return;
        }
    }
    snprintf(out, size, "/var/lib/layermask");
}

enum lm_status settings_find_store(struct settings *settings, char *const *envp,
                                   struct lm_error *error)
{
    char folder[SETTING_MAX_TEXT + 64], url[SETTING_MAX_TEXT + 96];
    snprintf(url, sizeof url, "%s", settings->store);
    if (strcmp(settings->store, "sqlite") == 0) {
        find_state_folder(envp, folder, sizeof folder);
        snprintf(url, sizeof url, "sqlite:%s/jobs.db", folder);
    }
    char *copy = strdup(url);
    if (!copy)
        return lm_fail(error, LM_NOMEM, "store: out of memory");
    free(settings->store_url);
    settings->store_url = copy;
    return LM_OK;
}

/* The folder is there afterwards; false, with errno set, if it is not. */
static bool make_folder(const char *path)
{
    struct stat status;
    if (mkdir(path, 0700) == 0)
        return true;
    int reason = errno;
    bool there = stat(path, &status) == 0;
    errno = there && !S_ISDIR(status.st_mode) ? ENOTDIR : reason;
    return there && S_ISDIR(status.st_mode);
}

enum lm_status settings_make_store_folder(const struct settings *settings, struct lm_error *error)
{
    static const char kind[] = "sqlite:";
    char path[SETTING_MAX_TEXT + 96];
    if (strncmp(settings->store_url, kind, sizeof kind - 1) != 0)
        return LM_OK;
    snprintf(path, sizeof path, "%s", settings->store_url + sizeof kind - 1);
    for (char *c = path; (c = strchr(c + 1, '/'));) {
        *c = '\0';
        if (!make_folder(path))
            return lm_fail(error, LM_IO, "store: cannot make the folder %.300s: %s", path,
                           strerror(errno));
        *c = '/';
    }
    return LM_OK;
}

uint32_t settings_workers(const struct settings *settings)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (settings->workers > 0)
        return settings->workers;
    return online < 1 ? 1 : online > 256 ? 256 : (uint32_t)online;
}
