/* SPDX-License-Identifier: MIT */
/*
 * Folding (tcg/opt-fold.c), rule by rule.  In a row, %0 is x0 and %1 is x1, %2 is w0 and %3 is w1,
 * %4 is d0 and %5 is s0; the block ends behind it.
 */
#include "rhea/osdep.h"

#include "../../ir/ir-text.h"

typedef struct Row {
    const char *name, *before, *after;
} Row;

#define C(label, v) "%" #label ":i64 = const " v "\n"

static const Row rows[] = {
    {"add-0", C(9, "+0x0") "%10:i64 = add %0 %9\nput x2 %10\n", "put x2 %0\n"},
    {"add-const-left", C(9, "+0x5") "%10:i64 = add %9 %0\nput x2 %10\n",
     C(9, "+0x5") "%10:i64 = add %0 %9\nput x2 %10\n"},
    {"add-add", C(8, "+0x5") C(9, "-0x7") "%10:i64 = add %0 %8\n%11:i64 = add %10 %9\nput x2 %11\n",
     C(9, "-0x2") "%10:i64 = add %0 %9\nput x2 %10\n"},
    {"add-pc", C(9, "+0x123") "%10:i64 = pc +0x1000\n%11:i64 = add %10 %9\nput x2 %11\n",
     "%10:i64 = pc +0x1123\nput x2 %10\n"},
    {"add-neg", "%10:i64 = neg %1\n%11:i64 = add %0 %10\nput x2 %11\n",
     "%10:i64 = sub %0 %1\nput x2 %10\n"},
    {"sub-self", "%10:i64 = sub %0 %0\nput x2 %10\n", C(9, "+0x0") "put x2 %9\n"},
    {"sub-const", C(9, "+0x5") "%10:i64 = sub %0 %9\nput x2 %10\n",
     C(9, "-0x5") "%10:i64 = add %0 %9\nput x2 %10\n"},
    {"sub-from-0", C(9, "+0x0") "%10:i64 = sub %9 %0\nput x2 %10\n",
     "%10:i64 = neg %0\nput x2 %10\n"},
    {"sub-of-sum", "%10:i64 = add %0 %1\n%11:i64 = sub %10 %0\nput x2 %11\n", "put x2 %1\n"},
    {"sbb-self", "%10:i64 = sbb %0 %0 %2\nput x2 %10\n",
     "%10:i64 = zext32 %2\n%11:i64 = neg %10\nput x2 %11\n"},
    {"borrow-self", "%10:i32 = borrow %0 %0 %2\nput w1 %10\n", "put w1 %2\n"},
    {"neg-neg", "%10:i64 = neg %0\n%11:i64 = neg %10\nput x2 %11\n", "put x2 %0\n"},
    {"and-self", "%10:i64 = and %0 %0\nput x2 %10\n", "put x2 %0\n"},
    {"and-0", C(9, "+0x0") "%10:i64 = and %0 %9\nput x2 %10\n", C(9, "+0x0") "put x2 %9\n"},
    {"and-zext8", C(9, "+0xff") "%10:i64 = and %0 %9\nput x2 %10\n",
     "%10:i64 = zext8 %0\nput x2 %10\n"},
    {"and-zext32", C(9, "+0xffffffff") "%10:i64 = and %0 %9\nput x2 %10\n",
     "%10:i32 = trunc %0\n%11:i64 = zext32 %10\nput x2 %11\n"},
    {"and-known", C(9, "+0xff") "%10:i64 = setcond.lt %0 %1\n%11:i64 = and %10 %9\nput x2 %11\n",
     "%10:i64 = setcond.lt %0 %1\nput x2 %10\n"},
    {"and-disjoint",
     C(8, "+0xf0") C(9, "+0xf") "%10:i64 = and %0 %8\n%11:i64 = and %10 %9\nput x2 %11\n",
     C(9, "+0x0") "put x2 %9\n"},
    {"and-pc", C(9, "-0x2") "%10:i64 = pc +0x1001\n%11:i64 = and %10 %9\nput x2 %11\n",
     "%10:i64 = pc +0x1000\nput x2 %10\n"},
    {"and-not", "%10:i64 = not %0\n%11:i64 = and %10 %1\nput x2 %11\n",
     "%10:i64 = andn %1 %0\nput x2 %10\n"},
    {"andn-const", C(9, "+0xf") "%10:i64 = andn %0 %9\nput x2 %10\n",
     C(9, "-0x10") "%10:i64 = and %0 %9\nput x2 %10\n"},
    {"or-ones", C(9, "-0x1") "%10:i64 = or %0 %9\nput x2 %10\n", C(9, "-0x1") "put x2 %9\n"},
    {"xor-ones", C(9, "-0x1") "%10:i64 = xor %0 %9\nput x2 %10\n",
     "%10:i64 = not %0\nput x2 %10\n"},
    {"xor-setcond", C(9, "+0x1") "%10:i64 = setcond.gt %0 %1\n%11:i64 = xor %10 %9\nput x2 %11\n",
     "%10:i64 = setcond.le %0 %1\nput x2 %10\n"},
    {"shift-count", C(9, "+0x43") "%10:i64 = shl %0 %9\nput x2 %10\n",
     C(9, "+0x3") "%10:i64 = shl %0 %9\nput x2 %10\n"},
    {"shift-masked", C(9, "+0x3f") "%10:i64 = and %1 %9\n%11:i64 = shl %0 %10\nput x2 %11\n",
     "%10:i64 = shl %0 %1\nput x2 %10\n"},
    {"shl-shl", C(8, "+0x3") C(9, "+0x4") "%10:i64 = shl %0 %8\n%11:i64 = shl %10 %9\nput x2 %11\n",
     C(9, "+0x7") "%10:i64 = shl %0 %9\nput x2 %10\n"},
    {"shr-out", C(9, "+0x20") "%10:i64 = shr %0 %9\n%11:i64 = shr %10 %9\nput x2 %11\n",
     C(9, "+0x0") "put x2 %9\n"},
    {"sar-sar", C(9, "+0x28") "%10:i64 = sar %0 %9\n%11:i64 = sar %10 %9\nput x2 %11\n",
     C(9, "+0x3f") "%10:i64 = sar %0 %9\nput x2 %10\n"},
    {"shift-back-32", C(9, "+0x20") "%10:i64 = shl %0 %9\n%11:i64 = shr %10 %9\nput x2 %11\n",
     "%10:i32 = trunc %0\n%11:i64 = zext32 %10\nput x2 %11\n"},
    {"shift-back-16", C(9, "+0x30") "%10:i64 = shl %0 %9\n%11:i64 = sar %10 %9\nput x2 %11\n",
     "%10:i64 = sext16 %0\nput x2 %10\n"},
    {"shift-scaled",
     C(8, "+0x20") C(9, "+0x1e") "%10:i64 = shl %0 %8\n%11:i64 = shr %10 %9\nput x2 %11\n",
     "%10:i32 = trunc %0\n%11:i64 = zext32 %10\n" C(9,
                                                    "+0x2") "%12:i64 = shl %11 %9\nput x2 %12\n"},
    {"mul-8", C(9, "+0x8") "%10:i64 = mul %0 %9\nput x2 %10\n",
     C(9, "+0x3") "%10:i64 = shl %0 %9\nput x2 %10\n"},
    {"mul-0", C(9, "+0x0") "%10:i64 = mul %0 %9\nput x2 %10\n", C(9, "+0x0") "put x2 %9\n"},
    {"divu-8", C(9, "+0x8") "%10:i64 = divu %0 %9\nput x2 %10\n",
     C(9, "+0x3") "%10:i64 = shr %0 %9\nput x2 %10\n"},
    {"remu-8", C(9, "+0x8") "%10:i64 = remu %0 %9\nput x2 %10\n",
     C(9, "+0x7") "%10:i64 = and %0 %9\nput x2 %10\n"},
    {"ext-of-ext", "%10:i64 = zext16 %0\n%11:i64 = sext8 %10\nput x2 %11\n",
     "%10:i64 = sext8 %0\nput x2 %10\n"},
    {"zext-known", "%10:i64 = zext8 %0\n%11:i64 = zext16 %10\nput x2 %11\n",
     "%10:i64 = zext8 %0\nput x2 %10\n"},
    {"sext-known", "%10:i64 = sext8 %0\n%11:i64 = sext16 %10\nput x2 %11\n",
     "%10:i64 = sext8 %0\nput x2 %10\n"},
    {"sext32-trunc-sext32",
     "%10:i64 = sext32 %2\n%11:i32 = trunc %10\n%12:i64 = sext32 %11\nput x2 %12\n",
     "%10:i64 = sext32 %2\nput x2 %10\n"},
    {"sext32-of-load",
     "%10:i64 = load %0 s32 mmu0 +0x0\n%11:i32 = trunc %10\n%12:i64 = sext32 %11\nput x2 %12\n",
     "%10:i64 = load %0 s32 mmu0 +0x0\nput x2 %10\n"},
    {"trunc-ext", "%10:i64 = zext32 %2\n%11:i32 = trunc %10\nput w1 %11\n", "put w1 %2\n"},
    {"trunc-setcond", "%10:i64 = setcond.eq %0 %1\n%11:i32 = trunc %10\nput w1 %11\n",
     "%10:i32 = setcond.eq %0 %1\nput w1 %10\n"},
    {"trunc-fbits-fbox",
     "%10:f64 = fbox %5\n%11:i64 = fbits %10\n%12:i32 = trunc %11\nput w1 %12\n",
     "%10:i32 = fbits %5\nput w1 %10\n"},
    {"funbox-fbox", "%10:f64 = fbox %5\n%11:f32 = funbox %10\nput s1 %11\n", "put s1 %5\n"},
    {"fbits-fbits", "%10:i64 = fbits %4\n%11:f64 = fbits %10\nput d1 %11\n", "put d1 %4\n"},
    {"setcond-same", "%10:i64 = setcond.leu %0 %0\nput x2 %10\n", C(9, "+0x1") "put x2 %9\n"},
    {"setcond-seqz", C(9, "+0x1") "%10:i64 = setcond.ltu %0 %9\nput x2 %10\n",
     C(9, "+0x0") "%10:i64 = setcond.eq %0 %9\nput x2 %10\n"},
    {"setcond-snez", C(9, "+0x0") "%10:i64 = setcond.ltu %9 %0\nput x2 %10\n",
     C(9, "+0x0") "%10:i64 = setcond.ne %0 %9\nput x2 %10\n"},
    {"cmp-xor", C(9, "+0x0") "%10:i64 = xor %0 %1\n%11:i64 = setcond.eq %10 %9\nput x2 %11\n",
     "%10:i64 = setcond.eq %0 %1\nput x2 %10\n"},
    {"cmp-sum",
     C(8, "+0x3") C(9, "+0xa") "%10:i64 = add %0 %8\n%11:i64 = setcond.ne %10 %9\nput x2 %11\n",
     C(9, "+0x7") "%10:i64 = setcond.ne %0 %9\nput x2 %10\n"},
    {"exit-if-setcond", C(9, "+0x0") "%10:i64 = setcond.ltu %0 %1\nexit_if.eq %10 %9 +0x10\n",
     "exit_if.geu %0 %1 +0x10\n"},
    {"exit-if-seqz",
     C(8, "+0x1") C(9, "+0x0") "%10:i64 = setcond.ltu %0 %8\nexit_if.ne %10 %9 +0x10\n",
     C(9, "+0x0") "exit_if.eq %0 %9 +0x10\n"},
    {"exit-if-never", "exit_if.ne %0 %0 +0x10\n", ""},
    {"movcond-same", "%10:i64 = movcond.eq %0 %1 %0 %0\nput x2 %10\n", "put x2 %0\n"},
    {"movcond-known", C(9, "+0x1") "%10:i64 = movcond.lt %9 %9 %0 %1\nput x2 %10\n", "put x2 %1\n"},
    {"movcond-setcond", C(8, "+0x0") C(9, "+0x1") "%10:i64 = movcond.lt %0 %1 %8 %9\nput x2 %10\n",
     "%10:i64 = setcond.ge %0 %1\nput x2 %10\n"},
    {"load-displacement",
     C(9, "-0x8") "%10:i64 = add %0 %9\n%11:i64 = load %10 u64 mmu0 +0x18\nput x2 %11\n",
     "%11:i64 = load %0 u64 mmu0 +0x10\nput x2 %11\n"},
    {"load-far-displacement",
     C(9, "+0x80000000") "%10:i64 = add %0 %9\n%11:i64 = load %10 u64 mmu0 +0x0\nput x2 %11\n",
     C(9, "+0x80000000") "%10:i64 = add %0 %9\n%11:i64 = load %10 u64 mmu0 +0x0\nput x2 %11\n"},
    {"store-ext", "%10:i64 = zext8 %0\nstore %1 %10 u8 mmu0 +0x0\n", "store %1 %0 u8 mmu0 +0x0\n"},
    {"store-ext-too-narrow", "%10:i64 = zext8 %0\nstore %1 %10 u16 mmu0 +0x0\n",
     "%10:i64 = zext8 %0\nstore %1 %10 u16 mmu0 +0x0\n"},
    {"store-sext32", "%10:i64 = sext32 %2\nstore %1 %10 u32 mmu0 +0x0\n",
     "store %1 %2 u32 mmu0 +0x0\n"},
    {"cse",
     "%10:i64 = add %0 %1\n%11:i64 = add %0 %1\n%12:i64 = xor %10 %11\nput x2 %12\n"
     "put x3 %10\n",
     "%10:i64 = add %0 %1\n" C(9, "+0x0") "put x2 %9\nput x3 %10\n"},
    {"constants", C(8, "+0x6") C(9, "+0x7") "%10:i64 = mul %8 %9\nput x2 %10\n",
     C(9, "+0x2a") "put x2 %9\n"},
    {"fp-stays", "%10:f64 = fadd %4 %4\n", "%10:f64 = fadd %4 %4\n"},
};

static const char head[] = "%0:i64 = get x0\n%1:i64 = get x1\n%2:i32 = get w0\n%3:i32 = get w1\n"
                           "%4:f64 = get d0\n%5:f32 = get s0\n";
static const char tail[] = "put x4 %0\nput x5 %1\nput w0 %3\nput w1 %2\nput d2 %4\nput s1 %5\n"
                           "goto +0x4\n";

static void test_row(const void *opaque)
{
    const Row *row = opaque;
    g_autofree char *before = g_strconcat(head, row->before, tail, NULL);
    g_autofree char *after = g_strconcat(head, row->after, tail, NULL);

    check_pass(before, ir_opt_fold, after);
}

/* A branch that is always taken ends the block. */
static void test_exit_if_always(void)
{
    check_pass("%0:i64 = const +0x1\n%1:i64 = const +0x2\nexit_if.lt %0 %1 +0x40\nput x0 %0\n"
               "goto +0x8\n",
               ir_opt_fold, "goto +0x40\n");
}

/* auipc, jalr: a direct jump. */
static void test_goto_ind(void)
{
    check_pass("%0:i64 = pc +0x2000\n%1:i64 = const +0x11\n%2:i64 = add %0 %1\n"
               "%3:i64 = const -0x2\n%4:i64 = and %2 %3\ngoto_ind.call %4\n",
               ir_opt_fold, "goto +0x2010\n");
    check_pass("%0:i64 = pc +0x2000\ngoto_ind.ret %0\n", ir_opt_fold, "goto +0x2000\n");
    check_pass("%0:i64 = pc +0x20\ngoto_ind.context %0\n", ir_opt_fold,
               "%0:i64 = pc +0x20\ngoto_ind.context %0\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *path = g_strdup_printf("/opt-fold/%s", rows[i].name);

        g_test_add_data_func(path, &rows[i], test_row);
    }
    g_test_add_func("/opt-fold/exit-if-always", test_exit_if_always);
    g_test_add_func("/opt-fold/goto-ind", test_goto_ind);
    return g_test_run();
}
