/* Base64 by nettle, a character at a time when decoding, so that an error can say where. */
#include "codec/base64.h"

#include <stdlib.h>
#include <string.h>

#include <nettle/base64.h>

static const char *advice_on_url(const char *text)
{
    return strncmp(text, "data:", 5) == 0 ? " (a data: URL needs its header cut off)"
                                          : " (URLs are not fetched; send the file itself)";
}

static enum lm_status wrong_character(const char *field, const char *text, size_t position,
                                      struct lm_error *error)
{
    unsigned char character = (unsigned char)text[position];
    if (character == '=')
        return lm_fail(error, LM_CORRUPT, "%s: base64 padding at character %zu is out of place",
                       field, position);
    if (character > ' ' && character < 0x7f)
        return lm_fail(error, LM_CORRUPT, "%s: character %zu ('%c') is not base64%s", field,
                       position, character, character == ':' ? advice_on_url(text) : "");
    return lm_fail(error, LM_CORRUPT, "%s: character %zu (code %u) is not base64", field, position,
                   character);
}

static enum lm_status decode(const char *field, const char *text, size_t length, uint8_t *bytes,
                             size_t *size, struct lm_error *error)
{
    struct base64_decode_ctx context;
    base64_decode_init(&context);
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        int got = base64_decode_single(&context, bytes + n, text[i]);
        if (got < 0)
            return wrong_character(field, text, i, error);
        n += (size_t)got;
    }
    if (!base64_decode_final(&context))
        return lm_fail(error, LM_CORRUPT, "%s: base64 ends early, after %zu characters", field,
                       length);
    *size = n;
    return LM_OK;
}

enum lm_status codec_base64_decode(const char *field, const char *text, size_t length,
                                   size_t max_bytes, uint8_t **bytes, size_t *size,
                                   struct lm_error *error)
{
    size_t most = length / 4 * 3 + 3; /* less than the text, which the caller could hold */
    uint8_t *decoded = malloc(most);
    if (!decoded)
        return lm_fail(error, LM_NOMEM, "%s: out of memory for %zu bytes", field, most);
    size_t n = 0;
    enum lm_status status = decode(field, text, length, decoded, &n, error);
    if (status == LM_OK && n > max_bytes)
        status = lm_fail(error, LM_LIMIT, "%s: %zu bytes are over the limit of %zu", field, n,
                         max_bytes);
    if (status != LM_OK) {
        free(decoded);
        return status;
    }
    *bytes = decoded;
    *size = n;
    return LM_OK;
}

enum lm_status codec_base64_encode(const void *bytes, size_t size, char **text,
                                   struct lm_error *error)
{
    if (size > SIZE_MAX / 4 * 3 - 3)
        return lm_fail(error, LM_LIMIT, "base64: %zu bytes are too many", size);
    size_t length = (size + 2) / 3 * 4;
    char *encoded = malloc(length + 1);
    if (!encoded)
        return lm_fail(error, LM_NOMEM, "base64: out of memory for %zu characters", length);
    base64_encode_raw(encoded, size, bytes);
    encoded[length] = '\0';
    *text = encoded;
    return LM_OK;
}
