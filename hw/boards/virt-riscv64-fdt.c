/* SPDX-License-Identifier: MIT */
/*
 * The device tree of the RISC-V "virt" board.
 * Spec: Devicetree Specification 0.4; Linux's bindings for the compatible strings.
 */
#include "rhea/osdep.h"

#include "virt-riscv64.h"
#include "hw/firmware/fdt.h"
#include "hw/timer/riscv-aclint.h"
#include "target/riscv64.h"

/* Phandles that other nodes refer to. */
typedef struct Handles {
    uint32_t *cpu, *intc; /* per hart */
    uint32_t plic, test;
} Handles;

static char *soc_node(void *fdt, const char *name, VirtRange range)
{
    char *path = g_strdup_printf("/soc/%s@%" PRIx64, name, range.base);

    fdt_build_node(fdt, path);
    fdt_build_reg(fdt, path, range.base, range.size);
    return path;
}

static void add_extensions(void *fdt, const char *path, struct CpuState *cpu)
{
    g_autofree char *isa = riscv_cpu_isa_string(cpu);
    GPtrArray *exts = riscv_cpu_isa_extensions(cpu);
    static const struct {
        const char *ext, *prop;
    } blocks[] = {{"zicbom", "riscv,cbom-block-size"},
                  {"zicboz", "riscv,cboz-block-size"},
                  {"zicbop", "riscv,cbop-block-size"}};

    fdt_build_string(fdt, path, "riscv,isa", isa);
    fdt_build_string(fdt, path, "riscv,isa-base", RISCV_ISA_BASE);
    g_ptr_array_add(exts, NULL);
    fdt_build_strings(fdt, path, "riscv,isa-extensions", (const char *const *)exts->pdata);
    g_ptr_array_free(exts, TRUE);
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
        if (riscv_cpu_has(cpu, blocks[i].ext)) {
            fdt_build_cells(fdt, path, blocks[i].prop, RISCV_CBO_BLOCK_SIZE);
        }
    }
}

static void add_hart(void *fdt, Machine *m, Handles *h, unsigned i)
{
    struct CpuState *cpu = g_ptr_array_index(m->cpus, i);
    g_autofree char *path = g_strdup_printf("/cpus/cpu@%x", i);
    g_autofree char *intc = g_strdup_printf("%s/interrupt-controller", path);

    fdt_build_node(fdt, path);
    fdt_build_string(fdt, path, "device_type", "cpu");
    fdt_build_cells(fdt, path, "reg", i);
    fdt_build_string(fdt, path, "status", "okay");
    fdt_build_string(fdt, path, "compatible", "riscv");
    add_extensions(fdt, path, cpu);
    if (riscv_cpu_mmu_type(cpu)) {
        fdt_build_string(fdt, path, "mmu-type", riscv_cpu_mmu_type(cpu));
    }
    h->cpu[i] = fdt_build_phandle(fdt, path);

    fdt_build_node(fdt, intc);
    fdt_build_cells(fdt, intc, "#interrupt-cells", 1);
    fdt_build_flag(fdt, intc, "interrupt-controller");
    fdt_build_string(fdt, intc, "compatible", "riscv,cpu-intc");
    h->intc[i] = fdt_build_phandle(fdt, intc);
}

/* Sockets, clusters, cores and threads as -smp gave them. */
static void add_cpu_map(void *fdt, Machine *m, const Handles *h)
{
    const SmpConfig *smp = &m->smp;
    unsigned per_cluster = MAX(smp->cores * smp->threads, 1);

    fdt_build_node(fdt, "/cpus/cpu-map");
    for (unsigned i = 0; i < smp->cpus; i++) {
        g_autofree char *cluster = g_strdup_printf("/cpus/cpu-map/cluster%u", i / per_cluster);
        g_autofree char *core =
            g_strdup_printf("%s/core%u", cluster, i % per_cluster / MAX(smp->threads, 1));
        g_autofree char *leaf = smp->threads > 1
                                    ? g_strdup_printf("%s/thread%u", core, i % smp->threads)
                                    : g_strdup(core);

        fdt_build_node(fdt, cluster);
        fdt_build_node(fdt, core);
        fdt_build_node(fdt, leaf);
        fdt_build_cells(fdt, leaf, "cpu", h->cpu[i]);
    }
}

static void add_cpus(void *fdt, Machine *m, Handles *h)
{
    fdt_build_node(fdt, "/cpus");
    fdt_build_cells(fdt, "/cpus", "#address-cells", 1);
    fdt_build_cells(fdt, "/cpus", "#size-cells", 0);
    fdt_build_cells(fdt, "/cpus", "timebase-frequency", ACLINT_TIMEBASE_HZ);
    for (unsigned i = 0; i < m->smp.cpus; i++) {
        add_hart(fdt, m, h, i);
    }
    add_cpu_map(fdt, m, h);
}

/* interrupts-extended of a controller with two lines per hart. */
static void add_hart_lines(void *fdt, const char *path, Machine *m, const Handles *h, uint32_t a,
                           uint32_t b)
{
    unsigned n = m->smp.cpus;
    g_autofree uint32_t *cells = g_new(uint32_t, n * 4);

    for (unsigned i = 0; i < n; i++) {
        cells[i * 4] = cells[i * 4 + 2] = h->intc[i];
        cells[i * 4 + 1] = a;
        cells[i * 4 + 3] = b;
    }
    fdt_build_cells_n(fdt, path, "interrupts-extended", cells, n * 4);
}

static void add_interrupt_controllers(void *fdt, Machine *m, Handles *h)
{
    static const char *const clint_names[] = {"sifive,clint0", "riscv,clint0", NULL};
    static const char *const plic_names[] = {"sifive,plic-1.0.0", "riscv,plic0", NULL};
    g_autofree char *clint = soc_node(fdt, "clint", virt_map[VIRT_CLINT]);
    g_autofree char *plic = soc_node(fdt, "plic", virt_map[VIRT_PLIC]);

    fdt_build_strings(fdt, clint, "compatible", clint_names);
    add_hart_lines(fdt, clint, m, h, RISCV_IRQ_MSI, RISCV_IRQ_MTI);

    fdt_build_strings(fdt, plic, "compatible", plic_names);
    fdt_build_cells(fdt, plic, "#interrupt-cells", 1);
    fdt_build_cells(fdt, plic, "#address-cells", 0);
    fdt_build_flag(fdt, plic, "interrupt-controller");
    fdt_build_cells(fdt, plic, "riscv,ndev", VIRT_NUM_SOURCES);
    add_hart_lines(fdt, plic, m, h, RISCV_IRQ_MEI, RISCV_IRQ_SEI);
    h->plic = fdt_build_phandle(fdt, plic);
}

static void add_interrupt(void *fdt, const char *path, const Handles *h, uint32_t source)
{
    fdt_build_cells(fdt, path, "interrupt-parent", h->plic);
    fdt_build_cells(fdt, path, "interrupts", source);
}

static void add_power(void *fdt, const Handles *h, const char *node, uint32_t value)
{
    g_autofree char *compatible = g_strdup_printf("syscon-%s", node + 1);

    fdt_build_node(fdt, node);
    fdt_build_string(fdt, node, "compatible", compatible);
    fdt_build_cells(fdt, node, "regmap", h->test);
    fdt_build_cells(fdt, node, "offset", 0);
    fdt_build_cells(fdt, node, "value", value);
}

static void add_devices(void *fdt, Handles *h)
{
    static const char *const test_names[] = {"sifive,test1", "sifive,test0", "syscon", NULL};
    g_autofree char *test = soc_node(fdt, "test", virt_map[VIRT_TEST]);
    g_autofree char *rtc = soc_node(fdt, "rtc", virt_map[VIRT_RTC]);
    g_autofree char *uart = soc_node(fdt, "serial", virt_map[VIRT_UART0]);

    fdt_build_strings(fdt, test, "compatible", test_names);
    h->test = fdt_build_phandle(fdt, test);
    add_power(fdt, h, "/poweroff", 0x5555);
    add_power(fdt, h, "/reboot", 0x7777);

    fdt_build_string(fdt, rtc, "compatible", "google,goldfish-rtc");
    add_interrupt(fdt, rtc, h, VIRT_RTC_IRQ);

    fdt_build_string(fdt, uart, "compatible", "ns16550a");
    fdt_build_cells(fdt, uart, "clock-frequency", 3686400);
    add_interrupt(fdt, uart, h, VIRT_UART0_IRQ);
    fdt_build_string(fdt, "/chosen", "stdout-path", uart);
}

static void add_virtio_slots(void *fdt, const Handles *h)
{
    for (unsigned i = 0; i < VIRT_VIRTIO_SLOTS; i++) {
        VirtRange slot = virt_map[VIRT_VIRTIO];
        g_autofree char *path = NULL;

        slot.base += i * slot.size;
        path = soc_node(fdt, "virtio_mmio", slot);
        fdt_build_string(fdt, path, "compatible", "virtio,mmio");
        add_interrupt(fdt, path, h, VIRT_VIRTIO_IRQ + i);
    }
}

static void add_flash_and_fw_cfg(void *fdt)
{
    VirtRange flash = virt_map[VIRT_FLASH], fw_cfg = virt_map[VIRT_FW_CFG];
    g_autofree char *flash_path = g_strdup_printf("/flash@%" PRIx64, flash.base);
    g_autofree char *fw_cfg_path = g_strdup_printf("/fw-cfg@%" PRIx64, fw_cfg.base);

    fdt_build_node(fdt, flash_path);
    fdt_build_string(fdt, flash_path, "compatible", "cfi-flash");
    fdt_build_cells(fdt, flash_path, "bank-width", 4);
    fdt_build_cells(fdt, flash_path, "reg", 0, flash.base, 0, flash.size, 0,
                    flash.base + flash.size, 0, flash.size);
    fdt_build_node(fdt, fw_cfg_path);
    fdt_build_string(fdt, fw_cfg_path, "compatible", "qemu,fw-cfg-mmio");
    fdt_build_reg(fdt, fw_cfg_path, fw_cfg.base, fw_cfg.size);
    fdt_build_flag(fdt, fw_cfg_path, "dma-coherent");
}

enum { PCI_MAP_CELLS = 6 };

/* interrupt-map of one slot group: pins A to D of slots 0 to 3 rotate over the four lines. */
static void add_pci_interrupts(void *fdt, const char *path, const Handles *h)
{
    uint32_t map[4 * 4 * PCI_MAP_CELLS];

    for (uint32_t slot = 0, *c = map; slot < 4; slot++) {
        for (uint32_t pin = 0; pin < 4; pin++, c += PCI_MAP_CELLS) {
            c[0] = slot << 11;
            c[1] = c[2] = 0;
            c[3] = pin + 1;
            c[4] = h->plic;
            c[5] = VIRT_PCI_IRQ + (slot + pin) % 4;
        }
    }
    fdt_build_cells_n(fdt, path, "interrupt-map", map, ARRAY_SIZE(map));
    fdt_build_cells(fdt, path, "interrupt-map-mask", 3 << 11, 0, 0, 7);
}

static void add_pci(void *fdt, const Handles *h)
{
    VirtRange io = virt_map[VIRT_PCI_IO], mem = virt_map[VIRT_PCI_MEM];
    VirtRange mem64 = virt_map[VIRT_PCI_MEM64];
    g_autofree char *path = soc_node(fdt, "pci", virt_map[VIRT_PCI_ECAM]);

    fdt_build_string(fdt, path, "compatible", "pci-host-ecam-generic");
    fdt_build_string(fdt, path, "device_type", "pci");
    fdt_build_cells(fdt, path, "#address-cells", 3);
    fdt_build_cells(fdt, path, "#size-cells", 2);
    fdt_build_cells(fdt, path, "#interrupt-cells", 1);
    fdt_build_cells(fdt, path, "linux,pci-domain", 0);
    fdt_build_cells(fdt, path, "bus-range", 0, 0xff);
    fdt_build_flag(fdt, path, "dma-coherent");
    /* I/O, 32-bit memory, 64-bit memory: PCI address, CPU address, size */
    fdt_build_cells(fdt, path, "ranges", 0x1000000, 0, 0, 0, io.base, 0, io.size, 0x2000000, 0,
                    mem.base, 0, mem.base, 0, mem.size, 0x3000000, mem64.base >> 32, mem64.base,
                    mem64.base >> 32, mem64.base, mem64.size >> 32, mem64.size);
    add_pci_interrupts(fdt, path, h);
}

static void add_memory(void *fdt, Machine *m)
{
    g_autofree char *path = g_strdup_printf("/memory@%" PRIx64, virt_map[VIRT_DRAM].base);

    fdt_build_node(fdt, path);
    fdt_build_string(fdt, path, "device_type", "memory");
    fdt_build_reg(fdt, path, virt_map[VIRT_DRAM].base, m->ram_size);
}

void *virt_build_fdt(VirtMachine *s)
{
    Machine *m = &s->machine;
    void *fdt = fdt_build_new();
    Handles h = {.cpu = g_new0(uint32_t, m->smp.cpus), .intc = g_new0(uint32_t, m->smp.cpus)};

    fdt_build_cells(fdt, "/", "#address-cells", 2);
    fdt_build_cells(fdt, "/", "#size-cells", 2);
    fdt_build_string(fdt, "/", "compatible", "riscv-virtio");
    fdt_build_string(fdt, "/", "model", "riscv-virtio,qemu");
    fdt_build_node(fdt, "/chosen");
    add_memory(fdt, m);
    add_cpus(fdt, m, &h);
    fdt_build_node(fdt, "/soc");
    fdt_build_cells(fdt, "/soc", "#address-cells", 2);
    fdt_build_cells(fdt, "/soc", "#size-cells", 2);
    fdt_build_string(fdt, "/soc", "compatible", "simple-bus");
    fdt_build_flag(fdt, "/soc", "ranges");
    add_interrupt_controllers(fdt, m, &h);
    add_devices(fdt, &h);
    add_virtio_slots(fdt, &h);
    add_flash_and_fw_cfg(fdt);
    add_pci(fdt, &h);
    g_free(h.cpu);
    g_free(h.intc);
    return fdt;
}
