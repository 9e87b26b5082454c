/* The keyboard. No key changes state beyond refresh, and all can be turned off. */

import { close, dialog, open, refresh, whyNot } from './acts.svelte.js';
import { brokerAddress, go, route, withQuery } from './route.svelte.js';
import { nextTheme } from './theme.svelte.js';
import { cellOf, world } from './world.svelte.js';

const KEY = 'holdfast.keys';
const PAGES = { o: '/', b: '/brokers', r: '/reservations', d: '/discrepancies', e: '/events', y: '/readiness' };

class Keys {
  isOn = $state(kept());
}

function kept() {
  try {
    return localStorage.getItem(KEY) !== 'off';
  } catch {
    return true;
  }
}

const keys = new Keys();

export const keysOn = () => keys.isOn;

export function setKeys(isOn) {
  keys.isOn = isOn;
  try {
    localStorage.setItem(KEY, isOn ? 'on' : 'off');
  } catch {
    // For this page only, then.
  }
}

let isGoing = false;
let goingTimer = 0;

const isTyping = (target) => target.closest?.('input, select, textarea, [contenteditable]');

function rowAt(step) {
  const rows = [...document.querySelectorAll('main [data-row]')].filter((each) => each.offsetParent !== null);
  if (!rows.length) return;
  const now = rows.findIndex((each) => each === document.activeElement || each.closest('tr, li')?.contains(document.activeElement));
  rows[Math.max(0, Math.min(rows.length - 1, now < 0 ? (step > 0 ? 0 : rows.length - 1) : now + step))].focus();
}

/** The broker and asset that the focus, or else the selection, is on. */
function atHand() {
  const row = document.activeElement?.closest?.('tr[data-asset]') ?? document.querySelector('main tr.selected[data-asset]');
  const asset = row?.dataset.asset ?? null;
  const broker = route.at.page === 'brokers' && route.at.name ? route.at.name : null;
  return { broker, asset };
}

function copy() {
  const { broker, asset } = atHand();
  const exact = broker && asset ? cellOf(broker, asset).figure?.spendable : document.activeElement?.querySelector?.('[data-exact]')?.dataset.exact;
  if (exact) navigator.clipboard?.writeText(exact);
}

export function onKey(event) {
  if (!keys.isOn || event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return;
  if (dialog.kind !== null) {
    if (event.key === '?' && dialog.kind === 'legend') close();
    return;
  }
  if (isTyping(event.target)) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  if (isGoing) {
    isGoing = false;
    clearTimeout(goingTimer);
    if (PAGES[event.key]) {
      event.preventDefault();
      go(PAGES[event.key]);
    }
    return;
  }
  const { broker, asset } = atHand();
  if (/^[1-9]$/.test(event.key)) {
    const row = world.brokers[Number(event.key) - 1];
    if (row) go(brokerAddress(row.name));
    return;
  }
  switch (event.key) {
    case '?':
      open('legend');
      break;
    case '/':
      document.getElementById('find')?.focus();
      break;
    case 'g':
      isGoing = true;
      goingTimer = setTimeout(() => (isGoing = false), 1500);
      return;
    case 'j':
      rowAt(1);
      break;
    case 'k':
      rowAt(-1);
      break;
    case 'x':
      if (broker && asset) open('explain', { broker, target: asset });
      break;
    case 'c':
      copy();
      return;
    case 'r':
      if (broker && !whyNot()) refresh(broker);
      break;
    case 'z':
      if (route.at.page === 'brokers' && route.at.name) withQuery({ zeros: route.at.query.zeros ? '' : 'hide' });
      else if (route.at.page === 'overview') withQuery({ zeros: route.at.query.zeros ? '' : 'show' });
      break;
    case 't':
      nextTheme();
      break;
    default:
      return;
  }
  event.preventDefault();
}
