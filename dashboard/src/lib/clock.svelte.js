/*
 * One clock for the page, in milliseconds. It only goes forward, and it goes on while the machine sleeps: where the
 * browser's own monotonic clock halts, the missing time is added as soon as the page wakes.
 */

let offset = 0;
let lastPerformance = performance.now();
let lastWall = Date.now();

function catchUp() {
  const now = performance.now();
  const wall = Date.now();
  const slept = wall - lastWall - (now - lastPerformance);
  if (slept > 2000) offset += slept;
  lastPerformance = now;
  lastWall = wall;
}

/** Milliseconds since the page began, sleep included. */
export const clock = () => performance.now() + offset;

class Ticker {
  now = $state(clock());
}

const ticker = new Ticker();

/** The time of the page's one timer, renewed once a second; reading it in a component makes the component follow. */
export const ticking = () => ticker.now;

const listeners = new Set();

/** Call *callback* once a second; returns what ends that. */
export function onTick(callback) {
  listeners.add(callback);
  return () => listeners.delete(callback);
}

/** Move the shown time on: after a frame of news, so that an age just renewed is counted from its own moment. */
export function touch() {
  ticker.now = clock();
}

function beat() {
  catchUp();
  if (document.visibilityState === 'visible') ticker.now = clock();
  for (const each of listeners) each();
}

setInterval(beat, 1000);
document.addEventListener('visibilitychange', beat);
