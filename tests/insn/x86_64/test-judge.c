/* SPDX-License-Identifier: MIT */
/*
 * Random integer instructions on this host's processor, in the interpreter and in host code: the same
 * registers, memory, flags (but undefined ones) and faults.  JUDGE_SEED and JUDGE_COUNT (a row) choose
 * others than the usual ones; JUDGE_ROWS=text judges only mnemonics with that text.  JUDGE_LIST=1 lists the
 * rows of the maps that a test did not reach.
 */
#include "rhea/osdep.h"

#include "judge.h"
#include "target/x86_64/seg.h"

enum { USUAL_SEED = 1, USUAL_COUNT = 20 };

static const char *const reg_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static unsigned setting(const char *name, unsigned usual)
{
    const char *text = g_getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 0) : usual;
}

static uint32_t eflags_of(unsigned flags)
{
    static const uint32_t bits[6] = {X86_CF, X86_PF, X86_AF, X86_ZF, X86_SF, X86_OF};
    uint32_t v = 0;

    for (unsigned i = 0; i < 6; i++) {
        v |= flags >> i & 1 ? bits[i] : 0;
    }
    return v;
}

/* A non-canonical address off the stack pointer gives #SS on processors, #GP here. */
static bool same_vector(unsigned want, unsigned got)
{
    return want == got || (want == X86_EXC_SS && got == X86_EXC_GP);
}

/* Of a store of 32 bytes that need not be aligned the address tells of the upper half, here. */
static bool same_address(uint64_t want, uint64_t got)
{
    uint64_t end = JUDGE_DATA + JUDGE_DATA_BYTES;

    return want == got || (want == end && got > end && got <= end + 16);
}

static char *vector_difference(const char *name, unsigned n, const X86Xmm *want, const X86Xmm *got)
{
    if (!memcmp(want, got, sizeof(*want))) {
        return NULL;
    }
    return g_strdup_printf("%s%u is %016" PRIx64 ":%016" PRIx64 ", wanted %016" PRIx64
                           ":%016" PRIx64,
                           name, n, got->q[1], got->q[0], want->q[1], want->q[0]);
}

static char *fp_difference(const JudgeState *want, const JudgeState *got)
{
    char *why = NULL;

    for (unsigned i = 0; i < 16 && !why; i++) {
        why = vector_difference("xmm", i, &want->xmm[i], &got->xmm[i]);
        why = why ? why : vector_difference("ymmh", i, &want->ymmh[i], &got->ymmh[i]);
    }
    if (why) {
        return why;
    }
    if (want->mxcsr != got->mxcsr) {
        return g_strdup_printf("mxcsr is %04x, wanted %04x", got->mxcsr, want->mxcsr);
    }
    if (want->fpu_cw != got->fpu_cw || want->fpu_sw != got->fpu_sw ||
        want->fpu_tags != got->fpu_tags) {
        return g_strdup_printf("x87 control %04x status %04x tags %02x, wanted %04x %04x %02x",
                               got->fpu_cw, got->fpu_sw, got->fpu_tags, want->fpu_cw, want->fpu_sw,
                               want->fpu_tags);
    }
    for (unsigned i = 0; i < 8; i++) {
        if (want->st[i].sig != got->st[i].sig || want->st[i].se != got->st[i].se) {
            return g_strdup_printf("st%u is %04x:%016" PRIx64 ", wanted %04x:%016" PRIx64, i,
                                   got->st[i].se, got->st[i].sig, want->st[i].se, want->st[i].sig);
        }
    }
    return NULL;
}

static char *data_difference(const JudgeState *want, const JudgeState *got, const Span *unjudged)
{
    for (unsigned i = 0; i < JUDGE_DATA_BYTES; i++) {
        bool counts = (i < unjudged[0].from || i >= unjudged[0].to) &&
                      (i < unjudged[1].from || i >= unjudged[1].to);

        if (counts && want->data[i] != got->data[i]) {
            return g_strdup_printf("byte %x is %02x, wanted %02x", i, got->data[i], want->data[i]);
        }
    }
    return NULL;
}

static bool has_error_code(const JudgeState *s)
{
    return s->end == JUDGE_FAULT &&
           (s->vector == X86_EXC_GP || s->vector == X86_EXC_SS || s->vector == X86_EXC_NP);
}

/* Of null selectors, which the way back from the kernel clears, the lowest bits do not count. */
static char *segment_difference(const JudgeState *want, const JudgeState *got)
{
    static const uint8_t kept[] = {X86_ES, X86_SS, X86_DS, X86_GS};

    if (has_error_code(want) && want->error != got->error) {
        return g_strdup_printf("error code is %x, wanted %x", got->error, want->error);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(kept); i++) {
        uint16_t wanted = want->seg[kept[i]], have = got->seg[kept[i]];
        bool null = x86_sel_is_null(wanted) && x86_sel_is_null(have);

        if (wanted != have && !null) {
            return g_strdup_printf("segment %u is %x, wanted %x", kept[i], have, wanted);
        }
    }
    return NULL;
}

/* NULL: equal. */
static char *difference(const JudgeState *want, const JudgeState *got, const RandomCode *code)
{
    char *why;
    uint32_t flags = ~eflags_of(code->undefined) & (X86_ARITH_FLAGS | X86_DF);

    if (want->end != got->end || want->rip != got->rip) {
        return g_strdup_printf("end %d vector %u at %" PRIx64 ", wanted %d %u at %" PRIx64,
                               got->end, got->vector, got->rip, want->end, want->vector, want->rip);
    }
    if (!same_vector(want->vector, got->vector) ||
        !same_address(want->fault_address, got->fault_address)) {
        return g_strdup_printf("exception %u at address %" PRIx64 ", wanted %u at %" PRIx64,
                               got->vector, got->fault_address, want->vector, want->fault_address);
    }
    why = segment_difference(want, got);
    if (why) {
        return why;
    }
    if (want->fault_write != got->fault_write) {
        return g_strdup_printf("the fault is a %s", got->fault_write ? "write" : "read");
    }
    for (unsigned i = 0; i < 16; i++) {
        if (want->regs[i] != got->regs[i]) {
            return g_strdup_printf("%s is %016" PRIx64 ", wanted %016" PRIx64, reg_names[i],
                                   got->regs[i], want->regs[i]);
        }
    }
    if (want->end == JUDGE_STEP && (want->eflags ^ got->eflags) & flags) {
        return g_strdup_printf("flags are %03x, wanted %03x (of %03x)", got->eflags & flags,
                               want->eflags & flags, flags);
    }
    why = fp_difference(want, got);
    return why ? why : data_difference(want, got, code->unjudged);
}

static char *text_of(const RandomCode *code)
{
    GString *out = g_string_new(NULL);

    for (unsigned i = 0; i < code->n; i++) {
        unsigned end = i + 1 < code->n ? code->start[i + 1] : code->size;
        char text[128];

        for (unsigned k = code->start[i]; k < end; k++) {
            g_string_append_printf(out, "%02x ", code->bytes[k]);
        }
        x86_disas(&judge_model, judge_mode | X86_KEY_PE, JUDGE_CODE + code->start[i],
                  code->bytes + code->start[i], 15, text, sizeof(text));
        g_string_append_printf(out, " %s\n", text);
    }
    return g_string_free(out, FALSE);
}

static void report_fp(const JudgeState *s)
{
    for (unsigned i = 0; i < 16 && g_getenv("JUDGE_FP"); i++) {
        fprintf(stderr, "#  xmm%u %016" PRIx64 ":%016" PRIx64 ":%016" PRIx64 ":%016" PRIx64 "\n", i,
                s->ymmh[i].q[1], s->ymmh[i].q[0], s->xmm[i].q[1], s->xmm[i].q[0]);
    }
    for (unsigned i = 0; i < 8 && g_getenv("JUDGE_FP"); i++) {
        fprintf(stderr, "#  st%u %04x:%016" PRIx64 "\n", i, s->st[i].se, s->st[i].sig);
    }
}

static void report(const RandomCode *code, const JudgeState *before, bool jit, const char *why)
{
    g_autofree char *text = text_of(code);

    fprintf(stderr, "# %s: %s\n%s", jit ? "host code" : "interpreter", why, text);
    for (unsigned i = 0; i < 16; i++) {
        fprintf(stderr, "#  %s %016" PRIx64 "%s", reg_names[i], before->regs[i],
                i % 4 == 3 ? "\n" : "");
    }
    fprintf(stderr, "#  flags %03x mxcsr %04x x87 %04x %04x %02x\n", before->eflags, before->mxcsr,
            before->fpu_cw, before->fpu_sw, before->fpu_tags);
    report_fp(before);
    memcpy((void *)JUDGE_CODE, code->bytes, code->size);
    if (g_getenv("JUDGE_IR")) {
        emulated_print(JUDGE_CODE, stderr);
    }
}

/* False, with a report, when somebody disagrees. */
static bool judge(const RandomCode *code, const JudgeState *before)
{
    static JudgeState want, got;
    uint64_t end = JUDGE_CODE + code->size;

    memset((void *)JUDGE_CODE_PAGE, 0xcc, JUDGE_CODE_BYTES); /* wherever a jump leads */
    memcpy((void *)JUDGE_CODE, code->bytes, code->size);
    native_run(before, end, &want);
    for (int jit = 0; jit <= emulated_has_jit(); jit++) {
        g_autofree char *why = NULL;

        if (!jit && code->approximate) {
            continue; /* the interpreter's values are not the host's */
        }
        emulated_run(before, end, jit, &got);
        why = difference(&want, &got, code);
        if (why) {
            report(code, before, jit, why);
            return false;
        }
    }
    return true;
}

static void list_unreached(const X86Row *row, const char *why)
{
    if (g_getenv("JUDGE_LIST")) {
        fprintf(stderr, "# not judged: row %u %s (%s)\n", (unsigned)(row - x86_rows), row->text,
                why);
    }
}

/* Many sequences of @n instructions that begin with one of @row; false when somebody disagrees. */
static bool judge_row(GRand *rand, const X86Row *row, unsigned n, unsigned *ran)
{
    unsigned count = setting("JUDGE_COUNT", USUAL_COUNT), before_row = *ran;
    static JudgeState before;
    RandomCode code;

    for (unsigned k = 0; k < count; k++) {
        if (random_code(rand, row, n, &code, &before)) {
            ++*ran;
            if (!judge(&code, &before)) {
                return false;
            }
        }
    }
    if (*ran == before_row) {
        list_unreached(row, "no encoding found");
    }
    return true;
}

static unsigned judge_rows(GRand *rand, unsigned n, unsigned *ran)
{
    const char *only = g_getenv("JUDGE_ROWS");
    unsigned failures = 0;

    for (unsigned i = 0; i < X86_NROWS; i++) {
        const X86Row *row = &x86_rows[i];

        if (only && !strstr(row->text, only)) {
            continue;
        }
        if (random_row_is_judged(row)) {
            failures += !judge_row(rand, row, n, ran);
        } else {
            list_unreached(row, "left out");
        }
    }
    return failures;
}

typedef struct RowsTest {
    CpuKey mode;
    unsigned insns;
} RowsTest;

static void test_rows(gconstpointer opaque)
{
    const RowsTest *test = opaque;
    g_autoptr(GRand) rand = g_rand_new_with_seed(setting("JUDGE_SEED", USUAL_SEED));
    unsigned ran = 0, failures;

    judge_mode = test->mode;
    failures = judge_rows(rand, test->insns, &ran);
    g_test_message("%u sequences", ran);
    g_assert_cmpuint(ran, >, 0);
    g_assert_cmpuint(failures, ==, 0);
}

int main(int argc, char **argv)
{
    static const RowsTest single64 = {X86_KEY_CS64, 1}, single32 = {X86_KEY_CS32, 1};
    static const RowsTest several64 = {X86_KEY_CS64, RANDOM_MAX_INSNS};
    static const RowsTest single16 = {JUDGE_16, 1}, several16 = {JUDGE_16, RANDOM_MAX_INSNS};
    static const RowsTest several32 = {X86_KEY_CS32, RANDOM_MAX_INSNS};

    g_test_init(&argc, &argv, NULL);
    if (!native_init()) {
        g_test_message("the addresses are taken");
        return 77;
    }
    emulated_init();
    g_test_add_data_func("/x86_64/judge/single", &single64, test_rows);
    g_test_add_data_func("/x86_64/judge/sequences", &several64, test_rows);
    g_test_add_data_func("/x86_64/judge/compat/single", &single32, test_rows);
    g_test_add_data_func("/x86_64/judge/compat/sequences", &several32, test_rows);
    if (native_has_ldt()) {
        g_test_add_data_func("/x86_64/judge/16bit/single", &single16, test_rows);
        g_test_add_data_func("/x86_64/judge/16bit/sequences", &several16, test_rows);
    }
    return g_test_run();
}
