/* SPDX-License-Identifier: MIT */
/*
 * The qtest server: drives a machine without CPUs (-accel qtest) line by line through a chardev, in the
 * protocol of QEMU's device tests.  Words are separated by blanks; numbers are as C writes them; every
 * line is answered by one that begins with OK or FAIL.  Between answers come "IRQ raise N" and
 * "IRQ lower N" for intercepted lines.
 *
 *   readb|readw|readl|readq ADDR           writeb|writew|writel|writeq ADDR VALUE
 *   inb|inw|inl PORT                       outb|outw|outl PORT VALUE
 *   read ADDR SIZE                         write ADDR SIZE 0xHEX
 *   b64read ADDR SIZE                      b64write ADDR SIZE BASE64
 *   memset ADDR SIZE BYTE                  endianness
 *   clock_step [NS]                        clock_set NS
 *   irq_intercept_in PATH                  irq_intercept_out PATH [NAME]
 *   set_irq_in PATH NAME NUMBER LEVEL      system_reset
 *
 * and of our own, for tests that go through all devices:
 *
 *   rhea_devices                           PATH=TYPE of each device
 *   rhea_regs PATH                         ADDR NAME:OFFSET:SIZE:KIND:RESET:WRITABLE ..., or nothing
 *   rhea_snapshot                          saves, loads and saves all devices: the two must be equal
 *   rhea_save                              the state of all devices as BASE64, which is kept
 *   rhea_load [AT 0xHEX]...                loads the kept state with other bytes in places
 *   rhea_same                              fails when the state is not the kept one
 *
 * Memory is what the first CPU sees.  Port commands fail on a machine without ports.  Machine lock,
 * main loop.
 */
#include "rhea/osdep.h"

#include "block/block.h"
#include "chardev/chardev.h"
#include "cmdline.h"
#include "hw/mmio-device.h"
#include "memory/irq.h"
#include "snapshot/snapshot.h"
#include "target/cpu-ops.h"

enum { LINE_MAX_BYTES = 64 << 20, TRANSFER_MAX = 16 << 20 };

/* One server for the process. */
typedef struct Qtest {
    Machine *m;
    CharFront fe;
    GString *line; /* received so far */
    bool overlong; /* the rest of a line that is too long is skipped */
    Device *intercepted;
    bool inputs;
    char *only;       /* name of the intercepted outputs, NULL: all */
    GByteArray *kept; /* state of the last rhea_save */
} Qtest;

/* What the first CPU sees, which may have memory of its own. */
static AddressSpace *qtest_memory(Qtest *q)
{
    struct CpuState *cpu = q->m->cpus->len ? q->m->cpus->pdata[0] : NULL;

    return cpu && cpu->as ? cpu->as : q->m->memory;
}

static void qtest_reply(Qtest *q, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void qtest_reply(Qtest *q, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    chr_write_all(&q->fe, text, strlen(text));
    chr_write_all(&q->fe, "\n", 1);
}

/* --- Arguments --- */

static bool arg_u64(const char *word, uint64_t *v)
{
    char *end;

    if (!g_ascii_isdigit(word[0])) {
        return false;
    }
    errno = 0;
    *v = strtoull(word, &end, 0);
    return !errno && !*end;
}

/* A size of a transfer: bounded, so that a test's slip cannot exhaust the host. */
static bool arg_size(const char *word, uint64_t *size)
{
    return arg_u64(word, size) && *size && *size <= TRANSFER_MAX;
}

static Device *arg_device(const char *path)
{
    Object *obj = qom_resolve(qom_root(), path);

    return obj && qom_is(obj, TYPE_DEVICE) ? (Device *)obj : NULL;
}

/* "readl" -> 4; 0 when the last letter is none of b w l q. */
static unsigned value_size(const char *command)
{
    switch (command[strlen(command) - 1]) {
    case 'b': return 1;
    case 'w': return 2;
    case 'l': return 4;
    case 'q': return 8;
    default: return 0;
    }
}

/* --- Memory --- */

/* Each returns false when its arguments are wrong. @w is NULL-terminated, w[0] the command. */

static bool run_read_value(Qtest *q, char **w, unsigned n)
{
    uint64_t addr, value;

    if (n != 2 || !arg_u64(w[1], &addr)) {
        return false;
    }
    mem_read_value(qtest_memory(q), addr, value_size(w[0]), &value);
    qtest_reply(q, "OK 0x%016" PRIx64, value);
    return true;
}

static bool run_write_value(Qtest *q, char **w, unsigned n)
{
    uint64_t addr, value;

    if (n != 3 || !arg_u64(w[1], &addr) || !arg_u64(w[2], &value)) {
        return false;
    }
    mem_write_value(qtest_memory(q), addr, value_size(w[0]), value);
    qtest_reply(q, "OK");
    return true;
}

static bool run_in(Qtest *q, char **w, unsigned n)
{
    uint64_t port, value;

    if (n != 2 || !arg_u64(w[1], &port) || port > UINT16_MAX) {
        return false;
    }
    if (!q->m->io) {
        qtest_reply(q, "FAIL this machine has no ports");
        return true;
    }
    mem_read_value(q->m->io, port, value_size(w[0]), &value);
    qtest_reply(q, "OK 0x%04" PRIx64, value);
    return true;
}

static bool run_out(Qtest *q, char **w, unsigned n)
{
    uint64_t port, value;

    if (n != 3 || !arg_u64(w[1], &port) || port > UINT16_MAX || !arg_u64(w[2], &value)) {
        return false;
    }
    if (!q->m->io) {
        qtest_reply(q, "FAIL this machine has no ports");
        return true;
    }
    mem_write_value(q->m->io, port, value_size(w[0]), value);
    qtest_reply(q, "OK");
    return true;
}

static bool run_read(Qtest *q, char **w, unsigned n)
{
    g_autofree uint8_t *data = NULL;
    g_autoptr(GString) text = NULL;
    uint64_t addr, size;

    if (n != 3 || !arg_u64(w[1], &addr) || !arg_size(w[2], &size)) {
        return false;
    }
    data = g_malloc(size);
    mem_read(qtest_memory(q), addr, data, size);
    if (g_str_equal(w[0], "b64read")) {
        g_autofree char *encoded = g_base64_encode(data, size);

        qtest_reply(q, "OK %s", encoded);
        return true;
    }
    text = g_string_sized_new(2 * size);
    for (uint64_t i = 0; i < size; i++) {
        g_string_append_printf(text, "%02x", data[i]);
    }
    qtest_reply(q, "OK 0x%s", text->str);
    return true;
}

/* "0x12ab" into @size bytes; false when it has not just as many. */
static bool arg_bytes(const char *word, uint8_t *data, uint64_t size)
{
    if (g_ascii_strncasecmp(word, "0x", 2) || strlen(word + 2) != 2 * size) {
        return false;
    }
    for (uint64_t i = 0; i < size; i++) {
        int high = g_ascii_xdigit_value(word[2 + 2 * i]);
        int low = g_ascii_xdigit_value(word[3 + 2 * i]);

        if (high < 0 || low < 0) {
            return false;
        }
        data[i] = high << 4 | low;
    }
    return true;
}

static bool run_write(Qtest *q, char **w, unsigned n)
{
    g_autofree uint8_t *data = NULL;
    uint64_t addr, size;

    if (n != 4 || !arg_u64(w[1], &addr) || !arg_size(w[2], &size)) {
        return false;
    }
    data = g_malloc(size);
    if (!arg_bytes(w[3], data, size)) {
        return false;
    }
    mem_write(qtest_memory(q), addr, data, size);
    qtest_reply(q, "OK");
    return true;
}

static bool run_b64write(Qtest *q, char **w, unsigned n)
{
    g_autofree uint8_t *data = NULL;
    uint64_t addr, size;
    gsize len;

    if (n != 4 || !arg_u64(w[1], &addr) || !arg_size(w[2], &size)) {
        return false;
    }
    data = g_base64_decode(w[3], &len);
    if (len != size) {
        return false;
    }
    mem_write(qtest_memory(q), addr, data, size);
    qtest_reply(q, "OK");
    return true;
}

static bool run_memset(Qtest *q, char **w, unsigned n)
{
    g_autofree uint8_t *data = NULL;
    uint64_t addr, size, byte;

    if (n != 4 || !arg_u64(w[1], &addr) || !arg_size(w[2], &size) || !arg_u64(w[3], &byte)) {
        return false;
    }
    data = g_malloc(size);
    memset(data, (int)(byte & 0xff), size);
    mem_write(qtest_memory(q), addr, data, size);
    qtest_reply(q, "OK");
    return true;
}

static bool run_endianness(Qtest *q, char **w, unsigned n)
{
    qtest_reply(q, "OK little");
    return n == 1;
}

/* --- Time --- */

/* Goes to @target_ns, stopping at each deadline on the way, as time would. */
static void clock_advance(Clock *c, int64_t target_ns)
{
    for (;;) {
        int64_t deadline_ns = clock_deadline_ns(c);

        if (deadline_ns > target_ns) {
            break;
        }
        clock_set_ns(c, MAX(deadline_ns, clock_now_ns(c)));
        clock_run_timers(c);
        if (clock_deadline_ns(c) <= deadline_ns) {
            break; /* armed again in the past: that waits for the main loop */
        }
    }
    clock_set_ns(c, target_ns);
    clock_run_timers(c);
}

static bool run_clock(Qtest *q, char **w, unsigned n)
{
    Clock *c = q->m->clock[CLOCK_VIRTUAL];
    bool step = g_str_equal(w[0], "clock_step");
    int64_t now_ns = clock_now_ns(c);
    uint64_t ns;

    if (step && n == 1) {
        int64_t deadline_ns = clock_deadline_ns(c);

        clock_advance(c, deadline_ns == CLOCK_NEVER ? now_ns : MAX(deadline_ns, now_ns));
    } else if (n != 2 || !arg_u64(w[1], &ns) ||
               ns > (uint64_t)INT64_MAX / 2 - (step ? (uint64_t)now_ns : 0)) {
        return false;
    } else {
        clock_advance(c, MAX(now_ns, step ? now_ns + (int64_t)ns : (int64_t)ns));
    }
    qtest_reply(q, "OK %" PRId64, clock_now_ns(c));
    return true;
}

/* --- Interrupts --- */

static void qtest_irq(void *opaque, const char *name, int n, bool level)
{
    Qtest *q = opaque;

    if (!q->only || g_str_equal(q->only, name)) {
        qtest_reply(q, "IRQ %s %d", level ? "raise" : "lower", n);
    }
}

static bool run_irq_intercept(Qtest *q, char **w, unsigned n)
{
    bool inputs = g_str_equal(w[0], "irq_intercept_in");
    Device *dev = n >= 2 ? arg_device(w[1]) : NULL;

    if (!dev || n > (inputs ? 2 : 3)) {
        return false;
    }
    if (q->intercepted && (q->intercepted != dev || q->inputs != inputs)) {
        qtest_reply(q, "FAIL IRQ intercept already enabled");
        return true;
    }
    g_free(q->only);
    q->only = g_strdup(n == 3 ? w[2] : NULL);
    q->intercepted = dev;
    q->inputs = inputs;
    irq_intercept(dev, inputs, qtest_irq, q);
    qtest_reply(q, "OK");
    return true;
}

static bool run_set_irq_in(Qtest *q, char **w, unsigned n)
{
    Device *dev = n == 5 ? arg_device(w[1]) : NULL;
    uint64_t number, level;
    const char *name;

    if (!dev || !arg_u64(w[3], &number) || number > INT_MAX || !arg_u64(w[4], &level)) {
        return false;
    }
    name = g_str_equal(w[2], "unnamed-gpio-in") ? NULL : w[2];
    if (!irq_drive_input(dev, name, (int)number, level != 0)) {
        qtest_reply(q, "FAIL there is no such input");
        return true;
    }
    qtest_reply(q, "OK");
    return true;
}

/* --- The machine --- */

static bool run_system_reset(Qtest *q, char **w, unsigned n)
{
    machine_reset(q->m);
    qtest_reply(q, "OK");
    return n == 1;
}

static void list_devices(Object *obj, GString *out)
{
    if (qom_is(obj, TYPE_DEVICE) && ((Device *)obj)->realized) {
        g_autofree char *path = qom_path(obj);

        g_string_append_printf(out, " %s=%s", path, obj->type->name);
    }
    for (unsigned i = 0; i < obj->children->len; i++) {
        list_devices(obj->children->pdata[i], out);
    }
}

static bool run_devices(Qtest *q, char **w, unsigned n)
{
    g_autoptr(GString) out = g_string_new(NULL);

    list_devices(&q->m->obj, out);
    qtest_reply(q, "OK%s", out->str);
    return n == 1;
}

static bool run_regs(Qtest *q, char **w, unsigned n)
{
    static const char *const kinds[] = {"rw", "ro", "wo", "w1c", "const"};
    Device *dev = n == 2 ? arg_device(w[1]) : NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    const MmioDevice *d;

    if (!dev) {
        return false;
    }
    if (!qom_is(&dev->obj, TYPE_MMIO_DEVICE) || !((MmioDevice *)dev)->regs) {
        qtest_reply(q, "OK"); /* no register table */
        return true;
    }
    d = (MmioDevice *)dev;
    for (const RegDesc *r = d->regs; r->name; r++) {
        /* A register with functions of its own says nothing about what it keeps. */
        const char *kind = r->read || r->write ? "fn" : kinds[r->kind];

        g_string_append_printf(out, " %s:0x%x:%u:%s:0x%" PRIx64 ":0x%" PRIx64, r->name, r->offset,
                               r->size, kind, r->reset, r->writable);
    }
    qtest_reply(q, "OK 0x%" PRIx64 "%s", mem_absolute_addr(&d->bank), out->str);
    return true;
}

/* The state as a stop of the VM leaves it: nothing is under way.  Replies when it cannot be saved. */
static GByteArray *save_state(Qtest *q)
{
    g_autoptr(Error) err = NULL;
    GByteArray *state;

    blk_drain_all();
    state = snapshot_save_devices(q->m, &err);
    if (!state) {
        qtest_reply(q, "FAIL %s", error_text(err));
    }
    return state;
}

static bool load_state(Qtest *q, const uint8_t *data, size_t len)
{
    g_autoptr(Error) err = NULL;

    blk_drain_all();
    if (!snapshot_load_devices(q->m, data, len, &err)) {
        qtest_reply(q, "FAIL %s", error_text(err));
        return false;
    }
    return true;
}

static bool same_state(const GByteArray *a, const GByteArray *b)
{
    return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

static bool run_snapshot(Qtest *q, char **w, unsigned n)
{
    g_autoptr(GByteArray) first = NULL, second = NULL;

    if (n != 1) {
        return false;
    }
    first = save_state(q);
    if (!first || !load_state(q, first->data, first->len)) {
        return true;
    }
    second = save_state(q);
    if (second && !same_state(first, second)) {
        qtest_reply(q, "FAIL the state differs after a load");
    } else if (second) {
        qtest_reply(q, "OK %u", first->len);
    }
    return true;
}

static bool run_save(Qtest *q, char **w, unsigned n)
{
    g_autofree char *encoded = NULL;

    if (n != 1) {
        return false;
    }
    g_clear_pointer(&q->kept, g_byte_array_unref);
    q->kept = save_state(q);
    if (q->kept) {
        encoded = g_base64_encode(q->kept->data, q->kept->len);
        qtest_reply(q, "OK %s", encoded);
    }
    return true;
}

static bool run_load(Qtest *q, char **w, unsigned n)
{
    g_autofree uint8_t *data = NULL;

    if (!q->kept || n % 2 == 0) {
        return false;
    }
    data = g_memdup2(q->kept->data, q->kept->len);
    for (unsigned i = 1; i < n; i += 2) {
        uint64_t at, size = strlen(w[i + 1]) / 2 - 1;

        if (!arg_u64(w[i], &at) || at > q->kept->len || size > q->kept->len - at ||
            !arg_bytes(w[i + 1], data + at, size)) {
            return false;
        }
    }
    if (load_state(q, data, q->kept->len)) {
        qtest_reply(q, "OK");
    }
    return true;
}

static bool run_same(Qtest *q, char **w, unsigned n)
{
    g_autoptr(GByteArray) state = NULL;

    if (!q->kept || n != 1) {
        return false;
    }
    state = save_state(q);
    if (state) {
        qtest_reply(q, "%s", same_state(state, q->kept) ? "OK" : "FAIL the state is another");
    }
    return true;
}

/* --- Lines --- */

typedef struct QtestCommand {
    const char *name;
    bool (*run)(Qtest *q, char **w, unsigned n);
} QtestCommand;

static const QtestCommand qtest_commands[] = {
    {"readb", run_read_value},
    {"readw", run_read_value},
    {"readl", run_read_value},
    {"readq", run_read_value},
    {"writeb", run_write_value},
    {"writew", run_write_value},
    {"writel", run_write_value},
    {"writeq", run_write_value},
    {"inb", run_in},
    {"inw", run_in},
    {"inl", run_in},
    {"outb", run_out},
    {"outw", run_out},
    {"outl", run_out},
    {"read", run_read},
    {"b64read", run_read},
    {"write", run_write},
    {"b64write", run_b64write},
    {"memset", run_memset},
    {"endianness", run_endianness},
    {"clock_step", run_clock},
    {"clock_set", run_clock},
    {"irq_intercept_in", run_irq_intercept},
    {"irq_intercept_out", run_irq_intercept},
    {"set_irq_in", run_set_irq_in},
    {"system_reset", run_system_reset},
    {"rhea_devices", run_devices},
    {"rhea_regs", run_regs},
    {"rhea_snapshot", run_snapshot},
    {"rhea_save", run_save},
    {"rhea_load", run_load},
    {"rhea_same", run_same},
};

static void qtest_line(Qtest *q, char *line)
{
    g_auto(GStrv) words = NULL;
    unsigned n = 0;

    words = g_strsplit_set(g_strstrip(line), " \t", -1);
    for (unsigned i = 0; words[i]; i++) { /* several blanks make empty words */
        if (*words[i]) {
            words[n++] = words[i];
        } else {
            g_free(words[i]);
        }
    }
    words[n] = NULL;
    if (!n) {
        return;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(qtest_commands); i++) {
        if (g_str_equal(words[0], qtest_commands[i].name)) {
            if (!qtest_commands[i].run(q, words, n)) {
                qtest_reply(q, "FAIL %s: wrong arguments", words[0]);
            }
            return;
        }
    }
    qtest_reply(q, "FAIL Unknown command '%.64s'", words[0]);
}

static size_t qtest_can_receive(void *opaque)
{
    return 65536;
}

static void qtest_receive(void *opaque, const uint8_t *buf, size_t len)
{
    Qtest *q = opaque;

    while (len) {
        const uint8_t *end = memchr(buf, '\n', len);
        size_t part = end ? (size_t)(end - buf) : len;

        if (q->line->len + part > LINE_MAX_BYTES) {
            q->overlong = true;
            g_string_truncate(q->line, 0);
        }
        if (!q->overlong) {
            g_string_append_len(q->line, (const char *)buf, (gssize)part);
        }
        buf += part + (end != NULL);
        len -= part + (end != NULL);
        if (!end) {
            return;
        }
        if (q->overlong) {
            qtest_reply(q, "FAIL the line is too long");
        } else {
            qtest_line(q, q->line->str);
        }
        q->overlong = false;
        g_string_truncate(q->line, 0);
    }
}

static void qtest_event(void *opaque, CharEvent ev)
{
    Qtest *q = opaque;

    if (ev == CHAR_OPENED) {
        g_string_truncate(q->line, 0);
        q->overlong = false;
    }
}

static const CharHandlers qtest_handlers = {
    .can_receive = qtest_can_receive,
    .receive = qtest_receive,
    .event = qtest_event,
};

/* --- The option --- */

static bool run_qtest(Setup *s, const char *arg, Error **errp)
{
    g_autofree char *id = NULL;
    Qtest *q;

    if (!chr_new_short(arg, "qtest", false, &id, errp)) {
        error_prepend(errp, "-qtest: ");
        return false;
    }
    if (!id) {
        return true; /* "none" */
    }
    q = g_new0(Qtest, 1); /* lives as long as the process */
    q->m = s->m;
    q->line = g_string_new(NULL);
    if (!chr_attach(&q->fe, id, errp)) {
        g_string_free(q->line, TRUE);
        g_free(q);
        return false;
    }
    clock_set_manual(s->m->clock[CLOCK_VIRTUAL], true);
    chr_set_handlers(&q->fe, &qtest_handlers, q);
    return true;
}

static const Option qtest_options[] = {
    {"qtest", "DEV", PHASE_LATE,
     "let a test drive the devices through DEV (spelled as for -serial); use with -accel qtest",
     run_qtest},
    {NULL},
};

OPTION_GROUP(qtest_group, .title = "Tests", .order = 90, .options = qtest_options);
