/* SPDX-License-Identifier: MIT */
/* Events for monitors (softmmu/runstate.h). Machine lock; delayed ones go out in the main loop. */
#include "rhea/osdep.h"

#include "rhea/log.h"
#include "softmmu/runstate.h"

enum { LIMIT_MS = 1000 };

typedef struct Sink {
    EventSink fn;
    void *opaque;
} Sink;

/* A kind of event that was sent less than LIMIT_MS ago, and what is to be sent then. */
typedef struct Limited {
    const char *event;
    char *key;     /* of the table */
    char *pending; /* data; NULL: nothing is to be sent */
} Limited;

static GArray *event_sinks; /* Sink */
static GHashTable *limited; /* "EVENT SUBJECT" -> Limited */

void event_add_sink(EventSink fn, void *opaque)
{
    Sink s = {fn, opaque};

    if (!event_sinks) {
        event_sinks = g_array_new(FALSE, FALSE, sizeof(Sink));
    }
    g_array_append_val(event_sinks, s);
}

void event_remove_sink(EventSink fn, void *opaque)
{
    for (guint i = 0; event_sinks && i < event_sinks->len; i++) {
        Sink *s = &g_array_index(event_sinks, Sink, i);

        if (s->fn == fn && s->opaque == opaque) {
            g_array_remove_index(event_sinks, i);
            return;
        }
    }
}

void event_emit(const char *event, const char *data_json)
{
    TRACE(event_emit, "event=%s data=%s", event, data_json ? data_json : "");
    for (guint i = 0; event_sinks && i < event_sinks->len; i++) {
        Sink *s = &g_array_index(event_sinks, Sink, i);

        s->fn(s->opaque, event, data_json);
    }
}

static gboolean event_limit_over(gpointer opaque)
{
    Limited *l = opaque;
    g_autofree char *data = g_steal_pointer(&l->pending);

    if (data) {
        event_emit(l->event, data);
        return G_SOURCE_CONTINUE;
    }
    g_hash_table_remove(limited, l->key);
    g_free(l->key);
    g_free(l);
    return G_SOURCE_REMOVE;
}

void event_emit_limited(const char *event, const char *subject, const char *data_json)
{
    g_autofree char *key = g_strdup_printf("%s %s", event, subject);
    Limited *l;

    if (!limited) {
        limited = g_hash_table_new(g_str_hash, g_str_equal);
    }
    l = g_hash_table_lookup(limited, key);
    if (l) {
        g_free(l->pending);
        l->pending = g_strdup(data_json);
        return;
    }
    l = g_new0(Limited, 1);
    l->event = event;
    l->key = g_steal_pointer(&key);
    g_hash_table_insert(limited, l->key, l);
    g_timeout_add(LIMIT_MS, event_limit_over, l);
    event_emit(event, data_json);
}
