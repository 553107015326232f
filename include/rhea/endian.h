/* SPDX-License-Identifier: MIT */
/* Unaligned loads and stores of fixed endianness. */
#ifndef RHEA_ENDIAN_H
#define RHEA_ENDIAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define RHEA_DEFINE_LDST(bits, suffix, to_host, from_host)                                         \
    static inline uint##bits##_t ld##bits##_##suffix(const void *p)                                \
    {                                                                                              \
        uint##bits##_t v;                                                                          \
                                                                                                   \
        memcpy(&v, p, sizeof(v));                                                                  \
        return to_host(v);                                                                         \
    }                                                                                              \
    static inline void st##bits##_##suffix(void *p, uint##bits##_t v)                              \
    {                                                                                              \
        v = from_host(v);                                                                          \
        memcpy(p, &v, sizeof(v));                                                                  \
    }

RHEA_DEFINE_LDST(16, le, le16toh, htole16)
RHEA_DEFINE_LDST(32, le, le32toh, htole32)
RHEA_DEFINE_LDST(64, le, le64toh, htole64)
RHEA_DEFINE_LDST(16, be, be16toh, htobe16)
RHEA_DEFINE_LDST(32, be, be32toh, htobe32)
RHEA_DEFINE_LDST(64, be, be64toh, htobe64)

#undef RHEA_DEFINE_LDST

#endif
