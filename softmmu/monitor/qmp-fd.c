/* SPDX-License-Identifier: MIT */
/* QMP commands that hand descriptors over; they come with the command by SCM_RIGHTS. */
#include "rhea/osdep.h"

#include "rhea/fdset.h"
#include "monitor-int.h"

static int take_fd(Error **errp)
{
    int fd = qmp_take_fd();

    if (fd < 0) {
        error_fail(errp, "No file descriptor supplied via SCM_RIGHTS");
    }
    return fd;
}

static bool qmp_add_fd(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    int fd = take_fd(errp);
    JsonObject *obj;
    int64_t id;

    if (fd < 0) {
        return false;
    }
    if (args && json_object_has_member(args, "fdset-id") && qmp_arg_int(args, "fdset-id", -1) < 0) {
        close(fd);
        return error_fail(errp, "Parameter 'fdset-id' expects a non-negative value");
    }
    id = fdset_add(qmp_arg_int(args, "fdset-id", -1), fd, qmp_arg_str(args, "opaque"));
    obj = json_object_new();
    json_object_set_int_member(obj, "fdset-id", id);
    json_object_set_int_member(obj, "fd", fd);
    *ret = qmp_object(obj);
    return true;
}

QMP_COMMAND(qmp_add_fd_command, .name = "add-fd", .run = qmp_add_fd,
            .args = "{*fdset-id: int, *opaque: str}", .ret = "{fdset-id: int, fd: int}");

static bool qmp_remove_fd(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    return fdset_remove(qmp_arg_int(args, "fdset-id", -1), qmp_arg_int(args, "fd", -1), errp);
}

QMP_COMMAND(qmp_remove_fd_command, .name = "remove-fd", .run = qmp_remove_fd,
            .args = "{fdset-id: int, *fd: int}");

/* Sets in the order of their first descriptor. */
static JsonArray *set_fds(JsonArray *sets, int64_t id)
{
    JsonObject *set;
    JsonArray *fds;

    for (guint i = 0; i < json_array_get_length(sets); i++) {
        set = json_array_get_object_element(sets, i);
        if (json_object_get_int_member(set, "fdset-id") == id) {
            return json_object_get_array_member(set, "fds");
        }
    }
    set = json_object_new();
    fds = json_array_new();
    json_object_set_int_member(set, "fdset-id", id);
    json_object_set_array_member(set, "fds", fds);
    json_array_add_object_element(sets, set);
    return fds;
}

static void add_fdset_member(void *arg, int64_t id, int fd, const char *opaque)
{
    JsonObject *item = json_object_new();

    json_object_set_int_member(item, "fd", fd);
    if (opaque) {
        json_object_set_string_member(item, "opaque", opaque);
    }
    json_array_add_object_element(set_fds(arg, id), item);
}

static bool query_fdsets(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    JsonArray *sets = json_array_new();

    fdset_foreach(add_fdset_member, sets);
    *ret = qmp_array(sets);
    return true;
}

QMP_COMMAND(query_fdsets_command, .name = "query-fdsets", .run = query_fdsets,
            .ret = "[{fdset-id: int, fds: [{fd: int, *opaque: str}]}]");

static bool qmp_getfd(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *name = qmp_arg_str(args, "fdname");
    int fd = take_fd(errp);

    if (fd < 0) {
        return false;
    }
    if (g_ascii_isdigit(*name)) {
        close(fd);
        return error_fail(errp, "Parameter 'fdname' expects a name not starting with a digit");
    }
    fd_named_add(name, fd);
    return true;
}

QMP_COMMAND(qmp_getfd_command, .name = "getfd", .run = qmp_getfd, .args = "{fdname: str}");

static bool qmp_closefd(Machine *m, JsonObject *args, JsonNode **ret, Error **errp)
{
    const char *name = qmp_arg_str(args, "fdname");
    int fd = fd_named_take(name);

    if (fd < 0) {
        return error_fail(errp, "File descriptor named '%s' not found", name);
    }
    close(fd);
    return true;
}

QMP_COMMAND(qmp_closefd_command, .name = "closefd", .run = qmp_closefd, .args = "{fdname: str}");
