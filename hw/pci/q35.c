/* SPDX-License-Identifier: MIT */
/*
 * Q35 host bridge (MCH).  Spec: Intel 3 Series Express Chipset data sheet, 316966: PCIEXBAR (5.1.16), PAM
 * (5.1.20), SMRAM and ESMRAMC (5.1.30, 5.1.31).  Memory for system management (TSEG) larger than the
 * chipset's is asked for in a register of this machine's own, at 50h: once 0xffff was written there it tells
 * how many MiB the reserved size has.
 * Models configuration ports, ECAM, PAM, SMRAM and TSEG.  Not modelled: the integrated graphics, DRAM
 * registers, SMRAM seen above 1 MiB (H_SMRAME).
 * Threading: the machine lock.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "hw/pci/pc-host.h"
#include "rhea/bits.h"
#include "rhea/endian.h"
#include "snapshot/snapshot.h"

enum {
    EXT_TSEG = 0x50,
    ECAM_BASE = 0x60,
    PAM0 = 0x90,
    SMRAM = 0x9d,
    ESMRAMC = 0x9e,
    GBSM = 0xa4,
    BGSM = 0xa8,
    TSEGMB = 0xac,
    TOLUD = 0xb0,
    SMRAM_INITIAL = 0x02,
    SMRAM_WRITABLE = 0x78
};
enum { ECAM_ENABLE = 1, ECAM_LENGTH_SHIFT = 1, ECAM_MAX = 256 << 20 };

/* ESMRAMC: the caches of SMRAM are always on. */
enum { TSEG_ENABLE = 1, TSEG_SIZE_SHIFT = 1, ESMRAMC_INITIAL = 0x38, ESMRAMC_WRITABLE = 0x07 };
enum { EXT_TSEG_QUERY = 0xffff, EXT_TSEG_DEFAULT = 16, EXT_TSEG_MAX = 0xfff };

typedef struct Mch {
    PciDevice pci;
    /* properties */
    uint16_t ext_tseg_mib;
    /* wiring */
    PcHost *host;
    MemRegion ecam;
    /* what the registers held before a write, which may not be allowed to change them */
    uint8_t esmramc;
    bool ext_tseg_told;
    /* guest-visible: PCIEXBAR when it was last on, which is what a wake-up finds there */
    uint64_t ecam_last;
} Mch;

/* --- ECAM --- */

static uint64_t ecam_read(void *opaque, uint64_t offset, unsigned size)
{
    return pci_ecam_read(((Mch *)opaque)->host->bus, offset, size);
}

static void ecam_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    pci_ecam_write(((Mch *)opaque)->host->bus, offset, value, size);
}

static const MemOps ecam_ops = {
    .read = ecam_read, .write = ecam_write, .valid_max = 4, .impl_max = 4};

/* Length 0 is 256 MiB, 1 and 2 are the halves of it; 3 is reserved. */
static void mch_place_ecam(Mch *s)
{
    uint64_t reg = ld64_le(s->pci.config + ECAM_BASE);
    unsigned shift = extract64(reg, ECAM_LENGTH_SHIFT, 2);
    uint64_t size = ECAM_MAX >> shift;
    bool on = (reg & ECAM_ENABLE) && shift < 3;

    s->ecam_last = on ? reg : s->ecam_last;
    mem_transaction_begin();
    mem_set_enabled(&s->ecam, on);
    s->ecam.size = on ? size : ECAM_MAX;
    mem_set_addr(&s->ecam, align_down(extract64(reg, 0, 36), size));
    mem_transaction_commit();
}

/* --- Memory for system management --- */

static uint64_t tseg_size(const Mch *s)
{
    static const uint8_t mib[] = {1, 2, 8};
    unsigned size = extract64(s->esmramc, TSEG_SIZE_SHIFT, 2);

    if (!(s->esmramc & TSEG_ENABLE) || !(s->host->smram_control & SMRAM_ENABLE)) {
        return 0;
    }
    return (size < ARRAY_SIZE(mib) ? mib[size] : s->ext_tseg_mib) * MiB;
}

/* The lock of SMRAM holds for TSEG as well. */
static void mch_update_smm(Mch *s)
{
    uint8_t *c = s->pci.config;

    if (s->host->smram_control & SMRAM_LOCK) {
        c[ESMRAMC] = s->esmramc;
    }
    s->esmramc = c[ESMRAMC];
    c[SMRAM] = pc_host_write_smram(s->host, c[SMRAM]);
    pc_host_set_tseg(s->host, tseg_size(s));
}

/* The answer stays until the next reset. */
static void mch_answer_tseg_query(Mch *s)
{
    uint8_t *reg = s->pci.config + EXT_TSEG;

    if (s->ext_tseg_mib && (s->ext_tseg_told || ld16_le(reg) == EXT_TSEG_QUERY)) {
        st16_le(reg, s->ext_tseg_mib);
    }
    s->ext_tseg_told = ld16_le(reg) == s->ext_tseg_mib;
}

/* --- Function 00.0 --- */

static void mch_update(Mch *s)
{
    mem_transaction_begin();
    pc_host_update_pam(s->host, s->pci.config + PAM0);
    mch_update_smm(s);
    mch_answer_tseg_query(s);
    mch_place_ecam(s);
    mem_transaction_commit();
}

/* The registers come from a reset or a snapshot, whatever was locked. */
static void mch_update_fresh(Mch *s)
{
    pc_host_unlock_smram(s->host);
    s->ext_tseg_told = false;
    mch_update(s);
}

static void mch_config_written(PciDevice *pci, uint32_t offset, unsigned size)
{
    mch_update((Mch *)pci);
}

static void mch_reset(Device *dev)
{
    Mch *s = dev_state(dev, Mch);

    s->pci.config[SMRAM] = SMRAM_INITIAL;
    s->pci.config[ESMRAMC] = ESMRAMC_INITIAL;
    mch_update_fresh(s);
}

static bool mch_realize(Device *dev, Error **errp)
{
    Mch *s = dev_state(dev, Mch);

    if (s->ext_tseg_mib > EXT_TSEG_MAX) {
        return error_fail(errp, "mch: property 'extended-tseg-mbytes' must be at most %d",
                          EXT_TSEG_MAX);
    }
    s->host = (PcHost *)qom_cast(dev->parent_bus->owner, TYPE_PC_HOST);
    st64_le(s->pci.writable + ECAM_BASE, 0x0000000ff0000007ULL | 0x0c000000);
    memset(s->pci.writable + PAM0, 0x33, 7);
    s->pci.writable[PAM0] = 0x30;
    s->pci.config[SMRAM] = SMRAM_INITIAL;
    s->pci.writable[SMRAM] = SMRAM_WRITABLE;
    s->pci.writable[ESMRAMC] = ESMRAMC_WRITABLE;
    st16_le(s->pci.writable + EXT_TSEG, UINT16_MAX);
    /* What firmware notes there is for others to read: where stolen memory, TSEG and RAM end. */
    for (unsigned reg = GBSM; reg <= TSEGMB; reg += 4) {
        st32_le(s->pci.writable + reg, 0xfff00000);
    }
    st16_le(s->pci.writable + TOLUD, 0xfff0);
    mem_init_io(&s->ecam, &dev->obj, &ecam_ops, s, "pcie-mmcfg", ECAM_MAX);
    mem_set_enabled(&s->ecam, false);
    mem_add_overlap(dev->machine->system_memory, 0, &s->ecam, 2);
    return true;
}

static void mch_after_load(Device *dev)
{
    mch_update_fresh(dev_state(dev, Mch));
}

static void mch_snapshot(Device *dev, Snapshot *sn)
{
    Mch *s = dev_state(dev, Mch);

    snap_section(sn, "mch", 1);
    snap_fields(sn, &s->ecam_last);
}

static const PropDesc mch_props[] = {
    PROP_U16("extended-tseg-mbytes", Mch, ext_tseg_mib, EXT_TSEG_DEFAULT,
             "MiB of the largest memory for system management; 0: the chipset's 8"),
    PROP_END};

static const PciDeviceOps mch_pci = {.vendor = 0x8086,
                                     .device = 0x29c0,
                                     .class_id = 0x0600,
                                     .subsystem_vendor = 0x1af4,
                                     .subsystem = 0x1100,
                                     .config_written = mch_config_written};
static const DeviceOps mch_ops = DEVICE_OPS(mch_snapshot, .realize = mch_realize,
                                            .reset = mch_reset, .after_load = mch_after_load);
QOM_TYPE(mch_type, .name = "mch", .parent = TYPE_PCI_DEVICE, .size = sizeof(Mch),
         .desc = "Q35 host bridge function", .props = mch_props, .dev = &mch_ops, .ops = &mch_pci);

void q35_host_wake(Device *host)
{
    Mch *s = (Mch *)pc_host_bus(host)->functions[0];

    st64_le(s->pci.config + ECAM_BASE, s->ecam_last);
    mch_update(s);
}

/* --- The bridge --- */

/* Slots up to 24 rotate through lines E to H, the chipset's own begin with A. */
static unsigned q35_line_of(unsigned slot, unsigned pin)
{
    return slot < 25 ? PCI_NUM_PINS + (slot + pin) % PCI_NUM_PINS : pin;
}

static bool q35_host_realize(Device *dev, Error **errp)
{
    PcHost *s = dev_state(dev, PcHost);

    s->bus = qom_cast(bus_new(dev, TYPE_PCIE_BUS, "pcie.0", 0), TYPE_PCI_BUS);
    s->bus->memory = &s->pci_memory;
    s->bus->io = dev->machine->system_io;
    s->bus->line_of = q35_line_of;
    s->bus->num_lines = PCI_MAX_LINES;
    pc_host_init_memory(s);
    return pci_new_device(s->bus, "mch", 0, errp) != NULL;
}

static const DeviceOps q35_host_ops = DEVICE_OPS(device_no_state, .realize = q35_host_realize);
QOM_TYPE(q35_host_type, .name = TYPE_Q35_HOST, .parent = TYPE_PC_HOST, .size = sizeof(PcHost),
         .desc = "Q35 host bridge", .dev = &q35_host_ops);
