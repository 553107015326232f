/* SPDX-License-Identifier: MIT */
/* HMP: what "info" shows, and the commands that look at memory. */
#include "rhea/osdep.h"

#include "accel/accel.h"
#include "block/block.h"
#include "memory/irq.h"
#include "net/net.h"
#include "rhea/bits.h"
#include "rhea/opts.h"
#include "softmmu/runstate.h"
#include "monitor-int.h"

static void info_status(Machine *m, const char *args, GString *out)
{
    RunState s = runstate_get(m);

    g_string_append_printf(out, "VM status: %s", s == RUN_RUNNING ? "running" : "paused");
    if (s != RUN_RUNNING && s != RUN_PAUSED) {
        g_string_append_printf(out, " (%s)", runstate_name(s));
    }
    g_string_append_c(out, '\n');
}

HMP_COMMAND(info_status_command, .name = "info status", .help = "whether the VM runs",
            .run = info_status);

static void info_version(Machine *m, const char *args, GString *out)
{
    g_string_append(out, RHEA_QEMU_VERSION " (rhea " RHEA_VERSION ")\n");
}

HMP_COMMAND(info_version_command, .name = "info version", .help = "the emulator's version",
            .run = info_version);

static void info_name(Machine *m, const char *args, GString *out)
{
    if (m->name) {
        g_string_append_printf(out, "%s\n", m->name);
    }
}

HMP_COMMAND(info_name_command, .name = "info name", .help = "the guest's name (-name)",
            .run = info_name);

static void info_uuid(Machine *m, const char *args, GString *out)
{
    g_string_append_printf(out, "%s\n", m->uuid ? m->uuid : "00000000-0000-0000-0000-000000000000");
}

HMP_COMMAND(info_uuid_command, .name = "info uuid", .help = "the machine's UUID (-uuid)",
            .run = info_uuid);

/* --- CPUs --- */

static unsigned current_cpu; /* of "cpu N": what x and info registers look at */

static CpuState *monitor_cpu(Machine *m)
{
    if (!m->cpus->len) {
        return NULL;
    }
    return g_ptr_array_index(m->cpus, MIN(current_cpu, m->cpus->len - 1));
}

/* The state of a running CPU is only whole when it stands still. */
static void with_cpus_paused(Machine *m, void (*fn)(Machine *m, const char *args, GString *out),
                             const char *args, GString *out)
{
    bool running = cpus_running(m);

    if (running) {
        cpus_pause_all(m);
    }
    fn(m, args, out);
    if (running) {
        cpus_resume_all(m);
    }
}

static void dump_registers(Machine *m, const char *args, GString *out)
{
    for (guint i = 0; i < m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(m->cpus, i);

        if (!strcmp(args, "-a") || cpu == monitor_cpu(m)) {
            g_string_append_printf(out, "\nCPU#%u\n", cpu->index);
            cpu->ops->dump(cpu, out);
        }
    }
}

static void info_registers(Machine *m, const char *args, GString *out)
{
    with_cpus_paused(m, dump_registers, args, out);
}

HMP_COMMAND(info_registers_command, .name = "info registers", .args = "[-a]",
            .help = "the CPU's registers (-a: of all CPUs)", .run = info_registers);

static void print_mappings(Machine *m, bool ranges, GString *out)
{
    CpuState *cpu = monitor_cpu(m);

    if (cpu && cpu->ops->print_mappings) {
        cpu->ops->print_mappings(cpu, ranges, out);
    } else {
        g_string_append(out, "this CPU model does not show its page tables\n");
    }
}

static void dump_tlb(Machine *m, const char *args, GString *out)
{
    print_mappings(m, false, out);
}

static void info_tlb(Machine *m, const char *args, GString *out)
{
    with_cpus_paused(m, dump_tlb, args, out);
}

HMP_COMMAND(info_tlb_command, .name = "info tlb", .help = "the CPU's page tables, by entry",
            .run = info_tlb);

static void dump_mem(Machine *m, const char *args, GString *out)
{
    print_mappings(m, true, out);
}

static void info_mem(Machine *m, const char *args, GString *out)
{
    with_cpus_paused(m, dump_mem, args, out);
}

HMP_COMMAND(info_mem_command, .name = "info mem", .help = "mapped ranges and their rights",
            .run = info_mem);

static void info_cpus(Machine *m, const char *args, GString *out)
{
    for (guint i = 0; i < m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(m->cpus, i);

        g_string_append_printf(out, "%c CPU #%u: thread_id=%d%s\n",
                               cpu == monitor_cpu(m) ? '*' : ' ', cpu->index, cpu_thread_id(cpu),
                               __atomic_load_n(&cpu->halted, __ATOMIC_RELAXED) ? " (halted)" : "");
    }
}

HMP_COMMAND(info_cpus_command, .name = "info cpus", .help = "the CPUs", .run = info_cpus);

static void hmp_cpu(Machine *m, const char *args, GString *out)
{
    g_autoptr(Error) err = NULL;
    uint64_t n;

    if (!m->cpus->len || !parse_u64("cpu", args, m->cpus->len - 1, &n, &err)) {
        g_string_append_printf(out, "Error: %s\n",
                               err ? error_text(err) : "the machine has no CPU");
        return;
    }
    current_cpu = (unsigned)n;
}

HMP_COMMAND(hmp_cpu_command, .name = "cpu", .args = "index",
            .help = "choose the CPU that other commands look at", .run = hmp_cpu);

static void info_jit(Machine *m, const char *args, GString *out)
{
    Accel *a = machine_accel(m);

    if (a && a->ops->info) {
        a->ops->info(a, out);
    }
}

HMP_COMMAND(info_jit_command, .name = "info jit", .help = "counters of the translator",
            .run = info_jit);

/* --- Memory and devices --- */

static void info_mtree(Machine *m, const char *args, GString *out)
{
    mem_print_tree(m->memory, out);
}

HMP_COMMAND(info_mtree_command, .name = "info mtree", .help = "the memory map", .run = info_mtree);

static void print_qom_tree(Object *obj, int indent, GString *out)
{
    g_string_append_printf(out, "%*s/%s (%s)\n", indent, "", obj->name ? obj->name : "",
                           obj->type->name);
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        print_qom_tree(g_ptr_array_index(obj->children, i), indent + 2, out);
    }
}

static void info_qom_tree(Machine *m, const char *args, GString *out)
{
    Object *from = *args ? qom_resolve(qom_root(), args) : &m->obj;

    if (!from) {
        g_string_append_printf(out, "Error: there is no object '%s'\n", args);
        return;
    }
    print_qom_tree(from, 0, out);
}

HMP_COMMAND(info_qom_tree_command, .name = "info qom-tree", .args = "[path]",
            .help = "the object tree", .run = info_qom_tree);

typedef struct PropPrint {
    Object *obj;
    int indent;
    GString *out;
} PropPrint;

static bool print_prop(const PropDesc *p, void *opaque)
{
    PropPrint *pp = opaque;
    g_autofree char *value = qom_prop_get(pp->obj, p->name, NULL);

    if (value) {
        g_string_append_printf(pp->out, "%*s%s = %s\n", pp->indent, "", p->name, value);
    }
    return true;
}

static void print_device(Device *dev, int indent, GString *out)
{
    PropPrint pp = {&dev->obj, indent + 2, out};

    g_string_append_printf(out, "%*sdev: %s, id \"%s\"\n", indent, "", dev->obj.type->name,
                           dev->id ? dev->id : "");
    qom_type_foreach_prop(dev->obj.type, print_prop, &pp);
    for (guint i = 0; dev->buses && i < dev->buses->len; i++) {
        Bus *bus = g_ptr_array_index(dev->buses, i);

        g_string_append_printf(out, "%*sbus: %s\n%*stype %s\n", indent + 2, "", bus->name,
                               indent + 4, "", bus->obj.type->name);
        for (guint j = 0; j < bus->devices->len; j++) {
            print_device(g_ptr_array_index(bus->devices, j), indent + 4, out);
        }
    }
}

static void foreach_device(Object *obj, void (*fn)(Device *dev, GString *out), GString *out)
{
    if (qom_is(obj, TYPE_DEVICE)) {
        fn((Device *)obj, out);
    }
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        foreach_device(g_ptr_array_index(obj->children, i), fn, out);
    }
}

/* Those on a bus are shown below it. */
static void print_system_device(Device *dev, GString *out)
{
    if (!dev->parent_bus) {
        print_device(dev, 2, out);
    }
}

static void info_qtree(Machine *m, const char *args, GString *out)
{
    g_string_append(out, "bus: main-system-bus\n  type System\n");
    foreach_device(&m->obj, print_system_device, out);
}

HMP_COMMAND(info_qtree_command, .name = "info qtree", .help = "devices with buses and properties",
            .run = info_qtree);

static void print_irqs(Device *dev, GString *out)
{
    for (guint i = 0; dev->irq_outs && i < dev->irq_outs->len; i++) {
        IrqLine *line = g_ptr_array_index(dev->irq_outs, i);
        g_autofree char *path = qom_path(&dev->obj);

        if (line->raised || line->level) {
            g_string_append_printf(out, "%s %s[%u]: %" PRIu64 " raised, %s\n", path,
                                   line->name ? line->name : "", i, line->raised,
                                   line->level ? "high" : "low");
        }
    }
}

static void info_irq(Machine *m, const char *args, GString *out)
{
    foreach_device(&m->obj, print_irqs, out);
}

HMP_COMMAND(info_irq_command, .name = "info irq", .help = "interrupt lines that were ever raised",
            .run = info_irq);

static void print_chardev(void *opaque, const char *id, const char *where, bool open)
{
    g_string_append_printf(opaque, "%s: filename=%s%s\n", id, open ? "" : "disconnected:", where);
}

static void info_chardev(Machine *m, const char *args, GString *out)
{
    chr_foreach_info(print_chardev, out);
}

HMP_COMMAND(info_chardev_command, .name = "info chardev", .help = "character devices",
            .run = info_chardev);

static void info_block(Machine *m, const char *args, GString *out)
{
    blk_print_info(out);
}

HMP_COMMAND(info_block_command, .name = "info block", .help = "disks", .run = info_block);

static void info_network(Machine *m, const char *args, GString *out)
{
    net_print_info(out);
}

HMP_COMMAND(info_network_command, .name = "info network", .help = "network backends and cards",
            .run = info_network);

/* --- x, xp, print --- */

typedef struct DumpFormat {
    uint64_t count;
    unsigned size; /* bytes of an item */
    char kind;     /* x d u o c i */
} DumpFormat;

/* "/16xw", "/4i": count, kind, size in any order after the count. */
static bool parse_format(const char **text, DumpFormat *f, Error **errp)
{
    const char *p = *text;

    if (*p == '/') {
        char *end;

        p++;
        if (g_ascii_isdigit(*p)) {
            f->count = g_ascii_strtoull(p, &end, 10);
            p = end;
        }
        for (; *p && *p != ' '; p++) {
            switch (*p) {
            case 'x':
            case 'd':
            case 'u':
            case 'o':
            case 'c':
            case 'i': f->kind = *p; break;
            case 'b': f->size = 1; break;
            case 'h': f->size = 2; break;
            case 'w': f->size = 4; break;
            case 'g': f->size = 8; break;
            default: return error_fail(errp, "invalid char in format: '%c'", *p);
            }
        }
    }
    while (*p == ' ') {
        p++;
    }
    if (f->kind == 'c') {
        f->size = 1;
    }
    f->count = MIN(f->count, 65536);
    *text = p;
    return true;
}

/* Numbers and names of nothing: sums and differences of hexadecimal, octal and decimal numbers. */
static bool parse_expression(const char *text, uint64_t *out, Error **errp)
{
    uint64_t sum = 0;
    bool negative = false;

    for (;;) {
        char *end;
        uint64_t v;

        while (*text == ' ') {
            text++;
        }
        v = g_ascii_strtoull(text, &end, 0);
        if (end == text || !g_ascii_isdigit(*text)) {
            return error_fail(errp, "unexpected character in '%s': a number is needed", text);
        }
        sum = negative ? sum - v : sum + v;
        for (text = end; *text == ' '; text++) {
        }
        if (!*text) {
            *out = sum;
            return true;
        }
        if (*text != '+' && *text != '-') {
            return error_fail(errp, "unexpected character '%c' in expression", *text);
        }
        negative = *text++ == '-';
    }
}

static void print_item(const DumpFormat *f, uint64_t v, GString *out)
{
    int64_t sv = sextract64(v, 0, f->size * 8);

    switch (f->kind) {
    case 'd': g_string_append_printf(out, "%" PRId64, sv); break;
    case 'u': g_string_append_printf(out, "%" PRIu64, v); break;
    case 'o': g_string_append_printf(out, "0%" PRIo64, v); break;
    case 'c':
        g_string_append_printf(out, g_ascii_isprint((gchar)v) ? "'%c'" : "'\\x%02x'",
                               (int)(v & 0xff));
        break;
    default: g_string_append_printf(out, "0x%0*" PRIx64, (int)f->size * 2, v); break;
    }
}

static bool monitor_read(Machine *m, bool physical, uint64_t addr, void *buf, size_t len)
{
    if (physical) {
        return mem_read(m->memory, addr, buf, len) == MEM_OK;
    }
    return monitor_cpu(m) && cpu_debug_read(monitor_cpu(m), addr, buf, len);
}

static void dump_code(Machine *m, bool physical, uint64_t addr, uint64_t count, GString *out)
{
    CpuState *cpu = monitor_cpu(m);

    while (cpu && cpu->ops->disas && count--) {
        uint8_t code[16];
        char text[128];
        size_t len = sizeof(code);
        unsigned used;

        while (len && !monitor_read(m, physical, addr, code, len)) {
            len--;
        }
        used = len ? cpu->ops->disas(cpu->model, cpu->ops->key(cpu), addr, code, len, text,
                                     sizeof(text))
                   : 0;
        if (!len) {
            g_string_append_printf(out, "Cannot access memory at 0x%" PRIx64 "\n", addr);
            return;
        }
        if (!used) {
            used = cpu->ops->min_insn_bytes;
            g_strlcpy(text, "(undecodable)", sizeof(text));
        }
        g_string_append_printf(out, "0x%016" PRIx64 ":  %s\n", addr, text);
        addr += used;
    }
}

static void dump_items(Machine *m, bool physical, uint64_t addr, const DumpFormat *f, GString *out)
{
    unsigned per_line = f->kind == 'c' ? 8 : 16 / f->size;

    for (uint64_t i = 0; i < f->count; i++, addr += f->size) {
        uint8_t raw[8] = {0};
        uint64_t v;

        if (!monitor_read(m, physical, addr, raw, f->size)) {
            g_string_append_printf(out, "%sCannot access memory at 0x%" PRIx64 "\n",
                                   i % per_line ? "\n" : "", addr);
            return;
        }
        memcpy(&v, raw, sizeof(v));
        v = GUINT64_FROM_LE(v);
        if (i % per_line == 0) {
            g_string_append_printf(out, "%016" PRIx64 ":", addr);
        }
        g_string_append_c(out, ' ');
        print_item(f, v, out);
        if ((i + 1) % per_line == 0 || i + 1 == f->count) {
            g_string_append_c(out, '\n');
        }
    }
}

static void dump_memory(Machine *m, bool physical, const char *args, GString *out)
{
    static DumpFormat last = {.count = 1, .size = 4, .kind = 'x'};
    DumpFormat f = {.count = 1, .size = last.size, .kind = last.kind};
    g_autoptr(Error) err = NULL;
    uint64_t addr;

    if (!parse_format(&args, &f, &err) || !parse_expression(args, &addr, &err)) {
        g_string_append_printf(out, "%s\n", error_text(err));
        return;
    }
    last = f;
    if (f.kind == 'i') {
        dump_code(m, physical, addr, f.count, out);
    } else {
        dump_items(m, physical, addr, &f, out);
    }
}

static void dump_virtual(Machine *m, const char *args, GString *out)
{
    dump_memory(m, false, args, out);
}

static void hmp_x(Machine *m, const char *args, GString *out)
{
    with_cpus_paused(m, dump_virtual, args, out);
}

HMP_COMMAND(hmp_x_command, .name = "x", .args = "/fmt addr",
            .help = "memory at a virtual address; fmt: count, x|d|u|o|c|i, b|h|w|g", .run = hmp_x);

static void hmp_xp(Machine *m, const char *args, GString *out)
{
    dump_memory(m, true, args, out);
}

HMP_COMMAND(hmp_xp_command, .name = "xp", .args = "/fmt addr",
            .help = "the same at a physical address", .run = hmp_xp);

static void hmp_print(Machine *m, const char *args, GString *out)
{
    DumpFormat f = {.count = 1, .size = 8, .kind = 'x'};
    g_autoptr(Error) err = NULL;
    uint64_t v;

    if (!parse_format(&args, &f, &err) || !parse_expression(args, &v, &err)) {
        g_string_append_printf(out, "%s\n", error_text(err));
        return;
    }
    if (f.kind == 'x') {
        g_string_append_printf(out, "0x%" PRIx64, v);
    } else {
        print_item(&f, v, out);
    }
    g_string_append_c(out, '\n');
}

HMP_COMMAND(hmp_print_command, .name = "print|p", .args = "/fmt expr",
            .help = "the value of an expression", .run = hmp_print);
