/* SPDX-License-Identifier: MIT */
/*
 * AHCI host bus adapter, as in the ICH9 south bridge.  Specs: Serial ATA AHCI 1.3.1, Serial ATA 3.0
 * (frame information structures), Intel ICH9 data sheet.
 * Models six ports with a drive each (ide-hd, ide-cd), command lists, native command queueing,
 * COMRESET and software reset, one interrupt.
 * Not modelled: port multipliers, command coalescing, power states, hot plug, the NCQ error log.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "ahci-regs.h"
#include "hw/machine.h"
#include "hw/pci/pci.h"
#include "hw/storage/dma-list.h"
#include "hw/storage/ide.h"
#include "rhea/endian.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum { PORTS = 6, SLOTS = 32, SECTOR = 512, AHCI_BAR = 5, NO_SLOT = -1 };

typedef struct AhciPort AhciPort;

/* A queued command under way. */
typedef struct AhciQueued {
    AhciPort *port;
    DmaList list; /* iov is NULL: the slot is free */
    uint8_t slot;
} AhciQueued;

struct AhciPort {
    struct Ahci *hba;
    IdeBus *bus;
    unsigned number;
    /* guest-visible */
    uint64_t clb, fb;
    uint32_t is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
    /* host-side */
    int slot;        /* non-queued command under way, or NO_SLOT */
    uint64_t header; /* its command header ... */
    DmaList list;    /* ... its memory ... */
    uint64_t moved;  /* ... and bytes of it used by PIO */
    bool in_run;     /* commands are being started: do not start them again from inside */
    AhciQueued queued[SLOTS];
};

typedef struct Ahci {
    PciDevice pci;
    MemRegion mmio;
    /* guest-visible */
    uint32_t ghc, is;
    AhciPort port[PORTS];
} Ahci;

static AddressSpace *hba_memory(const AhciPort *p)
{
    return p->hba->pci.dev.machine->memory;
}

static IdeDrive *port_drive(const AhciPort *p)
{
    return p->bus->drive[0];
}

/* --- Interrupts and received FISes --- */

static void update_interrupt(Ahci *s)
{
    for (unsigned i = 0; i < PORTS; i++) {
        if (s->port[i].is & s->port[i].ie) {
            s->is |= 1u << i;
        }
    }
    pci_set_intx(&s->pci, s->is && (s->ghc & GHC_IE));
}

static void port_interrupt(AhciPort *p, uint32_t bits)
{
    p->is |= bits;
    update_interrupt(p->hba);
}

static void post_fis(AhciPort *p, unsigned at, const uint8_t *fis, unsigned len)
{
    if ((p->cmd & CMD_FRE) && pci_master(&p->hba->pci)) {
        mem_write(hba_memory(p), p->fb + at, fis, len);
    }
}

static void set_tfd(AhciPort *p)
{
    IdeDrive *d = port_drive(p);

    p->tfd = d ? d->status | d->error << 8 : 0x7f;
}

/* The drive's task file as register FIS, device to host, or as PIO setup: the layouts agree. */
static void fill_fis(const IdeDrive *d, uint8_t type, uint8_t flags, uint8_t *fis)
{
    fis[0] = type;
    fis[1] = flags;
    fis[2] = d->status;
    fis[3] = d->error;
    for (unsigned old = 0; old < 2; old++) {
        fis[4 + 4 * old] = d->tf.lba_low[old];
        fis[5 + 4 * old] = d->tf.lba_mid[old];
        fis[6 + 4 * old] = d->tf.lba_high[old];
        fis[12 + old] = d->tf.count[old];
    }
    fis[7] = d->tf.device;
}

static void post_register_fis(AhciPort *p)
{
    uint8_t fis[20] = {0};

    fill_fis(port_drive(p), FIS_REG_D2H, FIS_INTERRUPT, fis);
    post_fis(p, RX_REGISTER, fis, sizeof(fis));
    set_tfd(p);
    port_interrupt(p, IS_DHRS | (p->tfd & ATA_ERR ? IS_TFES : 0));
}

/* The first block from the host, and a packet, are asked for without interrupt (Serial ATA 3.0, 11). */
static void post_pio_setup(AhciPort *p, const IdeDrive *d, bool to_host)
{
    uint8_t fis[20] = {0}, flags = to_host ? FIS_TO_HOST : 0;

    if (to_host || p->moved) {
        flags |= FIS_INTERRUPT;
        p->is |= IS_PSS;
    }
    fill_fis(d, FIS_PIO_SETUP, flags, fis);
    fis[15] = ATA_DRDY | ATA_DSC;
    st16_le(fis + 16, d->end);
    post_fis(p, RX_PIO_SETUP, fis, sizeof(fis));
}

/* Set device bits: @slots of queued commands are through. */
static void post_device_bits(AhciPort *p, uint32_t slots, bool failed)
{
    uint8_t fis[8] = {FIS_DEVICE_BITS, FIS_INTERRUPT, failed ? 0x41 : 0x40, failed ? ATA_ABRT : 0};

    st32_le(fis + 4, slots);
    post_fis(p, RX_DEVICE_BITS, fis, sizeof(fis));
    p->sact &= ~slots;
    p->tfd = fis[2] | fis[3] << 8;
    port_interrupt(p, IS_SDBS | (failed ? IS_TFES : 0));
}

/* --- Command headers and tables --- */

/* Maps what is left of the data that the table of @header names: at most @wanted bytes. */
static bool map_prdt(AhciPort *p, DmaList *list, uint64_t header, uint64_t wanted, bool to_guest)
{
    uint8_t raw[HEADER_SIZE], prd[PRD_SIZE];
    uint64_t table;

    dma_list_init(list, hba_memory(p), to_guest);
    if (mem_read(hba_memory(p), header, raw, sizeof(raw)) != MEM_OK) {
        return false;
    }
    table = (ld64_le(raw + 8) & ~127ull) + TABLE_PRDT;
    for (unsigned n = ld16_le(raw + 2); n && list->bytes < wanted; n--, table += PRD_SIZE) {
        uint64_t len;

        if (mem_read(hba_memory(p), table, prd, sizeof(prd)) != MEM_OK) {
            return false;
        }
        len = (ld32_le(prd + 12) & 0x3fffff) + 1;
        if (!dma_list_add(list, ld64_le(prd), MIN(len, wanted - list->bytes))) {
            return false;
        }
    }
    return true;
}

static void put_byte_count(AhciPort *p, uint64_t header, uint32_t bytes)
{
    uint8_t raw[4];

    st32_le(raw, bytes);
    mem_write(hba_memory(p), header + 4, raw, sizeof(raw));
}

static void run_commands(AhciPort *p);

/* --- The drive's side (IdePortOps) --- */

/* The non-queued command is through: its slot is free, unless it failed and software must look. */
static void command_ended(AhciPort *p)
{
    if (p->moved) {
        put_byte_count(p, p->header, p->moved);
    }
    dma_list_clear(&p->list);
    if (!(port_drive(p)->status & ATA_ERR)) {
        p->ci &= ~(1u << p->slot);
    }
    p->slot = NO_SLOT;
    post_register_fis(p);
    run_commands(p);
}

static void ahci_interrupt(IdeBus *bus, IdeDrive *d, bool level)
{
    AhciPort *p = bus->opaque;

    if (level && p->slot != NO_SLOT && d->transfer == IDE_IDLE &&
        !(d->status & (ATA_BSY | ATA_DRQ))) {
        d->interrupt = false;
        command_ended(p);
    }
}

static void ahci_dma_request(IdeBus *bus, IdeDrive *d)
{
    AhciPort *p = bus->opaque;

    if (p->slot == NO_SLOT ||
        !map_prdt(p, &p->list, p->header, d->dma_bytes, d->transfer == IDE_DMA_IN)) {
        dma_list_clear(&p->list);
        p->is |= IS_HBFS;
        ide_dma_abort(d);
        return;
    }
    p->moved = p->list.bytes;
    ide_dma_run(d, dma_list_iov(&p->list), p->list.iov->len);
}

static void ahci_dma_ended(IdeBus *bus, IdeDrive *d)
{
    dma_list_clear(&((AhciPort *)bus->opaque)->list);
}

/* The packet of an ATAPI command comes from the command table, other PIO data from its memory. */
static bool move_pio_data(AhciPort *p, IdeDrive *d)
{
    bool to_host = d->transfer == IDE_PIO_IN;
    uint64_t skip = p->moved;
    uint32_t at = 0;

    if (!map_prdt(p, &p->list, p->header, skip + d->end, to_host)) {
        dma_list_clear(&p->list);
        return false;
    }
    for (guint i = 0; i < p->list.iov->len; i++) {
        const struct iovec *v = &dma_list_iov(&p->list)[i];
        uint64_t from = MIN(skip, v->iov_len), part = MIN(v->iov_len - from, d->end - at);

        skip -= from;
        if (to_host) {
            memcpy((uint8_t *)v->iov_base + from, d->buf + at, part);
        } else {
            memcpy(d->buf + at, (uint8_t *)v->iov_base + from, part);
        }
        at += part;
    }
    dma_list_clear(&p->list);
    p->moved += at;
    return at == d->end;
}

static void take_packet(AhciPort *p, IdeDrive *d)
{
    uint8_t raw[HEADER_SIZE];

    memset(d->buf, 0, d->end);
    if (mem_read(hba_memory(p), p->header, raw, sizeof(raw)) == MEM_OK) {
        mem_read(hba_memory(p), (ld64_le(raw + 8) & ~127ull) + TABLE_PACKET, d->buf, d->end);
    }
}

static void ahci_pio_ready(IdeBus *bus, IdeDrive *d)
{
    AhciPort *p = bus->opaque;
    bool packet = d->atapi && d->transfer == IDE_PIO_OUT && d->packet.phase == SCSI_DONE;

    if (p->slot == NO_SLOT) {
        return;
    }
    post_pio_setup(p, d, d->transfer == IDE_PIO_IN);
    if (packet) {
        take_packet(p, d);
    } else if (!move_pio_data(p, d)) {
        ide_dma_abort(d);
        return;
    }
    d->status = ATA_DRDY | ATA_DSC | ATA_BSY;
    ide_pio_block_done(d);
    if (p->slot != NO_SLOT && d->transfer == IDE_IDLE && !(d->status & (ATA_BSY | ATA_DRQ))) {
        command_ended(p); /* the last block of a read has no interrupt of its own */
    }
}

static const IdePortOps ahci_port_ops = {
    .interrupt = ahci_interrupt,
    .dma_request = ahci_dma_request,
    .dma_ended = ahci_dma_ended,
    .pio_ready = ahci_pio_ready,
};

/* --- Queued commands: READ and WRITE FPDMA QUEUED (ATA8-ACS 7.25, 7.53) --- */

static void queued_done(void *opaque, int ret)
{
    AhciQueued *q = opaque;
    AhciPort *p = q->port;

    put_byte_count(p, p->clb + q->slot * HEADER_SIZE, ret ? 0 : q->list.bytes);
    dma_list_clear(&q->list);
    post_device_bits(p, ret ? 0 : 1u << q->slot, ret);
}

static void start_queued(AhciPort *p, unsigned slot, const uint8_t *fis)
{
    IdeDrive *d = port_drive(p);
    AhciQueued *q = &p->queued[slot];
    bool write = fis[2] == CMD_WRITE_QUEUED;
    uint64_t lba = fis[4] | fis[5] << 8 | fis[6] << 16 | (uint64_t)fis[8] << 24 |
                   (uint64_t)fis[9] << 32 | (uint64_t)fis[10] << 40;
    uint32_t count = fis[3] | fis[11] << 8, tag = fis[12] >> 3;
    uint64_t bytes = (uint64_t)(count ? count : 65536) * SECTOR;
    const struct iovec *iov;

    p->ci &= ~(1u << slot); /* the drive has accepted it */
    if (tag != slot || q->list.iov) {
        post_device_bits(p, 0, true);
        return;
    }
    *q = (AhciQueued){.port = p, .slot = slot};
    if (!map_prdt(p, &q->list, p->clb + slot * HEADER_SIZE, bytes, !write) ||
        q->list.bytes < bytes) {
        dma_list_clear(&q->list);
        post_device_bits(p, 0, true);
        return;
    }
    iov = dma_list_iov(&q->list);
    if (write) {
        blk_pwritev(d->blk, lba * SECTOR, iov, q->list.iov->len, (fis[7] & 0x80) || !d->write_cache,
                    queued_done, q);
    } else {
        blk_preadv(d->blk, lba * SECTOR, iov, q->list.iov->len, queued_done, q);
    }
}

/* --- Starting commands --- */

/* Control FISes carry software reset (SATA 3.0, 11.4): the drive shows its signature afterwards. */
static void control_fis(AhciPort *p, unsigned slot, const uint8_t *fis)
{
    IdeDrive *d = port_drive(p);
    bool reset = fis[15] & ATA_CTL_SRST;

    p->ci &= ~(1u << slot);
    if (!reset && (p->bus->control & ATA_CTL_SRST)) {
        ide_drive_reset(d);
        post_register_fis(p);
    }
    p->bus->control = reset ? ATA_CTL_SRST : 0;
}

static void command_fis(AhciPort *p, unsigned slot, const uint8_t *fis)
{
    IdeDrive *d = port_drive(p);

    p->slot = slot;
    p->header = p->clb + slot * HEADER_SIZE;
    p->moved = 0;
    d->tf = (IdeTaskFile){.feature = {fis[3], fis[11]},
                          .lba_low = {fis[4], fis[8]},
                          .lba_mid = {fis[5], fis[9]},
                          .lba_high = {fis[6], fis[10]},
                          .count = {fis[12], fis[13]},
                          .device = fis[7]};
    p->tfd = ATA_BSY;
    ide_execute(d, fis[2]);
}

static void start_slot(AhciPort *p, unsigned slot)
{
    IdeDrive *d = port_drive(p);
    uint8_t header[HEADER_SIZE], fis[FIS_H2D_SIZE];

    if (mem_read(hba_memory(p), p->clb + slot * HEADER_SIZE, header, sizeof(header)) != MEM_OK ||
        mem_read(hba_memory(p), ld64_le(header + 8) & ~127ull, fis, sizeof(fis)) != MEM_OK ||
        fis[0] != FIS_REG_H2D) {
        log_guest("ahci: port %u: slot %u holds no command\n", p->number, slot);
        p->ci &= ~(1u << slot);
        port_interrupt(p, IS_HBFS);
    } else if (!(fis[1] & FIS_COMMAND)) {
        control_fis(p, slot, fis);
    } else if ((fis[2] == CMD_READ_QUEUED || fis[2] == CMD_WRITE_QUEUED) && !d->atapi) {
        start_queued(p, slot, fis);
    } else {
        command_fis(p, slot, fis);
    }
}

/* Starts what is issued, in the order of slots: queued commands together, others one at a time. */
static void run_commands(AhciPort *p)
{
    if (p->in_run || !(p->cmd & CMD_ST) || !port_drive(p) || !pci_master(&p->hba->pci)) {
        return;
    }
    p->in_run = true;
    for (unsigned slot = 0; slot < SLOTS && p->slot == NO_SLOT; slot++) {
        if ((p->ci & 1u << slot) && !(p->tfd & ATA_ERR)) {
            start_slot(p, slot);
        }
    }
    p->in_run = false;
}

/* --- Resets --- */

/* Nothing is under way when this returns. */
static void stop_port(AhciPort *p)
{
    p->cmd &= ~(CMD_ST | CMD_CR);
    if (port_drive(p) && port_drive(p)->blk) {
        blk_drain(port_drive(p)->blk);
    }
    p->slot = NO_SLOT;
    p->ci = p->sact = 0;
}

static void reset_link(AhciPort *p)
{
    IdeDrive *d = port_drive(p);

    stop_port(p);
    p->serr = 0;
    p->sig = 0xffffffff;
    p->ssts = 0;
    if (d) {
        ide_drive_reset(d);
        p->sig = d->atapi ? 0xeb140101 : 0x00000101;
        p->ssts = 0x113;   /* present, generation 1, active */
        p->serr = 1 << 26; /* exchanged */
        post_register_fis(p);
        p->is |= IS_PCS;
    }
    set_tfd(p);
}

static void reset_port(AhciPort *p)
{
    stop_port(p);
    p->clb = p->fb = 0;
    p->is = p->ie = p->sctl = 0;
    p->cmd = CMD_SUD | CMD_POD;
    reset_link(p);
    p->is = 0;
    if (port_drive(p) && port_drive(p)->atapi) {
        p->cmd |= CMD_ATAPI;
    }
}

static void reset_hba(Ahci *s)
{
    s->ghc = GHC_AE;
    s->is = 0;
    for (unsigned i = 0; i < PORTS; i++) {
        reset_port(&s->port[i]);
    }
    update_interrupt(s);
}

/* --- Registers --- */

static void write_cmd(AhciPort *p, uint32_t value)
{
    uint32_t keep = p->cmd & CMD_ATAPI, was = p->cmd;

    p->cmd = (value & CMD_WRITABLE) | keep;
    p->cmd |= (p->cmd & CMD_ST ? CMD_CR : 0) | (p->cmd & CMD_FRE ? CMD_FR : 0);
    if (value & CMD_CLO) {
        p->tfd &= ~(uint32_t)(ATA_BSY | ATA_DRQ);
    }
    if ((was & CMD_ST) && !(value & CMD_ST)) {
        stop_port(p);
    }
    if (!(was & CMD_ST) && (value & CMD_ST)) {
        p->tfd &= ~(uint32_t)ATA_ERR; /* the error was seen: a new start */
    }
    if (!(was & CMD_FRE) && (value & CMD_FRE) && port_drive(p)) {
        uint8_t fis[20] = {0};

        fill_fis(port_drive(p), FIS_REG_D2H, 0, fis);
        post_fis(p, RX_REGISTER, fis, sizeof(fis));
    }
    run_commands(p);
}

static void write_sctl(AhciPort *p, uint32_t value)
{
    bool was = (p->sctl & 15) == 1;

    p->sctl = value & 0xfff;
    if (was && (value & 15) == 0) {
        reset_link(p);
        update_interrupt(p->hba);
    }
}

static uint32_t port_read(const AhciPort *p, uint32_t reg)
{
    switch (reg) {
    case PORT_CLB: return p->clb;
    case PORT_CLBU: return p->clb >> 32;
    case PORT_FB: return p->fb;
    case PORT_FBU: return p->fb >> 32;
    case PORT_IS: return p->is;
    case PORT_IE: return p->ie;
    case PORT_CMD: return p->cmd | (p->slot > 0 ? (uint32_t)p->slot << 8 : 0);
    case PORT_TFD: return p->tfd;
    case PORT_SIG: return p->sig;
    case PORT_SSTS: return p->ssts;
    case PORT_SCTL: return p->sctl;
    case PORT_SERR: return p->serr;
    case PORT_SACT: return p->sact;
    case PORT_CI: return p->ci;
    }
    return 0;
}

static void set_low(uint64_t *reg, uint32_t value)
{
    *reg = (*reg & 0xffffffff00000000ull) | value;
}

static void set_high(uint64_t *reg, uint32_t value)
{
    *reg = (uint32_t)*reg | (uint64_t)value << 32;
}

static void port_write(AhciPort *p, uint32_t reg, uint32_t value)
{
    switch (reg) {
    case PORT_CLB: set_low(&p->clb, value & ~1023u); break;
    case PORT_CLBU: set_high(&p->clb, value); break;
    case PORT_FB: set_low(&p->fb, value & ~255u); break;
    case PORT_FBU: set_high(&p->fb, value); break;
    case PORT_IS:
        p->is &= ~value;
        update_interrupt(p->hba);
        break;
    case PORT_IE:
        p->ie = value & IS_ALL;
        update_interrupt(p->hba);
        break;
    case PORT_CMD: write_cmd(p, value); break;
    case PORT_SCTL: write_sctl(p, value); break;
    case PORT_SERR: p->serr &= ~value; break;
    case PORT_SACT: p->sact |= p->cmd & CMD_ST ? value : 0; break;
    case PORT_CI:
        p->ci |= p->cmd & CMD_ST ? value : 0;
        run_commands(p);
        break;
    }
}

static uint64_t ahci_read(void *opaque, uint64_t offset, unsigned size)
{
    Ahci *s = opaque;

    if (offset >= PORT_BASE) {
        unsigned n = (offset - PORT_BASE) / PORT_SPAN;

        return n < PORTS ? port_read(&s->port[n], (offset - PORT_BASE) % PORT_SPAN) : 0;
    }
    switch (offset) {
    case HBA_CAP:
        return CAP_S64A | CAP_SNCQ | CAP_SCLO | CAP_SAM | CAP_ISS_GEN1 | (SLOTS - 1) << 8 |
               (PORTS - 1);
    case HBA_GHC: return s->ghc;
    case HBA_IS: return s->is;
    case HBA_PI: return (1 << PORTS) - 1;
    case HBA_VS: return 0x00010300;
    }
    return 0;
}

static void ahci_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Ahci *s = opaque;

    if (offset >= PORT_BASE) {
        unsigned n = (offset - PORT_BASE) / PORT_SPAN;

        if (n < PORTS) {
            port_write(&s->port[n], (offset - PORT_BASE) % PORT_SPAN, value);
        }
    } else if (offset == HBA_GHC && (value & GHC_HR)) {
        reset_hba(s);
    } else if (offset == HBA_GHC) {
        s->ghc = (value & GHC_IE) | GHC_AE;
        update_interrupt(s);
    } else if (offset == HBA_IS) {
        s->is &= ~(uint32_t)value;
        if (pci_msi_enabled(&s->pci)) {
            pci_set_intx(&s->pci, false); /* what is left is worth a message of its own */
        }
        update_interrupt(s);
    }
}

static const MemOps ahci_ops = {
    .read = ahci_read, .write = ahci_write, .impl_min = 4, .impl_max = 4};

/* --- Life --- */

static void ahci_reset(Device *dev)
{
    reset_hba((Ahci *)dev);
}

static bool ahci_realize(Device *dev, Error **errp)
{
    Ahci *s = (Ahci *)dev;

    s->pci.config[PCI_CLASS_PROG] = 0x01; /* AHCI 1.0 */
    mem_init_io(&s->mmio, &dev->obj, &ahci_ops, s, "ahci", AHCI_SPAN);
    pci_register_bar(&s->pci, AHCI_BAR, 0, &s->mmio);
    pci_msi_init(&s->pci);
    for (unsigned i = 0; i < PORTS; i++) {
        AhciPort *p = &s->port[i];

        p->hba = s;
        p->number = i;
        p->slot = NO_SLOT;
        p->bus = ide_bus_new(dev, i, true, &ahci_port_ops, p);
    }
    return true;
}

static void ahci_snapshot(Device *dev, Snapshot *sn)
{
    Ahci *s = (Ahci *)dev;

    snap_section(sn, "ahci", 1);
    snap_fields(sn, &s->ghc, &s->is);
    for (unsigned i = 0; i < PORTS; i++) {
        AhciPort *p = &s->port[i];

        snap_fields(sn, &p->clb, &p->fb, &p->is, &p->ie, &p->cmd, &p->tfd, &p->sig);
        snap_fields(sn, &p->ssts, &p->sctl, &p->serr, &p->sact, &p->ci);
    }
}

static void ahci_after_load(Device *dev)
{
    Ahci *s = (Ahci *)dev;

    for (unsigned i = 0; i < PORTS; i++) {
        s->port[i].slot = NO_SLOT;
        run_commands(&s->port[i]);
    }
    update_interrupt(s);
}

static const PciDeviceOps ich9_pci_ops = {
    .vendor = 0x8086, .device = 0x2922, .class_id = 0x0106, .revision = 2, .intx = true};

static const DeviceOps ahci_dev_ops = DEVICE_OPS(
    ahci_snapshot, .realize = ahci_realize, .reset = ahci_reset, .after_load = ahci_after_load,
    .category = "Storage devices", .user_creatable = true);
QOM_TYPE(ahci_type, .name = "ich9-ahci", .parent = TYPE_PCI_DEVICE, .size = sizeof(Ahci),
         .desc = "AHCI controller of the ICH9", .ops = &ich9_pci_ops, .dev = &ahci_dev_ops);
QOM_TYPE(ahci_alias_type, .name = "ahci", .parent = "ich9-ahci",
         .desc = "AHCI controller (the one of the ICH9)");
