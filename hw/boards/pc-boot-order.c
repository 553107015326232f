/* SPDX-License-Identifier: MIT */
/*
 * fw_cfg's "bootorder": paths of the devices that have bootindex=, in its order, one a line, as SeaBIOS and
 * OVMF look for them.  Specs: IEEE 1275 (Open Firmware) device paths; SeaBIOS docs/Runtime_config.md.
 */
#include "rhea/osdep.h"

#include "hw/firmware/fw-cfg.h"
#include "hw/storage/fdc.h"
#include "hw/storage/ide.h"
#include "hw/storage/scsi-bus.h"
#include "hw/virtio/virtio.h"
#include "pc.h"
#include "rhea/endian.h"

typedef struct BootEntry {
    long index;
    Device *dev;
} BootEntry;

static long number_prop(Device *dev, const char *name)
{
    g_autofree char *text = qom_prop_get(&dev->obj, name, NULL);

    return text ? strtol(text, NULL, 0) : -1;
}

/* --- Paths --- */

/* What a function is called in a path: by its class where that has a name. */
static void add_pci_name(GString *path, const PciDevice *pci)
{
    static const struct {
        uint16_t class_id;
        const char *name;
    } names[] = {{0x0100, "scsi"}, {0x0101, "ide"},        {PCI_CLASS_ETHERNET, "ethernet"},
                 {0x0601, "isa"},  {0x0604, "pci-bridge"}, {0x0300, "display"}};
    uint16_t class_id = ld16_le(pci->config + PCI_CLASS_DEVICE);

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].class_id == class_id) {
            g_string_append_printf(path, "/%s", names[i].name);
            return;
        }
    }
    g_string_append_printf(path, "/pci%x,%x", ld16_le(pci->config + PCI_VENDOR_ID),
                           ld16_le(pci->config + PCI_DEVICE_ID));
}

static void add_pci_node(GString *path, Device *dev, bool last)
{
    const PciDevice *pci = (const PciDevice *)dev;

    add_pci_name(path, pci);
    g_string_append_printf(path, "@%x", pci->devfn >> 3);
    if (pci->devfn & 7) {
        g_string_append_printf(path, ",%x", pci->devfn & 7);
    }
    if (last && ld16_le(pci->config + PCI_CLASS_DEVICE) == PCI_CLASS_ETHERNET) {
        g_string_append(path, "/ethernet-phy@0");
    }
}

static unsigned channel_of(const Bus *bus)
{
    guint i = 0;

    while (i < bus->owner->buses->len && g_ptr_array_index(bus->owner->buses, i) != bus) {
        i++;
    }
    return i;
}

/* Appends the nodes from the host bridge to @dev. */
static void add_path(GString *path, Device *dev, bool last)
{
    Bus *bus = dev->parent_bus;

    if (!bus) {
        g_string_append(path, "/pci@i0cf8"); /* the host bridge */
        return;
    }
    add_path(path, bus->owner, last && qom_is(&bus->obj, TYPE_VIRTIO_BUS));
    if (qom_is(&bus->obj, TYPE_PCI_BUS)) {
        add_pci_node(path, dev, last);
    } else if (qom_is(&bus->obj, TYPE_ISA_BUS)) {
        g_string_append(path, qom_is(&dev->obj, TYPE_ISA_FDC) ? "/fdc@03f0" : "/isa-device");
    } else if (qom_is(&bus->obj, TYPE_IDE_BUS)) {
        g_string_append_printf(path, "/drive@%x/disk@%lx", channel_of(bus),
                               number_prop(dev, "unit"));
    } else if (qom_is(&bus->obj, TYPE_SCSI_BUS)) {
        g_string_append_printf(path, "/channel@%lx/disk@%lx,%lx", number_prop(dev, "channel"),
                               number_prop(dev, "scsi-id"), number_prop(dev, "lun"));
    } else if (qom_is(&bus->obj, TYPE_FLOPPY_BUS)) {
        g_string_append_printf(path, "/floppy@%lx", number_prop(dev, "unit"));
    } else if (last && qom_is(&dev->obj, "virtio-blk-device")) {
        g_string_append(path, "/disk@0,0");
    }
}

/* --- The list --- */

/* Wrappers are left out: they show the property of what they wrap. */
static void collect(Object *obj, GArray *found)
{
    if (qom_is(obj, TYPE_DEVICE) && !obj->type->delegate && qom_type_prop(obj->type, "bootindex")) {
        BootEntry e = {number_prop((Device *)obj, "bootindex"), (Device *)obj};

        if (e.index >= 0) {
            g_array_append_val(found, e);
        }
    }
    for (guint i = 0; i < obj->children->len; i++) {
        collect(g_ptr_array_index(obj->children, i), found);
    }
}

static gint by_index(gconstpointer a, gconstpointer b)
{
    const BootEntry *x = a, *y = b;

    return (x->index > y->index) - (x->index < y->index);
}

static bool add_entries(GString *text, Machine *m, Error **errp)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(BootEntry));

    collect(&m->obj, found);
    g_array_sort(found, by_index);
    for (guint i = 0; i < found->len; i++) {
        const BootEntry *e = &g_array_index(found, BootEntry, i);

        if (i && e[-1].index == e->index) {
            return error_fail(errp, "bootindex=%ld is given to two devices ('%s' and '%s')",
                              e->index, e[-1].dev->obj.type->name, e->dev->obj.type->name);
        }
        add_path(text, e->dev, true);
        g_string_append_c(text, '\n');
    }
    return true;
}

bool pc_tell_boot_order(PcMachine *s, Error **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GBytes) data = NULL;

    if (s->boot_rom) {
        g_string_append_printf(text, "/rom@genroms/%s\n", s->boot_rom);
    }
    if (!add_entries(text, &s->machine, errp)) {
        return false;
    }
    if (s->machine.boot.strict) {
        g_string_append(text, "HALT\n"); /* nothing else is tried */
    }
    if (!text->len) {
        return true;
    }
    text->str[text->len - 1] = '\0'; /* the last line's end */
    data = g_bytes_new(text->str, text->len);
    return fw_cfg_add_file(s->fw_cfg, "bootorder", data, errp);
}
