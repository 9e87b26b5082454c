/* The daemon's HTTP API as far as the page uses it: every path is named here and nowhere else. */

const KEY = 'holdfast.bearer';

/** What the daemon refused, with its own message. */
export class Refused extends Error {
  constructor(status, body) {
    const error = body?.error ?? {};
    super(error.message ?? `the daemon answered ${status}`);
    this.status = status;
    this.code = error.code ?? '';
    this.hint = error.hint ?? null;
  }
}

let bearer = null;
try {
  bearer = JSON.parse(sessionStorage.getItem(KEY));
} catch {
  bearer = null;
}

export const role = () => bearer?.role ?? null;

/** Trade the one-time code of the link for a bearer, and forget the code; true where there is a bearer now. */
export async function signIn() {
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  if (code) {
    history.replaceState(null, '', location.pathname + location.search);
    const reply = await fetch('/v1/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code }),
      cache: 'no-store',
    });
    if (reply.ok) {
      bearer = await reply.json();
      try {
        sessionStorage.setItem(KEY, JSON.stringify(bearer));
      } catch {
        // Kept for as long as this page is open, then.
      }
    }
  }
  return bearer !== null;
}

export const headers = () => (bearer ? { authorization: `Bearer ${bearer.token}` } : {});

async function ask(path, options = {}) {
  const reply = await fetch(path, { ...options, cache: 'no-store', headers: { ...headers(), ...options.headers } });
  const isJson = reply.headers.get('content-type')?.includes('json');
  const body = isJson ? await reply.json() : await reply.text();
  if (!reply.ok) throw new Refused(reply.status, isJson ? body : null);
  return body;
}

const post = (path, body = {}) =>
  ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

const of = (broker) => `/v1/brokers/${encodeURIComponent(broker)}`;

export const api = {
  stream: '/v1/stream?view=page',
  timeline: (broker, asset, rangeS, points, signal) =>
    ask(`${of(broker)}/timeline?${new URLSearchParams({ asset, range_s: rangeS, points })}`, { signal }),
  explain: (broker, asset) => ask(`${of(broker)}/balances/${encodeURIComponent(asset)}/explain`),
  order: (broker, intentId) => ask(`${of(broker)}/orders/${encodeURIComponent(intentId)}`),
  release: (broker, intentId, confirm) =>
    post(`${of(broker)}/reservations/${encodeURIComponent(intentId)}/release`, { force: true, confirm }),
  refresh: (broker) => post(`${of(broker)}/refresh`),
  restartStream: (broker) => post(`${of(broker)}/restart-stream`),
  reset: (broker) => post(`${of(broker)}/reset`),
  repair: (broker, { dryRun }) => post(`${of(broker)}/repair`, { dry_run: dryRun }),
  readiness: (broker) => ask(`${of(broker)}/readiness`),
  measure: (broker) => post(`${of(broker)}/readiness`),
  history: (broker, asset, limit = 50) =>
    ask(`${of(broker)}/history?${new URLSearchParams({ asset, limit, kind: 'discrepancy' })}`),
  job: (id) => ask(`/v1/jobs/${encodeURIComponent(id)}`),
  stopJob: (id) => post(`/v1/jobs/${encodeURIComponent(id)}/stop`),
  /** A document as a file, for the exports. */
  download: async (path, accept) => {
    const reply = await fetch(path, { headers: { ...headers(), accept }, cache: 'no-store' });
    if (!reply.ok) throw new Refused(reply.status, null);
    return reply.blob();
  },
  readinessPath: (broker) => `${of(broker)}/readiness`,
};
