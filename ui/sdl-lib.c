/* SPDX-License-Identifier: MIT */
/* Loading SDL.  Main thread. */
#include "rhea/osdep.h"

#include "config.h"
#include "sdl-lib.h"

const SdlLib *sdl_lib(Error **errp)
{
    static const char *const names[] = {
        "SDL_CreateColorCursor",
        "SDL_CreateRGBSurfaceFrom",
        "SDL_CreateWindow",
        "SDL_DestroyWindow",
        "SDL_EnableScreenSaver",
        "SDL_FreeCursor",
        "SDL_FreeSurface",
        "SDL_GetError",
        "SDL_GetModState",
        "SDL_GetVersion",
        "SDL_GetWindowSize",
        "SDL_GetWindowSurface",
        "SDL_GetWindowWMInfo",
        "SDL_Init",
        "SDL_PollEvent",
        "SDL_Quit",
        "SDL_SetCursor",
        "SDL_SetHint",
        "SDL_SetRelativeMouseMode",
        "SDL_SetWindowFullscreen",
        "SDL_SetWindowGrab",
        "SDL_SetWindowSize",
        "SDL_SetWindowTitle",
        "SDL_ShowCursor",
        "SDL_UpdateWindowSurfaceRects",
        NULL,
    };
    static SdlLib lib;
    static bool loaded;

    loaded = loaded || late_library_load(SDL_SONAME, names, &lib, errp);
    return loaded ? &lib : NULL;
}

/* Of X11 alone, whose library SDL has loaded. */
int sdl_event_fd(const SdlLib *lib, SDL_Window *window)
{
#ifdef SDL_VIDEO_DRIVER_X11
    static const char *const names[] = {"XConnectionNumber", NULL};
    struct {
        LATE_FUNCTION(XConnectionNumber);
    } x11;
    SDL_SysWMinfo info;

    lib->SDL_GetVersion(&info.version);
    if (lib->SDL_GetWindowWMInfo(window, &info) && info.subsystem == SDL_SYSWM_X11 &&
        late_library_load("libX11.so.6", names, &x11, NULL)) {
        return x11.XConnectionNumber(info.info.x11.display);
    }
#endif
    return -1;
}
