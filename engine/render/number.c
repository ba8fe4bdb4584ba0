/* Numbers on pictures: two or three significant digits, trailing zeros dropped.
 *
 * printf rounds, but its decimal point follows the locale of the program; so only its digits and
 * exponent are used, and the number is put together here.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/legend.h"

enum { DIGITS = 5 };

/* The first significant digits of value > 0 and the power of ten of the first. */
static int split(double value, int count, char digits[DIGITS + 1])
{
    char printed[40];
    snprintf(printed, sizeof printed, "%.*e", count - 1, value);
    char *mark = strchr(printed, 'e');
    assert(mark && count <= DIGITS);
    digits[0] = printed[0];
    memcpy(digits + 1, mark - (count - 1), (size_t)count - 1);
    digits[count] = '\0';
    for (int i = count - 1; i > 0 && digits[i] == '0'; i--)
        digits[i] = '\0';
    return (int)strtol(mark + 1, NULL, 10);
}

void legend_number(char text[LEGEND_NUMBER], double value)
{
    assert(value >= 0 && isfinite(value));
    char digits[DIGITS + 1] = "0";
    int exponent = 0;
    if (value > 0)
        exponent = split(value, value < 10 || value >= 99999.5 ? 2 : value < 1000 ? 3 : 5, digits);
    int known = (int)strlen(digits);
    const char *point = known > 1 ? "." : "";
    if (exponent < -3 || exponent > 4)
        snprintf(text, LEGEND_NUMBER, "%c%s%se%d", digits[0], point, digits + 1, exponent);
    else if (exponent < 0)
        snprintf(text, LEGEND_NUMBER, "0.%.*s%s", -exponent - 1, "00", digits);
    else if (known <= exponent + 1)
        snprintf(text, LEGEND_NUMBER, "%s%.*s", digits, exponent + 1 - known, "0000");
    else
        snprintf(text, LEGEND_NUMBER, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
}
