/* SPDX-License-Identifier: MIT */
/*
 * Writing ACPI machine language: terms are appended in the order in which ACPI 6.5, 20.2 encodes them,
 * so a call reads as its operator, then its operands.  Names and counts are the board's own and are not
 * checked.
 */
#ifndef HW_FIRMWARE_AML_H
#define HW_FIRMWARE_AML_H

#include <glib.h>
#include <stdint.h>

/* Operators without a body, 20.2.5; 0x5bXX are those with the extension prefix. */
enum {
    AML_NAME_DECL = 0x08,
    AML_DWORD = 0x0c, /* the number follows */
    AML_LOCAL0 = 0x60,
    AML_ARG0 = 0x68,
    AML_ARG3 = 0x6b,
    AML_STORE = 0x70,
    AML_ADD = 0x72,
    AML_AND = 0x7b,
    AML_OR = 0x7d,
    AML_NOTIFY = 0x86,
    AML_INDEX = 0x88,
    AML_DWORD_FIELD = 0x8a,
    AML_EQUAL = 0x93,
    AML_RETURN = 0xa4,
};
enum { AML_SPACE_PCI_CONFIG = 2 };

/* --- Terms --- */

void aml_op(GByteArray *a, unsigned op);
/* "NAME", "A.B", "^NAME" or "\\_SB": short segments are padded. */
void aml_name(GByteArray *a, const char *path);
void aml_int(GByteArray *a, uint64_t value);
void aml_string(GByteArray *a, const char *text);
/* "PNP0A03" as an integer. */
void aml_eisa_id(GByteArray *a, const char *id);
void aml_buffer(GByteArray *a, const void *data, size_t len);
/* Name (@name, @value) */
void aml_name_int(GByteArray *a, const char *name, uint64_t value);
void aml_name_eisa_id(GByteArray *a, const char *name, const char *id);

/* --- Terms with a body: what comes until aml_end(), which is given what these return --- */

size_t aml_scope(GByteArray *a, const char *path);
size_t aml_device(GByteArray *a, const char *name);
size_t aml_method(GByteArray *a, const char *name, unsigned args);
size_t aml_package(GByteArray *a, uint8_t count);
/* The condition follows, then what depends on it. */
size_t aml_if(GByteArray *a);
size_t aml_else(GByteArray *a);
void aml_end(GByteArray *a, size_t mark);

/* An operation region @name and its consecutive byte fields, named by @fields (NULL: a gap). */
void aml_region(GByteArray *a, const char *name, unsigned space, uint64_t offset, uint64_t len,
                const char *const *fields, size_t nfields);

/* --- Resources (6.4): gathered in an array of their own, then added as a buffer --- */

void res_io(GByteArray *r, uint16_t base, uint8_t len);
void res_irq(GByteArray *r, unsigned irq);
/* Level-triggered, active high, shared; one of @irqs. */
void res_shared_irqs(GByteArray *r, const uint32_t *irqs, uint8_t n);
void res_memory(GByteArray *r, uint32_t base, uint32_t len);
/* Windows that a bridge passes on. */
void res_window_bus(GByteArray *r, uint8_t first, uint8_t last);
void res_window_io(GByteArray *r, uint16_t first, uint16_t last);
void res_window_memory32(GByteArray *r, uint32_t first, uint32_t last);
void res_window_memory64(GByteArray *r, uint64_t first, uint64_t last);
/* Ends the list and appends the buffer; @r is freed. */
void aml_resources(GByteArray *a, GByteArray *r);
/* Name (@name, the same) */
void aml_name_resources(GByteArray *a, const char *name, GByteArray *r);

#endif
