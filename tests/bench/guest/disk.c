/* SPDX-License-Identifier: MIT */
/*
 * Disk rows: the guest's driver, the device and the image below, without the guest's page cache.
 * The disk's contents are the host's: what is read goes into the checksum.
 */
#include "bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DISK "/dev/vda"

enum { SMALL = 4096, LARGE = 1 << 20, THREADS = 8 };

static const off_t area = 256 << 20; /* bytes of the disk that are used */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int open_disk(int flags)
{
    int fd = open(DISK, flags | O_DIRECT);

    if (fd < 0) {
        fail(DISK);
    }
    return fd;
}

static void *buffer(size_t len)
{
    void *buf;

    if (posix_memalign(&buf, SMALL, len)) {
        fail("posix_memalign");
    }
    return buf;
}

/* One transfer; of what is read, a word goes into the sum. */
static uint64_t transfer(int fd, int write, uint64_t *buf, size_t len, off_t at)
{
    ssize_t done = write ? pwrite(fd, buf, len, at) : pread(fd, buf, len, at);

    if (done != (ssize_t)len) {
        fail(write ? "pwrite" : "pread");
    }
    return buf[0] + buf[len / sizeof(*buf) - 1];
}

static uint64_t sequential(int write, int rounds)
{
    int fd = open_disk(write ? O_WRONLY : O_RDONLY);
    uint64_t *buf = buffer(LARGE), sum = 0;

    for (int i = 0; i < rounds; i++) {
        for (off_t at = 0; at < area; at += LARGE) {
            buf[0] = write ? (uint64_t)at : buf[0];
            sum += transfer(fd, write, buf, LARGE, at);
        }
    }
    free(buf);
    close(fd);
    return write ? 0 : sum;
}

typedef struct Job {
    pthread_t thread;
    int write, sync, count;
    uint64_t seed, sum;
} Job;

static void *scattered(void *opaque)
{
    Job *job = opaque;
    int fd = open_disk(job->write ? O_WRONLY : O_RDONLY);
    uint64_t *buf = buffer(SMALL);

    for (int i = 0; i < job->count; i++) {
        off_t at = (off_t)(next_random(&job->seed) % (uint64_t)(area / SMALL)) * SMALL;

        buf[0] = buf[SMALL / sizeof(*buf) - 1] = job->write ? (uint64_t)i : 0;
        job->sum += transfer(fd, job->write, buf, SMALL, at);
        if (job->sync && fdatasync(fd)) {
            fail("fdatasync");
        }
    }
    free(buf);
    close(fd);
    return NULL;
}

static uint64_t random_access(int threads, int write, int sync, int count)
{
    Job jobs[THREADS];
    uint64_t sum = 0;

    for (int i = 0; i < threads; i++) {
        jobs[i] =
            (Job){.write = write, .sync = sync, .count = count, .seed = 0x9e3779b97f4a7c15u + i};
        if (pthread_create(&jobs[i].thread, NULL, scattered, &jobs[i])) {
            fail("pthread_create");
        }
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(jobs[i].thread, NULL);
        sum += jobs[i].sum;
    }
    return write ? 0 : sum;
}

static uint64_t seq_read(void)
{
    return sequential(0, 4);
}

static uint64_t seq_write(void)
{
    return sequential(1, 4);
}

static uint64_t rand_read(void)
{
    return random_access(1, 0, 0, 20000);
}

static uint64_t rand_read_8(void)
{
    return random_access(THREADS, 0, 0, 4000);
}

static uint64_t rand_write(void)
{
    return random_access(1, 1, 0, 20000);
}

static uint64_t rand_write_8(void)
{
    return random_access(THREADS, 1, 0, 4000);
}

static uint64_t sync_write(void)
{
    return random_access(1, 1, 1, 200);
}

/* Reading comes first: it is of what the host wrote. */
#define ROWS(prefix)                                                                               \
    {prefix "-seq-read", seq_read}, {prefix "-rand-read", rand_read},                              \
        {prefix "-rand-read-8", rand_read_8}, {prefix "-seq-write", seq_write},                    \
        {prefix "-rand-write", rand_write}, {prefix "-rand-write-8", rand_write_8},                \
    {                                                                                              \
        prefix "-sync-write", sync_write                                                           \
    }

const Row rows_disk[] = {
    ROWS("raw"),  ROWS("qcow2"),      ROWS("luks"),
    ROWS("nbd"),  ROWS("compressed"), /* of which the host asks for those that read */
    {NULL, NULL},
};
