/* SPDX-License-Identifier: MIT */
/* State of all devices (CPUs among them) and of the virtual clock, in the order of the object tree. */
#include "rhea/osdep.h"

#include "snapshot/snapshot.h"

#include "block/block.h"
#include "hw/machine.h"
#include "stream.h"

static void snap_clock(Snapshot *sn, Machine *m)
{
    Clock *c = m->clock[CLOCK_VIRTUAL];
    int64_t now_ns = clock_now_ns(c);

    snap_object_begin(sn, "clock");
    snap_section(sn, "virtual", 1);
    snap_i64(sn, &now_ns);
    if (snap_loading(sn) && snap_ok(sn)) {
        if (now_ns < 0) {
            snap_fail(sn, "a time before zero");
        } else {
            clock_set_ns(c, now_ns);
        }
    }
    snap_object_end(sn);
}

/* A guest in suspend to RAM sleeps on where it is loaded. */
static void snap_sleep(Snapshot *sn, Machine *m)
{
    bool suspended = machine_sleeps(m);

    snap_object_begin(sn, "machine");
    snap_section(sn, "sleep", 1);
    snap_bool(sn, &suspended);
    if (snap_loading(sn) && snap_ok(sn)) {
        if (suspended && !machine_ops(m)->wakeup) {
            snap_fail(sn, "it sleeps, and this machine cannot");
        } else {
            machine_set_sleeps(m, suspended);
        }
    }
    snap_object_end(sn);
}

static void snap_devices(Snapshot *sn, Machine *m, GPtrArray *devices)
{
    snap_clock(sn, m);
    snap_sleep(sn, m);
    for (unsigned i = 0; i < devices->len && snap_ok(sn); i++) {
        Device *dev = devices->pdata[i];
        g_autofree char *path = qom_path(&dev->obj);

        snap_object_begin(sn, path);
        if (snap_ok(sn)) {
            device_snapshot(dev, sn);
        }
        snap_object_end(sn);
    }
}

GByteArray *snapshot_save_devices(Machine *m, Error **errp)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new();
    Snapshot *sn;

    g_assert(machine_lock_held());
    if (!blk_nothing_failed(errp)) {
        return NULL;
    }
    sn = snap_writer_new();
    device_collect(&m->obj, devices);
    snap_devices(sn, m, devices);
    if (!snap_check(sn, errp)) {
        snap_free(sn);
        return NULL;
    }
    return snap_writer_finish(sn);
}

bool snapshot_load_devices(Machine *m, const uint8_t *data, size_t len, Error **errp)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new();
    Snapshot *sn = snap_reader_new(data, len);
    bool ok;

    g_assert(machine_lock_held());
    device_collect(&m->obj, devices);
    snap_devices(sn, m, devices);
    if (snap_ok(sn) && !snap_at_end(sn)) {
        snap_fail(sn, "it holds more devices than this machine has");
    }
    ok = snap_check(sn, errp);
    snap_free(sn);
    for (unsigned i = 0; i < devices->len && ok; i++) {
        device_after_load(devices->pdata[i]);
    }
    return ok;
}
