/* Error texts: the first failure wins. */
#include "layermask/status.h"

#include <stdarg.h>
#include <stdio.h>

enum lm_status lm_fail(struct lm_error *error, enum lm_status status, const char *format, ...)
{
    if (error && error->status == LM_OK) {
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return status;
}

const char *lm_status_name(enum lm_status status)
{
    switch (status) {
    case LM_OK: return "ok";
    case LM_INVALID: return "invalid";
    case LM_CORRUPT: return "corrupt";
    case LM_UNSUPPORTED: return "unsupported";
    case LM_LIMIT: return "over a limit";
    case LM_NOMEM: return "out of memory";
    case LM_IO: return "input/output error";
    case LM_CANCELLED: return "cancelled";
    }
    return "unknown";
}
