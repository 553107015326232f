/* SPDX-License-Identifier: MIT */
/* Interrupt lines; see memory/irq.h.  Machine lock. */
#include "rhea/osdep.h"

#include "memory/irq.h"

#include "qom/device.h"
#include "rhea/log.h"

/* Inputs 0..count-1 of one name. */
typedef struct IrqInputs {
    char *name; /* "" for the unnamed ones */
    IrqHandler handler;
    void *opaque;
    int count;
    IrqWatch watch; /* qtest: hears of changes instead of the handler */
    void *watch_opaque;
} IrqInputs;

static void irq_inputs_free(void *opaque)
{
    IrqInputs *in = opaque;

    g_free(in->name);
    g_free(in);
}

/* --- Outputs --- */

void irq_line_init(IrqLine *line, Device *dev, const char *name)
{
    *line = (IrqLine){.name = name, .dev = dev};
    if (!dev->irq_outs) {
        dev->irq_outs = g_ptr_array_new();
    }
    g_ptr_array_add(dev->irq_outs, line);
}

static void irq_tell(IrqLine *line)
{
    if (log_enabled(LOG_IRQ)) {
        log_printf("irq: %s %s = %d\n", line->dev->obj.type->name, line->name, line->level);
    }
    if (line->watch) {
        line->watch(line->watch_opaque, line->name, line->watch_n, line->level);
    } else if (line->sink) {
        line->sink(line->opaque, line->n, line->level);
    }
}

void irq_set(IrqLine *line, bool level)
{
    if (line->level == level) {
        return;
    }
    line->level = level;
    line->raised += level;
    irq_tell(line);
}

void irq_pulse(IrqLine *line)
{
    irq_set(line, false);
    irq_set(line, true);
    irq_set(line, false);
}

/* --- Inputs --- */

void irq_inputs_init(Device *dev, const char *name, IrqHandler handler, void *opaque, int count)
{
    IrqInputs *in = g_new0(IrqInputs, 1);

    in->name = g_strdup(name ? name : "");
    in->handler = handler;
    in->opaque = opaque;
    in->count = count;
    if (!dev->irq_ins) {
        dev->irq_ins = g_ptr_array_new_with_free_func(irq_inputs_free);
    }
    g_ptr_array_add(dev->irq_ins, in);
}

static IrqInputs *irq_find_inputs(Device *dev, const char *name, int n)
{
    for (unsigned i = 0; dev->irq_ins && i < dev->irq_ins->len; i++) {
        IrqInputs *in = dev->irq_ins->pdata[i];

        if (g_str_equal(in->name, name ? name : "") && n >= 0 && n < in->count) {
            return in;
        }
    }
    return NULL;
}

/* Sink of every wire to a device's input. */
static void irq_input(void *opaque, int n, bool level)
{
    IrqInputs *in = opaque;

    if (in->watch) {
        in->watch(in->watch_opaque, in->name, n, level);
    } else {
        in->handler(in->opaque, n, level);
    }
}

bool irq_drive_input(Device *dev, const char *name, int n, bool level)
{
    IrqInputs *in = irq_find_inputs(dev, name, n);

    if (in) {
        in->handler(in->opaque, n, level);
    }
    return in != NULL;
}

/* --- Wiring --- */

void irq_connect_fn(IrqLine *out, IrqHandler handler, void *opaque, int n)
{
    out->sink = handler;
    out->opaque = opaque;
    out->n = n;
    if (out->level) {
        handler(opaque, n, true);
    }
}

void irq_connect(IrqLine *out, Device *dev, const char *name, int n)
{
    IrqInputs *in = irq_find_inputs(dev, name, n);

    g_assert(in); /* boards wire inputs that exist */
    irq_connect_fn(out, irq_input, in, n);
}

IrqLine *irq_find_out(Device *dev, const char *name, int n)
{
    for (unsigned i = 0; dev->irq_outs && i < dev->irq_outs->len; i++) {
        IrqLine *line = dev->irq_outs->pdata[i];

        if ((!name || g_str_equal(line->name, name)) && n-- == 0) {
            return line;
        }
    }
    return NULL;
}

/* --- qtest --- */

static void irq_intercept_outputs(Device *dev, IrqWatch fn, void *opaque)
{
    for (unsigned i = 0; dev->irq_outs && i < dev->irq_outs->len; i++) {
        IrqLine *line = dev->irq_outs->pdata[i];

        line->watch = fn;
        line->watch_opaque = opaque;
        line->watch_n = 0;
        /* Lines of one name are numbered among themselves. */
        for (unsigned j = 0; j < i; j++) {
            IrqLine *other = dev->irq_outs->pdata[j];

            line->watch_n += g_str_equal(other->name, line->name);
        }
    }
}

void irq_intercept(Device *dev, bool inputs, IrqWatch fn, void *opaque)
{
    if (!inputs) {
        irq_intercept_outputs(dev, fn, opaque);
        return;
    }
    for (unsigned i = 0; dev->irq_ins && i < dev->irq_ins->len; i++) {
        IrqInputs *in = dev->irq_ins->pdata[i];

        in->watch = fn;
        in->watch_opaque = opaque;
    }
}
