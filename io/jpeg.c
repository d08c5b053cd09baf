/* SPDX-License-Identifier: Apache-2.0 */
/* swscale reads the decoder's planes as they are and writes the encoder's: one pass for size, range and colour matrix (JPEG is full-range
 * BT.601). Only a turned picture is copied before. */
#include "jpeg.h"

#include <libavcodec/avcodec.h>
#include <libswscale/swscale.h>
#include <stdlib.h>

#include "av_pic.h"
#include "picture.h"

struct npi_jpeg {
    int max_side, quality;
    AVCodecContext *enc;
    AVFrame *frame;
    AVPacket *pkt;
    struct SwsContext *sws;
    int src_w, src_h, src_format, src_matrix, src_full; /* that sws was made for */
    struct npi_picture upright;
};

int npi_jpeg_open(struct npi_jpeg **out, int max_side, int quality, struct np_error *err) {
    npi_av_quiet();
    struct npi_jpeg *j = calloc(1, sizeof *j);
    if (!j) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    j->max_side = max_side;
    j->quality = quality;
    if (!avcodec_find_encoder(AV_CODEC_ID_MJPEG)) {
        free(j);
        return npi_io_fail(err, NP_EUNSUPPORTED, "this FFmpeg has no JPEG encoder");
    }
    if (!(j->frame = av_frame_alloc()) || !(j->pkt = av_packet_alloc())) {
        npi_jpeg_close(&j);
        return npi_io_fail(err, NP_ENOMEM, "out of memory");
    }
    *out = j;
    return 0;
}

void npi_jpeg_close(struct npi_jpeg **pj) {
    struct npi_jpeg *const j = *pj;
    if (!j) return;
    *pj = NULL;
    avcodec_free_context(&j->enc);
    av_frame_free(&j->frame);
    av_packet_free(&j->pkt);
    sws_freeContext(j->sws);
    npi_picture_free(&j->upright);
    free(j);
}

static enum AVPixelFormat av_format(int format) {
    switch (format) {
    case NP_PIX_RGB24: return AV_PIX_FMT_RGB24;
    case NP_PIX_BGR24: return AV_PIX_FMT_BGR24;
    case NP_PIX_NV12: return AV_PIX_FMT_NV12;
    case NP_PIX_I422: return AV_PIX_FMT_YUV422P;
    case NP_PIX_I444: return AV_PIX_FMT_YUV444P;
    case NP_PIX_GRAY8: return AV_PIX_FMT_GRAY8;
    default: return AV_PIX_FMT_YUV420P;
    }
}

/* Scaler and encoder for pictures like this one; both are kept while nothing changes. */
static int prepare(struct npi_jpeg *j, int w, int h, int format, int matrix, int full) {
    if (j->sws && w == j->src_w && h == j->src_h && format == j->src_format && matrix == j->src_matrix && full == j->src_full) return 0;
    const int longer = w > h ? w : h;
    const double scale = longer > j->max_side ? (double)j->max_side / longer : 1;
    int dw = (int)(w * scale + 0.5), dh = (int)(h * scale + 0.5);
    if (dw < 1) dw = 1;
    if (dh < 1) dh = 1;
    sws_freeContext(j->sws);
    j->sws = sws_getContext(w, h, av_format(format), dw, dh, AV_PIX_FMT_YUVJ420P, scale < 1 ? SWS_FAST_BILINEAR : SWS_POINT, NULL, NULL, NULL);
    if (!j->sws) return AVERROR(ENOMEM);
    const int m = matrix == NP_YUV_BT709 ? SWS_CS_ITU709 : matrix == NP_YUV_BT2020 ? SWS_CS_BT2020 : SWS_CS_ITU601;
    const int is_rgb = format == NP_PIX_RGB24 || format == NP_PIX_BGR24;
    sws_setColorspaceDetails(j->sws, sws_getCoefficients(m), is_rgb || full, sws_getCoefficients(SWS_CS_ITU601), 1, 0, 1 << 16, 1 << 16);
    j->src_w = w, j->src_h = h, j->src_format = format, j->src_matrix = matrix, j->src_full = full;
    if (j->enc && j->enc->width == dw && j->enc->height == dh) return 0;
    avcodec_free_context(&j->enc);
    av_frame_unref(j->frame);
    const AVCodec *const codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    if (!(j->enc = avcodec_alloc_context3(codec))) return AVERROR(ENOMEM);
    j->frame->format = j->enc->pix_fmt = AV_PIX_FMT_YUVJ420P;
    j->frame->width = j->enc->width = dw;
    j->frame->height = j->enc->height = dh;
    j->enc->time_base = (AVRational){ 1, 25 };
    j->enc->thread_count = 1;
    j->enc->flags |= AV_CODEC_FLAG_QSCALE;
    j->frame->quality = j->enc->global_quality = FF_QP2LAMBDA * j->quality;
    const int r = avcodec_open2(j->enc, codec, NULL);
    return r < 0 ? r : av_frame_get_buffer(j->frame, 0);
}

int npi_jpeg_encode(struct npi_jpeg *j, const struct np_frame *f, const uint8_t **bytes, size_t *size, struct np_error *err) {
    const uint8_t *plane[4] = { f->plane[0], f->plane[1], f->plane[2], NULL };
    int stride[4] = { (int)f->stride_bytes[0], (int)f->stride_bytes[1], (int)f->stride_bytes[2], 0 };
    int w = f->width, h = f->height, format = f->format, full = f->full_range;
    int matrix = f->yuv_matrix != NP_YUV_AUTO ? f->yuv_matrix : f->height >= 720 ? NP_YUV_BT709 : NP_YUV_BT601;
    if (f->rotation) {
        struct npi_picture *const p = &j->upright;
        if (npi_picture_from_frame(p, f) < 0) return npi_io_fail(err, NP_ENOMEM, "out of memory");
        for (int i = 0; i < 3; i++) plane[i] = p->plane[i], stride[i] = p->stride[i];
        w = p->shown_width, h = p->shown_height, format = NP_PIX_I420, full = p->full_range, matrix = p->yuv_matrix;
    }
    int r = prepare(j, w, h, format, matrix, full);
    if (r < 0) { /* nothing half made is kept */
        sws_freeContext(j->sws);
        j->sws = NULL;
    }
    if (r >= 0) r = av_frame_make_writable(j->frame);
    if (r >= 0) r = sws_scale(j->sws, plane, stride, 0, h, j->frame->data, j->frame->linesize);
    if (r >= 0) r = avcodec_send_frame(j->enc, j->frame);
    if (r >= 0) {
        av_packet_unref(j->pkt);
        r = avcodec_receive_packet(j->enc, j->pkt);
    }
    if (r < 0) return npi_io_fail(err, NP_EIO, "cannot make a JPEG of %dx%d: %s", w, h, av_err2str(r));
    *bytes = j->pkt->data;
    *size = (size_t)j->pkt->size;
    return 0;
}
