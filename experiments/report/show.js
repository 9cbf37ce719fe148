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

function latentMap(root, data) {
  const look = { colour: 0, view: 0, paths: false, grid: true, turn: { yaw: 0.7, pitch: -0.5 }, near: -1 };
  const tools = element('div', { className: 'tools' });
  const stage = element('div', { className: 'stage' });
  const bar = element('div', { className: 'bar' });
  const tip = element('div', { className: 'tip', hidden: true });
  root.append(tools, stage, bar);
  const set = (name) => (value) => { look[name] = value; show(); };
  const tick = (name, text) => {
    const box = element('input', { type: 'checkbox', checked: look[name], onchange: () => set(name)(box.checked) });
    return labelled(text, box, true);
  };
  tools.append(labelled('colour', chooser(data.colours.map((c) => c.name), set('colour'))));
  if (data.views.length > 1) tools.append(labelled('view', chooser(data.views.map((v) => v.name), set('view'))));
  if (data.paths.length) tools.append(tick('paths', 'paths of episodes'));
  if (data.episode.includes(-1)) tools.append(tick('grid', 'grid of true states'));

  const frames = picture(data.frames.source);
  let places = [];
  const { canvas, redraw } = sheet(stage, (width) => (width < 480 ? 0.95 : 0.72), (context, width, height) => {
    const view = data.views[look.view], colour = data.colours[look.colour];
    places = placed(view.points, view.half, width, height, view.dims > 2 ? look.turn : null);
    axes(context, view, width, height);
    if (look.paths) data.paths.forEach((path) => line(context, path, css('--rule'), 0.35));
    if (look.near >= 0 && data.episode[look.near] >= 0) {
      const path = data.paths.find((p) => p.includes(look.near));
      if (path) line(context, path, css('--ink'), 0.9);
    }
    const order = [...places.keys()];
    if (view.dims > 2) order.sort((a, b) => places[a][2] - places[b][2]);
    for (const i of order) dot(context, i, colour, view);
  });
  stage.append(tip);

  function axes(context, view, width, height) {
    context.fillStyle = css('--soft');
    context.font = '12px system-ui, sans-serif';
    context.textAlign = 'right';
    if (view.dims < 3) context.fillText(view.axes[0] + ' →', width - 6, height - 6);
    context.textAlign = 'left';
    context.fillText(view.dims < 3 ? '↑ ' + view.axes[1] : 'drag to turn', 6, 14);
  }
  function line(context, path, colour, alpha) {
    context.strokeStyle = colour;
    context.globalAlpha = alpha;
    context.lineWidth = 1.2;
    context.beginPath();
    path.forEach((i, k) => context[k ? 'lineTo' : 'moveTo'](places[i][0], places[i][1]));
    context.stroke();
    context.globalAlpha = 1;
  }
  function dot(context, i, colour, view) {
    const grid = data.episode[i] < 0, value = colour.values[i];
    if (grid && !look.grid) return;
    const depth = view.dims > 2 ? clamp(0.75 + 0.25 * places[i][2], 0.35, 1) : 0.9;
    context.globalAlpha = i === look.near ? 1 : value === null ? 0.25 : grid ? 0.55 * depth : depth;
    context.fillStyle = value === null ? css('--rule') : colourOf(colour.stops, value / 1000);
    const [x, y] = places[i], size = i === look.near ? 7 : grid ? 2.4 : 3;
    if (grid && i !== look.near) context.fillRect(x - size, y - size, 2 * size, 2 * size);
    else { context.beginPath(); context.arc(x, y, size, 0, 7); context.fill(); }
    if (i === look.near) { context.strokeStyle = css('--ink'); context.lineWidth = 2; context.stroke(); }
    context.globalAlpha = 1;
  }
  function show() {
    const colour = data.colours[look.colour];
    bar.replaceChildren(
      element('span', { textContent: colour.low }),
      element('i', { style: `background:linear-gradient(to right, ${colour.stops})` }),
      element('span', { textContent: colour.high }),
      element('em', { textContent: colour.name }),
    );
    redraw();
  }

  let held = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener('pointerdown', (event) => {
    held = { from: at(event), turn: { ...look.turn } };
    hover(event);
  });
  window.addEventListener('pointerup', () => { held = null; });
  canvas.addEventListener('pointermove', (event) => {
    if (held && data.views[look.view].dims > 2) {
      const [x, y] = at(event);
      look.turn.yaw = held.turn.yaw + (x - held.from[0]) / 120;
      look.turn.pitch = clamp(held.turn.pitch + (y - held.from[1]) / 120, -1.6, 1.6);
      tip.hidden = true;
      redraw();
    } else hover(event);
  });
  canvas.addEventListener('pointerleave', () => { look.near = -1; tip.hidden = true; redraw(); });

  function hover(event) {
    const [x, y] = at(event);
    let best = 18 * 18, near = -1;
    places.forEach(([px, py], i) => {
      if (data.episode[i] < 0 && !look.grid) return;
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < best) { best = distance; near = i; }
    });
    if (near === look.near) return;
    look.near = near;
    tip.hidden = near < 0;
    if (near >= 0) describe(near);
    redraw();
  }
  function describe(i) {
    const { size, columns } = data.frames, side = 88, heads = data.single ? ['seen'] : ['seen', 'decoded'];
    const small = element('canvas', { width: 2 * side + 6, height: side });
    const context = small.getContext('2d');
    context.imageSmoothingEnabled = false;
    heads.forEach((_, half) => {
      const cell = heads.length * i + half, x = (cell % columns) * size, y = Math.floor(cell / columns) * size;
      context.drawImage(frames.image, x, y, size, size, half * (side + 6), 0, side, side);
    });
    const values = data.colours.filter((c) => c.said[i] !== null).map((c) => `${c.name} ${c.said[i]}`);
    const where = data.episode[i] < 0 ? 'grid of true states' : `episode ${data.episode[i]}, step ${data.row[i]}`;
    tip.replaceChildren(
      element('p', { className: 'heads' }, ...heads.map((head) => element('span', { textContent: head }))),
      small, element('p', { textContent: where }), element('p', { textContent: values.join(' · ') }),
    );
    const [x, y] = places[i], width = stage.clientWidth, box = 206;
    tip.style.left = clamp(x + 14 + box > width ? x - box - 14 : x + 14, 0, Math.max(0, width - box)) + 'px';
    tip.style.top = clamp(y - 60, 0, Math.max(0, canvas.clientHeight - 170)) + 'px';
  }
  show();
}

function openLoop(root, data) {
  const look = { row: 0, timer: null };
  const panels = element('div', { className: 'panels' });
  const bar = element('div', { className: 'tools' });
  const stage = element('div', { className: 'stage' });
  root.append(panels, bar, stage);
  const video = picture(data.video.source);
  const { size, columns } = data.video;
  const canvases = data.panels.map((name) => {
    const canvas = element('canvas', { width: 4 * size, height: 4 * size });
    panels.append(element('figure', {}, canvas, element('figcaption', { textContent: name })));
    return canvas;
  });
  const slider = element('input', { type: 'range', min: 0, max: data.rows - 1, value: 0, oninput: () => go(+slider.value) });
  slider.setAttribute('aria-label', 'step of the episode');
  const said = element('output');
  const play = element('button', { type: 'button', textContent: 'play', onclick: () => toggle() });
  bar.append(play, slider, said);

  const { redraw } = sheet(stage, (width) => (width < 480 ? 0.4 : 0.2), (context, width, height) => {
    const x = (t) => 34 + (t / (data.rows - 1)) * (width - 40), values = [...data.reward, ...data.predicted];
    const low = Math.min(...values), high = Math.max(...values, low + 1e-6);
    const y = (r) => height - 18 - ((r - low) / (high - low)) * (height - 30);
    context.fillStyle = css('--faint');
    context.fillRect(x(data.filtered - 0.5), 0, width, height - 14);
    context.font = '12px system-ui, sans-serif';
    context.fillStyle = css('--soft');
    context.fillText(high.toFixed(1), 4, 14);
    context.fillText(low.toFixed(1), 4, height - 18);
    context.fillText('filtered', x(0), height - 2);
    context.fillText('imagined', x(data.filtered), height - 2);
    trace(context, data.reward, x, y, css('--soft'), 1.5);
    trace(context, data.predicted, x, y, css('--k1'), 2.2);
    context.fillStyle = css('--ink');
    context.fillRect(x(look.row) - 1, 0, 2, height - 14);
  });
  function trace(context, values, x, y, colour, width) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    values.forEach((value, t) => context[t ? 'lineTo' : 'moveTo'](x(t), y(value)));
    context.stroke();
  }
  function go(row) {
    look.row = row;
    slider.value = row;
    canvases.forEach((canvas, panel) => {
      const cell = row * data.panels.length + panel, context = canvas.getContext('2d');
      context.imageSmoothingEnabled = false;
      context.drawImage(video.image, (cell % columns) * size, Math.floor(cell / columns) * size, size, size, 0, 0, canvas.width, canvas.height);
    });
    const ahead = row - data.filtered + 1;
    said.textContent = ahead < 1 ? `step ${row}: filtered, sees every frame` : `step ${row}: imagined, ${ahead} ahead`;
    said.className = ahead < 1 ? 'filtered' : 'imagined';
    redraw();
  }
  function toggle() {
    if (look.timer) { clearInterval(look.timer); look.timer = null; play.textContent = 'play'; return; }
    play.textContent = 'stop';
    look.timer = setInterval(() => go((look.row + 1) % data.rows), 120);
  }
  go(data.filtered);
  return video.ready.then(() => go(data.filtered));
}

function planMap(root, data) {
  const look = { moment: 0, iteration: 0, candidates: true, tube: true, close: true };
  const tools = element('div', { className: 'tools' });
  const stage = element('div', { className: 'stage' });
  root.append(tools, stage);
  const slider = element('input', { type: 'range', min: 0, value: 0, oninput: () => { look.iteration = +slider.value; show(); } });
  slider.setAttribute('aria-label', 'iteration of the search');
  const said = element('output');
  const tick = (name, text) => {
    const box = element('input', { type: 'checkbox', checked: true, onchange: () => { look[name] = box.checked; show(); } });
    return labelled(text, box, true);
  };
  tools.append(
    labelled('moment', chooser(data.moments.map((m) => m.name), (i) => { look.moment = i; begin(); })),
    labelled('iteration', slider), said, tick('candidates', 'candidates'), tick('tube', 'iLQR and its tube'), tick('close', 'from near'),
  );
  const { redraw } = sheet(stage, (width) => (width < 480 ? 0.95 : 0.66), (context, width, height) => {
    const moment = data.moments[look.moment], search = moment.iterations[look.iteration];
    const put = framed(moment, width, height);
    context.fillStyle = css('--rule');
    context.globalAlpha = 0.3;
    put(data.background).forEach(([x, y]) => context.fillRect(x - 1.5, y - 1.5, 3, 3));
    context.globalAlpha = 1;
    if (look.candidates) {
      search.candidates.forEach((path) => trace(context, put(path), css('--k0'), 1, 0.22));
      search.elites.forEach((path) => trace(context, put(path), css('--k1'), 1.2, 0.6));
    }
    if (look.tube && moment.ilqr) {
      [['open', '--k7', 0.1], ['closed', '--k3', 0.2]].forEach(([name, colour, alpha]) =>
        moment.ilqr[name].forEach((outline) => area(context, put(outline), css(colour), alpha)));
      trace(context, put(moment.ilqr.path), css('--k3'), 2.6, 1);
    }
    trace(context, put(search.mean), css('--k1'), 3, 1);
    trace(context, put(moment.happened), css('--k2'), 2.6, 1, [6, 4]);
    const [[x, y]] = put([search.mean[0]]);
    context.fillStyle = css('--ink');
    context.beginPath();
    context.arc(x, y, 5, 0, 7);
    context.fill();
  });
  // Everything that is thick in the picture of this moment, and some room around it; or the whole map.
  function framed(moment, width, height) {
    if (!look.close) return (points) => placed(points, data.half, width, height);
    const shown = [...moment.iterations.flatMap((i) => [...i.mean, ...i.elites.flat()]), ...moment.happened, ...(moment.ilqr ? moment.ilqr.path : [])];
    const [xs, ys] = [0, 1].map((k) => shown.map((point) => point[k]));
    const middle = [xs, ys].map((v) => (Math.min(...v) + Math.max(...v)) / 2);
    const half = [xs, ys].map((v) => 0.65 * (Math.max(...v) - Math.min(...v)) + 0.02);
    return (points) => placed(points.map(([x, y]) => [x - middle[0], y - middle[1]]), half, width, height);
  }
  function trace(context, points, colour, width, alpha, dash = []) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.globalAlpha = alpha;
    context.setLineDash(dash);
    context.beginPath();
    points.forEach(([x, y], k) => context[k ? 'lineTo' : 'moveTo'](x, y));
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }
  function area(context, points, colour, alpha) {
    context.fillStyle = colour;
    context.globalAlpha = alpha;
    context.beginPath();
    points.forEach(([x, y], k) => context[k ? 'lineTo' : 'moveTo'](x, y));
    context.fill();
    context.globalAlpha = 1;
  }
  function begin() {
    slider.max = data.moments[look.moment].iterations.length - 1;
    look.iteration = +slider.max;
    slider.value = slider.max;
    root.parentElement.querySelectorAll('.moment').forEach((part, i) => { part.hidden = i !== look.moment; });
    show();
  }
  function show() {
    const iterations = data.moments[look.moment].iterations;
    said.textContent = `${look.iteration + 1} of ${iterations.length}, best ${iterations[look.iteration].best}`;
    redraw();
  }
  begin();
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
