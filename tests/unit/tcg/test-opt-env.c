/* SPDX-License-Identifier: MIT */
/* Register forwarding (tcg/opt-env.c), and the order of passes. */
#include "rhea/osdep.h"

#include "../../ir/ir-text.h"

static void test_get_get(void)
{
    check_pass("%0:i64 = get x0\n%1:i64 = get x0\n%2:i64 = add %0 %1\nput x1 %2\ngoto +0x0\n",
               ir_opt_env, "%0:i64 = get x0\n%2:i64 = add %0 %0\nput x1 %2\ngoto +0x0\n");
}

static void test_put_get(void)
{
    check_pass("%0:i64 = const +0x5\nput x0 %0\n%1:i64 = get x0\nput x1 %1\ngoto +0x0\n",
               ir_opt_env, "%0:i64 = const +0x5\nput x0 %0\nput x1 %0\ngoto +0x0\n");
}

static void test_put_same(void)
{
    check_pass("%0:i64 = get x0\nput x0 %0\ngoto +0x0\n", ir_opt_env, "goto +0x0\n");
}

static void test_dead_put(void)
{
    check_pass("%0:i64 = const +0x5\n%1:i64 = const +0x6\nput x0 %0\ninsn +0x4\nput x0 %1\n"
               "goto +0x0\n",
               ir_opt_env, "%1:i64 = const +0x6\nput x0 %1\ngoto +0x0\n");
}

/* What may leave between two PUTs sees the first. */
static void test_live_put(void)
{
    static const char *const between[] = {
        "%2:i64 = load %0 u64 mmu0 +0x0\n",
        "store %0 %0 u8 mmu0 +0x0\n",
        "exit_if.eq %0 %1 +0x8\n",
        "%2:i64 = call state %0\n",
        "%2:i64 = atomic.add %0 %1 u64.align mmu0 +0x0\n",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(between); i++) {
        g_autofree char *text = g_strconcat("%0:i64 = const +0x5\n%1:i64 = const +0x6\nput x0 %0\n",
                                            between[i], "put x0 %1\ngoto +0x0\n", NULL);

        check_pass(text, ir_opt_env, text);
    }
}

/* Helpers without STATE neither see nor change globals. */
static void test_plain_calls(void)
{
    check_pass("%0:i64 = get x0\n%1:i32 = const +0x1\nput x1 %0\ncall effect %1 %0\n"
               "%2:i64 = call pure %0 %0\n%3:i64 = get x0\nput x1 %2\nput x2 %3\ngoto +0x0\n",
               ir_opt_env,
               "%0:i64 = get x0\n%1:i32 = const +0x1\ncall effect %1 %0\n"
               "%2:i64 = call pure %0 %0\nput x1 %2\nput x2 %0\ngoto +0x0\n");
}

/* A STATE helper may have changed every global. */
static void test_state_call(void)
{
    const char *text = "%0:i64 = get x0\n%1:i64 = call state %0\n%2:i64 = get x0\nput x1 %2\n"
                       "put x0 %0\ngoto +0x0\n";

    check_pass(text, ir_opt_env, text);
}

static void test_dead_values(void)
{
    check_pass("%0:i64 = get x0\n%1:i64 = call pure %0 %0\n%2:i64 = load %0 u64 mmu0 +0x0\n"
               "%3:i64 = mul %0 %0\n%4:f64 = get d0\n%5:f64 = fsqrt %4\ngoto +0x0\n",
               ir_dce,
               "%0:i64 = get x0\n%2:i64 = load %0 u64 mmu0 +0x0\n%4:f64 = get d0\n"
               "%5:f64 = fsqrt %4\ngoto +0x0\n");
}

/* Only those INSNs stay whose pc can be asked for. */
static void test_dead_insns(void)
{
    check_pass("insn +0x0\n%0:i64 = get x0\nput x1 %0\ninsn +0x4\n%1:i64 = load %0 u8 mmu0 +0x0\n"
               "put x2 %1\ninsn +0x8\n%2:i64 = call pure %0 %1\nput x3 %2\ninsn +0xc\n"
               "%3:i64 = call state %0\ninsn +0x10\nexit_if.eq %0 %1 +0x20\ngoto +0x14\n",
               ir_dce,
               "%0:i64 = get x0\nput x1 %0\ninsn +0x4\n%1:i64 = load %0 u8 mmu0 +0x0\n"
               "put x2 %1\n%2:i64 = call pure %0 %1\nput x3 %2\ninsn +0xc\n"
               "%3:i64 = call state %0\nexit_if.eq %0 %1 +0x20\ngoto +0x14\n");
}

/* addw, addw on one register, then a branch on it. */
static void test_all(void)
{
    check_pass("insn +0x0\n%0:i64 = get x0\n%1:i32 = trunc %0\n%2:i32 = const +0x1\n"
               "%3:i32 = add %1 %2\n%4:i64 = sext32 %3\nput x0 %4\n"
               "insn +0x4\n%5:i64 = get x0\n%6:i32 = trunc %5\n%7:i32 = const +0x2\n"
               "%8:i32 = add %6 %7\n%9:i64 = sext32 %8\nput x0 %9\n"
               "insn +0x8\n%10:i64 = get x0\n%11:i64 = const +0x0\n%12:i64 = setcond.ne %10 %11\n"
               "exit_if.ne %12 %11 +0x0\ngoto +0xc\n",
               ir_optimise,
               "%0:i64 = get x0\n%1:i32 = trunc %0\n%11:i64 = const +0x0\n"
               "%7:i32 = const +0x3\n%8:i32 = add %1 %7\n%9:i64 = sext32 %8\nput x0 %9\n"
               "exit_if.ne %9 %11 +0x0\ngoto +0xc\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/opt-env/get-get", test_get_get);
    g_test_add_func("/opt-env/put-get", test_put_get);
    g_test_add_func("/opt-env/put-same", test_put_same);
    g_test_add_func("/opt-env/dead-put", test_dead_put);
    g_test_add_func("/opt-env/live-put", test_live_put);
    g_test_add_func("/opt-env/plain-calls", test_plain_calls);
    g_test_add_func("/opt-env/state-call", test_state_call);
    g_test_add_func("/opt-dce/dead-values", test_dead_values);
    g_test_add_func("/opt-dce/dead-insns", test_dead_insns);
    g_test_add_func("/opt/all", test_all);
    return g_test_run();
}
