/* SPDX-License-Identifier: MIT */
/* ACPI machine language; see hw/firmware/aml.h.  Spec: ACPI 6.5, chapters 6.4 and 20.2. */
#include "rhea/osdep.h"

#include "hw/firmware/aml.h"
#include "rhea/bits.h"
#include "rhea/endian.h"

enum {
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_METHOD = 0x14,
    OP_REGION = 0x5b80,
    OP_FIELD = 0x5b81,
    OP_DEVICE = 0x5b82,
    OP_IF = 0xa0,
    OP_ELSE = 0xa1
};
enum { PREFIX_BYTE = 0x0a, PREFIX_WORD = 0x0b, PREFIX_DWORD = 0x0c, PREFIX_STRING = 0x0d };
enum { PREFIX_QWORD = 0x0e, PREFIX_DUAL = 0x2e, PREFIX_MULTI = 0x2f, PREFIX_EXT = 0x5b };
enum { FIELD_BYTE_ACCESS = 1, SEGMENT = 4, METHOD_SERIALIZED = 8 };

static void add8(GByteArray *a, uint8_t v)
{
    g_byte_array_append(a, &v, 1);
}

static void add_le(GByteArray *a, uint64_t v, unsigned bytes)
{
    uint8_t raw[8];

    st64_le(raw, v);
    g_byte_array_append(a, raw, bytes);
}

/* --- Terms --- */

void aml_op(GByteArray *a, unsigned op)
{
    if (op > 0xff) {
        add8(a, op >> 8);
    }
    add8(a, op);
}

static void add_segment(GByteArray *a, const char *s, size_t len)
{
    uint8_t raw[SEGMENT] = "____";

    memcpy(raw, s, MIN(len, SEGMENT));
    g_byte_array_append(a, raw, SEGMENT);
}

void aml_name(GByteArray *a, const char *path)
{
    g_auto(GStrv) segments = NULL;
    guint n;

    while (*path == '\\' || *path == '^') {
        add8(a, *path++);
    }
    segments = g_strsplit(path, ".", -1);
    n = g_strv_length(segments);
    if (n == 0) {
        add8(a, 0);
    } else if (n == 2) {
        add8(a, PREFIX_DUAL);
    } else if (n > 2) {
        add8(a, PREFIX_MULTI);
        add8(a, n);
    }
    for (guint i = 0; i < n; i++) {
        add_segment(a, segments[i], strlen(segments[i]));
    }
}

void aml_int(GByteArray *a, uint64_t value)
{
    if (value <= 1) {
        add8(a, value);
    } else if (value <= UINT8_MAX) {
        add8(a, PREFIX_BYTE);
        add8(a, value);
    } else if (value <= UINT16_MAX) {
        add8(a, PREFIX_WORD);
        add_le(a, value, 2);
    } else if (value <= UINT32_MAX) {
        add8(a, PREFIX_DWORD);
        add_le(a, value, 4);
    } else {
        add8(a, PREFIX_QWORD);
        add_le(a, value, 8);
    }
}

void aml_string(GByteArray *a, const char *text)
{
    add8(a, PREFIX_STRING);
    g_byte_array_append(a, (const uint8_t *)text, strlen(text) + 1);
}

/* Three letters of five bits, four hexadecimal digits, the bytes of the whole swapped. */
void aml_eisa_id(GByteArray *a, const char *id)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < 3; i++) {
        v = v << 5 | (id[i] & 0x1f);
    }
    for (unsigned i = 3; i < 7; i++) {
        v = v << 4 | g_ascii_xdigit_value(id[i]);
    }
    add8(a, PREFIX_DWORD);
    add_le(a, __builtin_bswap32(v), 4);
}

void aml_name_int(GByteArray *a, const char *name, uint64_t value)
{
    aml_op(a, AML_NAME_DECL);
    aml_name(a, name);
    aml_int(a, value);
}

void aml_name_eisa_id(GByteArray *a, const char *name, const char *id)
{
    aml_op(a, AML_NAME_DECL);
    aml_name(a, name);
    aml_eisa_id(a, id);
}

/* --- Bodies --- */

static size_t begin(GByteArray *a, unsigned op)
{
    aml_op(a, op);
    return a->len;
}

/* The length goes before the body and counts itself, in one to four bytes (20.2.4). */
void aml_end(GByteArray *a, size_t mark)
{
    size_t body = a->len - mark, extra = 0, len;
    uint8_t raw[4];

    while (extra < 3 && body + 1 + extra >= (extra ? 1U << (4 + 8 * extra) : 64)) {
        extra++;
    }
    len = body + 1 + extra;
    raw[0] = extra ? extra << 6 | (len & 15) : len;
    for (size_t i = 0; i < extra; i++) {
        raw[1 + i] = len >> (4 + 8 * i);
    }
    g_byte_array_set_size(a, a->len + 1 + extra);
    memmove(a->data + mark + 1 + extra, a->data + mark, body);
    memcpy(a->data + mark, raw, 1 + extra);
}

size_t aml_scope(GByteArray *a, const char *path)
{
    size_t mark = begin(a, OP_SCOPE);

    aml_name(a, path);
    return mark;
}

size_t aml_device(GByteArray *a, const char *name)
{
    size_t mark = begin(a, OP_DEVICE);

    aml_name(a, name);
    return mark;
}

size_t aml_method(GByteArray *a, const char *name, unsigned args)
{
    size_t mark = begin(a, OP_METHOD);

    aml_name(a, name);
    add8(a, args | METHOD_SERIALIZED);
    return mark;
}

size_t aml_package(GByteArray *a, uint8_t count)
{
    size_t mark = begin(a, OP_PACKAGE);

    add8(a, count);
    return mark;
}

size_t aml_if(GByteArray *a)
{
    return begin(a, OP_IF);
}

size_t aml_else(GByteArray *a)
{
    return begin(a, OP_ELSE);
}

void aml_buffer(GByteArray *a, const void *data, size_t len)
{
    size_t mark = begin(a, OP_BUFFER);

    aml_int(a, len);
    g_byte_array_append(a, data, len);
    aml_end(a, mark);
}

void aml_region(GByteArray *a, const char *name, unsigned space, uint64_t offset, uint64_t len,
                const char *const *fields, size_t nfields)
{
    size_t mark;

    aml_op(a, OP_REGION);
    aml_name(a, name);
    add8(a, space);
    aml_int(a, offset);
    aml_int(a, len);
    mark = begin(a, OP_FIELD);
    aml_name(a, name);
    add8(a, FIELD_BYTE_ACCESS);
    for (size_t i = 0; i < nfields; i++) {
        if (fields[i]) {
            add_segment(a, fields[i], strlen(fields[i]));
        } else {
            add8(a, 0); /* reserved bits */
        }
        add8(a, 8);
    }
    aml_end(a, mark);
}

/* --- Resources --- */

enum {
    RES_IRQ = 0x22,
    RES_IO = 0x47,
    RES_END = 0x79,
    RES_MEMORY32 = 0x86,
    RES_DWORD = 0x87,
    RES_WORD = 0x88,
    RES_IRQS = 0x89,
    RES_QWORD = 0x8a
};
enum { WINDOW_MEMORY = 0, WINDOW_IO = 1, WINDOW_BUS = 2 };
enum {
    WINDOW_FIXED = 0x0c /* both ends, positively decoded, passed on */,
    MEMORY_RW = 1,
    IO_ALL = 3
};
enum { IRQ_CONSUMER = 1, IRQ_SHARED = 8, IO_16_BITS = 1 };

void res_io(GByteArray *r, uint16_t base, uint8_t len)
{
    add8(r, RES_IO);
    add8(r, IO_16_BITS);
    add_le(r, base, 2);
    add_le(r, base, 2);
    add8(r, 1);
    add8(r, len);
}

void res_irq(GByteArray *r, unsigned irq)
{
    add8(r, RES_IRQ);
    add_le(r, 1U << irq, 2);
}

void res_shared_irqs(GByteArray *r, const uint32_t *irqs, uint8_t n)
{
    add8(r, RES_IRQS);
    add_le(r, 2 + 4 * n, 2);
    add8(r, IRQ_CONSUMER | IRQ_SHARED);
    add8(r, n);
    for (unsigned i = 0; i < n; i++) {
        add_le(r, irqs[i], 4);
    }
}

void res_memory(GByteArray *r, uint32_t base, uint32_t len)
{
    add8(r, RES_MEMORY32);
    add_le(r, 9, 2);
    add8(r, MEMORY_RW);
    add_le(r, base, 4);
    add_le(r, len, 4);
}

/* Granularity, first, last, translation and length, each of @bytes. */
static void add_window(GByteArray *r, uint8_t tag, uint8_t kind, uint8_t flags, unsigned bytes,
                       uint64_t first, uint64_t last)
{
    add8(r, tag);
    add_le(r, 3 + 5 * bytes, 2);
    add8(r, kind);
    add8(r, WINDOW_FIXED);
    add8(r, flags);
    add_le(r, 0, bytes);
    add_le(r, first, bytes);
    add_le(r, last, bytes);
    add_le(r, 0, bytes);
    add_le(r, last - first + 1, bytes);
}

void res_window_bus(GByteArray *r, uint8_t first, uint8_t last)
{
    add_window(r, RES_WORD, WINDOW_BUS, 0, 2, first, last);
}

void res_window_io(GByteArray *r, uint16_t first, uint16_t last)
{
    add_window(r, RES_WORD, WINDOW_IO, IO_ALL, 2, first, last);
}

void res_window_memory32(GByteArray *r, uint32_t first, uint32_t last)
{
    add_window(r, RES_DWORD, WINDOW_MEMORY, MEMORY_RW, 4, first, last);
}

void res_window_memory64(GByteArray *r, uint64_t first, uint64_t last)
{
    add_window(r, RES_QWORD, WINDOW_MEMORY, MEMORY_RW, 8, first, last);
}

void aml_resources(GByteArray *a, GByteArray *r)
{
    add8(r, RES_END);
    add8(r, 0); /* no checksum */
    aml_buffer(a, r->data, r->len);
    g_byte_array_unref(r);
}

void aml_name_resources(GByteArray *a, const char *name, GByteArray *r)
{
    aml_op(a, AML_NAME_DECL);
    aml_name(a, name);
    aml_resources(a, r);
}
