/* SPDX-License-Identifier: MIT */
/* Floating-point rows: n-body and matrices in double, Mandelbrot in float. */
#include "bench.h"

#include <math.h>
#include <string.h>

enum { BODIES = 5 };

typedef struct Body {
    double x[3], v[3], mass;
} Body;

static void advance(Body *b, double dt)
{
    for (unsigned i = 0; i < BODIES; i++) {
        for (unsigned j = i + 1; j < BODIES; j++) {
            double d[3], r2 = 0, mag;

            for (unsigned k = 0; k < 3; k++) {
                d[k] = b[i].x[k] - b[j].x[k];
                r2 += d[k] * d[k];
            }
            mag = dt / (r2 * sqrt(r2));
            for (unsigned k = 0; k < 3; k++) {
                b[i].v[k] -= d[k] * b[j].mass * mag;
                b[j].v[k] += d[k] * b[i].mass * mag;
            }
        }
    }
    for (unsigned i = 0; i < BODIES; i++) {
        for (unsigned k = 0; k < 3; k++) {
            b[i].x[k] += dt * b[i].v[k];
        }
    }
}

static uint64_t run_nbody(void)
{
    Body bodies[BODIES];
    uint64_t bits;

    for (unsigned i = 0; i < BODIES; i++) {
        bodies[i] = (Body){.x = {i * 3.0 + 1, i * 1.5, -0.25 * i},
                           .v = {0.1 * i, 0.3 - 0.1 * i, 0.05},
                           .mass = 1.0 / (i + 1)};
    }
    for (unsigned n = 0; n < 300000; n++) {
        advance(bodies, 0.001);
    }
    memcpy(&bits, &bodies[0].x[0], sizeof(bits));
    return bits;
}

static uint64_t run_matmul(void)
{
    enum { N = 160, ROUNDS = 10 };
    static double a[N][N], b[N][N], c[N][N];
    uint64_t bits;

    for (unsigned i = 0; i < N; i++) {
        for (unsigned j = 0; j < N; j++) {
            a[i][j] = (i * 7 + j * 3) % 11 * 0.5;
            b[i][j] = (i * 5 + j) % 13 * 0.25;
            c[i][j] = 0;
        }
    }
    for (unsigned r = 0; r < ROUNDS; r++) {
        for (unsigned i = 0; i < N; i++) {
            for (unsigned k = 0; k < N; k++) {
                for (unsigned j = 0; j < N; j++) {
                    c[i][j] += a[i][k] * b[k][j];
                }
            }
        }
    }
    memcpy(&bits, &c[N / 2][N / 3], sizeof(bits));
    return bits;
}

static uint64_t run_mandelbrot(void)
{
    enum { SIZE = 400, LIMIT = 200 };
    uint64_t inside = 0;

    for (unsigned row = 0; row < SIZE; row++) {
        for (unsigned col = 0; col < SIZE; col++) {
            float cr = 3.0f * col / SIZE - 2.0f, ci = 2.0f * row / SIZE - 1.0f, zr = 0, zi = 0;
            unsigned n = 0;

            while (n < LIMIT && zr * zr + zi * zi < 4.0f) {
                float t = zr * zr - zi * zi + cr;

                zi = 2.0f * zr * zi + ci;
                zr = t;
                n++;
            }
            inside += n;
        }
    }
    return inside;
}

const Row rows_float[] = {
    {"nbody", run_nbody},
    {"matmul", run_matmul},
    {"mandelbrot", run_mandelbrot},
    {0},
};
