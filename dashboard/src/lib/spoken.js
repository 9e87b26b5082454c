import { ageSpoken } from './format.js';
import { secondsSince } from './world.svelte.js';

/** A sentence of the daemon's as plain words, for a screen reader. */
export const words = (parts) =>
  parts
    .map((part) => part.text ?? (part.amount !== undefined ? `${part.amount} ${part.asset}` : part.asOf !== undefined ? ageSpoken(secondsSince(part.asOf)) : 'shortly'))
    .join('');
