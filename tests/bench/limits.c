/* bench_limits [FOLDER]: what the machine itself takes for the parts of a broker's data path, each
 * apart: TCP through the loopback, CRC-32C, copying, flushed direct writes. CPU seconds per GB of
 * the thread that does it. */
#include "base/limits.h"

#include "base/check.h"
#include "base/crc.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define GB 1e9
#define TCP_BYTES ((size_t)3 << 30)
#define AREA (256 * MIB)

static double
seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct receiver {
    int listener;
    double cpu_s;
};

static void *
receive_all(void *arg)
{
    struct receiver *receiver = arg;
    int number = accept(receiver->listener, NULL, NULL);
    char *data = mem_alloc(1 * MIB);
    double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    CHECK(number >= 0);
    while (recv(number, data, 1 * MIB, 0) > 0) {
    }
    receiver->cpu_s = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    close(number);
    mem_free(data);
    return NULL;
}

static void
send_all(int number, const char *data, size_t chunk, int file)
{
    for (size_t sent = 0; sent < TCP_BYTES;) {
        off_t offset = (off_t)(sent % AREA);
        ssize_t n = file >= 0 ? sendfile(number, file, &offset, chunk)
                              : send(number, data, chunk, MSG_NOSIGNAL);
        CHECK(n > 0);
        sent += (size_t)n;
    }
}

static void
tcp(const char *what, const char *data, size_t chunk, int file)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    pthread_t thread;
    struct receiver receiver = { .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    CHECK(receiver.listener >= 0 &&
            bind(receiver.listener, (struct sockaddr *)&address, size) == 0 &&
            listen(receiver.listener, 1) == 0 &&
            getsockname(receiver.listener, (struct sockaddr *)&address, &size) == 0);
    CHECK(pthread_create(&thread, NULL, receive_all, &receiver) == 0);
    int number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(number >= 0 && connect(number, (struct sockaddr *)&address, size) == 0);
    double began = seconds(CLOCK_MONOTONIC);
    double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    send_all(number, data, chunk, file);
    cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    close(number);
    pthread_join(thread, NULL);
    close(receiver.listener);
    printf("%-28s %6.0f MB/s  sender %.3f receiver %.3f CPU s/GB\n", what,
            (double)TCP_BYTES / 1e6 / (seconds(CLOCK_MONOTONIC) - began),
            cpu / ((double)TCP_BYTES / GB), receiver.cpu_s / ((double)TCP_BYTES / GB));
}

static void
memory(char *from, char *to)
{
    double began = seconds(CLOCK_THREAD_CPUTIME_ID);
    uint32_t sum = 0;
    for (size_t at = 0; at < AREA; at += 16 * KIB) {
        sum ^= crc32c(bytes_of(from + at, 16 * KIB));
    }
    printf("%-28s %.3f CPU s/GB (%08x)\n", "CRC-32C of 16 KiB",
            (seconds(CLOCK_THREAD_CPUTIME_ID) - began) / ((double)AREA / GB), sum);
    began = seconds(CLOCK_THREAD_CPUTIME_ID);
    memcpy(to, from, AREA);
    printf("%-28s %.3f CPU s/GB (%d)\n", "copy, nothing in the cache",
            (seconds(CLOCK_THREAD_CPUTIME_ID) - began) / ((double)AREA / GB), to[AREA / 2]);
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void
disk(int file, const char *data, size_t size, size_t count)
{
    double *times = mem_alloc_array(count, sizeof *times);
    double began = seconds(CLOCK_MONOTONIC);
    double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < count; i++) {
        struct iovec part = { (void *)(uintptr_t)data, size };
        double before = seconds(CLOCK_MONOTONIC);
        CHECK(pwritev2(file, &part, 1, (off_t)(i * size % AREA), RWF_DSYNC) == (ssize_t)size);
        times[i] = seconds(CLOCK_MONOTONIC) - before;
    }
    double moved = (double)(size * count) / GB;
    cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
    qsort(times, count, sizeof *times, compare);
    printf("flushed write of %4zu KiB      %6.0f MB/s  p50 %.3f p99 %.3f ms  %.3f CPU s/GB\n",
            size / KIB, moved * 1e3 / (seconds(CLOCK_MONOTONIC) - began), times[count / 2] * 1e3,
            times[count * 99 / 100] * 1e3, cpu / moved);
    mem_free(times);
}

int
main(int count, char **texts)
{
    char path[400];
    char *data = mem_try_alloc_aligned(4096, AREA);
    char *other = mem_try_alloc_aligned(4096, AREA);
    CHECK(data && other);
    memset(data, 3, AREA);
    memset(other, 4, AREA);
    snprintf(path, sizeof path, "%s/bench_limits.%d", count > 1 ? texts[1] : "/var/tmp",
            (int)getpid());
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int direct = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    CHECK(file >= 0 && direct >= 0 && unlink(path) == 0);
    for (size_t at = 0; at < AREA; at += 1 * MIB) {
        CHECK(pwrite(file, data + at, 1 * MIB, (off_t)at) == (ssize_t)(1 * MIB));
    }
    CHECK(fsync(file) == 0);
    memory(data, other);
    tcp("TCP, send of 64 KiB", data, 64 * KIB, -1);
    tcp("TCP, send of 1 MiB", data, 1 * MIB, -1);
    tcp("TCP, sendfile of 1 MiB", data, 1 * MIB, file);
    disk(direct, data, 4 * KIB, 1000);
    disk(direct, data, 64 * KIB, 1000);
    disk(direct, data, 1 * MIB, 300);
    return 0;
}
