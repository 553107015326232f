/* SPDX-License-Identifier: MIT */
/* Asks the decoder that was generated from good.decode; exits with 1 at the first wrong answer. */
#include "rhea/osdep.h"

#include "toy-model.h"
#include "toy.h"

/* The bodies record what they were called with. */
struct ToyTrans {
    const char *body;
    int32_t a, b;
};

bool toy_pair(ToyTrans *t, const ToyArgsPAIR *args)
{
    *t = (ToyTrans){"pair", args->a, args->b};
    return true;
}

bool toy_small(ToyTrans *t, const ToyArgsIMM *args)
{
    *t = (ToyTrans){"small", args->a, args->imm};
    return true;
}

bool toy_hop(ToyTrans *t, const ToyArgsHOP *args)
{
    *t = (ToyTrans){"hop", args->a, args->off};
    return true;
}

bool toy_bare(ToyTrans *t, const ToyArgsBARE *args)
{
    (void)args;
    *t = (ToyTrans){"bare", 0, 0};
    return true;
}

static const struct {
    unsigned width;
    uint32_t insn;
    bool extra;
    const char *name; /* NULL: no instruction */
    const char *body;
    int32_t a, b;
} cases[] = {
    {32, 0x00000123, false, "pair", "pair", 2, 3},
    {32, 0x00010123, false, NULL, NULL, 0, 0},
    {32, 0x00000223, false, NULL, NULL, 0, 0},
    {32, 0x00000223, true, "more", "pair", 2, 3},
    {32, 0x80000035, false, "imm", "small", 5, -128},
    {32, 0xff000007, false, "bare", "bare", 0, 0},
    {32, 0xffabc007, false, "bare", "bare", 0, 0},
    {32, 0xffabc107, false, NULL, NULL, 0, 0},
    {32, 0xfe300040, false, "hop", "hop", 3, -2048 - 32}, /* off[11] is clear */
    {32, 0x02300041, false, "hop", "hop", 3, 2048 + 32},
    {16, 0x8000, false, "s_zero", "small", 8, 0},
    {16, 0x8001, false, "s_zero", "small", 9, 0},
    {16, 0x8008, false, "s_some", "small", 8, 1},
    {16, 0x8009, false, NULL, NULL, 0, 0},
    {16, 0x81fa, false, "s_twice", "pair", 10, 10},
    {16, 0x8255, false, "s_fixed", "pair", 7, 5},
    {16, 0x8355, false, NULL, NULL, 0, 0},
};

static bool check(unsigned n)
{
    ToyModel model = {.has = {[TOY_EXT_OTHER] = cases[n].extra}};
    ToyTrans t = {0};
    ToyInsnId id = cases[n].width == 32 ? toy_match32(&model, cases[n].insn)
                                        : toy_match16(&model, cases[n].insn);

    if (id == TOY_INSN_NONE || !cases[n].name) {
        return id == TOY_INSN_NONE && !cases[n].name;
    }
    return strcmp(toy_insn_info[id].name, cases[n].name) == 0 &&
           toy_insn_info[id].translate(&t, cases[n].insn) && strcmp(t.body, cases[n].body) == 0 &&
           t.a == cases[n].a && t.b == cases[n].b;
}

int main(void)
{
    for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
        if (!check(n)) {
            fprintf(stderr, "case %u (%#x) is wrong\n", n, (unsigned)cases[n].insn);
            return 1;
        }
    }
    return 0;
}
