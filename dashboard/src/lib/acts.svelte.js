/* What a person may ask for. The result stays beside its button for ten seconds; the record stays with the daemon. */

import { api, Refused } from './api.js';
import { clock } from './clock.svelte.js';
import { plural, tookText } from './format.js';
import { go } from './route.svelte.js';
import { world } from './world.svelte.js';

const SHOWN_MS = 10000;

class Dialog {
  /** repair, reset, explain, evidence, legend, or null. */
  kind = $state(null);
  broker = $state(null);
  target = $state(null);
  opener = null;
}

export const dialog = new Dialog();

export function open(kind, { broker = null, target = null } = {}) {
  dialog.opener = document.activeElement;
  dialog.kind = kind;
  dialog.broker = broker;
  dialog.target = target;
}

export function close() {
  dialog.kind = null;
  const back = dialog.opener;
  dialog.opener = null;
  if (back?.isConnected) back.focus();
}

class Run {
  isBusy = $state(false);
  said = $state('');
  isBad = $state(false);
  timer = 0;
}

const runs = new Map();

/** How an act on a broker stands, for whatever button shows it. */
export function runOf(act, broker) {
  const id = `${act} ${broker}`;
  let run = runs.get(id);
  if (!run) runs.set(id, (run = new Run()));
  return run;
}

async function perform(act, broker, call, say) {
  const run = runOf(act, broker);
  if (run.isBusy) return;
  clearTimeout(run.timer);
  run.isBusy = true;
  run.said = '';
  const began = clock();
  try {
    const reply = await call();
    run.isBad = Boolean(reply?.error ?? reply?.refresh?.error);
    run.said = say(reply, (clock() - began) / 1000);
  } catch (error) {
    run.isBad = true;
    run.said = error instanceof Refused ? error.message : 'The daemon did not answer.';
  }
  run.isBusy = false;
  run.timer = setTimeout(() => (run.said = ''), SHOWN_MS);
}

const readSaid = (report, took) =>
  report.error
    ? `Not read: ${report.error}`
    : `Read in ${tookText(report.took_s ?? took)}, ${plural(report.changed?.length ?? 0, 'figure')} changed` +
      (report.suspects?.length ? `, ${report.suspects.length} waiting for a second read` : '');

export const refresh = (broker) => perform('refresh', broker, () => api.refresh(broker), readSaid);

export const restartStream = (broker) =>
  perform('restart-stream', broker, () => api.restartStream(broker), (report, took) =>
    report.error ? `Not restarted: ${report.error}` : `Restarted in ${tookText(report.took_s ?? took)}` +
      (report.state ?? report.stream?.state ? `, ${report.state ?? report.stream.state}` : ''),
  );

export const resetBreaker = (broker) =>
  perform('reset', broker, () => api.reset(broker), (report, took) => {
    const left = (report.after ?? []).filter((each) => each.breaker.state !== 'closed').map((each) => each.name);
    const refreshed = report.refresh ? readSaid(report.refresh, took) : `took ${tookText(took)}`;
    return `${left.length ? `Still not closed: ${left.join(', ')}` : 'Closed'}. ${refreshed}`;
  });

/** Why a button that changes something cannot be used now; empty where it can. */
export function whyNot() {
  if (world.phase !== 'live') return 'not while disconnected';
  return world.mayOperate ? '' : 'needs the operate role';
}

/** Do what an attention row's one button says. */
export function actOn(row) {
  switch (row.action) {
    case 'repair':
      return open('repair', { broker: row.broker });
    case 'restart-stream':
      return restartStream(row.broker);
    case 'reset':
      return open('reset', { broker: row.broker });
    case 'evidence':
      return open('evidence', { broker: row.broker, target: row.target });
    case 'compare':
      return go(`/discrepancies?id=${encodeURIComponent(row.id.replace(/^discrepancy:/, ''))}`);
    case 'readiness':
      return go(`/readiness?broker=${encodeURIComponent(row.broker)}`);
    case 'resume':
      return open('resume', { broker: row.broker });
    default:
      return go(`/brokers/${encodeURIComponent(row.broker)}`);
  }
}

/** Acts that change something, and so need the role; the others only show. */
export const isActing = (action) => action === 'repair' || action === 'restart-stream' || action === 'reset';
