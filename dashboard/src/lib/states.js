/* Words that the page knows. One that it does not know is shown as unknown: it never guesses. */

const FIGURES = new Set(['live', 'fresh', 'stale', 'unknown']);
const HEALTH = new Set(['healthy', 'degraded', 'down']);
const BREAKERS = new Set(['closed', 'half_open', 'open', 'isolated']);
const CLAIMS = new Set(['active', 'covered', 'in_doubt']);

export const figureState = (state) => (FIGURES.has(state) ? state : 'unknown');
export const healthState = (state) => (HEALTH.has(state) ? state : 'unknown');
export const breakerState = (state) => (BREAKERS.has(state) ? state : 'unknown');
export const claimState = (state) => (CLAIMS.has(state) ? state : 'unknown');

export const word = (state) => state.replace('half_open', 'half-open').replaceAll('_', ' ');

/** What a figure may be called now: nothing on a page that has lost touch is current. */
export function shownState(state, isLost) {
  const known = figureState(state);
  return isLost && (known === 'live' || known === 'fresh') ? 'stale' : known;
}

const TONES = {
  in_doubt: 'bad', down: 'bad', open: 'bad', isolated: 'bad', halted: 'bad', parked: 'bad', stuck: 'bad',
  degraded: 'warn', half_open: 'warn', discrepancy: 'warn', readiness: 'warn',
};

/** The colour of a word, where it has one. */
export const toneOf = (state) => TONES[state] ?? '';

const EVENTS = [
  [/^order\.(doubted|overdue)$/, 'in_doubt'],
  [/^discrepancy\.found$|^reservations\.uncovered$/, 'discrepancy'],
  [/\.(closed|live|recovered|resolved|unparked|confirmed)$/, 'healthy'],
];

/** The glyph of an event: what it is about where that is known, else how bad it is. */
export function eventGlyph(row) {
  for (const [pattern, glyph] of EVENTS) if (pattern.test(row.name)) return glyph;
  return row.level === 'error' ? 'down' : row.level === 'warning' ? 'degraded' : 'info';
}

export const eventTone = (row) => {
  const glyph = eventGlyph(row);
  return glyph === 'healthy' || glyph === 'info' ? '' : toneOf(glyph);
};
