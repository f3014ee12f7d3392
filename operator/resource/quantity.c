/* See quantity.h. */
#include "resource/quantity.h"

#include "base/attr.h"
#include "resource/pod.h"

#include <string.h>

#define DIGITS_MAX 18

__extension__ typedef unsigned __int128 wide;

static wide
power_of_ten(int exponent)
{
    wide power = 1;
    for (; exponent > 0; exponent--) {
        power *= 10;
    }
    return power;
}

/* value * 10^-scale * factor */
struct quantity {
    wide value;
    int scale;
    wide factor;
};

/* Behind the number; NULL: too many digits, or none. */
static const char *
number_take(const char *text, struct quantity *quantity)
{
    int digits = 0;
    bool has_point = false;
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !has_point); text++) {
        if (*text == '.') {
            has_point = true;
        } else if (++digits > DIGITS_MAX) {
            return NULL;
        } else {
            quantity->value = quantity->value * 10 + (unsigned)(*text - '0');
            quantity->scale += has_point;
        }
    }
    return digits ? text : NULL;
}

static bool
exponent_take(const char *text, struct quantity *quantity)
{
    if (*text != 'e' && *text != 'E') {
        return false;
    }
    bool is_negative = text[1] == '-';
    int64_t exponent = number_parse(text + 1 + (is_negative || text[1] == '+'), DIGITS_MAX);
    quantity->scale -= (int)(is_negative ? -exponent : exponent);
    return exponent >= 0;
}

static bool
suffix_take(const char *text, struct quantity *quantity)
{
    static const struct {
        const char *suffix;
        int tens;
        int twos;
    } suffixes[] = { { "", 0, 0 }, { "m", -3, 0 }, { "k", 3, 0 }, { "M", 6, 0 }, { "G", 9, 0 },
        { "T", 12, 0 }, { "P", 15, 0 }, { "E", 18, 0 }, { "Ki", 0, 10 }, { "Mi", 0, 20 },
        { "Gi", 0, 30 }, { "Ti", 0, 40 }, { "Pi", 0, 50 }, { "Ei", 0, 60 } };
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        if (strcmp(text, suffixes[i].suffix) == 0) {
            quantity->scale -= suffixes[i].tens;
            quantity->factor = (wide)1 << suffixes[i].twos;
            return true;
        }
    }
    return exponent_take(text, quantity);
}

static int64_t
quantity_read(const char *text, int tens)
{
    struct quantity quantity = { .scale = -tens, .factor = 1 };
    const char *suffix = number_take(text, &quantity);
    if (!suffix || !suffix_take(suffix, &quantity)) {
        return -1;
    }
    wide divisor = power_of_ten(quantity.scale);
    wide count = quantity.value * quantity.factor;
    wide factor = power_of_ten(-quantity.scale);
    if (count > (wide)INT64_MAX * divisor / factor) {
        return -1;
    }
    return (int64_t)((count * factor + divisor - 1) / divisor);
}

/* As the API server does. */
int64_t
quantity_bytes(const char *text)
{
    return quantity_read(text, 0);
}

int64_t
quantity_milli(const char *text)
{
    return quantity_read(text, 3);
}
