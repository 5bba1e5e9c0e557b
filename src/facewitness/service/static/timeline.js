// The score of one face of a video along time: cuts dashed, stretches that look forged shaded. A press jumps there.

const WIDTH = 1000, HEIGHT = 100; // units, which the page stretches

const shape = (name, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

export const clock = (time) => `${Math.floor(time / 60)}:${(time % 60).toFixed(1).padStart(4, "0")}`;

export function timeline(report, index, jump) {
  const track = report.tracks[index];
  const end = Math.max(report.duration_s, 0.001);
  const x = (time) => Math.min(1, Math.max(0, time / end)) * WIDTH;
  const scores = report.faces.filter((face) => face.track === index && face.score !== null);
  const drawing = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `Score of face ${index + 1} along time` });
  for (const span of track.spans) {
    drawing.append(shape("rect", { class: "forged", x: x(span.start_s), y: 0, height: HEIGHT,
      width: Math.max(2, x(span.end_s) - x(span.start_s)) }));
  }
  for (const shot of report.shots.slice(1)) {
    drawing.append(shape("line", { class: "cut", x1: x(shot.start_s), x2: x(shot.start_s), y1: 0, y2: HEIGHT }));
  }
  drawing.append(shape("polyline", { class: track.verdict || "",
    points: scores.map((face) => `${x(face.time_s)},${(1 - face.score) * HEIGHT}`).join(" ") }));
  drawing.addEventListener("click", (event) => {
    const box = drawing.getBoundingClientRect();
    jump(((event.clientX - box.left) / box.width) * end);
  });
  const figure = document.createElement("figure");
  figure.className = "timeline";
  const axis = document.createElement("figcaption");
  for (const text of [clock(0), `Face ${index + 1}: score of each frame, 0 below to 1 above`, clock(end)]) {
    axis.append(Object.assign(document.createElement("span"), { textContent: text }));
  }
  figure.append(drawing, axis);
  return figure;
}
