/* SPDX-License-Identifier: Apache-2.0 */
/* The web server: files that are built in, the stream of pictures and poses, statistics, and the one call that changes something.
 *
 * libmicrohttpd reads the requests and gives each connection a thread (32 at most), so that a viewer may block where it likes. A stream's
 * next piece is the newest packet of the feed: what a slow line has no room for is never queued. */
#define _GNU_SOURCE
#include "http.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "draw.h"
#include "feed.h"
#include "http_guard.h"
#include "http_priv.h"

#define MAX_CONNECTIONS 32
#define SEND_BUFFER 196608   /* what the system may hold back for a slow viewer: a few pictures, not seconds of them */
#define N_COLORS 12
#define SILENT_S 10          /* a viewer that takes nothing for so long is cut off; well above the two seconds between signs of life */

struct npi_http {
    struct npi_hub *hub;
    struct npi_feed *feed;       /* NULL: metrics only */
    struct npi_http_watch *watch;
    struct MHD_Daemon *daemon;
    struct npi_http_policy policy;
    struct npi_http_listening listening;
    char token[132], cookie[32], url[600];
    atomic_int closing;
};

typedef enum MHD_Result mhd;

static mhd answer(struct MHD_Connection *c, int status, struct MHD_Response *r, const char *type, const char *cache) {
    if (!r) return MHD_NO;
    MHD_add_response_header(r, "Content-Type", type);
    MHD_add_response_header(r, "Cache-Control", cache);
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(r, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(r, "Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
                                                          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    const mhd ok = MHD_queue_response(c, (unsigned)status, r);
    MHD_destroy_response(r);
    return ok;
}

static mhd say(struct MHD_Connection *c, int status, const char *text) {
    char line[600];
    const int n = snprintf(line, sizeof line, "%s\n", text);
    return answer(c, status, MHD_create_response_from_buffer((size_t)n, line, MHD_RESPMEM_MUST_COPY), "text/plain; charset=utf-8", "no-store");
}

/* --- what is written anew for each request --- */

static void put_info(struct npi_http *h, struct npi_outfile *o) {
    const struct npi_hub_params *const a = npi_hub_about(h->hub);
    npi_out_str(o, "{\"nextpose\":");
    npi_out_json_str(o, np_version());
    npi_out_str(o, ",\"input\":");
    npi_out_json_str(o, a->input);
    npi_out_str(o, ",\"detector\":");
    npi_out_json_str(o, a->detector);
    npi_out_str(o, ",\"model\":");
    npi_out_json_str(o, a->model);
    npi_out_str(o, h->policy.loopback ? ",\"writable\":true" : ",\"writable\":false");
    npi_out_str(o, ",\"kpt_thr\":");
    npi_out_fixed(o, a->kpt_thr, 4, "0");
    npi_out_str(o, ",\"presets\":[");
    for (int i = 0; np_preset_name(i); i++) {
        if (i) npi_out_str(o, ",");
        npi_out_json_str(o, np_preset_name(i));
    }
    if (a->preset_file) {
        npi_out_str(o, ",");
        npi_out_json_str(o, a->preset_file);
    }
    npi_out_str(o, "],\"keypoint_names\":[");
    for (int i = 0; a->set && i < a->set->n; i++) {
        if (i) npi_out_str(o, ",");
        npi_out_json_str(o, a->set->names[i]);
    }
    npi_out_str(o, "],\"edges\":[");
    for (int i = 0; a->set && i < a->set->n_edges; i++) {
        npi_out_str(o, i ? ",[" : "[");
        npi_out_int(o, a->set->edges[i][0]);
        npi_out_str(o, ",");
        npi_out_int(o, a->set->edges[i][1]);
        npi_out_str(o, "]");
    }
    npi_out_str(o, "],\"colors\":[");
    for (int i = 1; i <= N_COLORS; i++) {
        char hex[16];
        uint8_t rgb[3];
        npi_draw_person_color(i, rgb);
        snprintf(hex, sizeof hex, "%s\"#%02x%02x%02x\"", i > 1 ? "," : "", rgb[0], rgb[1], rgb[2]);
        npi_out_str(o, hex);
    }
    npi_out_str(o, "]}\n");
}

static mhd text_answer(struct npi_http *h, struct MHD_Connection *c, const char *path) {
    struct npi_outfile o;
    char *bytes = NULL;
    size_t size = 0;
    struct np_stats s;
    struct npi_stats_extra x;
    if (npi_out_open_memory(&o, &bytes, &size, NULL) < 0) return MHD_NO;
    const char *type = "application/json";
    if (!strcmp(path, "/api/info")) put_info(h, &o);
    else {
        npi_hub_stats(h->hub, &s, &x);
        if (!strcmp(path, "/metrics")) {
            type = "text/plain; version=0.0.4; charset=utf-8";
            npi_stats_prometheus(&o, &s, &x);
        } else npi_stats_json(&o, &s, &x);
    }
    const int bad = npi_out_close(&o, NULL) < 0;
    if (bad) {
        free(bytes);
        return MHD_NO;
    }
    return answer(c, 200, MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE), type, "no-store");
}

/* --- streams --- */

enum kind { STREAM, MJPEG, NDJSON };
/* One viewer. A piece is sent part by part: head, JSON, JPEG, tail. */
struct viewer {
    struct npi_http *h;
    enum kind kind;
    struct npi_packet *packet;
    uint64_t seq;
    char head[160];
    struct { const void *bytes; size_t n; } part[4];
    int at;
    size_t done;                 /* bytes of part[at] that are out */
};

static void le32(uint8_t *p, size_t v) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}

/* `p` NULL: a sign of life, which also finds out that a viewer has gone while nothing happens. */
static void make_piece(struct viewer *v, struct npi_packet *p) {
    v->packet = p;
    v->at = 0;
    v->done = 0;
    memset(v->part, 0, sizeof v->part);
    const char *const json = p ? p->json : "{}";
    const size_t n_json = p ? p->n_json : 2, n_jpeg = p ? p->n_jpeg : 0;
    v->part[0].bytes = v->head;
    switch (v->kind) {
    case STREAM: /* "NPF1", length of the JSON, length of the JPEG (little-endian), then both */
        memcpy(v->head, "NPF1", 4);
        le32((uint8_t *)v->head + 4, n_json);
        le32((uint8_t *)v->head + 8, n_jpeg);
        v->part[0].n = 12;
        v->part[1].bytes = json;
        v->part[1].n = n_json;
        break;
    case MJPEG:
        if (!p) return;
        v->part[0].n = (size_t)snprintf(v->head, sizeof v->head, "--nextpose\r\nContent-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n", n_jpeg);
        v->part[3].bytes = "\r\n";
        v->part[3].n = 2;
        break;
    case NDJSON:
        v->part[1].bytes = json;
        v->part[1].n = n_json;
        v->part[3].bytes = "\n";
        v->part[3].n = 1;
        break;
    }
    if (v->kind != NDJSON && p) {
        v->part[2].bytes = p->jpeg;
        v->part[2].n = n_jpeg;
    }
}

static ssize_t viewer_read(void *arg, uint64_t pos, char *buf, size_t max) {
    struct viewer *const v = arg;
    for (;;) {
        while (v->at < 4 && v->done == v->part[v->at].n) v->at++, v->done = 0;
        if (v->at < 4) {
            const size_t left = v->part[v->at].n - v->done, n = left < max ? left : max;
            memcpy(buf, (const char *)v->part[v->at].bytes + v->done, n);
            v->done += n;
            return (ssize_t)n;
        }
        npi_packet_unref(v->h->feed, v->packet);
        v->packet = NULL;
        int over = 0;
        struct npi_packet *const p = npi_feed_wait(v->h->feed, v->seq, v->kind != NDJSON, 2000, &over);
        if (over || atomic_load(&v->h->closing)) {
            npi_packet_unref(v->h->feed, p);
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        if (p) v->seq = p->seq;
        make_piece(v, p);
    }
}

static void viewer_free(void *arg) {
    struct viewer *const v = arg;
    npi_packet_unref(v->h->feed, v->packet);
    npi_feed_watch(v->h->feed, -1, v->kind != NDJSON);
    free(v);
}

static mhd stream_answer(struct npi_http *h, struct MHD_Connection *c, enum kind kind) {
    static const char *const type[] = { "application/octet-stream", "multipart/x-mixed-replace; boundary=nextpose", "application/x-ndjson" };
    struct viewer *const v = calloc(1, sizeof *v);
    if (!v) return MHD_NO;
    v->h = h;
    v->kind = kind;
    v->at = 4;
    npi_feed_watch(h->feed, 1, kind != NDJSON);
    struct MHD_Response *const r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 65536, viewer_read, v, viewer_free);
    if (!r) viewer_free(v);
    return answer(c, 200, r, type[kind], "no-store");
}

static mhd picture_answer(struct npi_http *h, struct MHD_Connection *c) {
    int over = 0;
    npi_feed_watch(h->feed, 1, 1);
    struct npi_packet *const p = npi_feed_wait(h->feed, 0, 1, 3000, &over);
    struct MHD_Response *const r = p ? MHD_create_response_from_buffer(p->n_jpeg, (void *)(uintptr_t)p->jpeg, MHD_RESPMEM_MUST_COPY) : NULL;
    npi_packet_unref(h->feed, p);
    npi_feed_watch(h->feed, -1, 1);
    return p ? answer(c, 200, r, "image/jpeg", "no-store") : say(c, 503, "no picture yet");
}

/* --- changes --- */

static mhd adjust_answer(struct npi_http *h, struct MHD_Connection *c) {
    struct np_error e = { 0 };
    struct npi_outfile o;
    char *bytes = NULL;
    size_t size = 0;
    const char *const name = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "name");
    const char *const value = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "value");
    int r = name && value ? 0 : npi_io_fail(&e, NP_EINVAL, "name and value are needed: POST /api/adjust?name=preset&value=quality");
    if (r == 0) r = npi_hub_adjust(h->hub, name, value, &e);
    if (npi_out_open_memory(&o, &bytes, &size, NULL) < 0) return MHD_NO;
    npi_out_str(&o, r < 0 ? "{\"error\":" : *e.message ? "{\"ok\":true,\"note\":" : "{\"ok\":true");
    if (*e.message) npi_out_json_str(&o, e.message);
    npi_out_str(&o, "}\n");
    if (npi_out_close(&o, NULL) < 0) {
        free(bytes);
        return MHD_NO;
    }
    return answer(c, r < 0 ? 400 : 200, MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE), "application/json", "no-store");
}

/* --- requests --- */

/* The token moves from the address bar, where it would be seen and bookmarked, into a cookie that scripts cannot read. */
static mhd token_to_cookie(struct npi_http *h, struct MHD_Connection *c) {
    char cookie[256];
    struct MHD_Response *const r = MHD_create_response_from_buffer(0, (void *)(uintptr_t)"", MHD_RESPMEM_PERSISTENT);
    if (!r) return MHD_NO;
    snprintf(cookie, sizeof cookie, "%s=%s; Path=/; HttpOnly; SameSite=Strict", h->cookie, h->token);
    MHD_add_response_header(r, "Set-Cookie", cookie);
    MHD_add_response_header(r, "Location", "/");
    return answer(c, 303, r, "text/plain", "no-store");
}

static mhd route(struct npi_http *h, struct MHD_Connection *c, const struct npi_http_request *q) {
    const char *const path = q->path;
    if (!strcmp(q->method, "POST")) return h->feed && !strcmp(path, "/api/adjust") ? adjust_answer(h, c) : say(c, 404, "nothing can be posted here");
    if (!strcmp(path, "/metrics")) return text_answer(h, c, path);
    if (!h->feed) return say(c, !strcmp(path, "/") ? 200 : 404, "NextPose: /metrics is here; the page comes with --view web");
    if (!strcmp(path, "/") && h->policy.token && q->query_token) return token_to_cookie(h, c);
    if (!strcmp(path, "/stream")) return stream_answer(h, c, STREAM);
    if (!strcmp(path, "/stream.mjpg")) return stream_answer(h, c, MJPEG);
    if (!strcmp(path, "/api/poses")) return stream_answer(h, c, NDJSON);
    if (!strcmp(path, "/frame.jpg")) return picture_answer(h, c);
    if (!strcmp(path, "/api/stats") || !strcmp(path, "/api/info")) return text_answer(h, c, path);
    if (!strcmp(path, "/api/adjust")) return say(c, 405, "POST changes settings");
    for (const struct npi_web_file *f = npi_web_files; f->path; f++) {
        if (!strcmp(path, f->path))
            return answer(c, 200, MHD_create_response_from_buffer(f->size, (void *)(uintptr_t)f->bytes, MHD_RESPMEM_PERSISTENT), f->type, "no-cache");
    }
    return say(c, 404, "there is nothing here");
}

static void *connection_row(struct MHD_Connection *c) {
    const union MHD_ConnectionInfo *const i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return i ? i->socket_context : NULL;
}

static mhd on_request(void *arg, struct MHD_Connection *c, const char *url, const char *method, const char *version, const char *data, size_t *n_data,
                      void **state) {
    static int begun;
    struct npi_http *const h = arg;
    const char *why = "";
    if (!*state) { /* the headers are in; a body follows, or not */
        *state = &begun;
        const char *const length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Length");
        if (length && strtoull(length, NULL, 10) > 1024) return say(c, 413, "nothing so long is expected");
        return MHD_YES;
    }
    if (*n_data) { /* nothing that we answer has a body: it is read and forgotten */
        *n_data = 0;
        return MHD_YES;
    }
    npi_http_watch_busy(h->watch, connection_row(c), 1);
    const struct npi_http_request q = {
        .method = method, .path = url, .host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host"),
        .origin = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Origin"), .fetch_site = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Sec-Fetch-Site"),
        .authorization = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization"),
        .cookie_token = MHD_lookup_connection_value(c, MHD_COOKIE_KIND, h->cookie),
        .query_token = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "token"),
        .mark = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-NextPose"),
    };
    const int status = npi_http_allowed(&q, &h->policy, &why);
    return status == 200 ? route(h, c, &q) : say(c, status, why);
}

static void on_completed(void *arg, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code) {
    struct npi_http *const h = arg;
    npi_http_watch_busy(h->watch, connection_row(c), 0);
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode code) {
    struct npi_http *const h = arg;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        npi_http_watch_remove(h->watch, *context);
        *context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *const i = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!i) return;
    const int room = SEND_BUFFER;
    setsockopt(i->connect_fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    *context = npi_http_watch_add(h->watch, i->connect_fd);
}

static void make_url(struct npi_http *h, int metrics_only) {
    snprintf(h->url, sizeof h->url, "http://%s:%d/%s%s%s", h->listening.name, h->listening.port, metrics_only ? "metrics" : "", h->policy.token ? "?token=" : "",
             h->policy.token ? h->policy.token : "");
}

int npi_http_open(struct npi_http **out, struct npi_hub *hub, const struct npi_http_params *p, struct np_error *err) {
    if (p->token && !npi_http_token_ok(p->token)) return npi_io_fail(err, NP_EINVAL, NPI_HTTP_TOKEN_RULE);
    struct npi_http *h = calloc(1, sizeof *h);
    if (!h) return npi_io_fail(err, NP_ENOMEM, "out of memory");
    h->hub = hub;
    h->listening.fd = -1;
    const int limit_s = p->header_timeout_s > 0 ? p->header_timeout_s : 10;
    int r = npi_http_listen(p->bind ? p->bind : "127.0.0.1", p->port, &h->listening, err);
    if (r == 0) {
        snprintf(h->cookie, sizeof h->cookie, "nextpose_%d", h->listening.port);
        h->policy.loopback = h->listening.loopback;
        if (p->token) snprintf(h->token, sizeof h->token, "%s", p->token);
        else if (!h->policy.loopback) r = npi_http_make_token(h->token, sizeof h->token, err);
        if (*h->token) h->policy.token = h->token;
        make_url(h, p->metrics_only);
    }
    if (r == 0) r = npi_http_watch_open(&h->watch, limit_s, err);
    if (r == 0 && !p->metrics_only) r = npi_feed_open(&h->feed, hub, err);
    if (r == 0) {
        h->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, NULL, NULL, on_request, h,
                                     MHD_OPTION_LISTEN_SOCKET, h->listening.fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
                                     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32768,
                                     MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_END);
        if (h->daemon) h->listening.fd = -1; /* the daemon's from now on */
        else r = npi_io_fail(err, NP_EIO, "the web server does not start");
    }
    if (r < 0) npi_http_close(&h);
    else *out = h;
    return r;
}

const char *npi_http_url(const struct npi_http *h) { return h->url; }
int npi_http_port(const struct npi_http *h) { return h->listening.port; }

void npi_http_close(struct npi_http **ph) {
    struct npi_http *const h = *ph;
    if (!h) return;
    *ph = NULL;
    atomic_store(&h->closing, 1);
    if (h->feed) npi_feed_stop(h->feed);
    if (h->daemon) MHD_stop_daemon(h->daemon);
    if (h->listening.fd >= 0) close(h->listening.fd);
    npi_feed_close(&h->feed);
    npi_http_watch_close(&h->watch);
    free(h);
}
