/* SPDX-License-Identifier: Apache-2.0 */
/* The whole command with the n-th call of a class failing. The linker sends our own calls here (--wrap), not those that FFmpeg or libc make inside themselves, so
 * this also works under the sanitizers. NEXTPOSE_FAULT=CLASS:N; NEXTPOSE_FAULT_COUNT=FILE gets the number of calls of that class. */
#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef NPI_HAVE_WEB
#include <microhttpd.h>
#include <sys/socket.h>
#endif

#include "io/io.h"

enum class { MEMORY, THREAD, READ, DECODE, ENCODE, WRITE, MUX, INFER, DRAW, VIEW, N_CLASSES };
static const char *const names[N_CLASSES] = { "memory", "thread", "read", "decode", "encode", "write", "mux", "infer", "draw", "view" };
static atomic_int armed = -1, n_calls, fail_at;

static void tell(void) {
    const char *const path = getenv("NEXTPOSE_FAULT_COUNT");
    FILE *const f = path ? fopen(path, "w") : NULL;
    if (f) fprintf(f, "%d\n", atomic_load(&n_calls));
    if (f) fclose(f);
}

__attribute__((constructor)) static void arm(void) {
    const char *const text = getenv("NEXTPOSE_FAULT"), *const colon = text ? strchr(text, ':') : NULL;
    for (int i = 0; colon && i < N_CLASSES; i++)
        if (!strncmp(text, names[i], (size_t)(colon - text)) && !names[i][colon - text]) {
            atomic_store(&fail_at, atoi(colon + 1));
            atexit(tell);
            atomic_store(&armed, i);
        }
}

static int hit(enum class c) {
    if (atomic_load(&armed) != (int)c) return 0;
    return atomic_fetch_add(&n_calls, 1) + 1 == atomic_load(&fail_at);
}

/* WRAP(class, type, name, declared arguments, passed arguments, what a failure returns) */
#define WRAP(class, type, name, declared, passed, failed) \
    type __real_##name declared; \
    type __wrap_##name declared; \
    type __wrap_##name declared { return hit(class) ? (failed) : __real_##name passed; }
#define NO_MEMORY(type) (errno = ENOMEM, (type)NULL)

WRAP(MEMORY, void *, malloc, (size_t n), (n), NO_MEMORY(void *))
WRAP(MEMORY, void *, calloc, (size_t n, size_t size), (n, size), NO_MEMORY(void *))
WRAP(MEMORY, void *, realloc, (void *p, size_t n), (p, n), NO_MEMORY(void *))
WRAP(MEMORY, void *, aligned_alloc, (size_t a, size_t n), (a, n), NO_MEMORY(void *))
WRAP(MEMORY, void *, npi_pages_alloc, (size_t n), (n), NULL)
WRAP(MEMORY, char *, strdup, (const char *s), (s), NO_MEMORY(char *))
WRAP(MEMORY, AVFrame *, av_frame_alloc, (void), (), NULL)
WRAP(MEMORY, AVPacket *, av_packet_alloc, (void), (), NULL)
WRAP(MEMORY, AVCodecContext *, avcodec_alloc_context3, (const AVCodec *c), (c), NULL)
WRAP(THREAD, int, pthread_create, (pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg), (t, a, fn, arg), EAGAIN)
WRAP(READ, int, av_read_frame, (AVFormatContext *f, AVPacket *p), (f, p), AVERROR(EIO))
WRAP(DECODE, int, avcodec_receive_frame, (AVCodecContext *c, AVFrame *f), (c, f), AVERROR_INVALIDDATA)
WRAP(ENCODE, int, avcodec_send_frame, (AVCodecContext *c, const AVFrame *f), (c, f), AVERROR(ENOMEM))
WRAP(ENCODE, int, avcodec_open2, (AVCodecContext *c, const AVCodec *d, AVDictionary **o), (c, d, o), AVERROR(ENOMEM))
WRAP(WRITE, int, fflush, (FILE *f), (f), (errno = ENOSPC, EOF))
WRAP(MUX, int, av_interleaved_write_frame, (AVFormatContext *f, AVPacket *p), (f, p), AVERROR(ENOSPC))
WRAP(MUX, int, avformat_write_header, (AVFormatContext *f, AVDictionary **o), (f, o), AVERROR(ENOSPC))
WRAP(MUX, int, av_write_trailer, (AVFormatContext *f), (f), AVERROR(ENOSPC))

struct npi_seat;
struct np_pool;
struct np_error;
WRAP(INFER, int, npi_seat_run, (struct npi_seat *s, struct np_pool *p, struct np_error *e), (s, p, e), -1)

struct np_frame;
struct npi_picture;
struct npi_jpeg;
WRAP(DRAW, int, npi_picture_from_frame, (struct npi_picture *p, const struct np_frame *f), (p, f), -12)
WRAP(DRAW, int, npi_jpeg_write, (const char *path, const struct npi_picture *p, struct np_error *e), (path, p, e), npi_io_fail(e, -5, "cannot write '%s': made to fail", path))
#ifdef NPI_HAVE_WEB
WRAP(VIEW, int, npi_jpeg_encode, (struct npi_jpeg *j, const struct np_frame *f, const uint8_t **bytes, size_t *size, struct np_error *e), (j, f, bytes, size, e), -5)
WRAP(VIEW, int, listen, (int fd, int n), (fd, n), (errno = EADDRINUSE, -1))
WRAP(VIEW, struct MHD_Response *, MHD_create_response_from_buffer, (size_t n, void *bytes, enum MHD_ResponseMemoryMode mode), (n, bytes, mode), NULL)
WRAP(VIEW, struct MHD_Response *, MHD_create_response_from_callback,
     (uint64_t n, size_t block, MHD_ContentReaderCallback read, void *opaque, MHD_ContentReaderFreeCallback gone), (n, block, read, opaque, gone), NULL)
#endif
