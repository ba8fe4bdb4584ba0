/* Addresses to listen on: numbers, since a name may have several, and localhost. */
#include "config/setting.h"

#include <arpa/inet.h>
#include <string.h>

/* Of an IPv4 number, or of an IPv6 number in `host`. */
static bool read_host(struct settings_address *address)
{
    static const unsigned char loopback_6[16] = {[15] = 1};
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned char bytes[16];
    if (inet_pton(AF_INET, address->host, bytes) == 1) {
        address->loopback = bytes[0] == 127;
        return true;
    }
    if (inet_pton(AF_INET6, address->host, bytes) != 1)
        return false;
    address->loopback = memcmp(bytes, loopback_6, sizeof bytes) == 0 ||
                        (memcmp(bytes, mapped, sizeof mapped) == 0 && bytes[12] == 127);
    return true;
}

bool setting_read_address(const char *text, struct settings_address *out)
{
    struct settings_address address = {0};
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || !setting_read_number(colon + 1, SETTING_U32, &port) || port > UINT16_MAX)
        return false;
    size_t length = (size_t)(colon - text);
    bool brackets = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    if (brackets) {
        text++;
        length -= 2;
    }
    if (length >= sizeof address.host)
        return false;
    memcpy(address.host, text, length);
    if (strcmp(address.host, "localhost") == 0 && !brackets)
        strcpy(address.host, "127.0.0.1");
    address.port = (uint16_t)port;
    if (brackets != (strchr(address.host, ':') != NULL) || !read_host(&address))
        return false;
    *out = address;
    return true;
}

void setting_show_address(const struct settings_address *address, char *out)
{
    bool brackets = strchr(address->host, ':') != NULL;
    snprintf(out, SETTING_SHOWN, "%s%s%s:%u", brackets ? "[" : "", address->host,
             brackets ? "]" : "", (unsigned)address->port);
}
