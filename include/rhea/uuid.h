/* SPDX-License-Identifier: MIT */
/* UUIDs as texts and as the bytes that PC firmware interfaces have: the first three fields little-endian. */
#ifndef RHEA_UUID_H
#define RHEA_UUID_H

#include <stdint.h>

enum { UUID_BYTES = 16, UUID_TEXT = 37 /* with its end */ };

/* @text is valid (g_uuid_string_is_valid()); NULL: all zeroes. */
void uuid_to_guid(const char *text, uint8_t guid[UUID_BYTES]);
void uuid_from_guid(const uint8_t guid[UUID_BYTES], char text[UUID_TEXT]);

#endif
