/*
 * Total and spendable as steps over time, and under them three lanes on the same axis. Floats are used for pixels and
 * for nothing else: what is read out is the exact text. Nothing is drawn where there is no record, and the axis always
 * ends at now, so that silence looks like silence.
 */

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import { amountText, timeText } from './format.js';

const LANE = 13;
const LANES = ['figures', 'stream', 'breaker'];
const BELOW = 20;

/** Draw *told* into *box*; `destroy()` takes it away. */
export function draw(box, told, { asset, say }) {
  const nowMs = told.wall_us / 1000;
  const at = (seconds) => (nowMs - (told.now_s - seconds) * 1000) / 1000;
  const { since, times, total, spendable, texts, figures, remembered } = series(told, at);
  const now = at(told.now_s);
  const style = getComputedStyle(box);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const colours = Object.fromEntries(
    ['ink', 'ink-2', 'ink-3', 'focus', 'fill', 'bad', 'warn', 'line', 'edge', 'surface', 'hatch-line', 'light-fill'].map((name) => [name, colour(name)]),
  );
  const font = `10px ${style.fontFamily}`;
  const hatch = hatching(colours['hatch-line']);
  const stretches = {
    figures,
    stream: told.stream.map((span) => ({ ...stretch(span, at, now), kind: span.state === 'live' ? 'full' : 'dotted' })),
    breaker: told.breaker.map((span) => ({ ...stretch(span, at, now), kind: BREAKERS[span.state] ?? 'dotted' })),
  };
  const span = now - since;
  const widest = Math.max(0, ...texts.map((step) => (step?.total ? amountText(step.total, asset).replace(/\..*/, '').length : 0)));

  const options = {
    width: box.clientWidth,
    height: heightOf(box),
    padding: [10, 14, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { show: false } },
    scales: { x: { time: true, range: () => [since, now] }, y: { range: (_, low, high) => padded(low, high, remembered) } },
    axes: [
      {
        font, stroke: colours['ink-3'], size: BELOW + LANES.length * (LANE + 6), gap: LANES.length * (LANE + 6) + 4, grid: { show: false }, ticks: { show: false },
        splits: () => [0, 0.25, 0.5, 0.75, 1].map((part) => since + part * span),
        values: (_, marks) => marks.map((mark, index) => (index === 4 ? 'now' : axisTime(mark * 1000, span))),
        side: 2,
      },
      {
        font, stroke: colours['ink-3'], size: Math.max(44, 12 + widest * 6.2), gap: 6,
        grid: { stroke: colours.line, width: 1 }, ticks: { show: false },
        values: (_, marks) => marks.map((mark) => mark.toLocaleString('en-US', { maximumFractionDigits: 8 })),
        space: 28,
      },
    ],
    series: [
      {},
      { stroke: colours['ink-2'], width: 1.4, spanGaps: false, points: { show: false } },
      {
        stroke: colours.focus, width: 1.8, spanGaps: false, points: { show: false },
        fill: colours['light-fill'],
      },
    ],
    hooks: {
      drawClear: [(plot) => stale(plot, figures, hatch)],
      draw: [(plot) => lastKnown(plot, remembered, colours), (plot) => lanes(plot, stretches, colours, hatch, font), (plot) => labels(plot, times, total, spendable, colours, font)],
      setCursor: [(plot) => say(readOut(plot.cursor.idx, texts, asset, nowMs))],
    },
  };
  const plot = new uPlot(options, [times, total, spendable], box);
  const observer = new ResizeObserver(() => {
    if (Math.abs(plot.width - box.clientWidth) > 1) plot.setSize({ width: box.clientWidth, height: heightOf(box) });
  });
  observer.observe(box);
  return {
    destroy() {
      observer.disconnect();
      plot.destroy();
    },
  };
}

const heightOf = (box) => box.clientHeight || 236;

const BREAKERS = { closed: 'thin', open: 'bad', half_open: 'warn', isolated: 'outlined' };
const FIGURES = { live: 'full', fresh: 'half', stale: 'hatched', unknown: 'dotted' };

function stretch(span, at, now) {
  return { from: at(span.start_s), to: span.end_s === null ? now : at(span.end_s) };
}

const DRAWN = (step) => step.total !== null && step.state !== 'stale';

/** What is known as lines, each step level to its end; what is merely remembered or not on record has no line. */
function series(told, at) {
  const since = at(told.since_s);
  const now = at(told.now_s);
  const steps = [];
  for (const step of told.steps) {
    const time = Math.max(since, at(step.at_s));
    // Two within one moment, or from before the left edge: the later one holds.
    if (steps.length && time <= steps[steps.length - 1].time) steps.pop();
    steps.push({ ...step, time });
  }
  const times = [since];
  const total = [null];
  const spendable = [null];
  const texts = [null];
  const figures = [];
  const remembered = [];
  const put = (time, step, isDrawn) => {
    if (time <= times[times.length - 1]) {
      if (times.length > 1 || time < since) return;
      times.pop(), total.pop(), spendable.pop(), texts.pop();
    }
    times.push(time);
    total.push(isDrawn ? parseFloat(step.total) : null);
    spendable.push(isDrawn && step.spendable !== null ? parseFloat(step.spendable) : null);
    texts.push(step);
  };
  steps.forEach((step, index) => {
    const to = index + 1 < steps.length ? steps[index + 1].time : now;
    const isDrawn = DRAWN(step);
    put(step.time, step, isDrawn);
    if (isDrawn) put(to - Math.min(0.001, (to - step.time) / 2), step, true);
    if (step.total !== null && !isDrawn) {
      remembered.push({
        from: step.time, to, total: parseFloat(step.total), spendable: step.spendable === null ? null : parseFloat(step.spendable),
      });
    }
    if (step.state) {
      const kind = FIGURES[step.state] ?? 'dotted';
      const last = figures[figures.length - 1];
      if (last && last.kind === kind && last.to === step.time) last.to = to;
      else figures.push({ from: step.time, to, kind });
    }
  });
  // The axis ends at now, whatever was heard last.
  if (times[times.length - 1] < now) {
    times.push(now);
    total.push(total[total.length - 1]);
    spendable.push(spendable[spendable.length - 1]);
    texts.push(texts[texts.length - 1]);
  }
  return { since, times, total, spendable, texts, figures, remembered };
}

function padded(low, high, remembered) {
  const known = [low, high, ...remembered.flatMap((each) => [each.total, each.spendable])].filter(
    (value) => value !== null && Number.isFinite(value),
  );
  if (!known.length) return [0, 1];
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const room = (most - least) * 0.12 || Math.abs(most) * 0.1 || 1;
  return [least - room < 0 && least >= 0 ? 0 : least - room, most + room];
}

const two = (value) => String(value).padStart(2, '0');

function axisTime(ms, span) {
  const date = new Date(ms);
  const day = `${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
  return span > 90000 ? day : `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
}

function readOut(index, texts, asset, nowMs) {
  const step = index === null || index === undefined ? null : texts[index];
  if (!step) return '';
  const when = `${timeText(step.time * 1000, nowMs)} UTC`;
  if (step.total === null) return `${when}: no record`;
  return `${when}: total ${step.total}, spendable ${step.spendable ?? 'not on record'} ${asset}${step.state ? `, ${step.state}` : ''}`;
}

function hatching(colour) {
  const tile = document.createElement('canvas');
  const scale = devicePixelRatio || 1;
  tile.width = tile.height = 7 * scale;
  const pen = tile.getContext('2d');
  pen.strokeStyle = colour;
  pen.lineWidth = scale;
  pen.beginPath();
  for (const shift of [-7, 0, 7]) {
    pen.moveTo((shift - 1) * scale, 8 * scale);
    pen.lineTo((shift + 8) * scale, -1 * scale);
  }
  pen.stroke();
  return tile;
}

/** The ground of stale stretches: hatched, under the lines. */
function stale(plot, figures, hatch) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = ctx.createPattern(hatch, 'repeat');
  for (const each of figures) {
    if (each.kind !== 'hatched') continue;
    const from = plot.valToPos(each.from, 'x', true);
    const to = plot.valToPos(each.to, 'x', true);
    ctx.fillRect(from, bbox.top, to - from, bbox.height);
  }
  ctx.restore();
}

/** The last good values, while they were nothing more than that: dashed and grey. */
function lastKnown(plot, remembered, colours) {
  const { ctx } = plot;
  const scale = devicePixelRatio || 1;
  ctx.save();
  ctx.strokeStyle = colours['ink-3'];
  ctx.lineWidth = 1.4 * scale;
  ctx.setLineDash([3 * scale, 3 * scale]);
  for (const each of remembered) {
    for (const value of [each.total, each.spendable]) {
      if (value === null) continue;
      const y = plot.valToPos(value, 'y', true);
      ctx.beginPath();
      ctx.moveTo(plot.valToPos(each.from, 'x', true), y);
      ctx.lineTo(plot.valToPos(each.to, 'x', true), y);
      ctx.stroke();
    }
  }
  ctx.restore();
}

/** Each line says what it is, on itself. */
function labels(plot, times, total, spendable, colours, font) {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio || 1;
  ctx.save();
  ctx.font = font.replace(/^\d+px/, `600 ${10 * scale}px`);
  ctx.textBaseline = 'bottom';
  ctx.textAlign = 'left';
  for (const [values, text, colour, side] of [[total, 'total', colours['ink-2'], -1], [spendable, 'spendable', colours.focus, 1]]) {
    // In the middle of the longest step, where there is room for it.
    let best = -1;
    for (let index = 0; index + 1 < times.length; index += 1) {
      if (values[index] === null) continue;
      if (best < 0 || times[index + 1] - times[index] > times[best + 1] - times[best]) best = index;
    }
    if (best < 0) continue;
    const x = plot.valToPos((times[best] + times[best + 1]) / 2, 'x', true);
    const y = plot.valToPos(values[best], 'y', true);
    const width = ctx.measureText(text).width;
    ctx.fillStyle = colour;
    const left = Math.min(Math.max(x - width / 2, bbox.left + 2), bbox.left + bbox.width - width - 2);
    ctx.fillText(text, left, side < 0 ? y - 3 * scale : y + 14 * scale);
  }
  ctx.restore();
}

/** Three lanes under the axis: height and texture carry the state, colour repeats it. */
function lanes(plot, stretches, colours, hatch, font) {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio || 1;
  const begin = bbox.top + bbox.height + 4 * scale;
  ctx.save();
  ctx.font = font.replace(/^\d+px/, `${10 * scale}px`);
  LANES.forEach((name, index) => {
    const top = begin + index * (LANE + 6) * scale;
    const height = LANE * scale;
    ctx.fillStyle = colours['ink-3'];
    ctx.textAlign = 'right';
    ctx.textBaseline = 'middle';
    ctx.fillText(name, bbox.left - 6 * scale, top + height / 2);
    for (const each of stretches[name]) {
      const from = Math.max(bbox.left, plot.valToPos(each.from, 'x', true));
      const to = Math.min(bbox.left + bbox.width, plot.valToPos(each.to, 'x', true));
      if (to <= from) continue;
      lane(ctx, each.kind, { left: from, top, width: Math.max(to - from, scale), height, scale, colours, hatch });
    }
  });
  // Now: the axis ends here, and so does the record.
  ctx.strokeStyle = colours.ink;
  ctx.lineWidth = scale;
  ctx.beginPath();
  ctx.moveTo(bbox.left + bbox.width, bbox.top - 4 * scale);
  ctx.lineTo(bbox.left + bbox.width, begin + LANES.length * (LANE + 6) * scale - 4 * scale);
  ctx.stroke();
  ctx.restore();
}

function lane(ctx, kind, { left, top, width, height, scale, colours, hatch }) {
  const fill = (colour, y, tall) => {
    ctx.fillStyle = colour;
    ctx.fillRect(left, y, width, tall);
  };
  const outline = (colour, dashes) => {
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.lineWidth = scale;
    ctx.setLineDash(dashes.map((each) => each * scale));
    ctx.strokeRect(left + scale / 2, top + scale / 2, Math.max(width - scale, 1), height - scale);
    ctx.restore();
  };
  switch (kind) {
    case 'full':
      return fill(colours.fill, top, height);
    case 'half':
      return fill(colours.fill, top + height / 2, height / 2);
    case 'hatched':
      fill(ctx.createPattern(hatch, 'repeat'), top, height);
      return outline(colours.edge, []);
    case 'dotted':
      return outline(colours.edge, [2, 2]);
    case 'thin':
      return fill(colours.fill, top + height / 2 - scale, 1.5 * scale);
    case 'bad':
      return fill(colours.bad, top, height);
    case 'warn':
      return fill(colours.warn, top + height / 2, height / 2);
    default:
      return outline(colours.bad, []);
  }
}
