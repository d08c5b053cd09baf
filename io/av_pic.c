/* SPDX-License-Identifier: Apache-2.0 */
/* AVFrame to np_frame: the format, colour and rotation fields are translated, the pixels stay in the decoder's buffer. What is
 * not one of our formats (10 bits, palettes, packed YUV) goes through swscale: RGB-like to RGB24, grey to GRAY8, the rest to I420. */
#include "av_pic.h"

#include <libavcodec/avcodec.h>
#include <libavutil/display.h>
#include <libavutil/log.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <string.h>

void npi_av_quiet(void) { av_log_set_level(AV_LOG_QUIET); }

static void frame_clear(void *p) { av_frame_unref(p); }
static void frame_destroy(void *p) {
    AVFrame *f = p;
    av_frame_free(&f);
}
struct npi_pic_pool *npi_av_pool_new(void) { return npi_pic_pool_new(frame_clear, frame_destroy); }

int npi_av_rotation(const uint8_t *matrix, size_t bytes) {
    int32_t m[9];
    if (!matrix || bytes < sizeof m) return 0;
    memcpy(m, matrix, sizeof m);
    const double ccw = av_display_rotation_get(m);
    if (isnan(ccw)) return 0;
    return (((int)lrint(-ccw / 90) % 4) + 4) % 4 * 90;
}

static int our_format(int av) {
    switch (av) {
    case AV_PIX_FMT_YUV420P: case AV_PIX_FMT_YUVJ420P: return NP_PIX_I420;
    case AV_PIX_FMT_YUV422P: case AV_PIX_FMT_YUVJ422P: return NP_PIX_I422;
    case AV_PIX_FMT_YUV444P: case AV_PIX_FMT_YUVJ444P: return NP_PIX_I444;
    case AV_PIX_FMT_NV12: return NP_PIX_NV12;
    case AV_PIX_FMT_RGB24: return NP_PIX_RGB24;
    case AV_PIX_FMT_BGR24: return NP_PIX_BGR24;
    case AV_PIX_FMT_GRAY8: return NP_PIX_GRAY8;
    default: return -1;
    }
}

static int is_yuvj(int av) {
    return av == AV_PIX_FMT_YUVJ420P || av == AV_PIX_FMT_YUVJ422P || av == AV_PIX_FMT_YUVJ444P || av == AV_PIX_FMT_YUVJ440P ||
           av == AV_PIX_FMT_YUVJ411P;
}

/* The nearest of our formats; the "j" target keeps swscale from squeezing full-range luma. */
static int convert_target(int av) {
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(av);
    if (!d || d->flags & AV_PIX_FMT_FLAG_HWACCEL) return AV_PIX_FMT_NONE;
    if (d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL) || av == AV_PIX_FMT_MONOWHITE || av == AV_PIX_FMT_MONOBLACK) return AV_PIX_FMT_RGB24;
    if (d->nb_components <= 2) return AV_PIX_FMT_GRAY8;
    return is_yuvj(av) ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
}

static int convert(AVFrame *f, struct SwsContext **sws, struct np_error *err) {
    const int to = convert_target(f->format);
    if (to == AV_PIX_FMT_NONE) return npi_io_fail(err, NP_EUNSUPPORTED, "pixel format '%s' is not supported", av_get_pix_fmt_name(f->format));
    *sws = sws_getCachedContext(*sws, f->width, f->height, f->format, f->width, f->height, to, SWS_POINT | SWS_ACCURATE_RND, NULL, NULL, NULL);
    if (!*sws) return npi_io_fail(err, NP_EUNSUPPORTED, "pixel format '%s' cannot be converted", av_get_pix_fmt_name(f->format));
    AVFrame *g = av_frame_alloc();
    if (!g) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    g->format = to;
    g->width = f->width;
    g->height = f->height;
    int r = av_frame_get_buffer(g, 0);
    if (r >= 0) r = av_frame_copy_props(g, f);
    if (r >= 0) r = sws_scale(*sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, g->data, g->linesize);
    if (r < 0) {
        av_frame_free(&g);
        return npi_io_fail(err, NP_ENOMEM, "a picture of %dx%d could not be converted: %s", f->width, f->height, av_err2str(r));
    }
    av_frame_unref(f);
    av_frame_move_ref(f, g);
    av_frame_free(&g);
    return 0;
}

static int matrix_of(enum AVColorSpace c) {
    switch (c) {
    case AVCOL_SPC_BT709: return NP_YUV_BT709;
    case AVCOL_SPC_BT470BG: case AVCOL_SPC_SMPTE170M: case AVCOL_SPC_FCC: return NP_YUV_BT601;
    case AVCOL_SPC_BT2020_NCL: case AVCOL_SPC_BT2020_CL: return NP_YUV_BT2020;
    default: return NP_YUV_AUTO;
    }
}

int npi_av_take(struct npi_pic **out, struct npi_pic_pool *pool, AVFrame *f, struct SwsContext **sws, int stream_rotation, struct np_error *err) {
    struct npi_pic *pic = NULL;
    int r = 0;
    const AVFrameSideData *sd = av_frame_get_side_data(f, AV_FRAME_DATA_DISPLAYMATRIX);
    const int rotation = sd ? npi_av_rotation(sd->data, sd->size) : stream_rotation;
    if (f->width < 1 || f->height < 1 || f->width > 16384 || f->height > 16384)
        r = npi_io_fail(err, NP_ELIMIT, "a picture of %dx%d is outside of 1 to 16384 pixels a side", f->width, f->height);
    else if (our_format(f->format) < 0) r = convert(f, sws, err);
    if (r == 0 && !(pic = npi_pic_get(pool))) r = npi_io_fail(err, NP_ENOMEM, "out of memory");
    if (r == 0 && !pic->pixels && !(pic->pixels = av_frame_alloc())) r = npi_io_fail(err, NP_ENOMEM, "out of memory");
    if (r < 0) {
        npi_pic_unref(pic);
        av_frame_unref(f);
        return r;
    }
    AVFrame *const own = pic->pixels;
    av_frame_move_ref(own, f);
    pic->f.format = our_format(own->format);
    pic->f.width = own->width;
    pic->f.height = own->height;
    for (int i = 0; i < 3; i++) {
        pic->f.plane[i] = own->data[i];
        pic->f.stride_bytes[i] = own->linesize[i];
    }
    pic->f.rotation = rotation;
    pic->f.yuv_matrix = matrix_of(own->colorspace);
    /* Grey pictures from PNG and the like carry no range and are full; grey video frames say so. */
    pic->f.full_range = is_yuvj(own->format) || own->color_range == AVCOL_RANGE_JPEG ||
                        (own->format == AV_PIX_FMT_GRAY8 && own->color_range == AVCOL_RANGE_UNSPECIFIED);
    *out = pic;
    return 0;
}

static enum AVCodecID picture_codec(const uint8_t *p, size_t n) {
    if (n >= 3 && !memcmp(p, "\xff\xd8\xff", 3)) return AV_CODEC_ID_MJPEG;
    if (n >= 8 && !memcmp(p, "\x89PNG\r\n\x1a\n", 8)) return AV_CODEC_ID_PNG;
    if (n >= 2 && !memcmp(p, "BM", 2)) return AV_CODEC_ID_BMP;
    if (n >= 12 && !memcmp(p, "RIFF", 4) && !memcmp(p + 8, "WEBP", 4)) return AV_CODEC_ID_WEBP;
    if (n >= 4 && (!memcmp(p, "II*\0", 4) || !memcmp(p, "MM\0*", 4))) return AV_CODEC_ID_TIFF;
    return AV_CODEC_ID_NONE;
}

int npi_av_decode_picture(AVFrame *out, const void *data, size_t size, const char *path, struct np_error *err) {
    const enum AVCodecID id = picture_codec(data, size);
    if (id == AV_CODEC_ID_NONE) return npi_io_fail(err, NP_EFORMAT, "'%s' is not a picture (JPEG, PNG, BMP, WebP, TIFF, PPM or PGM)", path);
    const AVCodec *codec = avcodec_find_decoder(id);
    if (!codec) return npi_io_fail(err, NP_EUNSUPPORTED, "'%s': this FFmpeg has no decoder for %s", path, avcodec_get_name(id));
    AVCodecContext *ctx = avcodec_alloc_context3(codec);
    AVPacket *pkt = av_packet_alloc();
    int r = ctx && pkt && size < (1u << 30) ? av_new_packet(pkt, (int)size) : AVERROR(ENOMEM);
    if (r >= 0) {
        memcpy(pkt->data, data, size);
        ctx->thread_count = 1;
        ctx->max_pixels = 128 << 20; /* a header may promise far more than the file holds */
        r = avcodec_open2(ctx, codec, NULL);
    }
    if (r >= 0) r = avcodec_send_packet(ctx, pkt);
    if (r >= 0) avcodec_send_packet(ctx, NULL);
    if (r >= 0) r = avcodec_receive_frame(ctx, out);
    av_packet_free(&pkt);
    avcodec_free_context(&ctx);
    if (r == AVERROR(ENOMEM)) return npi_io_fail(err, NP_ENOMEM, "'%s': out of memory", path);
    if (r < 0) return npi_io_fail(err, NP_EFORMAT, "'%s' is damaged: its %s data cannot be decoded", path, avcodec_get_name(id));
    return 0;
}
