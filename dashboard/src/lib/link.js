/*
 * The one connection: a stream of events through `fetch`, judged by what it delivers. Five seconds without a word is
 * disconnected, whatever the socket says; coming back needs a snapshot before the page calls itself current.
 */

import { api, headers, signIn } from './api.js';
import { clock, onTick } from './clock.svelte.js';
import { takeDelta, takeJob, takeSnapshot, wallMs, world } from './world.svelte.js';

const SILENT_MS = 5000;
const OPEN_MS = 5000;
const WAITS_MS = [0, 1000, 2000, 4000, 8000, 10000];

let controller = null;
let failures = 0;
let lastWord = 0;
let openedBy = 0;
let retry = 0;

/** Sign in where there is a link to do it with, and keep the page connected from then on. */
export async function begin() {
  setTimeout(() => {
    if (world.phase === 'loading') world.isSlow = true;
  }, 300);
  try {
    if (!(await signIn())) {
      world.phase = 'barred';
      return;
    }
  } catch {
    lose();
  }
  onTick(watch);
  connect();
}

/** Try again at once; for the button. */
export function tryNow() {
  failures = 0;
  connect();
}

/** Throw away what is shown and have all of it told anew. */
export function startOver() {
  end();
  connect();
}

function watch() {
  const now = clock();
  if (world.phase === 'barred') return;
  if (controller && openedBy && now > openedBy) drop();
  else if (controller && lastWord && now - lastWord > SILENT_MS) drop();
  else if (!controller && !retry && world.nextAttemptAt !== null && now >= world.nextAttemptAt) connect();
}

function end() {
  controller?.abort();
  controller = null;
  openedBy = 0;
  clearTimeout(retry);
  retry = 0;
}

function lose() {
  if (world.phase === 'barred' || world.phase === 'lost') return;
  world.lostAt = lastWord || clock();
  world.lastWordMs = world.phase === 'live' ? wallMs() - (clock() - world.lostAt) : 0;
  world.phase = 'lost';
}

function drop() {
  end();
  lose();
  const wait = WAITS_MS[Math.min(failures, WAITS_MS.length - 1)];
  failures += 1;
  const jittered = wait * (0.75 + Math.random() / 2);
  world.nextAttemptAt = clock() + jittered;
  retry = setTimeout(() => {
    retry = 0;
    connect();
  }, jittered);
}

async function connect() {
  end();
  const mine = new AbortController();
  controller = mine;
  world.nextAttemptAt = null;
  lastWord = 0;
  openedBy = clock() + OPEN_MS;
  try {
    const reply = await fetch(api.stream, {
      headers: { ...headers(), accept: 'text/event-stream' },
      signal: mine.signal,
      cache: 'no-store',
    });
    if (reply.status === 401 || reply.status === 403) {
      end();
      world.phase = 'barred';
      return;
    }
    if (!reply.ok || !reply.body) throw new Error(`the daemon answered ${reply.status}`);
    if (mine !== controller) return;
    openedBy = 0;
    lastWord = clock();
    await read(reply.body, mine);
  } catch {
    // Whatever it was: the page is without news, and says so.
  }
  if (mine === controller) drop();
}

async function read(body, mine) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done || mine !== controller) return;
    rest += value;
    let start = 0;
    for (let stop = rest.indexOf('\n\n', start); stop >= 0; stop = rest.indexOf('\n\n', start)) {
      if (!hear(rest.slice(start, stop))) return;
      start = stop + 2;
    }
    rest = rest.slice(start);
  }
}

/** One event; false where the stream is of no use any more. */
function hear(block) {
  let kind = 'message';
  let text = '';
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) kind = line.slice(6).trim();
    else if (line.startsWith('data:')) text += (text ? '\n' : '') + line.slice(5).trimStart();
  }
  if (!text) return true; // A comment, or an id alone: not a word about anything.
  const wasLateBy = lastWord ? clock() - lastWord : 0;
  lastWord = clock();
  if (kind === 'snapshot') {
    takeSnapshot(JSON.parse(text));
    failures = 0;
    return true;
  }
  // A page that was frozen wakes to a queue of old news: it was disconnected, whatever is in it.
  if (world.phase !== 'live' || wasLateBy > SILENT_MS) return false;
  if (kind === 'delta') return takeDelta(JSON.parse(text));
  if (kind === 'job') takeJob(JSON.parse(text));
  return kind !== 'bye' && kind !== 'gap';
}
