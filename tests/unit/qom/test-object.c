/* SPDX-License-Identifier: MIT */
/* Types, properties, the tree (softmmu/qom/{type,object,props,path,global}.c). */
#include "rhea/osdep.h"

#include "qom/object.h"

typedef struct Kennel {
    Object obj;
    bool heated;
    uint8_t doors;
    uint16_t width;
    uint32_t dogs;
    uint64_t serial;
    int32_t altitude;
    uint64_t area;
    char *street;
    int colour;
    int roof;
    Object *neighbour;
} Kennel;

static int live_kennels;

static void kennel_init(Object *obj)
{
    g_assert_cmpuint(((Kennel *)obj)->dogs, ==, 2); /* defaults come first */
    live_kennels++;
}

static void kennel_fini(Object *obj)
{
    live_kennels--;
}

static bool kennel_check_width(Object *obj, Error **errp)
{
    return ((Kennel *)obj)->width != 13 || error_fail(errp, "kennel: width 13 is unlucky");
}

static const char *const colours[] = {"red", "green", "blue", NULL};
static const char *const kennel_types[] = {"kennel", NULL};
static const char *const shelter[] = {"shelter", NULL};

static const PropDesc kennel_props[] = {
    PROP_BOOL("heated", Kennel, heated, true, "on cold days"),
    PROP_U8("doors", Kennel, doors, 1, NULL),
    PROP_U16("width", Kennel, width, 80, NULL, .check = kennel_check_width),
    PROP_U32("dogs", Kennel, dogs, 2, "inhabitants"),
    PROP_U64("serial", Kennel, serial, 0, NULL),
    PROP_I32("altitude", Kennel, altitude, -3, NULL),
    PROP_SIZE("area", Kennel, area, 4096, NULL),
    PROP_STR("street", Kennel, street, "Main", NULL),
    PROP_ENUM("colour", Kennel, colour, 1, colours, NULL),
    PROP_ONOFFAUTO("roof", Kennel, roof, ON_OFF_AUTO_AUTO, NULL),
    PROP_LINK("neighbour", Kennel, neighbour, kennel_types, NULL),
    PROP_END,
};
QOM_TYPE(kennel_type, .name = "kennel", .parent = "object", .size = sizeof(Kennel),
         .props = kennel_props, .interfaces = shelter, .init = kennel_init, .fini = kennel_fini);

static const PropDesc villa_props[] = {PROP_U32("doors", Kennel, dogs, 9, NULL), PROP_END};
QOM_TYPE(villa_type, .name = "villa", .parent = "kennel");
QOM_TYPE(palace_type, .name = "palace", .parent = "kennel", .props = villa_props, .abstract = true);

static void expect_prop(Object *obj, const char *name, const char *value)
{
    g_autofree char *got = qom_prop_get(obj, name, NULL);

    g_assert_cmpstr(got, ==, value);
}

static void set_ok(Object *obj, const char *name, const char *value)
{
    g_autoptr(Error) err = NULL;

    if (!qom_prop_set(obj, name, value, &err)) {
        g_error("%s", error_text(err));
    }
}

static void set_fails(Object *obj, const char *name, const char *value, const char *message)
{
    g_autoptr(Error) err = NULL;

    g_assert_false(qom_prop_set(obj, name, value, &err));
    g_assert_cmpstr(error_text(err), ==, message);
}

static void test_types(void)
{
    const ObjectType *villa = qom_type_find("villa");

    g_assert_nonnull(villa);
    g_assert_null(qom_type_find("castle"));
    g_assert_true(qom_type_is(villa, "kennel"));
    g_assert_true(qom_type_is(villa, "shelter"));
    g_assert_true(qom_type_is(villa, "object"));
    g_assert_false(qom_type_is(qom_type_find("kennel"), "villa"));
    g_assert_true(qom_type_prop(villa, "heated") == &kennel_props[0]);
    g_assert_true(qom_type_prop(qom_type_find("palace"), "doors") == &villa_props[0]);
}

static void test_defaults(void)
{
    Object *k = qom_new("villa");

    expect_prop(k, "type", "villa");
    expect_prop(k, "heated", "on");
    expect_prop(k, "dogs", "2");
    expect_prop(k, "altitude", "-3");
    expect_prop(k, "area", "4096");
    expect_prop(k, "street", "Main");
    expect_prop(k, "colour", "green");
    expect_prop(k, "roof", "auto");
    expect_prop(k, "neighbour", "");
    qom_put(k);
    g_assert_cmpint(live_kennels, ==, 0);
}

static void test_values(void)
{
    Object *k = qom_new("kennel");

    set_ok(k, "heated", "no");
    expect_prop(k, "heated", "off");
    set_ok(k, "doors", "0xff");
    expect_prop(k, "doors", "255");
    set_ok(k, "area", "1.5M");
    expect_prop(k, "area", "1572864");
    set_ok(k, "area", "15E");
    set_ok(k, "altitude", "-2147483648");
    set_ok(k, "serial", "18446744073709551615");
    expect_prop(k, "serial", "18446744073709551615");
    set_ok(k, "street", "Elm, 3");
    expect_prop(k, "street", "Elm, 3");
    set_ok(k, "colour", "blue");
    set_ok(k, "roof", "off");
    expect_prop(k, "roof", "off");
    qom_put(k);
}

static void test_errors(void)
{
    Object *k = qom_new("kennel");

    set_fails(k, "doors", "256",
              "kennel: property 'doors' does not take '256' (accepted: a number from 0 to 255)");
    set_fails(k, "dogs", "-1",
              "kennel: property 'dogs' does not take '-1' (accepted: a number from 0 to "
              "4294967295)");
    set_fails(k, "colour", "gren",
              "kennel: property 'colour' does not take 'gren'; did you mean 'green'? (accepted: "
              "red, green, blue)");
    set_fails(k, "heated", "maybe",
              "kennel: property 'heated' does not take 'maybe' (accepted: on, off)");
    set_fails(k, "type", "villa", "kennel: property 'type' cannot be set");
    set_fails(k, "width", "13", "kennel: width 13 is unlucky");
    set_fails(k, "neighbour", "nobody",
              "kennel: property 'neighbour': there is no object 'nobody'");
    g_assert_false(qom_prop_set(k, "area", "18000000000G", NULL));
    g_assert_false(qom_prop_set(k, "area", "1.5", NULL));
    g_assert_false(qom_prop_set(k, "area", "", NULL));
    g_assert_false(qom_prop_set(k, "serial", "18446744073709551616", NULL));
    g_assert_false(qom_prop_set(k, "altitude", "2147483648", NULL));
    set_fails(k, "dags", "1",
              "kennel: property 'dags' is not known; did you mean 'dogs'? (accepted: heated, "
              "doors, width, dogs, serial, altitude, area, street, colour, roof, neighbour)");
    qom_put(k);
}

static void test_tree(void)
{
    Object *objects = qom_container(qom_root(), "/objects");
    Object *a = qom_new("kennel"), *b = qom_new("villa");
    g_autofree char *path = NULL;

    qom_add_child(objects, "a", a);
    qom_add_child(a, "dog[*]", b);
    path = qom_path(b);
    g_assert_cmpstr(path, ==, "/objects/a/dog[0]");
    g_assert_true(qom_resolve(qom_root(), path) == b);
    g_assert_true(qom_resolve(qom_root(), "a/dog[0]") == b);
    g_assert_true(qom_resolve(qom_root(), "dog[0]") == b);
    g_assert_null(qom_resolve(qom_root(), "/objects/a/cat"));
    g_assert_null(qom_resolve(qom_root(), ""));
    g_assert_true(qom_container(qom_root(), "/objects/a") == a);
    qom_container(qom_root(), "/elsewhere/a");
    g_assert_null(qom_resolve(qom_root(), "a")); /* ambiguous */
    qom_put(a);
    qom_put(b);
    qom_unparent(a);
    g_assert_cmpint(live_kennels, ==, 0);
    qom_unparent(qom_container(qom_root(), "/elsewhere"));
}

static void test_links(void)
{
    Object *objects = qom_container(qom_root(), "/objects");
    Object *a = qom_new("kennel"), *b = qom_new("villa");

    qom_add_child(objects, "b0", b);
    qom_put(b);
    set_ok(a, "neighbour", "b0");
    expect_prop(a, "neighbour", "/objects/b0");
    set_fails(a, "neighbour", "/objects",
              "kennel: property 'neighbour' wants an object of type 'kennel', but 'objects' is a "
              "'container'");
    qom_unparent(b);
    g_assert_cmpint(live_kennels, ==, 2); /* the link holds it */
    g_assert_true(qom_prop_set_link(a, "neighbour", NULL, NULL));
    g_assert_cmpint(live_kennels, ==, 1);
    g_assert_false(qom_prop_set_link(a, "dogs", NULL, NULL));
    qom_put(a);
}

static void test_globals(void)
{
    Object *v;

    qom_global_add("kennel", "street", "Global");
    qom_global_add("villa", "dogs", "7");
    qom_global_add("castle", "moat", "on");
    v = qom_new("villa");
    expect_prop(v, "street", "Global");
    expect_prop(v, "dogs", "7");
    qom_put(v);
    g_assert_true(qom_global_check(NULL));
    g_assert_cmpstr(qom_global_unused(), ==, "castle.moat=on");
    qom_global_add("villa", "roof", "green");
    qom_put(qom_new("kennel"));
    g_assert_true(qom_global_check(NULL));
    qom_put(qom_new("villa"));
    g_assert_false(qom_global_check(NULL));
}

static void test_help(void)
{
    g_autofree char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    g_assert_true(qom_print_props_help("kennel", f, NULL));
    fclose(f);
    g_assert_true(g_str_has_prefix(text, "kennel options:\n  altitude=<int32>       -  "
                                         "(default: -3)\n"));
    g_assert_nonnull(strstr(text, "\n  heated=<bool>          - on cold days (default: true)\n"));
    g_assert_nonnull(strstr(text, "\n  neighbour=<str>\n"));
    g_assert_null(strstr(text, "type="));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qom/types", test_types);
    g_test_add_func("/qom/defaults", test_defaults);
    g_test_add_func("/qom/values", test_values);
    g_test_add_func("/qom/errors", test_errors);
    g_test_add_func("/qom/tree", test_tree);
    g_test_add_func("/qom/links", test_links);
    g_test_add_func("/qom/help", test_help);
    g_test_add_func("/qom/globals", test_globals); /* last: globals stay */
    return g_test_run();
}
