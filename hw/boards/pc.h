/* SPDX-License-Identifier: MIT */
/* The PC boards: shared by the files that build their parts. */
#ifndef HW_BOARDS_PC_H
#define HW_BOARDS_PC_H

#include "hw/isa/isa.h"
#include "hw/machine.h"
#include "hw/pci/pci.h"

enum { PC_MAX_CPUS = 255, PC_MAX_APIC_ID = 254, PC_FLASH_BANKS = 2 };

typedef struct PcMachine {
    Machine machine;
    /* properties */
    bool hpet_on, acpi_on, i8042_on;
    int smm, vmport, smbios_entry;
    char *flash_drive[PC_FLASH_BANKS];
    /* parts */
    Device *fdc;
    Device *ide;        /* where -hda and -cdrom go */
    unsigned ide_units; /* drives a channel */
    Device *host, *pm, *apic_bus, *ioapic, *pic, *hpet, *fw_cfg, *rtc;
    GPtrArray *apics; /* Device *, by CPU */
    PciBus *pci;
    IsaBus *isa;
    Bus *acpi_bus; /* NULL: without tables */
    MemRegion ram_low, ram_high, bios, isa_bios;
    MemRegion *cpu_smram; /* one a CPU */
    MemRegion flash_view[PC_FLASH_BANKS];
    uint64_t below_4g;    /* RAM there; the rest is above 4 GiB */
    bool a20[2];          /* what the two gates say */
    const char *boot_rom; /* of -kernel; NULL: there is none */
} PcMachine;

/* Registers in configuration space that firmware sets up at a cold start and expects after a sleep. */
typedef struct PcKept {
    uint8_t devfn, offset, size;
} PcKept;

enum { PC_KEPT_MAX = 32 /* bytes in all */ };

/* What the tables say of a chipset. */
typedef struct PcAcpi {
    uint8_t pm_devfn;    /* the function that firmware tells where the block of ports is */
    uint16_t pm_default; /* as long as it has not */
    uint16_t gpe_base;   /* 0: at gpe_offset of the block */
    uint8_t gpe_offset, gpe_len;
    uint8_t isa_devfn;
    uint8_t links;      /* lines of the PCI bus with a route register in the ISA bridge */
    unsigned first_gsi; /* line A at the I/O APIC; 0: lines reach it by their routes only */
    /* Where firmware has put extended configuration space; NULL: there is none. */
    uint64_t (*ecam_base)(PcMachine *s);
} PcAcpi;

/* What the chipsets differ in. */
typedef struct PcMachineOps {
    MachineOps machine;
    /* RAM of at least @low_if has @low bytes below 4 GiB, less RAM has at most @low_if. */
    uint64_t low_if, low;
    /* Makes host, pci, isa and pm. */
    bool (*create_chipset)(PcMachine *s, Error **errp);
    /* fw_cfg items of its own; may be NULL. */
    bool (*tell_chipset)(PcMachine *s, Error **errp);
    struct AcpiPm *(*acpi_pm)(Device *pm);
    const PcAcpi *acpi;
    const PcKept *kept; /* ends with size 0 */
    /* Sets up more of the chipset when the guest wakes up; may be NULL. */
    void (*woken)(PcMachine *s);
} PcMachineOps;

#define TYPE_PC_MACHINE "generic-pc-machine"

static inline const PcMachineOps *pc_ops(PcMachine *s)
{
    return (const PcMachineOps *)machine_ops(&s->machine);
}

bool pc_init(Machine *m, Error **errp) MUST_CHECK;
bool pc_ready(Machine *m, Error **errp) MUST_CHECK;
void pc_powerdown(Machine *m);
void pc_wakeup(Machine *m);
void pc_nmi(Machine *m);
/* What the chipset has of ACPI's hardware. */
static inline struct AcpiPm *pc_acpi_pm(PcMachine *s)
{
    return pc_ops(s)->acpi_pm(s->pm);
}

/* Firmware's console is to be on the first serial port (-nographic); a kernel brings its own. */
static inline bool pc_serial_console(PcMachine *s)
{
    return !s->machine.graphics && machine_serial(&s->machine, 0) && !s->machine.kernel;
}

static inline bool pc_has_smm(PcMachine *s)
{
    return s->smm != ON_OFF_AUTO_OFF;
}

/* CPUs and local APICs (pc-cpus.c). */
bool pc_create_cpus(PcMachine *s, Error **errp) MUST_CHECK;
/* Once the 8259s and the host bridge are there. */
void pc_wire_cpus(PcMachine *s);
/* SMIs: for the CPU whose port access is the reason, and for all. */
void pc_smi_to_writer(void *opaque, int n, bool level);
void pc_smi_to_all(void *opaque, int n, bool level);
/* Interrupt line @n of the board (0..23) at every controller that has it. */
void pc_set_line(void *opaque, int n, bool level);

/* Devices of the ISA bus and cards that nobody named (pc-devices.c). */
bool pc_create_isa_devices(PcMachine *s, Error **errp) MUST_CHECK;
bool pc_create_default_cards(PcMachine *s, Error **errp) MUST_CHECK;
bool pc_create_default_disc_drive(PcMachine *s, Error **errp) MUST_CHECK;

/* BIOS or flash, CMOS, what firmware is told (pc-firmware.c). */
bool pc_load_firmware(PcMachine *s, Error **errp) MUST_CHECK;
bool pc_tell_firmware(PcMachine *s, Error **errp) MUST_CHECK;

/* Which devices firmware tries first (pc-boot-order.c). */
bool pc_tell_boot_order(PcMachine *s, Error **errp) MUST_CHECK;

/* The tables, for firmware to put into memory (pc-acpi.c). */
bool pc_add_acpi(PcMachine *s, Error **errp) MUST_CHECK;

/* -kernel, -initrd, -append (pc-kernel.c): what firmware boots first then. */
bool pc_load_kernel(PcMachine *s, Error **errp) MUST_CHECK;
/* Kernels that are not Linux's bzImage (pc-flat.c). */
bool pc_load_flat_kernel(PcMachine *s, GBytes *file, Error **errp) MUST_CHECK;
/* The option ROM that fetches and starts it. */
bool pc_add_boot_rom(PcMachine *s, const char *name, Error **errp) MUST_CHECK;

#endif
