/* SPDX-License-Identifier: MIT */
/* What monitors are told of VNC servers and their viewers, and events about them.  Machine lock, main loop. */
#include "rhea/osdep.h"

#include <json-glib/json-glib.h>

#include "softmmu/runstate.h"
#include "vnc-client.h"

const char *vnc_auth_name(const VncServer *s)
{
    return s->tls ? "vencrypt" : s->want_password ? "vnc" : "none";
}

/* As query-vnc-servers names the second step; NULL: there is none. */
static const char *vencrypt_name(const VncServer *s)
{
    bool x509 = s->tls && s->tls->spec.kind == TLS_X509;

    if (!s->tls) {
        return NULL;
    }
    return s->want_password ? (x509 ? "x509-vnc" : "tls-vnc") : x509 ? "x509-none" : "tls-none";
}

static void put_place(JsonObject *obj, const char *host, const char *service, const char *family,
                      bool websocket)
{
    json_object_set_string_member(obj, "host", host);
    json_object_set_string_member(obj, "service", service);
    json_object_set_string_member(obj, "family", family);
    json_object_set_boolean_member(obj, "websocket", websocket);
}

static void put_server(JsonObject *obj, const VncServer *s)
{
    if (s->path) {
        put_place(obj, s->path, "", "unix", false);
    } else {
        put_place(obj, *s->host ? s->host : "0.0.0.0", s->service,
                  strchr(s->host, ':') ? "ipv6" : "ipv4", false);
    }
    json_object_set_string_member(obj, "auth", vnc_auth_name(s));
}

static JsonObject *client_object(const VncClient *c)
{
    JsonObject *obj = json_object_new();

    put_place(obj, c->peer.host, c->peer.service, c->peer.family, c->peer.websocket);
    return obj;
}

static JsonArray *client_array(const VncServer *s)
{
    JsonArray *array = json_array_new();

    for (unsigned i = 0; i < s->clients->len; i++) {
        const VncClient *c = g_ptr_array_index(s->clients, i);

        if (vnc_client_ready(c)) {
            json_array_add_object_element(array, client_object(c));
        }
    }
    return array;
}

JsonObject *vnc_query(void)
{
    JsonObject *obj = json_object_new();
    const VncServer *s = vnc_server(0);

    json_object_set_boolean_member(obj, "enabled", s != NULL);
    if (s) {
        put_server(obj, s);
        json_object_remove_member(obj, "websocket");
        json_object_set_array_member(obj, "clients", client_array(s));
    }
    return obj;
}

static JsonObject *server_object(const VncServer *s)
{
    JsonObject *obj = json_object_new(), *place = json_object_new();
    JsonArray *places = json_array_new();
    const char *vencrypt = vencrypt_name(s);

    put_server(place, s);
    json_object_set_string_member(obj, "id", s->id);
    json_object_set_string_member(obj, "auth", vnc_auth_name(s));
    if (vencrypt) {
        json_object_set_string_member(place, "vencrypt", vencrypt);
        json_object_set_string_member(obj, "vencrypt", vencrypt);
    }
    if (s->device) {
        json_object_set_string_member(obj, "display", s->device);
    }
    if (!s->reverse) {
        json_array_add_object_element(places, place);
    } else {
        json_object_unref(place);
    }
    json_object_set_array_member(obj, "server", places);
    json_object_set_array_member(obj, "clients", client_array(s));
    return obj;
}

JsonArray *vnc_query_servers(void)
{
    JsonArray *array = json_array_new();
    const VncServer *s;

    for (unsigned i = 0; (s = vnc_server(i)); i++) {
        json_array_add_object_element(array, server_object(s));
    }
    return array;
}

void vnc_info(GString *out)
{
    const VncServer *s;

    if (!vnc_server(0)) {
        g_string_append(out, "VNC: none\n");
    }
    for (unsigned i = 0; (s = vnc_server(i)); i++) {
        const char *vencrypt = vencrypt_name(s);

        g_string_append_printf(out, "%s:\n  Server: %s%s%s%s\n  Auth: %s%s%s\n", s->id,
                               s->path    ? s->path
                               : *s->host ? s->host
                                          : "0.0.0.0",
                               s->path ? "" : ":", s->path ? "" : s->service,
                               s->reverse ? " (called)" : "", vnc_auth_name(s),
                               vencrypt ? ", " : "", vencrypt ? vencrypt : "");
        g_string_append_printf(out, "  Clients: %u\n", vnc_count_ready(s));
        for (unsigned j = 0; j < s->clients->len; j++) {
            const VncClient *c = g_ptr_array_index(s->clients, j);

            if (vnc_client_ready(c)) {
                g_string_append_printf(out, "    %s:%s\n", c->peer.host, c->peer.service);
            }
        }
    }
}

void vnc_client_event(const VncClient *c, const char *event)
{
    JsonObject *obj = json_object_new(), *server = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    put_server(server, c->server);
    json_object_set_object_member(obj, "server", server);
    json_object_set_object_member(obj, "client", client_object(c));
    json_node_take_object(node, obj);
    text = json_to_string(node, false);
    json_node_unref(node);
    event_emit(event, text);
}
