/*
 * What the daemon has told, and how the page stands to it.
 *
 * News is kept at once in plain records and shown in one frame, at most four times a second, and not at all while
 * nobody looks. Ages come as seconds at the daemon's own time; here they are kept as moments on the page's clock, so
 * that they count on whatever becomes of the connection.
 */

import { clock, onTick, touch } from './clock.svelte.js';

const FRAME_EVERY_MS = 250;
const EVENTS_KEPT = 1000;
const SCHEMA = 1;

/** One asset at one broker: what is shown of it, as one reactive cell. */
class Cell {
  figure = $state.raw(null);
  asOf = $state(null);
}

class World {
  /** loading, live, lost or barred. */
  phase = $state('loading');
  /** Why, where it is lost: the moment of the last word, and of the next attempt. */
  lostAt = $state(0);
  /** UTC milliseconds of the last word; 0 where there was none. */
  lastWordMs = $state(0);
  nextAttemptAt = $state(null);
  isSlow = $state(false);
  isOtherVersion = $state(false);

  role = $state('read');
  version = $state('');
  owner = $state.raw(null);
  maxAgeS = $state(30);
  verdict = $state.raw(null);
  oldestAsOf = $state(null);
  attention = $state.raw([]);
  brokers = $state.raw([]);
  assets = $state.raw([]);
  sums = $state.raw({});
  absent = $state.raw({});
  reservations = $state.raw([]);
  differences = $state.raw([]);
  events = $state.raw([]);
  jobs = $state.raw({});
  /** Rises with every frame in which a figure changed: for what has to look at all of them. */
  figuresVersion = $state(0);
  /** Rises with the set of assets or brokers only: for what is laid out by it. */
  shapeVersion = $state(0);

  get isLost() {
    return this.phase === 'lost';
  }

  get mayOperate() {
    return this.role === 'operate';
  }
}

export const world = new World();

const cells = new Map();
let names = new Map();
let sequence = -1;
let wallOffsetMs = 0;
let pending = null;
let lastFrameAt = 0;
let frame = 0;
let timer = 0;
let instance = null;

const key = (broker, asset) => `${broker}\u0000${asset}`;

/** The cell of an asset at a broker; it is empty while the broker has told nothing of it. */
export function cellOf(broker, asset) {
  const id = key(broker, asset);
  let cell = cells.get(id);
  if (!cell) {
    cell = new Cell();
    cells.set(id, cell);
  }
  return cell;
}

/** Every asset of a broker that has a figure. */
export const assetsOf = (broker) => names.get(broker) ?? [];

/** UTC milliseconds on the daemon's clock. */
export const wallMs = () => clock() + wallOffsetMs;

/** Seconds since a moment on the page's clock; null stays null. */
export const secondsSince = (asOf, now = clock()) => (asOf === null ? null : Math.max(0, (now - asOf) / 1000));

const momentOf = (ageS, at) => (ageS === null || ageS === undefined ? null : at - ageS * 1000);

/** Sentences with their durations as moments: `asOf` counts up, `until` counts down. */
function settled(sentence, at) {
  return sentence.map((part) => ({
    ...part,
    asOf: part.age_s === undefined ? undefined : momentOf(part.age_s, at),
    until: part.left_s === undefined ? undefined : at + part.left_s * 1000,
  }));
}

function settledBroker(row, at) {
  return {
    ...row,
    cause: settled(row.cause, at),
    stream: { ...row.stream, words: settled(row.stream.words, at) },
    asOf: momentOf(row.age_s, at),
    frameAsOf: momentOf(row.frame_age_s, at),
    retryAt: row.breaker.retry_after_s === null ? null : at + row.breaker.retry_after_s * 1000,
    emptyAt: row.budget ? at + row.budget.zero_in_s * 1000 : null,
    // Stretches are on the daemon's clock; the page draws them on its own.
    spans: row.spans.map((span) => ({
      state: span.state,
      start: at - (frameNowS - span.start_s) * 1000,
      end: span.end_s === null ? null : at - (frameNowS - span.end_s) * 1000,
    })),
  };
}

let frameNowS = 0;

const settledRow = (row, at) => ({ ...row, what: settled(row.what, at), does: settled(row.does, at) });
const settledClaim = (row, at) => ({ ...row, asOf: momentOf(row.age_s, at), next: settled(row.next, at) });
const settledDifference = (row, at) => ({ ...row, asOf: momentOf(row.for_s, at), says: settled(row.says, at) });

/** Take the whole picture: it replaces everything, in one frame. */
export function takeSnapshot(told) {
  const at = clock();
  frameNowS = told.now_s;
  sequence = told.sequence;
  wallOffsetMs = told.wall_us / 1000 - at;
  pending = null;
  if (instance !== null && told.version !== world.version) world.isOtherVersion = true;
  if (told.schema_version !== SCHEMA) world.isOtherVersion = true;
  instance = told.instance;
  world.role = told.role;
  world.version = told.version;
  world.owner = told.owner;
  world.maxAgeS = told.max_age_s;
  world.verdict = { ...told.verdict, detail: settled(told.verdict.detail, at) };
  world.oldestAsOf = momentOf(told.verdict.oldest_age_s, at);
  world.attention = told.attention.map((row) => settledRow(row, at));
  world.brokers = told.brokers.map((row) => settledBroker(row, at));
  world.sums = told.sums;
  const before = new Set(cells.keys());
  names = new Map();
  const absent = {};
  for (const [broker, found] of Object.entries(told.balances)) {
    names.set(broker, Object.keys(found.balances));
    absent[broker] = new Set(found.absent);
    for (const [asset, figure] of Object.entries(found.balances)) {
      const cell = cellOf(broker, asset);
      cell.figure = figure;
      cell.asOf = momentOf(figure.age_s, at);
      before.delete(key(broker, asset));
    }
  }
  for (const id of before) cells.get(id).figure = null;
  world.absent = absent;
  world.assets = Object.keys(told.sums);
  world.reservations = told.reservations.map((row) => settledClaim(row, at));
  world.differences = told.discrepancies.map((row) => settledDifference(row, at));
  world.events = told.events;
  world.jobs = Object.fromEntries(told.jobs.map((job) => [job.id, job]));
  world.figuresVersion += 1;
  world.shapeVersion += 1;
  world.phase = 'live';
  world.isSlow = false;
  touch();
}

/** Take what changed; false where something was missed and a snapshot is needed. */
export function takeDelta(told) {
  if (told.sequence <= sequence) return true;
  if (told.sequence !== sequence + 1) return false;
  sequence = told.sequence;
  const at = clock();
  pending ??= {
    cells: new Map(), brokers: new Map(), sums: {}, events: [], isNewShape: false, hasFigures: false,
  };
  frameNowS = told.now_s;
  wallOffsetMs = told.wall_us / 1000 - at;
  const next = pending;
  if (told.verdict) next.verdict = { ...told.verdict, detail: settled(told.verdict.detail, at) };
  const oldestS = told.verdict ? told.verdict.oldest_age_s : told.oldest_age_s;
  if (oldestS !== undefined) next.oldestAsOf = momentOf(oldestS, at);
  if (told.attention) next.attention = told.attention.map((row) => settledRow(row, at));
  for (const row of told.brokers ?? []) next.brokers.set(row.name, settledBroker(row, at));
  for (const { broker, asset, figure } of told.figures ?? []) {
    next.hasFigures = true;
    next.cells.set(key(broker, asset), { figure, asOf: momentOf(figure.age_s, at) });
    const known = names.get(broker) ?? [];
    if (!known.includes(asset)) {
      names.set(broker, [...known, asset]);
      next.isNewShape = true;
    }
  }
  for (const renewed of told.ages ?? []) {
    const row = next.brokers.get(renewed.broker) ?? world.brokers.find((each) => each.name === renewed.broker);
    if (row) {
      next.brokers.set(renewed.broker, {
        ...row, asOf: momentOf(renewed.age_s, at), frameAsOf: momentOf(renewed.frame_age_s, at),
      });
    }
    for (const [ageS, assets] of renewed.figures ?? []) {
      const asOf = momentOf(ageS, at);
      for (const asset of assets.length ? assets : assetsOf(renewed.broker)) {
        const id = key(renewed.broker, asset);
        const waiting = next.cells.get(id);
        if (waiting) waiting.asOf = asOf;
        else if (cells.get(id)?.figure?.age_s !== null) next.cells.set(id, { asOf });
      }
    }
  }
  Object.assign(next.sums, told.sums);
  if (told.reservations) next.reservations = told.reservations.map((row) => settledClaim(row, at));
  if (told.discrepancies) next.differences = told.discrepancies.map((row) => settledDifference(row, at));
  if (told.events?.length) next.events = [...told.events, ...next.events].slice(0, EVENTS_KEPT);
  ask();
  return true;
}

/** A job moved; anybody's. */
export function takeJob(job) {
  const jobs = { ...world.jobs, [job.id]: job };
  const old = Object.values(jobs).sort((a, b) => b.started_us - a.started_us).slice(30);
  for (const each of old) if (each.state !== 'running') delete jobs[each.id];
  world.jobs = jobs;
}

/** The job of a broker that is under way. */
export const runningJob = (broker) =>
  Object.values(world.jobs).find((job) => job.broker === broker && job.state === 'running');

function ask() {
  if (frame || timer || document.visibilityState === 'hidden') return;
  const wait = lastFrameAt + FRAME_EVERY_MS - performance.now();
  if (wait > 4) {
    timer = setTimeout(() => {
      timer = 0;
      frame = requestAnimationFrame(show);
    }, wait);
  } else frame = requestAnimationFrame(show);
}

function show() {
  frame = 0;
  lastFrameAt = performance.now();
  const next = pending;
  pending = null;
  if (!next) return;
  for (const [id, found] of next.cells) {
    let cell = cells.get(id);
    if (!cell) cells.set(id, (cell = new Cell()));
    if (found.figure) cell.figure = found.figure;
    cell.asOf = found.asOf;
  }
  if (next.verdict) world.verdict = next.verdict;
  if (next.oldestAsOf !== undefined) world.oldestAsOf = next.oldestAsOf;
  if (next.attention) world.attention = next.attention;
  if (next.brokers.size) world.brokers = world.brokers.map((row) => next.brokers.get(row.name) ?? row);
  if (Object.keys(next.sums).length) {
    world.sums = { ...world.sums, ...next.sums };
    const assets = Object.keys(world.sums);
    if (assets.length !== world.assets.length) world.assets = assets.sort();
  }
  if (next.reservations) world.reservations = next.reservations;
  if (next.differences) world.differences = next.differences;
  if (next.events.length) world.events = [...next.events, ...world.events].slice(0, EVENTS_KEPT);
  if (next.hasFigures) world.figuresVersion += 1;
  if (next.isNewShape) world.shapeVersion += 1;
}

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && pending) ask();
});

// A page that was frozen has nothing to show for it until it has heard again; the connection sees to that.
onTick(() => {
  if (document.visibilityState === 'visible' && pending) ask();
});
