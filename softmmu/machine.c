/* SPDX-License-Identifier: MIT */
/*
 * The abstract machine: what every board has.  Tree: /machine with peripheral (-device with an id),
 * peripheral-anon (without) and unattached (the board's own devices).
 */
#include "rhea/osdep.h"

#include <sys/sysinfo.h>

#include "hw/machine.h"
#include "hw/numa.h"
#include "memory/backend.h"
#include "target/cpu-ops.h"

#define MACHINE_SUFFIX "-machine"

typedef struct ResetHook {
    void (*fn)(void *opaque);
    void *opaque;
} ResetHook;

static Machine *current_machine;

Machine *machine_current(void)
{
    return current_machine;
}

/* --- Types --- */

char *machine_type_name(const ObjectType *t)
{
    g_assert(g_str_has_suffix(t->name, MACHINE_SUFFIX));
    return g_strndup(t->name, strlen(t->name) - strlen(MACHINE_SUFFIX));
}

typedef struct MachineSearch {
    const char *name;
    const ObjectType *found;
    GPtrArray *names;
} MachineSearch;

static void machine_match(const ObjectType *t, void *opaque)
{
    MachineSearch *search = opaque;
    const MachineOps *ops = qom_type_ops(t);
    char *name;

    if (t->abstract) {
        return;
    }
    name = machine_type_name(t);
    g_ptr_array_add(search->names, name);
    if (search->name ? !strcmp(search->name, name) : ops->is_default) {
        search->found = t;
    }
    for (const char *const *alias = ops->aliases; search->name && alias && *alias; alias++) {
        g_ptr_array_add(search->names, g_strdup(*alias));
        if (!strcmp(search->name, *alias)) {
            search->found = t;
        }
    }
}

const ObjectType *machine_type_find(const char *name, Error **errp)
{
    MachineSearch search = {.name = name, .names = g_ptr_array_new_with_free_func(g_free)};

    qom_type_foreach(TYPE_MACHINE, machine_match, &search);
    g_ptr_array_add(search.names, NULL);
    if (!search.found) {
        error_unknown_name(errp, "-machine: type", name, (const char *const *)search.names->pdata);
    }
    g_ptr_array_unref(search.names);
    return search.found;
}

const ObjectType *machine_type_default(void)
{
    MachineSearch search = {.names = g_ptr_array_new_with_free_func(g_free)};

    qom_type_foreach(TYPE_MACHINE, machine_match, &search);
    g_ptr_array_unref(search.names);
    return search.found;
}

const MachineOps *machine_arch_ops(Machine *m)
{
    const ObjectType *t = machine_ops(m)->arch ? m->obj.type : machine_type_default();

    return t ? qom_type_ops(t) : NULL;
}

static void machine_print_type(const ObjectType *t, void *opaque)
{
    FILE *out = opaque;
    const MachineOps *ops = qom_type_ops(t);
    g_autofree char *name = NULL;

    if (t->abstract) {
        return;
    }
    name = machine_type_name(t);
    for (const char *const *alias = ops->aliases; alias && *alias; alias++) {
        fprintf(out, "%-20s %s (alias of %s)\n", *alias, t->desc, name);
    }
    fprintf(out, "%-20s %s%s\n", name, t->desc, ops->is_default ? " (default)" : "");
}

void machine_print_help(FILE *out)
{
    fprintf(out, "Supported machines are:\n");
    qom_type_foreach(TYPE_MACHINE, machine_print_type, out);
}

/* --- Life --- */

static void machine_type_init(Object *obj)
{
    Machine *m = (Machine *)obj;

    m->system_memory = g_new0(MemRegion, 1);
    mem_init_container(m->system_memory, obj, "system", UINT64_MAX);
    m->memory = mem_as_new(m->system_memory, "memory");
    for (int kind = 0; kind < CLOCK_KINDS; kind++) {
        m->clock[kind] = clock_new(kind);
    }
    m->cpus = g_ptr_array_new();
    m->reset_hooks = g_array_new(FALSE, FALSE, sizeof(ResetHook));
    m->graphics = true;
    m->boot.splash_time_ms = -1;
}

Machine *machine_new(const ObjectType *t)
{
    Machine *m = (Machine *)qom_new(t->name);

    g_assert(!current_machine);
    qom_add_child(qom_root(), "machine", &m->obj);
    qom_put(&m->obj); /* the tree holds it */
    m->peripheral = qom_container(qom_root(), "/machine/peripheral");
    m->peripheral_anon = qom_container(qom_root(), "/machine/peripheral-anon");
    m->unattached = qom_container(qom_root(), "/machine/unattached");
    m->ram_size = machine_ops(m)->default_ram_size;
    m->cpu_model = g_strdup(machine_ops(m)->default_cpu);
    current_machine = m;
    return m;
}

/* Fills in what -smp left out: cores take what sockets and threads do not. */
static bool machine_check_smp(Machine *m, Error **errp)
{
    const MachineOps *ops = machine_ops(m);
    SmpConfig *smp = &m->smp;
    g_autofree char *name = machine_type_name(m->obj.type);
    uint64_t product;

    if (!smp->cpus) {
        smp->cpus = 1;
    }
    smp->max_cpus = MAX(smp->max_cpus, smp->cpus);
    smp->sockets = MAX(smp->sockets, 1);
    smp->dies = MAX(smp->dies, 1);
    smp->clusters = MAX(smp->clusters, 1);
    smp->threads = MAX(smp->threads, 1);
    product = (uint64_t)smp->sockets * smp->dies * smp->clusters * smp->threads;
    if (!smp->cores) {
        smp->cores = MAX(smp->max_cpus / product, 1);
    }
    product *= smp->cores;
    if (smp->max_cpus > ops->max_cpus) {
        return error_fail(errp, "-smp: machine '%s' has at most %u CPUs, %u are asked for", name,
                          ops->max_cpus, smp->max_cpus);
    }
    if (product != smp->max_cpus) {
        return error_fail(errp,
                          "-smp: sockets (%u) * dies (%u) * clusters (%u) * cores (%u) * "
                          "threads (%u) is %" PRIu64 ", not the number of CPUs (%u)",
                          smp->sockets, smp->dies, smp->clusters, smp->cores, smp->threads, product,
                          smp->max_cpus);
    }
    return true;
}

/* A size beyond RAM and swap would only fail later, in the guest's hands. */
static bool machine_check_ram(Machine *m, Error **errp)
{
    struct sysinfo si;
    uint64_t host;

    if (sysinfo(&si)) {
        return error_fail_errno(errp, errno, "-m: cannot learn the size of the host's memory");
    }
    host = ((uint64_t)si.totalram + si.totalswap) * si.mem_unit;
    if (m->ram_size > host && !m->mem_path && !m->memory_backend && !numa_has_memdevs(m->numa)) {
        return error_fail(errp,
                          "-m: %" PRIu64 " MiB is more than this host can give (%" PRIu64
                          " MiB of memory and swap)",
                          (uint64_t)(m->ram_size / MiB), (uint64_t)(host / MiB));
    }
    return true;
}

bool machine_check(Machine *m, Error **errp)
{
    return machine_check_smp(m, errp) && numa_complete(m, errp) && machine_check_ram(m, errp);
}

bool machine_init_board(Machine *m, Error **errp)
{
    return machine_ops(m)->init(m, errp);
}

bool machine_board_ready(Machine *m, Error **errp)
{
    return !machine_ops(m)->ready || machine_ops(m)->ready(m, errp);
}

/* The memory of -machine memory-backend=ID: exactly -m of it. */
static RamBlock *machine_backend_ram(Machine *m, Error **errp)
{
    RamBlock *rb = memory_backend_find(m->memory_backend);

    if (!rb) {
        error_fail(errp,
                   "-machine: memory-backend=%s: there is no memory backend of that id "
                   "(-object memory-backend-ram,id=...)",
                   m->memory_backend);
    } else if (rb->size != m->ram_size) {
        error_fail(errp,
                   "-machine: memory-backend=%s has %" PRIu64 " MiB, and -m says %" PRIu64 " MiB",
                   m->memory_backend, (uint64_t)(rb->size / MiB), (uint64_t)(m->ram_size / MiB));
        rb = NULL;
    }
    return rb;
}

/* What -machine says about the host's handling of guest memory; the kernel may lack either. */
/* m->ram as one block. */
static void machine_set_ram(Machine *m, RamBlock *rb)
{
    m->ram = g_new0(MemRegion, 1);
    m->low_ram = rb;
    mem_init_ram_block(m->ram, &m->obj, machine_ops(m)->default_ram_id, rb);
    ram_block_advise(rb, !m->dump_guest_core, m->mem_merge);
}

/* m->ram as the memory of the nodes, one after the other. */
static bool machine_create_node_ram(Machine *m, Error **errp)
{
    m->ram = g_new0(MemRegion, 1);
    mem_init_container(m->ram, &m->obj, machine_ops(m)->default_ram_id, m->ram_size);
    for (unsigned i = 0; i < m->numa->count; i++) {
        const NumaNode *node = &m->numa->node[i];
        RamBlock *rb = node->memdev ? memory_backend_find(node->memdev) : NULL;
        MemRegion *part;

        if (!rb) {
            continue;
        }
        m->low_ram = m->low_ram ? m->low_ram : rb;
        part = g_new0(MemRegion, 1);
        mem_init_ram_block(part, &m->obj, node->memdev, rb);
        mem_add(m->ram, node->start, part);
        ram_block_advise(rb, !m->dump_guest_core, m->mem_merge);
    }
    return m->low_ram->size >= MiB ||
           error_fail(errp, "-numa: the first node with memory needs at least 1 MiB");
}

bool machine_create_ram(Machine *m, Error **errp)
{
    RamOptions opts = {.path = m->mem_path, .prealloc = m->mem_prealloc, .share = !!m->mem_path};
    RamBlock *rb;

    if (numa_has_memdevs(m->numa)) {
        return machine_create_node_ram(m, errp);
    }
    if (m->memory_backend) {
        rb = machine_backend_ram(m, errp);
        if (rb) {
            machine_set_ram(m, rb);
        }
        return rb != NULL;
    }
    rb = ram_block_new(machine_ops(m)->default_ram_id, m->ram_size, &opts, errp);
    if (!rb) {
        error_prepend(errp, "-m: ");
        return false;
    }
    machine_set_ram(m, rb);
    ram_block_put(rb);
    return true;
}

enum { IO_SPACE_SIZE = 65536 };

/* Nobody drives the bus: it floats high. */
static uint64_t io_floating_read(void *opaque, uint64_t offset, unsigned size)
{
    return UINT64_MAX;
}

static const MemOps io_floating_ops = {.read = io_floating_read, .unaligned = true};

void machine_create_io(Machine *m)
{
    m->system_io = g_new0(MemRegion, 1);
    mem_init_io(m->system_io, &m->obj, &io_floating_ops, m, "io", IO_SPACE_SIZE);
    m->io = mem_as_new(m->system_io, "I/O");
}

int64_t machine_time_of_day_ns(Machine *m)
{
    return clock_now_ns(m->clock[CLOCK_HOST]) + m->rtc_offset_ns;
}

/* --- Devices of the board --- */

bool machine_realize_device(Machine *m, Device *dev, const char *name, Error **errp)
{
    g_autofree char *numbered = NULL;

    if (!name) {
        guint n = m->unattached->children ? m->unattached->children->len : 0;

        name = numbered = g_strdup_printf("device[%u]", n);
    }
    qom_add_child(m->unattached, name, &dev->obj);
    if (!device_realize(dev, m, NULL, errp)) {
        qom_unparent(&dev->obj);
        qom_put(&dev->obj);
        return false;
    }
    qom_put(&dev->obj); /* the tree holds it */
    return true;
}

Device *machine_new_device(Machine *m, const char *type, Error **errp)
{
    Device *dev = (Device *)qom_new(type);

    return machine_realize_device(m, dev, NULL, errp) ? dev : NULL;
}

/* --- Reset --- */

void machine_on_reset(Machine *m, void (*fn)(void *opaque), void *opaque)
{
    ResetHook hook = {fn, opaque};

    g_array_append_val(m->reset_hooks, hook);
}

/* Devices on a bus are reset by its owner. */
static void machine_reset_tree(Object *obj)
{
    if (qom_is(obj, TYPE_DEVICE) && !qom_is(obj, TYPE_CPU)) {
        Device *dev = (Device *)obj;

        if (dev->realized && !dev->parent_bus) {
            device_reset(dev);
        }
    }
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        machine_reset_tree(g_ptr_array_index(obj->children, i));
    }
}

void machine_reset(Machine *m)
{
    for (guint i = 0; i < m->cpus->len; i++) {
        device_reset(g_ptr_array_index(m->cpus, i));
    }
    machine_reset_tree(&m->obj);
    for (guint i = 0; i < m->reset_hooks->len; i++) {
        ResetHook *hook = &g_array_index(m->reset_hooks, ResetHook, i);

        hook->fn(hook->opaque);
    }
}

/* --- Types --- */

static const char *const irqchip_names[] = {"on", "off", "split", NULL};

static const PropDesc machine_props[] = {
    PROP_STR("kernel", Machine, kernel, NULL, "kernel image (-kernel)"),
    PROP_STR("initrd", Machine, initrd, NULL, "initial RAM disk (-initrd)"),
    PROP_STR("append", Machine, append, NULL, "kernel command line (-append)"),
    PROP_STR("dtb", Machine, dtb, NULL, "device tree to use instead of the generated one (-dtb)"),
    PROP_STR("dumpdtb", Machine, dumpdtb, NULL, "write the device tree to this file and exit"),
    PROP_STR("memory-backend", Machine, memory_backend, NULL, "id of the object that is the RAM"),
    PROP_STR("firmware", Machine, firmware, NULL, "firmware image (-bios)"),
    PROP_BOOL("graphics", Machine, graphics, true, "a display is wanted (off: -nographic)"),
    PROP_BOOL("usb", Machine, usb, false,
              "a USB controller (xHCI) in slot 0x1d of the first PCI bus"),
    PROP_BOOL("dump-guest-core", Machine, dump_guest_core, true,
              "guest memory is part of the emulator's core dumps"),
    PROP_ENUM(
        "kernel-irqchip", Machine, kernel_irqchip, 0, irqchip_names,
        "whether the host's kernel models interrupt controllers; only virtualisation has that"),
    PROP_BOOL("mem-merge", Machine, mem_merge, true,
              "let the host merge equal pages of guest memory"),
    PROP_END,
};

QOM_TYPE(machine_type, .name = TYPE_MACHINE, .size = sizeof(Machine), .abstract = true,
         .desc = "machine", .props = machine_props, .init = machine_type_init, .parent = "object");

static bool none_init(Machine *m, Error **errp)
{
    return true;
}

static const MachineOps none_ops = {
    .init = none_init,
    .max_cpus = 1,
};

QOM_TYPE(none_machine_type, .name = "none-machine", .parent = TYPE_MACHINE, .desc = "empty machine",
         .ops = &none_ops);
