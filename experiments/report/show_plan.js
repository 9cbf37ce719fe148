// Plans on the map: by moment and by iteration of the search.
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
    labelled('iteration', slider), said, tick('candidates', 'candidates'), tick('close', 'from near'),
  );
  if (data.moments.some((m) => m.ilqr)) tools.append(tick('tube', 'iLQR and its tube'));
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
