/* SPDX-License-Identifier: MIT */
/* Option lists, single values and JSON limits (softmmu/util/opts.c, json.c). */
#include "rhea/osdep.h"

#include "rhea/json.h"
#include "rhea/opts.h"

static Opts *parse(const char *text, const char *implied)
{
    g_autoptr(Error) err = NULL;
    Opts *o = opts_parse("-x", text, implied, &err);

    g_assert_null(err);
    g_assert_nonnull(o);
    return o;
}

static void test_list(void)
{
    g_autoptr(Opts) o = parse("socket,path=/a,,b,server,nowait,x=1,x=2,empty=", "backend");
    g_autoptr(Error) err = NULL;
    static const char *const accepted[] = {"path", "server", "exotic", NULL};
    bool wait = true, server = false;

    g_assert_cmpstr(opts_take(o, "backend"), ==, "socket");
    g_assert_cmpstr(opts_take(o, "path"), ==, "/a,b");
    g_assert_false(opts_check_names(o, accepted, NULL));
    g_assert_true(opts_check_names(
        o, (const char *const[]){"path", "server", "wait", "x", "empty", NULL}, NULL));
    g_assert_true(opts_take_bool(o, "wait", &wait, &err));
    g_assert_true(opts_take_bool(o, "server", &server, &err));
    g_assert_false(wait);
    g_assert_true(server);
    g_assert_cmpstr(opts_take(o, "x"), ==, "2");
    g_assert_false(opts_done(o, accepted, &err));
    g_assert_cmpstr(error_text(err), ==,
                    "-x: option 'empty' is not known (accepted: path, server, exotic)");
    g_assert_cmpstr(opts_take(o, "empty"), ==, "");
    g_assert_true(opts_done(o, accepted, NULL));
}

static void test_repeat(void)
{
    g_autoptr(Opts) o = parse("hostfwd=a,b=1,hostfwd=c", NULL);
    unsigned iter = 0;

    g_assert_cmpstr(opts_take_next(o, "hostfwd", &iter), ==, "a");
    g_assert_cmpstr(opts_take_next(o, "hostfwd", &iter), ==, "c");
    g_assert_null(opts_take_next(o, "hostfwd", &iter));
}

static void test_select(void)
{
    static const char *const names[] = {"a", "b", "taken", NULL};
    g_autoptr(Opts) o = opts_parse("-x", "a=1,ab=2,b.c=3,taken=4,d=5", NULL, NULL);
    g_autoptr(Opts) some = NULL;

    opts_take(o, "taken");
    some = opts_select(o, names);
    g_assert_cmpstr(opts_take(some, "a"), ==, "1");
    g_assert_cmpstr(opts_take(some, "b.c"), ==, "3");
    g_assert_true(opts_done(some, NULL, NULL));
    g_assert_false(opts_done(o, NULL, NULL)); /* they are still there */
}

static void test_bad_list(void)
{
    static const char *const bad[] = {"a=1,,b", "=x",       ",",    "a,=b",
                                      "{",      "{\"a\":1", "{} x", "{\"a\" 1}"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(Opts) o = opts_parse("-x", bad[i], NULL, &err);

        /* "a=1,,b" is a value with a comma: fine. */
        g_assert_true(i == 0 ? o != NULL : o == NULL && err != NULL);
    }
}

static void test_json(void)
{
    g_autoptr(Opts) o = parse("{\"driver\":\"d\",\"n\":{\"k\":true},\"l\":[1,-2],\"big\":"
                              "9223372036854775807}",
                              "driver");
    uint64_t big = 0;

    g_assert_cmpstr(opts_take(o, "driver"), ==, "d");
    g_assert_cmpstr(opts_take(o, "n.k"), ==, "on");
    g_assert_cmpstr(opts_take(o, "l.0"), ==, "1");
    g_assert_cmpstr(opts_take(o, "l.1"), ==, "-2");
    g_assert_true(opts_take_u64(o, "big", UINT64_MAX, &big, NULL));
    g_assert_cmpuint(big, ==, INT64_MAX);
}

static void test_json_list_of_texts(void)
{
    g_autoptr(Opts) o =
        parse("{\"f\":[{\"str\":\"a,b\"},{\"str\":\"c\"}],\"g\":[{\"str\":\"d\",\"x\":1}]}", NULL);
    unsigned iter = 0;

    g_assert_cmpstr(opts_take_next(o, "f", &iter), ==, "a,b");
    g_assert_cmpstr(opts_take_next(o, "f", &iter), ==, "c");
    g_assert_null(opts_take_next(o, "f", &iter));
    g_assert_cmpstr(opts_take(o, "g.0.str"), ==, "d");
}

static void test_json_depth(void)
{
    g_autoptr(GString) s = g_string_new(NULL);
    g_autoptr(Error) err = NULL;

    for (int i = 0; i < 100000; i++) {
        g_string_append(s, "[");
    }
    g_assert_null(json_parse_limited(s->str, s->len, &err));
    g_assert_cmpstr(error_text(err), ==, "JSON is nested too deeply");
}

static void test_framer(void)
{
    const char *text = " {\"a\":\"}\\\"\"} [1]";
    JsonFramer f = {0};
    unsigned done = 0;

    for (const char *c = text; *c; c++) {
        JsonFrame r = json_framer_push(&f, *c);

        g_assert_cmpint(r, !=, JSON_FRAME_BAD);
        done += r == JSON_FRAME_DONE;
    }
    g_assert_cmpuint(done, ==, 2);
    g_assert_cmpint(json_framer_push(&f, 'x'), ==, JSON_FRAME_BAD);
}

static void test_values(void)
{
    uint64_t v = 0;
    bool b = false;

    g_assert_true(parse_size("-m", "128", MiB, &v, NULL));
    g_assert_cmpuint(v, ==, 128 * MiB);
    g_assert_true(parse_size("-m", "1.5G", MiB, &v, NULL));
    g_assert_cmpuint(v, ==, 1536 * MiB);
    g_assert_true(parse_size("-m", "0x10k", MiB, &v, NULL));
    g_assert_cmpuint(v, ==, 16 * KiB);
    g_assert_false(parse_size("-m", "99999999999E", MiB, &v, NULL));
    g_assert_false(parse_size("-m", "-1", MiB, &v, NULL));
    g_assert_false(parse_size("-m", "1Q", MiB, &v, NULL));
    g_assert_false(parse_size("-m", "", MiB, &v, NULL));
    g_assert_true(parse_size("-m", "1.5", MiB, &v, NULL));
    g_assert_false(parse_size("size", "1.5", 1, &v, NULL)); /* half a byte */
    g_assert_true(parse_u64("x", "0xff", 255, &v, NULL));
    g_assert_false(parse_u64("x", "256", 255, &v, NULL));
    g_assert_false(parse_u64("x", " 1", 255, &v, NULL));
    g_assert_false(parse_u64("x", "99999999999999999999", UINT64_MAX, &v, NULL));
    g_assert_true(parse_bool("x", "yes", &b, NULL));
    g_assert_true(b);
    g_assert_false(parse_bool("x", "maybe", &b, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/opts/list", test_list);
    g_test_add_func("/opts/repeat", test_repeat);
    g_test_add_func("/opts/select", test_select);
    g_test_add_func("/opts/bad-list", test_bad_list);
    g_test_add_func("/opts/json", test_json);
    g_test_add_func("/opts/values", test_values);
    g_test_add_func("/opts/json-list-of-texts", test_json_list_of_texts);
    g_test_add_func("/json/depth", test_json_depth);
    g_test_add_func("/json/framer", test_framer);
    return g_test_run();
}
