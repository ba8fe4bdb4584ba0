/* Whole files in and out of memory.  Reading does not trust the size that the file system tells:
 * pipes and files under /proc say 0, and a file may grow meanwhile. */
#include "codec/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nettle/sha2.h>

enum { CHUNK_BYTES = 1 << 16 };

bool file_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

bool folder_exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Not a device or a pipe, which must never be removed. */
static bool is_regular(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* The system's reason; a stream takes memory, too. */
static enum lm_status fail_system(struct lm_error *error, const char *path, int reason)
{
    return lm_fail(error, reason == ENOMEM ? LM_NOMEM : LM_IO, "%s: %s", path, strerror(reason));
}

static enum lm_status open_for_reading(const char *path, FILE **out, struct lm_error *error)
{
    if (folder_exists(path))
        return lm_fail(error, LM_IO, "%s: is a folder, not a file", path);
    FILE *file = fopen(path, "rb");
    if (!file)
        return fail_system(error, path, errno);
    *out = file;
    return LM_OK;
}

/* Opening a pipe that nobody writes to would wait for ever, and a device may have no end. */
static enum lm_status open_regular(const char *path, size_t limit, FILE **out,
                                   struct lm_error *error)
{
    if (folder_exists(path))
        return lm_fail(error, LM_IO, "%s: is a folder, not a file", path);
    int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0)
        return fail_system(error, path, errno);
    struct stat about;
    FILE *file = NULL;
    enum lm_status status = LM_OK;
    if (fstat(descriptor, &about) != 0)
        status = fail_system(error, path, errno);
    else if (!S_ISREG(about.st_mode))
        status = lm_fail(error, LM_IO, "%s: is not a regular file", path);
    else if ((uintmax_t)about.st_size > limit)
        status = lm_fail(error, LM_LIMIT, "%s: larger than %zu bytes", path, limit);
    else if (!(file = fdopen(descriptor, "rb")))
        status = fail_system(error, path, errno);
    if (status != LM_OK) {
        close(descriptor);
        return status;
    }
    *out = file;
    return LM_OK;
}

/* Makes room for one more chunk and the final 0 byte, doubling. */
static bool grow(uint8_t **bytes, size_t *capacity, size_t size)
{
    if (*capacity - size > CHUNK_BYTES)
        return true;
    size_t wanted = 2 * *capacity + 2 * CHUNK_BYTES;
    uint8_t *grown = realloc(*bytes, wanted);
    if (!grown)
        return false;
    *bytes = grown;
    *capacity = wanted;
    return true;
}

/* Reads to the end and closes. */
static enum lm_status read_all(FILE *file, const char *path, size_t limit, uint8_t **bytes,
                               size_t *size, struct lm_error *error)
{
    enum lm_status status = LM_OK;
    uint8_t *all = NULL;
    size_t capacity = 0, length = 0, got = 1;
    while (got > 0 && status == LM_OK) {
        if (!grow(&all, &capacity, length)) {
            status = lm_fail(error, LM_NOMEM, "%s: out of memory after %zu bytes", path, length);
            break;
        }
        got = fread(all + length, 1, CHUNK_BYTES, file);
        length += got;
        if (length > limit)
            status = lm_fail(error, LM_LIMIT, "%s: larger than %zu bytes", path, limit);
    }
    if (status == LM_OK && ferror(file))
        status = fail_system(error, path, errno);
    fclose(file);
    if (status != LM_OK) {
        free(all);
        return status;
    }
    all[length] = 0;
    *bytes = all;
    *size = length;
    return LM_OK;
}

enum lm_status file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size,
                         struct lm_error *error)
{
    FILE *file = NULL;
    enum lm_status status = open_for_reading(path, &file, error);
    return status == LM_OK ? read_all(file, path, limit, bytes, size, error) : status;
}

enum lm_status file_read_regular(const char *path, size_t limit, uint8_t **bytes, size_t *size,
                                 struct lm_error *error)
{
    FILE *file = NULL;
    enum lm_status status = open_regular(path, limit, &file, error);
    return status == LM_OK ? read_all(file, path, limit, bytes, size, error) : status;
}

static enum lm_status write_stdout(const void *bytes, size_t size, struct lm_error *error)
{
    if (fwrite(bytes, 1, size, stdout) != size || fflush(stdout) != 0)
        return lm_fail(error, LM_IO, "standard output: %s", strerror(errno));
    return LM_OK;
}

enum lm_status file_write(const char *path, const void *bytes, size_t size, struct lm_error *error)
{
    if (strcmp(path, "-") == 0)
        return write_stdout(bytes, size, error);
    FILE *file = fopen(path, "wb");
    if (!file)
        return fail_system(error, path, errno);
    bool written = fwrite(bytes, 1, size, file) == size;
    int reason = errno;
    if (fclose(file) != 0 && written) {
        written = false;
        reason = errno;
    }
    if (written)
        return LM_OK;
    if (is_regular(path))
        remove(path);
    return fail_system(error, path, reason);
}

enum lm_status file_fingerprint(const char *path, size_t limit, char out[13],
                                struct lm_error *error)
{
    FILE *file = NULL;
    enum lm_status status = open_regular(path, limit, &file, error);
    if (status != LM_OK)
        return status;
    struct sha256_ctx hash;
    sha256_init(&hash);
    uint8_t chunk[CHUNK_BYTES];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        sha256_update(&hash, got, chunk);
    if (ferror(file))
        status = fail_system(error, path, errno);
    fclose(file);
    if (status != LM_OK)
        return status;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(&hash, sizeof digest, digest);
    for (int i = 0; i < 6; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return LM_OK;
}
