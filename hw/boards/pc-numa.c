/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables of NUMA nodes: which CPUs and which memory belong together (SRAT), how far nodes are from
 * each other (SLIT).  Spec: ACPI 6.5, 5.2.16 and 5.2.17.
 */
#include "rhea/osdep.h"

#include "hw/numa.h"
#include "pc-acpi.h"
#include "target/x86_64.h"

enum { SRAT_APIC = 0, SRAT_MEMORY = 1, SRAT_X2APIC = 2, SRAT_ENABLED = 1, APIC_ID_MAX = 254 };
enum { HOLE_START = 640 << 10, HOLE_END = 1 << 20 };
#define FOUR_GIB (1ULL << 32)

static void add_cpu(AcpiTables *t, uint32_t node, uint32_t apic_id)
{
    if (apic_id > APIC_ID_MAX) {
        acpi_add(t, SRAT_X2APIC, 1);
        acpi_add(t, 24, 1);
        acpi_add(t, 0, 2);
        acpi_add(t, node, 4);
        acpi_add(t, apic_id, 4);
        acpi_add(t, SRAT_ENABLED, 4);
        acpi_add(t, 0, 8); /* clock domain, reserved */
        return;
    }
    acpi_add(t, SRAT_APIC, 1);
    acpi_add(t, 16, 1);
    acpi_add(t, node, 1); /* the other three bytes follow below */
    acpi_add(t, apic_id, 1);
    acpi_add(t, SRAT_ENABLED, 4);
    acpi_add(t, 0, 1);
    acpi_add(t, node >> 8, 3);
    acpi_add(t, 0, 4); /* clock domain */
}

static void add_range(AcpiTables *t, uint32_t node, uint64_t start, uint64_t end)
{
    if (start < end) {
        acpi_add(t, SRAT_MEMORY, 1);
        acpi_add(t, 40, 1);
        acpi_add(t, node, 4);
        acpi_add(t, 0, 2);
        acpi_add(t, start, 8);
        acpi_add(t, end - start, 8);
        acpi_add(t, 0, 4);
        acpi_add(t, SRAT_ENABLED, 4);
        acpi_add(t, 0, 8);
    }
}

/* RAM [start, end) without the holes in which it does not show: below 1 MiB and from below_4g on. */
static void add_memory(AcpiTables *t, uint32_t node, uint64_t start, uint64_t end, uint64_t below)
{
    uint64_t above = FOUR_GIB - below;

    add_range(t, node, start, MIN(end, HOLE_START));
    add_range(t, node, MAX(start, HOLE_END), MIN(end, below));
    add_range(t, node, MAX(start, below) + above, MAX(end, below) + above);
}

static void add_srat(PcMachine *s, const Numa *n, AcpiTables *t)
{
    uint32_t table = acpi_table_begin(t, "SRAT", 3);

    acpi_add(t, 1, 4);
    acpi_add(t, 0, 8);
    for (guint i = 0; i < s->machine.cpus->len; i++) {
        add_cpu(t, n->cpu_node[i], x86_cpu_apic_id(g_ptr_array_index(s->machine.cpus, i)));
    }
    for (unsigned i = 0; i < n->count; i++) {
        add_memory(t, i, n->node[i].start, n->node[i].start + n->node[i].size, s->below_4g);
    }
    acpi_table_end(t, table, true);
}

static void add_slit(const Numa *n, AcpiTables *t)
{
    uint32_t table = acpi_table_begin(t, "SLIT", 1);

    acpi_add(t, n->count, 8);
    for (unsigned from = 0; from < n->count; from++) {
        for (unsigned to = 0; to < n->count; to++) {
            acpi_add(t, n->distance[from][to], 1);
        }
    }
    acpi_table_end(t, table, true);
}

void pc_add_numa_tables(PcMachine *s, AcpiTables *t)
{
    const Numa *n = s->machine.numa;

    add_srat(s, n, t);
    if (n->has_distances) {
        add_slit(n, t);
    }
}
