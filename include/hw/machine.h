/* SPDX-License-Identifier: MIT */
/*
 * The machine: root of a guest.  Owns memory, clocks, CPUs and the machine lock; boards derive from it.
 */
#ifndef HW_MACHINE_H
#define HW_MACHINE_H

#include <stdio.h>

#include "memory/clock.h"
#include "memory/machine-lock.h"
#include "memory/memory.h"
#include "qom/device.h"

#define TYPE_MACHINE "machine"

struct CpuState;
struct Numa;
struct SmbiosOptions;

/* -smp */
typedef struct SmpConfig {
    unsigned cpus, sockets, dies, clusters, cores, threads, max_cpus;
} SmpConfig;

/* -boot */
typedef struct BootConfig {
    char *order, *once; /* letters: a floppy, c disk, d CD-ROM, n network */
    bool menu, strict, reboot_timeout_set;
    int64_t splash_time_ms; /* -1: not given */
    int64_t reboot_timeout_ms;
} BootConfig;

enum { MACHINE_SERIAL_PORTS = 4 };

typedef struct Machine {
    Object obj;
    /* set by the command line before board_init */
    char *kernel, *initrd, *append, *dtb, *firmware /* -bios */, *dumpdtb;
    char *cpu_model; /* "rv64,zba=off" */
    uint64_t ram_size;
    SmpConfig smp;
    BootConfig boot;
    struct Numa *numa;    /* -numa; NULL: nothing */
    char *memory_backend; /* id of a memory-backend-* */
    char *mem_path;
    bool mem_prealloc;
    bool graphics, nodefaults;
    bool restoring; /* the reset is followed by a load of all memory: none is filled before */
    char *vga;      /* -vga: "std", "none"; NULL: what the board thinks best */
    bool usb, dump_guest_core, mem_merge;
    int kernel_irqchip;
    char *name, *uuid;
    struct SmbiosOptions *smbios; /* -smbios; NULL: nothing */
    int64_t rtc_offset_ns; /* what a clock of the board shows minus the host's (-rtc base=) */
    char *serial[MACHINE_SERIAL_PORTS]; /* chardev ids of -serial, NULL: nothing plugged in */
    /* fabric */
    MemRegion *system_memory; /* container of 2^64 */
    AddressSpace *memory;
    MemRegion *system_io; /* I/O ports; NULL: the machine has none */
    AddressSpace *io;
    MemRegion *ram;
    RamBlock *low_ram; /* what holds the first MiB of it, or more */
    Clock *clock[CLOCK_KINDS];
    GBytes *fdt;     /* what the board hands to the guest (dumpdtb=), or NULL */
    GPtrArray *cpus; /* struct CpuState *, by index */
    Object *peripheral, *peripheral_anon, *unattached;
    GArray *reset_hooks;  /* machine_on_reset() */
    struct Runstate *run; /* softmmu/runstate.h */
} Machine;

typedef struct MachineOps {
    /* Builds the whole board. On failure the process ends: partial boards are freed with it. */
    bool (*init)(Machine *m, Error **errp);
    /* Everything is there, also what -device has made; before the first reset. May be NULL. */
    bool (*ready)(Machine *m, Error **errp);
    const char *const *aliases; /* NULL-terminated */
    const char *arch;           /* "riscv64" */
    const char *default_cpu;
    const char *default_ram_id; /* "riscv_virt_board.ram" */
    uint64_t default_ram_size;
    unsigned max_cpus;
    bool is_default;
    bool has_smbios;             /* -smbios means something to it */
    bool has_numa;               /* and -numa */
    const char *default_bus;     /* the type of bus where neutral names go */
    unsigned default_drive;      /* BlockInterface of a -drive without if=, of -hda and -cdrom */
    void (*cpu_help)(FILE *out); /* -cpu help */
    /* HMP system_powerdown; NULL when the board has no button. */
    void (*powerdown)(Machine *m);
    /* The end of a suspend to RAM: resets the machine so that firmware goes on; NULL: it cannot sleep. */
    void (*wakeup)(Machine *m);
    /* HMP nmi: an interrupt of the CPUs that cannot be masked; NULL: there is none. */
    void (*nmi)(Machine *m);
} MachineOps;

static inline const MachineOps *machine_ops(Machine *m)
{
    return (const MachineOps *)qom_type_ops(m->obj.type);
}

/* Creates a system device: parents it under /machine/unattached, realizes it. NULL on failure. */
Device *machine_new_device(Machine *m, const char *type, Error **errp);
/*
 * The second half, when properties are to be set after qom_new(). @name NULL: "device[N]".  Takes over
 * the caller's reference; on failure the device is gone.
 */
bool machine_realize_device(Machine *m, Device *dev, const char *name, Error **errp) MUST_CHECK;

/* The type that -nic model= means: any network card, and "virtio" for the board's own kind, @virtio. */
const char *machine_nic_type(Machine *m, const char *model, const char *virtio, Error **errp);

/* Character backend id of the board's serial port @n (-serial), NULL when it has none. */
static inline const char *machine_serial(Machine *m, unsigned n)
{
    return n < MACHINE_SERIAL_PORTS ? m->serial[n] : NULL;
}

/* RAM per -m, -mem-path, memory-backend=: made as m->ram, which the board adds to system memory. */
bool machine_create_ram(Machine *m, Error **errp) MUST_CHECK;

/* Gives the machine an I/O space (system_io, io): 64 KiB of ports that read as ones where nothing is. */
void machine_create_io(Machine *m);

/* The type of "-machine NAME" (or an alias); NULL and an error naming the nearest. */
const ObjectType *machine_type_find(const char *name, Error **errp);
/* The one that -machine may leave out; NULL: none. */
const ObjectType *machine_type_default(void);
/*
 * What a machine without an architecture of its own ("none") says about it: the default machine's
 * operations; NULL when there is none either.
 */
const MachineOps *machine_arch_ops(Machine *m);
/* "virt" of the type "virt-machine"; g_malloc'd. */
char *machine_type_name(const ObjectType *t);
void machine_print_help(FILE *out);

/* A machine of @t at /machine with its containers, clocks and memory, before board_init. */
Machine *machine_new(const ObjectType *t);
/* Completes -smp and checks it and -m, before anything is sized by them (the accelerator's vCPUs are). */
bool machine_check(Machine *m, Error **errp) MUST_CHECK;
bool machine_init_board(Machine *m, Error **errp) MUST_CHECK;
/* The last of building: what depends on all devices. */
bool machine_board_ready(Machine *m, Error **errp) MUST_CHECK;
/* The machine of this process, once made; NULL before. */
Machine *machine_current(void);

/* The time of day, in nanoseconds since 1970, with which the board's clock starts (-rtc). */
int64_t machine_time_of_day_ns(Machine *m);

/* Registers something to reset at system reset that is not a Device (loaders). */
void machine_on_reset(Machine *m, void (*fn)(void *opaque), void *opaque);
/* Reset of everything: CPUs, devices, then loaders; machine lock held, CPUs stopped. */
void machine_reset(Machine *m);

/* From a device or CPU, any thread: what the guest asked for. Carried out by the main loop. */
typedef enum ShutdownCause {
    SHUTDOWN_NONE,
    SHUTDOWN_HOST_QMP_QUIT,
    SHUTDOWN_HOST_SIGNAL,
    SHUTDOWN_HOST_UI,
    SHUTDOWN_GUEST_SHUTDOWN,
    SHUTDOWN_GUEST_HIBERNATE,
    SHUTDOWN_GUEST_RESET,
    SHUTDOWN_GUEST_PANIC,
    SHUTDOWN_HOST_QMP_SYSTEM_RESET,
} ShutdownCause;
void machine_request_shutdown(Machine *m, ShutdownCause cause, int exit_status);
void machine_request_reset(Machine *m, ShutdownCause cause);
void machine_request_powerdown(Machine *m);
/* The guest sleeps, with its RAM kept, until someone wakes it; nothing happens when it is awake. */
void machine_request_suspend(Machine *m);
/* The guest is in suspend to RAM; setting it is for loads, while the VM is stopped. */
bool machine_sleeps(Machine *m);
void machine_set_sleeps(Machine *m, bool sleeps);
void machine_request_wakeup(Machine *m);
/* A CPU cannot go on (internal error of the guest's own making): pauses with state "internal-error". */
void machine_internal_error(Machine *m, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
