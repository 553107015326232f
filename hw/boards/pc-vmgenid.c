/* SPDX-License-Identifier: MIT */
/*
 * The generation ID on the PC boards: its table, where firmware puts it, how the guest hears of it.  Specs:
 * "Virtual Machine Generation ID", Microsoft 2012; ACPI 6.5, 5.6.4 (events).
 */
#include "rhea/osdep.h"

#include "hw/acpi/acpi-pm.h"
#include "hw/acpi/vmgenid.h"
#include "hw/firmware/aml.h"
#include "hw/firmware/fw-cfg.h"
#include "pc-acpi.h"
#include "rhea/endian.h"

enum { VMGENID_GPE = 5, NOTIFY_CHANGED = 0x80, ADDR_BYTES = 8, PAGE_ALIGN = 4096 };
#define GPE_METHOD "_E05"

static Device *find_vmgenid(PcMachine *s)
{
    GPtrArray *devices = s->acpi_bus->devices;

    return devices->len ? devices->pdata[0] : NULL;
}

/* --- The table --- */

/* ADDR: the low and the high half of the identifier's address. */
static void add_addr_method(GByteArray *a)
{
    size_t method = aml_method(a, "ADDR", 0), halves;

    aml_op(a, AML_STORE);
    halves = aml_package(a, 2);
    aml_int(a, 0);
    aml_int(a, 0);
    aml_end(a, halves);
    aml_op(a, AML_LOCAL0);
    aml_op(a, AML_ADD);
    aml_name(a, "\\VGIA");
    aml_int(a, VMGENID_OFFSET);
    aml_op(a, AML_INDEX);
    aml_op(a, AML_LOCAL0);
    aml_int(a, 0);
    aml_int(a, 0); /* the element is not kept */
    aml_op(a, AML_RETURN);
    aml_op(a, AML_LOCAL0);
    aml_end(a, method);
}

static void add_device(GByteArray *a)
{
    static const char *const names[][2] = {
        {"_HID", "QEMUVGID"}, {"_CID", "VM_Gen_Counter"}, {"_DDN", "VM_Gen_Counter"}};
    size_t scope = aml_scope(a, "\\_SB"), dev = aml_device(a, "VGEN");

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        aml_op(a, AML_NAME_DECL);
        aml_name(a, names[i][0]);
        aml_string(a, names[i][1]);
    }
    add_addr_method(a);
    aml_end(a, dev);
    aml_end(a, scope);
}

static void add_event(GByteArray *a)
{
    size_t scope = aml_scope(a, "\\_GPE"), method = aml_method(a, GPE_METHOD, 0);

    aml_op(a, AML_NOTIFY);
    aml_name(a, "\\_SB.VGEN");
    aml_int(a, NOTIFY_CHANGED);
    aml_end(a, method);
    aml_end(a, scope);
}

void pc_add_vmgenid_table(PcMachine *s, AcpiTables *t)
{
    GByteArray *a = t->tables;
    uint32_t start;

    if (!find_vmgenid(s)) {
        return;
    }
    acpi_allocate_file(t, VMGENID_FILE, PAGE_ALIGN);
    start = acpi_table_begin(t, "SSDT", 2);
    /* Outside of all bodies: the place of the number must not move any more. */
    aml_op(a, AML_NAME_DECL);
    aml_name(a, "\\VGIA");
    aml_op(a, AML_DWORD);
    acpi_add_file_pointer(t, VMGENID_FILE, 4);
    add_device(a);
    add_event(a);
    acpi_table_end(t, start, true);
    acpi_tell_pointer(t, VMGENID_ADDR_FILE, VMGENID_FILE, VMGENID_OFFSET, ADDR_BYTES);
}

/* --- Files --- */

static GBytes *build_page(void *opaque)
{
    uint8_t *page = g_malloc0(VMGENID_PAGE);

    memcpy(page + VMGENID_OFFSET, vmgenid_guid(opaque), UUID_BYTES);
    return g_bytes_new_take(page, VMGENID_PAGE);
}

static GBytes *build_addr(void *opaque)
{
    uint8_t raw[ADDR_BYTES];

    st64_le(raw, vmgenid_addr(opaque));
    return g_bytes_new(raw, sizeof(raw));
}

static void store_addr(void *opaque, const uint8_t *data)
{
    vmgenid_set_addr(opaque, ld64_le(data));
}

static void notify(void *opaque, int n, bool level)
{
    if (level) {
        acpi_gpe_raise(pc_acpi_pm(opaque), n);
    }
}

bool pc_add_vmgenid(PcMachine *s, Error **errp)
{
    Device *dev = find_vmgenid(s);

    if (!dev) {
        return true;
    }
    irq_connect_fn(irq_find_out(dev, "notify", 0), notify, s, VMGENID_GPE);
    return fw_cfg_add_built_file(s->fw_cfg, VMGENID_FILE, build_page, dev, errp) &&
           fw_cfg_add_writable_file(s->fw_cfg, VMGENID_ADDR_FILE, build_addr, store_addr, dev,
                                    errp);
}
