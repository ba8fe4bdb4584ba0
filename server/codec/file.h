/* Whole files in and out of memory. */
#ifndef CODEC_FILE_H
#define CODEC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layermask/status.h"

bool file_exists(const char *path);
bool folder_exists(const char *path);

/* Reads a file or pipe of at most `limit` bytes.  *bytes is malloc'ed and has a 0 byte behind its
 * *size bytes, so that text can be used as a string. Errors: LM_IO (names the file and the system's
 * reason), LM_LIMIT, LM_NOMEM. */
enum lm_status file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size,
                         struct lm_error *error);

/* The same for files that are there on nobody's command line: no pipes, no devices. */
enum lm_status file_read_regular(const char *path, size_t limit, uint8_t **bytes, size_t *size,
                                 struct lm_error *error);

/* Writes a file, "-" being standard output.  A file that could not be written whole is removed. */
enum lm_status file_write(const char *path, const void *bytes, size_t size, struct lm_error *error);

/* The first 12 hexadecimal digits of the SHA-256 of a regular file of at most `limit` bytes, and a
 * 0 byte. */
enum lm_status file_fingerprint(const char *path, size_t limit, char out[13],
                                struct lm_error *error);

#endif
