/* SPDX-License-Identifier: MIT */
/*
 * PCI functions and the buses they sit on.  Specs: PCI Local Bus 3.0, PCI-to-PCI Bridge 1.2, PCI Express
 * Base 4.0 (ECAM).  Threading: the machine lock.
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include "memory/irq.h"
#include "memory/memory.h"
#include "qom/device.h"

/* A PCIe bus is a PCI bus. */
#define TYPE_PCI_BUS    "PCI"
#define TYPE_PCIE_BUS   "PCIE"
#define TYPE_PCI_DEVICE "pci-device"

enum {
    PCI_CONFIG_SIZE = 4096,
    PCI_DEVFN_MAX = 256,
    PCI_NUM_BARS = 6,
    PCI_NUM_SLOTS = 32,
    PCI_NUM_PINS = 4,
    PCI_MAX_LINES = 8
};

/* Configuration header offsets (6.1). */
enum {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS_PROG = 0x09,
    PCI_CLASS_DEVICE = 0x0a,
    PCI_CACHE_LINE = 0x0c,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM_ID = 0x2e,
    PCI_ROM = 0x30,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
    PCI_CAP_START = 0x40,
};
/* Of a bridge's header (PCI-to-PCI Bridge 1.2, 3.2). */
enum {
    PCI_PRIMARY_BUS = 0x18,
    PCI_SECONDARY_BUS = 0x19,
    PCI_SUBORDINATE_BUS = 0x1a,
    PCI_IO_BASE = 0x1c,
    PCI_IO_LIMIT = 0x1d,
    PCI_SECONDARY_STATUS = 0x1e,
    PCI_MEMORY_BASE = 0x20,
    PCI_MEMORY_LIMIT = 0x22,
    PCI_PREFETCH_BASE = 0x24,
    PCI_PREFETCH_LIMIT = 0x26,
    PCI_PREFETCH_BASE_HIGH = 0x28,
    PCI_PREFETCH_LIMIT_HIGH = 0x2c,
    PCI_BRIDGE_CONTROL = 0x3e
};
enum { PCI_HEADER_BRIDGE = 0x01, PCI_HEADER_MULTIFUNCTION = 0x80 };
enum {
    PCI_COMMAND_IO = 1,
    PCI_COMMAND_MEMORY = 2,
    PCI_COMMAND_MASTER = 4,
    PCI_COMMAND_INTX_DISABLE = 0x400,
    PCI_STATUS_INTX = 8,
    PCI_STATUS_CAPS = 0x10
};
/* Class codes that other code than a function's own looks at. */
enum { PCI_CLASS_ETHERNET = 0x0200 };
enum {
    PCI_CAP_SLOT_ID = 0x04,
    PCI_CAP_MSI = 0x05,
    PCI_CAP_VENDOR = 0x09,
    PCI_CAP_EXPRESS = 0x10,
    PCI_CAP_MSIX = 0x11
};
/* BAR number of the expansion ROM. */
enum { PCI_ROM_BAR = PCI_NUM_BARS, PCI_ROM_ENABLE = 1 };
enum { PCI_BAR_IO = 1, PCI_BAR_64 = 4, PCI_BAR_PREFETCH = 8 };

typedef struct PciDevice PciDevice;

typedef struct PciBar {
    MemRegion *mr;
    uint64_t size;
    uint8_t flags; /* PCI_BAR_* */
    bool mapped;
} PciBar;

/* A function's MSI-X state: table and pending bits live in one BAR. */
typedef struct PciMsix {
    unsigned vectors; /* 0: none */
    uint8_t cap;      /* offset of the capability */
    uint8_t *table;   /* 16 bytes a vector; guest-visible */
    uint64_t *pending;
    MemRegion bar, table_mr, pending_mr;
} PciMsix;

/* ObjectType.ops of a kind of function. */
typedef struct PciDeviceOps {
    uint16_t vendor, device, class_id, subsystem_vendor, subsystem;
    uint8_t revision;
    bool intx;           /* uses interrupt pin A */
    bool bridge;         /* the header is a bridge's (pci-bridge.h) */
    const char *romfile; /* default expansion ROM */
    /* Around accesses to configuration space; may be NULL. */
    void (*config_read)(PciDevice *pci, uint32_t offset, unsigned size);
    void (*config_written)(PciDevice *pci, uint32_t offset, unsigned size);
} PciDeviceOps;

struct PciDevice {
    Device dev;
    /* properties */
    int addr; /* slot << 3 | function; -1: the first free slot */
    char *romfile;
    bool rom_bar, multifunction;
    /* wiring */
    struct PciBus *bus;
    PciBar bars[PCI_NUM_BARS + 1]; /* and the expansion ROM */
    MemRegion rom;
    char *rom_id;
    PciMsix msix;
    uint8_t msi; /* offset of the MSI capability; 0: none */
    uint8_t devfn;
    struct PciBus *secondary; /* the bus behind a bridge; NULL: this is none */
    uint16_t cap_end;
    /* which bits the guest can write, and which a written 1 clears */
    uint8_t writable[PCI_CONFIG_SIZE], w1c[PCI_CONFIG_SIZE];
    /* guest-visible: saved by the core */
    uint8_t config[PCI_CONFIG_SIZE];
    bool intx_level;
};

/* What the owner of a bus gives: the address spaces of its functions and the lines. */
typedef struct PciBus {
    Bus bus;
    MemRegion *memory, *io;
    void (*set_line)(void *opaque, int line, bool level);
    void *opaque;
    /* Which line pin @pin (0: A) of slot @slot drives; NULL: their sum modulo 4. */
    unsigned (*line_of)(unsigned slot, unsigned pin);
    unsigned num_lines; /* 0: 4 */
    unsigned num_slots; /* 0: 32 */
    bool express;       /* functions have extended configuration space */
    const char *only;   /* the type of all functions that it takes; NULL: any */
    PciDevice *bridge;  /* what leads to it; NULL: a host bridge */
    uint8_t pins;       /* bit per pin that the bus drives at its bridge */
    PciDevice *functions[PCI_DEVFN_MAX];
    unsigned line_users[PCI_MAX_LINES];
} PciBus;

/* The bus of number @number at or below @root as bridges have been programmed, or NULL. */
PciBus *pci_bus_by_number(PciBus *root, unsigned number);

/* A function of the board at @devfn (-1: the first free slot), realized; NULL on failure. */
Device *pci_new_device(PciBus *bus, const char *type, int devfn, Error **errp);

/* Configuration access by bus-local devfn: an absent function reads all ones. */
uint32_t pci_config_read(PciBus *bus, uint8_t devfn, uint32_t offset, unsigned size);
void pci_config_write(PciBus *bus, uint8_t devfn, uint32_t offset, uint32_t value, unsigned size);

/* The same by an offset into extended configuration space (PCI Express 4.0, 7.2.2) of @root and below. */
uint64_t pci_ecam_read(PciBus *root, uint64_t offset, unsigned size);
void pci_ecam_write(PciBus *root, uint64_t offset, uint64_t value, unsigned size);

/* --- For functions, from realize --- */

/* BAR @n is @mr, whose size is a power of two (at least 16). A 64-bit BAR takes n and n + 1. */
void pci_register_bar(PciDevice *pci, unsigned n, uint8_t flags, MemRegion *mr);
/* Room for a capability of @size bytes with its header written; its offset. */
uint8_t pci_add_capability(PciDevice *pci, uint8_t id, uint8_t size);
/* A device ID other than the type's; the type's own expansion ROM is made to fit. */
void pci_set_device_id(PciDevice *pci, uint16_t device);
/* MSI of one vector. */
void pci_msi_init(PciDevice *pci);
/* MSI-X with its table in memory BAR @bar. */
void pci_msix_init(PciDevice *pci, unsigned vectors, unsigned bar);

/* --- At run time --- */

/*
 * Whether the function may read and write memory.  Bridges above would have to be told so as well, but
 * SeaBIOS never does.
 */
static inline bool pci_master(const PciDevice *pci)
{
    return pci->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}
bool pci_msi_enabled(const PciDevice *pci);
bool pci_msix_enabled(const PciDevice *pci);
/* A message as a device sends it: @data to @addr, if it may write memory. */
void pci_send_message(PciDevice *pci, uint64_t addr, uint32_t data);
/* Sends vector @n, or marks it pending while masked; out of range is ignored. */
void pci_msix_notify(PciDevice *pci, unsigned n);
/* Level of INTA#; a message at each rise instead, once the guest has turned MSI on. */
void pci_set_intx(PciDevice *pci, bool level);

/* --- For bridges, from realize --- */

/* The bus behind @bridge; its memory and I/O are for the caller to give.  @name NULL: one is made up. */
PciBus *pci_bus_new_secondary(PciDevice *bridge, const char *type, const char *name);

/* "info pci" */
void pci_print_info(PciBus *bus, GString *out);

#endif
