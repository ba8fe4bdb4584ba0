/* Opening and reading files for the ONNX reader: regular files only, within the size limit.
 *
 * Files are read, not mapped: a mapped file that shrinks kills the process, and its pages would
 * count as memory next to the copies made of them.  Opening does not block (FIFOs).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx/reader.h"

static enum lm_status fail_errno(const struct onnx_reader *reader, const char *where,
                                 const char *what, int number)
{
    char reason[120];
    if (strerror_r(number, reason, sizeof reason) != 0)
        strcpy(reason, "unknown error");
    return onnx_fail(reader, number == ENOMEM ? LM_NOMEM : LM_IO, "%s%s: %s", where, what, reason);
}

static enum lm_status check_kind(const struct onnx_reader *reader, const struct stat *info,
                                 const char *where)
{
    uint64_t limit = reader->limits->max_file_bytes;
    if (S_ISDIR(info->st_mode))
        return onnx_fail(reader, LM_IO, "%sis a folder, not a file", where);
    if (!S_ISREG(info->st_mode))
        return onnx_fail(reader, LM_IO, "%sis not a regular file", where);
    if ((uint64_t)info->st_size > limit)
        return onnx_fail(reader, LM_LIMIT, "%sthe file has %" PRIu64 " bytes (limit %" PRIu64 ")",
                         where, (uint64_t)info->st_size, limit);
    return LM_OK;
}

enum lm_status onnx_file_open(const struct onnx_reader *reader, const char *path, const char *where,
                              struct onnx_file *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_errno(reader, where, "cannot be opened", errno);
    struct stat info;
    enum lm_status status;
    if (fstat(fd, &info) != 0)
        status = fail_errno(reader, where, "cannot be opened", errno);
    else
        status = check_kind(reader, &info, where);
    if (status != LM_OK) {
        close(fd);
        return status;
    }
    *out = (struct onnx_file){.fd = fd, .size = (uint64_t)info.st_size};
    return LM_OK;
}

enum lm_status onnx_file_read(const struct onnx_reader *reader, const struct onnx_file *file,
                              uint64_t offset, uint8_t *bytes, size_t size, const char *where)
{
    const size_t most = (size_t)1 << 30; /* Linux reads at most 2 GiB at once */
    for (size_t done = 0; done < size;) {
        size_t wanted = size - done < most ? size - done : most;
        ssize_t got = pread(file->fd, bytes + done, wanted, (off_t)(offset + done));
        if (got == 0)
            return onnx_fail(reader, LM_IO, "%sthe file became shorter while it was read", where);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(reader, where, "cannot be read", errno);
        done += (size_t)got;
    }
    return LM_OK;
}

void onnx_file_close(struct onnx_file *file)
{
    close(file->fd);
    file->fd = -1;
}
