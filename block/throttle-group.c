/* SPDX-License-Identifier: MIT */
/* "-object throttle-group,id=NAME,x-iops-total=...": limits that several images share (driver=throttle). */
#include "rhea/osdep.h"

#include "qom/object.h"
#include "throttle.h"

typedef struct ThrottleObject {
    Object obj;
    /* properties: fixed once complete */
    ThrottleLimits limits;
    /* made by complete */
    ThrottleGroup *group;
} ThrottleObject;

static bool throttle_complete(Object *obj, Error **errp)
{
    ThrottleObject *t = (ThrottleObject *)obj;

    t->group = throttle_check("throttle-group", &t->limits, errp)
                   ? throttle_group_new(obj->name ? obj->name : "throttle-group", &t->limits, errp)
                   : NULL;
    return t->group;
}

static void throttle_fini(Object *obj)
{
    ThrottleObject *t = (ThrottleObject *)obj;

    if (t->group) {
        throttle_group_unref(t->group);
    }
}

#define LIMIT(name, i, what)                                                                       \
    PROP_U64("x-" name, ThrottleObject, limits.avg[i], 0, what " a second; 0: no limit"),          \
        PROP_U64("x-" name "-max", ThrottleObject, limits.max[i], 0, what " in one burst"),        \
        PROP_U64("limits." name, ThrottleObject, limits.avg[i], 0, what " a second; 0: no limit"), \
        PROP_U64("limits." name "-max", ThrottleObject, limits.max[i], 0, what " in one burst")

static const PropDesc throttle_props[] = {
    LIMIT("bps-total", 0, "bytes"),
    LIMIT("bps-read", 1, "bytes read"),
    LIMIT("bps-write", 2, "bytes written"),
    LIMIT("iops-total", 3, "requests"),
    LIMIT("iops-read", 4, "reads"),
    LIMIT("iops-write", 5, "writes"),
    PROP_U64("x-iops-size", ThrottleObject, limits.iops_size, 0,
             "a request counts for each so many bytes"),
    PROP_END,
};

QOM_TYPE(throttle_group_type, .name = "throttle-group", .parent = "object",
         .desc = "Limits that several images share", .size = sizeof(ThrottleObject),
         .user_creatable = true, .props = throttle_props, .complete = throttle_complete,
         .fini = throttle_fini);
