/* Names of jobs: 48 bits of time and 128 random bits, as 36 letters and digits.
 *
 * They sort by time (to the millisecond) with strcmp, need no escaping in URLs, JSON or SQL, and
 * cannot be guessed. */
#ifndef STORE_ID_H
#define STORE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "layermask/status.h"

enum { STORE_ID_LENGTH = 36, STORE_ID_SIZE = STORE_ID_LENGTH + 1 };

/* LM_IO if the system has no randomness to give. */
enum lm_status store_id_make(int64_t now_ms, char out[STORE_ID_SIZE], struct lm_error *error);

/* Whether it looks like one; any text may be asked about. */
bool store_id_valid(const char *text);

#endif
