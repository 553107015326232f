/* SPDX-License-Identifier: MIT */
/* UUIDs; see rhea/uuid.h. */
#include "rhea/osdep.h"

#include "rhea/uuid.h"

/* Which byte of the text each byte of the structure is. */
static const uint8_t order[UUID_BYTES] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

void uuid_to_guid(const char *text, uint8_t guid[UUID_BYTES])
{
    uint8_t raw[UUID_BYTES] = {0};
    unsigned n = 0;

    for (const char *c = text; c && *c && n < 2 * UUID_BYTES; c++) {
        if (*c != '-') {
            raw[n / 2] = raw[n / 2] << 4 | g_ascii_xdigit_value(*c);
            n++;
        }
    }
    for (unsigned i = 0; i < UUID_BYTES; i++) {
        guid[i] = raw[order[i]];
    }
}

void uuid_from_guid(const uint8_t guid[UUID_BYTES], char text[UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    char *to = text;

    for (unsigned i = 0; i < UUID_BYTES; i++) {
        /* The order is its own inverse. */
        uint8_t v = guid[order[i]];

        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *to++ = '-';
        }
        *to++ = digits[v >> 4];
        *to++ = digits[v & 15];
    }
    *to = '\0';
}
