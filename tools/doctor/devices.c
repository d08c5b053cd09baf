/* SPDX-License-Identifier: Apache-2.0 */
/* Cameras with the modes that they offer (V4L2), and what FFmpeg reads, writes and decodes in hardware. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#endif
#ifdef NPI_HAVE_FFMPEG
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/hwcontext.h>
#endif

#include "doctor.h"

#ifdef __linux__
/* One line a size, with the fastest rate that the driver names. */
static void sizes(struct doc_camera *c, int fd, uint32_t fourcc) {
    for (uint32_t i = 0; c->n_modes < DOC_MODES; i++) {
        struct v4l2_frmsizeenum s = { .index = i, .pixel_format = fourcc };
        if (ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &s) < 0) return;
        const uint32_t w = s.type == V4L2_FRMSIZE_TYPE_DISCRETE ? s.discrete.width : s.stepwise.max_width;
        const uint32_t h = s.type == V4L2_FRMSIZE_TYPE_DISCRETE ? s.discrete.height : s.stepwise.max_height;
        struct v4l2_frmivalenum v = { .pixel_format = fourcc, .width = w, .height = h };
        char rate[16] = "";
        if (ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &v) == 0) {
            const struct v4l2_fract f = v.type == V4L2_FRMIVAL_TYPE_DISCRETE ? v.discrete : v.stepwise.min;
            if (f.numerator) snprintf(rate, sizeof rate, " %u/s", f.denominator / f.numerator);
        }
        snprintf(c->mode[c->n_modes++], sizeof c->mode[0], "%c%c%c%c %ux%u%s", fourcc & 127, fourcc >> 8 & 127, fourcc >> 16 & 127, fourcc >> 24 & 127, w, h, rate);
        if (s.type != V4L2_FRMSIZE_TYPE_DISCRETE) return;
    }
}

static int ask(struct doc_camera *c) {
    struct v4l2_capability cap;
    const int fd = open(c->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        snprintf(c->problem, sizeof c->problem, "%s", errno == EACCES ? "no permission: is this user in the group 'video'?" : strerror(errno));
        return 1;
    }
    const int is = ioctl(fd, VIDIOC_QUERYCAP, &cap) == 0 && (cap.capabilities & V4L2_CAP_DEVICE_CAPS ? cap.device_caps : cap.capabilities) & V4L2_CAP_VIDEO_CAPTURE;
    if (is) {
        snprintf(c->name, sizeof c->name, "%.32s", (const char *)cap.card);
        for (uint32_t i = 0; c->n_modes < DOC_MODES; i++) {
            struct v4l2_fmtdesc f = { .index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
            if (ioctl(fd, VIDIOC_ENUM_FMT, &f) < 0) break;
            sizes(c, fd, f.pixelformat);
        }
    }
    close(fd);
    return is; /* a device of metadata or output only is none */
}
#endif

void doctor_cameras(struct doctor *d) {
#ifdef __linux__
    glob_t g;
    if (glob("/dev/video*", 0, NULL, &g) != 0) return;
    for (size_t i = 0; i < g.gl_pathc && d->n_cameras < DOC_CAMERAS; i++) {
        struct doc_camera *const c = &d->camera[d->n_cameras];
        snprintf(c->path, sizeof c->path, "%s", g.gl_pathv[i]);
        if (ask(c)) d->n_cameras++;
        else memset(c, 0, sizeof *c);
    }
    globfree(&g);
#endif
}

void doctor_video(struct doctor *d) {
#ifdef NPI_HAVE_FFMPEG
    static const struct { const char *name; enum AVCodecID id; } want[] = {
        { "H.264", AV_CODEC_ID_H264 }, { "H.265", AV_CODEC_ID_HEVC }, { "MPEG-4", AV_CODEC_ID_MPEG4 }, { "MJPEG", AV_CODEC_ID_MJPEG },
        { "VP9", AV_CODEC_ID_VP9 }, { "AV1", AV_CODEC_ID_AV1 }, { "PNG", AV_CODEC_ID_PNG }, { "WebP", AV_CODEC_ID_WEBP },
    };
    const unsigned f = avformat_version(), v = avcodec_version();
    snprintf(d->ffmpeg, sizeof d->ffmpeg, "libavformat %u.%u.%u, libavcodec %u.%u.%u", f >> 16, f >> 8 & 255, f & 255, v >> 16, v >> 8 & 255, v & 255);
    for (size_t i = 0; i < sizeof want / sizeof want[0] && d->n_reads < DOC_CODECS; i++)
        if (avcodec_find_decoder(want[i].id)) snprintf(d->reads[d->n_reads++], sizeof d->reads[0], "%s", want[i].name);
    const AVCodec *enc = avcodec_find_encoder_by_name("libx264");
    if (!enc) enc = avcodec_find_encoder(AV_CODEC_ID_H264);
    if (enc) snprintf(d->encoder, sizeof d->encoder, "%s", enc->name);
    const int level = av_log_get_level();
    av_log_set_level(AV_LOG_QUIET); /* drivers that are not here are no news */
    for (enum AVHWDeviceType t = AV_HWDEVICE_TYPE_NONE; (t = av_hwdevice_iterate_types(t)) != AV_HWDEVICE_TYPE_NONE && d->n_hw_decoders < DOC_HW;) {
        AVBufferRef *device = NULL;
        if (av_hwdevice_ctx_create(&device, t, NULL, NULL, 0) == 0) snprintf(d->hw_decoder[d->n_hw_decoders++], sizeof d->hw_decoder[0], "%s", av_hwdevice_get_type_name(t));
        av_buffer_unref(&device);
    }
    av_log_set_level(level);
#endif
}
