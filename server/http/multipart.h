/* multipart/form-data (RFC 7578) over a complete body, strictly. */
#ifndef HTTP_MULTIPART_H
#define HTTP_MULTIPART_H

#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"

#define MULTIPART_NAME_MAX 256
#define MULTIPART_HEADER_BYTES_MAX 4096 /* of one part */

struct multipart_part {
    char name[MULTIPART_NAME_MAX];
    char filename[MULTIPART_NAME_MAX];     /* "" without one; as sent: never use it as a path */
    char content_type[MULTIPART_NAME_MAX]; /* with parameters; "text/plain" when not sent */
    const uint8_t *bytes;                  /* into the body */
    size_t size;
};

struct multipart {
    struct multipart_part *parts;
    size_t n;
};

/* content_type: the header with its boundary.  The body must outlive the parts.
 * Errors: LM_INVALID (no or bad boundary), LM_CORRUPT (the body is not what it says), LM_LIMIT
 * (more than parts_max parts, or too long names or headers), LM_NOMEM. */
enum lm_status multipart_parse(const char *content_type, const uint8_t *body, size_t size,
                               size_t parts_max, struct multipart *out, struct lm_error *error);
void multipart_free(struct multipart *multipart);

#endif
