/* SPDX-License-Identifier: MIT */
/* CPUs of a PC, their local APICs, and the interrupt lines between everything. */
#include "rhea/osdep.h"

#include "hw/irqchip/apic.h"
#include "hw/irqchip/i8259.h"
#include "hw/irqchip/ioapic.h"
#include "hw/mmio-device.h"
#include "hw/pci/pc-host.h"
#include "pc.h"
#include "target/x86_64.h"

enum { PIC_CASCADE = 2, IOAPIC_PIN_OF_IRQ0 = 2 };

static const X86ApicOps cpu_apic_ops = {
    .ack = apic_ack,
    .get_tpr = apic_get_cr8,
    .set_tpr = apic_set_cr8,
    .read_msr = apic_read_msr,
    .write_msr = apic_write_msr,
};

static void cpu_init(void *cpu)
{
    x86_cpu_init_signal(cpu);
}

static void cpu_sipi(void *cpu, uint8_t vector)
{
    x86_cpu_sipi(cpu, vector);
}

static uint64_t cpu_tsc(void *cpu)
{
    return x86_cpu_tsc(cpu);
}

static int64_t cpu_tsc_when_ns(void *cpu, uint64_t tsc)
{
    return x86_cpu_tsc_when_ns(cpu, tsc);
}

static const ApicCpuOps apic_cpu_ops = {
    .init = cpu_init,
    .sipi = cpu_sipi,
    .tsc = cpu_tsc,
    .tsc_when_ns = cpu_tsc_when_ns,
};

static bool create_cpu(PcMachine *s, unsigned n, Error **errp)
{
    Machine *m = &s->machine;
    uint32_t id = x86_topology_apic_id(m, n);
    struct CpuState *cpu;
    Device *apic;

    if (id > PC_MAX_APIC_ID) {
        return error_fail(
            errp,
            "-smp: CPU %u would have local APIC id %u, the last one is %u: fewer CPUs, or "
            "counts of threads, cores and dies that are powers of two, fit",
            n, id, PC_MAX_APIC_ID);
    }
    cpu = x86_cpu_new(m, m->cpu_model, id, errp);
    if (!cpu) {
        return false;
    }
    apic = apic_new(s->apic_bus, id, x86_cpu_memory(cpu), &apic_cpu_ops, cpu, errp);
    if (!apic) {
        return false;
    }
    x86_cpu_set_io(cpu, m->io);
    x86_cpu_set_apic(cpu, &cpu_apic_ops, apic);
    irq_connect(irq_find_out(apic, "intr", 0), (Device *)cpu, NULL, X86_IRQ_INTR);
    irq_connect(irq_find_out(apic, "nmi", 0), (Device *)cpu, NULL, X86_IRQ_NMI);
    irq_connect(irq_find_out(apic, "smi", 0), (Device *)cpu, NULL, X86_IRQ_SMI);
    g_ptr_array_add(s->apics, apic);
    return true;
}

bool pc_create_cpus(PcMachine *s, Error **errp)
{
    s->apics = g_ptr_array_new();
    s->apic_bus = machine_new_device(&s->machine, TYPE_APIC_BUS, errp);
    if (!s->apic_bus) {
        return false;
    }
    mem_add_overlap(s->machine.system_memory, APIC_MSI_ADDR,
                    ((MmioDevice *)s->apic_bus)->regions[0], 1);
    for (unsigned i = 0; i < s->machine.smp.cpus; i++) {
        if (!create_cpu(s, i, errp)) {
            return false;
        }
    }
    return true;
}

/* The 8259s' output is LINT0 of the boot CPU; memory for system management appears in SMM. */
void pc_wire_cpus(PcMachine *s)
{
    Machine *m = &s->machine;

    irq_connect(irq_find_out(s->pic, "int", 0), g_ptr_array_index(s->apics, 0), NULL, 0);
    apic_set_extint(g_ptr_array_index(s->apics, 0), i8259_ack, s->pic);
    s->cpu_smram = g_new0(MemRegion, m->cpus->len);
    for (guint i = 0; i < m->cpus->len; i++) {
        MemRegion *smram = pc_host_smram(s->host);

        mem_init_alias(&s->cpu_smram[i], &m->obj, "cpu-smram", smram, 0, smram->size);
        mem_add_overlap(x86_cpu_smm_memory(g_ptr_array_index(m->cpus, i)), 0, &s->cpu_smram[i], 1);
    }
}

/* Firmware's handler of SMIs is set up on the CPUs that ask, so the others must not be disturbed. */
void pc_smi_to_writer(void *opaque, int n, bool level)
{
    PcMachine *s = opaque;
    struct CpuState *cpu = x86_cpu_current();

    irq_drive_input((Device *)(cpu ? cpu : s->machine.cpus->pdata[0]), NULL, X86_IRQ_SMI, level);
}

void pc_smi_to_all(void *opaque, int n, bool level)
{
    GPtrArray *cpus = ((PcMachine *)opaque)->machine.cpus;

    for (guint i = 0; i < cpus->len; i++) {
        irq_drive_input(cpus->pdata[i], NULL, X86_IRQ_SMI, level);
    }
}

/* LINT1 is where local APICs expect it. */
void pc_nmi(Machine *m)
{
    PcMachine *s = (PcMachine *)m;

    for (guint i = 0; i < s->apics->len; i++) {
        irq_drive_input(s->apics->pdata[i], NULL, 1, true);
        irq_drive_input(s->apics->pdata[i], NULL, 1, false);
    }
}

/* ISA interrupts go to both kinds of controller; interrupt 0 is pin 2 of the I/O APIC. */
void pc_set_line(void *opaque, int n, bool level)
{
    PcMachine *s = opaque;

    if (n < ISA_NUM_IRQS && n != PIC_CASCADE) {
        irq_drive_input(s->pic, NULL, n, level);
    }
    irq_drive_input(s->ioapic, NULL, n ? n : IOAPIC_PIN_OF_IRQ0, level);
}
