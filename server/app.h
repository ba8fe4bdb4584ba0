/* The daemon: every part started and stopped in one visible order. */
#ifndef SERVER_APP_H
#define SERVER_APP_H

#include "config/settings.h"
#include "layermask/status.h"

/* Serves until SIGTERM or SIGINT, then drains; SIGHUP reads models and keys again.  To be called
 * once, before any thread is started.  Errors: those of the parts. */
enum lm_status app_run(const struct settings *settings, struct lm_error *error);

/* Asks the daemon that runs with these settings whether it is ready.  Errors: LM_IO. */
enum lm_status app_probe(const struct settings *settings, struct lm_error *error);

#endif
