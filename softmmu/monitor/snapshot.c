/* SPDX-License-Identifier: MIT */
/* Monitor commands that save the machine's state, in a file or in its disks, and go back to it. */
#include "rhea/osdep.h"

#include "block/job.h"
#include "snapshot/snapshot.h"
#include "softmmu/runstate.h"
#include "monitor-int.h"

/* --- While the VM stands still --- */

bool monitor_with_vm_stopped(Machine *m, RunState during, MonitorStoppedFn fn, const void *what,
                             Error **errp)
{
    bool running = vm_is_started(m);
    RunState before = runstate_get(m);
    bool ok;

    vm_stop(m, during);
    ok = fn(m, what, errp);
    if (!running) { /* why the other machine stopped says nothing of a loaded one */
        vm_stop(m, ok && during == RUN_RESTORE ? RUN_PAUSED : before);
    } else if (ok || during == RUN_SAVE) {
        vm_start(m);
    } else {
        vm_stop(m, RUN_PAUSED); /* half-loaded: do not run that */
    }
    return ok;
}

static bool save_file(Machine *m, const void *path, Error **errp)
{
    return snapshot_save_file(m, path, errp);
}

static bool load_file(Machine *m, const void *path, Error **errp)
{
    return snapshot_load_file(m, path, errp);
}

static bool save_disks(Machine *m, const void *what, Error **errp)
{
    return disk_snapshot_save(m, what, errp);
}

static bool load_disks(Machine *m, const void *what, Error **errp)
{
    return disk_snapshot_load(m, what, errp);
}

/* --- In a file --- */

static bool have_name(const char *args, const char *command, const char *what, GString *out)
{
    if (!*args) {
        g_string_append_printf(out, "Error: %s: %s is needed\n", command, what);
    }
    return *args;
}

static void hmp_savevm_file(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    if (have_name(args, "savevm-file", "a file name", out)) {
        hmp_print_result(monitor_with_vm_stopped(m, RUN_SAVE, save_file, args, &err), &err, out);
    }
}

HMP_COMMAND(hmp_savevm_file_command, .name = "savevm-file", .args = "file",
            .help = "write the machine's state to a file (see also -loadvm)",
            .run = hmp_savevm_file);

static void hmp_loadvm_file(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    if (have_name(args, "loadvm-file", "a file name", out)) {
        hmp_print_result(monitor_with_vm_stopped(m, RUN_RESTORE, load_file, args, &err), &err, out);
    }
}

HMP_COMMAND(hmp_loadvm_file_command, .name = "loadvm-file", .args = "file",
            .help = "go back to the state in a file", .run = hmp_loadvm_file);

/* --- In the disks --- */

static void hmp_savevm(Machine *m, const char *args, GString *out)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *made_up = g_date_time_format(now, "vm-%Y%m%d%H%M%S");
    DiskSnapshot what = {.tag = *args ? args : made_up, .replace = true};
    Error *err = NULL;

    hmp_print_result(monitor_with_vm_stopped(m, RUN_SAVE, save_disks, &what, &err), &err, out);
}

HMP_COMMAND(hmp_savevm_command, .name = "savevm", .args = "[tag]",
            .help = "snapshot of the machine, its state and all writable disks (qcow2); one with "
                    "the same tag is replaced",
            .run = hmp_savevm);

static void hmp_loadvm(Machine *m, const char *args, GString *out)
{
    DiskSnapshot what = {.tag = args};
    Error *err = NULL;

    if (have_name(args, "loadvm", "a tag", out)) {
        hmp_print_result(disk_snapshot_can_load(&what, &err) &&
                             monitor_with_vm_stopped(m, RUN_RESTORE, load_disks, &what, &err),
                         &err, out);
    }
}

HMP_COMMAND(hmp_loadvm_command, .name = "loadvm", .args = "tag",
            .help = "go back to a snapshot of the machine and its disks", .run = hmp_loadvm);

static void hmp_delvm(Machine *m, const char *args, GString *out)
{
    DiskSnapshot what = {.tag = args};
    Error *err = NULL;

    if (have_name(args, "delvm", "a tag", out)) {
        hmp_print_result(disk_snapshot_delete(&what, &err), &err, out);
    }
}

HMP_COMMAND(hmp_delvm_command, .name = "delvm", .args = "tag",
            .help = "delete a snapshot of the machine from its disks", .run = hmp_delvm);

static void hmp_info_snapshots(Machine *m, const char *args, GString *out)
{
    disk_snapshot_list(out);
}

HMP_COMMAND(hmp_info_snapshots_command, .name = "info snapshots",
            .help = "snapshots of the machine in its disks", .run = hmp_info_snapshots);

/* --- In the disks, as jobs --- */

typedef struct SnapshotJob {
    Machine *m;
    DiskSnapshot what; /* its texts belong to the job */
} SnapshotJob;

static void snapshot_job_free(gpointer p)
{
    SnapshotJob *sj = p;

    g_strfreev((char **)sj->what.disks);
    g_free((char *)sj->what.tag);
    g_free((char *)sj->what.state_disk);
    g_free(sj);
}

static SnapshotJob *snapshot_job_new(Machine *m, JsonObject *args)
{
    SnapshotJob *sj = g_new0(SnapshotJob, 1);
    JsonArray *names = json_object_get_array_member(args, "devices");
    GPtrArray *disks = g_ptr_array_new();

    for (guint i = 0; i < json_array_get_length(names); i++) {
        g_ptr_array_add(disks, g_strdup(json_array_get_string_element(names, i)));
    }
    g_ptr_array_add(disks, NULL);
    sj->m = m;
    sj->what.disks = (const char *const *)g_ptr_array_free(disks, FALSE);
    sj->what.tag = g_strdup(qmp_arg_str(args, "tag"));
    sj->what.state_disk = g_strdup(qmp_arg_str(args, "vmstate"));
    return sj;
}

static bool job_save(void *opaque, Error **errp)
{
    SnapshotJob *sj = opaque;

    return monitor_with_vm_stopped(sj->m, RUN_SAVE, save_disks, &sj->what, errp);
}

static bool job_load(void *opaque, Error **errp)
{
    SnapshotJob *sj = opaque;

    return disk_snapshot_can_load(&sj->what, errp) &&
           monitor_with_vm_stopped(sj->m, RUN_RESTORE, load_disks, &sj->what, errp);
}

static bool job_delete(void *opaque, Error **errp)
{
    return disk_snapshot_delete(&((SnapshotJob *)opaque)->what, errp);
}

typedef struct JobStart {
    JobCallKind kind;
    JobCallFn fn;
} JobStart;

static bool start_job(Machine *m, const void *like, JsonObject *args, Error **errp)
{
    const JobStart *start = like;

    return job_call(start->kind, qmp_arg_str(args, "job-id"), start->fn, snapshot_job_new(m, args),
                    snapshot_job_free, errp);
}

#define START(...)                                                                                 \
    .run_like = start_job, .like = &(const JobStart)                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

QMP_COMMAND(snapshot_save_command, .name = "snapshot-save", START(JOB_CALL_SNAPSHOT_SAVE, job_save),
            .args = "{job-id: str, tag: str, vmstate: str, devices: [str]}");
QMP_COMMAND(snapshot_load_command, .name = "snapshot-load", START(JOB_CALL_SNAPSHOT_LOAD, job_load),
            .args = "{job-id: str, tag: str, vmstate: str, devices: [str]}");
QMP_COMMAND(snapshot_delete_command, .name = "snapshot-delete",
            START(JOB_CALL_SNAPSHOT_DELETE, job_delete),
            .args = "{job-id: str, tag: str, devices: [str]}");
