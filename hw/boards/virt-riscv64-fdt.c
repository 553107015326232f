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
    } blocks[] = {{"zicbom", "riscv,cbom-block-size"}, {"zicboz", "riscv,cboz-block-size"}};

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
        g_autofree char *core = g_strdup_printf("%s/core%u", cluster,
                                                i % per_cluster / MAX(smp->threads, 1));
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
    g_free(h.cpu);
    g_free(h.intc);
    return fdt;
}
