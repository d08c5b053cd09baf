// SPDX-License-Identifier: Apache-2.0
// The page of `nextpose run --view web`. Pictures and poses come in one stream, a picture together with what was found on it, so that joints lie on
// the people and not where they were a moment ago. All texts go in as text, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);
const view = $("view"), paint = view.getContext("2d");
let info = { edges: [], keypoint_names: [], colors: ["#3cb4ff"], kpt_thr: 0.3, writable: false, presets: [] };
let stats = null;
// What a test, or a curious person in the console, wants to know.
const nextpose = (window.nextpose = { pictures: 0, shot: null, scale: 1, stats: null, connected: false });

function set(id, text) {
  const e = $(id);
  if (e.textContent !== text) e.textContent = text;
}
const number = (v, digits) => (v === null || v === undefined ? "–" : v.toFixed(digits));

/* --- the picture --- */

// -1 left, 1 right, 0 neither: as in the drawn video, left limbs are lighter, right ones darker.
function side(k) {
  const n = (info.keypoint_names[k] || "").toLowerCase();
  return n.startsWith("left") || n.startsWith("l_") ? -1 : n.startsWith("right") || n.startsWith("r_") ? 1 : 0;
}

function tint(hex, s) {
  const rgb = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const t = rgb.map((v) => Math.floor(s < 0 ? v + ((255 - v) * 45) / 100 : s > 0 ? (v * 75) / 100 : v));
  return `rgb(${t[0]} ${t[1]} ${t[2]})`;
}

const colorOf = (id) => info.colors[(id - 1 + info.colors.length) % info.colors.length];

function drawPose(p, scale, base) {
  const fresh = p.source === "inferred"; // propagated poses are thinner and dashed: nobody shall take them for seen
  const color = colorOf(p.id), at = p.keypoints, seen = (k) => at[k] && at[k][2] !== null && at[k][2] >= info.kpt_thr;
  const width = fresh ? base : base * 0.6;
  paint.lineWidth = width;
  paint.setLineDash(fresh ? [] : [base * 2, base * 2]);
  for (const [a, b] of info.edges) {
    if (!seen(a) || !seen(b)) continue;
    const sa = side(a);
    paint.strokeStyle = tint(color, sa === side(b) ? sa : 0);
    paint.beginPath();
    paint.moveTo(at[a][0] * scale, at[a][1] * scale);
    paint.lineTo(at[b][0] * scale, at[b][1] * scale);
    paint.stroke();
  }
  paint.setLineDash([]);
  for (let k = 0; k < at.length; k++) {
    if (!seen(k)) continue;
    paint.beginPath();
    paint.arc(at[k][0] * scale, at[k][1] * scale, width * 0.95, 0, 2 * Math.PI);
    paint.fillStyle = tint(color, side(k));
    paint.fill();
    paint.lineWidth = Math.max(1, width * 0.3);
    paint.strokeStyle = "#fff";
    paint.stroke();
  }
}

function drawPerson(p, scale, base) {
  const [x, y, w, h] = p.box, color = colorOf(p.id);
  if ($("show-boxes").checked) {
    paint.lineWidth = base * 0.6;
    paint.strokeStyle = color;
    paint.strokeRect(x * scale, y * scale, w * scale, h * scale);
  }
  if ($("show-skeletons").checked && p.keypoints.length) drawPose(p, scale, base);
  if ($("show-ids").checked) {
    const size = Math.round(Math.max(12, base * 5)), text = p.source === "propagated" ? `${p.id} · ${p.age} old` : String(p.id);
    paint.font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`;
    const wide = paint.measureText(text).width + size * 0.6, top = Math.max(0, y * scale - size * 1.35);
    paint.fillStyle = color;
    paint.fillRect(x * scale, top, wide, size * 1.3);
    paint.fillStyle = "#0d1014";
    paint.fillText(text, x * scale + size * 0.3, top + size);
  }
}

function drawShot(shot, picture) {
  // As many dots as are shown, so that lines are sharp; never fewer than the picture has.
  const shown = view.getBoundingClientRect().width * window.devicePixelRatio;
  const width = Math.round(Math.min(Math.max(picture.width, shown || 0), 1920)), height = Math.round((width * shot.height) / shot.width);
  if (view.width !== width || view.height !== height) {
    view.width = width;
    view.height = height;
  }
  const scale = width / shot.width, base = Math.max(1.5, Math.max(width, height) / 400);
  paint.drawImage(picture, 0, 0, width, height);
  paint.lineCap = "round";
  for (const p of shot.persons) drawPerson(p, scale, base);
  nextpose.shot = shot;
  nextpose.scale = scale;
  nextpose.pictures++;
  $("notice").hidden = true;
  set("shot", `frame ${shot.frame}` + (shot.time_s !== null ? ` · ${shot.time_s.toFixed(2)} s` : "") + ` · ${shot.width}×${shot.height}` +
    (shot.inferred ? "" : " · propagated"));
}

// One picture is decoded at a time; of those that come meanwhile only the newest is kept.
let waiting = null, decoding = false;
async function show(shot, jpeg) {
  waiting = { shot, jpeg };
  if (decoding) return;
  decoding = true;
  while (waiting) {
    const w = waiting;
    waiting = null;
    try {
      const picture = await createImageBitmap(new Blob([w.jpeg], { type: "image/jpeg" }));
      drawShot(w.shot, picture);
      picture.close();
    } catch (e) {
      console.warn("a picture could not be shown", e);
    }
  }
  decoding = false;
}

/* --- the stream: "NPF1", two lengths, JSON, JPEG; again and again --- */

class Pieces {
  constructor() {
    this.bytes = new Uint8Array(1 << 18);
    this.n = 0;
  }
  add(chunk) {
    if (this.n + chunk.length > this.bytes.length) {
      const bigger = new Uint8Array(Math.max(this.bytes.length * 2, this.n + chunk.length));
      bigger.set(this.bytes.subarray(0, this.n));
      this.bytes = bigger;
    }
    this.bytes.set(chunk, this.n);
    this.n += chunk.length;
  }
  // The next whole piece, or null.
  take() {
    if (this.n < 12) return null;
    const head = new DataView(this.bytes.buffer, 0, 12);
    if (head.getUint32(0, false) !== 0x4e504631) throw new Error("this is not our stream");
    const json = head.getUint32(4, true), jpeg = head.getUint32(8, true), all = 12 + json + jpeg;
    if (this.n < all) return null;
    const piece = { json: this.bytes.slice(12, 12 + json), jpeg: this.bytes.slice(12 + json, all) };
    this.bytes.copyWithin(0, all, this.n);
    this.n -= all;
    return piece;
  }
}

async function readStream() {
  const answer = await fetch("stream");
  if (!answer.ok) throw new Error((await answer.text()).trim());
  const reader = answer.body.getReader(), pieces = new Pieces(), text = new TextDecoder();
  nextpose.connected = true;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    pieces.add(value);
    for (let p = pieces.take(), last = null; p || last; p = pieces.take()) {
      if (p && p.jpeg.length) last = p;
      else if (!p) {
        show(JSON.parse(text.decode(last.json)), last.jpeg);
        last = null;
      }
    }
  }
}

function notice(text) {
  $("notice").hidden = !text;
  set("notice", text || "");
}

async function watch() {
  for (;;) {
    try {
      await loadInfo();
      await readStream();
      notice(stats && stats.source.state === "ended" ? "The run has ended." : "The run has ended or was stopped. Waiting for the next one …");
    } catch (e) {
      notice(e instanceof TypeError ? "No connection. Trying again …" : e.message);
    }
    nextpose.connected = false;
    set("state", "offline");
    $("state").className = "pill bad";
    await new Promise((f) => setTimeout(f, 2000));
  }
}

/* --- numbers --- */

function pairs(id, rows) {
  const list = $(id);
  while (list.children.length > rows.length * 2) list.lastChild.remove();
  rows.forEach(([name, value], i) => {
    if (list.children.length <= i * 2) list.append(document.createElement("dt"), document.createElement("dd"));
    list.children[i * 2].textContent = name;
    list.children[i * 2 + 1].textContent = value;
  });
}

function showStages(s) {
  const box = $("stages"), names = Object.keys(s.stages);
  if (!box.children.length) {
    for (const name of names) {
      const label = document.createElement("span"), track = document.createElement("div"), value = document.createElement("span");
      label.textContent = name;
      track.className = "track";
      track.append(document.createElement("i"));
      value.className = "value";
      box.append(label, track, value);
    }
  }
  names.forEach((name, i) => {
    const st = s.stages[name], track = box.children[i * 3 + 1];
    track.className = "track" + (s.bottleneck === name ? " slow" : "");
    track.firstChild.style.width = `${Math.max(0, Math.min(1, st.share)) * 100}%`;
    box.children[i * 3 + 2].textContent = st.runs ? `${st.per_frame_ms.toFixed(1)} ms · ${Math.round(st.share * 100)} %` : "–";
  });
  $("bottleneck").hidden = !s.bottleneck;
  $("bottleneck").className = "tag" + (s.bottleneck === "source" ? " source" : "");
  if (s.bottleneck) set("bottleneck", s.bottleneck === "source" ? "waits for the source" : `${s.bottleneck} limits`);
}

function showSuggestions(s) {
  const list = $("suggestions"), want = s.suggestions.length ? s.suggestions : [{ text: s.bottleneck === "source" ? "Nothing: every frame is handled in time." : "Nothing known yet.", flag: null }];
  while (list.children.length > want.length) list.lastChild.remove();
  want.forEach((w, i) => {
    if (list.children.length <= i) list.append(document.createElement("li"));
    const li = list.children[i], key = `${w.text}|${w.flag}`;
    if (li.dataset.key === key) return;
    li.dataset.key = key;
    const parts = w.flag && w.text.includes(w.flag) ? w.text.split(w.flag) : null; // the flag, set as code where it stands
    const code = document.createElement("code");
    code.textContent = w.flag || "";
    if (parts) li.replaceChildren(parts[0], code, parts.slice(1).join(w.flag));
    else if (w.flag) li.replaceChildren(`${w.text} `, code);
    else li.replaceChildren(w.text);
  });
  set("move", s.last_move ? `Last change: ${s.last_move}` : "");
}

function showSettings(s) {
  const box = $("presets");
  if (box.children.length !== info.presets.length) {
    box.replaceChildren(...info.presets.map((name) => {
      const b = document.createElement("button");
      b.textContent = name.includes("/") ? name.slice(name.lastIndexOf("/") + 1) : name.replace(/_/g, " ");
      b.title = name;
      b.dataset.preset = name;
      b.addEventListener("click", () => adjust("preset", name));
      return b;
    }));
  }
  for (const b of box.children) {
    b.setAttribute("aria-pressed", String(b.dataset.preset === s.preset));
    b.disabled = !info.writable;
  }
  const n = s.knobs.max_persons;
  set("max-persons", n ? String(n) : "–");
  $("fewer").disabled = !info.writable || n <= 1;
  $("more").disabled = !info.writable || n >= 64 || !n;
  if (!info.writable) set("answer", "Read only: settings can be changed on the machine itself.");
  const every = (k) => (k > 1 ? `every ${k} frames` : k ? "every frame" : "–");
  pairs("knobs", [["detector", every(s.knobs.detection_freq)], ["pose net", every(s.knobs.frame_skip)],
    ["detector size", s.knobs.detector_size || "–"], ["crops in one inference", s.knobs.batch_size || "–"], ["threads", s.knobs.threads || "–"], ["looks at each person", s.knobs.pose_passes || "–"],
    ["smoothing", s.knobs.smooth || "–"]]);
}

function showMachine(s) {
  const box = $("cores");
  while (box.children.length > s.cpu.cores.length) box.lastChild.remove();
  s.cpu.cores.forEach((v, i) => {
    if (box.children.length <= i) box.append(document.createElement("i"));
    box.children[i].style.height = `${(v || 0) * 100}%`;
  });
  const rate = (c) => (c.rate === null ? "–" : `${Math.round(c.rate * 100)} %`);
  const rows = [["this process", `${Math.round(s.cpu.share * 100)} % of its processors`],
    ["memory", s.memory.resident_mb === null ? "–" : `${Math.round(s.memory.resident_mb)} MB` + (s.memory.percent === null ? "" : ` · ${s.memory.percent.toFixed(1)} %`)],
    ["detector runs on", s.backend.detector || "–"], ["pose net runs on", s.backend.pose || "–"], ["cache hits, boxes / poses", `${rate(s.cache.detection)} / ${rate(s.cache.pose)}`],
    ["frames skipped / late / failed", `${s.frames.dropped} / ${s.frames.late} / ${s.frames.failed}`]];
  if (s.gpu) rows.push(["GPU", `${number(s.gpu.share === null ? null : s.gpu.share * 100, 0)} % · ${number(s.gpu.memory_mb, 0)} MB`]);
  if (s.outputs.dropped) rows.push(["results not written", String(s.outputs.dropped)]);
  if (s.source.reconnects) rows.push(["reconnects", String(s.source.reconnects)]);
  pairs("machine", rows);
}

function showStats(s) {
  stats = nextpose.stats = s;
  set("fps-inferred", number(s.fps.inferred, 1));
  set("fps-processed", number(s.fps.processed, 1));
  set("fps-displayed", number(s.fps.displayed, 1));
  set("people", number(s.persons_per_frame, 1));
  for (const p of ["p50", "p95", "p99"]) set(`delay-${p}`, s.delay_ms[p] ? number(s.delay_ms[p], 0) : "–");
  const state = $("state"), word = { ok: "live", lost: "source lost, reconnecting", ended: "ended" }[s.source.state];
  set("state", word);
  state.className = "pill " + (s.source.state === "ok" ? "ok" : "bad");
  showStages(s);
  showSuggestions(s);
  showSettings(s);
  showMachine(s);
}

async function loadInfo() {
  const answer = await fetch("api/info");
  if (!answer.ok) throw new Error((await answer.text()).trim());
  info = await answer.json();
  set("input", info.input || "");
  set("nets", `detector ${info.detector || "–"} · pose ${info.model || "–"} · NextPose ${info.nextpose}`);
}

async function pollStats() {
  for (;;) {
    try {
      if (nextpose.connected) {
        const answer = await fetch("api/stats");
        if (answer.ok) showStats(await answer.json());
      }
    } catch (e) { /* the stream says that the connection is gone */ }
    await new Promise((f) => setTimeout(f, nextpose.connected ? 1000 : 100));
  }
}

async function adjust(name, value) {
  try {
    const answer = await fetch(`api/adjust?name=${encodeURIComponent(name)}&value=${encodeURIComponent(value)}`, { method: "POST", headers: { "X-NextPose": "1" } });
    const is_json = (answer.headers.get("Content-Type") || "").startsWith("application/json");
    const said = is_json ? await answer.json() : { error: answer.ok ? "" : (await answer.text()).trim() };
    set("answer", said.error || `${name} is now ${value}` + (said.note ? `; ${said.note}` : ""));
    const after = await fetch("api/stats");
    if (after.ok) showStats(await after.json());
  } catch (e) {
    set("answer", "No connection: nothing was changed.");
  }
}

$("fewer").addEventListener("click", () => stats && adjust("max-persons", String(stats.knobs.max_persons - 1)));
$("more").addEventListener("click", () => stats && adjust("max-persons", String(stats.knobs.max_persons + 1)));
watch();
pollStats();
