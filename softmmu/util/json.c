/* SPDX-License-Identifier: MIT */
/* Depth-limited JSON on top of json-glib, whose parser recurses; see rhea/json.h. */
#include "rhea/osdep.h"

#include "rhea/json.h"

JsonFrame json_framer_push(JsonFramer *f, char c)
{
    if (f->in_string) {
        if (f->escaped) {
            f->escaped = false;
        } else if (c == '\\') {
            f->escaped = true;
        } else if (c == f->quote) {
            f->in_string = false;
        }
        return JSON_FRAME_MORE;
    }
    switch (c) {
    case '{':
    case '[':
        f->started = true;
        return ++f->depth > JSON_MAX_DEPTH ? JSON_FRAME_BAD : JSON_FRAME_MORE;
    case '}':
    case ']':
        if (!f->depth) {
            return JSON_FRAME_BAD;
        }
        if (--f->depth == 0) {
            f->started = false;
            return JSON_FRAME_DONE;
        }
        return JSON_FRAME_MORE;
    case '"':
    case '\'':
        f->in_string = true;
        f->quote = c;
        break;
    case ' ':
    case '\t':
    case '\r':
    case '\n': return JSON_FRAME_MORE;
    default: break;
    }
    return f->depth ? JSON_FRAME_MORE : JSON_FRAME_BAD;
}

JsonNode *json_parse_limited(const char *text, size_t len, Error **errp)
{
    g_autoptr(JsonParser) parser = NULL;
    g_autoptr(GError) gerr = NULL;
    JsonFramer f = {0};
    JsonFrame state = JSON_FRAME_MORE;

    for (size_t i = 0; i < len; i++) {
        if (state == JSON_FRAME_DONE) {
            if (!g_ascii_isspace(text[i])) {
                error_fail(errp, "text after the end of the JSON value");
                return NULL;
            }
            continue;
        }
        state = json_framer_push(&f, text[i]);
        if (state == JSON_FRAME_BAD) {
            error_fail(errp, f.depth > JSON_MAX_DEPTH ? "JSON is nested too deeply"
                                                      : "not a JSON object or array");
            return NULL;
        }
    }
    if (state != JSON_FRAME_DONE) {
        error_fail(errp, "the JSON value is not complete");
        return NULL;
    }
    if (!g_utf8_validate(text, len, NULL)) {
        error_fail(errp, "JSON is not valid UTF-8");
        return NULL;
    }
    parser = json_parser_new();
    if (!json_parser_load_from_data(parser, text, len, &gerr) || !json_parser_get_root(parser)) {
        error_fail(errp, "invalid JSON: %s", gerr ? gerr->message : "empty");
        return NULL;
    }
    return json_parser_steal_root(parser);
}

char *json_text(JsonNode *node, bool pretty)
{
    return json_to_string(node, pretty);
}
