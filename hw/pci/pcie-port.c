/* SPDX-License-Identifier: MIT */
/*
 * Ports of PCI Express: root ports, the two kinds of port of a switch, and the bridge to a conventional bus.
 * Spec: PCI Express Base 4.0, 7.5.3 (the capability structure).
 * Models what systems ask in order to find devices: kinds of port, link and slot with their presence bits.
 * Not modelled: hot plug, power management events, error reporting, access control.
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "rhea/bits.h"
#include "rhea/endian.h"

#include "pci-bridge.h"

#define TYPE_PCIE_PORT "pcie-port"
#define DOWNSTREAM     "xio3130-downstream"

/* Registers of the capability. */
enum {
    EXP_FLAGS = 0x02,
    EXP_DEVICE_CAP = 0x04,
    EXP_DEVICE_CONTROL = 0x08,
    EXP_DEVICE_STATUS = 0x0a,
    EXP_LINK_CAP = 0x0c,
    EXP_LINK_CONTROL = 0x10,
    EXP_LINK_STATUS = 0x12,
    EXP_SLOT_CAP = 0x14,
    EXP_SLOT_CONTROL = 0x18,
    EXP_SLOT_STATUS = 0x1a,
    EXP_ROOT_CONTROL = 0x1c,
    EXP_LINK_CAP2 = 0x2c,
    EXP_LINK_CONTROL2 = 0x30,
    EXP_SIZE = 0x3c
};
enum { FLAGS_VERSION = 2, FLAGS_KIND_SHIFT = 4, FLAGS_SLOT = 0x0100 };
enum {
    DEVICE_ROLE_BASED_ERRORS = 1 << 15,
    DEVICE_CONTROL_WRITABLE = 0x7fff,
    DEVICE_STATUS_ERRORS = 0x0f
};
/* One lane at 2.5 GT/s. */
enum {
    LINK_SPEED = 1,
    LINK_WIDTH = 1 << 4,
    LINK_CAP_REPORTS_ACTIVE = 1 << 20,
    LINK_PORT_SHIFT = 24
};
enum { LINK_ACTIVE = 1 << 13, LINK_CONTROL_WRITABLE = 0x0fcb, LINK_CAP2_SPEED = 1 << 1 };
enum { SLOT_NUMBER_SHIFT = 19, SLOT_NUMBER_MAX = 0x1fff, SLOT_PRESENT = 1 << 6 };
enum { ROOT_CONTROL_WRITABLE = 0x001f };

/* Kinds of port, as the flags number them. */
typedef enum PortKind {
    PORT_ROOT = 4,
    PORT_UPSTREAM = 5,
    PORT_DOWNSTREAM = 6,
    PORT_TO_PCI = 7
} PortKind;

typedef struct PortType {
    PciDeviceOps pci; /* first: the PCI core sees it */
    PortKind kind;
} PortType;

typedef struct PciePort {
    PciBridge bridge;
    /* properties */
    uint8_t port, chassis;
    uint16_t slot;
    /* wiring */
    uint8_t exp; /* offset of the capability */
} PciePort;

static PortKind port_kind(const PciePort *s)
{
    return ((const PortType *)qom_type_ops(s->bridge.pci.dev.obj.type))->kind;
}

/* Root ports and the lower side of a switch lead to one slot each. */
static bool has_slot(const PciePort *s)
{
    return port_kind(s) == PORT_ROOT || port_kind(s) == PORT_DOWNSTREAM;
}

/* Whether something is plugged in is asked of the bus. */
static void port_config_read(PciDevice *pci, uint32_t offset, unsigned size)
{
    PciePort *s = (PciePort *)pci;
    uint8_t *cap = pci->config + s->exp;
    bool present = pci->secondary->functions[0];

    if (has_slot(s)) {
        st16_le(cap + EXP_LINK_STATUS, LINK_SPEED | LINK_WIDTH | (present ? LINK_ACTIVE : 0));
        st16_le(cap + EXP_SLOT_STATUS, present ? SLOT_PRESENT : 0);
    }
}

/* --- Life --- */

static void init_slot(PciePort *s)
{
    PciDevice *pci = &s->bridge.pci;
    uint8_t *cap = pci->config + s->exp;

    st32_le(cap + EXP_LINK_CAP, ld32_le(cap + EXP_LINK_CAP) | LINK_CAP_REPORTS_ACTIVE);
    st16_le(cap + EXP_FLAGS, ld16_le(cap + EXP_FLAGS) | FLAGS_SLOT);
    st32_le(cap + EXP_SLOT_CAP, (uint32_t)(s->slot ? s->slot : s->chassis) << SLOT_NUMBER_SHIFT);
    pci->secondary->num_slots = 1;
}

static void init_capability(PciePort *s)
{
    PciDevice *pci = &s->bridge.pci;
    uint8_t *cap, *w;

    s->exp = pci_add_capability(pci, PCI_CAP_EXPRESS, EXP_SIZE);
    cap = pci->config + s->exp;
    w = pci->writable + s->exp;
    st16_le(cap + EXP_FLAGS, FLAGS_VERSION | port_kind(s) << FLAGS_KIND_SHIFT);
    st32_le(cap + EXP_DEVICE_CAP, DEVICE_ROLE_BASED_ERRORS);
    st16_le(w + EXP_DEVICE_CONTROL, DEVICE_CONTROL_WRITABLE);
    st16_le(pci->w1c + s->exp + EXP_DEVICE_STATUS, DEVICE_STATUS_ERRORS);
    st32_le(cap + EXP_LINK_CAP, LINK_SPEED | LINK_WIDTH | (uint32_t)s->port << LINK_PORT_SHIFT);
    st16_le(w + EXP_LINK_CONTROL, LINK_CONTROL_WRITABLE);
    st16_le(cap + EXP_LINK_STATUS, LINK_SPEED | LINK_WIDTH);
    st32_le(cap + EXP_LINK_CAP2, LINK_CAP2_SPEED);
    st16_le(cap + EXP_LINK_CONTROL2, LINK_SPEED);
    if (port_kind(s) == PORT_ROOT) {
        st16_le(w + EXP_ROOT_CONTROL, ROOT_CONTROL_WRITABLE);
    }
}

/* A root port begins a tree; a switch is one port up with ports down behind it. */
static bool check_place(PciePort *s, Error **errp)
{
    PciDevice *pci = &s->bridge.pci, *above = pci->bus->bridge;
    const char *name = pci->dev.obj.type->name;
    PortKind kind = port_kind(s);
    bool behind_upstream = above && qom_is(&above->dev.obj, TYPE_PCIE_PORT) &&
                           port_kind((PciePort *)above) == PORT_UPSTREAM;

    if (kind == PORT_ROOT && above) {
        return error_fail(errp, "%s: it belongs on the root bus, and '%s' is behind a bridge", name,
                          pci->bus->bus.name);
    }
    if (kind == PORT_DOWNSTREAM && !behind_upstream) {
        return error_fail(
            errp, "%s: it belongs behind the upstream port of a switch (x3130-upstream)", name);
    }
    if (s->slot > SLOT_NUMBER_MAX) {
        return error_fail(errp, "%s: property 'slot' must be at most %d", name, SLOT_NUMBER_MAX);
    }
    return true;
}

static bool port_realize(Device *dev, Error **errp)
{
    PciePort *s = dev_state(dev, PciePort);

    if (!check_place(s, errp)) {
        return false;
    }
    init_capability(s);
    pci_bridge_init_bus(&s->bridge, port_kind(s) == PORT_TO_PCI ? TYPE_PCI_BUS : TYPE_PCIE_BUS);
    if (has_slot(s)) {
        init_slot(s);
    } else if (port_kind(s) == PORT_UPSTREAM) {
        s->bridge.pci.secondary->only = DOWNSTREAM;
    }
    return true;
}

static const PropDesc port_props[] = {
    PROP_U8("port", PciePort, port, 0, "number of the port"),
    PROP_U8("chassis", PciePort, chassis, 0,
            "number of the slot as systems show it, without slot="),
    PROP_U16("slot", PciePort, slot, 0, "number of the slot as systems show it"), PROP_END};

static const DeviceOps port_ops =
    DEVICE_OPS(device_no_state, .realize = port_realize, .bus = TYPE_PCIE_BUS,
               .category = "Controller/Bridge/Hub devices", .user_creatable = true);
QOM_TYPE(port_type, .name = TYPE_PCIE_PORT, .parent = TYPE_PCI_BRIDGE, .size = sizeof(PciePort),
         .abstract = true, .props = port_props, .dev = &port_ops);

#define PCIE_PORT(ident, NAME, VENDOR, DEVICE, KIND, DESC)                                         \
    static const PortType ident##_ops = {.pci = {.vendor = (VENDOR),                               \
                                                 .device = (DEVICE),                               \
                                                 .class_id = 0x0604,                               \
                                                 .bridge = true,                                   \
                                                 .config_read = port_config_read,                  \
                                                 .config_written = pci_bridge_config_written},     \
                                         .kind = (KIND)};                                          \
    QOM_TYPE(ident##_type, .name = (NAME), .parent = TYPE_PCIE_PORT, .size = sizeof(PciePort),     \
             .desc = (DESC), .ops = &ident##_ops)

PCIE_PORT(root_port, "pcie-root-port", 0x1b36, 0x000c, PORT_ROOT, "PCI Express root port");
PCIE_PORT(ioh3420, "ioh3420", 0x8086, 0x3420, PORT_ROOT, "Intel IOH PCI Express root port");
PCIE_PORT(upstream, "x3130-upstream", 0x104c, 0x8232, PORT_UPSTREAM,
          "TI X3130 upstream port of a PCI Express switch");
PCIE_PORT(downstream, DOWNSTREAM, 0x104c, 0x8233, PORT_DOWNSTREAM,
          "TI X3130 downstream port of a PCI Express switch");
PCIE_PORT(to_pci, "pcie-pci-bridge", 0x1b36, 0x000e, PORT_TO_PCI, "PCI Express to PCI bridge");
