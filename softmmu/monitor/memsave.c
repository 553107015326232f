/* SPDX-License-Identifier: MIT */
/* memsave, pmemsave: guest memory to a file, in HMP and QMP. */
#include "rhea/osdep.h"

#include <fcntl.h>

#include "accel/accel.h"
#include "rhea/fdset.h"
#include "rhea/opts.h"
#include "monitor-int.h"

enum { CHUNK = 4096 };

/* What to save: of the view of @cpu, or physical memory (NULL). */
typedef struct MemoryRange {
    CpuState *cpu;
    uint64_t addr, size;
} MemoryRange;

static bool range_read(Machine *m, const MemoryRange *r, uint64_t offset, void *buf, size_t len)
{
    uint64_t addr = r->addr + offset;

    return r->cpu ? cpu_debug_read(r->cpu, addr, buf, len)
                  : mem_read(m->memory, addr, buf, len) == MEM_OK;
}

static bool range_copy(Machine *m, const MemoryRange *r, FILE *f, const char *path, Error **errp)
{
    uint8_t buf[CHUNK];

    for (uint64_t done = 0; done < r->size;) {
        size_t len = MIN(r->size - done, sizeof(buf) - (r->addr + done) % sizeof(buf));

        if (!range_read(m, r, done, buf, len)) {
            return error_fail(errp, "Cannot access memory at 0x%" PRIx64, r->addr + done);
        }
        if (fwrite(buf, len, 1, f) != 1) {
            return error_fail_errno(errp, errno, "cannot write '%s'", path);
        }
        done += len;
    }
    return true;
}

static bool range_save(Machine *m, const MemoryRange *r, const char *path, Error **errp)
{
    int fd = file_open_fd(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    bool running = cpus_running(m), ok;

    if (!f) {
        return error_fail_errno(errp, errno, "cannot open '%s'", path);
    }
    if (running) {
        cpus_pause_all(m);
    }
    ok = range_copy(m, r, f, path, errp);
    if (running) {
        cpus_resume_all(m);
    }
    if (fclose(f) && ok) {
        return error_fail_errno(errp, errno, "cannot write '%s'", path);
    }
    return ok;
}

static bool range_of_cpu(Machine *m, int64_t index, MemoryRange *r, Error **errp)
{
    if (index < 0 || index >= m->cpus->len) {
        return error_fail(errp, "Parameter 'cpu-index' expects a CPU number");
    }
    r->cpu = g_ptr_array_index(m->cpus, index);
    return true;
}

/* --- QMP --- */

static MemoryRange range_from_args(JsonObject *args)
{
    return (MemoryRange){NULL, qmp_arg_int(args, "val", 0), qmp_arg_int(args, "size", 0)};
}

static bool qmp_memsave(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    MemoryRange r = range_from_args(args);

    return range_of_cpu(m, qmp_arg_int(args, "cpu-index", 0), &r, errp) &&
           range_save(m, &r, qmp_arg_str(args, "filename"), errp);
}

QMP_COMMAND(qmp_memsave_command, .name = "memsave", .run = qmp_memsave,
            .args = "{val: int, size: int, filename: str, *cpu-index: int}");

static bool qmp_pmemsave(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    MemoryRange r = range_from_args(args);

    return range_save(m, &r, qmp_arg_str(args, "filename"), errp);
}

QMP_COMMAND(qmp_pmemsave_command, .name = "pmemsave", .run = qmp_pmemsave,
            .args = "{val: int, size: int, filename: str}");

/* --- HMP --- */

/* "ADDR SIZE FILE" */
static void hmp_save(Machine *m, const char *args, bool physical, GString *out)
{
    g_auto(GStrv) words = g_strsplit(args, " ", 3);
    g_autoptr(Error) err = NULL;
    MemoryRange r = {0};

    if (g_strv_length(words) != 3) {
        g_string_append(out, "Error: an address, a size and a file name are needed\n");
    } else if (!parse_u64("address", words[0], UINT64_MAX, &r.addr, &err) ||
               !parse_size("size", words[1], 1, &r.size, &err) ||
               (!physical && !range_of_cpu(m, 0, &r, &err)) || !range_save(m, &r, words[2], &err)) {
        g_string_append_printf(out, "Error: %s\n", error_text(err));
    }
}

static void hmp_memsave(Machine *m, const char *args, GString *out)
{
    hmp_save(m, args, false, out);
}

HMP_COMMAND(hmp_memsave_command, .name = "memsave", .args = "addr size file",
            .help = "write memory that the first CPU sees to a file", .run = hmp_memsave);

static void hmp_pmemsave(Machine *m, const char *args, GString *out)
{
    hmp_save(m, args, true, out);
}

HMP_COMMAND(hmp_pmemsave_command, .name = "pmemsave", .args = "addr size file",
            .help = "write physical memory to a file", .run = hmp_pmemsave);
