/* SPDX-License-Identifier: MIT */
/*
 * One list of fields per device, walked for saving and for loading.  A Snapshot is in one of the two
 * directions; the functions below write the field to the stream or read it back.  After an error
 * (truncated, wrong name or version) every further call is a no-op: check snap_ok() at the end, and
 * never trust a loaded value: check ranges in after_load or with the _max forms.
 */
#ifndef SNAPSHOT_SNAPSHOT_H
#define SNAPSHOT_SNAPSHOT_H

#include "rhea/error.h"

typedef struct Snapshot Snapshot;
struct ClockTimer;
struct Machine;

bool snap_loading(const Snapshot *sn);
bool snap_ok(const Snapshot *sn);
/* Marks the snapshot bad with a message (loading: a value out of range). */
void snap_fail(Snapshot *sn, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Opens the named section; a load checks name and that its version is <= @version, and returns it. */
unsigned snap_section(Snapshot *sn, const char *name, unsigned version);

void snap_bool(Snapshot *sn, bool *v);
void snap_u8(Snapshot *sn, uint8_t *v);
void snap_u16(Snapshot *sn, uint16_t *v);
void snap_u32(Snapshot *sn, uint32_t *v);
void snap_u64(Snapshot *sn, uint64_t *v);
void snap_i32(Snapshot *sn, int32_t *v);
void snap_i64(Snapshot *sn, int64_t *v);
/* Loading fails when the value is over @max: for indexes and counts. */
void snap_u32_max(Snapshot *sn, uint32_t *v, uint32_t max);
void snap_bytes(Snapshot *sn, void *buf, size_t len);
void snap_u32_array(Snapshot *sn, uint32_t *v, size_t n);
void snap_u64_array(Snapshot *sn, uint64_t *v, size_t n);
/* A byte buffer of variable length up to @max (g_malloc'd; NULL for empty). */
void snap_buffer(Snapshot *sn, uint8_t **buf, uint32_t *len, uint32_t max);
void snap_timer(Snapshot *sn, struct ClockTimer *t);

/* Picks by pointer type: snap_fields(sn, &s->a, &s->b, ...), up to 8. */
#define snap_field(sn, p)                                                                          \
    _Generic((p), bool *: snap_bool, uint8_t *: snap_u8, uint16_t *: snap_u16,       \
             uint32_t *: snap_u32, uint64_t *: snap_u64, int32_t *: snap_i32,        \
             int64_t *: snap_i64)(sn, p)
#define SNAP_1(sn, p)                                        snap_field(sn, p)
#define SNAP_2(sn, p, ...)                                   snap_field(sn, p), SNAP_1(sn, __VA_ARGS__)
#define SNAP_3(sn, p, ...)                                   snap_field(sn, p), SNAP_2(sn, __VA_ARGS__)
#define SNAP_4(sn, p, ...)                                   snap_field(sn, p), SNAP_3(sn, __VA_ARGS__)
#define SNAP_5(sn, p, ...)                                   snap_field(sn, p), SNAP_4(sn, __VA_ARGS__)
#define SNAP_6(sn, p, ...)                                   snap_field(sn, p), SNAP_5(sn, __VA_ARGS__)
#define SNAP_7(sn, p, ...)                                   snap_field(sn, p), SNAP_6(sn, __VA_ARGS__)
#define SNAP_8(sn, p, ...)                                   snap_field(sn, p), SNAP_7(sn, __VA_ARGS__)
#define SNAP_PICK(_1, _2, _3, _4, _5, _6, _7, _8, name, ...) name
#define snap_fields(sn, ...)                                                                       \
    (SNAP_PICK(__VA_ARGS__, SNAP_8, SNAP_7, SNAP_6, SNAP_5, SNAP_4, SNAP_3, SNAP_2,                \
               SNAP_1)(sn, __VA_ARGS__))

/*
 * The whole machine (virtual clock, CPUs, devices, RAM) to and from a file or memory.  The VM must be
 * stopped; machine lock held.  Whether it runs afterwards is the caller's business; after a failed load
 * it must not run, because parts may have been loaded.
 */
bool snapshot_save_file(struct Machine *m, const char *path, Error **errp) MUST_CHECK;
bool snapshot_load_file(struct Machine *m, const char *path, Error **errp) MUST_CHECK;

/*
 * The same in the disks: a snapshot of each with the name @tag, and the machine's state in one of them.  A
 * disk that is writable and cannot hold snapshots is an error, so is a load of what not all of them have.
 */
typedef struct DiskSnapshot {
    const char *tag;
    const char *state_disk;   /* the node that has the machine's state; NULL: the first */
    const char *const *disks; /* nodes, NULL-terminated; NULL: all that are writable */
    bool replace;             /* saving: of several with this name only the new one stays */
} DiskSnapshot;

bool disk_snapshot_save(struct Machine *m, const DiskSnapshot *s, Error **errp) MUST_CHECK;
/* Whether the disks have it, which is known while the VM still runs. */
bool disk_snapshot_can_load(const DiskSnapshot *s, Error **errp) MUST_CHECK;
bool disk_snapshot_load(struct Machine *m, const DiskSnapshot *s, Error **errp) MUST_CHECK;
bool disk_snapshot_delete(const DiskSnapshot *s, Error **errp) MUST_CHECK;
/* The disks have one with that name. */
bool disk_snapshot_exists(const char *tag);
/* A table for people. */
void disk_snapshot_list(GString *out);

/* Everything but RAM, for the round-trip tests.  Saving fails (NULL) when a device's state cannot be. */
GByteArray *snapshot_save_devices(struct Machine *m, Error **errp);
bool snapshot_load_devices(struct Machine *m, const uint8_t *data, size_t len,
                           Error **errp) MUST_CHECK;

#endif
