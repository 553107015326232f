/* SPDX-License-Identifier: MIT */
/* SDL 2, loaded when -display sdl asks for it.  Main thread. */
#ifndef UI_SDL_LIB_H
#define UI_SDL_LIB_H

#include <SDL.h>
#include <SDL_syswm.h>

#include "rhea/late-library.h"

/* In the order of the names in sdl-lib.c. */
typedef struct SdlLib {
    LATE_FUNCTION(SDL_CreateColorCursor);
    LATE_FUNCTION(SDL_CreateRGBSurfaceFrom);
    LATE_FUNCTION(SDL_CreateWindow);
    LATE_FUNCTION(SDL_DestroyWindow);
    LATE_FUNCTION(SDL_EnableScreenSaver);
    LATE_FUNCTION(SDL_FreeCursor);
    LATE_FUNCTION(SDL_FreeSurface);
    LATE_FUNCTION(SDL_GetError);
    LATE_FUNCTION(SDL_GetModState);
    LATE_FUNCTION(SDL_GetVersion);
    LATE_FUNCTION(SDL_GetWindowSize);
    LATE_FUNCTION(SDL_GetWindowSurface);
    LATE_FUNCTION(SDL_GetWindowWMInfo);
    LATE_FUNCTION(SDL_Init);
    LATE_FUNCTION(SDL_PollEvent);
    LATE_FUNCTION(SDL_Quit);
    LATE_FUNCTION(SDL_SetCursor);
    LATE_FUNCTION(SDL_SetHint);
    LATE_FUNCTION(SDL_SetRelativeMouseMode);
    LATE_FUNCTION(SDL_SetWindowFullscreen);
    LATE_FUNCTION(SDL_SetWindowGrab);
    LATE_FUNCTION(SDL_SetWindowSize);
    LATE_FUNCTION(SDL_SetWindowTitle);
    LATE_FUNCTION(SDL_ShowCursor);
    LATE_FUNCTION(SDL_UpdateWindowSurfaceRects);
} SdlLib;

/* NULL and an error: it is not there. */
const SdlLib *sdl_lib(Error **errp);
/* The descriptor on which events of the window arrive; -1: there is none. */
int sdl_event_fd(const SdlLib *lib, SDL_Window *window);

#endif
