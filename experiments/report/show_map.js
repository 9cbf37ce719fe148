// The latent map: points with a colour, a place and two pictures each.
function latentMap(root, data) {
  const look = { colour: 0, view: 0, paths: false, grid: true, turn: { yaw: 0.5, pitch: -0.35 }, near: -1 };
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
    const straight = view.dims < 3 && view.axes.length;
    context.fillStyle = css('--soft');
    context.font = '12px system-ui, sans-serif';
    context.textAlign = 'right';
    if (straight) context.fillText(view.axes[0] + ' →', width - 6, height - 6);
    context.textAlign = 'left';
    const bent = 'neighbours are kept, distances are not';
    context.fillText(straight ? '↑ ' + view.axes[1] : view.dims < 3 ? bent : 'drag to turn', 6, 14);
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
    const depth = view.dims > 2 ? clamp(0.62 + 0.45 * places[i][2], 0.22, 1) : 0.9;
    context.globalAlpha = i === look.near ? 1 : value === null ? 0.25 : grid ? 0.55 * depth : depth;
    context.fillStyle = value === null ? css('--rule') : colourOf(colour.stops, value / 1000);
    const [x, y] = places[i], size = i === look.near ? 7 : (grid ? 2.4 : 3) * (view.dims > 2 ? 0.6 + 0.6 * depth : 1);
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
    const values = data.colours.filter((c) => c.said[i] !== null && c.name !== 'step' && c.name !== 'episode').map((c) => `${c.name} ${c.said[i]}`);
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
