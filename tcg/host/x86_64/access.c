/* SPDX-License-Identifier: MIT */
/*
 * Guest accesses that miss the inline TLB: what THUNK_ACCESS (abi.c) calls.
 *
 * The stub of an access gives its address and kind and goes on with an addend: the access itself is then
 * done where it stands in the block.  What cannot be done so (device registers, pages that are watched,
 * two pages) is done here through the runtime functions, and the addend leads to AccessFrame.buffer: a load
 * finds the value there, and a store has put it there before, and puts it there once more.
 */
#include "rhea/osdep.h"

#include "codegen.h"

typedef uint64_t (*RtAddend)(TcgEnv *env, uint64_t va, uint32_t info);
typedef uint64_t (*RtLoad)(TcgEnv *env, uint64_t va, uint32_t info);
typedef void (*RtStore)(TcgEnv *env, uint64_t va, uint64_t value, uint32_t info);
typedef void (*RtVec)(TcgEnv *env, uint64_t va, uint32_t info, void *value);

/* Does the page of @va serve the group's whole range, as its probe asks? */
static bool serves_group(uint64_t va, uint32_t info, const AccessFrame *f)
{
    uint64_t first = va - f->below;
    unsigned align = 1u << (info / ACCESS_GROUP_ALIGN & 7);

    return !(first & (align - 1)) && (first ^ (first + f->span)) < TCG_PAGE_SIZE;
}

uint64_t access_quick(TcgEnv *env, uint64_t va, uint32_t info, AccessFrame *f)
{
    RtAddend addend_of = (RtAddend)(uintptr_t)env->runtime[RT_ADDEND];
    uint64_t addend = addend_of ? addend_of(env, va, info & (ACCESS_GROUP - 1)) : 0;

    f->addend = info & ACCESS_GROUP && serves_group(va, info, f) ? addend : 0;
    return addend;
}

/* Little-endian, like the host. */
static uint64_t buffer_value(const AccessFrame *f, unsigned size)
{
    uint64_t v = 0;

    memcpy(&v, f->buffer, size);
    return v;
}

uint64_t access_slow(TcgEnv *env, uint64_t va, uint32_t info, AccessFrame *f)
{
    void *const *rt = env->runtime;
    bool wide = (info & IR_MEM_SIZE) == IR_MEM_128, store = info & RT_WRITE && !(info & IR_MEM_RMW);
    uint64_t v;

    info &= RT_WRITE - 1;
    if (wide) {
        ((RtVec)(uintptr_t)rt[store ? RT_STORE128 : RT_LOAD128])(env, va, info, f->buffer);
    } else if (store) {
        ((RtStore)(uintptr_t)rt[RT_STORE])(env, va, buffer_value(f, 1u << (info & IR_MEM_SIZE)),
                                           info);
    } else {
        v = ((RtLoad)(uintptr_t)rt[RT_LOAD])(env, va, info);
        memcpy(f->buffer, &v, sizeof(v));
    }
    return (uintptr_t)f->buffer - va;
}
