/* SPDX-License-Identifier: MIT */
/*
 * Regions, their tree, and the address spaces that show it.  Everything here runs under the machine lock
 * (or before the machine runs).
 */
#include "rhea/osdep.h"

#include "memory-int.h"

/* All address spaces of the process: a change of the tree may concern any of them. */
static GPtrArray *spaces;
static unsigned transaction_depth;
static bool transaction_changed;

/* --- Making regions --- */

static void region_init(MemRegion *mr, Object *owner, MemKind kind, const char *name, uint64_t size)
{
    *mr = (MemRegion){
        .name = name,
        .owner = owner,
        .kind = kind,
        .size = size,
        .enabled = true,
    };
}

void mem_init_container(MemRegion *mr, Object *owner, const char *name, uint64_t size)
{
    region_init(mr, owner, MEM_CONTAINER, name, size);
}

void mem_init_io(MemRegion *mr, Object *owner, const MemOps *ops, void *opaque, const char *name,
                 uint64_t size)
{
    region_init(mr, owner, MEM_IO, name, size);
    mr->ops = ops;
    mr->opaque = opaque;
}

void mem_init_alias(MemRegion *mr, Object *owner, const char *name, MemRegion *target,
                    uint64_t offset, uint64_t size)
{
    region_init(mr, owner, MEM_ALIAS, name, size);
    mr->alias = target;
    mr->alias_offset = offset;
}

static bool region_init_memory(MemRegion *mr, Object *owner, MemKind kind, const char *name,
                               uint64_t size, Error **errp)
{
    RamBlock *rb = ram_block_new(name, size, NULL, errp);

    if (!rb) {
        return false;
    }
    region_init(mr, owner, kind, name, size);
    mr->ram = rb;
    return true;
}

bool mem_init_ram(MemRegion *mr, Object *owner, const char *name, uint64_t size, Error **errp)
{
    return region_init_memory(mr, owner, MEM_RAM, name, size, errp);
}

bool mem_init_rom(MemRegion *mr, Object *owner, const char *name, uint64_t size, Error **errp)
{
    return region_init_memory(mr, owner, MEM_ROM, name, size, errp);
}

void mem_init_ram_block(MemRegion *mr, Object *owner, const char *name, RamBlock *block)
{
    region_init(mr, owner, block->readonly ? MEM_ROM : MEM_RAM, name, block->size);
    mr->ram = ram_block_get(block);
}

bool mem_init_rom_device(MemRegion *mr, Object *owner, const MemOps *ops, void *opaque,
                         const char *name, uint64_t size, Error **errp)
{
    if (!region_init_memory(mr, owner, MEM_ROM_DEVICE, name, size, errp)) {
        return false;
    }
    mr->ops = ops;
    mr->opaque = opaque;
    mr->romd = true;
    return true;
}

void mem_fini(MemRegion *mr)
{
    g_assert(!mr->container); /* remove it first */
    mem_transaction_begin();
    while (mr->subregions && mr->subregions->len) {
        mem_remove(mr->subregions->pdata[mr->subregions->len - 1]);
    }
    mem_transaction_commit();
    g_clear_pointer(&mr->subregions, g_ptr_array_unref);
    g_clear_pointer(&mr->ram, ram_block_put);
}

/* --- Views --- */

static void space_refresh(AddressSpace *as)
{
    FlatView *fresh = flatview_new(as->root);
    FlatView *old = as->view;
    g_autoptr(GArray) listeners = NULL;

    if (flatview_equal(old, fresh)) {
        flatview_free(fresh);
        return;
    }
    __atomic_store_n(&as->view, fresh, __ATOMIC_SEQ_CST);
    mem_retire(old, flatview_free);
    /* A copy: a listener may remove itself. */
    listeners = g_array_copy(as->listeners);
    for (unsigned i = 0; i < listeners->len; i++) {
        MemListener *l = &g_array_index(listeners, MemListener, i);

        l->changed(l->opaque);
    }
}

void mem_transaction_begin(void)
{
    transaction_depth++;
}

void mem_transaction_commit(void)
{
    g_assert(transaction_depth);
    if (--transaction_depth || !transaction_changed) {
        return;
    }
    transaction_changed = false;
    for (unsigned i = 0; spaces && i < spaces->len; i++) {
        space_refresh(spaces->pdata[i]);
    }
}

static void tree_changed(void)
{
    mem_transaction_begin();
    transaction_changed = true;
    mem_transaction_commit();
}

/* --- The tree --- */

/* Puts @sub where its priority belongs: higher first, later additions before equals. */
static void region_insert(MemRegion *container, MemRegion *sub)
{
    unsigned i = 0;

    if (!container->subregions) {
        container->subregions = g_ptr_array_new();
    }
    while (i < container->subregions->len &&
           ((MemRegion *)container->subregions->pdata[i])->priority > sub->priority) {
        i++;
    }
    g_ptr_array_insert(container->subregions, i, sub);
}

void mem_add_overlap(MemRegion *container, uint64_t addr, MemRegion *sub, int priority)
{
    g_assert(!sub->container);
    sub->container = container;
    sub->addr = addr;
    sub->priority = priority;
    region_insert(container, sub);
    tree_changed();
}

void mem_add(MemRegion *container, uint64_t addr, MemRegion *sub)
{
    mem_add_overlap(container, addr, sub, 0);
}

void mem_remove(MemRegion *sub)
{
    g_assert(sub->container);
    g_ptr_array_remove(sub->container->subregions, sub);
    sub->container = NULL;
    tree_changed();
}

void mem_set_enabled(MemRegion *mr, bool enabled)
{
    if (mr->enabled != enabled) {
        mr->enabled = enabled;
        tree_changed();
    }
}

void mem_set_addr(MemRegion *mr, uint64_t addr)
{
    if (mr->addr != addr) {
        mr->addr = addr;
        tree_changed();
    }
}

void mem_set_romd(MemRegion *mr, bool romd)
{
    if (mr->romd != romd) {
        mr->romd = romd;
        tree_changed();
    }
}

void mem_set_readonly(MemRegion *alias, bool readonly)
{
    if (alias->readonly != readonly) {
        alias->readonly = readonly;
        tree_changed();
    }
}

uint64_t mem_absolute_addr(const MemRegion *mr)
{
    uint64_t addr = 0;

    for (; mr->container; mr = mr->container) {
        addr += mr->addr;
    }
    return addr;
}

/* --- Address spaces --- */

AddressSpace *mem_as_new(MemRegion *root, const char *name)
{
    AddressSpace *as = g_new0(AddressSpace, 1);

    as->name = g_strdup(name);
    as->root = root;
    as->listeners = g_array_new(FALSE, FALSE, sizeof(MemListener));
    as->view = flatview_new(root);
    if (!spaces) {
        spaces = g_ptr_array_new();
    }
    g_ptr_array_add(spaces, as);
    return as;
}

static void space_free(void *opaque)
{
    AddressSpace *as = opaque;

    flatview_free(as->view);
    g_array_unref(as->listeners);
    g_free(as->name);
    g_free(as);
}

void mem_as_free(AddressSpace *as)
{
    if (as) {
        g_ptr_array_remove(spaces, as);
        mem_retire(as, space_free);
    }
}

const char *mem_as_name(const AddressSpace *as)
{
    return as->name;
}

void mem_add_listener(AddressSpace *as, void (*changed)(void *opaque), void *opaque)
{
    MemListener l = {changed, opaque};

    g_array_append_val(as->listeners, l);
}

void mem_remove_listener(AddressSpace *as, void *opaque)
{
    for (unsigned i = as->listeners->len; i; i--) {
        if (g_array_index(as->listeners, MemListener, i - 1).opaque == opaque) {
            g_array_remove_index(as->listeners, i - 1);
        }
    }
}
