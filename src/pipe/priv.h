/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the pipe share. All state changes happen under `lock`; pixels and nets are worked on outside it.
 *
 *   FREE ─send─> QUEUED ─> DETECTING ─> DETECTED ─associate─> POSING ─> POSED ─emit─> DONE ─get─> TAKEN ─release─> FREE
 *                  └── frames that need no detector: at once ──┘   └── nobody to infer: at once ──┘
 *
 * Who may touch a slot outside the lock: in DETECTING the lane that claimed it, in POSING the lanes that claimed its people (each its own
 * person), otherwise the one thread that advances (in-order stages, p->advancing). */
#ifndef NPI_PIPE_PRIV_H
#define NPI_PIPE_PRIV_H
#include <pthread.h>

#include "pipe/meter.h"
#include "pipe/pipe.h"
#include "track/flip.h"
#include "track/propagate.h"
#include "track/smooth.h"
#include "track/track.h"
#include "tune/pace.h"

#define NPI_MAX_LANES 64

/* In file and sync mode the association of frame n sees the poses up to frame n - NPI_POSE_LAG, whatever else is ready: that many frames may
 * be in the pose stage at once and the joints are still the same with any number of threads. In live mode: all that is ready. */
#define NPI_POSE_LAG 4

enum npi_slot_state { NPI_FREE, NPI_QUEUED, NPI_DETECTING, NPI_DETECTED, NPI_POSING, NPI_POSED, NPI_DONE, NPI_TAKEN };

struct npi_slot {
    enum npi_slot_state state;
    struct np_frame frame;
    int has_frame;                     /* release not yet called */
    struct np_result result;
    struct np_person *person;          /* [NPI_MAX_PERSONS]: boxes that were found, then people */
    unsigned char fate[NPI_MAX_PERSONS]; /* of person i: enum npi_fate */
    int todo[NPI_MAX_PERSONS], n_todo, next_todo, open; /* people to infer; not yet given out; not yet finished */
    int n_found;                       /* boxes in person[], before association */
    /* settled when the frame is taken in, from counters and time stamps alone */
    int detect, infer_all;             /* the detector's, the pose net's turn */
    int extra;                         /* detected out of turn, because the tracker wanted it */
    int det, pose;                     /* which nets */
    struct np_knobs knobs;
    int64_t pose_timeout_ns;
    int pose_passes;
    struct npi_smooth_spec smooth;
    float max_delay_ms;
    int64_t deadline_ns;               /* live mode: it has to be out by then; 0: no bound */
    int64_t t_ns;                      /* time of the picture, always growing */
    int64_t sent_ns, ready_ns;         /* clock: given to us; the present state came */
    int64_t detect_ns, pose_ns;        /* work */
    int detect_failed;
    int no_detection;                  /* left out, lest the frame come too late */
    int borrowed;                      /* the caller's pixels may not be looked at once the result is out */
    int behind;                        /* its detection comes after its poses: the pixels stay until then */
    int given_back;                    /* the result was released meanwhile */
    int passed_over;                   /* came too late all the same: nobody gets it */
};

/* Live mode: a detection that no pose waits for. The boxes of its frame were carried; what it finds goes into those of the next frame. One at a time.
 *
 *   NONE ─taken in, or wanted by the tracker─> DUE ─frame out, a lane is free─> RUNNING ─> READY ─next association─> NONE
 *
 * In front of the poses it made every fourth frame 11 ms later than the others (two threads, four people: p99 of the delay 69 ms, of which the poses
 * took 27); behind them it costs the same and only the newest frame waits for it, which is never older than one interval of the source. */
enum npi_behind_state { NPI_BEHIND_NONE, NPI_BEHIND_DUE, NPI_BEHIND_RUNNING, NPI_BEHIND_READY };
struct npi_behind {
    enum npi_behind_state state;       /* under the lock; NONE -> DUE and READY -> NONE by the thread that advances */
    struct npi_slot *s;                /* until it is READY */
    int64_t t_ns, took_ns;             /* time of the picture; work */
    struct np_person *person; int n_found, failed; /* [NPI_MAX_PERSONS] */
};

/* LATE: was to be inferred, which was left out, lest the frame come too late */
enum npi_fate { NPI_FATE_NONE, NPI_FATE_INFER, NPI_FATE_FAILED, NPI_FATE_PROPAGATE, NPI_FATE_LATE };

/* Poses of a frame that has come out, for the tracker. */
struct npi_feed {
    uint64_t seq;
    int64_t t_ns;
    int n;
    struct { int id, n_kpt; } who[NPI_MAX_PERSONS];
    struct np_keypoint *kpt;           /* [persons_room][NP_MAX_KEYPOINTS] */
};

/* What is known of a person's poses, by id; the poses themselves are the propagator's. */
struct npi_memo {
    int id;                            /* 0: free */
    int64_t asked_ns;                  /* picture time of the last inference that was given out; -1: none, or it failed */
    int64_t posed_ns;                  /* of the last one that was made; -1: none */
    uint64_t used;                     /* p->memo_uses at the last look */
    uint64_t seq;                      /* frame that the last pose was inferred on */
    float pose_score;                  /* of it */
};

/* A thread that takes work, with a few more in its pool. */
struct npi_lane {
    struct npi_pipe *pipe;
    struct np_pool *pool;              /* NULL: alone */
    struct npi_worker *worker;         /* [n], one a pool thread; [0] has the detector */
    int n;
    int n_now;                         /* of them that work (npi_lanes_share); 0: the lane rests */
    pthread_t thread;
};

/* The controller and the nets that it changes among (adapt.c). Under the lock, but for what is said to be of one thread. */
struct npi_adapt {
    struct npi_controller c;           /* of the thread that advances */
    int64_t last_tick_ns;
    int rebound;                       /* new parameters are in p->tuning.c */
    int64_t n_moves;
    char last_move[160];
    int det_side[NPI_MAX_NETS], n_det, n_pose; /* ready to be used: [0] from open, the others opened by the thread below */
    int det_now, pose_now;             /* for the next frame that is taken in */
    int want_side, want_variant;       /* to be opened; 0: nothing */
    int provide;                       /* 1: and all that the controller may ask for (from the first frame that came out) */
    pthread_t thread; int has_thread;
    pthread_cond_t wake;
    struct npi_net det[NPI_MAX_NETS], pose[NPI_MAX_NETS]; /* [1..], owned */
    int n_bad_poses;                   /* failed or endless inferences in a row */
    int told_smallest;                 /* that there is no smaller net for them */
};

struct npi_pipe {
    struct npi_pipe_params p;
    struct npi_tuning tuning;          /* in force */
    float low_thr;                     /* of the detector: weak boxes keep tracks alive; p.bbox_thr is what starts one */
    struct npi_adapt adapt;
    struct npi_worker worker[NPI_MAX_THREADS];
    int n_workers;
    struct npi_lane lane[NPI_MAX_LANES];
    int n_lanes, n_threads;            /* lanes; of them with a running thread */
    int n_lanes_now;                   /* that work: lane[0 .. n_lanes_now) */
    struct npi_pace detect_pace, pose_pace; /* live mode */
    struct npi_behind behind;
    int n_followed;                    /* people on the last frame that was associated */
    struct npi_credit credit;          /* of the thread that advances */
    pthread_mutex_t lock;
    pthread_cond_t work, done;         /* for lanes; for those who wait for results or room */
    struct npi_slot *slot; int n_slots;
    uint64_t sent, planned, emitted, got; /* sequence numbers; slot of s is s % n_slots */
    int advancing;                     /* a thread is in the in-order stages */
    int64_t busy_since_ns;             /* a frame is inside, or a detection behind one is running, since then */
    int flushed, quit;
    /* live mode: the newest frame, not yet taken in */
    struct np_frame waiting; int has_waiting, waiting_borrowed; int64_t waiting_ns;
    int64_t last_sent_ns, period_ns;   /* of the source, between frames */
    struct np_knobs knobs;             /* for the next frame that is taken in */
    /* cadence, as frames are taken in */
    int since_detect, since_infer, started;
    int64_t last_t_ns, last_detect_ns;
    /* in-order stages only */
    struct npi_tracker *tracker;
    struct npi_flip *flip;
    struct npi_smoother *smoother;
    struct npi_propagator *propagator;
    int extra_spent;                   /* the one detection out of turn since the last regular one */
    struct npi_feed *feed; int n_feeds; uint64_t fed; /* poses of frames before `fed` are in the tracker */
    struct npi_memo *memo; int n_memos; uint64_t memo_uses;
    struct npi_meter meter;
    struct { int64_t last_ns; int kept_back; } complaint[NP_STAGE_COUNT];
};

static inline struct npi_slot *npi_slot_at(struct npi_pipe *p, uint64_t seq) { return &p->slot[seq % (uint64_t)p->n_slots]; }

/* --- queue.c --- */
/* Under the lock, live mode: takes the waiting frame in when a lane is free for it or it needs none. */
void npi_queue_admit(struct npi_pipe *p);
/* Gives the pixels of a slot back, outside the lock. */
void npi_slot_drop_frame(struct npi_slot *s);
/* Under the lock, by the thread that advances: the detection of this frame may come after its poses, and is to. */
int npi_put_behind(struct npi_pipe *p, struct npi_slot *s);

/* --- boxes.c --- */
/* Runs the detector on a frame. How many boxes there are in person [NPI_MAX_PERSONS]; below 0: it failed, which was said. */
int npi_detect(struct npi_pipe *p, struct npi_lane *l, struct npi_slot *s, struct np_person *person);
struct np_box npi_clip_box(struct np_box b, float width, float height);

/* --- associate.c: in order --- */
/* 0 when the frame has to be detected after all: it goes back to QUEUED. */
int npi_associate(struct npi_pipe *p, uint64_t seq, struct npi_slot *s);

/* --- emit.c: in order --- */
void npi_emit(struct npi_pipe *p, uint64_t seq, struct npi_slot *s);
struct npi_memo *npi_memo(struct npi_pipe *p, int id); /* finds or makes */

/* --- adapt.c --- */
void npi_adapt_open(struct npi_pipe *p);
void npi_adapt_close(struct npi_pipe *p); /* before the workers */
void npi_adapt_free(struct npi_pipe *p);  /* after them */
/* By the thread that advances, outside the lock: asks the controller when it is time. */
void npi_adapt_tick(struct npi_pipe *p);
/* Under the lock: knobs for the next frames; nets that are not there yet are opened meanwhile. */
void npi_adapt_turn(struct npi_pipe *p, const struct np_knobs *k);
/* A pose net failed or took longer than it may, or did its work: after a few failures in a row, on to a smaller one. */
void npi_adapt_judge(struct npi_pipe *p, int failed, const char *why);

/* --- pipe.c --- */
/* Under the lock: p->tuning.threads over the lanes. */
void npi_lanes_share(struct npi_pipe *p);

/* --- work.c --- */
int npi_pipe_fault(const struct npi_pipe *p, int stage);
/* One line about something that failed; at most one a second a stage, the next one says how many were kept back. */
void npi_pipe_complain(struct npi_pipe *p, int stage, const struct np_error *e);
/* Under the lock: moves frames through the in-order stages as far as their turn has come. */
void npi_advance(struct npi_pipe *p);
/* Under the lock: results that nobody is to get, where their turn has come. */
int npi_drop_passed_over(struct npi_pipe *p); /* how many */
/* Under the lock: does work until there is none. */
void npi_lane_work(struct npi_lane *l);
void *npi_lane_main(void *lane);
#endif
