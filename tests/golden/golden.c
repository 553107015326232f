/* SPDX-License-Identifier: MIT */
/* Compares host code of small guest blocks with the files in this folder; see README.md. */
#include "rhea/osdep.h"

#include <sys/mman.h>

#include "golden.h"
#include "tcg/backend.h"

enum { CODE_SIZE = 1 << 16, BLOCK_AT = 0x4000, PAGE_OFF = 0x100 };

typedef struct Golden {
    uint8_t *code;
    Backend *be;
    const void *model;
    Ir *ir;
    CpuKey key; /* of the mode that the file asks for */
} Golden;

static Golden golden;

static void golden_init(void)
{
    size_t used;

    golden.code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert(golden.code != MAP_FAILED);
    golden.be = backend_new(golden_arch.ir, golden.code, golden.code, &used);
    g_assert_cmpuint(used, <=, BLOCK_AT);
    golden.model = golden_arch.model();
    golden.ir = ir_new(golden_arch.ir);
}

static void set_mode(const char *name)
{
    for (const GoldenMode *m = golden_arch.modes; m->name; m++) {
        if (!strcmp(m->name, name)) {
            golden.key = m->key;
            return;
        }
    }
    g_error("%s has no mode '%s'", golden_arch.name, name);
}

static CodeBlock golden_compile(const uint8_t *guest, unsigned len)
{
    uint8_t page[TCG_PAGE_SIZE] = {0};
    CodeBlock cb = {.rw = golden.code + BLOCK_AT, .rx = golden.code + BLOCK_AT};
    Translate tx = {.ir = golden.ir,
                    .key = golden.key,
                    .model = golden.model,
                    .page_off = PAGE_OFF,
                    .max_insns = 128,
                    .page = page};

    memcpy(page + PAGE_OFF, guest, len);
    ir_clear(golden.ir);
    golden_arch.translate(&tx);
    ir_optimise(golden.ir);
    ir_expand(golden.ir, backend_ops(golden.be));
    g_assert(backend_compile(golden.be, golden.ir, PAGE_OFF, CODE_SIZE - BLOCK_AT, &cb));
    return cb;
}

static unsigned parse_bytes(const char *text, uint8_t *bytes, unsigned max)
{
    unsigned n = 0;
    char *end;

    for (; n < max; n++, text = end) {
        unsigned long v = strtoul(text, &end, 16);

        if (end == text) {
            break;
        }
        bytes[n] = (uint8_t)v;
    }
    return n;
}

static void print_guest(GString *out, const uint8_t *bytes, unsigned len)
{
    g_string_append(out, "guest");
    for (unsigned k = 0; k < len; k++) {
        g_string_append_printf(out, " %02x", bytes[k]);
    }
    g_string_append_c(out, '\n');
    for (unsigned at = 0, n; at < len; at += n) {
        char text[128];

        n = golden_arch.disas(golden.model, golden.key, 0x1000 + PAGE_OFF + at, bytes + at,
                              len - at, text, sizeof(text));
        g_assert(n);
        g_string_append_printf(out, "    %s\n", text);
    }
}

/* Instruction texts by objdump: lines of "offset: bytes \t text". */
static char *disassemble(const CodeBlock *cb)
{
    char *argv[] = {"objdump",
                    "-D",
                    "-b",
                    "binary",
                    "-m",
                    "i386:x86-64",
                    "-M",
                    "intel",
                    "--no-show-raw-insn",
                    "--insn-width=16",
                    "-w",
                    NULL,
                    NULL};
    g_autofree char *path = NULL;
    char *text = NULL;
    int fd = g_file_open_tmp("golden-XXXXXX", &path, NULL);

    g_assert(fd >= 0 && write(fd, cb->rw, cb->hot_size) == (ssize_t)cb->hot_size);
    close(fd);
    argv[11] = path;
    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &text, NULL, NULL, NULL)) {
        text = NULL;
    }
    unlink(path);
    return text;
}

static void print_bytes(GString *out, const CodeBlock *cb, uint32_t from, uint32_t to,
                        const char *text)
{
    g_autoptr(GString) line = g_string_new("   ");

    for (uint32_t k = from; k < to; k++) {
        g_string_append_printf(line, " %02x", cb->rw[k]);
    }
    g_string_append_printf(out, "%-44s%s%s\n", line->str, text ? "  " : "", text ? text : "");
}

static void print_host(GString *out, const CodeBlock *cb)
{
    g_autofree char *text = disassemble(cb);
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    uint32_t from = 0;
    const char *pending = NULL;

    g_string_append_printf(out, "host %u instructions, %u bytes\n", cb->hot_ninsns, cb->hot_size);
    for (unsigned k = 0; lines[k]; k++) {
        char *end;
        unsigned long off = strtoul(lines[k], &end, 16);

        if (end == lines[k] || *end != ':') {
            continue;
        }
        if (pending) {
            print_bytes(out, cb, from, (uint32_t)off, pending);
        }
        from = (uint32_t)off;
        pending = g_strstrip(end + 1);
    }
    print_bytes(out, cb, from, cb->hot_size, pending);
    g_string_append_c(out, '\n');
}

static GPtrArray *golden_files(void)
{
    g_autofree char *dir =
        g_build_filename(RHEA_SOURCE_DIR, "tests/golden/x86_64", golden_arch.name, NULL);
    GDir *d = g_dir_open(dir, 0, NULL);
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    g_assert(d);
    while ((name = g_dir_read_name(d))) {
        if (g_str_has_suffix(name, ".txt")) {
            g_ptr_array_add(files, g_build_filename(dir, name, NULL));
        }
    }
    g_dir_close(d);
    return files;
}

static void golden_update(const char *path)
{
    g_autofree char *old = NULL;
    g_autoptr(GString) out = g_string_new("");
    g_auto(GStrv) lines = NULL;

    g_assert(g_file_get_contents(path, &old, NULL, NULL));
    lines = g_strsplit(old, "\n", -1);
    golden.key = golden_arch.modes[0].key;
    for (unsigned k = 0; lines[k]; k++) {
        uint8_t bytes[512];

        if (lines[k][0] == '#' || lines[k][0] == '=') {
            g_string_append_printf(out, "%s\n", lines[k]);
        } else if (g_str_has_prefix(lines[k], "mode ")) {
            g_string_append_printf(out, "%s\n", lines[k]);
            set_mode(lines[k] + 5);
        } else if (g_str_has_prefix(lines[k], "guest")) {
            unsigned n = parse_bytes(lines[k] + 5, bytes, sizeof(bytes));
            CodeBlock cb = golden_compile(bytes, n);

            print_guest(out, bytes, n);
            print_host(out, &cb);
            g_free(cb.points);
            g_free(cb.exits);
        }
    }
    g_assert(g_file_set_contents(path, out->str, -1, NULL));
}

/* Collects the bytes of a case's host lines: those that start with blanks, behind "host". */
static void golden_check(gconstpointer opaque)
{
    const char *path = opaque;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    CodeBlock cb = {0};
    const char *title = "";
    uint32_t at = 0;
    bool in_host = false;

    g_assert(g_file_get_contents(path, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    golden.key = golden_arch.modes[0].key;
    for (unsigned k = 0; lines[k]; k++) {
        uint8_t bytes[512];

        if (lines[k][0] == '=') {
            title = lines[k];
        } else if (g_str_has_prefix(lines[k], "mode ")) {
            set_mode(lines[k] + 5);
        } else if (g_str_has_prefix(lines[k], "guest")) {
            unsigned n = parse_bytes(lines[k] + 5, bytes, sizeof(bytes));

            cb = golden_compile(bytes, n);
            in_host = false;
        } else if (g_str_has_prefix(lines[k], "host")) {
            in_host = true;
            at = 0;
        } else if (in_host && lines[k][0] == ' ') {
            g_autofree char *hex = g_strndup(lines[k], 44);
            unsigned n = parse_bytes(hex, bytes, sizeof(bytes));

            if (at + n > cb.hot_size || memcmp(cb.rw + at, bytes, n)) {
                g_test_message("%s:%u: %s: other code is emitted now; if it should be, run "
                               "this program with --update and review the diff",
                               path, k + 1, title);
                g_test_fail();
                in_host = false;
            }
            at += n;
        } else if (in_host && lines[k][0] == 0) {
            g_assert_cmpuint(at, ==, cb.hot_size);
            in_host = false;
            g_free(cb.points);
            g_free(cb.exits);
        }
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) files = golden_files();
    bool update = argc > 1 && !strcmp(argv[1], "--update");

    golden_init();
    if (update) {
        for (unsigned k = 0; k < files->len; k++) {
            golden_update(files->pdata[k]);
        }
        return 0;
    }
    g_test_init(&argc, &argv, NULL);
    if (!backend_ops(golden.be)[IR_FMA] || !backend_ops(golden.be)[IR_CLMUL]) {
        puts("1..0 # SKIP the files are for a host with FMA and PCLMULQDQ");
        return 0;
    }
    for (unsigned k = 0; k < files->len; k++) {
        g_autofree char *base = g_path_get_basename(files->pdata[k]);
        g_autofree char *name = g_strconcat("/golden/", golden_arch.name, "/", base, NULL);

        g_test_add_data_func(name, files->pdata[k], golden_check);
    }
    return g_test_run();
}
