/* SPDX-License-Identifier: MIT */
/* Error objects and suggestions for misspelled names; see rhea/error.h for the contract. */
#include "rhea/osdep.h"

#include "rhea/error.h"

struct Error {
    char *text;
};

static bool error_setv(Error **errp, int err, const char *fmt, va_list ap)
{
    Error *e;

    if (!errp) {
        return false;
    }
    g_assert(!*errp);
    e = g_new0(Error, 1);
    e->text = g_strdup_vprintf(fmt, ap);
    if (err) {
        char *full = g_strdup_printf("%s: %s", e->text, g_strerror(err));

        g_free(e->text);
        e->text = full;
    }
    *errp = e;
    return false;
}

bool error_fail(Error **errp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_setv(errp, 0, fmt, ap);
    va_end(ap);
    return false;
}

bool error_fail_errno(Error **errp, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_setv(errp, err, fmt, ap);
    va_end(ap);
    return false;
}

/* Gives a set *errp the text with the formatted one before or behind it. */
static void error_extend(Error **errp, bool front, const char *fmt, va_list ap)
{
    g_autofree char *more = g_strdup_vprintf(fmt, ap);
    char *text = (*errp)->text;

    (*errp)->text = front ? g_strconcat(more, text, NULL) : g_strconcat(text, more, NULL);
    g_free(text);
}

void error_prepend(Error **errp, const char *fmt, ...)
{
    va_list ap;

    if (errp && *errp) {
        va_start(ap, fmt);
        error_extend(errp, true, fmt, ap);
        va_end(ap);
    }
}

void error_append(Error **errp, const char *fmt, ...)
{
    va_list ap;

    if (errp && *errp) {
        va_start(ap, fmt);
        error_extend(errp, false, fmt, ap);
        va_end(ap);
    }
}

void error_propagate(Error **errp, Error *err)
{
    if (err && errp && !*errp) {
        *errp = err;
    } else {
        error_free(err);
    }
}

const char *error_text(const Error *err)
{
    return err->text;
}

void error_free(Error *err)
{
    if (err) {
        g_free(err->text);
        g_free(err);
    }
}

/* --- Suggestions --- */

/* Levenshtein distance, case-insensitive; names are short, two rows suffice. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    g_autofree size_t *row = g_new(size_t, lb + 1);

    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            bool same = g_ascii_tolower(a[i - 1]) == g_ascii_tolower(b[j - 1]);
            size_t replace = diagonal + !same;

            diagonal = row[j];
            row[j] = MIN(replace, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[lb];
}

const char *nearest_name(const char *wrong, const char *const *names)
{
    size_t best = MAX(strlen(wrong) / 2, 1) + 1;
    const char *found = NULL;

    if (strlen(wrong) > 64) {
        return NULL;
    }
    for (; *names; names++) {
        size_t d = edit_distance(wrong, *names);

        if (d < best) {
            best = d;
            found = *names;
        }
    }
    return found;
}

bool error_unknown_name(Error **errp, const char *what, const char *wrong, const char *const *names)
{
    const char *near = nearest_name(wrong, names);
    g_autofree char *list = g_strjoinv(", ", (char **)names);
    bool short_list = *names && g_strv_length((char **)names) <= 12;

    return error_fail(errp, "%s '%s' is not known%s%s%s%s%s%s", what, wrong,
                      near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "",
                      short_list ? " (accepted: " : "", short_list ? list : "",
                      short_list ? ")" : "");
}

void warn_user(const char *fmt, ...)
{
    va_list ap;
    g_autofree char *text = NULL;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s: warning: %s\n", g_get_prgname(), text);
}
