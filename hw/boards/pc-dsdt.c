/* SPDX-License-Identifier: MIT */
/*
 * DSDT of a PC: the PCI bus with its windows and interrupt routes, the devices that cannot be found by
 * asking, CPUs, sleep states.  Spec: ACPI 6.5, 6.2; PCI Firmware 3.3, 4.5.
 */
#include "rhea/osdep.h"

#include "hw/acpi/acpi-pm.h"
#include "hw/char/uart-16550.h"
#include "hw/firmware/aml.h"
#include "hw/firmware/fw-cfg.h"
#include "hw/rtc/mc146818.h"
#include "hw/timer/hpet.h"
#include "pc-acpi.h"
#include "rhea/bits.h"

#define PCI64_ALIGN (1ULL << 30)
#define PCI64_END   (1ULL << 40) /* the physical addresses of the smallest CPU model */
#define FOUR_GIB    (1ULL << 32)

enum { LINK_FIELD_IRQ = 5 /* of an extended interrupt descriptor */, LINK_OFF = 0x80 };
enum { STATUS_OFF = 0x09, STATUS_ON = 0x0b, STATUS_HIDDEN = 0x0b };
enum { ROUTES = 0x60, ROUTES_LEN = 12 };

/* --- PCI interrupt links --- */

/* "LNKA" for link 0. */
static const char *numbered(char name[5], const char *prefix, unsigned n)
{
    memcpy(name, prefix, 3);
    name[3] = 'A' + n;
    name[4] = 0;
    return name;
}

static void add_link_status(GByteArray *a, const char *route)
{
    size_t method = aml_method(a, "_STA", 0), cond;

    cond = aml_if(a);
    aml_op(a, AML_AND);
    aml_name(a, route);
    aml_int(a, LINK_OFF);
    aml_int(a, 0); /* result is not kept */
    aml_op(a, AML_RETURN);
    aml_int(a, STATUS_OFF);
    aml_end(a, cond);
    aml_op(a, AML_RETURN);
    aml_int(a, STATUS_ON);
    aml_end(a, method);

    method = aml_method(a, "_DIS", 0);
    aml_op(a, AML_OR);
    aml_name(a, route);
    aml_int(a, LINK_OFF);
    aml_name(a, route);
    aml_end(a, method);
}

/* The interrupt as the descriptor in BUFF says it, and set from the caller's. */
static void add_link_settings(GByteArray *a, const char *route)
{
    GByteArray *now = g_byte_array_new();
    size_t method;

    res_shared_irqs(now, (const uint32_t[]){0}, 1);
    aml_name_resources(a, "BUFF", now);
    method = aml_method(a, "_CRS", 0);
    aml_op(a, AML_DWORD_FIELD);
    aml_name(a, "BUFF");
    aml_int(a, LINK_FIELD_IRQ);
    aml_name(a, "IRQN");
    aml_op(a, AML_AND);
    aml_name(a, route);
    aml_int(a, 0x0f);
    aml_name(a, "IRQN");
    aml_op(a, AML_RETURN);
    aml_name(a, "BUFF");
    aml_end(a, method);

    method = aml_method(a, "_SRS", 1);
    aml_op(a, AML_DWORD_FIELD);
    aml_op(a, AML_ARG0);
    aml_int(a, LINK_FIELD_IRQ);
    aml_name(a, "IRQN");
    aml_op(a, AML_STORE);
    aml_name(a, "IRQN");
    aml_name(a, route);
    aml_end(a, method);
}

static void add_link(GByteArray *a, unsigned n)
{
    static const uint32_t irqs[] = {5, 10, 11};
    GByteArray *possible = g_byte_array_new();
    char link[5], route[5];
    size_t dev = aml_device(a, numbered(link, "LNK", n));

    numbered(route, "PRQ", n);
    aml_name_eisa_id(a, "_HID", "PNP0C0F");
    aml_name_int(a, "_UID", n + 1);
    res_shared_irqs(possible, irqs, ARRAY_SIZE(irqs));
    aml_name_resources(a, "_PRS", possible);
    add_link_status(a, route);
    add_link_settings(a, route);
    aml_end(a, dev);
}

/* The bridge's route registers: four, a gap, four more where it has eight lines. */
static void add_links(GByteArray *a, unsigned links)
{
    static const char *const fields[] = {"PRQA", "PRQB", "PRQC", "PRQD", NULL,   NULL,
                                         NULL,   NULL,   "PRQE", "PRQF", "PRQG", "PRQH"};

    aml_region(a, "ROUT", AML_SPACE_PCI_CONFIG, ROUTES, links > 4 ? ROUTES_LEN : 4, fields,
               links > 4 ? ROUTES_LEN : 4);
    for (unsigned n = 0; n < links; n++) {
        add_link(a, n);
    }
}

/* --- Which line each pin of each slot drives --- */

/* @first_gsi: interrupts of the I/O APIC; else links. */
static void add_routes(PcMachine *s, GByteArray *a, const char *name, unsigned first_gsi)
{
    size_t all, one;
    char link[5];

    aml_op(a, AML_NAME_DECL);
    aml_name(a, name);
    all = aml_package(a, 32 * PCI_NUM_PINS);
    for (unsigned i = 0; i < 32 * PCI_NUM_PINS; i++) {
        unsigned slot = i / PCI_NUM_PINS, pin = i % PCI_NUM_PINS;
        unsigned line = s->pci->line_of(slot, pin);

        one = aml_package(a, 4);
        aml_int(a, slot << 16 | 0xffff);
        aml_int(a, pin);
        if (first_gsi) {
            aml_int(a, 0);
            aml_int(a, first_gsi + line);
        } else {
            g_autofree char *path =
                g_strdup_printf("\\_SB.PCI0.ISA.%s", numbered(link, "LNK", line));

            aml_name(a, path);
            aml_int(a, 0);
        }
        aml_end(a, one);
    }
    aml_end(a, all);
}

/* The system says by _PIC whether it uses the I/O APIC. */
static void add_routing(PcMachine *s, GByteArray *a)
{
    unsigned first_gsi = pc_ops(s)->acpi->first_gsi;
    size_t method, cond;

    if (!first_gsi) {
        add_routes(s, a, "_PRT", 0);
        return;
    }
    add_routes(s, a, "PRTP", 0);
    add_routes(s, a, "PRTA", first_gsi);
    method = aml_method(a, "_PRT", 0);
    cond = aml_if(a);
    aml_name(a, "\\PICF");
    aml_op(a, AML_RETURN);
    aml_name(a, "PRTA");
    aml_end(a, cond);
    aml_op(a, AML_RETURN);
    aml_name(a, "PRTP");
    aml_end(a, method);
}

static void add_pic_method(GByteArray *a)
{
    size_t method;

    aml_name_int(a, "PICF", 0);
    method = aml_method(a, "_PIC", 1);
    aml_op(a, AML_STORE);
    aml_op(a, AML_ARG0);
    aml_name(a, "PICF");
    aml_end(a, method);
}

/* --- The PCI bus --- */

static void add_windows(PcMachine *s, GByteArray *a)
{
    GByteArray *r = g_byte_array_new();
    uint64_t high = FOUR_GIB + s->machine.ram_size - s->below_4g, start = s->below_4g;

    res_window_bus(r, 0, 0xff);
    res_io(r, 0xcf8, 8);
    res_window_io(r, 0, 0xcf7);
    res_window_io(r, 0xd00, 0xffff);
    res_window_memory32(r, 0xa0000, 0xbffff);
    if (pc_ops(s)->acpi->ecam_base) {
        res_window_memory32(r, start, pc_acpi_ecam(s) - 1);
        start = pc_acpi_ecam(s) + PC_ECAM_SIZE;
    }
    res_window_memory32(r, start, PC_PCI_END - 1);
    high = align_up(high, PCI64_ALIGN);
    if (high < PCI64_END) {
        res_window_memory64(r, high, PCI64_END - 1);
    }
    aml_name_resources(a, "_CRS", r);
}

/* _OSC (UUID, revision, count, capabilities): the system may have all it asks for but SHPC hot plug. */
static void add_osc(GByteArray *a)
{
    static const uint8_t pci_bus[16] = {0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
                                        0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66};
    enum { CONTROL_MASK = 0x1d, UNRECOGNIZED = 4 };
    size_t method = aml_method(a, "_OSC", 4), cond;

    aml_op(a, AML_DWORD_FIELD);
    aml_op(a, AML_ARG3);
    aml_int(a, 0);
    aml_name(a, "CDW1");
    cond = aml_if(a);
    aml_op(a, AML_EQUAL);
    aml_op(a, AML_ARG0);
    aml_buffer(a, pci_bus, sizeof(pci_bus));
    aml_op(a, AML_DWORD_FIELD);
    aml_op(a, AML_ARG3);
    aml_int(a, 8);
    aml_name(a, "CDW3");
    aml_op(a, AML_AND);
    aml_name(a, "CDW3");
    aml_int(a, CONTROL_MASK);
    aml_name(a, "CDW3");
    aml_end(a, cond);
    cond = aml_else(a);
    aml_op(a, AML_OR);
    aml_name(a, "CDW1");
    aml_int(a, UNRECOGNIZED);
    aml_name(a, "CDW1");
    aml_end(a, cond);
    aml_op(a, AML_RETURN);
    aml_op(a, AML_ARG3);
    aml_end(a, method);
}

/* --- Devices of the ISA bus --- */

/* A device of one port range and interrupt, @len or @irq 0: none. */
static void add_isa_device(GByteArray *a, const char *name, const char *id, unsigned uid,
                           uint16_t base, uint8_t len, unsigned irq)
{
    GByteArray *r = g_byte_array_new();
    size_t dev = aml_device(a, name);

    aml_name_eisa_id(a, "_HID", id);
    aml_name_int(a, "_UID", uid);
    if (len) {
        res_io(r, base, len);
    }
    if (irq) {
        res_irq(r, irq);
    }
    aml_name_resources(a, "_CRS", r);
    aml_end(a, dev);
}

/* Command and data of the keyboard are two ports with others between. */
static void add_keyboard(GByteArray *a)
{
    GByteArray *r = g_byte_array_new();
    size_t dev = aml_device(a, "KBD");

    aml_name_eisa_id(a, "_HID", "PNP0303");
    res_io(r, 0x60, 1);
    res_io(r, 0x64, 1);
    res_irq(r, 1);
    aml_name_resources(a, "_CRS", r);
    aml_end(a, dev);
    add_isa_device(a, "MOU", "PNP0F13", 0, 0, 0, 12);
}

static void add_fw_cfg(GByteArray *a)
{
    GByteArray *r = g_byte_array_new();
    size_t dev = aml_device(a, "FWCF");

    aml_op(a, AML_NAME_DECL);
    aml_name(a, "_HID");
    aml_string(a, "QEMU0002");
    aml_name_int(a, "_STA", STATUS_HIDDEN);
    res_io(r, FW_CFG_IO_PORT, FW_CFG_IO_SIZE);
    aml_name_resources(a, "_CRS", r);
    aml_end(a, dev);
}

static void add_isa_bus(PcMachine *s, GByteArray *a)
{
    static const struct {
        uint16_t base;
        uint8_t irq;
    } serial[MACHINE_SERIAL_PORTS] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};
    const PcAcpi *hw = pc_ops(s)->acpi;
    size_t dev = aml_device(a, "ISA");

    aml_name_int(a, "_ADR", (hw->isa_devfn >> 3) << 16 | (hw->isa_devfn & 7));
    add_links(a, hw->links);
    add_isa_device(a, "RTC", "PNP0B00", 0, 0x70, 2, 8);
    if (s->i8042_on) {
        add_keyboard(a);
    }
    for (unsigned i = 0; i < MACHINE_SERIAL_PORTS; i++) {
        char name[5];

        if (machine_serial(&s->machine, i)) {
            add_isa_device(a, numbered(name, "COM", i), "PNP0501", i + 1, serial[i].base, 8,
                           serial[i].irq);
        }
    }
    add_fw_cfg(a);
    aml_end(a, dev);
}

static void add_pci_bus(PcMachine *s, GByteArray *a)
{
    bool express = pc_ops(s)->acpi->ecam_base != NULL;
    size_t dev = aml_device(a, "PCI0");

    aml_name_eisa_id(a, "_HID", express ? "PNP0A08" : "PNP0A03");
    if (express) {
        aml_name_eisa_id(a, "_CID", "PNP0A03");
        add_osc(a);
    }
    aml_name_int(a, "_UID", 0);
    add_windows(s, a);
    add_isa_bus(s, a);
    add_routing(s, a);
    aml_end(a, dev);
}

/* --- What is on no bus --- */

static void add_memory_device(GByteArray *a, const char *name, const char *id, uint32_t base,
                              uint32_t len)
{
    GByteArray *r = g_byte_array_new();
    size_t dev = aml_device(a, name);

    aml_name_eisa_id(a, "_HID", id);
    aml_name_int(a, "_UID", 0);
    res_memory(r, base, len);
    aml_name_resources(a, "_CRS", r);
    aml_end(a, dev);
}

static void add_cpus(PcMachine *s, GByteArray *a)
{
    for (unsigned i = 0; i < s->machine.smp.cpus; i++) {
        g_autofree char *name = g_strdup_printf("C%03X", i);
        size_t dev = aml_device(a, name);

        aml_op(a, AML_NAME_DECL);
        aml_name(a, "_HID");
        aml_string(a, "ACPI0007");
        aml_name_int(a, "_UID", i);
        aml_end(a, dev);
    }
}

/* A sleep state: its type goes into the control register, and into a second one that is not there. */
static void add_sleep_state(GByteArray *a, const char *name, unsigned type)
{
    size_t package;

    aml_op(a, AML_NAME_DECL);
    aml_name(a, name);
    package = aml_package(a, 4);
    aml_int(a, type);
    aml_int(a, type);
    aml_int(a, 0);
    aml_int(a, 0);
    aml_end(a, package);
}

static void add_sleep_states(PcMachine *s, GByteArray *a)
{
    const AcpiPm *pm = pc_acpi_pm(s);

    if (!pm->disable_s3) {
        add_sleep_state(a, "_S3", ACPI_SLEEP_S3);
    }
    if (!pm->disable_s4) {
        add_sleep_state(a, "_S4", ACPI_SLEEP_S4);
    }
    add_sleep_state(a, "_S5", ACPI_SLEEP_S5);
}

uint32_t pc_add_dsdt(PcMachine *s, AcpiTables *t)
{
    uint32_t start = acpi_table_begin(t, "DSDT", 2);
    GByteArray *a = t->tables;
    size_t scope;

    add_sleep_states(s, a);
    add_pic_method(a);
    scope = aml_scope(a, "\\_SB");
    add_pci_bus(s, a);
    if (pc_ops(s)->acpi->ecam_base) {
        add_memory_device(a, "ECAM", "PNP0C02", pc_acpi_ecam(s), PC_ECAM_SIZE);
    }
    if (s->hpet_on) {
        add_memory_device(a, "HPET", "PNP0103", HPET_ADDR, HPET_SIZE);
    }
    add_cpus(s, a);
    aml_end(a, scope);
    acpi_table_end(t, start, false);
    return start;
}
