/* Ids in base 32 with the digits and the lower-case letters without i, l, o and u (Crockford's
 * alphabet): its order is that of ASCII, so texts sort as the numbers do. */
#include "store/id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

enum { TIME_DIGITS = 10, RANDOM_BYTES = 16, RANDOM_DIGITS = 26 };
_Static_assert(TIME_DIGITS + RANDOM_DIGITS == STORE_ID_LENGTH, "length of an id");

static bool random_fill(unsigned char *bytes, size_t count)
{
    for (size_t have = 0; have < count;) {
        ssize_t got = getrandom(bytes + have, count - have, 0);
        if (got > 0)
            have += (size_t)got;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

enum lm_status store_id_make(int64_t now_ms, char out[STORE_ID_SIZE], struct lm_error *error)
{
    unsigned char bytes[RANDOM_BYTES];
    if (!random_fill(bytes, sizeof bytes))
        return lm_fail(error, LM_IO, "job id: the system gives no random bytes: %s",
                       strerror(errno));
    uint64_t time = now_ms < 0 ? 0 : (uint64_t)now_ms;
    for (int i = TIME_DIGITS; i-- > 0; time >>= 5)
        out[i] = alphabet[time & 31];
    uint32_t bits = 0, held = 0; /* the lowest `held` of bits are to be written */
    char *digit = out + TIME_DIGITS;
    for (size_t i = 0; i < RANDOM_BYTES; i++) {
        bits = bits << 8 | bytes[i];
        for (held += 8; held >= 5; held -= 5)
            *digit++ = alphabet[bits >> (held - 5) & 31];
    }
    *digit++ = alphabet[bits << (5 - held) & 31];
    *digit = '\0';
    return LM_OK;
}

bool store_id_valid(const char *text)
{
    return strspn(text, alphabet) == STORE_ID_LENGTH && text[STORE_ID_LENGTH] == '\0';
}
