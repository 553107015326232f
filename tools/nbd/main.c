/* SPDX-License-Identifier: MIT */
/*
 * rhea-nbd: exports a disk image to NBD clients, with the command line of qemu-nbd.
 * Not there: the kernel's client (-c, -d), --tls-authz.
 */
#include "rhea/osdep.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "block/dirty-bitmap.h"
#include "block/image.h"
#include "block/nbd-client.h"
#include "block/nbd-server.h"
#include "block/tls.h"
#include "block/tool-object.h"
#include "rhea/report.h"

enum { HANDSHAKE_SECONDS = 10, FIRST_PASSED_FD = 3 };

static const char default_port[] = "10809";

typedef struct Args {
    const char *port, *bind, *socket, *pid_file, *tls;
    const char *format, *name, *description, *snapshot;
    GPtrArray *image;   /* names and values of more image options, in turns */
    GPtrArray *bitmaps; /* names */
    uint64_t shared, offset;
    bool persistent, verbose, read_only, temporary, image_opts, fork, list;
} Args;

/* --- Options --- */

enum {
    OPT_CACHE = 256,
    OPT_AIO,
    OPT_DISCARD,
    OPT_DETECT_ZEROES,
    OPT_IMAGE_OPTS,
    OPT_FORK,
    OPT_PID_FILE,
    OPT_OBJECT,
    OPT_TLS_CREDS,
};

static const char letters[] = "hVp:b:k:e:tvx:D:o:B:Lc:df:rsl:n";

static const struct option longs[] = {
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"port", required_argument, NULL, 'p'},
    {"bind", required_argument, NULL, 'b'},
    {"socket", required_argument, NULL, 'k'},
    {"shared", required_argument, NULL, 'e'},
    {"persistent", no_argument, NULL, 't'},
    {"verbose", no_argument, NULL, 'v'},
    {"export-name", required_argument, NULL, 'x'},
    {"description", required_argument, NULL, 'D'},
    {"offset", required_argument, NULL, 'o'},
    {"bitmap", required_argument, NULL, 'B'},
    {"list", no_argument, NULL, 'L'},
    {"connect", required_argument, NULL, 'c'},
    {"disconnect", no_argument, NULL, 'd'},
    {"format", required_argument, NULL, 'f'},
    {"read-only", no_argument, NULL, 'r'},
    {"snapshot", no_argument, NULL, 's'},
    {"load-snapshot", required_argument, NULL, 'l'},
    {"nocache", no_argument, NULL, 'n'},
    {"cache", required_argument, NULL, OPT_CACHE},
    {"aio", required_argument, NULL, OPT_AIO},
    {"discard", required_argument, NULL, OPT_DISCARD},
    {"detect-zeroes", required_argument, NULL, OPT_DETECT_ZEROES},
    {"image-opts", no_argument, NULL, OPT_IMAGE_OPTS},
    {"fork", no_argument, NULL, OPT_FORK},
    {"pid-file", required_argument, NULL, OPT_PID_FILE},
    {"object", required_argument, NULL, OPT_OBJECT},
    {"tls-creds", required_argument, NULL, OPT_TLS_CREDS},
    {NULL, 0, NULL, 0},
};

static void help(void)
{
    printf(
        "Usage: %s [OPTIONS] FILE\n"
        "  or:  %s -L [OPTIONS]\n"
        "Exports a disk image to NBD clients\n\n"
        "Connections:\n"
        "  -p, --port=PORT           TCP port to listen on (10809)\n"
        "  -b, --bind=ADDRESS        address to listen on (0.0.0.0)\n"
        "  -k, --socket=PATH         Unix socket to listen on, instead of a port\n"
        "  -e, --shared=NUMBER       clients at a time (1); 0: any number\n"
        "  -t, --persistent          does not end when the last client has gone\n"
        "      --tls-creds=ID        clients must speak TLS, with the credentials of that "
        "--object\n"
        "  -v, --verbose             says on standard error what clients do\n"
        "  -L, --list                lists what another server exports (-k, or -b and -p;\n"
        "                            --tls-creds: of a client)\n\n"
        "The export:\n"
        "  -x, --export-name=NAME    its name (the empty one)\n"
        "  -D, --description=TEXT    what clients are told of it\n"
        "  -o, --offset=BYTES        leaves out the beginning of the image\n"
        "  -B, --bitmap=NAME         clients see what the image's dirty bitmap has\n"
        "  -r, --read-only           clients may not write\n\n"
        "The image:\n"
        "  -f, --format=FORMAT       its format (found out)\n"
        "  -s, --snapshot            what clients write is forgotten at the end\n"
        "  -l, --load-snapshot=NAME  an internal snapshot of the image, read-only\n"
        "  -n, --nocache             the same as --cache=none\n"
        "      --cache=MODE          none, writeback, writethrough, directsync or unsafe\n"
        "      --aio=MODE            threads, native or io_uring\n"
        "      --discard=MODE        ignore or unmap\n"
        "      --detect-zeroes=MODE  off, on or unmap\n"
        "      --image-opts          FILE is a list of options (driver=...,file.filename=...)\n"
        "      --object=OBJECT       secret,id=NAME,data=TEXT|file=PATH: a password for options;\n"
        "                            tls-creds-x509 or "
        "tls-creds-psk,id=NAME,dir=PATH,endpoint=server\n\n"
        "The process:\n"
        "      --fork                goes to the background when it listens\n"
        "      --pid-file=PATH       where the number of the process is written\n"
        "  -h, --help                this text\n"
        "  -V, --version             the version\n",
        g_get_prgname(), g_get_prgname());
}

static bool take_number(const char *what, const char *text, uint64_t max, uint64_t *out)
{
    Error *err = NULL;

    if (parse_u64(what, text, max, out, &err)) {
        return true;
    }
    report("%s", error_text(err));
    error_free(err);
    return false;
}

static bool take_object(const char *text)
{
    Error *err = NULL;

    if (tool_object_add(text, &err)) {
        return true;
    }
    report("%s", error_text(err));
    error_free(err);
    return false;
}

static void image_option(Args *a, const char *name, const char *value)
{
    g_ptr_array_add(a->image, (char *)name);
    g_ptr_array_add(a->image, (char *)value);
}

static bool take_size(const char *text, uint64_t *out)
{
    Error *err = NULL;

    if (parse_size("--offset", text, 1, out, &err)) {
        return true;
    }
    report("%s", error_text(err));
    error_free(err);
    return false;
}

/* False: it has been said what is wrong. */
static bool take_option(Args *a, int letter, const char *arg)
{
    switch (letter) {
    case 'p': a->port = arg; return true;
    case 'b': a->bind = arg; return true;
    case 'k': a->socket = arg; return true;
    case 'e': return take_number("--shared", arg, UINT32_MAX, &a->shared);
    case 't': a->persistent = true; return true;
    case 'v': a->verbose = true; return true;
    case 'x': a->name = arg; return true;
    case 'D': a->description = arg; return true;
    case 'o': return take_size(arg, &a->offset);
    case 'B': g_ptr_array_add(a->bitmaps, (char *)arg); return true;
    case 'L': a->list = true; return true;
    case 'f': a->format = arg; return true;
    case 'r': a->read_only = true; return true;
    case 's': a->temporary = true; return true;
    case 'l': a->snapshot = arg; return true;
    case 'n': image_option(a, "cache", "none"); return true;
    case OPT_CACHE: image_option(a, "cache", arg); return true;
    case OPT_AIO: image_option(a, "aio", arg); return true;
    case OPT_DISCARD: image_option(a, "discard", arg); return true;
    case OPT_DETECT_ZEROES: image_option(a, "detect-zeroes", arg); return true;
    case OPT_IMAGE_OPTS: a->image_opts = true; return true;
    case OPT_FORK: a->fork = true; return true;
    case OPT_TLS_CREDS: a->tls = arg; return true;
    case OPT_OBJECT: return take_object(arg);
    case OPT_PID_FILE: a->pid_file = arg; return true;
    case 'c':
    case 'd':
        report("the kernel's NBD devices are not driven from here; nbd-client connects one to "
               "a server");
        return false;
    default: report("see --help"); return false;
    }
}

/* --- The image --- */

/* What "-l" names: "snapshot.id=ID,snapshot.name=NAME" or a name or id alone. */
static bool view_snapshot(BlockNode *n, const char *arg, Error **errp)
{
    g_autoptr(Opts) o = NULL;
    const char *id, *name;

    if (!g_str_has_prefix(arg, "snapshot.")) {
        return image_snapshot_view(n, arg, errp);
    }
    o = opts_parse("--load-snapshot", arg, NULL, errp);
    if (!o) {
        return false;
    }
    id = opts_take(o, "snapshot.id");
    name = opts_take(o, "snapshot.name");
    return opts_done(o, (const char *const[]){"snapshot.id", "snapshot.name", NULL}, errp) &&
           image_snapshot_view(n, name ? name : id, errp);
}

static BlockNode *open_options(Opts *o, unsigned flags, Error **errp)
{
    BlockNode *n = block_open_opts(o, flags, errp);

    if (n && !block_opts_done(o, n, (const char *const[]){"format", "cache", "aio", NULL}, errp)) {
        g_clear_pointer(&n, block_node_unref);
    }
    return n;
}

/* -o: what lies behind the beginning. */
static BlockNode *without_beginning(BlockNode *n, const Args *a, unsigned flags, Error **errp)
{
    g_autoptr(Opts) o = opts_new("--offset");
    g_autofree char *offset = g_strdup_printf("%" PRIu64, a->offset);

    opts_add(o, "driver", "raw");
    opts_add(o, "file", "image");
    opts_add(o, "offset", offset);
    block_node_unref(n); /* the graph keeps it by its name */
    return open_options(o, flags, errp);
}

static BlockNode *open_image(const Args *a, const char *file, Error **errp)
{
    unsigned flags = a->read_only || a->snapshot ? BLOCK_READ_ONLY
                     : a->temporary              ? BLOCK_TEMPORARY
                                                 : 0;
    g_autoptr(Opts) o =
        a->image_opts ? opts_parse("--image-opts", file, NULL, errp) : opts_new("Failed to open");
    BlockNode *n;

    if (!o) {
        return NULL;
    }
    if (!a->image_opts) {
        opts_add(o, "file", file);
    }
    if (a->format) {
        opts_add(o, a->image_opts ? "driver" : "format", a->format);
    }
    if (a->offset) {
        opts_add(o, "node-name", "image");
    }
    for (guint i = 0; i < a->image->len; i += 2) {
        const char *name = a->image->pdata[i];

        opts_add(o, strcmp(name, "aio") ? name : "file.aio", a->image->pdata[i + 1]);
    }
    n = open_options(o, flags | (a->image_opts ? 0 : BLOCK_DRIVE), errp);
    if (n && a->snapshot && !view_snapshot(n, a->snapshot, errp)) {
        g_clear_pointer(&n, block_node_unref);
    }
    return n && a->offset ? without_beginning(n, a, flags & BLOCK_READ_ONLY, errp) : n;
}

/* --- Serving --- */

static void last_left(void *opaque)
{
    uint64_t one = 1;

    (void)!write(*(int *)opaque, &one, sizeof(one));
}

/* How many listening sockets whoever started us has passed on (LISTEN_PID, LISTEN_FDS): none or one. */
static bool passed_sockets(unsigned *passed, Error **errp)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    uint64_t n = 0;

    if (pid && count && strtoll(pid, NULL, 10) == getpid() &&
        !parse_u64("LISTEN_FDS", count, 1, &n, errp)) {
        return false;
    }
    *passed = (unsigned)n;
    return true;
}

static bool start_listening(const Args *a, NbdServer *s, Error **errp)
{
    unsigned passed = 0;
    int fd;

    if (!passed_sockets(&passed, errp)) {
        return false;
    }
    if (passed) {
        if (a->socket || a->port || a->bind) {
            return error_fail(errp, "a listening socket was passed on: -k, -p and -b do not go "
                                    "with it");
        }
        fcntl(FIRST_PASSED_FD, F_SETFD, FD_CLOEXEC);
        nbd_server_listen(s, FIRST_PASSED_FD);
        return true;
    }
    if (a->socket && (a->port || a->bind)) {
        return error_fail(errp, "-k does not go with -p and -b");
    }
    fd = a->socket ? nbd_listen_unix(a->socket, errp)
                   : nbd_listen_tcp(a->bind, a->port ? a->port : default_port, errp);
    if (fd >= 0) {
        nbd_server_listen(s, fd);
    }
    return fd >= 0;
}

static bool write_pid(const char *path, Error **errp)
{
    g_autofree char *text = g_strdup_printf("%d\n", getpid());
    g_autoptr(GError) problem = NULL;

    return g_file_set_contents(path, text, -1, &problem) ||
           error_fail(errp, "%s", problem->message);
}

/* Tells the process in front that clients may come. */
static void detach(int ready_fd)
{
    int null_fd = open("/dev/null", O_RDWR);
    uint8_t ok = 0;

    setsid();
    (void)!write(ready_fd, &ok, 1);
    close(ready_fd);
    for (int fd = 0; null_fd >= 0 && fd <= 2; fd++) {
        dup2(null_fd, fd);
    }
    if (null_fd > 2) {
        close(null_fd);
    }
}

/* Until a signal comes, or the last client has gone and that is the end. */
static void wait_for_end(int signals, int gone)
{
    struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = gone, .events = POLLIN}};

    while (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno == EINTR) {
    }
}

static bool serve(const Args *a, BlockNode *n, GPtrArray *bitmaps, int signals, int ready_fd,
                  Error **errp)
{
    int gone = eventfd(0, EFD_CLOEXEC);
    NbdServerSpec spec = {.max_connections = (unsigned)a->shared,
                          .handshake_seconds = HANDSHAKE_SECONDS,
                          .verbose = a->verbose,
                          .last_left = a->persistent ? NULL : last_left,
                          .opaque = &gone};
    NbdExportSpec export = {.name = a->name ? a->name : "",
                            .description = a->description,
                            .target = &nbd_node_target,
                            .opaque = n,
                            .size = block_size(n),
                            .writable = !block_read_only(n),
                            .bitmaps = (DirtyBitmap *const *)bitmaps->pdata,
                            .n_bitmaps = bitmaps->len};
    NbdServer *s;
    bool ok;

    if (a->tls) {
        spec.tls = tls_creds_get(a->tls, true, errp);
        if (!spec.tls) {
            close(gone);
            return false;
        }
    }
    s = nbd_server_new(&spec);
    tls_creds_unref(spec.tls);
    ok = nbd_server_add(s, &export, errp) && start_listening(a, s, errp) &&
         (!a->pid_file || write_pid(a->pid_file, errp));

    if (ok) {
        if (ready_fd >= 0) {
            detach(ready_fd);
        }
        wait_for_end(signals, gone);
    }
    nbd_server_free(s);
    close(gone);
    if (ok && a->socket) {
        unlink(a->socket);
    }
    if (ok && a->pid_file) {
        unlink(a->pid_file);
    }
    return ok;
}

/* Signals that end it, as a descriptor; every thread has them blocked. */
static int end_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Serves @n with the bitmaps that the arguments name. */
static bool serve_node(const Args *a, BlockNode *n, int signals, int ready_fd, Error **errp)
{
    GPtrArray *bitmaps;
    bool ok;

    if (a->offset && a->bitmaps->len) {
        return error_fail(errp, "-B does not go with -o: a bitmap is of the whole image");
    }
    g_ptr_array_add(a->bitmaps, NULL);
    bitmaps = nbd_bitmaps_take(n, (const char *const *)a->bitmaps->pdata, errp);
    if (!bitmaps) {
        return false;
    }
    ok = serve(a, n, bitmaps, signals, ready_fd, errp);
    nbd_bitmaps_give_back(bitmaps);
    return ok;
}

static bool run(const Args *a, const char *file, int ready_fd, Error **errp)
{
    int signals = end_signals();
    BlockNode *n = open_image(a, file, errp);
    bool ok;

    if (!n) {
        return false;
    }
    ok = serve_node(a, n, signals, ready_fd, errp);
    ok = block_flush_or_fail(n, ok ? errp : NULL) && ok;
    block_node_unref(n);
    close(signals);
    return ok;
}

/* --fork: the process in front ends when the one behind listens, or with its failure. */
static bool go_behind(int *ready_fd)
{
    uint8_t ok;
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) || (pid = fork()) < 0) {
        report("--fork: %s", strerror(errno));
        exit(1);
    }
    if (pid) {
        close(fds[1]);
        exit(read(fds[0], &ok, 1) == 1 ? 0 : 1);
    }
    close(fds[0]);
    *ready_fd = fds[1];
    return true;
}

static int act(const Args *a, char **files, int n_files)
{
    int ready_fd = -1;
    Error *err = NULL;
    bool ok;

    if (n_files != !a->list) {
        report(a->list ? "-L takes no file" : "one FILE is needed; see --help");
        return 1;
    }
    if (a->list) {
        ok = nbd_list_exports(&(NbdServerPlace){a->socket, a->bind, a->port, a->tls}, &err);
    } else {
        ok = (!a->fork || go_behind(&ready_fd)) && run(a, files[0], ready_fd, &err);
    }
    if (!ok) {
        report("%s", error_text(err));
        error_free(err);
    }
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    g_autofree char *name = g_path_get_basename(argv[0]);
    Args a = {.shared = 1, .image = g_ptr_array_new(), .bitmaps = g_ptr_array_new()};
    int letter, status = -1;

    g_set_prgname(name);
    while (status < 0 && (letter = getopt_long(argc, argv, letters, longs, NULL)) >= 0) {
        if (letter == 'h') {
            help();
            status = 0;
        } else if (letter == 'V') {
            printf("qemu-nbd %s (rhea %s)\n", RHEA_QEMU_VERSION, RHEA_VERSION);
            status = 0;
        } else if (!take_option(&a, letter, optarg)) {
            status = 1;
        }
    }
    if (status < 0) {
        status = act(&a, argv + optind, argc - optind);
    }
    g_ptr_array_unref(a.image);
    g_ptr_array_unref(a.bitmaps);
    return status;
}
