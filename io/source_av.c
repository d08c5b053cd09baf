/* SPDX-License-Identifier: Apache-2.0 */
/* Video files, streams, cameras, standard input and lavfi test graphs through FFmpeg (4.4 or newer).
 *
 * Damage is normal: cameras drop packets and copied files end early. What cannot be read or decoded is passed over with one
 * warning; only a source that never gives a frame, or a live one that goes away, is an error.
 * libavdevice drags in some forty libraries (X11, SDL, PulseAudio …), so it is loaded only when a camera or lavfi is asked for. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libavcodec/avcodec.h>
#include <libavdevice/version.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "av_pic.h"

struct av_source {
    AVFormatContext *fmt;
    AVCodecContext *dec;
    AVPacket *pkt;
    AVFrame *frame;
    struct SwsContext *sws;
    struct npi_pic_pool *pool;
    struct np_logger logger;
    const atomic_int *stop;
    char *spec;
    int stream, rotation, live;
    int draining, warned, lost, broken; /* error numbers to report when the decoder is empty: a live source went away, a file could not be read on */
    int n_bad;                  /* packets in a row that gave nothing */
    int64_t n_frames, n_expected, last_pts_ns;
    AVRational time_base;
};

#define MAX_BAD_PACKETS 2000
#define SILENCE_NS 10000000000 /* a camera that gives nothing for so long is lost */

static int is_url(const char *s) { return strstr(s, "://") != NULL; }
static int is_camera(const char *s) { return (*s && strspn(s, "0123456789") == strlen(s)) || !strncmp(s, "/dev/video", 10); }
static int is_live_url(const char *s) { return !strncmp(s, "rtsp", 4) || !strncmp(s, "rtmp", 4) || !strncmp(s, "udp:", 4) || !strncmp(s, "rtp:", 4); }
static int is_lavfi(const char *s) { return !strncmp(s, "lavfi:", 6); }

static int stopped(void *opaque) {
    const struct av_source *s = opaque;
    return s->stop && atomic_load(s->stop);
}

static void av_source_close(void *priv) {
    struct av_source *s = priv;
    if (!s) return;
    avcodec_free_context(&s->dec);
    avformat_close_input(&s->fmt);
    av_packet_free(&s->pkt);
    av_frame_free(&s->frame);
    sws_freeContext(s->sws);
    npi_pic_pool_free(s->pool);
    free(s->spec);
    free(s);
}

static int av_source_probe(const char *spec) { return 1; }

#define STR2(x) #x
#define STR(x) STR2(x)
static int load_avdevice(struct np_error *err) {
    const char *const lib = "libavdevice.so." STR(LIBAVDEVICE_VERSION_MAJOR);
    void *const h = dlopen(lib, RTLD_NOW | RTLD_LOCAL);
    void *const f = h ? dlsym(h, "avdevice_register_all") : NULL;
    void (*reg)(void) = NULL;
    if (!f) return npi_io_fail(err, NP_EUNSUPPORTED, "cameras need %s, which is not installed (Debian: libavdevice%d)", lib,
                               LIBAVDEVICE_VERSION_MAJOR);
    memcpy(&reg, &f, sizeof reg);
    reg();
    return 0;
}

static int camera_path(char *out, size_t size, const char *spec, struct np_error *err) {
    snprintf(out, size, *spec == '/' ? "%s" : "/dev/video%s", spec);
    if (access(out, F_OK) == 0) {
        if (access(out, R_OK | W_OK) == 0) return 0;
        return npi_io_fail(err, NP_EIO, "camera %s: %s (is this user in the group 'video'?)", out, strerror(errno));
    }
    char list[200] = "";
    glob_t g;
    if (glob("/dev/video*", 0, NULL, &g) == 0) {
        for (size_t i = 0; i < g.gl_pathc && strlen(list) < 150; i++) {
            strcat(list, " ");
            strncat(list, g.gl_pathv[i], 30);
        }
        globfree(&g);
    }
    return npi_io_fail(err, NP_ENOENT, "camera %s not found; cameras present:%s", out, *list ? list : " none");
}

/* Which demuxer, which URL for it, and what to tell it. */
static int open_input(struct av_source *s, const char *spec, struct np_error *err) {
    char url[4200];
    const AVInputFormat *in = NULL;
    AVDictionary *opt = NULL;
    struct stat st;
    int r = 0;
    if (is_camera(spec)) {
        if ((r = camera_path(url, sizeof url, spec, err)) < 0 || (r = load_avdevice(err)) < 0) return r;
        in = av_find_input_format("v4l2");
        if (!in) return npi_io_fail(err, NP_EUNSUPPORTED, "this FFmpeg has no V4L2 camera input");
        s->live = 1;
    } else if (is_lavfi(spec)) {
        if ((r = load_avdevice(err)) < 0) return r;
        in = av_find_input_format("lavfi");
        if (!in) return npi_io_fail(err, NP_EUNSUPPORTED, "this FFmpeg has no lavfi input");
        snprintf(url, sizeof url, "%s", spec + 6);
    } else if (!strcmp(spec, "-")) {
        snprintf(url, sizeof url, "pipe:0");
        av_dict_set(&opt, "protocol_whitelist", "pipe", 0);
    } else if (is_url(spec)) {
        snprintf(url, sizeof url, "%s", spec);
        s->live = is_live_url(spec);
        if (!strncmp(spec, "rtsp", 4)) {
            av_dict_set(&opt, "rtsp_transport", "tcp", 0);
            /* Before FFmpeg 5.0 RTSP's "timeout" meant: be the server, and wait for a caller. */
            av_dict_set(&opt, LIBAVFORMAT_VERSION_MAJOR < 59 ? "stimeout" : "timeout", "10000000", 0);
        } else av_dict_set(&opt, "rw_timeout", "10000000", 0);
        avformat_network_init();
    } else {
        if (strlen(spec) > 4096) return npi_io_fail(err, NP_EINVAL, "the input's name is too long");
        if (stat(spec, &st) < 0)
            return npi_io_fail(err, errno == ENOENT || errno == ENOTDIR ? NP_ENOENT : NP_EIO, "cannot open '%s': %s", spec, strerror(errno));
        if (S_ISREG(st.st_mode) && st.st_size == 0) return npi_io_fail(err, NP_EFORMAT, "'%s' is empty: no video in it", spec);
        snprintf(url, sizeof url, "file:%s", spec); /* "file:" so that a colon in the name is not taken for a protocol */
        av_dict_set(&opt, "protocol_whitelist", "file", 0); /* a playlist must not make us open connections */
    }
    if (!(s->fmt = avformat_alloc_context())) r = AVERROR(ENOMEM);
    if (r == 0) {
        s->fmt->interrupt_callback = (AVIOInterruptCB){ stopped, s };
        r = avformat_open_input(&s->fmt, url, in, &opt);
    }
    av_dict_free(&opt);
    if (r == 0) return 0;
    if (stopped(s)) return npi_io_fail(err, NP_EINTR, "interrupted while opening '%s'", spec);
    if (r == AVERROR_INVALIDDATA && s->live && is_url(spec)) /* what FFmpeg also says about a server that accepts and is silent */
        return npi_io_fail(err, NP_EIO, "cannot open '%s': no answer in time, or not that of a video stream", spec);
    if (r == AVERROR_INVALIDDATA || r == AVERROR_DEMUXER_NOT_FOUND)
        return npi_io_fail(err, NP_EFORMAT, "'%s' is not a video or picture that can be read, or its header is damaged", spec);
    return npi_io_fail(err, r == AVERROR(ENOENT) ? NP_ENOENT : r == AVERROR(ENOMEM) ? NP_ENOMEM : NP_EIO, "cannot open '%s': %s", spec,
                       av_err2str(r));
}

static int stream_rotation(const AVStream *st) {
    size_t n = 0;
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 102)
    const AVPacketSideData *sd = av_packet_side_data_get(st->codecpar->coded_side_data, st->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    return sd ? npi_av_rotation(sd->data, sd->size) : 0;
#else
    const uint8_t *m = av_stream_get_side_data(st, AV_PKT_DATA_DISPLAYMATRIX, &n);
    return npi_av_rotation(m, n);
#endif
}

static int open_decoder(struct av_source *s, int threads, struct np_error *err) {
    const AVCodec *codec = NULL;
    int r = avformat_find_stream_info(s->fmt, NULL);
    if (stopped(s)) return npi_io_fail(err, NP_EINTR, "interrupted while opening '%s'", s->spec);
    /* "tty" is FFmpeg drawing a text file as a film of letters: nobody who passes a .txt means that. */
    s->stream = r < 0 || !strcmp(s->fmt->iformat->name, "tty") ? -1 : av_find_best_stream(s->fmt, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (s->stream == AVERROR_DECODER_NOT_FOUND) return npi_io_fail(err, NP_EUNSUPPORTED, "'%s': this FFmpeg has no decoder for its video", s->spec);
    if (s->stream < 0) return npi_io_fail(err, NP_EFORMAT, "'%s' holds no video that can be read", s->spec);
    AVStream *const st = s->fmt->streams[s->stream];
    for (unsigned i = 0; i < s->fmt->nb_streams; i++) {
        if ((int)i != s->stream) s->fmt->streams[i]->discard = AVDISCARD_ALL;
    }
    if (!(s->dec = avcodec_alloc_context3(codec)) || (r = avcodec_parameters_to_context(s->dec, st->codecpar)) < 0)
        return npi_io_fail(err, NP_ENOMEM, "'%s': out of memory", s->spec);
    s->dec->pkt_timebase = st->time_base;
    s->dec->thread_count = threads < 1 ? 1 : threads;
    s->dec->thread_type = s->live ? FF_THREAD_SLICE : FF_THREAD_FRAME | FF_THREAD_SLICE;
    if (s->live) s->dec->flags |= AV_CODEC_FLAG_LOW_DELAY;
    s->dec->max_pixels = 128 << 20;
    if ((r = avcodec_open2(s->dec, codec, NULL)) < 0)
        return npi_io_fail(err, NP_EUNSUPPORTED, "'%s': the %s decoder does not start: %s", s->spec, codec->name, av_err2str(r));
    s->rotation = stream_rotation(st);
    s->time_base = st->time_base;
    return 0;
}

static int av_source_open(void **priv, const char *spec, const struct npi_source_params *p, struct npi_source_info *info, struct np_error *err) {
    npi_av_quiet();
    struct av_source *s = calloc(1, sizeof *s);
    if (!s) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    s->logger = p->logger;
    s->stop = p->stop;
    s->last_pts_ns = -1;
    int r = NP_ENOMEM;
    if (!(s->spec = strdup(spec)) || !(s->pkt = av_packet_alloc()) || !(s->frame = av_frame_alloc()) || !(s->pool = npi_av_pool_new()))
        npi_io_fail(err, r, "'%s': out of memory", spec);
    else if ((r = open_input(s, spec, err)) == 0) r = open_decoder(s, p->decoder_threads, err);
    if (r < 0) {
        av_source_close(s);
        return r;
    }
    const AVStream *st = s->fmt->streams[s->stream];
    const AVRational rate = av_guess_frame_rate(s->fmt, s->fmt->streams[s->stream], NULL);
    info->kind = is_camera(spec) ? "camera" : s->live ? "stream" : "video";
    info->width = s->dec->width;
    info->height = s->dec->height;
    info->live = s->live;
    if (rate.num > 0 && rate.den > 0 && av_q2d(rate) <= 1000) {
        info->rate_num = rate.num;
        info->rate_den = rate.den;
    }
    if (!s->live && !is_lavfi(spec)) {
        const int64_t dur = s->fmt->duration;
        if (st->nb_frames > 0) info->n_frames = s->n_expected = st->nb_frames;
        else if (dur > 0 && info->rate_num && strcmp(spec, "-")) info->n_frames = av_rescale_q(dur, AV_TIME_BASE_Q, av_inv_q(rate));
    }
    *priv = s;
    return 0;
}

static void warn_once(struct av_source *s, const char *what) {
    if (!s->warned) npi_io_log(&s->logger, NP_LOG_WARN, "'%s' is damaged after frame %lld (%s): passing over what cannot be read", s->spec,
                               (long long)s->n_frames, what);
    s->warned = 1;
}

/* Reads packets until the decoder took one (0), or the end or an error was noted in s->draining. NP_EINTR when stopped. */
static int feed(struct av_source *s) {
    const int64_t from = npi_io_now_ns();
    for (;;) {
        if (stopped(s)) return NP_EINTR;
        int r = av_read_frame(s->fmt, s->pkt);
        if (r == AVERROR(EAGAIN) && s->live && npi_io_now_ns() - from > SILENCE_NS) r = AVERROR(ETIMEDOUT);
        if (r == AVERROR(EAGAIN)) { /* a camera between two frames */
            nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
            continue;
        }
        if (r == AVERROR_INVALIDDATA && ++s->n_bad < MAX_BAD_PACKETS) {
            warn_once(s, av_err2str(r));
            continue;
        }
        if (r < 0) {
            if (r == AVERROR_EXIT && stopped(s)) return NP_EINTR;
            /* A closed connection reads as an end. It is one only for a recording, which announced how long it is. */
            if (s->live && (r != AVERROR_EOF || s->fmt->duration <= 0)) s->lost = r;
            else if (r != AVERROR_EOF) s->broken = r; /* told at the end, once, when it is known whether anything was decoded */
            s->draining = 1;
            avcodec_send_packet(s->dec, NULL);
            return 0;
        }
        if (s->pkt->stream_index != s->stream) {
            av_packet_unref(s->pkt);
            continue;
        }
        if (s->pkt->flags & AV_PKT_FLAG_CORRUPT && !s->live) warn_once(s, "a packet is incomplete");
        r = avcodec_send_packet(s->dec, s->pkt);
        av_packet_unref(s->pkt);
        if (r == 0) return 0;
        if (!s->live) warn_once(s, av_err2str(r));
        if (++s->n_bad >= MAX_BAD_PACKETS) {
            s->draining = 1;
            avcodec_send_packet(s->dec, NULL);
            return 0;
        }
    }
}

static int at_end(struct av_source *s, struct np_error *err) {
    if (s->lost) return npi_io_fail(err, NP_EIO, "'%s' was lost after %lld frames: %s", s->spec, (long long)s->n_frames,
                                    s->lost == AVERROR_EOF ? "the other side ended it" : av_err2str(s->lost));
    if (s->n_frames == 0) return npi_io_fail(err, NP_EFORMAT, "'%s': not one frame could be decoded%s%s", s->spec, s->broken ? ": " : "", s->broken ? av_err2str(s->broken) : "");
    if (s->broken) warn_once(s, av_err2str(s->broken));
    if (s->n_expected > 0 && s->n_frames < s->n_expected && !s->warned) {
        s->warned = 1;
        npi_io_log(&s->logger, NP_LOG_WARN, "'%s' gave %lld of the %lld frames that its header promises: it is truncated or damaged", s->spec,
                   (long long)s->n_frames, (long long)s->n_expected);
    }
    return NP_EEND;
}

static void set_time(struct av_source *s, struct npi_pic *pic, int64_t pts) {
    int64_t t = -1;
    if (pts != AV_NOPTS_VALUE) {
        const int64_t start = s->fmt->streams[s->stream]->start_time;
        t = av_rescale_q(pts - (start != AV_NOPTS_VALUE && !s->live ? start : 0), s->time_base, (AVRational){ 1, 1000000000 });
        if (t < 0) t = 0;
        if (t <= s->last_pts_ns) t = s->last_pts_ns + 1; /* the promise is monotonic; broken files jump back */
        s->last_pts_ns = t;
    }
    pic->f.pts_ns = t;
    pic->f.index = s->n_frames++;
}

static int av_source_read(void *priv, struct npi_pic **out, struct np_error *err) {
    struct av_source *const s = priv;
    for (;;) {
        if (stopped(s)) return npi_io_fail(err, NP_EINTR, "interrupted");
        int r = avcodec_receive_frame(s->dec, s->frame);
        if (r == 0) {
            s->n_bad = 0;
            const int64_t pts = s->frame->best_effort_timestamp;
            if ((s->frame->decode_error_flags || s->frame->flags & AV_FRAME_FLAG_CORRUPT) && !s->live) warn_once(s, "decoding errors");
            if ((r = npi_av_take(out, s->pool, s->frame, &s->sws, s->rotation, err)) < 0) return r;
            set_time(s, *out, pts);
            return 0;
        }
        if (r == AVERROR_EOF) return at_end(s, err);
        if (r != AVERROR(EAGAIN)) {
            if (!s->live) warn_once(s, av_err2str(r));
            if (s->draining && ++s->n_bad > MAX_BAD_PACKETS) return at_end(s, err);
        }
        if (s->draining) {
            if (r == AVERROR(EAGAIN)) return at_end(s, err);
        } else if ((r = feed(s)) < 0) return npi_io_fail(err, r, "interrupted");
    }
}

static int av_source_is_live(const char *spec) { return is_camera(spec) || is_live_url(spec); }

const struct npi_source_ops npi_source_av = { "video", av_source_probe, av_source_open, av_source_read, av_source_close, av_source_is_live };
