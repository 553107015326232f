/* SPDX-License-Identifier: MIT */
/* HMP: commands that change something. */
#include "rhea/osdep.h"

#include "rhea/log.h"
#include "rhea/opts.h"
#include "softmmu/device-add.h"
#include "softmmu/gdbstub.h"
#include "softmmu/runstate.h"
#include "monitor-int.h"

void hmp_print_result(bool ok, Error **err, GString *out)
{
    if (!ok) {
        g_string_append_printf(out, "Error: %s\n", error_text(*err));
        error_free(*err);
    }
}

char **hmp_words(const char *args, const char *known, unsigned *flags)
{
    g_auto(GStrv) words = g_strsplit_set(args, " ", -1);
    g_autoptr(GStrvBuilder) rest = g_strv_builder_new();

    *flags = 0;
    for (char **w = words; *w; w++) {
        const char *flag = w[0][0] == '-' && w[0][1] ? strchr(known, w[0][1]) : NULL;

        if (flag) {
            *flags |= 1U << (flag - known);
        } else if (w[0][0]) {
            g_strv_builder_add(rest, *w);
        }
    }
    return g_strv_builder_end(rest);
}

/* --- Running --- */

static void hmp_stop(Machine *m, const char *args, GString *out)
{
    vm_stop(m, RUN_PAUSED);
}

HMP_COMMAND(hmp_stop_command, .name = "stop|s", .help = "stop the VM", .run = hmp_stop);

static void hmp_cont(Machine *m, const char *args, GString *out)
{
    if (runstate_needs_reset(m)) {
        g_string_append(out, "Error: Resetting the Virtual Machine is required\n");
        return;
    }
    vm_start(m);
}

HMP_COMMAND(hmp_cont_command, .name = "cont|c", .help = "let the VM run", .run = hmp_cont);

static void hmp_reset(Machine *m, const char *args, GString *out)
{
    machine_request_reset(m, SHUTDOWN_HOST_QMP_SYSTEM_RESET);
}

HMP_COMMAND(hmp_reset_command, .name = "system_reset", .help = "reset the machine",
            .run = hmp_reset);

static void hmp_powerdown(Machine *m, const char *args, GString *out)
{
    if (!machine_ops(m)->powerdown) {
        g_string_append(out, "Error: this machine has no power button\n");
        return;
    }
    machine_request_powerdown(m);
}

HMP_COMMAND(hmp_powerdown_command, .name = "system_powerdown", .help = "press the power button",
            .run = hmp_powerdown);

static void hmp_wakeup(Machine *m, const char *args, GString *out)
{
    if (!runstate_is_suspended(m)) {
        g_string_append(out, "Error: the guest does not sleep\n");
        return;
    }
    machine_request_wakeup(m);
}

HMP_COMMAND(hmp_wakeup_command, .name = "system_wakeup", .help = "wake a guest from suspend to RAM",
            .run = hmp_wakeup);

static void hmp_nmi(Machine *m, const char *args, GString *out)
{
    if (!machine_ops(m)->nmi) {
        g_string_append(out, "Error: this machine has no NMI\n");
        return;
    }
    machine_ops(m)->nmi(m);
}

HMP_COMMAND(hmp_nmi_command, .name = "nmi", .help = "interrupt the CPUs without their leave",
            .run = hmp_nmi);

static void hmp_quit(Machine *m, const char *args, GString *out)
{
    machine_request_shutdown(m, SHUTDOWN_HOST_QMP_QUIT, 0);
}

HMP_COMMAND(hmp_quit_command, .name = "quit|q", .help = "end the emulator", .run = hmp_quit);

/* --- Devices, objects, properties --- */

static void hmp_device_add(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;
    g_autoptr(Opts) o = opts_parse("device_add", args, "driver", &err);

    hmp_print_result(o && device_add_opts(m, o, true, &err), &err, out);
}

HMP_COMMAND(hmp_device_add_command, .name = "device_add", .args = "driver[,prop=value...]",
            .help = "add a device", .run = hmp_device_add);

static void hmp_device_del(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    hmp_print_result(device_del(m, args, &err), &err, out);
}

HMP_COMMAND(hmp_device_del_command, .name = "device_del", .args = "id", .help = "remove a device",
            .run = hmp_device_del);

static void hmp_object_add(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;
    g_autoptr(Opts) o = opts_parse("object_add", args, "qom-type", &err);

    hmp_print_result(o && object_add_opts(o, &err), &err, out);
}

HMP_COMMAND(hmp_object_add_command, .name = "object_add", .args = "type,id=id[,prop=value...]",
            .help = "create an object", .run = hmp_object_add);

static void hmp_object_del(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    hmp_print_result(object_del(args, &err), &err, out);
}

HMP_COMMAND(hmp_object_del_command, .name = "object_del", .args = "id", .help = "destroy an object",
            .run = hmp_object_del);

static bool append_prop_line(const PropDesc *p, void *opaque)
{
    g_string_append_printf(opaque, "%s\n", p->name);
    return true;
}

static void hmp_qom_list(Machine *m, const char *args, GString *out)
{
    Object *obj = qom_resolve(qom_root(), *args ? args : "/");

    if (!obj) {
        g_string_append_printf(out, "Error: Device '%s' not found\n", args);
        return;
    }
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        Object *child = g_ptr_array_index(obj->children, i);

        g_string_append_printf(out, "%s (child<%s>)\n", child->name, child->type->name);
    }
    qom_type_foreach_prop(obj->type, append_prop_line, out);
}

HMP_COMMAND(hmp_qom_list_command, .name = "qom-list", .args = "[path]",
            .help = "children and properties of an object", .run = hmp_qom_list);

static void hmp_qom_get(Machine *m, const char *args, GString *out)
{
    g_auto(GStrv) words = g_strsplit(args, " ", 2);
    Object *obj = words[0] ? qom_resolve(qom_root(), words[0]) : NULL;
    g_autofree char *value = NULL;
    Error *err = NULL;

    if (!obj || !words[1]) {
        g_string_append(out, obj ? "Error: a property is needed\n" : "Error: no such object\n");
        return;
    }
    value = qom_prop_get(obj, words[1], &err);
    hmp_print_result(value != NULL, &err, out);
    if (value) {
        g_string_append_printf(out, "%s\n", value);
    }
}

HMP_COMMAND(hmp_qom_get_command, .name = "qom-get", .args = "path property",
            .help = "the value of a property", .run = hmp_qom_get);

static void hmp_qom_set(Machine *m, const char *args, GString *out)
{
    g_auto(GStrv) words = g_strsplit(args, " ", 3);
    Object *obj = words[0] ? qom_resolve(qom_root(), words[0]) : NULL;
    Error *err = NULL;

    if (!obj || !words[1] || !words[2]) {
        g_string_append(out, obj ? "Error: a property and a value are needed\n"
                                 : "Error: no such object\n");
        return;
    }
    hmp_print_result(qom_prop_set(obj, words[1], words[2], &err), &err, out);
}

HMP_COMMAND(hmp_qom_set_command, .name = "qom-set", .args = "path property value",
            .help = "set a property", .run = hmp_qom_set);

/* --- Logs --- */

static void hmp_log(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    if (!*args || !strcmp(args, "help")) {
        g_autofree char *text = NULL;
        size_t len;
        FILE *f = open_memstream(&text, &len);

        log_print_help(f);
        fclose(f);
        g_string_append(out, text);
        return;
    }
    hmp_print_result(log_set_mask(args, &err), &err, out);
}

HMP_COMMAND(hmp_log_command, .name = "log", .args = "item[,item...]",
            .help = "log these ('none' ends it)", .run = hmp_log);

static void hmp_logfile(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    hmp_print_result(log_set_file(args, &err), &err, out);
}

HMP_COMMAND(hmp_logfile_command, .name = "logfile", .args = "file", .help = "log to this file",
            .run = hmp_logfile);

static void hmp_trace_event(Machine *m, const char *args, GString *out)
{
    g_auto(GStrv) words = g_strsplit(args, " ", 2);
    g_autofree char *pattern = NULL;
    Error *err = NULL;
    bool on = true;

    if (!words[0] || !words[1] || !parse_bool("trace-event", words[1], &on, &err)) {
        g_string_append_printf(out, "Error: %s\n",
                               err ? error_text(err) : "trace-event: NAME on|off");
        error_free(err);
        return;
    }
    pattern = g_strconcat(on ? "" : "-", words[0], NULL);
    hmp_print_result(trace_enable(pattern, &err), &err, out);
}

HMP_COMMAND(hmp_trace_event_command, .name = "trace-event", .args = "name on|off",
            .help = "switch trace events (patterns allowed)", .run = hmp_trace_event);

static void hmp_gdbserver(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    hmp_print_result(gdbstub_start(m, *args ? args : "tcp::1234", &err), &err, out);
}

HMP_COMMAND(hmp_gdbserver_command, .name = "gdbserver", .args = "[device]",
            .help = "wait for gdb there [tcp::1234], 'none' ends it", .run = hmp_gdbserver);

/* --- Chardevs --- */

static void hmp_chardev_add(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    hmp_print_result(chr_new_opts(args, &err) != NULL, &err, out);
}

HMP_COMMAND(hmp_chardev_add_command, .name = "chardev-add", .args = "backend,id=id[,...]",
            .help = "add a character device", .run = hmp_chardev_add);

static void hmp_chardev_remove(Machine *m, const char *args, GString *out)
{
    Error *err = NULL;

    hmp_print_result(chr_remove(args, &err), &err, out);
}

HMP_COMMAND(hmp_chardev_remove_command, .name = "chardev-remove", .args = "id",
            .help = "remove a character device", .run = hmp_chardev_remove);
