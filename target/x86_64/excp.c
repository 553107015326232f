/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and interrupts: raising, double and triple faults, delivery through the vector table of
 * real mode and the gates of protected and long mode, what is taken when (SDM vol. 3, chapter 6).
 *
 * An event that faults under delivery leaves through the loop and comes back as the next exception;
 * X86Env.delivering remembers what was under way.
 */
#include "rhea/osdep.h"

#include "hw/machine.h"
#include "rhea/log.h"
#include "seg.h"

/* --- Raising --- */

void x86_raise_event(X86Env *env, unsigned vector, uint32_t error_code, X86EventKind kind)
{
    env->error_code = error_code;
    env->exception_kind = kind;
    env->insn_len = 0;
    cpu_raise(env->tcg.cpu, vector);
}

void x86_raise(X86Env *env, unsigned vector, uint32_t error_code)
{
    x86_raise_event(env, vector, error_code, X86_EVENT_FAULT);
}

void x86_leave_at(X86Env *env, GuestVA pc)
{
    env->tcg.pc = pc;
    env->tcg.host_ra = 0; /* pc is right as it is */
    cpu_leave(env->tcg.cpu);
}

static bool has_error_code(unsigned vector)
{
    const uint32_t with = 1 << X86_EXC_DF | 1 << X86_EXC_TS | 1 << X86_EXC_NP | 1 << X86_EXC_SS |
                          1 << X86_EXC_GP | 1 << X86_EXC_PF | 1 << X86_EXC_AC;

    return vector < 32 && with >> vector & 1;
}

static bool is_contributory(int vector)
{
    const uint32_t set =
        1 << X86_EXC_DE | 1 << X86_EXC_TS | 1 << X86_EXC_NP | 1 << X86_EXC_SS | 1 << X86_EXC_GP;

    return vector >= 0 && vector < 32 && set >> vector & 1;
}

/* --- Gates --- */

/* One event on its way: where it comes from and what its gate says. */
typedef struct Event {
    unsigned vector;
    X86EventKind kind;
    bool has_error;
    uint32_t error;
    uint64_t ip; /* to return to */
    uint32_t flags;
    /* of the gate */
    unsigned type, ist;
    uint32_t sel;
    uint64_t target;
} Event;

/* INT n, INT3, INTO: the gate's DPL counts; INT1 (ICEBP) is none of these. */
static bool is_software(const Event *e)
{
    return e->kind <= X86_INT_INTO;
}

static uint32_t gate_error(const X86Env *env, const Event *e)
{
    return e->vector * 8 + 2 + env->ext;
}

static void read_gate(X86Env *env, Event *e)
{
    bool wide = x86_long_mode(env);
    unsigned bytes = wide ? 16 : 8, dpl;
    GuestVA at = env->idt.base + e->vector * bytes;
    uint64_t low;

    if (e->vector * bytes + bytes - 1 > env->idt.limit) {
        x86_raise_gp(env, gate_error(env, e));
    }
    low = x86_sys_load(env, at, 8);
    e->type = low >> 40 & 0x1f;
    e->sel = low >> 16 & 0xffff;
    e->target = (low & 0xffff) | low >> 48 << 16;
    if (wide) {
        e->target |= x86_sys_load(env, at + 8, 8) << 32;
        e->ist = low >> 32 & 7;
    } else if (e->type == X86_DESC_INT16 || e->type == X86_DESC_TRAP16) {
        e->target &= 0xffff;
    }
    dpl = low >> 45 & 3;
    if (wide ? e->type != X86_DESC_INT && e->type != X86_DESC_TRAP
             : e->type != X86_DESC_INT && e->type != X86_DESC_TRAP && e->type != X86_DESC_INT16 &&
                   e->type != X86_DESC_TRAP16 && e->type != X86_DESC_TASK_GATE) {
        x86_raise_gp(env, gate_error(env, e));
    }
    if (is_software(e) && dpl < env->cpl) {
        x86_raise_gp(env, gate_error(env, e));
    }
    if (!(low >> 47 & 1)) {
        x86_raise(env, X86_EXC_NP, gate_error(env, e));
    }
}

/* The handler's code segment and, in *cpl, its level. */
static X86Seg gate_code(X86Env *env, const Event *e, unsigned *cpl)
{
    X86Desc d;
    X86Seg cs;

    x86_desc_need(env, e->sel, X86_EXC_GP, &d);
    if (!x86_desc_is_code(&d) || x86_desc_dpl(&d) > env->cpl ||
        (x86_long_mode(env) && (!x86_desc_64(&d) || d.hi >> 22 & 1))) {
        x86_raise_gp(env, x86_sel_error(env, e->sel));
    }
    if (!x86_desc_present(&d)) {
        x86_raise(env, X86_EXC_NP, x86_sel_error(env, e->sel));
    }
    *cpl = x86_desc_conforming(&d) ? env->cpl : x86_desc_dpl(&d);
    if (env->eflags & X86_VM && *cpl != 0) {
        x86_raise_gp(env, x86_sel_error(env, e->sel));
    }
    x86_desc_accessed(env, &d);
    cs = x86_desc_seg(&d, e->sel);
    x86_check_ip(env, &cs, e->target);
    return cs;
}

static void handler_flags(X86Env *env, const Event *e)
{
    bool interrupt_gate = e->type == X86_DESC_INT || e->type == X86_DESC_INT16;

    env->eflags &= ~(X86_TF | X86_NT | X86_RF | X86_VM | (interrupt_gate ? X86_IF : 0));
}

static void deliver_long(X86Env *env, Event *e)
{
    unsigned cpl;
    X86Seg cs = gate_code(env, e, &cpl), null_ss;
    uint32_t old_ss = env->seg[X86_SS].sel, ss = old_ss;
    uint64_t old_rsp = env->regs[X86_RSP], rsp = old_rsp;
    X86Stack s;

    if (e->ist) {
        rsp = x86_tss_ist(env, e->ist);
    } else if (cpl != env->cpl) {
        x86_tss_stack(env, cpl, &ss, &rsp);
    }
    null_ss = (X86Seg){.sel = cpl, .attr = cpl << X86_ATTR_DPL_SHIFT};
    s = x86_stack_new(env, &env->seg[X86_SS], rsp & ~15ULL, cpl);
    s.long_mode = true;
    s.mask = ~0ULL;
    x86_push(&s, old_ss, 8);
    x86_push(&s, old_rsp, 8);
    x86_push(&s, e->flags, 8);
    x86_push(&s, env->seg[X86_CS].sel, 8);
    x86_push(&s, e->ip, 8);
    if (e->has_error) {
        x86_push(&s, e->error, 8);
    }
    if (cpl != env->cpl) {
        env->seg[X86_SS] = null_ss;
    }
    x86_set_cs(env, cs, cpl);
    x86_stack_commit(&s);
    env->tcg.pc = e->target;
    handler_flags(env, e);
}

/* The segment registers of a virtual-8086 task go onto the stack and are emptied. */
static void push_v86_segments(X86Env *env, X86Stack *s, unsigned size)
{
    x86_push(s, env->seg[X86_GS].sel, size);
    x86_push(s, env->seg[X86_FS].sel, size);
    x86_push(s, env->seg[X86_DS].sel, size);
    x86_push(s, env->seg[X86_ES].sel, size);
}

static void push_frame(X86Env *env, X86Stack *s, const Event *e, unsigned size)
{
    x86_push(s, e->flags, size);
    x86_push(s, env->seg[X86_CS].sel, size);
    x86_push(s, e->ip, size);
    if (e->has_error) {
        x86_push(s, e->error, size);
    }
}

static void deliver_protected(X86Env *env, Event *e)
{
    unsigned size = e->type & 8 ? 4 : 2, cpl;
    bool v86 = env->eflags & X86_VM;
    X86Seg cs = gate_code(env, e, &cpl), ss = env->seg[X86_SS];
    X86Stack s;

    if (cpl != env->cpl) {
        uint32_t ss_sel;
        uint64_t sp;

        x86_tss_stack(env, cpl, &ss_sel, &sp);
        ss = x86_check_ss(env, ss_sel, cpl, X86_EXC_TS);
        s = x86_stack_new(env, &ss, sp, cpl);
        s.error = x86_sel_error(env, ss_sel);
        if (v86) {
            push_v86_segments(env, &s, size);
        }
        x86_push(&s, env->seg[X86_SS].sel, size);
        x86_push(&s, env->regs[X86_RSP], size);
    } else {
        s = x86_stack(env);
    }
    push_frame(env, &s, e, size);
    if (v86) {
        env->seg[X86_ES] = env->seg[X86_DS] = env->seg[X86_FS] = env->seg[X86_GS] = (X86Seg){0};
    }
    env->seg[X86_SS] = ss;
    x86_set_cs(env, cs, cpl);
    x86_stack_commit(&s);
    handler_flags(env, e);
    env->tcg.pc = x86_linear_ip(env, e->target);
}

static void deliver_task(X86Env *env, Event *e)
{
    X86Desc d;

    if (e->sel & 4) {
        x86_raise_gp(env, x86_sel_error(env, e->sel));
    }
    x86_desc_need(env, e->sel, X86_EXC_GP, &d);
    if (x86_desc_is_memory(&d) ||
        (x86_desc_type(&d) != X86_DESC_TSS && x86_desc_type(&d) != X86_DESC_TSS16)) {
        x86_raise_gp(env, x86_sel_error(env, e->sel));
    }
    if (!x86_desc_present(&d)) {
        x86_raise(env, X86_EXC_NP, x86_sel_error(env, e->sel));
    }
    x86_task_switch(env, e->sel, &d, X86_TASK_EVENT, e->ip);
    if (e->has_error) {
        X86Stack s = x86_stack(env);

        x86_push(&s, e->error, env->tr.attr & 8 ? 4 : 2);
        x86_stack_commit(&s);
    }
}

/* Through the vector table, as in real mode; also what CR4.VME redirects in virtual-8086 mode. */
static void deliver_real(X86Env *env, Event *e)
{
    X86Stack s;
    uint32_t vector;

    if (e->vector * 4 + 3 > env->idt.limit) {
        x86_raise_gp(env, gate_error(env, e));
    }
    vector = x86_sys_load(env, env->idt.base + e->vector * 4, 4);
    s = x86_stack(env);
    x86_push(&s, e->flags, 2);
    x86_push(&s, env->seg[X86_CS].sel, 2);
    x86_push(&s, e->ip, 2);
    x86_stack_commit(&s);
    env->seg[X86_CS] = x86_real_seg(env, X86_CS, vector >> 16);
    env->eflags &= ~(X86_IF | X86_TF | X86_AC | X86_RF);
    env->tcg.pc = x86_linear_ip(env, vector & 0xffff);
}

/* --- Delivery --- */

static void log_event(const X86Env *env, const Event *e)
{
    static const char kinds[][6] = {"int", "int3", "into", "int1", "fault", "trap", "ext"};

    log_printf("int CPU %u: %s %02x error %x cpl %u ip %04x:%016" PRIx64 " sp %04x:%016" PRIx64
               " cr2 %" PRIx64 " rax %" PRIx64 "\n",
               env->tcg.cpu->index, kinds[e->kind], e->vector, e->error, env->cpl,
               env->seg[X86_CS].sel, e->ip, env->seg[X86_SS].sel, env->regs[X86_RSP], env->cr2,
               env->regs[X86_RAX]);
}

/* The return address: a software interrupt's next instruction. */
static uint64_t return_ip(const X86Env *env, X86EventKind kind)
{
    uint64_t ip = x86_ip(env) + (kind < X86_EVENT_FAULT ? env->insn_len : 0);

    return env->seg[X86_CS].attr & (X86_ATTR_DB | X86_ATTR_L) ? ip : ip & 0xffff;
}

/* pc is where the event happened, behind the instruction for a trap. */
static void deliver_event(X86Env *env, unsigned vector, X86EventKind kind, uint32_t error)
{
    Event e = {
        .vector = vector,
        .kind = kind,
        .has_error = kind == X86_EVENT_FAULT && has_error_code(vector),
        .error = error,
        .ip = return_ip(env, kind),
        .flags = x86_eflags(env),
    };

    /* An interrupt is benign whatever its vector is, as #BP is (SDM vol. 3, table 6-4). */
    env->delivering = kind == X86_EVENT_FAULT ? (int16_t)vector : X86_EXC_BP;
    env->ext = !is_software(&e);
    env->inhibit_irq = X86_SHADOW_NONE;
    env->in_hlt = false;
    if (kind == X86_EVENT_FAULT && vector != X86_EXC_DB) {
        e.flags |= X86_RF;
    }
    if (log_enabled(LOG_INT)) {
        log_event(env, &e);
    }
    if (!(env->cr0 & X86_CR0_PE)) {
        deliver_real(env, &e);
    } else {
        read_gate(env, &e);
        if (x86_long_mode(env)) {
            deliver_long(env, &e);
        } else if (e.type == X86_DESC_TASK_GATE) {
            deliver_task(env, &e);
        } else {
            deliver_protected(env, &e);
        }
    }
    env->delivering = X86_NOT_DELIVERING;
    cpu_context_changed(env->tcg.cpu);
}

/* Nothing but a reset helps: the board's reset line is pulled. */
static void triple_fault(X86Env *env)
{
    CpuState *cpu = env->tcg.cpu;

    env->delivering = X86_NOT_DELIVERING;
    log_guest("CPU %u: triple fault at %016" PRIx64 "\n", cpu->index, env->tcg.pc);
    if (log_enabled(LOG_RESET | LOG_INT)) {
        GString *regs = g_string_new(NULL);

        cpu->ops->dump(cpu, regs);
        log_printf("CPU %u: triple fault\n%s", cpu->index, regs->str);
        g_string_free(regs, true);
    }
    __atomic_store_n(&cpu->halted, true, __ATOMIC_SEQ_CST);
    env->shutdown = true;
    machine_request_reset(cpu->dev.machine, SHUTDOWN_GUEST_RESET);
}

void x86_shutdown(X86Env *env)
{
    triple_fault(env);
    cpu_leave(env->tcg.cpu);
}

/* The exception that comes of @vector while another event was under delivery; -1: shutdown. */
static int combine(const X86Env *env, int vector)
{
    int first = env->delivering;
    bool second_bad = is_contributory(vector) || vector == X86_EXC_PF;

    if (first == X86_EXC_DF) {
        return second_bad ? -1 : vector;
    }
    if ((is_contributory(first) && is_contributory(vector)) ||
        (first == X86_EXC_PF && second_bad)) {
        return X86_EXC_DF;
    }
    return vector;
}

void x86_deliver(CpuState *cpu)
{
    X86Env *env = x86_env(cpu);
    int vector = cpu->exception;
    X86EventKind kind = env->exception_kind;

    cpu->exception = -1;
    if (vector == X86_EXC_PF) {
        env->cr2 = env->fault_address;
    }
    if (vector == X86_EXC_DB && kind >= X86_EVENT_FAULT) {
        env->dr[6] = (env->dr[6] & ~0xfULL) | env->dr6_pending;
        env->dr[7] &= ~(uint64_t)X86_DR7_GD;
    }
    if (env->delivering != X86_NOT_DELIVERING && kind == X86_EVENT_FAULT) {
        vector = combine(env, vector);
        if (vector < 0) {
            triple_fault(env);
            return;
        }
        env->error_code = vector == X86_EXC_DF ? 0 : env->error_code;
    }
    deliver_event(env, vector, kind, env->error_code);
}

/* --- Interrupts --- */

static uint32_t pending_bits(CpuState *cpu)
{
    return __atomic_load_n(&cpu->interrupt_pending, __ATOMIC_ACQUIRE);
}

/* INTR would be taken: IF, and in the virtual modes what stands for it. */
static bool irq_enabled(const X86Env *env)
{
    return env->eflags & X86_IF && !env->inhibit_irq;
}

static bool take_irq(X86Env *env)
{
    CpuState *cpu = env->tcg.cpu;
    X86Cpu *x = x86_cpu(cpu);
    int vector = -1;

    if (x->apic) {
        machine_lock();
        vector = x->apic->ack(x->apic_opaque);
        machine_unlock();
    }
    if (vector < 0) {
        return false;
    }
    deliver_event(env, vector, X86_EVENT_EXTERNAL, 0);
    return true;
}

/* INIT and SIPI; true when the CPU starts or stops because of one. */
static bool take_startup(X86Env *env, uint32_t pending)
{
    CpuState *cpu = env->tcg.cpu;

    if (pending & X86_INT_INIT && !env->smm) {
        cpu_interrupt_clear(cpu, X86_INT_INIT);
        x86_reset_to_init(env);
        return true;
    }
    if (pending & X86_INT_SIPI) {
        cpu_interrupt_clear(cpu, X86_INT_SIPI);
        if (env->wait_sipi) {
            x86_start_sipi(env, x86_cpu(cpu)->sipi_vector);
            return true;
        }
    }
    return false;
}

static void follow_a20(X86Env *env)
{
    CpuState *cpu = env->tcg.cpu;
    uint64_t mask = __atomic_load_n(&x86_cpu(cpu)->a20, __ATOMIC_RELAXED) ? ~0ULL : ~0x100000ULL;

    cpu_interrupt_clear(cpu, X86_INT_A20);
    if (mask != env->a20_mask) {
        env->a20_mask = mask;
        cpu_tlb_flush(cpu, ~0ULL);
    }
}

static bool take_interrupt(X86Env *env, uint32_t pending)
{
    CpuState *cpu = env->tcg.cpu;

    if (pending & (X86_INT_INIT | X86_INT_SIPI) && take_startup(env, pending)) {
        return true;
    }
    if (env->wait_sipi) {
        return false;
    }
    if (pending & X86_INT_SMI && !env->smm) {
        cpu_interrupt_clear(cpu, X86_INT_SMI);
        x86_enter_smm(env);
        return true;
    }
    if (pending & X86_INT_NMI && !env->nmi_blocked && env->inhibit_irq != X86_SHADOW_SS) {
        cpu_interrupt_clear(cpu, X86_INT_NMI);
        env->nmi_blocked = true;
        deliver_event(env, X86_EXC_NMI, X86_EVENT_EXTERNAL, 0);
        return true;
    }
    return pending & X86_INT_HARD && irq_enabled(env) && take_irq(env);
}

bool x86_take_interrupt(CpuState *cpu)
{
    X86Env *env = x86_env(cpu);
    uint32_t pending = pending_bits(cpu);

    if (pending & X86_INT_A20) {
        follow_a20(env);
    }
    if (take_interrupt(env, pending)) {
        return true;
    }
    if (env->in_hlt) { /* what ended HLT has gone again */
        __atomic_store_n(&cpu->halted, true, __ATOMIC_SEQ_CST);
    }
    return false;
}

bool x86_has_work(CpuState *cpu)
{
    const X86Env *env = x86_env(cpu);
    uint32_t pending = pending_bits(cpu);

    if (env->wait_sipi) {
        return pending & (X86_INT_INIT | X86_INT_SIPI);
    }
    if (pending & (X86_INT_INIT | X86_INT_SMI) && !env->smm) { /* they wait for the end of SMM */
        return true;
    }
    if (env->shutdown) {
        return false;
    }
    return (pending & X86_INT_NMI && !env->nmi_blocked) ||
           (pending & X86_INT_HARD && env->eflags & X86_IF);
}
