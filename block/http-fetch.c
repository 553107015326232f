/* SPDX-License-Identifier: MIT */
/*
 * Parts of files on HTTP and FTP servers, by libcurl.  Spec: RFC 9110, section 14 (ranges).
 * Servers are not believed: an answer is the part that was asked for, of the same file as before, or an error.
 */
#include "rhea/osdep.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "http.h"
#include "rhea/late-library.h"
#include "rhea/opts.h"

enum {
    TRIES = 4,
    FIRST_PAUSE_MS = 50,
    REDIRECTS = 5,
    TAG_MAX = 256,
    IGNORED_MAX = 64 * 1024,
    SLOWEST = 1024
};

/* In the order of the names. */
typedef struct CurlLib {
    LATE_FUNCTION(curl_global_init);
    LATE_FUNCTION(curl_easy_init);
    LATE_FUNCTION(curl_easy_cleanup);
    LATE_FUNCTION(curl_easy_setopt);
    LATE_FUNCTION(curl_easy_getinfo);
    LATE_FUNCTION(curl_easy_perform);
    LATE_FUNCTION(curl_easy_strerror);
} CurlLib;

struct HttpFile {
    const CurlLib *lib;
    char *url, *cookie, *protocols;
    bool http, sslverify;
    long timeout_s;
    uint64_t size;
    char *tag; /* of the version that was opened, NULL: the server gives none */
    GMutex lock;
    GQueue idle; /* CURL, with open connections; under lock */
};

/* One transfer. */
typedef struct Fetch {
    HttpFile *file;
    CURL *curl;
    uint8_t *buf;
    size_t len, got, ignored;
    long status;
    /* Content-Range */
    bool ranged, empty;
    uint64_t first, last, total;
    char tag[TAG_MAX];
} Fetch;

/* --- The library --- */

static const CurlLib *curl_lib(Error **errp)
{
    static const char *const names[] = {
        "curl_global_init",  "curl_easy_init",    "curl_easy_cleanup",  "curl_easy_setopt",
        "curl_easy_getinfo", "curl_easy_perform", "curl_easy_strerror", NULL,
    };
    static GMutex lock;
    static CurlLib lib;
    static bool loaded;
    bool ok;

    G_STATIC_ASSERT(ARRAY_SIZE(names) == sizeof(CurlLib) / sizeof(void *) + 1);
    g_mutex_lock(&lock);
    if (!loaded && late_library_load(LIBCURL_SONAME, names, &lib, errp)) {
        loaded = !lib.curl_global_init(CURL_GLOBAL_DEFAULT) ||
                 error_fail(errp, "libcurl does not start");
    }
    ok = loaded;
    g_mutex_unlock(&lock);
    return ok ? &lib : NULL;
}

/* --- What comes back --- */

static size_t take_body(char *data, size_t unit, size_t n, void *opaque)
{
    Fetch *x = opaque;
    long status = 0;

    x->file->lib->curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    if (!x->buf ||
        (x->file->http && status != 206)) { /* headers for one who wants no body; an error page */
        x->ignored += n;
        return x->ignored > IGNORED_MAX ? 0 : n;
    }
    if (n > x->len - x->got) {
        return 0; /* ends the transfer */
    }
    memcpy(x->buf + x->got, data, n);
    x->got += n;
    return n;
}

/* The value of header @name, or NULL; g_malloc'd. */
static char *header_value(const char *data, size_t n, const char *name)
{
    size_t len = strlen(name);

    if (n <= len || g_ascii_strncasecmp(data, name, len) || data[len] != ':') {
        return NULL;
    }
    return g_strstrip(g_strndup(data + len + 1, n - len - 1));
}

/* "bytes 0-511/1000", a star stands for a size that is not known, or for a part that there is not. */
static void take_range(Fetch *x, const char *text)
{
    g_auto(GStrv) parts = NULL;
    uint64_t total;

    if (g_ascii_strncasecmp(text, "bytes ", 6)) {
        return;
    }
    parts = g_strsplit_set(text + 6, "-/", 4);
    if (g_strv_length(parts) == 2 && !strcmp(parts[0], "*")) {
        x->empty = parse_u64("", parts[1], INT64_MAX, &total, NULL) && !total;
    }
    x->ranged = g_strv_length(parts) == 3 && parse_u64("", parts[0], INT64_MAX, &x->first, NULL) &&
                parse_u64("", parts[1], INT64_MAX, &x->last, NULL) &&
                parse_u64("", parts[2], INT64_MAX, &x->total, NULL) && x->first <= x->last &&
                x->last < x->total;
}

static size_t take_header(char *data, size_t unit, size_t n, void *opaque)
{
    Fetch *x = opaque;
    g_autofree char *range = header_value(data, n, "Content-Range");
    g_autofree char *tag = header_value(data, n, "ETag");

    if (n > 5 &&
        !g_ascii_strncasecmp(data, "HTTP/", 5)) { /* the last answer of a redirection counts */
        x->ranged = x->empty = false;
        x->tag[0] = '\0';
    }
    if (range) {
        take_range(x, range);
    }
    if (tag) {
        g_strlcpy(x->tag, tag, sizeof(x->tag));
    }
    return n;
}

/* --- Transfers --- */

static CURL *curl_new(const HttpFile *f)
{
    const CurlLib *l = f->lib;
    CURL *c = l->curl_easy_init();

    if (!c) {
        return NULL;
    }
    l->curl_easy_setopt(c, CURLOPT_URL, f->url);
    l->curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    l->curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, f->protocols);
    l->curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, f->protocols);
    l->curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    l->curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    l->curl_easy_setopt(c, CURLOPT_USERAGENT, "rhea/" RHEA_VERSION);
    l->curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, f->timeout_s);
    l->curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)SLOWEST);
    l->curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, f->timeout_s);
    l->curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, f->sslverify ? 1L : 0L);
    l->curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, f->sslverify ? 2L : 0L);
    if (f->cookie) {
        l->curl_easy_setopt(c, CURLOPT_COOKIE, f->cookie);
    }
    l->curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    l->curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    return c;
}

static CURL *take_idle(HttpFile *f)
{
    CURL *c;

    g_mutex_lock(&f->lock);
    c = g_queue_pop_head(&f->idle);
    g_mutex_unlock(&f->lock);
    return c ? c : curl_new(f);
}

static void give_idle(HttpFile *f, CURL *c)
{
    g_mutex_lock(&f->lock);
    g_queue_push_head(&f->idle, c);
    g_mutex_unlock(&f->lock);
}

/* One try; x->status is 0 where there was no answer. */
static CURLcode fetch_once(Fetch *x, uint64_t offset)
{
    HttpFile *f = x->file;
    const CurlLib *l = f->lib;
    char range[64];
    CURLcode code;

    x->curl = take_idle(f);
    x->got = x->ignored = 0;
    x->status = 0;
    x->ranged = x->empty = false;
    x->tag[0] = '\0';
    if (!x->curl) {
        return CURLE_OUT_OF_MEMORY;
    }
    g_snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, offset, offset + x->len - 1);
    l->curl_easy_setopt(x->curl, CURLOPT_RANGE, range);
    l->curl_easy_setopt(x->curl, CURLOPT_WRITEDATA, x);
    l->curl_easy_setopt(x->curl, CURLOPT_HEADERDATA, x);
    /* A file that is sent from its beginning to its end is not waited for. */
    l->curl_easy_setopt(x->curl, CURLOPT_MAXFILESIZE_LARGE,
                        (curl_off_t)(f->http ? x->len : INT64_MAX));
    code = l->curl_easy_perform(x->curl);
    l->curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &x->status);
    if (code) { /* its connection may be of no use */
        l->curl_easy_cleanup(x->curl);
    } else {
        give_idle(f, x->curl);
    }
    return code;
}

/* Whether another try may help: the network's failures pass, refusals and lies do not. */
static bool may_pass(const Fetch *x, CURLcode code)
{
    switch (code) {
    case CURLE_OK: return x->status >= 500 || x->status == 429;
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return true;
    default: return false;
    }
}

static CURLcode fetch(Fetch *x, uint64_t offset, unsigned tries)
{
    CURLcode code = fetch_once(x, offset);

    for (unsigned i = 1; i < tries && may_pass(x, code); i++) {
        g_usleep((gulong)FIRST_PAUSE_MS * 1000 << i);
        code = fetch_once(x, offset);
    }
    return code;
}

int http_fetch(HttpFile *f, uint64_t offset, void *buf, size_t len)
{
    Fetch x = {.file = f, .buf = buf, .len = len};
    CURLcode code = fetch(&x, offset, TRIES);

    if (code == CURLE_OUT_OF_MEMORY) {
        return -ENOMEM;
    }
    if (code || x.got != len) {
        return -EIO;
    }
    if (f->http && (x.status != 206 || !x.ranged || x.first != offset ||
                    x.last != offset + len - 1 || x.total != f->size)) {
        return -EIO;
    }
    /* Half of one version and half of another is no image. */
    return f->http && f->tag && strcmp(f->tag, x.tag) ? -EIO : 0;
}

/* --- Opening --- */

static bool size_by_range(HttpFile *f, void *head, size_t len, size_t *got, Error **errp)
{
    Fetch x = {.file = f, .buf = head, .len = len};
    CURLcode code = fetch(&x, 0, 2);

    if (x.status == 200 || code == CURLE_RANGE_ERROR) {
        return error_fail(errp, "the server does not send parts of files");
    }
    if (code && !x.status) {
        return error_fail(errp, "%s", f->lib->curl_easy_strerror(code));
    }
    if (x.status == 416 && x.empty) {
        return true; /* nothing is in it */
    }
    if (x.status != 206) {
        return error_fail(errp, "the server answers with status %ld", x.status);
    }
    if (code || !x.ranged || x.first || x.last != MIN(len, x.total) - 1 || x.got != x.last + 1) {
        return error_fail(errp, "the server does not send what was asked for");
    }
    f->size = x.total;
    f->tag = x.tag[0] ? g_strdup(x.tag) : NULL;
    *got = x.got;
    return true;
}

/* FTP servers are asked. */
static bool size_by_question(HttpFile *f, Error **errp)
{
    const CurlLib *l = f->lib;
    Fetch x = {.file = f};
    CURL *c = take_idle(f);
    curl_off_t size = -1;
    CURLcode code;

    if (!c) {
        return error_fail(errp, "libcurl has no memory");
    }
    x.curl = c;
    l->curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    l->curl_easy_setopt(c, CURLOPT_WRITEDATA, &x);
    code = l->curl_easy_perform(c);
    if (!code) {
        l->curl_easy_getinfo(c, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    }
    l->curl_easy_cleanup(c);
    if (code) {
        return error_fail(errp, "%s", l->curl_easy_strerror(code));
    }
    f->size = (uint64_t)size;
    return size >= 0 || error_fail(errp, "the server does not say how long the file is");
}

HttpFile *http_open(const HttpSpec *spec, void *head, size_t len, size_t *got, Error **errp)
{
    const CurlLib *lib = curl_lib(errp);
    HttpFile *f;

    if (!lib) {
        return NULL;
    }
    f = g_new0(HttpFile, 1);
    f->lib = lib;
    f->url = g_strdup(spec->url);
    f->cookie = g_strdup(spec->cookie);
    f->http = g_str_has_prefix(spec->protocol, "http");
    f->protocols = g_strdup(strcmp(spec->protocol, "http") ? spec->protocol : "http,https");
    f->sslverify = spec->sslverify;
    f->timeout_s = (long)spec->timeout_s;
    g_mutex_init(&f->lock);
    g_queue_init(&f->idle);
    *got = 0;
    if (!(f->http ? size_by_range(f, head, len, got, errp) : size_by_question(f, errp))) {
        http_close(f);
        return NULL;
    }
    return f;
}

void http_close(HttpFile *f)
{
    CURL *c;

    while ((c = g_queue_pop_head(&f->idle))) {
        f->lib->curl_easy_cleanup(c);
    }
    g_mutex_clear(&f->lock);
    g_free(f->url);
    g_free(f->cookie);
    g_free(f->protocols);
    g_free(f->tag);
    g_free(f);
}

uint64_t http_size(const HttpFile *f)
{
    return f->size;
}
