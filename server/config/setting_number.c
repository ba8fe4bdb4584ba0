/* Numbers with and without units: "50000", "64m", "75s". */
#include "config/setting.h"

#include <inttypes.h>
#include <string.h>

/* Suffixes from the largest: a number is shown with the first that divides it. */
static const struct unit {
    char suffix[3];
    uint64_t factor;
} byte_units[] = {{"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"", 1}},
  time_units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}}, no_units[] = {{"", 1}};

static const struct unit *units_of(enum setting_type type, size_t *count)
{
    *count = 4;
    if (type == SETTING_BYTES)
        return byte_units;
    if (type == SETTING_DURATION)
        return time_units;
    *count = 1;
    return no_units;
}

/* Sizes are often written with capitals. */
static bool is_suffix(enum setting_type type, const char *text, const char *suffix)
{
    if (type == SETTING_BYTES && text[0] >= 'A' && text[0] <= 'Z')
        return text[0] - 'A' + 'a' == suffix[0] && text[1] == '\0';
    return strcmp(text, suffix) == 0;
}

bool setting_read_number(const char *text, enum setting_type type, uint64_t *out)
{
    size_t count, digits = strspn(text, "0123456789");
    const struct unit *units = units_of(type, &count);
    uint64_t value = 0;
    for (size_t i = 0; i < digits; i++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return false;
    for (size_t i = 0; i < count && digits > 0; i++)
        if (is_suffix(type, text + digits, units[i].suffix))
            return !__builtin_mul_overflow(value, units[i].factor, out);
    return false;
}

void setting_show_number(enum setting_type type, uint64_t value, char *out)
{
    size_t count;
    const struct unit *unit = units_of(type, &count);
    while (value % unit->factor != 0)
        unit++;
    if (value == 0)
        unit = type == SETTING_DURATION ? &time_units[2] : no_units;
    snprintf(out, SETTING_SHOWN, "%" PRIu64 "%s", value / unit->factor, unit->suffix);
}
