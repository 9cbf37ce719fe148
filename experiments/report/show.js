// The moving parts of the page: maps to be turned and pointed at, videos with a slider, plans by iteration.
// Every widget is an element with a class of WIDGETS and its data as JSON in a script element inside it.
'use strict';

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const clamp = (x, low, high) => Math.max(low, Math.min(high, x));
const redraws = [];

function element(kind, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(kind), attributes);
  made.append(...children);
  return made;
}

function labelled(text, control, after = false) {
  return after ? element('label', {}, control, ' ' + text) : element('label', {}, text + ' ', control);
}

function chooser(names, changed) {
  const select = element('select', { onchange: () => changed(select.selectedIndex) });
  select.append(...names.map((name) => element('option', { textContent: name })));
  return select;
}

function picture(source) {
  const image = new Image();
  const ready = new Promise((done) => { image.onload = () => done(image); });
  image.src = source;
  return { image, ready };
}

// A canvas as wide as its parent, sharp on any screen; draw(context, width, height) in CSS pixels.
function sheet(parent, ratio, draw) {
  const canvas = element('canvas');
  parent.append(canvas);
  const redraw = () => {
    const width = Math.max(parent.clientWidth, 40), height = Math.round(width * ratio(width));
    const dense = window.devicePixelRatio || 1;
    canvas.width = width * dense;
    canvas.height = height * dense;
    canvas.style.height = height + 'px';
    const context = canvas.getContext('2d');
    context.setTransform(dense, 0, 0, dense, 0, 0);
    draw(context, width, height);
  };
  redraws.push(redraw);
  return { canvas, redraw };
}

// Colour of a share in [0, 1] between stops; cyclic ones join their ends.
function colourOf(stops, share) {
  const at = clamp(share, 0, 1) * (stops.length - 1), i = Math.min(Math.floor(at), stops.length - 2);
  const mix = [1, 3, 5].map((k) => {
    const [a, b] = [stops[i], stops[i + 1]].map((stop) => parseInt(stop.slice(k, k + 2), 16));
    return Math.round(a + (b - a) * (at - i));
  });
  return `rgb(${mix})`;
}

// Places of points [n][2 or 3] on the page, one scale for all axes; three dimensions are turned by (yaw, pitch) first.
// half: how far the points reach from the middle along the first two axes.
function placed(points, half, width, height, turn = null) {
  const margin = 18, reach = turn ? [1.25, 1.25] : half;
  const scale = Math.min((width / 2 - margin) / reach[0], (height / 2 - margin) / reach[1]);
  const on = (x, y, z) => [width / 2 + x * scale, height / 2 - y * scale, z];
  if (!turn) return points.map(([x, y]) => on(x, y, 0));
  const [cy, sy, cp, sp] = [Math.cos(turn.yaw), Math.sin(turn.yaw), Math.cos(turn.pitch), Math.sin(turn.pitch)];
  return points.map(([x, y, z]) => {
    const [u, v] = [cy * x + sy * z, -sy * x + cy * z];
    return on(u, cp * y - sp * v, sp * y + cp * v);
  });
}

const WIDGETS = { 'latent-map': latentMap, 'open-loop': openLoop, 'plan-map': planMap };

window.addEventListener('DOMContentLoaded', async () => {
  const waiting = [];
  for (const [name, make] of Object.entries(WIDGETS)) {
    for (const root of document.querySelectorAll('.' + name)) {
      waiting.push(make(root, JSON.parse(root.querySelector('script').textContent)));
    }
  }
  const again = () => redraws.forEach((redraw) => redraw());
  let width = window.innerWidth;
  window.addEventListener('resize', () => { if (window.innerWidth !== width) { width = window.innerWidth; again(); } });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
  await Promise.all(waiting);
  document.documentElement.dataset.drawn = Math.round(performance.now());
});
