/* SPDX-License-Identifier: MIT */
/*
 * gdb's remote protocol: packets and run control.  All-stop mode; every vCPU is a thread, numbered from
 * 1.  Spec: GDB manual, appendix "GDB Remote Serial Protocol".
 */
#include "rhea/osdep.h"

#include "softmmu/gdbstub.h"
#include "softmmu/runstate.h"
#include "gdb-int.h"

enum { GDB_SIGNAL_INT = 2, GDB_SIGNAL_TRAP = 5 };

static GdbStub *stub; /* one connection per process */

/* --- Output --- */

static void gdb_send(GdbStub *s)
{
    chr_write_all(&s->fe, s->sent->str, s->sent->len);
}

void gdb_reply(GdbStub *s, const char *text)
{
    uint8_t sum = 0;

    g_string_assign(s->sent, "$");
    for (const char *c = text; *c; c++) {
        if (strchr("$#}*", *c)) {
            g_string_append_c(s->sent, '}');
            sum += '}';
            g_string_append_c(s->sent, (char)(*c ^ 0x20));
            sum += (uint8_t)(*c ^ 0x20);
        } else {
            g_string_append_c(s->sent, *c);
            sum += (uint8_t)*c;
        }
    }
    g_string_append_printf(s->sent, "#%02x", sum);
    gdb_send(s);
}

void gdb_reply_stop(GdbStub *s, int signal)
{
    g_autofree char *text = g_strdup_printf("T%02xthread:%02x;", signal, s->g_cpu + 1);

    gdb_reply(s, text);
}

/* --- Run control --- */

/*
 * What several instructions, or one, have hit is told one at a time: the rest when gdb lets the guest run.
 * gdb takes its watchpoints out while the guest stands still, so the hits are kept beside them.
 */
static void gdb_gather_hits(GdbStub *s)
{
    for (guint i = 0; i < s->m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(s->m->cpus, i);

        for (guint j = 0; cpu->watchpoints && j < cpu->watchpoints->len; j++) {
            CpuWatch *w = &g_array_index(cpu->watchpoints, CpuWatch, j);
            GdbHit hit = {cpu, *w};

            if (w->hit) {
                w->hit = false;
                g_array_append_val(s->hits, hit);
            }
        }
    }
}

/* Whether its watchpoint is still, or again, there. */
static bool gdb_hit_wanted(const GdbHit *hit)
{
    const GArray *all = hit->cpu->watchpoints;

    for (guint i = 0; all && i < all->len; i++) {
        const CpuWatch *w = &g_array_index(all, CpuWatch, i);

        if (w->addr == hit->watch.addr && w->len == hit->watch.len &&
            w->kinds == hit->watch.kinds) {
            return true;
        }
    }
    return false;
}

/* Reports the first hit that is wanted, of @cpu if that is not NULL. */
static bool gdb_report_hit(GdbStub *s, const CpuState *cpu)
{
    for (guint i = 0; i < s->hits->len; i++) {
        GdbHit hit = g_array_index(s->hits, GdbHit, i);
        uint8_t kinds = hit.watch.kinds;
        g_autofree char *text = NULL;

        if ((cpu && hit.cpu != cpu) || !gdb_hit_wanted(&hit)) {
            continue;
        }
        g_array_remove_index(s->hits, i);
        s->g_cpu = s->c_cpu = hit.cpu->index;
        text =
            g_strdup_printf("T%02xthread:%02x;%s:%" PRIx64 ";", GDB_SIGNAL_TRAP, hit.cpu->index + 1,
                            kinds == PROT_W   ? "watch"
                            : kinds == PROT_R ? "rwatch"
                                              : "awatch",
                            hit.watch.hit_at);
        gdb_reply(s, text);
        return true;
    }
    return false;
}

static void gdb_standing_still(GdbStub *s)
{
    s->waiting = false;
    for (guint i = 0; i < s->m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(s->m->cpus, i);

        cpu->singlestep = cpu->held = false;
    }
}

void gdb_resume(GdbStub *s)
{
    bool stepping = false;

    for (guint i = 0; i < s->m->cpus->len; i++) {
        CpuState *cpu = g_ptr_array_index(s->m->cpus, i);

        if (cpu->singlestep) {
            cpu_debug_changed(cpu);
            stepping = true;
        }
    }
    if (!stepping) { /* gdb steps without its watchpoints */
        if (gdb_report_hit(s, NULL)) {
            gdb_standing_still(s);
            return;
        }
        g_array_set_size(s->hits, 0);
    }
    s->waiting = true;
    vm_start(s->m);
}

static void gdb_report_cpu_stop(GdbStub *s)
{
    CpuState *cpu = s->stopped_cpu;

    s->stopped_cpu = NULL;
    if (s->stop_why != CPU_STOP_WATCH || !gdb_report_hit(s, cpu)) {
        s->g_cpu = s->c_cpu = cpu->index;
        gdb_reply_stop(s, GDB_SIGNAL_TRAP);
    }
}

/* The VM has stopped or goes on, for whatever reason. */
static void gdb_run_changed(void *opaque, Machine *m, bool running)
{
    GdbStub *s = opaque;

    if (running || !s->attached || !s->waiting || runstate_is_ending(m)) {
        return; /* the end is told by gdbstub_exit() */
    }
    gdb_standing_still(s);
    gdb_gather_hits(s);
    if (s->stopped_cpu) {
        gdb_report_cpu_stop(s);
    } else {
        gdb_reply_stop(s, GDB_SIGNAL_INT);
    }
}

static void gdb_stop_vm(void *opaque)
{
    GdbStub *s = opaque;

    s->stop_deferred = false;
    vm_stop(s->m, RUN_DEBUG);
}

/* On the vCPU's thread, machine lock held: the main loop stops the others and reports. */
static void gdb_cpu_stopped(void *opaque, CpuState *cpu, CpuStop why)
{
    GdbStub *s = opaque;

    /* Several may stop at once (gdb steps by breakpoints): the one gdb looks at is what it expects. */
    if (!s->stopped_cpu || cpu->index == s->g_cpu) {
        s->stopped_cpu = cpu;
        s->stop_why = why;
    }
    if (!s->stop_deferred) {
        s->stop_deferred = true;
        main_loop_defer(gdb_stop_vm, s);
    }
}

/* --- Input --- */

static void gdb_packet_done(GdbStub *s)
{
    if (s->sum != s->sum_given) {
        if (!s->no_ack) {
            chr_write_all(&s->fe, "-", 1);
        }
        return;
    }
    if (!s->no_ack) {
        chr_write_all(&s->fe, "+", 1);
    }
    gdb_command(s, s->packet->str, s->packet->len);
}

static void gdb_input_idle(GdbStub *s, uint8_t c)
{
    switch (c) {
    case '$':
        g_string_truncate(s->packet, 0);
        s->sum = 0;
        s->rx = GDB_RX_DATA;
        break;
    case '-': gdb_send(s); break;
    case 3: vm_stop(s->m, RUN_PAUSED); break;
    default: break; /* '+' and line noise */
    }
}

static void gdb_input(GdbStub *s, uint8_t c)
{
    switch (s->rx) {
    case GDB_RX_IDLE: gdb_input_idle(s, c); break;
    case GDB_RX_DATA:
    case GDB_RX_ESCAPE:
        if (s->rx == GDB_RX_DATA && c == '#') {
            s->rx = GDB_RX_SUM1;
            break;
        }
        s->sum += c;
        if (s->rx == GDB_RX_DATA && c == '}') {
            s->rx = GDB_RX_ESCAPE;
            break;
        }
        if (s->packet->len >= GDB_PACKET_MAX) {
            s->rx = GDB_RX_IDLE; /* more than we said we take: not gdb */
            break;
        }
        g_string_append_c(s->packet, (char)(s->rx == GDB_RX_ESCAPE ? c ^ 0x20 : c));
        s->rx = GDB_RX_DATA;
        break;
    case GDB_RX_SUM1:
        s->sum_given = (uint8_t)(MAX(g_ascii_xdigit_value((gchar)c), 0) << 4);
        s->rx = GDB_RX_SUM2;
        break;
    case GDB_RX_SUM2:
        s->sum_given |= (uint8_t)MAX(g_ascii_xdigit_value((gchar)c), 0);
        s->rx = GDB_RX_IDLE;
        gdb_packet_done(s);
        break;
    }
}

static size_t gdb_can_receive(void *opaque)
{
    return 4096;
}

static void gdb_receive(void *opaque, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        gdb_input(opaque, buf[i]);
    }
}

static void gdb_event(void *opaque, CharEvent ev)
{
    GdbStub *s = opaque;

    if (ev == CHAR_OPENED) {
        s->attached = true;
        s->no_ack = false;
        s->waiting = false;
        s->rx = GDB_RX_IDLE;
        s->g_cpu = s->c_cpu = 0;
        vm_stop(s->m, vm_is_started(s->m) ? RUN_PAUSED : runstate_get(s->m));
    } else if (ev == CHAR_CLOSED) {
        s->attached = false;
        gdb_remove_all_breakpoints(s);
    }
}

static const CharHandlers gdb_handlers = {
    .can_receive = gdb_can_receive,
    .receive = gdb_receive,
    .event = gdb_event,
};

/* --- Life --- */

static void gdbstub_stop(void)
{
    if (stub) {
        gdb_remove_all_breakpoints(stub);
        if (stub->fe.chr) {
            chr_detach(&stub->fe);
            if (!chr_remove("gdb", NULL)) {
                return; /* it was the user's chardev, which stays */
            }
        }
    }
}

bool gdbstub_start(Machine *m, const char *dev, Error **errp)
{
    g_autofree char *spec = NULL;
    g_autofree char *id = NULL;

    gdbstub_stop();
    if (!strcmp(dev, "none")) {
        return true;
    }
    spec = g_str_has_prefix(dev, "tcp:") && !strstr(dev, "server")
               ? g_strconcat(dev, ",server=on,wait=off,nodelay=on", NULL)
               : g_strdup(dev);
    if (!chr_new_short(spec, "gdb", false, &id, errp)) {
        return false;
    }
    if (!stub) {
        stub = g_new0(GdbStub, 1);
        stub->m = m;
        stub->packet = g_string_new(NULL);
        stub->sent = g_string_new(NULL);
        stub->hits = g_array_new(FALSE, FALSE, sizeof(GdbHit));
        runstate_add_hook(gdb_run_changed, stub);
        cpus_set_stop_hook(m, gdb_cpu_stopped, stub);
    }
    if (!chr_attach(&stub->fe, id, errp)) {
        return false;
    }
    chr_set_handlers(&stub->fe, &gdb_handlers, stub);
    return true;
}

void gdbstub_exit(int status)
{
    if (stub && stub->attached) {
        g_autofree char *text = g_strdup_printf("W%02x", status & 0xff);

        gdb_reply(stub, text);
    }
}
