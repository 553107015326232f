/* SPDX-License-Identifier: MIT */
/*
 * Which file of translations is this machine's, and what of a block goes into it.
 *
 * The identity of a file is what code depends on beside the guest's bytes and mode: the emulator's build,
 * the host's abilities as the backend uses them, and the guest CPU's model.
 */
#include "rhea/osdep.h"

#include <link.h>

#include "accel/jit/persist.h"
#include "rhea/bits.h"
#include "rhea/log.h"

/* --- Identity --- */

enum { NOTE_BUILD_ID = 3 };

/* The first module is the program; its notes have the linker's digest of all that is in it. */
static int find_build_id(struct dl_phdr_info *info, size_t size, void *opaque)
{
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        const uint8_t *at = (const uint8_t *)info->dlpi_addr + ph->p_vaddr, *end = at + ph->p_memsz;

        while (ph->p_type == PT_NOTE && at + sizeof(ElfW(Nhdr)) <= end) {
            const ElfW(Nhdr) *n = (const void *)at;
            const uint8_t *name = at + sizeof(*n), *desc = name + align_up(n->n_namesz, 4);

            if (n->n_type == NOTE_BUILD_ID && n->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
                g_checksum_update(opaque, desc, n->n_descsz);
                return 2;
            }
            at = desc + align_up(n->n_descsz, 4);
        }
    }
    return 1; /* not found, and nowhere else to look */
}

/* False: this build has no digest, so nothing tells it from the next. */
static bool make_identity(const Engine *e, const CpuState *cpu, uint8_t identity[STORE_ID_SIZE])
{
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize len = STORE_ID_SIZE;
    bool known = dl_iterate_phdr(find_build_id, sum) == 2;

    backend_identify(e->backend, sum);
    g_checksum_update(sum, (const uint8_t *)cpu->ops->ir->name, -1);
    g_checksum_update(sum, cpu->model, cpu->ops->model_size);
    g_checksum_get_digest(sum, identity, &len);
    g_checksum_free(sum);
    return known;
}

/* --- The store --- */

/* NULL: none is wanted. */
static char *store_folder(const Persist *p, const Engine *e)
{
    bool on = !p->cache || strcmp(p->cache, "on") == 0;

    if ((p->cache && strcmp(p->cache, "off") == 0) || e->one_insn || e->icount.on) {
        return NULL;
    }
    return on ? g_build_filename(g_get_user_cache_dir(), "rhea", NULL) : g_strdup(p->cache);
}

static Store *persist_store(Persist *p, const Engine *e, const CpuState *cpu)
{
    uint8_t identity[STORE_ID_SIZE];

    if (!p->tried) {
        g_autofree char *folder = store_folder(p, e);

        p->tried = true;
        if (folder && make_identity(e, cpu, identity)) {
            p->store = store_open(folder, cpu->ops->ir->name, identity, p->cache_size_mib * MiB,
                                  !p->cache);
        }
    }
    return p->store;
}

static StoreKey store_key(const Translate *tx)
{
    return (StoreKey){
        .mode = tx->key,
        .bytes = tx->page + tx->page_off,
        .nbytes = TCG_PAGE_SIZE + (tx->next_page ? STORE_NEXT_PAGE : 0) - tx->page_off,
        .page_off = tx->page_off,
        .straddles = tx->next_page,
    };
}

const void *persist_recall(Persist *p, Engine *e, const CpuState *cpu, const Translate *tx,
                           uint32_t *size, unsigned *ninsns)
{
    Store *store = persist_store(p, e, cpu);
    const StoreRecord *r;
    StoreKey key = store_key(tx);

    if (!store || log_enabled(LOG_IN_ASM | LOG_IR | LOG_IR_OPT)) { /* they show translating */
        return NULL;
    }
    r = store_find(store, &key);
    if (r) {
        *size = r->guest_size;
        *ninsns = r->ninsns;
    }
    return r;
}

bool persist_place(Engine *e, Region *region, Block *b, const void *record)
{
    const StoreRecord *r = record;
    size_t pad = (r->line_off - (uintptr_t)(region->rx + region->used)) % STORE_LINE;
    size_t at = region->used + pad;

    if (at + r->code_size > e->region_size) {
        return false;
    }
    b->code.rw = region->rw + at;
    b->code.rx = region->rx + at;
    store_get_code(r, &b->code);
    b->entry = b->code.rx;
    region->used = at + r->code_size;
    return true;
}

void persist_remember(Persist *p, const Block *b, const Translate *tx)
{
    StoreKey key = store_key(tx);

    if (p->store) {
        store_add(p->store, &key, b->size, b->ninsns, &b->code);
    }
}

void persist_info(const Persist *p, GString *out)
{
    const StoreStats *s;

    if (!p->store) {
        g_string_append(out, "kept translations   off\n");
        return;
    }
    s = store_stats(p->store);
    g_string_append_printf(out,
                           "kept translations   %" PRIu64 " (%" PRIu64 " KiB), %" PRIu64
                           " used, %" PRIu64 " new, %" PRIu64 " dropped\n",
                           s->loaded, s->bytes >> 10, s->hits, s->added, s->dropped);
}

void persist_save(Persist *p)
{
    if (p->store) {
        store_save(p->store);
    }
}

void persist_fini(Persist *p)
{
    if (p->store) {
        store_close(p->store);
    }
    p->store = NULL;
}
