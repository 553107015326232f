/* SPDX-License-Identifier: MIT */
/*
 * From guest bytes to a block: decode to IR, optimise, hand to the flavour, publish.  Decoding and
 * optimising happen outside the lock, with the vCPU's own IR buffer.
 *
 * An instruction that straddles two pages gets a block of its own, which is found only while both
 * pages are where they were.
 */
#include "rhea/osdep.h"

#include <time.h>

#include "accel/core/engine.h"
#include "rhea/log.h"

enum { MAX_INSNS = 128, LONGEST_INSN = 16 };

/* --- Logs --- */

static void translate_log_code(EngineCpu *ec, const Translate *tx)
{
    CpuState *cpu = ec->base.cpu;
    GuestVA pc = ec->env->pc;
    uint8_t code[LONGEST_INSN];
    unsigned size;
    char text[128];
    FILE *f = log_lock();

    fprintf(f, "IN: CPU %u key 0x%" PRIx64 "\n", cpu->index, tx->key);
    for (uint32_t off = 0; off < tx->size; off += size) {
        unsigned n = 0;

        for (; n < sizeof(code) && off + n < tx->size; n++) {
            uint32_t at = tx->page_off + off + n;

            code[n] = at < TCG_PAGE_SIZE ? tx->page[at] : tx->next_page[at - TCG_PAGE_SIZE];
        }
        size = cpu->ops->disas(cpu->model, tx->key, pc + off, code, n, text, sizeof(text));
        if (!size) {
            size = cpu->ops->min_insn_bytes;
            g_strlcpy(text, "(undecodable)", sizeof(text));
        }
        fprintf(f, "0x%016" PRIx64 ":  ", pc + off);
        for (unsigned i = size; i-- > 0;) {
            fprintf(f, "%02x", code[i]);
        }
        fprintf(f, "%*s%s\n", (int)(20 - 2 * size), "", text);
    }
    fputc('\n', f);
    log_unlock(f);
}

static void translate_log_ir(EngineCpu *ec, LogMask mask, const char *title)
{
    if (log_enabled(mask)) {
        FILE *f = log_lock();

        fprintf(f, "%s: 0x%016" PRIx64 "\n", title, ec->env->pc);
        ir_print(ec->ir, f);
        fputc('\n', f);
        log_unlock(f);
    }
}

/* --- Decoding --- */

static uint64_t translate_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void translate_ir(EngineCpu *ec, Translate *tx, unsigned max_insns)
{
    uint64_t start = translate_now_ns();

    ir_clear(ec->ir);
    tx->max_insns = max_insns;
    tx->size = 0;
    tx->ninsns = 0;
    tx->needs_next = false;
    ec->base.cpu->ops->translate(tx);
    ec->stats.decode_ns += translate_now_ns() - start;
}

static void translate_passes(EngineCpu *ec, bool keep)
{
    Engine *e = ec->engine;
    uint64_t start = translate_now_ns();

    ec->stats.ir_made += ec->ir->n;
    ir_optimise(ec->ir);
    ec->stats.ir_kept += ec->ir->n;
    if (keep && e->eops->finish_ir) {
        e->eops->finish_ir(e, ec->ir);
    }
    ec->stats.passes_ns += translate_now_ns() - start;
}

/* @keep: for a block of the flavour, not for a single run of the interpreter. */
static void translate_decode(EngineCpu *ec, Translate *tx, bool keep)
{
    Engine *e = ec->engine;
    unsigned max = tx->max_insns;

    for (;; max /= 2) {
        translate_ir(ec, tx, max);
        if (!tx->size) {
            return;
        }
        if (!ec->ir->overflow) {
            translate_log_ir(ec, LOG_IR, "OP");
            if (keep && e->eops->keeps_source) {
                ir_free(ec->source);
                ec->source = ir_dup(ec->ir);
            }
            translate_passes(ec, keep);
        }
        if (!ec->ir->overflow) {
            break;
        }
        g_assert(max > 1); /* no instruction is that long */
    }
    if (log_enabled(LOG_IN_ASM)) {
        translate_log_code(ec, tx);
    }
    translate_log_ir(ec, LOG_IR_OPT, "OP after optimisation");
}

static Translate translate_begin(EngineCpu *ec, const uint8_t *page, unsigned max_insns)
{
    return (Translate){
        .ir = ec->ir,
        .key = ec->key,
        .model = ec->base.cpu->model,
        .page_off = ec->env->pc & ~TCG_PAGE_MASK,
        .max_insns = max_insns,
        .page = page,
    };
}

/* --- Blocks --- */

/* Pages are watched while they are read; the second is NULL for most. */
typedef struct PageWatch {
    CodePage *page[2];
    uint32_t cookie[2];
} PageWatch;

/* Writes to the pages are noticed when it returns, also those under way on other vCPUs. */
static void watch_begin(EngineCpu *ec, PageWatch *w, const ExecPage *first, const ExecPage *second)
{
    const ExecPage *pages[2] = {first, second};
    Engine *e = ec->engine;
    uint64_t epoch = 0;

    g_mutex_lock(&e->lock);
    for (unsigned i = 0; i < 2; i++) {
        w->page[i] = pages[i] ? smc_page_get(e, pages[i]->rb, pages[i]->ram) : NULL;
        if (w->page[i]) {
            w->cookie[i] = smc_begin(ec, w->page[i]);
            epoch = MAX(epoch, w->page[i]->epoch);
        }
    }
    g_mutex_unlock(&e->lock);
    cache_settle(ec, epoch);
}

/* Engine.lock. */
static bool watch_end(PageWatch *w)
{
    bool same = true;

    for (unsigned i = 0; i < 2; i++) {
        if (w->page[i]) {
            same &= smc_end(w->page[i], w->cookie[i]);
        }
    }
    return same;
}

/* Engine.lock.  NULL: no room yet, or the code changed meanwhile. */
static Block *translate_publish(EngineCpu *ec, const Translate *tx, const ExecPage *page,
                                uint64_t ram2, PageWatch *w, const void *record)
{
    Engine *e = ec->engine;
    uint64_t ram = page->ram + tx->page_off;
    Block *b = cache_find(e, ram, tx->key, ram2);

    if (b) { /* another vCPU was faster */
        watch_end(w);
        return b;
    }
    b = block_new();
    b->ram = ram;
    b->ram2 = ram2;
    b->key = tx->key;
    b->size = tx->size;
    b->ninsns = tx->ninsns;
    if (e->eops->keeps_source) {
        b->ir = ir_dup(ec->source);
    }
    if (!cache_add(e, b, ec->ir, record)) {
        block_free(b);
        watch_end(w);
        return NULL;
    }
    smc_add_block(w->page[0], b, 0);
    if (ram2 != NO_RAM) {
        smc_add_block(w->page[1], b, 1);
    }
    if (!watch_end(w)) {
        cache_kill(e, b);
        return NULL;
    }
    if (!record && e->eops->remember) {
        e->eops->remember(e, b, tx);
    }
    return b;
}

/* With blocks of earlier runs: works on a copy of the code, so that what is compared and what is translated
 * are the same bytes whatever another vCPU writes.  With Engine.lock, which the record, if there is one, is
 * valid under. */
static const void *translate_recall(EngineCpu *ec, Translate *tx)
{
    Engine *e = ec->engine;

    if (!e->eops->recall) {
        return NULL;
    }
    memcpy(ec->fetch_buf + tx->page_off, tx->page + tx->page_off, TCG_PAGE_SIZE - tx->page_off);
    tx->page = ec->fetch_buf;
    if (tx->next_page) {
        tx->next_page = memcpy(ec->fetch_buf + TCG_PAGE_SIZE, tx->next_page, LONGEST_INSN);
    }
    return e->eops->recall(ec, tx, &tx->size, &tx->ninsns);
}

/* *straddles: the first instruction goes on in the next page, which was not given. */
static Block *translate_make(EngineCpu *ec, const ExecPage *page, const ExecPage *next,
                             bool *straddles)
{
    Engine *e = ec->engine;
    Translate tx = translate_begin(ec, page->host, next || e->one_insn ? 1 : MAX_INSNS);
    uint64_t start = translate_now_ns();
    PageWatch w = {0};
    Block *b = NULL;
    const void *record;

    tx.next_page = next ? next->host : NULL;
    watch_begin(ec, &w, page, next);
    g_mutex_lock(&e->lock);
    record = translate_recall(ec, &tx);
    if (!record) {
        g_mutex_unlock(&e->lock);
        translate_decode(ec, &tx, true);
        g_mutex_lock(&e->lock);
    }
    *straddles = !tx.size && tx.needs_next;
    if (tx.size) {
        bool crosses = tx.page_off + tx.size > TCG_PAGE_SIZE;

        b = translate_publish(ec, &tx, page, crosses ? next->ram : NO_RAM, &w, record);
    } else {
        watch_end(&w);
    }
    g_mutex_unlock(&e->lock);
    if (b && record) {
        ec->stats.recalled++;
    } else if (b) {
        ec->stats.translations++;
        ec->stats.guest_insns += tx.ninsns;
    } else if (tx.size) {
        cache_wait(ec);
    }
    ec->stats.translate_ns += translate_now_ns() - start;
    return b;
}

/* The second page of an instruction at env->pc; NULL: its fetch fault is set. */
static ExecPage *translate_next_page(EngineCpu *ec)
{
    GuestVA next = (ec->env->pc & TCG_PAGE_MASK) + TCG_PAGE_SIZE;

    return context_exec_page(ec, next, true);
}

Block *translate_block(EngineCpu *ec, ExecPage *page)
{
    ExecPage first = *page, *next; /* the next page's entry may take the place of the first's */
    bool straddles;
    Block *b = translate_make(ec, &first, NULL, &straddles);

    if (!straddles) {
        return b;
    }
    next = translate_next_page(ec);
    if (!next) {
        return NULL;
    }
    b = cache_find(ec->engine, first.ram + (ec->env->pc & ~TCG_PAGE_MASK), ec->key, next->ram);
    if (b) {
        return b;
    }
    if (next->ram == NO_RAM || next->ram == first.ram) {
        ec->one_insn = true;
        return NULL;
    }
    return translate_make(ec, &first, next, &straddles);
}

/* --- Single instructions, from anywhere --- */

/* Up to LONGEST_INSN bytes at @va into the same place of the fetch buffer; the number read. */
static unsigned translate_fetch(EngineCpu *ec, GuestVA va, unsigned max, uint8_t *to)
{
    CpuState *cpu = ec->base.cpu;
    unsigned step = cpu->ops->min_insn_bytes, n = 0;
    TlbFill f = {0};
    uint64_t v;

    if (!cpu->ops->tlb_fill(cpu, va, step, ACCESS_EXEC, ec->key & 3, false, &f)) {
        return 0;
    }
    while (n + step <= max) {
        if (n && f.page_size < TCG_PAGE_SIZE &&
            !cpu->ops->tlb_fill(cpu, va + n, step, ACCESS_EXEC, ec->key & 3, false, &f)) {
            cpu->exception = -1; /* if it matters, it comes again as a straddling instruction */
            break;
        }
        if (mem_read_value(cpu->as, (f.pa & TCG_PAGE_MASK) | ((va + n) & ~TCG_PAGE_MASK), step,
                           &v) != MEM_OK) {
            if (cpu->ops->bus_error) {
                if (!n) {
                    cpu->ops->bus_error(cpu, va, f.pa, ACCESS_EXEC);
                }
                break;
            }
            v = ~0ULL;
        }
        memcpy(to + n, &v, step);
        n += step;
    }
    return n;
}

bool translate_one(EngineCpu *ec)
{
    GuestVA pc = ec->env->pc;
    unsigned off = pc & ~TCG_PAGE_MASK, room = TCG_PAGE_SIZE - off;
    uint8_t *page = ec->fetch_buf, *next = ec->fetch_buf + TCG_PAGE_SIZE;
    Translate tx = translate_begin(ec, page, 1);

    memset(page + off, 0, MIN(room, LONGEST_INSN));
    if (!translate_fetch(ec, pc, MIN(room, LONGEST_INSN), page + off)) {
        return false;
    }
    translate_decode(ec, &tx, false);
    if (!tx.size && tx.needs_next) {
        memset(next, 0, LONGEST_INSN);
        if (!translate_fetch(ec, pc + room, LONGEST_INSN, next)) {
            return false;
        }
        tx = translate_begin(ec, page, 1);
        tx.next_page = next;
        translate_decode(ec, &tx, false);
    }
    return tx.size;
}
