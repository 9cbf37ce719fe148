// The open-loop video: a step of all panels at a time.
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
    context.fillText(String(+high.toPrecision(2)), 4, 14);
    context.fillText(String(+low.toPrecision(2)), 4, height - 18);
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
