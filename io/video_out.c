/* SPDX-License-Identifier: Apache-2.0 */
/* H.264 in MP4 with FFmpeg and libx264.
 *
 * The MP4 is fragmented (a moov without samples first, then one moof a group of pictures): a run that is killed leaves
 * everything up to the last fragment playable, and browsers play it. No B-frames and a short look-ahead: less memory and delay. */
#include "video_out.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "av_pic.h"
#include "outfile.h"

#define CLOCK 90000 /* ticks a second: 24, 25, 30, 50, 60 and their /1.001 relatives divide it */

struct npi_video_out {
    char *path;
    struct npi_video_params params;
    AVFormatContext *fmt;
    AVCodecContext *enc;
    AVStream *st;
    AVPacket *pkt;
    AVFrame *frame;          /* borrows the planes of the picture: sending copies them */
    AVFrame *fitted;         /* has its own: for pictures of another size */
    struct SwsContext *sws;
    int pipe_fd;             /* of a named pipe; -1: FFmpeg opened the file */
    int64_t n_frames, first_ns, last_tick;
    int broken;              /* an error was reported: nothing more is written */
};

static int failed(struct npi_video_out *v, int av, const char *what, struct np_error *err) {
    v->broken = 1;
    return npi_io_fail(err, NP_EIO, "%s '%s' failed after %lld frames: %s", what, v->path, (long long)v->n_frames, av_err2str(av));
}

static int write_pipe(void *opaque, uint8_t *bytes, int n) {
    const struct npi_video_out *const v = opaque;
    return npi_fd_write(v->pipe_fd, v->params.give_up, bytes, (size_t)n) < 0 ? AVERROR(errno) : n;
}

/* FFmpeg would open and write a named pipe without a way out for who waits there. */
static int open_file(struct npi_video_out *v) {
    struct stat st;
    int waits;
    if (stat(v->path, &st) < 0 || !S_ISFIFO(st.st_mode)) return avio_open(&v->fmt->pb, v->path, AVIO_FLAG_WRITE);
    if ((v->pipe_fd = npi_fd_open(v->path, v->params.give_up, &waits)) < 0) return AVERROR(errno);
    const int size = 65536;
    uint8_t *const buf = av_malloc((size_t)size);
    v->fmt->pb = buf ? avio_alloc_context(buf, size, 1, v, NULL, write_pipe, NULL) : NULL;
    if (v->fmt->pb) return 0;
    av_free(buf);
    return AVERROR(ENOMEM);
}

static int close_file(struct npi_video_out *v) {
    if (v->pipe_fd < 0) return avio_closep(&v->fmt->pb);
    int r = 0;
    if (v->fmt->pb) {
        avio_flush(v->fmt->pb);
        r = v->fmt->pb->error;
        av_freep(&v->fmt->pb->buffer);
        avio_context_free(&v->fmt->pb);
    }
    close(v->pipe_fd);
    v->pipe_fd = -1;
    return r;
}

static void free_all(struct npi_video_out *v) {
    avcodec_free_context(&v->enc);
    if (v->fmt) {
        close_file(v);
        avformat_free_context(v->fmt);
    }
    av_packet_free(&v->pkt);
    av_frame_free(&v->frame);
    av_frame_free(&v->fitted);
    sws_freeContext(v->sws);
    free(v->path);
    free(v);
}

int npi_video_open(struct npi_video_out **out, const char *path, const struct npi_video_params *p, struct np_error *err) {
    npi_av_quiet();
    struct npi_video_out *const v = calloc(1, sizeof *v);
    if (!v || !(v->path = strdup(path)) || !(v->pkt = av_packet_alloc()) || !(v->frame = av_frame_alloc()) || !(v->fitted = av_frame_alloc())) {
        if (v) free_all(v);
        return npi_io_fail(err, NP_ENOMEM, "out of memory");
    }
    v->params = *p;
    v->pipe_fd = -1;
    v->last_tick = -1;
    if (v->params.rate_num <= 0 || v->params.rate_den <= 0) v->params.rate_num = 25, v->params.rate_den = 1;
    const AVOutputFormat *format = av_guess_format(NULL, path, NULL);
    /* A name that means another container gets it; one without a known extension gets MP4. */
    int r = avformat_alloc_output_context2(&v->fmt, format && format->video_codec != AV_CODEC_ID_NONE ? format : NULL,
                                           format && format->video_codec != AV_CODEC_ID_NONE ? NULL : "mp4", path);
    if (r >= 0) r = open_file(v);
    if (r < 0) {
        npi_io_fail(err, NP_EIO, "cannot write the video '%s': %s", path, av_err2str(r));
        free_all(v);
        return NP_EIO;
    }
    *out = v;
    return 0;
}

static int start(struct npi_video_out *v, const struct npi_picture *p, struct np_error *err) {
    const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
    if (!codec) codec = avcodec_find_encoder(AV_CODEC_ID_H264);
    if (!codec) return npi_io_fail(err, NP_EUNSUPPORTED, "cannot write '%s': this FFmpeg has no H.264 encoder", v->path);
    if (!(v->enc = avcodec_alloc_context3(codec)) || !(v->st = avformat_new_stream(v->fmt, NULL))) return failed(v, AVERROR(ENOMEM), "starting", err);
    const AVRational rate = { v->params.rate_num, v->params.rate_den };
    AVCodecContext *const e = v->enc;
    e->width = p->width;
    e->height = p->height;
    e->pix_fmt = p->full_range ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
    e->color_range = p->full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    e->colorspace = p->yuv_matrix == NP_YUV_BT709    ? AVCOL_SPC_BT709
                    : p->yuv_matrix == NP_YUV_BT2020 ? AVCOL_SPC_BT2020_NCL
                                                     : AVCOL_SPC_SMPTE170M;
    e->time_base = (AVRational){ 1, CLOCK };
    e->framerate = rate;
    e->gop_size = (int)(av_q2d(rate) * 2 + 0.5) < 2 ? 2 : (int)(av_q2d(rate) * 2 + 0.5); /* a fragment every two seconds */
    e->max_b_frames = 0;
    e->thread_count = v->params.threads < 1 ? 1 : v->params.threads;
    if (v->fmt->oformat->flags & AVFMT_GLOBALHEADER) e->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    AVDictionary *opt = NULL;
    /* Against superfast on a 1088x1920 clip: 16 MB less (no half-pixel planes, no look-ahead), a quarter less time, 5 % more bytes. */
    av_dict_set(&opt, "preset", "ultrafast", 0);
    av_dict_set(&opt, "crf", "23", 0);
    av_dict_set(&opt, "x264-params", "cabac=1:deblock=1,0,0", 0);
    int r = avcodec_open2(e, codec, &opt);
    av_dict_free(&opt);
    if (r < 0) return failed(v, r, "starting the encoder for", err);
    if ((r = avcodec_parameters_from_context(v->st->codecpar, e)) < 0) return failed(v, r, "starting", err);
    v->st->time_base = e->time_base;
    v->st->avg_frame_rate = rate;
    AVDictionary *mux = NULL;
    av_dict_set(&mux, "movflags", "frag_keyframe+empty_moov+default_base_moof", 0);
    av_dict_set(&mux, "video_track_timescale", "90000", 0);
    v->fmt->flags |= AVFMT_FLAG_FLUSH_PACKETS;
    r = avformat_write_header(v->fmt, &mux);
    av_dict_free(&mux);
    if (r < 0) return failed(v, r, "writing", err);
    v->frame->format = e->pix_fmt;
    v->frame->width = e->width;
    v->frame->height = e->height;
    v->frame->color_range = e->color_range;
    v->frame->colorspace = e->colorspace;
    return 0;
}

/* A picture of another size: as large as fits, in the middle, on black. */
static int fit(struct npi_video_out *v, const struct npi_picture *p) {
    AVFrame *const f = v->fitted;
    f->format = v->frame->format;
    f->width = v->frame->width;
    f->height = v->frame->height;
    f->color_range = v->frame->color_range;
    f->colorspace = v->frame->colorspace;
    const double s = fmin((double)f->width / p->width, (double)f->height / p->height);
    int w = (int)(p->width * s) & ~1, h = (int)(p->height * s) & ~1;
    if (w < 2) w = 2;
    if (h < 2) h = 2;
    const int x = ((f->width - w) / 2) & ~1, y = ((f->height - h) / 2) & ~1;
    v->sws = sws_getCachedContext(v->sws, p->width, p->height, f->format, w, h, f->format, SWS_BILINEAR, NULL, NULL, NULL);
    if (!v->sws) return AVERROR(ENOMEM);
    const int r = f->buf[0] ? av_frame_make_writable(f) : av_frame_get_buffer(f, 0);
    if (r < 0) return r;
    for (int i = 0; i < 3; i++) {
        const int black = i ? 128 : f->color_range == AVCOL_RANGE_JPEG ? 0 : 16;
        for (int row = 0; row < f->height >> (i > 0); row++)
            memset(f->data[i] + (ptrdiff_t)row * f->linesize[i], black, (size_t)(f->width >> (i > 0)));
    }
    uint8_t *const dst[3] = { f->data[0] + (ptrdiff_t)y * f->linesize[0] + x, f->data[1] + (ptrdiff_t)(y / 2) * f->linesize[1] + x / 2,
                              f->data[2] + (ptrdiff_t)(y / 2) * f->linesize[2] + x / 2 };
    return sws_scale(v->sws, (const uint8_t *const *)p->plane, p->stride, 0, p->height, dst, f->linesize);
}

static int drain(struct npi_video_out *v, struct np_error *err) {
    for (;;) {
        int r = avcodec_receive_packet(v->enc, v->pkt);
        if (r == AVERROR(EAGAIN) || r == AVERROR_EOF) return 0;
        if (r < 0) return failed(v, r, "encoding", err);
        av_packet_rescale_ts(v->pkt, v->enc->time_base, v->st->time_base);
        v->pkt->stream_index = 0;
        r = av_interleaved_write_frame(v->fmt, v->pkt);
        if (r >= 0 && v->fmt->pb->error < 0) r = v->fmt->pb->error;
        if (r < 0) return failed(v, r, "writing", err);
    }
}

int npi_video_write(struct npi_video_out *v, const struct npi_picture *p, int64_t pts_ns, struct np_error *err) {
    int r = 0;
    if (v->broken) return NP_EIO;
    if (!v->enc && (r = start(v, p, err)) < 0) {
        v->broken = 1;
        return r;
    }
    if (v->n_frames == 0) v->first_ns = pts_ns;
    AVFrame *f = v->frame;
    if (p->width != f->width || p->height != f->height) {
        f = v->fitted;
        r = fit(v, p);
    } else {
        for (int i = 0; i < 3; i++) {
            f->data[i] = p->plane[i];
            f->linesize[i] = p->stride[i];
        }
    }
    if (r < 0) return failed(v, r, "scaling a picture for", err);
    const AVRational frame_time = { v->params.rate_den, v->params.rate_num };
    const int timed = pts_ns >= 0 && v->first_ns >= 0;
    int64_t tick = timed ? av_rescale(pts_ns - v->first_ns, CLOCK, 1000000000) : av_rescale_q(v->n_frames, frame_time, v->enc->time_base);
    if (tick <= v->last_tick) tick = v->last_tick + 1;
    v->last_tick = f->pts = tick;
    if ((r = avcodec_send_frame(v->enc, f)) < 0) return failed(v, r, "encoding", err);
    v->n_frames++;
    return drain(v, err);
}

int npi_video_close(struct npi_video_out **pv, struct np_error *err) {
    struct npi_video_out *const v = *pv;
    int r = 0;
    if (!v) return 0;
    *pv = NULL;
    const int begun = v->enc && v->fmt->pb && v->st && v->frame->width > 0;
    if (begun && !v->broken) {
        r = avcodec_send_frame(v->enc, NULL);
        r = r < 0 ? failed(v, r, "encoding the last frames of", err) : drain(v, err); /* they are in the encoder: without them the video is short */
    }
    if (begun && !v->broken) {
        int w = av_write_trailer(v->fmt);
        if (w >= 0) w = v->fmt->pb->error;
        if (w < 0) r = failed(v, w, "closing", err);
        else if ((w = close_file(v)) < 0) r = failed(v, w, "closing", err);
    } else if (begun) av_write_trailer(v->fmt); /* frees the muxer's memory; the disk may be full, which was said already */
    else if (!v->broken) {
        close_file(v);
        struct stat st;
        if (lstat(v->path, &st) == 0 && S_ISREG(st.st_mode)) remove(v->path); /* an empty file would only look like a video */
    }
    free_all(v);
    return r;
}

int npi_jpeg_write(const char *path, const struct npi_picture *p, struct np_error *err) {
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    AVCodecContext *e = codec ? avcodec_alloc_context3(codec) : NULL;
    AVFrame *f = av_frame_alloc();
    AVPacket *pkt = av_packet_alloc();
    struct SwsContext *sws = sws_getContext(p->shown_width, p->shown_height, AV_PIX_FMT_YUV420P, p->shown_width, p->shown_height, AV_PIX_FMT_YUVJ420P,
                                            SWS_POINT, NULL, NULL, NULL);
    int r = e && f && pkt && sws ? 0 : AVERROR(ENOMEM);
    if (r == 0) {
        f->format = e->pix_fmt = AV_PIX_FMT_YUVJ420P;
        f->width = e->width = p->shown_width;
        f->height = e->height = p->shown_height;
        e->time_base = (AVRational){ 1, 25 };
        e->thread_count = 1;
        e->flags |= AV_CODEC_FLAG_QSCALE;
        f->quality = e->global_quality = FF_QP2LAMBDA * 3;
        const int m = p->yuv_matrix == NP_YUV_BT709 ? SWS_CS_ITU709 : p->yuv_matrix == NP_YUV_BT2020 ? SWS_CS_BT2020 : SWS_CS_ITU601;
        sws_setColorspaceDetails(sws, sws_getCoefficients(m), p->full_range, sws_getCoefficients(SWS_CS_ITU601), 1, 0, 1 << 16, 1 << 16);
        r = avcodec_open2(e, codec, NULL);
    }
    if (r >= 0) r = av_frame_get_buffer(f, 0);
    if (r >= 0) r = sws_scale(sws, (const uint8_t *const *)p->plane, p->stride, 0, p->shown_height, f->data, f->linesize);
    if (r >= 0) r = avcodec_send_frame(e, f);
    if (r >= 0) r = avcodec_receive_packet(e, pkt);
    if (r < 0) r = npi_io_fail(err, NP_EIO, "cannot make the picture '%s': %s", path, av_err2str(r));
    else {
        FILE *const out = fopen(path, "wb");
        int bad = !out || fwrite(pkt->data, 1, (size_t)pkt->size, out) != (size_t)pkt->size;
        const int e1 = errno;
        if (out && fclose(out) != 0) bad = 1;
        r = bad ? npi_io_fail(err, NP_EIO, "cannot write the picture '%s': %s", path, strerror(e1 ? e1 : errno)) : 0;
    }
    avcodec_free_context(&e);
    av_frame_free(&f);
    av_packet_free(&pkt);
    sws_freeContext(sws);
    return r;
}
