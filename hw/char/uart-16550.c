/* SPDX-License-Identifier: MIT */
/*
 * 16550A UART, whatever it is attached to (uart-int.h).  Spec: National Semiconductor PC16550D, June 1995.
 * Models FIFOs, trigger levels, character timeout, loopback, break, modem control outputs looped to
 * inputs.  Not modelled: bit timing (characters move at once), parity and framing errors.
 * Time base of the receive timeout is the virtual clock.
 * Threading: every callback runs under the machine lock.
 */
#include "rhea/osdep.h"

#include "uart-int.h"
#include "rhea/log.h"
#include "snapshot/snapshot.h"

enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR, UART_NREGS };

enum { IER_RDA = 1, IER_THRE = 2, IER_RLS = 4, IER_MS = 8, IER_MASK = 0x0f };
enum {
    IIR_NONE = 0x01,
    IIR_MS = 0x00,
    IIR_THRE = 0x02,
    IIR_RDA = 0x04,
    IIR_RLS = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFO = 0xc0
};
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4, FCR_TRIGGER_SHIFT = 6 };
enum { LCR_BREAK = 0x40, LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 0x10, MCR_MASK = 0x1f };
enum { LSR_DR = 1, LSR_OE = 2, LSR_BI = 0x10, LSR_THRE = 0x20, LSR_TEMT = 0x40 };
enum {
    MSR_DELTA = 0x0f,
    MSR_TERI = 0x04,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80
};

/* --- FIFOs --- */

static unsigned fifo_depth(const Uart *s)
{
    return s->fcr & FCR_ENABLE ? UART_FIFO : 1;
}

static void fifo_push(Fifo *f, uint8_t c)
{
    f->data[(f->head + f->count++) % UART_FIFO] = c;
}

static uint8_t fifo_pop(Fifo *f)
{
    uint8_t c = f->data[f->head];

    f->head = (f->head + 1) % UART_FIFO;
    f->count--;
    return c;
}

static unsigned rx_trigger(const Uart *s)
{
    static const uint8_t level[4] = {1, 4, 8, 14};

    return s->fcr & FCR_ENABLE ? level[s->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* --- Derived state --- */

/* The interrupt of the highest priority (section 8.5, table IV). */
static uint8_t uart_iir(const Uart *s)
{
    if ((s->ier & IER_RLS) && (s->lsr & (LSR_OE | LSR_BI))) {
        return IIR_RLS;
    }
    if ((s->ier & IER_RDA) && s->rx.count >= rx_trigger(s)) {
        return IIR_RDA;
    }
    if ((s->ier & IER_RDA) && s->timeout_pending) {
        return IIR_TIMEOUT;
    }
    if ((s->ier & IER_THRE) && s->thre_pending) {
        return IIR_THRE;
    }
    if ((s->ier & IER_MS) && (s->msr & MSR_DELTA)) {
        return IIR_MS;
    }
    return IIR_NONE;
}

static void uart_update_irq(Uart *s)
{
    irq_set(&s->irq, uart_iir(s) != IIR_NONE);
}

static uint8_t uart_lsr(const Uart *s)
{
    uint8_t lsr = s->lsr & (LSR_OE | LSR_BI);

    return lsr | (s->rx.count ? LSR_DR : 0) | (s->tx.count ? 0 : LSR_THRE | LSR_TEMT);
}

/* Modem inputs: in loopback they follow the outputs (8.4), else a peer that is always ready. */
static void uart_update_modem(Uart *s)
{
    uint8_t in = MSR_CTS | MSR_DSR | MSR_DCD;
    uint8_t changed;

    if (s->mcr & MCR_LOOP) {
        in = (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
             (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
    }
    changed = (s->msr ^ in) >> 4;
    if ((changed & MSR_TERI) && (in & MSR_RI)) {
        changed &= ~MSR_TERI; /* TERI is the trailing edge only */
    }
    s->msr = in | ((s->msr | changed) & MSR_DELTA);
    uart_update_irq(s);
}

/* --- Receiving --- */

/* Four characters of ten bits at the programmed speed, at least 100 us so that nobody spins. */
static int64_t uart_timeout_ns(const Uart *s)
{
    uint64_t ns = 40ULL * 16 * MAX(s->divisor, 1) * NS_PER_S / (16ULL * s->baudbase);

    return MAX(ns, 100 * NS_PER_US);
}

static void uart_rearm_timeout(Uart *s)
{
    bool wait = (s->fcr & FCR_ENABLE) && s->rx.count && s->rx.count < rx_trigger(s);

    s->timeout_pending = false;
    clock_timer_arm(&s->rx_timeout,
                    wait ? clock_now_ns(s->rx_timeout.clock) + uart_timeout_ns(s) : CLOCK_NEVER);
}

static void uart_timeout(void *opaque)
{
    Uart *s = opaque;

    s->timeout_pending = s->rx.count > 0;
    uart_update_irq(s);
}

static void uart_rx_byte(Uart *s, uint8_t c)
{
    if (s->rx.count >= fifo_depth(s)) {
        s->lsr |= LSR_OE;
        return;
    }
    fifo_push(&s->rx, c);
}

static size_t uart_can_receive(void *opaque)
{
    Uart *s = opaque;

    if (s->mcr & MCR_LOOP) {
        return 0;
    }
    return fifo_depth(s) - MIN(s->rx.count, fifo_depth(s));
}

static void uart_receive(void *opaque, const uint8_t *buf, size_t len)
{
    Uart *s = opaque;

    for (size_t i = 0; i < len; i++) {
        uart_rx_byte(s, buf[i]);
    }
    uart_rearm_timeout(s);
    uart_update_irq(s);
}

static void uart_event(void *opaque, CharEvent ev)
{
    Uart *s = opaque;

    if (ev == CHAR_BREAK) {
        uart_rx_byte(s, 0);
        s->lsr |= LSR_BI;
        uart_update_irq(s);
    }
}

/* --- Sending --- */

/* Moves what the backend takes; THRE rises when the FIFO has run empty. */
static void uart_transmit(void *opaque)
{
    Uart *s = opaque;

    while (s->tx.count) {
        if (!chr_write(&s->chr, &s->tx.data[s->tx.head], 1)) {
            return;
        }
        fifo_pop(&s->tx);
    }
    s->thre_pending = true;
    uart_update_irq(s);
}

/*
 * Firmware with its console on the line begins with resetting the terminal, which is the user's.  What
 * may become such a sequence is held back; true: @c is held, or has completed one and is dropped.
 */
static bool uart_hold_reset(Uart *s, uint8_t c)
{
    static const char *const resets[] = {"\033c", "\033[?7l", "\033[2J"};

    if (!s->firmware_console || s->driver_seen) {
        return false;
    }
    s->held[s->nheld++] = c;
    for (size_t i = 0; i < ARRAY_SIZE(resets); i++) {
        if (s->nheld <= strlen(resets[i]) && !memcmp(resets[i], s->held, s->nheld)) {
            s->nheld = resets[i][s->nheld] ? s->nheld : 0;
            return true;
        }
    }
    s->nheld--;
    for (uint32_t i = 0; i < s->nheld; i++) { /* it was something else */
        fifo_push(&s->tx, s->held[i]);
    }
    s->nheld = 0;
    return false;
}

static void uart_write_thr(Uart *s, uint8_t c)
{
    s->thre_pending = false;
    if (!(s->mcr & MCR_LOOP) && s->tx.count < fifo_depth(s) && uart_hold_reset(s, c)) {
        s->thre_pending = true;
    } else if (s->mcr & MCR_LOOP) {
        uart_receive(s, &c, 1);
        s->thre_pending = true;
    } else if (s->tx.count < UART_FIFO - 1) {
        fifo_push(&s->tx, c);
        uart_transmit(s);
    }
    uart_update_irq(s);
}

/* --- Registers --- */

static uint8_t uart_read_rbr(Uart *s)
{
    uint8_t c = s->rx.count ? fifo_pop(&s->rx) : 0;

    uart_rearm_timeout(s);
    uart_update_irq(s);
    chr_accept_input(&s->chr);
    return c;
}

static uint8_t uart_read_iir(Uart *s)
{
    uint8_t iir = uart_iir(s);

    if (iir == IIR_THRE) {
        s->thre_pending = false;
        uart_update_irq(s);
    }
    return iir | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static uint8_t uart_read_lsr(Uart *s)
{
    uint8_t lsr = uart_lsr(s);

    s->lsr &= ~(LSR_OE | LSR_BI);
    uart_update_irq(s);
    return lsr;
}

static uint8_t uart_read_msr(Uart *s)
{
    uint8_t msr = s->msr;

    s->msr &= ~MSR_DELTA;
    uart_update_irq(s);
    return msr;
}

static void uart_write_fcr(Uart *s, uint8_t v)
{
    bool toggled = (v ^ s->fcr) & FCR_ENABLE;

    if ((v & FCR_CLEAR_RX) || toggled) {
        s->rx.count = 0;
    }
    if ((v & FCR_CLEAR_TX) || toggled) {
        s->tx.count = 0;
        s->thre_pending = true;
    }
    s->fcr = v & FCR_ENABLE ? v & 0xc9 : 0;
    uart_rearm_timeout(s);
    uart_update_irq(s);
    chr_accept_input(&s->chr);
}

static void uart_write_ier(Uart *s, uint8_t v)
{
    bool thre_on = v & ~s->ier & IER_THRE;

    s->ier = v & IER_MASK;
    s->driver_seen |= s->ier != 0;
    if (thre_on && !s->tx.count) {
        s->thre_pending = true; /* enabling it with an empty THR interrupts at once */
    }
    uart_update_irq(s);
}

static void uart_write_lcr(Uart *s, uint8_t v)
{
    if (v & ~s->lcr & LCR_BREAK) {
        chr_send_break(&s->chr);
    }
    s->lcr = v;
}

static uint64_t uart_read(void *opaque, uint64_t offset, unsigned size)
{
    Uart *s = opaque;

    switch (offset >> s->regshift) {
    case RBR_THR: return s->lcr & LCR_DLAB ? s->divisor & 0xff : uart_read_rbr(s);
    case IER: return s->lcr & LCR_DLAB ? s->divisor >> 8 : s->ier;
    case IIR_FCR: return uart_read_iir(s);
    case LCR: return s->lcr;
    case MCR: return s->mcr;
    case LSR: return uart_read_lsr(s);
    case MSR: return uart_read_msr(s);
    case SCR: return s->scr;
    default: return 0;
    }
}

static void uart_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Uart *s = opaque;
    uint8_t v = value;

    switch (offset >> s->regshift) {
    case RBR_THR:
        if (s->lcr & LCR_DLAB) {
            s->divisor = (s->divisor & 0xff00) | v;
        } else {
            uart_write_thr(s, v);
        }
        break;
    case IER:
        if (s->lcr & LCR_DLAB) {
            s->divisor = (s->divisor & 0x00ff) | v << 8;
        } else {
            uart_write_ier(s, v);
        }
        break;
    case IIR_FCR: uart_write_fcr(s, v); break;
    case LCR: uart_write_lcr(s, v); break;
    case MCR:
        s->mcr = v & MCR_MASK;
        uart_update_modem(s);
        chr_accept_input(&s->chr);
        break;
    case SCR: s->scr = v; break;
    default:
        log_guest("uart: write of 0x%02x to read-only register %u", v,
                  (unsigned)(offset >> s->regshift));
    }
}

static const MemOps uart_mem_ops = {
    .read = uart_read,
    .write = uart_write,
    .impl_min = 1,
    .impl_max = 1,
    .unaligned = true,
};

/* --- Life --- */

void uart_reset(Uart *s)
{
    memset(&s->rx, 0, sizeof(s->rx));
    memset(&s->tx, 0, sizeof(s->tx));
    s->ier = s->fcr = s->lcr = s->mcr = s->lsr = s->scr = 0;
    s->msr = MSR_CTS | MSR_DSR | MSR_DCD;
    s->divisor = 12; /* 9600 baud on a PC's clock; undefined in the data sheet */
    s->thre_pending = s->timeout_pending = s->driver_seen = false;
    s->nheld = 0;
    clock_timer_disarm(&s->rx_timeout);
    uart_update_irq(s);
    chr_accept_input(&s->chr);
}

static const CharHandlers uart_chr_handlers = {
    .can_receive = uart_can_receive,
    .receive = uart_receive,
    .event = uart_event,
    .can_write = uart_transmit,
};

bool uart_realize(Uart *s, Device *dev, Error **errp)
{
    if (s->regshift > 3) {
        return error_fail(errp, "%s: property 'regshift' must be 0 to 3", dev->obj.type->name);
    }
    if (!s->baudbase) {
        return error_fail(errp, "%s: property 'baudbase' must be at least 1", dev->obj.type->name);
    }
    if (s->chardev && !chr_attach(&s->chr, s->chardev, errp)) {
        return false;
    }
    irq_line_init(&s->irq, dev, "irq");
    clock_timer_init(&s->rx_timeout, device_clock(dev), uart_timeout, s);
    mem_init_io(&s->regs, &dev->obj, &uart_mem_ops, s, "serial",
                (uint64_t)UART_NREGS << s->regshift);
    chr_set_handlers(&s->chr, &uart_chr_handlers, s);
    return true;
}

void uart_unrealize(Uart *s)
{
    chr_detach(&s->chr);
    clock_timer_disarm(&s->rx_timeout);
}

static void snap_fifo(Snapshot *sn, Fifo *f)
{
    snap_bytes(sn, f->data, sizeof(f->data));
    snap_u32_max(sn, &f->head, UART_FIFO - 1);
    snap_u32_max(sn, &f->count, UART_FIFO);
}

void uart_snapshot(Uart *s, Snapshot *sn)
{
    snap_section(sn, "16550", 1);
    snap_fifo(sn, &s->rx);
    snap_fifo(sn, &s->tx);
    snap_fields(sn, &s->ier, &s->fcr, &s->lcr, &s->mcr, &s->lsr, &s->msr, &s->scr);
    snap_fields(sn, &s->divisor, &s->thre_pending, &s->timeout_pending);
    snap_bool(sn, &s->driver_seen);
    snap_bytes(sn, s->held, sizeof(s->held));
    snap_u32_max(sn, &s->nheld, UART_HELD - 2);
    snap_timer(sn, &s->rx_timeout);
}

void uart_after_load(Uart *s)
{
    uart_update_irq(s);
    if (s->tx.count) {
        uart_transmit(s);
    }
}
