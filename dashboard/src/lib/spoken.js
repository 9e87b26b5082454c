import { ticking } from './clock.svelte.js';
import { ageSpoken } from './format.js';
import { secondsSince, world } from './world.svelte.js';

/** A sentence of the daemon's as plain words, for a screen reader. */
export const words = (parts) =>
  parts
    .map((part) => part.text ?? (part.amount !== undefined ? `${part.amount} ${part.asset}` : part.asOf !== undefined ? ageSpoken(secondsSince(part.asOf)) : 'shortly'))
    .join('');

/**
 * A figure's state as it is read out. A figure that is kept true has no age worth a word, and writing one into every
 * cell every second would cost more than all the rest; one that has aged says by how many minutes.
 */
export function spokenState(state, asOf) {
  if (state === 'live') return ', live';
  if (state === 'fresh') return `, fresh, within ${Math.round(world.maxAgeS)} seconds`;
  if (asOf === null) return `, ${state}`;
  const minute = Math.floor(ticking() / 60000) * 60000;
  return `, ${state}, ${ageSpoken(secondsSince(asOf, Math.max(minute, asOf)))}`;
}
