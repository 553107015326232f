/* SPDX-License-Identifier: MIT */
/* gdb's commands: registers, memory, breakpoints, threads, target description. */
#include "rhea/osdep.h"

#include "monitor/monitor.h"
#include "softmmu/runstate.h"
#include "gdb-int.h"

enum { REG_BYTES_MAX = 64 };

CpuState *gdb_cpu(GdbStub *s, unsigned index)
{
    return index < s->m->cpus->len ? g_ptr_array_index(s->m->cpus, index) : NULL;
}

/* --- Hexadecimal --- */

static void put_hex(GString *out, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        g_string_append_printf(out, "%02x", buf[i]);
    }
}

/* Bytes that were there: @max of them at most. */
static size_t get_hex(const char *text, uint8_t *buf, size_t max)
{
    size_t n = 0;

    while (n < max && g_ascii_isxdigit(text[0]) && g_ascii_isxdigit(text[1])) {
        buf[n++] = (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
        text += 2;
    }
    return n;
}

/* A hexadecimal number and the @stop behind it; false when it is not there. */
static bool get_number(const char **text, char stop, uint64_t *out)
{
    char *end;

    *out = g_ascii_strtoull(*text, &end, 16);
    if (end == *text || *end != stop) {
        return false;
    }
    *text = end + (stop != '\0');
    return true;
}

/* --- Registers --- */

static const GdbReg *find_reg(const GdbArch *arch, uint64_t regnum)
{
    for (const GdbFeature *f = arch->features; f->name; f++) {
        for (unsigned i = 0; i < f->nregs; i++) {
            if (f->regs[i].regnum == regnum) {
                return &f->regs[i];
            }
        }
    }
    return NULL;
}

static const GdbArch *arch_of(CpuState *cpu)
{
    return cpu->ops->gdb(cpu);
}

static void put_reg(GString *out, CpuState *cpu, const GdbReg *reg)
{
    uint8_t buf[REG_BYTES_MAX];

    put_hex(out, buf, MIN(arch_of(cpu)->read(cpu, reg->id, buf), reg->bits / 8U));
}

/* Takes the register's value from *@text, which then is behind it. */
static bool take_reg(CpuState *cpu, const GdbReg *reg, const char **text, bool *written)
{
    uint8_t buf[REG_BYTES_MAX] = {0};
    size_t size = reg->bits / 8;

    if (get_hex(*text, buf, size) != size) {
        return false;
    }
    *written = arch_of(cpu)->write(cpu, reg->id, buf);
    *text += 2 * size;
    return true;
}

/* Only the first feature: gdb asks for the others one by one when it needs them. */
static void cmd_read_all(GdbStub *s, CpuState *cpu)
{
    const GdbFeature *f = arch_of(cpu)->features;
    g_autoptr(GString) out = g_string_new(NULL);

    for (unsigned i = 0; i < f->nregs; i++) {
        put_reg(out, cpu, &f->regs[i]);
    }
    gdb_reply(s, out->str);
}

static void cmd_write_all(GdbStub *s, CpuState *cpu, const char *args)
{
    const GdbFeature *f = arch_of(cpu)->features;
    bool written;

    for (unsigned i = 0; i < f->nregs; i++) {
        if (!take_reg(cpu, &f->regs[i], &args, &written)) {
            gdb_reply(s, "E22");
            return;
        }
    }
    cpu_debug_changed(cpu);
    gdb_reply(s, "OK");
}

static void cmd_read_reg(GdbStub *s, CpuState *cpu, const char *args)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const GdbReg *reg;
    uint64_t n;

    reg = get_number(&args, '\0', &n) ? find_reg(arch_of(cpu), n) : NULL;
    if (reg) {
        put_reg(out, cpu, reg);
    }
    gdb_reply(s, out->len ? out->str : "E14");
}

static void cmd_write_reg(GdbStub *s, CpuState *cpu, const char *args)
{
    const GdbReg *reg;
    bool written;
    uint64_t n;

    reg = get_number(&args, '=', &n) ? find_reg(arch_of(cpu), n) : NULL;
    if (!reg || !take_reg(cpu, reg, &args, &written) || !written) {
        gdb_reply(s, "E14");
        return;
    }
    cpu_debug_changed(cpu);
    gdb_reply(s, "OK");
}

/* --- Memory --- */

static void cmd_read_memory(GdbStub *s, CpuState *cpu, const char *args)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree uint8_t *buf = NULL;
    uint64_t addr, len;

    if (!get_number(&args, ',', &addr) || !get_number(&args, '\0', &len)) {
        gdb_reply(s, "E22");
        return;
    }
    len = MIN(len, GDB_PACKET_MAX / 2 - 16);
    buf = g_malloc(len + 1);
    if (!cpu_debug_read(cpu, addr, buf, len)) {
        gdb_reply(s, "E14");
        return;
    }
    put_hex(out, buf, len);
    gdb_reply(s, out->str);
}

/* M: hexadecimal, X: binary. */
static void cmd_write_memory(GdbStub *s, CpuState *cpu, const char *args, const char *end,
                             bool binary)
{
    g_autofree uint8_t *buf = NULL;
    uint64_t addr, len;
    size_t given;

    if (!get_number(&args, ',', &addr) || !get_number(&args, ':', &len) || len > GDB_PACKET_MAX) {
        gdb_reply(s, "E22");
        return;
    }
    buf = g_malloc0(len + 1);
    if (binary) {
        given = MIN((size_t)(end - args), len);
        memcpy(buf, args, given);
    } else {
        given = get_hex(args, buf, len);
    }
    if (given != len) {
        gdb_reply(s, "E22");
        return;
    }
    gdb_reply(s, !len || cpu_debug_write(cpu, addr, buf, len) ? "OK" : "E14");
}

/* --- Breakpoints --- */

static void each_cpu(GdbStub *s, void (*fn)(CpuState *cpu, const CpuWatch *w), const CpuWatch *w)
{
    for (guint i = 0; i < s->m->cpus->len; i++) {
        fn(gdb_cpu(s, i), w);
        cpu_debug_changed(gdb_cpu(s, i));
    }
}

static void break_remove(CpuState *cpu, const CpuWatch *w)
{
    for (guint i = 0; cpu->breakpoints && i < cpu->breakpoints->len; i++) {
        if (g_array_index(cpu->breakpoints, GuestVA, i) == w->addr) {
            g_array_remove_index(cpu->breakpoints, i--);
        }
    }
}

/* gdb may set the same one twice and remove it once. */
static void break_insert(CpuState *cpu, const CpuWatch *w)
{
    if (!cpu->breakpoints) {
        cpu->breakpoints = g_array_new(FALSE, FALSE, sizeof(GuestVA));
    }
    break_remove(cpu, w);
    g_array_append_val(cpu->breakpoints, w->addr);
}

static void watch_remove(CpuState *cpu, const CpuWatch *w)
{
    for (guint i = 0; cpu->watchpoints && i < cpu->watchpoints->len; i++) {
        CpuWatch *other = &g_array_index(cpu->watchpoints, CpuWatch, i);

        if (other->addr == w->addr && other->len == w->len && other->kinds == w->kinds) {
            g_array_remove_index(cpu->watchpoints, i--);
        }
    }
}

static void watch_insert(CpuState *cpu, const CpuWatch *w)
{
    if (!cpu->watchpoints) {
        cpu->watchpoints = g_array_new(FALSE, FALSE, sizeof(CpuWatch));
    }
    watch_remove(cpu, w);
    g_array_append_val(cpu->watchpoints, *w);
}

static void remove_all(CpuState *cpu, const CpuWatch *w)
{
    g_clear_pointer(&cpu->breakpoints, g_array_unref);
    g_clear_pointer(&cpu->watchpoints, g_array_unref);
    cpu->singlestep = false;
}

/* The lists may only change while the CPUs stand still. */
static void with_cpus_paused(GdbStub *s, void (*fn)(CpuState *cpu, const CpuWatch *w),
                             const CpuWatch *w)
{
    bool running = cpus_running(s->m);

    if (running) {
        cpus_pause_all(s->m);
    }
    each_cpu(s, fn, w);
    if (running) {
        cpus_resume_all(s->m);
    }
}

void gdb_remove_all_breakpoints(GdbStub *s)
{
    with_cpus_paused(s, remove_all, NULL);
    g_array_set_size(s->hits, 0);
}

/* "TYPE,ADDR,KIND": Z0 and Z1 are breakpoints, Z2 to Z4 watch writes, reads, both. */
static void cmd_breakpoint(GdbStub *s, const char *args, bool insert)
{
    static const uint8_t kinds[] = {PROT_W, PROT_R, PROT_R | PROT_W};
    CpuWatch w = {0};
    uint64_t type;
    const char *p = args;

    if (!get_number(&p, ',', &type) || !get_number(&p, ',', &w.addr)) {
        gdb_reply(s, "E22");
        return;
    }
    w.len = g_ascii_strtoull(p, NULL, 16);
    if (type > 4 || (type >= 2 && !w.len)) {
        gdb_reply(s, type > 4 ? "" : "E22");
        return;
    }
    if (type < 2) {
        with_cpus_paused(s, insert ? break_insert : break_remove, &w);
    } else {
        w.kinds = kinds[type - 2];
        with_cpus_paused(s, insert ? watch_insert : watch_remove, &w);
    }
    gdb_reply(s, "OK");
}

/* --- Target description --- */

static char *make_xml(const GdbArch *arch)
{
    GString *x = g_string_new("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
                              "<target version=\"1.0\">");

    g_string_append_printf(x, "<architecture>%s</architecture>", arch->arch);
    for (const GdbFeature *f = arch->features; f->name; f++) {
        g_string_append_printf(x, "<feature name=\"%s\">%s", f->name, f->types ? f->types : "");
        for (unsigned i = 0; i < f->nregs; i++) {
            const GdbReg *r = &f->regs[i];

            g_string_append_printf(x, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"",
                                   r->name, r->bits, r->type, r->regnum);
            if (r->group) {
                g_string_append_printf(x, " group=\"%s\"", r->group);
            }
            g_string_append(x, "/>");
        }
        g_string_append(x, "</feature>");
    }
    g_string_append(x, "</target>");
    return g_string_free(x, FALSE);
}

static void cmd_read_features(GdbStub *s, CpuState *cpu, const char *args)
{
    g_autofree char *chunk = NULL;
    g_autofree char *reply = NULL;
    uint64_t offset, len;
    size_t total;

    if (!g_str_has_prefix(args, "target.xml:")) {
        gdb_reply(s, "E00");
        return;
    }
    args += strlen("target.xml:");
    if (!get_number(&args, ',', &offset) || !get_number(&args, '\0', &len)) {
        gdb_reply(s, "E22");
        return;
    }
    if (!s->xml) {
        s->xml = make_xml(arch_of(cpu));
    }
    total = strlen(s->xml);
    offset = MIN(offset, total);
    len = MIN(len, MIN(total - offset, GDB_PACKET_MAX / 2 - 16));
    chunk = g_strndup(s->xml + offset, len);
    reply = g_strconcat(offset + len < total ? "m" : "l", chunk, NULL);
    gdb_reply(s, reply);
}

/* --- Queries --- */

static void cmd_thread_list(GdbStub *s, bool first)
{
    g_autofree char *text = NULL;

    if (first) {
        s->list_pos = 0;
    }
    text = s->list_pos < s->m->cpus->len ? g_strdup_printf("m%02x", ++s->list_pos) : g_strdup("l");
    gdb_reply(s, text);
}

static void cmd_thread_info(GdbStub *s, const char *args)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *text = NULL;
    CpuState *cpu;
    uint64_t n;

    cpu = get_number(&args, '\0', &n) ? gdb_cpu(s, (unsigned)n - 1) : NULL;
    if (!cpu) {
        gdb_reply(s, "E22");
        return;
    }
    text = g_strdup_printf("CPU#%u [%s]", cpu->index, cpu->halted ? "halted" : "running");
    put_hex(out, (const uint8_t *)text, strlen(text));
    gdb_reply(s, out->str);
}

/* gdb's "monitor COMMAND" */
static void cmd_monitor(GdbStub *s, const char *args)
{
    g_autofree char *line = g_malloc0(strlen(args) / 2 + 1);
    g_autofree char *output = NULL;
    g_autoptr(GString) hex = g_string_new(NULL);

    get_hex(args, (uint8_t *)line, strlen(args) / 2);
    output = monitor_run_hmp(s->m, line);
    put_hex(hex, (const uint8_t *)output, MIN(strlen(output), GDB_PACKET_MAX / 2 - 16));
    gdb_reply(s, hex->len ? hex->str : "OK");
}

static void cmd_query(GdbStub *s, CpuState *cpu, const char *q)
{
    g_autofree char *text = NULL;

    if (g_str_has_prefix(q, "Supported")) {
        text = g_strdup_printf("PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;"
                               "vContSupported+",
                               GDB_PACKET_MAX / 2);
        gdb_reply(s, text);
    } else if (g_str_has_prefix(q, "Xfer:features:read:")) {
        cmd_read_features(s, cpu, q + strlen("Xfer:features:read:"));
    } else if (!strcmp(q, "fThreadInfo") || !strcmp(q, "sThreadInfo")) {
        cmd_thread_list(s, *q == 'f');
    } else if (g_str_has_prefix(q, "ThreadExtraInfo,")) {
        cmd_thread_info(s, q + strlen("ThreadExtraInfo,"));
    } else if (!strcmp(q, "C")) {
        text = g_strdup_printf("QC%02x", s->g_cpu + 1);
        gdb_reply(s, text);
    } else if (g_str_has_prefix(q, "Attached")) {
        gdb_reply(s, "1");
    } else if (g_str_has_prefix(q, "Rcmd,")) {
        cmd_monitor(s, q + strlen("Rcmd,"));
    } else {
        gdb_reply(s, "");
    }
}

/* --- Running --- */

/* "c", "s" with an optional address. */
static void cmd_run(GdbStub *s, const char *args, bool step)
{
    uint64_t pc;

    if (runstate_needs_reset(s->m)) {
        gdb_reply(s, "E22");
        return;
    }
    if (get_number(&args, '\0', &pc)) {
        CpuState *cpu = gdb_cpu(s, s->c_cpu);

        cpu->ops->set_pc(cpu, pc);
    }
    gdb_cpu(s, s->c_cpu)->singlestep = step;
    gdb_resume(s);
}

/* What vCont wants of vCPU @index: the first action for it, or for any; 0: it stays where it is. */
static char vcont_action(const char *args, unsigned index)
{
    for (; *args == ';'; args += strcspn(args, ";")) {
        char action = *++args;
        const char *colon = args + strcspn(args, ":;");
        gint64 thread = *colon == ':' ? g_ascii_strtoll(colon + 1, NULL, 16) : -1;

        if (thread <= 0 || thread == (gint64)index + 1) {
            return action;
        }
    }
    return 0;
}

static bool vcont_valid(const char *args)
{
    bool valid = *args == ';';

    for (; *args == ';'; args += strcspn(args, ";")) {
        args++;
        valid &= *args && strchr("csCS", *args);
    }
    return valid && !*args;
}

/* ";ACTION[:THREAD]...": threads that no action is for stay stopped. */
static void cmd_vcont(GdbStub *s, const char *args)
{
    unsigned n = s->m->cpus->len, held = 0;

    if (!vcont_valid(args) || runstate_needs_reset(s->m)) {
        gdb_reply(s, "E22");
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        held += !vcont_action(args, i);
    }
    if (held == n) {
        gdb_reply(s, "E22");
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        CpuState *cpu = gdb_cpu(s, i);
        char action = vcont_action(args, i);

        cpu->held = !action;
        cpu->singlestep = action == 's' || action == 'S';
    }
    gdb_resume(s);
}

/* "g5", "c-1": 0 and -1 mean any. */
static void cmd_set_thread(GdbStub *s, const char *args)
{
    gint64 n = g_ascii_strtoll(args + (*args != '\0'), NULL, 16);
    unsigned index = n <= 0 ? 0 : (unsigned)n - 1;

    if (!gdb_cpu(s, index) || (*args != 'g' && *args != 'c')) {
        gdb_reply(s, "E22");
        return;
    }
    if (*args == 'g') {
        s->g_cpu = index;
    } else {
        s->c_cpu = n <= 0 ? s->g_cpu : index;
    }
    gdb_reply(s, "OK");
}

static void cmd_detach(GdbStub *s)
{
    gdb_remove_all_breakpoints(s);
    gdb_reply(s, "OK");
    s->waiting = false;
    vm_start(s->m);
}

static void cmd_v(GdbStub *s, const char *packet)
{
    if (!strcmp(packet, "vCont?")) {
        gdb_reply(s, "vCont;c;C;s;S");
    } else if (g_str_has_prefix(packet, "vCont")) {
        cmd_vcont(s, packet + strlen("vCont"));
    } else if (g_str_has_prefix(packet, "vKill")) {
        gdb_reply(s, "OK");
        machine_request_shutdown(s->m, SHUTDOWN_HOST_SIGNAL, 0);
    } else {
        gdb_reply(s, "");
    }
}

static void cmd_thread_alive(GdbStub *s, const char *args)
{
    uint64_t n;

    gdb_reply(s, get_number(&args, '\0', &n) && gdb_cpu(s, (unsigned)n - 1) ? "OK" : "E22");
}

void gdb_command(GdbStub *s, const char *packet, size_t len)
{
    CpuState *cpu = gdb_cpu(s, s->g_cpu);
    const char *args = packet + (*packet != '\0');

    if (!cpu || !cpu->ops->gdb) {
        gdb_reply(s, "E01"); /* a machine without CPUs */
        return;
    }
    switch (*packet) {
    case '?': gdb_reply_stop(s, 5); break;
    case 'c': cmd_run(s, args, false); break;
    case 's': cmd_run(s, args, true); break;
    case 'D': cmd_detach(s); break;
    case 'g': cmd_read_all(s, cpu); break;
    case 'G': cmd_write_all(s, cpu, args); break;
    case 'p': cmd_read_reg(s, cpu, args); break;
    case 'P': cmd_write_reg(s, cpu, args); break;
    case 'm': cmd_read_memory(s, cpu, args); break;
    case 'M': cmd_write_memory(s, cpu, args, packet + len, false); break;
    case 'X': cmd_write_memory(s, cpu, args, packet + len, true); break;
    case 'Z': cmd_breakpoint(s, args, true); break;
    case 'z': cmd_breakpoint(s, args, false); break;
    case 'H': cmd_set_thread(s, args); break;
    case 'T': cmd_thread_alive(s, args); break;
    case 'k': machine_request_shutdown(s->m, SHUTDOWN_HOST_SIGNAL, 0); break;
    case 'v': cmd_v(s, packet); break;
    case 'q': cmd_query(s, cpu, args); break;
    case 'Q':
        if (!strcmp(packet, "QStartNoAckMode")) {
            gdb_reply(s, "OK");
            s->no_ack = true;
        } else {
            gdb_reply(s, "");
        }
        break;
    default: gdb_reply(s, ""); break;
    }
}
