/* SPDX-License-Identifier: MIT */
/* Where blocks end, and that whatever bytes are translated the IR is well formed. */
#include "rhea/osdep.h"

#include "rhea/endian.h"
#include "target/riscv64/cpu.h"

enum {
    NOP = 0x00000013,
    C_NOP = 0x0001,
    JAL_RA = 0x010000ef,
    BEQ = 0x00b50863,
    FADD_D = 0x02c5f553
};

static IrGlobal globals[RV_NGLOBALS];
static const IrTarget target = {.name = "riscv64",
                                .globals = globals,
                                .nglobals = RV_NGLOBALS,
                                .helpers = rv_helpers,
                                .nhelpers = RV_NHELPERS};
static RvModel model;
static Ir *ir;
static uint8_t page[TCG_PAGE_SIZE], next_page[TCG_PAGE_SIZE];

static CpuKey key_of(unsigned fs, unsigned frm)
{
    return RV_MMU_M | fs << RV_KEY_FS_SHIFT | frm << RV_KEY_FRM_SHIFT |
           RV_PRIV_M << RV_KEY_PRIV_SHIFT;
}

static Translate translate(uint32_t off, unsigned max_insns, CpuKey key, bool with_next)
{
    Translate tx = {.ir = ir,
                    .key = key,
                    .model = &model,
                    .page_off = off,
                    .max_insns = max_insns,
                    .page = page,
                    .next_page = with_next ? next_page : NULL};

    ir_clear(ir);
    rv_translate(&tx);
    g_assert_cmpstr(ir_verify(ir), ==, NULL);
    return tx;
}

static const IrInsn *last(void)
{
    return &ir->insns[ir->n - 1];
}

static void fill_nops(void)
{
    for (unsigned i = 0; i < sizeof(page); i += 4) {
        st32_le(page + i, NOP);
    }
}

static void test_max_insns(void)
{
    Translate tx;

    fill_nops();
    tx = translate(0x100, 3, key_of(RV_FS_OFF, 0), true);
    g_assert_cmpuint(tx.ninsns, ==, 3);
    g_assert_cmpuint(tx.size, ==, 12);
    g_assert_cmpint(last()->op, ==, IR_GOTO);
    g_assert_cmpint(last()->imm, ==, 0x10c);
}

static void test_page_end(void)
{
    Translate tx;

    fill_nops();
    tx = translate(0xff8, 100, key_of(RV_FS_OFF, 0), true);
    g_assert_cmpuint(tx.ninsns, ==, 2);
    g_assert_cmpint(last()->imm, ==, 0x1000);
}

/* An instruction over the page end is a block of its own, or asks for the page. */
static void test_straddle(void)
{
    Translate tx;

    fill_nops();
    st16_le(page + 0xffc, C_NOP);
    st16_le(page + 0xffe, (uint16_t)NOP);
    st16_le(next_page, NOP >> 16);
    tx = translate(0xffc, 100, key_of(RV_FS_OFF, 0), false);
    g_assert_cmpuint(tx.size, ==, 2);
    g_assert_false(tx.needs_next);
    g_assert_cmpint(last()->imm, ==, 0xffe);
    tx = translate(0xffe, 100, key_of(RV_FS_OFF, 0), false);
    g_assert_cmpuint(tx.size, ==, 0);
    g_assert_true(tx.needs_next);
    tx = translate(0xffe, 100, key_of(RV_FS_OFF, 0), true);
    g_assert_cmpuint(tx.size, ==, 4);
    g_assert_cmpuint(tx.ninsns, ==, 1);
    g_assert_cmpint(last()->imm, ==, 0x1002);
}

static void test_branches(void)
{
    Translate tx;

    fill_nops();
    st32_le(page, BEQ);        /* to 0x10 */
    st32_le(page + 4, JAL_RA); /* to 0x14 */
    tx = translate(0, 100, key_of(RV_FS_OFF, 0), true);
    g_assert_cmpuint(tx.ninsns, ==, 2);
    g_assert_cmpuint(tx.size, ==, 8);
    g_assert_cmpint(last()->op, ==, IR_GOTO);
    g_assert_cmpint(last()->imm, ==, 0x14);
    g_assert_cmpint(last()[-1].op, ==, IR_PUT); /* of the return address */
}

static bool calls(RvHelper helper)
{
    for (unsigned i = 0; i < ir->n; i++) {
        if (ir->insns[i].op == IR_CALL && ir->insns[i].imm == helper) {
            return true;
        }
    }
    return false;
}

/* Off: illegal.  Clean: made dirty, then the same instruction again.  A bad dynamic mode: illegal. */
static void test_fs(void)
{
    Translate tx;

    fill_nops();
    st32_le(page, FADD_D);
    translate(0, 100, key_of(RV_FS_OFF, 0), true);
    g_assert_true(calls(RV_H_RAISE));
    tx = translate(0, 100, key_of(RV_FS_CLEAN, 0), true);
    g_assert_true(calls(RV_H_FS_DIRTY));
    g_assert_cmpuint(tx.size, ==, 4);
    g_assert_cmpint(last()->op, ==, IR_EXIT);
    g_assert_cmpint(last()->imm, ==, 0);
    translate(0, 1, key_of(RV_FS_DIRTY, 0), true);
    g_assert_false(calls(RV_H_FADD) || calls(RV_H_RAISE));
    translate(0, 1, key_of(RV_FS_DIRTY, 4), true);
    g_assert_true(calls(RV_H_FADD));
    translate(0, 1, key_of(RV_FS_DIRTY, 5), true);
    g_assert_true(calls(RV_H_RAISE));
}

static void test_jump_without_compressed(void)
{
    fill_nops();
    st32_le(page, 0x0000006f | 1 << 21); /* j .+2 */
    model.ext[RV_EXT_ZCA] = false;
    translate(0, 1, key_of(RV_FS_OFF, 0), true);
    g_assert_true(calls(RV_H_RAISE));
    model.ext[RV_EXT_ZCA] = true;
    translate(0, 1, key_of(RV_FS_OFF, 0), true);
    g_assert_false(calls(RV_H_RAISE));
}

static void test_random_bytes(void)
{
    GRand *rand = g_rand_new_with_seed(7);
    char text[128];

    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < sizeof(page); i += 4) {
            st32_le(page + i, g_rand_int(rand) | (g_rand_boolean(rand) ? 3 : 0));
        }
        for (unsigned off = 0; off < sizeof(page); off += 64) {
            translate(off, 1 + g_rand_int_range(rand, 0, 64),
                      key_of(g_rand_int_range(rand, 0, 3), g_rand_int_range(rand, 0, 8)), true);
            g_assert_false(ir->overflow);
            g_assert_cmpuint(rv_disas(&model, 0, off, page + off, 4, text, sizeof(text)), <=, 4);
        }
    }
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < RV_NGLOBALS; i++) {
        globals[i] = (IrGlobal){.name = "r", .type = i < RV_G_F(0) ? IR_I64 : IR_F64, .rank = 255};
    }
    for (unsigned i = 0; i < RV_EXT_COUNT; i++) {
        model.ext[i] = true;
    }
    ir = ir_new(&target);
    g_test_add_func("/riscv64/translate/max-insns", test_max_insns);
    g_test_add_func("/riscv64/translate/page-end", test_page_end);
    g_test_add_func("/riscv64/translate/straddle", test_straddle);
    g_test_add_func("/riscv64/translate/branches", test_branches);
    g_test_add_func("/riscv64/translate/fs", test_fs);
    g_test_add_func("/riscv64/translate/jump-without-compressed", test_jump_without_compressed);
    g_test_add_func("/riscv64/translate/random-bytes", test_random_bytes);
    return g_test_run();
}
