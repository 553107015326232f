/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 heads and answers.  The peer is not trusted: what is not exactly a request of HTTP/1.0 or 1.1 with
 * well-formed fields is refused, and nothing is guessed.
 * Specs: RFC 9110, RFC 9112.  Not modelled: bodies of requests, connections that go on, folded fields (obsolete).
 */
#include "rhea/osdep.h"

#include "http.h"

size_t http_head_bytes(const uint8_t *p, size_t len)
{
    const uint8_t *end = memmem(p, len, "\r\n\r\n", 4);

    return end ? (size_t)(end - p) + 4 : 0;
}

/* A token of RFC 9110 5.6.2. */
static bool is_token(const char *text)
{
    const char *c = text;

    while (*c && (g_ascii_isalnum(*c) || strchr("!#$%&'*+-.^_`|~", *c))) {
        c++;
    }
    return c > text && !*c;
}

static bool is_printable(const char *text)
{
    for (; *text; text++) {
        if ((*text < ' ' && *text != '\t') || *text == '\x7f') {
            return false;
        }
    }
    return true;
}

/* Ends the text at @at in front of @what and gives the place behind it; NULL: it is not there. */
static char *cut(char *at, const char *what)
{
    char *found = strstr(at, what);

    if (!found) {
        return NULL;
    }
    *found = '\0';
    return found + strlen(what);
}

static bool parse_request_line(HttpRequest *r, char *line)
{
    char *path = cut(line, " ");
    char *version = path ? cut(path, " ") : NULL;
    char *query;

    if (!version || !is_token(line) || *path != '/' || !is_printable(path) ||
        strpbrk(path, "#\t") || (strcmp(version, "HTTP/1.1") && strcmp(version, "HTTP/1.0"))) {
        return false;
    }
    query = cut(path, "?");
    r->method = line;
    r->path = path;
    r->query = query ? query : "";
    return true;
}

static bool parse_field(HttpRequest *r, char *line)
{
    char *value = cut(line, ":");

    if (!value || !is_token(line) || !is_printable(value) || r->n_fields == HTTP_FIELDS_MAX) {
        return false;
    }
    r->names[r->n_fields] = line;
    r->values[r->n_fields++] = g_strstrip(value);
    return true;
}

bool http_parse(HttpRequest *r, char *head, size_t len)
{
    char *line = head, *next;

    memset(r, 0, sizeof(*r));
    if (len < 4 || memchr(head, 0, len)) {
        return false;
    }
    head[len - 2] = '\0'; /* the empty line */
    next = cut(line, "\r\n");
    if (!next || !parse_request_line(r, line)) {
        return false;
    }
    for (line = next; *line; line = next) {
        next = cut(line, "\r\n");
        if (!next || !parse_field(r, line)) {
            return false;
        }
    }
    return true;
}

const char *http_field(const HttpRequest *r, const char *name)
{
    const char *value = NULL;

    for (unsigned i = 0; i < r->n_fields; i++) {
        if (!g_ascii_strcasecmp(r->names[i], name)) {
            if (value) {
                return NULL;
            }
            value = r->values[i];
        }
    }
    return value;
}

bool http_field_has(const HttpRequest *r, const char *name, const char *token)
{
    const char *value = http_field(r, name);
    g_auto(GStrv) words = value ? g_strsplit(value, ",", -1) : NULL;

    for (unsigned i = 0; words && words[i]; i++) {
        if (!g_ascii_strcasecmp(g_strstrip(words[i]), token)) {
            return true;
        }
    }
    return false;
}

char *http_query(const HttpRequest *r, const char *name)
{
    g_auto(GStrv) pairs = g_strsplit(r->query, "&", -1);
    size_t len = strlen(name);

    for (unsigned i = 0; pairs[i]; i++) {
        if (!strncmp(pairs[i], name, len) && pairs[i][len] == '=') {
            return g_strdup(pairs[i] + len + 1);
        }
    }
    return NULL;
}

/* --- Answers --- */

static const char *reason(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 426: return "Upgrade Required";
    case 431: return "Request Header Fields Too Large";
    default: return "Error";
    }
}

void http_answer(GByteArray *out, unsigned status, const char *fields, const char *type,
                 const void *body, size_t len)
{
    g_autofree char *head =
        g_strdup_printf("HTTP/1.1 %u %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\n"
                        "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                        status, reason(status), fields, type, len);

    g_byte_array_append(out, (const uint8_t *)head, strlen(head));
    g_byte_array_append(out, body, len);
}

void http_refuse(GByteArray *out, unsigned status)
{
    g_autofree char *body = g_strdup_printf("%u %s\n", status, reason(status));

    http_answer(out, status, "", "text/plain", body, strlen(body));
}
