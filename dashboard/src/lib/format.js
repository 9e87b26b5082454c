/*
 * Exact text in, text for people out. Amounts are never turned into numbers: grouping and cutting are done on digits.
 */

const MOST_DECIMALS = 8;
const MOST_WHOLE = 15;
const MONEY = new Set(
  'USD EUR GBP CHF CAD AUD NZD USDT USDC DAI PYUSD USDG USDS EURC EURT EURQ TUSD USDP RLUSD GUSD FDUSD'.split(' '),
);

/** The parts of a shown amount: sign, grouped whole part, fraction with its point, and the mark of what was cut off. */
export function amountParts(exact, asset = '') {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(exact);
  if (!match) return { sign: '', whole: exact, fraction: '', mark: '' };
  const [, minus, digits, rest = ''] = match;
  const sign = minus ? '\u2212' : '';
  const whole = digits.replace(/^0+(?=\d)/, '');
  const decimals = rest.replace(/0+$/, '');
  if (whole === '0' && decimals === '') return { sign: '', whole: '0', fraction: '', mark: '' };
  const shown = decimals.slice(0, MOST_DECIMALS);
  if (whole === '0' && /^0*$/.test(shown)) return { sign: `${sign}<`, whole: '0', fraction: '.00000001', mark: '' };
  const kept = shown.replace(/0+$/, '');
  const padded = MONEY.has(asset) ? kept.padEnd(2, '0') : kept;
  return {
    sign,
    whole: grouped(whole),
    fraction: padded ? `.${padded}` : '',
    mark: decimals.length > MOST_DECIMALS ? '…' : '',
  };
}

function grouped(whole) {
  const text = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return whole.length > MOST_WHOLE ? `${text.slice(0, 9)}…${text.slice(-7)}` : text;
}

/** An amount as one text; `–` where it is not known. */
export function amountText(exact, asset = '') {
  if (exact === null || exact === undefined) return '–';
  const { sign, whole, fraction, mark } = amountParts(exact, asset);
  return sign + whole + fraction + mark;
}

/** Digits of the fraction as shown, the mark included: what a column is as wide as. */
export function fractionLength(exact, asset = '') {
  if (exact === null || exact === undefined) return 0;
  const { fraction, mark } = amountParts(exact, asset);
  return fraction.length + mark.length;
}

/** Whether an exact amount is a zero, whatever its digits. */
export const isZero = (exact) => exact !== null && exact !== undefined && /^-?0*(\.0*)?$/.test(exact);

/** Compare two exact amounts without turning them into numbers; unknown comes first. */
export function compareAmounts(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return -1;
  if (b === null || b === undefined) return 1;
  const [low, high] = [scaled(a), scaled(b)];
  const places = Math.max(low.places, high.places);
  const left = low.digits * 10n ** BigInt(places - low.places);
  const right = high.digits * 10n ** BigInt(places - high.places);
  return left < right ? -1 : left > right ? 1 : 0;
}

function scaled(exact) {
  const [whole, fraction = ''] = exact.split('.');
  return { digits: BigInt(whole + fraction), places: fraction.length };
}

/** A duration in the page's few words; null is `never`. */
export function ageText(seconds) {
  if (seconds === null || seconds === undefined) return 'never';
  if (seconds < 1) return '< 1 s';
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) {
    const minutes = Math.floor((seconds % 3600) / 60);
    return `${Math.floor(seconds / 3600)} h ${minutes < 10 ? '0' : ''}${minutes}`;
  }
  return `${Math.floor(seconds / 86400)} d`;
}

/** The same for a screen reader. */
export function ageSpoken(seconds) {
  if (seconds === null || seconds === undefined) return 'never confirmed';
  if (seconds < 1) return 'less than a second';
  const say = (count, unit) => `${count} ${unit}${count === 1 ? '' : 's'}`;
  if (seconds < 60) return say(Math.floor(seconds), 'second');
  if (seconds < 3600) return say(Math.floor(seconds / 60), 'minute');
  if (seconds < 86400) return say(Math.floor(seconds / 3600), 'hour');
  return say(Math.floor(seconds / 86400), 'day');
}

/** A short measured time: milliseconds below a second. */
export function tookText(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  return seconds < 100 ? `${seconds.toFixed(1)} s` : ageText(seconds);
}

/** First four, last four; the whole is in the tooltip and in what is copied. */
export const shortId = (id) => (id && id.length > 10 ? `${id.slice(0, 4)}…${id.slice(-4)}` : (id ?? ''));

/** Text from outside, made harmless to read: control characters become pictures, direction marks too, 64 at most. */
export function clean(text, most = 64) {
  const shown = [...String(text)].map((each) => {
    const code = each.codePointAt(0);
    if (code < 0x20) return String.fromCodePoint(0x2400 + code);
    if (code === 0x7f) return '\u2421';
    const isHidden =
      (code >= 0x80 && code <= 0x9f) ||
      (code >= 0x200b && code <= 0x200f) ||
      (code >= 0x2028 && code <= 0x202e) ||
      (code >= 0x2060 && code <= 0x206f) ||
      code === 0xfeff;
    return isHidden ? '\ufffd' : each;
  });
  return shown.length > most ? `${shown.slice(0, most - 1).join('')}…` : shown.join('');
}

const two = (value) => String(value).padStart(2, '0');

/** UTC time of day, with the date where it is another day than *now*. Both in milliseconds. */
export function timeText(atMs, nowMs) {
  const at = new Date(atMs);
  const clock = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
  const isToday = Math.floor(atMs / 864e5) === Math.floor(nowMs / 864e5);
  return isToday ? clock : `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())} ${clock}`;
}

/** The same moment on the reader's own clock, for tooltips. */
export const localTime = (atMs) => `${new Date(atMs).toLocaleString()} local time`;

export const plural = (count, word, many = `${word}s`) => `${count} ${count === 1 ? word : many}`;

export const sentenceCase = (text) => (text ? text[0].toUpperCase() + text.slice(1) : text);
