/* SPDX-License-Identifier: Apache-2.0 */
#include "io/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAGIC         0x65617264u /* "drae" */
#define SINK_BYTES    ((size_t)1 << 16)
#define CPU_SECONDS   ((uint64_t)4)
#define CPU_BYTES_A_S ((uint64_t)10 << 20) /* one more second for so many bytes of the file */
#define MEMORY_BYTES  ((uint64_t)2 << 30)  /* allowed on top of what the process has, */
#define MEMORY_FACTOR 4u                   /* and so many times the file */
#define SILENCE_MS    120000               /* no sign of life for so long: hung */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* The start of the memory file, written last: an answer without it is no answer. */
typedef struct answer {
    uint32_t magic;
    int32_t status;
    uint64_t n_bytes;
    char error[DRAE__ERR_BYTES];
} answer;

/* ---- the child ---- */

static void flush(drae__sink *sink) {
    const uint8_t *src = sink->buffer;
    while (sink->used > 0 && !sink->failed) {
        ssize_t n = write(sink->fd, src, sink->used);
        if (n > 0) {
            src += n;
            sink->used -= (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            sink->failed = true;
        }
    }
    sink->used = 0;
}

void drae__sink_put(drae__sink *sink, const void *data, size_t n_bytes) {
    const uint8_t *src = data;
    sink->written += n_bytes;
    while (n_bytes > 0 && !sink->failed) {
        size_t room = SINK_BYTES - sink->used;
        size_t n = n_bytes < room ? n_bytes : room;
        memcpy(sink->buffer + sink->used, src, n);
        sink->used += n;
        src += n;
        n_bytes -= n;
        if (sink->used == SINK_BYTES) {
            flush(sink);
        }
    }
}

void drae__sink_align(drae__sink *sink) {
    static const uint8_t zeros[8];
    drae__sink_put(sink, zeros, (size_t)(-sink->written & 7u));
}

void drae__sink_beat(drae__sink *sink) {
    /* The pipe does not block: when it is full the parent has beats enough to read. */
    (void)!write(sink->beat_fd, "", 1);
}

static void limit(__rlimit_resource_t resource, uint64_t value) {
    struct rlimit now;
    if (getrlimit(resource, &now) == 0 && (rlim_t)value < now.rlim_max) {
        now.rlim_cur = (rlim_t)value;
        (void)setrlimit(resource, &now);
    }
}

static uint64_t address_space_bytes(void) {
    char text[128];
    uint64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        pages = fgets(text, sizeof text, file) != NULL ? strtoull(text, NULL, 10) : 0;
        (void)fclose(file);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void set_limits(uint64_t file_bytes) {
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, CPU_SECONDS + file_bytes / CPU_BYTES_A_S);
    /* AddressSanitizer reserves terabytes of addresses and treats a refused mapping as fatal. */
    uint64_t used = SANITIZED ? 0 : address_space_bytes();
    if (used > 0) {
        limit(RLIMIT_AS, used + MEMORY_BYTES + MEMORY_FACTOR * file_bytes);
    }
    /* The answer is a file as far as the kernel is concerned: the caller's own limit on what is
     * written to disk must not cut it. */
    struct rlimit size;
    if (getrlimit(RLIMIT_FSIZE, &size) == 0) {
        size.rlim_cur = size.rlim_max;
        (void)setrlimit(RLIMIT_FSIZE, &size);
    }
}

static void quiet_standard_error(void) {
    /* What a dying allocator prints is no use to anybody; a sanitizer's report is. */
    if (!SANITIZED) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (null >= 0) {
            (void)dup2(null, STDERR_FILENO);
        }
    }
}

static void run_child(int memory, int beat_fd, uint64_t file_bytes, drae__isolated_fn fn,
                      void *task) {
    static const int defaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; !SANITIZED && i < sizeof defaults / sizeof *defaults; i++) {
        (void)signal(defaults[i], SIG_DFL);
    }
    (void)signal(SIGINT, SIG_IGN); /* the parent decides what an interrupt ends */
    (void)signal(SIGTERM, SIG_IGN);
    quiet_standard_error();
    set_limits(file_bytes);

    answer head = {.magic = MAGIC};
    drae__err err = {{0}};
    drae__sink sink = {.fd = memory, .beat_fd = beat_fd, .buffer = malloc(SINK_BYTES)};
    drae_status status = DRAE_ERROR_MEMORY;
    if (sink.buffer != NULL && lseek(memory, (off_t)sizeof head, SEEK_SET) >= 0) {
        status = fn(task, &sink, &err);
        flush(&sink);
    }
    if (status == DRAE_OK && sink.failed) {
        status = DRAE_ERROR_MEMORY;
    }
    if (status == DRAE_ERROR_MEMORY && err.text[0] == '\0') {
        (void)drae__fail(&err, status, "no memory to read the file");
    }
    head.status = status;
    head.n_bytes = sink.written;
    memcpy(head.error, err.text, sizeof head.error);
    ssize_t n = pwrite(memory, &head, sizeof head, 0);
    _exit(n == (ssize_t)sizeof head ? 0 : 1);
}

/* ---- the parent ---- */

/* Waits until the child has gone; kills it when it has been silent for too long. */
static bool wait_for(pid_t child, int beat_fd, int *how) {
    bool hung = false;
    char beats[256];
    for (;;) {
        struct pollfd ready = {.fd = beat_fd, .events = POLLIN};
        int n = poll(&ready, 1, SILENCE_MS);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n == 0) {
            hung = true;
            (void)kill(child, SIGKILL);
            break;
        }
        ssize_t got = n < 0 ? 0 : read(beat_fd, beats, sizeof beats);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
            break;
        }
    }
    *how = 0;
    while (waitpid(child, how, 0) < 0 && errno == EINTR) {
    }
    return hung;
}

static drae_status take_answer(const char *name, int memory, int how, bool hung, drae__reply *reply,
                               drae__err *err) {
    answer head;
    memset(&head, 0, sizeof head);
    struct stat state;
    bool complete = pread(memory, &head, sizeof head, 0) == (ssize_t)sizeof head &&
                    head.magic == MAGIC && fstat(memory, &state) == 0;
    if (!complete) {
        bool slow = hung || (WIFSIGNALED(how) && WTERMSIG(how) == SIGXCPU);
        return drae__fail(err, DRAE_ERROR_FILE, "%s: the HDF5 library %s (file damaged or hostile)",
                          name, slow ? "does not come to an end with it" : "cannot read it");
    }
    head.error[DRAE__ERR_BYTES - 1] = '\0';
    if (head.status != DRAE_OK) {
        return drae__fail(err, head.status < 0 ? (drae_status)head.status : DRAE_ERROR_INTERNAL,
                          "%s: %s", name, head.error);
    }
    if (head.n_bytes != (uint64_t)state.st_size - sizeof head) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory to hold what it says", name);
    }
    size_t map_bytes = (size_t)state.st_size;
    void *map = mmap(NULL, map_bytes, PROT_READ, MAP_PRIVATE, memory, 0);
    if (map == MAP_FAILED) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for %zu bytes", name, map_bytes);
    }
    reply->map = map;
    reply->map_bytes = map_bytes;
    reply->bytes = (const uint8_t *)map + sizeof head;
    reply->n_bytes = (size_t)head.n_bytes;
    return DRAE_OK;
}

drae_status drae__isolate(const char *name, uint64_t file_bytes, drae__isolated_fn fn, void *task,
                          drae__reply *reply, drae__err *err) {
    drae_status status = DRAE_OK;
    int beats[2] = {-1, -1};
    int memory = memfd_create("drae", MFD_CLOEXEC);
    if (memory < 0 || pipe2(beats, O_CLOEXEC | O_NONBLOCK) != 0) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: cannot set up its reader: %s", name,
                            strerror(errno));
        goto done;
    }
    pid_t child = fork();
    if (child < 0) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: cannot start its reader: %s", name,
                            strerror(errno));
        goto done;
    }
    if (child == 0) {
        (void)close(beats[0]);
        run_child(memory, beats[1], file_bytes, fn, task);
    }
    (void)close(beats[1]);
    beats[1] = -1;
    int how;
    bool hung = wait_for(child, beats[0], &how);
    status = take_answer(name, memory, how, hung, reply, err);
done:
    for (int i = 0; i < 2; i++) {
        if (beats[i] >= 0) {
            (void)close(beats[i]);
        }
    }
    if (memory >= 0) {
        (void)close(memory);
    }
    return status;
}

void drae__reply_free(drae__reply *reply) {
    if (reply->map != NULL) {
        (void)munmap(reply->map, reply->map_bytes);
    }
    memset(reply, 0, sizeof *reply);
}
