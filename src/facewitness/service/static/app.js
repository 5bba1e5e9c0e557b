// The page of the service: sends files, follows a scan, shows what was found. Everything it knows comes from /v1.

import { clock, timeline } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const VERDICTS = { fake: [213, 60, 0], inconclusive: [230, 159, 0], real: [0, 114, 178] };
const MAP_SIDE = 2048; // longer side of a drawn map, px: a browser's canvas need not be as large as the photograph
let token = sessionStorage.getItem("token") || "";
let scan = null; // {id, state, files: Map(number -> file), total, done}
let following = null; // AbortController of the stream of events

class Refused extends Error {
  constructor(status, message) { super(message); this.status = status; }
}

async function ask(path, options = {}) {
  const headers = { ...(options.headers || {}), ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The service does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  const detail = await answer.json().then((body) => body.detail, () => "");
  throw new Refused(answer.status, typeof detail === "string" && detail ? detail : `The service answered ${answer.status}.`);
}

const json = async (path, options) => (await ask(path, options)).json();
const picture = async (path) => URL.createObjectURL(await (await ask(path)).blob());

function complain(error) {
  if (error.name === "AbortError") return;
  if (error.status === 401) { showLogin(error); return; }
  $("problem").textContent = error.message;
  $("problem").hidden = false;
}

const guarded = (action) => async (...given) => {
  try { $("problem").hidden = true; await action(...given); } catch (error) { complain(error); }
};

// ---- token -----------------------------------------------------------------------------------------------------

function showLogin(error) {
  $("login").hidden = false;
  $("desk").hidden = true;
  $("login-problem").textContent = token ? error.message : "";
  $("token").focus();
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("token", token);
  start();
});

const start = guarded(async () => {
  const detectors = await json("/v1/detectors");
  $("login").hidden = true;
  $("desk").hidden = false;
  const own = detectors.find((one) => one.loaded);
  if (own && own.fake_above !== null) {
    $("meaning").textContent = `Fake: a score of ${own.fake_above.toFixed(3)} or more, which ${own.fake_rate_words} reach by mistake. ` +
      `No sign of forgery: below ${own.real_below.toFixed(3)}; no proof that a photograph is genuine.`;
  }
  const asked = new URLSearchParams(location.hash.slice(1)).get("scan");
  if (asked) await open(asked);
  await listEarlier();
});

// ---- sending ---------------------------------------------------------------------------------------------------

const send = guarded(async (files) => {
  if (!files.length) return;
  const body = new FormData();
  for (const file of files) body.append("files", file, file.name);
  $("state").textContent = `Sending ${files.length} ${files.length === 1 ? "file" : "files"} …`;
  const made = await json("/v1/scans", { method: "POST", body });
  await open(made.id);
  await listEarlier();
});

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) { found.push(await new Promise((done, failed) => entry.file(done, failed))); return; }
    const reader = entry.createReader();
    for (;;) {
      const part = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!part.length) return;
      for (const one of part) await walk(one);
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}

for (const id of ["files", "folder"]) {
  $(id).addEventListener("change", (event) => { send([...event.target.files]); event.target.value = ""; });
}
addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").classList.remove("over"); });
addEventListener("drop", guarded(async (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  await send(await dropped(event.dataTransfer));
}));

// ---- a scan ----------------------------------------------------------------------------------------------------

async function open(id) {
  following?.abort();
  const found = await json(`/v1/scans/${id}`);
  location.hash = `scan=${id}`;
  scan = { ...found, files: new Map() };
  $("results").replaceChildren();
  $("scan").hidden = false;
  found.files.filter((file) => file.report).forEach(addFile);
  showProgress(found);
  $("scan-title").focus();
  if (found.state === "queued" || found.state === "running") follow(id);
}

function showProgress(found) {
  Object.assign(scan, { state: found.state, done: found.done, total: found.total });
  const words = { queued: "Waiting", running: "Scanning", done: "Done", cancelled: "Cancelled" };
  $("state").textContent = `${words[found.state]}: ${found.done} of ${found.total} ${found.total === 1 ? "file" : "files"}`;
  $("progress").max = Math.max(1, found.total);
  $("progress").value = found.done;
  $("cancel").disabled = found.state === "done" || found.state === "cancelled";
  $("report").disabled = $("case").disabled = !found.done;
}

const follow = guarded(async (id) => {
  following = new AbortController();
  const answer = await ask(`/v1/scans/${id}/events`, { signal: following.signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const [, kind, data] = event.match(/^event: (\w+)\ndata: (.*)$/s) || [];
      if (scan?.id !== id) return;
      if (kind === "file") addFile(JSON.parse(data));
      if (kind === "progress") showProgress(JSON.parse(data));
      if (kind === "end") await listEarlier();
    }
  }
});

$("cancel").addEventListener("click", guarded(async () => showProgress(await json(`/v1/scans/${scan.id}/cancel`, { method: "POST" }))));
$("delete").addEventListener("click", guarded(async () => {
  if (!confirm("Delete this scan, its files and all that was found?")) return;
  following?.abort();
  await ask(`/v1/scans/${scan.id}`, { method: "DELETE" });
  scan = null;
  $("scan").hidden = true;
  location.hash = "";
  await listEarlier();
}));
for (const [what, suffix] of [["report", "html"], ["case", "zip"]]) {
  $(what).addEventListener("click", guarded(async () => {
    const link = document.createElement("a");
    link.href = await picture(`/v1/scans/${scan.id}/${what}`);
    link.download = `facewitness-${scan.id}.${suffix}`;
    link.click();
  }));
}

function addFile(file) {
  if (scan.files.has(file.number)) return;
  scan.files.set(file.number, file);
  const item = document.createElement("li");
  item.className = file.report.verdict || "";
  item.dataset.score = file.report.score ?? -1;
  const button = document.createElement("button");
  button.type = "button";
  const text = document.createElement("div");
  text.append(line("h3", file.name), line("p", file.words, "word"));
  if (file.report.score !== null) text.append(line("p", `Score ${file.report.score.toFixed(3)}`, "soft"));
  else for (const note of file.report.notes.slice(0, 2)) text.append(line("p", note, "soft"));
  button.append(text);
  button.addEventListener("click", guarded(() => view(file)));
  item.append(button);
  // The strongest first, as in the report.
  const after = [...$("results").children].find((other) => Number(other.dataset.score) < Number(item.dataset.score));
  $("results").insertBefore(item, after || null);
  if (file.has_overlay) {
    picture(`${address(file)}/overlay`).then((url) => {
      const image = document.createElement("img");
      image.alt = "";
      image.src = url;
      button.prepend(image);
    }, () => {});
  }
}

const address = (file) => `/v1/scans/${scan.id}/files/${file.number}`;

function line(tag, text, kind = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

async function listEarlier() {
  const found = await json("/v1/scans");
  $("earlier").replaceChildren(...found.filter((one) => one.id !== scan?.id).map((one) => {
    const item = document.createElement("li");
    const button = line("button", new Date(1000 * one.created).toLocaleString());
    button.type = "button";
    button.addEventListener("click", guarded(() => open(one.id).then(listEarlier)));
    item.append(button, ` ${one.done} of ${one.total} files, ${one.state}`);
    return item;
  }));
}

// ---- one file --------------------------------------------------------------------------------------------------

const viewer = { size: [1, 1], zoom: 0, urls: [] }; // zoom 0: as large as fits

const jump = (time) => {
  const video = $("marked").querySelector("video");
  if (!video) return;
  video.currentTime = time;
  video.scrollIntoView({ block: "nearest" });
};

const moment = (span) => {
  const button = line("button", `${clock(span.start_s)} – ${clock(span.end_s)}`);
  button.type = "button";
  button.addEventListener("click", () => jump(span.start_s));
  return button;
};

const view = async (file) => {
  viewer.urls.splice(0).forEach(URL.revokeObjectURL);
  const report = file.report;
  $("viewer-title").textContent = file.name;
  $("viewer-verdict").replaceChildren(line("span", file.words, `word ${report.verdict || ""}`),
    report.score === null ? "" : ` Score ${report.score.toFixed(3)}.`);
  $("statement").textContent = report.statement;
  $("notes").replaceChildren(...report.notes.map((note) => line("li", note)));
  $("origin").hidden = !report.provenance.length;
  $("origin").querySelector("dl").replaceChildren(...report.provenance.flatMap((one) => [
    line("dt", one.seen), line("dd", `${one.proves} ${one.limits}`)]));
  $("tracks").hidden = report.kind !== "video" || !report.tracks.length;
  $("tracks").tBodies[0].replaceChildren(...report.tracks.map((track, index) => {
    const row = document.createElement("tr");
    const forged = document.createElement("td");
    forged.append(...(track.spans.length ? track.spans.map(moment) : ["–"]));
    row.append(line("th", String(index + 1)), line("td", file.track_words[index], `word ${track.verdict || ""}`),
      line("td", track.score === null ? "–" : track.score.toFixed(3)),
      line("td", `${clock(track.start_s)} – ${clock(track.end_s)}`), forged);
    return row;
  }));
  $("timelines").replaceChildren(...report.tracks.flatMap((track, index) =>
    track.score === null ? [] : [timeline(report, index, jump)]));
  $("hash").textContent = report.sha256 ? `SHA-256 ${report.sha256}` : "";
  $("faces").hidden = report.kind === "video" || !report.faces.length;
  $("faces").tBodies[0].replaceChildren(...report.faces.map((face, index) => {
    const row = document.createElement("tr");
    row.append(line("th", String(index + 1)), line("td", file.face_words[index], `word ${face.verdict || ""}`),
      line("td", face.score === null ? "–" : face.score.toFixed(3)), line("td", face.box.map(Math.round).join(", ")));
    return row;
  }));
  for (const id of ["plain", "marked"]) $(id).replaceChildren();
  $("stages").hidden = true;
  $("tools").hidden = report.kind === "video";
  $("viewer").showModal();
  let url = await picture(`${address(file)}/photograph`).catch(() => null);
  const whole = url !== null;
  if (whole && report.kind === "video") {
    viewer.urls.push(url);
    $("marked").append(Object.assign(document.createElement("video"), { src: url, controls: true, muted: true }));
    $("stages").hidden = false;
    return;
  }
  if (!whole && file.has_overlay) url = await picture(`${address(file)}/overlay`);
  if (url === null) return;
  viewer.urls.push(url);
  const image = new Image();
  image.src = url;
  image.alt = `${file.name}: the photograph`;
  await image.decode();
  viewer.size = [image.naturalWidth, image.naturalHeight];
  viewer.zoom = 0;
  $("plain").append(image.cloneNode());
  $("marked").append(image);
  if (whole) $("marked").append(await drawMaps(file), drawBoxes(file)); // the overlay has them drawn in
  $("stages").hidden = false;
  lay();
};

async function drawMaps(file) {
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, MAP_SIDE / Math.max(...viewer.size));
  [canvas.width, canvas.height] = viewer.size.map((side) => Math.max(1, Math.round(side * scale)));
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.globalCompositeOperation = "lighten";
  for (const [index, face] of file.report.faces.entries()) {
    if (!face.map) continue;
    const blob = await (await ask(`${address(file)}/faces/${index}/map`)).blob();
    pen.drawImage(await createImageBitmap(blob), 0, 0, canvas.width, canvas.height);
  }
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < pixels.data.length; at += 4) { // from yellow to red, the more opaque the more forged
    const fakeness = pixels.data[at];
    pixels.data.set([255, Math.max(0, 220 - fakeness), 0, Math.min(255, 2 * fakeness)], at);
  }
  pen.putImageData(pixels, 0, 0);
  canvas.id = "map";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Where the detector sees a forgery");
  return canvas;
}

function drawBoxes(file) {
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, MAP_SIDE / Math.max(...viewer.size));
  [canvas.width, canvas.height] = viewer.size.map((side) => Math.max(1, Math.round(side * scale)));
  const pen = canvas.getContext("2d");
  const width = Math.max(2, Math.max(canvas.width, canvas.height) / 300);
  pen.lineWidth = width;
  pen.font = `bold ${8 * width}px sans-serif`;
  file.report.faces.forEach((face, index) => {
    const [left, top, right, bottom] = face.box.map((side) => side * scale);
    pen.strokeStyle = pen.fillStyle = `rgb(${(VERDICTS[face.verdict] || [150, 150, 150]).join()})`;
    pen.strokeRect(left, top, right - left, bottom - top);
    pen.fillText(String(index + 1), left + width, Math.max(8 * width, top - width));
  });
  canvas.id = "boxes";
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

function lay() {
  const [width, height] = viewer.size;
  const beside = $("beside").checked;
  $("plain").hidden = !beside;
  const room = $("stages").clientWidth / (beside ? 2 : 1) - 8;
  const fitting = Math.min(room / width, (0.6 * innerHeight) / height);
  const zoom = viewer.zoom || fitting;
  for (const id of ["plain", "marked"]) {
    $(id).style.width = `${width * zoom}px`;
    $(id).style.height = `${height * zoom}px`;
    $(id).classList.toggle("sharp", zoom > 1.5);
  }
  $("zoom").textContent = `${Math.round(100 * zoom)} %`;
  if ($("map")) {
    $("map").hidden = !$("show-map").checked;
    $("map").style.opacity = $("opacity").value / 100;
    $("boxes").hidden = !$("show-boxes").checked;
  }
  viewer.shown = zoom;
}

const zoomTo = (value) => { viewer.zoom = value && Math.min(8, Math.max(0.05, value)); lay(); };
$("larger").addEventListener("click", () => zoomTo(1.5 * viewer.shown));
$("smaller").addEventListener("click", () => zoomTo(viewer.shown / 1.5));
$("fit").addEventListener("click", () => zoomTo(0));
$("pixels").addEventListener("click", () => zoomTo(1));
$("close").addEventListener("click", () => $("viewer").close());
for (const id of ["show-map", "opacity", "show-boxes", "beside"]) $(id).addEventListener("input", lay);
addEventListener("resize", () => { if ($("viewer").open) lay(); });
$("stages").addEventListener("keydown", (event) => {
  const keys = { "+": () => zoomTo(1.5 * viewer.shown), "-": () => zoomTo(viewer.shown / 1.5), 0: () => zoomTo(0), 1: () => zoomTo(1) };
  if (keys[event.key]) { keys[event.key](); event.preventDefault(); }
});

start();
